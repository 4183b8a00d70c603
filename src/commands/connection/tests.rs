//! The connection commands on an engine without sockets.

use crate::server::testing::{EngineHarness, encode};

const NOAUTH: &str = "-NOAUTH Authentication required.\r\n";
const WRONGPASS: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

#[test]
fn a_password_is_asked_for() {
    let mut harness = EngineHarness::with_config(&[("requirepass", "secret")]);
    assert_eq!(harness.line("ping"), NOAUTH);
    assert_eq!(harness.line("client id"), NOAUTH);
    assert!(harness.line("hello").starts_with("-NOAUTH HELLO must be called with the client already authenticated"));
    assert_eq!(harness.line("auth wrong"), WRONGPASS);
    assert_eq!(harness.line("auth somebody secret"), WRONGPASS);
    assert_eq!(harness.line("hello 3 auth default wrong"), WRONGPASS);
    assert_eq!(harness.line("ping"), NOAUTH);
    assert_eq!(harness.line("auth secret"), "+OK\r\n");
    assert_eq!(harness.line("ping"), "+PONG\r\n");
    assert_eq!(harness.line("reset"), "+RESET\r\n");
    assert_eq!(harness.line("ping"), NOAUTH);
    assert_eq!(harness.line("auth default secret"), "+OK\r\n");
    assert_eq!(harness.line("auth wrong"), WRONGPASS);
    assert_eq!(harness.line("ping"), "+PONG\r\n", "a failed attempt locks nobody out");
    let other = harness.connect();
    let hello = harness.line_as(other, "hello 3 auth default secret setname me");
    assert!(hello.starts_with("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.4.0\r\n"), "{hello}");
    assert_eq!(harness.line_as(other, "client getname"), "$2\r\nme\r\n");
    assert!(harness.line("info stats").contains("\r\nacl_access_denied_auth:4\r\n"));
}

#[test]
fn a_pipeline_behind_auth_is_executed() {
    let mut harness = EngineHarness::with_config(&[("requirepass", "secret")]);
    let mut requests = encode(&[b"ping"]);
    requests.extend(encode(&[b"auth", b"secret"]));
    requests.extend(encode(&[b"ping"]));
    let mut answer = harness.feed(harness.first, &requests);
    answer.extend(harness.feed(harness.first, &encode(&[b"echo", b"end"])));
    assert_eq!(String::from_utf8(answer).unwrap(), format!("{NOAUTH}+OK\r\n+PONG\r\n$3\r\nend\r\n"));
}

#[test]
fn without_a_password_the_default_user_may_say_anything() {
    let mut harness = EngineHarness::new();
    assert!(harness.line("auth x").starts_with("-ERR AUTH <password> called without any password configured"));
    assert_eq!(harness.line("auth default x"), "+OK\r\n");
    assert_eq!(harness.line("auth other x"), WRONGPASS);
    assert_eq!(harness.line("auth a b c"), "-ERR syntax error\r\n");
}

#[test]
fn hello_changes_nothing_when_it_fails() {
    let mut harness = EngineHarness::new();
    assert_eq!(harness.line("hello 4"), "-NOPROTO unsupported protocol version\r\n");
    assert_eq!(harness.line("hello 3 setname a setname"), "-ERR Syntax error in HELLO option 'setname'\r\n");
    assert_eq!(harness.send(&[b"hello", b"3", b"setname", b"a b"])[0], b'-');
    assert_eq!(harness.line("client getname"), "$-1\r\n");
    assert!(harness.line("hello 3").starts_with("%7"));
    assert!(harness.line("hello").starts_with("%7"));
    assert_eq!(harness.line("client getname"), "_\r\n");
    assert!(harness.line("hello 2").starts_with("*14"));
}

#[test]
fn reset_forgets() {
    let mut harness = EngineHarness::new();
    for line in ["hello 3 setname me", "select 3", "client no-touch on", "client no-evict on", "client reply off"] {
        harness.line(line);
    }
    assert_eq!(harness.line("ping"), "");
    assert_eq!(harness.line("reset"), "+RESET\r\n");
    let info = harness.line("client info");
    for field in [" name= ", " flags=N ", " db=0 ", " resp=2 "] {
        assert!(info.contains(field), "{field} in {info}");
    }
}

