//! The typed fields of the directives that Zedis acts on.

use bitflags::bitflags;

use crate::base::log::Level;

/// What the configuration says, ready to use. Sizes are in bytes; the units of times are in the names. Written only by
/// [`super::Config`]; [`super::Config::default`] has the defaults (those of this type are all zero).
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub port: u16,
    /// Addresses to listen on; a `-` in front means that it may be missing on this machine, `*` means all.
    pub bind: Vec<String>,
    /// Empty: none.
    pub unixsocket: String,
    /// Permission bits of the Unix socket; 0: as the umask has it.
    pub unixsocketperm: u32,
    pub tcp_backlog: i32,
    /// 0: off.
    pub tcp_keepalive_s: u32,
    /// After how long an idle client is closed; 0: never.
    pub timeout_s: u32,
    pub maxclients: u32,
    pub max_new_connections_per_cycle: u32,
    pub protected_mode: bool,
    pub databases: u32,
    /// Empty: none.
    pub requirepass: Vec<u8>,
    pub daemonize: bool,
    /// Empty: none, or the usual one when daemonized.
    pub pidfile: String,
    /// Empty: standard output.
    pub logfile: String,
    pub loglevel: Level,
    pub always_show_logo: bool,
    pub supervised: Supervised,
    pub dir: String,
    /// Times per second that housekeeping runs.
    pub hz: u32,
    pub client_query_buffer_limit: u64,
    pub proto_max_bulk_len: i64,
    /// By [`BufferClass`].
    pub client_output_buffer_limits: [BufferLimit; 3],
    /// 0: none.
    pub maxmemory: u64,
    pub maxmemory_policy: MaxmemoryPolicy,
    pub maxmemory_samples: u32,
    pub lfu_log_factor: u32,
    pub lfu_decay_time_min: u32,
    pub lazyfree_lazy_eviction: bool,
    pub lazyfree_lazy_expire: bool,
    pub lazyfree_lazy_server_del: bool,
    pub lazyfree_lazy_user_del: bool,
    pub lazyfree_lazy_user_flush: bool,
    pub active_expire_effort: u32,
    /// Negative: off.
    pub slowlog_log_slower_than_us: i64,
    pub slowlog_max_len: u64,
    /// Negative: off.
    pub commandlog_request_larger_than_bytes: i64,
    pub commandlog_large_request_max_len: u64,
    /// Negative: off.
    pub commandlog_reply_larger_than_bytes: i64,
    pub commandlog_large_reply_max_len: u64,
    /// 0: off.
    pub latency_monitor_threshold_ms: u64,
    pub latency_tracking: bool,
    pub latency_tracking_info_percentiles: Vec<f64>,
    pub enable_debug_command: Guard,
    pub enable_protected_configs: Guard,
    pub enable_module_command: Guard,
    pub hide_user_data_from_log: bool,
    pub save: Vec<SavePoint>,
    pub appendonly: bool,
    pub shutdown_on_sigint: ShutdownFlags,
    pub shutdown_on_sigterm: ShutdownFlags,
    pub shutdown_timeout_s: u32,
    /// Positive: entries; negative: size class.
    pub list_max_listpack_size: i32,
    pub list_compress_depth: u32,
    pub hash_max_listpack_entries: u64,
    pub hash_max_listpack_value: u64,
    pub set_max_intset_entries: u64,
    pub set_max_listpack_entries: u64,
    pub set_max_listpack_value: u64,
    pub zset_max_listpack_entries: u64,
    pub zset_max_listpack_value: u64,
    pub hll_sparse_max_bytes: u64,
    pub stream_node_max_bytes: u64,
    pub stream_node_max_entries: u64,
    pub notify_keyspace_events: u32,
    /// Of the Prometheus endpoint; 0: there is none.
    pub metrics_port: u16,
    pub metrics_bind: Vec<String>,
    /// A turn that takes longer is recorded with its cause.
    pub stall_threshold_us: u64,
    /// `rename-command` lines: from, to (empty: disabled).
    pub renamed_commands: Vec<(Vec<u8>, Vec<u8>)>,
    /// `user` lines: the words behind `user`.
    pub users: Vec<Vec<Vec<u8>>>,
}

/// What clients share an output buffer limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferClass {
    Normal,
    Replica,
    PubSub,
}

impl BufferClass {
    /// With the names that CONFIG GET shows.
    pub const ALL: [(BufferClass, &'static str); 3] =
        [(BufferClass::Normal, "normal"), (BufferClass::Replica, "slave"), (BufferClass::PubSub, "pubsub")];

    pub(super) fn parse(name: &[u8]) -> Option<BufferClass> {
        if name.eq_ignore_ascii_case(b"replica") {
            return Some(BufferClass::Replica);
        }
        BufferClass::ALL.iter().find(|(_, own)| own.as_bytes().eq_ignore_ascii_case(name)).map(|&(class, _)| class)
    }
}

/// When a client that does not read is closed: at once beyond the hard limit, after a while beyond the soft one. 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferLimit {
    pub hard_bytes: u64,
    pub soft_bytes: u64,
    pub soft_s: u64,
}

/// Save after `seconds` when at least `changes` were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    pub seconds: i64,
    pub changes: i64,
}

/// Who may use something dangerous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    #[default]
    No,
    Yes,
    /// Clients on this machine.
    Local,
}

impl Guard {
    pub fn allows(self, local: bool) -> bool {
        match self {
            Guard::No => false,
            Guard::Yes => true,
            Guard::Local => local,
        }
    }

    pub(super) fn from_index(index: usize) -> Guard {
        [Guard::No, Guard::Yes, Guard::Local].get(index).copied().unwrap_or_default()
    }
}

/// Which keys go when `maxmemory` is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxmemoryPolicy {
    VolatileLru,
    VolatileLfu,
    VolatileRandom,
    VolatileTtl,
    AllkeysLru,
    AllkeysLfu,
    AllkeysRandom,
    #[default]
    NoEviction,
}

impl MaxmemoryPolicy {
    /// In the order of the directive's names.
    pub(super) const ALL: [MaxmemoryPolicy; 8] = [
        MaxmemoryPolicy::VolatileLru,
        MaxmemoryPolicy::VolatileLfu,
        MaxmemoryPolicy::VolatileRandom,
        MaxmemoryPolicy::VolatileTtl,
        MaxmemoryPolicy::AllkeysLru,
        MaxmemoryPolicy::AllkeysLfu,
        MaxmemoryPolicy::AllkeysRandom,
        MaxmemoryPolicy::NoEviction,
    ];

    /// Whether the low bits of a key's clock are a frequency.
    pub fn is_lfu(self) -> bool {
        matches!(self, MaxmemoryPolicy::VolatileLfu | MaxmemoryPolicy::AllkeysLfu)
    }
}

/// Who started the server and wants to hear that it is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Supervised {
    Upstart,
    Systemd,
    Auto,
    #[default]
    No,
}

impl Supervised {
    /// In the order of the directive's names.
    pub(super) const ALL: [Supervised; 4] =
        [Supervised::Upstart, Supervised::Systemd, Supervised::Auto, Supervised::No];
}

bitflags! {
    /// How a signal shuts the server down.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ShutdownFlags: u32 {
        const SAVE = 1;
        const NOSAVE = 2;
        const NOW = 4;
        const FORCE = 8;
    }
}
