//! Hash commands against redis-server: by hand for edges and errors, and generated streams in both encodings.

mod support;

use support::pair::{Deviation, run_table};
use support::stream::{self, Command, Generator, Profile};
use support::table::Agreement;

const SETTING: &str = r#"
HSET h f v
HSET h f w
HSET h f w g x
HSET h a 1 b 2 a 3
HGETALL h
HSET h "" ""
HGET h ""
HSET h "\x00\xff\r\n" "\r\n"
HGET h "\x00\xff\r\n"
HGETALL h
HMSET h m 1 n 2
HMSET m f v
HGETALL m
HSETNX h m 9
HSETNX h new 9
HSETNX nx f v
OBJECT ENCODING nx
OBJECT ENCODING h
HSET long f {v*64}
OBJECT ENCODING long
HSET long f {v*65}
OBJECT ENCODING long
HSET longfield {f*65} v
OBJECT ENCODING longfield
HSET back f {v*65} g 1
HDEL back f
OBJECT ENCODING back
HSET lowered a 1 b 2 c 3
CONFIG SET hash-max-listpack-entries 2
HSETNX lowered a 9
OBJECT ENCODING lowered
HSET lowered a 9
OBJECT ENCODING lowered
CONFIG SET hash-max-listpack-entries 128
HSETNX h f {v*100}
OBJECT ENCODING h
HSETNX h brandnew {v*100}
OBJECT ENCODING h
HGET h brandnew
HSTRLEN h brandnew
HSET huge f {v*70000} g {w*300}
HSTRLEN huge f
HGET huge g
HGET huge f
HSET huge f {x*70000}
HSTRLEN huge f
HSET huge {f*70000} 1
HGET huge {f*70000}
# errors
HSET
HSET h
HSET h f
HSET h f v g
HMSET h f v g
HMSET h f
HSETNX h f
HSETNX h f v g
SET s v
HSET s f v
HSET s f v g
HMSET s f v
HSETNX s f v
HGET s f
HMGET s f
HGETALL s
HKEYS s
HVALS s
HLEN s
HSTRLEN s f
HEXISTS s f
HDEL s f
HINCRBY s f 1
HINCRBY s f x
HINCRBYFLOAT s f 1
HINCRBYFLOAT s f x
HRANDFIELD s
HRANDFIELD s 2
HRANDFIELD s x
HSCAN s 0
HSCAN s x
HSCAN s 0 BOGUS
GET h
APPEND h x
TYPE h
EXPIRE h 100000
HSET h f v
near TTL h
DEL h
TTL h
"#;

const GETTING: &str = r#"
HSET h a 1 b 2 c three d ""
HGET h a
HGET h missing
HGET missing f
HMGET h a missing c
HMGET missing a b
HGETALL h
HGETALL missing
HKEYS h
HKEYS missing
HVALS h
HVALS missing
HLEN h
HLEN missing
HSTRLEN h c
HSTRLEN h a
HSTRLEN h missing
HSTRLEN missing c
HEXISTS h a
HEXISTS h missing
HEXISTS missing a
HSET n a -1 b 9223372036854775807 c -9223372036854775808 d 012 e +5 f 1.50 g " 1" h 9223372036854775808
HGETALL n
HSTRLEN n a
HSTRLEN n b
HSTRLEN n c
HSTRLEN n d
HDEL h a
HDEL h a
HDEL h b c missing
HDEL h d d
EXISTS h
HDEL h d
HDEL missing f
HGET
HGET h
HGET h a b
HMGET h
HGETALL
HGETALL h x
HKEYS
HVALS h x
HLEN
HSTRLEN h
HEXISTS h
HDEL h
DEBUG DIGEST
DEBUG DIGEST-VALUE n
HSET n f {v*65}
DEBUG DIGEST-VALUE n
DEBUG DIGEST
COPY n n2
DEBUG DIGEST-VALUE n2
~ HGETALL n2
RENAME n2 n3
~ HGETALL n3
MOVE n3 1
EXISTS n3
"#;

