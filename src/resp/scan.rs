//! The reply scanner: counts whole replies in a stream of RESP2 or RESP3, without building them. Pure: it does no I/O and keeps no
//! bytes, except the text of the first error reply.
//!
//! The stream may be cut anywhere; what has been scanned is never needed again. Out-of-band messages (`>`) and attributes (`|`) are
//! followed but are not replies.
//!
//! Invariants: a level on the stack has at least one value to come; the stack has at most [`DEPTH_MAX`] levels. What a
//! peer announces costs nothing: lengths are only counted down.
//! Cost: a few branches per header; the bytes of a bulk are skipped.

use memchr::memchr;
use smallvec::SmallVec;

/// Deepest nesting of aggregates.
pub const DEPTH_MAX: usize = 32;
/// Longest bulk, in bytes.
pub const BULK_MAX: u64 = 4 << 30;
/// Most elements of an aggregate.
pub const COUNT_MAX: u64 = u32::MAX as u64;
/// Longest simple string, error or number, in bytes.
pub const LINE_MAX: usize = 64 * 1024;
/// As much of an error's text is kept, in bytes.
pub const ERROR_TEXT_MAX: usize = 256;

/// What is not RESP, or exceeds a limit. The stream can't be followed after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanError {
    UnknownType(u8),
    InvalidLength,
    TooLong,
    TooDeep,
    MissingLineEnd,
    /// An out-of-band message inside a reply.
    MisplacedPush,
}

impl std::fmt::Display for ScanError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ScanError::UnknownType(byte) => {
                write!(out, "unknown reply type '{}'", byte.escape_ascii())
            }
            ScanError::InvalidLength => out.write_str("invalid length"),
            ScanError::TooLong => out.write_str("length over the limit"),
            ScanError::TooDeep => out.write_str("replies nested too deep"),
            ScanError::MissingLineEnd => out.write_str("missing line end"),
            ScanError::MisplacedPush => out.write_str("push message inside a reply"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LevelKind {
    Aggregate,
    /// Its end is not a value.
    Attribute,
    Push,
}

/// An aggregate that is open.
#[derive(Clone, Copy, Debug)]
struct Level {
    /// Values still to come, at least 1.
    left: u64,
    kind: LevelKind,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Before a type byte.
    #[default]
    Type,
    /// Inside a line that is one value; `len` bytes of it have been seen, `cr` if the last of them was a CR.
    Line {
        len: u32,
        cr: bool,
    },
    /// Inside the number of a header line.
    Length {
        kind: u8,
        value: u64,
        digits: u8,
        negative: bool,
    },
    /// Before the LF of a header line.
    LengthEnd {
        kind: u8,
        value: u64,
        null: bool,
    },
    /// `left` bytes of a bulk to come.
    Bulk {
        left: u64,
    },
    /// Before the CR, then the LF, behind a bulk.
    BulkCr,
    BulkLf,
}

/// The position inside a stream of replies.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    state: State,
    levels: SmallVec<[Level; 2]>,
    /// Whether the value at hand is a top-level error and the first one.
    in_error: bool,
    error: Option<Vec<u8>>,
}

impl Scanner {
    /// Continues on `bytes`, all of which are consumed, and returns how many replies ended in them.
    ///
    /// # Errors
    /// The stream is not RESP; the scanner is of no further use.
    #[inline]
    pub fn scan(&mut self, bytes: &[u8]) -> Result<u64, ScanError> {
        let mut replies = 0;
        let mut at = 0;
        while at < bytes.len() {
            let (next, ended) = self.step(bytes, at)?;
            debug_assert!(next > at || matches!(self.state, State::BulkCr));
            at = next;
            replies += u64::from(ended && self.value_ended());
        }
        Ok(replies)
    }

