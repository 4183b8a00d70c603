//! Freeing off the loop: what is expensive to free is collected during a turn and handed, once a turn, to a thread that does nothing
//! else.
//!
//! It keeps the account of that memory: how much waits to be freed (which a memory limit does not count, or twice as much would have to go
//! as is needed), and what the thread has freed (which the allocator books to that thread).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::{SendError, Sender, channel};

use super::Object;
use super::entry::{Displaced, Entry, Value, ValueRef};
use super::set::entries_bytes;
use crate::base::allocator;
use crate::base::threads;
use crate::collections::quicklist::Leftovers;
use crate::collections::segmented_table::SegmentedTable;
use crate::collections::timing_wheel::TimingWheel;

/// A string of at least this many bytes is freed off the loop.
const HEAVY_BYTES: usize = 256 * 1024;

/// Collects garbage and sends it away.
#[derive(Default)]
pub struct Reclaimer {
    collected: Vec<Weighed>,
    sender: Option<Sender<Vec<Weighed>>>,
    account: Arc<Account>,
}

/// What the thread and the loop tell each other.
#[derive(Default)]
struct Account {
    /// Objects collected and not yet freed.
    pending: AtomicUsize,
    /// Their memory, bytes; an estimate.
    pending_bytes: AtomicUsize,
    freed: AtomicUsize,
    /// What the allocator books to the thread, bytes: below zero, since it only frees.
    thread_bytes: AtomicI64,
}

/// Garbage and its memory, bytes.
struct Weighed(Garbage, usize);

enum Garbage {
    Entry(Entry),
    Value(Value),
    Entries(SegmentedTable<Entry>),
    Nodes(Leftovers),
    Database(SegmentedTable<Entry>, Box<Deadlines>),
    Bulk(Box<dyn Bulk>),
}

/// Something of which only its owner knows what it is.
pub trait Bulk: Send {
    /// About its memory.
    fn bytes(&self) -> usize;
}

/// The deadlines of a database's keys and fields.
type Deadlines = (TimingWheel, BTreeSet<(i64, u64)>);

impl Garbage {
    fn objects(&self) -> usize {
        match self {
            Garbage::Database(table, _) => table.len(),
            // Nobody's keys.
            Garbage::Entries(_) | Garbage::Nodes(_) | Garbage::Bulk(_) => 0,
            _ => 1,
        }
    }

    /// About its memory, bytes.
    fn bytes(&self) -> usize {
        match self {
            Garbage::Entry(entry) => entry.memory_bytes(ELEMENTS_WEIGHED),
            Garbage::Value(Value::Raw(bytes)) => bytes.capacity(),
            Garbage::Value(Value::Object(object)) => object.memory_bytes(ELEMENTS_WEIGHED),
            Garbage::Value(Value::Int(_) | Value::Short(_)) => 0,
            Garbage::Nodes(nodes) => nodes.memory_bytes(),
            Garbage::Bulk(bulk) => bulk.bytes(),
            Garbage::Entries(table) => entries_bytes(table, ELEMENTS_WEIGHED),
            Garbage::Database(table, deadlines) => {
                let weighed = table.len().min(KEYS_WEIGHED);
                let keys: usize = table.iter().take(weighed).map(|entry| entry.memory_bytes(ELEMENTS_WEIGHED)).sum();
                keys.saturating_mul(table.len()) / weighed.max(1) + table.memory_bytes() + deadlines.0.memory_bytes()
            }
        }
    }
}

/// Elements of a value, and keys of a database, by which the memory of all is estimated. Few: each may be on a page of its own that a
/// virtual machine's host has to bring back while the turn waits.
const ELEMENTS_WEIGHED: usize = 5;
const KEYS_WEIGHED: usize = 8;

fn is_heavy(value: &ValueRef<'_>) -> bool {
    match value {
        ValueRef::Int(_) | ValueRef::Embedded(_) => false,
        ValueRef::Raw(bytes) => bytes.capacity() >= HEAVY_BYTES,
        ValueRef::Object(object) => object.is_heavy(),
    }
}

impl Displaced {
    fn is_heavy(&self) -> bool {
        match self {
            Displaced::Nothing => false,
            Displaced::Entry(entry) => is_heavy(&entry.value()),
            Displaced::Value(Value::Raw(bytes)) => bytes.capacity() >= HEAVY_BYTES,
            Displaced::Value(Value::Object(object)) => object.is_heavy(),
            Displaced::Value(Value::Int(_) | Value::Short(_)) => false,
        }
    }
}

/// What changes inside a value let go of, fields of a hash for one; they know of no [`Reclaimer`], which takes it from here.
#[derive(Default)]
pub struct Discarded(RefCell<Vec<Displaced>>);

impl Discarded {
    /// Frees it here if that is cheap, else elsewhere.
    #[inline]
    pub fn take_in(&self, displaced: Displaced) {
        if displaced.is_heavy() {
            self.0.borrow_mut().push(displaced);
        }
    }

    /// Whether there is something.
    #[inline]
    pub fn has_any(&mut self) -> bool {
        !self.0.get_mut().is_empty()
    }

