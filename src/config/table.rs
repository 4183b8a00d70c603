//! The table: every directive that Redis 7.4 knows, by section of redis.conf, and those of Zedis.
//!
//! Each says what becomes of it: `.live` and `.works` ones are acted on, `.no_effect` ones are accepted and a log line says why they change
//! nothing, `.refused` ones may only have their defaults, because to ignore them would be unsafe. `.alias` gives the name of older
//! versions.

use super::directive::{Action, Directive, Kind, TextRule, boolean, int, memory, one_of, special, text};
use super::settings::{AppendFsync, Guard, MaxmemoryPolicy, OomScoreAdj, ShutdownFlags, Supervised};
use super::value::Value;
use crate::base::log::Level;
use crate::base::syslog::FACILITIES;

const INT_MAX: i64 = i32::MAX as i64;
const UINT_MAX: i64 = u32::MAX as i64;
const LONG_MAX: i64 = i64::MAX;
/// The largest size where Redis keeps it in a signed integer.
const SIZE_MAX: u64 = i64::MAX as u64;

// Why a directive has no effect, or is refused.
const NO_TLS: &str = "there is no TLS: tls-port is refused";
const NO_REPLICATION: &str = "there is no replication yet";
const NO_CONNECTIONS_OUT: &str = "there is no replication yet, so no connection is made from here";
const NO_CLUSTER: &str = "there is no cluster mode yet";
const SLICES: &str = "loading and saving go on in slices of the loop, between the turns of clients";
const REMOVED_BEHIND: &str = "files that a rewrite has replaced are removed by the thread of the disk";
const NO_PROCESSES: &str = "saving and rewriting are done by this process";
const NO_SCRIPTS: &str = "there are no scripts yet";
const NO_DEFRAG: &str =
    "values are not moved: the allocator has size classes of eight bytes, and gives whole pages back by itself";
const FREED_LAZILY: &str = "large values are always freed by another thread";
const ONE_THREAD: &str = "one thread reads, executes and writes for all clients";
const COMPARED_BY_BYTES: &str = "texts are compared by their bytes, as in the locale C";
const NO_SUCH_WARNING: &str = "none of the warnings that it silences is given";
const ALWAYS_CHECKED: &str = "RESTORE checks every payload in full";
const NOTHING_PROPAGATED: &str = "nothing is propagated that could fail elsewhere";
const TIMING_WHEEL: &str = "keys are removed at their deadlines, from a timing wheel, at no cost that could be traded";
const REMOVED_WHERE_MET: &str = "a key that has expired is removed wherever it is met";
const NO_STREAMS: &str = "there are no streams yet";
const NO_REHASHING: &str = "tables grow a segment at a time; nothing is left to be rehashed";
const CRON_IS_FIXED: &str =
    "periodic jobs run ten times a second, in bounded slices, and deadlines have a timer of their own";
const NO_ASSERTS: &str = "no command asserts anything of a client's data";
const NO_USER_DATA: &str = "the log holds no keys and no values";
const TLS_REFUSED: &str =
    "there is no TLS: clients would talk in the clear where they must not. Put a TLS proxy in front, or leave it at 0";
const REPLICAOF_REFUSED: &str =
    "there is no replication yet: a replica that never follows its master would answer with old data and take writes";
const MIN_REPLICAS_REFUSED: &str =
    "there is no replication yet: with as many replicas as that required, no write could be accepted";
const CLUSTER_REFUSED: &str = "there is no cluster mode yet: clients would be sent to no other node, and find no slots";
const NO_MEMORY_TEST: &str = "a crash is no occasion to test the memory of the machine; a core dump shows more";

const GUARD: &[&str] = &["no", "yes", "local"];
const SHUTDOWN: Kind = Kind::Flags(&["default", "save", "nosave", "now", "force"]);

fn guard(value: &Value) -> Guard {
    Guard::from_index(value.index())
}

fn shutdown_flags(value: &Value) -> ShutdownFlags {
    ShutdownFlags::from_bits_truncate(value.flags())
}

/// A negative one means so many keys for each microsecond, which is nothing.
fn delay_us(value: &Value) -> u64 {
    value.int().max(0) as u64
}

