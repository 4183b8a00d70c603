//! Large collections, which a snapshot takes in parts: each is handed over piece by piece, as it was when the snapshot came to it or when it was about
//! to be changed for the first time since, whichever was earlier; that is, as it was when the snapshot began.
//!
//! A collection in parts is found under its key, in whatever encoding it was large in. What its commands change is noted ([`UndoLog`], and for lists the
//! nodes as they were). Should the key go, or get another value, the collection comes here until the walk is through with it; should it be renamed, it
//! is looked for under its new name.
//!
//! Cost: a part is some hundred elements. What lies between two parts of a collection in the file must belong to it, so the sink has other keys that
//! are about to be changed wait meanwhile.

use std::cell::RefCell;

use super::undo::{self, UndoLog};
use super::{Element, Head, SnapshotSink};
use crate::base::hash::KeyHasher;
use crate::collections::segmented_table::SegmentedTable;
use crate::keyspace::db::same;
use crate::keyspace::entry::Entry;
use crate::keyspace::reclaim::Reclaimer;
use crate::keyspace::{FieldText, Hash, Key, List, Object, Set, SortedSet, Typed, ValueRef};

/// Collections with more elements are taken in parts: so many are written in less than a slice.
const WHOLE_MAX: usize = 1024;
/// And lists with more nodes, of some kilobytes each.
const WHOLE_NODES_MAX: usize = 8;
/// Elements of a part, where they don't come by segments; nodes of one.
const PART: usize = 256;
const PART_NODES: usize = 4;

/// A collection on its way.
pub(super) struct Parts {
    hash: u64,
    key: Box<[u8]>,
    /// What comes before its elements, until that has been handed over.
    head: Option<Head>,
    /// It was about to be changed.
    early: bool,
    /// It is being renamed: for the moment it is under no key.
    is_moving: bool,
    /// The collection, if its key has gone or has another value.
    taken: Option<Object>,
    undo: RefCell<UndoLog>,
}

/// Whether a value is too large for one slice.
pub(super) fn is_long(value: &ValueRef<'_>) -> bool {
    match value {
        ValueRef::Object(Object::List(List::Nodes(nodes))) => nodes.nodes_len() > WHOLE_NODES_MAX,
        ValueRef::Object(Object::Set(set @ Set::Table(_))) => set.len() > WHOLE_MAX,
        ValueRef::Object(Object::Hash(hash @ Hash::Table(_))) => hash.len() > WHOLE_MAX,
        ValueRef::Object(Object::SortedSet(set @ SortedSet::Tree(_))) => set.len() > WHOLE_MAX,
        _ => false,
    }
}

fn field<'a>(entry: &'a Entry) -> Element<'a> {
    Element::Field(entry.key(), FieldText::of_entry(entry), entry.deadline_ms())
}

fn member(entry: &Entry) -> Element<'_> {
    Element::Member(entry.key())
}

fn scored(entry: &Entry) -> Element<'_> {
    Element::Scored(entry.key(), undo::score_of(entry))
}

impl Parts {
    /// From now on the collection is kept as it is.
    pub fn begin(key: Key<'_>, entry: &mut Entry, head: Head, early: bool) -> Parts {
        let log = match entry.object_mut() {
            Some(Object::List(List::Nodes(nodes))) => {
                nodes.freeze();
                UndoLog::of_table()
            }
            Some(Object::SortedSet(_)) => UndoLog::of_sorted_set(),
            _ => UndoLog::of_table(),
        };
        Parts {
            hash: key.hash,
            key: key.bytes.into(),
            head: Some(head),
            early,
            is_moving: false,
            taken: None,
            undo: RefCell::new(log),
        }
    }

    /// Whether it is the value of this key.
    pub fn is_of(&self, hash: u64, key: &[u8]) -> bool {
        self.hash == hash && *self.key == *key && self.taken.is_none() && !self.is_moving
    }

    /// Whether its first elements have been handed over, so that the others must follow.
    pub fn has_begun(&self) -> bool {
        self.head.is_none()
    }

    pub fn undo(&self) -> &RefCell<UndoLog> {
        &self.undo
    }

    /// Its key has gone, or has another value.
    pub fn take(&mut self, object: Object) {
        self.taken = Some(object);
    }

