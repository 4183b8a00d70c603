//! A set as a value: an intset while it has only integers and few of them, a listpack while it is small, a table from then on
//! (`set-max-intset-entries`, `set-max-listpack-entries`, `set-max-listpack-value`).
//!
//! Invariants: members are distinct as texts; an integer's text is that which Redis prints, in every encoding. A set never goes back
//! to a smaller encoding; one that is made anew ([`Set::new`]) begins with the smallest.
//!
//! Cost: a member of a table is one lookup; adding one that is not there allocates its entry.

mod algebra;
mod draw;

use super::db::same;
use super::entry::ByKey;
use super::{Context, Entry, Kind, NewValue, Object, Typed};
use crate::base::hash::KeyHasher;
use crate::base::number::parse_i64;
use crate::collections::intset::{self, IntSet};
use crate::collections::listpack::{Listpack, ListpackValue};
use crate::collections::segmented_table::SegmentedTable;

/// A member: its bytes, or the integer that they are the text of.
pub type Member<'a> = ListpackValue<'a>;

/// Members, each once.
pub enum Set {
    Ints(IntSet),
    Pack(Listpack),
    /// The members are the keys of entries whose values are empty.
    Table(Box<SegmentedTable<Entry>>),
}

fn intset_max(context: &Context<'_>) -> usize {
    context.settings.set_max_intset_entries.min(intset::LEN_MAX)
}

/// Adds a member that is not there.
#[inline]
fn insert(table: &mut SegmentedTable<Entry>, hash: u64, member: &[u8], hasher: &KeyHasher) {
    let entry = Entry::new(member, NewValue::Embedded(b""), None, 0);
    table.insert_unique(hash, entry, ByKey(hasher));
}

impl Default for Set {
    fn default() -> Self {
        Set::new()
    }
}

impl Set {
    /// No members, in the smallest encoding.
    pub fn new() -> Set {
        Set::Ints(IntSet::new())
    }

    /// An empty set for `first` and up to `count` members in all.
    pub fn for_members(first: &[u8], count: usize, context: &Context<'_>) -> Set {
        if count <= intset_max(context) && parse_i64(first).is_some() {
            Set::new()
        } else if count <= context.settings.set_max_listpack.entries {
            Set::Pack(Listpack::new())
        } else {
            Set::Table(Box::default())
        }
    }

    /// Becomes a table at once if `count` members are going to be added and would make it one.
    #[inline]
    pub fn expect(&mut self, count: usize, context: &Context<'_>) {
        let max = match self {
            Set::Ints(_) => intset_max(context),
            Set::Pack(_) => context.settings.set_max_listpack.entries,
            Set::Table(_) => return,
        };
        if count > max {
            self.make_table(context);
        }
    }

    #[cold]
    fn make_table(&mut self, context: &Context<'_>) {
        let mut table = SegmentedTable::new();
        self.for_each(|member| insert(&mut table, context.hasher.hash(member), member, context.hasher));
        *self = Set::Table(Box::new(table));
    }

    /// Whether `added` and what an intset has would be a listpack together.
    fn fits_pack(ints: &IntSet, added: &[u8], context: &Context<'_>) -> bool {
        let max = context.settings.set_max_listpack;
        let longest = [ints.min(), ints.max()].into_iter().flatten().map(|int| Member::Int(int).text_len()).max();
        ints.len() < max.entries && added.len() <= max.value_bytes && longest.unwrap_or(0) <= max.value_bytes
    }

    /// Adds a member; false: it was there.
    #[inline]
    pub fn add(&mut self, member: &[u8], context: &Context<'_>) -> bool {
        match self {
            Set::Table(table) => {
                let hash = context.hasher.hash(member);
                if table.find(hash, |entry| same(entry.key(), member)).is_some() {
                    return false;
                }
                context.adding(hash, member);
                insert(table, hash, member, context.hasher);
                true
            }
            Set::Pack(pack) => {
                if pack.find(member, 0).is_some() {
                    return false;
                }
                self.add_to_pack(member, context);
                true
            }
            Set::Ints(_) => self.add_to_ints(member, context),
        }
    }

    /// Adds a member that is not in the listpack.
    fn add_to_pack(&mut self, member: &[u8], context: &Context<'_>) {
        let max = context.settings.set_max_listpack;
        match self {
            Set::Pack(pack)
                if pack.len() < max.entries && member.len() <= max.value_bytes && pack.is_safe_to_add(member.len()) =>
            {
                pack.append(member);
            }
            _ => {
                self.make_table(context);
                self.add(member, context);
            }
        }
    }

    fn add_to_ints(&mut self, member: &[u8], context: &Context<'_>) -> bool {
        let Set::Ints(ints) = self else { return false };
        if let Some(int) = parse_i64(member) {
            let added = ints.insert(int);
            if added && ints.len() > intset_max(context) {
                self.make_table(context);
            }
            return added;
        }
        if Set::fits_pack(ints, member, context) {
            let mut pack = Listpack::new();
            ints.iter().for_each(|int| {
                pack.append(int);
            });
            *self = Set::Pack(pack);
            self.add_to_pack(member, context);
        } else {
            self.make_table(context);
            self.add(member, context);
        }
        true
    }

    /// Adds what another set has.
    pub fn add_member(&mut self, member: Member<'_>, context: &Context<'_>) -> bool {
        self.add(member.text(&mut itoa::Buffer::new()), context)
    }

