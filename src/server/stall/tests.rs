//! The recorder on made-up times.

use super::{Phase, Recorder};
use crate::base::random::Random;
use crate::commands::{GROUPS, Registry};
use crate::server::stats::TurnStats;

/// A turn whose phases take this many nanoseconds; what [`Recorder::finish`] says.
fn turn(recorder: &mut Recorder, started_ns: u64, phases_ns: [u64; 4], runs: &TurnStats) -> Option<u64> {
    let registry = Registry::new(GROUPS);
    turn_with(recorder, &registry, started_ns, phases_ns, runs)
}

fn turn_with(
    recorder: &mut Recorder,
    registry: &Registry,
    started_ns: u64,
    phases_ns: [u64; 4],
    runs: &TurnStats,
) -> Option<u64> {
    recorder.begin(started_ns);
    recorder.turn.requests = 7;
    recorder.turn.sends = 3;
    let mut now_ns = started_ns;
    for (phase, ns) in [Phase::Gather, Phase::Execute, Phase::Flush, Phase::Housekeep].into_iter().zip(phases_ns) {
        now_ns += ns;
        if phase == Phase::Housekeep {
            recorder.note_job("a short job", 10);
            recorder.note_job("a long job", ns / 2);
            recorder.note_job("another short job", 20);
        }
        recorder.end_phase(phase, now_ns);
    }
    assert_eq!(recorder.turn.ended_ns(), now_ns);
    // The thread ran all the time.
    let cpu_ns = 1_000_000_000 + recorder.busy_ns + phases_ns.iter().sum::<u64>();
    recorder.finish(runs, registry, 1000, || cpu_ns).map(|stall| stall.ns)
}

#[test]
fn the_longest_phase_is_the_cause() {
    let us = 1000;
    let registry = Registry::new(GROUPS);
    let get = registry.find(b"get").expect("GET");
    let runs = TurnStats { longest_run_ns: 700 * us, longest_run_command: get, longest_run_calls: 64, requests: 1024 };
    let none = TurnStats::default();
    for (phases_ns, runs, cause) in [
        ([400 * us, 1, 2, 3], &none, "gather 400us of 400us, 7 requests"),
        ([1, 800 * us, 2, 3], &runs, "execute 800us of 800us, get x 64 took 700us, 7 requests"),
        ([1, 800 * us, 2, 3], &none, "execute 800us of 800us, 7 requests"),
        ([100 * us, 100 * us, 500 * us, 0], &runs, "flush 500us of 700us, 3 sends"),
        ([1, 2, 3, 900 * us], &runs, "housekeep 900us of 900us, a long job took 450us"),
    ] {
        let mut recorder = Recorder::default();
        assert_eq!(turn(&mut recorder, 1_000_000, phases_ns, runs), None, "it is not over the threshold");
        assert_eq!(recorder.longest.cause, cause);
        assert_eq!(recorder.longest.ns, phases_ns.iter().sum::<u64>());
    }
}

#[test]
fn a_stall_is_a_turn_over_the_threshold() {
    let mut recorder = Recorder::default();
    let none = TurnStats::default();
    assert_eq!(turn(&mut recorder, 5, [0, 1_000_000, 0, 0], &none), None, "just at it");
    assert_eq!(turn(&mut recorder, 5, [0, 1_000_001, 0, 0], &none), Some(1_000_001));
    assert_eq!(turn(&mut recorder, 5, [0, 0, 0, 0], &none), None);
    assert_eq!((recorder.turns, recorder.stalls, recorder.busy_ns), (3, 1, 2_000_001));
    assert_eq!(recorder.longest.ns, 1_000_001);
    recorder.begin(77);
    recorder.reset();
    assert_eq!((recorder.turns, recorder.stalls, recorder.busy_ns, recorder.longest.ns), (0, 0, 0, 0));
    assert_eq!(recorder.turn.started_ns, 77, "the turn that goes on is not forgotten");
    assert_eq!(recorder.percentile_ns(99.0), 0);
}

