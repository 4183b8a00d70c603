//! A hash as a value: a listpack while it is small, a table from then on (`hash-max-listpack-entries`, `hash-max-listpack-value`).

use super::entry::ByKey;
use super::{Entry, Kind, Object, Typed, Value};
use crate::base::hash::KeyHasher;
use crate::collections::listpack::Listpack;
use crate::collections::segmented_table::SegmentedTable;
use crate::keyspace::set::entries_bytes;

/// Fields with values.
pub enum Hash {
    /// Field, value, field, value.
    Pack(Listpack),
    /// The fields are the keys of entries, which have the deadlines too.
    Table(Box<SegmentedTable<Entry>>),
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
            Hash::Table(table) => table.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self {
            Hash::Pack(_) => "listpack",
            Hash::Table(_) => "hashtable",
        }
    }

    fn is_heavy(&self) -> bool {
        matches!(self, Hash::Table(table) if table.len() > HEAVY_FIELDS)
    }

    fn memory_bytes(&self, samples: usize) -> usize {
        match self {
            Hash::Pack(pack) => pack.memory_bytes(),
            Hash::Table(table) => size_of::<SegmentedTable<Entry>>() + entries_bytes(table, samples),
        }
    }

    fn copy(&self, hasher: &KeyHasher) -> Self {
        match self {
            Hash::Pack(pack) => Hash::Pack(pack.clone()),
            Hash::Table(table) => {
                let mut copy = SegmentedTable::new();
                for entry in table.iter() {
                    let mut value = Value::copy_of(entry.value(), hasher);
                    let new = Entry::new(entry.key(), value.as_new(), entry.deadline_ms(), 0);
                    copy.insert_unique(hasher.hash(entry.key()), new, ByKey(hasher));
                }
                Hash::Table(Box::new(copy))
            }
        }
    }
}

/// Freeing so many fields takes some ten microseconds.
const HEAVY_FIELDS: usize = 256;
