//! String commands.

use zedis::keyspace::ValueRef;

use crate::harness::{Harness, START_MS};

#[test]
fn set_conditions_exclude_each_other() {
    let mut test = Harness::new();
    let conditions = ["NX", "XX", "IFEQ a", "IFNE a", "IFDEQ 0123456789abcdef", "IFDNE 0123456789abcdef"];
    for a in conditions {
        for b in conditions {
            let reply = test.run(&format!("SET k v {a} {b}"));
            assert_eq!(reply == "-ERR syntax error", a != b, "{a} {b}: {reply}");
        }
    }
    let expiries = ["EX 10", "PX 10", "EXAT 4102444800", "PXAT 4102444800000", "KEEPTTL"];
    for a in expiries {
        for b in expiries {
            let reply = test.run(&format!("SET k v {a} {b}"));
            assert_eq!(reply == "-ERR syntax error", a != b, "{a} {b}: {reply}");
        }
    }
}

#[test]
fn set_if_equal() {
    Harness::new().check(&[
        ("SET k new IFEQ old", "nil"),
        ("EXISTS k", "0"),
        ("SET k old IFNE x", "OK"),
        ("SET k new IFEQ other", "nil"),
        ("SET k new IFEQ old", "OK"),
        ("SET k newer IFNE new", "nil"),
        ("SET k newer IFNE new GET", "\"new\""),
        ("SET k newer IFEQ new GET EX 100", "\"new\""),
        ("GET k", "\"newer\""),
        ("TTL k", "100"),
        ("SET k 12", "OK"),
        ("SET k 13 ifeq 12", "OK"),
        ("SET k 14 IFEQ", "-ERR syntax error"),
        ("SET k 14 IFEQ 13 NX", "-ERR syntax error"),
        ("GET k", "\"13\""),
    ]);
}

#[test]
fn a_deadline_is_kept_by_what_changes_a_value_and_cleared_by_what_replaces_it() {
    for (line, ttl) in [
        ("SET k 1", -1),
        ("SET k 1 KEEPTTL", 5000),
        ("SET k 1 XX", -1),
        ("SET k 1 NX", 5000),
        ("GETSET k 1", -1),
        ("MSET k 1", -1),
        ("SETRANGE k 0 7", 5000),
        ("APPEND k 7", 5000),
        ("INCR k", 5000),
        ("DECRBY k 3", 5000),
        ("INCRBYFLOAT k 0.5", 5000),
        ("INCREX k", 5000),
        ("GETEX k", 5000),
        ("GETEX k PERSIST", -1),
        ("GETEX k PX 7000", 7000),
        ("MSETEX 1 k 1", -1),
        ("MSETEX 1 k 1 KEEPTTL", 5000),
        ("MSETEX 1 k 1 PX 7", 7),
    ] {
        let mut test = Harness::new();
        test.check(&[("SET k 5 PX 5000", "OK")]);
        test.run(line);
        assert_eq!(test.run("PTTL k"), ttl.to_string(), "{line}");
    }
}

#[test]
fn times_that_are_none_are_refused() {
    let mut test = Harness::new();
    test.check(&[("SET k v", "OK")]);
    for (time, unit) in [
        ("0", "EX"),
        ("-1", "PX"),
        ("0", "EXAT"),
        ("-5", "PXAT"),
        ("9223372036854776", "EX"),
        ("9223372036854775807", "PX"),
        ("9223372036854776", "EXAT"),
    ] {
        for (line, name) in [
            (format!("SET k v {unit} {time}"), "set"),
            (format!("GETEX k {unit} {time}"), "getex"),
            (format!("MSETEX 1 k v {unit} {time}"), "msetex"),
            (format!("INCREX n {unit} {time}"), "increx"),
        ] {
            assert_eq!(test.run(&line), format!("-ERR invalid expire time in '{name}' command"), "{line}");
        }
    }
    // The last millisecond there is.
    test.check(&[
        ("SET k v PXAT 9223372036854775807", "OK"),
        ("PEXPIRETIME k", "9223372036854775807"),
        ("EXPIRETIME k", "9223372036854776"),
        ("TTL k", &((i64::MAX - START_MS + 500) / 1000).to_string()),
    ]);
}

