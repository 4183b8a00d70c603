//! INFO against redis-server: its form, and that it counts what Redis counts.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use support::client::Client;
use support::pair::{Clients, Pair};

/// Fields of `INFO` that count what clients did.
fn counters(client: &mut Client) -> BTreeMap<String, String> {
    let info = client.run("INFO everything").string();
    let plain = [
        "keyspace_hits",
        "keyspace_misses",
        "expired_keys",
        "evicted_keys",
        "connected_clients",
        "blocked_clients",
        "total_error_replies",
        "total_connections_received",
        "rejected_connections",
        "total_commands_processed",
        "unexpected_error_replies",
        "maxclients",
        "maxmemory_policy",
        "tcp_port",
    ];
    info.lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            if let Some(command) = name.strip_prefix("cmdstat_") {
                // Without the times, and without those who ask.
                let counts: Vec<&str> = value.split(',').filter(|part| !part.starts_with("usec")).collect();
                return (!matches!(command, "info" | "ping")).then(|| (name.to_string(), counts.join(",")));
            }
            if name.starts_with("db") && name[2..].parse::<u8>().is_ok() {
                let counts: Vec<&str> = value.split(',').take(2).collect();
                return Some((name.to_string(), counts.join(",")));
            }
            (plain.contains(&name) || name.starts_with("errorstat_")).then(|| (name.to_string(), value.to_string()))
        })
        .collect()
}

#[test]
fn info_counts_the_same() {
    let pair = Pair::start(&[]);
    let Clients { mut subject, mut oracle, .. } = pair.connect();
    let mut counted = Vec::new();
    for (client, server) in [(&mut subject, &pair.subject), (&mut oracle, &pair.oracle)] {
        client.run("CONFIG RESETSTAT");
        let mut other = server.connect();
        for line in [
            "SET a 1",
            "SET b 2 EX 100000",
            "GET a",
            "GET missing",
            "GET a b",
            "GET",
            "MGET a b missing",
            "EXISTS a missing",
            "TTL missing",
            "STRLEN a",
            "GETRANGE missing 0 1",
            "TYPE missing",
            "OBJECT ENCODING missing",
            "TOUCH a missing",
            "SET c abc",
            "INCR c",
            "INCRBY c abc",
            "BOGUS",
            "SET a",
            "SET a 1 BOGUS",
            "CONFIG BOGUS",
            "CONFIG SET bogus 1",
            "CLIENT GETNAME",
            "CLIENT SETNAME x",
            "SELECT 99",
            "SELECT 2",
            "SET z 1 PXAT 99999999999999",
            "EXPIRE z -1",
            "SET y 1",
            "COPY y x",
            "RENAME missing other",
            "SETEX y 0 v",
            "DEL missing",
            "RANDOMKEY",
            "DEBUG SLEEP 0",
            "getdel y",
        ] {
            other.run(line);
        }
        counted.push(counters(client));
    }
    let names: BTreeSet<&String> = counted[0].keys().chain(counted[1].keys()).collect();
    let differing: Vec<String> = names
        .into_iter()
        .filter(|name| counted[0].get(*name) != counted[1].get(*name))
        .map(|name| format!("{name}: {:?} instead of {:?}", counted[0].get(name), counted[1].get(name)))
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// INFO answers the sections asked for, in Redis's form.
#[test]
fn info_has_sections() {
    let pair = Pair::start(&[]);
    for server in [&pair.subject, &pair.oracle] {
        let mut client = server.connect();
        client.run("SET k v");
        for (asked, headings) in [
            ("INFO server", vec!["Server"]),
            ("INFO SERVER", vec!["Server"]),
            ("INFO clients memory", vec!["Clients", "Memory"]),
            ("INFO stats", vec!["Stats"]),
            ("INFO cpu", vec!["CPU"]),
            ("INFO commandstats", vec!["Commandstats"]),
            ("INFO errorstats", vec!["Errorstats"]),
            ("INFO keyspace", vec!["Keyspace"]),
            ("INFO bogus", vec![]),
        ] {
            let info = client.run(asked).string();
            let found: Vec<&str> = info.lines().filter_map(|line| line.strip_prefix("# ")).collect();
            assert_eq!(found, headings, "{asked}");
            assert!(info.is_empty() || info.ends_with("\r\n"), "{asked}: lines end in CR LF");
        }
        for asked in ["INFO", "INFO default", "INFO all", "INFO everything"] {
            let info = client.run(asked).string();
            for heading in ["Server", "Clients", "Memory", "Stats", "CPU", "Keyspace"] {
                assert!(info.contains(&format!("# {heading}\r\n")), "{asked} has {heading}");
            }
            assert_eq!(info.contains("# Commandstats"), asked.contains("all") || asked.contains("every"), "{asked}");
        }
        let info = client.run("INFO server").string();
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        assert_eq!(field("process_id"), Some(server.pid().to_string().as_str()));
        assert_eq!(field("redis_mode"), Some("standalone"));
        assert_eq!(field("tcp_port"), Some("0"));
    }
}
