//! redis-py and redis-cli, taken from where their users take them, against the server; and against redis-server as a control, so that a
//! script that is wrong does not pass for a server that is. Files, too: rdb-py reads what the server saved. The clients in Rust are a
//! package of their own, `tests/clients-rust`.

mod support;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use support::client::Client;
use support::pair::Pair;
use support::server::Server;

/// What the installer's exit status says when the package registry cannot be reached.
const UNREACHABLE: i32 = 75;

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// The interpreter that has redis-py and rdb-py; None on a machine without a network. Installed once, whichever test comes first.
fn python() -> Option<PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON.get_or_init(install_python).clone()
}

fn install_python() -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/python");
    std::fs::create_dir_all(directory.parent().expect("it has one")).expect("a directory under target");
    let output = Command::new(source("install-python.sh")).arg(&directory).output().expect("a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Some(directory.join("bin/python")),
        // A machine that builds for others has a network, or the tests would be silently gone.
        Some(UNREACHABLE) if std::env::var_os("CI").is_none() => {
            eprintln!("redis-py and rdb-py are NOT tested: their registry cannot be reached\n{said}");
            None
        }
        _ => panic!("redis-py and rdb-py cannot be installed: {said}"),
    }
}

/// Runs the script; its complaints, if any.
fn run_script(python: &Path, server: &Server, port: u16, protocol: &str) -> Option<String> {
    let path = server.dir().join(format!("script-{protocol}.log"));
    let log = File::create(&path).expect("a log");
    let status = Command::new("timeout")
        .args(["120"])
        .arg(python)
        .arg(source("redis_py.py"))
        .args([&port.to_string(), protocol])
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .status()
        .expect("timeout runs python");
    (!status.success())
        .then(|| format!("RESP{protocol}: {}", String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default())))
}

