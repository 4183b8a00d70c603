//! Sets as they are since Redis 7.2 (listpacks) and 8.10 (SUNIONCARD, SDIFFCARD), against the documented behaviour, written out.

mod support;

use support::server::{Server, subject_is_redis};
use support::table;

const ENCODINGS: &str = r#"
SADD s a b 1 => :3
OBJECT ENCODING s => "listpack"
SADD i 1 2 => :2
OBJECT ENCODING i => "intset"
SADD i x => :1
OBJECT ENCODING i => "listpack"
SREM i x => :1
OBJECT ENCODING i => "listpack"
SADD long {x*65} => :1
OBJECT ENCODING long => "hashtable"
SADD fits {x*64} => :1
OBJECT ENCODING fits => "listpack"
CONFIG SET set-max-listpack-entries 4 set-max-intset-entries 2 => +OK
SADD s 2 => :1
OBJECT ENCODING s => "listpack"
SADD s 3 => :1
OBJECT ENCODING s => "hashtable"
SADD j 1 2 3 => :3
OBJECT ENCODING j => "listpack"
SADD k 1 2 => :2
SADD k 3 => :1
OBJECT ENCODING k => "hashtable"
SADD five a a a a a => :1
OBJECT ENCODING five => "hashtable"
SADD k 4 5 => :2
SINTERSTORE out k s => :3
OBJECT ENCODING out => "hashtable"
SDIFFSTORE out k s => :2
OBJECT ENCODING out => "intset"
SUNIONSTORE out s => :5
OBJECT ENCODING out => "hashtable"
COPY fits copied => :1
OBJECT ENCODING copied => "listpack"
"#;

const CARDS: &str = r#"
SADD key1 a b c => :3
SADD key2 c d e => :3
SADD ints 1 2 3 => :3
SADD mixed 1 a => :2
SUNIONCARD 2 key1 key2 => :5
SUNIONCARD 2 key1 key2 LIMIT 3 => :3
SUNIONCARD 2 key1 key2 LIMIT 0 => :5
SUNIONCARD 2 key1 key2 LIMIT 100 => :5
SUNIONCARD 3 key1 key2 missing => :5
SUNIONCARD 1 missing => :0
SUNIONCARD 4 key1 key2 ints mixed => :8
SUNIONCARD 2 key1 key2 APPROX => :5
SUNIONCARD 2 key1 key2 APPROX LIMIT 3 => :3
SUNIONCARD 2 key1 key2 LIMIT 3 approx => :3
SUNIONCARD 1 missing APPROX => :0
SDIFFCARD 2 key1 key2 => :2
SDIFFCARD 2 key1 key2 LIMIT 1 => :1
SDIFFCARD 2 key1 missing => :3
SDIFFCARD 2 missing key1 => :0
SDIFFCARD 2 mixed ints => :1
SDIFFCARD 2 key1 key1 => :0
SDIFFCARD 1 key1 LIMIT 0 => :3
SDIFFCARD 2 key1 key2 APPROX => -ERR syntax error
SUNIONCARD 0 key1 => -ERR numkeys should be greater than 0
SDIFFCARD abc key1 => -ERR numkeys should be greater than 0
SUNIONCARD 3 key1 key2 => -ERR Number of keys can't be greater than number of args
SDIFFCARD 1 key1 LIMIT -1 => -ERR LIMIT can't be negative
SUNIONCARD 1 key1 LIMIT => -ERR syntax error
SUNIONCARD 1 key1 BOGUS => -ERR syntax error
SUNIONCARD 1 => -ERR wrong number of arguments for 'sunioncard' command
SDIFFCARD 1 => -ERR wrong number of arguments for 'sdiffcard' command
SET str v => +OK
SUNIONCARD 2 key1 str => -WRONGTYPE Operation against a key holding the wrong kind of value
SDIFFCARD 2 missing str => -WRONGTYPE Operation against a key holding the wrong kind of value
SRANDMEMBER key1 -1000000000000 => -ERR value is out of range
"#;

#[test]
fn as_documented() {
    if subject_is_redis() {
        println!("this is about Zedis, not about the program in ZEDIS_TEST_BIN");
        return;
    }
    let server = Server::subject(&[]);
    let mut complaints = Vec::new();
    for lines in [ENCODINGS, CARDS] {
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
