//! The request parser: bytes in, offsets out. Pure: it owns no bytes, does no I/O, allocates only in the caller's vectors.
//!
//! A frame is one request, multibulk (`*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`) or inline (`GET k\r\n`). The caller shows the bytes of the
//! frame received so far, always from the frame's first byte; the parser remembers how far it has come, so a frame that
//! arrives in pieces is never scanned twice. Arguments come out as offsets from the frame's first byte, so the caller may
//! move the frame between calls.
//!
//! ```text
//!   *2\r\n$3\r\nGET\r\n$1\r\nk\r\n
//!              ^at=8 len=3   ^at=17 len=1       pos: first byte not yet examined
//! ```
//!
//! Invariants: `pos <= frame.len()` on return; `missing > 0` exactly while inside a multibulk frame.
//! Cost: about one branch per header byte; values are never looked at.
//!
//! The protocol: <https://redis.io/docs/latest/develop/reference/protocol-spec/>. Where Redis is lenient (it does not check the line
//! feed after a header's carriage return, nor the two bytes behind a bulk), so is this parser.

use memchr::{memchr, memchr2};

/// Longest inline request and longest header line without a line end, in bytes.
pub const INLINE_MAX: usize = 64 * 1024;
/// A bulk of at least this many bytes is handed to the caller to receive into a buffer of its own.
pub const BIG_BULK: usize = 32 * 1024;
/// Before authentication: most arguments of a request and most bytes of an argument.
pub const UNAUTHENTICATED_ARGS_MAX: i64 = 10;
pub const UNAUTHENTICATED_BULK_MAX: i64 = 16 * 1024;

/// Where an argument is: in the frame's bytes, or (high bit of `at`) in the list of arguments with buffers of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgRef {
    at: u32,
    len: u32,
}

const OWNED: u32 = 1 << 31;

/// Bytes of a frame, without arguments that have buffers of their own, at most: what an [`ArgRef`] can point into.
pub const FRAME_MAX: u64 = 1 << 30;

const _: () = assert!(size_of::<ArgRef>() == 8);

impl ArgRef {
    /// `len` bytes from offset `at` of the frame.
    #[inline]
    pub fn in_frame(at: usize, len: usize) -> ArgRef {
        debug_assert!(at < OWNED as usize && len <= u32::MAX as usize);
        ArgRef { at: at as u32, len: len as u32 }
    }

    /// Number `index` of the arguments with buffers of their own.
    #[inline]
    pub fn owned(index: usize) -> ArgRef {
        ArgRef { at: OWNED | index as u32, len: 0 }
    }

    /// The index into the owned arguments, if it is one.
    #[inline]
    pub fn owned_index(self) -> Option<usize> {
        (self.at & OWNED != 0).then_some((self.at & !OWNED) as usize)
    }

    /// Length of an argument that lies in the frame.
    #[inline]
    pub fn len_in_frame(self) -> usize {
        self.len as usize
    }

    /// The bytes of an argument that lies in the frame.
    #[inline]
    pub fn of(self, frame: &[u8]) -> &[u8] {
        &frame[self.at as usize..][..self.len as usize]
    }
}

/// Whether every line of a multibulk frame with these arguments, all of them in it, ends with CR LF. The parser steps over line ends; who
/// keeps the frame for another reader has to look.
pub fn has_line_ends(frame: &[u8], args: &[ArgRef]) -> bool {
    let ends_at = |at: usize| frame.get(at..at + 2) == Some(b"\r\n");
    let mut digits = itoa::Buffer::new();
    let mut line_at = 1 + digits.format(args.len()).len();
    args.iter().all(|arg| {
        debug_assert!(arg.owned_index().is_none(), "an argument that is not in the frame");
        let (at, len) = (arg.at as usize, arg.len as usize);
        let header_at = std::mem::replace(&mut line_at, at + len);
        ends_at(header_at) && ends_at(at - 2)
    }) && ends_at(line_at)
}

/// At most this many bytes of a bulk are not the argument's: its header, its end, the next header.
const BULK_LINES: usize = 64;

