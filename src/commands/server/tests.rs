//! The server commands on an engine without sockets.

use crate::server::testing::{EngineHarness, encode};

const DENIED: &str = "-ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\"";

fn debuggable() -> EngineHarness {
    EngineHarness::with_config(&[("enable-debug-command", "yes")])
}

fn field<'a>(info: &'a str, name: &str) -> &'a str {
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name} in {info}"))
}

#[test]
fn debug_is_guarded() {
    let mut harness = EngineHarness::new();
    assert!(harness.line("debug sleep 0").starts_with(DENIED));
    assert!(harness.line("debug help").starts_with(DENIED));
    let mut local = EngineHarness::with_config(&[("enable-debug-command", "local")]);
    assert_eq!(local.line("debug sleep 0"), "+OK\r\n");
}

#[test]
fn debug_sleep_lets_time_pass() {
    let mut harness = debuggable();
    assert_eq!(harness.line("setex a 1 x"), "+OK\r\n");
    assert_eq!(harness.line("debug sleep 0.5"), "+OK\r\n");
    assert_eq!(harness.line("exists a"), ":1\r\n");
    assert_eq!(harness.line("debug sleep 1"), "+OK\r\n");
    assert_eq!(harness.line("exists a"), ":0\r\n");
    for nonsense in ["-1", "nan", "inf", "1e400", "x"] {
        assert_eq!(harness.line(&format!("debug sleep {nonsense}")), "+OK\r\n");
    }
}

/// A field with a deadline is another than one without, in a listpack and in a table.
#[test]
fn digests_of_hashes() {
    for entries in ["512", "0"] {
        let mut harness = debuggable();
        harness.line(&format!("config set hash-max-listpack-entries {entries}"));
        assert_eq!(harness.line("hset h f 1 g 2"), ":2\r\n");
        assert_eq!(harness.line("hset i g 2 f 1"), ":2\r\n");
        assert_eq!(harness.line("debug digest-value h"), harness.line("debug digest-value i"));
        harness.line("hexpire h 10 fields 1 f");
        assert_ne!(harness.line("debug digest-value h"), harness.line("debug digest-value i"));
        harness.line("hexpire i 20 fields 1 f");
        assert_eq!(harness.line("debug digest-value h"), harness.line("debug digest-value i"));
    }
}

/// The digests are those that Redis 7.0 answers for the same commands.
#[test]
fn digests_are_those_of_redis() {
    let mut harness = debuggable();
    let zeroes = "0".repeat(40);
    assert_eq!(harness.line("debug digest"), format!("+{zeroes}\r\n"));
    assert_eq!(harness.line("debug populate 3 p 20"), "+OK\r\n");
    assert_eq!(harness.line("debug populate 2"), "+OK\r\n");
    assert_eq!(harness.line("debug digest"), "+8991acb6a3cd14a36e7b79b0a82e2bce41c60537\r\n");
    assert_eq!(
        harness.line("debug digest-value p:1 nokey"),
        format!("*2\r\n+8c4826742fd0dcf962fcc3939bf6132aabbe7a38\r\n+{zeroes}\r\n")
    );
    let before = harness.line("debug digest");
    harness.line("pexpire p:1 100000");
    let with_deadline = harness.line("debug digest");
    assert_ne!(before, with_deadline);
    harness.line("pexpire p:1 200000");
    assert_eq!(harness.line("debug digest"), with_deadline, "which deadline does not matter");
    harness.line("persist p:1");
    assert_eq!(harness.line("debug digest"), before);
    harness.line("move p:1 1");
    assert_ne!(harness.line("debug digest"), before);
}

#[test]
fn debug_populate_keeps_what_is_there() {
    let mut harness = debuggable();
    harness.line("set key:1 mine");
    assert_eq!(harness.line("debug populate 3"), "+OK\r\n");
    assert_eq!(harness.line("mget key:0 key:1 key:2"), "*3\r\n$7\r\nvalue:0\r\n$4\r\nmine\r\n$7\r\nvalue:2\r\n");
    assert_eq!(harness.line("debug populate 11 p 6"), "+OK\r\n");
    assert_eq!(harness.line("get p:10"), "$6\r\nvalue:\r\n", "cut to the size");
    assert_eq!(harness.line("debug populate -1"), "-ERR value is out of range, must be positive\r\n");
    assert!(harness.line("debug populate 1 p 99999999999999").starts_with("-ERR"));
}

