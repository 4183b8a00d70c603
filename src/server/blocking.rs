//! Blocking commands: clients that wait for a key to be changed (BLPOP), and serving them.
//!
//! A command that finds nothing answers [`Outcome::Wait`]. Its client then gets a gate bit of its own ([`gate::BLOCKED`]), so nothing
//! more of it is parsed or executed, and a copy of its arguments. When one of its keys has been made, right after the
//! command that did it, the command is run again with these arguments; it is done, or goes on waiting where it stood.
//!
//! ```text
//!   Observers (keyspace): which keys to look out for, which were made
//!        |
//!   Blocking::queues: key -> clients, first come first served        Blocking::deadlines: when to give up
//!        |                                                                 |
//!   Client::waiting: command, arguments, keys  <---------------------------+
//! ```
//!
//! WAIT and WAITAOF wait in the same way, for no key but for the disk.
//!
//! Invariants: a client has [`gate::BLOCKED`] if and only if it has a [`Waiting`]; it then stands in the queue of each of its keys, in
//! [`Observers`](crate::keyspace::Observers) as often, and in `deadlines` if it has one. A client that is closed waits no more.
//!
//! Cost: nothing for those who wait. A key that somebody waits for and that is made is one look into its queue.

use std::collections::{BTreeMap, BTreeSet};

use crate::acl::Context;
use crate::commands::{Args, CommandError, CommandId, Outcome, Reply, Run, Wait};
use crate::keyspace::{Key, Kind};
use crate::resp::request::ArgRef;
use crate::server::engine::{BATCH_MAX, Engine};
use crate::server::observation::Timed;
use crate::server::session::{Client, gate};

/// What a blocked client is in the middle of.
pub struct Waiting {
    command: CommandId,
    /// Its place in every queue: lower waits longer.
    order: u64,
    /// The arguments' bytes, one behind the other.
    frame: Vec<u8>,
    args: Vec<ArgRef>,
    key_hash: u64,
    keys: std::ops::Range<usize>,
    db: usize,
    kind: Kind,
    on_change: bool,
    deadline_ms: Option<u64>,
    /// Whether its reply is not wanted (CLIENT REPLY).
    muted: bool,
    /// Time that its attempts took.
    run_ns: u64,
    /// What the last of them answered.
    reply_bytes: u64,
    /// It waits for no key, but for disks.
    acks: Option<Acks>,
}

/// What WAIT and WAITAOF wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acks {
    /// Bytes of the append-only file that are to be on the disk here.
    pub local_bytes: Option<u64>,
    /// Replicas are to have it too. There are none.
    pub replicas: bool,
    /// WAITAOF, whose answer counts both.
    pub counts_both: bool,
}

impl Waiting {
    /// Memory that it costs, bytes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Waiting>() + self.frame.capacity() + self.args.capacity() * size_of::<ArgRef>()
    }

    /// The keys that it waits for.
    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.args[self.keys.clone()].iter().map(|arg| arg.of(&self.frame))
    }
}

/// Who waits for a key: slab keys by place.
type Queue = BTreeMap<u64, usize>;

/// How a wait ends before there is something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndOfWait {
    Timeout,
    Unblocked,
}

/// What became of the command of a client that waited.
enum WaitEnd {
    /// It has replied.
    Done,
    Failed(CommandError),
    /// It may not be called any more.
    Refused(CommandError),
}

/// Everybody who waits.
#[derive(Default)]
pub struct Blocking {
    /// By database and key.
    queues: Vec<BTreeMap<Box<[u8]>, Queue>>,
    /// Deadline, place in the queues, slab key.
    deadlines: BTreeSet<(u64, u64, usize)>,
    /// Slab key and id of clients whose wait is over and whose later requests have not been looked at.
    released: Vec<(usize, u64)>,
    /// Those who wait for the disk here: bytes of the append-only file, place, slab key.
    syncs: BTreeSet<(u64, u64, usize)>,
    /// Those of them for whom it is on the disk, and who wait for replicas yet.
    synced: BTreeSet<(u64, u64, usize)>,
    next_order: u64,
    clients: usize,
    /// Set while commands run that may not wait, such as those of a transaction.
    pub(super) is_denied: bool,
}