#[test]
fn a_moment_that_has_passed() {
    Harness::new().check(&[
        ("SET k v PXAT 1", "OK"),
        ("GET k", "nil"),
        ("SET k v", "OK"),
        ("GETEX k EXAT 1", "\"v\""),
        ("EXISTS k", "0"),
        ("MSETEX 2 k v l w PXAT 1", "1"),
        ("MGET k l", "[nil nil]"),
    ]);
}

#[test]
fn msetex() {
    Harness::new().check(&[
        ("MSETEX 0 a 1", "-ERR invalid numkeys value"),
        ("MSETEX -1 a 1", "-ERR invalid numkeys value"),
        ("MSETEX a 1 EX 10", "-ERR invalid numkeys value"),
        ("MSETEX 2147483648 a 1", "-ERR invalid numkeys value"),
        ("MSETEX 2147483647 a 1", "-ERR wrong number of key-value pairs"),
        ("MSETEX 2 a 1 b", "-ERR wrong number of key-value pairs"),
        ("MSETEX 1 a", "-ERR wrong number of arguments for 'msetex' command"),
        ("MSETEX 1 a 1 b", "-ERR syntax error"),
        ("MSETEX 1 a 1 NX XX", "-ERR syntax error"),
        ("MSETEX 1 a 1 EX 1 PX 1", "-ERR syntax error"),
        ("MSETEX 1 a 1 KEEPTTL EX 1", "-ERR syntax error"),
        ("MSETEX 1 a 1 EX", "-ERR syntax error"),
        ("MSETEX 1 a 1 PERSIST", "-ERR syntax error"),
        ("MSETEX 2 a 1 b 2 XX", "0"),
        ("EXISTS a b", "0"),
        ("MSETEX 2 a 1 b 2 EX 10 NX", "1"),
        ("MGET a b", "[\"1\" \"2\"]"),
        ("TTL b", "10"),
        ("MSETEX 2 c 3 b 4 NX", "0"),
        ("MSETEX 2 c 3 b 4 XX", "0"),
        ("MSETEX 2 a 3 b 4 XX KEEPTTL", "1"),
        ("TTL b", "10"),
        ("MSETEX 2 a 5 a 6", "1"),
        ("GET a", "\"6\""),
        ("TTL a", "-1"),
    ]);
}

#[test]
fn encodings() {
    let mut test = Harness::new();
    let long = |len: usize| "x".repeat(len);
    for (line, encoding) in [
        ("SET k 12".to_owned(), "int"),
        ("SET k 9223372036854775807".to_owned(), "int"),
        ("SET k 9223372036854775808".to_owned(), "embstr"),
        ("SET k 012".to_owned(), "embstr"),
        (format!("SET k {}", long(44)), "embstr"),
        (format!("SET k {}", long(45)), "raw"),
        (format!("SET k {}", long(1000)), "raw"),
        ("INCRBYFLOAT f 3".to_owned(), "embstr"),
    ] {
        test.run(&line);
        let key = line.split(' ').nth(1).unwrap();
        assert_eq!(test.run(&format!("OBJECT ENCODING {key}")), format!("\"{encoding}\""), "{line}");
    }
    test.check(&[
        ("SET k 1", "OK"),
        ("SETRANGE k 0 ", "1"),
        ("OBJECT ENCODING k", "\"int\""),
        ("APPEND k 2", "2"),
        ("OBJECT ENCODING k", "\"raw\""),
        ("COPY k l", "1"),
        ("OBJECT ENCODING l", "\"raw\""),
        ("INCR k", "13"),
        ("OBJECT ENCODING k", "\"int\""),
        ("APPEND new 5", "1"),
        ("OBJECT ENCODING new", "\"int\""),
        ("SETRANGE other 0 5", "1"),
        ("OBJECT ENCODING other", "\"raw\""),
    ]);
}

#[test]
fn strings_grow_to_the_limit_and_no_further() {
    const TOO_LONG: &str = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    let mut test = Harness::new();
    test.engine.keyspace.settings.bulk_max = 1000;
    test.check(&[
        ("SETRANGE k 999 x", "1000"),
        ("SETRANGE k 1000 x", TOO_LONG),
        ("SETRANGE new 1000 x", TOO_LONG),
        ("SETRANGE k 9223372036854775807 x", TOO_LONG),
        ("SETRANGE k -1 x", "-ERR offset is out of range"),
        ("SETRANGE k 5000 ", "1000"),
        ("APPEND k x", TOO_LONG),
        ("EXISTS new", "0"),
        ("STRLEN k", "1000"),
    ]);
}