const COUNTING: &str = r#"
HINCRBY h n 5
HINCRBY h n -7
HINCRBY h n 0
HINCRBY h n 9223372036854775807
HINCRBY h n 9223372036854775807
HINCRBY h n -9223372036854775808
HINCRBY h m -9223372036854775808
HINCRBY h m -1
HSET h s abc e "" sp " 1" f 1.5 z 01
HINCRBY h s 1
HINCRBY h e 1
HINCRBY h sp 1
HINCRBY h f 1
HINCRBY h z 1
HINCRBY h n abc
HINCRBY h n 1.5
HINCRBY h n ""
HINCRBY h n 9223372036854775808
HINCRBY h n
HINCRBY fresh n x
EXISTS fresh
HINCRBYFLOAT h f 0.1
HINCRBYFLOAT h f -1.6
HINCRBYFLOAT h new 3.0e2
HINCRBYFLOAT h new 1e-5
HINCRBYFLOAT h n 0.5
HINCRBYFLOAT h s 1
HINCRBYFLOAT h e 1
HINCRBYFLOAT h sp 1
HINCRBYFLOAT h f abc
HINCRBYFLOAT h f ""
HINCRBYFLOAT h f inf
HINCRBYFLOAT h f -inf
HINCRBYFLOAT h f nan
HINCRBYFLOAT h f 1e4932
HINCRBYFLOAT h f
HSET h inf inf
HINCRBYFLOAT h inf 1
HINCRBYFLOAT fresh n x
EXISTS fresh
~ HGETALL h
HSET l f 1 g {v*65}
HINCRBY l f 3
HINCRBYFLOAT l f 1.25
HINCRBY l g 3
HINCRBYFLOAT l g 3
HINCRBY {k*300} {f*100} 3
OBJECT ENCODING {k*300}
HGET {k*300} {f*100}
"#;

const RANDOM: &str = r#"
HSET one f v
HRANDFIELD one
HRANDFIELD one 1
HRANDFIELD one 5
HRANDFIELD one -3
HRANDFIELD one 1 WITHVALUES
HRANDFIELD one 5 withvalues
HRANDFIELD one -3 WITHVALUES
HRANDFIELD one 0
HRANDFIELD one 0 WITHVALUES
HRANDFIELD missing
HRANDFIELD missing 3
HRANDFIELD missing -3 WITHVALUES
HSET h a 1 b 2 c 3
HRANDFIELD h 3
~ HRANDFIELD h 3 WITHVALUES
~ HRANDFIELD h 9223372036854775807
shape HRANDFIELD h
shape HRANDFIELD h 2
shape HRANDFIELD h 2 WITHVALUES
shape HRANDFIELD h -8
shape HRANDFIELD h -8 WITHVALUES
HSET t a 1 b 2 c {v*65}
~ HRANDFIELD t 3 WITHVALUES
shape HRANDFIELD t
shape HRANDFIELD t 2 WITHVALUES
shape HRANDFIELD t -8 WITHVALUES
HRANDFIELD h x
HRANDFIELD h ""
HRANDFIELD h 1.5
HRANDFIELD h -9223372036854775808
HRANDFIELD h 9223372036854775808
HRANDFIELD h 1 BOGUS
HRANDFIELD h 1 WITHVALUES x
HRANDFIELD h 4611686018427387904 WITHVALUES
HRANDFIELD h -4611686018427387904 WITHVALUES
HRANDFIELD h x BOGUS
HRANDFIELD
HRANDFIELD missing 9223372036854775807 WITHVALUES
"#;

const SCANNING: &str = r#"
HSET h a 1 b 2 c 3
HSCAN h 0
HSCAN h 0 COUNT 1
HSCAN h 5
HSCAN h 0 MATCH a
HSCAN h 0 MATCH [bc] COUNT 100
HSCAN h 0 MATCH *
HSCAN h 0 MATCH nothing
HSCAN missing 0
HSCAN missing 5 MATCH *
HSCAN missing 0 BOGUS
HSCAN missing 0 COUNT
HSCAN h
HSCAN h x
HSCAN h -1
HSCAN h ""
HSCAN h 99999999999999999999
HSCAN h 0 COUNT
HSCAN h 0 COUNT 0
HSCAN h 0 COUNT -1
HSCAN h 0 COUNT x
HSCAN h 0 MATCH
HSCAN h 0 BOGUS
HSCAN h 0 BOGUS 1
HSCAN h 0 TYPE hash
HSCAN h 0 COUNT 0 BOGUS
HSCAN h 0 COUNT 10 COUNT 20 MATCH a MATCH b
HSET t a {v*65} b 2 "" empty
~ HGETALL t
kind HSCAN t 0 COUNT 1
HSCAN t 0 COUNT 1000 MATCH b
"#;

const CURSOR: &str = "newer versions take digits only";

const DEVIATIONS: &[Deviation] = &[
    Deviation { command: "HSCAN h -1", reply: "-ERR invalid cursor", reason: CURSOR },
    Deviation { command: "HSCAN h \"\"", reply: "-ERR invalid cursor", reason: CURSOR },
];

#[test]
fn hashes_by_hand() {
    let tables = [
        ("setting", SETTING),
        ("getting", GETTING),
        ("counting", COUNTING),
        ("random", RANDOM),
        ("scanning", SCANNING),
    ];
    run_table(&tables, DEVIATIONS, &[]);
}