#[test]
fn debug_object_tells_how_a_value_is_kept() {
    let mut harness = debuggable();
    harness.line("set n 12345");
    let line = harness.line("debug object n");
    assert!(line.starts_with("+Value at:0x"), "{line}");
    assert!(line.contains(" refcount:1 encoding:int serializedlength:3 lru:"), "{line}");
    assert!(line.ends_with(" lru_seconds_idle:0\r\n"), "{line}");
    assert!(harness.line("debug htstats 0").contains("number of elements: 1\n"));
    // Two that can't be compressed.
    let long: String = (0..64).map(|n| char::from(b'0' + n)).collect();
    for (value, expected) in [
        ("", 1),
        ("1", 2),
        ("-129", 3),
        ("32768", 5),
        ("2147483648", 11),
        ("value:1", 8),
        ("01", 3),
        (&long[..63], 64),
        (&long, 66),
    ] {
        harness.feed(harness.first, &encode(&[b"set", b"s", value.as_bytes()]));
        let line = harness.line("debug object s");
        assert!(line.contains(&format!(" serializedlength:{expected} ")), "{value}: {line}");
    }
    harness.line("del s");
    harness.line("sadd ints 1 2 3");
    let line = harness.line("debug object ints");
    assert!(line.contains(" encoding:intset serializedlength:15 "), "{line}");
    harness.line("config set list-max-listpack-size 2");
    harness.line("rpush list a b c 4 5 6 7");
    let line = harness.line("debug object list");
    assert!(line.contains(" encoding:quicklist serializedlength:54 "), "{line}");
    let nodes = " ql_nodes:4 ql_avg_node:1.75 ql_listpack_max:2 ql_compressed:0 ql_uncompressed_size:45\r\n";
    assert!(line.ends_with(nodes), "{line}");
    assert_eq!(harness.line("debug object nothing"), "-ERR no such key\r\n");
    assert_eq!(harness.line("debug htstats 16"), "-ERR Out of range database\r\n");
    assert_eq!(
        harness.line("debug object"),
        "-ERR unknown subcommand or wrong number of arguments for 'object'. Try DEBUG HELP.\r\n"
    );
}

#[test]
fn active_expiry_can_be_stopped() {
    let mut harness = debuggable();
    harness.line("psetex a 10 x");
    assert_eq!(harness.line("debug set-active-expire 0"), "+OK\r\n");
    harness.advance_ms(20);
    assert_eq!(harness.engine.keyspace.expire_slice(100), 100);
    assert_eq!(harness.line("dbsize"), ":1\r\n");
    assert_eq!(harness.line("debug set-active-expire 1"), "+OK\r\n");
    harness.engine.keyspace.expire_slice(100);
    assert_eq!(harness.line("dbsize"), ":0\r\n");
}

#[test]
fn flushing_and_swapping() {
    let mut harness = EngineHarness::new();
    harness.line("set a 1");
    harness.line("select 1");
    harness.line("set b 2");
    assert_eq!(harness.line("swapdb 0 1"), "+OK\r\n");
    assert_eq!(harness.line("get a"), "$1\r\n1\r\n");
    assert_eq!(harness.line("flushdb async"), "+OK\r\n");
    assert_eq!(harness.line("dbsize"), ":0\r\n");
    assert_eq!(harness.line("swapdb 1 1"), "+OK\r\n");
    assert_eq!(harness.line("swapdb 0 16"), "-ERR DB index is out of range\r\n");
    assert_eq!(harness.line("swapdb 0 -1"), "-ERR DB index is out of range\r\n");
    assert_eq!(harness.line("swapdb x 1"), "-ERR invalid first DB index\r\n");
    assert_eq!(harness.line("swapdb 1 99999999999"), "-ERR invalid second DB index\r\n");
    assert_eq!(harness.line("flushall now"), "-ERR syntax error\r\n");
    assert_eq!(
        harness.line("info keyspace"),
        "$56\r\n# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0,subexpiry=0\r\n\r\n"
    );
    assert_eq!(harness.line("flushall sync"), "+OK\r\n");
    assert_eq!(harness.line("info keyspace"), "$12\r\n# Keyspace\r\n\r\n");
}

