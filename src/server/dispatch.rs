//! Running the gathered requests: the hot loop, and what surrounds a command (arity, gates, errors, statistics).
//!
//! Cost of a command besides its own work: one test of the gate bits, one of the arity, one indirect call, one counter. Time is measured
//! per run of equal quick commands, not per command: a clock reading costs as much as a small GET.

use crate::base::branch::cold_path;
use crate::base::clock::Clock;
use crate::base::log;
use crate::commands::{Args, CommandError, CommandId, CommandResult, Outcome, Registry, Reply, Run, Write};
use crate::keyspace::Keyspace;
use crate::resp::request::ArgRef;
use crate::server::access::permitted_run;
use crate::server::engine::{BATCH_MAX, DetachedInput, Engine, Request, UNKNOWN};
use crate::server::gates::{self, Until, Verdict};
use crate::server::maxmemory::Room;
use crate::server::observation::Timed;
use crate::server::session::gate;
use crate::server::stall::Phase;
use crate::server::stats::Stats;
use crate::server::timing::RunTimer;

/// Time of a turn for executing, nanoseconds. It is looked at between two runs of the timer, so it may be exceeded by one of them.
const EXECUTE_NS: u64 = 300_000;
/// Requests gathered by a turn after one that had no time for a few.
const BATCH_MIN: usize = 16;

/// Where the bytes of requests are.
pub(super) struct Frames<'a> {
    pub bytes: &'a [u8],
    /// Of the request that has a frame of its own.
    pub spilled: &'a [u8],
    /// Arguments with buffers of their own.
    pub owned: &'a mut [Vec<u8>],
    pub args: &'a [ArgRef],
}

impl Frames<'_> {
    pub(super) fn args_of(&mut self, request: &Request) -> Args<'_> {
        let frame = if request.spilled { self.spilled } else { &self.bytes[request.start as usize..] };
        let refs = &self.args[request.args_at as usize..][..request.argc as usize];
        Args::new(frame, refs, &mut *self.owned, request.hash)
    }
}

/// What does not change between two commands on data of one client.
pub(super) struct DataLoop<'a> {
    pub keyspace: &'a mut Keyspace,
    pub registry: &'a mut Registry,
    pub stats: &'a mut Stats,
    pub clock: &'a Clock,
    pub timer: &'a mut RunTimer,
    pub db: usize,
    pub no_touch: bool,
    /// Whether it ends where a change has to be told to somebody.
    pub tells_between: bool,
    /// If it is limited: what may be in use before a command that may need memory, bytes.
    pub ceiling_bytes: usize,
    /// Number of the first of its requests.
    pub base: usize,
}

impl DataLoop<'_> {
    /// Executes the first of `requests` that are commands on data; how many. The loop that everything is about. It ends early when the
    /// turn's time is up, and a `LIMITED` one where there is no room for a command.
    #[inline(always)]
    pub(super) fn run<const LIMITED: bool>(
        &mut self,
        requests: &[Request],
        frames: Frames<'_>,
        reply: &mut Reply<'_>,
    ) -> usize {
        let DataLoop { keyspace, registry, stats, clock, timer, db, no_touch, tells_between, ceiling_bytes, base } =
            self;
        let Frames { bytes, spilled, owned, args: all_args } = frames;
        let mut has_to_tell = false;
        let mut done = 0;
        for request in requests {
            if !request.on_data {
                break;
            }
            let id = request.command;
            if LIMITED && registry.hot(id).is_denied_oom && keyspace.kept_bytes() > *ceiling_bytes {
                break;
            }
            if !timer.admits(request) {
                timer.close(clock, registry, stats);
                if timer.is_over() {
                    break;
                }
                timer.open(request, *base + done);
            }
            timer.count();
            let frame = if request.spilled { spilled } else { &bytes[request.start as usize..] };
            let refs = &all_args[request.args_at as usize..][..request.argc as usize];
            let mut args = Args::new(frame, refs, owned, request.hash);
            let result = match registry.hot(id).run {
                Run::Read(run) => run(&mut args, &keyspace.view(*db).without_touch(*no_touch), reply),
                Run::Write(run) => {
                    let result = if keyspace.journal.is_on() {
                        let written = request.frame(frame, refs);
                        args.keep(true);
                        write_and_journal(run, args, keyspace, *db, written, reply)
                    } else {
                        run(&mut args, &mut keyspace.writer(*db), reply)
                    };
                    has_to_tell = *tells_between && !keyspace.observers.pending().is_empty();
                    result
                }
                Run::Pure(run) => run(&mut args, reply),
                Run::Block(_) | Run::Session(_) | Run::Server(_) | Run::Container => unreachable!("it is not on data"),
            };
            if let Err(error) = result {
                cold_path();
                registry.stats[usize::from(id)].failed += 1;
                stats.count_error(error.text());
                reply.error(error.text());
            }
            done += 1;
            if has_to_tell {
                cold_path();
                // Whoever waits for what was changed comes first.
                break;
            }
        }
        done
    }
}

