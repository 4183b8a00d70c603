//! HyperLogLogs against redis-server: every call leaves the same bytes, and each reads what the other wrote.

mod support;

use support::pair::{Pair, run_table};
use support::stream::{self, Command, Generator, Profile};

const CALLS: &str = r#"
PFADD h
GET h
PFADD h
PFADD h a b c
PFADD h a b c
GET h
PFCOUNT h
GET h
PFCOUNT h
PFADD h a
GET h
PFADD h d
GET h
PFADD g c d e f ""
PFCOUNT g
PFCOUNT h g
PFCOUNT h g missing
PFCOUNT missing
PFCOUNT missing missing
PFMERGE m h g
GET m
PFCOUNT m
GET m
PFMERGE m
GET m
PFMERGE new
GET new
PFMERGE h missing
GET h
OBJECT ENCODING h
EXPIRE h 100000
PFADD h zzz
near TTL h
PFDEBUG ENCODING h
PFDEBUG DECODE h
PFDEBUG TODENSE h
PFDEBUG TODENSE h
PFDEBUG ENCODING h
PFDEBUG encoding h
PFDEBUG DECODE h
GET h
PFCOUNT h
PFADD h 1 2 3 4 5 6 7
GET h
PFMERGE g h
PFDEBUG ENCODING g
GET g
PFDEBUG GETREG g
PFDEBUG GETREG m
PFDEBUG ENCODING m
GET m
PFDEBUG GETREG missing
PFDEBUG ENCODING missing
PFDEBUG BOGUS missing
PFDEBUG BOGUS h
PFDEBUG ENCODING
PFDEBUG ENCODING h h
PFDEBUG
PFADD
PFCOUNT
PFMERGE
"#;

const BAD: &str = r#"
PFSELFTEST
PFSELFTEST x
PFADD h a
SET s abc
PFADD s
PFADD s a
PFCOUNT s
PFCOUNT h s
PFCOUNT missing s
PFMERGE d s
PFMERGE s h
PFMERGE d h s
EXISTS d
PFDEBUG ENCODING s
SET n 123
PFADD n a
PFCOUNT n
SET empty ""
PFADD empty a
PFCOUNT empty
PFMERGE empty h
SADD l a
PFADD l a
PFADD l
PFCOUNT l
PFCOUNT h l
PFMERGE l h
PFMERGE d l
PFDEBUG ENCODING l
SET header "HYLL\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
PFCOUNT header
SET short "HYLL\x01"
PFCOUNT short
SET kind "HYLL\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x7f\xff"
PFCOUNT kind
SET magic "HYLM\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x7f\xff"
PFCOUNT magic
SET whole "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff"
PFCOUNT whole
SET cut "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f"
PFCOUNT cut
PFCOUNT cut h
PFMERGE d cut
PFMERGE cut h
PFDEBUG GETREG cut
PFDEBUG TODENSE cut
SET few "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x00"
PFCOUNT few
PFADD few a
PFMERGE d few
PFMERGE few h
PFDEBUG TODENSE few
SET many "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff\x7f\xff"
PFCOUNT many
PFCOUNT many h
PFMERGE d many
SET claims "HYLL\x01\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00"
PFCOUNT claims
"#;

#[test]
fn by_hand() {
    run_table(&[("calls", CALLS), ("bad strings", BAD)], &[], &[]);
}

#[test]
fn by_hand_with_a_tiny_limit() {
    run_table(&[("calls", CALLS)], &[], &["--hll-sparse-max-bytes", "30"]);
}

/// Each server goes on with the other's string.
#[test]
fn strings_are_exchanged() {
    let pair = Pair::start(&[]);
    let mut clients = pair.connect();
    for round in 0..60 {
        for n in 0..(round + 1) * 3 {
            let call = format!("PFADD h {}", round * 1000 + n);
            let writer = if round % 2 == 0 { &mut clients.subject } else { &mut clients.oracle };
            writer.run(&call);
        }
        let (from, to) = if round % 2 == 0 {
            (&mut clients.subject, &mut clients.oracle)
        } else {
            (&mut clients.oracle, &mut clients.subject)
        };
        let value = from.run("GET h");
        to.call(&[b"SET".as_slice(), b"h", value.text()]);
        for line in ["PFCOUNT h", "GET h", "PFDEBUG ENCODING h"] {
            clients.line(line);
        }
    }
    clients.line("PFDEBUG GETREG h");
}

const FORMS: &[(&str, usize)] = &[
    ("PFADD key element...", 40),
    ("PFADD key", 2),
    ("PFCOUNT key", 10),
    ("PFCOUNT key key...", 4),
    ("PFMERGE key key...", 2),
    ("PFMERGE key", 1),
    ("PFDEBUG ENCODING key", 2),
    ("PFDEBUG DECODE key", 2),
    ("PFDEBUG TODENSE key", 1),
    ("GET key", 6),
    ("STRLEN key", 4),
    ("SET key val", 1),
    ("COPY key key REPLACE", 1),
    ("DEL key", 2),
];

fn word(generator: &mut Generator, word: &str) -> Option<Vec<u8>> {
    match word {
        "element" if generator.random.one_in(10) => Some(generator.value()),
        "element" => Some(generator.random.below(3000).to_string().into_bytes()),
        _ => None,
    }
}

fn mend(command: &mut Command) {
    // A register dump of 16,384 replies for each would be slow.
    if command.len() > 1 && command[1].eq_ignore_ascii_case(b"GETREG") {
        command[1] = b"ENCODING".to_vec();
    }
}

static PROFILE: Profile =
    Profile { forms: FORMS, word, mend, questions: &["TYPE", "STRLEN"], commands: 10_000, ..Profile::BASE };
static TINY: Profile = Profile { directives: &["--hll-sparse-max-bytes", "100"], ..PROFILE };

#[test]
fn a_stream_of_hyperloglog_commands_in_resp2() {
    stream::run(&PROFILE, "a_stream_of_hyperloglog_commands_in_resp2", "2");
}

#[test]
fn a_stream_of_hyperloglog_commands_in_resp3_with_a_tiny_limit() {
    stream::run(&TINY, "a_stream_of_hyperloglog_commands_in_resp3_with_a_tiny_limit", "3");
}
