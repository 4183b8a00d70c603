//! List commands: replies of the subject and of redis-server, from tables and from generated streams.

mod support;

use support::pair::{Deviation, run_table};
use support::stream::{self, Command, Generator, Profile};
use support::table::Agreement;

const TABLES: &[(&str, &str)] = &[
    (
        "pushing",
        "
LPUSH l a
LPUSH l b c
RPUSH l d e f
LRANGE l 0 -1
LLEN l
LPUSHX l x y
RPUSHX l z
LPUSHX no x
RPUSHX no x y
EXISTS no
RPUSH l 12 -5 007 9223372036854775807 9223372036854775808 \"\" \" 1\"
LRANGE l 0 -1
TYPE l
LPUSH l
RPUSHX l
SET s v
LPUSH s a
RPUSH s a
LPUSHX s a
RPUSHX s a
LLEN s
LLEN no
LLEN
OBJECT REFCOUNT l
",
    ),
    (
        "popping",
        "
RPUSH l a b c d e f g h
LPOP l
RPOP l
LPOP l 2
RPOP l 2
LPOP l 0
RPOP l 0
LPOP no
RPOP no
LPOP no 0
LPOP no 2
RPOP no 2
LPOP l abc
LPOP l -1
LPOP l 1 2
RPOP l 1 2
LPOP no -1
LPOP l 9223372036854775808
LPOP l 9223372036854775807
EXISTS l
RPUSH l 1 2 3
RPOP l 100
EXISTS l
SET s v
LPOP s
RPOP s 1
LPOP s 0
LPOP s abc
LPOP
",
    ),
    (
        "reading",
        "
RPUSH l a b c d e
LRANGE l 0 -1
LRANGE l 1 3
LRANGE l -3 -2
LRANGE l -100 100
LRANGE l 3 1
LRANGE l 5 9
LRANGE l 4 4
LRANGE l -9223372036854775808 9223372036854775807
LRANGE l 9223372036854775807 -9223372036854775808
LRANGE l a 1
LRANGE l 1 a
LRANGE no 0 -1
LRANGE no a b
LRANGE l 0
LINDEX l 0
LINDEX l 4
LINDEX l 5
LINDEX l -1
LINDEX l -5
LINDEX l -6
LINDEX l -9223372036854775808
LINDEX l a
LINDEX no 0
LINDEX no a
LINDEX l
SET s v
LRANGE s 0 -1
LRANGE s a b
LINDEX s 0
LINDEX s a
",
    ),
    (
        "LPOS",
        "
RPUSH l a b c 1 2 3 c c a -1
LPOS l a
LPOS l c
LPOS l c RANK 2
LPOS l c RANK -1
LPOS l c RANK -4
LPOS l c RANK 9
LPOS l c COUNT 0
LPOS l c COUNT 2
LPOS l c COUNT 2 RANK -1
LPOS l c COUNT 0 RANK 2
LPOS l c COUNT 0 MAXLEN 3
LPOS l c COUNT 0 MAXLEN 2
LPOS l c COUNT 0 RANK -1 MAXLEN 3
LPOS l c MAXLEN 2
LPOS l c MAXLEN 0
LPOS l z
LPOS l z COUNT 0
LPOS l 1
LPOS l -1
LPOS l 01
LPOS l c RANK 0
LPOS l c RANK a
LPOS l c COUNT -1
LPOS l c COUNT a
LPOS l c MAXLEN -1
LPOS l c MAXLEN a
LPOS l c RANK
LPOS l c FOO 1
LPOS l c rank 1 count 1 maxlen 100
LPOS l c RANK -9223372036854775807
LPOS l c RANK -9223372036854775808
LPOS l c RANK 9223372036854775808
LPOS no c
LPOS no c COUNT 1
LPOS no c RANK 0
SET s v
LPOS s c
LPOS s c RANK 0
LPOS l
",
    ),
    (
        "changing inside",
        "
RPUSH l a b c d e
LSET l 0 A
LSET l -1 E
LSET l 5 x
LSET l -6 x
LSET l a x
LSET no a x
LSET no 0 x
LSET l 2 12
LRANGE l 0 -1
LINSERT l BEFORE A first
LINSERT l AFTER E last
LINSERT l before 12 11
LINSERT l after 12 13
LINSERT l AFTER no x
LINSERT l beside A x
LINSERT no BEFORE A x
LINSERT no beside A x
LRANGE l 0 -1
SET s v
LSET s 0 x
LSET s a x
LINSERT s BEFORE a x
LSET l 0
LINSERT l BEFORE a
EXISTS no
",
    ),
    (
        "removing inside",
        "
RPUSH l a b a c a d a 1 1
LREM l 1 a
LRANGE l 0 -1
LREM l -1 a
LRANGE l 0 -1
LREM l 0 1
LREM l 5 zz
LREM l -9223372036854775808 a
LRANGE l 0 -1
LREM l a a
LREM no a a
LREM no 0 a
LREM l 0 b
LREM l 0 c
LREM l 0 d
EXISTS l
RPUSH l 0 1 2 3 4 5 6 7 8 9
LTRIM l 1 -2
LRANGE l 0 -1
LTRIM l 0 -1
LTRIM l -100 100
LTRIM l 2 3
LRANGE l 0 -1
LTRIM l a 1
LTRIM l 1 a
LTRIM no 1 a
LTRIM no 0 1
LTRIM l 5 6
EXISTS l
RPUSH l a b
LTRIM l 1 0
EXISTS l
SET s v
LREM s 0 a
LREM s a a
LTRIM s 0 1
LTRIM s a b
",
    ),
    (
        "moving",
        "
RPUSH l a b c d e
LMOVE l m LEFT RIGHT
LMOVE l m LEFT LEFT
LMOVE l m RIGHT LEFT
LMOVE l m RIGHT RIGHT
RPOPLPUSH l m
EXISTS l
LRANGE m 0 -1
LMOVE m m LEFT RIGHT
LMOVE m m RIGHT LEFT
LMOVE m m LEFT LEFT
RPOPLPUSH m m
LRANGE m 0 -1
RPUSH one 1
LMOVE one one LEFT RIGHT
LMOVE one one RIGHT RIGHT
LRANGE one 0 -1
LMOVE no m LEFT RIGHT
RPOPLPUSH no m
SET s v
LMOVE no s LEFT RIGHT
LMOVE s m LEFT RIGHT
LMOVE s s LEFT RIGHT
LMOVE m s LEFT RIGHT
RPOPLPUSH m s
RPOPLPUSH s m
LRANGE m 0 -1
LMOVE m n UP LEFT
LMOVE m n LEFT UP
LMOVE m n LEFT
LMOVE m n LEFT LEFT LEFT
RPOPLPUSH m
EXPIRE m 100
LMOVE m n left right
TTL m
TTL n
",
    ),
    (
        "LMPOP",
        "
RPUSH l a b c d e f
LMPOP 1 l LEFT
LMPOP 1 l RIGHT COUNT 2
LMPOP 2 no l left count 1
LMPOP 3 no no2 no3 LEFT
LMPOP 1 no LEFT COUNT 3
LMPOP 1 l LEFT COUNT 100
EXISTS l
LMPOP 0 l LEFT
LMPOP -1 l LEFT
LMPOP a l LEFT
LMPOP 1 l UP
LMPOP 2 l LEFT
LMPOP 1 l LEFT COUNT 0
LMPOP 1 l LEFT COUNT -1
LMPOP 1 l LEFT COUNT a
LMPOP 1 l LEFT COUNT
LMPOP 1 l LEFT COUNT 1 COUNT 1
LMPOP 1 l LEFT FOO 1
LMPOP 9223372036854775807 l LEFT
LMPOP 1 l
SET s v
LMPOP 1 s LEFT
LMPOP 2 no s LEFT
LMPOP 2 s no LEFT
",
    ),
    (
        "blocking commands that find something, or fail",
        "
RPUSH l a b c d e f g h i j k
BLPOP l 0
BRPOP l 0
BLPOP no l 1
BRPOP no no2 l 0.5
BLMOVE l m LEFT RIGHT 0
BRPOPLPUSH l m 0
BLMPOP 0 1 l LEFT
BLMPOP 0 2 no l RIGHT COUNT 2
LRANGE l 0 -1
LRANGE m 0 -1
BLPOP no 0.001
BRPOP no no2 0.001
BLMOVE no m LEFT LEFT 0.001
BRPOPLPUSH no m 0.001
BLMPOP 0.001 2 no no2 LEFT
BLPOP l abc
BLPOP l -1
BLPOP l nan
BLPOP no 1e-4000
BLPOP no 0x1p-12
BLPOP l -1e400
BLPOP l -inf
BLPOP l -0.0011
BLPOP l 1e5000
BLPOP l 1e-5000
BLPOP l
BLPOP l \" 1\"
BRPOP l \"\"
BLMOVE l m UP LEFT abc
BLMOVE l m LEFT LEFT abc
BLMOVE l m LEFT LEFT -1
BRPOPLPUSH l m abc
BRPOPLPUSH l m -0.5
BLMPOP abc 1 l LEFT
BLMPOP abc 0 l LEFT
BLMPOP -1 0 l LEFT
BLMPOP 0 0 l LEFT
BLMPOP 0 1 l UP
BLMPOP 0 1 l LEFT COUNT 0
BLMPOP 0 1 l
SET s v
BLPOP s 0
BLPOP no s 0
BLPOP no s l 0
BLPOP l s 0
BLMOVE s m LEFT LEFT 0
BLMOVE l s LEFT LEFT 0
BRPOPLPUSH l s 0
BLMPOP 0 1 s LEFT
CLIENT UNBLOCK 0
CLIENT UNBLOCK abc
CLIENT UNBLOCK abc NEVER
CLIENT UNBLOCK 12345 ERROR
CLIENT UNBLOCK 12345 timeout
CLIENT UNBLOCK 1 ERROR ERROR
CLIENT UNBLOCK
",
    ),
];

