//! The request parser against a naive twin: requests whole, damaged and random, in any pieces, come out the same; nothing
//! panics, nothing is taken from outside the frame, and memory is bounded by what has arrived.

mod support;

use support::client::encode;
use support::random::Random;
use zedis::resp::request::{ArgRef, BIG_BULK, INLINE_MAX, Limits, Parser, Prefix, Progress, ProtocolError};

const LIMITS: Limits = Limits { bulk_max: 512 * 1024 * 1024, authenticated: true };
const STRANGER: Limits = Limits { bulk_max: 512 * 1024 * 1024, authenticated: false };

/// The requests in a stream of bytes, and what ended it.
#[derive(PartialEq, Debug)]
struct Outcome {
    requests: Vec<Vec<Vec<u8>>>,
    violation: Option<ProtocolError>,
    /// Bytes of the last frame, when it is not complete.
    left: usize,
}

/// One frame as the twin reads it: its arguments and length.
enum Frame {
    Complete(Vec<Vec<u8>>, usize),
    Incomplete,
    Violation(ProtocolError),
}

/// The twin: sees everything at once and starts every frame from its beginning.
fn read_naively(bytes: &[u8], limits: &Limits) -> Outcome {
    let mut requests = Vec::new();
    let mut rest = bytes;
    loop {
        match read_frame(rest, limits) {
            Frame::Complete(args, len) => {
                requests.push(args);
                rest = &rest[len..];
            }
            Frame::Incomplete => return Outcome { requests, violation: None, left: rest.len() },
            Frame::Violation(violation) => return Outcome { requests, violation: Some(violation), left: 0 },
        }
    }
}

fn read_frame(frame: &[u8], limits: &Limits) -> Frame {
    match frame.first() {
        None => Frame::Incomplete,
        Some(b'*') => read_multibulk(frame, limits),
        Some(_) => read_inline(frame),
    }
}

/// The line at `at`, without its type byte and line end, and where the next begins; None if it has not all arrived.
fn line(frame: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let len = frame[at..].iter().position(|&byte| byte == b'\r')?;
    (at + len + 2 <= frame.len()).then(|| (frame[at..at + len].get(1..).unwrap_or(b""), at + len + 2))
}

/// A number in its one canonical spelling.
fn number(digits: &[u8]) -> Option<i64> {
    let value: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (value.to_string().as_bytes() == digits).then_some(value)
}

fn read_multibulk(frame: &[u8], limits: &Limits) -> Frame {
    let Some((digits, mut at)) = line(frame, 0) else {
        let too_long = frame.len() > INLINE_MAX;
        return if too_long { Frame::Violation(ProtocolError::CountTooBig) } else { Frame::Incomplete };
    };
    let count = match number(digits) {
        Some(count) if count <= 2_147_483_647 => count,
        _ => return Frame::Violation(ProtocolError::InvalidCount),
    };
    if count > 10 && !limits.authenticated {
        return Frame::Violation(ProtocolError::UnauthenticatedCount);
    }
    let mut args = Vec::new();
    for _ in 0..count.max(0) {
        if at == frame.len() {
            return Frame::Incomplete;
        }
        let Some((digits, next)) = line(frame, at) else {
            let too_long = frame.len() - at > INLINE_MAX;
            return if too_long { Frame::Violation(ProtocolError::BulkHeaderTooBig) } else { Frame::Incomplete };
        };
        if frame[at] != b'$' {
            return Frame::Violation(ProtocolError::ExpectedBulk(frame[at]));
        }
        let len = match number(digits) {
            Some(len) if (0..=limits.bulk_max).contains(&len) => len as usize,
            _ => return Frame::Violation(ProtocolError::InvalidBulkLength),
        };
        if len > 16 * 1024 && !limits.authenticated {
            return Frame::Violation(ProtocolError::UnauthenticatedBulkLength);
        }
        // The two bytes behind a bulk are counted and not looked at.
        if frame.len() < next + len + 2 {
            return Frame::Incomplete;
        }
        args.push(frame[next..next + len].to_vec());
        at = next + len + 2;
    }
    Frame::Complete(args, at)
}

