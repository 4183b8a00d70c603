//! The section memory: the allocator's view, the kernel's, and ours.

use super::{Text, human};
use crate::server::engine::Engine;
use crate::server::memory::{MemoryReport, total_system_bytes};

fn ratio(part: usize, whole: usize) -> String {
    format!("{:.2}", part as f64 / whole.max(1) as f64)
}

pub(super) fn memory(engine: &mut Engine, text: &mut Text) {
    let report = MemoryReport::new(engine);
    let MemoryReport { used, peak, startup, overhead, dataset, resident: rss, allocator, .. } = report;
    let total = total_system_bytes();
    let percent = |part: usize, whole: usize| format!("{:.2}%", part as f64 * 100.0 / whole.max(1) as f64);
    text.bytes("used_memory", used);
    text.bytes("used_memory_rss", rss);
    text.bytes("used_memory_peak", peak);
    text.field("used_memory_peak_perc", percent(used, peak));
    text.field("used_memory_overhead", overhead);
    text.field("used_memory_startup", startup);
    text.field("used_memory_dataset", dataset);
    text.field("used_memory_dataset_perc", percent(dataset, used.saturating_sub(startup)));
    text.field("allocator_allocated", allocator.allocated);
    text.field("allocator_active", allocator.active);
    text.field("allocator_resident", allocator.resident);
    text.field("allocator_mapped", allocator.mapped);
    text.field("allocator_retained", allocator.retained);
    text.field("allocator_muzzy", allocator.muzzy);
    text.bytes("total_system_memory", total);
    text.bytes("used_memory_lua", 0);
    text.field("used_memory_vm_eval", 0);
    text.field("used_memory_scripts_eval", 0);
    text.field("number_of_cached_scripts", 0);
    text.field("number_of_functions", 0);
    text.field("number_of_libraries", 0);
    text.field("used_memory_vm_functions", 0);
    text.bytes("used_memory_vm_total", 0);
    text.field("used_memory_functions", 0);
    text.bytes("used_memory_scripts", 0);
    let maxmemory = usize::try_from(engine.config.maxmemory).unwrap_or(usize::MAX);
    text.field("maxmemory", maxmemory);
    text.field("maxmemory_human", human(maxmemory));
    let policy = engine.config.get(&[b"maxmemory-policy"]).pop().map_or(Vec::new(), |(_, value)| value);
    text.field("maxmemory_policy", String::from_utf8_lossy(&policy));
    text.field("allocator_frag_ratio", ratio(allocator.active, allocator.allocated));
    text.field("allocator_frag_bytes", allocator.active.saturating_sub(allocator.allocated));
    text.field("allocator_rss_ratio", ratio(allocator.resident, allocator.active));
    text.field("allocator_rss_bytes", allocator.resident.saturating_sub(allocator.active));
    text.field("rss_overhead_ratio", ratio(rss, allocator.resident));
    text.field("rss_overhead_bytes", rss as i64 - allocator.resident as i64);
    text.field("mem_fragmentation_ratio", ratio(rss, used));
    text.field("mem_fragmentation_bytes", rss as i64 - used as i64);
    text.field("mem_not_counted_for_evict", engine.uncounted_bytes());
    text.field("mem_replication_backlog", 0);
    text.field("mem_total_replication_buffers", 0);
    text.field("mem_clients_slaves", 0);
    text.field("mem_clients_normal", report.clients);
    text.field("mem_cluster_links", 0);
    text.field("mem_aof_buffer", engine.uncounted_bytes());
    text.field("mem_allocator", "jemalloc-5.3.1");
    text.field("mem_overhead_db_hashtable_rehashing", 0);
    text.field("active_defrag_running", 0);
    text.field("lazyfree_pending_objects", engine.keyspace.reclaimer().pending_objects());
    text.field("lazyfreed_objects", engine.keyspace.reclaimer().freed_objects());
}