impl Blocking {
    /// Clients that wait.
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// Those that do not wait for ever.
    pub fn clients_with_deadline(&self) -> usize {
        self.deadlines.len()
    }

    /// Whether somebody waits, or has just stopped waiting.
    pub(super) fn is_in_use(&self) -> bool {
        self.clients > 0 || !self.released.is_empty()
    }

    /// Keys that somebody waits for.
    pub fn keys(&self) -> usize {
        self.queues.iter().map(BTreeMap::len).sum()
    }

    /// When the next client gives up, Unix milliseconds.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|first| first.0)
    }

    /// Counts a client in, with its deadline.
    fn enlist(&mut self, waiting: &Waiting, key: usize) {
        self.next_order += 1;
        self.clients += 1;
        if let Some(deadline_ms) = waiting.deadline_ms {
            self.deadlines.insert((deadline_ms, waiting.order, key));
        }
        if let Some(bytes) = waiting.acks.and_then(|acks| acks.local_bytes) {
            self.syncs.insert((bytes, waiting.order, key));
        }
    }

    fn queue(&self, db: usize, key: &[u8]) -> Option<&Queue> {
        self.queues.get(db)?.get(key)
    }
}

impl Engine {
    /// Whether commands that run now may not wait, such as those of a transaction.
    pub fn is_blocking_denied(&self) -> bool {
        self.blocking.is_denied
    }

    /// The client's command has to wait. Where it may not, it is answered the null at once. Whether it is still to be done.
    pub(super) fn wait_for_keys(
        &mut self,
        key: usize,
        id: CommandId,
        args: &Args<'_>,
        wait: Wait,
        run_ns: u64,
    ) -> bool {
        let client = &mut self.clients[key];
        if client.is_closing() {
            // Its peer has sent all it will: there is nobody to wait, nor to go on.
            client.session.gates |= gate::CLOSING;
            return true;
        }
        if self.blocking.is_denied {
            let mut reply = Reply::new(&mut client.output, client.session.version);
            if wait.null_array {
                reply.null_array()
            } else {
                reply.null()
            }
            return false;
        }
        let (frame, refs) = copy_of(args);
        // Not the turn's time but the moment's, rounded up: no wait is shorter than it was asked to be.
        let now_us = self.clock.unix_us();
        let waiting = Box::new(Waiting {
            command: id,
            order: self.blocking.next_order,
            frame,
            args: refs,
            key_hash: args.key_hash(),
            keys: wait.keys,
            db: client.session.db,
            kind: wait.kind,
            on_change: wait.on_change,
            deadline_ms: wait.timeout_ms.map(|timeout_ms| now_us.div_ceil(1000).saturating_add(timeout_ms)),
            muted: client.output.is_muted(),
            run_ns,
            reply_bytes: 0,
            acks: None,
        });
        client.session.gates |= gate::BLOCKED;
        self.blocking.enlist(&waiting, key);
        let blocking = &mut self.blocking;
        if blocking.queues.len() <= waiting.db {
            blocking.queues.resize_with(waiting.db + 1, BTreeMap::new);
        }
        for name in waiting.keys() {
            let hash = self.keyspace.hash(name);
            self.keyspace.observers.wait(waiting.db, Key::with_hash(name, hash), waiting.kind, waiting.on_change);
            // A key that is named twice is waited for once.
            blocking.queues[waiting.db].entry(name.into()).or_default().insert(waiting.order, key);
        }
        client.waiting = Some(waiting);
        true
    }