fn read_inline(frame: &[u8]) -> Frame {
    // A NUL byte before it, and there is no end.
    let end = frame.iter().position(|&byte| byte == b'\n' || byte == 0).filter(|&end| frame[end] != 0);
    let Some(newline) = end else {
        let too_long = frame.len() > INLINE_MAX;
        return if too_long { Frame::Violation(ProtocolError::InlineTooBig) } else { Frame::Incomplete };
    };
    let mut line = &frame[..newline];
    if line.last() == Some(&b'\r') {
        line = &line[..newline - 1];
    }
    match split_naively(line) {
        Some(words) => Frame::Complete(words, newline + 1),
        None => Frame::Violation(ProtocolError::UnbalancedQuotes),
    }
}

/// Words of an inline request, a byte at a time. None: quotes do not match.
fn split_naively(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    #[derive(PartialEq)]
    enum State {
        Between,
        Word,
        Double,
        Single,
        /// A quote has been closed.
        Closed,
    }
    let space = |byte: u8| byte == b' ' || (9..=13).contains(&byte);
    let is_in_word = |byte: u8| byte == 11 || byte == 12;
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut state = State::Between;
    let mut at = 0;
    while at < line.len() {
        let byte = line[at];
        let mut used = 1;
        match state {
            State::Between | State::Closed if space(byte) => state = State::Between,
            State::Word if space(byte) && !is_in_word(byte) => state = State::Between,
            State::Closed => return None,
            State::Between | State::Word => {
                if state == State::Between {
                    words.push(Vec::new());
                }
                state = match byte {
                    b'"' => State::Double,
                    b'\'' => State::Single,
                    _ => {
                        words.last_mut()?.push(byte);
                        State::Word
                    }
                };
            }
            State::Double | State::Single if byte == if state == State::Double { b'"' } else { b'\'' } => {
                state = State::Closed;
            }
            State::Single => {
                let escaped = line[at..].starts_with(b"\\'");
                used = if escaped { 2 } else { 1 };
                words.last_mut()?.push(if escaped { b'\'' } else { byte });
            }
            State::Double => {
                let hex = |at: usize| line.get(at).and_then(|&digit| (digit as char).to_digit(16));
                let (meant, len) = match (byte, line.get(at + 1)) {
                    (b'\\', Some(b'x')) if hex(at + 2).is_some() && hex(at + 3).is_some() => {
                        ((hex(at + 2)? * 16 + hex(at + 3)?) as u8, 4)
                    }
                    (b'\\', Some(b'n')) => (b'\n', 2),
                    (b'\\', Some(b'r')) => (b'\r', 2),
                    (b'\\', Some(b't')) => (b'\t', 2),
                    (b'\\', Some(b'b')) => (8, 2),
                    (b'\\', Some(b'a')) => (7, 2),
                    (b'\\', Some(&other)) => (other, 2),
                    _ => (byte, 1),
                };
                words.last_mut()?.push(meant);
                used = len;
            }
        }
        at += used;
    }
    (state != State::Double && state != State::Single).then_some(words)
}

