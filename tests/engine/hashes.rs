//! Hash commands that are newer than the oracle: deadlines of fields, HGETDEL, HGETEX, HSETEX, HSCAN NOVALUES; on a virtual clock.

use crate::harness::{Harness, START_MS};

const BOTH: [&str; 2] = ["CONFIG SET hash-max-listpack-entries 512", "CONFIG SET hash-max-listpack-entries 0"];

/// Runs the test with small hashes in listpacks, and with all of them in tables.
fn in_both_encodings(test: impl Fn(&mut Harness, bool)) {
    for (setting, is_table) in BOTH.into_iter().zip([false, true]) {
        let mut harness = Harness::new();
        harness.check(&[(setting, "OK")]);
        test(&mut harness, is_table);
    }
}

/// What the loop does between commands.
fn let_pass(harness: &mut Harness, ms: u64) {
    harness.advance_ms(ms);
    harness.engine.begin_turn();
    while harness.engine.keyspace.expire_slice(512) == 0 {}
}

#[test]
fn deadlines_of_fields() {
    in_both_encodings(|test, is_table| {
        test.check(&[
            ("HSET h a 1 b 2 c 3", "3"),
            ("HTTL h FIELDS 2 a missing", "[-1 -2]"),
            ("OBJECT ENCODING h", if is_table { "\"hashtable\"" } else { "\"listpack\"" }),
            ("HPEXPIRE h 5000 FIELDS 2 a missing", "[1 -2]"),
            ("OBJECT ENCODING h", if is_table { "\"hashtable\"" } else { "\"listpackex\"" }),
            ("HPTTL h FIELDS 2 a b", "[5000 -1]"),
            ("HTTL h FIELDS 1 a", "[5]"),
            ("HPEXPIRETIME h FIELDS 1 a", &format!("[{}]", START_MS + 5000)),
            ("HEXPIRETIME h FIELDS 1 a", &format!("[{}]", START_MS / 1000 + 5)),
            ("HPEXPIRE h 4001 FIELDS 1 a", "[1]"),
            ("HTTL h FIELDS 1 a", "[5]"),
            ("HEXPIRE h 100 NX FIELDS 2 a b", "[0 1]"),
            ("HEXPIRE h 200 XX FIELDS 2 b c", "[1 0]"),
            ("HEXPIRE h 100 GT FIELDS 3 a b c", "[1 0 0]"),
            ("HEXPIRE h 100 gt FIELDS 1 a", "[0]"),
            ("HEXPIRE h 150 LT FIELDS 3 a b c", "[0 1 1]"),
            ("HTTL h FIELDS 3 a b c", "[100 150 150]"),
            ("HEXPIREAT h 33177117420 FIELDS 1 a", "[1]"),
            ("HEXPIRETIME h FIELDS 1 a", "[33177117420]"),
            ("HPEXPIREAT h 33177117420001 FIELDS 1 a", "[1]"),
            ("HEXPIRETIME h FIELDS 1 a", "[33177117421]"),
            ("HPERSIST h FIELDS 3 a missing b", "[1 -2 1]"),
            ("HPERSIST h FIELDS 3 a missing b", "[-1 -2 -1]"),
            ("HTTL h FIELDS 3 a b c", "[-1 -1 150]"),
            ("HEXPIRE h 0 FIELDS 2 c missing", "[2 -2]"),
            ("HEXPIREAT h 1 XX FIELDS 1 a", "[0]"),
            ("HEXPIREAT h 1 FIELDS 1 a", "[2]"),
            ("HLEN h", "1"),
            ("HPEXPIREAT h 1 FIELDS 1 b", "[2]"),
            ("EXISTS h", "0"),
            ("HEXPIRE h 10 FIELDS 2 a b", "[-2 -2]"),
            ("HTTL h FIELDS 1 a", "[-2]"),
            ("HPERSIST h FIELDS 2 a b", "[-2 -2]"),
        ]);
    });
}

