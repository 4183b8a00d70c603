//! DUMP, RESTORE and RDB files: payloads go from redis-server to the subject and back, for values of every type and size; options and
//! errors agree; tampered payloads do no harm.

mod support;

use std::fs;

use support::client::Client;
use support::pair::{Clients, Pair, run_table};
use support::random::Random;
use support::reply::Reply;
use support::table::{show, words};
use zedis::base::crc64::checksum;

/// `<...>` stands for a payload with these contents: version 10 and the checksum are added.
const OPTIONS: &str = r#"
SET k v
RESTORE k 0 "\x00\x01v\n\x00\x9e\x9e\x9e\x9e\x9e\x9e\x9e\x9e"
RESTORE k 0 x
RESTORE n 0 x
RESTORE n 0 ""
RESTORE n -1 x
RESTORE n abc x
RESTORE k abc x
RESTORE k abc x REPLACE
RESTORE k 0 x REPLACE
RESTORE n 0 "<\x00\x01v>"
GET n
RESTORE n 0 "<\x00\x01v>"
RESTORE n 100000 "<\x00\x01w>" REPLACE
GET n
near PTTL n
RESTORE n 1 "<\x00\x01w>" REPLACE ABSTTL
EXISTS n
RESTORE n 33177117420000 "<\x00\x01w>" ABSTTL
PEXPIRETIME n
RESTORE n 0 "<\x00\x01w>" replace idletime 1000
near OBJECT IDLETIME n
RESTORE n 0 x IDLETIME
RESTORE n 0 x IDLETIME -1
RESTORE n 0 x IDLETIME x
RESTORE n 0 x FREQ 256
RESTORE n 0 x FREQ -1
RESTORE n 0 x FREQ 1 IDLETIME 1
RESTORE n 0 x IDLETIME 1 FREQ 1
RESTORE n 0 x NONSENSE
RESTORE n 0 "<\x63\x01w>" REPLACE
GET n
DUMP nothing
RESTORE e 0 "<\x01\x00>"
RESTORE e 0 "<\x02\x00>"
RESTORE e 0 "<\x02\x02\x01a\x01a>"
RESTORE e 0 "<\x02\x02\x01a\x01b>"
~ SMEMBERS e
RESTORE f 0 "<\x01\x02\x01a\x01a>"
LRANGE f 0 -1
RESTORE h 0 "<\x04\x02\x01a\x01a\x01b\x01b>"
HGET h b
RESTORE z 0 "<\x03\x02\x01a\x011\x01b\x012>"
RESTORE z 0 "<\x03\x02\x01a\x011\x01b\xfd>" REPLACE
DEL z
RESTORE z 0 "<\x03\x03\x01a\x011\x01b\xfe\x01c\xff>"
ZRANGE z 0 -1 WITHSCORES
"#;

#[test]
fn options_and_errors() {
    let mut table = String::new();
    for line in OPTIONS.lines() {
        let (before, rest) = line.split_once('<').unwrap_or((line, ""));
        let (contents, after) = rest.split_once('>').unwrap_or(("", ""));
        table.push_str(before);
        if !contents.is_empty() {
            let contents = &words(&format!("\"{contents}\""))[0];
            for byte in sealed(contents) {
                table.push_str(&format!("\\x{byte:02x}"));
            }
        }
        table.push_str(after);
        table.push('\n');
    }
    run_table(&[("options", &table)], &[], &[]);
}

/// Redis believes these (the first reads on into the checksum, the last becomes a hash with one field twice); here they are refused.
#[test]
fn stricter_than_the_oracle() {
    let pair = Pair::start(&[]);
    let mut subject = pair.subject.connect();
    for contents in [&b"\x00\x05w"[..], b"\x00\x01wx", b"\x04\x02\x01a\x01a\x01a\x01b"] {
        let reply = subject.call(&[b"RESTORE".as_slice(), b"n", b"0", &sealed(contents)]);
        assert_eq!(reply.string(), "ERR Bad data format", "{}", contents.escape_ascii());
    }
    assert_eq!(subject.run("EXISTS n").int(), 0);
}

/// A payload of version 10 with these contents.
fn sealed(contents: &[u8]) -> Vec<u8> {
    let mut payload = [contents, &[10, 0]].concat();
    payload.extend_from_slice(&checksum(&payload).to_le_bytes());
    payload
}

/// Elements of one value: numbers, short and long strings, compressible ones, bytes.
fn element(random: &mut Random) -> Vec<u8> {
    match random.below(9) {
        0 => (random.next() as i64).to_string().into_bytes(),
        1 => (random.below(70_000) as i64 - 35_000).to_string().into_bytes(),
        2 => random.below(100).to_string().into_bytes(),
        3 => vec![b'a'; random.below(100)],
        4 => {
            let len = random.below(60);
            random.bytes(len)
        }
        5 if random.one_in(20) => vec![b'x'; 5000 + random.below(20_000)],
        6 => format!("{}-abcabcabcabcabc-{}", random.below(1000), random.below(1000)).into_bytes(),
        _ => format!("e{}", random.below(1000)).into_bytes(),
    }
}

