//! What the commands with `FIELDS numfields field ...` share: reading it, and the deadlines that fields can have.

use std::ops::Range;

use crate::base::number;
use crate::commands::time_unit::TimeUnit;
use crate::commands::{Arg, Args, CommandError};
use crate::keyspace::{FIELD_DEADLINE_MAX_MS, Writer};

/// `FIELDS numfields field [field ...]`
pub(super) const FIELDS: Arg =
    Arg::block("fields", &[Arg::integer("numfields"), Arg::string("field").multiple()]).token("FIELDS");

pub(super) const NOT_POSITIVE: CommandError = CommandError::new("ERR Number of fields must be a positive integer");
const MISSING: CommandError =
    CommandError::new("ERR Mandatory argument FIELDS is missing or not at the right position");
const MISMATCH: CommandError = CommandError::new("ERR The `numfields` parameter must match the number of arguments");

/// The arguments that are the fields, of a call that has FIELDS at `index`. `bad_count`: what it says of a number that is none.
pub(super) fn read(args: &Args<'_>, index: usize, bad_count: CommandError) -> Result<Range<usize>, CommandError> {
    if index + 1 >= args.len() || !args.is(index, "FIELDS") {
        return Err(MISSING);
    }
    let count = number::parse_i64(args.get(index + 1)).filter(|&count| count > 0).ok_or(bad_count)?;
    let first = index + 2;
    if usize::try_from(count).ok() != Some(args.len() - first) {
        return Err(MISMATCH);
    }
    Ok(first..args.len())
}

/// The moment that argument `index` of `command` means, Unix milliseconds; it may have passed.
///
/// # Errors
/// Not an integer; negative; later than a field can have (`invalid expire time`).
pub(super) fn deadline_ms(
    unit: TimeUnit,
    args: &Args<'_>,
    index: usize,
    now_ms: i64,
    command: &str,
) -> Result<i64, CommandError> {
    let number = args.int(index)?;
    if number < 0 {
        return Err(CommandError::new("ERR invalid expire time, must be >= 0"));
    }
    unit.moment_ms(number, now_ms)
        .filter(|&deadline_ms| deadline_ms <= FIELD_DEADLINE_MAX_MS)
        .ok_or_else(|| CommandError::invalid_expire(command))
}

/// Names, for the journal, that fields have got this deadline, or (None) have been removed because it has passed.
pub(super) fn propagate_deadline(db: &mut Writer<'_>, key: &[u8], deadline_ms: Option<i64>, fields: &[&[u8]]) {
    let (mut deadline, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let mut command: Vec<&[u8]> = match deadline_ms {
        Some(deadline_ms) => vec![
            b"HPEXPIREAT",
            key,
            deadline.format(deadline_ms).as_bytes(),
            b"FIELDS",
            count.format(fields.len()).as_bytes(),
        ],
        None => vec![b"HDEL", key],
    };
    command.extend_from_slice(fields);
    db.propagate(&command);
}
