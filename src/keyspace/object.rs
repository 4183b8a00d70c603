//! The values that are not strings: three words in the entry, the last of which points to all that the value has.

use std::cell::RefCell;

use super::entry::Entry;
use super::reclaim::Discarded;
use super::snapshot::UndoLog;
use super::{Hash, List, Set, Settings, SortedSet};
use crate::base::hash::KeyHasher;
use crate::base::random::Random;

/// The types of keys, in Redis's numbering.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    String = 0,
    List = 1,
    Set = 2,
    SortedSet = 3,
    Hash = 4,
    Stream = 6,
}

impl Kind {
    /// Of the four bits in an entry's header, which were a `Kind` when they were written.
    #[inline]
    pub fn from_bits(bits: u8) -> Kind {
        match bits {
            0 => Kind::String,
            1 => Kind::List,
            2 => Kind::Set,
            3 => Kind::SortedSet,
            4 => Kind::Hash,
            6 => Kind::Stream,
            _ => unreachable!("no such type: {bits}"),
        }
    }

    /// As TYPE prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::SortedSet => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
        }
    }

    pub const ALL: [Kind; 6] = [Kind::String, Kind::List, Kind::Set, Kind::SortedSet, Kind::Hash, Kind::Stream];
}

/// A list, set, hash or sorted set.
pub enum Object {
    List(List),
    Set(Set),
    SortedSet(SortedSet),
    Hash(Hash),
}

/// The key holds a value of another type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WrongType;

/// A type of value that is an object: how it comes out of an [`Object`] and goes into one.
pub trait Typed: Sized {
    const KIND: Kind;
    fn of(object: &Object) -> Option<&Self>;
    fn of_mut(object: &mut Object) -> Option<&mut Self>;
    fn into_object(self) -> Object;
    /// Elements. A key with none is removed.
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// As OBJECT ENCODING prints it.
    fn encoding(&self) -> &'static str;
    /// Whether freeing it would hold up the loop.
    fn is_heavy(&self) -> bool;
    /// Memory held besides the value itself, bytes; of a large one estimated from `samples` elements (0: from all).
    fn memory_bytes(&self, samples: usize) -> usize;
    /// Another one with the same elements.
    fn copy(&self, hasher: &KeyHasher) -> Self;
    /// Segments and buckets of its table, if it has one.
    fn table_shape(&self) -> Option<(usize, usize)> {
        None
    }
    /// When the first of its elements is due to go, if any has a deadline.
    #[inline]
    fn next_deadline_ms(&self) -> Option<i64> {
        None
    }
}

/// What a value may need while it is changed.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// With the thresholds of the encodings.
    pub settings: &'a Settings,
    /// For the tables inside large values.
    pub hasher: &'a KeyHasher,
    pub now_ms: i64,
    pub(super) random: &'a RefCell<Random>,
    /// Where what a change pushes out goes, if freeing it may take long.
    pub(super) discarded: &'a Discarded,
    /// Of a value that a snapshot is taking in parts: what is to know of a change to an element, before it or, where that is all the same,
    /// after it.
    pub(super) undo: Option<&'a RefCell<UndoLog>>,
}

impl Context<'_> {
    /// A random number below `n`, which is not 0.
    pub fn below(&self, n: usize) -> usize {
        self.random.borrow_mut().below(n as u64) as usize
    }

    /// An element with this name is going to be added to a table.
    #[inline]
    pub(super) fn adding(&self, hash: u64, name: &[u8]) {
        if let Some(undo) = self.undo {
            undo.borrow_mut().adding(hash, name, self.hasher);
        }
    }

    /// An element of a table is going to be changed.
    #[inline]
    pub(super) fn changing(&self, hash: u64, entry: &Entry) {
        if let Some(undo) = self.undo {
            undo.borrow_mut().changing(hash, entry, self.hasher);
        }
    }

    /// An element of a table has been removed: what is left of it for the caller to free.
    #[inline]
    pub(super) fn removed(&self, hash: u64, entry: Entry) -> Option<Entry> {
        match self.undo {
            Some(undo) => undo.borrow_mut().removed(hash, entry, self.hasher),
            None => Some(entry),
        }
    }

    /// A member of a large sorted set has another score, or one at all, or none any more.
    #[inline]
    pub(super) fn scored(&self, member: &[u8], old: Option<f64>, new: Option<f64>) {
        if let Some(undo) = self.undo {
            undo.borrow_mut().scored(member, old, new, self.hasher);
        }
    }
}

macro_rules! typed {
    ($($type:ident),*) => {
        $(
            impl From<$type> for Object {
                fn from(value: $type) -> Object {
                    Object::$type(value)
                }
            }
        )*

        impl Object {
            pub fn kind(&self) -> Kind {
                match self { $(Object::$type(_) => Kind::$type,)* }
            }

            /// As OBJECT ENCODING prints it.
            pub fn encoding(&self) -> &'static str {
                match self { $(Object::$type(value) => value.encoding(),)* }
            }

            /// Elements.
            pub fn len(&self) -> usize {
                match self { $(Object::$type(value) => value.len(),)* }
            }

            /// When the first of its elements is due to go, if any has a deadline.
            pub fn next_deadline_ms(&self) -> Option<i64> {
                match self { $(Object::$type(value) => value.next_deadline_ms(),)* }
            }

            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Segments and buckets of its table, if it has one.
            pub fn table_shape(&self) -> Option<(usize, usize)> {
                match self { $(Object::$type(value) => value.table_shape(),)* }
            }

            /// Whether freeing it would hold up the loop.
            pub fn is_heavy(&self) -> bool {
                match self { $(Object::$type(value) => value.is_heavy(),)* }
            }

            /// Memory held besides the object itself, bytes; of a large one estimated from `samples` elements (0: from all).
            pub fn memory_bytes(&self, samples: usize) -> usize {
                match self { $(Object::$type(value) => value.memory_bytes(samples),)* }
            }

            /// Another one with the same elements.
            pub fn copy(&self, hasher: &KeyHasher) -> Object {
                match self { $(Object::$type(value) => Object::$type(value.copy(hasher)),)* }
            }
        }
    };
}
typed!(List, Set, SortedSet, Hash);
