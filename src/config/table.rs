//! The table: every directive that Redis 7.4 knows, by section of redis.conf, and those of Zedis.
//!
//! A directive with `.live` is one that Zedis acts on; the others are accepted with a note. `.alias` gives the name of older
//! versions.

use super::directive::{Action, Directive, Kind, TextRule, boolean, int, memory, one_of, special, text};
use super::settings::{Guard, MaxmemoryPolicy, ShutdownFlags, Supervised};
use super::value::Value;
use crate::base::log::Level;

const INT_MAX: i64 = i32::MAX as i64;
const UINT_MAX: i64 = u32::MAX as i64;
const LONG_MAX: i64 = i64::MAX;
/// The largest size where Redis keeps it in a signed integer.
const SIZE_MAX: u64 = i64::MAX as u64;

const GUARD: &[&str] = &["no", "yes", "local"];
const SHUTDOWN: Kind = Kind::Flags(&["default", "save", "nosave", "now", "force"]);

fn guard(value: &Value) -> Guard {
    Guard::from_index(value.index())
}

fn shutdown_flags(value: &Value) -> ShutdownFlags {
    ShutdownFlags::from_bits_truncate(value.flags())
}

/// Every directive, for CONFIG GET in this order.
pub static DIRECTIVES: &[Directive] = &[
    // Network.
    int("port", 0, 65535, "6379").live(|s, v| s.port = v.u32() as u16).action(Action::Listen),
    special("bind", Kind::Bind, "* -::*")
        .live(|s, v| {
            if let Value::Words(words) = v {
                s.bind = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            }
        })
        .action(Action::Listen),
    text("bind-source-addr", ""),
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
    int("socket-mark-id", 0, UINT_MAX, "0").immutable(),
    int("max-new-connections-per-cycle", 1, 1000, "10").live(|s, v| s.max_new_connections_per_cycle = v.u32()),
    int("max-new-tls-connections-per-cycle", 1, 1000, "1"),
    // TLS.
    int("tls-port", 0, 65535, "0"),
    int("tls-session-cache-size", 0, INT_MAX, "20480"),
    int("tls-session-cache-timeout", 0, INT_MAX, "300"),
    boolean("tls-cluster", "no"),
    boolean("tls-replication", "no"),
    one_of("tls-auth-clients", &["no", "yes", "optional"], "yes"),
    boolean("tls-prefer-server-ciphers", "no"),
    boolean("tls-session-caching", "yes"),
    text("tls-cert-file", ""),
    text("tls-key-file", ""),
    text("tls-key-file-pass", ""),
    text("tls-client-cert-file", ""),
    text("tls-client-key-file", ""),
    text("tls-client-key-file-pass", ""),
    text("tls-dh-params-file", ""),
    text("tls-ca-cert-file", ""),
    text("tls-ca-cert-dir", ""),
    text("tls-protocols", ""),
    text("tls-ciphers", ""),
    text("tls-ciphersuites", ""),
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
    boolean("syslog-enabled", "no").immutable(),
    text("syslog-ident", "redis").immutable(),
    one_of(
        "syslog-facility",
        &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"],
        "local0",
    )
    .immutable(),
    boolean("crash-log-enabled", "yes"),
    boolean("crash-memcheck-enabled", "yes"),
    boolean("use-exit-on-panic", "no").hidden(),
    int("databases", 1, INT_MAX, "16").immutable().live(|s, v| s.databases = v.u32()),
    boolean("always-show-logo", "no").immutable().live(|s, v| s.always_show_logo = v.bool()),
    boolean("hide-user-data-from-log", "no").live(|s, v| s.hide_user_data_from_log = v.bool()),
    boolean("set-proc-title", "yes").immutable(),
    special("proc-title-template", Kind::Text(TextRule::ProcTitle), "{title} {listen-addr} {server-mode}"),
    text("locale-collate", ""),
    text("ignore-warnings", ""),
    boolean("enable-debug-assert", "no").immutable().hidden(),
    int("watchdog-period", 0, INT_MAX, "0").hidden().adjust(|ms| if ms == 0 { 0 } else { ms.max(200) }),
    // Snapshotting.
    special("save", Kind::Save, "3600 1 300 100 60 10000").live(|s, v| {
        if let Value::Save(points) = v {
            s.save.clone_from(points);
        }
    }),
    boolean("stop-writes-on-bgsave-error", "yes"),
    boolean("rdbcompression", "yes"),
    boolean("rdbchecksum", "yes").immutable(),
    one_of("sanitize-dump-payload", &["no", "yes", "clients"], "no"),
    special("dbfilename", Kind::Text(TextRule::PlainName { what: "filename", may_be_empty: true }), "dump.rdb")
        .protected(),
    boolean("rdb-del-sync-files", "no"),
    text("dir", "").protected().live(|s, v| s.dir = v.string()).action(Action::Dir),
    boolean("rdb-save-incremental-fsync", "yes"),
    int("rdb-key-save-delay", i32::MIN as i64, INT_MAX, "0").hidden(),
    int("key-load-delay", i32::MIN as i64, INT_MAX, "0").hidden(),
    int("loading-process-events-interval-bytes", 1024, INT_MAX, "2097152").hidden(),
    // Replication.
    special("replicaof", Kind::ReplicaOf, "").alias("slaveof").immutable(),
    text("masterauth", ""),
    text("masteruser", ""),
    boolean("replica-serve-stale-data", "yes").alias("slave-serve-stale-data"),
    boolean("replica-read-only", "yes").alias("slave-read-only"),
    boolean("replica-ignore-disk-write-errors", "no"),
    boolean("repl-diskless-sync", "yes"),
    int("repl-diskless-sync-delay", 0, INT_MAX, "5"),
    int("repl-diskless-sync-max-replicas", 0, INT_MAX, "0"),
    one_of("repl-diskless-load", &["disabled", "on-empty-db", "swapdb"], "disabled"),
    int("repl-ping-replica-period", 1, INT_MAX, "10").alias("repl-ping-slave-period"),
    int("repl-timeout", 1, INT_MAX, "60"),
    boolean("repl-disable-tcp-nodelay", "no"),
    memory("repl-backlog-size", 1, SIZE_MAX, "1048576").adjust(|bytes| bytes.max(16 * 1024)),
    int("repl-backlog-ttl", 0, LONG_MAX, "3600"),
    int("replica-priority", 0, INT_MAX, "100").alias("slave-priority"),
    one_of("propagation-error-behavior", &["ignore", "panic", "panic-on-replicas"], "ignore"),
    boolean("replica-announced", "yes"),
    int("min-replicas-to-write", 0, INT_MAX, "0").alias("min-slaves-to-write"),
    int("min-replicas-max-lag", 0, INT_MAX, "10").alias("min-slaves-max-lag"),
    text("replica-announce-ip", "").alias("slave-announce-ip"),
    int("replica-announce-port", 0, 65535, "0").alias("slave-announce-port"),
    // Keys tracking and security.
    int("tracking-table-max-keys", 0, LONG_MAX, "1000000"),
    int("acllog-max-len", 0, LONG_MAX, "128"),
    text("aclfile", "").immutable(),
    text("requirepass", "").live(|s, v| s.requirepass = v.bytes().to_vec()).action(Action::RequirePass),
    one_of("acl-pubsub-default", &["allchannels", "resetchannels"], "resetchannels"),
    // Clients and memory.
    int("maxclients", 1, UINT_MAX, "10000").live(|s, v| s.maxclients = v.u32()).action(Action::MaxClients),
    memory("maxmemory", 0, u64::MAX, "0").live(|s, v| s.maxmemory = v.u64()).action(Action::MaxMemory),
    special("maxmemory-clients", Kind::MemoryOrPercent, "0"),
    one_of(
        "maxmemory-policy",
        &[
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "noeviction",
        ],
        "noeviction",
    )
    .live(|s, v| s.maxmemory_policy = MaxmemoryPolicy::ALL[v.index()]),
    int("maxmemory-samples", 1, INT_MAX, "5").live(|s, v| s.maxmemory_samples = v.u32()),
    int("maxmemory-eviction-tenacity", 0, 100, "10"),
    boolean("replica-ignore-maxmemory", "yes").alias("slave-ignore-maxmemory"),
    int("active-expire-effort", 1, 10, "1").live(|s, v| s.active_expire_effort = v.u32()),
    int("lfu-log-factor", 0, INT_MAX, "10").live(|s, v| s.lfu_log_factor = v.u32()),
    int("lfu-decay-time", 0, INT_MAX, "1").live(|s, v| s.lfu_decay_time_min = v.u32()),
    // Lazy freeing.
    boolean("lazyfree-lazy-eviction", "no").live(|s, v| s.lazyfree_lazy_eviction = v.bool()),
    boolean("lazyfree-lazy-expire", "no").live(|s, v| s.lazyfree_lazy_expire = v.bool()),
    boolean("lazyfree-lazy-server-del", "no").live(|s, v| s.lazyfree_lazy_server_del = v.bool()),
    boolean("replica-lazy-flush", "no").alias("slave-lazy-flush"),
    boolean("lazyfree-lazy-user-del", "no").live(|s, v| s.lazyfree_lazy_user_del = v.bool()),
    boolean("lazyfree-lazy-user-flush", "no").live(|s, v| s.lazyfree_lazy_user_flush = v.bool()),
    boolean("lazyexpire-nested-arbitrary-keys", "yes"),
    // Threads and the kernel.
    int("io-threads", 1, 128, "1").immutable(),
    boolean("io-threads-do-reads", "no").immutable(),
    one_of("oom-score-adj", &["no", "yes", "relative=yes", "absolute"], "no"),
    special("oom-score-adj-values", Kind::OomScores, "0 200 800"),
    boolean("disable-thp", "yes").immutable(),
    text("server_cpulist", "").immutable(),
    text("bio_cpulist", "").immutable(),
    text("aof_rewrite_cpulist", "").immutable(),
    text("bgsave_cpulist", "").immutable(),
    // Append only file.
    boolean("appendonly", "no").live(|s, v| s.appendonly = v.bool()),
    special(
        "appendfilename",
        Kind::Text(TextRule::PlainName { what: "filename", may_be_empty: false }),
        "appendonly.aof",
    )
    .immutable(),
    special("appenddirname", Kind::Text(TextRule::PlainName { what: "dirname", may_be_empty: false }), "appendonlydir")
        .immutable(),
    one_of("appendfsync", &["everysec", "always", "no"], "everysec"),
    boolean("no-appendfsync-on-rewrite", "no"),
    int("auto-aof-rewrite-percentage", 0, INT_MAX, "100"),
    memory("auto-aof-rewrite-min-size", 0, SIZE_MAX, "67108864"),
    boolean("aof-load-truncated", "yes"),
    boolean("aof-use-rdb-preamble", "yes"),
    boolean("aof-timestamp-enabled", "no"),
    boolean("aof-rewrite-incremental-fsync", "yes"),
    boolean("aof-disable-auto-gc", "no").hidden(),
    // Shutdown.
    int("shutdown-timeout", 0, INT_MAX, "10").live(|s, v| s.shutdown_timeout_s = v.u32()),
    special("shutdown-on-sigint", SHUTDOWN, "default").live(|s, v| s.shutdown_on_sigint = shutdown_flags(v)),
    special("shutdown-on-sigterm", SHUTDOWN, "default").live(|s, v| s.shutdown_on_sigterm = shutdown_flags(v)),
    // Scripting.
    int("busy-reply-threshold", 0, LONG_MAX, "5000").alias("lua-time-limit"),
    boolean("lua-enable-deprecated-api", "no").immutable().hidden(),
    // Cluster.
    boolean("cluster-enabled", "no").immutable(),
    text("cluster-config-file", "nodes.conf").immutable(),
    int("cluster-node-timeout", 0, LONG_MAX, "15000"),
    int("cluster-port", 0, 65535, "0").immutable(),
    int("cluster-replica-validity-factor", 0, INT_MAX, "10").alias("cluster-slave-validity-factor"),
    int("cluster-migration-barrier", 0, INT_MAX, "1"),
    boolean("cluster-allow-replica-migration", "yes"),
    boolean("cluster-require-full-coverage", "yes"),
    boolean("cluster-replica-no-failover", "no").alias("cluster-slave-no-failover"),
    boolean("cluster-allow-reads-when-down", "no"),
    boolean("cluster-allow-pubsubshard-when-down", "yes"),
    memory("cluster-link-sendbuf-limit", 0, u64::MAX, "0"),
    special("cluster-announce-hostname", Kind::Text(TextRule::Hostname), ""),
    text("cluster-announce-human-nodename", ""),
    one_of("cluster-preferred-endpoint-type", &["ip", "hostname", "unknown-endpoint"], "ip"),
    text("cluster-announce-ip", ""),
    int("cluster-announce-port", 0, 65535, "0"),
    int("cluster-announce-tls-port", 0, 65535, "0"),
    int("cluster-announce-bus-port", 0, 65535, "0"),
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
    memory("stream-node-max-bytes", 0, SIZE_MAX, "4096").live(|s, v| s.stream_node_max_bytes = v.u64()),
    int("stream-node-max-entries", 0, LONG_MAX, "100").live(|s, v| s.stream_node_max_entries = v.u64()),
    // Housekeeping and limits.
    boolean("activerehashing", "yes"),
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
    int("hz", 0, INT_MAX, "10").live(|s, v| s.hz = v.u32()).action(Action::Hz).adjust(|hz| hz.clamp(1, 500)),
    boolean("dynamic-hz", "yes"),
    boolean("jemalloc-bg-thread", "yes"),
    boolean("activedefrag", "no"),
    memory("active-defrag-ignore-bytes", 1, SIZE_MAX, "104857600"),
    int("active-defrag-threshold-lower", 0, 1000, "10"),
    int("active-defrag-threshold-upper", 0, 1000, "100"),
    int("active-defrag-cycle-min", 1, 99, "1"),
    int("active-defrag-cycle-max", 1, 99, "25"),
    int("active-defrag-max-scan-fields", 1, LONG_MAX, "1000"),
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
    int("stall-threshold-us", 0, LONG_MAX, "1000").live(|s, v| s.stall_threshold_us = v.u64()),
];
