//! Running the gathered requests: the hot loop, and what surrounds a command (arity, gates, errors, statistics).
//!
//! Cost of a command besides its own work: one test of the gate bits, one of the arity, one indirect call, one counter. Time is measured
//! per run of equal quick commands, not per command: a clock reading costs as much as a small GET.

use crate::commands::{Args, Command, CommandError, CommandId, Reply, Run};
use crate::server::engine::{Engine, Request, UNKNOWN};
use crate::server::gates;
use crate::server::session::gate;

/// Quick commands timed together; more, and a slow one among them could not be told.
const TIMED_RUN_MAX: u32 = 64;

/// Attributes time to commands, a run of equal ones at a time.
pub(super) struct RunTimer {
    started_ns: u64,
    command: CommandId,
    calls: u32,
}

impl RunTimer {
    fn start(now_ns: u64) -> RunTimer {
        RunTimer { started_ns: now_ns, command: UNKNOWN, calls: 0 }
    }
}

impl Engine {
    /// Executes the batch, in order per client.
    pub(super) fn execute(&mut self) {
        if self.batch.requests.is_empty() {
            return;
        }
        let mut timer = RunTimer::start(self.clock.monotonic_ns());
        for index in 0..self.batch.clients.len() {
            let (key, first) = self.batch.clients[index];
            let end = self.batch.clients.get(index + 1).map_or(self.batch.requests.len(), |next| next.1 as usize);
            self.execute_client(key as usize, first as usize, end, &mut timer);
        }
        self.close_run(&mut timer);
        self.batch.clients.clear();
        self.batch.requests.clear();
        self.batch.args.clear();
    }

    fn execute_client(&mut self, key: usize, first: usize, end: usize, timer: &mut RunTimer) {
        let client = &mut self.clients[key];
        client.output.attach(&mut self.pool);
        let mut consumed = 0;
        let mut last = UNKNOWN;
        let mut index = first;
        while index < end {
            let request = self.batch.requests[index];
            if request.argc > 0 {
                if !self.execute_request(key, request, timer) {
                    break;
                }
                last = request.command;
            }
            consumed = request.end;
            index += 1;
        }
        let now_ms = self.keyspace.now_ms() as u64;
        let client = &mut self.clients[key];
        client.input.consume(consumed as usize);
        client.session.commands += (index - first) as u64;
        client.session.last_interaction_ms = now_ms;
        if last != UNKNOWN {
            client.session.last_command = Some(last);
        }
        if index < end {
            // Stopped in the middle: the rest is parsed again when the client goes on.
            client.parser.reset();
            client.partial.clear();
        } else if !client.input.owned.is_empty() {
            client.input.owned = Vec::new();
        }
        if !client.spilled.is_empty() {
            client.spilled = Vec::new();
        }
        client.input.settle(&mut self.pool);
        if client.output.is_empty() {
            client.output.settle(&mut self.pool);
        } else {
            self.mark_dirty(key);
        }
    }

    /// Executes one request. False: it was not executed, and neither may the client's later ones be.
    #[inline]
    fn execute_request(&mut self, key: usize, request: Request, timer: &mut RunTimer) -> bool {
        let client = &mut self.clients[key];
        if request.command == UNKNOWN || self.gates | client.session.gates != 0 {
            return self.execute_gated(key, request, timer);
        }
        self.execute_admitted(key, request, timer);
        true
    }

    /// Executes a request to which no gate is closed.
    #[inline]
    fn execute_admitted(&mut self, key: usize, request: Request, timer: &mut RunTimer) {
        let id = request.command;
        let registered = self.registry.get(id);
        let command = registered.command;
        if id != timer.command || timer.calls >= TIMED_RUN_MAX {
            self.close_run(timer);
            timer.command = id;
        }
        timer.calls += 1;
        if !command.accepts(request.argc as usize) {
            return self.reject(key, id, CommandError::wrong_arity(&self.registry.get(id).full_name));
        }
        let client = &mut self.clients[key];
        let (bytes, owned) = client.input.parts();
        let frame = if request.spilled { &client.spilled[..] } else { &bytes[request.start as usize..] };
        let refs = &self.batch.args[request.args_at as usize..][..request.argc as usize];
        let mut args = Args::new(frame, refs, owned, request.hash);
        let mut reply = Reply::new(&mut client.output, client.session.version);
        let result = match command.run {
            Run::Read(run) => {
                let view = self.keyspace.view(client.session.db).without_touch(client.session.no_touch);
                run(&mut args, &view, &mut reply)
            }
            Run::Write(run) => run(&mut args, &mut self.keyspace.writer(client.session.db), &mut reply),
            Run::Pure(run) => run(&mut args, &mut reply),
            Run::Session(run) => run(&mut args, &mut client.session, &mut reply),
            Run::Server(_) | Run::Container => return self.execute_detached(key, request),
        };
        self.registry.stats[usize::from(id)].calls += 1;
        if let Err(error) = result {
            self.fail(key, id, error);
        }
    }

