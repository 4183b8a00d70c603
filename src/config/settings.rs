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
    pub syslog_enabled: bool,
    pub syslog_ident: String,
    /// The number that syslog(3) knows it by.
    pub syslog_facility: u8,
    /// Whether a panic is reported in the log, and whether the process then exits instead of aborting.
    pub crash_log_enabled: bool,
    pub use_exit_on_panic: bool,
    /// 0: no watchdog.
    pub watchdog_period_ms: u32,
    pub set_proc_title: bool,
    pub proc_title_template: String,
    pub oom_score_adj: OomScoreAdj,
    /// Of a master, a replica and a child.
    pub oom_score_adj_values: Vec<i64>,
    pub disable_thp: bool,
    /// CPUs of the loop's thread and of the others; empty: any.
    pub server_cpulist: String,
    pub bio_cpulist: String,
    pub jemalloc_bg_thread: bool,
    /// The mark of packets of listening sockets and their connections; 0: none.
    pub socket_mark_id: u32,
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
    pub maxmemory_clients: ClientsLimit,
    pub maxmemory_eviction_tenacity: u32,
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
    /// Without a slash.
    pub dbfilename: String,
    pub rdbcompression: bool,
    pub rdbchecksum: bool,
    pub rdb_save_incremental_fsync: bool,
    /// `rdb-target-version 7.0`: deadlines of the fields of hashes are not saved.
    pub rdb_without_field_deadlines: bool,
    /// How slow tests want saving and loading to be, microseconds for each key.
    pub rdb_key_save_delay_us: u64,
    pub key_load_delay_us: u64,
    pub stop_writes_on_bgsave_error: bool,
    pub appendonly: bool,
    /// Without a slash, as the next.
    pub appendfilename: String,
    pub appenddirname: String,
    pub appendfsync: AppendFsync,
    pub no_appendfsync_on_rewrite: bool,
    pub auto_aof_rewrite_percentage: u64,
    pub auto_aof_rewrite_min_size_bytes: u64,
    pub aof_load_truncated: bool,
    pub aof_use_rdb_preamble: bool,
    pub aof_timestamp_enabled: bool,
    pub aof_rewrite_incremental_fsync: bool,
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
    /// Keys that clients may have copies of; 0: no limit.
    pub tracking_table_max_keys: u64,
    /// Of the Prometheus endpoint; 0: there is none.
    pub metrics_port: u16,
    pub metrics_bind: Vec<String>,
    /// A turn that takes longer is recorded with its cause.
    pub stall_threshold_us: u64,
    /// `rename-command` lines, in order.
    pub renamed_commands: Vec<Rename>,
    /// `user` lines.
    pub users: Vec<UserLine>,
    /// File of users; empty: none.
    pub aclfile: String,
    /// Refusals that ACL LOG keeps.
    pub acllog_max_len: u64,
    /// Whether new users may use all channels.
    pub acl_pubsub_default_all: bool,
}

/// A `user` line: where it is, the words behind `user`, and the whole of it for the error text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserLine {
    pub line: usize,
    pub text: String,
    pub words: Vec<Vec<u8>>,
}

/// `appendfsync`: when the append-only file is synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppendFsync {
    #[default]
    EverySec,
    Always,
    No,
}

impl AppendFsync {
    pub(super) const ALL: [AppendFsync; 3] = [AppendFsync::EverySec, AppendFsync::Always, AppendFsync::No];
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

/// A `rename-command` line. What commands there are is not known here, so the line is kept for the error of who knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    pub from: Vec<u8>,
    /// Empty: nobody may call it.
    pub to: Vec<u8>,
    pub line: usize,
    pub text: String,
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

/// How much memory all clients together may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientsLimit {
    /// 0: as much as they like.
    Bytes(u64),
    /// Of `maxmemory`; as much as they like without one.
    Percent(u64),
}

impl Default for ClientsLimit {
    fn default() -> ClientsLimit {
        ClientsLimit::Bytes(0)
    }
}

impl ClientsLimit {
    /// With less there could be nobody to set more.
    const BYTES_MIN: u64 = 128 * 1024;

    /// In bytes; None: there is no limit.
    pub fn bytes(self, maxmemory: u64) -> Option<u64> {
        let bytes = match self {
            ClientsLimit::Bytes(0) | ClientsLimit::Percent(0) => return None,
            ClientsLimit::Percent(_) if maxmemory == 0 => return None,
            ClientsLimit::Bytes(bytes) => bytes,
            ClientsLimit::Percent(percent) => (u128::from(maxmemory) * u128::from(percent) / 100) as u64,
        };
        Some(bytes.max(ClientsLimit::BYTES_MIN))
    }
}

/// Which keys go when `maxmemory` is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxmemoryPolicy {
    VolatileLru,
    VolatileLfu,
    VolatileRandom,
    VolatileTtl,
    VolatileLrm,
    AllkeysLru,
    AllkeysLfu,
    AllkeysRandom,
    AllkeysLrm,
    #[default]
    NoEviction,
}

impl MaxmemoryPolicy {
    /// In the order of the directive's names.
    pub(super) const ALL: [MaxmemoryPolicy; 10] = [
        MaxmemoryPolicy::VolatileLru,
        MaxmemoryPolicy::VolatileLfu,
        MaxmemoryPolicy::VolatileRandom,
        MaxmemoryPolicy::VolatileTtl,
        MaxmemoryPolicy::VolatileLrm,
        MaxmemoryPolicy::AllkeysLru,
        MaxmemoryPolicy::AllkeysLfu,
        MaxmemoryPolicy::AllkeysRandom,
        MaxmemoryPolicy::AllkeysLrm,
        MaxmemoryPolicy::NoEviction,
    ];

    /// Whether the low bits of a key's clock are a frequency.
    pub fn is_lfu(self) -> bool {
        matches!(self, MaxmemoryPolicy::VolatileLfu | MaxmemoryPolicy::AllkeysLfu)
    }

    /// Whether using a key, in whatever way, is to set its clock and no more.
    #[inline]
    pub fn is_clock_of_uses(self) -> bool {
        !self.is_lfu() && !self.is_lrm()
    }

    /// Whether a key's clock says when it was last changed, not when it was last used.
    pub fn is_lrm(self) -> bool {
        matches!(self, MaxmemoryPolicy::VolatileLrm | MaxmemoryPolicy::AllkeysLrm)
    }

    /// Whether the keys that go are those that were used (or changed) least or longest ago.
    pub fn is_by_use(self) -> bool {
        !matches!(
            self,
            MaxmemoryPolicy::NoEviction
                | MaxmemoryPolicy::AllkeysRandom
                | MaxmemoryPolicy::VolatileRandom
                | MaxmemoryPolicy::VolatileTtl
        )
    }

    /// Whether only keys with a deadline may go.
    pub fn is_volatile(self) -> bool {
        matches!(
            self,
            MaxmemoryPolicy::VolatileLru
                | MaxmemoryPolicy::VolatileLfu
                | MaxmemoryPolicy::VolatileRandom
                | MaxmemoryPolicy::VolatileTtl
                | MaxmemoryPolicy::VolatileLrm
        )
    }
}

/// Whether the kernel is told how soon to end the process when memory runs out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OomScoreAdj {
    #[default]
    No,
    /// Added to the score that the process was started with.
    Relative,
    Absolute,
}

impl OomScoreAdj {
    /// In the order of the directive's names.
    pub(super) const ALL: [OomScoreAdj; 4] =
        [OomScoreAdj::No, OomScoreAdj::Relative, OomScoreAdj::Relative, OomScoreAdj::Absolute];
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