    /// Removes a member; false: it was not there.
    #[inline]
    pub fn remove(&mut self, member: &[u8], context: &Context<'_>) -> bool {
        match self {
            Set::Ints(ints) => parse_i64(member).is_some_and(|int| ints.remove(int)),
            Set::Pack(pack) => match pack.find(member, 0) {
                Some(position) => {
                    pack.remove(position);
                    true
                }
                None => false,
            },
            Set::Table(table) => {
                let hasher = context.hasher;
                let hash = hasher.hash(member);
                let removed = table.remove(hash, |entry| same(entry.key(), member), ByKey(hasher));
                removed.map(|entry| context.removed(hash, entry)).is_some()
            }
        }
    }

    #[inline]
    pub fn contains(&self, member: &[u8], context: &Context<'_>) -> bool {
        match self {
            Set::Ints(ints) => parse_i64(member).is_some_and(|int| ints.contains(int)),
            Set::Pack(pack) => pack.find(member, 0).is_some(),
            Set::Table(table) => table.find(context.hasher.hash(member), |entry| same(entry.key(), member)).is_some(),
        }
    }

    /// The members of a large one.
    pub(super) fn entries(&self) -> Option<&SegmentedTable<Entry>> {
        if let Set::Table(table) = self { Some(table) } else { None }
    }

    /// As [`Set::contains`], for what another set has: an integer is not printed to be looked for among integers.
    #[inline]
    pub fn contains_member(&self, member: Member<'_>, context: &Context<'_>) -> bool {
        match (self, member) {
            (Set::Ints(ints), Member::Int(int)) => ints.contains(int),
            (_, member) => self.contains(member.text(&mut itoa::Buffer::new()), context),
        }
    }

    /// The members, each once, in the order of the encoding; integers as their texts.
    #[inline]
    pub fn for_each(&self, mut visit: impl FnMut(&[u8])) {
        match self {
            Set::Table(table) => table.iter().for_each(|entry| visit(entry.key())),
            _ => self.iter().for_each(|member| visit(member.text(&mut itoa::Buffer::new()))),
        }
    }

    /// The members, each once, in the order of the encoding.
    pub fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        let (ints, pack, table) = match self {
            Set::Ints(ints) => (Some(ints), None, None),
            Set::Pack(pack) => (None, Some(pack), None),
            Set::Table(table) => (None, None, Some(table)),
        };
        let ints = ints.into_iter().flat_map(|ints| ints.iter().map(Member::Int));
        let pack = pack.into_iter().flat_map(Listpack::iter);
        let table = table.into_iter().flat_map(|table| table.iter().map(|entry| Member::Bytes(entry.key())));
        ints.chain(pack).chain(table)
    }

    /// Visits about `count` members from `cursor` on, or all of a small set, and returns where to go on; 0 is the beginning and the
    /// end. A member present throughout is visited at least once, also if the set becomes a table in between: a small one is
    /// done with one call.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(Member<'a>)) -> u64 {
        if let Set::Table(table) = self {
            return table.scan(cursor, count, |entry| visit(Member::Bytes(entry.key())));
        }
        self.iter().for_each(visit);
        0
    }
}

impl Typed for Set {
    const KIND: Kind = Kind::Set;

    fn of(object: &Object) -> Option<&Self> {
        if let Object::Set(set) = object { Some(set) } else { None }
    }

    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::Set(set) = object { Some(set) } else { None }
    }

    fn into_object(self) -> Object {
        Object::Set(self)
    }

    fn len(&self) -> usize {
        match self {
            Set::Ints(ints) => ints.len(),
            Set::Pack(pack) => pack.len(),
            Set::Table(table) => table.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self {
            Set::Ints(_) => "intset",
            Set::Pack(_) => "listpack",
            Set::Table(_) => "hashtable",
        }
    }

    fn table_shape(&self) -> Option<(usize, usize)> {
        match self {
            Set::Table(table) => Some((table.segments(), table.buckets())),
            _ => None,
        }
    }

    fn is_heavy(&self) -> bool {
        matches!(self, Set::Table(table) if table.len() > HEAVY_MEMBERS)
    }

    fn memory_bytes(&self, samples: usize) -> usize {
        match self {
            Set::Ints(ints) => ints.memory_bytes(),
            Set::Pack(pack) => pack.memory_bytes(),
            Set::Table(table) => size_of::<SegmentedTable<Entry>>() + entries_bytes(table, samples),
        }
    }

    fn copy(&self, hasher: &KeyHasher) -> Self {
        match self {
            Set::Ints(ints) => Set::Ints(ints.clone()),
            Set::Pack(pack) => Set::Pack(pack.clone()),
            Set::Table(table) => {
                let mut copy = SegmentedTable::new();
                for entry in table.iter() {
                    let new = Entry::new(entry.key(), NewValue::Embedded(b""), None, 0);
                    copy.insert_unique(hasher.hash(entry.key()), new, ByKey(hasher));
                }
                Set::Table(Box::new(copy))
            }
        }
    }
}

/// Memory of a table and of what its entries allocate, from a sample of `samples` of them (0: all), bytes.
pub(super) fn entries_bytes(table: &SegmentedTable<Entry>, samples: usize) -> usize {
    let samples = if samples == 0 { usize::MAX } else { samples };
    let (mut seen, mut bytes) = (0, 0);
    for entry in table.iter().take(samples) {
        seen += 1;
        bytes += entry.memory_bytes(0);
    }
    table.memory_bytes() + (bytes * table.len()).checked_div(seen).unwrap_or(0)
}

/// Freeing so many members takes some ten microseconds.
const HEAVY_MEMBERS: usize = 256;

#[cfg(test)]
mod tests;
