//! What lists do and the oracle (Redis 7.0) does not: small ones are listpacks (7.2), LMOVEM and BLMOVEM (8.10), against their
//! documented replies, written out.

mod support;

use support::server::{Server, subject_is_redis};
use support::table;

/// Calls and what they are answered, as `call => reply`; replies as the test's `Reply` prints itself.
type Table = &'static str;

const LMOVEM: Table = r#"
RPUSH l 1 2 3 4 => :4
RPUSH m 5 6 7 => :3
LMOVEM l m LEFT LEFT COUNT 2 OBO => *["2", "1"]
LRANGE m 0 -1 => *["2", "1", "5", "6", "7"]
LMOVEM l m LEFT LEFT => *["3"]
LMOVEM l m LEFT LEFT EXACTLY 2 BULK => *-1
LMOVEM l m RIGHT RIGHT COUNT 100 BULK => *["4"]
EXISTS l => :0
LRANGE m 0 -1 => *["3", "2", "1", "5", "6", "7", "4"]
LMOVEM m n LEFT RIGHT COUNT 3 OBO => *["3", "2", "1"]
LMOVEM m n RIGHT LEFT EXACTLY 2 OBO => *["7", "4"]
LMOVEM m n RIGHT RIGHT EXACTLY 2 OBO => *["6", "5"]
LRANGE n 0 -1 => *["7", "4", "3", "2", "1", "6", "5"]
EXISTS m => :0
LMOVEM missing n LEFT LEFT => *-1
LMOVEM missing n LEFT LEFT COUNT 2 BULK => *-1
LMOVEM missing n LEFT LEFT EXACTLY 2 BULK => *-1
RPUSH s a b c d => :4
LMOVEM s s LEFT LEFT EXACTLY 2 OBO => *["b", "a"]
LRANGE s 0 -1 => *["b", "a", "c", "d"]
LMOVEM s s LEFT LEFT COUNT 3 BULK => *["b", "a", "c"]
LRANGE s 0 -1 => *["b", "a", "c", "d"]
LMOVEM s s LEFT RIGHT COUNT 2 BULK => *["b", "a"]
LRANGE s 0 -1 => *["c", "d", "b", "a"]
LMOVEM s s RIGHT RIGHT COUNT 2 OBO => *["a", "b"]
LMOVEM s s RIGHT LEFT COUNT 9 OBO => *["c", "d", "a", "b"]
LRANGE s 0 -1 => *["c", "d", "a", "b"]
SET str v => +OK
LMOVEM s str LEFT LEFT => -WRONGTYPE Operation against a key holding the wrong kind of value
LMOVEM str s LEFT LEFT => -WRONGTYPE Operation against a key holding the wrong kind of value
LMOVEM s str LEFT LEFT EXACTLY 9 OBO => *-1
LLEN s => :4
LMOVEM s t UP LEFT => -ERR syntax error
LMOVEM s t LEFT UP => -ERR syntax error
LMOVEM s t LEFT LEFT COUNT => -ERR syntax error
LMOVEM s t LEFT LEFT COUNT 1 => -ERR syntax error
LMOVEM s t LEFT LEFT COUNT 1 BOTH => -ERR syntax error
LMOVEM s t LEFT LEFT OBO COUNT 1 => -ERR syntax error
LMOVEM s t LEFT LEFT COUNT 1 OBO BULK => -ERR syntax error
LMOVEM s t LEFT => -ERR wrong number of arguments for \'lmovem\' command
BLMOVEM s t LEFT LEFT => -ERR wrong number of arguments for \'blmovem\' command
BLMOVEM s t LEFT LEFT 0 => *["c"]
BLMOVEM s t LEFT RIGHT 0 COUNT 2 BULK => *["d", "a"]
BLMOVEM s t LEFT RIGHT 0.001 EXACTLY 2 BULK => *-1
BLMOVEM s t LEFT RIGHT abc EXACTLY 1 BULK => -ERR timeout is not a float or out of range
BLMOVEM s t LEFT RIGHT -1 EXACTLY 1 BULK => -ERR timeout is negative
LRANGE t 0 -1 => *["c", "d", "a"]
LRANGE s 0 -1 => *["b"]
BLPOP s inf => -ERR timeout is out of range
BLPOP s 1e300 => -ERR timeout is out of range
BLPOP s 9223372036854775807 => -ERR timeout is out of range
BLPOP s 9223372036854775.807 => -ERR timeout is out of range
BLPOP s 9223372036854775 => -ERR timeout is out of range
BRPOP s 1e4000 => -ERR timeout is out of range
BLMOVE s t LEFT RIGHT 0x1p60 => -ERR timeout is out of range
BLMPOP 1e18 1 s LEFT => -ERR timeout is out of range
BZPOPMIN z 1e18 => -ERR timeout is out of range
BZMPOP 1e400 1 z MIN => -ERR timeout is out of range
BLPOP s 1e5000 => -ERR timeout is not a float or out of range
WAIT 1 9223372036854775807 => -ERR timeout is out of range
BLPOP s 9221000000000000 => *["s", "b"]
"#;

