//! Transactions (<https://redis.io/docs/latest/develop/interact/transactions/>): requests that MULTI puts off until EXEC, and the keys that
//! a client watches.
//!
//! ```text
//!   batch --(gate::MULTI)--> Transaction: requests, arguments and bytes, copied one behind the other
//!                                 |
//!   EXEC ------------------------ +--> commands on data in the hot loop, the others through `call_resolved`
//! ```
//!
//! Owned by the client that it belongs to. Invariants: a client has [`gate::MULTI`] if and only if it has a [`Transaction`]; it is a
//! watcher of each of its watched keys once in [`Observers`](crate::keyspace::Observers). Nothing that the transaction's commands cause
//! (wake-ups, events, invalidations) is told before its last command is done.
//!
//! Cost: a queued request is a copy of its bytes into buffers that the client keeps; executing it costs what it costs without a
//! transaction.

use crate::base::log;
use crate::collections::segmented_table::SegmentedTable;
use crate::commands::{Args, CommandError, CommandId, Flags, Reply};
use crate::keyspace::{Bulk, Key};
use crate::resp::request::ArgRef;
use crate::server::dispatch::{DataLoop, Frames};
use crate::server::engine::{Engine, Request, TIMED_ALONE};
use crate::server::session::gate;
use crate::server::timing::RunTimer;

/// Bytes and requests for which a client keeps room between transactions.
const KEPT_BYTES: usize = 4096;
const KEPT_REQUESTS: usize = 64;
/// Requests of a part, and bytes of their arguments with which it is full.
const PART_REQUESTS: usize = 1024;
const PART_BYTES: usize = 64 * 1024;
/// Memory that another thread frees, bytes.
const HEAVY_BYTES: usize = 1024 * 1024;

/// Watched keys that are forgotten in one turn, after the first few of a client.
const UNWATCH_SLICE: usize = 256;

/// What MULTI has put off.
#[derive(Default)]
pub struct Transaction {
    /// One behind the other, so that none has to be moved when there are more.
    parts: Vec<Part>,
    requests: usize,
    /// Arguments, and bytes of them.
    args: usize,
    bytes: usize,
    /// Flags that any of the commands has.
    flags: Flags,
    /// A request was refused: EXEC will be too.
    is_aborted: bool,
}

/// Some of the requests, one behind the other.
#[derive(Default)]
struct Part {
    requests: Vec<Request>,
    args: Vec<ArgRef>,
    /// The bytes of the arguments, one behind the other.
    bytes: Vec<u8>,
    /// Large arguments, moved.
    owned: Vec<Vec<u8>>,
}

impl Part {
    fn is_full(&self) -> bool {
        self.requests.len() >= PART_REQUESTS || self.bytes.len() >= PART_BYTES
    }

    /// Memory that it costs besides large arguments, bytes.
    fn memory_bytes(&self) -> usize {
        self.requests.capacity() * size_of::<Request>()
            + self.args.capacity() * size_of::<ArgRef>()
            + self.bytes.capacity()
            + self.owned.capacity() * size_of::<Vec<u8>>()
    }

    /// Appends a request; how many bytes its arguments have.
    fn push(&mut self, command: CommandId, on_data: bool, run: u32, args: &mut Args<'_>) -> usize {
        let args_at = self.args.len() as u32;
        let mut bytes = 0;
        if args.len() > PART_REQUESTS {
            self.args.reserve_exact(args.len());
            self.bytes.reserve_exact((0..args.len()).map(|index| args.get(index).len()).sum());
        }
        for index in 0..args.len() {
            if args.is_owned(index) {
                let owned = args.take(index);
                bytes += owned.len();
                self.args.push(ArgRef::owned(self.owned.len()));
                self.owned.push(owned);
            } else {
                let arg = args.get(index);
                bytes += arg.len();
                self.args.push(ArgRef::in_frame(self.bytes.len(), arg.len()));
                self.bytes.extend_from_slice(arg);
            }
        }
        self.requests.push(Request {
            args_at,
            argc: args.len() as u32,
            start: 0,
            end: 0,
            hash: args.key_hash(),
            command,
            spilled: false,
            on_data,
            run,
        });
        bytes
    }

