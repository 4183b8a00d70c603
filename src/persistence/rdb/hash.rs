//! Hashes, to bytes and from them.

use super::read::{CUT_OFF, DUPLICATE, EMPTY, Reader, has_twins};
use super::write::Out;
use super::ziplist::Pair;
use super::{elements, kind, write};
use crate::collections::Malformed;
use crate::collections::listpack::Listpack;
use crate::keyspace::{Context, Element, FIELD_DEADLINE_MAX_MS, Hash, NewValue, Ttl, Typed};

/// A field that has no deadline.
const NO_DEADLINE: u64 = 0;

/// Whether some field has a deadline.
pub(super) fn has_deadlines(hash: &Hash) -> bool {
    hash.next_deadline_ms().is_some()
}

/// With its type.
pub(super) fn save(out: &mut Out<'_>, hash: &Hash) {
    match (hash, hash.next_deadline_ms()) {
        (Hash::Pack(pack), _) => {
            out.kind(kind::HASH_LISTPACK);
            write::string(out, pack.as_bytes());
        }
        (Hash::TimedPack(pack), Some(first_ms)) if out.plain_hashes_at_ms.is_none() => {
            out.kind(kind::HASH_LISTPACK_EX);
            out.extend_from_slice(&first_ms.to_le_bytes());
            write::string(out, pack.as_bytes());
        }
        _ => {
            let due_ms = head(out, hash);
            let mut digits = itoa::Buffer::new();
            let living_at_ms = out.plain_hashes_at_ms.unwrap_or(i64::MIN);
            hash.for_each(living_at_ms, |field, value, deadline_ms| {
                elements::save(out, &Element::Field(field.bytes(&mut digits), value, deadline_ms), due_ms);
            });
        }
    }
}

/// What stands before the fields, if they come one by one. What their deadlines are counted from, where they are written.
pub(super) fn head(out: &mut Out<'_>, hash: &Hash) -> Option<i64> {
    match (hash.next_deadline_ms(), out.plain_hashes_at_ms) {
        (Some(_), Some(now_ms)) => {
            out.kind(kind::HASH);
            write::length(out, hash.living_len(now_ms) as u64);
            None
        }
        (Some(due_ms), None) => {
            out.kind(kind::HASH_METADATA);
            out.extend_from_slice(&due_ms.to_le_bytes());
            write::length(out, hash.len() as u64);
            Some(due_ms)
        }
        (None, _) => {
            out.kind(kind::HASH);
            write::length(out, hash.len() as u64);
            None
        }
    }
}

/// What stands before a field: its deadline, if such are written.
pub(super) fn deadline(out: &mut Out<'_>, due_ms: Option<i64>, deadline_ms: Option<i64>) {
    if let Some(due_ms) = due_ms {
        write::length(out, deadline_ms.map_or(NO_DEADLINE, |deadline_ms| (deadline_ms - due_ms) as u64 + 1));
    }
}

/// A hash that is going to have so many fields.
fn expecting(fields: usize, context: &Context<'_>) -> Hash {
    let mut hash = Hash::new();
    hash.prepare(fields, 0, 0, context);
    hash
}

fn add(hash: &mut Hash, field: &[u8], value: &[u8], ttl: Ttl, context: &Context<'_>) -> Result<(), Malformed> {
    if hash.set(field, NewValue::string(value), ttl, context) { Ok(()) } else { Err(DUPLICATE) }
}

pub(super) fn plain(reader: &mut Reader<'_>, context: &Context<'_>) -> Result<Hash, Malformed> {
    let mut digits = (itoa::Buffer::new(), itoa::Buffer::new());
    let count = reader.count()?;
    let mut hash = expecting(count, context);
    for _ in 0..count {
        let (field, value) = (reader.text()?, reader.text()?);
        add(&mut hash, field.bytes(&mut digits.0), value.bytes(&mut digits.1), Ttl::Clear, context)?;
    }
    Ok(hash)
}

