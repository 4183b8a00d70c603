//! The monitor on made-up events.

use std::time::Duration;

use super::{LatencyMonitor, SAMPLES, graph, report};
use crate::config::Config;
use crate::server::testing::EngineHarness;

#[test]
fn one_sample_a_second() {
    let mut monitor = LatencyMonitor::default();
    for (unix_s, ms) in [(10, 5), (10, 9), (10, 7), (12, 3)] {
        monitor.add("command", unix_s, ms);
    }
    let event = monitor.get(b"command").expect("it was added");
    let samples: Vec<(u64, u64)> = event.samples().map(|sample| (sample.unix_s, sample.ms)).collect();
    assert_eq!((samples.as_slice(), event.max_ms()), ([(10, 9), (12, 3)].as_slice(), 9));
    for unix_s in 0..1000 {
        monitor.add("expire-cycle", unix_s, 1);
    }
    let event = monitor.get(b"expire-cycle").expect("it was added");
    assert_eq!((event.samples().len(), event.samples().next().map(|sample| sample.unix_s)), (SAMPLES, Some(840)));
    assert!(monitor.reset(b"command") && !monitor.reset(b"command") && !monitor.reset(b"\xff"));
    assert_eq!((monitor.reset_all(), monitor.events().len()), (1, 0));
}

/// As redis-server 7.0 drew the same samples.
#[test]
fn a_graph_is_that_of_redis() {
    let mut monitor = LatencyMonitor::default();
    for (unix_s, ms) in [(100, 20), (102, 50), (103, 300)] {
        monitor.add("command", unix_s, ms);
    }
    let expected = "command - high 300 ms, low 20 ms (all time high 300 ms)\n\
        --------------------------------------------------------------------------------\n  \
        #\n  |\n  |\n_o|\n   \n421\nsss\n";
    assert_eq!(graph("command", monitor.get(b"command").expect("it was added"), 104), expected);
}

#[test]
fn long_graphs_go_on_below_and_old_samples_have_long_labels() {
    let mut monitor = LatencyMonitor::default();
    for unix_s in 0..100 {
        monitor.add("fork", unix_s, 1);
    }
    let text = graph("fork", monitor.get(b"fork").expect("it was added"), 100_000);
    let lines: Vec<&str> = text.lines().collect();
    // A heading, a rule, four rows, a gap and two lines of labels; a gap, and that again without the first two.
    assert_eq!(lines.len(), 2 + 7 + 1 + 7);
    assert_eq!((lines[5], lines[7]), ("_".repeat(80).as_str(), "1".repeat(80).as_str()));
}

#[test]
fn the_doctor_says_what_was_seen() {
    let mut config = Config::default();
    let mut monitor = LatencyMonitor::default();
    assert!(report(&monitor, &config, 104).starts_with("I'm sorry, Dave"));
    config.override_value("latency-monitor-threshold", b"1").expect("a number");
    assert!(report(&monitor, &config, 104).starts_with("Dave, no latency spike"));
    for (unix_s, ms) in [(100, 20), (102, 50), (103, 300)] {
        monitor.add("command", unix_s, ms);
    }
    let text = report(&monitor, &config, 104);
    assert!(
        text.contains(
            "\n1. command: 3 latency spikes (average 123ms, mean deviation 117ms, period 1.33 sec). Worst all time event 300ms.\n"
        ),
        "{text}"
    );
    assert!(text.contains("'CONFIG SET slowlog-log-slower-than 1000'"), "{text}");
    monitor.add("something", 104, 5);
    assert!(report(&monitor, &config, 104).contains("2. something: 1 latency spikes"));
}

#[test]
fn whoever_does_something_is_timed_while_the_monitor_is_on() {
    let mut harness = EngineHarness::new();
    for (threshold, events) in [("0", 0), ("50", 1)] {
        harness.line(&format!("config set latency-monitor-threshold {threshold}"));
        let took = harness.engine.timed("expire-cycle", |engine| {
            engine.clock.sleep(Duration::from_millis(60));
            7
        });
        assert_eq!((took, harness.engine.latency.events().len()), (7, events));
    }
}