/// Commands that make a value of some type and size at `key`.
fn value(random: &mut Random, key: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let count = match random.below(4) {
        0 => 1,
        1 => 1 + random.below(10),
        2 => 1 + random.below(100),
        _ => 1 + random.below(700),
    };
    let kind = random.below(6);
    if kind == 0 {
        return vec![vec![b"SET".to_vec(), key.to_vec(), element(random)]];
    }
    let name: &[u8] = [&b""[..], b"RPUSH", b"SADD", b"SADD", b"HSET", b"ZADD"][kind];
    let mut commands = Vec::new();
    for _ in 0..count.div_ceil(50) {
        let mut command = vec![name.to_vec(), key.to_vec()];
        for _ in 0..count.min(50) {
            match kind {
                3 => command.push((random.next() as i64 >> random.below(60)).to_string().into_bytes()),
                4 => command.extend([element(random), element(random)]),
                5 => {
                    let score = match random.below(5) {
                        0 => "inf".to_owned(),
                        1 => "-inf".to_owned(),
                        2 => format!("{}.{}", random.below(1000), random.below(1000)),
                        // Not -0: a listpack makes 0 of it, and from which size on a new set is none is another in 7.0.
                        3 => format!("-{}e{}", 1 + random.below(9), random.below(200)),
                        _ => random.below(1000).to_string(),
                    };
                    command.extend([score.into_bytes(), element(random)]);
                }
                _ => command.push(element(random)),
            }
        }
        commands.push(command);
    }
    commands
}

fn digest(client: &mut Client, key: &[u8]) -> Reply {
    client.call(&[b"DEBUG".as_slice(), b"DIGEST-VALUE", key])
}

#[test]
fn payloads_are_exchanged() {
    let mut random = Random::new("payloads_are_exchanged");
    let seed = random.seed();
    for directives in [&["--enable-debug-command", "yes"][..], &TINY[..]] {
        let pair = Pair::start(directives);
        let mut clients = pair.connect();
        for number in 0..400 {
            let key = format!("k{number}").into_bytes();
            for command in value(&mut random, &key) {
                let (got, wanted) = clients.call(&command);
                assert_eq!(got, wanted, "seed {seed}: {}", show(&command));
            }
            let theirs = clients.oracle.call(&[b"DUMP".as_slice(), &key]);
            let ours = clients.subject.call(&[b"DUMP".as_slice(), &key]);
            let restored = clients.subject.call(&[b"RESTORE".as_slice(), b"theirs", b"0", theirs.text(), b"REPLACE"]);
            assert_eq!(restored.string(), "OK", "seed {seed}, key {number}: {}", theirs.text().escape_ascii());
            let restored = clients.oracle.call(&[b"RESTORE".as_slice(), b"ours", b"0", ours.text(), b"REPLACE"]);
            assert_eq!(restored.string(), "OK", "seed {seed}, key {number}: {}", ours.text().escape_ascii());
            let digests = [
                digest(&mut clients.subject, &key),
                digest(&mut clients.subject, b"theirs"),
                digest(&mut clients.oracle, &key),
                digest(&mut clients.oracle, b"ours"),
            ];
            assert!(digests.windows(2).all(|two| two[0] == two[1]), "seed {seed}, key {number}: {digests:?}");
        }
    }
}

/// What a client can see of all keys of three databases: digest, encoding, deadline, use.
fn all_keys(client: &mut Client, keys: usize) -> Vec<String> {
    let mut seen = Vec::new();
    for db in 0..3 {
        client.run(&format!("SELECT {db}"));
        seen.push(format!("db{db}: {:?}", client.run("DBSIZE")));
        for number in 0..keys {
            let key = format!("k{number}");
            seen.push(format!("db{db}, {key}: {:?}", digest(client, key.as_bytes())));
            for line in ["TYPE", "OBJECT ENCODING", "PEXPIRETIME", "OBJECT FREQ"] {
                seen.push(format!("{line} {key}: {:?}", client.run(&format!("{line} {key}"))));
            }
        }
    }
    seen.push(format!("{:?}", client.run("DEBUG DIGEST")));
    client.run("SELECT 0");
    seen
}

