//! Damaged files, loaded as a start loads them: real RDB files, append-only files and manifests, changed by a seeded mutator. Whatever the
//! bytes are, there is an error that says something, or a data set that can be walked, saved and loaded again; in little time and memory.
//!
//! `ZEDIS_FUZZ` sets how many files of each kind; `make sanitize` runs more of them, under the address sanitizer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zedis::base::crc64::checksum;
use zedis::base::random::Random;

use super::harness::Harness;
use super::rdb_files::{Dir, fill, old_files};

/// Bytes that the process may take in addition: the files have some ten thousand. What a sanitizer holds back of what was freed is more.
const MEMORY_MAX: u64 = if cfg!(system_allocator) { 1 << 30 } else { 160 << 20 };
/// Time for one file; everything is slow under a sanitizer on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(10);

fn rounds(few: u64) -> u64 {
    std::env::var("ZEDIS_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

fn seed() -> u64 {
    let seed = std::env::var("ZEDIS_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0x5EED);
    println!("loader_fuzz: ZEDIS_TEST_SEED={seed}");
    seed
}

/// The most memory that the process has had, bytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") * 1024
}

/// What may stand in a file where something else stood.
const BYTES: &[u8] = &[
    0, 1, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xc0, 0xc3, 0xfe, 0xff, 0xfa, 0xfb, 0xfc, 0xf4, 0xf3, 22, b'\r', b'\n', b'*',
    b'$', b'-', b'9',
];
const LENGTHS: &[&[u8]] = &[
    b"\x80\x7f\xff\xff\xff",
    b"\x80\xff\xff\xff\xff",
    b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x81\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0\0\0\0",
    b"$2147483647\r\n",
    b"$-1\r\n",
    b"*1000000000\r\n",
    b"\xc3\x0a\x80\x7f\xff\xff\xff",
];

/// Changes some bytes. `others` are files to take pieces from.
fn mutate(bytes: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    // Mostly one thing, so that the rest is believed.
    for _ in 0..[1, 1, 1, 2, 4][random.below(5) as usize] {
        if bytes.is_empty() {
            return;
        }
        let len = bytes.len() as u64;
        let at = random.below(len) as usize;
        let to = at + random.below((len - at as u64).min(40) + 1) as usize;
        match random.below(10) {
            0..=1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.below(256) as u8,
            3..=4 => bytes[at] = BYTES[random.below(BYTES.len() as u64) as usize],
            5 => {
                let piece = LENGTHS[random.below(LENGTHS.len() as u64) as usize];
                let end = if random.below(2) == 0 { at } else { (at + piece.len()).min(bytes.len()) };
                bytes.splice(at..end, piece.iter().copied());
            }
            6 => drop(bytes.drain(at..to)),
            7 => {
                let piece = bytes[at..to].to_vec();
                bytes.splice(at..at, piece);
            }
            8 => {
                let other = &others[random.below(others.len() as u64) as usize];
                let from = random.below(other.len() as u64) as usize;
                let piece = &other[from..(from + (to - at)).min(other.len())];
                bytes.splice(at..to, piece.iter().copied());
            }
            _ if random.below(4) == 0 => bytes.truncate(at),
            _ => bytes[at] = bytes[at].wrapping_add(random.below(3) as u8).wrapping_sub(1),
        }
    }
}

/// With the checksum that belongs to it, so that what was changed is believed.
fn sign(bytes: &mut [u8]) {
    if let Some(len) = bytes.len().checked_sub(8) {
        let sum = checksum(&bytes[..len]);
        bytes[len..].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Loads what stands in a directory, as a start does.
fn load(dir: &Dir, directives: &[(&str, &str)]) -> Result<Harness, String> {
    let directives = [&[("proto-max-bulk-len", "1mb")], directives].concat();
    let mut harness = dir.harness(&directives);
    harness.engine.list_files_to_load()?;
    while !harness.engine.load_step()? {
        harness.engine.begin_turn();
    }
    Ok(harness)
}

/// What may be done to a value, from both of its ends. Of another type it is refused, which is nothing that matters here.
const USES: &[&str] = &[
    "OBJECT ENCODING {}",
    "GETRANGE {} 1 -1",
    "APPEND {} x",
    "LRANGE {} -3 -1",
    "LPOS {} nothing RANK -1",
    "LINSERT {} AFTER x3 y",
    "RPOP {} 2",
    "LPOP {}",
    "LSET {} -1 z",
    "RPUSH {} z",
    "SISMEMBER {} 1",
    "SADD {} 77 other",
    "SREM {} 1 m1",
    "SPOP {}",
    "ZREVRANGE {} 0 -1 WITHSCORES",
    "ZREVRANGEBYSCORE {} +inf -inf LIMIT 1 2",
    "ZREVRANK {} m1",
    "ZADD {} 1.5 m1 7 new",
    "ZPOPMAX {}",
    "ZREM {} m0",
    "HGETALL {}",
    "HPTTL {} FIELDS 1 f1",
    "HSET {} f1 changed new v",
    "HDEL {} f0",
    "COPY {} copy REPLACE",
    "DEL {}",
];

/// Does it to all the keys that the files have.
fn use_all(harness: &mut Harness) {
    for key in ["k", "l", "s", "i", "t", "z", "big", "ints", "set", "zset", "hash", "timed", "h", "n", "bits", "geo"] {
        USES.iter().for_each(|line| drop(harness.run(&line.replace("{}", key))));
    }
}

#[derive(Default)]
struct Tally {
    loaded: u64,
    refused: u64,
    slowest: Duration,
}

/// Tries what stands in the directory. What loads must be whole.
fn attempt(dir: &Dir, directives: &[(&str, &str)], tally: &mut Tally, title: &str) {
    let begun = Instant::now();
    match load(dir, directives) {
        Err(error) => {
            assert!(error.len() > 10, "{title}: {error}");
            tally.refused += 1;
        }
        Ok(mut harness) => {
            tally.loaded += 1;
            // Each value is walked, and each is written and read again.
            let wanted = harness.run("DEBUG DIGEST");
            if tally.loaded.is_multiple_of(8) {
                assert_eq!(harness.run("DEBUG RELOAD"), "OK", "{title}");
                assert_eq!(harness.run("DEBUG DIGEST"), wanted, "{title}");
            }
            use_all(&mut harness);
        }
    }
    let elapsed = begun.elapsed();
    tally.slowest = tally.slowest.max(elapsed);
    assert!(elapsed < TIME_MAX, "{title}: it took {elapsed:?}");
}

fn conclude(name: &str, tally: &Tally, before: u64) {
    let grown = peak_memory().saturating_sub(before);
    let Tally { loaded, refused, slowest } = tally;
    println!("{name}: {loaded} loaded, {refused} refused, the slowest in {slowest:?}, {} kB more memory", grown / 1024);
    assert!(*loaded > 0 && *refused > 0, "{name}: {loaded} loaded, {refused} refused");
    assert!(grown < MEMORY_MAX, "{name}: {grown} bytes");
}

/// RDB files of all the forms that are written here, and of those that old versions wrote.
fn rdb_files(name: &str) -> Vec<Vec<u8>> {
    let mut files = old_files();
    let forms: [&[(&str, &str)]; 4] = [
        &[],
        &[("rdbcompression", "no")],
        &[("hash-max-listpack-entries", "0"), ("set-max-listpack-entries", "0"), ("zset-max-listpack-entries", "0")],
        &[("set-max-intset-entries", "0"), ("list-max-listpack-size", "2"), ("maxmemory-policy", "allkeys-lfu")],
    ];
    for (number, directives) in forms.into_iter().enumerate() {
        let dir = Dir::new(&format!("fuzz-{name}-{number}"));
        let mut harness = dir.harness(directives);
        fill(&mut harness, false);
        if number == 0 {
            // Without what is only of newer versions.
            harness.run("DEL timed");
        }
        assert_eq!(harness.run("SAVE"), "OK");
        files.push(fs::read(dir.file()).expect("it was saved"));
    }
    files
}

#[test]
fn damaged_rdb_files() {
    let (seed, before) = (seed(), peak_memory());
    let files = rdb_files("rdb");
    let dir = Dir::new("fuzz-rdb");
    let mut tally = Tally::default();
    for round in 0..rounds(1600) {
        let mut random = Random::new(seed ^ round << 20);
        let mut bytes = files[random.below(files.len() as u64) as usize].clone();
        mutate(&mut bytes, &files, &mut random);
        let directives: &[(&str, &str)] = match random.below(9) {
            0 => &[],
            1..=5 => &[("rdbchecksum", "no")],
            6 => &[("rdbchecksum", "no"), ("sanitize-dump-payload", "yes")],
            _ => {
                sign(&mut bytes);
                &[]
            }
        };
        fs::write(dir.file(), &bytes).expect("a file");
        attempt(&dir, directives, &mut tally, &format!("seed {seed}, round {round}"));
    }
    conclude("damaged_rdb_files", &tally, before);
}

/// What stands in an append-only file: commands of every type, transactions, annotations.
fn commands() -> Vec<u8> {
    let lines = "SELECT 0
SET s text
SET t v PXAT 33177117420000
APPEND s more
SETRANGE s 3 x
INCRBY n 5
INCRBYFLOAT f 1.5
RPUSH l a b c d e f g h
LPOP l 2
LTRIM l 0 -2
LSET l 0 z
LINSERT l BEFORE z y
SADD ints 1 2 3 40000
SADD set a b c
SREM set a
ZADD z 1 a 2.5 b inf c
ZADD z INCR 1 a
ZREMRANGEBYRANK z 0 0
HSET h f 1 g 2
HPEXPIREAT h 33177117420000 FIELDS 1 f
HDEL h g
MULTI
SET x 1
SELECT 3
RPUSH y 1
EXEC
SELECT 0
SETBIT bits 77 1
BITFIELD bits SET u8 0 255
PFADD hll a b c
GEOADD geo 13.361389 38.115556 Palermo
PEXPIREAT s 33177117420000
PERSIST s
RENAME n m
COPY m o
MOVE o 3
SWAPDB 0 3
DEL x
UNLINK l
SPOP set 1
SINTERSTORE d set ints
ZUNIONSTORE zz 1 z
SORT ints STORE sorted";
    let mut bytes = b"#TS:1700000000\r\n".to_vec();
    for line in lines.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        bytes.extend(format!("*{}\r\n", words.len()).into_bytes());
        words.iter().for_each(|word| bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes()));
    }
    bytes
}

/// A base in RDB form or as commands, two incremental files, a manifest; or one file of old with a preamble. One of them is damaged.
#[test]
fn damaged_append_only_files() {
    let (seed, before) = (seed(), peak_memory());
    let rdb = rdb_files("aof");
    let text = commands();
    let others: Vec<Vec<u8>> = rdb.iter().cloned().chain([text.clone()]).collect();
    let mut tally = Tally::default();
    for round in 0..rounds(600) {
        let mut random = Random::new(seed ^ round << 20 ^ 1);
        let dir = Dir::new("fuzz-aof");
        let base =
            if random.below(2) == 0 { rdb[random.below(rdb.len() as u64) as usize].clone() } else { text.clone() };
        let whole = text.clone();
        let mut files: Vec<(PathBuf, Vec<u8>)> = if random.below(3) == 0 {
            vec![("appendonly.aof".into(), [base, whole].concat())]
        } else {
            let manifest =
                "file base seq 1 type b\nfile old seq 1 type h\nfile one seq 1 type i\nfile two seq 2 type i\n";
            let place = |name: &str| Path::new("appendonlydir").join(name);
            vec![
                (place("appendonly.aof.manifest"), manifest.into()),
                (place("base"), base),
                (place("one"), whole.clone()),
                (place("two"), if random.below(2) == 0 { Vec::new() } else { whole }),
            ]
        };
        let damaged = random.below(files.len() as u64) as usize;
        mutate(&mut files[damaged].1, &others, &mut random);
        let _ = fs::remove_dir_all(dir.path().join("appendonlydir"));
        for (name, bytes) in &files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            fs::write(path, bytes).expect("a file");
        }
        let truncated = if random.below(2) == 0 { "yes" } else { "no" };
        let directives = [
            ("appendonly", "yes"),
            ("aof-load-truncated", truncated),
            ("rdbchecksum", if round % 2 == 0 { "no" } else { "yes" }),
        ];
        attempt(&dir, &directives, &mut tally, &format!("seed {seed}, round {round}"));
    }
    conclude("damaged_append_only_files", &tally, before);
}