/// Executes a command that writes, and puts it into the journal. `frame`: the request as it came, if that is as it should be written.
#[inline(never)]
fn write_and_journal(
    run: Write,
    mut args: Args<'_>,
    keyspace: &mut Keyspace,
    db: usize,
    frame: Option<&[u8]>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let changes = keyspace.changes();
    let result = run(&mut args, &mut keyspace.writer(db), reply);
    let has_changed = keyspace.changes() != changes;
    keyspace.reap_read();
    match frame {
        Some(frame) if has_changed => keyspace.journal.finish_request(db, frame),
        _ => keyspace.journal.finish_command(db, has_changed, args.from(0)),
    }
    result
}

impl Engine {
    /// Executes the batch, in order per client, for as long as a turn has time for it. What is left stays in the clients' rings and is
    /// gathered again in the next turn, before anybody else's; clients who have more in their
    /// sockets keep the place that they have on the list.
    pub(super) fn execute(&mut self) {
        let commands_from_ns = self.commands_from_ns.take();
        if self.batch.requests.is_empty() {
            return;
        }
        // The loop has just looked at the clock. What is executed outside of it, from a file for one, is executed to the end.
        let gathered_ns = self.recorder.turn.gathered_ns();
        let started_ns = match commands_from_ns.or(gathered_ns) {
            Some(ns) => ns,
            None => {
                cold_path();
                self.clock.monotonic_ns()
            }
        };
        let mut timer = RunTimer::start(started_ns);
        if gathered_ns.is_some() {
            timer.stop_at(started_ns + EXECUTE_NS);
        }
        if self.batch.limit < BATCH_MAX {
            timer.expect_long_runs();
        }
        self.recorder.turn.clients = self.batch.clients.len() as u32;
        for index in 0..self.batch.clients.len() {
            let (key, first) = self.batch.clients[index];
            let end = self.batch.clients.get(index + 1).map_or(self.batch.requests.len(), |next| next.1 as usize);
            self.execute_client(key as usize, first as usize, end, &mut timer);
        }
        self.recorder.end_phase(Phase::Execute, timer.started_ns);
        self.adapt_batch();
        self.batch.clients.clear();
        self.batch.requests.clear();
        self.batch.args.clear();
    }

