//! What sorted sets have since Redis 7.2: WITHSCORE of ZRANK and ZREVRANK, and the fewest digits that say a score.

mod support;

use support::server::{Server, subject_is_redis};
use support::table;

const RESP2: &str = r#"
ZADD z 1 a 2.5 b 0.1 c => :3
ZRANK z b WITHSCORE => *[:2, "2.5"]
ZREVRANK z b withscore => *[:0, "2.5"]
ZRANK z none WITHSCORE => *-1
ZRANK none a WITHSCORE => *-1
ZRANK z a BOGUS => -ERR syntax error
ZRANK z a WITHSCORE b => -ERR wrong number of arguments for 'zrank' command
ZREVRANK z a WITHSCORE b => -ERR wrong number of arguments for 'zrevrank' command
ZSCORE z c => "0.1"
ZINCRBY z 0.2 c => "0.30000000000000004"
ZADD z 1e17 d 1e300 e => :2
ZRANGE z -2 -1 WITHSCORES => *["d", "100000000000000000", "e", "1e+300"]
"#;

#[test]
fn newer_replies() {
    if subject_is_redis() {
        return;
    }
    let server = Server::subject(&[]);
    let mut client = server.connect();
    for line in RESP2.lines().filter(|line| !line.is_empty()) {
        let (call, wanted) = line.split_once(" => ").expect("a call and its reply");
        let reply = client.call(&table::words(call));
        assert_eq!(format!("{reply:?}").replace("\\'", "'"), wanted, "{call}");
    }
    client.run("HELLO 3");
    assert_eq!(format!("{:?}", client.run("ZRANK z a WITHSCORE")), "*[:1, ,1]");
    assert_eq!(format!("{:?}", client.run("ZRANK z none WITHSCORE")), "_");
}