const ENCODINGS: Table = r#"
RPUSH l 1 2 3 4 => :4
OBJECT ENCODING l => "listpack"
RPUSH l 5 => :5
OBJECT ENCODING l => "quicklist"
RPOP l => "5"
OBJECT ENCODING l => "quicklist"
RPOP l => "4"
OBJECT ENCODING l => "quicklist"
RPOP l => "3"
OBJECT ENCODING l => "listpack"
LPUSH l a b c => :5
OBJECT ENCODING l => "quicklist"
LTRIM l 0 1 => +OK
OBJECT ENCODING l => "listpack"
RPUSH l x x x => :5
LREM l 0 x => :3
OBJECT ENCODING l => "listpack"
RPUSH l y z => :4
LINSERT l BEFORE nothing v => :-1
OBJECT ENCODING l => "quicklist"
LPOP l 2 => *["c", "b"]
OBJECT ENCODING l => "listpack"
RPUSH m 1 2 3 4 => :4
LSET m 0 {x*20} => +OK
OBJECT ENCODING m => "quicklist"
LMOVE m l LEFT RIGHT => {x*20}
OBJECT ENCODING l => "listpack"
OBJECT ENCODING m => "quicklist"
LMOVE m l LEFT RIGHT => "2"
OBJECT ENCODING m => "listpack"
RENAME l o => +OK
OBJECT ENCODING o => "listpack"
"#;

/// With a redis-server under test there is nothing to compare.
fn check(tables: &[(&str, Table)], directives: &[&str]) {
    if subject_is_redis() {
        return;
    }
    let server = Server::subject(directives);
    for (title, table) in tables {
        let mut client = server.connect();
        for line in table.lines().filter(|line| !line.is_empty()) {
            let (call, wanted) = line.split_once(" => ").expect("a call and its reply");
            let reply = format!("{:?}", client.call(&table::words(call)));
            let wanted = match wanted.strip_prefix('{') {
                Some(_) => format!("\"{}\"", String::from_utf8_lossy(&table::words(wanted)[0])),
                None => wanted.to_string(),
            };
            assert_eq!(reply, wanted, "{title}: {call}");
        }
    }
}

#[test]
fn moving_several() {
    check(&[("LMOVEM", LMOVEM)], &[]);
}

#[test]
fn small_lists_are_listpacks() {
    check(&[("encodings", ENCODINGS)], &["--list-max-listpack-size", "4"]);
}

/// By size, and as much as a quarter of a megabyte in one element.
#[test]
fn large_elements_are_nodes_of_their_own() {
    if subject_is_redis() {
        return;
    }
    let server = Server::subject(&[]);
    let mut client = server.connect();
    let large = vec![b'x'; 250_000];
    let encoding = |client: &mut support::client::Client| client.run("OBJECT ENCODING l").string();
    client.call(&[b"RPUSH".as_slice(), b"l", b"a", b"b"]);
    assert_eq!(encoding(&mut client), "listpack");
    client.call(&[b"LINSERT".as_slice(), b"l", b"AFTER", b"a", &large]);
    assert_eq!(encoding(&mut client), "quicklist");
    assert_eq!(client.run("LINDEX l 1").text(), large);
    assert_eq!(client.call(&[b"LPOS".as_slice(), b"l", &large]).int(), 1);
    assert_eq!(client.run("LRANGE l 0 -1").items().len(), 3);
    assert_eq!(client.call(&[b"LREM".as_slice(), b"l", b"0", &large]).int(), 1);
    assert_eq!(client.run("LRANGE l 0 -1").items().len(), 2);
}