    /// WAIT, WAITAOF: answers when there is what is asked for, at the latest after so many milliseconds.
    pub fn wait_for_acks(&mut self, key: usize, name: &str, args: &Args<'_>, acks: Acks, timeout_ms: Option<u64>) {
        if self.are_there(acks) || self.blocking.is_denied {
            return self.answer_acks(key, acks);
        }
        let Some(id) = self.registry.find_original(name.as_bytes()) else { return };
        let now_us = self.clock.unix_us();
        let client = &mut self.clients[key];
        if client.is_closing() {
            client.session.gates |= gate::CLOSING;
            return;
        }
        let (frame, refs) = copy_of(args);
        let waiting = Box::new(Waiting {
            command: id,
            order: self.blocking.next_order,
            frame,
            args: refs,
            key_hash: 0,
            keys: 0..0,
            db: client.session.db,
            kind: Kind::String,
            on_change: false,
            deadline_ms: timeout_ms.map(|timeout_ms| now_us.div_ceil(1000).saturating_add(timeout_ms)),
            muted: client.output.is_muted(),
            run_ns: 0,
            reply_bytes: 0,
            acks: Some(acks),
        });
        client.session.gates |= gate::BLOCKED;
        self.blocking.enlist(&waiting, key);
        self.clients[key].waiting = Some(waiting);
    }

    fn is_durable(&self, bytes: u64) -> bool {
        self.aof.durable_bytes().is_some_and(|durable| durable >= bytes)
    }

    fn are_there(&self, acks: Acks) -> bool {
        acks.local_bytes.is_none_or(|bytes| self.is_durable(bytes)) && !acks.replicas
    }

    fn answer_acks(&mut self, key: usize, acks: Acks) {
        let is_durable = self.is_durable(acks.local_bytes.unwrap_or(u64::MAX));
        let mut reply = self.reply(key);
        if acks.counts_both {
            reply.array(2);
            reply.int(i64::from(is_durable));
        }
        reply.int(0);
    }

    /// Whoever waits for what is on the disk by now goes on.
    #[cold]
    fn end_synced_waits(&mut self) {
        let durable_bytes = self.aof.durable_bytes();
        while let Some(&(bytes, order, key)) = self.blocking.syncs.first()
            && durable_bytes.is_some_and(|durable| bytes <= durable)
        {
            self.blocking.syncs.pop_first();
            let acks = self.clients[key].waiting.as_ref().and_then(|waiting| waiting.acks);
            if acks.is_some_and(|acks| acks.replicas) {
                self.blocking.synced.insert((bytes, order, key));
            } else {
                self.unblock(key, EndOfWait::Timeout);
            }
        }
    }

    /// There is no append-only file any more: whoever waits for it has waited in vain.
    #[cold]
    fn fail_synced_waits(&mut self) {
        let waits = [std::mem::take(&mut self.blocking.syncs), std::mem::take(&mut self.blocking.synced)];
        for (.., key) in waits.into_iter().flatten() {
            self.end_wait(key, WaitEnd::Failed(NO_AOF));
        }
    }

    /// Takes a client out of every queue; it may go on. None: it did not wait.
    fn leave_queues(&mut self, key: usize) -> Option<Box<Waiting>> {
        let client = &mut self.clients[key];
        let waiting = client.waiting.take()?;
        client.session.gates &= !gate::BLOCKED;
        let blocking = &mut self.blocking;
        blocking.clients -= 1;
        if let Some(deadline_ms) = waiting.deadline_ms {
            blocking.deadlines.remove(&(deadline_ms, waiting.order, key));
        }
        if let Some(bytes) = waiting.acks.and_then(|acks| acks.local_bytes) {
            let place = (bytes, waiting.order, key);
            if !blocking.syncs.remove(&place) {
                blocking.synced.remove(&place);
            }
        }
        for name in waiting.keys() {
            let hash = self.keyspace.hash(name);
            self.keyspace.observers.stop_waiting(
                waiting.db,
                Key::with_hash(name, hash),
                waiting.kind,
                waiting.on_change,
            );
            let queues = &mut blocking.queues[waiting.db];
            let Some(queue) = queues.get_mut(name) else { continue };
            queue.remove(&waiting.order);
            if queue.is_empty() {
                queues.remove(name);
            }
        }
        Some(waiting)
    }

    /// A client on its way out waits no more, and gets nothing.
    #[inline]
    pub(super) fn abandon_wait(&mut self, key: usize) {
        if self.clients[key].waiting.is_some() {
            self.leave_queues(key);
        }
    }

