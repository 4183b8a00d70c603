//! The engine: everything between bytes in and bytes out. It owns the clients, the keyspace and the statistics, and runs without
//! a socket: a test feeds a client's input, calls [`Engine::run`], and reads its output, on a virtual clock.
//!
//! ```text
//!   gather (per client)        run (once a turn)
//!   parse ---> batch --------> prefetch ---> execute ---> settle
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use slab::Slab;

use crate::base::branch::cold_path;
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::commands::{self, CommandId, Registry, Reply, Run};
use crate::config::Config;
use crate::keyspace::{EventClass, Keyspace, PackMax, Settings};
use crate::reactor::{BufferPool, Stream};
use crate::resp::request::{self, ArgRef, Limits, Prefix, Progress, ProtocolError, has_line_ends};
use crate::server::access::AccessControl;
use crate::server::aof::Aof;
use crate::server::blocking::Blocking;
use crate::server::client_eviction::ClientMemory;
use crate::server::command_log::CommandLog;
use crate::server::hot_keys::HotKeys;
use crate::server::info::Facts;
use crate::server::latency::LatencyMonitor;
use crate::server::loading::Loading;
use crate::server::maxmemory::MemoryLimit;
use crate::server::metrics::Metrics;
use crate::server::monitor::Monitors;
use crate::server::network::Network;
use crate::server::observation::Thresholds;
use crate::server::pause::Pause;
use crate::server::profile::Profile;
use crate::server::pubsub::PubSub;
use crate::server::reload::Reload;
use crate::server::replay::{Replay, ToLoad};
use crate::server::saving::Saving;
use crate::server::session::{Client, Session, gate};
use crate::server::shutdown::ShutdownRequest;
use crate::server::stall::Recorder;
use crate::server::stats::Stats;
use crate::server::supervisor::Supervisor;
use crate::server::tracking::Tracking;
use crate::server::transaction::Unwatching;

/// Most requests gathered before they are run; the rest wait for the next turn, so that no turn is long.
pub const BATCH_MAX: usize = 512;
/// Room for arguments that a client keeps between requests that come in pieces.
const PARTIAL_KEPT_MAX: usize = 1024;

/// Arguments that a batch has room for without another allocation.
const ARGS_KEPT: usize = 16 * 1024;

/// A request parsed and not yet executed. Half a cache line.
#[derive(Clone, Copy)]
pub(super) struct Request {
    /// First of its arguments in the batch.
    pub args_at: u32,
    pub argc: u32,
    /// Where its frame begins and ends, in bytes from the client's first unconsumed byte.
    pub start: u32,
    pub end: u32,
    /// Of the first key; 0: none.
    pub hash: u64,
    /// [`UNKNOWN`] or a registry number.
    pub command: CommandId,
    /// Its frame is the client's spilled one.
    pub spilled: bool,
    /// The command is known, takes so many arguments, and sees only data.
    pub on_data: bool,
    /// The command's number, and [`TIMED_ALONE`]: neighbours that agree in it are timed together.
    pub run: u32,
}

/// Bit of [`Request::run`]: what the command does may take long, so it is timed by itself.
pub(super) const TIMED_ALONE: u32 = 1 << 16;

const _: () = assert!(size_of::<Request>() == 32);

impl Request {
    /// Bytes of its frame.
    #[inline]
    pub(super) fn frame_len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// All of it as a multibulk that any reader takes, if `bytes` begin with that: no argument has a buffer of its own, and lines end as
    /// they should.
    #[inline]
    pub(super) fn frame<'a>(&self, bytes: &'a [u8], args: &[ArgRef]) -> Option<&'a [u8]> {
        let is_here = !self.spilled && self.end > self.start && bytes.first() == Some(&b'*');
        let frame = bytes.get(..self.frame_len()).filter(|_| is_here)?;
        has_line_ends(frame, args).then_some(frame)
    }
}

/// What a request's command and number of arguments say of it.
#[derive(Clone, Copy, Debug)]
struct Recognized {
    command: CommandId,
    /// Argument with the first key; 0: none.
    first_key: u16,
    /// See [`Request::on_data`].
    on_data: bool,
    /// See [`Request::run`].
    run: u32,
}

