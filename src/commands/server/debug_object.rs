//! DEBUG OBJECT and HTSTATS: how values and tables are kept.

use crate::base::{log, number};
use crate::commands::{Args, CommandError, CommandResult};
use crate::keyspace::{Entry, ValueRef};
use crate::server::Engine;

/// The line that test harnesses pick `encoding`, `serializedlength` and `lru` out of.
pub(super) fn object(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let view = engine.keyspace.view(engine.clients[key].session.db);
    let entry = view.peek(view.key(args.get(2))).ok_or(CommandError::NO_SUCH_KEY)?;
    let line = format!(
        "Value at:{entry:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
        encoding(entry),
        serialized_bytes(entry),
        entry.lru(),
        view.idle_s(entry),
    );
    engine.reply(key).simple(&line);
    Ok(())
}

/// Longest string that Redis embeds.
const EMBSTR_MAX: usize = 44;

fn encoding(entry: &Entry) -> &'static str {
    match entry.value() {
        ValueRef::Int(_) => "int",
        ValueRef::Embedded(bytes) if bytes.len() <= EMBSTR_MAX => "embstr",
        ValueRef::Embedded(_) | ValueRef::Raw(_) => "raw",
        ValueRef::Object(object) => object.kind().name(),
    }
}

/// Length of the value in an RDB file that is not compressed.
fn serialized_bytes(entry: &Entry) -> usize {
    match entry.value() {
        ValueRef::Int(int) => number_bytes(int),
        ValueRef::Embedded(bytes) => string_bytes(bytes),
        ValueRef::Raw(bytes) => string_bytes(bytes),
        ValueRef::Object(_) => 0,
    }
}

/// Numbers of up to 32 bits have encodings of their own, others are written as digits.
fn number_bytes(int: i64) -> usize {
    if i8::try_from(int).is_ok() {
        2
    } else if i16::try_from(int).is_ok() {
        3
    } else if i32::try_from(int).is_ok() {
        5
    } else {
        1 + itoa::Buffer::new().format(int).len()
    }
}

fn string_bytes(bytes: &[u8]) -> usize {
    // Longest text of a 32-bit number.
    const NUMBER_MAX: usize = 11;
    if bytes.len() <= NUMBER_MAX
        && let Some(int) = number::parse_i64(bytes)
    {
        return number_bytes(int);
    }
    let header = match bytes.len() {
        0..64 => 1,
        64..16384 => 2,
        _ if u32::try_from(bytes.len()).is_ok() => 5,
        _ => 9,
    };
    header + bytes.len()
}

pub(super) fn htstats(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let index = args.int(2)?;
    if args.len() == 4 && !args.is(3, "FULL") {
        return Err(CommandError::SYNTAX);
    }
    let db = usize::try_from(index)
        .ok()
        .filter(|&db| db < engine.keyspace.databases())
        .ok_or(CommandError::new("ERR Out of range database"))?;
    let db = engine.keyspace.db(db);
    let (segments, buckets, records) = db.shape();
    let load = db.len() as f64 * 100.0 / buckets.max(1) as f64;
    let text = format!(
        "[Table]\n segments: {segments}\n buckets: {buckets}\n number of elements: {}\n load: {load:.2}%\n\
         [Expires wheel]\n number of elements: {}\n records: {records}\n\
         [Memory]\n bytes without entries: {}\n",
        db.len(),
        db.volatile_len(),
        db.overhead_bytes(),
    );
    engine.reply(key).verbatim("txt", text.as_bytes());
    Ok(())
}

/// The shape of the table of a large set, hash or sorted set.
pub(super) fn htstats_key(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let view = engine.keyspace.view(engine.clients[key].session.db);
    let entry = view.peek(view.key(args.get(2))).ok_or(CommandError::NO_SUCH_KEY)?;
    if args.len() == 4 && !args.is(3, "FULL") {
        return Err(CommandError::unknown_subcommand_or_arity("DEBUG", args.get(1)));
    }
    let shape = match entry.value() {
        ValueRef::Object(object) => object.table_shape().map(|shape| (shape, object.len())),
        _ => None,
    };
    let ((segments, buckets), len) = shape
        .ok_or(CommandError::new("ERR The value stored at the specified key is not represented using an hash table"))?;
    let load = len as f64 * 100.0 / buckets.max(1) as f64;
    let text = format!(
        "Hash table 0 stats (main hash table):\n table size: {buckets}\n segments: {segments}\n number of elements: {len}\n load: {load:.2}%\n"
    );
    engine.reply(key).verbatim("txt", text.as_bytes());
    Ok(())
}

/// As in Redis the structure is not for the client but for whoever reads what the server prints.
pub(super) fn listpack(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let view = engine.keyspace.view(engine.clients[key].session.db);
    let entry = view.peek(view.key(args.get(2))).ok_or(CommandError::NO_SUCH_KEY)?;
    let ValueRef::Object(object) = entry.value() else { return Err(NOT_A_LISTPACK) };
    if !object.encoding().starts_with("listpack") {
        return Err(NOT_A_LISTPACK);
    }
    log::notice(format_args!(
        "{{{} with {} elements, {} bytes}}",
        object.encoding(),
        object.len(),
        object.memory_bytes(0)
    ));
    engine.reply(key).simple("Listpack structure printed on stdout");
    Ok(())
}

const NOT_A_LISTPACK: CommandError = CommandError::new("ERR Not a listpack encoded object.");

#[cfg(test)]
mod tests {
    use super::string_bytes;

    #[test]
    fn serialized_lengths() {
        let cases: [(&[u8], usize); 9] = [
            (b"", 1),
            (b"1", 2),
            (b"-129", 3),
            (b"32768", 5),
            (b"2147483648", 11),
            (b"value:1", 8),
            (b"01", 3),
            (&[b'a'; 63], 64),
            (&[b'a'; 64], 66),
        ];
        for (bytes, expected) in cases {
            assert_eq!(string_bytes(bytes), expected, "{bytes:?}");
        }
    }
}
