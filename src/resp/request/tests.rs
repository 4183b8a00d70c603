//! The shortcut for requests that begin alike, against the parser without it.

use super::{ArgRef, Limits, Parser, Prefix, Progress, ProtocolError};
use crate::base::random::Random;

const LIMITS: Limits = Limits { bulk_max: 512 * 1024 * 1024, authenticated: true };

fn frame(args: &[&[u8]]) -> Vec<u8> {
    let mut frame = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        frame.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        frame.extend_from_slice(arg);
        frame.extend_from_slice(b"\r\n");
    }
    frame
}

/// How far it came: progress, position, arguments to come, arguments found. After an error none of that matters.
type Parsed = Result<(Progress, usize, usize, Vec<Vec<u8>>), ProtocolError>;

fn told(
    result: Result<Progress, ProtocolError>,
    parser: &Parser,
    args: &[ArgRef],
    frame: &[u8],
    owned: &[Vec<u8>],
) -> Parsed {
    let found = args.iter().map(|arg| match arg.owned_index() {
        None => arg.of(frame).to_vec(),
        Some(index) => owned[index].clone(),
    });
    result.map(|progress| (progress, parser.pos(), parser.missing(), found.collect()))
}

fn parse_plainly(frame: &[u8]) -> Parsed {
    let (mut parser, mut args, mut owned) = (Parser::default(), Vec::new(), Vec::new());
    let result = parser.parse(frame, &mut args, &mut owned, &LIMITS);
    told(result, &parser, &args, frame, &owned)
}

/// As the engine does with a frame that the prefix matches; None: it does not.
fn parse_with(prefix: &Prefix, frame: &[u8]) -> Option<Parsed> {
    let (len, missing, name) = prefix.matches(frame)?;
    let (mut parser, mut args, mut owned) = (Parser::default(), vec![name], Vec::new());
    parser.begin_at(len, missing);
    let result = match missing {
        0 => Ok(Progress::Complete),
        _ => parser.parse(frame, &mut args, &mut owned, &LIMITS),
    };
    Some(told(result, &parser, &args, frame, &owned))
}

/// What the engine would know after this request.
fn learned(bytes: &[u8]) -> Prefix {
    let (mut parser, mut args, mut owned) = (Parser::default(), Vec::new(), Vec::new());
    let mut prefix = Prefix::default();
    if parser.parse(bytes, &mut args, &mut owned, &LIMITS) == Ok(Progress::Complete) {
        prefix.learn(bytes, &args);
    }
    prefix
}

/// Requests to learn from and to be mistaken for one another.
fn requests() -> Vec<Vec<u8>> {
    let mut requests: Vec<Vec<u8>> = Vec::new();
    for name in
        [&b"G"[..], b"GET", b"get", b"SET", b"INCR", b"SETEX", b"GETDEL", b"HGETALL", b"SETRANGE", b"", b"\0\0\0"]
    {
        for argc in [1, 2, 3, 9, 10, 11] {
            let mut args = vec![name];
            args.resize(argc, b"value");
            requests.push(frame(&args));
            args[argc - 1] = b"";
            requests.push(frame(&args));
        }
    }
    requests.extend([
        b"PING\r\n".to_vec(),
        b"GET some:key:0000\r\n".to_vec(),
        b"\"GET\" 'quoted key'\r\n".to_vec(),
        b"*0\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".to_vec(),
        b"*-1\r\n*2\r\n$3\r\nGET\r\n".to_vec(),
        // The parser does not look at what follows a carriage return or a bulk.
        b"*2\rX$3\rYGETab$5\r\nvalue\r\n".to_vec(),
        b"*2\r\n$3\r\nGET\r\n$-1\r\n----------".to_vec(),
        b"*2\r\n$3\r\nGET\r\nx5\r\nvalue\r\n".to_vec(),
        b"*2\r\n$3\r\nGET\r\n$99999999999\r\n".to_vec(),
        b"*2\r\n$3\r\nGET\r\n$40000\r\nbeginning".to_vec(),
        b"*02\r\n$3\r\nGET\r\n$1\r\nk\r\n".to_vec(),
        b"*2\r\n$03\r\nGET\r\n$1\r\nk\r\n".to_vec(),
        b"*2\r\n$4\r\nGET\r\n$1\r\nk\r\n".to_vec(),
    ]);
    requests
}

