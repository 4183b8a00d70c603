//! The counter beside the system's clock, and what a rate may be.

use std::thread;
use std::time::Duration;

use super::super::system_ns;
use super::{Counter, Look};

/// Nanoseconds of a tick at 2.5 GHz.
const SCALE: u64 = (2 << 32) / 5;

#[test]
fn time_goes_on_from_the_last_look() {
    let look = Look { ticks: 1_000, ns: 50 };
    assert_eq!(look.ns_at(1_000, SCALE), 50);
    assert_eq!(look.ns_at(1_000 + 2_500_000, SCALE), 50 + 999_999, "a rate is rounded down");
    assert_eq!(look.ns_at(10, SCALE), 50, "a tick before the look is none after it");
    // A year at 5 GHz fits.
    let year_ticks = 365 * 86_400 * 5_000_000_000;
    assert_eq!(look.ns_at(1_000 + year_ticks, 1 << 32), 50 + year_ticks);
}

#[test]
fn a_rate_is_that_between_two_looks() {
    let before = Look { ticks: 7_000, ns: 1_000_000 };
    let scale = |ticks, ns| Look { ticks, ns }.scale_since(before);
    assert_eq!(scale(7_000 + 250_000_000, 101_000_000), Some(SCALE));
    assert_eq!(scale(7_000, 101_000_000), None, "it stands still");
    assert_eq!(scale(6_999, 101_000_000), None, "it goes back");
    assert_eq!(scale(8_000, 999_999), None, "the system's clock goes back");
    assert_eq!(scale(8_000, 1_000_000), None, "no time has passed");
    assert_eq!(scale(7_000 + 100, 1_000_000 + 100_001), None, "slower than a megahertz");
}

#[test]
fn it_is_followed_while_it_runs_steadily() {
    let look = |ms: u64, ticks: u64| Look { ticks, ns: ms * 1_000_000 };
    let mut counter = Counter { look: look(1_000, 0), scale: 0 };
    assert!(counter.follow(look(1_004, 10_000_000)), "too soon for a rate");
    assert_eq!((counter.look, counter.scale), (look(1_000, 0), 0));
    assert!(counter.follow(look(1_100, 250_000_000)));
    assert_eq!((counter.look, counter.scale), (look(1_100, 250_000_000), SCALE));
    assert_eq!(counter.ticks_per_us(), Some(2_500));
    assert!(counter.follow(look(1_200, 502_000_000)), "slewed by less than a hundredth");
    assert_eq!(counter.ticks_per_us(), Some(2_520));
    assert!(!counter.follow(look(1_300, 802_000_000)), "another machine");
}

/// The naive twin is the system's clock.
#[test]
fn it_tells_what_the_system_tells() {
    let Some(mut counter) = Counter::new(system_ns) else {
        return println!("not looked at: this machine does not keep time by its counter");
    };
    assert_eq!((counter.now_ns(), counter.ticks_per_us()), (None, None), "the rate is not known yet");
    // What a rate measured over 20 ms may be off by after 20 ms, many times over.
    let tolerance_ns = 100_000;
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(20));
        assert!(counter.look(system_ns));
        for _ in 0..1_000 {
            let before_ns = system_ns();
            let Some(now_ns) = counter.now_ns() else { continue };
            let after_ns = system_ns();
            let range = before_ns - tolerance_ns..=after_ns + tolerance_ns;
            assert!(range.contains(&now_ns), "{now_ns} is not within {range:?}");
        }
    }
    assert!(counter.ticks_per_us().is_some_and(|ticks| (100..10_000).contains(&ticks)), "{counter:?}");
}