impl Recognized {
    const UNKNOWN: Recognized = Recognized { command: UNKNOWN, first_key: 0, on_data: false, run: UNKNOWN as u32 };

    fn new(registry: &Registry, args: &[ArgRef], frame: &[u8], owned: &[Vec<u8>]) -> Recognized {
        let Some(command) = args.first().and_then(|&name| registry.find(text(name, frame, owned))) else {
            return Recognized::UNKNOWN;
        };
        let hot = registry.hot(command);
        let on_data = hot.accepts(args.len()) && matches!(hot.run, Run::Pure(_) | Run::Read(_) | Run::Write(_));
        let first_key = if usize::from(hot.first_key) < args.len() { hot.first_key } else { 0 };
        let alone = if registry.is_quick(command, args.len()) { 0 } else { TIMED_ALONE };
        Recognized { command, first_key, on_data, run: u32::from(command) | alone }
    }

    /// The hash of the first key; 0: there is none.
    #[inline(always)]
    fn first_key_hash(self, keyspace: &Keyspace, args: &[ArgRef], frame: &[u8], owned: &[Vec<u8>]) -> u64 {
        match args.get(usize::from(self.first_key)) {
            Some(&key) if self.first_key != 0 => keyspace.hash(text(key, frame, owned)),
            _ => 0,
        }
    }
}

/// The command of a request whose name nobody knows.
pub(super) const UNKNOWN: CommandId = CommandId::MAX;

/// The bytes of an argument that was just parsed.
#[inline]
fn text<'a>(arg: ArgRef, frame: &'a [u8], owned: &'a [Vec<u8>]) -> &'a [u8] {
    match arg.owned_index() {
        None => arg.of(frame),
        Some(index) => &owned[index],
    }
}

/// What has been gathered in this turn.
pub(super) struct Batch {
    pub args: Vec<ArgRef>,
    pub requests: Vec<Request>,
    /// Clients with requests, each with the number of its first.
    pub clients: Vec<(u32, u32)>,
    /// Databases and hashes of keys that are not there; empty but for [`Engine::prefetch`].
    absent: Vec<(usize, u64)>,
    /// Requests that are gathered now: [`BATCH_MAX`], or about as many as a turn has had time for.
    pub limit: usize,
    /// Requests for which this turn has no time, and the clients of which it executes none.
    pub put_off_requests: usize,
    pub put_off: Vec<usize>,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch {
            args: Vec::new(),
            requests: Vec::new(),
            clients: Vec::new(),
            absent: Vec::new(),
            limit: BATCH_MAX,
            put_off_requests: 0,
            put_off: Vec::new(),
        }
    }
}

impl Batch {
    /// Lets go of memory that a request with very many arguments needed, or very many requests at once.
    pub fn shrink(&mut self) {
        self.args.shrink_to(ARGS_KEPT);
        self.requests.shrink_to(2 * BATCH_MAX);
        self.clients.shrink_to(2 * BATCH_MAX);
        self.absent.shrink_to(2 * BATCH_MAX);
    }
}

/// The input that is taken out of a client while its command sees the whole engine, bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct DetachedInput {
    pub pending_bytes: usize,
    pub memory_bytes: usize,
}

