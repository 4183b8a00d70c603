//! Commands on strings that count distinct elements (<https://redis.io/docs/latest/commands/?group=hyperloglog>).

mod debug;
mod pfadd;
mod pfcount;
mod pfmerge;

use super::{Command, CommandError};
use crate::collections::hyperloglog::{self, Corrupted, Encoding};
use crate::keyspace::{Event, StringBytes, View};

pub static COMMANDS: &[&Command] =
    &[&pfadd::PFADD, &pfcount::PFCOUNT, &debug::PFDEBUG, &pfmerge::PFMERGE, &debug::PFSELFTEST];

/// Of PFADD and PFMERGE.
const ADDED: Event = Event::string("pfadd");
const NOT_ONE: CommandError = CommandError::new("WRONGTYPE Key is not a valid HyperLogLog string value.");
const CORRUPTED: CommandError = CommandError::new("INVALIDOBJ Corrupted HLL object detected");

impl From<Corrupted> for CommandError {
    fn from(_: Corrupted) -> CommandError {
        CORRUPTED
    }
}

fn check(value: &[u8]) -> Result<Encoding, CommandError> {
    hyperloglog::check(value).ok_or(NOT_ONE)
}

/// The value of a key, which is a HyperLogLog if it is there.
fn value_of<'a>(view: &View<'a>, key: &[u8]) -> Result<Option<(StringBytes<'a>, Encoding)>, CommandError> {
    let Some(mut value) = view.string(view.key(key)).map_err(|_| CommandError::WRONG_TYPE)? else { return Ok(None) };
    let encoding = check(value.as_bytes())?;
    Ok(Some((value, encoding)))
}
