//! RDB files without another server: what old versions wrote, what is hostile, what a save under way is of, what happens when the disk
//! fails.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zedis::base::crc64::checksum;
use zedis::base::random::Random;
use zedis::config::Config;
use zedis::persistence::rdb::{FileReader, Item, load_contents};
use zedis::server::Engine;
use zedis::server::loading::Duplicates;

use super::harness::Harness;

/// A directory that goes with it.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("zedis-rdb-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Dir(path)
    }

    pub fn harness(&self, directives: &[(&str, &str)]) -> Harness {
        let dir = self.0.to_string_lossy().into_owned();
        let mut all = vec![
            ("dir", dir.as_str()),
            ("save", ""),
            ("enable-debug-command", "yes"),
            ("enable-protected-configs", "yes"),
        ];
        all.extend_from_slice(directives);
        Harness::with_config(&all)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self) -> PathBuf {
        self.0.join("dump.rdb")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file of this version with these contents, and the right checksum. Versions from 80 on are Valkey's.
fn file(version: u16, contents: &[u8]) -> Vec<u8> {
    let begin = if version < 80 { format!("REDIS{version:04}") } else { format!("VALKEY{version:03}") };
    let mut bytes = begin.into_bytes();
    bytes.extend_from_slice(contents);
    bytes.push(0xff);
    if version >= 5 {
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
    }
    bytes
}

/// Loads the bytes into an empty engine. Err: what the log would say.
fn load(harness: &mut Harness, path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).expect("a file");
    let begun = harness.engine.begin_loading(path, Duplicates::Refused).map_err(|error| error.to_string())?;
    assert!(begun, "it is there");
    harness.engine.load_at_once().map_err(|error| error.to_string())
}

/// `db 0, key k`, then the type and the contents of its value.
fn key_with(kind: u8, contents: &[u8]) -> Vec<u8> {
    [&[0xfe, 0, kind, 1, b'k'], contents].concat()
}

fn ziplist(entries: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut before = 0;
    let mut tail = 10;
    for entry in entries {
        tail = 10 + body.len();
        body.push(before);
        body.extend_from_slice(entry);
        before = 1 + entry.len() as u8;
    }
    let total = 10 + body.len() + 1;
    let mut list = (total as u32).to_le_bytes().to_vec();
    list.extend_from_slice(&(tail as u32).to_le_bytes());
    list.extend_from_slice(&(entries.len() as u16).to_le_bytes());
    list.extend_from_slice(&body);
    list.push(0xff);
    list
}

fn as_string(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len() as u16;
    let head = if len < 64 { vec![len as u8] } else { (len | 0x4000).to_be_bytes().to_vec() };
    [head, bytes.to_vec()].concat()
}

