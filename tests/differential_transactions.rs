//! Transactions against redis-server: a table by hand, and interleavings of three clients generated from a seed.

mod support;

use support::client::encode;
use support::pair::{Clients, Pair, run_table};
use support::random::Random;
use support::table::{show, words};

const TRANSACTIONS: &str = r#"
MULTI
SSUBSCRIBE shard
EXEC
EXEC
DISCARD
UNWATCH
MULTI
MULTI
EXEC
MULTI
WATCH a
SET a 1
EXEC
GET a
MULTI
SET a 2
INCR a
GET a
LPUSH a x
TYPE a
EXEC
MULTI
SET a 3
DISCARD
GET a
MULTI
SET a
SET a 4
EXEC
GET a
MULTI
NOSUCH command
EXEC
MULTI
CLIENT NOSUCH
EXEC
MULTI
CONFIG GET
EXEC
WATCH
WATCH a
SET a 5
MULTI
SET a 6
EXEC
GET a
WATCH a b c a
UNWATCH
SET a 7
MULTI
GET a
EXEC
WATCH a
MULTI
DISCARD
SET a 8
MULTI
GET a
EXEC
MULTI extra
EXEC extra
DISCARD extra
UNWATCH extra
RPUSH trimmed a b
WATCH trimmed
LTRIM trimmed 0 -1
MULTI
PING
EXEC
MULTI
EXEC extra
EXEC
MULTI
EXEC
MULTI
BLPOP nothing 0
BRPOP nothing 0
BLMOVE nothing other LEFT RIGHT 0
BRPOPLPUSH nothing other 0
BZPOPMIN nothing 0
BLMPOP 0 1 nothing LEFT
BZMPOP 0 1 nothing MIN
EXEC
MULTI
SELECT 1
SET here 1
SELECT 0
EXEC
GET here
SELECT 1
GET here
DEL here
SELECT 0
MULTI
HGETALL nothing
EXEC
MULTI
PING
ECHO text
CLIENT GETNAME
DBSIZE
OBJECT ENCODING a
EXEC
MULTI
SET a 9
RESET
GET a
MULTI
SET a 10
"#;

#[test]
fn a_table_of_transactions() {
    run_table(&[("transactions", TRANSACTIONS)], &[], &[]);
}

/// What clients of the generated interleavings send, with weights.
const CALLS: &[(&str, usize)] = &[
    ("MULTI", 12),
    ("EXEC", 10),
    ("DISCARD", 1),
    ("WATCH k1", 3),
    ("WATCH k1 k2 k3", 2),
    ("UNWATCH", 1),
    ("SET k1 v", 3),
    ("SET k2 7", 3),
    ("SET k3 v KEEPTTL XX", 1),
    ("GET k1", 3),
    ("INCR k2", 4),
    ("APPEND k3 x", 2),
    ("DEL k1", 1),
    ("DEL k1 k2 k3", 1),
    ("RENAME k1 k2", 1),
    ("COPY k2 k3 REPLACE", 1),
    ("MOVE k1 1", 1),
    ("SWAPDB 0 1", 1),
    ("FLUSHDB", 1),
    ("FLUSHALL", 1),
    ("EXPIRE k1 1000", 1),
    ("PERSIST k1", 1),
    ("LPUSH list a b", 2),
    ("LPOP list", 2),
    ("LPOP k1", 1),
    ("WATCH list", 1),
    ("BLPOP list 0.001", 1),
    ("SADD set a b", 1),
    ("WATCH set", 1),
    ("SMOVE set set2 a", 1),
    ("SELECT 1", 1),
    ("SELECT 0", 1),
    ("GET", 1),
    ("NOSUCH k1", 1),
    ("PING", 1),
    ("RESET", 1),
];

#[test]
fn generated_interleavings_agree() {
    let mut random = Random::new("generated_interleavings_agree");
    let count = std::env::var("ZEDIS_TEST_COMMANDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let pair = Pair::start(&[]);
    let mut clients: Vec<Clients> = (0..3).map(|_| pair.connect()).collect();
    let total: usize = CALLS.iter().map(|call| call.1).sum();
    let mut history: Vec<(usize, Vec<Vec<u8>>)> = Vec::new();
    for _ in 0..count {
        let who = random.below(clients.len());
        // Sometimes several in one packet, so that they are executed in one batch.
        let together = if random.one_in(4) { 1 + random.below(6) } else { 1 };
        let mut requests = Vec::new();
        for _ in 0..together {
            let mut at = random.below(total);
            let call = CALLS.iter().find(|call| {
                let found = at < call.1;
                at = at.wrapping_sub(call.1);
                found
            });
            requests.push(words(call.expect("a call for every weight").0));
        }
        let bytes: Vec<u8> = requests.iter().flat_map(|request| encode(request)).collect();
        let client = &mut clients[who];
        client.subject.send(&bytes);
        client.oracle.send(&bytes);
        for request in requests {
            history.push((who, request));
            let (got, wanted) = (client.subject.try_read(), client.oracle.try_read());
            let (got, wanted) = (got.expect("an answer"), wanted.expect("an answer"));
            if got == wanted {
                continue;
            }
            let recent: Vec<String> =
                history.iter().rev().take(40).rev().map(|(who, call)| format!("    {who}: {}", show(call))).collect();
            panic!("seed {}: {got:?}\n instead of {wanted:?}\n after\n{}", random.seed(), recent.join("\n"));
        }
    }
}