/// The parser, fed piece by piece as a connection feeds it: big bulks are received into buffers of their own, and a frame that begins
/// like the last one is parsed from behind what they have in common.
fn read_in_pieces(pieces: &[&[u8]], limits: &Limits) -> Outcome {
    let mut requests = Vec::new();
    let mut parser = Parser::default();
    let mut args: Vec<ArgRef> = Vec::new();
    let mut owned: Vec<Vec<u8>> = Vec::new();
    // The current frame without its big bulks, and a big bulk that is being received, with its line end.
    let mut frame: Vec<u8> = Vec::new();
    let mut big: Option<(Vec<u8>, usize)> = None;
    // Bytes of the current frame that are not in `frame`.
    let mut elsewhere = 0;
    let mut arrived = 0;
    let mut prefix = Prefix::default();
    for piece in pieces {
        arrived += piece.len();
        let mut piece = *piece;
        if let Some((received, len)) = &mut big {
            let take = piece.len().min(*len + 2 - received.len());
            received.extend_from_slice(&piece[..take]);
            piece = &piece[take..];
            if received.len() < *len + 2 {
                continue;
            }
            elsewhere += received.len();
            received.truncate(*len);
            args.push(ArgRef::owned(owned.len()));
            owned.extend(big.take().map(|(received, _)| received));
            parser.bulk_received();
        }
        frame.extend_from_slice(piece);
        loop {
            assert!(parser.pos() <= frame.len(), "the position is in the frame");
            let known = if parser.is_idle() { prefix.matches(&frame) } else { None };
            if let Some((len, missing, name)) = known {
                assert!(
                    len <= frame.len() && args.is_empty(),
                    "only a new frame is known, and only what has arrived of it"
                );
                args.push(name);
                parser.begin_at(len, missing);
            }
            let progress = match parser.parse(&frame, &mut args, &mut owned, limits) {
                Ok(progress) => progress,
                Err(violation) => return Outcome { requests, violation: Some(violation), left: 0 },
            };
            assert!(parser.pos() <= frame.len(), "the position is in the frame");
            let owned_bytes: usize = owned.iter().map(Vec::capacity).sum();
            assert!(args.capacity() <= 4 * arrived + 16, "arguments are not allocated on credit");
            assert!(owned_bytes <= 4 * arrived + 64, "words are not allocated on credit");
            match progress {
                Progress::Complete => {
                    prefix.learn(&frame, &args);
                    let value = |arg: &ArgRef| match arg.owned_index() {
                        Some(index) => owned[index].clone(),
                        None => arg.of(&frame[..parser.pos()]).to_vec(),
                    };
                    requests.push(args.iter().map(value).collect());
                    frame.drain(..parser.pos());
                    parser.reset();
                    assert!(parser.is_idle(), "it stands between two frames");
                    args.clear();
                    owned.clear();
                    elsewhere = 0;
                    if frame.is_empty() {
                        break;
                    }
                }
                Progress::Incomplete => break,
                Progress::BigBulk { len } => {
                    assert!(len >= BIG_BULK, "small bulks stay in the frame");
                    assert!(frame.len() - parser.pos() < len + 2, "a bulk that is all there stays in the frame");
                    big = Some((frame.split_off(parser.pos()), len));
                    break;
                }
            }
        }
    }
    let receiving = big.map_or(0, |(received, _)| received.len());
    Outcome { requests, violation: None, left: frame.len() + elsewhere + receiving }
}

fn check(bytes: &[u8], limits: &Limits, cuts: &[usize]) {
    let mut pieces = Vec::new();
    let mut from = 0;
    for &cut in cuts {
        pieces.push(&bytes[from..cut]);
        from = cut;
    }
    pieces.push(&bytes[from..]);
    let (got, wanted) = (read_in_pieces(&pieces, limits), read_naively(bytes, limits));
    assert!(got == wanted, "{} cut at {cuts:?}:\n  got    {got:?}\n  wanted {wanted:?}", bytes.escape_ascii());
}

