//! The clock, virtual and real.

use std::time::Duration;

use super::Clock;

#[test]
fn a_virtual_clock_moves_when_told_to() {
    let mut clock = Clock::virtual_at(1_700_000_000_000_000);
    let same = clock.clone();
    assert_eq!((clock.unix_us(), clock.monotonic_ns()), (1_700_000_000_000_000, 1_700_000_000_000_000_000));
    clock.advance(Duration::from_micros(1_500));
    clock.sleep(Duration::from_secs(1));
    clock.resync();
    assert_eq!(clock.unix_us(), 1_700_000_001_001_500);
    assert_eq!(clock.unix_us_at(0), clock.unix_us(), "it has one time only");
    assert_eq!(same.unix_us(), clock.unix_us(), "a copy is the same clock");
    same.pass_between_looks(Duration::from_micros(300));
    let before_ns = clock.monotonic_ns();
    assert_eq!((clock.monotonic_ns(), clock.monotonic_ns()), (before_ns + 300_000, before_ns + 600_000));
    assert_eq!(clock.unix_us() * 1000, before_ns + 600_000, "only looks at monotonic time take time");
}

#[test]
fn a_real_clock_goes_forward_in_step_with_the_system() {
    let mut clock = Clock::real();
    let system_us = || {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
        since.expect("the system's clock is past 1970").as_micros() as u64
    };
    for _ in 0..3 {
        let (before_us, before_ns) = (system_us(), clock.monotonic_ns());
        let now_us = clock.unix_us();
        let (after_ns, after_us) = (clock.monotonic_ns(), system_us());
        assert!(before_ns <= after_ns);
        // Unless somebody sets the system's clock just now; a second is what that would take to be seen.
        assert!(now_us + 1_000_000 > before_us && now_us < after_us + 1_000_000);
        assert!((clock.unix_us_at(before_ns)..=clock.unix_us_at(after_ns)).contains(&now_us));
        assert_eq!(clock.unix_us_at(5_000_000) - clock.unix_us_at(0), 5_000);
        clock.resync();
    }
}

#[test]
#[should_panic(expected = "the real clock moves by itself")]
fn a_real_clock_is_not_moved() {
    Clock::real().advance(Duration::from_secs(1));
}
