//! SORT and SORT_RO against redis-server: a table by hand and generated streams over lists, sets and the keys that they name.

mod support;

use support::pair::{Deviation, Pair, run_table};
use support::stream::{self, Command, Generator, Profile};
use support::table::Agreement;

const NUMBERS: &str = r#"
RPUSH l 3 1 2 10 -5 2
SORT l
SORT l ASC
SORT l DESC
SORT l ALPHA
SORT l alpha desc
SORT l LIMIT 0 3
SORT l LIMIT 2 2
SORT l LIMIT 2 -1
SORT l LIMIT -3 2
SORT l LIMIT 4 100
SORT l LIMIT 6 1
SORT l LIMIT 100 1
SORT l LIMIT 0 0
SORT l DESC LIMIT 1 2
SORT l LIMIT 0 1 LIMIT 1 3
SORT l ASC DESC
SORT l DESC ASC
SORT_RO l
SORT_RO l DESC LIMIT 0 2
SORT l BY nosort
SORT l BY nosort DESC
SORT l BY nosort LIMIT 1 2
SORT l BY nosort DESC LIMIT 1 2
SORT l BY nosort LIMIT 100 2
SORT l BY nosort LIMIT 4 100
SORT l BY nosort DESC LIMIT 4 100
SORT l BY nosort DESC LIMIT 0 0
ZADD z 3 a 1 b 2 c
SORT z BY nosort LIMIT 1 1
SORT z BY nosort DESC LIMIT 0 2
SORT z BY nosort DESC LIMIT 1 5 STORE zl
LRANGE zl 0 -1
SORT l BY # LIMIT 1 2
SORT l BY ""
RPUSH nul "2\x00x" 1 "\x003"
SORT nul
RPUSH f 1.5 " 2" 0x10 1e1 -inf inf 3 ""
SORT f
SORT f DESC
SADD s 5 3 9 1
SORT s
SORT s DESC LIMIT 0 2
SORT missing
SORT missing STORE d
SADD words b a c
SORT words
SORT words ALPHA
SORT words ALPHA DESC
SORT words BY nosort STORE d
LRANGE d 0 -1
~ SORT words BY nosort
RPUSH bad 1 2 x
SORT bad
SORT bad LIMIT 0 1
SORT bad ALPHA
RPUSH nan 1 nan
SORT nan
RPUSH over 1 1e999
SORT over
RPUSH space 1 "2 "
SORT space
"#;

const PATTERNS: &str = r#"
RPUSH l 1 2 3 4
MSET w_1 40 w_2 30 w_3 20 n_1 one n_2 two n_4 four
SORT l BY w_*
SORT l BY w_* DESC
SORT l BY n_* ALPHA
SORT l BY w_* GET n_*
SORT l GET n_*
SORT l GET # GET n_* GET w_*
SORT l GET n_* GET missing GET #
SORT l BY nosort GET # GET n_*
SORT l LIMIT 1 2 GET # GET n_*
HSET h_1 weight 3 name uno
HSET h_2 weight 1 name due
HSET h_3 weight 2
SORT l BY h_*->weight
SORT l BY h_*->weight GET h_*->name
SORT l BY h_*->weight DESC GET h_*->name GET #
SORT l BY h_*->missing
SORT l BY h_*->name ALPHA
SORT l GET h_*->
SORT l GET h_*
SORT l GET w_*->weight
SORT l GET *->weight
SET a->b v1
SET k1-> arrow
SORT l GET k*->
SORT l GET "*"
SORT l BY *
SORT l BY n_*
SORT l BY w_* STORE d
LRANGE d 0 -1
TYPE d
SORT l GET # GET n_* STORE d
LRANGE d 0 -1
SORT l BY w_* LIMIT 1 2 GET n_* STORE d
LRANGE d 0 -1
SORT l LIMIT 10 1 STORE d
EXISTS d
SET d v EX 100000
SORT l STORE d
TTL d
SORT l STORE l
LRANGE l 0 -1
SORT l DESC STORE x STORE y
EXISTS x
LRANGE y 0 -1
SORT l GET missing* STORE d
LRANGE d 0 -1
OBJECT ENCODING w_1
"#;

const ERRORS: &str = r#"
RPUSH l 1 2
SET str v
HSET h f v
SORT str
SORT h
SORT_RO str
SORT str BOGUS
SORT l BOGUS
SORT l LIMIT
SORT l LIMIT 1
SORT l LIMIT a b
SORT l LIMIT 1 b
SORT l BY
SORT l GET
SORT l STORE
SORT_RO l STORE d
SORT missing BOGUS
SORT missing LIMIT a 1
SORT str LIMIT a 1
SORT l LIMIT 9223372036854775807 9223372036854775807
SORT l LIMIT -9223372036854775808 -9223372036854775808
SORT l LIMIT 9223372036854775808 1
SORT
SORT_RO
COMMAND GETKEYS SORT l BY w_* GET n_* STORE d
COMMAND GETKEYS SORT l STORE d STORE e
COMMAND GETKEYS SORT l GET STORE LIMIT STORE b
COMMAND GETKEYS SORT l
COMMAND GETKEYS SORT_RO l BY w_*
COMMAND GETKEYSANDFLAGS SORT l STORE d
"#;

