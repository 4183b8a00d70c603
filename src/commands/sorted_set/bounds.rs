//! The ends of ranges: `5`, `(5`, `-inf` by score; `[a`, `(a`, `-`, `+` by member.

use crate::base::number;
use crate::collections::btree::{LexBound, ScoreBound};
use crate::commands::CommandError;

pub(super) fn score_bounds(min: &[u8], max: &[u8]) -> Result<(ScoreBound, ScoreBound), CommandError> {
    const ERROR: CommandError = CommandError::new("ERR min or max is not a float");
    Ok((score_bound(min).ok_or(ERROR)?, score_bound(max).ok_or(ERROR)?))
}

fn score_bound(text: &[u8]) -> Option<ScoreBound> {
    let (exclusive, number) = match text {
        [b'(', number @ ..] => (true, number),
        number => (false, number),
    };
    Some(ScoreBound { score: loose_f64(number)?, exclusive })
}

/// A double as C's `strtod` reads a whole string: spaces in front, nothing at all (0), and what is too large or too small.
fn loose_f64(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t'..=b'\r'))?;
    let number = &text[start..];
    number::parse_f64(number).or_else(|| {
        let far = number.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
        if far { str::from_utf8(number).ok()?.parse().ok() } else { None }
    })
}

pub(super) fn lex_bounds<'a>(min: &'a [u8], max: &'a [u8]) -> Result<(LexBound<'a>, LexBound<'a>), CommandError> {
    const ERROR: CommandError = CommandError::new("ERR min or max not valid string range item");
    Ok((lex_bound(min).ok_or(ERROR)?, lex_bound(max).ok_or(ERROR)?))
}

fn lex_bound(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        b"-" => Some(LexBound::Min),
        b"+" => Some(LexBound::Max),
        [b'[', member @ ..] => Some(LexBound::Inclusive(member)),
        [b'(', member @ ..] => Some(LexBound::Exclusive(member)),
        _ => None,
    }
}

/// The ranks from `start` to `stop` (both inclusive, negative: from the end) in a set of `len` members; empty where there are none.
pub(super) fn ranks(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let len = len as i64;
    let from_front = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let start = from_front(start).max(0);
    let end = from_front(stop).min(len - 1) + 1;
    if start >= end { 0..0 } else { start as usize..end as usize }
}

#[cfg(test)]
mod tests {
    use super::{loose_f64, ranks};

    #[test]
    fn bounds_are_read_loosely() {
        let good = [
            ("", 0.0),
            ("1", 1.0),
            (" 1", 1.0),
            ("\t\n-1.5", -1.5),
            ("1e400", f64::INFINITY),
            ("-1e400", f64::NEG_INFINITY),
            ("1e-400", 0.0),
            ("inf", f64::INFINITY),
            ("0x10", 16.0),
            ("1\0abc", 1.0),
        ];
        for (text, value) in good {
            assert_eq!(loose_f64(text.as_bytes()), Some(value), "{text:?}");
        }
        for text in [" ", "1 ", "nan", "abc", "1abc", "(1", "e", "--1"] {
            assert_eq!(loose_f64(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn ranks_are_clipped() {
        for (start, stop, len, expected) in [
            (0, -1, 3, 0..3),
            (-2, -1, 3, 1..3),
            (-100, 100, 3, 0..3),
            (2, 1, 3, 0..0),
            (3, 5, 3, 0..0),
            (i64::MIN, i64::MIN, 3, 0..0),
            (i64::MIN, i64::MAX, 3, 0..3),
            (0, -4, 3, 0..0),
        ] {
            assert_eq!(ranks(start, stop, len), expected, "{start} {stop}");
        }
    }
}
