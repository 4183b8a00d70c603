//! Bitmap commands against redis-server: tables by hand and generated streams.

mod support;

use support::pair::{Deviation, run_table};
use support::stream::{self, Command, Generator, Profile};

const BITS: &str = r#"
SETBIT k 0 1
GET k
SETBIT k 0 1
SETBIT k 7 1
SETBIT k 7 0
GET k
SETBIT k 100 0
STRLEN k
SETBIT k 100 1
GET k
GETBIT k 0
GETBIT k 1
GETBIT k 100
GETBIT k 101
GETBIT k 4294967295
GETBIT missing 5
OBJECT ENCODING k
SET n 12345
SETBIT n 5 1
GET n
OBJECT ENCODING n
GETBIT n 5
SET i 7
GETBIT i 2
GETBIT i 3
SETBIT zero 0 0
STRLEN zero
EXPIRE k 100000
SETBIT k 3 1
near TTL k
SADD l a
SETBIT l 0 1
GETBIT l 0
SETBIT k -1 1
SETBIT k 4294967296 1
SETBIT k abc 1
SETBIT k 0 2
SETBIT k 0 -1
SETBIT k 0 abc
SETBIT k 0 ""
SETBIT k #1 1
SETBIT l -1 1
SETBIT l 0 2
SETBIT k abc abc
SETBIT k 1
SETBIT k 1 1 1
GETBIT k
GETBIT k -1
GETBIT k 4294967296
GETBIT k abc
GETBIT k 1 2
GETBIT l -1
"#;

const COUNTS: &str = r#"
SET k foobar
BITCOUNT k
BITCOUNT k 0 0
BITCOUNT k 1 1
BITCOUNT k 1 1 BYTE
BITCOUNT k 5 30 BIT
BITCOUNT k 5 30 bit
BITCOUNT k -2 -1
BITCOUNT k -1 -2
BITCOUNT k 2 1
BITCOUNT k 0 100
BITCOUNT k -100 100
BITCOUNT k -100 -50
BITCOUNT k 100 200
BITCOUNT k 0 -1 BIT
BITCOUNT k -8 -1 BIT
BITCOUNT k -9 -3 BIT
BITCOUNT k 3 3 BIT
BITCOUNT k 9223372036854775807 9223372036854775807
BITCOUNT k -9223372036854775808 9223372036854775807
BITCOUNT k -9223372036854775808 9223372036854775807 BIT
BITCOUNT missing
BITCOUNT missing 0 -1
SET empty ""
BITCOUNT empty
BITCOUNT empty 0 -1
BITCOUNT empty 0 -1 BIT
SET n 123
BITCOUNT n
BITCOUNT n 1 1
SET big {x*100000}
BITCOUNT big
BITCOUNT big 7 99991
BITCOUNT big 13 799993 BIT
BITCOUNT k 0
BITCOUNT k abc 1
BITCOUNT k 0 abc
BITCOUNT k 0 1 BOGUS
BITCOUNT k 0 1 BIT BIT
BITCOUNT missing 0
BITCOUNT missing abc 1
BITCOUNT missing 0 1 BOGUS
SADD l a
BITCOUNT l
BITCOUNT l 0 1
BITCOUNT l 0
BITCOUNT l 0 1 BOGUS
BITCOUNT
"#;

