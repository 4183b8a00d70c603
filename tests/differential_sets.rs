//! Set commands against redis-server: tables by hand, generated streams with the usual thresholds and with tiny ones.

mod support;

use support::pair::{Deviation, Pair, run_table};
use support::reply::Reply;
use support::stream::{self, Command, Generator, Profile};
use support::table::Agreement;

const MEMBERS: &str = r#"
SADD s a b c
SADD s a b c
SADD s c d d d
SCARD s
~ SMEMBERS s
SISMEMBER s a
SISMEMBER s z
SISMEMBER missing a
SMISMEMBER s a z b
SMISMEMBER missing a b
SMEMBERS missing
SCARD missing
SREM s a
SREM s a
SREM s b c nothing d
EXISTS s
SREM s a
SREM missing a
SADD ints 3 1 2
SMEMBERS ints
OBJECT ENCODING ints
SADD ints -1 9223372036854775807 -9223372036854775808 9223372036854775808
~ SMEMBERS ints
SISMEMBER ints 9223372036854775808
SADD odd 01 +1 "" " 1" 1 -0 0 1.0
SCARD odd
~ SMEMBERS odd
SISMEMBER odd 01
SISMEMBER odd 1
SISMEMBER odd ""
SADD bin "\x00\xff\r\n" "\x00"
~ SMEMBERS bin
SADD long {x*100000}
SMEMBERS long
SISMEMBER long {x*100000}
SISMEMBER long {x*99999}
SADD one-int 5
SMEMBERS one-int
SREM one-int 05
SREM one-int 5
EXISTS one-int
SET str v
SADD str a
SREM str a
SCARD str
SISMEMBER str a
SMISMEMBER str a
SMEMBERS str
SADD
SADD s
SREM
SREM s
SCARD
SCARD a b
SISMEMBER s
SISMEMBER s a b
SMISMEMBER s
SMEMBERS
SMEMBERS a b
TYPE ints
OBJECT ENCODING odd
SADD ttl a
EXPIRE ttl 100000
SADD ttl b
near TTL ttl
SREM ttl a b
TTL ttl
"#;

const MOVES: &str = r#"
SADD a 1 2 x
SADD b 2 3
SMOVE a b 1
SMOVE a b 1
SMOVE a b 2
~ SMEMBERS a
~ SMEMBERS b
SMOVE a new x
EXISTS a
SMEMBERS new
SMOVE new new x
SMOVE new new y
SMOVE missing b 1
SMOVE missing missing 1
SET str v
SMOVE str b 1
SMOVE b str 2
SMOVE b str nothing
SMOVE missing str 1
SMOVE str missing 1
SMOVE str str v
SMOVE a b
SMOVE a b c d
SMOVE
"#;

const DRAWS: &str = r#"
SPOP missing
SPOP missing 1
SPOP missing 0
SRANDMEMBER missing
SRANDMEMBER missing 3
SRANDMEMBER missing -3
SADD s only
SRANDMEMBER s
SRANDMEMBER s 0
SRANDMEMBER s 1
SRANDMEMBER s 10
SRANDMEMBER s -3
SPOP s 0
SPOP s
EXISTS s
SADD s only
SPOP s 5
EXISTS s
SADD s 1 2 3 4 5
~ SRANDMEMBER s 5
~ SRANDMEMBER s 100
~ SRANDMEMBER s 9223372036854775807
shape SRANDMEMBER s 2
shape SRANDMEMBER s 4
shape SRANDMEMBER s -4
shape SRANDMEMBER s -40
shape SPOP s 1
SCARD s
shape SPOP s 3
SCARD s
shape SPOP s 9223372036854775807
EXISTS s
SADD t a b c d e f g h i j k l m n o p q r s t u v w x y z
shape SRANDMEMBER t 2
shape SRANDMEMBER t 20
shape SRANDMEMBER t -2
shape SPOP t 2
shape SPOP t 20
SCARD t
SET str v
SPOP str
SPOP str 1
SPOP str 0
SRANDMEMBER str
SRANDMEMBER str 1
SRANDMEMBER str 0
SPOP
SPOP s -1
SPOP s abc
SPOP s 1 2
SPOP s abc 2
SPOP str -1
SPOP s 9223372036854775808
SPOP missing -1
SRANDMEMBER
SRANDMEMBER s abc
SRANDMEMBER s 1.5
SRANDMEMBER s 1 2
SRANDMEMBER s abc 2
SRANDMEMBER s -9223372036854775808
SRANDMEMBER s -9223372036854775807
SRANDMEMBER str abc
SRANDMEMBER s ""
"#;