#[test]
fn time_that_others_took_is_told_apart() {
    let registry = Registry::new(GROUPS);
    let none = TurnStats::default();
    let mut recorder = Recorder::default();
    recorder.mark(5_000_000);
    let mut long_turn = |started_ns: u64, wall_ns: u64, cpu_ns: u64| {
        recorder.begin(started_ns);
        for phase in [Phase::Gather, Phase::Execute, Phase::Flush, Phase::Housekeep] {
            recorder.end_phase(phase, started_ns + wall_ns);
        }
        let stalled = recorder.finish(&none, &registry, 1000, || cpu_ns).map(|stall| stall.ns);
        (stalled, recorder.longest.ns, recorder.longest_wall.ns, recorder.longest_wall.cause.clone())
    };
    let (stalled, ran_ns, wall_ns, cause) = long_turn(0, 3_000_000, 5_400_000);
    assert_eq!((stalled, ran_ns, wall_ns), (None, 400_000, 3_000_000), "it ran for 0.4 ms of 3");
    assert!(cause.ends_with("did not run for 2600us"), "{cause}");
    let (stalled, ran_ns, wall_ns, _) = long_turn(9_000_000, 2_000_000, 7_400_000);
    assert_eq!((stalled, ran_ns, wall_ns), (Some(2_000_000), 2_000_000, 3_000_000));
    // Time between turns is not a turn's.
    let (stalled, ran_ns, ..) = long_turn(90_000_000, 1_500_000, 70_000_000);
    assert_eq!((stalled, ran_ns), (Some(1_500_000), 2_000_000));
    assert_eq!(recorder.stalls, 2);
}

/// What the thread did between turns hides little of what others did in one.
#[test]
fn sleeps_between_turns_do_not_hide_an_interruption() {
    let registry = Registry::new(GROUPS);
    let none = TurnStats::default();
    let mut recorder = Recorder::default();
    let (mut now_ns, mut cpu_ns) = (0, 0);
    let mut turn = |wall_ns: u64, ran_ns: u64| {
        // Waking up and going to sleep.
        cpu_ns += 2_000;
        recorder.begin(now_ns);
        now_ns += wall_ns;
        cpu_ns += ran_ns;
        for phase in [Phase::Gather, Phase::Execute, Phase::Flush, Phase::Housekeep] {
            recorder.end_phase(phase, now_ns);
        }
        recorder.finish(&none, &registry, 1000, || cpu_ns);
        recorder.longest.ns
    };
    for _ in 0..10_000 {
        turn(10_000, 10_000);
    }
    let longest_ns = turn(3_000_000, 300_000);
    assert!((300_000..=300_000 + 64 * 2_000).contains(&longest_ns), "{longest_ns}");
}

#[test]
fn percentiles_are_right_within_a_fiftieth() {
    let seed = 1;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let registry = Registry::new(GROUPS);
    let mut recorder = Recorder::default();
    let mut times_ns: Vec<u64> = (0..3000).map(|_| random.next_u64() >> (20 + random.below(44))).collect();
    for &ns in &times_ns {
        turn_with(&mut recorder, &registry, 1, [ns, 0, 0, 0], &TurnStats::default());
    }
    times_ns.sort_unstable();
    for percent in [1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0] {
        let exact = times_ns[((times_ns.len() as f64 * percent / 100.0).ceil() as usize).max(1) - 1];
        let told = recorder.percentile_ns(percent);
        assert!(exact <= told && told - exact <= exact / 50 + 1, "p{percent}: {told} for {exact}");
    }
    // Longer than anything told apart is in the last class.
    turn_with(&mut recorder, &registry, 1, [1 << 60, 0, 0, 0], &TurnStats::default());
    assert_eq!(recorder.longest.ns, 1 << 60);
    assert!(recorder.percentile_ns(100.0) >= *times_ns.last().expect("some"));
}