    fn execute_client(&mut self, key: usize, first: usize, end: usize, timer: &mut RunTimer) {
        let may_put_off = self.may_put_off(key, first);
        if may_put_off && timer.is_over() && !self.joins_fan_out(first) {
            cold_path();
            return self.put_off(key, end - first);
        }
        let until_ns = (!may_put_off).then(|| timer.stop_at(u64::MAX));
        self.clients[key].output.attach(&mut self.pool);
        let mut index = first;
        while index < end {
            index = self.execute_data_commands(key, index, end, timer);
            if !self.keyspace.observers.pending().is_empty() {
                self.tell_observers_between(key, timer);
                continue;
            }
            if index < end {
                cold_path();
                if timer.is_over() && !self.joins_fan_out(index) {
                    self.batch.put_off_requests += end - index;
                    let client = &mut self.clients[key];
                    client.put_off = true;
                    client.unread |= client.ready;
                    // Behind those of whom nothing was executed.
                    self.mark_ready(key);
                    break;
                }
                let executed = self.execute_other(key, index, end, timer);
                if executed == 0 {
                    break;
                }
                index += executed;
                if !self.keyspace.observers.pending().is_empty() {
                    self.tell_observers_between(key, timer);
                }
                if self.clients[key].session.gates == gate::MULTI {
                    index = self.queue_data_commands(key, index, end);
                    timer.restart(&self.clock);
                }
            }
        }
        if let Some(until_ns) = until_ns {
            timer.stop_at(until_ns);
        }
        // While the requests are still there to be looked at.
        if timer.is_alone() || end == self.batch.requests.len() {
            timer.close(&self.clock, &mut self.registry, &mut self.stats);
        }
        if !self.stats.long_runs.is_empty() {
            self.explain_runs_of_batch(key);
        }
        let now_ms = self.keyspace.now_ms() as u64;
        let client = &mut self.clients[key];
        client.gathered = false;
        if index > first {
            let last = self.batch.requests[index - 1];
            client.input.consume(last.end as usize);
            client.session.last_command = Some(last.command).filter(|&command| command != UNKNOWN);
        }
        client.session.last_interaction_ms = now_ms;
        if index < end {
            cold_path();
            if client.session.gates & gate::HELD != 0 {
                // CLIENT LIST shows what the client waits with.
                client.session.last_command = Some(self.batch.requests[index].command);
            }
            // Stopped in the middle: the rest is parsed again when the client goes on.
            client.parser.reset();
            if client.session.holds_spilled {
                client.input.settle(&mut self.pool);
                return self.after_replies(key);
            }
            client.partial.clear();
        }
        if !client.input.owned.is_empty() {
            cold_path();
            client.input.owned = Vec::new();
        }
        if !client.spilled.is_empty() {
            cold_path();
            client.spilled = Vec::new();
        }
        client.input.settle(&mut self.pool);
        self.after_replies(key);
    }

    /// Whether what the client has in the batch, from request `first` on, may be gathered again: not what has been taken out of its ring,
    /// and not of a client that is about to be closed.
    fn may_put_off(&self, key: usize, first: usize) -> bool {
        let client = &self.clients[key];
        !client.session.close_after_reply && !self.batch.requests[first].spilled && client.input.owned.is_empty()
    }

    /// Whether the request is a PUBLISH after others of this turn, for which there is always time: what they have for a subscriber goes out
    /// at once, and how many they are has a limit of its own.
    #[cold]
    fn joins_fan_out(&self, index: usize) -> bool {
        self.has_fan_out() && self.publishes(self.batch.requests[index].command)
    }

    /// Leaves all of the client's `count` requests to the next turn.
    #[cold]
    fn put_off(&mut self, key: usize, count: usize) {
        self.batch.put_off_requests += count;
        let client = &mut self.clients[key];
        client.gathered = false;
        client.parser.reset();
        client.partial.clear();
        // Whoever receives into the ring counts on room behind what is in it.
        client.input.settle(&mut self.pool);
        client.put_off = true;
        if client.ready {
            // It is on the list already, for what is in its socket, and stays where it is.
            client.unread = true;
        } else {
            client.ready = true;
            self.batch.put_off.push(key);
        }
    }

    /// After the batch: those who were left out come first in the next turn, and it gathers fewer requests if this one had no time for all.
    #[inline]
    fn adapt_batch(&mut self) {
        if self.batch.put_off_requests > 0 {
            self.shrink_batch();
        } else if self.batch.limit < BATCH_MAX && self.batch.requests.len() >= self.batch.limit {
            self.batch.limit = (2 * self.batch.limit).min(BATCH_MAX);
        }
    }

    #[cold]
    fn shrink_batch(&mut self) {
        let executed = self.batch.requests.len() - std::mem::take(&mut self.batch.put_off_requests);
        self.batch.limit = (2 * executed).clamp(BATCH_MIN, BATCH_MAX);
        self.ready.splice(..0, self.batch.put_off.drain(..));
    }

    /// A client with replies is flushed at the end of the turn; one without needs no ring.
    #[inline]
    pub(super) fn after_replies(&mut self, key: usize) {
        self.count_client(key);
        let client = &mut self.clients[key];
        if client.output.is_empty() {
            cold_path();
            client.output.settle(&mut self.pool);
            if client.session.close_after_reply {
                self.close(key);
            }
        } else {
            let overflows = client.output.overflow().0 > 0;
            self.mark_dirty(key);
            if overflows {
                self.check_output_limit(key);
            }
        }
    }