/// Appends a request in multibulk form.
pub fn encode<'a>(out: &mut Vec<u8>, args: impl ExactSizeIterator<Item = &'a [u8]>) {
    let mut digits = itoa::Buffer::new();
    let mut header = |out: &mut Vec<u8>, kind: u8, number: usize| {
        out.push(kind);
        out.extend_from_slice(digits.format(number).as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    header(out, b'*', args.len());
    for arg in args {
        // With the lines around it, for which a large one would have to be moved otherwise.
        out.reserve(arg.len() + BULK_LINES);
        header(out, b'$', arg.len());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

/// What the configuration and the session allow.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `proto-max-bulk-len`, bytes.
    pub bulk_max: i64,
    pub authenticated: bool,
}

impl Limits {
    #[inline]
    fn args_max(&self) -> i64 {
        if self.authenticated { i64::from(i32::MAX) } else { UNAUTHENTICATED_ARGS_MAX }
    }

    /// Longest bulk accepted from this client, bytes.
    #[inline]
    fn bulk_max_now(&self) -> u64 {
        let max = if self.authenticated { self.bulk_max } else { self.bulk_max.min(UNAUTHENTICATED_BULK_MAX) };
        max.max(0) as u64
    }

    #[cold]
    fn refused_count(&self, count: i64) -> ProtocolError {
        if count > i64::from(i32::MAX) { ProtocolError::InvalidCount } else { ProtocolError::UnauthenticatedCount }
    }

    #[cold]
    fn refused_bulk(&self, len: i64) -> ProtocolError {
        let invalid = len < 0 || len > self.bulk_max;
        if invalid { ProtocolError::InvalidBulkLength } else { ProtocolError::UnauthenticatedBulkLength }
    }
}

/// How the last request began: number of arguments and command name. Requests in a pipeline are mostly alike, and one that begins with the
/// same bytes has the same command, without parsing or looking it up again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prefix {
    bytes: u128,
    mask: u128,
    len: u8,
    argc: u8,
    name: Option<ArgRef>,
}

impl Prefix {
    /// Remembers the beginning of a multibulk frame with these arguments, if it is short enough (a name of up to seven bytes and up
    /// to nine arguments). Whether it did. Of the line end behind the name only the first byte counts, as everywhere in the parser.
    #[inline]
    pub fn learn(&mut self, frame: &[u8], args: &[ArgRef]) -> bool {
        let Some(&name) = args.first() else { return false };
        let len = (name.at as usize & !(OWNED as usize)) + name.len as usize + 2;
        if name.owned_index().is_some() || frame.first() != Some(&b'*') || len > 17 || args.len() > 9 {
            return false;
        }
        let Some(start) = frame.first_chunk::<16>() else { return false };
        self.mask = u128::MAX >> (128 - 8 * (len - 1));
        self.bytes = u128::from_le_bytes(*start) & self.mask;
        self.len = len as u8;
        self.argc = args.len() as u8;
        self.name = Some(name);
        true
    }

    /// Whether the frame begins like that: the length of the prefix, the number of arguments after the name, and the name.
    #[inline]
    pub fn matches(&self, frame: &[u8]) -> Option<(usize, usize, ArgRef)> {
        let (start, name) = (frame.first_chunk::<16>()?, self.name?);
        if u128::from_le_bytes(*start) & self.mask != self.bytes || frame.len() < usize::from(self.len) {
            return None;
        }
        Some((usize::from(self.len), usize::from(self.argc) - 1, name))
    }
}

/// A violation of the protocol: the connection gets `-ERR Protocol error: <this>` and is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    InlineTooBig,
    UnbalancedQuotes,
    CountTooBig,
    InvalidCount,
    UnauthenticatedCount,
    BulkHeaderTooBig,
    ExpectedBulk(u8),
    InvalidBulkLength,
    UnauthenticatedBulkLength,
}

impl ProtocolError {
    /// The error reply's text without the leading `-`.
    pub fn text(self) -> Vec<u8> {
        let detail: &[u8] = match self {
            ProtocolError::InlineTooBig => b"too big inline request",
            ProtocolError::UnbalancedQuotes => b"unbalanced quotes in request",
            ProtocolError::CountTooBig => b"too big mbulk count string",
            ProtocolError::InvalidCount => b"invalid multibulk length",
            ProtocolError::UnauthenticatedCount => b"unauthenticated multibulk length",
            ProtocolError::BulkHeaderTooBig => b"too big bulk count string",
            ProtocolError::ExpectedBulk(got) => {
                return [b"ERR Protocol error: expected '$', got '".as_slice(), &[got], b"'"].concat();
            }
            ProtocolError::InvalidBulkLength => b"invalid bulk length",
            ProtocolError::UnauthenticatedBulkLength => b"unauthenticated bulk length",
        };
        [b"ERR Protocol error: ".as_slice(), detail].concat()
    }
}

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A whole request: its arguments have been pushed (none for an empty line or `*0`); it took [`Parser::pos`] bytes.
    /// The caller calls [`Parser::reset`] before the next frame.
    Complete,
    /// More bytes are needed.
    Incomplete,
    /// At `pos` begins a bulk of `len >= BIG_BULK` bytes that is not all there: the caller receives it into a buffer of its
    /// own, pushes the argument, and calls [`Parser::bulk_received`].
    BigBulk { len: usize },
}