const FORMS: &[(&str, usize)] = &[
    ("HSET key field val", 14),
    ("HSET key field num", 8),
    ("HSET key field val field num", 6),
    ("HMSET key field val field val field num", 3),
    ("HSETNX key field val", 4),
    ("HGET key field", 8),
    ("HMGET key field...", 5),
    ("HGETALL key", 5),
    ("HKEYS key", 2),
    ("HVALS key", 2),
    ("HLEN key", 4),
    ("HSTRLEN key field", 4),
    ("HEXISTS key field", 4),
    ("HDEL key field...", 12),
    ("HINCRBY key field int", 8),
    ("HINCRBYFLOAT key field float", 6),
    ("HRANDFIELD key 1000 [WITHVALUES]", 3),
    ("HSCAN key 0 COUNT 10000 [MATCH glob]", 3),
    ("OBJECT ENCODING key", 6),
    ("DEBUG DIGEST-VALUE key", 3),
    ("COPY key key [DB db] [REPLACE]", 4),
    ("RENAME key key", 3),
    ("MOVE key db", 2),
    ("DEL key", 2),
    ("SET key val", 1),
    ("EXPIRE key sec", 2),
    ("PERSIST key", 1),
    ("TYPE key", 1),
    ("SELECT db", 1),
    ("DEBUG DIGEST", 1),
];

fn word(generator: &mut Generator, word: &str) -> Option<Vec<u8>> {
    let field = match word {
        "field" => match generator.random.below(30) {
            0 => Vec::new(),
            1 => generator.number().to_string().into_bytes(),
            2 => vec![b'F'; 60 + generator.random.below(8)],
            3 => b"f\xff\x00\r\n".to_vec(),
            n => format!("f{n}").into_bytes(),
        },
        // Few long ones, so that there are listpacks left.
        "val" if !generator.random.one_in(20) => {
            let len = generator.random.below(20);
            (0..len).map(|_| *generator.random.pick(b"abc0")).collect()
        }
        _ => return None,
    };
    Some(field)
}

/// Tables have no order.
fn agreement(command: &Command) -> Agreement {
    match command[0].to_ascii_uppercase().as_slice() {
        b"HGETALL" | b"HKEYS" | b"HVALS" => Agreement::AnyOrder,
        b"HRANDFIELD" => Agreement::AnyOrder,
        b"HSCAN" => Agreement::AnyOrder,
        _ => Agreement::Exact,
    }
}

/// Damage may ask for fewer random fields than there are, or for one: which ones is open. So is where a scan goes on.
fn mend(command: &mut Command) {
    // DEBUG taken away: a command since 8.4.
    if command[0].eq_ignore_ascii_case(b"DIGEST") {
        command.insert(0, b"DEBUG".to_vec());
    }
    if command[0].eq_ignore_ascii_case(b"HRANDFIELD") && command.len() > 1 {
        match command.get(2).map(Vec::as_slice) {
            None => command.push(b"1000".to_vec()),
            Some(b"-1") => command[2] = b"0".to_vec(),
            _ => {}
        }
    }
    if command[0].eq_ignore_ascii_case(b"HSCAN") {
        if matches!(command.get(2).map(Vec::as_slice), Some(b"" | b"-1" | b"9223372036854775807" | b"10000")) {
            command[2] = b"0".to_vec();
        }
        if command.len() < 5 || !command[3].eq_ignore_ascii_case(b"COUNT") {
            command.truncate(2);
        } else if command[4].len() > 5 || command[4] == b"0" {
            command[4] = b"10000".to_vec();
        }
    }
}

static PROFILE: Profile = Profile {
    forms: FORMS,
    word,
    agreement,
    mend,
    questions: &["TYPE", "PEXPIRETIME", "OBJECT ENCODING", "HLEN", "DEBUG DIGEST-VALUE"],
    ..Profile::BASE
};

static TINY: Profile = Profile {
    forms: FORMS,
    word,
    agreement,
    mend,
    directives: &["--hash-max-listpack-entries", "6", "--hash-max-listpack-value", "24"],
    questions: &["TYPE", "PEXPIRETIME", "OBJECT ENCODING", "HLEN", "DEBUG DIGEST-VALUE"],
    ..Profile::BASE
};

#[test]
fn a_stream_in_resp2() {
    stream::run(&PROFILE, "a_stream_of_hashes_in_resp2", "2");
}

#[test]
fn a_stream_in_resp3() {
    stream::run(&PROFILE, "a_stream_of_hashes_in_resp3", "3");
}

#[test]
fn a_stream_of_tiny_listpacks_in_resp2() {
    stream::run(&TINY, "a_stream_of_tiny_listpacks_in_resp2", "2");
}

#[test]
fn a_stream_of_tiny_listpacks_in_resp3() {
    stream::run(&TINY, "a_stream_of_tiny_listpacks_in_resp3", "3");
}