    /// Executes requests from `index` on, as long as they are commands on data and nothing is in their way; the first that is not.
    #[inline]
    fn execute_data_commands(&mut self, key: usize, index: usize, end: usize, timer: &mut RunTimer) -> usize {
        if self.memory.is_set() {
            return self.execute_within_memory(key, index, end, timer);
        }
        let Engine { clients, keyspace, access, registry, batch, stats, clock, .. } = self;
        let client = &mut clients[key];
        let gates = self.gates | client.session.gates;
        let (bytes, owned) = client.input.parts();
        let end = match gates {
            0 => end,
            gate::RESTRICTED => {
                let user = access.users.get(client.session.user);
                index + permitted_run(access, user, &batch.requests[index..end], bytes, &batch.args)
            }
            _ => return index,
        };
        let (db, no_touch) = (client.session.db, client.session.no_touch);
        let (ceiling_bytes, tells_between, base) = (usize::MAX, true, index);
        let mut on_data =
            DataLoop { keyspace, registry, stats, clock, timer, db, no_touch, tells_between, ceiling_bytes, base };
        let queued_bytes = client.output.queued_bytes();
        let mut reply = Reply::new(&mut client.output, client.session.version);
        let frames = Frames { bytes, spilled: &client.spilled, owned, args: &batch.args };
        let stop = index + on_data.run::<false>(&batch.requests[index..end], frames, &mut reply);
        if client.output.overflow().0 > 0 {
            self.look_at_replies_of_batch(key, index..stop, queued_bytes);
        }
        stop
    }

    /// The same with `maxmemory` set: room is made before each command that may need it, until there is none.
    #[inline(never)]
    fn execute_within_memory(&mut self, key: usize, mut index: usize, end: usize, timer: &mut RunTimer) -> usize {
        loop {
            let ceiling_bytes = self.memory.ceiling_bytes().saturating_add(self.uncounted_bytes());
            let Engine { clients, keyspace, registry, batch, stats, clock, .. } = self;
            let client = &mut clients[key];
            if (self.gates | client.session.gates) & !gate::MEMORY != 0 {
                return index;
            }
            let (bytes, owned) = client.input.parts();
            let (db, no_touch) = (client.session.db, client.session.no_touch);
            let (tells_between, base) = (true, index);
            let mut on_data =
                DataLoop { keyspace, registry, stats, clock, timer, db, no_touch, tells_between, ceiling_bytes, base };
            let queued_bytes = client.output.queued_bytes();
            let mut reply = Reply::new(&mut client.output, client.session.version);
            let frames = Frames { bytes, spilled: &client.spilled, owned, args: &batch.args };
            let stop = index + on_data.run::<true>(&batch.requests[index..end], frames, &mut reply);
            if client.output.overflow().0 > 0 {
                self.look_at_replies_of_batch(key, index..stop, queued_bytes);
            }
            index = stop;
            let is_short =
                index < end && self.batch.requests[index].on_data && self.keyspace.observers.pending().is_empty();
            if !is_short
                || timer.is_over()
                || self.make_room_between(timer) != Room::Enough
                || !self.keyspace.observers.pending().is_empty()
            {
                return index;
            }
        }
    }

    /// Puts off requests from `index` on, as long as they are commands on data and a transaction is all that is in their way; the first
    /// that is not.
    #[inline(never)]
    fn queue_data_commands(&mut self, key: usize, mut index: usize, end: usize) -> usize {
        while index < end && self.gates | self.clients[key].session.gates == gate::MULTI {
            let request = self.batch.requests[index];
            if !request.on_data {
                break;
            }
            let mut input = std::mem::take(&mut self.clients[key].input);
            let spilled = std::mem::take(&mut self.clients[key].spilled);
            let (bytes, owned) = input.parts();
            let frame = if request.spilled { &spilled[..] } else { &bytes[request.start as usize..] };
            let args = std::mem::take(&mut self.batch.args);
            let refs = &args[request.args_at as usize..][..request.argc as usize];
            self.queue_request(key, request.command, true, &mut Args::new(frame, refs, owned, request.hash));
            self.batch.args = args;
            let client = &mut self.clients[key];
            client.input = input;
            client.spilled = spilled;
            index += 1;
        }
        index
    }