/// [`Parser::searched`] of an inline request with a NUL byte. Redis looks for the end of a C string's line: there is none, whatever
/// follows.
const ENDLESS: usize = usize::MAX;

/// The position inside one connection's current frame.
#[derive(Clone, Debug, Default)]
pub struct Parser {
    pos: usize,
    /// Arguments of the multibulk frame still to come.
    missing: u32,
    /// Length of the bulk whose header has been read and whose bytes are awaited.
    bulk_len: Option<usize>,
    /// Bytes of a header or inline request searched for their line end in vain; or [`ENDLESS`].
    searched: usize,
}

impl Parser {
    /// First byte of the frame not yet examined; after [`Progress::Complete`] the length of the frame.
    #[inline]
    pub fn pos(&self) -> usize {
        self.pos
    }

    /// Ready for a new frame.
    #[inline]
    pub fn reset(&mut self) {
        *self = Parser::default();
    }

    /// Skips the first `pos` bytes of a new frame, whose header and first argument the caller knows; `missing` arguments follow.
    #[inline]
    pub fn begin_at(&mut self, pos: usize, missing: usize) {
        debug_assert!(self.is_idle());
        self.pos = pos;
        self.missing = missing as u32;
    }

    /// Whether it stands between two frames.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.pos == 0 && self.missing == 0 && self.searched == 0
    }

    /// Arguments announced and not yet seen.
    pub fn missing(&self) -> usize {
        self.missing as usize
    }

    /// The caller took the big bulk at `pos` out of the frame: its bytes and the line end behind it are not part of what
    /// the parser will be shown.
    pub fn bulk_received(&mut self) {
        debug_assert!(self.bulk_len.is_some() && self.missing > 0);
        self.bulk_len = None;
        self.missing -= 1;
    }

    /// Continues on `frame`, all bytes of the current frame received so far (and whatever follows it). Pushes the arguments
    /// found onto `args`; words of an inline request that had quotes go to `owned`.
    ///
    /// # Errors
    /// A protocol violation; the connection can't go on after it.
    #[inline]
    pub fn parse(
        &mut self,
        frame: &[u8],
        args: &mut Vec<ArgRef>,
        owned: &mut Vec<Vec<u8>>,
        limits: &Limits,
    ) -> Result<Progress, ProtocolError> {
        let mut pos = self.pos;
        if self.missing == 0 && self.bulk_len.is_none() {
            match frame.first() {
                None => return Ok(Progress::Incomplete),
                Some(b'*') => {}
                Some(_) => return self.parse_inline(frame, args, owned),
            }
            // After a big bulk was the last argument, nothing is missing and the frame is not new.
            if pos > 0 {
                return Ok(Progress::Complete);
            }
            let (count, next) = match header(frame, 0, self.searched) {
                Header::Value(count, next) => (count, next),
                Header::Incomplete => {
                    self.searched = frame.len();
                    if frame.len() > INLINE_MAX {
                        return Err(ProtocolError::CountTooBig);
                    }
                    return Ok(Progress::Incomplete);
                }
                Header::Invalid => return Err(ProtocolError::InvalidCount),
            };
            if count > limits.args_max() {
                return Err(limits.refused_count(count));
            }
            self.searched = 0;
            pos = next;
            if count <= 0 {
                self.pos = pos;
                return Ok(Progress::Complete);
            }
            self.missing = count as u32;
        }
        let mut missing = self.missing;
        let bulk_max = limits.bulk_max_now();
        if self.bulk_len.is_none() {
            let mut rest = &frame[pos..];
            while let Some((len, body)) = short_bulk(rest)
                && body.len() >= len + 2
                && missing > 0
            {
                args.push(ArgRef::in_frame(frame.len() - body.len(), len));
                rest = &body[len + 2..];
                missing -= 1;
            }
            pos = frame.len() - rest.len();
            if missing == 0 {
                self.missing = 0;
                self.pos = pos;
                return Ok(Progress::Complete);
            }
        }
        let mut searched = std::mem::take(&mut self.searched);
        loop {
            let len = match self.bulk_len.take() {
                Some(len) => len,
                None => {
                    let Some(&first) = frame.get(pos) else {
                        self.missing = missing;
                        self.pos = pos;
                        return Ok(Progress::Incomplete);
                    };
                    let (len, next) = match header(frame, pos, searched) {
                        Header::Value(len, next) if first == b'$' => (len, next),
                        Header::Incomplete => {
                            self.missing = missing;
                            self.pos = pos;
                            self.searched = frame.len();
                            if frame.len() - pos > INLINE_MAX {
                                return Err(ProtocolError::BulkHeaderTooBig);
                            }
                            return Ok(Progress::Incomplete);
                        }
                        _ if first != b'$' => return Err(ProtocolError::ExpectedBulk(first)),
                        _ => return Err(ProtocolError::InvalidBulkLength),
                    };
                    if len as u64 > bulk_max {
                        return Err(limits.refused_bulk(len));
                    }
                    searched = 0;
                    pos = next;
                    len as usize
                }
            };
            if frame.len() - pos < len + 2 {
                self.missing = missing;
                self.pos = pos;
                self.bulk_len = Some(len);
                if len >= BIG_BULK {
                    return Ok(Progress::BigBulk { len });
                }
                return Ok(Progress::Incomplete);
            }
            args.push(ArgRef::in_frame(pos, len));
            pos += len + 2;
            missing -= 1;
            if missing == 0 {
                self.missing = 0;
                self.pos = pos;
                return Ok(Progress::Complete);
            }
        }
    }

    #[cold]
    fn parse_inline(
        &mut self,
        frame: &[u8],
        args: &mut Vec<ArgRef>,
        owned: &mut Vec<Vec<u8>>,
    ) -> Result<Progress, ProtocolError> {
        let newline = match frame.get(self.searched..).and_then(|rest| memchr2(b'\n', 0, rest)) {
            Some(found) if frame[self.searched + found] == b'\n' => self.searched + found,
            found => {
                if frame.len() > INLINE_MAX {
                    return Err(ProtocolError::InlineTooBig);
                }
                let is_endless = found.is_some() || self.searched == ENDLESS;
                self.searched = if is_endless { ENDLESS } else { frame.len() };
                return Ok(Progress::Incomplete);
            }
        };
        let line = &frame[..newline];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.pos = newline + 1;
        if memchr2(b'"', b'\'', line).is_none() {
            // No quotes: the words lie in the frame as they are.
            let mut at = 0;
            while at < line.len() {
                if is_space(line[at]) {
                    at += 1;
                    continue;
                }
                let end = line[at..].iter().position(|&b| ends_word(b)).map_or(line.len(), |n| at + n);
                args.push(ArgRef::in_frame(at, end - at));
                at = end;
            }
        } else {
            for word in split_words(line).ok_or(ProtocolError::UnbalancedQuotes)? {
                args.push(ArgRef::owned(owned.len()));
                owned.push(word);
            }
        }
        Ok(Progress::Complete)
    }
}