/// Whole, byte by byte, in two at every offset if it is short, and in random pieces.
fn check_all_cuts(random: &mut Random, bytes: &[u8], limits: &Limits) {
    check(bytes, limits, &[]);
    if bytes.len() <= 120 {
        for cut in 1..bytes.len() {
            check(bytes, limits, &[cut]);
        }
        let every: Vec<usize> = (1..bytes.len()).collect();
        check(bytes, limits, &every);
    }
    for _ in 0..3 {
        let mut cuts: Vec<usize> = (0..1 + random.below(6)).map(|_| random.below(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        check(bytes, limits, &cuts);
    }
}

fn some_requests(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..1 + random.below(4) {
        match random.below(5) {
            0 => bytes.extend(*random.pick(&[
                &b"PING\r\n"[..],
                b"  set k\t\"a \\x41\\n\\\"\" 'b \\' c'\r\n",
                b"\r\n",
                b"GET k\n",
                b"*0\r\n",
                b"*-1\r\n",
                b"a\"b c\" d\r\n",
                b"\"\" ''\n",
            ])),
            _ => {
                let args: Vec<Vec<u8>> = (0..1 + random.below(4))
                    .map(|_| {
                        let len = random.below(if bytes.len() < 100 { 12 } else { 300 });
                        random.bytes(len)
                    })
                    .collect();
                bytes.extend(encode(&args));
            }
        }
    }
    bytes
}

/// Changes a few bytes or numbers, in the way of an attacker who knows the protocol.
fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    let telling: &[&[u8]] = &[
        b"*",
        b"$",
        b"\r",
        b"\n",
        b"\r\n",
        b"-",
        b"-1",
        b"0",
        b"00",
        b"1",
        b"9",
        b"99999",
        b"2147483647",
        b"2147483648",
        b"536870912",
        b"536870913",
        b"9223372036854775807",
        b"9223372036854775808",
        b"\"",
        b"'",
        b"\\",
        b"\\x4",
        b" ",
        b"\0",
        b"\xff",
        b"+5",
        b"$5\r\n",
        b"*3\r\n",
    ];
    for _ in 0..1 + random.below(3) {
        let at = random.below(bytes.len() + 1);
        match random.below(5) {
            0 => drop(bytes.splice(at..at, random.pick(telling).iter().copied())),
            1 => {
                let end = (at + random.below(4)).min(bytes.len());
                bytes.splice(at..end, random.pick(telling).iter().copied());
            }
            2 => drop(bytes.drain(at..(at + 1 + random.below(5)).min(bytes.len()))),
            3 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ => bytes.truncate(at),
        }
    }
}

#[test]
fn valid_requests() {
    let mut random = Random::new("valid_requests");
    for _ in 0..3_000 {
        let bytes = some_requests(&mut random);
        check_all_cuts(&mut random, &bytes, &LIMITS);
    }
}

#[test]
fn damaged_requests() {
    let mut random = Random::new("damaged_requests");
    for _ in 0..20_000 {
        let mut bytes = some_requests(&mut random);
        damage(&mut random, &mut bytes);
        let limits = if random.one_in(4) { STRANGER } else { LIMITS };
        check_all_cuts(&mut random, &bytes, &limits);
    }
}

#[test]
fn random_bytes() {
    let mut random = Random::new("random_bytes");
    let alphabet = b"*$\r\n0123456789-+\"'\\x abAF\0\xff";
    for round in 0..20_000 {
        let len = random.below(60);
        let mut bytes = random.bytes(len);
        if round % 4 != 0 {
            for byte in &mut bytes {
                *byte = alphabet[usize::from(*byte) % alphabet.len()];
            }
        }
        check_all_cuts(&mut random, &bytes, &LIMITS);
    }
}

/// Around the size from which a bulk gets a buffer of its own.
#[test]
fn big_bulks() {
    let mut random = Random::new("big_bulks");
    for len in [BIG_BULK - 3, BIG_BULK - 2, BIG_BULK - 1, BIG_BULK, BIG_BULK + 1, 2 * BIG_BULK + 7] {
        let big = vec![b'b'; len];
        for args in [
            vec![big.clone()],
            vec![b"SET".to_vec(), b"k".to_vec(), big.clone()],
            vec![big.clone(), b"small".to_vec()],
            vec![big.clone(), big.clone(), Vec::new(), big.clone()],
        ] {
            let bytes = [encode(&["PING"]), encode(&args), encode(&["PING", "x"])].concat();
            check_all_cuts(&mut random, &bytes, &LIMITS);
            check_all_cuts(&mut random, &bytes, &STRANGER);
            // At the edges of what is special, every one of them.
            let edges = (0..60).chain(bytes.len() - 60..bytes.len()).chain(len..len + 40);
            for cut in edges.filter(|cut| *cut <= bytes.len()) {
                check(&bytes, &LIMITS, &[cut]);
            }
        }
    }
}

/// A line that does not end is refused at the first byte beyond the limit, whichever kind it is.
#[test]
fn endless_lines() {
    for (start, violation) in [
        (&b"x"[..], ProtocolError::InlineTooBig),
        (b"*", ProtocolError::CountTooBig),
        (b"*1\r\n$", ProtocolError::BulkHeaderTooBig),
    ] {
        let head = start.len() - 1;
        let mut frame = start.to_vec();
        let (mut parser, mut args, mut owned) = (Parser::default(), Vec::new(), Vec::new());
        loop {
            match parser.parse(&frame, &mut args, &mut owned, &LIMITS) {
                Ok(Progress::Incomplete) => frame.push(b'1'),
                Ok(other) => panic!("{other:?} of a line without an end"),
                Err(error) => {
                    assert_eq!((error, frame.len() - head), (violation, INLINE_MAX + 1));
                    break;
                }
            }
        }
    }
}