#[test]
fn what_keeps_a_deadline_and_what_takes_it_away() {
    in_both_encodings(|test, _| {
        for (line, ttl) in [
            ("HSET h f 7", "-1"),
            ("HMSET h f 7", "-1"),
            ("HSETNX h f 7", "5000"),
            ("HINCRBY h f 7", "5000"),
            ("HINCRBYFLOAT h f 0.5", "5000"),
            ("HSETEX h FIELDS 1 f 7", "-1"),
            ("HSETEX h KEEPTTL FIELDS 1 f 7", "5000"),
            ("HSETEX h PX 70 FIELDS 1 f 7", "70"),
            ("HGETEX h FIELDS 1 f", "5000"),
            ("HGETEX h PERSIST FIELDS 1 f", "-1"),
            ("HGETEX h PX 70 FIELDS 1 f", "70"),
            ("HDEL h f", "-2"),
            ("COPY h i", "5000"),
        ] {
            test.run("DEL h i");
            test.check(&[("HSET h f 1 g 2", "2"), ("HPEXPIRE h 5000 FIELDS 1 f", "[1]")]);
            test.run(line);
            test.check(&[("HPTTL h FIELDS 1 f", &format!("[{ttl}]"))]);
        }
        test.check(&[
            ("HPTTL i FIELDS 2 f g", "[5000 -1]"),
            ("RENAME i j", "OK"),
            ("MOVE j 1", "1"),
            ("SELECT 1", "OK"),
        ]);
        let_pass(test, 5001);
        test.check(&[("HGETALL j", "[\"g\" \"2\"]"), ("SELECT 0", "OK"), ("HGETALL h", "[\"g\" \"2\"]")]);
    });
}

#[test]
fn a_field_goes_at_its_millisecond() {
    in_both_encodings(|test, _| {
        test.check(&[
            ("HSET h a 1 b 2 c 3", "3"),
            ("HPEXPIRE h 10 FIELDS 1 a", "[1]"),
            ("HPEXPIRE h 20 FIELDS 2 b c", "[1 1]"),
        ]);
        test.advance_ms(10);
        test.check(&[("HGET h a", "\"1\""), ("HPTTL h FIELDS 1 a", "[0]")]);
        test.advance_ms(1);
        // Not removed yet: nobody sees it, HLEN counts it.
        test.check(&[
            ("HGET h a", "nil"),
            ("HMGET h a b", "[nil \"2\"]"),
            ("HEXISTS h a", "0"),
            ("HSTRLEN h a", "0"),
            ("HTTL h FIELDS 1 a", "[-2]"),
            ("HEXPIRE h 10 FIELDS 1 a", "[-2]"),
            ("HLEN h", "3"),
        ]);
        let keys = test.run("HKEYS h");
        assert!(["[\"b\" \"c\"]", "[\"c\" \"b\"]"].contains(&keys.as_str()), "{keys}");
        let_pass(test, 0);
        test.check(&[("HLEN h", "2"), ("EXISTS h", "1")]);
        let_pass(test, 10);
        test.check(&[("EXISTS h", "0")]);
        let stats = &test.engine.keyspace.stats;
        assert_eq!((stats.expired_subkeys, stats.expired_keys), (3, 0));
    });
}

#[test]
fn hgetdel() {
    in_both_encodings(|test, _| {
        test.check(&[
            ("HSET h a 1 b 2 c 3", "3"),
            ("HGETDEL h FIELDS 2 a missing", "[\"1\" nil]"),
            ("HLEN h", "2"),
            ("HGETDEL h FIELDS 3 b c b", "[\"2\" \"3\" nil]"),
            ("EXISTS h", "0"),
            ("HGETDEL h FIELDS 1 a", "[nil]"),
            ("HGETDEL h FIELDS 0 a", "-ERR Number of fields must be a positive integer"),
            ("HGETDEL h FIELDS x a", "-ERR Number of fields must be a positive integer"),
            ("HGETDEL h FIELDS 2 a", "-ERR The `numfields` parameter must match the number of arguments"),
            ("HGETDEL h FIELD 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position"),
            ("HGETDEL h FIELDS 1", "-ERR wrong number of arguments for 'hgetdel' command"),
        ]);
    });
}

