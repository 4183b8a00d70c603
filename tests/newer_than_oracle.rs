//! What is newer than the oracle (Redis 7.0): commands and options of 7.2 to 8.8 against their documented replies, written out.

mod support;

use support::server::{Server, subject_is_redis};
use support::table;

/// Calls and what they are answered in RESP2, as `call => reply`; replies as the test's `Reply` prints itself.
type Table = &'static str;

const SET_IF: Table = r#"
SET k v => +OK
SET k w IFEQ v => +OK
SET k x IFEQ v => $-1
GET k => "w"
SET missing v IFEQ v => $-1
EXISTS missing => :0
SET k x IFNE w => $-1
SET k x IFNE v => +OK
GET k => "x"
SET created v IFNE v => +OK
GET created => "v"
SET k y IFEQ x GET => "x"
SET k z IFEQ x GET => "y"
GET k => "y"
SET k 1 IFEQ y EX 100000 => +OK
SET k 2 IFEQ 1 KEEPTTL => +OK
SET k {d*20} => +OK
SET k same IFDEQ 0000000000000000 => $-1
SET k empty-was-not-it IFDEQ 2d06800538d394c2 => $-1
SET k "" => +OK
DIGEST k => "2d06800538d394c2"
SET k full IFDEQ 2d06800538d394c2 => +OK
GET k => "full"
SET k "" => +OK
SET k full IFDEQ 2D06800538D394C2 => +OK
SET k "" => +OK
SET k full IFDNE 2d06800538d394c2 => $-1
SET k full IFDNE 2d06800538d394c3 => +OK
SET absent v IFDEQ 2d06800538d394c2 => $-1
SET absent v IFDNE 2d06800538d394c2 => +OK
SET k v IFEQ => -ERR syntax error
SET k v IFEQ a IFNE b => -ERR syntax error
SET k v NX IFEQ a => -ERR syntax error
SET k v IFEQ a XX => -ERR syntax error
"#;

const DELEX: Table = r#"
DELEX missing => :0
SET k v => +OK
DELEX k => :1
EXISTS k => :0
SET k v => +OK
DELEX k IFEQ w => :0
DELEX k IFNE v => :0
DELEX k IFEQ v => :1
SET k v => +OK
DELEX k IFNE w => :1
SET k "" => +OK
DELEX k IFDEQ 2d06800538d394c3 => :0
DELEX k IFDNE 2d06800538d394c2 => :0
DELEX k IFDEQ 2d06800538d394c2 => :1
SET k "" => +OK
DELEX k IFDNE 2d06800538d394c3 => :1
DELEX missing IFEQ v => :0
DELEX missing IFNE v => :0
DELEX => -ERR wrong number of arguments for 'delex' command
DIGEST missing => $-1
DIGEST => -ERR wrong number of arguments for 'digest' command
DIGEST a b => -ERR wrong number of arguments for 'digest' command
"#;

const MSETEX: Table = r#"
MSETEX 2 a 1 b 2 => :1
MGET a b => *["1", "2"]
TTL a => :-1
MSETEX 1 a 3 EXAT 33177117420 => :1
EXPIRETIME a => :33177117420
MSETEX 1 a 4 KEEPTTL => :1
EXPIRETIME a => :33177117420
MSETEX 1 a 5 => :1
TTL a => :-1
MSETEX 2 a 6 new 6 NX => :0
EXISTS new => :0
GET a => "5"
MSETEX 2 a 6 new 6 XX => :0
GET a => "5"
MSETEX 2 a 6 b 6 XX => :1
MGET a b => *["6", "6"]
MSETEX 2 c 7 d 7 NX PXAT 33177117420123 => :1
PEXPIRETIME c => :33177117420123
PEXPIRETIME d => :33177117420123
MSETEX 1 e 8 NX EX 100000 => :1
MSETEX 1 e 9 PX 100000000 XX => :1
GET e => "9"
MSETEX => -ERR wrong number of arguments for 'msetex' command
MSETEX 1 a => -ERR wrong number of arguments for 'msetex' command
MSETEX 1 a 1 NX XX => -ERR syntax error
MSETEX 1 a 1 BOGUS => -ERR syntax error
MSETEX 1 a 1 EX 0 => -ERR invalid expire time in 'msetex' command
"#;

