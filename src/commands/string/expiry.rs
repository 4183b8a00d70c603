//! The expiry options that SET, GETEX, MSETEX and INCREX share: EX, PX, EXAT, PXAT, KEEPTTL and PERSIST.

use crate::commands::time_unit::TimeUnit;
use crate::commands::{Arg, ArgKind, Args, CommandError};
use crate::keyspace::Ttl;

/// The moment that argument `index` of `command` means, Unix milliseconds; it may have passed if it was given as such.
///
/// # Errors
/// Not an integer; not positive, or more milliseconds than there are (`invalid expire time`).
pub(super) fn deadline_ms(
    unit: TimeUnit,
    args: &Args<'_>,
    index: usize,
    now_ms: i64,
    command: &str,
) -> Result<i64, CommandError> {
    let number = args.int(index)?;
    let moment_ms = if number <= 0 { None } else { unit.moment_ms(number, now_ms) };
    moment_ms.ok_or_else(|| CommandError::invalid_expire(command))
}

/// The expiry option of a call, of which there may be one.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Expiry {
    #[default]
    None,
    /// EX and the like, and which argument the number is.
    At(TimeUnit, usize),
    /// KEEPTTL.
    Keep,
    /// PERSIST.
    Persist,
}

/// Whether an option may be repeated, its last value counting. Redis's older commands allow it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    Allowed,
    Forbidden,
}

impl Expiry {
    /// Reads the option at `index`, if it is one of EX, PX, EXAT, PXAT and `word` (KEEPTTL or PERSIST, by the command). The index
    /// behind it, or None if it is another option.
    ///
    /// # Errors
    /// A syntax error if it contradicts an earlier one or lacks its number.
    pub(super) fn read(
        &mut self,
        args: &Args<'_>,
        index: usize,
        word: (&str, Expiry),
        repeat: Repeat,
    ) -> Result<Option<usize>, CommandError> {
        let (read, next) = if args.is(index, word.0) {
            (word.1, index + 1)
        } else if let Some(unit) = TimeUnit::of_word(args.get(index)) {
            if index + 1 >= args.len() {
                return Err(CommandError::SYNTAX);
            }
            (Expiry::At(unit, index + 1), index + 2)
        } else {
            return Ok(None);
        };
        let repeats = match (*self, read) {
            (Expiry::At(earlier, _), Expiry::At(unit, _)) => earlier == unit,
            (earlier, read) => earlier == read,
        };
        if *self != Expiry::None && !(repeats && repeat == Repeat::Allowed) {
            return Err(CommandError::SYNTAX);
        }
        *self = read;
        Ok(Some(next))
    }

    /// What becomes of the deadline; `default` if no option says so.
    ///
    /// # Errors
    /// As [`deadline_ms`].
    pub(super) fn ttl(self, args: &Args<'_>, default: Ttl, now_ms: i64, command: &str) -> Result<Ttl, CommandError> {
        match self {
            Expiry::None => Ok(default),
            Expiry::Keep => Ok(Ttl::Keep),
            Expiry::Persist => Ok(Ttl::Clear),
            Expiry::At(unit, index) => Ok(Ttl::At(deadline_ms(unit, args, index, now_ms, command)?)),
        }
    }
}

/// `EX seconds`
pub(super) const EX: Arg = Arg::integer("seconds").token("EX");
/// `PX milliseconds`
pub(super) const PX: Arg = Arg::integer("milliseconds").token("PX");
/// `EXAT unix-time-seconds`
pub(super) const EXAT: Arg = Arg::new("unix-time-seconds", ArgKind::UnixTime).token("EXAT");
/// `PXAT unix-time-milliseconds`
pub(super) const PXAT: Arg = Arg::new("unix-time-milliseconds", ArgKind::UnixTime).token("PXAT");
/// `KEEPTTL`
pub(super) const KEEPTTL: Arg = Arg::word("keepttl", "KEEPTTL");
/// `PERSIST`
pub(super) const PERSIST: Arg = Arg::word("persist", "PERSIST");
