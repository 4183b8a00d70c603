//! The sections server, clients and cpu.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::sys::utsname::uname;

use super::Text;
use crate::server::engine::Engine;
use crate::server::start::{REDIS_VERSION, ZEDIS_VERSION};
use crate::server::supervisor::Supervisor;

const DAY_S: u64 = 24 * 3600;

pub(super) fn server(engine: &mut Engine, text: &mut Text) {
    let now_us = engine.clock.unix_us();
    let uptime_s = (now_us / 1000).saturating_sub(engine.facts.started_ms as u64) / 1000;
    text.field("redis_version", REDIS_VERSION);
    text.field("zedis_version", ZEDIS_VERSION);
    text.field("redis_git_sha1", "00000000");
    text.field("redis_git_dirty", 0);
    text.field("redis_build_id", 0);
    text.field("redis_mode", "standalone");
    if let Ok(system) = uname() {
        let part = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
        let (name, release, machine) = (part(system.sysname()), part(system.release()), part(system.machine()));
        text.field("os", format_args!("{name} {release} {machine}"));
    }
    text.field("arch_bits", usize::BITS);
    text.field("monotonic_clock", engine.clock.source());
    text.field("multiplexing_api", "epoll");
    text.field("atomicvar_api", "rust-core");
    // As Redis says when it was not built by gcc.
    text.field("gcc_version", "0.0.0");
    text.field("process_id", std::process::id());
    // What was found, which need not be what was wanted.
    text.field("process_supervised", engine.supervisor.as_ref().map_or("no", Supervisor::name));
    text.field("run_id", &engine.facts.run_id);
    text.field("tcp_port", engine.config.port);
    text.field("server_time_usec", now_us);
    text.field("uptime_in_seconds", uptime_s);
    text.field("uptime_in_days", uptime_s / DAY_S);
    text.field("hz", 10);
    text.field("configured_hz", engine.config.hz);
    text.field("lru_clock", engine.keyspace.lru_clock());
    text.field("executable", &engine.facts.executable);
    text.field("config_file", &engine.facts.config_file);
    text.field("io_threads_active", 0);
    // The number says what kind it is, whatever others there are.
    let bound: String = engine.network.tcp_binds().map(|written| format!("bind={written},")).collect();
    if !bound.is_empty() {
        text.field("listener0", format_args!("name=tcp,{bound}port={}", engine.config.port));
    }
    if let Some(path) = engine.network.unix_path() {
        text.field("listener1", format_args!("name=unix,bind={}", path.display()));
    }
}

pub(super) fn clients(engine: &mut Engine, text: &mut Text) {
    text.field("connected_clients", engine.connected_clients());
    text.field("cluster_connections", 0);
    text.field("maxclients", engine.config.maxclients);
    text.field("client_recent_max_input_buffer", engine.metrics.clients.input_max_bytes);
    text.field("client_recent_max_output_buffer", engine.metrics.clients.output_max_bytes);
    text.field("blocked_clients", engine.blocking.clients() + engine.postponed_clients());
    text.field("tracking_clients", engine.tracking.clients());
    text.field("pubsub_clients", engine.pubsub.clients());
    text.field("watching_clients", engine.watching_clients);
    text.field("clients_in_timeout_table", engine.blocking.clients_with_deadline());
    text.field("total_watched_keys", engine.keyspace.observers.watched_keys());
    text.field("total_blocking_keys", engine.blocking.keys());
    // No command waits for a key to go.
    text.field("total_blocking_keys_on_nokey", 0);
}

pub(super) fn cpu(_engine: &mut Engine, text: &mut Text) {
    let seconds = |time: TimeVal| format!("{}.{:06}", time.tv_sec(), time.tv_usec());
    let parts = [
        (UsageWho::RUSAGE_SELF, "used_cpu_sys", "used_cpu_user"),
        (UsageWho::RUSAGE_CHILDREN, "used_cpu_sys_children", "used_cpu_user_children"),
        // INFO is executed by the loop's thread.
        (UsageWho::RUSAGE_THREAD, "used_cpu_sys_main_thread", "used_cpu_user_main_thread"),
    ];
    for (who, system, user) in parts {
        if let Ok(usage) = getrusage(who) {
            text.field(system, seconds(usage.system_time()));
            text.field(user, seconds(usage.user_time()));
        }
    }
}
