//! SLOWLOG, LATENCY and MONITOR against redis-server: replies byte for byte where they do not tell times, and what comes into the logs
//! and before the eyes of a monitor, from the same calls.

mod support;

use support::client::Client;
use support::pair::{Clients, Pair, run_table};
use support::reply::Reply;
use support::server::Server;

const CALLS: &str = r#"
SLOWLOG
SLOWLOG LEN
SLOWLOG LEN x
SLOWLOG RESET
SLOWLOG RESET x
SLOWLOG GET 0
SLOWLOG GET -2
SLOWLOG GET x
SLOWLOG GET 1 2
SLOWLOG GET 1 2 3
SLOWLOG NOSUCH
SLOWLOG GET
LATENCY
LATENCY LATEST
LATENCY LATEST x
LATENCY HISTORY
LATENCY HISTORY nothing
LATENCY HISTORY nothing x
LATENCY GRAPH
LATENCY GRAPH nothing
LATENCY RESET
LATENCY RESET nothing other
LATENCY DOCTOR
LATENCY DOCTOR x
LATENCY NOSUCH
LATENCY HISTOGRAM nosuch
CONFIG SET latency-monitor-threshold 1000
LATENCY DOCTOR
CONFIG SET latency-monitor-threshold 0
MONITOR x
MULTI
MONITOR
EXEC
"#;

#[test]
fn a_table_of_calls() {
    run_table(&[("introspection", CALLS)], &[], &[]);
}

/// What is sent while somebody looks. Each line is one client's, by its number.
const SCENE: &str = r#"
1 PING
1 SET a 1
1 set "A b" "\x00\xff\t\r\n\\\"\a\b~"
2 GET a
2 SELECT 3
2 GET nothing
2 SELECT 0
1 NOSUCH command
1 GET
1 AUTH secret
1 AUTH user secret
1 HELLO 3 AUTH default secret
1 HELLO 2
1 CONFIG SET requirepass ""
1 CONFIG GET port
1 CLIENT SETNAME one
1 CLIENT ID
1 OBJECT ENCODING a
1 MULTI
1 INCR a
1 SELECT 1
1 GET a
1 CONFIG GET port
1 SELECT 0
1 EXEC
1 EXEC
1 MULTI
1 NOSUCH command
1 EXEC
1 MULTI
1 EXEC x
1 MULTI
1 DISCARD
1 WATCH a
1 UNWATCH
1 SADD set 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33
1 APPEND long aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
1 APPEND long aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
1 LPUSH list x
2 BLPOP list 0
1 EXPIRE a 100
1 KEYS *
1 DEBUG SLEEP 0
1 SORT list BY nosort
1 ECHO "\x00\x01\x07\x08\x09\x0a\x0b\x0c\x0d\x1b \x22\x27\x5c~\x7f\x80\xc3\xa9\xff"
1 RESET
1 ECHO end
"#;

/// Runs the scene; both clients' replies are of no interest here.
fn play(server: &Server) {
    let mut clients = [server.connect(), server.connect()];
    for line in SCENE.lines().filter(|line| !line.is_empty()) {
        let (number, command) = line.split_once(' ').expect("a number and a command");
        clients[number.parse::<usize>().expect("a number") - 1].run(command);
    }
}

/// The arguments, and the client's name, of all entries, the oldest first.
fn slow_log(client: &mut Client) -> Vec<String> {
    let log = client.run("SLOWLOG GET -1");
    let entry = |entry: &Reply| {
        let fields = entry.items();
        assert_eq!(fields.len(), 6);
        format!("{:?} {:?}", fields[3], fields[5])
    };
    log.items().iter().rev().map(entry).collect()
}

#[test]
fn the_slow_log_has_the_same_entries() {
    let pair = Pair::start(&[]);
    let Clients { mut subject, mut oracle, .. } = pair.connect();
    let mut logs = Vec::new();
    for (client, server) in [(&mut subject, &pair.subject), (&mut oracle, &pair.oracle)] {
        client.run("CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 1000");
        client.run("SLOWLOG RESET");
        play(server);
        client.run("CONFIG SET slowlog-log-slower-than -1");
        logs.push(slow_log(client));
        assert_eq!(client.run("SLOWLOG LEN").int(), logs.last().expect("just pushed").len() as i64);
    }
    assert_eq!(logs[0], logs[1]);
}

#[test]
fn monitors_see_the_same_lines() {
    let pair = Pair::start(&[]);
    let mut seen = Vec::new();
    for server in [&pair.subject, &pair.oracle] {
        let mut monitor = server.connect();
        monitor.run("MONITOR");
        play(server);
        let mut lines = Vec::new();
        loop {
            let line = monitor.read().string();
            let (time, rest) = line.split_once(' ').expect("a time and the rest");
            let (seconds, micros) = time.split_once('.').expect("seconds and microseconds");
            assert!(seconds.parse::<u64>().is_ok_and(|seconds| seconds > 1_600_000_000), "{line}");
            assert_eq!(micros.len(), 6, "{line}");
            // The clients have the socket's path for an address.
            let socket = server.socket().display().to_string();
            lines.push(rest.replace(&socket, "SOCKET"));
            if lines.last().is_some_and(|line| line.contains("\"end\"")) {
                break;
            }
        }
        // It may still speak, and is told of that too.
        monitor.send(b"PING\r\n");
        let mut own = [monitor.read().string(), monitor.read().string()];
        own.sort();
        assert!(own[1] == "PONG" && own[0].ends_with("\"PING\""), "{own:?}");
        seen.push(lines);
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn events_have_the_same_form() {
    let pair = Pair::start(&["--latency-monitor-threshold", "30"]);
    let mut shown = Vec::new();
    for server in [&pair.subject, &pair.oracle] {
        let mut client = server.connect();
        client.run("DEBUG SLEEP 0.05");
        let latest = client.run("LATENCY LATEST");
        let event = latest.items()[0].items();
        assert_eq!(event.len(), 4);
        let (at, ms, max_ms) = (event[1].int(), event[2].int(), event[3].int());
        assert!((50..5000).contains(&ms) && ms == max_ms, "{latest:?}");
        let history = client.run("LATENCY HISTORY command");
        assert_eq!(history.items()[0].items()[0].int(), at);
        let graph = client.run("LATENCY GRAPH command").string();
        let graph: Vec<&str> = graph.lines().skip(1).take(6).collect();
        let digits = |text: String| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        let doctor = digits(client.run("LATENCY DOCTOR").string());
        let help: Vec<String> = client.run("LATENCY HELP").items().iter().map(Reply::string).collect();
        let help: Vec<String> = help.into_iter().take(14).collect();
        let reset = client.run("LATENCY RESET command").int();
        shown.push(format!("{:?} {graph:?}\n{doctor}\n{help:?} {reset}", event[0]));
        let histogram = client.run("LATENCY HISTOGRAM debug");
        let debug = histogram.items()[1].items();
        assert_eq!((debug[0].string().as_str(), debug[1].int()), ("calls", 1), "{histogram:?}");
        assert_eq!(debug[3].items()[1].int(), 1, "{histogram:?}");
        assert!(client.run("INFO latencystats").string().contains("latency_percentiles_usec_debug:p50="));
    }
    assert_eq!(shown[0], shown[1]);
}