const POSITIONS: &str = r#"
SET k "\xff\xf0\x00"
BITPOS k 0
BITPOS k 1
SET k "\x00\xff\xf0"
BITPOS k 1 0
BITPOS k 1 2
BITPOS k 1 2 -1 BYTE
BITPOS k 1 7 15 BIT
BITPOS k 1 7 -3 BIT
BITPOS k 0 7 15 bit
BITPOS k 0 8 15 BIT
BITPOS k 0 8 19 BIT
BITPOS k 0 8 20 BIT
BITPOS k 0 1
BITPOS k 0 1 1
BITPOS k 0 -1
BITPOS k 1 -1
BITPOS k 1 -100 -50
BITPOS k 1 100
BITPOS k 0 100
BITPOS k 1 2 1
BITPOS k 0 2 1
BITPOS k 1 -1 -2
SET ones "\xff\xff\xff"
BITPOS ones 0
BITPOS ones 0 0
BITPOS ones 0 0 -1
BITPOS ones 0 1
BITPOS ones 0 3
BITPOS ones 0 0 -1 BIT
BITPOS ones 0 5
SET zeros "\x00\x00\x00"
BITPOS zeros 1
BITPOS zeros 1 0 -1
BITPOS zeros 0
SET empty ""
BITPOS empty 0
BITPOS empty 1
BITPOS empty 0 0
BITPOS empty 0 0 -1
BITPOS missing 0
BITPOS missing 1
BITPOS missing 0 5
BITPOS missing 1 5 6
SET n 42
BITPOS n 1
BITPOS n 0 1
BITPOS k 2
BITPOS k -1
BITPOS k abc
BITPOS k 1 abc
BITPOS k 1 0 abc
BITPOS k 1 0 1 BOGUS
BITPOS k 1 BIT
BITPOS k 1 0 1 BIT 1
BITPOS missing abc
BITPOS missing 1 abc
BITPOS missing 1 0 1 BOGUS
SADD l a
BITPOS l 1
BITPOS l 2
BITPOS l 1 abc
BITPOS l 1 0 1 BOGUS
BITPOS k
BITPOS
"#;

const OPERATIONS: &str = r#"
SET a "foobar"
SET b "abcdef"
SET c "\xff\x0f"
BITOP AND d a b
GET d
BITOP OR d a b
GET d
BITOP XOR d a b
GET d
BITOP NOT d a
GET d
BITOP not d d
GET d
BITOP and d a c
GET d
BITOP OR d a c b
GET d
BITOP XOR d a c b a
GET d
BITOP AND d a missing
GET d
BITOP OR d missing a
GET d
OBJECT ENCODING d
BITOP OR d missing missing
EXISTS d
BITOP NOT d missing
SET n 123
BITOP OR d n
GET d
OBJECT ENCODING d
SET d v EX 100000
BITOP AND d a
TTL d
SET d v
BITOP AND d missing
EXISTS d
BITOP AND a a a
GET a
SADD l a
BITOP AND d l
BITOP AND d a l
BITOP AND l a
TYPE l
BITOP BOGUS d a
BITOP NOT d a b
BITOP AND d
BITOP AND
BITOP
"#;

