//! Transactions (<https://redis.io/docs/latest/develop/interact/transactions/>): requests that MULTI puts off until EXEC, and the keys that
//! a client watches.
//!
//! ```text
//!   batch --(gate::MULTI)--> Transaction: requests, arguments and bytes, copied one behind the other
//!                                 |
//!   EXEC ------------------------ +--> commands on data in the hot loop, the others through `call_resolved`
//! ```
//!
//! Owned by the client that it belongs to. Invariants: a client has [`gate::MULTI`] if and only if it has a [`Transaction`]; each of its
//! watched keys is counted once in [`Observers`](crate::keyspace::Observers). Nothing that the transaction's commands cause (wake-ups,
//! events, invalidations) is told before its last command is done.
//!
//! Cost: a queued request is a copy of its bytes into buffers that the client keeps; executing it costs what it costs without a transaction.

use crate::base::log;
use crate::commands::{Args, CommandError, CommandId, Flags, Reply};
use crate::keyspace::Key;
use crate::resp::request::ArgRef;
use crate::server::dispatch::{DataLoop, Frames};
use crate::server::engine::{Engine, Request, TIMED_ALONE};
use crate::server::session::gate;
use crate::server::timing::RunTimer;

/// Bytes and requests for which a client keeps room between transactions.
const KEPT_BYTES: usize = 4096;
const KEPT_REQUESTS: usize = 64;
/// Offsets of arguments are 31 bits: a transaction of more bytes is refused, whatever `client-query-buffer-limit` is.
const BYTES_MAX: usize = 1 << 30;

/// What MULTI has put off.
#[derive(Default)]
pub struct Transaction {
    requests: Vec<Request>,
    args: Vec<ArgRef>,
    /// The bytes of the arguments, one behind the other.
    bytes: Vec<u8>,
    /// Large arguments, moved.
    owned: Vec<Vec<u8>>,
    owned_bytes: usize,
    /// Flags that any of the commands has.
    flags: Flags,
    /// A request was refused: EXEC will be too.
    is_aborted: bool,
}

impl Transaction {
    /// Requests put off.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Flags that any of its commands has.
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// Bytes of arguments: CLIENT LIST's `multi-mem`.
    pub fn argument_bytes(&self) -> usize {
        self.bytes.len() + self.owned_bytes
    }

    /// Memory that it costs, bytes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Transaction>()
            + self.requests.capacity() * size_of::<Request>()
            + self.args.capacity() * size_of::<ArgRef>()
            + self.bytes.capacity()
            + self.owned_bytes
    }

    fn push(&mut self, command: CommandId, on_data: bool, run: u32, args: &mut Args<'_>) {
        let args_at = self.args.len() as u32;
        for index in 0..args.len() {
            if args.is_owned(index) {
                let owned = args.take(index);
                self.owned_bytes += owned.len();
                self.args.push(ArgRef::owned(self.owned.len()));
                self.owned.push(owned);
            } else {
                let arg = args.get(index);
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
    }

    /// Makes it as new, with some of its room.
    fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES || self.requests.capacity() > KEPT_REQUESTS {
            *self = Transaction::default();
            return;
        }
        self.requests.clear();
        self.args.clear();
        self.bytes.clear();
        self.owned.clear();
        self.owned_bytes = 0;
        self.flags = Flags::empty();
        self.is_aborted = false;
    }
}

/// A key that a client watches.
pub struct WatchedKey {
    db: usize,
    hash: u64,
    bytes: Box<[u8]>,
    /// Number of the last change of any watched key when it was watched.
    since: u64,
}

impl WatchedKey {
    /// Memory that it costs, bytes; as much again is the keyspace's.
    pub fn memory_bytes(&self) -> usize {
        2 * (size_of::<WatchedKey>() + self.bytes.len())
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
        if let Some(mut transaction) = client.transaction.take() {
            transaction.clear();
            client.idle_transaction = Some(transaction);
        }
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
        // A transaction that is going to be refused need not be remembered.
        if !transaction.is_aborted {
            let alone = if self.registry.is_quick(command, args.len()) { 0 } else { TIMED_ALONE };
            transaction.push(command, on_data, u32::from(command) | alone, args);
            transaction.flags |= flags;
            let bytes = transaction.argument_bytes();
            // What is loaded was within the limit when it was executed first.
            let over_limit = bytes as u64 > self.config.client_query_buffer_limit && !client.session.replays;
            if over_limit || transaction.bytes.len() > BYTES_MAX {
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
            transaction.clear();
            self.clients[key].idle_transaction = Some(transaction);
            return Err(CommandError::new("EXECABORT Transaction discarded because of previous errors."));
        }
        if is_stale {
            self.reply(key).null_array();
        } else {
            self.reply(key).array(transaction.len());
            let was_denied = std::mem::replace(&mut self.blocking.is_denied, true);
            self.keyspace.journal.begin_transaction();
            self.run_transaction(key, &mut transaction);
            self.keyspace.journal.end_transaction();
            self.blocking.is_denied = was_denied;
        }
        transaction.clear();
        self.clients[key].idle_transaction = Some(transaction);
        Ok(())
    }

    fn run_transaction(&mut self, key: usize, transaction: &mut Transaction) {
        let Transaction { requests, args, bytes, owned, .. } = transaction;
        let mut timer = RunTimer::start(self.clock.monotonic_ns());
        let mut index = 0;
        while index < requests.len() {
            if self.gates | self.clients[key].session.gates & !gate::PASSED_BY_EXEC == 0 {
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
            // Their bytes stay until the end of the transaction, but the commands below look at the same list.
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
        if self.clients[key].watched.find(hash, is_it).is_some() {
            return;
        }
        // A key that is past its deadline is gone already: that it is taken out later is no change.
        self.keyspace.writer(db).exists(Key::with_hash(name, hash));
        let since = self.keyspace.observers.watch(db, Key::with_hash(name, hash));
        self.keyspace.end_removals();
        let watched = WatchedKey { db, hash, bytes: name.into(), since };
        let client = &mut self.clients[key];
        self.watching_clients += usize::from(client.watched.is_empty());
        client.watched_bytes += watched.memory_bytes();
        client.watched.insert_unique(hash, watched, |watched| watched.hash);
    }

    /// UNWATCH.
    pub fn unwatch_all(&mut self, key: usize) {
        self.clients[key].watched_bytes = 0;
        self.watching_clients -= usize::from(!self.clients[key].watched.is_empty());
        for watched in std::mem::take(&mut self.clients[key].watched) {
            self.keyspace.observers.unwatch(watched.db, Key::with_hash(&watched.bytes, watched.hash));
        }
    }

    /// Whether its EXEC is known to fail, because a key that it watches has been changed.
    pub(super) fn is_watch_broken(&self, key: usize) -> bool {
        self.clients[key].watched.iter().any(|watched| {
            let name = Key::with_hash(&watched.bytes, watched.hash);
            self.keyspace.observers.is_changed(watched.db, name, watched.since)
        })
    }

    /// Whether one of the keys that the client watches has been changed, or has expired, since.
    fn is_watched_changed(&mut self, key: usize) -> bool {
        let Engine { clients, keyspace, .. } = self;
        let is_changed = clients[key].watched.iter().any(|watched| {
            let name = Key::with_hash(&watched.bytes, watched.hash);
            // Takes it out if its deadline has passed, which is a change.
            keyspace.writer(watched.db).exists(name);
            keyspace.observers.is_changed(watched.db, name, watched.since)
        });
        keyspace.end_removals();
        is_changed
    }
}

#[cfg(test)]
mod tests;