    fn clear(&mut self) {
        self.requests.clear();
        self.args.clear();
        self.bytes.clear();
        self.owned.clear();
    }
}

impl Transaction {
    /// Requests put off.
    pub fn len(&self) -> usize {
        self.requests
    }

    pub fn is_empty(&self) -> bool {
        self.requests == 0
    }

    /// Flags that any of its commands has.
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Bytes of arguments: CLIENT LIST's `multi-mem`.
    pub fn argument_bytes(&self) -> usize {
        self.bytes
    }

    /// Memory that it costs, bytes; about, so that it need not be counted together.
    pub fn memory_bytes(&self) -> usize {
        let ends = [self.parts.first(), self.parts.last().filter(|_| self.parts.len() > 1)];
        let at_ends: usize = ends.into_iter().flatten().map(Part::memory_bytes).sum();
        let of_requests = self.requests * size_of::<Request>() + self.args * size_of::<ArgRef>();
        size_of::<Transaction>() + (self.bytes + of_requests).max(at_ends)
    }

    fn push(&mut self, command: CommandId, on_data: bool, run: u32, args: &mut Args<'_>) {
        if self.parts.last().is_none_or(Part::is_full) {
            self.parts.push(Part::default());
        }
        self.requests += 1;
        self.args += args.len();
        if let Some(part) = self.parts.last_mut() {
            self.bytes += part.push(command, on_data, run, args);
        }
    }

    /// Makes it as new, with some of its room.
    fn clear(&mut self) {
        self.parts.truncate(1);
        match self.parts.first_mut() {
            Some(part) if part.bytes.capacity() <= KEPT_BYTES && part.requests.capacity() <= KEPT_REQUESTS => {
                part.clear();
            }
            _ => self.parts = Vec::new(),
        }
        *self = Transaction { parts: std::mem::take(&mut self.parts), ..Transaction::default() };
    }
}

impl Bulk for Transaction {
    fn bytes(&self) -> usize {
        self.memory_bytes()
    }
}

/// The keys that a client watches.
pub struct Watching {
    /// Its number in [`Observers`](crate::keyspace::Observers).
    watcher: u64,
    keys: SegmentedTable<WatchedKey>,
    bytes: usize,
}

impl Bulk for Watching {
    fn bytes(&self) -> usize {
        self.memory_bytes() / 2
    }
}

/// Keys that are not watched any more, of which the keyspace does not know it yet.
pub(super) struct Unwatching {
    own: Box<Watching>,
    cursor: u64,
}

struct WatchedKey {
    db: usize,
    hash: u64,
    bytes: Box<[u8]>,
}

impl Watching {
    /// Number of keys; never 0.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Memory that they cost, bytes; half of it is the keyspace's.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Watching>() + self.bytes
    }
}

impl Engine {
    /// Whether the commands of a transaction, or of a file that is loaded, are being executed.
    pub fn is_in_exec(&self) -> bool {
        self.blocking.is_denied
    }

    /// MULTI.
    pub fn begin_transaction(&mut self, key: usize) {
        let client = &mut self.clients[key];
        client.session.gates |= gate::MULTI;
        client.transaction = Some(client.idle_transaction.take().unwrap_or_default());
    }

    /// Forgets the transaction and the watched keys; the client goes on without.
    pub fn discard_transaction(&mut self, key: usize) {
        self.unwatch_all(key);
        let client = &mut self.clients[key];
        client.session.gates &= !gate::MULTI;
        if let Some(transaction) = client.transaction.take() {
            self.end_transaction(key, transaction);
        }
    }

    /// It is over; the client keeps its room for the next one.
    fn end_transaction(&mut self, key: usize, mut transaction: Box<Transaction>) {
        if transaction.memory_bytes() > HEAVY_BYTES {
            return self.keyspace.free_elsewhere(transaction);
        }
        transaction.clear();
        self.clients[key].idle_transaction = Some(transaction);
    }

    /// A request of the client was refused: if it has a transaction, EXEC will refuse that.
    pub(super) fn abort_transaction(&mut self, key: usize) {
        if let Some(transaction) = &mut self.clients[key].transaction {
            transaction.is_aborted = true;
        }
    }