const DEVIATIONS: &[Deviation] = &[Deviation {
    command: "LPOS l c RANK -9223372036854775808",
    reply: "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    reason: "7.2: the rank of which there is no opposite is refused",
}];

#[test]
fn tables() {
    run_table(TABLES, DEVIATIONS, &[]);
}

/// Every list is a quicklist of small nodes.
#[test]
fn tables_with_small_nodes() {
    run_table(TABLES, DEVIATIONS, &["--list-max-listpack-size", "2"]);
}

/// What a command adds to the number of changes.
const CHANGES: &str = "
RPUSH l a b c d e f g h
LPUSH l a
LPUSHX l x y
LPUSHX no x
LPOP l
RPOP l 3
LPOP l 0
LPOP no
LSET l 0 z
LSET l 100 z
LINSERT l BEFORE z y
LINSERT l BEFORE nothing y
LREM l 0 a
LREM l 0 nothing
LTRIM l 0 -1
LTRIM l 1 2
RPUSH l 1 2 3 4 5
LMOVE l m LEFT RIGHT
LMOVE l l LEFT RIGHT
LMOVE l l LEFT LEFT
RPOPLPUSH l m
LMOVE no m LEFT LEFT
LMPOP 2 no l LEFT COUNT 2
BLPOP l 0
BLMOVE l m LEFT LEFT 0
BLPOP no 0.001
BLMPOP 0 1 m RIGHT COUNT 9
LTRIM l 5 6
EXISTS l
RPUSH sl 3 1 2
SORT sl STORE sd
SORT none STORE sd
GEOADD g 1 1 a 1.1 1 b 9 9 c
GEOSEARCHSTORE gd g FROMLONLAT 1 1 BYRADIUS 50 km
GEORADIUS g 1 1 50 km STOREDIST gd
ZUNIONSTORE zd 1 g
";