fn redis_py(server: Server) {
    let Some(python) = python() else { return };
    let port = server.open_port();
    // One after the other: each empties the server again and again.
    let complaints: Vec<String> =
        ["2", "3"].iter().filter_map(|version| run_script(&python, &server, port, version)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn redis_py_with_both_protocols() {
    // Installed before anybody uses it.
    let _ = python();
    let control = thread::spawn(|| redis_py(Server::oracle(&[])));
    redis_py(Server::subject(&[]));
    control.join().expect("the scripts are right: redis-server passes");
}

/// Keys of each type in each of its encodings, in several databases, with deadlines.
fn fill(client: &mut Client, with_fields: bool) {
    let long = "some text that a compressor likes: ".repeat(20);
    let mut lines = vec![
        "SET text v".to_owned(),
        "SET number 12345".to_owned(),
        "SET negative -1".to_owned(),
        "SET big 123456789012".to_owned(),
        "SET deadline v PXAT 33177117420123".to_owned(),
        format!("SET long \"{long}\""),
        "SET binary \"\\x00\\xff\\r\\n\"".to_owned(),
        "PFADD hll a b c".to_owned(),
        "SETBIT bits 1000 1".to_owned(),
        "ZADD infinite -inf a 1e300 b +inf c 0.1 d".to_owned(),
        "SADD mixed 1 2 x".to_owned(),
        "RPUSH quick a".to_owned(),
        format!("RPUSH quick \"{long}\""),
    ];
    for (name, many) in [("small", 5), ("large", 700)] {
        for n in 0..many {
            lines.push(format!("RPUSH list:{name} {n} x{n}"));
            lines.push(format!("SADD ints:{name} {n} -{n}000000000"));
            lines.push(format!("SADD set:{name} m{n}"));
            lines.push(format!("ZADD zset:{name} {n}.25 m{n}"));
            lines.push(format!("HSET hash:{name} f{n} {n}"));
            if with_fields && n % 3 == 0 {
                lines.push(format!("HPEXPIREAT hash:{name} 33177117420123 FIELDS 1 f{n}"));
            }
        }
    }
    lines.extend(
        [
            "PEXPIREAT hash:large 33177117420999",
            "SELECT 7",
            "SET other 1 PXAT 33177117420001",
            "RPUSH l a b",
            "SELECT 0",
        ]
        .map(str::to_owned),
    );
    for line in lines {
        let reply = client.run(&line);
        assert!(!reply.is_error(), "{line}: {reply:?}");
    }
}

/// What a server saved is what a parser finds that has nothing to do with it.
fn rdb_py(writer: &Server, reader: &Server, with_fields: bool) {
    let Some(python) = python() else { return };
    let mut client = writer.connect();
    fill(&mut client, with_fields);
    assert_eq!(client.run("SAVE").string(), "OK");
    if with_fields {
        // The parser has no word for deadlines of fields; that they do not keep it from the rest is what is asked for.
        for name in ["small", "large"] {
            let fields: Vec<String> = (0..700).map(|n| format!("f{n}")).collect();
            client.run(&format!("HPERSIST hash:{name} FIELDS 700 {}", fields.join(" ")));
        }
    }
    let wanted = client.run("DEBUG DIGEST");
    let port = reader.open_port();
    let output = Command::new("timeout")
        .arg("60")
        .arg(python)
        .arg(source("rdb_py.py"))
        .arg(writer.dir().join("dump.rdb"))
        .arg(port.to_string())
        .stdin(Stdio::null())
        .output()
        .expect("timeout runs python");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(reader.connect().run("DEBUG DIGEST"), wanted, "{said}");
}

#[test]
fn rdb_py_reads_what_was_saved() {
    rdb_py(&Server::oracle(&[]), &Server::oracle(&[]), false);
    rdb_py(&Server::subject(&[]), &Server::subject(&[]), false);
    rdb_py(&Server::subject(&["--rdbcompression", "no"]), &Server::oracle(&[]), false);
    // In the format of 7.4.
    rdb_py(&Server::subject(&[]), &Server::subject(&[]), true);
}

fn redis_cli(server: &Server, args: &[&str], input: &str) -> String {
    let mut child = Command::new("timeout")
        .args(["60", "redis-cli", "-s"])
        .arg(server.socket())
        .args(args)
        // Its file of the past, and its preferences.
        .env("HOME", server.dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("redis-cli is installed");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_string();
    // It may answer before it has read everything.
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    let _ = writer.join().expect("no panic");
    format!("{}{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What redis-cli prints has to be the same, whatever it makes of the replies.
#[test]
fn redis_cli_prints_the_same() {
    let pair = Pair::start(&[]);
    let mut bulk = String::new();
    for n in 0..5000 {
        let key = format!("bulk:{n}");
        bulk.push_str(&format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n$1\r\nv\r\n", key.len()));
    }
    bulk.push_str("*2\r\n$4\r\nINCR\r\n$6\r\nbulk:0\r\n");
    let script = "\
        HSET h a 1 b \"two words\"\nHGETALL h\nZADD z 1.5 a 2 b inf c\nZRANGE z 0 -1 WITHSCORES\nSADD s m\nSMEMBERS s\n\
        GET none\nLPUSH l x\nINCR l\nNOSUCH a b\nGET\nMULTI\nSET k 1\nINCR k\nEXEC\nMULTI\nDISCARD\nSELECT 3\nDBSIZE\nSET there 1\n\
        SELECT 0\nBLPOP none 0.01\nOBJECT ENCODING h\nEXISTS h z\nSETRANGE bin 3 \"\\x00\\xff\"\nGET bin\nZSCORE z c\n\
        CONFIG GET maxmemory\nDEBUG PROTOCOL attrib\nDEBUG PROTOCOL bignum\n\
        DEBUG PROTOCOL verbatim\nDEBUG PROTOCOL true\nDEBUG PROTOCOL double\nCOMMAND GETKEYS MSET a 1 b 2\n";
    let runs: &[(&[&str], &str)] = &[
        (&[], script),
        (&["-3"], script),
        (&["--csv"], script),
        (&["--no-raw"], script),
        (&["--json"], script),
        (&["-n", "2", "-r", "3", "INCR", "n"], ""),
        (&["-3", "-e", "LPUSH", "n"], ""),
        (&["-x", "SET", "stdin"], "from the input"),
        (&["GET", "stdin"], ""),
        (&["--pipe"], &bulk),
        (&["DBSIZE"], ""),
        (&["--scan", "--pattern", "bulk:12?", "--count", "1000"], ""),
        (&["--user", "nobody", "--pass", "wrong", "PING"], ""),
        (&["COMMAND", "GETKEYSANDFLAGS", "SET", "a", "1"], ""),
        (&["PING"], ""),
    ];
    for (args, input) in runs {
        let sorted = |server: &Server| {
            let printed = redis_cli(server, args, input);
            // A scan has its own order in each server.
            if !args.contains(&"--scan") {
                return printed;
            }
            let mut lines: Vec<&str> = printed.lines().collect();
            lines.sort_unstable();
            lines.join("\n")
        };
        let (subject, oracle) = (sorted(&pair.subject), sorted(&pair.oracle));
        assert!(subject.starts_with("exit status"), "{args:?}: {subject}");
        for (number, (ours, theirs)) in subject.lines().zip(oracle.lines()).enumerate() {
            assert_eq!(ours, theirs, "redis-cli {args:?}, line {number}");
        }
        assert_eq!(subject, oracle, "redis-cli {args:?}");
    }
    // What 7.4 says about a command is not what 7.0 says. That it is said comes from COMMAND DOCS.
    let help = redis_cli(&pair.subject, &["HELP", "GETEX"], "");
    assert!(help.contains("GETEX") && help.contains("key [EX seconds") && help.contains("since:"), "{help}");
    assert!(redis_cli(&pair.subject, &["HELP", "@hash"], "").contains("HGETALL"));
}