/// The server without its sockets.
pub struct Engine {
    pub clients: Slab<Box<Client>>,
    pub keyspace: Keyspace,
    pub access: AccessControl,
    pub registry: Registry,
    pub clock: Clock,
    pub config: Config,
    pub stats: Stats,
    pub recorder: Recorder,
    /// What SLOWLOG and COMMANDLOG show.
    pub command_log: CommandLog,
    /// What LATENCY LATEST shows.
    pub latency: LatencyMonitor,
    pub(super) monitors: Monitors,
    pub(super) profile: Profile,
    /// What HOTKEYS shows.
    pub(super) hot_keys: Option<Box<HotKeys>>,
    pub(super) thresholds: Thresholds,
    pub network: Network,
    /// What INFO says and no command changes.
    pub facts: Facts,
    /// Who wants to hear how the server is.
    pub(super) supervisor: Option<Supervisor>,
    /// What INFO says of the last seconds.
    pub metrics: Metrics,
    pub saving: Saving,
    pub aof: Aof,
    /// The append-only file that is being loaded.
    pub(super) replay: Option<Box<Replay>>,
    /// While a part of it is executed, the client that does.
    pub(super) replay_client: Option<usize>,
    /// What that client was not let execute: the first of them, and how many they were.
    pub(super) passed_by: Option<(CommandId, u64)>,
    /// Clients that watch keys.
    pub watching_clients: usize,
    /// Those who do not any more, of whose keys some are not forgotten yet.
    pub(super) unwatching: Vec<Unwatching>,
    pub(super) to_load: VecDeque<ToLoad>,
    /// The append-only file is to be loaded again.
    pub(super) reload: Option<Box<Reload>>,
    /// The file that is being loaded.
    pub loading: Option<Box<Loading>>,
    pub(super) pause: Pause,
    pub(super) blocking: Blocking,
    pub pubsub: PubSub,
    pub tracking: Tracking,
    /// What `maxmemory` has come to.
    pub memory: MemoryLimit,
    pub(super) client_memory: ClientMemory,
    /// When the turn's commands begin, if that is not when all of them have been gathered.
    pub(super) commands_from_ns: Option<u64>,
    /// When the command to be called next was begun with, and when the last one ended, as far as somebody has looked.
    pub(super) call_from_ns: Option<u64>,
    pub(super) call_ended_ns: Option<u64>,
    /// While a command runs that sees the whole engine, what the calling client's input holds.
    pub(super) detached_input: DetachedInput,
    pub limits: Limits,
    pub(super) batch: Batch,
    /// How the last request began, and what that says.
    prefix: Prefix,
    recognized: Recognized,
    pub(super) pool: BufferPool,
    /// Clients with replies to send.
    pub(super) dirty: Vec<usize>,
    /// Clients whose socket or input has more to give without another event.
    pub(super) ready: Vec<usize>,
    /// Clients to remove at the end of this turn or of one of the next.
    pub(super) closing: VecDeque<usize>,
    /// Something has happened besides requests for data since the loop last found that [`Engine::is_quiet`].
    pub(super) is_stirred: bool,
    /// Gates that are closed for everybody.
    pub gates: u32,
    /// The client that [`Engine::check_clients`] looks at next, and how many are still to be looked at of this share.
    pub(super) next_checked: usize,
    pub(super) unchecked_clients: usize,
    next_client_id: u64,
    shutdown: Option<ShutdownRequest>,
}

impl Engine {
    /// An engine with the default configuration.
    pub fn new(clock: Clock, seed: u64) -> Engine {
        Engine::with_config(Config::default(), clock, seed)
    }

    /// The same `seed`, clock and input give the same output.
    pub fn with_config(config: Config, clock: Clock, seed: u64) -> Engine {
        let now_ms = (clock.unix_us() / 1000) as i64;
        let registry = Registry::new(commands::GROUPS);
        let mut engine = Engine {
            access: AccessControl::new(&registry, &config),
            clients: Slab::new(),
            keyspace: Keyspace::new(config.databases as usize, Random::new(seed), now_ms),
            registry,
            clock,
            config,
            stats: Stats::default(),
            recorder: Recorder::default(),
            command_log: CommandLog::default(),
            latency: LatencyMonitor::default(),
            monitors: Monitors::default(),
            profile: Profile::default(),
            hot_keys: None,
            thresholds: Thresholds::default(),
            network: Network::default(),
            facts: Facts::new(now_ms),
            supervisor: None,
            metrics: Metrics::default(),
            saving: Saving::new(now_ms),
            aof: Aof::default(),
            replay: None,
            replay_client: None,
            passed_by: None,
            watching_clients: 0,
            unwatching: Vec::new(),
            to_load: VecDeque::new(),
            reload: None,
            loading: None,
            pause: Pause::default(),
            blocking: Blocking::default(),
            pubsub: PubSub::default(),
            tracking: Tracking::default(),
            memory: MemoryLimit::default(),
            client_memory: ClientMemory::default(),
            commands_from_ns: None,
            call_from_ns: None,
            call_ended_ns: None,
            detached_input: DetachedInput::default(),
            limits: Limits { bulk_max: 512 * 1024 * 1024, authenticated: true },
            batch: Batch::default(),
            prefix: Prefix::default(),
            recognized: Recognized::UNKNOWN,
            pool: BufferPool::default(),
            dirty: Vec::new(),
            ready: Vec::new(),
            closing: VecDeque::new(),
            is_stirred: true,
            gates: 0,
            next_checked: 0,
            unchecked_clients: 0,
            next_client_id: 1,
            shutdown: None,
        };
        engine.saving.account = Arc::clone(&engine.keyspace.elsewhere);
        engine.apply_config();
        engine
    }