#[test]
fn changes_are_counted_the_same() {
    let pair = support::pair::Pair::start(&[]);
    let mut clients = pair.connect();
    let mut last = [0; 2];
    for line in CHANGES.lines().filter(|line| !line.is_empty()) {
        clients.line(line);
        let mut counts = [0; 2];
        for (count, client) in counts.iter_mut().zip([&mut clients.subject, &mut clients.oracle]) {
            let info = client.run("INFO persistence").string();
            let field = info.lines().find_map(|line| line.strip_prefix("rdb_changes_since_last_save:"));
            *count = field.and_then(|count| count.parse::<i64>().ok()).expect("a number of changes");
        }
        let grown = [counts[0] - last[0], counts[1] - last[1]];
        assert_eq!(grown[0], grown[1], "{line}");
        last = counts;
    }
}

const FORMS: &[(&str, usize)] = &[
    ("LPUSH list elem...", 14),
    ("RPUSH list elem...", 14),
    ("RPUSH list elem elem elem elem elem elem elem elem", 4),
    ("LPUSHX list elem...", 3),
    ("RPUSHX list elem...", 3),
    ("LPOP list", 6),
    ("RPOP list", 6),
    ("LPOP list few", 3),
    ("RPOP list few", 3),
    ("LLEN list", 3),
    ("LINDEX list off", 6),
    ("LSET list off elem", 8),
    ("LINSERT list [BEFORE|AFTER] elem elem", 3),
    ("LINSERT list BEFORE elem elem", 6),
    ("LINSERT list AFTER elem elem", 6),
    ("LRANGE list off off", 8),
    ("LREM list few elem", 5),
    ("LREM list back elem", 5),
    ("LTRIM list off off", 2),
    ("LTRIM list few -1", 3),
    ("LTRIM list 0 back", 3),
    ("LPOS list elem [RANK rank] [COUNT few] [MAXLEN small]", 8),
    ("LMOVE list list LEFT RIGHT", 4),
    ("LMOVE list list RIGHT LEFT", 4),
    ("LMOVE list list LEFT LEFT", 2),
    ("LMOVE list list RIGHT RIGHT", 2),
    ("RPOPLPUSH list list", 4),
    ("LMPOP 1 list LEFT [COUNT few]", 2),
    ("LMPOP 2 list list RIGHT [COUNT few]", 2),
    ("BLPOP list list short", 2),
    ("BRPOP list short", 2),
    ("BLMOVE list list LEFT RIGHT short", 2),
    ("BRPOPLPUSH list list short", 2),
    ("BLMPOP short 2 list list LEFT [COUNT few]", 2),
    ("SET key val", 1),
    ("DEL list", 2),
    ("RENAME list list", 1),
    ("COPY list list [REPLACE]", 2),
    ("EXPIRE list sec", 1),
    ("TYPE list", 1),
    ("OBJECT ENCODING list", 2),
    ("DEBUG DIGEST-VALUE list list", 2),
];

