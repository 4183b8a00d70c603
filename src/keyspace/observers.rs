//! Who wants to know of changes, and what they have not been told yet: blocked clients ([`Awaited`]), clients that WATCH keys
//! ([`Watched`]), client-side caches, subscribers to keyspace events.
//!
//! ```text
//!   Writer ----------> made(db, key) -----+--> Awaited: keys that became ready        \
//!   Writer, expiry --> changed(db, key) --+--> Watched: whose transactions are broken   } interest: one byte, 0 on the hot path
//!                                         +--> changed keys, for client-side caches   /
//!   Writer, expiry --> notify(event) -----> notifications
//!                                              |
//!   Engine, right after the command <----------+  pending: one byte, 0 on the hot path
//! ```
//!
//! Invariants: a bit of [`Interest`] is set if and only if there is somebody of that kind; a bit of [`Pending`] if and only if the
//! list of that kind is not empty. The keyspace knows none of those who are told.

use std::cell::{Cell, RefCell};

use super::awaited::{Awaited, ReadyKey};
use super::watched::Watched;
use super::{Event, Key, Kind};

bitflags::bitflags! {
    /// Kinds of those who want to know of changes of keys.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    struct Interest: u8 {
        const AWAITED = 1;
        const WATCHED = 1 << 1;
        /// Somebody keeps copies of values: every changed key is recorded.
        const CACHED = 1 << 2;
    }
}

bitflags::bitflags! {
    /// What the server has to tell, once the command that caused it is done.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Pending: u8 {
        /// Keys that blocked clients wait for.
        const READY = 1;
        /// Events for subscribers.
        const NOTIFICATIONS = 1 << 1;
        /// Keys of which client-side caches may have copies.
        const INVALIDATIONS = 1 << 2;
        /// Messages, which the server keeps, to the client whose command is being executed.
        const PUSHES = 1 << 3;
    }
}

/// An event that somebody may have subscribed to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    pub event: Event,
    pub db: usize,
    pub key: Box<[u8]>,
}

/// A change that client-side caches want to know of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invalidation {
    Key {
        db: usize,
        hash: u64,
        bytes: Box<[u8]>,
    },
    /// Everything in every database.
    All,
}

/// Everybody who wants to know.
pub struct Observers {
    interest: Interest,
    pending: Cell<Pending>,
    awaited: Awaited,
    watched: Watched,
    /// Readers, who see keys that are missing or past their deadline, add to it too.
    notifications: RefCell<Vec<Notification>>,
    invalidations: Vec<Invalidation>,
    /// What those two take, bytes.
    notifications_bytes: Cell<usize>,
    invalidations_bytes: usize,
}

impl Default for Observers {
    fn default() -> Self {
        Observers {
            interest: Interest::empty(),
            pending: Cell::new(Pending::empty()),
            awaited: Awaited::default(),
            watched: Watched::default(),
            notifications: RefCell::default(),
            invalidations: Vec::new(),
            notifications_bytes: Cell::new(0),
            invalidations_bytes: 0,
        }
    }
}

impl Observers {
    /// What is to be told; empty on the hot path.
    #[inline]
    pub fn pending(&self) -> Pending {
        self.pending.get()
    }

    fn add_pending(&self, pending: Pending) {
        self.pending.set(self.pending.get() | pending);
    }

    /// Bytes of what is to be told: only until the command or job that caused it is done.
    pub fn untold_bytes(&self) -> usize {
        self.notifications_bytes.get() + self.invalidations_bytes
    }

    fn take_pending(&self, pending: Pending) {
        self.pending.set(self.pending.get() - pending);
    }

    /// Whether anybody wants to know which keys change.
    #[inline]
    pub(super) fn is_interested(&self) -> bool {
        !self.interest.is_empty()
    }

    /// A key was changed (or removed).
    #[inline]
    pub(super) fn changed(&mut self, db: usize, key: Key<'_>) {
        if self.is_interested() {
            self.changed_slowly(db, key);
        }
    }

    /// A key was made, with a value of this kind: it was not there, or is not what it was.
    #[inline]
    pub(super) fn made(&mut self, db: usize, key: Key<'_>, kind: Kind) {
        if self.interest.contains(Interest::AWAITED) {
            self.made_slowly(db, key, kind);
        }
    }

    #[cold]
    fn made_slowly(&mut self, db: usize, key: Key<'_>, kind: Kind) {
        if self.awaited.made(db, key, kind) {
            self.add_pending(Pending::READY);
        }
    }

    #[cold]
    fn changed_slowly(&mut self, db: usize, key: Key<'_>) {
        if self.interest.contains(Interest::AWAITED) && self.awaited.changed(db, key) {
            self.add_pending(Pending::READY);
        }
        if self.interest.contains(Interest::WATCHED) {
            self.watched.changed(db, key);
        }
        if self.interest.contains(Interest::CACHED) {
            self.invalidations.push(Invalidation::Key { db, hash: key.hash, bytes: key.bytes.into() });
            self.invalidations_bytes += size_of::<Invalidation>() + key.bytes.len();
            self.add_pending(Pending::INVALIDATIONS);
        }
    }

