//! Runs of bits in bytes: counting, searching, combining. Pure.
//!
//! Cost: whole words, in loops that the compiler makes wide.

#[cfg(test)]
mod tests;

/// A bit; beyond the end all are clear.
pub(super) fn bit(bytes: &[u8], offset: u64) -> bool {
    let byte = usize::try_from(offset >> 3).ok().and_then(|at| bytes.get(at));
    byte.is_some_and(|byte| byte & 0x80 >> (offset & 7) != 0)
}

/// How many bits are set.
pub(super) fn count(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let ones = |sum: u64, word: &[u8; 8]| sum + u64::from(u64::from_ne_bytes(*word).count_ones());
    words.iter().fold(0, ones) + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// How many bits are set from `first` to `last`, which are both inside.
pub(super) fn count_between(bytes: &[u8], first: u64, last: u64) -> u64 {
    let (from, to) = ((first >> 3) as usize, (last >> 3) as usize);
    let before = bytes[from] & !(0xff >> (first & 7));
    let behind = bytes[to] & !(!0 << (7 - (last & 7)));
    count(&bytes[from..=to]) - u64::from(before.count_ones()) - u64::from(behind.count_ones())
}

/// The first bit that is `on`.
fn position(bytes: &[u8], on: bool) -> Option<u64> {
    let none: u8 = if on { 0 } else { 0xff };
    let (words, rest) = bytes.as_chunks::<8>();
    let plain = [none; 8];
    let at = match words.iter().position(|word| *word != plain) {
        Some(word) => word * 8,
        None => bytes.len() - rest.len(),
    };
    let at = at + bytes[at..].iter().position(|&byte| byte != none)?;
    let different = bytes[at] ^ none;
    Some(at as u64 * 8 + u64::from(different.leading_zeros()))
}

/// The first bit that is `on` from `first` to `last`, which are both inside.
pub(super) fn position_between(bytes: &[u8], on: bool, first: u64, last: u64) -> Option<u64> {
    let (mut from, to) = ((first >> 3) as usize, (last >> 3) as usize);
    // The first byte may have others before the range.
    if first & 7 != 0 {
        for offset in first..=last.min(first | 7) {
            if bit(bytes, offset) == on {
                return Some(offset);
            }
        }
        from += 1;
    }
    if from > to {
        return None;
    }
    position(&bytes[from..=to], on).map(|found| found + from as u64 * 8).filter(|&found| found <= last)
}

/// What BITOP makes of its sources, bit by bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    And,
    Or,
    Xor,
    Not,
    /// In the first and in no other.
    Diff,
    /// In another and not in the first.
    Diff1,
    /// In the first and in another.
    AndOr,
    /// In exactly one.
    One,
}

/// The combination of `sources`, as long as the longest; beyond its end a source has clear bits.
pub(super) fn combine(operation: Operation, sources: &[&[u8]]) -> Vec<u8> {
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    let of_first = || {
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(first);
        bytes.resize(len, 0);
        bytes
    };
    match operation {
        Operation::Not => {
            let mut result = of_first();
            result.iter_mut().for_each(|byte| *byte = !*byte);
            result
        }
        Operation::And => {
            let mut result = of_first();
            for source in others {
                let (common, beyond) = result.split_at_mut(source.len());
                and(common, source);
                beyond.fill(0);
            }
            result
        }
        Operation::Or => {
            let mut result = of_first();
            others.iter().for_each(|source| or(&mut result, source));
            result
        }
        Operation::Xor => {
            let mut result = of_first();
            for source in others {
                result.iter_mut().zip(*source).for_each(|(byte, other)| *byte ^= other);
            }
            result
        }
        Operation::Diff | Operation::Diff1 | Operation::AndOr => {
            let mut result = vec![0; len];
            others.iter().for_each(|source| or(&mut result, source));
            let (common, beyond) = result.split_at_mut(first.len());
            match operation {
                Operation::Diff => {
                    common.iter_mut().zip(*first).for_each(|(byte, first)| *byte = first & !*byte);
                    beyond.fill(0);
                }
                Operation::Diff1 => common.iter_mut().zip(*first).for_each(|(byte, first)| *byte &= !first),
                _ => {
                    and(common, first);
                    beyond.fill(0);
                }
            }
            result
        }
        Operation::One => {
            let mut once = of_first();
            let mut again = vec![0; len];
            for source in others {
                for ((once, again), byte) in once.iter_mut().zip(&mut again).zip(*source) {
                    *again |= *once & byte;
                    *once |= byte;
                }
            }
            once.iter_mut().zip(&again).for_each(|(once, again)| *once &= !again);
            once
        }
    }
}

fn and(result: &mut [u8], source: &[u8]) {
    result.iter_mut().zip(source).for_each(|(byte, other)| *byte &= other);
}

fn or(result: &mut [u8], source: &[u8]) {
    result.iter_mut().zip(source).for_each(|(byte, other)| *byte |= other);
}
