//! A hash as a value: a listpack while it is small, a table from then on (`hash-max-listpack-entries`, `hash-max-listpack-value`).
//!
//! Fields may have deadlines. A small hash that has been asked for one has them in its listpack, behind each value; in a table they
//! are those of the entries, and an index knows which is next. Encodings only change upwards, as in Redis.
//!
//! A field whose deadline has passed is not there for any reader; [`Hash::len`] counts it until it is removed, as HLEN does.
//! Whoever changes a value looks at [`Typed::next_deadline_ms`] before and after, so that the keyspace knows when to come back.
//!
//! Cost: a table finds a field with one hash and one comparison; a new field is one allocation, overwriting one by a value of the
//! same size none.

mod random;
mod timed;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::db::same;
use super::entry::{ByKey, Displaced};
use super::{Context, Entry, Kind, NewValue, Object, Ttl, Typed, Value, ValueRef};
use crate::base::hash::KeyHasher;
use crate::collections::listpack::{Listpack, ListpackValue};
use crate::collections::segmented_table::SegmentedTable;
use crate::keyspace::set::entries_bytes;
use timed::NO_DEADLINE;

/// The latest deadline that a field can have, Unix milliseconds: Redis keeps them in 46 bits.
pub const FIELD_DEADLINE_MAX_MS: i64 = (1 << 46) - 1;

/// Fields with values.
pub enum Hash {
    /// Field, value, field, value, in the order in which they came.
    Pack(Listpack),
    /// Field, value, deadline, in the order of the deadlines; those without one are last.
    TimedPack(Listpack),
    Table(Box<Fields>),
}

/// The fields of a large hash.
#[derive(Default)]
pub struct Fields {
    /// The fields are the keys of entries, which have the deadlines too.
    table: SegmentedTable<Entry>,
    /// Deadline and hash of each field that has one. Without any it allocates nothing.
    deadlines: BTreeSet<(i64, u64)>,
}

/// The bytes of a field or a value, however they are kept.
#[derive(Clone, Copy, Debug)]
pub enum FieldText<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    Shared(&'a Arc<Vec<u8>>),
}

impl<'a> FieldText<'a> {
    pub(super) fn of_entry(entry: &'a Entry) -> FieldText<'a> {
        match entry.value() {
            ValueRef::Int(int) => FieldText::Int(int),
            ValueRef::Embedded(bytes) => FieldText::Bytes(bytes),
            ValueRef::Raw(bytes) => FieldText::Shared(bytes),
            ValueRef::Object(_) => unreachable!("the values of fields are strings"),
        }
    }

    /// The bytes; `digits` is where those of an integer are put.
    pub fn bytes<'b>(self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            FieldText::Int(int) => digits.format(int).as_bytes(),
            FieldText::Bytes(bytes) => bytes,
            FieldText::Shared(bytes) => bytes,
        }
    }

    /// Length, bytes.
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(self) -> usize {
        match self {
            FieldText::Int(int) => ListpackValue::Int(int).text_len(),
            FieldText::Bytes(bytes) => bytes.len(),
            FieldText::Shared(bytes) => bytes.len(),
        }
    }
}

impl<'a> From<ListpackValue<'a>> for FieldText<'a> {
    #[inline]
    fn from(value: ListpackValue<'a>) -> FieldText<'a> {
        match value {
            ListpackValue::Int(int) => FieldText::Int(int),
            ListpackValue::Bytes(bytes) => FieldText::Bytes(bytes),
        }
    }
}

/// A new value as an element of a listpack.
fn packed<'v>(value: &'v NewValue<'_>) -> ListpackValue<'v> {
    match value {
        NewValue::Int(int) => ListpackValue::Int(*int),
        NewValue::Embedded(bytes) => ListpackValue::Bytes(bytes),
        NewValue::Raw(bytes) => ListpackValue::Bytes(bytes),
        NewValue::Object(_) => unreachable!("the values of fields are strings"),
    }
}