    /// Continues on `bytes` up to the end of a reply: how many of them that took, and whether one ended there.
    ///
    /// # Errors
    /// As [`Scanner::scan`].
    pub fn scan_one(&mut self, bytes: &[u8]) -> Result<(usize, bool), ScanError> {
        let mut at = 0;
        while at < bytes.len() {
            let (next, ended) = self.step(bytes, at)?;
            at = next;
            if ended && self.value_ended() {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// Whether it stands between two replies.
    pub fn is_idle(&self) -> bool {
        self.levels.is_empty() && matches!(self.state, State::Type)
    }

    /// The text of the first error reply so far, without the `-`, cut at [`ERROR_TEXT_MAX`]. Errors inside aggregates don't count.
    #[inline]
    pub fn error(&self) -> Option<&[u8]> {
        // Until its end has been seen, its text may be incomplete.
        if self.in_error { None } else { self.error.as_deref() }
    }

    /// One piece of a value from `at`: the offset behind it, and whether a value ended there.
    #[inline]
    fn step(&mut self, bytes: &[u8], at: usize) -> Result<(usize, bool), ScanError> {
        let rest = &bytes[at..];
        match self.state {
            State::Type => self.begin(rest[0]).map(|()| (at + 1, false)),
            State::Line { len, cr } => {
                let (piece, found) = match memchr(b'\n', rest) {
                    Some(end) => (&rest[..end], true),
                    None => (rest, false),
                };
                let seen = piece.len().saturating_add(len as usize);
                if seen > LINE_MAX {
                    return Err(ScanError::TooLong);
                }
                let cr = piece.last().map_or(cr, |&last| last == b'\r');
                self.keep_error_text(piece);
                if !found {
                    self.state = State::Line { len: seen as u32, cr };
                    return Ok((bytes.len(), false));
                }
                if !cr {
                    return Err(ScanError::MissingLineEnd);
                }
                self.state = State::Type;
                Ok((at + piece.len() + 1, true))
            }
            State::Length { kind, value, digits, negative } => {
                self.length(rest, kind, value, digits, negative).map(|used| (at + used, false))
            }
            State::LengthEnd { kind, value, null } => {
                if rest[0] != b'\n' {
                    return Err(ScanError::MissingLineEnd);
                }
                self.state = State::Type;
                let ended = null || self.open(kind, value)?;
                Ok((at + 1, ended))
            }
            State::Bulk { left } => {
                let take = left.min(rest.len() as u64) as usize;
                self.keep_error_text(&rest[..take]);
                self.state = if take as u64 == left { State::BulkCr } else { State::Bulk { left: left - take as u64 } };
                Ok((at + take, false))
            }
            State::BulkCr if rest[0] == b'\r' => {
                self.state = State::BulkLf;
                Ok((at + 1, false))
            }
            State::BulkLf if rest[0] == b'\n' => {
                self.state = State::Type;
                Ok((at + 1, true))
            }
            State::BulkCr | State::BulkLf => Err(ScanError::MissingLineEnd),
        }
    }

    #[inline]
    fn begin(&mut self, kind: u8) -> Result<(), ScanError> {
        self.state = match kind {
            b'+' | b':' | b'_' | b'#' | b',' | b'(' => State::Line { len: 0, cr: false },
            b'$' | b'*' | b'%' | b'~' | b'=' => State::Length { kind, value: 0, digits: 0, negative: false },
            b'-' => {
                self.begin_error();
                State::Line { len: 0, cr: false }
            }
            b'!' => {
                self.begin_error();
                State::Length { kind, value: 0, digits: 0, negative: false }
            }
            b'|' => State::Length { kind, value: 0, digits: 0, negative: false },
            b'>' if self.levels.is_empty() => State::Length { kind, value: 0, digits: 0, negative: false },
            b'>' => return Err(ScanError::MisplacedPush),
            other => return Err(ScanError::UnknownType(other)),
        };
        Ok(())
    }

    /// Reads digits up to the CR; returns how many bytes it used.
    #[inline]
    fn length(
        &mut self,
        rest: &[u8],
        kind: u8,
        mut value: u64,
        mut digits: u8,
        mut negative: bool,
    ) -> Result<usize, ScanError> {
        for (used, &byte) in rest.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    // 19 digits fit in a u64, and every limit has fewer.
                    if digits == 19 {
                        return Err(ScanError::TooLong);
                    }
                    value = value * 10 + u64::from(byte - b'0');
                    digits += 1;
                }
                b'-' if digits == 0 && !negative => negative = true,
                b'\r' if digits > 0 => {
                    let null = negative && value == 1 && matches!(kind, b'$' | b'*');
                    if negative && !null {
                        return Err(ScanError::InvalidLength);
                    }
                    self.state = State::LengthEnd { kind, value, null };
                    return Ok(used + 1);
                }
                _ => return Err(ScanError::InvalidLength),
            }
        }
        self.state = State::Length { kind, value, digits, negative };
        Ok(rest.len())
    }

