//! Large collections, which a snapshot takes in parts: each is handed over piece by piece, as it was when the snapshot came to it or when
//! it was about to be changed for the first time since, whichever was earlier; that is, as it was when the snapshot began.
//!
//! A collection in parts is found under its key, in whatever encoding it was large in. What its commands change is noted ([`UndoLog`], and
//! for lists the nodes as they were). Should the key go, or get another value, the collection comes here until the walk is through with it;
//! should it be renamed, it is looked for under its new name.
//!
//! Cost: a part is some hundred elements, or about 64 KB of long ones. What lies between two parts of a collection in the file must belong
//! to it, so the sink has other keys that are about to be changed wait meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use smallvec::SmallVec;

use super::undo::{self, UndoLog};
use super::{Element, Head, SnapshotSink};
use crate::base::hash::KeyHasher;
use crate::collections::segmented_table::SegmentedTable;
use crate::keyspace::db::same;
use crate::keyspace::entry::Entry;
use crate::keyspace::reclaim::{Bulk, Reclaimer};
use crate::keyspace::{FieldText, Hash, Key, List, Object, Set, SortedSet, Typed, ValueRef};

/// Collections with more elements are taken in parts; a list of one node has no parts.
const WHOLE_MAX: usize = 128;
const WHOLE_NODES_MAX: usize = 1;
/// Elements of a part, where they don't come by segments.
const PART: usize = 256;
/// Bytes of a part, but for its last element: what is compressed in about a slice.
const PART_BYTES: usize = 64 * 1024;
/// Estimates of memory look at so many elements.
const WEIGHED: usize = 5;

/// A collection on its way.
pub(super) struct Parts {
    hash: u64,
    key: Box<[u8]>,
    /// What comes before its elements, until that has been handed over.
    head: Option<Head>,
    /// It was about to be changed.
    early: bool,
    /// The collection and about its memory in bytes, if its key has gone or has another value.
    taken: Option<(Object, usize)>,
    undo: RefCell<UndoLog>,
}

/// The collections of a database that are on their way, in the order in which they are handed over, and which of them is under which key.
///
/// There may be as many as there are keys, so nothing here looks at all of them, or moves all of them to make room for one more.
pub(super) struct Queue {
    /// By numbers that say their order.
    parts: BTreeMap<i64, Parts>,
    /// The numbers of those that are under a key, by the hash of that key.
    numbers: BTreeMap<u64, SmallVec<[i64; 1]>>,
    next: i64,
    /// The one that is being renamed: for the moment it is under no key.
    moving: Option<i64>,
    /// About the memory of those that have no key any more; and of those of all databases.
    taken_bytes: usize,
    all_taken_bytes: Rc<Cell<usize>>,
}