/// An element of a listpack as the value of an entry.
fn unpacked(value: ListpackValue<'_>) -> NewValue<'_> {
    match value {
        ListpackValue::Int(int) => NewValue::Int(int),
        ListpackValue::Bytes(bytes) => NewValue::string(bytes),
    }
}

impl Fields {
    #[inline]
    fn find(&self, field: &[u8], context: &Context<'_>) -> Option<&Entry> {
        let entry = self.table.find(context.hasher.hash(field), |entry| same(entry.key(), field))?;
        (!entry.is_expired(context.now_ms)).then_some(entry)
    }

    /// Adds a field that is not there.
    #[inline]
    fn insert(&mut self, field: &[u8], value: NewValue<'_>, deadline_ms: Option<i64>, hasher: &KeyHasher) {
        let hash = hasher.hash(field);
        self.reindex(hash, None, deadline_ms);
        let entry = Entry::new(field, value, deadline_ms, 0);
        self.table.insert_unique(hash, entry, ByKey(hasher));
    }

    #[inline]
    fn set(&mut self, field: &[u8], value: NewValue<'_>, ttl: Ttl, context: &Context<'_>) -> bool {
        let hasher = context.hasher;
        let hash = hasher.hash(field);
        let Some(entry) = self.table.find_mut(hash, |entry| same(entry.key(), field)) else {
            let deadline_ms = if let Ttl::At(deadline_ms) = ttl { Some(deadline_ms) } else { None };
            context.adding(hash, field);
            self.reindex(hash, None, deadline_ms);
            let entry = Entry::new(field, value, deadline_ms, 0);
            self.table.insert_unique(hash, entry, ByKey(hasher));
            return true;
        };
        context.changing(hash, entry);
        let old = entry.deadline_ms();
        let expired = entry.is_expired(context.now_ms);
        context.discarded.take_in(entry.set_value(value));
        let new = match ttl {
            Ttl::Clear => None,
            Ttl::Keep => old.filter(|_| !expired),
            Ttl::At(deadline_ms) => Some(deadline_ms),
        };
        if new != old {
            entry.set_deadline_ms(new);
            self.reindex(hash, old, new);
        }
        expired
    }

    fn remove(&mut self, field: &[u8], context: &Context<'_>) -> bool {
        let hasher = context.hasher;
        let hash = hasher.hash(field);
        let removed = self.table.remove(hash, |entry| same(entry.key(), field), ByKey(hasher));
        let Some(entry) = removed else { return false };
        self.reindex(hash, entry.deadline_ms(), None);
        let was_there = !entry.is_expired(context.now_ms);
        if let Some(entry) = context.removed(hash, entry) {
            context.discarded.take_in(Displaced::Entry(entry));
        }
        was_there
    }
}

impl Hash {
    pub fn new() -> Hash {
        Hash::Pack(Listpack::new())
    }

    /// The value of a field.
    #[inline]
    pub fn get(&self, field: &[u8], context: &Context<'_>) -> Option<FieldText<'_>> {
        match self {
            Hash::Pack(pack) => {
                let value = pack.next(pack.find(field, 1)?)?;
                pack.get(value).map(FieldText::from)
            }
            Hash::TimedPack(pack) => {
                let value = pack.next(pack.find(field, 2)?)?;
                let deadline_ms = timed::deadline_at(pack, pack.next(value)?);
                if timed::is_past(deadline_ms, context.now_ms) {
                    return None;
                }
                pack.get(value).map(FieldText::from)
            }
            Hash::Table(fields) => fields.find(field, context).map(FieldText::of_entry),
        }
    }

    pub fn contains(&self, field: &[u8], context: &Context<'_>) -> bool {
        self.get(field, context).is_some()
    }

    /// Gives a field a value, and a deadline or not. Whether the field was not there.
    #[inline]
    pub fn set(&mut self, field: &[u8], value: NewValue<'_>, ttl: Ttl, context: &Context<'_>) -> bool {
        if let Hash::Table(fields) = self {
            return fields.set(field, value, ttl, context);
        }
        self.set_packed(field, value, ttl, context)
    }

    fn set_packed(&mut self, field: &[u8], value: NewValue<'_>, ttl: Ttl, context: &Context<'_>) -> bool {
        let max = context.settings.hash_max_listpack;
        let element = packed(&value);
        let longest = field.len().max(element.text_len());
        if matches!(ttl, Ttl::At(_)) {
            self.make_timed();
        }
        match self {
            Hash::Pack(pack) if longest <= max.value_bytes => match pack.find(field, 1).and_then(|at| pack.next(at)) {
                Some(at) => {
                    pack.replace(at, element);
                    // The limit may be lower than it was.
                    if pack.len() / 2 > max.entries {
                        self.make_table(context.hasher);
                    }
                    return false;
                }
                None if pack.len() / 2 < max.entries && pack.is_safe_to_add(field.len() + element.text_len()) => {
                    pack.append(field);
                    pack.append(element);
                    return true;
                }
                None => {}
            },
            Hash::TimedPack(pack) if longest <= max.value_bytes => {
                if let Some(at) = pack.find(field, 2) {
                    let is_new = timed::overwrite(pack, at, field, element, ttl, context.now_ms);
                    if pack.len() / 3 > max.entries {
                        self.make_table(context.hasher);
                    }
                    return is_new;
                }
                if pack.len() / 3 < max.entries && pack.is_safe_to_add(field.len() + element.text_len()) {
                    let deadline_ms = if let Ttl::At(deadline_ms) = ttl { deadline_ms } else { NO_DEADLINE };
                    timed::insert(pack, field.into(), element, deadline_ms);
                    return true;
                }
            }
            _ => {}
        }
        self.make_table(context.hasher).set(field, value, ttl, context)
    }

    /// Makes a table of a listpack that is not going to take so many pairs, or so long a string.
    pub fn prepare(&mut self, pairs: usize, longest: usize, bytes: usize, context: &Context<'_>) {
        let max = context.settings.hash_max_listpack;
        let fits = match self {
            Hash::Table(_) => true,
            Hash::Pack(pack) => pack.is_safe_to_add(bytes),
            Hash::TimedPack(pack) => pack.is_safe_to_add(bytes),
        };
        if !fits || pairs > max.entries || longest > max.value_bytes {
            self.make_table(context.hasher);
        }
    }

    /// Removes a field. Whether it was there.
    pub fn remove(&mut self, field: &[u8], context: &Context<'_>) -> bool {
        match self {
            Hash::Pack(pack) => {
                let found = pack.find(field, 1);
                if let Some(at) = found {
                    pack.remove_some(at, 2);
                }
                found.is_some()
            }
            Hash::TimedPack(pack) => {
                let Some(at) = pack.find(field, 2) else { return false };
                let deadline_ms = timed::deadline_of(pack, at);
                pack.remove_some(at, 3);
                !timed::is_past(deadline_ms, context.now_ms)
            }
            Hash::Table(fields) => fields.remove(field, context),
        }
    }

    /// Visits the fields that are there at `now_ms`, with values and deadlines.
    pub fn for_each<'a>(&'a self, now_ms: i64, mut visit: impl FnMut(FieldText<'a>, FieldText<'a>, Option<i64>)) {
        match self {
            Hash::Pack(pack) => pack.pairs().for_each(|(field, value)| visit(field.into(), value.into(), None)),
            Hash::TimedPack(pack) => {
                for (field, value, deadline_ms) in timed::triples(pack) {
                    if !timed::is_past(deadline_ms, now_ms) {
                        let deadline_ms = (deadline_ms != NO_DEADLINE).then_some(deadline_ms);
                        visit(field.into(), value.into(), deadline_ms);
                    }
                }
            }
            Hash::Table(fields) => {
                for entry in fields.table.iter().filter(|entry| !entry.is_expired(now_ms)) {
                    visit(FieldText::Bytes(entry.key()), FieldText::of_entry(entry), entry.deadline_ms());
                }
            }
        }
    }

    /// Visits about `count` fields from `cursor` on; the cursor to go on from, 0 at the end. A listpack is visited whole. A field that
    /// is there from the first call to the last is visited, whatever becomes of the hash meanwhile.
    pub fn scan<'a>(
        &'a self,
        cursor: u64,
        count: usize,
        now_ms: i64,
        mut visit: impl FnMut(FieldText<'a>, FieldText<'a>),
    ) -> u64 {
        let Hash::Table(fields) = self else {
            self.for_each(now_ms, |field, value, _| visit(field, value));
            return 0;
        };
        fields.table.scan(cursor, count, |entry| {
            if !entry.is_expired(now_ms) {
                visit(FieldText::Bytes(entry.key()), FieldText::of_entry(entry));
            }
        })
    }

    /// The fields of a large one.
    pub(super) fn entries(&self) -> Option<&SegmentedTable<Entry>> {
        if let Hash::Table(fields) = self { Some(&fields.table) } else { None }
    }

    #[cold]
    #[inline(never)]
    fn make_table(&mut self, hasher: &KeyHasher) -> &mut Fields {
        if !matches!(self, Hash::Table(_)) {
            let mut fields = Box::<Fields>::default();
            let mut digits = itoa::Buffer::new();
            match self {
                Hash::Pack(pack) => {
                    for (field, value) in pack.pairs() {
                        fields.insert(field.text(&mut digits), unpacked(value), None, hasher);
                    }
                }
                Hash::TimedPack(pack) => {
                    for (field, value, deadline_ms) in timed::triples(pack) {
                        let deadline_ms = (deadline_ms != NO_DEADLINE).then_some(deadline_ms);
                        fields.insert(field.text(&mut digits), unpacked(value), deadline_ms, hasher);
                    }
                }
                Hash::Table(_) => {}
            }
            *self = Hash::Table(fields);
        }
        match self {
            Hash::Table(fields) => fields,
            _ => unreachable!("it was made one"),
        }
    }
}

