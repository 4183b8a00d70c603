//! One entry of a listpack: how a value becomes bytes and back. Knows nothing of the pack around it.
//!
//! ```text
//!   first byte                                  value
//!   0vvvvvvv                                    0..=127
//!   110vvvvv vvvvvvvv                           -4096..=4095           (high bits first)
//!   11110001, ..10, ..11, 11110100   + bytes    2, 3, 4, 8 bytes of integer, little endian
//!   10llllll                         + bytes    up to 63 bytes
//!   1110llll llllllll                + bytes    up to 4,095 bytes      (high bits first)
//!   11110000, 4 bytes of length      + bytes    the rest               (little endian)
//!   11111111                                    the end of the pack
//! ```
//!
//! Behind that stands the backlen: the size of the entry without it, in base 128, the least digit *last*. All digits but the first
//! have the high bit set, so it is read from its end towards the front, which is what walking backwards needs.
//!
//! Invariant: nothing here trusts its input; a size that reaches beyond the slice is None. So what walks a pack through these
//! functions cannot leave it, whatever its bytes.

use crate::base::number::parse_i64;
use crate::collections::thin_bytes::ThinBytes;

/// Ends a pack.
pub(super) const END: u8 = 0xFF;

const INT_7_END: u8 = 0x80;
const STR_6: u8 = 0x80;
const INT_13: u8 = 0xC0;
const STR_12: u8 = 0xE0;
const STR_32: u8 = 0xF0;
const INT_16: u8 = 0xF1;
const INT_24: u8 = 0xF2;
const INT_32: u8 = 0xF3;
const INT_64: u8 = 0xF4;

/// An element: a string that is the canonical text of an `i64` is kept as that integer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListpackValue<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

impl<'a> From<&'a [u8]> for ListpackValue<'a> {
    #[inline]
    fn from(bytes: &'a [u8]) -> Self {
        ListpackValue::Bytes(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for ListpackValue<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        ListpackValue::Bytes(bytes)
    }
}

impl From<i64> for ListpackValue<'_> {
    #[inline]
    fn from(value: i64) -> Self {
        ListpackValue::Int(value)
    }
}

impl<'a> ListpackValue<'a> {
    /// Whether the element is the string `text`.
    #[inline]
    pub fn is(self, text: &[u8]) -> bool {
        match self {
            ListpackValue::Bytes(bytes) => bytes == text,
            ListpackValue::Int(value) => parse_i64(text) == Some(value),
        }
    }

    /// The element's text; `digits` is where that of an integer is put.
    #[inline]
    pub fn text<'b>(self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            ListpackValue::Bytes(bytes) => bytes,
            ListpackValue::Int(value) => digits.format(value).as_bytes(),
        }
    }

    /// Length of the element's text, bytes.
    #[inline]
    pub fn text_len(self) -> usize {
        match self {
            ListpackValue::Bytes(bytes) => bytes.len(),
            ListpackValue::Int(value) => {
                let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
                digits as usize + usize::from(value < 0)
            }
        }
    }

    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut itoa::Buffer::new()).to_vec()
    }

    /// The integer that the element's text is.
    #[inline]
    pub fn as_i64(self) -> Option<i64> {
        match self {
            ListpackValue::Bytes(bytes) => parse_i64(bytes),
            ListpackValue::Int(value) => Some(value),
        }
    }
}

/// A string that many elements are compared with: read as an integer once, not once an element.
#[derive(Clone, Copy, Debug)]
pub struct Needle<'a> {
    text: &'a [u8],
    int: Option<i64>,
}

