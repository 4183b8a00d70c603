//! The configuration against what redis-server answered, and its own rules.

use super::{
    Action, BufferLimit, Config, ConfigError, DIRECTIVES, Effect, Guard, Kind, MaxmemoryPolicy, Mutability, SavePoint,
    ShutdownFlags, UserLine, Value, compose, options_text,
};
use crate::base::log::Level;

fn set(config: &mut Config, pairs: &[(&str, &str)]) -> Result<Vec<Action>, String> {
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    match config.set(&pairs, true) {
        Ok(applied) => Ok(applied.actions),
        Err(error) => Err(String::from_utf8_lossy(error.text()).into_owned()),
    }
}

fn get(config: &Config, name: &str) -> String {
    let found = config.get(&[name.as_bytes()]);
    assert_eq!(found.len(), 1, "{name}");
    String::from_utf8_lossy(&found[0].1).into_owned()
}

fn load(text: &str) -> Result<Config, String> {
    let mut config = Config::default();
    config.load(text.as_bytes()).map(|_| config).map_err(|error| error.to_string())
}

/// As a server started with these words would see it.
fn start(words: &[&str]) -> Result<Config, String> {
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    let text = compose(None, None, &options_text(&words));
    let mut config = Config::default();
    config.load(&text).map(|_| config).map_err(|error| error.to_string())
}

#[test]
fn config_set_answers_as_redis() {
    let mut cases = 0;
    let mut refused = 0;
    for line in include_str!("set_cases.txt").lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, value, answer, shown] = columns[..] else { panic!("{line}") };
        let mut config = Config::default();
        let before = get(&config, name);
        let directive = DIRECTIVES.iter().find(|directive| directive.name_as(name.as_bytes()).is_some()).unwrap();
        if let (Effect::Refused(why), "OK") = (directive.effect, answer)
            && shown != before
        {
            let error = set(&mut config, &[(name, value)]).unwrap_err();
            assert!(error.contains(name) && error.ends_with(why), "{error}");
            assert_eq!(get(&config, name), before);
            refused += 1;
            continue;
        }
        match set(&mut config, &[(name, value)]) {
            Ok(_) => {
                assert_eq!(answer, "OK", "{name} {value:?}");
                assert_eq!(get(&config, name), shown, "{name} {value:?}");
            }
            Err(text) => {
                let expected = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {answer}");
                assert_eq!(text, expected, "{value:?}");
                assert_eq!(get(&config, name), before);
            }
        }
        cases += 1;
    }
    assert!(cases > 500 && refused > 1, "{cases} {refused}");
}

/// The directives that redis-server 7.0 cannot be asked about, by the rules of their kinds: what is at a limit is taken and shown, what is
/// beyond it, and nonsense, is refused with a reason and changes nothing.
#[test]
fn every_directive_at_its_limits_and_beyond() {
    let mut tried = 0;
    for directive in DIRECTIVES {
        let (good, bad): (Vec<String>, Vec<String>) = match directive.kind {
            Kind::Bool => (vec!["yes".into(), "NO".into()], vec!["1".into(), "".into(), "maybe".into()]),
            Kind::Int { min, max } => {
                let beyond =
                    [min.checked_sub(1), max.checked_add(1)].into_iter().flatten().map(|beyond| beyond.to_string());
                let nonsense = ["", "x", "1x", "1.5", "0x10", "99999999999999999999"].map(str::to_owned);
                (vec![min.to_string(), max.to_string()], beyond.chain(nonsense).collect())
            }
            Kind::Memory { min, max } => {
                let beyond =
                    [min.checked_sub(1), max.checked_add(1)].into_iter().flatten().map(|beyond| beyond.to_string());
                (vec![min.to_string(), max.to_string()], beyond.chain(["x", "1q", "-1"].map(str::to_owned)).collect())
            }
            Kind::Enum(names) => {
                let names = names.iter().map(|name| name.split('=').next().unwrap().to_uppercase());
                (names.collect(), vec!["".into(), "bogus".into(), "yes no".into()])
            }
            _ => continue,
        };
        let parse = |text: &str| directive.parse(&[text.as_bytes()], &directive.default_value());
        for text in good {
            match (parse(&text), directive.effect) {
                (Ok(_), _) => {}
                (Err(reason), Effect::Refused(why)) => assert!(reason.ends_with(why), "{} {text}", directive.name),
                (Err(reason), _) => panic!("{} {text}: {reason}", directive.name),
            }
        }
        for text in bad {
            assert!(parse(&text).is_err_and(|reason| reason.starts_with("argument")), "{} {text:?}", directive.name);
        }
        tried += 1;
    }
    assert!(tried > 130, "{tried}");
}

