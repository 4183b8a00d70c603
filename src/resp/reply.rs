//! The reply encoder: RESP2 and RESP3 text into whatever the caller gives it. Pure: it owns no bytes and does no I/O.
//!
//! Every method appends one reply (or the header of an aggregate, whose elements follow). Which protocol version to speak
//! is the caller's: a null is `$-1` to one client and `_` to another.
//!
//! Cost: a short bulk is one bounds check and two copies.
//!
//! The protocol: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use std::sync::Arc;

use crate::base::number;
use crate::base::sink::Sink;

/// RESP version of a client; HELLO changes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Version {
    #[default]
    Resp2,
    Resp3,
}

/// From this size a value that is already shared is sent from where it is.
const SHARE_MIN: usize = 16 * 1024;
/// A bulk of up to so many bytes is copied as one word; with what is around it, it has at most so many.
const SHORT_BULK: usize = 8;
const SHORT_BULK_FRAME: usize = b"$8\r\n".len() + SHORT_BULK + b"\r\n".len();
/// Type byte, 20 digits, CR LF; and the CR LF behind a bulk.
const HEADER_MAX: usize = 1 + 20 + 2 + 2;

/// Copies a slice to one of the same length. Up to sixteen bytes without a call: values are mostly short, and memcpy's call costs as
/// much as the rest of a short bulk.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) {
    let len = from.len();
    assert_eq!(to.len(), len);
    if let (Some(head), Some(tail), true) = (from.first_chunk::<8>(), from.last_chunk::<8>(), len <= 16) {
        to[..8].copy_from_slice(head);
        to[len - 8..].copy_from_slice(tail);
    } else if let (Some(head), Some(tail), true) = (from.first_chunk::<4>(), from.last_chunk::<4>(), len < 8) {
        to[..4].copy_from_slice(head);
        to[len - 4..].copy_from_slice(tail);
    } else if len < 4 {
        for (to, from) in to.iter_mut().zip(from) {
            *to = *from;
        }
    } else {
        to.copy_from_slice(from);
    }
}

/// Up to eight bytes, the first of them lowest.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*head)) | u64::from(u32::from_le_bytes(*tail)) << (8 * (len - 4));
    }
    match *bytes {
        [] => 0,
        [a] => u64::from(a),
        [a, b] => u64::from(a) | u64::from(b) << 8,
        [a, b, c, ..] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
    }
}

/// Appends replies in one protocol version to a sink.
pub struct Encoder<'a, S: Sink> {
    out: &'a mut S,
    version: Version,
}

impl<'a, S: Sink> Encoder<'a, S> {
    #[inline]
    pub fn new(out: &'a mut S, version: Version) -> Self {
        Encoder { out, version }
    }

    #[inline]
    pub fn version(&self) -> Version {
        self.version
    }

    #[inline]
    pub fn is_resp3(&self) -> bool {
        self.version == Version::Resp3
    }

