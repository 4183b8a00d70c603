//! Freeing off the loop: what is expensive to free is collected during a turn and handed, once a turn, to a thread that does nothing
//! else.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use super::entry::{Displaced, Entry, Value, ValueRef};
use crate::collections::segmented_table::SegmentedTable;
use crate::collections::timing_wheel::TimingWheel;

/// A string of at least this many bytes is freed off the loop.
const HEAVY_BYTES: usize = 256 * 1024;

/// Collects garbage and sends it away.
#[derive(Default)]
pub struct Reclaimer {
    collected: Vec<Garbage>,
    sender: Option<Sender<Vec<Garbage>>>,
    /// Objects sent and not yet freed.
    pending: Arc<AtomicUsize>,
    freed: Arc<AtomicUsize>,
}

enum Garbage {
    Entry(#[expect(dead_code, reason = "held to be dropped")] Entry),
    Value(#[expect(dead_code, reason = "held to be dropped")] Value),
    Database(SegmentedTable<Entry>, #[expect(dead_code, reason = "held to be dropped")] Box<Deadlines>),
}

/// The deadlines of a database's keys and fields.
type Deadlines = (TimingWheel, BTreeSet<(i64, u64)>);

impl Garbage {
    fn objects(&self) -> usize {
        match self {
            Garbage::Database(table, _) => table.len(),
            _ => 1,
        }
    }
}

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

    /// What is to be freed elsewhere.
    #[inline]
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

    /// Frees a whole database's keys elsewhere.
    pub fn database(&mut self, table: SegmentedTable<Entry>, wheel: TimingWheel, fields: BTreeSet<(i64, u64)>) {
        if !table.is_empty() || !wheel.is_empty() {
            self.collect(Garbage::Database(table, Box::new((wheel, fields))));
        }
    }

    #[cold]
    fn collect(&mut self, garbage: Garbage) {
        self.pending.fetch_add(garbage.objects(), Ordering::Relaxed);
        self.collected.push(garbage);
    }

    /// Starts the thread now instead of with the first garbage: it stays on the CPUs that the caller is bound to.
    pub fn start(&mut self) {
        self.sender.get_or_insert_with(|| spawn(Arc::clone(&self.pending), Arc::clone(&self.freed)));
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
        let sender = self.sender.get_or_insert_with(|| spawn(Arc::clone(&self.pending), Arc::clone(&self.freed)));
        // The thread ends only when the sender is gone. Should it have died, the batch is freed here.
        drop(sender.send(batch));
    }

    /// Objects waiting to be freed: INFO's `lazyfree_pending_objects`.
    pub fn pending_objects(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// Objects freed off the loop: INFO's `lazyfreed_objects`.
    pub fn freed_objects(&self) -> usize {
        self.freed.load(Ordering::Relaxed)
    }

    pub fn reset_stats(&mut self) {
        self.freed.store(0, Ordering::Relaxed);
    }
}

fn spawn(pending: Arc<AtomicUsize>, freed: Arc<AtomicUsize>) -> Sender<Vec<Garbage>> {
    let (sender, receiver) = channel::<Vec<Garbage>>();
    let free = move || {
        for batch in receiver {
            for garbage in batch {
                let objects = garbage.objects();
                drop(garbage);
                pending.fetch_sub(objects, Ordering::Relaxed);
                freed.fetch_add(objects, Ordering::Relaxed);
            }
        }
    };
    let spawned = std::thread::Builder::new().name("zedis-free".into()).spawn(free);
    if spawned.is_err() {
        // Without the thread its receiver is gone, and what is sent is freed at once by the failed send.
        crate::base::log::warning("can't start the thread that frees memory; it is freed on the loop");
    }
    sender
}