/// Every directive, for CONFIG GET in this order.
pub static DIRECTIVES: &[Directive] = &[
    // Network.
    int("port", 0, 65535, "6379").live(|s, v| s.port = v.u32() as u16).action(Action::Port),
    special("bind", Kind::Bind, "* -::*")
        .live(|s, v| {
            if let Value::Words(words) = v {
                s.bind = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            }
        })
        .action(Action::Bind),
    text("bind-source-addr", "").no_effect(NO_CONNECTIONS_OUT),
    boolean("protected-mode", "yes").live(|s, v| s.protected_mode = v.bool()),
    one_of("enable-protected-configs", GUARD, "no").immutable().live(|s, v| s.enable_protected_configs = guard(v)),
    one_of("enable-debug-command", GUARD, "no").immutable().live(|s, v| s.enable_debug_command = guard(v)),
    one_of("enable-module-command", GUARD, "no").immutable().live(|s, v| s.enable_module_command = guard(v)),
    int("tcp-backlog", 0, INT_MAX, "511").immutable().live(|s, v| s.tcp_backlog = v.int() as i32),
    text("unixsocket", "").immutable().live(|s, v| s.unixsocket = v.string()),
    special("unixsocketperm", Kind::Octal { min: 0, max: 0o777 }, "0")
        .immutable()
        .live(|s, v| s.unixsocketperm = v.u32()),
    int("timeout", 0, INT_MAX, "0").live(|s, v| s.timeout_s = v.u32()),
    int("tcp-keepalive", 0, INT_MAX, "300").live(|s, v| s.tcp_keepalive_s = v.u32()),
    int("socket-mark-id", 0, UINT_MAX, "0").immutable().live(|s, v| s.socket_mark_id = v.u32()),
    int("max-new-connections-per-cycle", 1, 1000, "10").live(|s, v| s.max_new_connections_per_cycle = v.u32()),
    int("max-new-tls-connections-per-cycle", 1, 1000, "1").no_effect(NO_TLS),
    // TLS.
    int("tls-port", 0, 65535, "0").refused(TLS_REFUSED),
    int("tls-session-cache-size", 0, INT_MAX, "20480").no_effect(NO_TLS),
    int("tls-session-cache-timeout", 0, INT_MAX, "300").no_effect(NO_TLS),
    boolean("tls-cluster", "no").no_effect(NO_TLS),
    boolean("tls-replication", "no").no_effect(NO_TLS),
    one_of("tls-auth-clients", &["no", "yes", "optional"], "yes").no_effect(NO_TLS),
    boolean("tls-prefer-server-ciphers", "no").no_effect(NO_TLS),
    boolean("tls-session-caching", "yes").no_effect(NO_TLS),
    text("tls-cert-file", "").no_effect(NO_TLS),
    text("tls-key-file", "").no_effect(NO_TLS),
    text("tls-key-file-pass", "").no_effect(NO_TLS),
    text("tls-client-cert-file", "").no_effect(NO_TLS),
    text("tls-client-key-file", "").no_effect(NO_TLS),
    text("tls-client-key-file-pass", "").no_effect(NO_TLS),
    text("tls-dh-params-file", "").no_effect(NO_TLS),
    text("tls-ca-cert-file", "").no_effect(NO_TLS),
    text("tls-ca-cert-dir", "").no_effect(NO_TLS),
    text("tls-protocols", "").no_effect(NO_TLS),
    text("tls-ciphers", "").no_effect(NO_TLS),
    text("tls-ciphersuites", "").no_effect(NO_TLS),
    // General.
    boolean("daemonize", "no").immutable().live(|s, v| s.daemonize = v.bool()),
    one_of("supervised", &["upstart", "systemd", "auto", "no"], "no").immutable().live(|s, v| {
        s.supervised = Supervised::ALL[v.index()];
    }),
    text("pidfile", "").immutable().live(|s, v| s.pidfile = v.string()),
    one_of("loglevel", &["debug", "verbose", "notice", "warning", "nothing"], "notice")
        .live(|s, v| s.loglevel = Level::ALL[v.index()])
        .action(Action::LogLevel),
    text("logfile", "").immutable().live(|s, v| s.logfile = v.string()),
    boolean("syslog-enabled", "no").immutable().live(|s, v| s.syslog_enabled = v.bool()),
    text("syslog-ident", "redis").immutable().live(|s, v| s.syslog_ident = v.string()),
    one_of(
        "syslog-facility",
        &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"],
        "local0",
    )
    .immutable()
    .live(|s, v| s.syslog_facility = FACILITIES[v.index()].1),
    boolean("crash-log-enabled", "yes").live(|s, v| s.crash_log_enabled = v.bool()).action(Action::CrashLog),
    boolean("crash-memcheck-enabled", "yes").no_effect(NO_MEMORY_TEST),
    boolean("use-exit-on-panic", "no").hidden().live(|s, v| s.use_exit_on_panic = v.bool()).action(Action::CrashLog),
    int("databases", 1, INT_MAX, "16").immutable().live(|s, v| s.databases = v.u32()),
    boolean("always-show-logo", "no").immutable().live(|s, v| s.always_show_logo = v.bool()),
    boolean("hide-user-data-from-log", "no").live(|s, v| s.hide_user_data_from_log = v.bool()).no_effect(NO_USER_DATA),
    boolean("set-proc-title", "yes").immutable().live(|s, v| s.set_proc_title = v.bool()),
    special("proc-title-template", Kind::Text(TextRule::ProcTitle), "{title} {listen-addr} {server-mode}")
        .live(|s, v| s.proc_title_template = v.string())
        .action(Action::ProcTitle),
    text("locale-collate", "").no_effect(COMPARED_BY_BYTES),
    text("ignore-warnings", "").no_effect(NO_SUCH_WARNING),
    boolean("enable-debug-assert", "no").immutable().hidden().no_effect(NO_ASSERTS),
    int("watchdog-period", 0, INT_MAX, "0")
        .hidden()
        .adjust(|ms| if ms == 0 { 0 } else { ms.max(200) })
        .live(|s, v| s.watchdog_period_ms = v.u32())
        .action(Action::CrashLog),
    // Snapshotting.
    special("save", Kind::Save, "3600 1 300 100 60 10000").live(|s, v| {
        if let Value::Save(points) = v {
            s.save.clone_from(points);
        }
    }),
    boolean("stop-writes-on-bgsave-error", "yes").live(|s, v| s.stop_writes_on_bgsave_error = v.bool()),
    boolean("rdbcompression", "yes").live(|s, v| s.rdbcompression = v.bool()),
    boolean("rdbchecksum", "yes").immutable().live(|s, v| s.rdbchecksum = v.bool()),
    one_of("sanitize-dump-payload", &["no", "yes", "clients"], "no").no_effect(ALWAYS_CHECKED),
    special("dbfilename", Kind::Text(TextRule::PlainName { what: "filename", may_be_empty: true }), "dump.rdb")
        .protected()
        .live(|s, v| s.dbfilename = v.string()),
    boolean("rdb-del-sync-files", "no").no_effect(NO_REPLICATION),
    text("dir", "").protected().live(|s, v| s.dir = v.string()).action(Action::Dir),
    boolean("rdb-save-incremental-fsync", "yes").live(|s, v| s.rdb_save_incremental_fsync = v.bool()),
    int("rdb-key-save-delay", i32::MIN as i64, INT_MAX, "0")
        .hidden()
        .live(|s, v| s.rdb_key_save_delay_us = delay_us(v)),
    int("key-load-delay", i32::MIN as i64, INT_MAX, "0").hidden().live(|s, v| s.key_load_delay_us = delay_us(v)),
    int("loading-process-events-interval-bytes", 1024, INT_MAX, "2097152").hidden().no_effect(SLICES),
    // Replication.
    special("replicaof", Kind::ReplicaOf, "").alias("slaveof").immutable().refused(REPLICAOF_REFUSED),
    text("masterauth", "").no_effect(NO_REPLICATION),
    text("masteruser", "").no_effect(NO_REPLICATION),
    boolean("replica-serve-stale-data", "yes").alias("slave-serve-stale-data").no_effect(NO_REPLICATION),
    boolean("replica-read-only", "yes").alias("slave-read-only").no_effect(NO_REPLICATION),
    boolean("replica-ignore-disk-write-errors", "no").no_effect(NO_REPLICATION),
    boolean("repl-diskless-sync", "yes").no_effect(NO_REPLICATION),
    int("repl-diskless-sync-delay", 0, INT_MAX, "5").no_effect(NO_REPLICATION),
    int("repl-diskless-sync-max-replicas", 0, INT_MAX, "0").no_effect(NO_REPLICATION),
    one_of("repl-diskless-load", &["disabled", "on-empty-db", "swapdb"], "disabled").no_effect(NO_REPLICATION),
    int("repl-ping-replica-period", 1, INT_MAX, "10").alias("repl-ping-slave-period").no_effect(NO_REPLICATION),
    int("repl-timeout", 1, INT_MAX, "60").no_effect(NO_REPLICATION),
    boolean("repl-disable-tcp-nodelay", "no").no_effect(NO_REPLICATION),
    memory("repl-backlog-size", 1, SIZE_MAX, "1048576").adjust(|bytes| bytes.max(16 * 1024)).no_effect(NO_REPLICATION),
    int("repl-backlog-ttl", 0, LONG_MAX, "3600").no_effect(NO_REPLICATION),
    int("replica-priority", 0, INT_MAX, "100").alias("slave-priority").no_effect(NO_REPLICATION),
    one_of("propagation-error-behavior", &["ignore", "panic", "panic-on-replicas"], "ignore")
        .no_effect(NOTHING_PROPAGATED),
    boolean("replica-announced", "yes").no_effect(NO_REPLICATION),
    int("min-replicas-to-write", 0, INT_MAX, "0").alias("min-slaves-to-write").refused(MIN_REPLICAS_REFUSED),
    int("min-replicas-max-lag", 0, INT_MAX, "10").alias("min-slaves-max-lag").no_effect(NO_REPLICATION),
    text("replica-announce-ip", "").alias("slave-announce-ip").no_effect(NO_REPLICATION),
    int("replica-announce-port", 0, 65535, "0").alias("slave-announce-port").no_effect(NO_REPLICATION),
    // Keys tracking and security.
    int("tracking-table-max-keys", 0, LONG_MAX, "1000000").live(|s, v| s.tracking_table_max_keys = v.u64()),
    int("acllog-max-len", 0, LONG_MAX, "128").live(|s, v| s.acllog_max_len = v.u64()),
    text("aclfile", "").immutable().live(|s, v| s.aclfile = v.string()),
    text("requirepass", "").live(|s, v| s.requirepass = v.bytes().to_vec()).action(Action::RequirePass),
    one_of("acl-pubsub-default", &["allchannels", "resetchannels"], "resetchannels")
        .live(|s, v| s.acl_pubsub_default_all = v.index() == 0),
    // Clients and memory.
    int("maxclients", 1, UINT_MAX, "10000").live(|s, v| s.maxclients = v.u32()).action(Action::MaxClients),
    memory("maxmemory", 0, u64::MAX, "0").live(|s, v| s.maxmemory = v.u64()).action(Action::MaxMemory),
    special("maxmemory-clients", Kind::MemoryOrPercent, "0")
        .live(|s, v| s.maxmemory_clients = v.clients_limit())
        .action(Action::MaxMemoryClients),
    one_of(
        "maxmemory-policy",
        &[
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "volatile-lrm",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "allkeys-lrm",
            "noeviction",
        ],
        "noeviction",
    )
    .live(|s, v| s.maxmemory_policy = MaxmemoryPolicy::ALL[v.index()]),
    int("maxmemory-samples", 1, INT_MAX, "5").live(|s, v| s.maxmemory_samples = v.u32()),
    int("maxmemory-eviction-tenacity", 0, 100, "10").live(|s, v| s.maxmemory_eviction_tenacity = v.u32()),
    boolean("replica-ignore-maxmemory", "yes").alias("slave-ignore-maxmemory").no_effect(NO_REPLICATION),
    int("active-expire-effort", 1, 10, "1").live(|s, v| s.active_expire_effort = v.u32()).no_effect(TIMING_WHEEL),
    int("lfu-log-factor", 0, INT_MAX, "10").live(|s, v| s.lfu_log_factor = v.u32()),
    int("lfu-decay-time", 0, INT_MAX, "1").live(|s, v| s.lfu_decay_time_min = v.u32()),
    // Lazy freeing.
    boolean("lazyfree-lazy-eviction", "no").live(|s, v| s.lazyfree_lazy_eviction = v.bool()),
    boolean("lazyfree-lazy-expire", "no").live(|s, v| s.lazyfree_lazy_expire = v.bool()),
    boolean("lazyfree-lazy-server-del", "no")
        .live(|s, v| s.lazyfree_lazy_server_del = v.bool())
        .no_effect(FREED_LAZILY),
    boolean("replica-lazy-flush", "no").alias("slave-lazy-flush").no_effect(NO_REPLICATION),
    boolean("lazyfree-lazy-user-del", "no").live(|s, v| s.lazyfree_lazy_user_del = v.bool()).no_effect(FREED_LAZILY),
    boolean("lazyfree-lazy-user-flush", "no").live(|s, v| s.lazyfree_lazy_user_flush = v.bool()),
    boolean("lazyexpire-nested-arbitrary-keys", "yes").no_effect(REMOVED_WHERE_MET),
    // Threads and the kernel.
    int("io-threads", 1, 128, "1").immutable().no_effect(ONE_THREAD),
    boolean("io-threads-do-reads", "no").immutable().no_effect(ONE_THREAD),
    one_of("oom-score-adj", &["no", "yes", "relative=yes", "absolute"], "no")
        .live(|s, v| s.oom_score_adj = OomScoreAdj::ALL[v.index()])
        .action(Action::OomScore),
    special("oom-score-adj-values", Kind::OomScores, "0 200 800")
        .live(|s, v| {
            if let Value::Ints(scores) = v {
                s.oom_score_adj_values.clone_from(scores);
            }
        })
        .action(Action::OomScore),
    boolean("disable-thp", "yes").immutable().live(|s, v| s.disable_thp = v.bool()),
    text("server_cpulist", "").immutable().live(|s, v| s.server_cpulist = v.string()),
    text("bio_cpulist", "").immutable().live(|s, v| s.bio_cpulist = v.string()),
    text("aof_rewrite_cpulist", "").immutable().no_effect(NO_PROCESSES),
    text("bgsave_cpulist", "").immutable().no_effect(NO_PROCESSES),
    // Append only file.
    boolean("appendonly", "no").live(|s, v| s.appendonly = v.bool()).action(Action::AppendOnly),
    special(
        "appendfilename",
        Kind::Text(TextRule::PlainName { what: "filename", may_be_empty: false }),
        "appendonly.aof",
    )
    .immutable()
    .live(|s, v| s.appendfilename = v.string()),
    special("appenddirname", Kind::Text(TextRule::PlainName { what: "dirname", may_be_empty: false }), "appendonlydir")
        .immutable()
        .live(|s, v| s.appenddirname = v.string()),
    one_of("appendfsync", &["everysec", "always", "no"], "everysec")
        .live(|s, v| s.appendfsync = AppendFsync::ALL[v.index()])
        .action(Action::AppendFsync),
    boolean("no-appendfsync-on-rewrite", "no").live(|s, v| s.no_appendfsync_on_rewrite = v.bool()),
    int("auto-aof-rewrite-percentage", 0, INT_MAX, "100").live(|s, v| s.auto_aof_rewrite_percentage = v.int() as u64),
    memory("auto-aof-rewrite-min-size", 0, SIZE_MAX, "67108864")
        .live(|s, v| s.auto_aof_rewrite_min_size_bytes = v.u64()),
    boolean("aof-load-truncated", "yes").live(|s, v| s.aof_load_truncated = v.bool()),
    boolean("aof-use-rdb-preamble", "yes").live(|s, v| s.aof_use_rdb_preamble = v.bool()),
    boolean("aof-timestamp-enabled", "no").live(|s, v| s.aof_timestamp_enabled = v.bool()),
    boolean("aof-rewrite-incremental-fsync", "yes").live(|s, v| s.aof_rewrite_incremental_fsync = v.bool()),
    boolean("aof-disable-auto-gc", "no").hidden().no_effect(REMOVED_BEHIND),
    // Shutdown.
    int("shutdown-timeout", 0, INT_MAX, "10").live(|s, v| s.shutdown_timeout_s = v.u32()).no_effect(NO_REPLICATION),
    special("shutdown-on-sigint", SHUTDOWN, "default").live(|s, v| s.shutdown_on_sigint = shutdown_flags(v)),
    special("shutdown-on-sigterm", SHUTDOWN, "default").live(|s, v| s.shutdown_on_sigterm = shutdown_flags(v)),
    // Scripting.
    int("busy-reply-threshold", 0, LONG_MAX, "5000").alias("lua-time-limit").no_effect(NO_SCRIPTS),
    boolean("lua-enable-deprecated-api", "no").immutable().hidden().no_effect(NO_SCRIPTS),
    // Cluster.
    boolean("cluster-enabled", "no").immutable().refused(CLUSTER_REFUSED),
    text("cluster-config-file", "nodes.conf").immutable().no_effect(NO_CLUSTER),
    int("cluster-node-timeout", 0, LONG_MAX, "15000").no_effect(NO_CLUSTER),
    int("cluster-port", 0, 65535, "0").immutable().no_effect(NO_CLUSTER),
    int("cluster-replica-validity-factor", 0, INT_MAX, "10")
        .alias("cluster-slave-validity-factor")
        .no_effect(NO_CLUSTER),
    int("cluster-migration-barrier", 0, INT_MAX, "1").no_effect(NO_CLUSTER),
    boolean("cluster-allow-replica-migration", "yes").no_effect(NO_CLUSTER),
    boolean("cluster-require-full-coverage", "yes").no_effect(NO_CLUSTER),
    boolean("cluster-replica-no-failover", "no").alias("cluster-slave-no-failover").no_effect(NO_CLUSTER),
    boolean("cluster-allow-reads-when-down", "no").no_effect(NO_CLUSTER),
    boolean("cluster-allow-pubsubshard-when-down", "yes").no_effect(NO_CLUSTER),
    memory("cluster-link-sendbuf-limit", 0, u64::MAX, "0").no_effect(NO_CLUSTER),
    special("cluster-announce-hostname", Kind::Text(TextRule::Hostname), "").no_effect(NO_CLUSTER),
    text("cluster-announce-human-nodename", "").no_effect(NO_CLUSTER),
    one_of("cluster-preferred-endpoint-type", &["ip", "hostname", "unknown-endpoint"], "ip").no_effect(NO_CLUSTER),
    text("cluster-announce-ip", "").no_effect(NO_CLUSTER),
    int("cluster-announce-port", 0, 65535, "0").no_effect(NO_CLUSTER),
    int("cluster-announce-tls-port", 0, 65535, "0").no_effect(NO_TLS),
    int("cluster-announce-bus-port", 0, 65535, "0").no_effect(NO_CLUSTER),
    // Slow log, latency, events.
    int("slowlog-log-slower-than", -1, LONG_MAX, "10000")
        .alias("commandlog-execution-slower-than")
        .live(|s, v| s.slowlog_log_slower_than_us = v.int()),
    int("slowlog-max-len", 0, LONG_MAX, "128")
        .alias("commandlog-slow-execution-max-len")
        .live(|s, v| s.slowlog_max_len = v.u64())
        .action(Action::SlowlogLength),
    int("latency-monitor-threshold", 0, LONG_MAX, "0").live(|s, v| s.latency_monitor_threshold_ms = v.u64()),
    boolean("latency-tracking", "yes").live(|s, v| s.latency_tracking = v.bool()).action(Action::LatencyTracking),
    special("latency-tracking-info-percentiles", Kind::Percentiles, "50 99 99.9").live(|s, v| {
        if let Value::Percentiles(percentiles) = v {
            s.latency_tracking_info_percentiles.clone_from(percentiles);
        }
    }),
    special("notify-keyspace-events", Kind::KeyspaceEvents, "").live(|s, v| s.notify_keyspace_events = v.flags()),
    // Encodings.
    int("hash-max-listpack-entries", 0, LONG_MAX, "512")
        .alias("hash-max-ziplist-entries")
        .live(|s, v| s.hash_max_listpack_entries = v.u64()),
    memory("hash-max-listpack-value", 0, SIZE_MAX, "64")
        .alias("hash-max-ziplist-value")
        .live(|s, v| s.hash_max_listpack_value = v.u64()),
    int("list-max-listpack-size", i32::MIN as i64, INT_MAX, "-2")
        .alias("list-max-ziplist-size")
        .live(|s, v| s.list_max_listpack_size = v.int() as i32),
    int("list-compress-depth", 0, INT_MAX, "0").live(|s, v| s.list_compress_depth = v.u32()),
    int("set-max-intset-entries", 0, LONG_MAX, "512").live(|s, v| s.set_max_intset_entries = v.u64()),
    int("set-max-listpack-entries", 0, LONG_MAX, "128").live(|s, v| s.set_max_listpack_entries = v.u64()),
    memory("set-max-listpack-value", 0, SIZE_MAX, "64").live(|s, v| s.set_max_listpack_value = v.u64()),
    int("zset-max-listpack-entries", 0, LONG_MAX, "128")
        .alias("zset-max-ziplist-entries")
        .live(|s, v| s.zset_max_listpack_entries = v.u64()),
    memory("zset-max-listpack-value", 0, SIZE_MAX, "64")
        .alias("zset-max-ziplist-value")
        .live(|s, v| s.zset_max_listpack_value = v.u64()),
    memory("hll-sparse-max-bytes", 0, SIZE_MAX, "3000").live(|s, v| s.hll_sparse_max_bytes = v.u64()),
    memory("stream-node-max-bytes", 0, SIZE_MAX, "4096")
        .live(|s, v| s.stream_node_max_bytes = v.u64())
        .no_effect(NO_STREAMS),
    int("stream-node-max-entries", 0, LONG_MAX, "100")
        .live(|s, v| s.stream_node_max_entries = v.u64())
        .no_effect(NO_STREAMS),
    // Housekeeping and limits.
    boolean("activerehashing", "yes").no_effect(NO_REHASHING),
    special(
        "client-output-buffer-limit",
        Kind::BufferLimits,
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    )
    .live(|s, v| {
        if let Value::BufferLimits(limits) = v {
            s.client_output_buffer_limits = *limits;
        }
    }),
    memory("client-query-buffer-limit", 1 << 20, SIZE_MAX, "1073741824")
        .live(|s, v| s.client_query_buffer_limit = v.u64()),
    memory("proto-max-bulk-len", 1 << 20, SIZE_MAX, "536870912")
        .live(|s, v| s.proto_max_bulk_len = i64::try_from(v.u64()).unwrap_or(i64::MAX)),
    int("hz", 0, INT_MAX, "10")
        .live(|s, v| s.hz = v.u32())
        .action(Action::Hz)
        .adjust(|hz| hz.clamp(1, 500))
        .no_effect(CRON_IS_FIXED),
    boolean("dynamic-hz", "yes").no_effect(CRON_IS_FIXED),
    boolean("jemalloc-bg-thread", "yes").live(|s, v| s.jemalloc_bg_thread = v.bool()).action(Action::AllocatorThread),
    boolean("activedefrag", "no").no_effect(NO_DEFRAG),
    memory("active-defrag-ignore-bytes", 1, SIZE_MAX, "104857600").no_effect(NO_DEFRAG),
    int("active-defrag-threshold-lower", 0, 1000, "10").no_effect(NO_DEFRAG),
    int("active-defrag-threshold-upper", 0, 1000, "100").no_effect(NO_DEFRAG),
    int("active-defrag-cycle-min", 1, 99, "1").no_effect(NO_DEFRAG),
    int("active-defrag-cycle-max", 1, 99, "25").no_effect(NO_DEFRAG),
    int("active-defrag-max-scan-fields", 1, LONG_MAX, "1000").no_effect(NO_DEFRAG),
    // Valkey's.
    int("commandlog-request-larger-than", -1, LONG_MAX, "1048576")
        .live(|s, v| s.commandlog_request_larger_than_bytes = v.int())
        .action(Action::SlowlogLength),
    int("commandlog-large-request-max-len", 0, LONG_MAX, "128")
        .live(|s, v| s.commandlog_large_request_max_len = v.u64())
        .action(Action::SlowlogLength),
    int("commandlog-reply-larger-than", -1, LONG_MAX, "1048576")
        .live(|s, v| s.commandlog_reply_larger_than_bytes = v.int())
        .action(Action::SlowlogLength),
    int("commandlog-large-reply-max-len", 0, LONG_MAX, "128")
        .live(|s, v| s.commandlog_large_reply_max_len = v.u64())
        .action(Action::SlowlogLength),
    // Zedis's own.
    int("metrics-port", 0, 65535, "0").live(|s, v| s.metrics_port = v.u32() as u16).action(Action::ListenForMetrics),
    special("metrics-bind", Kind::Bind, "127.0.0.1 -::1")
        .live(|s, v| {
            if let Value::Words(words) = v {
                s.metrics_bind = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            }
        })
        .action(Action::ListenForMetrics),
    one_of("rdb-target-version", &["as-needed", "7.0"], "as-needed")
        .live(|s, v| s.rdb_without_field_deadlines = v.index() == 1),
    int("stall-threshold-us", 0, LONG_MAX, "1000").live(|s, v| s.stall_threshold_us = v.u64()),
];