const INCREX: Table = r#"
INCREX n => *[:1, :1]
INCREX n BYINT 5 => *[:6, :5]
INCREX n BYINT -10 => *[:-4, :-10]
INCREX n BYINT 100 UBOUND 50 => *[:-4, :0]
INCREX n BYINT 100 UBOUND 50 SATURATE => *[:50, :54]
INCREX n BYINT -100 LBOUND 0 => *[:50, :0]
INCREX n BYINT -100 LBOUND 0 SATURATE => *[:0, :-50]
INCREX n BYINT 5 LBOUND 0 UBOUND 5 => *[:5, :5]
INCREX n UBOUND 5 => *[:5, :0]
INCREX fresh BYINT 10 UBOUND 5 => *[:0, :0]
EXISTS fresh => :0
INCREX fresh BYINT 10 UBOUND 5 SATURATE => *[:5, :5]
SET big 9223372036854775807 => +OK
INCREX big => *[:9223372036854775807, :0]
INCREX t EXAT 33177117420 => *[:1, :1]
EXPIRETIME t => :33177117420
INCREX t => *[:2, :1]
EXPIRETIME t => :33177117420
INCREX t EXAT 33177117421 ENX => *[:3, :1]
EXPIRETIME t => :33177117420
INCREX t PERSIST => *[:4, :1]
TTL t => :-1
INCREX t PXAT 33177117420123 ENX => *[:5, :1]
PEXPIRETIME t => :33177117420123
INCREX f BYFLOAT 1.5 => *["1.5", "1.5"]
INCREX f BYFLOAT 0.25 => *["1.75", "0.25"]
INCREX f BYFLOAT 10 UBOUND 2.5 => *["1.75", "0"]
INCREX f BYFLOAT 10 UBOUND 2.5 SATURATE => *["2.5", "0.75"]
GET f => "2.5"
INCREX n BYFLOAT 0.5 => *["5.5", "0.5"]
INCREX n => -ERR value is not an integer or out of range
SET s abc => +OK
INCREX s => -ERR value is not an integer or out of range
INCREX s BYFLOAT 1 => -ERR value is not a valid float
INCREX => -ERR wrong number of arguments for 'increx' command
INCREX n BYINT 1 BYFLOAT 1 => -ERR syntax error
INCREX n BOGUS => -ERR syntax error
INCREX n BYINT => -ERR syntax error
"#;

const CLIENT: Table = r#"
CLIENT NO-TOUCH ON => +OK
CLIENT NO-TOUCH off => +OK
CLIENT NO-TOUCH bogus => -ERR syntax error
CLIENT NO-TOUCH => -ERR wrong number of arguments for 'client|no-touch' command
CLIENT SETINFO LIB-NAME my-client => +OK
CLIENT SETINFO lib-ver 1.2.3 => +OK
CLIENT SETINFO lib-name "with space" => -ERR lib-name cannot contain spaces, newlines or special characters.
CLIENT SETINFO bogus x => -ERR Unrecognized option 'bogus'
CLIENT SETINFO => -ERR wrong number of arguments for 'client|setinfo' command
CLIENT KILL MAXAGE 1000000 => :0
"#;

/// 7.0 has no numbers of fewer than 64 bits; and what would break the allocator, or show what is no text, is Zedis's own.
const MALLCTL: Table = r#"
DEBUG MALLCTL background_thread => :1
DEBUG MALLCTL background_thread 0 => :1
DEBUG MALLCTL background_thread 2 => :0
DEBUG MALLCTL background_thread => :1
DEBUG MALLCTL config.stats => :1
DEBUG MALLCTL thread.arena => :0
DEBUG MALLCTL arena.0.name => -ERR Invalid argument
DEBUG MALLCTL arena.0.extent_hooks 1 => -ERR Operation not permitted
DEBUG MALLCTL arena.0.dss 1 => -ERR Operation not permitted
DEBUG MALLCTL nosuch 1 => -ERR No such file or directory
DEBUG MALLCTL-STR arenas.page => -ERR Invalid argument
DEBUG MALLCTL-STR arena.0.dss primary => -ERR Operation not permitted
DEBUG MALLCTL-STR arena.0.reset VOID => -ERR Operation not permitted
DEBUG MALLCTL-STR nosuch VOID => -ERR No such file or directory
"#;