    /// The collection where its key is, unless it is here.
    pub fn find<'t>(&self, table: &'t mut SegmentedTable<Entry>) -> Option<&'t mut Object> {
        if self.taken.is_some() {
            return None;
        }
        table.find_mut(self.hash, |entry| same(entry.key(), &self.key)).and_then(Entry::object_mut)
    }

    pub fn lift(&mut self) {
        self.is_moving = true;
    }

    /// It has another name now. False: it is not the one that was being renamed.
    pub fn put_down(&mut self, key: Key<'_>) -> bool {
        if std::mem::take(&mut self.is_moving) {
            (self.hash, self.key) = (key.hash, key.bytes.into());
            return true;
        }
        false
    }

    /// Hands over the next part. `object`: the collection, unless it is here. Whether that was the last.
    pub fn step(
        &mut self,
        db: usize,
        object: Option<&mut Object>,
        hasher: &KeyHasher,
        sink: &mut dyn SnapshotSink,
        reclaimer: &mut Reclaimer,
    ) -> bool {
        if let Some(head) = self.head.take() {
            sink.begin(db, head, self.early);
        }
        let log = self.undo.get_mut();
        let is_last = match self.taken.as_mut().or(object) {
            Some(Object::List(List::Nodes(nodes))) => {
                let mut shown = (0..PART_NODES).map(|_| nodes.take_frozen(|node| sink.element(Element::Node(node))));
                let is_last = !shown.all(|shown| shown.is_some());
                if is_last {
                    nodes.thaw();
                }
                is_last
            }
            Some(Object::Hash(hash)) => step_table(hash.entries(), log, hasher, sink, reclaimer, field),
            Some(Object::Set(set)) => step_table(set.entries(), log, hasher, sink, reclaimer, member),
            Some(Object::SortedSet(set)) => step_sorted_set(set, log, hasher, sink, reclaimer),
            Some(Object::List(List::Pack(_))) | None => unreachable!("a collection in parts is kept until its end"),
        };
        if is_last {
            sink.end();
        }
        is_last
    }

    /// It is over, or nobody wants it any more. `object`: the collection, unless it is here.
    pub fn drop_with(self, object: Option<&mut Object>, reclaimer: &mut Reclaimer) {
        if let Some(Object::List(List::Nodes(nodes))) = object {
            nodes.thaw();
        }
        if let Some(object) = self.taken {
            reclaimer.object(object);
        }
        reclaimer.entries(self.undo.into_inner().into_noted());
    }
}

/// Hands over a segment of a table, or some of what was in it.
fn step_table(
    table: Option<&SegmentedTable<Entry>>,
    log: &mut UndoLog,
    hasher: &KeyHasher,
    sink: &mut dyn SnapshotSink,
    reclaimer: &mut Reclaimer,
    element: impl Fn(&Entry) -> Element<'_>,
) -> bool {
    let Some(from) = log.hash() else {
        return log.rest(PART, hasher, |entry, was_there| {
            if was_there {
                sink.element(element(&entry));
            }
            reclaimer.entry(entry);
        });
    };
    let next = table.and_then(|table| table.segment_of(from)).and_then(|segment| {
        // One that was merged reaches back to where the walk has been.
        let reaches_back = segment.first < from;
        for entry in segment.iter().filter(|entry| !reaches_back || hasher.hash(entry.key()) >= from) {
            match log.meet(entry.key(), hasher) {
                None => sink.element(element(entry)),
                Some((before, was_there)) => {
                    if was_there {
                        sink.element(element(&before));
                    }
                    reclaimer.entry(before);
                }
            }
        }
        segment.last.checked_add(1)
    });
    log.has_met(next);
    false
}

/// Hands over some members of a sorted set, or of what was in it.
fn step_sorted_set(
    set: &SortedSet,
    log: &mut UndoLog,
    hasher: &KeyHasher,
    sink: &mut dyn SnapshotSink,
    reclaimer: &mut Reclaimer,
) -> bool {
    let SortedSet::Tree(tree) = set else { unreachable!("a large sorted set stays a tree") };
    let Ok(place) = log.member() else {
        return log.rest(PART, hasher, |entry, was_there| {
            if was_there {
                sink.element(scored(&entry));
            }
            reclaimer.entry(entry);
        });
    };
    let first = place.map_or(0, |(score, member)| tree.rank_behind(score, member));
    let mut last = None;
    for (member, score) in tree.range(first..first + PART) {
        match log.meet(member, hasher) {
            None => sink.element(Element::Scored(member, score)),
            Some((before, was_there)) => {
                if was_there {
                    sink.element(scored(&before));
                }
                reclaimer.entry(before);
            }
        }
        last = Some((score, member));
    }
    match last {
        Some((score, member)) => log.has_met_member(score, member),
        None => log.has_met(None),
    }
    false
}