const DEVIATIONS: &[Deviation] = &[];

#[test]
fn by_hand() {
    run_table(&[("numbers", NUMBERS), ("patterns", PATTERNS), ("errors", ERRORS)], DEVIATIONS, &[]);
}

const SORTED_SETS: &str = r#"
ZADD z 3 a 1 b 2 c 10 d
SORT z ALPHA
SORT z ALPHA DESC
SORT z BY nosort
SORT z BY nosort DESC
SORT z BY nosort LIMIT 1 2
SORT z BY nosort DESC LIMIT 1 2
SORT z
SORT z BY nosort GET # STORE d
LRANGE d 0 -1
"#;

#[test]
fn sorted_sets() {
    let pair = Pair::start(&[]);
    let mut clients = pair.connect();
    clients.lines(SORTED_SETS);
    for n in 0..500 {
        clients.run_quietly(&format!("ZADD large {} {}", n * 7919 % 1000, n * 31));
    }
    for line in
        ["SORT large", "SORT large DESC LIMIT 10 20", "SORT large BY nosort", "SORT large BY nosort DESC LIMIT 3 9"]
    {
        clients.line(line);
    }
}

const FORMS: &[(&str, usize)] = &[
    ("RPUSH key element...", 20),
    ("SADD key element...", 12),
    ("SET weight num", 8),
    ("SET weight val", 2),
    ("HSET hash f num g val", 4),
    ("DEL key", 4),
    ("SORT key [ASC|DESC] [LIMIT small small|LIMIT off off] [ALPHA]", 14),
    ("SORT key BY w* [LIMIT small small] [ASC|DESC] [GET #|GET w*|GET h*->f|GET # GET h*->g]", 12),
    ("SORT key BY h*->f [LIMIT small small] [ASC|DESC] [GET #|GET w*|GET h*->f]", 8),
    ("SORT key ALPHA [LIMIT small small] GET pattern GET pattern STORE key", 4),
    ("SORT key BY nosort [DESC] [LIMIT off small] STORE key", 4),
    ("SORT key [ALPHA] [DESC] STORE key", 4),
    ("SORT_RO key [ALPHA] [DESC] [GET pattern]", 6),
    ("LRANGE key 0 -1", 4),
    ("LLEN key", 2),
];

fn word(generator: &mut Generator, word: &str) -> Option<Vec<u8>> {
    let random = &mut generator.random;
    let n = random.below(12);
    Some(match word {
        "element" if random.one_in(60) => b"x".to_vec(),
        "element" if random.one_in(10) => format!("{n}.5").into_bytes(),
        "element" => n.to_string().into_bytes(),
        "weight" => format!("w{n}").into_bytes(),
        "hash" => format!("h{n}").into_bytes(),
        "pattern" => random.pick(&["#", "w*", "h*->f", "h*->g", "nothing", "x*"]).as_bytes().to_vec(),
        _ => return None,
    })
}

fn agreement(command: &Command) -> Agreement {
    // A set that is not sorted comes in the order in which it is kept.
    let unsorted = command.iter().any(|word| word.eq_ignore_ascii_case(b"nosort"));
    if unsorted { Agreement::AnyOrder } else { Agreement::Exact }
}

fn mend(command: &mut Command) {
    // To C a text ends with a NUL, so that texts which are not the same come in any order.
    command.iter_mut().filter(|word| word.contains(&0)).for_each(|word| *word = b"nul".to_vec());
    // A damaged BY may leave a set unsorted, and then a LIMIT takes any of its members.
    if let Some(at) = command.iter().position(|word| word.eq_ignore_ascii_case(b"BY"))
        && command.get(at + 1).is_some_and(|pattern| !pattern.contains(&b'*') && pattern != b"nosort")
    {
        command[at + 1] = b"w*".to_vec();
    }
}

static PROFILE: Profile =
    Profile { forms: FORMS, word, agreement, mend, questions: &["TYPE"], commands: 10_000, ..Profile::BASE };

#[test]
fn a_stream_of_sort_commands_in_resp2() {
    stream::run(&PROFILE, "a_stream_of_sort_commands_in_resp2", "2");
}

#[test]
fn a_stream_of_sort_commands_in_resp3() {
    stream::run(&PROFILE, "a_stream_of_sort_commands_in_resp3", "3");
}