    /// Executes a request whose function may touch the whole engine: the bytes of its arguments are taken out of the client while
    /// it runs.
    #[inline(never)]
    fn execute_detached(&mut self, key: usize, request: Request) {
        let client = &mut self.clients[key];
        let mut input = std::mem::take(&mut client.input);
        let spilled = std::mem::take(&mut client.spilled);
        let all_args = std::mem::take(&mut self.batch.args);
        let (bytes, owned) = input.parts();
        let frame = if request.spilled { &spilled[..] } else { &bytes[request.start as usize..] };
        let refs = &all_args[request.args_at as usize..][..request.argc as usize];
        let mut args = Args::new(frame, refs, owned, request.hash);
        self.call(key, request.command, &mut args);
        self.batch.args = all_args;
        let client = &mut self.clients[key];
        client.input = input;
        client.spilled = spilled;
    }

    /// Calls a command whose arguments are held by the caller; container commands go to their subcommand.
    pub(super) fn call(&mut self, key: usize, id: CommandId, args: &mut Args<'_>) {
        let (id, command) = match self.resolve(id, args) {
            Ok(resolved) => resolved,
            Err(error) => return self.reject(key, id, error),
        };
        let result = match command.run {
            Run::Server(run) => run(args, self, key),
            _ => {
                let client = &mut self.clients[key];
                let mut reply = Reply::new(&mut client.output, client.session.version);
                match command.run {
                    Run::Read(run) => {
                        let view = self.keyspace.view(client.session.db).without_touch(client.session.no_touch);
                        run(args, &view, &mut reply)
                    }
                    Run::Write(run) => run(args, &mut self.keyspace.writer(client.session.db), &mut reply),
                    Run::Pure(run) => run(args, &mut reply),
                    Run::Session(run) => run(args, &mut client.session, &mut reply),
                    Run::Server(_) | Run::Container => Ok(()),
                }
            }
        };
        self.registry.stats[usize::from(id)].calls += 1;
        if let Err(error) = result {
            self.fail(key, id, error);
        }
    }

    /// The command, or of a container the subcommand, that `args` call, if their number fits.
    pub fn resolve(&self, id: CommandId, args: &Args<'_>) -> Result<(CommandId, &'static Command), CommandError> {
        let command = self.registry.command(id);
        if command.subcommands.is_empty() || args.len() < 2 {
            if !command.accepts(args.len()) {
                return Err(CommandError::wrong_arity(&self.registry.get(id).full_name));
            }
            return Ok((id, command));
        }
        let Some(sub_id) = self.registry.find_subcommand(id, args.get(1)) else {
            if !matches!(command.run, Run::Container) {
                return Ok((id, command));
            }
            let shown = &args.get(1)[..args.get(1).len().min(128)];
            let mut text = b"ERR unknown subcommand '".to_vec();
            text.extend_from_slice(shown);
            text.extend_from_slice(format!("'. Try {} HELP.", command.name.to_uppercase()).as_bytes());
            return Err(CommandError::owned(text));
        };
        let subcommand = self.registry.command(sub_id);
        if !subcommand.accepts(args.len()) {
            return Err(CommandError::wrong_arity(&self.registry.get(sub_id).full_name));
        }
        Ok((sub_id, subcommand))
    }

    /// A request for which a gate is closed, or that nobody knows.
    #[cold]
    #[inline(never)]
    fn execute_gated(&mut self, key: usize, request: Request, timer: &mut RunTimer) -> bool {
        let session = &mut self.clients[key].session;
        if session.gates & gate::CLOSING != 0 || session.close_after_reply {
            return false;
        }
        let skip_reply = session.gates & gate::REPLY_SKIP_NEXT != 0;
        if skip_reply {
            session.gates &= !gate::REPLY_SKIP_NEXT;
            self.clients[key].output.muted = true;
        }
        let admitted = match gates::admit(self, key, request) {
            gates::Verdict::Run => {
                self.execute_admitted(key, request, timer);
                true
            }
            gates::Verdict::Refuse(error) => {
                self.reject(key, request.command, error);
                true
            }
            gates::Verdict::Wait => false,
        };
        if skip_reply {
            let client = &mut self.clients[key];
            client.output.muted = client.session.reply_off;
        }
        admitted
    }

    /// A request that did not get to run.
    #[cold]
    pub(super) fn reject(&mut self, key: usize, id: CommandId, error: CommandError) {
        if id != UNKNOWN {
            self.registry.stats[usize::from(id)].rejected += 1;
        }
        self.answer_error(key, &error);
    }

    /// A command that ran and answered an error.
    #[cold]
    fn fail(&mut self, key: usize, id: CommandId, error: CommandError) {
        self.registry.stats[usize::from(id)].failed += 1;
        self.answer_error(key, &error);
    }

    fn answer_error(&mut self, key: usize, error: &CommandError) {
        self.stats.count_error(error.text());
        self.reply(key).error(error.text());
    }

    /// Ends a run of equal commands and books its time.
    #[inline]
    fn close_run(&mut self, timer: &mut RunTimer) {
        if timer.calls == 0 {
            return;
        }
        let now_ns = self.clock.monotonic_ns();
        let elapsed_ns = now_ns - timer.started_ns;
        self.registry.stats[usize::from(timer.command)].run_ns += elapsed_ns;
        self.stats.note_run(timer.command, timer.calls, elapsed_ns);
        timer.started_ns = now_ns;
        timer.calls = 0;
    }
}
