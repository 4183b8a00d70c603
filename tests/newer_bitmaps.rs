//! BITOP's operations of Redis 8.2, against the documented behaviour, written out.

mod support;

use support::server::{Server, subject_is_redis};
use support::table;

const OPERATIONS: &str = r#"
SET x "\xf0\x0f\xaa" => +OK
SET y "\xcc\xcc" => +OK
SET z "\x01" => +OK
BITOP DIFF d x y z => :3
GET d => "0\x03\xaa"
BITOP DIFF1 d x y z => :3
GET d => "\r\xc0\x00"
BITOP ANDOR d x y z => :3
GET d => "\xc0\x0c\x00"
BITOP ONE d x y z => :3
GET d => "=\xc3\xaa"
BITOP ONE d x x => :3
GET d => "\x00\x00\x00"
BITOP ONE d x => :3
GET d => "\xf0\x0f\xaa"
BITOP diff d x missing => :3
GET d => "\xf0\x0f\xaa"
BITOP DIFF d missing y => :2
GET d => "\x00\x00"
BITOP DIFF1 d missing y => :2
GET d => "\xcc\xcc"
BITOP ANDOR d y x => :3
GET d => "\xc0\x0c\x00"
BITOP DIFF d missing missing => :0
EXISTS d => :0
BITOP DIFF d x => -ERR BITOP DIFF must be called with at least two source keys.
BITOP diff1 d x => -ERR BITOP DIFF1 must be called with at least two source keys.
BITOP ANDOR d x => -ERR BITOP ANDOR must be called with at least two source keys.
"#;

#[test]
fn as_documented() {
    if subject_is_redis() {
        println!("this is about Zedis, not about the program in ZEDIS_TEST_BIN");
        return;
    }
    let server = Server::subject(&[]);
    let mut client = server.connect();
    let mut complaints = Vec::new();
    for line in OPERATIONS.lines().filter(|line| !line.is_empty()) {
        let (call, wanted) = line.split_once(" => ").expect("a call and its reply");
        let got = format!("{:?}", client.call(&table::words(call))).replace("\\'", "'");
        if got != wanted {
            complaints.push(format!("{call}: {got} instead of {wanted}"));
        }
    }
    assert!(complaints.is_empty(), "{} disagreements:\n{}", complaints.len(), complaints.join("\n"));
}