    /// Hands the configuration's values to those who keep copies of their own; called after every change.
    pub fn apply_config(&mut self) {
        self.access.users.all_channels_at_first = self.config.acl_pubsub_default_all;
        self.access.log.trim(usize::try_from(self.config.acllog_max_len).unwrap_or(usize::MAX));
        self.limits.bulk_max = self.config.proto_max_bulk_len;
        let pack_max = |entries: u64, value: u64| PackMax { entries: entries as usize, value_bytes: value as usize };
        self.keyspace.settings = Settings {
            bulk_max: usize::try_from(self.config.proto_max_bulk_len).unwrap_or(usize::MAX),
            policy: self.config.maxmemory_policy,
            shared_integers: self.config.maxmemory == 0 || !self.config.maxmemory_policy.is_by_use(),
            eviction_samples: self.config.maxmemory_samples as usize,
            lfu_log_factor: self.config.lfu_log_factor,
            lfu_decay_time: self.config.lfu_decay_time_min,
            lazy_expire: self.config.lazyfree_lazy_expire,
            lazy_eviction: self.config.lazyfree_lazy_eviction,
            notify: EventClass::of_directive(self.config.notify_keyspace_events),
            list_max_listpack_size: self.config.list_max_listpack_size,
            list_compress_depth: self.config.list_compress_depth,
            hash_max_listpack: pack_max(self.config.hash_max_listpack_entries, self.config.hash_max_listpack_value),
            set_max_listpack: pack_max(self.config.set_max_listpack_entries, self.config.set_max_listpack_value),
            set_max_intset_entries: self.config.set_max_intset_entries as usize,
            zset_max_listpack: pack_max(self.config.zset_max_listpack_entries, self.config.zset_max_listpack_value),
            hll_sparse_max_bytes: self.config.hll_sparse_max_bytes as usize,
        };
        self.update_disk_gate();
        self.gates &= !gate::KEY_MISS;
        if self.keyspace.settings.notify.contains(EventClass::KEY_MISS) {
            self.gates |= gate::KEY_MISS;
        }
        self.limit_clients();
        self.memory.set(self.config.maxmemory);
        self.check_memory();
        self.apply_thresholds();
    }

    /// The loop ends after this turn.
    pub fn request_shutdown(&mut self, how: ShutdownRequest) {
        self.shutdown = Some(how);
    }

    /// Takes a request to stop back. Whether there was one.
    pub fn abort_shutdown(&mut self) -> bool {
        self.shutdown.take().is_some()
    }

    pub fn shutdown_requested(&self) -> Option<ShutdownRequest> {
        self.shutdown
    }

    /// A new client on `stream`; its key.
    pub fn connect(&mut self, stream: Stream) -> usize {
        let id = self.next_client_id;
        self.next_client_id += 1;
        let mut session = Session::new(id, self.keyspace.now_ms() as u64);
        let unix_path = self.network.unix_path().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        (session.identity.addr, session.identity.laddr) = stream.addresses(&unix_path);
        session.identity.unix_socket = matches!(stream, Stream::Unix(_));
        session.identity.fd = stream.fd();
        self.stats.connections_received += 1;
        let key = self.clients.insert(Box::new(Client::new(stream, session)));
        self.log_out(key);
        self.count_client(key);
        key
    }