const FIELDS: &str = r#"
BITFIELD k SET u8 0 255 GET u8 0 GET i8 0 GET u4 2
GET k
BITFIELD k INCRBY u8 0 1
BITFIELD k OVERFLOW SAT INCRBY u8 0 300
BITFIELD k OVERFLOW SAT INCRBY u8 0 300 INCRBY u8 0 -1000
BITFIELD k OVERFLOW FAIL INCRBY u8 0 -1
BITFIELD k OVERFLOW FAIL INCRBY u8 0 -1 OVERFLOW WRAP INCRBY u8 0 -1
BITFIELD k SET i5 3 -7 GET i5 3 GET u5 3
BITFIELD k SET u8 #2 65 GET u8 #2
BITFIELD k SET u16 #1 65535
GET k
BITFIELD k GET u8 1000
STRLEN k
BITFIELD k GET u8 1000 SET u8 0 1
STRLEN k
BITFIELD k SET i64 5 -1 GET i64 5
BITFIELD k SET i64 5 9223372036854775807 INCRBY i64 5 1
BITFIELD k OVERFLOW SAT INCRBY i64 5 -9223372036854775808
BITFIELD k OVERFLOW SAT INCRBY i64 5 -9223372036854775808
BITFIELD k OVERFLOW FAIL INCRBY i64 5 -9223372036854775808
BITFIELD k SET u63 1 9223372036854775807 INCRBY u63 1 1
BITFIELD k SET u63 1 -1
BITFIELD k OVERFLOW SAT SET u63 1 -1 SET u8 0 -5 SET i8 0 -500 SET i8 0 500
BITFIELD k OVERFLOW FAIL SET u8 0 -5 SET u8 0 256 SET i8 0 -129 SET i8 0 128 SET i8 0 127
BITFIELD k SET u8 0 256 SET i8 0 128 SET i1 0 1 GET i1 0
BITFIELD k overflow sat incrby i2 0 5 get i2 0
BITFIELD k OVERFLOW SAT OVERFLOW FAIL INCRBY u2 0 9
GET k
BITFIELD missing GET u8 0
EXISTS missing
BITFIELD missing
BITFIELD missing OVERFLOW SAT
EXISTS missing
BITFIELD failed OVERFLOW FAIL INCRBY u8 0 -1
STRLEN failed
BITFIELD n SET u8 100 0
STRLEN n
SET s 123
BITFIELD s GET u8 0 GET u8 16
BITFIELD s INCRBY u8 16 1
GET s
OBJECT ENCODING s
BITFIELD_RO k GET u8 0 GET i16 5
BITFIELD_RO k
BITFIELD_RO missing GET u8 0
BITFIELD_RO k OVERFLOW WRAP
BITFIELD_RO k OVERFLOW WRAP GET u8 0
BITFIELD_RO k SET u8 0 1
BITFIELD_RO k GET u8 0 INCRBY u8 0 1
BITFIELD_RO k SET u8 0 1 BOGUS
BITFIELD_RO k OVERFLOW BOGUS
SADD l a
BITFIELD l
BITFIELD l GET u8 0
BITFIELD l SET u8 0 1
BITFIELD l SET u8 0 abc
BITFIELD_RO l GET u8 0
BITFIELD_RO l SET u8 0 1
BITFIELD k GET u8
BITFIELD k SET u8 0
BITFIELD k INCRBY u8 0
BITFIELD k OVERFLOW
BITFIELD k OVERFLOW BOGUS
BITFIELD k BOGUS
BITFIELD k GET u8 0 BOGUS
BITFIELD k GET u0 0
BITFIELD k GET u64 0
BITFIELD k GET i65 0
BITFIELD k GET i64 0
BITFIELD k GET x8 0
BITFIELD k GET U8 0
BITFIELD k GET u 0
BITFIELD k GET "" 0
BITFIELD k GET u8x 0
BITFIELD k GET u8 -1
BITFIELD k GET u8 abc
BITFIELD k GET u8 #
BITFIELD k GET u8 #-1
BITFIELD k GET u8 #abc
BITFIELD k GET u8 4294967295
BITFIELD k GET u8 4294967296
BITFIELD k GET u8 #536870911
BITFIELD k GET u8 #536870912
BITFIELD k GET u8 #9223372036854775807
BITFIELD k GET u8 #4611686018427387904
BITFIELD k SET u8 0 abc
BITFIELD k SET u8 0 9223372036854775808
BITFIELD k INCRBY u8 0 1.5
BITFIELD
BITFIELD_RO
"#;

const BEFORE_LOOKUP: &str = "7.2 and later read the range before they look for the key";

const DEVIATIONS: &[Deviation] = &[
    Deviation { command: "BITCOUNT missing 0", reply: "-ERR syntax error", reason: BEFORE_LOOKUP },
    Deviation {
        command: "BITCOUNT missing abc 1",
        reply: "-ERR value is not an integer or out of range",
        reason: BEFORE_LOOKUP,
    },
    Deviation { command: "BITCOUNT missing 0 1 BOGUS", reply: "-ERR syntax error", reason: BEFORE_LOOKUP },
    Deviation { command: "BITCOUNT l 0", reply: "-ERR syntax error", reason: BEFORE_LOOKUP },
    Deviation { command: "BITCOUNT l 0 1 BOGUS", reply: "-ERR syntax error", reason: BEFORE_LOOKUP },
    Deviation {
        command: "BITPOS missing 1 abc",
        reply: "-ERR value is not an integer or out of range",
        reason: BEFORE_LOOKUP,
    },
    Deviation { command: "BITPOS missing 1 0 1 BOGUS", reply: "-ERR syntax error", reason: BEFORE_LOOKUP },
    Deviation {
        command: "BITPOS l 1 abc",
        reply: "-ERR value is not an integer or out of range",
        reason: BEFORE_LOOKUP,
    },
    Deviation { command: "BITPOS l 1 0 1 BOGUS", reply: "-ERR syntax error", reason: BEFORE_LOOKUP },
];

#[test]
fn by_hand() {
    let tables =
        [("bits", BITS), ("counts", COUNTS), ("positions", POSITIONS), ("operations", OPERATIONS), ("fields", FIELDS)];
    run_table(&tables, DEVIATIONS, &[]);
}