impl Default for Hash {
    fn default() -> Self {
        Hash::new()
    }
}

impl Typed for Hash {
    const KIND: Kind = Kind::Hash;

    fn of(object: &Object) -> Option<&Self> {
        if let Object::Hash(hash) = object { Some(hash) } else { None }
    }

    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::Hash(hash) = object { Some(hash) } else { None }
    }

    fn into_object(self) -> Object {
        Object::Hash(self)
    }

    fn len(&self) -> usize {
        match self {
            Hash::Pack(pack) => pack.len() / 2,
            Hash::TimedPack(pack) => pack.len() / 3,
            Hash::Table(fields) => fields.table.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self {
            Hash::Pack(_) => "listpack",
            Hash::TimedPack(_) => "listpackex",
            Hash::Table(_) => "hashtable",
        }
    }

    fn table_shape(&self) -> Option<(usize, usize)> {
        match self {
            Hash::Table(fields) => Some((fields.table.segments(), fields.table.buckets())),
            _ => None,
        }
    }

    fn is_heavy(&self) -> bool {
        matches!(self, Hash::Table(fields) if fields.table.len() > HEAVY_FIELDS)
    }

    fn memory_bytes(&self, samples: usize) -> usize {
        match self {
            Hash::Pack(pack) => pack.memory_bytes(),
            Hash::TimedPack(pack) => pack.memory_bytes(),
            Hash::Table(fields) => {
                let indexed_bytes = fields.deadlines.len() * INDEXED_BYTES;
                size_of::<Fields>() + entries_bytes(&fields.table, samples) + indexed_bytes
            }
        }
    }

    fn copy(&self, hasher: &KeyHasher) -> Self {
        match self {
            Hash::Pack(pack) => Hash::Pack(pack.clone()),
            Hash::TimedPack(pack) => Hash::TimedPack(pack.clone()),
            Hash::Table(fields) => {
                let mut copy = Box::<Fields>::default();
                for entry in fields.table.iter() {
                    let mut value = Value::copy_of(entry.value(), hasher);
                    let new = Entry::new(entry.key(), value.as_new(), entry.deadline_ms(), 0);
                    copy.table.insert_unique(hasher.hash(entry.key()), new, ByKey(hasher));
                }
                copy.deadlines.clone_from(&fields.deadlines);
                Hash::Table(copy)
            }
        }
    }

    #[inline]
    fn next_deadline_ms(&self) -> Option<i64> {
        match self {
            Hash::Pack(_) => None,
            Hash::TimedPack(pack) => timed::first_deadline(pack),
            Hash::Table(fields) => fields.deadlines.first().map(|&(deadline_ms, _)| deadline_ms),
        }
    }
}

/// Freeing so many fields takes some ten microseconds.
const HEAVY_FIELDS: usize = 256;
/// Memory of a record in the index, with the tree's slack.
const INDEXED_BYTES: usize = 24;

#[cfg(test)]
mod tests;
