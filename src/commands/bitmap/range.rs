//! The part of a string that BITCOUNT and BITPOS look at.

use crate::commands::{Args, CommandError};

/// From `start` to `end`, both included; negative: counted from the end. In bytes or bits.
pub(super) struct Range {
    start: i64,
    /// None: to the end.
    end: Option<i64>,
    in_bits: bool,
}

/// The unit, if the argument is there.
fn in_bits(args: &Args<'_>, index: usize) -> Result<bool, CommandError> {
    match args.try_get(index) {
        None => Ok(false),
        Some(unit) if unit.eq_ignore_ascii_case(b"BIT") => Ok(true),
        Some(unit) if unit.eq_ignore_ascii_case(b"BYTE") => Ok(false),
        Some(_) => Err(CommandError::SYNTAX),
    }
}

impl Range {
    /// BITCOUNT's `start end [unit]`, from argument `index` on.
    pub fn read(args: &Args<'_>, index: usize) -> Result<Range, CommandError> {
        if args.len() < index + 2 || args.len() > index + 3 {
            return Err(CommandError::SYNTAX);
        }
        let (start, end) = (args.int(index)?, args.int(index + 1)?);
        Ok(Range { start, end: Some(end), in_bits: in_bits(args, index + 2)? })
    }

    /// BITPOS's `start [end [unit]]`, from argument `index` on.
    pub fn read_open(args: &Args<'_>, index: usize) -> Result<Range, CommandError> {
        if args.len() > index + 3 {
            return Err(CommandError::SYNTAX);
        }
        let start = args.int(index)?;
        let in_bits = in_bits(args, index + 2)?;
        let end = if args.len() > index + 1 { Some(args.int(index + 1)?) } else { None };
        Ok(Range { start, end, in_bits })
    }

    pub fn has_end(&self) -> bool {
        self.end.is_some()
    }

    /// Whether both ends are counted from the end and in the wrong order, so that nothing lies between in a string of any length.
    pub fn is_reversed(&self) -> bool {
        self.start < 0 && self.end.is_some_and(|end| end < 0 && self.start > end)
    }

    /// The first and the last bit, of a string of `len` bytes; None: no bit.
    pub fn bits(&self, len: usize) -> Option<(u64, u64)> {
        let total = if self.in_bits { len as i64 * 8 } else { len as i64 };
        let clamp = |index: i64| if index < 0 { (index + total).max(0) } else { index };
        let (start, end) = (clamp(self.start), clamp(self.end.unwrap_or(total - 1)).min(total - 1));
        if start > end {
            return None;
        }
        let (start, end) = (start as u64, end as u64);
        if self.in_bits { Some((start, end)) } else { Some((start * 8, end * 8 + 7)) }
    }
}