/// A bulk header of one or two digits, which no limit concerns: the length, and what follows the header.
#[inline(always)]
fn short_bulk(frame: &[u8]) -> Option<(usize, &[u8])> {
    match frame {
        [b'$', a @ b'0'..=b'9', b'\r', _, body @ ..] => Some((usize::from(a - b'0'), body)),
        [b'$', a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', _, body @ ..] => {
            Some((10 * usize::from(a - b'0') + usize::from(b - b'0'), body))
        }
        _ => None,
    }
}

/// The `missing` arguments from offset `at` of the frame on, if all of them are there and shorter than a hundred bytes: the offset behind
/// them. None, and nothing pushed: the parser has to look.
#[inline(always)]
pub fn short_args(frame: &[u8], at: usize, missing: usize, args: &mut Vec<ArgRef>) -> Option<usize> {
    let before = args.len();
    let mut rest = &frame[at..];
    for _ in 0..missing {
        match short_bulk(rest) {
            Some((len, body)) if body.len() >= len + 2 => {
                args.push(ArgRef::in_frame(frame.len() - body.len(), len));
                rest = &body[len + 2..];
            }
            _ => {
                args.truncate(before);
                return None;
            }
        }
    }
    Some(frame.len() - rest.len())
}

enum Header {
    /// The number, and the offset behind the line end.
    Value(i64, usize),
    Incomplete,
    Invalid,
}