/// Few keys and few elements, so that what is looked for is there.
fn word(generator: &mut Generator, word: &str) -> Option<Vec<u8>> {
    let random = &mut generator.random;
    Some(match word {
        "list" => match random.below(30) {
            0 => return Some(generator.key()),
            n => format!("l{}", n % 5).into_bytes(),
        },
        "elem" => match random.below(12) {
            0 => return Some(generator.value()),
            1 => return Some(generator.number().to_string().into_bytes()),
            2 => vec![b'x'; random.below(80)],
            n if n < 6 => random.below(20).to_string().into_bytes(),
            _ => vec![b'a' + random.below(12) as u8; 1 + random.below(3)],
        },
        "few" => random.below(6).to_string().into_bytes(),
        "back" => format!("-{}", random.below(6)).into_bytes(),
        "rank" => (random.below(9) as i64 - 4).to_string().into_bytes(),
        "short" => b"0.001".to_vec(),
        _ => return None,
    })
}

/// Elements that are worth being compressed, a few at a time.
fn long_word(generator: &mut Generator, word: &str) -> Option<Vec<u8>> {
    let element = self::word(generator, word)?;
    let is_long = word == "elem" && element.len() < 20;
    Some(if is_long { [b"an element of some length, ", &element[..]].concat() } else { element })
}

/// A blocking call that damage left without an end, or with another one, waits for ever; what 7.0 says otherwise is not asked.
fn mend(command: &mut Command) {
    let name = command[0].to_ascii_uppercase();
    let timeout = match name.as_slice() {
        b"BLMPOP" => Some(1),
        b"BLPOP" | b"BRPOP" | b"BLMOVE" | b"BRPOPLPUSH" => Some(command.len() - 1),
        _ => None,
    };
    if let Some(timeout) = timeout.filter(|&timeout| timeout > 0 && timeout < command.len())
        && stream_number(&command[timeout]) != Some(-1.0)
    {
        command[timeout] = b"0.001".to_vec();
    }
    // Short lists are listpacks since 7.2.
    if name == b"OBJECT" {
        command[0] = b"EXISTS".to_vec();
        command.remove(1);
        if command.len() == 1 {
            command.push(b"l0".to_vec());
        }
    }
}

fn stream_number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

const LISTS: Profile = Profile {
    forms: FORMS,
    word,
    agreement: |_| Agreement::Exact,
    mend,
    questions: &["TYPE", "LLEN", "DEBUG DIGEST-VALUE"],
    commands: 15_000,
    ..Profile::BASE
};

static DEFAULT: Profile = LISTS;
static FEW: Profile = Profile { directives: &["--list-max-listpack-size", "4"], ..LISTS };
static COMPRESSED: Profile = Profile {
    directives: &["--list-max-listpack-size", "6", "--list-compress-depth", "1"],
    word: long_word,
    commands: 20_000,
    ..LISTS
};
static SMALL: Profile = Profile { directives: &["--list-max-listpack-size", "-1"], ..LISTS };

#[test]
fn a_stream_in_resp2() {
    stream::run(&DEFAULT, "lists_resp2", "2");
}

#[test]
fn a_stream_in_resp3() {
    stream::run(&DEFAULT, "lists_resp3", "3");
}

#[test]
fn a_stream_with_nodes_of_few_elements() {
    stream::run(&FEW, "lists_few", "2");
}

#[test]
fn a_stream_with_compressed_nodes() {
    stream::run(&COMPRESSED, "lists_compressed", "3");
}

#[test]
fn a_stream_with_small_nodes() {
    stream::run(&SMALL, "lists_small", "3");
}