    /// What is to be freed elsewhere.
    pub fn drain(&mut self) -> impl Iterator<Item = Displaced> {
        self.0.get_mut().drain(..)
    }
}

impl Reclaimer {
    /// Frees the entry here if that is cheap, else elsewhere.
    #[inline]
    pub fn entry(&mut self, entry: Entry) {
        if is_heavy(&entry.value()) {
            self.collect(Garbage::Entry(entry));
        }
    }

    /// Frees what a new value displaced here if that is cheap, else elsewhere.
    #[inline]
    pub fn displaced(&mut self, displaced: Displaced) {
        if !displaced.is_heavy() {
            return;
        }
        match displaced {
            Displaced::Nothing => {}
            Displaced::Entry(entry) => self.collect(Garbage::Entry(entry)),
            Displaced::Value(value) => self.collect(Garbage::Value(value)),
        }
    }

    /// The same for an object.
    pub fn object(&mut self, object: Object) {
        self.displaced(Displaced::Value(Value::Object(object)));
    }

    /// Frees what a table of elements holds elsewhere, if there is anything.
    pub fn entries(&mut self, table: SegmentedTable<Entry>) {
        if !table.is_empty() {
            self.collect(Garbage::Entries(table));
        }
    }

    /// Frees nodes of a list elsewhere.
    pub fn nodes(&mut self, nodes: Leftovers) {
        self.collect(Garbage::Nodes(nodes));
    }

    /// Frees a whole database's keys elsewhere.
    pub fn database(&mut self, table: SegmentedTable<Entry>, wheel: TimingWheel, fields: BTreeSet<(i64, u64)>) {
        if !table.is_empty() || !wheel.is_empty() {
            self.collect(Garbage::Database(table, Box::new((wheel, fields))));
        }
    }

    /// Frees whatever it is elsewhere.
    pub fn bulk(&mut self, bulk: Box<dyn Bulk>) {
        self.collect(Garbage::Bulk(bulk));
    }

    #[cold]
    fn collect(&mut self, garbage: Garbage) {
        let bytes = garbage.bytes();
        self.account.pending.fetch_add(garbage.objects(), Ordering::Relaxed);
        self.account.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.collected.push(Weighed(garbage, bytes));
    }

    /// Starts the thread now instead of with the first garbage: it stays on the CPUs that the caller is bound to.
    pub fn start(&mut self) {
        self.sender.get_or_insert_with(|| spawn(Arc::clone(&self.account)));
    }

    /// Sends what has been collected.
    #[inline]
    pub fn flush(&mut self) {
        if !self.collected.is_empty() {
            self.send();
        }
    }

    #[cold]
    fn send(&mut self) {
        let batch = std::mem::take(&mut self.collected);
        let sender = self.sender.get_or_insert_with(|| spawn(Arc::clone(&self.account)));
        // The thread ends only when the sender is gone. Should it have died, the batch is freed here.
        if let Err(SendError(batch)) = sender.send(batch) {
            for garbage in batch {
                self.account.free(garbage, || {});
            }
        }
    }

    /// What the allocator books to the thread that frees, bytes: to be added to what it books to this one.
    #[inline]
    pub fn thread_bytes(&self) -> i64 {
        self.account.thread_bytes.load(Ordering::Relaxed)
    }

    /// Memory of what waits to be freed, bytes.
    #[inline]
    pub fn pending_bytes(&self) -> usize {
        self.account.pending_bytes.load(Ordering::Relaxed)
    }

    /// Objects waiting to be freed: INFO's `lazyfree_pending_objects`.
    pub fn pending_objects(&self) -> usize {
        self.account.pending.load(Ordering::Relaxed)
    }

    /// Objects freed off the loop: INFO's `lazyfreed_objects`.
    pub fn freed_objects(&self) -> usize {
        self.account.freed.load(Ordering::Relaxed)
    }

    pub fn reset_stats(&mut self) {
        self.account.freed.store(0, Ordering::Relaxed);
    }
}

impl Account {
    /// Frees; `book` says so before the garbage stops being pending, so that at no moment it seems to be kept.
    fn free(&self, Weighed(garbage, bytes): Weighed, book: impl FnOnce()) {
        let objects = garbage.objects();
        drop(garbage);
        book();
        self.pending.fetch_sub(objects, Ordering::Relaxed);
        self.pending_bytes.fetch_sub(bytes, Ordering::Release);
        self.freed.fetch_add(objects, Ordering::Relaxed);
    }
}

fn spawn(account: Arc<Account>) -> Sender<Vec<Weighed>> {
    let (sender, receiver) = channel::<Vec<Weighed>>();
    let free = move || {
        let book = || account.thread_bytes.store(allocator::thread_bytes(), Ordering::Relaxed);
        for batch in receiver {
            for garbage in batch {
                account.free(garbage, book);
            }
            book();
        }
    };
    let spawned = threads::spawn("zedis-free", free);
    if spawned.is_err() {
        // Without the thread its receiver is gone, and what is sent is freed at once by the failed send.
        crate::base::log::warning("can't start the thread that frees memory; it is freed on the loop");
    }
    sender
}