/// Version, contents, and lines with what they answer.
type Case = (u16, Vec<u8>, &'static [(&'static str, &'static str)]);

fn old_cases() -> Vec<Case> {
    let list = ziplist(&[b"\x01a", b"\x02bc", b"\xc0\x39\x30", b"\xfe\x80", b"\xf5"]);
    let pairs = ziplist(&[b"\x01a", b"\x011", b"\x01b", b"\x03inf"]);
    let intset = [&2_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"\xff\xff\x01\x00\x02\x01"].concat();
    let zipmap = b"\x02\x01f\x01\x00v\x02gg\x02\x01ww\0\xff";
    vec![
        (1, key_with(0, b"\x01v"), &[("GET k", "\"v\"")]),
        (
            2,
            [&b"\xfe\0\xfd\xff\xff\xff\x7f"[..], b"\0\x01k\xc1\x39\x30"].concat(),
            &[("GET k", "\"12345\""), ("EXPIRETIME k", "2147483647")],
        ),
        (
            3,
            [&b"\xfe\x03\xfc"[..], &9_999_999_999_999_i64.to_le_bytes(), b"\0\x01k\xc2\xff\xff\xff\xff"].concat(),
            &[("SELECT 3", "OK"), ("GET k", "\"-1\""), ("PEXPIRETIME k", "9999999999999")],
        ),
        (4, key_with(10, &as_string(&list)), &[("LRANGE k 0 -1", "[\"a\" \"bc\" \"12345\" \"-128\" \"4\"]")]),
        (5, key_with(9, &as_string(zipmap)), &[("HGET k f", "\"v\""), ("HGET k gg", "\"ww\""), ("HLEN k", "2")]),
        (6, key_with(13, &as_string(&pairs)), &[("HGET k b", "\"inf\""), ("OBJECT ENCODING k", "\"listpack\"")]),
        (6, key_with(12, &as_string(&pairs)), &[("ZRANGE k 0 -1 WITHSCORES", "[\"a\" \"1\" \"b\" \"inf\"]")]),
        (6, key_with(11, &as_string(&intset)), &[("SCARD k", "3"), ("SISMEMBER k 258", "1"), ("SISMEMBER k -1", "1")]),
        (
            7,
            key_with(14, &[&[2][..], &as_string(&list), &as_string(&ziplist(&[b"\x01z"]))].concat()),
            &[("LLEN k", "6"), ("LINDEX k -1", "\"z\"")],
        ),
        (
            6,
            key_with(3, b"\x03\x01a\x031.5\x01b\xfe\x01c\xff"),
            &[("ZRANGE k 0 -1 WITHSCORES", "[\"c\" \"-inf\" \"a\" \"1.5\" \"b\" \"inf\"]")],
        ),
        (8, key_with(5, &[&b"\x01\x01a"[..], &2.5_f64.to_le_bytes()].concat()), &[("ZSCORE k a", "\"2.5\"")]),
        (6, key_with(1, b"\x02\x01x\x01y"), &[("LRANGE k 0 -1", "[\"x\" \"y\"]")]),
        (6, key_with(2, b"\x02\x01x\x01y"), &[("SISMEMBER k y", "1"), ("SCARD k", "2")]),
        (6, key_with(4, b"\x01\x01x\x01y"), &[("HGETALL k", "[\"x\" \"y\"]")]),
        // "aaa...": a literal, then a run that copies itself.
        (6, key_with(0, b"\xc3\x05\x1e\x00a\xe0\x14\x00"), &[("STRLEN k", "30"), ("GETRANGE k 28 -1", "\"aa\"")]),
        // With everything that may stand around keys.
        (
            11,
            [
                &b"\xfa\x09redis-ver\x057.2.4\xfa\x06x-name\x01v\xfe\0\xfb\x02\x01\xf4\x01\x02\x00"[..],
                b"\xf8\x40\x64\0\x01k\x01v\xf9\x07\0\x01l\x01w",
            ]
            .concat(),
            &[("GET k", "\"v\""), ("GET l", "\"w\"")],
        ),
    ]
}

/// Fields, values and deadlines as Valkey writes a hash some of whose fields have deadlines.
fn valkey_hash(fields: &[(&str, &str, i64)]) -> Vec<u8> {
    let mut contents = vec![fields.len() as u8];
    for (field, value, deadline_ms) in fields {
        contents.extend(as_string(field.as_bytes()));
        contents.extend(as_string(value.as_bytes()));
        contents.extend(deadline_ms.to_le_bytes());
    }
    contents
}

/// Files of versions that are written by others only.
fn foreign_cases() -> Vec<Case> {
    let plain: &[(&str, &str)] = &[("GET k", "\"v\""), ("GET l", "\"w\""), ("PEXPIRETIME l", "9999999999999")];
    let around = |version: &[u8]| {
        let deadline = 9_999_999_999_999_i64.to_le_bytes();
        [&b"\xfa"[..], version, b"\xfe\0\xfb\x02\x01\xf4\x01\x02\x01\0\x01k\x01v\xfc", &deadline, b"\0\x01l\x01w"]
            .concat()
    };
    let timed =
        valkey_hash(&[("f", "1", -1), ("g", "two", 9_999_999_999_999), ("h", "2", 1), ("later", "than any", i64::MAX)]);
    let many: Vec<(String, i64)> =
        (0..60).map(|n| (format!("f{n}"), if n % 2 == 0 { -1 } else { 9_000_000_000_000 })).collect();
    let many: Vec<(&str, &str, i64)> = many.iter().map(|(field, deadline)| (field.as_str(), "v", *deadline)).collect();
    vec![
        (13, around(b"\x09redis-ver\x058.6.0"), plain),
        (14, around(b"\x09redis-ver\x058.8.0"), plain),
        (15, around(b"\x09redis-ver\x068.10.0"), plain),
        (80, around(b"\x0avalkey-ver\x059.0.0"), plain),
        (
            80,
            key_with(22, &timed),
            &[
                ("HMGET k f g h", "[\"1\" \"two\" nil]"),
                ("HPEXPIRETIME k FIELDS 4 f g h later", "[-1 9999999999999 -2 70368744177663]"),
            ],
        ),
        (
            80,
            key_with(22, &valkey_hash(&many)),
            &[("HLEN k", "60"), ("HGET k f59", "\"v\""), ("HPEXPIRETIME k FIELDS 2 f58 f59", "[-1 9000000000000]")],
        ),
        // All of it is over.
        (80, key_with(22, &valkey_hash(&[("f", "v", 1)])), &[("HGET k f", "nil"), ("HGETALL k", "[]")]),
    ]
}

/// Files of old versions, in forms that no server writes any more, and those of other servers.
pub fn old_files() -> Vec<Vec<u8>> {
    old_cases().iter().chain(&foreign_cases()).map(|(version, contents, _)| file(*version, contents)).collect()
}

/// What servers since 2.4 have written, Valkey among them.
#[test]
fn old_versions() {
    let dir = Dir::new("old");
    for (version, contents, wanted) in old_cases().iter().chain(&foreign_cases()) {
        let mut harness = dir.harness(&[]);
        let loaded = load(&mut harness, &dir.file(), &file(*version, contents));
        assert_eq!(loaded, Ok(()), "version {version}: {}", contents.escape_ascii());
        harness.check(wanted);
        assert_eq!(harness.dirty(), 0, "loading is no change");
    }
}

/// Valkey's base of an append-only file bears its own name, in a file of its own or at the beginning of a single one.
#[test]
fn append_only_files_with_a_base_of_valkey() {
    let base = file(80, &key_with(22, &valkey_hash(&[("f", "v", 9_000_000_000_000)])));
    let commands = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*4\r\n$4\r\nHSET\r\n$1\r\nk\r\n$1\r\ng\r\n$1\r\nw\r\n";
    let manifest = b"file base seq 1 type b\nfile incr seq 1 type i\n";
    let single = [&base[..], commands].concat();
    let cases: [&[(&str, &[u8])]; 2] = [
        &[
            ("appendonlydir/appendonly.aof.manifest", manifest),
            ("appendonlydir/base", &base),
            ("appendonlydir/incr", commands),
        ],
        &[("appendonly.aof", &single)],
    ];
    for (number, files) in cases.into_iter().enumerate() {
        let dir = Dir::new(&format!("valkey-aof-{number}"));
        fs::create_dir_all(dir.path().join("appendonlydir")).expect("a directory");
        for (name, bytes) in files {
            fs::write(dir.path().join(name), bytes).expect("a file");
        }
        let mut harness = dir.harness(&[("appendonly", "yes")]);
        harness.engine.list_files_to_load().expect("they are there");
        while !harness.engine.load_step().expect("they are intact") {}
        harness.check(&[("HMGET k f g", "[\"v\" \"w\"]"), ("HPEXPIRETIME k FIELDS 2 f g", "[9000000000000 -1]")]);
    }
}

/// What is refused, and what is said of it.
#[test]
fn refusals_say_what_and_where() {
    let dir = Dir::new("refusals");
    let module = [&b"\xf7\x81"[..], &0x45e2_5238_df91_2c03_u64.to_be_bytes()].concat();
    let cases: &[(Vec<u8>, &str)] = &[
        (b"REDIS".to_vec(), "at offset 0: the file ends too early"),
        (b"NONSENSE of some length".to_vec(), "at offset 0: Wrong signature"),
        (b"REDIS0099\xff".to_vec(), "Can't handle RDB format version 0099 of REDIS; those of REDIS up to 15 are known"),
        (
            file(16, b""),
            "Can't handle RDB format version 0016 of REDIS; those of REDIS up to 15 are known, and 080 of VALKEY",
        ),
        (file(79, b""), "Can't handle RDB format version 0079 of REDIS"),
        (b"REDIS0080\xff".to_vec(), "Can't handle RDB format version 0080 of REDIS"),
        (
            file(81, b""),
            "Can't handle RDB format version 081 of VALKEY; those of REDIS up to 15 are known, and 080 of VALKEY",
        ),
        (b"VALKEY011\xff".to_vec(), "Can't handle RDB format version 011 of VALKEY"),
        (b"VALKEY0x0\xff".to_vec(), "Can't handle RDB format version 0x0 of VALKEY"),
        (b"VALKEY".to_vec(), "at offset 0: the file ends too early"),
        (file(13, &key_with(26, b"\x00")), "key 'k' is a stream, which is not supported yet (type 26)"),
        (file(14, &key_with(27, b"\x00")), "key 'k' is a stream, which is not supported yet (type 27)"),
        (file(14, &key_with(28, b"\x00")), "at offset 12: key 'k' is an array, a type of Redis 8.8"),
        (file(15, &key_with(29, b"\x00")), "key 'k' is a hash with a template of Redis 8.10's HIMPORT"),
        (file(15, &key_with(32, b"\x00")), "key 'k' is a hash with a template of Redis 8.10's HIMPORT"),
        (file(15, &key_with(33, b"\x00")), "neither a type of value nor anything else: byte 33"),
        (file(80, &key_with(29, b"\x00")), "neither a type of value nor anything else: byte 29"),
        (file(15, b"\xf2\x01\x01\x01f"), "at offset 9: the file holds templates of hashes of Redis 8.10's HIMPORT"),
        (file(80, b"\xf2\x01\x01\x01f"), "at offset 9: neither a type of value nor anything else: byte 242"),
        // Four letters of six bits, the class's version 1, and no flags.
        (
            file(13, b"\xfe\0\xf3\x01\x08\xb5\x34\x29\x02\x05\0\0\x01k\x01v"),
            "at offset 12: the file holds metadata of keys of the module class 'KTS1'",
        ),
        (file(14, &key_with(22, b"\x00")), "key 'k' is a hash in a format of a release candidate of 7.4"),
        (file(80, b"\xf3\x03job\x01\x01\x02"), "at offset 9: the file was written while a cluster node imported slots"),
        // What Valkey has not taken over from Redis is nothing in its files.
        (file(80, &key_with(23, b"\x00")), "at offset 11: neither a type of value nor anything else: byte 23"),
        (file(80, &key_with(24, b"\x00")), "neither a type of value nor anything else: byte 24"),
        (file(80, &key_with(150, b"\x00")), "neither a type of value nor anything else: byte 150"),
        (file(14, &key_with(150, b"\x00")), "neither a type of value nor anything else: byte 150"),
        (file(80, &key_with(21, b"\x00")), "key 'k' is a stream"),
        (
            file(80, &key_with(22, &valkey_hash(&[("f", "v", -2)]))),
            "at offset 11: key 'k': a deadline that there is not",
        ),
        (
            file(80, &key_with(22, &valkey_hash(&[("f", "v", 9_000_000_000_000), ("f", "w", -1)]))),
            "at offset 11: key 'k': an element is there twice",
        ),
        (b"VALKEY080\xfe\0\x16\x01k\x01\x01f\x01v\xff\xff\xff\xff".to_vec(), "the file ends too early"),
        (file(80, &key_with(22, b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01f\x01v")), "the file ends too early"),
        (b"REDIS00x1\xff".to_vec(), "Can't handle RDB format version 00x1"),
        (file(9, &key_with(21, b"\x00")), "key 'k' is a stream"),
        (file(9, &key_with(7, b"\x00")), "key 'k' is a value of a module"),
        (file(12, &key_with(22, b"\x00")), "at offset 12: key 'k' is a hash in a format of a release candidate"),
        (file(9, &key_with(99, b"\x00")), "at offset 11: neither a type of value nor anything else: byte 99"),
        (file(10, b"\xf5\x03abc"), "a library of functions"),
        (file(10, b"\xf6\x03abc"), "release candidate of 7.0"),
        (file(10, &module), "at offset 10: the file holds data of the module 'ReJSON-RL'"),
        (file(9, &key_with(1, b"\x81\xff\xff\xff\xff\xff\xff\xff\xff")), "key 'k': no such encoding of a string"),
        (file(9, &key_with(0, b"\x80\xff\xff\xff\xff")), "the file ends too early"),
        (file(9, &key_with(2, b"\x02\x01a\x01a")), "at offset 11: key 'k': an element is there twice"),
        // What is said of a slot is no part of the key that follows; what is said of the key is.
        (
            file(12, b"\xfe\0\xf4\x01\x02\x03\x02\x01k\x02\x01a\x01a"),
            "at offset 15: key 'k': an element is there twice",
        ),
        (
            file(12, b"\xfe\0\xf4\x01\x02\x03\xf9\x05\x02\x01k\x02\x01a\x01a"),
            "at offset 15: key 'k': an element is there twice",
        ),
        (
            file(9, &[key_with(0, b"\x01v"), b"\0\x01k\x01w".to_vec()].concat()),
            "key 'k': RDB has duplicated key in DB 0",
        ),
        (file(9, b"\xfe\x40\x64\0\x01k\x01v"), "more than 16 databases"),
        (b"REDIS0009\xfe\0\0\x01k\x01v\xff12345678".to_vec(), "RDB CRC error"),
        (b"REDIS0009\xfe\0\0\x01k\x01v\xff1234".to_vec(), "the file ends too early"),
    ];
    for (bytes, wanted) in cases {
        let mut harness = dir.harness(&[]);
        let error = load(&mut harness, &dir.file(), bytes).expect_err(wanted);
        assert!(error.contains(wanted), "{error}\ninstead of: {wanted}");
    }
    // Not an error: a checksum of zero is none, and values without elements are left out.
    let mut harness = dir.harness(&[]);
    assert_eq!(load(&mut harness, &dir.file(), b"REDIS0009\xfe\0\0\x01k\x01v\xff\0\0\0\0\0\0\0\0"), Ok(()));
    assert_eq!(load(&mut harness, &dir.file(), &file(9, &key_with(1, b"\0")).replace_key(b'e')), Ok(()));
    harness.check(&[("DBSIZE", "1"), ("EXISTS e", "0")]);
}

/// A listpack of short texts, of which those that are small numbers are kept as such.
fn listpack(elements: &[&str]) -> Vec<u8> {
    let mut entries = Vec::new();
    for element in elements {
        match element.parse::<u8>() {
            Ok(number) if number < 128 => entries.extend([number, 1]),
            _ => {
                entries.push(0x80 | element.len() as u8);
                entries.extend_from_slice(element.as_bytes());
                entries.push(element.len() as u8 + 1);
            }
        }
    }
    let total = (entries.len() + 7) as u32;
    [&total.to_le_bytes()[..], &(elements.len() as u16).to_le_bytes(), &entries, b"\xff"].concat()
}

/// Type, elements, and lines with what they answer or what is wrong.
type Listed<'a> = (u8, &'a [&'a str], Result<&'a [(&'a str, &'a str)], &'a str>);

/// A listpack is taken as it is if it is what this server would have made of it.
#[test]
fn listpacks_are_looked_through() {
    const HASH: u8 = 16;
    const SORTED_SET: u8 = 17;
    const SET: u8 = 20;
    let dir = Dir::new("listpacks");
    let many: Vec<String> = (0..40).map(|n| format!("m{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let with_twin = [&many[..], &["v", "m4", "v"]].concat()[1..].to_vec();
    let twice = "key 'k': an element is there twice";
    let cases: &[Listed<'_>] = &[
        (SORTED_SET, &["a", "1", "b", "1.5", "c", "inf"], Ok(&[("ZSCORE k b", "\"1.5\""), ("ZRANK k c", "2")])),
        (SORTED_SET, &["b", "2", "a", "1"], Ok(&[("ZRANGE k 0 -1", "[\"a\" \"b\"]")])),
        (SORTED_SET, &["b", "1", "a", "1"], Ok(&[("ZRANGE k 0 -1", "[\"a\" \"b\"]")])),
        (SORTED_SET, &["9", "1", "10", "1"], Ok(&[("ZRANGE k 0 -1", "[\"10\" \"9\"]")])),
        (SORTED_SET, &["a", "1", "b", "2.50"], Ok(&[("ZRANGE k 0 -1 WITHSCORES", "[\"a\" \"1\" \"b\" \"2.5\"]")])),
        (SORTED_SET, &["a", "1", "a", "2"], Err(twice)),
        (SORTED_SET, &["a", "1", "b", "nan"], Err("key 'k': a score that is no number")),
        (SORTED_SET, &["a", "1", "b"], Err("key 'k': a member without a score")),
        (HASH, &["f", "v", "g", "v"], Ok(&[("HGET k g", "\"v\""), ("OBJECT ENCODING k", "\"listpack\"")])),
        (HASH, &["f", "v", "f", "w"], Err(twice)),
        (HASH, &many, Ok(&[("HLEN k", "20"), ("HGET k m38", "\"m39\"")])),
        (SET, &many, Ok(&[("SCARD k", "40"), ("SISMEMBER k m39", "1"), ("OBJECT ENCODING k", "\"listpack\"")])),
        (SET, &["5", "a"], Ok(&[("SISMEMBER k 5", "1")])),
        (SET, &["a", "5", "5"], Err(twice)),
        (SET, &with_twin, Err(twice)),
        // What tells texts apart is in the middle of them.
        (SET, &["beginning-1-the-end", "beginning-2-the-end"], Ok(&[("SISMEMBER k beginning-2-the-end", "1")])),
        (SET, &["beginning-1-the-end", "beginning-2-the-end", "beginning-1-the-end"], Err(twice)),
    ];
    for (kind, elements, wanted) in cases {
        let mut harness = dir.harness(&[]);
        let contents = key_with(*kind, &as_string(&listpack(elements)));
        let loaded = load(&mut harness, &dir.file(), &file(11, &contents));
        match wanted {
            Ok(calls) => {
                assert_eq!(loaded, Ok(()), "{kind}: {elements:?}");
                harness.check(calls);
            }
            Err(wanted) => {
                let error = loaded.expect_err(wanted);
                assert!(error.contains(wanted), "{error}\ninstead of: {wanted}");
            }
        }
    }
}

trait ReplaceKey {
    fn replace_key(self, key: u8) -> Vec<u8>;
}

impl ReplaceKey for Vec<u8> {
    /// The same file with another key.
    fn replace_key(mut self, key: u8) -> Vec<u8> {
        self[13] = key;
        let len = self.len() - 8;
        let sum = checksum(&self[..len]);
        self[len..].copy_from_slice(&sum.to_le_bytes());
        self
    }
}

/// Some keys of every type, small and large.
pub fn fill(harness: &mut Harness, large: bool) {
    let many = if large { 600 } else { 3 };
    let long = "abcabcabcabcabcabcabcabcabcabcabcabc".repeat(if large { 300 } else { 1 });
    for line in
        ["SET s text", "SET i 12345", "SET big 123456789012", "SET t v EX 1000", "SELECT 2", "SET other 1", "SELECT 0"]
    {
        harness.run(line);
    }
    harness.run(&format!("SET z {long}"));
    for n in 0..many {
        harness.run(&format!("RPUSH l {n} x{n}"));
        harness.run(&format!("SADD ints {n}"));
        harness.run(&format!("SADD set m{n}"));
        harness.run(&format!("ZADD zset {n}.5 m{n}"));
        harness.run(&format!("HSET hash f{n} {n}"));
        harness.run(&format!("HSET timed f{n} {n}"));
        harness.run(&format!("HPEXPIRE timed {} FIELDS 1 f{n}", 100_000 + n));
    }
}

/// Reads everything in a file, as deep as a load would. Err: what is wrong with it.
fn read_through(harness: &Harness, bytes: &[u8], checked: bool) -> Result<usize, String> {
    let context = harness.engine.keyspace.view(0).context();
    let mut reader = FileReader::new(bytes, Some(bytes.len() as u64), checked);
    let mut keys = 0;
    loop {
        match reader.next_item().map_err(|error| error.to_string())? {
            Item::End => return Ok(keys),
            Item::Key(item) => {
                drop(load_contents(item.kind, item.contents, &context).map_err(|error| error.to_string())?);
                keys += 1;
            }
            _ => {}
        }
    }
}

/// With the checksum every change is found; without it some are believed, and none does harm.
#[test]
fn every_change_of_a_byte_and_every_cut() {
    let dir = Dir::new("hostile");
    let mut harness = dir.harness(&[]);
    fill(&mut harness, false);
    assert_eq!(harness.run("SAVE"), "OK");
    let bytes = fs::read(dir.file()).expect("it was saved");
    assert_eq!(read_through(&harness, &bytes, true), Ok(12));
    for len in 0..bytes.len() {
        let error = read_through(&harness, &bytes[..len], true).expect_err("a part is not the whole");
        assert!(error.contains("offset"), "{error}");
    }
    let (mut refused, mut believed) = (0, 0);
    for at in 0..bytes.len() {
        for change in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff, 0x7f, 0x3f, bytes[at]] {
            if change == 0 {
                continue;
            }
            let mut changed = bytes.clone();
            changed[at] ^= change;
            match read_through(&harness, &changed, false) {
                Ok(_) => believed += 1,
                Err(_) => refused += 1,
            }
            if change == 0x01 && (9..bytes.len() - 8).contains(&at) {
                assert!(read_through(&harness, &changed, true).is_err(), "byte {at}");
            }
        }
    }
    assert!(refused > 1000 && believed > 1000, "{refused} refused, {believed} believed");
}

#[test]
fn nonsense_ends() {
    let harness = Harness::new();
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let len = random.below(300);
        let mut bytes = [b"REDIS0012", b"REDIS0014", b"VALKEY080"][seed as usize % 3].to_vec();
        bytes.extend((0..len).map(|_| match random.below(4) {
            // Opcodes, types and short lengths are where it gets far.
            0 => 0xf3 + random.below(13) as u8,
            1 => random.below(29) as u8,
            _ => random.below(256) as u8,
        }));
        let begun = Instant::now();
        let _ = read_through(&harness, &bytes, false);
        assert!(begun.elapsed() < Duration::from_secs(10), "seed {seed}");
    }
}

/// Hands out a few bytes at a time, and says how many were asked for.
struct Dripping<'a>(&'a [u8], usize);

impl Read for Dripping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.1).min(self.0.len());
        buffer[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

/// Values larger than the window come in pieces; the reader says so instead of holding up its caller.
#[test]
fn large_values_come_in_pieces() {
    let dir = Dir::new("large");
    let mut harness = dir.harness(&[("rdbcompression", "no")]);
    let noise: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    harness.send(&[b"SET", b"noise", &noise]);
    harness.send(&[b"RPUSH", b"list", &noise, b"x", &noise]);
    assert_eq!(harness.run("SAVE"), "OK");
    let bytes = fs::read(dir.file()).expect("it was saved");
    let mut reader = FileReader::new(Dripping(&bytes, 1000), None, true);
    let (mut keys, mut pending) = (0, 0);
    loop {
        match reader.next_item().expect("it is intact") {
            Item::End => break,
            Item::Pending => pending += 1,
            Item::Key(_) => keys += 1,
            _ => {}
        }
    }
    assert_eq!(keys, 2);
    assert!(pending > 20, "{pending}");
}

fn digest(harness: &mut Harness) -> String {
    harness.run("DEBUG DIGEST")
}

/// Goes on with the save in the background until it is done, doing something between its slices.
fn finish_save(harness: &mut Harness, mut between: impl FnMut(&mut Harness)) {
    let begun = Instant::now();
    while harness.engine.saving.is_active() {
        between(harness);
        harness.engine.begin_turn();
        if !harness.engine.save_slice() {
            std::thread::yield_now();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the save does not end");
    }
}

/// Many enough for a save of several slices.
const KEYS: u64 = 8_000;

/// What a save in the background writes is what there was when it began, under changes of all kinds; in every form that the directives give
/// it.
#[test]
fn a_file_is_of_one_moment() {
    for (round, directives) in [
        vec![],
        vec![("rdbcompression", "no"), ("maxmemory-policy", "allkeys-lfu")],
        vec![("rdbchecksum", "no"), ("maxmemory-policy", "allkeys-lru")],
    ]
    .iter()
    .enumerate()
    {
        let dir = Dir::new(&format!("moment{round}"));
        let mut harness = dir.harness(directives);
        fill(&mut harness, true);
        for n in 0..KEYS {
            harness.run(&format!("SET k{n} {n}-of-a-longer-value-than-an-integer-would-be-{n}"));
        }
        for save in 0..3 {
            let wanted = digest(&mut harness);
            assert_eq!(harness.run("BGSAVE"), "Background saving started");
            assert_eq!(harness.run("BGSAVE"), "-ERR Background save already in progress");
            assert_eq!(harness.run("SAVE"), "-ERR Background save already in progress");
            let mut random = Random::new(save);
            finish_save(&mut harness, |harness| {
                for _ in 0..50 {
                    let n = random.below(KEYS);
                    harness.run(&format!("APPEND k{n} 7"));
                    harness.run(&format!("DEL k{}", random.below(KEYS)));
                    harness.run(&format!("SET new{n} x"));
                }
                match random.below(30) {
                    0 => harness.run("SWAPDB 0 2"),
                    1 => harness.run("RPUSH l more"),
                    2 => harness.run("HDEL hash f1 f2"),
                    3 => harness.run("APPEND z more"),
                    4 if save == 2 => harness.run("FLUSHDB"),
                    _ => harness.run("RENAME zset zset2"),
                };
            });
            let info = harness.run("INFO persistence");
            assert!(info.contains("rdb_last_bgsave_status:ok"), "{info}");
            let mut other = dir.harness(directives);
            let begun = other.engine.begin_loading(&dir.file(), Duplicates::Refused);
            assert!(begun.expect("it can be opened"), "it is there");
            other.engine.load_at_once().expect("it is intact");
            assert_eq!(digest(&mut other), wanted, "round {round}, save {save}");
        }
    }
}

/// A save that is given up leaves no file, and nothing that the next one would stumble over.
#[test]
fn a_save_can_be_cancelled() {
    let dir = Dir::new("cancel");
    let mut harness = dir.harness(&[]);
    for n in 0..30_000 {
        harness.run(&format!("SET k{n} {n}"));
    }
    let none = "-ERR Background saving is currently not in progress or scheduled";
    assert_eq!(harness.run("BGSAVE CANCEL"), none);
    assert_eq!(harness.run("BGSAVE SCHEDULE"), "Background saving started");
    harness.engine.save_slice();
    for n in 0..3000 {
        harness.run(&format!("SET k{n} changed"));
    }
    assert_eq!(harness.run("BGSAVE CANCEL"), "Background saving cancelled");
    assert_eq!(harness.run("BGSAVE CANCEL"), none);
    let wanted = digest(&mut harness);
    assert_eq!(harness.run("BGSAVE"), "Background saving started");
    while harness.engine.saving.is_scheduled() {
        harness.engine.save_slice();
    }
    finish_save(&mut harness, |harness| {
        harness.run("SET k5 again");
    });
    assert_eq!(harness.run("DEBUG RELOAD NOSAVE"), "OK");
    assert_eq!(digest(&mut harness), wanted);
    let left: Vec<_> =
        fs::read_dir(&dir.0).expect("a directory").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left, ["dump.rdb"]);
}

/// Save points, what a failed save does to writers, and how they get out of it.
#[test]
fn save_points_and_failures() {
    let dir = Dir::new("points");
    let mut harness = dir.harness(&[]);
    harness.send(&[b"CONFIG", b"SET", b"save", b"60 3"]);
    let misconf = "-MISCONF Redis is configured to save RDB snapshots";
    // The rename fails: there is a directory in its place.
    fs::create_dir(dir.file()).expect("a directory");
    harness.run("MSET a 1 b 2");
    let cron = |harness: &mut Harness| {
        harness.engine.begin_turn();
        harness.engine.cron();
    };
    cron(&mut harness);
    assert!(!harness.engine.saving.is_active(), "it is too early");
    harness.advance_ms(61_000);
    harness.run("PING");
    cron(&mut harness);
    assert!(!harness.engine.saving.is_active(), "these are too few");
    harness.run("DEL a");
    cron(&mut harness);
    assert!(harness.engine.saving.is_active());
    finish_save(&mut harness, |_| {});
    assert!(harness.run("INFO persistence").contains("rdb_last_bgsave_status:err"));
    assert!(harness.run("SET k v").starts_with(misconf));
    assert!(harness.run("PING").starts_with(misconf));
    assert_eq!(harness.run("GET b"), "\"2\"");
    harness.run("MULTI");
    assert!(harness.run("SET k v").starts_with(misconf));
    harness.run("DISCARD");
    // It is tried again, but not at once.
    cron(&mut harness);
    assert!(!harness.engine.saving.is_active());
    assert_eq!(harness.run("CONFIG SET stop-writes-on-bgsave-error no"), "OK");
    assert_eq!(harness.run("SET k v"), "OK");
    assert_eq!(harness.run("CONFIG SET stop-writes-on-bgsave-error yes"), "OK");
    assert!(harness.run("SET k v").starts_with(misconf));
    assert!(harness.run("SAVE").starts_with("-ERR"));
    fs::remove_dir(dir.file()).expect("it is empty");
    harness.advance_ms(6_000);
    harness.run("GET c");
    cron(&mut harness);
    finish_save(&mut harness, |_| {});
    assert_eq!(harness.run("SET k v"), "OK");
    assert_eq!(harness.run("CONFIG SET dbfilename other.rdb"), "OK");
    assert_eq!(harness.run("SAVE"), "OK");
    assert!(dir.0.join("other.rdb").exists());
    // No directory at all.
    fs::remove_dir_all(&dir.0).expect("it is there");
    assert!(harness.run("SAVE").starts_with("-ERR"));
    assert_eq!(harness.run("BGSAVE"), "Background saving started");
    finish_save(&mut harness, |_| {});
    assert!(harness.run("SET k v").starts_with(misconf));
}

/// Where there are save points, FLUSHALL empties the file too; if that, or what is asked for in its place, fails, then as soon as it can be
/// done.
#[test]
fn what_flushall_has_removed_does_not_come_back() {
    for line in ["SAVE", "BGSAVE", "PING", "DEBUG RELOAD"] {
        let dir = Dir::new("flushed");
        let mut harness = dir.harness(&[]);
        harness.send(&[b"CONFIG", b"SET", b"save", b"3600 1"]);
        harness.run("SET is-gone 1");
        assert_eq!(harness.run("SAVE"), "OK");
        let is_in_file = || fs::read(dir.file()).expect("it is there").windows(7).any(|bytes| bytes == b"is-gone");
        let cron = |harness: &mut Harness| {
            harness.engine.begin_turn();
            harness.engine.cron();
            // The marks of one that has failed go first.
            while harness.engine.saving.is_scheduled() {
                harness.engine.save_slice();
            }
            finish_save(harness, |_| {});
        };
        // What stands there can't be opened for writing.
        let temporary = dir.path().join(format!("temp-{}.rdb", std::process::id()));
        fs::create_dir(&temporary).expect("a directory");
        harness.run("FLUSHALL");
        harness.run("SET new 1");
        harness.run(line);
        harness.engine.save_slice();
        finish_save(&mut harness, |_| {});
        assert!(is_in_file(), "{line}");
        fs::remove_dir(&temporary).expect("it is empty");
        cron(&mut harness);
        assert!(is_in_file(), "{line}: it is not tried all the time");
        harness.advance_ms(7_000);
        cron(&mut harness);
        assert!(!is_in_file(), "{line}");
        // That was it: the save points are far away.
        let saves = |harness: &mut Harness| {
            harness.run("INFO persistence").lines().find(|line| line.starts_with("rdb_saves:")).map(str::to_owned)
        };
        let before = saves(&mut harness);
        harness.run("SET newer 1");
        harness.advance_ms(7_000);
        cron(&mut harness);
        assert_eq!(saves(&mut harness), before, "{line}");
    }
}

/// While it loads, a server says so; what it has loaded of a file with deadlines is what is still alive.
#[test]
fn loading_in_slices() {
    let dir = Dir::new("slices");
    let mut harness = dir.harness(&[]);
    for n in 0..30_000 {
        harness.run(&format!("SET k{n} {n}"));
    }
    harness.run("SET gone 1 PX 100");
    harness.run("SET stays 1 PX 100000");
    assert_eq!(harness.run("SAVE"), "OK");
    harness.advance_ms(1_000);
    let clock = harness.clock();
    let mut config = Config::default();
    config.override_value("dir", dir.0.to_string_lossy().as_bytes()).expect("a directive");
    let mut other = Harness::of(Engine::with_config(config, clock.clone(), 1), clock);
    assert!(other.engine.begin_loading(&dir.file(), Duplicates::Refused).expect("it is there"));
    assert!(!other.engine.load_slice().expect("it is intact"), "it takes more than one slice");
    let loading = "-LOADING Redis is loading the dataset in memory";
    other.check(&[
        ("GET k1", loading),
        ("SET k1 v", loading),
        ("PING", loading),
        ("CONFIG GET port", "[\"port\" \"6379\"]"),
    ]);
    assert!(other.run("INFO persistence").contains("loading:1\r\n"));
    while !other.engine.load_slice().expect("it is intact") {}
    other.check(&[("DBSIZE", "30001"), ("GET k1", "\"1\""), ("EXISTS gone stays", "1"), ("PTTL stays", "99000")]);
    let info = other.run("INFO persistence");
    for line in [
        "loading:0",
        "rdb_last_load_keys_loaded:30001",
        "rdb_last_load_keys_expired:1",
        "rdb_changes_since_last_save:0",
    ] {
        assert!(info.contains(&format!("{line}\r\n")), "{line}: {info}");
    }
}

/// DEBUG RELOAD with its options.
#[test]
fn reload() {
    let dir = Dir::new("reload");
    let mut harness = dir.harness(&[]);
    fill(&mut harness, true);
    let wanted = digest(&mut harness);
    assert_eq!(harness.run("DEBUG RELOAD"), "OK");
    assert_eq!(digest(&mut harness), wanted);
    harness.check(&[
        ("TTL t", "1000"),
        ("DEL s", "1"),
        ("SET i other", "OK"),
        ("SET mine 1", "OK"),
        ("DEBUG RELOAD NOSAVE NOFLUSH", "-ERR Error trying to load the RDB dump, check server logs."),
        ("DEBUG RELOAD MERGE NOFLUSH NOSAVE", "OK"),
        ("MGET s i mine", "[\"text\" \"12345\" \"1\"]"),
        ("DEBUG RELOAD NOSAVE", "OK"),
        ("EXISTS mine", "0"),
        ("DEBUG RELOAD BOGUS", "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."),
    ]);
    assert_eq!(digest(&mut harness), wanted);
    // Only fields with deadlines need the newer version.
    assert!(fs::read(dir.file()).expect("it was saved").starts_with(b"REDIS0012"));
    // Or none do, if the file is for 7.0: the deadlines are left behind, and so is what is over.
    harness.run("HSET over f v");
    harness.run("HPEXPIRE over 1 FIELDS 1 f");
    harness.run("CONFIG SET rdb-target-version 7.0");
    let fields = harness.run("HMGET timed f0 f1 f599");
    harness.advance_ms(2);
    harness.check(&[("SAVE", "OK"), ("FLUSHALL", "OK"), ("DEBUG RELOAD NOSAVE", "OK"), ("EXISTS over", "0")]);
    assert_eq!(harness.run("HMGET timed f0 f1 f599"), fields);
    harness.check(&[("HLEN timed", "600"), ("HTTL timed FIELDS 2 f0 f599", "[-1 -1]")]);
    assert!(fs::read(dir.file()).expect("it was saved").starts_with(b"REDIS0010"));
    harness.run("CONFIG SET rdb-target-version as-needed");
    harness.run("DEL timed");
    harness.run("SAVE");
    assert!(fs::read(dir.file()).expect("it was saved").starts_with(b"REDIS0010"));
}