    /// Runs the commands of those who wait for keys that have become ready: key by key in that order, and of those who wait for a key
    /// the first first.
    #[cold]
    pub(super) fn serve_ready_keys(&mut self) {
        // What made them may have taken so long that one of them is past its deadline by now.
        self.read_clock();
        for ready in self.keyspace.observers.take_ready() {
            let mut from = 0;
            // None of those that come to wait meanwhile is looked at: it has looked at the key itself.
            let end = self.blocking.next_order;
            while let Some(queue) = self.blocking.queue(ready.db, &ready.bytes) {
                let view = self.keyspace.view(ready.db);
                let kind = view.peek(Key::with_hash(&ready.bytes, ready.hash)).map(|entry| entry.kind());
                let Some(kind) = kind else { break };
                let Some((&order, &key)) = queue.range(from..end).next() else { break };
                from = order + 1;
                if self.clients[key].waiting.as_ref().is_some_and(|waiting| kind == waiting.kind) {
                    self.try_again(key);
                    self.tell_of_changes(Some(key));
                }
            }
        }
    }

    /// Runs the command of a client that waits.
    fn try_again(&mut self, key: usize) {
        let client = &mut self.clients[key];
        let Some(mut waiting) = client.waiting.take() else { return };
        let Run::Block(run) = self.registry.command(waiting.command).run else { return };
        if client.session.gates & gate::RESTRICTED != 0 {
            // What its user may do has perhaps been changed meanwhile.
            let mut input = [];
            let args = Args::new(&waiting.frame, &waiting.args, &mut input, waiting.key_hash);
            let checked = self.check_access(key, waiting.command, &args, Context::TopLevel);
            self.clients[key].waiting = Some(waiting);
            if let Err(error) = checked {
                return self.end_wait(key, WaitEnd::Refused(error));
            }
            let Some(taken) = self.clients[key].waiting.take() else { return };
            waiting = taken;
        }
        let client = &mut self.clients[key];
        let started_ns = self.clock.monotonic_ns();
        client.output.attach(&mut self.pool);
        client.output.set_muted(waiting.muted);
        let queued_bytes = client.output.queued_bytes();
        let mut args = Args::new(&waiting.frame, &waiting.args, &mut [], waiting.key_hash);
        let mut reply = Reply::new(&mut client.output, client.session.version);
        let changes = self.keyspace.changes();
        let outcome = run(&mut args, &mut self.keyspace.writer(waiting.db), &mut reply);
        if self.keyspace.journal.is_on() {
            let has_changed = self.keyspace.changes() != changes;
            self.keyspace.reap_read();
            self.keyspace.journal.finish_command(waiting.db, has_changed, args.from(0));
        }
        waiting.run_ns += self.clock.monotonic_ns() - started_ns;
        waiting.reply_bytes = client.output.queued_bytes().saturating_sub(queued_bytes) as u64;
        client.waiting = Some(waiting);
        match outcome {
            Ok(Outcome::Wait(_)) => {
                client.output.set_muted(client.session.reply_off);
                client.output.settle(&mut self.pool);
            }
            Ok(Outcome::Done) => self.end_wait(key, WaitEnd::Done),
            Err(error) => self.end_wait(key, WaitEnd::Failed(error)),
        }
    }

    /// The client's command is done, or has failed: it is booked, and the client goes on.
    fn end_wait(&mut self, key: usize, how: WaitEnd) {
        let Some(waiting) = self.leave_queues(key) else { return };
        if let WaitEnd::Refused(error) = how {
            let client = &mut self.clients[key];
            client.output.attach(&mut self.pool);
            client.output.set_muted(waiting.muted);
            self.reject(key, waiting.command, error);
        } else {
            let counted = &mut self.registry.stats[usize::from(waiting.command)];
            if waiting.acks.is_none() {
                counted.calls += 1;
                counted.run_ns += waiting.run_ns;
                self.stats.note_run(waiting.command, 1, waiting.run_ns);
            }
            if let WaitEnd::Failed(error) = how {
                self.fail(key, waiting.command, error);
            }
        }
        let timed = Timed { started_ns: self.clock.monotonic_ns(), elapsed_ns: waiting.run_ns, calls: 1 };
        let args = Args::new(&waiting.frame, &waiting.args, &mut [], waiting.key_hash);
        self.look_after_wait(key, waiting.command, &args, timed, waiting.reply_bytes);
        let now_ms = self.keyspace.now_ms() as u64;
        let client = &mut self.clients[key];
        client.output.set_muted(client.session.reply_off);
        client.session.last_interaction_ms = now_ms;
        self.blocking.released.push((key, client.session.id));
        self.resume(key);
        self.after_replies(key);
    }