const ALGEBRA: &str = r#"
SADD a 1 2 3 4 x
SADD b 3 4 5 x y
SADD c 4 x z
SADD i 1 2 3
SADD j 2 3 4
~ SINTER a b c
~ SINTER a
SINTER a missing
SINTER missing
~ SINTER a a
~ SINTER a b a
~ SUNION a b c
~ SUNION a
SUNION missing
~ SUNION missing a missing
~ SUNION i j
SINTER i j
~ SUNION a a a
~ SDIFF a b c
~ SDIFF a b
SDIFF a a
~ SDIFF a missing
SDIFF missing a
SDIFF missing
~ SDIFF a
SDIFF i j
SDIFF a b a
SDIFF a b c i
SINTERSTORE d a b c
~ SMEMBERS d
SUNIONSTORE d a b c
~ SMEMBERS d
SDIFFSTORE d a b
~ SMEMBERS d
SINTERSTORE ints i j
OBJECT ENCODING ints
SMEMBERS ints
SUNIONSTORE ints i j
OBJECT ENCODING ints
SMEMBERS ints
SDIFFSTORE ints i j
OBJECT ENCODING ints
SDIFFSTORE d a a
EXISTS d
SINTERSTORE nothing a missing
EXISTS nothing
SET str v
SUNIONSTORE str missing
EXISTS str
SET str v
EXPIRE str 100000
SUNIONSTORE str a
TTL str
SUNIONSTORE a a b
~ SMEMBERS a
SDIFFSTORE a a b
~ SMEMBERS a
SINTERSTORE a a b
EXISTS a
SINTERCARD 2 b c
SINTERCARD 3 b c missing
SINTERCARD 2 b c LIMIT 1
SINTERCARD 2 b c LIMIT 0
SINTERCARD 2 b c LIMIT 100
SINTERCARD 2 b c limit 2
SINTERCARD 1 b LIMIT 1 LIMIT 3
SINTERCARD 0 a
SINTERCARD -1 a
SINTERCARD abc a
SINTERCARD 3 a b
SINTERCARD 1 a LIMIT
SINTERCARD 1 a LIMIT -1
SINTERCARD 1 a LIMIT abc
SINTERCARD 1 a BOGUS
SINTERCARD 1 a b
SINTERCARD 1
SINTERCARD
SINTERCARD 9223372036854775807 a
SET str v
SINTER str
SINTER b str
SINTER missing str
SINTER str missing
SUNION b str
SUNION missing str
SDIFF b str
SDIFF missing str
SDIFF str
SINTERSTORE d b str
SINTERSTORE d missing str
SUNIONSTORE d str
SDIFFSTORE d missing str
SINTERCARD 1 str
SINTERCARD 2 missing str
SINTER
SUNION
SDIFF
SINTERSTORE d
SUNIONSTORE d
SDIFFSTORE d
"#;

const SCANS: &str = r#"
SADD s 1 2 3
SSCAN s 0
SSCAN s 0 COUNT 1
SSCAN s 0 MATCH 1*
SSCAN s 0 MATCH nothing COUNT 100
SSCAN s 0 count 5 match *
SSCAN missing 0
SSCAN missing 17
SSCAN missing 0 BOGUS
SSCAN missing abc
SSCAN s abc
SSCAN s ""
SSCAN s 0 COUNT
SSCAN s 0 COUNT 0
SSCAN s 0 COUNT -1
SSCAN s 0 COUNT abc
SSCAN s 0 MATCH
SSCAN s 0 BOGUS 1
SSCAN s 0 BOGUS
SSCAN s 0 TYPE string
SSCAN s 0 COUNT 1 COUNT 2
SADD t apple apricot banana
SSCAN t 0 MATCH b* COUNT 100
SET str v
SSCAN str 0
SSCAN str 0 BOGUS
SSCAN str abc
SSCAN
SSCAN s
"#;