#[test]
fn time_is_the_clock() {
    let mut harness = EngineHarness::new();
    harness.advance_ms(1);
    assert_eq!(harness.line("time"), "*2\r\n$10\r\n1700000000\r\n$4\r\n1000\r\n");
}

#[test]
fn info_by_sections() {
    let mut harness = EngineHarness::new();
    let all = harness.line("info everything");
    let titles: Vec<&str> = all.lines().filter_map(|line| line.strip_prefix("# ")).collect();
    assert_eq!(
        titles.join(" "),
        "Server Clients Memory Persistence Stats Replication CPU Modules Commandstats Errorstats Latencystats Cluster Keyspace"
    );
    let default = harness.line("info");
    assert!(!default.contains("# Commandstats") && default.contains("# Errorstats"));
    assert_eq!(harness.line("info nothing"), "$0\r\n\r\n");
    assert_eq!(harness.line("info keyspace CLUSTER nothing"), harness.line("info cluster keyspace"));
    assert_eq!(field(&all, "redis_version"), "7.4.0");
    assert_eq!(field(&all, "zedis_version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(field(&all, "role"), "master");
    assert_eq!(field(&all, "run_id").len(), 40);
    for name in ["used_memory", "used_memory_rss", "used_memory_peak", "total_system_memory"] {
        assert!(field(&all, name).parse::<u64>().unwrap() > 0, "{name}");
    }
    harness.line("hello 3");
    assert!(harness.line("info cluster").starts_with("=34\r\ntxt:# Cluster\r\n"));
}

#[test]
fn info_counts() {
    let mut harness = EngineHarness::new();
    harness.line("config resetstat");
    for line in ["set a 1", "get a", "get b", "get", "client id x", "client nothing", "incr x y", "lolwut version x"] {
        harness.line(line);
    }
    let info = harness.line("info all");
    for (name, value) in [
        ("keyspace_hits", "1"),
        ("keyspace_misses", "1"),
        ("total_error_replies", "5"),
        ("errorstat_ERR", "count=5"),
        ("total_commands_processed", "5"),
    ] {
        assert_eq!(field(&info, name), value, "{name}");
    }
    assert!(field(&info, "cmdstat_get").starts_with("calls=2,usec="));
    assert!(field(&info, "cmdstat_get").ends_with(",rejected_calls=1,failed_calls=0"));
    assert!(field(&info, "cmdstat_client|id").starts_with("calls=0,usec=0,usec_per_call=0.00,rejected_calls=1"));
    assert!(field(&info, "cmdstat_lolwut").ends_with(",rejected_calls=0,failed_calls=1"));
    assert_eq!(harness.line("config resetstat"), "+OK\r\n");
    assert_eq!(field(&harness.line("info stats"), "total_error_replies"), "0");
}

#[test]
fn info_samples_rates_and_clients() {
    let mut harness = EngineHarness::new();
    for _ in 0..20 {
        for _ in 0..5 {
            harness.line("ping");
        }
        harness.advance_ms(100);
        harness.engine.cron();
    }
    let info = harness.line("info");
    assert_eq!(field(&info, "instantaneous_ops_per_sec"), "50");
    assert!(field(&info, "mem_clients_normal").parse::<usize>().unwrap() > 0);
    assert_eq!(field(&info, "connected_clients"), "1");
    assert_eq!(field(&info, "uptime_in_seconds"), "2");
}

#[test]
fn config_sets_all_or_nothing() {
    let mut harness = EngineHarness::new();
    assert_eq!(harness.line("config set maxmemory 100mb lfu-log-factor 7"), "+OK\r\n");
    assert_eq!(harness.line("config get maxmemory"), "*2\r\n$9\r\nmaxmemory\r\n$9\r\n104857600\r\n");
    assert_eq!(harness.engine.keyspace.settings.lfu_log_factor, 7);
    assert!(harness.line("config set maxmemory 1 nosuch 2").starts_with("-ERR Unknown option or number of arguments"));
    assert!(harness.line("config set maxmemory 1 lfu-log-factor x").starts_with("-ERR CONFIG SET failed"));
    assert_eq!(harness.line("config get maxmemory"), "*2\r\n$9\r\nmaxmemory\r\n$9\r\n104857600\r\n");
    assert_eq!(harness.line("config set maxmemory"), "-ERR wrong number of arguments for 'config|set' command\r\n");
    assert_eq!(harness.line("config set maxmemory 1 port"), "-ERR syntax error\r\n");
    assert_eq!(harness.line("config set requirepass secret"), "+OK\r\n");
    assert_eq!(harness.line("ping"), "+PONG\r\n", "who is in stays in");
    let other = harness.connect();
    assert_eq!(harness.line_as(other, "ping"), "-NOAUTH Authentication required.\r\n");
}

#[test]
fn shutdown_is_a_request() {
    let mut harness = EngineHarness::new();
    for line in ["shutdown x", "shutdown save nosave", "shutdown abort now"] {
        assert_eq!(harness.line(line), "-ERR syntax error\r\n", "{line}");
    }
    assert_eq!(harness.line("shutdown abort"), "-ERR No shutdown in progress.\r\n");
    assert!(harness.engine.shutdown_requested().is_none());
    assert_eq!(harness.line("shutdown NOSAVE now force"), "");
    let request = harness.engine.shutdown_requested().unwrap();
    assert!(request.save == Some(false) && request.now && request.force);
    assert_eq!(harness.line("shutdown abort"), "+OK\r\n");
    assert!(harness.engine.shutdown_requested().is_none());
}

#[test]
fn lolwut_draws() {
    let mut harness = EngineHarness::new();
    assert!(harness.line("lolwut").ends_with("Redis ver. 7.4.0\n\r\n"));
    assert!(harness.line("lolwut version 5 1 1").ends_with("Redis ver. 7.4.0\n\r\n"));
    assert_eq!(harness.line("lolwut version x"), "-ERR value is not an integer or out of range\r\n");
}

#[test]
fn command_tells_of_commands() {
    let mut harness = EngineHarness::new();
    let count = harness.engine.registry.top_level().count();
    assert_eq!(harness.line("command count"), format!(":{count}\r\n"));
    assert!(harness.line("command").starts_with(&format!("*{count}\r\n*10\r\n")));
    assert_eq!(harness.line("command"), harness.line("command info"));
    assert_eq!(harness.line("command nothing"), "-ERR unknown subcommand 'nothing'. Try COMMAND HELP.\r\n");
    assert_eq!(harness.line("command info nothing config|nothing |get client|"), "*4\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n");
    assert!(harness.line("command info CONFIG|GET").starts_with("*1\r\n*10\r\n$10\r\nconfig|get\r\n:-3\r\n"));
    assert_eq!(harness.line("command docs nothing"), "*0\r\n");
    assert!(harness.line("command docs config|get").starts_with("*2\r\n$10\r\nconfig|get\r\n"));
    assert_eq!(harness.line("command list filterby pattern CONFIG|[gh]*").lines().next(), Some("*2"));
    assert_eq!(harness.line("command list filterby aclcat nothing"), "*0\r\n");
    assert_eq!(harness.line("command list filterby module any"), "*0\r\n");
    assert_eq!(harness.line("command list filterby what any"), "-ERR syntax error\r\n");
    assert_eq!(harness.line("command list filterby module"), "-ERR syntax error\r\n");
}

/// As redis-cli reads the documentation: every key and every value is where it belongs.
#[test]
fn the_documentation_is_well_formed() {
    let mut harness = EngineHarness::new();
    harness.line("hello 3");
    let text = harness.send(&[b"command", b"docs"]);
    let mut rest = text.as_slice();
    let commands = value(&mut rest);
    assert!(rest.is_empty());
    assert_eq!(commands, harness.engine.registry.top_level().count());
    let mut rest: &[u8] = &harness.send(&[b"command"]);
    value(&mut rest);
    assert!(rest.is_empty());
}

/// Reads one RESP3 value; the number of its elements.
fn value(rest: &mut &[u8]) -> usize {
    let line_end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a line");
    let (line, behind) = rest.split_at(line_end);
    *rest = &behind[2..];
    let number = || std::str::from_utf8(&line[1..]).unwrap().parse::<usize>().unwrap();
    match line[0] {
        b'$' => {
            *rest = &rest[number() + 2..];
            0
        }
        b'%' => {
            for _ in 0..2 * number() {
                value(rest);
            }
            number()
        }
        b'*' | b'~' => {
            for _ in 0..number() {
                value(rest);
            }
            number()
        }
        b':' | b'+' => 0,
        other => panic!("no such type here: {}", other as char),
    }
}

#[test]
fn command_finds_keys() {
    let mut harness = EngineHarness::new();
    for (call, answer) in [
        ("get a", "*1\r\n$1\r\na\r\n"),
        ("mset a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
        ("object encoding a", "*1\r\n$1\r\na\r\n"),
        ("ping a", "-ERR The command has no key arguments\r\n"),
        ("client id", "-ERR The command has no key arguments\r\n"),
        ("get a b", "-ERR Invalid number of arguments specified for command\r\n"),
        ("nothing a", "-ERR Invalid command specified\r\n"),
        ("object nothing a", "-ERR Invalid command specified\r\n"),
    ] {
        assert_eq!(harness.line(&format!("command getkeys {call}")), answer, "{call}");
    }
    assert_eq!(harness.line("command getkeysandflags set a 1"), "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n");
    assert_eq!(
        harness.line("command getkeysandflags set a 1 get"),
        "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n"
    );
    assert!(harness.line("command getkeys").starts_with("-ERR wrong number of arguments"));
}

#[test]
fn helps_are_lists_of_lines() {
    let mut harness = debuggable();
    for container in ["client", "config", "command", "debug"] {
        let help = harness.line(&format!("{container} help"));
        let first = format!("+{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", container.to_uppercase());
        assert_eq!(help.lines().nth(1), Some(first.as_str()));
        assert!(help.ends_with("+HELP\r\n+    This text.\r\n"), "{help}");
    }
}

#[test]
fn info_fits_between_other_replies() {
    let mut harness = EngineHarness::new();
    let mut requests = encode(&[b"ping"]);
    requests.extend(encode(&[b"info", b"cluster"]));
    requests.extend(encode(&[b"ping"]));
    let answer = harness.feed(harness.first, &requests);
    assert_eq!(answer, b"+PONG\r\n$30\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n+PONG\r\n");
}

/// What an earlier command of the same turn, or of the transaction, found expired is not counted.
#[test]
fn expired_keys_that_were_found_are_not_counted() {
    for lines in ["GET e\r\nDBSIZE\r\n", "MULTI\r\nGET e\r\nDBSIZE\r\nEXEC\r\n"] {
        let mut harness = EngineHarness::new();
        harness.line("DEBUG SET-ACTIVE-EXPIRE 0");
        harness.line("SET e 1 PX 1");
        harness.line("SET k 1");
        harness.advance_ms(10);
        assert_eq!(harness.line("DBSIZE"), ":2\r\n");
        let answers = String::from_utf8(harness.feed(harness.first, lines.as_bytes())).expect("text");
        assert!(answers.ends_with("$-1\r\n:1\r\n"), "{answers}");
        assert!(harness.line("INFO keyspace").contains("db0:keys=1,"));
    }
}

#[test]
fn who_has_been_killed_is_not_seen_any_more() {
    let mut harness = EngineHarness::new();
    harness.connect();
    let lines = b"CLIENT KILL ID 2\r\nCLIENT LIST ID 2\r\nCLIENT TRACKING ON REDIRECT 2\r\nCLIENT KILL ID 2\r\n";
    assert_eq!(
        String::from_utf8(harness.feed(harness.first, lines)).expect("text"),
        ":1\r\n$0\r\n\r\n-ERR The client ID you want redirect to does not exist\r\n:0\r\n"
    );
}
