//! Commands on strings as arrays of bits (<https://redis.io/docs/latest/commands/?group=bitmap>). Bit 0 is the highest of the first
//! byte.

mod bit;
mod bitfield;
mod bitop;
mod bits;
mod count;
mod field;
mod range;

use super::{Args, Command, CommandError};
use crate::base::number::parse_i64;

pub static COMMANDS: &[&Command] = &[
    &count::BITCOUNT,
    &bitfield::BITFIELD,
    &bitfield::BITFIELD_RO,
    &bitop::BITOP,
    &count::BITPOS,
    &bit::GETBIT,
    &bit::SETBIT,
];

/// The offset of a bit; with a width, `#3` is that of the fourth field so wide. No byte beyond `bulk_max` has bits.
fn bit_offset(args: &Args<'_>, index: usize, width: Option<u32>, bulk_max: usize) -> Result<u64, CommandError> {
    const NO_OFFSET: CommandError = CommandError::new("ERR bit offset is not an integer or out of range");
    let text = args.get(index);
    let offset = match (width, text.strip_prefix(b"#")) {
        // A product that is too large wraps, as in Redis.
        (Some(width), Some(number)) => parse_i64(number).map(|number| number.wrapping_mul(i64::from(width))),
        _ => parse_i64(text),
    };
    let offset = offset.and_then(|offset| u64::try_from(offset).ok()).ok_or(NO_OFFSET)?;
    if offset >> 3 >= bulk_max as u64 { Err(NO_OFFSET) } else { Ok(offset) }
}