    /// Ends a client's wait without what it waited for. False: it does not wait.
    pub fn unblock(&mut self, key: usize, why: EndOfWait) -> bool {
        let client = &mut self.clients[key];
        let Some(waiting) = &client.waiting else { return false };
        client.output.attach(&mut self.pool);
        client.output.set_muted(waiting.muted);
        match why {
            EndOfWait::Timeout => {
                match waiting.acks {
                    Some(acks) => self.answer_acks(key, acks),
                    None => self.reply(key).null_array(),
                }
                self.end_wait(key, WaitEnd::Done);
            }
            EndOfWait::Unblocked => self.end_wait(key, WaitEnd::Failed(UNBLOCKED)),
        }
        true
    }

    /// At the beginning of a run: whoever's time is up is told so, and what clients sent while they waited is put into the batch. Whether
    /// there was anything to do.
    #[inline]
    pub(super) fn end_waits(&mut self) -> bool {
        let has_ended = self.blocking.clients > 0 && self.end_waits_of_some();
        if self.blocking.released.is_empty() {
            return has_ended;
        }
        self.gather_released();
        true
    }

    #[inline(never)]
    fn end_waits_of_some(&mut self) -> bool {
        let mut has_ended = !self.keyspace.observers.pending().is_empty();
        self.tell_observers(None);
        let has_file = self.aof.appender().is_some();
        if has_file && !self.blocking.syncs.is_empty() {
            has_ended = true;
            self.end_synced_waits();
        } else if !has_file && !(self.blocking.syncs.is_empty() && self.blocking.synced.is_empty()) {
            has_ended = true;
            self.fail_synced_waits();
        }
        let now_ms = self.keyspace.now_ms() as u64;
        if self.blocking.next_deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms) {
            has_ended = true;
            self.end_overdue_waits(now_ms);
        }
        has_ended
    }

    fn end_overdue_waits(&mut self, now_ms: u64) {
        while let Some(&(deadline_ms, _, key)) = self.blocking.deadlines.first()
            && deadline_ms <= now_ms
        {
            self.unblock(key, EndOfWait::Timeout);
        }
    }

    /// The loop comes to these clients by itself, as they are marked ready; without a loop this is what takes them up.
    #[cold]
    fn gather_released(&mut self) {
        for (key, id) in std::mem::take(&mut self.blocking.released) {
            if self.batch.requests.len() >= BATCH_MAX {
                // Its turn comes in a later one.
                self.blocking.released.push((key, id));
            } else if self.is_client(key, id) && !self.clients[key].gathered && self.gather(key) {
                self.mark_ready(key);
            }
        }
    }
}

impl Client {
    pub fn is_blocked(&self) -> bool {
        self.waiting.is_some()
    }
}

/// The arguments' bytes, one behind the other, and where each is.
fn copy_of(args: &Args<'_>) -> (Vec<u8>, Vec<ArgRef>) {
    let mut frame = Vec::with_capacity(args.from(0).map(<[u8]>::len).sum());
    let mut refs = Vec::with_capacity(args.len());
    for arg in args.from(0) {
        refs.push(ArgRef::in_frame(frame.len(), arg.len()));
        frame.extend_from_slice(arg);
    }
    (frame, refs)
}

/// WAITAOF where there is no append-only file, or no more.
pub const NO_AOF: CommandError =
    CommandError::new("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
const UNBLOCKED: CommandError = CommandError::new("UNBLOCKED client unblocked via CLIENT UNBLOCK");

#[cfg(test)]
mod tests;