#[test]
fn by_hand() {
    let tables = [("members", MEMBERS), ("moves", MOVES), ("draws", DRAWS), ("algebra", ALGEBRA), ("scans", SCANS)];
    run_table(&tables, DEVIATIONS, &[]);
}

const DEVIATIONS: &[Deviation] = &[
    Deviation {
        command: "OBJECT ENCODING odd",
        reply: "\"listpack\"",
        reason: "small sets that have not only integers are listpacks since 7.2",
    },
    Deviation {
        command: "SSCAN s \"\"",
        reply: "-ERR invalid cursor",
        reason: "7.4 reads the cursor as strictly as any other number",
    },
];

const DIGESTS: &str = r#"
DEBUG DIGEST
SADD ints 3 1 2 100000 -7
DEBUG DIGEST
DEBUG DIGEST-VALUE ints missing
SADD small a b c 1 2 3
DEBUG DIGEST-VALUE small
SADD long {x*1000} y
DEBUG DIGEST-VALUE long
SADD d y {x*1000}
DEBUG DIGEST-VALUE d long
EXPIRE small 100000
DEBUG DIGEST
"#;

#[test]
fn digests() {
    run_table(&[("digests", DIGESTS)], &[], &["--enable-debug-command", "yes"]);
    let pair = Pair::start(&["--enable-debug-command", "yes"]);
    let mut clients = pair.connect();
    for n in 0..3000 {
        clients.run_quietly(&format!("SADD s{} {n} member:{n}", n % 7));
    }
    clients.line("DEBUG DIGEST");
}

const FORMS: &[(&str, usize)] = &[
    ("SADD key member...", 30),
    ("SADD key num...", 10),
    ("SREM key member...", 10),
    ("SCARD key", 3),
    ("SISMEMBER key member", 4),
    ("SMISMEMBER key member...", 3),
    ("SMEMBERS key", 4),
    ("SMOVE key key member", 6),
    // What stays is the same on both servers.
    ("SPOP key 4000", 1),
    ("SPOP key 0", 1),
    ("SRANDMEMBER key", 1),
    ("SRANDMEMBER key small", 2),
    ("SRANDMEMBER key 4000", 1),
    ("SINTER key...", 4),
    ("SUNION key...", 4),
    ("SDIFF key...", 5),
    ("SINTERCARD 2 key key [LIMIT small]", 4),
    ("SINTERSTORE key key...", 3),
    ("SUNIONSTORE key key...", 2),
    ("SDIFFSTORE key key...", 5),
    ("SSCAN key 0 COUNT 100000 [MATCH pattern]", 3),
    ("SET key val", 1),
    ("DEL key", 3),
    ("COPY key key REPLACE", 1),
    ("RENAME key key", 1),
    ("EXPIRE key sec", 1),
    ("PERSIST key", 1),
    ("TYPE key", 1),
    ("OBJECT ENCODING key", 2),
];

fn word(generator: &mut Generator, word: &str) -> Option<Vec<u8>> {
    match word {
        "member" => Some(match generator.random.below(10) {
            0..4 => generator.random.below(40).to_string().into_bytes(),
            4..8 => format!("m{}", generator.random.below(40)).into_bytes(),
            _ => generator.value(),
        }),
        "pattern" => Some(generator.random.pick(&["*", "m*", "[0-9]", "m?", "nothing", "*3"]).as_bytes().to_vec()),
        _ => None,
    }
}

fn agreement(command: &Command) -> Agreement {
    match command[0].to_ascii_uppercase().as_slice() {
        b"SMEMBERS" | b"SINTER" | b"SUNION" | b"SDIFF" | b"SSCAN" => Agreement::AnyOrder,
        b"SPOP" | b"SRANDMEMBER" => match command.get(2).map(Vec::as_slice) {
            Some(b"4000") => Agreement::AnyOrder,
            _ => Agreement::Shape,
        },
        _ => Agreement::Exact,
    }
}