pub(super) fn pairs(pairs: &[Pair<'_>], context: &Context<'_>) -> Result<Hash, Malformed> {
    if pairs.is_empty() {
        return Err(EMPTY);
    }
    let mut hash = expecting(pairs.len(), context);
    for (field, value) in pairs {
        add(&mut hash, field, value, Ttl::Clear, context)?;
    }
    Ok(hash)
}

/// How many elements a listpack of groups of `size` has for each; an error if there is none, or a part of one.
fn groups(pack: &Listpack, size: usize) -> Result<usize, Malformed> {
    match pack.len() {
        0 => Err(EMPTY),
        len if len % size != 0 => Err(Malformed("a hash with a part of a field")),
        len => Ok(len / size),
    }
}

pub(super) fn packed(pack: Listpack, context: &Context<'_>) -> Result<Hash, Malformed> {
    let fields = groups(&pack, 2)?;
    let max = context.settings.hash_max_listpack;
    let fits = fields <= max.entries && pack.iter().all(|element| element.text_len() <= max.value_bytes);
    if fits {
        let is_bad = has_twins(pack.pairs().map(|(field, _)| field), context);
        return if is_bad { Err(DUPLICATE) } else { Ok(Hash::Pack(pack)) };
    }
    let mut digits = (itoa::Buffer::new(), itoa::Buffer::new());
    let mut hash = expecting(fields, context);
    for (field, value) in pack.pairs() {
        add(&mut hash, field.text(&mut digits.0), value.text(&mut digits.1), Ttl::Clear, context)?;
    }
    Ok(hash)
}

fn ttl(deadline_ms: Option<i64>) -> Ttl {
    deadline_ms.map_or(Ttl::Clear, Ttl::At)
}

pub(super) fn with_deadlines(reader: &mut Reader<'_>, context: &Context<'_>) -> Result<Hash, Malformed> {
    let first_ms = i64::from_le_bytes(reader.chunk()?);
    let mut digits = (itoa::Buffer::new(), itoa::Buffer::new());
    let count = reader.count()?;
    let mut hash = expecting(count, context);
    for _ in 0..count {
        let deadline_ms = match reader.length()? {
            NO_DEADLINE => None,
            later => Some(later_than(first_ms, later - 1)?),
        };
        let (field, value) = (reader.text()?, reader.text()?);
        add(&mut hash, field.bytes(&mut digits.0), value.bytes(&mut digits.1), ttl(deadline_ms), context)?;
    }
    Ok(hash)
}

fn later_than(first_ms: i64, later_ms: u64) -> Result<i64, Malformed> {
    let deadline_ms = i64::try_from(later_ms).ok().and_then(|later_ms| first_ms.checked_add(later_ms));
    deadline_ms.filter(|deadline_ms| (1..=FIELD_DEADLINE_MAX_MS).contains(deadline_ms)).ok_or(NO_SUCH_TIME)
}

pub(super) fn packed_with_deadlines(reader: &mut Reader<'_>, context: &Context<'_>) -> Result<Hash, Malformed> {
    // The first deadline, which the listpack says too.
    reader.take(8)?;
    let pack = reader.pack()?;
    let mut digits = (itoa::Buffer::new(), itoa::Buffer::new());
    let mut hash = expecting(groups(&pack, 3)?, context);
    let mut elements = pack.iter();
    while let Some(field) = elements.next() {
        let (Some(value), Some(deadline)) = (elements.next(), elements.next()) else { return Err(CUT_OFF) };
        let deadline_ms = match deadline.as_i64() {
            Some(0) => None,
            Some(deadline_ms @ 1..=FIELD_DEADLINE_MAX_MS) => Some(deadline_ms),
            _ => return Err(NO_SUCH_TIME),
        };
        add(&mut hash, field.text(&mut digits.0), value.text(&mut digits.1), ttl(deadline_ms), context)?;
    }
    Ok(hash)
}

/// As Valkey writes it: what a field has as its deadline stands behind it, in full.
pub(super) fn with_times(reader: &mut Reader<'_>, context: &Context<'_>) -> Result<Hash, Malformed> {
    let mut digits = (itoa::Buffer::new(), itoa::Buffer::new());
    let count = reader.count()?;
    let mut hash = expecting(count, context);
    for _ in 0..count {
        let (field, value) = (reader.text()?, reader.text()?);
        let ttl = match i64::from_le_bytes(reader.chunk()?) {
            -1 => Ttl::Clear,
            // Valkey has deadlines that are later than any here, by thousands of years. That is no reason to refuse all the rest.
            deadline_ms @ 0.. => Ttl::At(deadline_ms.clamp(1, FIELD_DEADLINE_MAX_MS)),
            _ => return Err(NO_SUCH_TIME),
        };
        add(&mut hash, field.bytes(&mut digits.0), value.bytes(&mut digits.1), ttl, context)?;
    }
    Ok(hash)
}

const NO_SUCH_TIME: Malformed = Malformed("a deadline that there is not");
