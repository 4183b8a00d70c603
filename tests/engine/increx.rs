//! INCREX, a command of Redis 8.8.

use crate::harness::Harness;

const MAX: &str = "9223372036854775807";
const MIN: &str = "-9223372036854775808";

/// Sets k, if it is to have a value, and runs INCREX: the reply and the value after it.
#[track_caller]
fn check(value: &str, options: &str, reply: &str, after: &str) {
    let mut test = Harness::new();
    if !value.is_empty() {
        test.run(&format!("SET k {value}"));
    }
    let line = if options.is_empty() { "INCREX k".to_owned() } else { format!("INCREX k {options}") };
    assert_eq!(test.run(&line), reply, "{value}: {line}");
    let after = if after == "nil" { after.to_owned() } else { format!("\"{after}\"") };
    assert_eq!(test.run("GET k"), after, "{value}: {line}");
}

#[test]
fn integers() {
    check("", "", "[1 1]", "1");
    check("10", "", "[11 1]", "11");
    check("10", "BYINT -20", "[-10 -20]", "-10");
    check("10", "BYINT 0", "[10 0]", "10");
    check("10", "BYINT 10 UBOUND 15", "[10 0]", "10");
    check("10", "BYINT 10 UBOUND 15 SATURATE", "[15 5]", "15");
    check("10", "BYINT -10 LBOUND 5", "[10 0]", "10");
    check("10", "SATURATE LBOUND 5 BYINT -10", "[5 -5]", "5");
    check("5", "BYINT 5 UBOUND 10", "[10 5]", "10");
    check("", "BYINT 15 UBOUND 10", "[0 0]", "nil");
    check("", "BYINT 5 LBOUND 10", "[0 0]", "nil");
    check("", "LBOUND 5 SATURATE", "[5 5]", "5");
    // A value that is out of bounds already.
    check("50", "BYINT 5 UBOUND 30", "[50 0]", "50");
    check("50", "BYINT 5 UBOUND 30 SATURATE", "[30 -20]", "30");
    check("50", "BYINT -25 UBOUND 30", "[25 -25]", "25");
    // The limits of the type are bounds too.
    check(MAX, "", &format!("[{MAX} 0]"), MAX);
    check(MAX, "SATURATE", &format!("[{MAX} 0]"), MAX);
    check("9223372036854775800", &format!("BYINT {MAX} SATURATE"), &format!("[{MAX} 7]"), MAX);
    check("-9223372036854775800", &format!("BYINT {MIN} SATURATE"), &format!("[{MIN} -8]"), MIN);
    check(MIN, "BYINT -1", &format!("[{MIN} 0]"), MIN);
    check(MAX, &format!("SATURATE UBOUND {MIN}"), "-ERR applied increment would overflow", MAX);
}

#[test]
fn floats() {
    check("1.5", "BYFLOAT 0.25", "[\"1.75\" \"0.25\"]", "1.75");
    check("", "BYFLOAT 0.1", "[\"0.1\" \"0.1\"]", "0.1");
    check("10", "BYFLOAT 100 UBOUND 42.5", "[\"10\" \"0\"]", "10");
    check("10", "BYFLOAT 100 UBOUND 42.5 SATURATE", "[\"42.5\" \"32.5\"]", "42.5");
    check("0", "BYFLOAT -100 LBOUND -5.5 SATURATE", "[\"-5.5\" \"-5.5\"]", "-5.5");
    check("", "BYFLOAT -0.5 UBOUND -1.5", "[\"0\" \"0\"]", "nil");
    check("50.5", "BYFLOAT 5.5 UBOUND 30 SATURATE", "[\"30\" \"-20.5\"]", "30");
    check("10", "BYFLOAT 1 UBOUND inf", "[\"11\" \"1\"]", "11");
    check("10", "BYFLOAT 1 LBOUND inf UBOUND inf", "[\"10\" \"0\"]", "10");
    check("10", "BYFLOAT 1 LBOUND inf UBOUND inf SATURATE", "-ERR applied increment would be Infinity", "10");
    // More than the greatest number.
    check("10", "BYFLOAT 1e4933 UBOUND 100", "-ERR Increment is not a valid float", "10");
    let mut test = Harness::new();
    test.check(&[("SET k 1.1e4932", "OK")]);
    let reply = test.run("INCREX k BYFLOAT 1.1e4932");
    assert!(reply.ends_with(" \"0\"]"), "{reply}");
    assert_eq!(test.run("GET k"), "\"1.1e4932\"");
    let reply = test.run("INCREX k BYFLOAT 1.1e4932 SATURATE");
    let greatest = test.run("GET k");
    assert!(reply.starts_with(&format!("[{greatest} ")) && greatest.starts_with("\"118973149535723176502126385303"));
}