    /// A key that is there goes with all others of its database.
    pub(super) fn flushed(&mut self, db: usize, key: Key<'_>) {
        self.watched.changed(db, key);
    }

    /// Every key of `dbs` may be another now; `was_or_is_there` says which of the keys of any of them was there before or is now.
    pub(super) fn databases_changed(&mut self, dbs: &[usize], was_or_is_there: impl Fn(Key<'_>) -> bool) {
        self.watched.databases_changed(dbs, was_or_is_there);
    }

    /// Every key of a database is another now; `kind_of` says what it is.
    pub(super) fn database_made(&mut self, db: usize, kind_of: impl Fn(Key<'_>) -> Option<Kind>) {
        if self.awaited.database_made(db, kind_of) {
            self.add_pending(Pending::READY);
        }
    }

    /// Whoever keeps copies of values has to forget all of them.
    pub(super) fn invalidate_all(&mut self) {
        if self.interest.contains(Interest::CACHED) {
            self.invalidations.push(Invalidation::All);
            self.add_pending(Pending::INVALIDATIONS);
        }
    }

    /// Something that subscribers are to be told.
    #[cold]
    pub(super) fn notify(&self, event: Event, db: usize, key: &[u8]) {
        self.notifications.borrow_mut().push(Notification { event, db, key: key.into() });
        let bytes = size_of::<Notification>() + key.len();
        self.notifications_bytes.set(self.notifications_bytes.get() + bytes);
        self.add_pending(Pending::NOTIFICATIONS);
    }

    /// The server keeps a message back until the command that is being executed is done.
    pub fn push_deferred(&mut self) {
        self.add_pending(Pending::PUSHES);
    }

    /// What was kept back is sent.
    pub fn pushes_released(&mut self) {
        self.take_pending(Pending::PUSHES);
    }

    /// The events since the last call, in their order.
    pub fn take_notifications(&mut self) -> Vec<Notification> {
        self.take_pending(Pending::NOTIFICATIONS);
        self.notifications_bytes.set(0);
        std::mem::take(self.notifications.get_mut())
    }

    /// The changes since the last call, in their order, one key as often as it was changed.
    pub fn take_invalidations(&mut self) -> Vec<Invalidation> {
        self.take_pending(Pending::INVALIDATIONS);
        self.invalidations_bytes = 0;
        std::mem::take(&mut self.invalidations)
    }

    /// The keys that somebody waits for and that became ready since the last call, in that order.
    pub fn take_ready(&mut self) -> Vec<ReadyKey> {
        self.take_pending(Pending::READY);
        self.awaited.take_ready()
    }

    /// Nobody is told of what has happened so far.
    pub fn forget(&mut self) {
        if !self.pending.get().is_empty() {
            drop((self.take_notifications(), self.take_invalidations(), self.take_ready()));
        }
    }

    /// Whether changed keys are recorded for client-side caches.
    pub fn set_cached(&mut self, is_cached: bool) {
        self.interest.set(Interest::CACHED, is_cached);
    }

    /// Whether nobody waits for a key.
    pub fn is_nothing_awaited(&self) -> bool {
        self.awaited.is_empty()
    }

    /// One more waits for a value of this kind at this key; `on_change`: also for changes of it.
    pub fn wait(&mut self, db: usize, key: Key<'_>, kind: Kind, on_change: bool) {
        self.awaited.wait(db, key, kind, on_change);
        self.interest |= Interest::AWAITED;
    }

    /// One fewer waits for it.
    pub fn stop_waiting(&mut self, db: usize, key: Key<'_>, kind: Kind, on_change: bool) {
        self.awaited.stop(db, key, kind, on_change);
        self.interest.set(Interest::AWAITED, !self.awaited.is_empty());
    }

    /// A number for somebody who is going to watch keys.
    pub fn begin_to_watch(&mut self) -> u64 {
        self.watched.begin()
    }

    /// The watcher watches this key, which it did not before.
    pub fn watch(&mut self, watcher: u64, db: usize, key: Key<'_>) {
        self.interest |= Interest::WATCHED;
        self.watched.watch(watcher, db, key);
    }

    /// It does not watch this key any more.
    pub fn unwatch(&mut self, watcher: u64, db: usize, key: Key<'_>) {
        self.watched.unwatch(watcher, db, key);
    }

    /// It does not watch any key any more, and will not again.
    pub fn end_watching(&mut self, watcher: u64) {
        self.watched.end(watcher);
        self.interest.set(Interest::WATCHED, !self.watched.is_empty());
    }

    /// Whether one of the watcher's keys was changed while it watched it.
    pub fn is_watch_broken(&self, watcher: u64) -> bool {
        self.watched.is_broken(watcher)
    }

    /// The names of the keys of these databases that are watched. One that is there was alive when it was watched, or was made since,
    /// though its deadline may have passed: WATCH and SWAPDB take out what they find expired.
    pub(super) fn watched_in(&self, dbs: &[usize]) -> Vec<Box<[u8]>> {
        self.watched.keys_of(dbs)
    }

    /// Keys that are watched.
    pub fn watched_keys(&self) -> usize {
        self.watched.len()
    }
}
