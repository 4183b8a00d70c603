//! The sections persistence, stats, replication and keyspace.

use super::Text;
use crate::server::engine::Engine;
use crate::server::pubsub::Topics;

const NO_ID: &str = "0000000000000000000000000000000000000000";

pub(super) fn persistence(engine: &mut Engine, text: &mut Text) {
    let now_ns = engine.clock.monotonic_ns();
    let progress = engine.saving.progress(now_ns);
    let seconds = |seconds: Option<u64>| seconds.map_or(-1, |seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
    let status = if engine.saving.last_bgsave_ok { "ok" } else { "err" };
    text.field("loading", u8::from(engine.is_loading()));
    text.field("async_loading", 0);
    // Nothing is copied but what is about to be changed, and that waits for the disk like everything else.
    text.field("current_cow_peak", progress.queued_peak_bytes);
    text.field("current_cow_size", progress.queued_bytes);
    text.field("current_cow_size_age", 0);
    let part = progress.keys_done as f64 * 100.0 / progress.keys_total.max(1) as f64;
    text.field("current_fork_perc", format_args!("{part:.2}"));
    text.field("current_save_keys_processed", progress.keys_done);
    text.field("current_save_keys_total", progress.keys_total);
    // Of the loop, and of the thread that writes.
    text.field("current_save_cpu_milliseconds", progress.cpu_ns / 1_000_000);
    text.field("last_save_cpu_milliseconds", progress.last_cpu_ns / 1_000_000);
    text.field("rdb_changes_since_last_save", engine.unsaved_changes());
    text.field("rdb_bgsave_in_progress", u8::from(progress.in_background));
    text.field("rdb_last_save_time", engine.saving.last_save_s);
    text.field("rdb_last_bgsave_status", status);
    text.field("rdb_last_bgsave_time_sec", seconds(progress.last_seconds));
    text.field("rdb_current_bgsave_time_sec", seconds(progress.seconds));
    text.field("rdb_saves", progress.saves);
    text.field("rdb_last_cow_size", progress.last_queued_peak_bytes);
    text.field("rdb_last_load_keys_expired", engine.saving.expired_at_load);
    text.field("rdb_last_load_keys_loaded", engine.saving.loaded_keys);
    let aof = engine.aof.facts(engine.keyspace.now_ms() / 1000);
    let ok = |is_bad: bool| if is_bad { "err" } else { "ok" };
    text.field("aof_enabled", u8::from(aof.is_on));
    text.field("aof_rewrite_in_progress", u8::from(aof.is_rewriting));
    text.field("aof_rewrite_scheduled", u8::from(aof.is_scheduled));
    text.field("aof_last_rewrite_time_sec", aof.last_rewrite_s.unwrap_or(-1));
    text.field("aof_current_rewrite_time_sec", aof.current_rewrite_s.unwrap_or(-1));
    text.field("aof_last_bgrewrite_status", ok(aof.is_last_rewrite_bad));
    text.field("aof_rewrites", aof.rewrites);
    text.field("aof_rewrites_consecutive_failures", aof.failed_rewrites);
    text.field("aof_last_write_status", ok(aof.is_write_bad));
    text.field("aof_last_cow_size", 0);
    text.field("module_fork_in_progress", 0);
    text.field("module_fork_last_cow_size", 0);
    if aof.is_on {
        text.field("aof_current_size", aof.current_bytes);
        text.field("aof_base_size", aof.base_bytes);
        text.field("aof_pending_rewrite", 0);
        text.field("aof_buffer_length", aof.appender.queued_bytes);
        text.field("aof_pending_bio_fsync", u8::from(aof.appender.is_syncing));
        text.field("aof_delayed_fsync", aof.appender.delays);
        // What a crash of the machine would lose now, bytes.
        text.field("aof_unsynced_bytes", aof.appender.appended - aof.appender.durable);
        text.field("aof_syncs", aof.appender.syncs);
    }
    if let Some(loading) = engine.load_progress(now_ns) {
        let (done, total, seconds) = (loading.loaded_bytes, loading.total_bytes, loading.seconds);
        // In the first second nobody knows, as in Redis.
        let eta_s = (seconds * total.saturating_sub(done)).checked_div(done).filter(|_| seconds > 0).unwrap_or(1);
        text.field("loading_start_time", loading.started_s);
        text.field("loading_total_bytes", total);
        text.field("loading_rdb_used_mem", loading.used_memory_bytes);
        text.field("loading_loaded_bytes", done);
        text.field("loading_loaded_perc", format_args!("{:.2}", done as f64 * 100.0 / total.max(1) as f64));
        text.field("loading_eta_seconds", eta_s);
    }
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
    text.field("expired_stale_perc", format_args!("{:.2}", engine.keyspace.stale_percent()));
    text.field("expired_time_cap_reached_count", keyspace.expire_time_cap_reached);
    text.field("expire_cycle_cpu_milliseconds", keyspace.expire_ns / 1_000_000);
    text.field("expire_lag_p50_ms", keyspace.expire_lags.percentile_ms(50.0));
    text.field("expire_lag_p99_ms", keyspace.expire_lags.percentile_ms(99.0));
    text.field("expire_lag_max_ms", keyspace.expire_lags.max_ms());
    text.field("evicted_keys", keyspace.evicted_keys);
    text.field("evicted_clients", stats.evicted_clients);
    text.field("evicted_scripts", 0);
    let (exceeded_ms, exceeded_now_ms) = engine.memory.exceeded_ms(engine.clock.monotonic_ns());
    text.field("total_eviction_exceeded_time", exceeded_ms);
    text.field("current_eviction_exceeded_time", exceeded_now_ms);
    text.field("keyspace_hits", keyspace.hits.get());
    text.field("keyspace_misses", keyspace.misses.get());
    text.field("pubsub_channels", engine.pubsub.topics(Topics::Channels));
    text.field("pubsub_patterns", engine.pubsub.topics(Topics::Patterns));
    text.field("pubsubshard_channels", engine.pubsub.topics(Topics::ShardChannels));
    text.field("latest_fork_usec", 0);
    text.field("total_forks", 0);
    text.field("migrate_cached_sockets", 0);
    text.field("slave_expires_tracked_keys", 0);
    // Values are not moved, and reply buffers not resized: they are lent.
    text.field("active_defrag_hits", 0);
    text.field("active_defrag_misses", 0);
    text.field("active_defrag_key_hits", 0);
    text.field("active_defrag_key_misses", 0);
    text.field("total_active_defrag_time", 0);
    text.field("current_active_defrag_time", 0);
    let (tracked_keys, tracked_items) = engine.tracking.keys_and_items();
    text.field("tracking_total_keys", tracked_keys);
    text.field("tracking_total_items", tracked_items);
    text.field("tracking_total_prefixes", engine.tracking.prefixes());
    text.field("unexpected_error_replies", 0);
    text.field("total_error_replies", stats.error_replies);
    text.field("dump_payload_sanitizations", 0);
    text.field("total_reads_processed", stats.reads);
    text.field("total_writes_processed", stats.writes);
    text.field("io_threaded_reads_processed", 0);
    text.field("io_threaded_writes_processed", 0);
    text.field("reply_buffer_shrinks", 0);
    text.field("reply_buffer_expands", 0);
    text.field("client_query_buffer_limit_disconnections", stats.query_limit_disconnections);
    text.field("client_output_buffer_limit_disconnections", stats.output_limit_disconnections);
    text.field("protocol_errors", stats.protocol_errors);
    text.field("eventloop_cycles", recorder.turns);
    text.field("eventloop_duration_sum", recorder.busy_ns / 1000);
    text.field(
        "eventloop_duration_cmd_sum",
        engine.registry.stats.iter().map(|stats| stats.run_ns).sum::<u64>() / 1000,
    );
    let turns_per_second = metrics.turns_per_second();
    text.field("instantaneous_eventloop_cycles_per_sec", turns_per_second);
    // Of one turn, on average.
    text.field("instantaneous_eventloop_duration_usec", metrics.busy_ns_per_second() / 1000 / turns_per_second.max(1));
    text.field("longest_turn_us", recorder.longest.ns / 1000);
    text.field("longest_turn_cause", &recorder.longest.cause);
    // With what other processes ran in it.
    text.field("longest_turn_wall_us", recorder.longest_wall.ns / 1000);
    text.field("longest_turn_wall_cause", &recorder.longest_wall.cause);
    for (name, percent) in [("turn_p50_us", 50.0), ("turn_p99_us", 99.0), ("turn_p999_us", 99.9)] {
        text.field(name, recorder.percentile_ns(percent) / 1000);
    }
    text.field("turns_over_stall_threshold", recorder.stalls);
    text.field("acl_access_denied_auth", stats.denied_auth);
    text.field("acl_access_denied_cmd", stats.denied_commands);
    text.field("acl_access_denied_key", stats.denied_keys);
    text.field("acl_access_denied_channel", stats.denied_channels);
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
