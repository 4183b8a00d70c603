//! A look at all keys as they were at one moment, taken in slices while they go on changing.
//!
//! A walk visits every database in the order of its keys' hashes, segment by segment. Up to `unsaved_from` it has been; whatever lies ahead
//! is handed to the sink before it is changed or removed ([`Db::find_mut`], [`Db::remove`], [`Db::set_deadline`] and the expiry of fields
//! see to that: nobody gets at an entry past them), and is then marked, so that the walk passes it by. A key that is made ahead of the walk
//! is marked from the start. So the sink gets each key that was there at the beginning exactly once, as it was then, and no other.
//!
//! The place in a database is a hash, not a segment: segments may split and merge as they like. Within a segment it is a bucket, as long as
//! the segment keeps its version; a walk that has to pause there marks what it has saved of it. Marks exist only ahead of the walk: what it
//! passes it unmarks. A database that is flushed is kept, out of the way, until the walk has been through it; one that is swapped takes its
//! place in the walk along.
//!
//! A collection that is too large for a slice goes to the sink in parts ([`parts`]): from when the walk comes to it, or it is about to be
//! changed, until all of it has been handed over. It may be changed meanwhile, as often as anybody likes; what an element was is noted
//! before its first change ([`undo`]). The walk does not go on to other keys before.
//!
//! Cost: no memory but the marks, which are bits that the entries have anyway, and the changed elements of the collections on their way. A
//! change while no walk is on compares the key's hash with a number beside the table; one ahead of a walk serializes its key earlier than
//! the walk would have.

mod parts;
mod undo;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

pub use undo::UndoLog;

use super::db::{Db, same};
use super::entry::{ByKey, Displaced, Entry, Value};
use super::reclaim::Reclaimer;
use super::{FieldText, Key, Keyspace};
use crate::base::hash::KeyHasher;
use crate::collections::quicklist::Node;
use crate::collections::segmented_table::{Rehash, SegmentedTable};
use parts::{Parts, Queue, is_long};