#[test]
fn defaults_are_those_of_redis() {
    let config = Config::default();
    for line in include_str!("default_cases.txt").lines().skip(1) {
        let (name, value) = line.split_once('\t').unwrap();
        assert_eq!(get(&config, name), value, "{name}");
    }
}

#[test]
fn names_are_unique_and_defaults_are_valid() {
    let mut names: Vec<&str> = DIRECTIVES.iter().flat_map(|directive| directive.names()).collect();
    assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    for directive in DIRECTIVES {
        assert_ne!(directive.default_value(), Value::None, "{}", directive.name);
        assert_ne!(directive.effect, Effect::Unsaid, "{}", directive.name);
        if let Effect::None(why) | Effect::Refused(why) = directive.effect {
            assert!(why.len() > 10, "{}", directive.name);
        }
    }
}

#[test]
fn what_config_get_shows_can_be_set() {
    let mut config = Config::default();
    for directive in DIRECTIVES.iter().filter(|directive| directive.mutability == Mutability::Modifiable) {
        let shown = get(&config, directive.name);
        assert!(set(&mut config, &[(directive.name, &shown)]).is_ok(), "{}", directive.name);
        assert_eq!(get(&config, directive.name), shown);
    }
}

#[test]
fn what_config_get_shows_can_be_loaded() {
    for directive in DIRECTIVES {
        let config = Config::default();
        let shown = get(&config, directive.name);
        if shown.is_empty() {
            continue;
        }
        let loaded = load(&format!("{} \"{shown}\"", directive.name)).unwrap();
        assert_eq!(get(&loaded, directive.name), shown);
    }
}

#[test]
fn typed_fields_follow() {
    let mut config = Config::default();
    assert_eq!((config.port, config.databases, config.maxclients, config.timeout_s), (6379, 16, 10_000, 0));
    assert_eq!(config.bind, ["*", "-::*"]);
    assert_eq!(config.client_output_buffer_limits[1].hard_bytes, 256 << 20);
    assert_eq!(config.loglevel, Level::Notice);
    assert_eq!(config.maxmemory_policy, MaxmemoryPolicy::NoEviction);
    assert_eq!(config.enable_debug_command, Guard::No);
    assert_eq!(config.save.first(), Some(&SavePoint { seconds: 3600, changes: 1 }));
    assert!(config.protected_mode && config.latency_tracking && !config.daemonize);
    let actions = set(
        &mut config,
        &[
            ("timeout", "7"),
            ("MAXMEMORY", "1gb"),
            ("maxmemory-policy", "ALLKEYS-lfu"),
            ("client-output-buffer-limit", "normal 1kb 2 3"),
            ("requirepass", "pw"),
            ("hz", "1000"),
            ("shutdown-on-sigterm", "now force"),
        ],
    );
    assert_eq!(actions, Ok(vec![Action::MaxMemory, Action::RequirePass, Action::Hz]));
    assert_eq!((config.timeout_s, config.maxmemory, config.hz), (7, 1 << 30, 500));
    assert_eq!(config.maxmemory_policy, MaxmemoryPolicy::AllkeysLfu);
    let limit = BufferLimit { hard_bytes: 1024, soft_bytes: 2, soft_s: 3 };
    assert_eq!(config.client_output_buffer_limits[0], limit);
    assert_eq!(config.requirepass, b"pw");
    assert_eq!(config.shutdown_on_sigterm, ShutdownFlags::NOW | ShutdownFlags::FORCE);
    let live = DIRECTIVES.iter().filter(|directive| directive.effect == Effect::Works).count();
    assert!(live > 50, "{live}");
}

