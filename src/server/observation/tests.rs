//! What comes into the logs, and as whose.

use crate::server::command_log::LogKind;
use crate::server::session::gate;
use crate::server::stall::Phase;
use crate::server::testing::{EngineHarness, encode};

/// The entries of a log, the oldest first: client, arguments, calls.
fn entries(harness: &EngineHarness, kind: LogKind) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut lines: Vec<String> = harness
        .engine
        .command_log
        .entries(kind)
        .map(|entry| {
            let args: Vec<String> = entry.args.iter().map(|arg| text(arg)).collect();
            format!("{}: {} x{}", text(&entry.name), args.join(" "), entry.calls)
        })
        .collect();
    lines.reverse();
    lines
}

fn pipeline(lines: &[&str]) -> Vec<u8> {
    lines.iter().flat_map(|line| encode(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>())).collect()
}

/// A harness with two named clients. Time stands still in it, so every run is as long as the threshold says.
fn everything_is_slow() -> (EngineHarness, usize) {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    harness.line("client setname first");
    harness.line_as(other, "client setname other");
    harness.engine.thresholds.slow_ns = 0;
    harness.engine.stats.long_runs.from_ns = 0;
    assert_eq!(harness.engine.gates, 0, "the hot loop is not left");
    (harness, other)
}

#[test]
fn what_may_take_long_is_timed_alone_and_the_rest_says_that_it_is_not() {
    let (mut harness, _) = everything_is_slow();
    let lines = ["set a 1", "set b 2", "get a", "get b", "get c", "keys *", "keys a*", "lpush l 1 2 3", "lpop l 2"];
    harness.feed(harness.first, &pipeline(&lines));
    assert_eq!(
        entries(&harness, LogKind::Slow),
        [
            "first: set a 1 ... (1 more calls timed together) x2",
            "first: get a ... (2 more calls timed together) x3",
            "first: keys * x1",
            "first: keys a* x1",
            "first: lpush l 1 2 3 x1",
            "first: lpop l 2 x1",
        ]
    );
}

#[test]
fn a_run_of_several_clients_is_nobodys() {
    let (mut harness, other) = everything_is_slow();
    let engine = &mut harness.engine;
    for client in [harness.first, other] {
        let bytes = pipeline(&["get a", "get b"]);
        let space = engine.clients[client].input.space(&mut engine.pool);
        space[..bytes.len()].copy_from_slice(&bytes);
        engine.clients[client].input.received(bytes.len());
        engine.gather(client);
    }
    engine.run();
    assert_eq!(entries(&harness, LogKind::Slow), [": get ... (4 calls timed together) x4"]);
}

#[test]
fn what_was_slow_is_told_of_the_client_before() {
    let (mut harness, other) = everything_is_slow();
    let engine = &mut harness.engine;
    for (client, line) in [(harness.first, "get a"), (other, "keys *")] {
        let bytes = pipeline(&[line]);
        let space = engine.clients[client].input.space(&mut engine.pool);
        space[..bytes.len()].copy_from_slice(&bytes);
        engine.clients[client].input.received(bytes.len());
        engine.gather(client);
    }
    engine.run();
    assert_eq!(entries(&harness, LogKind::Slow), ["first: get ... (arguments not kept) x1", "other: keys * x1"]);
}

#[test]
fn commands_of_a_transaction_are_logged_and_exec_is_not() {
    let (mut harness, _) = everything_is_slow();
    for line in ["multi", "set a 1", "get a", "get b", "client getname", "exec"] {
        harness.line(line);
    }
    assert_eq!(
        entries(&harness, LogKind::Slow),
        [
            "first: multi x1",
            "first: set a 1 x1",
            "first: get a ... (1 more calls timed together) x2",
            "first: client getname x1",
        ]
    );
}