    /// A header has been read: says whether the value ends with it.
    #[inline]
    fn open(&mut self, kind: u8, value: u64) -> Result<bool, ScanError> {
        if matches!(kind, b'$' | b'!' | b'=') {
            if value > BULK_MAX {
                return Err(ScanError::TooLong);
            }
            self.state = if value == 0 { State::BulkCr } else { State::Bulk { left: value } };
            return Ok(false);
        }
        if value > COUNT_MAX {
            return Err(ScanError::TooLong);
        }
        let left = if matches!(kind, b'%' | b'|') { 2 * value } else { value };
        let kind = match kind {
            b'|' => LevelKind::Attribute,
            b'>' => LevelKind::Push,
            _ => LevelKind::Aggregate,
        };
        if left == 0 {
            return Ok(kind == LevelKind::Aggregate);
        }
        if self.levels.len() == DEPTH_MAX {
            return Err(ScanError::TooDeep);
        }
        self.levels.push(Level { left, kind });
        Ok(false)
    }

    /// A value ended: closes the aggregates that end with it and says whether a reply did.
    #[inline]
    fn value_ended(&mut self) -> bool {
        while let Some(level) = self.levels.last_mut() {
            level.left -= 1;
            if level.left > 0 {
                return false;
            }
            let kind = level.kind;
            self.levels.pop();
            if kind != LevelKind::Aggregate {
                return false;
            }
        }
        self.in_error = false;
        true
    }

    #[cold]
    fn begin_error(&mut self) {
        if self.levels.is_empty() && self.error.is_none() {
            self.in_error = true;
            self.error = Some(Vec::new());
        }
    }