/// Files go both ways: what one saves the other loads, to the same keys with the same deadlines, and saves again.
#[test]
fn files_are_exchanged() {
    let mut random = Random::new("files_are_exchanged");
    let seed = random.seed();
    // Without decay, which would count minutes between two looks.
    let lfu = ["--maxmemory-policy", "allkeys-lfu", "--lfu-decay-time", "0", "--rdbchecksum", "no"];
    let lfu = [&TINY[..], &lfu].concat();
    let lru = ["--enable-debug-command", "yes", "--maxmemory-policy", "volatile-lru"];
    for (round, directives) in [&lfu[..], &lru[..]].into_iter().enumerate() {
        let pair = Pair::start(directives);
        let mut clients = pair.connect();
        let keys = 150;
        for number in 0..keys {
            let key = format!("k{number}").into_bytes();
            clients.run_quietly(&format!("SELECT {}", random.below(3)));
            for command in value(&mut random, &key) {
                let (got, wanted) = clients.call(&command);
                assert_eq!(got, wanted, "seed {seed}: {}", show(&command));
            }
            if random.one_in(3) {
                clients
                    .run_quietly(&format!("PEXPIREAT k{number} {}", 4_000_000_000_000_u64 + random.next() % 1_000_000));
            }
        }
        // Long unused, as far as the policy keeps that.
        let unused = sealed(b"\x00\x01v");
        clients.run_quietly("SELECT 0");
        clients.call(&[&b"RESTORE"[..], b"unused", b"0", &unused, b"IDLETIME", b"100000"].map(<[u8]>::to_vec));
        let (ours, theirs) = (pair.subject.dir().join("dump.rdb"), pair.oracle.dir().join("dump.rdb"));
        for (saver, name) in [(true, "subject"), (false, "oracle")] {
            let (from, to) = if saver { (&ours, &theirs) } else { (&theirs, &ours) };
            let Clients { subject, oracle, .. } = &mut clients;
            let (saving, loading) = if saver { (subject, oracle) } else { (oracle, subject) };
            let wanted = all_keys(saving, keys);
            assert_eq!(saving.run("SAVE").string(), "OK");
            fs::copy(from, to).expect("the file that was saved");
            assert_eq!(loading.run("DEBUG RELOAD NOSAVE").string(), "OK", "seed {seed}, round {round}: {name}");
            let got = all_keys(loading, keys);
            if round == 1 {
                let idle_s = loading.run("OBJECT IDLETIME unused").int();
                assert!((100_000..100_600).contains(&idle_s), "seed {seed}, saved by {name}: {idle_s}");
            }
            let differing: Vec<(&String, &String)> =
                got.iter().zip(&wanted).filter(|(got, wanted)| got != wanted && !is_newer(wanted, got)).collect();
            assert!(differing.is_empty(), "seed {seed}, round {round}, saved by {name}: {differing:?}");
        }
    }
}

/// Sets and lists in listpacks came after 7.0.
fn is_newer(one: &str, other: &str) -> bool {
    [one, other].iter().all(|line| line.starts_with("OBJECT ENCODING"))
        && [one, other].iter().any(|line| line.contains("hashtable") || line.contains("quicklist"))
        && [one, other].iter().any(|line| line.contains("listpack"))
}

const TINY: [&str; 16] = [
    "--enable-debug-command",
    "yes",
    "--list-max-listpack-size",
    "4",
    "--set-max-intset-entries",
    "4",
    "--hash-max-listpack-entries",
    "4",
    "--hash-max-listpack-value",
    "10",
    "--zset-max-listpack-entries",
    "4",
    "--zset-max-listpack-value",
    "10",
    "--rdbcompression",
    "no",
];

/// What a tampered payload becomes, if anything, can be read, changed and saved like any other value.
#[test]
fn tampered_payloads_do_no_harm() {
    let mut random = Random::new("tampered_payloads_do_no_harm");
    let seed = random.seed();
    println!("seed {seed}");
    let pair = Pair::start(&[]);
    let mut clients = pair.connect();
    let subject = &mut clients.subject;
    let (mut refused, mut taken) = (0, 0);
    for number in 0..150 {
        let key = format!("k{number}").into_bytes();
        for command in value(&mut random, &key) {
            subject.call(&command);
        }
        let payload = subject.call(&[b"DUMP".as_slice(), &key]).text().to_vec();
        for _ in 0..40 {
            let body = payload.len() - 10;
            let mut tampered = payload[..body].to_vec();
            for _ in 0..1 + random.below(3) {
                let at = random.below(body.min(200));
                tampered[at] = random.next() as u8;
            }
            let reply = subject.call(&[b"RESTORE".as_slice(), b"t", b"0", &sealed(&tampered), b"REPLACE"]);
            if reply.is_error() {
                assert_eq!(reply.string(), "ERR Bad data format", "seed {seed}");
                refused += 1;
                continue;
            }
            taken += 1;
            for line in [
                "TYPE t",
                "OBJECT ENCODING t",
                "LRANGE t 0 -1",
                "SMEMBERS t",
                "HGETALL t",
                "ZRANGE t 0 -1 WITHSCORES",
                "SPOP t",
                "LPOP t",
                "ZPOPMIN t",
                "HDEL t f",
                "RPUSH t a",
                "SADD t a",
                "HSET t a b",
                "ZADD t 1 a",
                "DUMP t",
            ] {
                subject.run(line);
            }
        }
    }
    assert!(refused > 500 && taken > 100, "seed {seed}: {refused} refused, {taken} taken");
    assert_eq!(subject.run("PING").string(), "PONG");
}