impl<'a> Needle<'a> {
    #[inline]
    pub fn new(text: &'a [u8]) -> Needle<'a> {
        Needle { text, int: parse_i64(text) }
    }

    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Whether the element is this string.
    #[inline]
    pub fn is(&self, value: ListpackValue<'_>) -> bool {
        match value {
            ListpackValue::Bytes(bytes) => self.is_bytes(bytes),
            ListpackValue::Int(value) => self.int == Some(value),
        }
    }

    #[inline]
    fn is_bytes(&self, bytes: &[u8]) -> bool {
        // Fields of one hash are often equally long and differ in their last byte: that saves the call.
        bytes.len() == self.text.len() && bytes.last() == self.text.last() && bytes == self.text
    }

    /// Whether the entry at the front of `rest` is this string, and the size of that entry with its backlen.
    #[inline]
    pub(super) fn is_entry(&self, rest: &[u8]) -> Option<(bool, usize)> {
        let first = *rest.first()?;
        if first < INT_7_END {
            return Some((self.int == Some(i64::from(first)), 2));
        }
        if first < INT_13 {
            let len = usize::from(first - STR_6);
            let is_text = len == self.text.len() && self.is_bytes(rest.get(1..1 + len)?);
            return Some((is_text, len + 2));
        }
        let (value, size) = decode(rest)?;
        Some((self.is(value), size + backlen_len(size)))
    }
}

/// Whether the entry at the front of `rest` is as [`Encoded::new`] makes it.
pub(super) fn is_canonical(rest: &[u8]) -> bool {
    match decode(rest) {
        Some((ListpackValue::Int(value), size)) => size == encode_int(value).1,
        Some((ListpackValue::Bytes(bytes), size)) => {
            size == encode_len(bytes.len()).1 + bytes.len() && parse_i64(bytes).is_none()
        }
        None => false,
    }
}

/// Size of the entry at the front of `rest`, without its backlen. None: the end of the pack, or not an entry.
#[inline]
pub(super) fn size(rest: &[u8]) -> Option<usize> {
    let first = *rest.first()?;
    Some(match first {
        0..INT_7_END => 1,
        STR_6..INT_13 => 1 + usize::from(first - STR_6),
        INT_13..STR_12 => 2,
        STR_12..STR_32 => 2 + (usize::from(first - STR_12) << 8 | usize::from(*rest.get(1)?)),
        STR_32 => 5 + u32::from_le_bytes(*rest.get(1..)?.first_chunk()?) as usize,
        INT_16 => 3,
        INT_24 => 4,
        INT_32 => 5,
        INT_64 => 9,
        _ => return None,
    })
}

/// Size of the entry at the front of `rest`, with its backlen.
#[inline]
pub(super) fn step(rest: &[u8]) -> Option<usize> {
    // Most entries: a walk is as fast as it knows where the next one begins.
    let first = *rest.first()?;
    if first < INT_7_END {
        return Some(2);
    }
    if first < INT_13 {
        return Some(usize::from(first - STR_6) + 2);
    }
    let size = size(rest)?;
    Some(size + backlen_len(size))
}

/// The entry at the front of `rest`, and its size without the backlen.
#[inline(always)]
pub(super) fn decode(rest: &[u8]) -> Option<(ListpackValue<'_>, usize)> {
    // Most entries, without asking twice what kind they are.
    match *rest.first()? {
        first @ STR_6..INT_13 => {
            let size = 1 + usize::from(first - STR_6);
            Some((ListpackValue::Bytes(rest.get(1..size)?), size))
        }
        first @ ..INT_7_END => Some((ListpackValue::Int(i64::from(first)), 1)),
        _ => decode_long(rest),
    }
}

/// The same of one whose first byte is not all that says what it is.
#[inline(never)]
fn decode_long(rest: &[u8]) -> Option<(ListpackValue<'_>, usize)> {
    let size = size(rest)?;
    let (&first, rest) = rest.get(..size)?.split_first()?;
    let value = match first {
        INT_13..STR_12 => {
            // The 13 bits at the top of an i16, so that shifting them down again brings the sign along.
            let bits = u16::from(first) << 11 | u16::from(*rest.first()?) << 3;
            ListpackValue::Int(i64::from(bits as i16 >> 3))
        }
        STR_12..STR_32 => ListpackValue::Bytes(rest.get(1..)?),
        STR_32 => ListpackValue::Bytes(rest.get(4..)?),
        INT_16 => ListpackValue::Int(i64::from(i16::from_le_bytes(*rest.first_chunk()?))),
        INT_24 => {
            let [a, b, c] = *rest.first_chunk()?;
            ListpackValue::Int(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8))
        }
        INT_32 => ListpackValue::Int(i64::from(i32::from_le_bytes(*rest.first_chunk()?))),
        INT_64 => ListpackValue::Int(i64::from_le_bytes(*rest.first_chunk()?)),
        _ => return None,
    };
    Some((value, size))
}

/// Sizes from here on take one more byte of backlen. The upper ones are one less than what base 128 could hold: that is what
/// Redis writes, and what it expects.
const BACKLEN_STEPS: [usize; 4] = [128, (1 << 14) - 1, (1 << 21) - 1, (1 << 28) - 1];
const BACKLEN_MAX: usize = BACKLEN_STEPS.len() + 1;

/// Bytes of the backlen behind an entry of `size` bytes.
#[inline]
pub(super) fn backlen_len(size: usize) -> usize {
    if size < BACKLEN_STEPS[0] { 1 } else { 1 + BACKLEN_STEPS.iter().filter(|&&step| size >= step).count() }
}

/// Writes the backlen of an entry of `size` bytes; `out` is as long as that is.
#[inline]
fn write_backlen(out: &mut [u8], size: usize) {
    if let [only] = out {
        *only = size as u8;
        return;
    }
    let mut rest = size;
    for byte in out.iter_mut().rev() {
        *byte = (rest & 0x7F) as u8 | 0x80;
        rest >>= 7;
    }
    if let Some(first) = out.first_mut() {
        *first &= 0x7F;
    }
}

