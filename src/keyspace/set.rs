//! A set as a value: an intset while it has only integers and few of them, a listpack while it is small, a table from then on
//! (`set-max-intset-entries`, `set-max-listpack-entries`, `set-max-listpack-value`).

use super::entry::ByKey;
use super::{Entry, Kind, NewValue, Object, Typed};
use crate::base::hash::KeyHasher;
use crate::collections::intset::IntSet;
use crate::collections::listpack::Listpack;
use crate::collections::segmented_table::SegmentedTable;

/// Members, each once.
pub enum Set {
    Ints(IntSet),
    Pack(Listpack),
    /// The members are the keys of entries whose values are empty.
    Table(Box<SegmentedTable<Entry>>),
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
        bytes += entry.memory_bytes();
    }
    table.memory_bytes() + (bytes * table.len()).checked_div(seen).unwrap_or(0)
}

/// Freeing so many members takes some ten microseconds.
const HEAVY_MEMBERS: usize = 256;
