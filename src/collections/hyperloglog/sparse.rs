//! The runs of a sparse HyperLogLog. How they are split and joined is visible in the string, so it is done as Redis does it.

use super::{Corrupted, HEADER_BYTES, REGISTERS};

/// Registers in a ZERO, at most.
const ZERO_LEN_MAX: usize = 64;
/// Registers in a VAL, at most.
const VALUE_LEN_MAX: usize = 4;
/// Highest value in a VAL.
const VALUE_MAX: u8 = 32;
/// Runs that are looked at for joining after a change, from the one before it on.
const JOIN_RUNS: usize = 5;

/// One or two bytes, and the registers that they stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Run {
    Zero(usize),
    LongZero(usize),
    Value { value: u8, len: usize },
}

impl Run {
    /// The first run; None: it is cut short, or there is none.
    #[inline]
    fn first(bytes: &[u8]) -> Option<Run> {
        let byte = *bytes.first()?;
        Some(match byte >> 6 {
            0 => Run::Zero(usize::from(byte) + 1),
            1 => Run::LongZero((usize::from(byte & 0x3f) << 8 | usize::from(*bytes.get(1)?)) + 1),
            _ => Run::Value { value: (byte >> 2 & 0x1f) + 1, len: usize::from(byte & 3) + 1 },
        })
    }

    /// Registers.
    #[inline]
    pub(super) fn len(self) -> usize {
        match self {
            Run::Zero(len) | Run::LongZero(len) | Run::Value { len, .. } => len,
        }
    }

    #[inline]
    pub(super) fn value(self) -> u8 {
        match self {
            Run::Zero(_) | Run::LongZero(_) => 0,
            Run::Value { value, .. } => value,
        }
    }

    /// Bytes.
    #[inline]
    fn size(self) -> usize {
        if matches!(self, Run::LongZero(_)) { 2 } else { 1 }
    }
}

fn value_byte(value: u8, len: usize) -> u8 {
    0x80 | (value - 1) << 2 | (len - 1) as u8
}

/// Appends a run of zeros in its shortest form; nothing for no registers.
pub(super) fn push_zeros(out: &mut impl Extend<u8>, len: usize) {
    match len.checked_sub(1) {
        None => {}
        Some(less) if len <= ZERO_LEN_MAX => out.extend([less as u8]),
        Some(less) => out.extend([0x40 | (less >> 8) as u8, less as u8]),
    }
}

/// Shows every run with its first register.
pub(super) fn each_run(mut runs: &[u8], mut see: impl FnMut(usize, Run)) -> Result<(), Corrupted> {
    let mut first = 0;
    while !runs.is_empty() {
        let run = Run::first(runs).ok_or(Corrupted)?;
        if first + run.len() > REGISTERS {
            return Err(Corrupted);
        }
        see(first, run);
        first += run.len();
        runs = &runs[run.size()..];
    }
    if first == REGISTERS { Ok(()) } else { Err(Corrupted) }
}

pub(super) enum Raised {
    Changed,
    Kept,
    /// Only a dense string can hold it.
    TooLarge,
}

/// Raises a register to `rank` if it is lower.
pub(super) fn raise(
    string: &mut Vec<u8>,
    index: usize,
    rank: u8,
    sparse_max_bytes: usize,
) -> Result<Raised, Corrupted> {
    if rank > VALUE_MAX {
        return Ok(Raised::TooLarge);
    }
    let (mut at, mut before, mut first) = (HEADER_BYTES, HEADER_BYTES, 0);
    let run = loop {
        let run = string.get(at..).and_then(Run::first).ok_or(Corrupted)?;
        if index < first + run.len() {
            break run;
        }
        before = at;
        at += run.size();
        first += run.len();
    };
    if run.value() >= rank {
        return Ok(Raised::Kept);
    }
    if run.len() == 1 && run.size() == 1 {
        string[at] = value_byte(rank, 1);
    } else {
        // The register comes out of the middle of its run.
        let mut split: smallvec::SmallVec<[u8; 8]> = smallvec::SmallVec::new();
        let (left, right) = (index - first, first + run.len() - 1 - index);
        let rest = |split: &mut smallvec::SmallVec<[u8; 8]>, len: usize| match run {
            Run::Value { value, .. } if len > 0 => split.push(value_byte(value, len)),
            Run::Value { .. } => {}
            Run::Zero(_) | Run::LongZero(_) => push_zeros(split, len),
        };
        rest(&mut split, left);
        split.push(value_byte(rank, 1));
        rest(&mut split, right);
        if split.len() > run.size() && string.len() + split.len() - run.size() > sparse_max_bytes {
            return Ok(Raised::TooLarge);
        }
        string.splice(at..at + run.size(), split);
    }
    join(string, before);
    Ok(Raised::Changed)
}

/// Joins neighbouring VALs of one value, among the few runs from `at` on.
fn join(string: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_RUNS {
        let Some(run) = string.get(at..).and_then(Run::first) else { return };
        let next = string.get(at + run.size()..).and_then(Run::first);
        if let (Run::Value { value, len }, Some(Run::Value { value: next_value, len: next_len })) = (run, next)
            && value == next_value
            && len + next_len <= VALUE_LEN_MAX
        {
            string[at + 1] = value_byte(value, len + next_len);
            string.remove(at);
            continue;
        }
        at += run.size();
    }
}
