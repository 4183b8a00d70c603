//! The compact forms of older servers, read only: the ziplist (until 7.0) and the zipmap (until 2.6).
//!
//! ```text
//!   ziplist:  bytes u32 | tail u32 | count u16 | entries | ff        entry:  length of the one before (1, or fe and 4) | encoding | data
//!   zipmap:   count u8 | length, key, length, free u8, value, free bytes | ff          length:  1, or fe and 4
//! ```

use crate::collections::Malformed;
use crate::collections::listpack::{Listpack, ListpackValue, READ_MAX};

const HEADER: usize = 10;
const END: u8 = 0xff;
/// A length of four bytes follows.
const LONG: u8 = 0xfe;

const BROKEN: Malformed = Malformed("a ziplist is broken");
const BROKEN_MAP: Malformed = Malformed("a zipmap is broken");

/// The elements of a ziplist as a listpack.
pub(super) fn to_listpack(bytes: &[u8]) -> Result<Listpack, Malformed> {
    let total = bytes.first_chunk::<4>().map(|total| u32::from_le_bytes(*total) as usize);
    if total != Some(bytes.len()) || bytes.len() <= HEADER {
        return Err(BROKEN);
    }
    if bytes.len() > READ_MAX {
        return Err(Malformed("ziplist of 4 GB or more"));
    }
    let count = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let mut pack = Listpack::with_capacity(bytes.len());
    let mut rest = &bytes[HEADER..];
    let mut before = 0;
    while let [first, tail @ ..] = rest {
        if *first == END {
            let counted = count == usize::from(u16::MAX) || count == pack.len();
            return if tail.is_empty() && counted { Ok(pack) } else { Err(BROKEN) };
        }
        let (before_said, tail) = if *first == LONG {
            let (len, tail) = tail.split_first_chunk::<4>().ok_or(BROKEN)?;
            (u32::from_le_bytes(*len) as usize, tail)
        } else {
            (usize::from(*first), tail)
        };
        if before_said != before {
            return Err(BROKEN);
        }
        let (value, tail) = entry(tail).ok_or(BROKEN)?;
        pack.append(value);
        before = rest.len() - tail.len();
        rest = tail;
    }
    Err(BROKEN)
}

/// The entry behind the length of the one before, and what follows it.
fn entry(bytes: &[u8]) -> Option<(ListpackValue<'_>, &[u8])> {
    let (&encoding, rest) = bytes.split_first()?;
    let text = |len: usize, rest: &'_ [u8]| rest.len() >= len;
    let (len, rest) = match encoding >> 6 {
        0 => (usize::from(encoding), rest),
        1 => {
            let (&low, rest) = rest.split_first()?;
            (usize::from(encoding & 0x3f) << 8 | usize::from(low), rest)
        }
        2 => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            (u32::from_be_bytes(*len) as usize, rest)
        }
        _ => return int(encoding, rest),
    };
    if !text(len, rest) {
        return None;
    }
    let (value, rest) = rest.split_at(len);
    Some((ListpackValue::Bytes(value), rest))
}

fn int(encoding: u8, rest: &[u8]) -> Option<(ListpackValue<'_>, &[u8])> {
    let (value, rest) = match encoding {
        0xc0 => rest.split_first_chunk::<2>().map(|(b, rest)| (i64::from(i16::from_le_bytes(*b)), rest))?,
        0xd0 => rest.split_first_chunk::<4>().map(|(b, rest)| (i64::from(i32::from_le_bytes(*b)), rest))?,
        0xe0 => rest.split_first_chunk::<8>().map(|(b, rest)| (i64::from_le_bytes(*b), rest))?,
        0xf0 => {
            let (b, rest) = rest.split_first_chunk::<3>()?;
            (i64::from(i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8), rest)
        }
        0xfe => rest.split_first_chunk::<1>().map(|(b, rest)| (i64::from(b[0] as i8), rest))?,
        0xf1..=0xfd => (i64::from(encoding & 0xf) - 1, rest),
        _ => return None,
    };
    Some((ListpackValue::Int(value), rest))
}

/// A field and its value.
pub(super) type Pair<'a> = (&'a [u8], &'a [u8]);

/// The fields and values of a zipmap.
pub(super) fn zipmap(bytes: &[u8]) -> Result<Vec<Pair<'_>>, Malformed> {
    let mut pairs = Vec::new();
    let mut rest = bytes.get(1..).ok_or(BROKEN_MAP)?;
    while rest != [END] {
        let (key_len, tail) = zipmap_len(rest).ok_or(BROKEN_MAP)?;
        let (key, tail) = tail.split_at_checked(key_len).ok_or(BROKEN_MAP)?;
        let (value_len, tail) = zipmap_len(tail).ok_or(BROKEN_MAP)?;
        let (&free, tail) = tail.split_first().ok_or(BROKEN_MAP)?;
        let (value, tail) = tail.split_at_checked(value_len).ok_or(BROKEN_MAP)?;
        rest = tail.get(usize::from(free)..).ok_or(BROKEN_MAP)?;
        pairs.push((key, value));
    }
    let count = usize::from(bytes[0]);
    if count < usize::from(LONG) && count != pairs.len() { Err(BROKEN_MAP) } else { Ok(pairs) }
}

fn zipmap_len(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes.first()? {
        LONG => bytes[1..].split_first_chunk::<4>().map(|(len, rest)| (u32::from_le_bytes(*len) as usize, rest)),
        END => None,
        len => Some((usize::from(len), &bytes[1..])),
    }
}