#[test]
fn replies_can_be_turned_off() {
    let mut harness = EngineHarness::new();
    assert_eq!(harness.line("client reply skip"), "");
    assert_eq!(harness.line("ping"), "");
    assert_eq!(harness.line("ping"), "+PONG\r\n");
    let skips = [b"skip".as_slice(), b"skip"];
    for _ in 0..2 {
        for skip in skips {
            assert_eq!(harness.send(&[b"client", b"reply", skip]), b"");
        }
        assert_eq!(harness.line("no-such-command"), "");
        assert_eq!(harness.line("ping"), "+PONG\r\n");
    }
    assert_eq!(harness.line("client reply off"), "");
    for line in ["ping", "no-such-command", "get", "client reply skip", "client reply no"] {
        assert_eq!(harness.line(line), "", "{line}");
    }
    assert_eq!(harness.line("client reply on"), "+OK\r\n");
    assert_eq!(harness.line("ping"), "+PONG\r\n");
    assert_eq!(harness.line("client reply skip"), "");
    assert_eq!(harness.line("client reply on"), "+OK\r\n");
}

#[test]
fn quit_ends_a_pipeline() {
    let mut harness = EngineHarness::new();
    let client = harness.connect();
    let mut requests = encode(&[b"ping"]);
    requests.extend(encode(&[b"quit"]));
    requests.extend(encode(&[b"set", b"a", b"1"]));
    assert_eq!(harness.feed(client, &requests), b"+PONG\r\n+OK\r\n");
    assert!(!harness.is_connected(client));
    assert_eq!(harness.line("exists a"), ":0\r\n");
    let silent = harness.connect();
    harness.line_as(silent, "client reply off");
    assert_eq!(harness.line_as(silent, "quit"), "");
    assert!(!harness.is_connected(silent));
}

#[test]
fn databases_are_apart() {
    let mut harness = EngineHarness::with_config(&[("databases", "4")]);
    let mut requests = Vec::new();
    for db in 0..4 {
        requests.extend(encode(&[b"select", &[b'0' + db]]));
        requests.extend(encode(&[b"incrby", b"n", &[b'1' + db]]));
    }
    requests.extend(encode(&[b"select", b"4"]));
    requests.extend(encode(&[b"get", b"n"]));
    let answer = String::from_utf8(harness.feed(harness.first, &requests)).unwrap();
    assert_eq!(
        answer,
        "+OK\r\n:1\r\n+OK\r\n:2\r\n+OK\r\n:3\r\n+OK\r\n:4\r\n-ERR DB index is out of range\r\n$1\r\n4\r\n"
    );
}

#[test]
fn names_are_plain() {
    let mut harness = EngineHarness::new();
    assert_eq!(harness.line("client setname me"), "+OK\r\n");
    for bad in [&b"a b"[..], b"a\n", b"\x7f", b"\xc3\xa4", b"\0"] {
        assert_eq!(
            harness.send(&[b"client", b"setname", bad]),
            b"-ERR Client names cannot contain spaces, newlines or special characters.\r\n"
        );
    }
    assert_eq!(harness.line("client getname"), "$2\r\nme\r\n");
    assert_eq!(harness.send(&[b"client", b"setname", b""]), b"+OK\r\n");
    assert_eq!(harness.line("client getname"), "$-1\r\n");
    assert_eq!(harness.line("client setinfo LIB-NAME redis-py"), "+OK\r\n");
    assert_eq!(harness.line("client setinfo lib-ver 5.0.1"), "+OK\r\n");
    assert_eq!(harness.line("client setinfo lib 1"), "-ERR Unrecognized option 'lib'\r\n");
    assert_eq!(
        harness.send(&[b"client", b"setinfo", b"Lib-Ver", b"a b"]),
        b"-ERR Lib-Ver cannot contain spaces, newlines or special characters.\r\n"
    );
    assert!(harness.line("client info").ends_with(" lib-name=redis-py lib-ver=5.0.1\n\r\n"));
}