    /// Puts a request off. Its command was found, and may be called.
    pub(super) fn queue_request(&mut self, key: usize, command: CommandId, on_data: bool, args: &mut Args<'_>) {
        let flags = self.registry.command(command).flags;
        let client = &mut self.clients[key];
        let Some(transaction) = &mut client.transaction else { return };
        let watching = client.watching.as_ref();
        let is_broken = watching.is_some_and(|own| self.keyspace.observers.is_watch_broken(own.watcher));
        // What is not going to be executed need not be remembered.
        if !transaction.is_aborted && !is_broken {
            let alone = if self.registry.is_quick(command, args.len()) { 0 } else { TIMED_ALONE };
            transaction.push(command, on_data, u32::from(command) | alone, args);
            transaction.flags |= flags;
            // As Redis counts them; but one without bytes is not for nothing.
            let bytes = transaction.bytes.max(transaction.args);
            // What is loaded was within the limit when it was executed first.
            if bytes as u64 > self.config.client_query_buffer_limit && !client.session.replays {
                self.stats.query_limit_disconnections += 1;
                log::warning(format_args!(
                    "Closing client id={} addr={} that reached max query buffer length: a transaction of {bytes} bytes.",
                    client.session.id, client.session.identity.addr
                ));
                return self.close(key);
            }
        }
        self.reply(key).simple("QUEUED");
    }

    /// EXEC: runs what was put off, unless a request of it was refused or a watched key was changed.
    ///
    /// # Errors
    /// `EXECABORT Transaction discarded because of previous errors.`
    pub fn execute_transaction(&mut self, key: usize) -> Result<(), CommandError> {
        let client = &mut self.clients[key];
        let Some(mut transaction) = client.transaction.take() else {
            return Err(CommandError::new("ERR EXEC without MULTI"));
        };
        client.session.gates &= !gate::MULTI;
        let is_stale = !transaction.is_aborted && self.is_watched_changed(key);
        self.unwatch_all(key);
        if transaction.is_aborted {
            self.end_transaction(key, transaction);
            return Err(CommandError::new("EXECABORT Transaction discarded because of previous errors."));
        }
        if is_stale {
            self.reply(key).null_array();
        } else {
            self.reply(key).array(transaction.len());
            let was_denied = std::mem::replace(&mut self.blocking.is_denied, true);
            self.keyspace.journal.begin_transaction();
            transaction.parts.iter_mut().for_each(|part| self.run_part(key, part));
            self.keyspace.journal.end_transaction();
            self.blocking.is_denied = was_denied;
        }
        self.end_transaction(key, transaction);
        Ok(())
    }

    fn run_part(&mut self, key: usize, part: &mut Part) {
        let Part { requests, args, bytes, owned } = part;
        let mut timer = RunTimer::start(self.clock.monotonic_ns());
        let mut index = 0;
        while index < requests.len() {
            if (self.gates | self.clients[key].session.gates) & !gate::PASSED_BY_EXEC == 0 {
                let client = &mut self.clients[key];
                let queued_bytes = client.output.queued_bytes();
                let mut on_data = DataLoop {
                    keyspace: &mut self.keyspace,
                    registry: &mut self.registry,
                    stats: &mut self.stats,
                    clock: &self.clock,
                    timer: &mut timer,
                    db: client.session.db,
                    no_touch: client.session.no_touch,
                    tells_between: false,
                    ceiling_bytes: usize::MAX,
                    base: index,
                };
                let mut reply = Reply::new(&mut client.output, client.session.version);
                let frames = Frames { bytes, spilled: &[], owned, args };
                let stop = index + on_data.run::<false>(&requests[index..], frames, &mut reply);
                if client.output.overflow().0 > 0 {
                    let frames = Frames { bytes, spilled: &[], owned, args };
                    self.look_for_large_replies(key, &requests[index..stop], frames, queued_bytes);
                }
                index = stop;
            }
            // Their bytes stay until the end of the part, but the commands below look at the same list.
            timer.close(&self.clock, &mut self.registry, &mut self.stats);
            self.explain_runs(key, requests, 0, Frames { bytes, spilled: &[], owned, args });
            let Some(request) = requests.get(index) else { break };
            let refs = &args[request.args_at as usize..][..request.argc as usize];
            let mut args = Args::new(bytes, refs, owned, request.hash);
            let is_restricted = self.clients[key].session.gates & gate::RESTRICTED != 0;
            match if is_restricted { self.check_access_in_exec(key, request.command, &args) } else { Ok(()) } {
                Ok(()) => self.call_resolved(key, request.command, &mut args),
                Err(error) => self.answer_error(key, &error),
            }
            timer.restart(&self.clock);
            index += 1;
        }
    }