#[test]
fn option_errors() {
    for (options, error) in [
        ("FOO", "syntax error"),
        ("BYINT", "syntax error"),
        ("LBOUND", "syntax error"),
        ("BYINT 1 BYFLOAT 1.5", "syntax error"),
        ("BYINT 1 BYINT 2", "syntax error"),
        ("LBOUND 0 LBOUND 1", "syntax error"),
        ("UBOUND 0 UBOUND 1", "syntax error"),
        ("SATURATE SATURATE", "syntax error"),
        ("ENX ENX EX 10", "syntax error"),
        ("PERSIST PERSIST", "syntax error"),
        ("EX 10 EX 20", "syntax error"),
        ("EX 10 PX 20", "syntax error"),
        ("EX 10 PERSIST", "syntax error"),
        ("PERSIST ENX", "syntax error"),
        ("ENX", "ENX flag requires an expiration"),
        ("BYINT abc", "Increment is not an integer or out of range"),
        ("BYFLOAT abc", "Increment is not a valid float"),
        ("BYFLOAT inf", "BYFLOAT increment cannot be Infinity"),
        ("LBOUND 1.5", "LBOUND is not an integer or out of range"),
        ("UBOUND inf", "UBOUND is not an integer or out of range"),
        ("BYFLOAT 1 LBOUND abc", "LBOUND is not a valid float"),
        ("BYFLOAT 1 UBOUND abc", "UBOUND is not a valid float"),
        ("LBOUND 10 UBOUND 5", "LBOUND can't be greater than UBOUND"),
        ("BYFLOAT 1 UBOUND -inf", "LBOUND can't be greater than UBOUND"),
        ("EX abc", "value is not an integer or out of range"),
    ] {
        check("10", options, &format!("-ERR {error}"), "10");
    }
    check("abc", "", "-ERR value is not an integer or out of range", "abc");
    check("1.5", "", "-ERR value is not an integer or out of range", "1.5");
    check("abc", "BYFLOAT 1", "-ERR value is not a valid float", "abc");
    check("inf", "BYFLOAT 1", "-ERR value cannot be Infinity", "inf");
}

#[test]
fn expiry() {
    let mut test = Harness::new();
    test.check(&[
        ("INCREX k EX 100 ENX", "[1 1]"),
        ("PTTL k", "100000"),
        ("INCREX k EX 5 ENX", "[2 1]"),
        ("PTTL k", "100000"),
        ("INCREX k EXAT 1 ENX", "[3 1]"),
        ("GET k", "\"3\""),
        ("INCREX k", "[4 1]"),
        ("PTTL k", "100000"),
        ("INCREX k PX 7 UBOUND 4", "[4 0]"),
        ("INCREX k PERSIST UBOUND 4", "[4 0]"),
        ("PTTL k", "100000"),
        ("INCREX k PX 7 UBOUND 4 SATURATE", "[4 0]"),
        ("PTTL k", "7"),
        ("INCREX k PERSIST", "[5 1]"),
        ("PTTL k", "-1"),
        ("INCREX k BYFLOAT 0.5 PX 7", "[\"5.5\" \"0.5\"]"),
        ("PTTL k", "7"),
        ("INCREX k BYFLOAT 0.5 EXAT 1", "[\"6\" \"0.5\"]"),
        ("EXISTS k", "0"),
        ("SET k 1", "OK"),
        ("INCREX k PXAT 1 ENX", "[2 1]"),
        ("EXISTS k", "0"),
        ("INCREX new PXAT 1", "[1 1]"),
        ("EXISTS new", "0"),
    ]);
}