#[test]
fn a_line_about_each_client() {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    harness.line_as(other, "select 2");
    harness.line_as(other, "client setname other");
    harness.advance_ms(5000);
    let list = harness.line("client list");
    let lines: Vec<&str> = list.lines().filter(|line| line.starts_with("id=")).collect();
    assert_eq!(lines.len(), 2);
    let names: Vec<&str> = lines[0].split(' ').map(|field| field.split('=').next().unwrap_or("")).collect();
    assert_eq!(
        names.join(" "),
        "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem rbs rbp \
         obl oll omem tot-mem events cmd user redir resp lib-name lib-ver"
    );
    assert!(lines[0].starts_with("id=1 "));
    assert!(lines[0].contains(" idle=0 ") && lines[0].contains(" cmd=client|list "), "{}", lines[0]);
    // The whole request is in the ring while it runs: 4 + 12 + 10 bytes.
    assert!(lines[0].contains(" qbuf=26 ") && lines[0].contains(" argv-mem=10 "), "{}", lines[0]);
    for field in [" name=other ", " age=5 ", " idle=5 ", " db=2 ", " cmd=client|setname ", " qbuf=0 ", " rbs=0 "] {
        assert!(lines[1].contains(field), "{field} in {}", lines[1]);
    }
    assert_eq!(harness.line("client list type replica"), "$0\r\n\r\n");
    assert!(harness.line("client list id 2 17").contains("id=2 "));
    assert_eq!(harness.line("client list id 2x"), "-ERR Invalid client ID\r\n");
    assert_eq!(harness.line("client list id"), "-ERR syntax error\r\n");
}

#[test]
fn clients_are_killed_by_filters() {
    let mut harness = EngineHarness::new();
    let old = harness.connect();
    harness.advance_ms(3000);
    let young = harness.connect();
    harness.engine.clients[young].session.identity.addr = "10.0.0.1:5000".to_string();
    assert_eq!(harness.line("client kill maxage 4"), ":0\r\n");
    assert_eq!(harness.line("client kill addr 10.0.0.1:5000 maxage 3"), ":0\r\n");
    assert_eq!(harness.line("client kill maxage 3 type normal user default"), ":1\r\n");
    assert!(!harness.is_connected(old) && harness.is_connected(young));
    assert_eq!(harness.line("client kill 10.0.0.1:5001"), "-ERR No such client\r\n");
    assert_eq!(harness.line("client kill 10.0.0.1:5000"), "+OK\r\n");
    assert!(!harness.is_connected(young));
    for (line, error) in [
        ("client kill id 0", "ERR client-id should be greater than 0"),
        ("client kill maxage 0", "ERR maxage should be greater than 0"),
        ("client kill maxage x", "ERR maxage is not an integer or out of range"),
        ("client kill user nobody", "ERR No such user 'nobody'"),
        ("client kill type nothing", "ERR Unknown client type 'nothing'"),
        ("client kill skipme maybe", "ERR syntax error"),
        ("client kill id 1 addr", "ERR syntax error"),
    ] {
        assert_eq!(harness.line(line), format!("-{error}\r\n"), "{line}");
    }
    let caller = harness.connect();
    assert_eq!(harness.line_as(caller, "client kill id 4 skipme no"), ":1\r\n", "the answer is still sent");
    assert!(!harness.is_connected(caller) && harness.is_connected(harness.first));
}

#[test]
fn a_killed_client_executes_nothing_more() {
    let mut harness = EngineHarness::new();
    let other = harness.connect();
    harness.engine.begin_turn();
    harness.engine.feed(harness.first, &encode(&[b"client", b"kill", b"id", b"2"]));
    harness.engine.feed(other, &encode(&[b"set", b"a", b"1"]));
    harness.engine.run();
    assert_eq!(harness.take(harness.first), b":1\r\n");
    assert!(!harness.is_connected(other));
    assert_eq!(harness.line("exists a"), ":0\r\n");
}

#[test]
fn unknown_subcommands() {
    let mut harness = EngineHarness::new();
    assert_eq!(harness.line("client nothing"), "-ERR unknown subcommand 'nothing'. Try CLIENT HELP.\r\n");
    assert_eq!(harness.line("client"), "-ERR wrong number of arguments for 'client' command\r\n");
    assert_eq!(harness.line("client id 1"), "-ERR wrong number of arguments for 'client|id' command\r\n");
    let long = [b'x'; 1000];
    assert!(harness.send(&[b"client", &long]).len() < 200);
    assert!(harness.line("client help").starts_with('*'));
}