    /// Where the client's replies go.
    #[inline]
    pub fn reply(&mut self, key: usize) -> Reply<'_> {
        let client = &mut self.clients[key];
        Reply::new(&mut client.output, client.session.version)
    }

    /// Parses what the client has sent into the batch. Returns whether requests that are already here had to be left for later.
    #[inline]
    pub(super) fn gather(&mut self, key: usize) -> bool {
        let client = &mut self.clients[key];
        if client.session.is_held() {
            return false;
        }
        if client.input.is_spilled() || !client.parser.is_idle() {
            return self.gather_slowly(key);
        }
        let first = self.batch.requests.len();
        let mut limits = self.limits;
        limits.authenticated = client.session.gates & gate::UNAUTHENTICATED == 0;
        // Who is not authenticated may be by the first request.
        let end = first + if limits.authenticated { self.batch.limit } else { 1 };
        let mut at = 0;
        let mut more = false;
        let (bytes, owned) = client.input.parts();
        let Batch { args: all_args, requests, .. } = &mut self.batch;
        while at < bytes.len() {
            let frame = &bytes[at..];
            if requests.len() >= end {
                more = true;
                break;
            }
            let args_at = all_args.len();
            if let Some((len, missing, name)) = self.prefix.matches(frame) {
                all_args.push(name);
                if let Some(used) = request::short_args(frame, len, missing, all_args) {
                    let args = &all_args[args_at..];
                    let Recognized { command, on_data, run, .. } = self.recognized;
                    requests.push(Request {
                        args_at: args_at as u32,
                        argc: args.len() as u32,
                        start: at as u32,
                        end: (at + used) as u32,
                        hash: self.recognized.first_key_hash(&self.keyspace, args, frame, &[]),
                        command,
                        spilled: false,
                        on_data,
                        run,
                    });
                    at += used;
                    continue;
                }
                client.parser.begin_at(len, missing);
            }
            match client.parser.parse(frame, all_args, owned, &limits) {
                Ok(Progress::Complete) => {
                    let used = client.parser.pos();
                    client.parser.reset();
                    let args = &all_args[args_at..];
                    let recognized = Recognized::new(&self.registry, args, frame, owned);
                    if self.prefix.learn(frame, args) {
                        self.recognized = recognized;
                    }
                    requests.push(Request {
                        args_at: args_at as u32,
                        argc: args.len() as u32,
                        start: at as u32,
                        end: (at + used) as u32,
                        hash: recognized.first_key_hash(&self.keyspace, args, frame, owned),
                        command: recognized.command,
                        spilled: false,
                        on_data: recognized.on_data,
                        run: recognized.run,
                    });
                    at += used;
                }
                Ok(Progress::Incomplete | Progress::BigBulk { .. }) => {
                    // What was found of the frame's arguments waits for the rest of them.
                    client.partial.extend(all_args.drain(args_at..));
                    break;
                }
                Err(error) => {
                    all_args.truncate(args_at);
                    if requests.len() == first {
                        self.protocol_error(key, error);
                        return false;
                    }
                    // The requests before it are answered first; then it is found again.
                    client.parser.reset();
                    more = true;
                    break;
                }
            }
        }
        if self.batch.requests.len() > first {
            client.gathered = true;
            self.batch.clients.push((key as u32, first as u32));
        }
        more
    }

    /// The same for a frame of which a part has come before: it may be spilled, it may hold a bulk with a buffer of its own.
    #[cold]
    #[inline(never)]
    fn gather_slowly(&mut self, key: usize) -> bool {
        let client = &mut self.clients[key];
        let mut limits = self.limits;
        limits.authenticated = client.session.gates & gate::UNAUTHENTICATED == 0;
        if client.input.is_spilled() {
            client.input.spill();
            if client.input.awaits_bulk() {
                let Some(index) = client.input.bulk_arrived() else { return false };
                client.partial.push(ArgRef::owned(index));
                client.parser.bulk_received();
                // Bytes behind it wait in the ring.
                client.input.spill();
            }
        }
        let spilled = client.input.is_spilled();
        // Into the client's own list, to which each piece of a request with a million arguments adds its own without moving the rest.
        let progress = if let Some((frame, owned)) = client.input.spilled_parts() {
            client.parser.parse(frame, &mut client.partial, owned, &limits)
        } else {
            let (frame, owned) = client.input.parts();
            client.parser.parse(frame, &mut client.partial, owned, &limits)
        };
        match progress {
            Ok(Progress::Complete) => {
                let used = client.parser.pos();
                client.parser.reset();
                if spilled {
                    client.spilled = client.input.take_spilled(used, &mut self.pool);
                }
                let args_at = self.batch.args.len();
                self.batch.args.append(&mut client.partial);
                if client.partial.capacity() > PARTIAL_KEPT_MAX {
                    client.partial = Vec::new();
                }
                self.push_resumed(key, args_at, used, spilled);
                // What lies behind it is gathered in the next turn.
                true
            }
            Ok(Progress::Incomplete) => false,
            Ok(Progress::BigBulk { len }) => {
                client.input.spill();
                client.input.begin_bulk(client.parser.pos(), len, &self.keyspace.unreceived);
                false
            }
            Err(error) => {
                client.partial = Vec::new();
                self.protocol_error(key, error);
                false
            }
        }
    }

    pub(super) fn push_resumed(&mut self, key: usize, args_at: usize, used: usize, spilled: bool) {
        let client = &mut self.clients[key];
        let args = &self.batch.args[args_at..];
        let (bytes, owned) = client.input.parts();
        let frame = if spilled { &client.spilled } else { bytes };
        let recognized = Recognized::new(&self.registry, args, frame, owned);
        let request = Request {
            args_at: args_at as u32,
            argc: args.len() as u32,
            start: 0,
            end: if spilled { 0 } else { used as u32 },
            hash: recognized.first_key_hash(&self.keyspace, args, frame, owned),
            command: recognized.command,
            spilled,
            // What is large is looked at before a command takes its bytes: for the logs of large and of slow requests.
            on_data: recognized.on_data && !spilled && !args.iter().any(|arg| arg.owned_index().is_some()),
            run: recognized.run | TIMED_ALONE,
        };
        client.gathered = true;
        self.batch.clients.push((key as u32, self.batch.requests.len() as u32));
        self.batch.requests.push(request);
    }

    /// Answers a violation of the protocol and closes.
    #[cold]
    fn protocol_error(&mut self, key: usize, error: ProtocolError) {
        let text = error.text();
        let client = &mut self.clients[key];
        client.output.attach(&mut self.pool);
        self.reply(key).error(&text);
        self.stats.protocol_errors += 1;
        self.mark_dirty(key);
        self.close_after_reply(key);
    }

    /// Nothing more is executed for the client; it is closed when its replies are sent.
    pub fn close_after_reply(&mut self, key: usize) {
        self.abandon_wait(key);
        let client = &mut self.clients[key];
        client.session.close_after_reply = true;
        client.session.gates |= gate::CLOSING;
        if client.output.is_empty() {
            // There is nothing to send, so no sending will end in its closing.
            self.close(key);
        }
    }

    /// Puts the client on the list of those with replies to send.
    #[inline]
    pub(super) fn mark_dirty(&mut self, key: usize) {
        let client = &mut self.clients[key];
        if !client.dirty {
            client.dirty = true;
            self.dirty.push(key);
        }
    }

    /// Puts the client on the list of those to look at in the next turn without an event.
    pub(super) fn mark_ready(&mut self, key: usize) {
        let client = &mut self.clients[key];
        if !client.ready {
            client.ready = true;
            self.ready.push(key);
        }
    }

    /// The client's socket has something that was not read: it is looked at in the next turn, or when whatever holds the
    /// client lets go of it.
    pub(super) fn mark_unread(&mut self, key: usize) {
        if self.clients[key].session.is_held() {
            self.clients[key].unread = true;
        } else {
            self.mark_ready(key);
        }
    }

    /// The client may go on: what it sent in the meantime is looked at in the next turn.
    pub fn resume(&mut self, key: usize) {
        let client = &mut self.clients[key];
        // Of one that was put off what is in its ring is looked at first, and then its socket.
        client.unread = client.put_off;
        self.mark_ready(key);
    }

    /// Feeds a client without a socket: what a `recv` would have brought, in as many as the ring needs.
    pub fn feed(&mut self, key: usize, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.clients[key].gathered {
                self.run();
            }
            let client = &mut self.clients[key];
            if client.input.is_full() {
                client.input.spill();
            }
            let space = client.input.space(&mut self.pool);
            let len = space.len().min(bytes.len());
            space[..len].copy_from_slice(&bytes[..len]);
            client.input.received(len);
            bytes = &bytes[len..];
            let mut more = self.gather(key);
            // Whatever had to wait for the batch to be run is run before more is fed.
            while more || (!bytes.is_empty() && !self.batch.requests.is_empty()) {
                self.run();
                more = self.gather(key);
                if self.batch.requests.is_empty() {
                    break;
                }
            }
            if self.batch.requests.is_empty() {
                self.clients[key].input.settle(&mut self.pool);
            }
        }
    }

    /// Takes what a client without a socket is to be sent.
    pub fn take_output(&mut self, key: usize) -> Vec<u8> {
        let client = &mut self.clients[key];
        let mut sent = Vec::new();
        while !client.output.is_empty() {
            let mut pieces = [std::io::IoSlice::new(&[]); crate::reactor::IOV_MAX];
            let count = client.output.pieces(&mut pieces);
            let before = sent.len();
            for piece in &pieces[..count] {
                sent.extend_from_slice(piece);
            }
            client.output.sent(sent.len() - before);
        }
        self.drop_output(key);
        sent
    }

    /// Drops what a client without a socket is to be sent.
    pub fn drop_output(&mut self, key: usize) {
        let client = &mut self.clients[key];
        client.output.sent(client.output.queued_bytes());
        client.output.settle(&mut self.pool);
        client.dirty = false;
        client.fanned_out = false;
        self.dirty.retain(|&dirty| dirty != key);
        // Whoever is taken from in the order of delivery is the first.
        if let Some(place) = self.pubsub.fan_out.iter().position(|&(other, _)| other == key) {
            self.pubsub.fan_out.remove(place);
        }
    }

    /// Closes the client at the end of the turn, without waiting for its replies to be sent.
    pub fn close(&mut self, key: usize) {
        let client = &mut self.clients[key];
        if !client.closing {
            client.closing = true;
            client.session.gates |= gate::CLOSING;
            self.closing.push_back(key);
            self.is_stirred = true;
            self.abandon_wait(key);
            self.discard_transaction(key);
            self.end_subscriptions(key);
            self.stop_tracking(key);
            self.stop_monitoring(key);
        }
    }

    /// Runs the batch: prefetch, execute, settle.
    pub fn run(&mut self) {
        let mut has_done_others = false;
        if self.is_stirred && self.replay_client.is_none() {
            cold_path();
            has_done_others |= self.end_pauses();
            has_done_others |= self.release_publishers();
            has_done_others |= self.end_waits();
        }
        has_done_others |= self.check_memory();
        if has_done_others {
            self.begin_commands();
        }
        if self.batch.requests.len() >= 2 && !self.keyspace.fits_in_cache() {
            self.prefetch();
        }
        self.execute();
        self.settle();
    }

    /// What came before the turn's commands took time, which is not theirs.
    #[cold]
    fn begin_commands(&mut self) {
        let Some(gathered_ns) = self.recorder.turn.gathered_ns() else { return };
        let now_ns = self.clock.monotonic_ns();
        self.recorder.note_job("ends of waits, or evictions", now_ns - gathered_ns);
        self.commands_from_ns = Some(now_ns);
    }

    /// Touches what the requests' keys will need, so that cache misses overlap instead of queueing. Where a key that is not there would go
    /// depends on what the first pass has fetched: asked for at once, each such key would wait for its own miss.
    #[inline(never)]
    fn prefetch(&mut self) {
        let Batch { requests, clients, absent, .. } = &mut self.batch;
        for (index, &(key, first)) in clients.iter().enumerate() {
            let end = clients.get(index + 1).map_or(requests.len(), |next| next.1 as usize);
            let db = self.clients[key as usize].session.db;
            for request in &requests[first as usize..end] {
                if request.hash != 0 && !self.keyspace.prefetch(db, request.hash) {
                    absent.push((db, request.hash));
                }
            }
        }
        absent.drain(..).for_each(|(db, hash)| self.keyspace.prefetch_vacancy(db, hash));
    }

    /// What the commands caused.
    fn settle(&mut self) {
        self.keyspace.reap_seen();
        self.tell_observers(None);
        if self.is_stirred {
            self.settle_tracking();
        }
        self.keyspace.flush_garbage();
    }
}

#[cfg(test)]
mod tests;
