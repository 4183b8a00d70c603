//! The protocol: scripts of requests, sent whole, byte by byte, and split at every offset, are answered the same each time, and as
//! redis-server answers them. Where the server closes, what it says before and that it closes are compared.
//!
//! That a server has really seen the first part of a split alone is made sure by a PING on another connection: it is
//! answered after the part has been received.

mod support;

use std::io::Write;

use support::client::{Client, encode};
use support::pair::Pair;
use support::random::Random;
use support::reply::Reply;
use support::server::{Server, subject_is_redis};

/// The last request of a script that does not end the connection.
const LAST: &[u8] = b"*2\r\n$4\r\nPING\r\n$12\r\nend of tests\r\n";
const LAST_REPLY: &[u8] = b"$12\r\nend of tests\r\n";

/// A script that leaves the connection open.
fn open(script: &[u8]) -> Script {
    Script { bytes: [script, LAST].concat(), closes: false }
}

/// A script at whose end the server closes.
fn closing(script: &[u8]) -> Script {
    Script { bytes: script.to_vec(), closes: true }
}

struct Script {
    bytes: Vec<u8>,
    closes: bool,
}

impl Script {
    fn name(&self) -> String {
        format!("{}", self.bytes[..self.bytes.len().min(200)].escape_ascii())
    }

    /// What the server says to the script in these pieces.
    fn replies(&self, server: &Server, barrier: &mut Client, pieces: &[&[u8]]) -> Vec<u8> {
        barrier.run("FLUSHALL");
        let mut client = server.connect();
        for (number, piece) in pieces.iter().enumerate() {
            if number > 0 {
                barrier.run("PING");
            }
            if client.try_send(piece).is_err() {
                assert!(self.closes, "the server closed: {}", self.name());
                break;
            }
        }
        if self.closes {
            return client.read_to_end();
        }
        let mut replies = Vec::new();
        while !replies.ends_with(LAST_REPLY) {
            match client.try_read() {
                Ok(Some((_, raw))) => replies.extend(raw),
                Ok(None) => panic!("closed after {}: {}", replies.escape_ascii(), self.name()),
                Err(error) => panic!("{error} after {}: {}", replies.escape_ascii(), self.name()),
            }
        }
        replies
    }
}

/// How finely a script is cut.
#[derive(Clone, Copy, PartialEq)]
enum Cuts {
    /// Byte by byte, and in two at every offset.
    All,
    /// In two at some offsets, and in random pieces.
    Some,
}

fn check(directives: &[&str], cuts: Cuts, scripts: &[Script]) {
    let pair = Pair::start(directives);
    let (mut subject, mut oracle) = (pair.subject.connect(), pair.oracle.connect());
    let mut random = Random::new("protocol");
    for script in scripts {
        let whole: &[u8] = &script.bytes;
        let wanted = script.replies(&pair.oracle, &mut oracle, &[whole]);
        let mut compare = |how: String, pieces: &[&[u8]]| {
            let got = script.replies(&pair.subject, &mut subject, pieces);
            if got != wanted {
                let at = got.iter().zip(&wanted).take_while(|(got, wanted)| got == wanted).count();
                let cut =
                    |bytes: &[u8]| bytes[at.saturating_sub(20)..bytes.len().min(at + 200)].escape_ascii().to_string();
                panic!(
                    "{}, {how}: from byte {at} of the replies\n  subject: {}\n  oracle:  {}",
                    script.name(),
                    cut(&got),
                    cut(&wanted)
                );
            }
        };
        compare("whole".to_string(), &[whole]);
        match cuts {
            Cuts::All => {
                for at in 1..whole.len() {
                    compare(format!("split at {at}"), &[&whole[..at], &whole[at..]]);
                }
                let bytes: Vec<&[u8]> = whole.chunks(1).collect();
                compare("byte by byte".to_string(), &bytes);
            }
            Cuts::Some => {
                for round in 0..12 {
                    let mut pieces = Vec::new();
                    let mut rest = whole;
                    // Few pieces or many.
                    let longest = 1 + whole.len() / (1 << (round % 6));
                    while !rest.is_empty() {
                        let len = (1 + random.below(longest)).min(rest.len());
                        pieces.push(&rest[..len]);
                        rest = &rest[len..];
                    }
                    compare(format!("in {} pieces, round {round}", pieces.len()), &pieces);
                }
            }
        }
    }
}