    /// Executes any one request, the first of those at `first..end`, and those behind it that are executed with it; how many. 0: it
    /// was not executed, and neither may the client's later ones be.
    #[inline(never)]
    fn execute_other(&mut self, key: usize, first: usize, end: usize, timer: &mut RunTimer) -> usize {
        let request = self.batch.requests[first];
        if request.argc == 0 {
            return 1;
        }
        timer.close(&self.clock, &mut self.registry, &mut self.stats);
        self.is_stirred = true;
        if self.memory.is_set() && self.counted_bytes() > self.memory.ceiling_bytes() {
            self.gates |= gate::MEMORY;
        }
        if !self.stats.long_runs.is_empty() {
            self.explain_runs_of_batch(key);
        }
        self.call_from_ns = Some(timer.started_ns);
        let executed = if self.replay_client == Some(key) && self.passes_by(key, request) {
            1
        } else if request.command == UNKNOWN || self.gates | self.clients[key].session.gates != 0 {
            usize::from(self.execute_gated(key, request))
        } else {
            let next = self.batch.requests[first + 1..end].first();
            if next.is_some_and(|next| next.command == request.command) && self.publishes(request.command) {
                self.execute_publishes(key, first, end)
            } else {
                self.with_args(key, request, |engine, args| engine.call(key, request.command, args));
                1
            }
        };
        // It was timed by itself, in `call`.
        self.call_from_ns = None;
        match self.call_ended_ns.take() {
            Some(ended_ns) => timer.started_ns = ended_ns,
            None => timer.restart(&self.clock),
        }
        executed
    }