#[test]
fn a_long_argument_is_moved_into_the_value() {
    let mut test = Harness::new();
    let value = vec![b'v'; 1 << 20];
    for request in [
        &[b"SET".as_slice(), b"k", &value][..],
        &[b"SET", b"k", &value, b"EX", b"100"],
        &[b"GETSET", b"k", &value],
        &[b"MSET", b"other", b"1", b"k", &value],
        &[b"SETEX", b"k", b"100", &value],
        &[b"APPEND", b"k", &value],
    ] {
        test.send(&[b"DEL", b"k"]);
        test.send(request);
        let view = test.engine.keyspace.view(0);
        let entry = view.peek(view.key(b"k")).expect("it was set");
        let ValueRef::Raw(bytes) = entry.value() else { panic!("long strings are raw") };
        assert_eq!(**bytes, value);
        assert!(bytes.capacity() - bytes.len() <= bytes.len() / 8, "{} over", bytes.capacity() - bytes.len());
    }
    // One that is not set after all stays whole.
    test.send(&[b"SET", b"k", b"old"]);
    assert_eq!(test.send(&[b"SET", b"k", &value, b"NX"]), b"$-1\r\n");
    assert_eq!(test.send(&[b"GET", b"k"]), b"$3\r\nold\r\n");
}

#[test]
fn a_reply_keeps_the_bytes_that_it_refers_to() {
    let mut test = Harness::new();
    let value = vec![b'v'; 100_000];
    test.send(&[b"SET", b"k", &value]);
    // GET and what changes the value in one batch: the reply is sent after both have run.
    let mut frame = Vec::new();
    for args in [&[b"GET".as_slice(), b"k"][..], &[b"SETRANGE", b"k", b"0", b"x"], &[b"GET", b"k"]] {
        frame.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
        for arg in args {
            frame.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            frame.extend_from_slice(arg);
            frame.extend_from_slice(b"\r\n");
        }
    }
    let client = test.engine.connect(zedis::reactor::Stream::Detached);
    test.engine.feed(client, &frame);
    test.engine.run();
    let sent = test.engine.take_output(client);
    let header = b"$100000\r\n".len();
    assert_eq!(sent[header..header + value.len()], value[..]);
    let second = header + value.len() + 2 + b":100000\r\n".len() + header;
    assert_eq!(sent[second], b'x');
    assert_eq!(sent[second + 1..second + value.len()], value[1..]);
}

#[test]
fn lcs_is_refused_where_redis_would_need_too_much_memory() {
    let mut test = Harness::new();
    test.engine.keyspace.settings.bulk_max = 4 * 101 * 101;
    test.send(&[b"MSET", b"a", &[b'a'; 100], b"b", &[b'a'; 100], b"c", &[b'a'; 101]]);
    test.check(&[
        ("LCS a b LEN", "100"),
        ("LCS a b IDX WITHMATCHLEN", "[\"matches\" [[[0 99] [0 99] 100]] \"len\" 100]"),
        ("LCS a c LEN", "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"),
        ("LCS a c", "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"),
    ]);
}

#[test]
fn lcs_against_every_subsequence() {
    let mut test = Harness::new();
    let is_subsequence = |of: &[u8], picked: &[u8]| {
        let mut rest = of.iter();
        picked.iter().all(|byte| rest.any(|other| other == byte))
    };
    let mut seed = 7u32;
    let mut next = |n: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) % n
    };
    for _ in 0..200 {
        let word =
            |next: &mut dyn FnMut(u32) -> u32| -> Vec<u8> { (0..next(10)).map(|_| b'a' + next(3) as u8).collect() };
        let (a, b) = (word(&mut next), word(&mut next));
        let longest = (0..1u32 << a.len())
            .map(|mask| -> Vec<u8> { (0..a.len()).filter(|&bit| mask >> bit & 1 == 1).map(|bit| a[bit]).collect() })
            .filter(|picked| is_subsequence(&b, picked))
            .map(|picked| picked.len())
            .max()
            .unwrap_or(0);
        test.send(&[b"MSET", b"a", &a, b"b", &b]);
        assert_eq!(test.run("LCS a b LEN"), longest.to_string(), "{a:?} {b:?}");
        let found = test.run("LCS a b");
        let found = found.trim_matches('"').as_bytes();
        assert!(found.len() == longest && is_subsequence(&a, found) && is_subsequence(&b, found), "{a:?} {b:?}");
    }
}
