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

/// How often the data has been saved is counted from CONFIG RESETSTAT on, like everything else that happened.
#[test]
fn saves_are_counted_anew() {
    let pair = Pair::start(&["--save", ""]);
    for server in [&pair.subject, &pair.oracle] {
        let mut client = server.connect();
        let counted =
            |client: &mut Client| ["rdb_saves", "aof_rewrites"].map(|field| support::append_only::info(client, field));
        for line in ["SET k v", "SAVE", "BGREWRITEAOF"] {
            assert!(!client.run(line).is_error(), "{line}");
        }
        support::append_only::until_rewritten(&mut client);
        assert_eq!(counted(&mut client), ["1", "1"]);
        assert_eq!(client.run("CONFIG RESETSTAT").text(), b"OK");
        assert_eq!(counted(&mut client), ["0", "0"]);
        client.run("SAVE");
        assert_eq!(counted(&mut client), ["1", "0"]);
    }
}

/// A key of each type, and those that calls besides name.
const KEYS: &[&str] = &["missing", "s", "f", "big", "l", "st", "h", "z", "p", "g"];
const FILLED: &str = r#"
SET s 10
SET f 1.5
SET big aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
RPUSH l a b c d
SADD st a b c 1
SADD st2 b c d
HSET h a 1 b 2 c x
ZADD z 1 a 2 b 3 c
ZADD z2 1 b 5 d
PFADD p a b c
PFADD p2 d
GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
"#;

