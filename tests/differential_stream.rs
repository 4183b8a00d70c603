//! Generated streams of string and generic commands, answered by the subject and by redis-server.

mod support;

use support::stream::{self, Command, Profile};
use support::table::Agreement;

const FORMS: &[(&str, usize)] = &[
    ("SET key val", 12),
    ("SET key num", 10),
    ("SET key val [NX|XX] [GET] [EX sec|PX ms|EXAT at|PXAT atms|KEEPTTL]", 16),
    ("SET key val [GET] [EX sec|PX ms|EXAT at|PXAT atms|KEEPTTL] [NX|XX]", 4),
    ("GET key", 10),
    ("GETDEL key", 3),
    ("GETEX key [EX sec|PX ms|EXAT at|PXAT atms|PERSIST]", 6),
    ("GETSET key val", 3),
    ("GETRANGE key off off", 6),
    ("SUBSTR key off off", 2),
    ("SETRANGE key small val", 5),
    ("APPEND key val", 6),
    ("STRLEN key", 3),
    ("SETNX key val", 3),
    ("SETEX key sec val", 3),
    ("PSETEX key ms val", 3),
    ("MGET key key key", 3),
    ("MSET key val key num", 4),
    ("MSETNX key val key val", 3),
    ("INCR key", 8),
    ("DECR key", 5),
    ("INCRBY key int", 6),
    ("DECRBY key int", 5),
    ("INCRBYFLOAT key float", 6),
    ("LCS key key [LEN]", 1),
    ("LCS key key IDX [MINMATCHLEN small] [WITHMATCHLEN]", 1),
    ("COPY key key [DB db] [REPLACE]", 6),
    ("DEL key", 4),
    ("DEL key key key", 1),
    ("UNLINK key key", 3),
    ("EXISTS key key key", 3),
    ("TOUCH key key", 2),
    ("TYPE key", 2),
    ("EXPIRE key sec [NX|XX|GT|LT]", 6),
    ("PEXPIRE key ms [NX|XX|GT|LT]", 6),
    ("EXPIREAT key at [NX|XX|GT|LT]", 5),
    ("PEXPIREAT key atms [NX|XX|GT|LT]", 5),
    ("EXPIRE key sec XX [GT|LT]", 2),
    ("EXPIRE key gone [NX|XX|GT|LT]", 1),
    ("PEXPIREAT key gone", 1),
    ("EXPIREAT key gone", 1),
    ("PERSIST key", 4),
    ("TTL key", 3),
    ("PTTL key", 3),
    ("EXPIRETIME key", 3),
    ("PEXPIRETIME key", 3),
    ("RENAME key key", 4),
    ("RENAMENX key key", 4),
    ("MOVE key db", 3),
    ("KEYS glob", 1),
    ("SCAN 0 COUNT 1000 [MATCH glob] [TYPE string|TYPE list]", 2),
    ("OBJECT ENCODING key", 5),
    ("OBJECT IDLETIME key", 1),
    ("OBJECT FREQ key", 1),
    ("DBSIZE", 1),
    ("SELECT db", 2),
    ("SWAPDB db db", 1),
];

/// How exactly replies to `command` agree.
fn agreement(command: &Command) -> Agreement {
    match command[0].to_ascii_uppercase().as_slice() {
        b"TTL" | b"PTTL" | b"EXPIRETIME" | b"PEXPIRETIME" => Agreement::Near,
        // Small numbers are one object for all keys in Redis: what idles is that, since the server's start, however long the stream takes.
        b"OBJECT" if command.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"IDLETIME")) => Agreement::Shape,
        b"KEYS" | b"SCAN" => Agreement::AnyOrder,
        _ => Agreement::Exact,
    }
}

fn mend(command: &mut Command) {
    // A cursor other than 0 means something else to each server; and 7.4 refuses what 7.0 takes for a number.
    if command[0].eq_ignore_ascii_case(b"SCAN")
        && matches!(command.get(1).map(Vec::as_slice), Some(b"" | b"-1" | b"9223372036854775807"))
    {
        command[1] = b"0".to_vec();
    }
}

static PROFILE: Profile = Profile {
    forms: FORMS,
    agreement,
    mend,
    questions: &["TYPE", "PEXPIRETIME", "OBJECT ENCODING", "STRLEN"],
    commands: 100_000,
    ..Profile::BASE
};

#[test]
fn a_stream_of_commands_in_resp2() {
    stream::run(&PROFILE, "a_stream_of_commands_in_resp2", "2");
}

#[test]
fn a_stream_of_commands_in_resp3() {
    stream::run(&PROFILE, "a_stream_of_commands_in_resp3", "3");
}