fn mend(command: &mut Command) {
    let name = command[0].to_ascii_uppercase();
    let is_number = |word: &[u8]| std::str::from_utf8(word).is_ok_and(|text| text.parse::<i64>().is_ok());
    match name.as_slice() {
        // What is taken out at random is not the same on both servers.
        b"SPOP" if command.len() == 2 => command.push(b"4000".to_vec()),
        b"SPOP"
            if command.len() == 3 && is_number(&command[2]) && command[2] != b"0" && !command[2].starts_with(b"-") =>
        {
            command[2] = b"4000".to_vec();
        }
        // As many members as there are, or memory for so many.
        b"SRANDMEMBER" if command.get(2).is_some_and(|count| count.len() > 5) => command[2] = b"-17".to_vec(),
        // A cursor other than 0 means something else to each server.
        b"SSCAN" if command.get(2).is_some_and(|cursor| cursor != b"abc") => command[2] = b"0".to_vec(),
        // Small sets that have not only integers are listpacks from 7.2 on.
        b"OBJECT" => *command = vec![b"TYPE".to_vec(), command.last().cloned().unwrap_or_default()],
        _ => {}
    }
    if name == b"SSCAN"
        && let Some(at) = command.iter().position(|word| word.eq_ignore_ascii_case(b"COUNT"))
        && command.get(at + 1).is_some_and(|count| is_number(count) && !count.starts_with(b"-") && count != b"0")
    {
        command[at + 1] = b"100000".to_vec();
    }
}

static PROFILE: Profile = Profile { forms: FORMS, word, agreement, mend, commands: 20_000, ..Profile::BASE };

static TINY: Profile =
    Profile { directives: &["--set-max-intset-entries", "4"], questions: &["TYPE", "SCARD"], ..PROFILE };

#[test]
fn a_stream_of_set_commands_in_resp2() {
    stream::run(&PROFILE, "a_stream_of_set_commands_in_resp2", "2");
}

#[test]
fn a_stream_of_set_commands_in_resp3() {
    stream::run(&PROFILE, "a_stream_of_set_commands_in_resp3", "3");
}

#[test]
fn a_stream_with_tiny_thresholds() {
    stream::run(&TINY, "a_stream_with_tiny_thresholds", "2");
}

/// Sets of every encoding, against each other: the cheaper orders give the same results.
#[test]
fn algebra_of_sets_of_all_sizes() {
    let pair = Pair::start(&[]);
    let mut clients = pair.connect();
    let sets = [("ints", 1, 300), ("many", 1, 2000), ("few", 100, 3), ("words", 1, 90), ("lots", 3, 1500)];
    for (name, step, len) in sets {
        for at in 0..len {
            let prefix = if name == "words" || (name == "lots" && at % 2 == 0) { "w" } else { "" };
            clients.run_quietly(&format!("SADD {name} {prefix}{}", at * step));
        }
    }
    let names = ["ints", "many", "few", "words", "lots", "missing"];
    for a in names {
        for b in names {
            for c in names {
                clients.line(&format!("~ SINTER {a} {b} {c}"));
                clients.line(&format!("~ SUNION {a} {b} {c}"));
                clients.line(&format!("~ SDIFF {a} {b} {c}"));
                clients.line(&format!("~ SDIFF {a} few few {b} few few few few {c}"));
                clients.line(&format!("SINTERCARD 3 {a} {b} {c} LIMIT 7"));
                clients.line(&format!("SUNIONSTORE out {a} {b} {c}"));
                clients.line("~ SMEMBERS out");
            }
        }
    }
}

/// SPOP takes out members of the set, each once, whatever the count.
#[test]
fn what_is_popped_is_gone() {
    let pair = Pair::start(&[]);
    let client = &mut pair.connect().subject;
    for (len, counts) in [(100, [1, 30, 60]), (5000, [10, 900, 4080]), (300, [2, 290, 3])] {
        client.run("DEL s");
        for n in 0..len {
            client.run(&format!("SADD s {}{n}", if len == 300 { "" } else { "m" }));
        }
        let mut left = len;
        for count in counts {
            let before = client.run("SMEMBERS s").sorted();
            let popped = client.run(&format!("SPOP s {count}"));
            assert_eq!(popped.items().len(), count);
            left -= count;
            let after = client.run("SMEMBERS s");
            assert_eq!(after.items().len(), left);
            let all: Vec<Reply> = after.items().iter().chain(popped.items()).cloned().collect();
            assert_eq!(Reply::Array(all).sorted(), before);
        }
    }
}