/// Calls about a key `k`.
const CALLS: &str = r#"
GET k; GETEX k; GETEX k PERSIST; GETEX k EX 1000; GETDEL k; GETSET k v; SET k v; SET k v NX; SET k v XX; SET k v GET;
SET k v XX GET; SET k v KEEPTTL; SETNX k v; SETEX k 100 v; PSETEX k 100000 v; APPEND k x; STRLEN k; SETRANGE k 0 x; SETRANGE k 3 x;
SETRANGE k 0 ""; GETRANGE k 0 -1; SUBSTR k 0 1; INCR k; DECR k; INCRBY k 5; DECRBY k 3; INCRBYFLOAT k 1.5; MGET k k; MSET k 1;
MSETNX k 1; LCS k k; SETBIT k 3 1; SETBIT k 3 0; GETBIT k 3; BITCOUNT k; BITPOS k 1; BITOP NOT d k; BITOP AND d k k;
BITFIELD k GET u8 0; BITFIELD k SET u8 0 1; BITFIELD k INCRBY u8 0 1; BITFIELD_RO k GET u8 0; EXISTS k; EXISTS k k; TYPE k; TTL k;
PTTL k; EXPIRETIME k; EXPIRE k 100; EXPIRE k 100 NX; EXPIRE k 100 XX; EXPIRE k -1; PEXPIRE k 100000; PERSIST k; TOUCH k; DEL k;
UNLINK k; RENAME k d; RENAMENX k d; RENAME k k; COPY k d; COPY k d REPLACE; COPY k k; MOVE k 1; OBJECT ENCODING k;
OBJECT REFCOUNT k; OBJECT IDLETIME k; DUMP k; SORT k; SORT k ALPHA; SORT k STORE d; SORT_RO k ALPHA; MEMORY USAGE k;
DEBUG OBJECT k; LPUSH k x; RPUSH k x; LPUSHX k x; RPUSHX k x; LPOP k; RPOP k; LPOP k 2; LPOP k 0; LRANGE k 0 -1; LLEN k;
LINDEX k 0; LINDEX k 99; LSET k 0 x; LSET k 99 x; LINSERT k BEFORE a x; LINSERT k BEFORE zz x; LREM k 0 a; LREM k 0 zz;
LTRIM k 0 0; LTRIM k 0 -1; LTRIM k 5 1; LPOS k a; LPOS k zz; RPOPLPUSH k d; LMOVE k d LEFT RIGHT; LMOVE k k LEFT RIGHT;
LMPOP 1 k LEFT; BLPOP k 0.01; BLMOVE k d LEFT RIGHT 0.01; BLMPOP 0.01 1 k LEFT; SADD k x; SADD k a; SREM k a; SREM k zz; SPOP k;
SPOP k 2; SPOP k 0; SRANDMEMBER k; SRANDMEMBER k 2; SMEMBERS k; SISMEMBER k a; SMISMEMBER k a zz; SCARD k; SMOVE k d a;
SMOVE k d zz; SMOVE k k a; SINTER k st2; SINTER k k; SUNION k st2; SDIFF k st2; SINTERSTORE d k st2; SUNIONSTORE d k st2;
SDIFFSTORE d k st2; SDIFFSTORE d k k; SINTERCARD 2 k st2; SSCAN k 0; HSET k a 1; HSET k a 9 n 1; HSETNX k a 1; HSETNX k n 1;
HMSET k a 1; HGET k a; HGET k zz; HMGET k a zz; HGETALL k; HKEYS k; HVALS k; HLEN k; HEXISTS k a; HSTRLEN k a; HDEL k a; HDEL k zz;
HINCRBY k a 1; HINCRBY k c 1; HINCRBYFLOAT k a 1.5; HINCRBYFLOAT k c 1; HRANDFIELD k; HRANDFIELD k 2; HSCAN k 0; ZADD k 1 a;
ZADD k 9 a; ZADD k NX 9 a; ZADD k XX 9 zz; ZADD k GT CH 9 a; ZADD k INCR 1 a; ZINCRBY k 1 a; ZREM k a; ZREM k zz; ZSCORE k a;
ZMSCORE k a zz; ZRANK k a; ZREVRANK k zz; ZCARD k; ZCOUNT k -inf +inf; ZLEXCOUNT k - +; ZRANGE k 0 -1; ZREVRANGE k 0 -1;
ZRANGEBYSCORE k 0 5; ZREVRANGEBYSCORE k 5 0; ZRANGEBYLEX k - +; ZREVRANGEBYLEX k + -; ZRANGESTORE d k 0 -1; ZREMRANGEBYRANK k 0 0;
ZREMRANGEBYSCORE k 0 1; ZREMRANGEBYLEX k - +; ZPOPMIN k; ZPOPMAX k 2; ZPOPMIN k 0; ZMPOP 1 k MIN; BZPOPMIN k 0.01;
BZMPOP 0.01 1 k MIN; ZRANDMEMBER k; ZRANDMEMBER k 2; ZUNION 2 k z2; ZINTER 2 k z2; ZDIFF 2 k z2; ZUNIONSTORE d 2 k z2;
ZINTERSTORE d 2 k z2; ZDIFFSTORE d 2 k z2; ZINTERCARD 2 k z2; ZSCAN k 0; PFADD k x; PFADD k a; PFCOUNT k; PFCOUNT k p2;
PFMERGE d k; PFMERGE d k p2; PFMERGE k p2; GEOADD k 13 38 x; GEODIST k Palermo Catania; GEOHASH k Palermo; GEOPOS k Palermo;
GEORADIUS k 15 37 200 km; GEORADIUSBYMEMBER k Palermo 200 km; GEOSEARCH k FROMMEMBER Palermo BYRADIUS 200 km;
GEOSEARCHSTORE d k FROMMEMBER Palermo BYRADIUS 200 km; GEORADIUS k 15 37 200 km STORE d; GEORADIUS_RO k 15 37 200 km; SCAN 0;
KEYS *; RANDOMKEY; DBSIZE; SWAPDB 0 1; FLUSHDB; FLUSHALL; WATCH k; RESTORE d 0 x
"#;