    /// WATCH: remembers a key of the client's database.
    pub fn watch(&mut self, key: usize, name: &[u8]) {
        let db = self.clients[key].session.db;
        let hash = self.keyspace.hash(name);
        let is_it = |watched: &WatchedKey| watched.db == db && *watched.bytes == *name;
        let own = self.clients[key].watching.as_ref();
        if own.is_some_and(|own| own.keys.find(hash, is_it).is_some()) {
            return;
        }
        // A key that is past its deadline is gone already: that it is taken out later is no change.
        self.keyspace.writer(db).exists(Key::with_hash(name, hash));
        self.keyspace.end_removals();
        let client = &mut self.clients[key];
        self.watching_clients += usize::from(client.watching.is_none());
        let own = client.watching.get_or_insert_with(|| {
            let watcher = self.keyspace.observers.begin_to_watch();
            Box::new(Watching { watcher, keys: SegmentedTable::new(), bytes: 0 })
        });
        self.keyspace.observers.watch(own.watcher, db, Key::with_hash(name, hash));
        own.bytes += 2 * (size_of::<WatchedKey>() + name.len());
        own.keys.insert_unique(hash, WatchedKey { db, hash, bytes: name.into() }, |watched: &WatchedKey| watched.hash);
    }

    /// UNWATCH. What concerns many keys is done in slices: nobody asks about the watcher any more.
    pub fn unwatch_all(&mut self, key: usize) {
        let Some(own) = self.clients[key].watching.take() else { return };
        self.watching_clients -= 1;
        let is_small = own.len() <= UNWATCH_SLICE;
        self.unwatching.push(Unwatching { own, cursor: 0 });
        self.is_stirred = true;
        if is_small {
            let others = self.unwatching.len() - 1;
            while self.unwatching.len() > others {
                self.unwatch_slice();
            }
        }
    }

    /// Forgets some of the keys that those watched who do not any more.
    pub(super) fn unwatch_slice(&mut self) {
        let Some(Unwatching { own, cursor }) = self.unwatching.last_mut() else { return };
        let observers = &mut self.keyspace.observers;
        *cursor = own.keys.scan(*cursor, UNWATCH_SLICE, |watched| {
            observers.unwatch(own.watcher, watched.db, Key::with_hash(&watched.bytes, watched.hash));
        });
        if *cursor == 0
            && let Some(Unwatching { own, .. }) = self.unwatching.pop()
        {
            observers.end_watching(own.watcher);
            if own.memory_bytes() > HEAVY_BYTES {
                self.keyspace.free_elsewhere(own);
            }
        }
    }

    /// Whether its EXEC is known to fail, because a key that it watches has been changed.
    pub(super) fn is_watch_broken(&self, key: usize) -> bool {
        let own = self.clients[key].watching.as_ref();
        own.is_some_and(|own| self.keyspace.observers.is_watch_broken(own.watcher))
    }

    /// Whether one of the keys that the client watches has been changed, or has expired, since.
    fn is_watched_changed(&mut self, key: usize) -> bool {
        let Engine { clients, keyspace, .. } = self;
        let Some(own) = &clients[key].watching else { return false };
        if !keyspace.observers.is_watch_broken(own.watcher) {
            // Takes out what is past its deadline, which is a change.
            own.keys.iter().for_each(|watched| {
                keyspace.writer(watched.db).exists(Key::with_hash(&watched.bytes, watched.hash));
            });
            keyspace.end_removals();
        }
        keyspace.observers.is_watch_broken(own.watcher)
    }
}

#[cfg(test)]
mod tests;