#[test]
fn a_small_threshold_times_each_command() {
    let mut harness = EngineHarness::with_config(&[("slowlog-log-slower-than", "0"), ("enable-debug-command", "yes")]);
    let other = harness.connect();
    assert_eq!(harness.engine.gates, gate::ONE_BY_ONE);
    harness.feed(harness.first, &pipeline(&["get a", "get b", "auth secret", "debug sleep 0.5"]));
    harness.line_as(other, "blpop list 0");
    harness.line("lpush list a");
    let logged = entries(&harness, LogKind::Slow);
    assert_eq!(
        logged,
        [
            ": get a x1",
            ": get b x1",
            ": auth (redacted) x1",
            ": debug sleep 0.5 x1",
            ": lpush list a x1",
            // It was not done before.
            ": blpop list 0 x1",
        ]
    );
    let slept = harness.engine.command_log.entries(LogKind::Slow).find(|entry| entry.args[0] == b"debug");
    assert_eq!(slept.map(|entry| entry.amount), Some(500_000));
    harness.line("config set slowlog-log-slower-than 10000");
    assert_eq!(harness.engine.gates, 0);
    harness.line("config set slowlog-log-slower-than 0 slowlog-max-len 0");
    assert_eq!((harness.engine.gates, entries(&harness, LogKind::Slow).len()), (0, 0));
}

#[test]
fn large_requests_and_replies_are_logged() {
    let mut harness = EngineHarness::new();
    let value = vec![b'v'; 1_500_000];
    harness.send(&[b"SET", b"big", &value]);
    harness.line("get big");
    harness.line("multi");
    harness.line("get big");
    harness.line("exec");
    let shown = format!(": SET big {}... (1499872 more bytes) x1", "v".repeat(128));
    assert_eq!(entries(&harness, LogKind::LargeRequest), [shown]);
    assert_eq!(entries(&harness, LogKind::LargeReply), [": get big x1", ": get big x1"]);
    let amount = |kind| harness.engine.command_log.entries(kind).next().map(|entry| entry.amount);
    assert_eq!(amount(LogKind::LargeRequest), Some(1_500_000 + 34));
    assert_eq!(amount(LogKind::LargeReply), Some(1_500_000 + 12));
    harness.feed(harness.first, &pipeline(&["get nothing", "get big"]));
    let last = entries(&harness, LogKind::LargeReply).pop();
    assert_eq!(last.as_deref(), Some(": get big x1"));
    // A small threshold looks at each command.
    harness.line("config set commandlog-reply-larger-than 1000 commandlog-request-larger-than 50");
    harness.feed(harness.first, &pipeline(&["get nothing", "get big"]));
    assert_eq!(entries(&harness, LogKind::LargeReply).pop().as_deref(), Some(": get big x1"));
    assert_eq!(entries(&harness, LogKind::LargeRequest).len(), 1);
    harness.line("set a 0123456789012345678901234567890123456789");
    assert_eq!(entries(&harness, LogKind::LargeRequest).len(), 2);
}

/// Each entry is about one reply, whatever was sent and executed together.
#[test]
fn large_replies_are_logged_by_the_command_that_they_answer() {
    let mut harness = EngineHarness::new();
    let value = vec![b'v'; 1_500_000];
    harness.send(&[b"SET", b"big", &value]);
    harness.send(&[b"SET", b"bigger", &[value.as_slice(), b"v"].concat()]);
    let half = vec![b'v'; 600_000];
    harness.send(&[b"RPUSH", b"halves", &half, &half, b"and", b"little"]);
    assert_eq!(harness.engine.gates, 0, "the hot loop is not left");
    let lines =
        ["get none", "get big", "lindex halves 0", "lindex halves 1", "lrange halves 0 -1", "get bigger", "type big"];
    let wanted = [(": get big x1", 1_500_012), (": lrange halves 0 -1 x1", 1_200_047), (": get bigger x1", 1_500_013)];
    let transaction = [["multi"].as_slice(), &lines, &["exec"]].concat();
    for version in ["2", "3"] {
        harness.line(&format!("hello {version}"));
        for lines in [lines.as_slice(), &transaction, &lines[..6], &["get none", "mget big none"]] {
            harness.line("commandlog reset large-reply");
            harness.feed(harness.first, &pipeline(lines));
            let amounts: Vec<u64> =
                harness.engine.command_log.entries(LogKind::LargeReply).map(|entry| entry.amount).collect();
            let logged: Vec<(String, u64)> =
                entries(&harness, LogKind::LargeReply).into_iter().zip(amounts.into_iter().rev()).collect();
            if lines.len() == 2 {
                assert_eq!(logged.len(), 1);
                assert_eq!(logged[0].0, ": mget big none x1");
            } else {
                let wanted: Vec<(String, u64)> = wanted.iter().map(|&(entry, len)| (entry.to_string(), len)).collect();
                assert_eq!(logged, wanted, "RESP{version}");
            }
        }
    }
    // As is what a client has waited for.
    let other = harness.connect();
    harness.line("commandlog reset large-reply");
    harness.line_as(other, "blmpop 0 1 list left count 10");
    harness.send(&[b"RPUSH", b"list", &half, &half]);
    assert_eq!(entries(&harness, LogKind::LargeReply), [": blmpop 0 1 list left count 10 x1"]);
}