/// Reads the number of a header line that begins (with its type byte) at `start`. `searched` bytes of the frame are known
/// to hold no line end.
#[inline(always)]
fn header(frame: &[u8], start: usize, searched: usize) -> Header {
    let digit = |byte: u8| i64::from(byte - b'0');
    // One, two or three digits is nearly every header there is.
    match &frame[start..] {
        [_, a @ b'0'..=b'9', b'\r', _, ..] => Header::Value(digit(*a), start + 4),
        [_, a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', _, ..] => Header::Value(10 * digit(*a) + digit(*b), start + 5),
        [_, a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b'\r', _, ..] => {
            Header::Value(100 * digit(*a) + 10 * digit(*b) + digit(*c), start + 6)
        }
        _ => header_slow(frame, start, searched),
    }
}

#[cold]
fn header_slow(frame: &[u8], start: usize, searched: usize) -> Header {
    let from = searched.saturating_sub(1).max(start);
    let Some(cr) = memchr(b'\r', &frame[from..]).map(|n| from + n) else {
        return Header::Incomplete;
    };
    if cr + 1 >= frame.len() {
        return Header::Incomplete;
    }
    // The carriage return may stand where the type byte should.
    match frame.get(start + 1..cr).and_then(crate::base::number::parse_i64) {
        Some(value) => Header::Value(value, cr + 2),
        None => Header::Invalid,
    }
}

/// What may stand before a word.
fn is_space(byte: u8) -> bool {
    ends_word(byte) || matches!(byte, 0x0b | 0x0c)
}

/// What ends a word without quotes: as in Redis not everything that may stand before the next one.
fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Splits a line into words as a shell would, with `"..."` (escapes `\n \r \t \b \a \xHH`) and `'...'` (escape `\'`): the
/// syntax of inline requests and of redis.conf. None: a quote is not closed, or something other than a space follows one.
pub fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        while let [first, tail @ ..] = rest
            && is_space(*first)
        {
            rest = tail;
        }
        // A C string ends at its NUL byte, so Redis ends the line there.
        if matches!(rest, [] | [0, ..]) {
            return Some(words);
        }
        let mut word = Vec::new();
        loop {
            match rest {
                [b'"', tail @ ..] => rest = double_quoted(tail, &mut word)?,
                [b'\'', tail @ ..] => rest = single_quoted(tail, &mut word)?,
                [] => break,
                [0, ..] => break,
                [first, tail @ ..] if !ends_word(*first) => {
                    word.push(*first);
                    rest = tail;
                    continue;
                }
                _ => break,
            }
            // A closing quote ends the word.
            break;
        }
        words.push(word);
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] => return None,
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |b: u8| (b as char).to_digit(16).map_or(0, |d| d as u8);
                word.push(digit(*high) << 4 | digit(*low));
                rest = tail;
            }
            [b'\\', escaped, tail @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                rest = tail;
            }
            [b'"', tail @ ..] => return closed(tail),
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
            }
        }
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] => return None,
            [b'\\', b'\'', tail @ ..] => {
                word.push(b'\'');
                rest = tail;
            }
            [b'\'', tail @ ..] => return closed(tail),
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
            }
        }
    }
}

/// Behind a closing quote must come a space or the end.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(|&b| is_space(b) || b == 0).then_some(rest)
}

#[cfg(test)]
mod tests;