/// The backlen that ends `before`: what it says, and how many bytes it takes.
#[inline]
pub(super) fn read_backlen(before: &[u8]) -> Option<(usize, usize)> {
    let last = *before.last()?;
    if last < 0x80 {
        return Some((usize::from(last), 1));
    }
    let mut size = 0;
    for (digit, &byte) in before.iter().rev().take(BACKLEN_MAX).enumerate() {
        size |= usize::from(byte & 0x7F) << (7 * digit);
        if byte & 0x80 == 0 {
            return Some((size, digit + 1));
        }
    }
    None
}

/// Whether `backlen` is exactly the backlen of an entry of `size` bytes.
#[inline]
pub(super) fn is_backlen(backlen: &[u8], size: usize) -> bool {
    if let [only] = backlen {
        return usize::from(*only) == size;
    }
    let mut expected = [0; BACKLEN_MAX];
    let Some(expected) = expected.get_mut(..backlen.len()) else { return false };
    write_backlen(expected, size);
    expected == backlen
}

/// A value on its way into a pack.
pub(super) struct Encoded<'a> {
    head: [u8; 9],
    head_len: usize,
    body: &'a [u8],
    backlen_len: usize,
}

impl<'a> Encoded<'a> {
    /// The smallest encoding of `value`.
    #[inline]
    pub fn new(value: ListpackValue<'a>) -> Encoded<'a> {
        let (head, head_len, body) = match value {
            ListpackValue::Int(value) => {
                let (head, head_len) = encode_int(value);
                (head, head_len, &[][..])
            }
            ListpackValue::Bytes(bytes) => match parse_i64(bytes) {
                Some(value) => {
                    let (head, head_len) = encode_int(value);
                    (head, head_len, &[][..])
                }
                None => {
                    let (head, head_len) = encode_len(bytes.len());
                    (head, head_len, bytes)
                }
            },
        };
        Encoded { head, head_len, body, backlen_len: backlen_len(head_len + body.len()) }
    }

    /// Size with the backlen, bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.head_len + self.body.len() + self.backlen_len
    }

    /// Adds the entry to the end of `out`.
    #[inline]
    pub fn extend(&self, out: &mut ThinBytes) {
        if self.head_len == 1 {
            out.push(self.head[0]);
        } else {
            out.extend_from_slice(&self.head[..self.head_len]);
        }
        out.extend_from_slice(self.body);
        let size = self.head_len + self.body.len();
        if self.backlen_len == 1 {
            out.push(size as u8);
        } else {
            let mut backlen = [0; BACKLEN_MAX];
            let backlen = &mut backlen[..self.backlen_len];
            write_backlen(backlen, size);
            out.extend_from_slice(backlen);
        }
    }

    /// The entry's bytes, with the backlen.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len()];
        self.write(&mut bytes);
        bytes
    }

    /// Fills `out`, which is [`Encoded::len`] bytes long.
    #[inline]
    pub fn write(&self, out: &mut [u8]) {
        let size = self.head_len + self.body.len();
        let (entry, backlen) = out.split_at_mut(size);
        let (head, body) = entry.split_at_mut(self.head_len);
        if let [only] = head {
            *only = self.head[0];
        } else {
            head.copy_from_slice(&self.head[..self.head_len]);
        }
        body.copy_from_slice(self.body);
        write_backlen(backlen, size);
    }
}

#[inline]
fn encode_int(value: i64) -> ([u8; 9], usize) {
    let mut head = [0; 9];
    if let Ok(value @ 0..INT_7_END) = u8::try_from(value) {
        head[0] = value;
        return (head, 1);
    }
    let bytes = value.to_le_bytes();
    let (kind, len) = match value {
        -0x1000..0x1000 => {
            head[0] = INT_13 | (value >> 8) as u8 & 0x1F;
            head[1] = value as u8;
            return (head, 2);
        }
        -0x8000..0x8000 => (INT_16, 2),
        -0x80_0000..0x80_0000 => (INT_24, 3),
        -0x8000_0000..0x8000_0000 => (INT_32, 4),
        _ => (INT_64, 8),
    };
    head[0] = kind;
    head[1..].copy_from_slice(&bytes);
    (head, 1 + len)
}

#[inline]
fn encode_len(len: usize) -> ([u8; 9], usize) {
    let mut head = [0; 9];
    if len < 1 << 6 {
        head[0] = STR_6 | len as u8;
        return (head, 1);
    }
    if len < 1 << 12 {
        head[0] = STR_12 | (len >> 8) as u8;
        head[1] = len as u8;
        return (head, 2);
    }
    head[0] = STR_32;
    // A pack is at most 4 GB and refuses what would make it larger, so a longer length never gets written.
    head[1..5].copy_from_slice(&(len as u32).to_le_bytes());
    (head, 5)
}