    /// Calls `run` with the request's arguments. It may touch the whole engine: the bytes of the arguments are taken out of the client
    /// meanwhile.
    pub(super) fn with_args<R>(
        &mut self,
        key: usize,
        request: Request,
        run: impl FnOnce(&mut Engine, &mut Args<'_>) -> R,
    ) -> R {
        self.with_input(key, request.spilled, |engine, all_args, bytes, owned| {
            let refs = &all_args[request.args_at as usize..][..request.argc as usize];
            run(engine, &mut Args::new(&bytes[request.start as usize..], refs, owned, request.hash))
        })
    }

    /// The same with all arguments of the batch, and the bytes that the client's are in: those of its spilled frame or of its ring.
    pub(super) fn with_input<R>(
        &mut self,
        key: usize,
        spilled: bool,
        run: impl FnOnce(&mut Engine, &[ArgRef], &[u8], &mut Vec<Vec<u8>>) -> R,
    ) -> R {
        let client = &mut self.clients[key];
        let mut input = std::mem::take(&mut client.input);
        let frame = std::mem::take(&mut client.spilled);
        self.detached_input =
            DetachedInput { pending_bytes: input.pending_bytes(), memory_bytes: input.memory_bytes() };
        let all_args = std::mem::take(&mut self.batch.args);
        let (bytes, owned) = input.parts();
        let answer = run(self, &all_args, if spilled { &frame } else { bytes }, owned);
        self.batch.args = all_args;
        let client = &mut self.clients[key];
        client.input = input;
        client.spilled = frame;
        answer
    }

    /// Calls a command whose arguments are held by the caller; container commands go to their subcommand.
    pub(super) fn call(&mut self, key: usize, id: CommandId, args: &mut Args<'_>) {
        match self.resolve(key, id, args) {
            Ok(id) => self.call_resolved(key, id, args),
            Err((id, error)) => {
                self.show_refused_exec(key, id, args);
                self.reject(key, id, error);
            }
        }
    }

    /// Calls a command, or a subcommand, whose number of arguments is right.
    pub(super) fn call_resolved(&mut self, key: usize, id: CommandId, args: &mut Args<'_>) {
        let command = self.registry.command(id);
        let is_watched = self.gates & gate::ONE_BY_ONE != 0 || args.has_owned();
        let before = is_watched.then(|| self.look_before_call(id, args));
        let queued_bytes = self.clients[key].output.queued_bytes();
        let started_ns = self.call_from_ns.take().unwrap_or_else(|| self.clock.monotonic_ns());
        let is_journaled = self.keyspace.journal.is_on() && matches!(command.run, Run::Write(_) | Run::Block(_));
        let (db, changes) = (self.clients[key].session.db, self.keyspace.changes());
        args.keep(is_journaled);
        let mut wait = None;
        let result = match command.run {
            Run::Server(run) => {
                // What commands before it found expired is gone for it.
                self.keyspace.reap_seen();
                run(args, self, key)
            }
            _ => {
                let client = &mut self.clients[key];
                let mut reply = Reply::new(&mut client.output, client.session.version);
                match command.run {
                    Run::Read(run) => {
                        let view = self.keyspace.view(client.session.db).without_touch(client.session.no_touch);
                        run(args, &view, &mut reply)
                    }
                    Run::Write(run) => run(args, &mut self.keyspace.writer(client.session.db), &mut reply),
                    Run::Pure(run) => {
                        if client.session.gates & gate::SUBSCRIBED != 0 && command.name == "ping" && args.len() <= 2 {
                            Engine::pong_to_subscriber(args, &mut reply);
                            Ok(())
                        } else {
                            run(args, &mut reply)
                        }
                    }
                    Run::Session(run) => run(args, &mut client.session, &mut reply),
                    Run::Block(run) => {
                        let outcome = run(args, &mut self.keyspace.writer(client.session.db), &mut reply);
                        outcome.map(|outcome| match outcome {
                            Outcome::Wait(asked) => wait = Some(asked),
                            Outcome::Done => {}
                        })
                    }
                    Run::Server(_) | Run::Container => Ok(()),
                }
            }
        };
        if is_journaled {
            let has_changed = self.keyspace.changes() != changes;
            self.keyspace.reap_read();
            self.keyspace.journal.finish_command(db, has_changed, args.from(0));
        }
        let ended_ns = self.clock.monotonic_ns();
        let elapsed_ns = ended_ns - started_ns;
        self.call_ended_ns = Some(ended_ns);
        if self.clients[key].session.gates & gate::TRACKING != 0 {
            self.remember_reads(key, command, args);
        }
        if let Some(wait) = wait
            && self.wait_for_keys(key, id, args, wait, elapsed_ns)
        {
            if let Some(before) = before {
                self.feed_monitors(key, &before);
            }
            // It is counted when it is done.
            return;
        }
        let counted = &mut self.registry.stats[usize::from(id)];
        counted.calls += 1;
        counted.run_ns += elapsed_ns;
        self.stats.note_run(id, 1, elapsed_ns);
        if let Err(error) = result {
            self.fail(key, id, error);
        }
        let reply_bytes = self.clients[key].output.queued_bytes().saturating_sub(queued_bytes) as u64;
        let is_large = reply_bytes >= self.thresholds.reply_bytes;
        if before.is_some() || is_large || elapsed_ns >= self.stats.long_runs.from_ns {
            self.look_after_call(key, id, args, before, Timed { started_ns, elapsed_ns, calls: 1 }, reply_bytes);
        }
    }

    /// The command, or of a container the subcommand, that `args` call, if their number fits and the configuration allows it. With an error
    /// comes the number of the command that is to be blamed for it, or [`UNKNOWN`].
    pub(super) fn resolve(
        &mut self,
        key: usize,
        id: CommandId,
        args: &Args<'_>,
    ) -> Result<CommandId, (CommandId, CommandError)> {
        let resolved = self.resolve_subcommand(id, args);
        // What CLIENT LIST shows, whether or not it may be called.
        let (Ok(named) | Err((named, _))) = resolved;
        self.clients[key].session.last_subcommand = Some(named);
        let id = resolved?;
        gates::check_protected(self, key, id).map_err(|error| (id, error))?;
        Ok(id)
    }

    pub(super) fn resolve_subcommand(
        &self,
        id: CommandId,
        args: &Args<'_>,
    ) -> Result<CommandId, (CommandId, CommandError)> {
        let command = self.registry.command(id);
        let check = |id: CommandId| {
            let command = self.registry.command(id);
            if command.accepts(args.len()) {
                return Ok(id);
            }
            Err((id, CommandError::wrong_arity(&self.registry.get(id).full_name)))
        };
        if command.subcommands.is_empty() || args.len() < 2 {
            return check(id);
        }
        match self.registry.find_subcommand(id, args.get(1)) {
            Some(sub_id) => check(sub_id),
            None => Err((UNKNOWN, CommandError::unknown_subcommand(command.name, args.get(1)))),
        }
    }

    /// A request for which a gate is closed, or that nobody knows.
    #[cold]
    #[inline(never)]
    fn execute_gated(&mut self, key: usize, request: Request) -> bool {
        let session = &mut self.clients[key].session;
        if session.is_held() {
            return false;
        }
        let skip_reply = session.gates & gate::REPLY_SKIP_NEXT != 0;
        if skip_reply {
            session.gates &= !gate::REPLY_SKIP_NEXT;
            self.clients[key].output.set_muted(true);
        }
        let verdict = self.with_args(key, request, |engine, args| {
            let verdict = gates::admit(engine, key, request.command, args);
            let is_of_http = request.command == UNKNOWN && gates::is_of_http(args);
            match &verdict {
                Verdict::Run(id) => engine.call_resolved(key, *id, args),
                Verdict::Queue(id) => engine.queue_request(key, *id, request.on_data, args),
                Verdict::Refuse(id, _) => engine.show_refused_exec(key, *id, args),
                Verdict::Wait(_) => {}
            }
            (verdict, is_of_http)
        });
        let (verdict, is_of_http) = verdict;
        if is_of_http {
            self.end_cross_protocol(key);
            return false;
        }
        let admitted = match verdict {
            Verdict::Run(_) | Verdict::Queue(_) => true,
            Verdict::Refuse(id, error) => {
                self.reject(key, id, error);
                true
            }
            Verdict::Wait(until) => {
                match until {
                    Until::EndOfPause => self.postpone(key, request),
                    Until::FanOut => self.postpone_publish(key, request),
                }
                false
            }
        };
        let client = &mut self.clients[key];
        if skip_reply {
            client.output.set_muted(client.session.reply_off);
        }
        if client.session.gates & gate::TRACKING != 0 && admitted {
            let is_client = request.command != UNKNOWN && self.registry.command(request.command).name == "client";
            self.end_caching(key, is_client);
        }
        admitted
    }

    /// What follows a line of HTTP's would be commands in the body of a web page's request: nothing of it is executed or answered.
    #[cold]
    fn end_cross_protocol(&mut self, key: usize) {
        let now_s = self.keyspace.now_ms() / 1000;
        if now_s - self.stats.last_attack_s > 60 {
            self.stats.last_attack_s = now_s;
            log::warning(format_args!(
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. This is likely due to \
                 an attacker attempting to use Cross Protocol Scripting to compromise your Redis instance. Connection from {} aborted.",
                self.clients[key].session.identity.addr
            ));
        }
        self.close(key);
        self.clients[key].output.close(&mut self.pool);
    }

    /// A request that did not get to run. A transaction that it would have been part of, or would have executed, is not executed.
    #[cold]
    pub(super) fn reject(&mut self, key: usize, id: CommandId, error: CommandError) {
        if id != UNKNOWN {
            self.registry.stats[usize::from(id)].rejected += 1;
        }
        if id != UNKNOWN && self.registry.command(id).name == "exec" {
            self.discard_transaction(key);
            let reason = error.text().strip_prefix(b"ERR ").unwrap_or(error.text());
            let text = [b"EXECABORT Transaction discarded because of: ", reason].concat();
            return self.answer_error(key, &CommandError::owned(text));
        }
        self.abort_transaction(key);
        self.answer_error(key, &error);
    }

    /// A command that ran and answered an error.
    #[cold]
    pub(super) fn fail(&mut self, key: usize, id: CommandId, error: CommandError) {
        self.registry.stats[usize::from(id)].failed += 1;
        self.answer_error(key, &error);
    }

    pub(super) fn answer_error(&mut self, key: usize, error: &CommandError) {
        self.stats.count_error(error.text());
        self.reply(key).error(error.text());
    }
}