    /// Bytes that are RESP already.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.put(bytes);
    }

    #[inline]
    pub fn ok(&mut self) {
        self.out.put(b"+OK\r\n");
    }

    /// A simple string; `text` has no line ends.
    #[inline]
    pub fn simple(&mut self, text: &str) {
        debug_assert!(!text.contains(['\r', '\n']));
        let Some(window) = self.out.window(text.len() + 3) else {
            self.out.put(b"+");
            self.out.put(text.as_bytes());
            return self.out.put(b"\r\n");
        };
        window[0] = b'+';
        copy(&mut window[1..=text.len()], text.as_bytes());
        window[text.len() + 1..].copy_from_slice(b"\r\n");
        self.out.commit(text.len() + 3);
    }

    /// An error; `text` begins with its code (`ERR`, `WRONGTYPE`). Line ends in it become spaces, as in Redis.
    #[cold]
    pub fn error(&mut self, text: &[u8]) {
        self.out.put(b"-");
        if text.iter().any(|b| matches!(b, b'\r' | b'\n')) {
            let line: Vec<u8> = text.iter().map(|&b| if matches!(b, b'\r' | b'\n') { b' ' } else { b }).collect();
            self.out.put(&line);
        } else {
            self.out.put(text);
        }
        self.out.put(b"\r\n");
    }

    #[inline]
    pub fn int(&mut self, value: i64) {
        if (0..10).contains(&value) {
            self.out.put(&[b':', b'0' + value as u8, b'\r', b'\n']);
        } else {
            self.header(b':', value);
        }
    }

    /// A count: lengths of collections always fit an i64.
    #[inline]
    pub fn len(&mut self, value: usize) {
        self.int(value as i64);
    }

    /// Short ones are written where the call stands: the call would cost as much as the writing.
    #[inline(always)]
    pub fn bulk(&mut self, bytes: &[u8]) {
        let len = bytes.len();
        if len <= SHORT_BULK
            && let Some(window) =
                self.out.window(SHORT_BULK_FRAME).and_then(|w| w.first_chunk_mut::<SHORT_BULK_FRAME>())
        {
            window[..4].copy_from_slice(&[b'$', b'0' + len as u8, b'\r', b'\n']);
            window[4..12].copy_from_slice(&word(bytes).to_le_bytes());
            window[4 + len..6 + len].copy_from_slice(b"\r\n");
            return self.out.commit(len + 6);
        }
        self.long_bulk(bytes);
    }

    #[inline(never)]
    fn long_bulk(&mut self, bytes: &[u8]) {
        let len = bytes.len();
        let Some(window) = self.out.window(len + HEADER_MAX) else {
            return self.bulk_in_pieces(bytes);
        };
        window[0] = b'$';
        let mut at = 1 + number::write_u64(&mut window[1..], len as u64);
        window[at..at + 2].copy_from_slice(b"\r\n");
        at += 2;
        copy(&mut window[at..at + len], bytes);
        at += len;
        window[at..at + 2].copy_from_slice(b"\r\n");
        self.out.commit(at + 2);
    }

    #[cold]
    fn bulk_in_pieces(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len() as i64);
        self.out.put(bytes);
        self.out.put(b"\r\n");
    }

    /// A bulk whose bytes stay alive in the keyspace: large ones are sent without a copy.
    pub fn bulk_shared(&mut self, bytes: &Arc<Vec<u8>>) {
        if bytes.len() < SHARE_MIN {
            return self.bulk(bytes);
        }
        self.header(b'$', bytes.len() as i64);
        self.out.put_shared(bytes);
        self.out.put(b"\r\n");
    }

    pub fn bulk_str(&mut self, text: &str) {
        self.bulk(text.as_bytes());
    }

    /// An integer as a bulk: GET of a counter.
    #[inline]
    pub fn bulk_int(&mut self, value: i64) {
        let mut digits = itoa::Buffer::new();
        self.bulk(digits.format(value).as_bytes());
    }

    /// No value: `$-1` or `_`.
    #[inline]
    pub fn null(&mut self) {
        match self.version {
            Version::Resp2 => self.out.put(b"$-1\r\n"),
            Version::Resp3 => self.out.put(b"_\r\n"),
        }
    }

    /// No array: `*-1` or `_`.
    pub fn null_array(&mut self) {
        match self.version {
            Version::Resp2 => self.out.put(b"*-1\r\n"),
            Version::Resp3 => self.out.put(b"_\r\n"),
        }
    }

    /// Header of an array; `len` replies follow.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len as i64);
    }

    /// Header of a map; `len` pairs follow. An array of twice the length in RESP2.
    pub fn map(&mut self, len: usize) {
        match self.version {
            Version::Resp2 => self.header(b'*', 2 * len as i64),
            Version::Resp3 => self.header(b'%', len as i64),
        }
    }

    /// Header of a set; `len` replies follow. An array in RESP2.
    pub fn set(&mut self, len: usize) {
        match self.version {
            Version::Resp2 => self.header(b'*', len as i64),
            Version::Resp3 => self.header(b'~', len as i64),
        }
    }

    /// Header of an out-of-band message; `len` replies follow. An array in RESP2.
    pub fn push(&mut self, len: usize) {
        match self.version {
            Version::Resp2 => self.header(b'*', len as i64),
            Version::Resp3 => self.header(b'>', len as i64),
        }
    }

    /// A floating-point number: a bulk in RESP2, `,` in RESP3; printed as Redis prints it.
    pub fn double(&mut self, value: f64) {
        if let Some(int) = number::integral(value)
            && (int != 0 || value.is_sign_positive())
        {
            return match self.version {
                Version::Resp2 => self.bulk_int(int),
                Version::Resp3 => self.header(b',', int),
            };
        }
        let text = number::DoubleText::new(value);
        match self.version {
            Version::Resp2 => self.bulk(text.as_bytes()),
            Version::Resp3 => {
                self.out.put(b",");
                self.out.put(text.as_bytes());
                self.out.put(b"\r\n");
            }
        }
    }

    /// An integer of any size, in decimal digits: a bulk in RESP2.
    pub fn big_number(&mut self, digits: &str) {
        if !self.is_resp3() {
            return self.bulk(digits.as_bytes());
        }
        self.out.put(b"(");
        self.out.put(digits.as_bytes());
        self.out.put(b"\r\n");
    }

    /// Header of what is said about the reply behind it, in RESP3 only; `len` pairs follow.
    pub fn attribute(&mut self, len: usize) {
        debug_assert!(self.is_resp3(), "RESP2 has no attributes");
        self.out.put(format!("|{len}\r\n").as_bytes());
    }

    /// `#t` / `#f`, or 1 / 0.
    pub fn bool(&mut self, value: bool) {
        match (self.version, value) {
            (Version::Resp2, true) => self.out.put(b":1\r\n"),
            (Version::Resp2, false) => self.out.put(b":0\r\n"),
            (Version::Resp3, true) => self.out.put(b"#t\r\n"),
            (Version::Resp3, false) => self.out.put(b"#f\r\n"),
        }
    }

    /// Text for people, with a three-letter format (`txt`, `mkd`): a bulk in RESP2.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        debug_assert_eq!(format.len(), 3);
        match self.version {
            Version::Resp2 => self.bulk(text),
            Version::Resp3 => {
                self.header(b'=', text.len() as i64 + 4);
                self.out.put(format.as_bytes());
                self.out.put(b":");
                self.out.put(text);
                self.out.put(b"\r\n");
            }
        }
    }

    /// An array of simple strings: the HELP of a container command.
    pub fn simples(&mut self, lines: &[&str]) {
        self.array(lines.len());
        for line in lines {
            self.simple(line);
        }
    }

    /// An array of bulks.
    pub fn bulks<B: AsRef<[u8]>>(&mut self, items: &[B]) {
        self.array(items.len());
        for item in items {
            self.bulk(item.as_ref());
        }
    }

    #[inline]
    fn header(&mut self, kind: u8, value: i64) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(value).as_bytes();
        let mut line = [0; HEADER_MAX];
        line[0] = kind;
        line[1..=digits.len()].copy_from_slice(digits);
        line[digits.len() + 1..][..2].copy_from_slice(b"\r\n");
        self.out.put(&line[..digits.len() + 3]);
    }
}