#[test]
fn the_shortcut_agrees_with_the_parser() {
    let requests = requests();
    let mut matched = 0;
    for first in &requests {
        // Whatever follows in the ring was there when it was learned.
        for behind in [&b""[..], b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"] {
            let prefix = learned(&[first, behind].concat());
            for second in &requests {
                for cut in 0..=second.len() {
                    if let Some(parsed) = parse_with(&prefix, &second[..cut]) {
                        matched += 1;
                        assert_eq!(parsed, parse_plainly(&second[..cut]), "{}", second[..cut].escape_ascii());
                        if let (Ok(parsed), Ok(first)) = (parsed, parse_plainly(first)) {
                            assert_eq!(parsed.3[0], first.3[0], "another command");
                        }
                    }
                }
            }
        }
    }
    assert!(matched > 1000, "{matched}");
}

#[test]
fn requests_that_are_nearly_alike() {
    let seed = 1;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let requests = requests();
    let mut matched = 0;
    for _ in 0..60_000 {
        let first = &requests[random.below(requests.len() as u64) as usize];
        let prefix = learned(&[first.as_slice(), b"................"].concat());
        let mut second = first.clone();
        for _ in 0..random.below(3) {
            let at = random.below(second.len() as u64) as usize;
            match random.below(4) {
                0 => second[at] = random.next_u64() as u8,
                1 => second[at] = b"*$\r\n0123456789-"[random.below(15) as usize],
                2 => second.insert(at, b"0\r\n$"[random.below(4) as usize]),
                _ => drop(second.remove(at)),
            }
            if second.is_empty() {
                break;
            }
        }
        second.extend_from_slice(first);
        let cut = random.below(second.len() as u64 + 1) as usize;
        if let Some(parsed) = parse_with(&prefix, &second[..cut]) {
            matched += 1;
            assert_eq!(parsed, parse_plainly(&second[..cut]), "{}", second[..cut].escape_ascii());
        }
    }
    assert!(matched > 5000, "{matched}");
}

#[test]
fn nothing_was_learned() {
    for frame in requests() {
        assert!(Prefix::default().matches(&frame).is_none());
    }
    // Zeroes are what an unset mask would accept.
    assert!(Prefix::default().matches(&[0; 32]).is_none());
    for too_long in [frame(&[b"EIGHTCHA", b"x"]), frame(&[&b"GET"[..]; 10]), b"GET some:key:00000\r\n".to_vec()] {
        assert!(learned(&too_long).matches(&too_long).is_none(), "{}", too_long.escape_ascii());
    }
    let known = frame(&[b"SEVENCH", b"value"]);
    assert!(learned(&known).matches(&known).is_some());
}

/// With a `proto-max-bulk-len` that admits them, also where the parser comes back to the bulk with more of its bytes.
#[test]
fn bulks_of_more_than_4_gib() {
    const LEN: usize = 5_000_000_000;
    let limits = Limits { bulk_max: 10_000_000_000, ..LIMITS };
    let mut frame = format!("*2\r\n$3\r\nGET\r\n${LEN}\r\n").into_bytes();
    let (mut parser, mut args, mut owned) = (Parser::default(), Vec::new(), Vec::new());
    for _ in 0..3 {
        frame.extend_from_slice(b"some of it");
        assert_eq!(parser.parse(&frame, &mut args, &mut owned, &limits), Ok(Progress::BigBulk { len: LEN }));
    }
    assert_eq!(args.len(), 1);
}
