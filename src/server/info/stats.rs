//! The sections persistence, stats, replication and keyspace.

use super::Text;
use crate::server::engine::Engine;

const NO_ID: &str = "0000000000000000000000000000000000000000";

pub(super) fn persistence(engine: &mut Engine, text: &mut Text) {
    text.field("loading", 0);
    text.field("async_loading", 0);
    text.field("rdb_changes_since_last_save", engine.keyspace.dirty);
    text.field("rdb_bgsave_in_progress", 0);
    text.field("rdb_last_save_time", engine.facts.started_ms / 1000);
    text.field("rdb_last_bgsave_status", "ok");
    text.field("rdb_last_bgsave_time_sec", -1);
    text.field("rdb_current_bgsave_time_sec", -1);
    text.field("rdb_saves", 0);
    text.field("aof_enabled", 0);
    text.field("aof_rewrite_in_progress", 0);
    text.field("aof_rewrite_scheduled", 0);
    text.field("aof_last_rewrite_time_sec", -1);
    text.field("aof_current_rewrite_time_sec", -1);
    text.field("aof_last_bgrewrite_status", "ok");
    text.field("aof_last_write_status", "ok");
}

pub(super) fn stats(engine: &mut Engine, text: &mut Text) {
    let (stats, metrics, keyspace) = (&engine.stats, &engine.metrics, &engine.keyspace.stats);
    let recorder = &engine.recorder;
    let kilobytes = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    text.field("total_connections_received", stats.connections_received);
    text.field("total_commands_processed", engine.commands_processed());
    text.field("instantaneous_ops_per_sec", metrics.commands_per_second());
    text.field("total_net_input_bytes", stats.net_input_bytes);
    text.field("total_net_output_bytes", stats.net_output_bytes);
    text.field("total_net_repl_input_bytes", 0);
    text.field("total_net_repl_output_bytes", 0);
    text.field("instantaneous_input_kbps", kilobytes(metrics.input_bytes_per_second()));
    text.field("instantaneous_output_kbps", kilobytes(metrics.output_bytes_per_second()));
    text.field("instantaneous_input_repl_kbps", "0.00");
    text.field("instantaneous_output_repl_kbps", "0.00");
    text.field("rejected_connections", stats.rejected_connections);
    text.field("sync_full", 0);
    text.field("sync_partial_ok", 0);
    text.field("sync_partial_err", 0);
    text.field("expired_subkeys", keyspace.expired_subkeys);
    text.field("expired_keys", keyspace.expired_keys);
    text.field("expire_lag_max_ms", keyspace.expire_lag_max_ms);
    text.field("evicted_keys", 0);
    text.field("evicted_clients", 0);
    text.field("evicted_scripts", 0);
    text.field("keyspace_hits", keyspace.hits.get());
    text.field("keyspace_misses", keyspace.misses.get());
    text.field("pubsub_channels", 0);
    text.field("pubsub_patterns", 0);
    text.field("pubsubshard_channels", 0);
    text.field("latest_fork_usec", 0);
    text.field("total_forks", 0);
    text.field("migrate_cached_sockets", 0);
    text.field("slave_expires_tracked_keys", 0);
    text.field("tracking_total_keys", 0);
    text.field("tracking_total_items", 0);
    text.field("tracking_total_prefixes", 0);
    text.field("unexpected_error_replies", 0);
    text.field("total_error_replies", stats.error_replies);
    text.field("dump_payload_sanitizations", 0);
    text.field("total_reads_processed", stats.reads);
    text.field("total_writes_processed", stats.writes);
    text.field("io_threaded_reads_processed", 0);
    text.field("io_threaded_writes_processed", 0);
    text.field("client_query_buffer_limit_disconnections", stats.query_limit_disconnections);
    text.field("client_output_buffer_limit_disconnections", stats.output_limit_disconnections);
    text.field("protocol_errors", stats.protocol_errors);
    text.field("eventloop_cycles", recorder.turns);
    text.field("eventloop_duration_sum", recorder.busy_ns / 1000);
    text.field("longest_turn_us", recorder.longest.ns / 1000);
    text.field("longest_turn_cause", &recorder.longest.cause);
    // With what other processes ran in it.
    text.field("longest_turn_wall_us", recorder.longest_wall.ns / 1000);
    text.field("longest_turn_wall_cause", &recorder.longest_wall.cause);
    for (name, percent) in [("turn_p50_us", 50.0), ("turn_p99_us", 99.0), ("turn_p999_us", 99.9)] {
        text.field(name, recorder.percentile_ns(percent) / 1000);
    }
    text.field("turns_over_stall_threshold", recorder.stalls);
    text.field("acl_access_denied_auth", stats.auth_failures);
    text.field("acl_access_denied_cmd", 0);
    text.field("acl_access_denied_key", 0);
    text.field("acl_access_denied_channel", 0);
}

pub(super) fn replication(engine: &mut Engine, text: &mut Text) {
    text.field("role", "master");
    text.field("connected_slaves", 0);
    text.field("master_failover_state", "no-failover");
    text.field("master_replid", &engine.facts.replication_id);
    text.field("master_replid2", NO_ID);
    text.field("master_repl_offset", 0);
    text.field("second_repl_offset", -1);
    text.field("repl_backlog_active", 0);
    text.field("repl_backlog_size", 0);
    text.field("repl_backlog_first_byte_offset", 0);
    text.field("repl_backlog_histlen", 0);
}

pub(super) fn keyspace(engine: &mut Engine, text: &mut Text) {
    let now_ms = engine.keyspace.now_ms();
    for index in 0..engine.keyspace.databases() {
        let db = engine.keyspace.db(index);
        if !db.is_empty() {
            let (keys, expires, ttl_ms) = (db.len(), db.volatile_len(), db.ttl_mean_ms(now_ms));
            let timed = db.timed_hashes();
            let value = format_args!("keys={keys},expires={expires},avg_ttl={ttl_ms},subexpiry={timed}");
            text.field(&format!("db{index}"), value);
        }
    }
}