impl Queue {
    pub fn new(all_taken_bytes: &Rc<Cell<usize>>) -> Queue {
        Queue {
            parts: BTreeMap::new(),
            numbers: BTreeMap::new(),
            next: 0,
            moving: None,
            taken_bytes: 0,
            all_taken_bytes: Rc::clone(all_taken_bytes),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub fn push(&mut self, parts: Parts) {
        self.list(parts.hash, self.next);
        self.parts.insert(self.next, parts);
        self.next += 1;
    }

    pub fn pop(&mut self) -> Option<Parts> {
        let (number, parts) = self.parts.pop_first()?;
        self.unlist(parts.hash, number);
        if let Some((_, bytes)) = parts.taken {
            self.count_taken(self.taken_bytes - bytes);
        }
        Some(parts)
    }

    pub fn first(&mut self) -> Option<&mut Parts> {
        self.parts.first_entry().map(|entry| entry.into_mut())
    }

    /// Whether the first elements of the first have been handed over, so that the others must follow.
    pub fn has_begun(&self) -> bool {
        self.parts.first_key_value().is_some_and(|(_, parts)| parts.head.is_none())
    }

    fn list(&mut self, hash: u64, number: i64) {
        self.numbers.entry(hash).or_default().push(number);
    }

    fn unlist(&mut self, hash: u64, number: i64) {
        let Some(numbers) = self.numbers.get_mut(&hash) else { return };
        numbers.retain(|&mut other| other != number);
        if numbers.is_empty() {
            self.numbers.remove(&hash);
        }
    }

    fn count_taken(&mut self, bytes: usize) {
        self.all_taken_bytes.set(self.all_taken_bytes.get() - self.taken_bytes + bytes);
        self.taken_bytes = bytes;
    }

    fn number_of(&self, hash: u64, key: &[u8]) -> Option<i64> {
        // Two keys may have the same hash: hardly ever, but then each is to be found under its own.
        let is_of = |number: &i64| self.parts.get(number).is_some_and(|parts| *parts.key == *key);
        self.numbers.get(&hash)?.iter().copied().find(is_of)
    }

    /// The one that is the value of this key.
    pub fn of(&self, hash: u64, key: &[u8]) -> Option<&Parts> {
        self.parts.get(&self.number_of(hash, key)?)
    }

    /// The same; from now on it is under no key.
    fn take_off(&mut self, key: Key<'_>) -> Option<(i64, &mut Parts)> {
        let number = self.number_of(key.hash, key.bytes)?;
        self.unlist(key.hash, number);
        self.parts.get_mut(&number).map(|parts| (number, parts))
    }

    /// The key of one has gone, or has another value.
    pub fn take(&mut self, key: Key<'_>, object: Object) {
        let bytes = object.memory_bytes(WEIGHED);
        let Some((_, parts)) = self.take_off(key) else { return };
        parts.taken = Some((object, bytes));
        self.count_taken(self.taken_bytes + bytes);
    }

    /// The key of one is being renamed. False: there is no such one.
    pub fn lift(&mut self, key: Key<'_>) -> bool {
        self.moving = self.take_off(key).map(|(number, _)| number);
        self.moving.is_some()
    }

    /// The one that was lifted has this name now. False: none was.
    pub fn put_down(&mut self, key: Key<'_>) -> bool {
        let Some(number) = self.moving.take() else { return false };
        let Some(parts) = self.parts.get_mut(&number) else { return false };
        (parts.hash, parts.key) = (key.hash, key.bytes.into());
        self.list(key.hash, number);
        true
    }

    /// The one that is the value of this key comes first. Another must not have begun.
    pub fn bring_forward(&mut self, key: Key<'_>) {
        let (Some(number), Some((&first, _))) = (self.number_of(key.hash, key.bytes), self.parts.first_key_value())
        else {
            return;
        };
        if let Some(parts) = self.parts.remove(&number) {
            self.unlist(key.hash, number);
            self.list(key.hash, first - 1);
            self.parts.insert(first - 1, parts);
        }
    }

    /// Nobody wants the one that is the value of this key any more, and its key goes where nothing is known of it.
    pub fn let_go(&mut self, key: Key<'_>, table: &mut SegmentedTable<Entry>, reclaimer: &mut Reclaimer) {
        if let Some((_, parts)) = self.take_off(key)
            && let Some(object) = parts.find(table)
        {
            thaw(object, reclaimer);
        }
    }

    /// Nobody wants any of them any more, and their keys have gone with them.
    pub fn hand_over(mut self, reclaimer: &mut Reclaimer) {
        let bytes = self.taken_bytes;
        self.count_taken(0);
        if !self.parts.is_empty() {
            reclaimer.bulk(Box::new((self.parts, self.numbers, bytes)));
        }
    }
}

/// What a queue held, and about the memory of that.
impl Bulk for (BTreeMap<i64, Parts>, BTreeMap<u64, SmallVec<[i64; 1]>>, usize) {
    fn bytes(&self) -> usize {
        self.2
    }
}

/// A list that was kept as it was is a list like others again.
fn thaw(object: &mut Object, reclaimer: &mut Reclaimer) {
    if let Object::List(List::Nodes(nodes)) = object
        && let Some(copies) = nodes.thaw()
    {
        reclaimer.nodes(copies);
    }
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

/// What an element costs to hand over, bytes: longer values are shared.
fn cost(entry: &Entry) -> usize {
    let value = match entry.value() {
        ValueRef::Raw(bytes) => bytes.len().min(SHARED_BYTES),
        ValueRef::Embedded(bytes) => bytes.len(),
        ValueRef::Int(_) | ValueRef::Object(_) => 8,
    };
    entry.key().len() + value
}

/// Values from about so many bytes on are not copied but shared with whoever writes them.
const SHARED_BYTES: usize = 4096;

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
        Parts { hash: key.hash, key: key.bytes.into(), head: Some(head), early, taken: None, undo: RefCell::new(log) }
    }

    pub fn undo(&self) -> &RefCell<UndoLog> {
        &self.undo
    }

    /// The collection where its key is, unless it is here.
    pub fn find<'t>(&self, table: &'t mut SegmentedTable<Entry>) -> Option<&'t mut Object> {
        if self.taken.is_some() {
            return None;
        }
        table.find_mut(self.hash, |entry| same(entry.key(), &self.key)).and_then(Entry::object_mut)
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
        let is_last = match self.taken.as_mut().map(|(object, _)| object).or(object) {
            Some(Object::List(List::Nodes(nodes))) => {
                let mut bytes = 0;
                loop {
                    let shown = nodes.take_frozen(|node| {
                        sink.element(Element::Node(node));
                        node.payload_bytes()
                    });
                    bytes += shown.unwrap_or(0);
                    if shown.is_none() || bytes >= PART_BYTES {
                        break shown.is_none();
                    }
                }
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
    pub fn drop_with(mut self, object: Option<&mut Object>, reclaimer: &mut Reclaimer) {
        if let Some(object) = self.taken.as_mut().map(|(object, _)| object).or(object) {
            thaw(object, reclaimer);
        }
        if let Some((object, _)) = self.taken {
            reclaimer.object(object);
        }
        reclaimer.entries(self.undo.into_inner().into_noted());
    }
}

/// Parts of a segment: about so many elements are in one, so that there is one in each.
const PARTS_MAX: usize = 1024;

/// Hands over a segment of a table, or part of one, or some of what was in it.
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
        // Where elements are long, a part has those of a part of the hashes.
        let parts = (segment.iter().map(cost).sum::<usize>() / PART_BYTES).min(PARTS_MAX) as u64;
        let span = (segment.last - segment.first) / (parts + 1);
        let last = if parts == 0 { segment.last } else { from.saturating_add(span).min(segment.last) };
        // One that was merged reaches back to where the walk has been.
        let is_whole = segment.first >= from && last == segment.last;
        let is_in_part = |entry: &&Entry| is_whole || (from..=last).contains(&hasher.hash(entry.key()));
        for entry in segment.iter().filter(is_in_part) {
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
        last.checked_add(1)
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
    let (mut last, mut bytes) = (None, 0);
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
        bytes += member.len();
        if bytes >= PART_BYTES {
            break;
        }
    }
    match last {
        Some((score, member)) => log.has_met_member(score, member),
        None => log.has_met(None),
    }
    false
}
