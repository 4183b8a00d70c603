//! DIGEST, DELEX and the digest conditions of SET: commands of Redis 8.4.

use crate::harness::Harness;

const NO_DIGEST: &str = "-ERR must be exactly 16 hexadecimal characters";

#[test]
fn digests_that_redis_documents() {
    let mut test = Harness::new();
    test.send(&[b"SET", b"k", b"Hello world"]);
    assert_eq!(test.run("DIGEST k"), "\"b6acb9d84a38ff74\"");
    // One with zeroes in front.
    test.run("SET k v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzkjytls2kwlj7626sd");
    assert_eq!(test.run("DIGEST k"), "\"00006c38adf31777\"");
    assert_eq!(test.run("DIGEST none"), "nil");
}

#[test]
fn an_integer_has_the_digest_of_its_digits() {
    let mut test = Harness::new();
    test.check(&[("SET a 12", "OK"), ("APPEND b 1", "1"), ("APPEND b 2", "2")]);
    assert_eq!(test.run("DIGEST a"), test.run("DIGEST b"));
}

#[test]
fn conditions_on_digests() {
    let mut test = Harness::new();
    test.check(&[("SET k v", "OK")]);
    let digest = test.run("DIGEST k").trim_matches('"').to_owned();
    let other = format!("{}{}", &digest[..15], if digest.ends_with('0') { '1' } else { '0' });
    for command in ["SET k w", "DELEX k"] {
        for (condition, holds) in [
            (format!("IFDEQ {digest}"), true),
            (format!("ifdeq {}", digest.to_uppercase()), true),
            (format!("IFDEQ {other}"), false),
            (format!("IFDNE {digest}"), false),
            (format!("IFDNE {other}"), true),
        ] {
            test.run("SET k v");
            let changed = test.run(&format!("{command} {condition}"));
            assert_eq!(["OK", "1"].contains(&changed.as_str()), holds, "{command} {condition}: {changed}");
            assert_eq!(test.run("GET k") != "\"v\"", holds, "{command} {condition}");
        }
        test.run("SET k v");
        for operand in [&digest[1..], &format!("0{digest}"), ""] {
            for condition in ["IFDEQ", "IFDNE"] {
                assert_eq!(test.run(&format!("{command} {condition} {operand}")), NO_DIGEST);
            }
        }
    }
    // What is not there has no digest to compare, and differs from all.
    test.check(&[
        ("DEL k", "1"),
        ("SET k v IFDEQ short", "nil"),
        ("DELEX k IFDEQ short", "0"),
        ("DELEX k IFDNE short", "0"),
        ("SET k v IFDNE short", "OK"),
    ]);
}

#[test]
fn delex() {
    Harness::new().check(&[
        ("DELEX k", "0"),
        ("SET k v", "OK"),
        ("DELEX k IFEQ", "-ERR wrong number of arguments for 'delex' command"),
        ("DELEX k IFEQ v x", "-ERR wrong number of arguments for 'delex' command"),
        ("DELEX k EQ v", "-ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"),
        ("DELEX none EQ v", "0"),
        ("DELEX k IFEQ w", "0"),
        ("DELEX k IFNE v", "0"),
        ("DELEX k IFEQ v", "1"),
        ("SET k 5", "OK"),
        ("DELEX k IFNE 6", "1"),
        ("SET k v", "OK"),
        ("DELEX k", "1"),
        ("EXISTS k", "0"),
    ]);
}