/// The subject, unless it is the oracle's own program.
fn subject() -> Option<Server> {
    if subject_is_redis() {
        println!("this is about Zedis, not about the program in ZEDIS_TEST_BIN");
        return None;
    }
    Some(Server::subject(&[]))
}

#[test]
fn as_documented() {
    let Some(server) = subject() else { return };
    let mut complaints = Vec::new();
    for lines in [SET_IF, DELEX, MSETEX, INCREX, CLIENT, MALLCTL] {
        let mut client = server.connect();
        client.run("FLUSHALL");
        for line in lines.lines().filter(|line| !line.is_empty()) {
            let (call, wanted) = line.split_once(" => ").expect("a call and its reply");
            let got = format!("{:?}", client.call(&table::words(call))).replace("\\'", "'");
            if got != wanted {
                complaints.push(format!("{call}: {got} instead of {wanted}"));
            }
        }
    }
    assert!(complaints.is_empty(), "{} disagreements:\n{}", complaints.len(), complaints.join("\n"));
}

/// In RESP3 the numbers of INCREX with BYFLOAT are doubles.
#[test]
fn doubles_in_resp3() {
    let Some(server) = subject() else { return };
    let mut client = server.connect();
    client.run("HELLO 3");
    assert_eq!(format!("{:?}", client.run("INCREX f BYFLOAT 1.5")), "*[,1.5, ,1.5]");
    assert_eq!(format!("{:?}", client.run("INCREX f BYINT 1")), "-ERR value is not an integer or out of range");
    assert_eq!(format!("{:?}", client.run("INCREX n BYINT 2")), "*[:2, :2]");
    assert_eq!(format!("{:?}", client.run("DIGEST missing")), "_");
    assert_eq!(format!("{:?}", client.run("SET n 1 IFEQ 3")), "_");
}

/// The fields of CLIENT LIST in 7.4, in its order; tools parse them by name.
#[test]
fn client_list_has_the_fields_of_7_4() {
    let Some(server) = subject() else { return };
    let mut client = server.connect();
    client.run("CLIENT SETINFO LIB-NAME lib");
    client.run("CLIENT SETINFO LIB-VER 1.0");
    client.run("HELLO 3");
    let line = client.run("CLIENT INFO").string();
    let fields: Vec<(&str, &str)> = line.trim_end().split(' ').filter_map(|field| field.split_once('=')).collect();
    let names: Vec<&str> = fields.iter().map(|field| field.0).collect();
    let wanted = "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem rbs rbp obl oll omem \
                  tot-mem events cmd user redir resp lib-name lib-ver";
    assert_eq!(names, wanted.split_whitespace().collect::<Vec<_>>());
    for (name, value) in
        [("resp", "3"), ("lib-name", "lib"), ("lib-ver", "1.0"), ("cmd", "client|info"), ("user", "default")]
    {
        assert!(fields.contains(&(name, value)), "{name}={value} in {line}");
    }
}

#[test]
fn the_version_is_7_4() {
    let Some(server) = subject() else { return };
    let mut client = server.connect();
    let info = client.run("INFO server").string();
    assert!(info.contains("\r\nredis_version:7.4.0\r\n"), "{info}");
    let hello = client.run("HELLO");
    assert_eq!(hello.field("version").map(|version| version.string()), Some("7.4.0".to_string()));
}

/// Digests are of the text that GET returns.
#[test]
fn digest_of_what_clients_compute() {
    let Some(server) = subject() else { return };
    let mut client = server.connect();
    // A value is compared by what GET returns, whatever its encoding: an integer's digest is that of its decimal text.
    client.run("SET text 12x");
    client.run("SET int 12");
    client.run("APPEND built 1");
    client.run("APPEND built 2");
    let digest = client.run("DIGEST int");
    assert_eq!(digest, client.run("DIGEST built"));
    assert_ne!(digest, client.run("DIGEST text"));
    assert_eq!(digest.text().len(), 16);
    assert_eq!(client.run(&format!("DELEX int IFDEQ {}", digest.string())).int(), 1);
}