const FORMS: &[(&str, usize)] = &[
    ("SET key val", 10),
    ("SET key num", 3),
    ("SETRANGE key small val", 2),
    ("SETBIT key offset bit", 20),
    ("GETBIT key offset", 8),
    ("BITCOUNT key", 3),
    ("BITCOUNT key off off [BIT|BYTE]", 12),
    ("BITPOS key bit", 4),
    ("BITPOS key bit off", 5),
    ("BITPOS key bit off off [BIT|BYTE]", 12),
    ("BITOP AND key key...", 4),
    ("BITOP OR key key...", 4),
    ("BITOP XOR key key...", 4),
    ("BITOP NOT key key", 4),
    ("BITFIELD key GET type offset", 4),
    ("BITFIELD key SET type offset int", 6),
    ("BITFIELD key GET type place INCRBY type place int", 6),
    ("BITFIELD key OVERFLOW SAT SET type offset int INCRBY type offset int GET type place", 8),
    ("BITFIELD key OVERFLOW FAIL SET type offset int INCRBY type offset int GET type place", 8),
    ("BITFIELD key OVERFLOW WRAP SET type place int OVERFLOW SAT INCRBY type offset int", 4),
    ("BITFIELD_RO key GET type offset GET type place", 4),
    ("GET key", 8),
    ("STRLEN key", 4),
    ("APPEND key val", 2),
    ("DEL key", 4),
    ("SADD key small", 1),
    ("OBJECT ENCODING key", 3),
    ("EXPIRE key sec", 1),
];

fn word(generator: &mut Generator, word: &str) -> Option<Vec<u8>> {
    let random = &mut generator.random;
    let text = match word {
        "offset" => random.below(400).to_string(),
        "bit" => random.below(2).to_string(),
        "place" => format!("#{}", random.below(20)),
        "type" => match random.below(8) {
            0 => "i64".to_string(),
            1 => "u63".to_string(),
            n if n % 2 == 0 => format!("i{}", 1 + random.below(64)),
            _ => format!("u{}", 1 + random.below(63)),
        },
        _ => return None,
    };
    Some(text.into_bytes())
}

/// Leaves alone what 7.0 answers otherwise: a range that is none, of a key that is not there or no string.
fn mend(command: &mut Command) {
    let name = command[0].to_ascii_uppercase();
    let positions = name == b"BITPOS";
    if name == b"BITCOUNT" || positions {
        let start = if positions { 3 } else { 2 };
        let is_number = |word: &Vec<u8>| std::str::from_utf8(word).is_ok_and(|text| text.parse::<i64>().is_ok());
        let good = match command.get(start..).unwrap_or_default() {
            [] => true,
            [first] => positions && is_number(first),
            [first, last] => is_number(first) && is_number(last),
            [first, last, unit] => {
                let is_unit = unit.eq_ignore_ascii_case(b"BIT") || unit.eq_ignore_ascii_case(b"BYTE");
                is_number(first) && is_number(last) && is_unit
            }
            _ => false,
        };
        if !good {
            command.truncate(start);
        }
    }
    // Of small sets only those of integers are what they were in 7.0.
    if name == b"SADD" {
        let is_integer = |word: &Vec<u8>| std::str::from_utf8(word).is_ok_and(|text| text.parse::<i64>().is_ok());
        command.iter_mut().skip(2).filter(|word| !is_integer(word)).for_each(|word| *word = b"7".to_vec());
    }
    // The largest string would be half a gigabyte.
    if name == b"SETBIT" || name == b"BITFIELD" || name == b"SETRANGE" {
        for word in command.iter_mut().skip(2) {
            if word.len() > 15 && word[0] != b'-' && word.iter().all(u8::is_ascii_digit) {
                *word = b"77".to_vec();
            }
        }
    }
}

static PROFILE: Profile = Profile {
    forms: FORMS,
    word,
    mend,
    questions: &["TYPE", "OBJECT ENCODING", "PEXPIRETIME"],
    commands: 20_000,
    ..Profile::BASE
};

#[test]
fn a_stream_of_bitmap_commands_in_resp2() {
    stream::run(&PROFILE, "a_stream_of_bitmap_commands_in_resp2", "2");
}

#[test]
fn a_stream_of_bitmap_commands_in_resp3() {
    stream::run(&PROFILE, "a_stream_of_bitmap_commands_in_resp3", "3");
}