#[test]
fn hgetex() {
    in_both_encodings(|test, _| {
        test.check(&[
            ("HSET h a 1 b 2", "2"),
            ("HGETEX h FIELDS 2 a missing", "[\"1\" nil]"),
            ("HGETEX h EX 10 FIELDS 1 a", "[\"1\"]"),
            ("HTTL h FIELDS 2 a b", "[10 -1]"),
            ("HGETEX h PXAT 33177117420123 FIELDS 1 b", "[\"2\"]"),
            ("HPEXPIRETIME h FIELDS 1 b", "[33177117420123]"),
            ("HGETEX h EXAT 33177117420 FIELDS 1 b", "[\"2\"]"),
            ("HPEXPIRETIME h FIELDS 1 b", "[33177117420000]"),
            ("HGETEX h PERSIST FIELDS 1 b", "[\"2\"]"),
            ("HTTL h FIELDS 1 b", "[-1]"),
            ("HGETEX h PXAT 1 FIELDS 2 a b", "[\"1\" \"2\"]"),
            ("EXISTS h", "0"),
            ("HGETEX h FIELDS 2 a b", "[nil nil]"),
            ("HGETEX h PERSIST 1 FIELDS 1 a", "-ERR Mandatory argument FIELDS is missing or not at the right position"),
            ("HGETEX h PXAT 1 1", "-ERR Mandatory argument FIELDS is missing or not at the right position"),
            ("HGETEX h FIELDS 2 a", "-ERR The `numfields` parameter must match the number of arguments"),
            ("HGETEX h FIELDS -1 a", "-ERR Number of fields must be a positive integer"),
            ("HGETEX h EX bla FIELDS 1 a", "-ERR value is not an integer or out of range"),
            ("HGETEX h PX -1 FIELDS 1 a", "-ERR invalid expire time, must be >= 0"),
            ("HGETEX h EXAT 70368744178 FIELDS 1 a", "-ERR invalid expire time in 'hgetex' command"),
        ]);
    });
}

#[test]
fn hsetex() {
    in_both_encodings(|test, _| {
        test.check(&[
            ("HSETEX h FXX FIELDS 2 a 1 b 2", "0"),
            ("EXISTS h", "0"),
            ("HSETEX h FNX EX 10 FIELDS 2 a 1 b 2", "1"),
            ("HTTL h FIELDS 2 a b", "[10 10]"),
            ("HSETEX h FNX FIELDS 2 b 3 c 3", "0"),
            ("HSETEX h FXX FIELDS 2 b 3 c 3", "0"),
            ("HSETEX h PX 70 FXX FIELDS 1 b 3", "1"),
            ("HMGET h a b c", "[\"1\" \"3\" nil]"),
            ("HPTTL h FIELDS 2 a b", "[10000 70]"),
            ("HSETEX h KEEPTTL FIELDS 2 a 4 c 4", "1"),
            ("HPTTL h FIELDS 2 a c", "[10000 -1]"),
            ("HSETEX h EXAT 33177117420 FIELDS 1 a 5", "1"),
            ("HEXPIRETIME h FIELDS 1 a", "[33177117420]"),
            ("HSETEX h PXAT 1 FIELDS 2 a 5 new 6", "1"),
            ("HEXISTS h a", "0"),
            ("HEXISTS h new", "0"),
            ("HSETEX gone EX 0 FIELDS 1 f v", "1"),
            ("EXISTS gone", "0"),
            ("HSETEX h FIELDS 1 a", "-ERR wrong number of arguments for 'hsetex' command"),
            ("HSETEX h FIELDS 2 a b c d e", "-ERR wrong number of arguments for 'hsetex' command"),
            ("HSETEX h FIELDS 1 a b unknown", "-ERR wrong number of arguments for 'hsetex' command"),
            ("HSETEX h NX FIELDS 1 a b", "-ERR unknown argument: NX"),
            ("HSETEX h FXX FNX FIELDS 1 a b", "-ERR Only one of FXX or FNX arguments can be specified"),
            (
                "HSETEX h EX 1 KEEPTTL FIELDS 1 a b",
                "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
            ),
            ("HSETEX h EX FIELDS 1 a b", "-ERR value is not an integer or out of range"),
            ("HSETEX h FIELDS 0 a b", "-ERR invalid number of fields"),
            ("HSETEX h FIELDS x a b", "-ERR invalid number of fields"),
            ("HSETEX h EXAT -1 1 a b", "-ERR invalid expire time, must be >= 0"),
            ("HSETEX h PX 281474976710656 1 a b", "-ERR invalid expire time in 'hsetex' command"),
        ]);
    });
}