/// Who wants to have the keys.
pub trait SnapshotSink {
    /// A key as it was when the snapshot began, and the number that its database had then. `early`: it was about to be changed. It may come
    /// while the elements of another key do.
    fn entry(&mut self, db: usize, entry: &Entry, early: bool);
    /// A key with a large collection, whose elements are going to come one by one: what the sink wants to know of it when they do. None: it
    /// is to come as a whole, however long that takes.
    fn head(&mut self, entry: &Entry) -> Option<Head>;
    /// The elements of that key are coming, and of no other before [`SnapshotSink::end`].
    fn begin(&mut self, db: usize, head: Head, early: bool);
    /// An element, as it was when the snapshot began: those of lists in order, others in any.
    fn element(&mut self, element: Element<'_>);
    /// That was the last one.
    fn end(&mut self);
}

/// What a sink needs of a key before its elements.
pub struct Head {
    pub key: Box<[u8]>,
    /// What stands before them.
    pub bytes: Vec<u8>,
    /// How many they are.
    pub elements: usize,
    /// The first deadline of the fields of a hash, if any has one, Unix milliseconds.
    pub due_ms: Option<i64>,
}

/// An element of a collection.
pub enum Element<'a> {
    /// Of a list, some at once.
    Node(&'a Node),
    Member(&'a [u8]),
    Scored(&'a [u8], f64),
    /// With its deadline, Unix milliseconds.
    Field(&'a [u8], FieldText<'a>, Option<i64>),
}

/// A sink that the walk shares with whoever began it.
pub type SharedSink = Rc<RefCell<dyn SnapshotSink>>;

/// What the walk still has to do in a database.
pub(super) struct Unsaved {
    /// The database's number when the snapshot began.
    number: usize,
    /// None: the snapshot was given up, and the walk only takes its marks away.
    sink: Option<SharedSink>,
    /// Hashes below it are done.
    from: u64,
    /// In the segment of `from`, while it has this version: buckets below this one are done.
    bucket: usize,
    version: u32,
    /// Whether there may be marks in that segment.
    has_marks: bool,
    /// Collections on their way, the first of which is being handed over. While there are any, the walk stays where it is, so that they lie
    /// ahead of it; or, if one was renamed, `unsaved_from` is 0.
    parts: Queue,
}

impl Unsaved {
    /// A key is about to be changed, or has been removed. The log of the changes to its elements, if its value is on its way.
    #[cold]
    #[inline(never)]
    pub(super) fn save_early(&mut self, hash: u64, entry: &mut Entry) -> Option<&RefCell<UndoLog>> {
        let sink = self.sink.as_ref()?;
        if hash >= self.from && !entry.is_saved() {
            match if is_long(&entry.value()) { sink.borrow_mut().head(entry) } else { None } {
                Some(head) => self.begin_parts(hash, entry, head, true),
                None => sink.borrow_mut().entry(self.number, entry, true),
            }
            entry.set_saved(true);
        }
        self.parts.of(hash, entry.key()).map(Parts::undo)
    }

    fn begin_parts(&mut self, hash: u64, entry: &mut Entry, head: Head, early: bool) {
        let name = entry.key().to_vec();
        self.parts.push(Parts::begin(Key::with_hash(&name, hash), entry, head, early));
    }

    /// A new key lies ahead of the walk.
    #[cold]
    #[inline(never)]
    pub(super) fn pass_by(&self, hash: u64, entry: &Entry) {
        if self.sink.is_some() && hash >= self.from {
            entry.set_saved(true);
        }
    }

    /// An entry has been removed: if its value is on its way, it is kept here.
    #[cold]
    #[inline(never)]
    pub(super) fn removed(&mut self, hash: u64, entry: &mut Entry) {
        if self.save_early(hash, entry).is_none() {
            return;
        }
        if let Value::Object(object) = entry.take_value() {
            self.parts.take(Key::with_hash(entry.key(), hash), object);
        }
    }
}

/// The walk, besides what the databases know of it.
#[derive(Default)]
pub(super) struct Walk {
    /// Databases that have been flushed and not walked through.
    detached: Vec<Db>,
    /// Databases not walked through, those among them.
    pending: usize,
    /// The slot that was looked at last.
    slot: usize,
    /// About the memory of collections that are on their way and have no key any more, bytes.
    taken_bytes: Rc<Cell<usize>>,
}

/// Entries fetched ahead.
const PREFETCHED: usize = 12;

impl Db {
    /// Goes on until the end of the database, or until `go_on`, asked after each key, each part of one and each segment, says no. Whether
    /// it has come to the end.
    fn walk(&mut self, hasher: &KeyHasher, reclaimer: &mut Reclaimer, go_on: &mut dyn FnMut() -> bool) -> bool {
        loop {
            if !self.walk_parts(hasher, reclaimer, go_on) {
                return false;
            }
            let Some(unsaved) = &mut self.unsaved else { return true };
            let Some(segment) = self.table.segment_of(unsaved.from) else { return true };
            // A segment that was merged reaches back to where the walk has been.
            let reaches_back = segment.first < unsaved.from;
            let is_ahead = |entry: &Entry| !reaches_back || ByKey(hasher).hash(entry) >= unsaved.from;
            if segment.version() != unsaved.version {
                unsaved.version = segment.version();
                unsaved.bucket = 0;
            }
            let first = unsaved.bucket;
            let buckets = segment.buckets();
            let (mut paused_at, mut long) = (None, None);
            for bucket in first..buckets {
                if let Some(next) = segment.get(bucket + PREFETCHED) {
                    next.prefetch();
                }
                let Some(entry) = segment.get(bucket).filter(|entry| is_ahead(entry)) else { continue };
                if entry.is_saved() {
                    unsaved.has_marks = true;
                } else if let Some(sink) = &unsaved.sink {
                    if is_long(&entry.value())
                        && let Some(head) = sink.borrow_mut().head(entry)
                    {
                        long = Some((entry.key().to_vec(), head));
                        paused_at = Some(bucket + 1);
                        break;
                    }
                    sink.borrow_mut().entry(unsaved.number, entry, false);
                    if !go_on() {
                        paused_at = Some(bucket + 1);
                        break;
                    }
                }
            }
            if let Some(paused_at) = paused_at.filter(|&bucket| bucket < buckets || long.is_some()) {
                for entry in (first..paused_at).filter_map(|bucket| segment.get(bucket)).filter(|entry| is_ahead(entry))
                {
                    entry.set_saved(true);
                }
                unsaved.bucket = paused_at;
                unsaved.has_marks = true;
                let Some((key, head)) = long else { return false };
                let hash = hasher.hash(&key);
                if let Some(entry) = self.table.find_mut(hash, |entry| same(entry.key(), &key)) {
                    unsaved.begin_parts(hash, entry, head, false);
                }
                continue;
            }
            if unsaved.has_marks {
                segment.iter().filter(|entry| is_ahead(entry)).for_each(|entry| entry.set_saved(false));
            }
            let Some(next) = segment.last.checked_add(1) else { return true };
            unsaved.from = next;
            unsaved.bucket = 0;
            unsaved.has_marks = false;
            if unsaved.sink.is_some() {
                self.unsaved_from = next;
            }
            if paused_at.is_some() || !go_on() {
                return false;
            }
        }
    }

    /// Nobody wants the rest. What is still marked or on its way is given up by the walk, in slices; so names go on being followed until
    /// then.
    fn give_up(&mut self) {
        let Some(unsaved) = &mut self.unsaved else { return };
        unsaved.sink = None;
        if unsaved.parts.is_empty() {
            self.unsaved_from = u64::MAX;
        }
    }

    /// Hands over the collections that are on their way, or parts of them. Whether that was all.
    fn walk_parts(&mut self, hasher: &KeyHasher, reclaimer: &mut Reclaimer, go_on: &mut dyn FnMut() -> bool) -> bool {
        let Some(unsaved) = &mut self.unsaved else { return true };
        if unsaved.parts.is_empty() {
            return true;
        }
        while !unsaved.parts.is_empty() {
            step(&mut self.table, unsaved, hasher, reclaimer);
            if !go_on() {
                return false;
            }
        }
        // No renamed one has to be looked after any more.
        self.unsaved_from = if unsaved.sink.is_some() { unsaved.from } else { u64::MAX };
        true
    }

    /// Whether a collection of this database has been handed over in part.
    fn has_begun(&self) -> bool {
        self.unsaved.as_ref().is_some_and(|unsaved| unsaved.parts.has_begun())
    }

    /// Hands over the rest of the collection that has been handed over in part, if there is one.
    fn finish_begun(&mut self, hasher: &KeyHasher, reclaimer: &mut Reclaimer) {
        while self.has_begun() {
            let Some(unsaved) = &mut self.unsaved else { return };
            step(&mut self.table, unsaved, hasher, reclaimer);
        }
    }

    /// Whether a key that is about to be changed has, from now on, a value on its way.
    #[cold]
    fn is_in_parts(&mut self, key: Key<'_>) -> bool {
        self.find_mut(key);
        self.unsaved.as_ref().is_some_and(|unsaved| unsaved.parts.of(key.hash, key.bytes).is_some())
    }

    /// Hands over a collection that is on its way, before others that have not begun.
    fn finish_parts(&mut self, key: Key<'_>, hasher: &KeyHasher, reclaimer: &mut Reclaimer) {
        let Some(unsaved) = &mut self.unsaved else { return };
        if unsaved.sink.is_none() {
            return unsaved.parts.let_go(key, &mut self.table, reclaimer);
        }
        unsaved.parts.bring_forward(key);
        while unsaved.parts.of(key.hash, key.bytes).is_some() {
            step(&mut self.table, unsaved, hasher, reclaimer);
        }
    }

    /// A key is going to be renamed. Whether its value is on its way.
    #[inline]
    pub(super) fn lift(&mut self, key: Key<'_>) -> bool {
        key.hash >= self.unsaved_from && self.lift_slowly(key)
    }

    #[cold]
    fn lift_slowly(&mut self, key: Key<'_>) -> bool {
        self.find_mut(key);
        self.unsaved.as_mut().is_some_and(|unsaved| unsaved.parts.lift(key))
    }

    /// A key whose value is on its way has this name now.
    pub(super) fn put_down(&mut self, key: Key<'_>) {
        if let Some(unsaved) = &mut self.unsaved
            && unsaved.parts.put_down(key)
        {
            // It may lie behind the walk; all changes are looked at until it is through.
            self.unsaved_from = 0;
        }
    }

    /// A key has another value now. What that has pushed out stays here if it is on its way. (By reference: handed through, it would be
    /// copied with each SET.)
    #[inline]
    pub(super) fn displaced(&mut self, key: Key<'_>, displaced: &mut Displaced) {
        if key.hash >= self.unsaved_from {
            self.displaced_slowly(key, displaced);
        }
    }

    #[cold]
    #[inline(never)]
    fn displaced_slowly(&mut self, key: Key<'_>, displaced: &mut Displaced) {
        let Some(unsaved) = &mut self.unsaved else { return };
        if unsaved.parts.of(key.hash, key.bytes).is_none() {
            return;
        }
        match std::mem::replace(displaced, Displaced::Nothing) {
            Displaced::Entry(mut entry) => {
                if let Value::Object(object) = entry.take_value() {
                    unsaved.parts.take(key, object);
                }
            }
            Displaced::Value(Value::Object(object)) => unsaved.parts.take(key, object),
            other => *displaced = other,
        }
    }
}

/// Hands over a part of the first collection that is on its way; or gives all of it up, if nobody wants it any more.
fn step(table: &mut SegmentedTable<Entry>, unsaved: &mut Unsaved, hasher: &KeyHasher, reclaimer: &mut Reclaimer) {
    let Some(parts) = unsaved.parts.first() else { return };
    let mut object = parts.find(table);
    let is_over = unsaved.sink.as_ref().is_none_or(|sink| {
        parts.step(unsaved.number, object.as_deref_mut(), hasher, &mut *sink.borrow_mut(), reclaimer)
    });
    if is_over && let Some(parts) = unsaved.parts.pop() {
        parts.drop_with(object, reclaimer);
    }
}

impl Keyspace {
    /// Begins a snapshot of all databases as they are now. False: the marks of one that was given up are not gone yet; go on with
    /// [`Keyspace::walk_snapshot`] and try again.
    pub fn begin_snapshot(&mut self, sink: &SharedSink) -> bool {
        if self.has_snapshot() {
            return false;
        }
        self.walk = Walk::default();
        for (number, db) in self.dbs.iter_mut().take(self.dbs_used).enumerate().filter(|(_, db)| !db.is_empty()) {
            db.unsaved_from = 0;
            let sink = Some(Rc::clone(sink));
            let parts = Queue::new(&self.walk.taken_bytes);
            db.unsaved =
                Some(Box::new(Unsaved { number, sink, from: 0, bucket: 0, version: 0, has_marks: false, parts }));
            self.walk.pending += 1;
        }
        true
    }

    /// About the memory of what has gone and is only kept until it has been handed over, bytes.
    pub(super) fn taken_bytes(&self) -> usize {
        self.walk.taken_bytes.get()
    }

    /// Whether there is still something to walk through.
    pub fn has_snapshot(&self) -> bool {
        self.walk.pending > 0
    }

    /// Goes on with the walk for as long as `go_on`, asked after each key, each part of a large one and each segment, says yes. Whether the
    /// walk has come to its end.
    pub fn walk_snapshot(&mut self, go_on: &mut dyn FnMut() -> bool) -> bool {
        let is_over = Cell::new(false);
        let go_on = &mut || {
            is_over.set(!go_on());
            !is_over.get()
        };
        while self.walk.pending > 0 {
            // First of all the database with a collection that has been handed over in part.
            let begun = self.dbs[..self.dbs_used].iter().position(Db::has_begun);
            if let Some(index) = self.walk.detached.iter().position(Db::has_begun) {
                let last = self.walk.detached.len() - 1;
                self.walk.detached.swap(index, last);
            }
            let Keyspace { hasher, reclaimer, .. } = self;
            // Then what is not needed for anything else.
            if begun.is_none()
                && let Some(detached) = self.walk.detached.last_mut()
            {
                if !detached.walk(hasher, reclaimer, go_on) {
                    return false;
                }
                if let Some(db) = self.walk.detached.pop() {
                    self.retire(db);
                }
            } else {
                self.walk.slot = begun.unwrap_or(self.walk.slot);
                self.walk.slot = (self.walk.slot..self.dbs_used)
                    .chain(0..self.walk.slot)
                    .find(|&slot| self.dbs[slot].unsaved.is_some())
                    .unwrap_or(self.walk.slot);
                let db = &mut self.dbs[self.walk.slot];
                if !db.walk(hasher, reclaimer, go_on) {
                    return false;
                }
                db.unsaved = None;
                db.unsaved_from = u64::MAX;
            }
            self.walk.pending -= 1;
            if is_over.get() {
                // The last key of a database was the last that there was time for.
                break;
            }
        }
        self.walk.pending == 0
    }

    /// Nobody wants the rest of the snapshot. Its marks are taken away by and by: [`Keyspace::walk_snapshot`] goes on until that is done.
    pub fn give_up_snapshot(&mut self) {
        for db in std::mem::take(&mut self.walk.detached) {
            self.walk.pending -= 1;
            self.retire(db);
        }
        self.dbs[..self.dbs_used].iter_mut().for_each(Db::give_up);
    }

    /// A database goes, with whatever of it is still on its way.
    fn retire(&mut self, db: Db) {
        if let Some(unsaved) = db.unsaved {
            unsaved.parts.hand_over(&mut self.reclaimer);
        }
        self.reclaimer.database(db.table, db.wheel, db.field_deadlines);
    }

    /// A key is going to another database, whose walk has no part in it: its value is handed over before.
    pub(super) fn finish_parts(&mut self, db: usize, key: Key<'_>) {
        let Keyspace { dbs, hasher, reclaimer, walk, .. } = self;
        if key.hash >= dbs[db].unsaved_from && dbs[db].is_in_parts(key) {
            dbs.iter_mut().chain(&mut walk.detached).for_each(|db| db.finish_begun(hasher, reclaimer));
            dbs[db].finish_parts(key, hasher, reclaimer);
        }
    }

    /// A database has been taken out of its slot, with all its keys.
    pub(super) fn discard(&mut self, db: Db) {
        match &db.unsaved {
            Some(unsaved) if unsaved.sink.is_some() => return self.walk.detached.push(db),
            Some(_) => self.walk.pending -= 1,
            None => {}
        }
        self.retire(db);
    }
}