/// Whatever a call finds, misses or changes, it counts as much of that as Redis does: keyspace_hits, keyspace_misses, and the changes that
/// make a save due.
#[test]
fn lookups_and_changes_are_counted_alike() {
    let pair = Pair::start(&[]);
    let Clients { mut subject, mut oracle, .. } = pair.connect();
    let mut differing = Vec::new();
    for key in KEYS {
        for call in CALLS.split(';').map(str::trim).filter(|call| !call.is_empty()) {
            let words: Vec<&str> = call.split(' ').map(|word| if word == "k" { key } else { word }).collect();
            let line = words.join(" ");
            let counted = [&mut subject, &mut oracle].map(|client| {
                client.run("FLUSHALL");
                FILLED.lines().filter(|line| !line.is_empty()).for_each(|line| drop(client.run(line)));
                let before = lookups_and_changes(client);
                client.run(&line);
                let after = lookups_and_changes(client);
                client.run("UNWATCH");
                std::array::from_fn::<i64, 3, _>(|n| after[n] - before[n])
            });
            if counted[0] != counted[1] {
                differing.push(format!("{line}: {:?} instead of {:?}", counted[0], counted[1]));
            }
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

fn lookups_and_changes(client: &mut Client) -> [i64; 3] {
    let info = client.run("INFO everything").string();
    ["keyspace_hits:", "keyspace_misses:", "rdb_changes_since_last_save:"].map(|name| {
        let value = info.lines().find_map(|line| line.strip_prefix(name)).expect("a counter");
        value.trim().parse().expect("a number")
    })
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

/// Fields of the oracle that a Zedis has no use for, each with the reason.
const WITHOUT_FIELDS: &[(&str, &str)] =
    &[("latency_percentiles_usec_", "a command's, if it was called and there are histograms")];

/// Names of fields in their sections, and the sections in order. What differs from command to command is left out.
fn layout(client: &mut Client, asked: &str) -> (Vec<String>, BTreeSet<(String, String)>) {
    let info = client.run(asked).string();
    let (mut sections, mut fields) = (Vec::new(), BTreeSet::new());
    for line in info.lines() {
        if let Some(section) = line.strip_prefix("# ") {
            sections.push(section.to_string());
        } else if let (Some((field, _)), Some(section)) = (line.split_once(':'), sections.last())
            && !field.starts_with("cmdstat_")
        {
            fields.insert((section.clone(), field.to_string()));
        }
    }
    (sections, fields)
}

/// Whatever a monitoring tool looks up in Redis's INFO is there, in the section where it is looked for.
#[test]
fn info_has_every_field() {
    let pair = Pair::start(&[]);
    let Clients { mut subject, mut oracle, .. } = pair.connect();
    for line in ["SET k v EX 100000", "GET k", "BOGUS", "SELECT 3", "SET k v"] {
        subject.run(line);
        oracle.run(line);
    }
    for asked in ["INFO", "INFO default", "INFO all", "INFO everything", "INFO replication persistence", "INFO modules"]
    {
        let (sections, fields) = layout(&mut subject, asked);
        let (wanted_sections, wanted_fields) = layout(&mut oracle, asked);
        assert_eq!(sections, wanted_sections, "{asked}");
        let missing: Vec<&(String, String)> = wanted_fields
            .difference(&fields)
            .filter(|(_, field)| !WITHOUT_FIELDS.iter().any(|(without, _)| field.starts_with(without)))
            .collect();
        assert!(missing.is_empty(), "{asked}: {missing:?}");
    }
}

/// What dashboards of redis_exporter and Datadog's check look up, besides what 7.0 has.
#[test]
fn info_has_what_newer_monitoring_reads() {
    let server = support::server::Server::subject(&[]);
    let (_, fields) = layout(&mut server.connect(), "INFO everything");
    for field in [
        "allocator_muzzy",
        "mem_overhead_db_hashtable_rehashing",
        "expired_subkeys",
        "pubsub_clients",
        "watching_clients",
        "total_watched_keys",
        "total_blocking_keys",
        "total_blocking_keys_on_nokey",
        "client_query_buffer_limit_disconnections",
        "client_output_buffer_limit_disconnections",
        "eventloop_cycles",
        "eventloop_duration_sum",
        "eventloop_duration_cmd_sum",
        "instantaneous_eventloop_cycles_per_sec",
        "instantaneous_eventloop_duration_usec",
        "acl_access_denied_auth",
        "acl_access_denied_cmd",
        "acl_access_denied_key",
        "acl_access_denied_channel",
        "evicted_scripts",
        "listener1",
    ] {
        assert!(fields.iter().any(|(_, found)| found == field), "{field}");
    }
}

/// 7.2's lines about what is listened on: addresses as `bind` has them, without those that the machine has not got.
#[test]
fn listeners() {
    let server = support::server::Server::subject(&["--bind", "127.0.0.1", "-192.0.2.1"]);
    let mut client = server.connect();
    let mut lines = || {
        let info = client.run("INFO server").string();
        info.lines().filter(|line| line.starts_with("listener")).map(str::to_owned).collect::<Vec<_>>()
    };
    let unix = format!("listener1:name=unix,bind={}", server.socket().display());
    assert_eq!(lines(), [unix.as_str()]);
    let port = server.open_port();
    assert_eq!(lines(), [format!("listener0:name=tcp,bind=127.0.0.1,port={port}"), unix.clone()]);
    server.connect().run("CONFIG SET bind \"127.0.0.1 -127.0.0.2\"");
    assert_eq!(lines(), [format!("listener0:name=tcp,bind=127.0.0.1,bind=-127.0.0.2,port={port}"), unix.clone()]);
    server.connect().run("CONFIG SET port 0");
    assert_eq!(lines(), [unix]);
}

/// MEMORY STATS has Redis's fields, and they fit together.
#[test]
fn memory_stats() {
    let pair = Pair::start(&[]);
    let Clients { mut subject, mut oracle, .. } = pair.connect();
    for line in ["MEMORY STATS x", "MEMORY DOCTOR x", "MEMORY PURGE x", "MEMORY BOGUS", "MEMORY"] {
        assert_eq!(subject.run(line), oracle.run(line), "{line}");
    }
    for line in ["DEBUG POPULATE 20000 key 100", "SELECT 3", "SET k v EX 1000"] {
        subject.run(line);
        oracle.run(line);
    }
    // 7.2 and 7.4 took a field of databases away.
    let names = |client: &mut Client| -> BTreeSet<String> {
        client.run("MEMORY STATS").items().chunks_exact(2).map(|pair| pair[0].string()).collect()
    };
    let (ours, wanted) = (names(&mut subject), names(&mut oracle));
    let missing: Vec<&String> = wanted.difference(&ours).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for field in
        ["overhead.db.hashtable.lut", "overhead.db.hashtable.rehashing", "db.dict.rehashing.count", "allocator.muzzy"]
    {
        assert!(ours.contains(field), "{field}");
    }
    for version in ["2", "3"] {
        subject.run(&format!("HELLO {version}"));
        let stats = subject.run("MEMORY STATS");
        let int = |name: &str| stats.field(name).unwrap_or_else(|| panic!("{name}")).int();
        assert_eq!(int("keys.count"), 20_001);
        assert!(int("total.allocated") > int("startup.allocated") + 20_000 * 100, "{stats:?}");
        assert!(int("peak.allocated") >= int("total.allocated"));
        assert_eq!(int("dataset.bytes"), int("total.allocated") - int("overhead.total"));
        assert!((100..400).contains(&int("keys.bytes-per-key")), "{stats:?}");
        let db = stats.field("db.0").expect("a database with keys");
        assert!(db.field("overhead.hashtable.main").expect("its table").int() > 20_000 * 8);
        let ratio = stats.field("allocator-fragmentation.ratio").expect("a ratio").string();
        assert!(ratio.parse::<f64>().is_ok_and(|ratio| ratio >= 1.0), "{ratio}");
    }
    assert_eq!(subject.run("MEMORY PURGE").text(), b"OK");
    assert!(subject.run("MEMORY MALLOC-STATS").string().contains("Begin jemalloc statistics"));
    assert!(!subject.run("MEMORY DOCTOR").string().is_empty());
}

/// What is not needed any more goes back to the system when it is asked for.
#[test]
fn memory_purge_gives_pages_back() {
    let server = support::server::Server::subject(&["--jemalloc-bg-thread", "no"]);
    let mut client = server.connect();
    client.run("DEBUG POPULATE 100000 key 500");
    let full = server.memory("VmRSS");
    client.run("FLUSHALL");
    support::server::eventually("everything is freed", || {
        client.run("INFO memory").string().contains("lazyfree_pending_objects:0")
    });
    support::server::eventually("pages are given back", || {
        client.run("MEMORY PURGE");
        server.memory("VmRSS") < full / 2
    });
    let advice = client.run("MEMORY DOCTOR").string();
    assert!(advice.contains("next to nothing") || advice.contains("Peak memory"), "{advice}");
}