#[test]
fn calls_that_are_wrong() {
    let mut test = Harness::new();
    test.check(&[("HSET h f v", "1"), ("SET s v", "OK")]);
    const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    for line in [
        "HEXPIRE s x FIELDS 1 f",
        "HPEXPIREAT s 1 FIELDS 0 f",
        "HTTL s FIELDS 0 f",
        "HPERSIST s FIELDS 0 f",
        "HGETDEL s FIELDS 0 f",
        "HGETEX s FIELDS 0 f",
        "HSETEX s FIELDS 1 f v",
    ] {
        test.check(&[(line, WRONG_TYPE)]);
    }
    const MISSING: &str = "-ERR Mandatory argument FIELDS is missing or not at the right position";
    const MISMATCH: &str = "-ERR The `numfields` parameter must match the number of arguments";
    const EXPIRE_COUNT: &str = "-ERR Parameter `numFields` should be greater than 0";
    const TTL_COUNT: &str = "-ERR Number of fields must be a positive integer";
    test.check(&[
        ("HEXPIRE h 10 FIELDS 0 f", EXPIRE_COUNT),
        ("HEXPIRE h 10 NX FIELDS -1 f", EXPIRE_COUNT),
        ("HEXPIRE h 10 NX FIELDS x f", EXPIRE_COUNT),
        ("HEXPIRE h 10 FIELDS 2 f", MISMATCH),
        ("HEXPIRE h 10 FIELDS 1 f g", MISMATCH),
        ("HEXPIRE h 10 BOGUS FIELDS 1 f", MISSING),
        ("HEXPIRE h 10 NX XX FIELDS 1 f", MISSING),
        ("HEXPIRE h 10 f f f", MISSING),
        ("HEXPIRE h x FIELDS 1 f", "-ERR value is not an integer or out of range"),
        ("HEXPIRE h -1 FIELDS 1 f", "-ERR invalid expire time, must be >= 0"),
        ("HEXPIRE h 9223372036854775807 FIELDS 1 f", "-ERR invalid expire time in 'hexpire' command"),
        ("HPEXPIRE h 70368744177663 FIELDS 1 f", "-ERR invalid expire time in 'hpexpire' command"),
        ("HPEXPIREAT h 70368744177664 FIELDS 1 f", "-ERR invalid expire time in 'hpexpireat' command"),
        ("HEXPIREAT h 70368744178 FIELDS 1 f", "-ERR invalid expire time in 'hexpireat' command"),
        ("HEXPIRE h 10 FIELDS 1", "-ERR wrong number of arguments for 'hexpire' command"),
        ("HTTL h FIELDS 1", "-ERR wrong number of arguments for 'httl' command"),
        ("HTTL h FIELDS 0 f", TTL_COUNT),
        ("HPTTL h FIELDS 2 f", MISMATCH),
        ("HEXPIRETIME h BOGUS 1 f", MISSING),
        ("HPERSIST h FIELDS x f", TTL_COUNT),
        ("HPERSIST h FIELDS 3 f", MISMATCH),
        ("HPEXPIREAT h 70368744177663 FIELDS 1 f", "[1]"),
        ("HPEXPIRETIME h FIELDS 1 f", "[70368744177663]"),
        ("HSCAN h 0 NOVALUES", "[\"0\" [\"f\"]]"),
        ("HSCAN h 0 novalues MATCH f COUNT 5", "[\"0\" [\"f\"]]"),
        ("HRANDFIELD h -9000000000", "-ERR value is out of range"),
    ]);
}

#[test]
fn info_tells_of_fields() {
    let mut test = Harness::new();
    test.check(&[("HSET h f 1 g 2", "2"), ("HPEXPIRE h 5 FIELDS 1 f", "[1]")]);
    assert!(test.run("INFO keyspace").contains("db0:keys=1,expires=0,avg_ttl=0,subexpiry=1"));
    let_pass(&mut test, 6);
    assert!(test.run("INFO keyspace").contains("subexpiry=0"));
    assert!(test.run("INFO stats").contains("expired_subkeys:1"));
}

/// DEBUG DIGEST tells a field with a deadline from one without.
#[test]
fn digests() {
    in_both_encodings(|test, _| {
        test.engine.config.override_value("enable-debug-command", b"yes").expect("a directive");
        test.check(&[("HSET h f 1 g 2", "2"), ("HSET i g 2 f 1", "2")]);
        assert_eq!(test.run("DEBUG DIGEST-VALUE h"), test.run("DEBUG DIGEST-VALUE i"));
        test.check(&[("HEXPIRE h 10 FIELDS 1 f", "[1]")]);
        assert_ne!(test.run("DEBUG DIGEST-VALUE h"), test.run("DEBUG DIGEST-VALUE i"));
        test.check(&[("HEXPIRE i 20 FIELDS 1 f", "[1]")]);
        assert_eq!(test.run("DEBUG DIGEST-VALUE h"), test.run("DEBUG DIGEST-VALUE i"));
    });
}