#[cfg(test)]
mod tests {
    //! The encoder into a sink with windows of every size, against one that only appends.

    use super::{Encoder, Version};
    use crate::base::sink::Sink;

    /// Gives windows as long as there is room.
    struct Windows {
        bytes: Vec<u8>,
        used: usize,
    }

    impl Sink for Windows {
        fn window(&mut self, len: usize) -> Option<&mut [u8]> {
            self.bytes.get_mut(self.used..self.used + len)
        }

        fn commit(&mut self, len: usize) {
            self.used += len;
        }

        fn put(&mut self, bytes: &[u8]) {
            self.bytes.truncate(self.used);
            self.bytes.extend_from_slice(bytes);
            self.used += bytes.len();
        }
    }

    #[test]
    fn bulks_are_the_same_with_and_without_a_window() {
        let mut sent = Vec::new();
        for len in 0..300 {
            let text: Vec<u8> = (0..len).map(|n| b'a' + (n % 26) as u8).collect();
            let expected = [format!("${len}\r\n").as_bytes(), &text, b"\r\n"].concat();
            for room in (0..60).chain([len + 24, len + 25, len + 26, 1000]) {
                let mut windows = Windows { bytes: vec![b'?'; room], used: 0 };
                Encoder::new(&mut windows, Version::Resp2).bulk(&text);
                assert_eq!(windows.bytes[..windows.used], expected, "{len} bytes, room for {room}");
            }
            sent.clear();
            Encoder::new(&mut sent, Version::Resp2).bulk(&text);
            assert_eq!(sent, expected);
        }
    }
}
