//! What a collection that goes on changing was when a snapshot began: the elements that have been changed since and that the snapshot has
//! not come to, as they were.
//!
//! A walk hands a table over in the order of the hashes, and a sorted set in its own order. Whatever changes an element says so here first;
//! if the walk has not been there, the first change of each is noted. When the walk meets an element that is noted, what was noted takes
//! its place; what it has not met in the end was removed, or moved to where the walk had been.
//!
//! Lists need none of this: see [`crate::collections::quicklist`], whose nodes are kept as they were.
//!
//! Cost: one comparison for a change of what the walk has passed; else a look-up, and an entry for the first change of each element. The
//! log is a segmented table like any, so that it grows without holding anything up, and it shrinks as the walk meets what is in it.

use crate::base::hash::KeyHasher;
use crate::collections::segmented_table::SegmentedTable;
use crate::keyspace::entry::{ByKey, Entry, NewValue, Value, ValueRef};

/// In place of when it was last used: whether there was such an element.
const WAS_THERE: u32 = 0;
const WAS_ABSENT: u32 = 1;

/// How far a walk has been.
enum Place {
    /// In a table: hashes below it are done.
    Hash(u64),
    /// In a sorted set: members up to this one are done.
    Member(Option<(f64, Box<[u8]>)>),
    /// Everything has been met; of what is noted, hashes below it are done.
    Rest(u64),
}

/// The elements that have been changed, as they were.
pub struct UndoLog {
    place: Place,
    /// Elements of a hash with their values and deadlines; of a set; of a sorted set with the bits of their scores.
    noted: SegmentedTable<Entry>,
}

/// An element as an entry of the log.
pub(super) fn score_of(entry: &Entry) -> f64 {
    match entry.value() {
        ValueRef::Int(bits) => f64::from_bits(bits as u64),
        _ => unreachable!("scores are noted as integers"),
    }
}

impl UndoLog {
    /// For a table.
    pub fn of_table() -> UndoLog {
        UndoLog { place: Place::Hash(0), noted: SegmentedTable::new() }
    }

    /// For a sorted set.
    pub fn of_sorted_set() -> UndoLog {
        UndoLog { place: Place::Member(None), noted: SegmentedTable::new() }
    }

    #[inline]
    fn is_hash_ahead(&self, hash: u64) -> bool {
        matches!(self.place, Place::Hash(from) if hash >= from)
    }

    fn is_member_ahead(&self, score: f64, member: &[u8]) -> bool {
        match &self.place {
            Place::Member(None) => true,
            Place::Member(Some((last, last_member))) => score > *last || (score == *last && member > &**last_member),
            _ => false,
        }
    }

    fn is_noted(&self, hash: u64, name: &[u8]) -> bool {
        self.noted.find(hash, |entry| entry.key() == name).is_some()
    }

    fn note(&mut self, hash: u64, entry: Entry, hasher: &KeyHasher) {
        self.noted.insert_unique(hash, entry, ByKey(hasher));
    }

    /// An element of a table is going to be added.
    #[cold]
    pub fn adding(&mut self, hash: u64, name: &[u8], hasher: &KeyHasher) {
        if self.is_hash_ahead(hash) && !self.is_noted(hash, name) {
            self.note(hash, Entry::new(name, NewValue::Int(0), None, WAS_ABSENT), hasher);
        }
    }

    /// An element of a table is going to be changed.
    #[cold]
    pub fn changing(&mut self, hash: u64, entry: &Entry, hasher: &KeyHasher) {
        if self.is_hash_ahead(hash) && !self.is_noted(hash, entry.key()) {
            let mut value = Value::copy_of(entry.value(), hasher);
            self.note(hash, Entry::new(entry.key(), value.as_new(), entry.deadline_ms(), WAS_THERE), hasher);
        }
    }

    /// An element of a table has been removed; it comes back if it is not wanted here.
    #[cold]
    pub fn removed(&mut self, hash: u64, entry: Entry, hasher: &KeyHasher) -> Option<Entry> {
        if !self.is_hash_ahead(hash) || self.is_noted(hash, entry.key()) {
            return Some(entry);
        }
        entry.set_lru(WAS_THERE);
        self.note(hash, entry, hasher);
        None
    }

    /// A member of a sorted set has another score, or one at all, or none any more.
    #[cold]
    pub fn scored(&mut self, member: &[u8], old: Option<f64>, new: Option<f64>, hasher: &KeyHasher) {
        let hash = hasher.hash(member);
        let was_ahead = old.filter(|&old| self.is_member_ahead(old, member));
        let is_ahead = new.is_some_and(|new| self.is_member_ahead(new, member));
        if (was_ahead.is_none() && !is_ahead) || self.is_noted(hash, member) {
            return;
        }
        let entry = match was_ahead {
            Some(old) => Entry::new(member, NewValue::Int(old.to_bits() as i64), None, WAS_THERE),
            // Handed over where it was before, or new: the walk is to pass it by where it is now.
            None => Entry::new(member, NewValue::Int(0), None, WAS_ABSENT),
        };
        self.note(hash, entry, hasher);
    }

    // ---- The walk ----

    /// Where in a table the walk goes on; None: it has been through.
    pub(super) fn hash(&self) -> Option<u64> {
        if let Place::Hash(from) = self.place { Some(from) } else { None }
    }

    /// The walk has met all that has a lower hash; None: everything.
    pub(super) fn has_met(&mut self, from: Option<u64>) {
        self.place = from.map_or(Place::Rest(0), Place::Hash);
    }

    /// The last member that the walk has met, if it has not met all. Err: it has.
    pub(super) fn member(&self) -> Result<Option<(f64, &[u8])>, ()> {
        match &self.place {
            Place::Member(place) => Ok(place.as_ref().map(|(score, member)| (*score, &**member))),
            _ => Err(()),
        }
    }

    /// The walk has met all members up to this one.
    pub(super) fn has_met_member(&mut self, score: f64, member: &[u8]) {
        self.place = Place::Member(Some((score, member.into())));
    }

    /// The walk has met a member with this name: what is noted of it. The second: whether it was there.
    #[inline]
    pub(super) fn meet(&mut self, name: &[u8], hasher: &KeyHasher) -> Option<(Entry, bool)> {
        if self.noted.is_empty() {
            return None;
        }
        let entry = self.noted.remove(hasher.hash(name), |entry| entry.key() == name, ByKey(hasher))?;
        let was_there = entry.lru() == WAS_THERE;
        Some((entry, was_there))
    }

    /// Some of what has not been met. Whether that was all.
    pub(super) fn rest(&mut self, count: usize, hasher: &KeyHasher, mut visit: impl FnMut(Entry, bool)) -> bool {
        let Place::Rest(from) = &mut self.place else { return false };
        let Some(segment) = self.noted.segment_of(*from) else { return true };
        let hashes: Vec<u64> = segment.iter().take(count).map(|entry| hasher.hash(entry.key())).collect();
        let last = segment.last;
        for &hash in &hashes {
            if let Some(entry) = self.noted.remove(hash, |entry| hasher.hash(entry.key()) == hash, ByKey(hasher)) {
                let was_there = entry.lru() == WAS_THERE;
                visit(entry, was_there);
            }
        }
        if hashes.len() < count {
            match last.checked_add(1) {
                Some(next) => *from = next,
                None => return true,
            }
        }
        false
    }

    /// What is noted, to be freed.
    pub(super) fn into_noted(self) -> SegmentedTable<Entry> {
        self.noted
    }
}