#[test]
fn a_stall_keeps_its_chain() {
    let mut harness = EngineHarness::with_config(&[("enable-debug-command", "yes")]);
    let other = harness.connect();
    harness.line_as(other, "client setname culprit");
    harness.line_as(other, "debug sleep 0.2");
    let notes = harness.line("latency why");
    assert_eq!(notes, "*0\r\n", "the turn has not ended");
    harness.engine.begin_turn();
    harness.engine.feed(other, &pipeline(&["debug sleep 0.3", "debug sleep 0.0000001"]));
    harness.engine.run();
    let now_ns = harness.engine.clock.monotonic_ns();
    for phase in [Phase::Execute, Phase::Flush, Phase::Housekeep] {
        harness.engine.recorder.end_phase(phase, now_ns);
    }
    harness.engine.finish_turn();
    let _ = harness.take(other);
    let why = harness.line("latency why 5");
    for part in ["ran-us\r\n:300000", "execute\r\n:300000", "$7\r\nculprit", "debug", "sleep", "0.3"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    assert!(why.contains("$8\r\ncommands\r\n*1\r\n"), "what was short is not noted: {why}");
    assert_eq!(harness.line("latency why reset"), ":1\r\n");
    assert_eq!(harness.line("latency why -1"), "*0\r\n");
}

#[test]
fn events_and_histograms() {
    let mut harness =
        EngineHarness::with_config(&[("enable-debug-command", "yes"), ("latency-monitor-threshold", "100")]);
    harness.line("debug sleep 0.05");
    assert_eq!(harness.line("latency latest"), "*0\r\n");
    harness.line("debug sleep 0.25");
    assert_eq!(harness.line("latency latest"), "*1\r\n*4\r\n$7\r\ncommand\r\n:1700000000\r\n:250\r\n:250\r\n");
    assert_eq!(harness.line("latency history command"), "*1\r\n*2\r\n:1700000000\r\n:250\r\n");
    assert_eq!(harness.line("latency reset nosuch command"), ":1\r\n");
    assert_eq!(
        harness.line("latency histogram nosuch debug"),
        "*2\r\n$5\r\ndebug\r\n*4\r\n$5\r\ncalls\r\n:2\r\n$14\r\nhistogram_usec\r\n*4\r\n:67633\r\n:1\r\n:270532\r\n:2\r\n"
    );
    let info = harness.line("info latencystats");
    assert!(
        info.contains("latency_percentiles_usec_debug:p50=50069.503,p99=250609.663,p99.9=250609.663\r\n"),
        "{info}"
    );
    assert!(info.contains("latency_percentiles_usec_latency|latest:p50="), "{info}");
    harness.line("config set latency-tracking no");
    assert_eq!(harness.line("info latencystats"), "$16\r\n# Latencystats\r\n\r\n");
    assert_eq!(harness.line("latency histogram"), "*0\r\n");
}