    #[inline]
    fn keep_error_text(&mut self, piece: &[u8]) {
        if self.in_error
            && let Some(text) = &mut self.error
        {
            let room = ERROR_TEXT_MAX - text.len();
            text.extend(piece.iter().filter(|&&byte| byte != b'\r').take(room));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BULK_MAX, COUNT_MAX, DEPTH_MAX, ERROR_TEXT_MAX, LINE_MAX, ScanError, Scanner};

    /// Streams with the number of replies in them.
    fn streams() -> Vec<(Vec<u8>, u64)> {
        let mut streams: Vec<(Vec<u8>, u64)> = [
            ("+OK\r\n", 1),
            ("+\r\n", 1),
            ("+OK\r\n+PONG\r\n:12\r\n", 3),
            ("-ERR no\r\n", 1),
            (":-5\r\n", 1),
            ("$3\r\nabc\r\n", 1),
            ("$0\r\n\r\n", 1),
            ("$-1\r\n$-1\r\n", 2),
            ("$7\r\n\r\n+OK\r\n\r\n", 1),
            ("*0\r\n", 1),
            ("*-1\r\n", 1),
            ("*2\r\n$1\r\na\r\n$-1\r\n", 1),
            ("*2\r\n*2\r\n:1\r\n*0\r\n*1\r\n*1\r\n+x\r\n:2\r\n", 2),
            ("%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n", 1),
            ("%0\r\n~0\r\n~2\r\n:1\r\n:2\r\n", 3),
            ("_\r\n#t\r\n#f\r\n,1.5\r\n,inf\r\n(123456789012345678901234567890\r\n", 6),
            ("=7\r\ntxt:abc\r\n", 1),
            ("!8\r\nERR\r\nbad\r\n", 1),
            (">2\r\n+message\r\n*1\r\n:1\r\n+OK\r\n", 1),
            (">0\r\n|0\r\n+OK\r\n", 1),
            ("|1\r\n+ttl\r\n:100\r\n$1\r\nx\r\n", 1),
            ("*2\r\n|1\r\n+a\r\n*1\r\n+b\r\n:1\r\n:2\r\n", 1),
        ]
        .map(|(text, replies)| (text.as_bytes().to_vec(), replies))
        .into();
        let all = streams.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        streams.push((all, streams.iter().map(|(_, replies)| replies).sum()));
        streams
    }

    #[test]
    fn counts_whole_streams() {
        for (bytes, replies) in streams() {
            let mut scanner = Scanner::default();
            assert_eq!(scanner.scan(&bytes), Ok(replies), "{:?}", bytes.escape_ascii().to_string());
            assert!(scanner.is_idle());
        }
    }

    #[test]
    fn finds_the_end_of_each_reply() {
        for (bytes, replies) in streams() {
            let (mut scanner, mut counter, mut at, mut ends) = (Scanner::default(), Scanner::default(), 0, 0);
            while at < bytes.len() {
                let piece = &bytes[at..bytes.len().min(at + 7)];
                let (used, ended) = scanner.scan_one(piece).unwrap();
                assert!(used > 0 && (ended || used == piece.len()));
                assert_eq!(counter.scan(&piece[..used]), Ok(u64::from(ended)));
                at += used;
                ends += u64::from(ended);
            }
            assert_eq!(ends, replies, "{:?}", bytes.escape_ascii().to_string());
        }
    }

    #[test]
    fn counts_byte_by_byte() {
        for (bytes, replies) in streams() {
            let mut scanner = Scanner::default();
            let mut seen = 0;
            for byte in &bytes {
                seen += scanner.scan(std::slice::from_ref(byte)).unwrap();
            }
            assert_eq!(seen, replies, "{:?}", bytes.escape_ascii().to_string());
            assert!(scanner.is_idle());
        }
    }

    #[test]
    fn counts_split_at_every_offset() {
        for (bytes, replies) in streams() {
            for cut in 0..=bytes.len() {
                let mut scanner = Scanner::default();
                let seen = scanner.scan(&bytes[..cut]).unwrap() + scanner.scan(&bytes[cut..]).unwrap();
                assert_eq!(seen, replies, "cut at {cut}: {:?}", bytes.escape_ascii().to_string());
                assert!(scanner.is_idle());
            }
        }
    }

    #[test]
    fn a_prefix_is_not_a_reply() {
        for (bytes, replies) in streams() {
            let mut scanner = Scanner::default();
            let seen = scanner.scan(&bytes[..bytes.len() - 1]).unwrap();
            assert!(seen < replies && !scanner.is_idle(), "{:?}", bytes.escape_ascii().to_string());
        }
    }

    #[test]
    fn keeps_the_first_top_level_error() {
        let bytes = b"+OK\r\n*1\r\n-inner\r\n-ERR first\r\n-ERR second\r\n";
        for cut in 0..bytes.len() {
            let mut scanner = Scanner::default();
            scanner.scan(&bytes[..cut]).unwrap();
            scanner.scan(&bytes[cut..]).unwrap();
            assert_eq!(scanner.error(), Some(b"ERR first".as_slice()), "cut at {cut}");
        }
        let mut scanner = Scanner::default();
        scanner.scan(b"-ERR unfinished").unwrap();
        assert_eq!(scanner.error(), None);
        let mut scanner = Scanner::default();
        scanner.scan(b"!9\r\nERR a\r\nb\r\n").unwrap_err();
        let mut scanner = Scanner::default();
        scanner.scan(b"!5\r\nERR a\r\n").unwrap();
        assert_eq!(scanner.error(), Some(b"ERR a".as_slice()));
        let mut scanner = Scanner::default();
        scanner.scan(&[b"-".as_slice(), &[b'x'; 5000], b"\r\n"].concat()).unwrap();
        assert_eq!(scanner.error().map(<[u8]>::len), Some(ERROR_TEXT_MAX));
    }

    #[test]
    fn refuses_what_is_not_resp() {
        for (bytes, error) in [
            ("x", ScanError::UnknownType(b'x')),
            ("\r\n", ScanError::UnknownType(b'\r')),
            ("+OK\n", ScanError::MissingLineEnd),
            ("$1\r\nab", ScanError::MissingLineEnd),
            ("$1\r\na\r\r", ScanError::MissingLineEnd),
            ("$1\rx", ScanError::MissingLineEnd),
            ("$\r\n", ScanError::InvalidLength),
            ("$-\r\n", ScanError::InvalidLength),
            ("$--1\r\n", ScanError::InvalidLength),
            ("$1-\r\n", ScanError::InvalidLength),
            ("$+1\r\n", ScanError::InvalidLength),
            ("$ 1\r\n", ScanError::InvalidLength),
            ("$?\r\n", ScanError::InvalidLength),
            ("$-2\r\n", ScanError::InvalidLength),
            ("%-1\r\n", ScanError::InvalidLength),
            ("!-1\r\n", ScanError::InvalidLength),
            ("*1\r\n>1\r\n", ScanError::MisplacedPush),
        ] {
            let mut whole = Scanner::default();
            assert_eq!(whole.scan(bytes.as_bytes()), Err(error), "{bytes:?}");
            let mut pieces = Scanner::default();
            let seen = bytes.bytes().find_map(|byte| pieces.scan(&[byte]).err());
            assert_eq!(seen, Some(error), "{bytes:?} byte by byte");
        }
    }

    #[test]
    fn bounds_lengths_and_depth() {
        let scan = |text: String| Scanner::default().scan(text.as_bytes());
        assert_eq!(scan(format!("${BULK_MAX}\r\n")), Ok(0));
        assert_eq!(scan(format!("${}\r\n", BULK_MAX + 1)), Err(ScanError::TooLong));
        assert_eq!(scan(format!("*{COUNT_MAX}\r\n")), Ok(0));
        assert_eq!(scan(format!("%{COUNT_MAX}\r\n")), Ok(0));
        assert_eq!(scan(format!("*{}\r\n", COUNT_MAX + 1)), Err(ScanError::TooLong));
        assert_eq!(scan(format!("*{}\r\n", u64::MAX)), Err(ScanError::TooLong));
        assert_eq!(scan("$99999999999999999999999999".into()), Err(ScanError::TooLong));
        assert_eq!(scan("*1\r\n".repeat(DEPTH_MAX) + ":1\r\n"), Ok(1));
        assert_eq!(scan("*1\r\n".repeat(DEPTH_MAX + 1)), Err(ScanError::TooDeep));
        assert_eq!(scan("|1\r\n".repeat(DEPTH_MAX + 1)), Err(ScanError::TooDeep));
        assert_eq!(scan(format!("+{}\r\n", "x".repeat(LINE_MAX - 1))), Ok(1));
        assert_eq!(scan(format!("+{}", "x".repeat(LINE_MAX + 1))), Err(ScanError::TooLong));
        let mut dripping = Scanner::default();
        dripping.scan(b"+").unwrap();
        assert!((0..=LINE_MAX).any(|_| dripping.scan(b"x").is_err()));
    }
}