#[test]
fn config_set_is_all_or_nothing() {
    let mut config = Config::default();
    let error = set(&mut config, &[("hz", "20"), ("timeout", "5"), ("maxmemory", "x")]);
    let text = "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value";
    assert_eq!(error, Err(text.to_owned()));
    assert_eq!((config.hz, config.timeout_s), (10, 0));
    assert_eq!(get(&config, "hz"), "10");
}

#[test]
fn config_set_checks_names_first() {
    let failed =
        |name: &str, why: &str| Err(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"));
    let unknown = Err("ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'".to_owned());
    let mut config = Config::default();
    assert_eq!(set(&mut config, &[("nosuch", "1")]), unknown);
    assert_eq!(set(&mut config, &[("hz", "x"), ("nosuch", "1")]), unknown);
    assert_eq!(set(&mut config, &[("nosuch", "1"), ("databases", "3")]), unknown);
    let immutable = failed("databases", "can't set immutable config");
    assert_eq!(set(&mut config, &[("databases", "3"), ("nosuch", "1")]), immutable);
    assert_eq!(set(&mut config, &[("loglevel", "bogus"), ("databases", "1")]), immutable);
    assert_eq!(set(&mut config, &[("hz", "1"), ("HZ", "abc")]), failed("hz", "duplicate parameter"));
    assert_eq!(set(&mut config, &[("dir", "/")]), failed("dir", "can't set protected config"));
    assert_eq!(
        set(&mut config, &[("slave-priority", "x")]),
        failed("slave-priority", "argument couldn't be parsed into an integer")
    );
    // Two names of one directive are not the same parameter.
    let both = [("hash-max-ziplist-entries", "5"), ("hash-max-listpack-entries", "6")];
    assert_eq!(set(&mut config, &both), Ok(vec![]));
    assert_eq!(config.hash_max_listpack_entries, 6);
}

#[test]
fn protected_parameters() {
    for (guard, local, allowed) in
        [("no", true, false), ("yes", false, true), ("local", true, true), ("local", false, false)]
    {
        let mut config = load(&format!("enable-protected-configs {guard}")).unwrap();
        assert_eq!(config.set(&[(b"dbfilename", b"x.rdb")], local).is_ok(), allowed, "{guard} {local}");
    }
}

#[test]
fn what_cannot_be_carried_out_is_undone() {
    let mut config = Config::default();
    let pairs: [(&[u8], &[u8]); 3] = [(b"hz", b"50"), (b"port", b"7000"), (b"maxclients", b"5")];
    let applied = config.set(&pairs, true).unwrap();
    assert_eq!(applied.actions, [Action::Hz, Action::Port, Action::MaxClients]);
    let error = config.undo(applied, Action::Port, "Unable to listen on this port. Check server logs.");
    let text = b"ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.";
    assert_eq!(error.text(), text);
    assert_eq!((config.hz, config.port, config.maxclients), (10, 6379, 10_000));
}

#[test]
fn config_get_takes_patterns() {
    let config = Config::default();
    let names = |patterns: &[&[u8]]| -> Vec<String> {
        config.get(patterns).into_iter().map(|(name, _)| String::from_utf8_lossy(&name).into_owned()).collect()
    };
    let entries: [&[u8]; 1] = [b"hash-max-*-entries"];
    assert_eq!(names(&entries), ["hash-max-listpack-entries", "hash-max-ziplist-entries"]);
    assert_eq!(names(&[b"hz", b"h?", b"HZ"]), ["hz"]);
    assert_eq!(names(&[b"HZ"]), ["HZ"]);
    assert_eq!(names(&[b"H?"]), ["hz"]);
    assert!(names(&[b"nosuch"]).is_empty());
    assert!(names(&[b"key-load-*"]).is_empty());
    assert_eq!(names(&[b"key-load-delay"]), ["key-load-delay"]);
    assert_eq!(names(&[b"*-announce-ip"]), ["replica-announce-ip", "slave-announce-ip", "cluster-announce-ip"]);
    let all = names(&[b"*"]);
    assert!(all.len() > 190 && all.contains(&"stall-threshold-us".to_owned()));
}

#[test]
fn files() {
    let config = load(
        "# a comment\n \t\r\n  PORT 7000\r\nbind 127.0.0.1 -::1\n\"requirepass\" \"a\\x41\\n b\"\nmaxmemory 1gb\n\
         client-output-buffer-limit normal 1 2 3\nclient-output-buffer-limit replica 4 5 6\n\
         save 1 2\nsave 3 4\nunixsocketperm 700\nhash-max-ziplist-entries 9\nlist-max-ziplist-entries 512",
    )
    .unwrap();
    assert_eq!(config.port, 7000);
    assert_eq!(config.bind, ["127.0.0.1", "-::1"]);
    assert_eq!(config.requirepass, b"aA\n b");
    assert_eq!(get(&config, "client-output-buffer-limit"), "normal 1 2 3 slave 4 5 6 pubsub 33554432 8388608 60");
    assert_eq!(get(&config, "save"), "1 2 3 4");
    assert_eq!(config.unixsocketperm, 0o700);
    assert_eq!(config.hash_max_listpack_entries, 9);
    let saves = [
        ("save", ""),
        ("save \"\"", ""),
        ("save 1 2\nsave 3 4\nsave \"\"\nsave 5 6", "5 6"),
        ("save 900 1 300 10", "900 1 300 10"),
        ("save '900 1'\nsave 3 4", "900 1 3 4"),
    ];
    for (text, shown) in saves {
        assert_eq!(get(&load(text).unwrap(), "save"), shown, "{text}");
    }
    assert_eq!(get(&load("bind 127.0.0.1\nbind 127.0.0.2").unwrap(), "bind"), "127.0.0.2");
    assert_eq!(get(&load("replicaof no one").unwrap(), "slaveof"), "");
    let config = load("rename-command CONFIG \"\"\nuser alice on").unwrap();
    let alice = UserLine { line: 2, text: "user alice on".to_owned(), words: vec![b"alice".to_vec(), b"on".to_vec()] };
    assert_eq!(config.users, [alice]);
    let [rename] = config.renamed_commands.as_slice() else { panic!("{:?}", config.renamed_commands) };
    assert_eq!((rename.from.as_slice(), rename.to.as_slice(), rename.line), (b"CONFIG".as_slice(), b"".as_slice(), 1));
    assert_eq!(rename.text, "rename-command CONFIG \"\"");
}

#[test]
fn bad_files() {
    let bad = "Bad directive or wrong number of arguments";
    let arguments = "wrong number of arguments";
    let cases = [
        ("foo bar", 1, "foo bar", bad),
        ("port 1\n\n\n  foo bar \n", 4, "foo bar", bad),
        ("requirepass a b", 1, "requirepass a b", arguments),
        ("loglevel", 1, "loglevel", arguments),
        ("requirepass \"a", 1, "requirepass \"a", "Unbalanced quotes in configuration line"),
        ("save 1 2 3", 1, "save 1 2 3", "Invalid save parameters"),
        ("save \"1 2\" \"3 4\"", 1, "save \"1 2\" \"3 4\"", "Invalid save parameters"),
        ("save 1 2 # x", 1, "save 1 2 # x", "Invalid save parameters"),
        ("port x", 1, "port x", "argument couldn't be parsed into an integer"),
        ("port 70000", 1, "port 70000", "argument must be between 0 and 65535 inclusive"),
        ("unixsocketperm 9", 1, "unixsocketperm 9", "argument couldn't be parsed as an octal number"),
        ("unixsocketperm -1", 1, "unixsocketperm -1", "argument must be between 0 and 777 inclusive"),
        ("maxmemory 10%", 1, "maxmemory 10%", "argument must be a memory value"),
        ("replicaof a", 1, "replicaof a", arguments),
        ("replicaof a x", 1, "replicaof a x", "Invalid master port"),
        ("rename-command a", 1, "rename-command a", bad),
        ("user", 1, "user", bad),
        ("include", 1, "include", bad),
        ("include a b", 1, "include a b", bad),
        ("gopher-enabled yes", 1, "gopher-enabled yes", bad),
        ("appendfilename \"\"", 1, "appendfilename \"\"", "appendfilename can't be empty"),
        ("appenddirname a/b", 1, "appenddirname a/b", "appenddirname can't be a path, just a dirname"),
        ("dbfilename a/b", 1, "dbfilename a/b", "dbfilename can't be a path, just a filename"),
        ("supervised yes", 1, "supervised yes", "argument(s) must be one of the following: upstart, systemd, auto, no"),
        (
            "client-output-buffer-limit normal 1 2",
            1,
            "client-output-buffer-limit normal 1 2",
            "Wrong number of arguments in buffer limit configuration.",
        ),
    ];
    for (text, line, shown, reason) in cases {
        let error = load(text).err();
        let expected = format!("Reading the configuration file, at line {line}\n>>> '{shown}'\n{reason}");
        assert_eq!(error, Some(expected), "{text}");
    }
}

#[test]
fn the_command_line() {
    let shown = |words: &[&str], name: &str| get(&start(words).unwrap(), name);
    assert_eq!(shown(&["--port", "6380", "--save", "", "--bind", "a", "b"], "port"), "6380");
    assert_eq!(shown(&["--port", "6380", "--save", "", "--bind", "a", "b"], "save"), "");
    assert_eq!(shown(&["--port", "6380", "--save", "", "--bind", "a", "b"], "bind"), "a b");
    assert_eq!(shown(&["--bind", "127.0.0.1 ::1"], "bind"), "127.0.0.1 ::1");
    assert_eq!(shown(&["--save"], "save"), "");
    assert_eq!(shown(&["--save", "--loglevel", "debug"], "save"), "");
    assert_eq!(shown(&["--save", "--loglevel", "debug"], "loglevel"), "debug");
    assert_eq!(shown(&["--save", "900", "1", "--save", "300", "10"], "save"), "900 1 300 10");
    assert_eq!(shown(&["--save", "900", "1", "--save", ""], "save"), "");
    assert_eq!(shown(&["--proc-title-template", "--my--title--"], "proc-title-template"), "--my--title--");
    assert_eq!(shown(&["--requirepass", "--x", "--hz", "20"], "requirepass"), "--x");
    assert_eq!(shown(&["--requirepass", "a\nport 1\"\\\u{7f}"], "requirepass"), "a\nport 1\"\\\u{7f}");
    assert_eq!(shown(&["--loglevel debug"], "loglevel"), "debug");
    assert_eq!(shown(&["--LOGLEVEL", "debug"], "loglevel"), "debug");
    assert_eq!(shown(&["--shutdown-on-sigint", "nosave force"], "shutdown-on-sigint"), "nosave force");
    assert_eq!(shown(&["--shutdown-on-sigint", "nosave", "force"], "shutdown-on-sigint"), "nosave force");
    assert_eq!(shown(&["--oom-score-adj-values", "1 2 3"], "oom-score-adj-values"), "1 2 3");

    // An option that has its values in its own word leaves the next word alone.
    let words = ["--save 60 1", "--loglevel warning", "--requirepass \"a b\"", "--hz 20", "--bind", "--x"];
    let config = start(&words).unwrap();
    let found = ["save", "loglevel", "requirepass", "hz", "bind"].map(|name| get(&config, name));
    assert_eq!(found, ["60 1", "warning", "a b", "20", "--x"]);
    assert_eq!(shown(&["--save 60 1", "300", "10", "--hz", "20"], "save"), "60 1 300 10");
    assert_eq!(shown(&["--requirepass ", "--x"], "requirepass"), "--x");

    let error = |words: &[&str]| start(words).err().unwrap();
    let at = |line: &str, reason: &str| format!("Reading the configuration file, at line 2\n>>> '{line}'\n{reason}");
    let bad = "Bad directive or wrong number of arguments";
    assert_eq!(error(&["--bogus", "a\"b", "c\u{1}d"]), at("bogus \"a\\\"b\" \"c\\x01d\"", bad));
    assert_eq!(error(&["--", "x"]), at("\"x\"", bad));
    assert_eq!(error(&["-p", "3"]), at("\"-p\" \"3\"", bad));
    let values = "argument(s) must be one of the following: default, save, nosave, now, force";
    assert_eq!(error(&["--shutdown-on-sigterm 1mb", "--hz", "20"]), at("shutdown-on-sigterm 1mb", values));
    let unbalanced = "Unbalanced quotes in configuration line";
    assert_eq!(error(&["--requirepass \"a", "--hz", "20"]), at("requirepass \"a", unbalanced));
    assert_eq!(error(&["--save ", "--hz", "20"]), at("save  \"--hz\" \"20\"", "Invalid save parameters"));
    assert_eq!(error(&["--port"]), at("port", "wrong number of arguments"));
    assert_eq!(error(&["--loglevel", "--port", "0"]), at("loglevel \"--port\" \"0\"", "wrong number of arguments"));
    assert_eq!(error(&["--requirepass", "x", "-y"]), at("requirepass \"x\" \"-y\"", "wrong number of arguments"));
    let empty = at("oom-score-adj-values \"\"", "wrong number of arguments");
    assert_eq!(error(&["--oom-score-adj-values", ""]), empty);
}

#[test]
fn file_then_standard_input_then_command_line() {
    let words = [b"--hz".to_vec(), b"30".to_vec()];
    let text = compose(Some(b"hz 10\ntimeout 1\nport 1"), Some(b"hz 20\ntimeout 2"), &options_text(&words));
    let mut config = Config::default();
    config.load(&text).unwrap();
    assert_eq!((config.hz, config.timeout_s, config.port), (30, 2, 1));
}

#[test]
fn accepted_without_effect_is_noted() {
    let mut config = Config::default();
    let notes = config.load(b"rdbcompression yes\nactivedefrag yes\nport 1\nio-threads 4\nio-threads 1").unwrap();
    let lines: Vec<usize> = notes.iter().map(|note| note.line).collect();
    assert_eq!(lines, [2, 4], "{notes:?}");
    let why = notes[0].text.strip_prefix("Directive 'activedefrag' is accepted, but has no effect: ");
    assert!(why.is_some_and(|why| why.starts_with("values are not moved")), "{notes:?}");
    let applied = config.set(&[(b"io-threads-do-reads", b"yes")], true);
    assert!(applied.is_err(), "it is immutable");
    let applied = config.set(&[(b"dynamic-hz", b"no"), (b"hz", b"10"), (b"tls-ciphers", b"x")], true).unwrap();
    assert_eq!(applied.notes.len(), 2, "{:?}", applied.notes);
}

#[test]
fn includes() {
    let directory = std::env::temp_dir().join(format!("zedis-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = |name: &str| directory.join(name);
    std::fs::write(path("a.conf"), "hz 20\ntimeout 1\n").unwrap();
    std::fs::write(path("b.conf"), "timeout 2\nfoo bar\n").unwrap();
    std::fs::write(path("c.part"), "timeout 3\n").unwrap();
    std::fs::write(path("d.part"), "timeout 4\n").unwrap();
    std::fs::write(path("loop.conf"), format!("include {}\n", path("loop.conf").display())).unwrap();
    let include = |name: &str| load(&format!("port 1\n\ninclude {}\n", path(name).display()));
    let config = include("a.conf").unwrap();
    assert_eq!((config.hz, config.timeout_s), (20, 1));
    assert_eq!(include("*.part").unwrap().timeout_s, 4);
    assert_eq!(include("*.none").unwrap().timeout_s, 0);
    for (number, name) in ["x1", "x2", ".x3"].iter().enumerate() {
        std::fs::create_dir_all(path(name)).unwrap();
        std::fs::write(path(name).join("e.conf"), format!("timeout 1{number}\n")).unwrap();
    }
    assert_eq!(include("x*/e.conf").unwrap().timeout_s, 11);
    assert_eq!(include("*/[ae].conf").unwrap().timeout_s, 11);
    assert_eq!(include(".x*/*.conf").unwrap().timeout_s, 12);
    assert_eq!(include("nosuch*/*.conf").unwrap().timeout_s, 0);
    assert!(include("b.conf").err().unwrap().starts_with("Reading the configuration file, at line 2\n>>> 'foo bar'"));
    assert!(include("loop.conf").err().unwrap().ends_with("Too many levels of include"));
    let missing = path("none.conf").display().to_string();
    let expected = format!("Fatal error, can't open config file '{missing}': No such file or directory");
    assert_eq!(include("none.conf").err(), Some(expected));
    let error = Config::default().load_file(&path("none.conf")).err();
    assert!(matches!(error, Some(ConfigError::Open { .. })));
    std::fs::remove_dir_all(&directory).unwrap();
}

/// What a server would do nothing about, though whoever wrote it counts on it, keeps the server from starting.
#[test]
fn unsafe_to_ignore_is_refused() {
    for (line, why) in [
        ("tls-port 6380", "there is no TLS"),
        ("replicaof 10.0.0.1 6379", "there is no replication"),
        ("slaveof 10.0.0.1 6379", "there is no replication"),
        ("cluster-enabled yes", "there is no cluster mode"),
        ("min-slaves-to-write 1", "there is no replication"),
        ("loadmodule /usr/lib/redis/modules/redisbloom.so x", "modules are not supported"),
    ] {
        let error = load(line).unwrap_err();
        assert!(error.contains(&format!(">>> '{line}'")) && error.contains(why), "{error}");
    }
    for line in ["tls-port 0", "replicaof no one", "cluster-enabled no", "appendonly no", "min-slaves-to-write 0"] {
        assert!(load(line).is_ok(), "{line}");
    }
}

/// Whatever the bytes, loading ends with a configuration or a reason, and the typed fields stay in range.
#[test]
fn hostile_text() {
    let mut random = crate::base::random::Random::new(31);
    let pieces: Vec<&[u8]> = vec![
        b"port",
        b"save",
        b"bind",
        b"\"",
        b"'",
        b"\\x4",
        b" ",
        b"\n",
        b"\0",
        b"-1",
        b"99999999999999999999",
        b"hz",
        b"client-output-buffer-limit",
        b"normal",
        b"%",
        b"\xff",
        b"#",
        b"maxmemory",
        b"1gb",
        b"requirepass",
    ];
    for _ in 0..20_000 {
        let mut text = Vec::new();
        for _ in 0..random.below(12) {
            text.extend_from_slice(pieces[random.below(pieces.len() as u64) as usize]);
        }
        let mut config = Config::default();
        let _ = config.load(&text);
        assert!((1..=500).contains(&config.hz) && config.bind.len() <= 16);
    }
}
