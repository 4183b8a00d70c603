//! A look at all keys as they were at one moment, taken in slices while they go on changing.
//!
//! A walk visits every database in the order of its keys' hashes, segment by segment. Up to `unsaved_from` it has been; whatever lies ahead
//! is handed to the sink before it is changed or removed ([`Db::find_mut`], [`Db::remove`], [`Db::set_deadline`] and the expiry of fields see to that: nobody
//! gets at an entry past them), and is then marked, so that the walk passes it by. A key that is made ahead of the walk is marked from the start. So
//! the sink gets each key that was there at the beginning exactly once, as it was then, and no other.
//!
//! The place in a database is a hash, not a segment: segments may split and merge as they like. Within a segment it is a bucket, as long as the
//! segment keeps its version; a walk that has to pause there marks what it has saved of it. Marks exist only ahead of the walk: what it passes it
//! unmarks. A database that is flushed is kept, out of the way, until the walk has been through it; one that is swapped takes its place in the walk along.
//!
//! Cost: no memory but the marks, which are bits that the entries have anyway. A change while no walk is on compares the key's hash with a number beside
//! the table; one ahead of a walk serializes its key earlier than the walk would have. A value is handed over as a whole, however large it is; the sink
//! says which one held a turn up.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::Keyspace;
use super::db::Db;
use super::entry::{ByKey, Entry};
use crate::base::hash::KeyHasher;
use crate::collections::segmented_table::Rehash;

/// Who wants to have the keys.
pub trait SnapshotSink {
    /// A key as it was when the snapshot began, and the number that its database had then. `early`: it was about to be changed.
    fn entry(&mut self, db: usize, entry: &Entry, early: bool);
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
}

impl Unsaved {
    #[cold]
    #[inline(never)]
    pub(super) fn save_early(&self, entry: &Entry) {
        if let Some(sink) = &self.sink
            && !entry.is_saved()
        {
            sink.borrow_mut().entry(self.number, entry, true);
            entry.set_saved(true);
        }
    }

    /// A new key lies ahead of the walk.
    #[cold]
    #[inline(never)]
    pub(super) fn pass_by(&self, entry: &Entry) {
        if self.sink.is_some() {
            entry.set_saved(true);
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
}

/// Entries fetched ahead.
const PREFETCHED: usize = 12;

impl Db {
    /// Goes on until the end of the database, or until `go_on`, asked after each key and each segment, says no. Whether it has come to the end.
    fn walk(&mut self, hasher: &KeyHasher, go_on: &mut dyn FnMut() -> bool) -> bool {
        let Some(unsaved) = &mut self.unsaved else { return true };
        loop {
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
            let mut paused_at = None;
            for bucket in first..buckets {
                if let Some(next) = segment.get(bucket + PREFETCHED) {
                    next.prefetch();
                }
                let Some(entry) = segment.get(bucket).filter(|entry| is_ahead(entry)) else { continue };
                if entry.is_saved() {
                    unsaved.has_marks = true;
                } else if let Some(sink) = &unsaved.sink {
                    sink.borrow_mut().entry(unsaved.number, entry, false);
                    if !go_on() {
                        paused_at = Some(bucket + 1);
                        break;
                    }
                }
            }
            if let Some(paused_at) = paused_at.filter(|&bucket| bucket < buckets) {
                for entry in (first..paused_at).filter_map(|bucket| segment.get(bucket)).filter(|entry| is_ahead(entry))
                {
                    entry.set_saved(true);
                }
                unsaved.bucket = paused_at;
                unsaved.has_marks = true;
                return false;
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
            db.unsaved = Some(Box::new(Unsaved { number, sink, from: 0, bucket: 0, version: 0, has_marks: false }));
            self.walk.pending += 1;
        }
        true
    }

    /// Whether there is still something to walk through.
    pub fn has_snapshot(&self) -> bool {
        self.walk.pending > 0
    }

    /// Goes on with the walk for as long as `go_on`, asked after each key and each segment, says yes. Whether the walk has come to its end.
    pub fn walk_snapshot(&mut self, go_on: &mut dyn FnMut() -> bool) -> bool {
        let is_over = Cell::new(false);
        let go_on = &mut || {
            is_over.set(!go_on());
            !is_over.get()
        };
        while self.walk.pending > 0 {
            let hasher = &self.hasher;
            // What is not needed for anything else first.
            if let Some(detached) = self.walk.detached.last_mut() {
                if !detached.walk(hasher, go_on) {
                    return false;
                }
                if let Some(db) = self.walk.detached.pop() {
                    self.reclaimer.database(db.table, db.wheel, db.field_deadlines);
                }
            } else {
                self.walk.slot = (self.walk.slot..self.dbs_used)
                    .chain(0..self.walk.slot)
                    .find(|&slot| self.dbs[slot].unsaved.is_some())
                    .unwrap_or(self.walk.slot);
                let db = &mut self.dbs[self.walk.slot];
                if !db.walk(hasher, go_on) {
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
            self.reclaimer.database(db.table, db.wheel, db.field_deadlines);
        }
        for db in &mut self.dbs[..self.dbs_used] {
            db.unsaved_from = u64::MAX;
            if let Some(unsaved) = &mut db.unsaved {
                unsaved.sink = None;
            }
        }
    }

    /// A database has been taken out of its slot, with all its keys.
    pub(super) fn discard(&mut self, db: Db) {
        match &db.unsaved {
            Some(unsaved) if unsaved.sink.is_some() => return self.walk.detached.push(db),
            Some(_) => self.walk.pending -= 1,
            None => {}
        }
        self.reclaimer.database(db.table, db.wheel, db.field_deadlines);
    }
}