#[test]
fn requests_in_every_form() {
    let scripts = [
        open(b"*1\r\n$4\r\nPING\r\n"),
        open(b"*2\r\n$4\r\nPING\r\n$0\r\n\r\n"),
        open(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nb\x00\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"),
        open(b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\n\xff\xfe\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n"),
        open(b"*0\r\n*1\r\n$4\r\nPING\r\n*-1\r\n*-10\r\nPING\r\n"),
        open(b"*1\r\n$4\r\nPING\r\nPING\r\n*1\r\n$4\r\nping\r\nPING x\r\n"),
        open(b"*1\r\n$5\r\nBOGUS\r\n*3\r\n$5\r\nBOGUS\r\n$1\r\na\r\n$2\r\n\r\n\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"),
        open(b"*1\r\n$0\r\n\r\n*1\r\n$3\r\n\xff\x00\r\r\n"),
        // Redis looks neither at the line feed of a header nor at the two bytes behind a bulk.
        open(b"*1\rX$4\rYPINGZZ"),
    ];
    check(&[], Cuts::All, &scripts);
}

#[test]
fn inline_requests() {
    let scripts = [
        open(b"PING\r\n"),
        open(b"PING\n"),
        open(b"  PING   x  \r\n\tPING\ty\r\n"),
        open(b"\r\n\r\n\n\nPING\r\n   \r\n"),
        open(b"SET k v\r\nGET k\nSET k \"\"\r\nGET k\r\n"),
        open(b"SET k \"a b\\n\\r\\t\\b\\a\\x00\\xff\\\"\\\\\\q\"\r\nGET k\r\n"),
        open(b"SET k 'a \\'b\\' \"c\" \\n'\r\nGET k\r\n"),
        open(b"SET 'k' \"\\xZZ\\x1\"\r\nGET k\r\n"),
        open(b"SET k ab\"c d\"\r\nGET k\r\n"),
        open(b"SET k '' ''\r\n"),
        open(b"SET k \xff\xfe\r\nGET k\r\n"),
        open(b"\"PING\" \"x\"\r\n'PING'\r\n"),
        open(b"PING \x0b\x0c x\r\n"),
        open(b"ECHO a\x0bb\x0c\r\nECHO \"a\"\x0b\x0c\r\nECHO \x0ba\x0c\"b\"\r\n"),
        open(b"ECHO a\x85b\xa0\r\nECHO \xa0\r\n"),
        open(b"PING\r\r\nPING\rx\r\n"),
        open(b"\"\"\r\n'' a\r\n"),
        closing(b"PING\r\nSET k \"a\r\n"),
        closing(b"SET k 'a\r\nPING\r\n"),
        closing(b"SET k \"a\"b\r\n"),
        closing(b"SET k 'a'b\r\n"),
        closing(b"SET k a\"b\r\n"),
        closing(b"SET k \"\\\"\r\n"),
        closing(b"'\n"),
    ];
    check(&[], Cuts::All, &scripts);
}

/// A line with a NUL byte has no end: nothing behind it is looked at until it is too long.
#[test]
fn inline_requests_with_nul_bytes() {
    for line in [
        b"PING\x00\r\nPING\r\n".as_slice(),
        b"\x00\nPING\n",
        b"ECHO a\x00b\r\nPING\r\n",
        b"ECHO \"a\x00b\"\r\nPING\r\n",
        b"ECHO 'a' \x00\r\n*1\r\n$4\r\nPING\r\n",
        b"\"a\x00\r\n\"\x00\r\n",
    ] {
        let mut script = line.to_vec();
        script.resize(64 * 1024 + 1, b'\n');
        check(&[], Cuts::Some, &[closing(&script), closing(&[b"PING\r\n", script.as_slice()].concat())]);
    }
}

#[test]
fn violations_are_named_and_end_the_connection() {
    let scripts = [
        closing(b"*1\r\nPING\r\n"),
        closing(b"*1\r\n!4\r\n"),
        closing(b"*1\r\n\r\n"),
        closing(b"*1\r\n\xff4\r\n"),
        closing(b"*2\r\n$4\r\nPING\r\n:1\r\n"),
        closing(b"*abc\r\n"),
        closing(b"*\r\n"),
        closing(b"* 1\r\n"),
        closing(b"*1 \r\n"),
        closing(b"*+1\r\n"),
        closing(b"*01\r\n"),
        closing(b"*1.0\r\n"),
        closing(b"*-\r\n"),
        closing(b"*2147483648\r\n"),
        closing(b"*9223372036854775807\r\n"),
        closing(b"*9223372036854775808\r\n"),
        closing(b"*99999999999999999999999999\r\n"),
        closing(b"*-9223372036854775809\r\n"),
        closing(b"*1\r\n$abc\r\n"),
        closing(b"*1\r\n$\r\n"),
        closing(b"*1\r\n$-1\r\n"),
        closing(b"*1\r\n$-0\r\n"),
        closing(b"*1\r\n$+4\r\nPING\r\n"),
        closing(b"*1\r\n$04\r\nPING\r\n"),
        closing(b"*1\r\n$ 4\r\nPING\r\n"),
        closing(b"*1\r\n$4a\r\nPING\r\n"),
        closing(b"*1\r\n$536870913\r\n"),
        closing(b"*1\r\n$2147483648\r\n"),
        closing(b"*1\r\n$4294967300\r\n"),
        closing(b"*1\r\n$9223372036854775807\r\n"),
        closing(b"*1\r\n$18446744073709551620\r\n"),
        closing(b"*1\r\n$-9223372036854775808\r\n"),
        // What came before is answered first, what comes after is not.
        closing(b"PING\r\n*1\r\n$4\r\nPING\r\n*1\r\n$x\r\nPING\r\n"),
        closing(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*x\r\nPING\r\n"),
        closing(b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPINGxx*1\r\n?\r\n"),
    ];
    check(&[], Cuts::All, &scripts);
}

/// A NUL byte in a header is a violation like any other byte there. (Redis takes it for the end of what has arrived, and waits.)
#[test]
fn nul_bytes_in_headers() {
    if subject_is_redis() {
        return println!("this is about Zedis, not about the program in ZEDIS_TEST_BIN");
    }
    let server = Server::subject(&[]);
    for (script, reply) in [
        (&b"*1\x00\r\n"[..], &b"-ERR Protocol error: invalid multibulk length\r\n"[..]),
        (b"*1\r\n\x004\r\n", b"-ERR Protocol error: expected '$', got '\x00'\r\n"),
        (b"*1\r\n$\x004\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    ] {
        let mut client = server.connect();
        client.send(script);
        assert_eq!(client.read_to_end().escape_ascii().to_string(), reply.escape_ascii().to_string());
    }
}

/// Lines that do not end: long before and long after the limit of 64 KiB, whose exact place depends on how bytes arrive.
#[test]
fn endless_lines() {
    let line = |kind: &[u8], len: usize| [kind, &vec![b'1'; len]].concat();
    let scripts = [
        open(&[&line(b"SET k ", 60_000)[..], b"\r\nGET k\r\n"].concat()),
        open(&[&line(b"PING '", 60_000)[..], b"'\r\n"].concat()),
        closing(&line(b"SET k ", 200_000)),
        closing(&line(b"*", 200_000)),
        closing(&line(b"*1\r\n$", 200_000)),
        closing(&line(b"PING\r\n*", 200_000)),
        closing(&[b"PING\r\n".as_slice(), &[0; 200_000]].concat()),
        closing(&[b'"'; 200_000]),
    ];
    check(&[], Cuts::Some, &scripts);
}

/// Values around the borders of rings (16 KiB), of bulks with buffers of their own (32 KiB), and more.
#[test]
fn big_values() {
    let mut scripts = Vec::new();
    for base in [8 << 10, 16 << 10, 32 << 10, 64 << 10, 1 << 20] {
        for len in [base - 40, base - 2, base - 1, base, base + 1, base + 2, base + 40] {
            let value: Vec<u8> = (0..len).map(|at| (at * 31 / 7) as u8).collect();
            let mut script = encode(&[b"SET".as_slice(), b"k", &value]);
            script.extend(encode(&["GET", "k"]));
            script.extend(encode(&[b"SET".as_slice(), b"k", &value]));
            script.extend(encode(&["GET", "k"]));
            script.extend(encode(&["GET", "missing"]));
            scripts.push(open(&script));
        }
    }
    // Several big ones in one request, as keys and as values, and as the last and the first argument.
    let big = |byte: u8, len: usize| vec![byte; len];
    let mut script = encode(&[b"MSET".to_vec(), big(b'k', 40_000), big(b'v', 40_000), big(b'l', 33_000), big(b'w', 1)]);
    script.extend(encode(&[b"MGET".to_vec(), big(b'k', 40_000), big(b'l', 33_000)]));
    script.extend(encode(&[big(b'c', 50_000), big(b'a', 50_000)]));
    scripts.push(open(&script));
    check(&[], Cuts::Some, &scripts);
}

/// Pipelines longer than any ring: small requests, and replies that are larger than the requests.
#[test]
fn long_pipelines() {
    let mut random = Random::new("long_pipelines");
    let mut scripts = Vec::new();
    for _ in 0..4 {
        let mut script = Vec::new();
        for number in 0..1500 {
            let key = format!("k{}", random.below(20));
            match random.below(8) {
                0 => script.extend(format!("SET {key} inline-{number}\r\n").into_bytes()),
                1 => script.extend(format!("GET {key}\r\n").into_bytes()),
                2 => script.extend(b"\r\n*0\r\n"),
                3 => {
                    let longest = if random.one_in(20) { 70_000 } else { 600 };
                    let len = random.below(longest);
                    script.extend(encode(&[b"SET".as_slice(), key.as_bytes(), &random.bytes(len)]));
                }
                4 => script.extend(encode(&["ECHO", key.as_str()])),
                5 => script.extend(encode(&["NOPE", key.as_str()])),
                _ => script.extend(encode(&["GET", key.as_str()])),
            }
        }
        scripts.push(open(&script));
    }
    check(&[], Cuts::Some, &scripts);
}

#[test]
fn before_authentication() {
    let scripts = [
        open(b"PING\r\nGET k\r\nAUTH wrong\r\nAUTH secret\r\nPING\r\nGET k\r\n"),
        open(b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*12\r\n$3\r\nDEL\r\n").with_keys(11),
        closing(b"*11\r\n$3\r\nDEL\r\n"),
        closing(b"*1000000\r\n"),
        closing(b"*2\r\n$4\r\nAUTH\r\n$16385\r\n"),
        closing(b"PING\r\n*2\r\n$4\r\nAUTH\r\n$536870912\r\n"),
    ];
    check(&["--requirepass", "secret"], Cuts::All, &scripts[2..]);
    // These two need the password at their end as well, so they are not cut by a FLUSHALL in between.
    let pair = Pair::start(&["--requirepass", "secret"]);
    for script in &scripts[..2] {
        let mut heard = Vec::new();
        for server in [&pair.subject, &pair.oracle] {
            let mut client = server.connect();
            client.send(&script.bytes);
            let mut replies = Vec::new();
            while !replies.ends_with(LAST_REPLY) {
                replies.extend(client.try_read().expect("an answer").expect("it stays open").1);
            }
            heard.push(replies.escape_ascii().to_string());
        }
        assert_eq!(heard[0], heard[1]);
    }
}

impl Script {
    /// Puts `count` keys before the last request.
    fn with_keys(mut self, count: usize) -> Script {
        let end = self.bytes.len() - LAST.len();
        let keys: Vec<u8> = (0..count).flat_map(|_| *b"$1\r\nk\r\n").collect();
        self.bytes.splice(end..end, keys);
        self
    }
}

#[test]
fn a_configured_bulk_limit_is_kept() {
    let scripts = [
        open(&encode(&[b"SET".as_slice(), b"k", &vec![b'x'; 1 << 20]])),
        closing(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048577\r\n"),
        closing(b"*1\r\n$536870912\r\n"),
    ];
    check(&["--proto-max-bulk-len", "1mb"], Cuts::Some, &scripts);
}

/// After HELLO 3 nulls, doubles, maps, sets and booleans have forms of their own; RESET goes back.
#[test]
fn resp3_forms() {
    let scripts = [
        open(b"HELLO 3 BOGUS\r\nGET missing\r\n"),
        open(b"RESET\r\nGET missing\r\n"),
        open(b"MGET a b\r\nCOMMAND INFO bogus\r\nCOMMAND GETKEYS BOGUS k\r\n"),
    ];
    check(&[], Cuts::All, &scripts);
    let pair = Pair::start(&[]);
    let mut clients = pair.connect();
    clients.run_quietly("HELLO 3");
    clients.lines(
        "GET missing\nMGET a b\nSET k v GET\nGETEX missing\nRANDOMKEY\nCONFIG GET maxmemory\nCONFIG GET bogus\nLCS a b IDX\n\
         COMMAND INFO bogus\nCOMMAND DOCS bogus\nOBJECT ENCODING missing\nCLIENT GETNAME\n~ SCAN 0\nkind OBJECT HELP\nECHO x\n\
         kind CLIENT LIST\nkind INFO\nkind COMMAND DOCS get\nRESET\nGET missing\nCONFIG GET maxmemory\nCOMMAND INFO bogus",
    );
}

/// A turn executes for a while only: who comes meanwhile does not wait for all that somebody has pipelined, and nothing is lost or out of
/// order when the rest is left to later turns, whether or not its sender has already hung up.
#[test]
fn a_long_pipeline_lets_others_in_between() {
    let server = Server::subject(&["--enable-debug-command yes"]);
    let mut busy = server.connect();
    let mut other = server.connect();
    let sleeps = 200;
    let pipeline: Vec<u8> = (0..sleeps).flat_map(|_| encode(&["DEBUG", "SLEEP", "0.002"])).collect();
    busy.send(&[pipeline, encode(&["SET", "done", "1"])].concat());
    let mut answered = 0;
    while other.run("GET done").is_null() {
        answered += 1;
    }
    assert!(answered >= sleeps / 4, "{answered} answers while {sleeps} commands of another were executed");
    for _ in 0..=sleeps {
        assert_eq!(busy.read().text(), b"OK");
    }

    // Rings that are always full, and runs of quick commands that end where the next client's begin.
    let senders: Vec<_> = (0..16)
        .map(|number| {
            let client = server.connect();
            let request = match number % 2 {
                0 => encode(&["SET", &format!("key:{number}"), "value"]),
                _ => encode(&["GETDEL", "none"]),
            };
            let copy = client.stream().try_clone().expect("a socket");
            let sender = std::thread::spawn(move || (&copy).write_all(&request.repeat(8000)).expect("a server"));
            (client, sender)
        })
        .collect();
    for (number, (mut client, sender)) in senders.into_iter().enumerate() {
        let expected: &[u8] = if number % 2 == 0 { b"+OK\r\n" } else { b"$-1\r\n" };
        assert_eq!(client.read_bytes(5 * 8000), expected.repeat(8000));
        sender.join().expect("it sends");
    }

    // More than a ring holds from each of many, so that some wait with a full one; large values are not to be gathered twice.
    let large = "x".repeat(40_000);
    let senders: Vec<_> = (0..12)
        .map(|number| {
            let key = format!("list:{number}");
            let mut client = server.connect();
            let mut pipeline = Vec::new();
            for count in 0..400 {
                pipeline.extend(encode(&["RPUSH", &key, &count.to_string()]));
                match count % 20 {
                    7 => pipeline.extend(encode(&["DEBUG", "SLEEP", "0.0004"])),
                    13 if number % 3 == 0 => pipeline.extend(encode(&["ECHO", &large])),
                    _ => pipeline.extend(b"PING\r\n"),
                }
            }
            client.send(&pipeline);
            if number % 3 == 1 {
                client.stream().shutdown(std::net::Shutdown::Write).expect("a connection");
            }
            client
        })
        .collect();
    for (number, mut client) in senders.into_iter().enumerate() {
        for count in 0..400 {
            assert_eq!(client.read(), Reply::Int(count + 1), "client {number}");
            let expected: &[u8] = match count % 20 {
                7 => b"OK",
                13 if number % 3 == 0 => large.as_bytes(),
                _ => b"PONG",
            };
            assert_eq!(client.read().text(), expected, "client {number} after {count}");
        }
        if number % 3 == 1 {
            assert_eq!(client.read_to_end(), b"", "client {number}");
        }
        let list = other.run(&format!("LRANGE list:{number} 0 -1"));
        assert_eq!(list.items().len(), 400);
    }
}
