//! Where the memory goes: one account of it, which INFO memory, MEMORY STATS and MEMORY DOCTOR read. And the kernel's and the allocator's
//! side: resident bytes, giving pages back.
//!
//! Cost: a look at the allocator's statistics, at /proc, and at the headers of all segments; for commands of people, not for the loop.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::unistd::{SysconfVar, sysconf};

use crate::base::allocator::{self, AllocatorStats};
use crate::base::log;
use crate::base::threads;
use crate::server::engine::Engine;

/// Of a database.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseOverhead {
    pub index: usize,
    /// Its table without the entries, and the timing wheel with its keys' deadlines, bytes.
    pub table_bytes: usize,
    pub wheel_bytes: usize,
}

/// The account. Bytes, unless the name says otherwise.
#[derive(Clone, Debug)]
pub struct MemoryReport {
    pub used: usize,
    pub peak: usize,
    /// In use when the server had started.
    pub startup: usize,
    pub clients: usize,
    /// Of databases with keys.
    pub databases: Vec<DatabaseOverhead>,
    /// What of `used` is not keys and values.
    pub overhead: usize,
    pub dataset: usize,
    pub keys_count: usize,
    /// By the kernel's count; 0 where it does not tell.
    pub resident: usize,
    pub allocator: AllocatorStats,
}

impl MemoryReport {
    pub fn new(engine: &mut Engine) -> MemoryReport {
        let allocator = allocator::stats();
        let used = engine.used_bytes();
        let peak = engine.metrics.memory_peak_bytes(used);
        let (startup, clients) = (engine.facts.startup_bytes, engine.metrics.clients.memory_bytes);
        let all = (0..engine.keyspace.databases()).map(|index| (index, engine.keyspace.db(index)));
        let tables: usize = all.clone().map(|(_, db)| db.overhead_bytes()).sum();
        let databases = all.clone().filter(|(_, db)| !db.is_empty()).map(|(index, db)| {
            let wheel_bytes = db.wheel_bytes();
            DatabaseOverhead { index, table_bytes: db.overhead_bytes() - wheel_bytes, wheel_bytes }
        });
        let overhead = (startup + tables + clients + engine.pool.reserve_bytes()).min(used);
        MemoryReport {
            used,
            peak,
            startup,
            clients,
            databases: databases.collect(),
            overhead,
            dataset: used - overhead,
            keys_count: all.map(|(_, db)| db.len()).sum(),
            resident: resident_bytes(),
            allocator,
        }
    }

    /// What the data grew `used` by since the start.
    pub fn grown(&self) -> usize {
        self.used.saturating_sub(self.startup)
    }

    /// What somebody who looks after the server should know, a line each; none when all is well.
    pub fn complaints(&self, clients: usize) -> Vec<String> {
        /// Less than that says nothing.
        const USED_MIN: usize = 5 << 20;
        const WASTE_MIN: usize = 10 << 20;
        /// Of a client without replies waiting and requests half sent it is a few kilobytes.
        const CLIENT_MAX: usize = 200 << 10;
        if self.used < USED_MIN {
            return vec!["There is next to nothing in this server, so nothing can be said about its memory. Ask again when it holds data.".to_owned()];
        }
        let ratio = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        let mut complaints = Vec::new();
        let mut complain = |holds: bool, text: String| {
            if holds {
                complaints.push(text);
            }
        };
        complain(
            ratio(self.peak, self.used) > 1.5,
            format!(
                "Peak memory: at its peak the server used {:.1} times what it uses now. What it grew by then may still count as resident; MEMORY PURGE gives \
                 it back to the system.",
                ratio(self.peak, self.used)
            ),
        );
        let wasted = self.allocator.active.saturating_sub(self.allocator.allocated);
        complain(
            ratio(self.allocator.active, self.allocator.allocated) > 1.1 && wasted > WASTE_MIN,
            format!(
                "Fragmentation: {wasted} bytes lie unused between values in pages that hold some ({:.2} times what is used). It goes with the values \
                 around it; a server that was saved and started anew has none.",
                ratio(self.allocator.active, self.allocator.allocated)
            ),
        );
        let kept = self.allocator.resident.saturating_sub(self.allocator.active);
        complain(
            ratio(self.allocator.resident, self.allocator.active) > 1.1 && kept > WASTE_MIN,
            format!(
                "Kept pages: the allocator has {kept} bytes of free pages that it has not given back. It does so by and by; MEMORY PURGE, at once."
            ),
        );
        let outside = self.resident.saturating_sub(self.allocator.resident);
        complain(
            ratio(self.resident, self.allocator.resident) > 1.1 && outside > WASTE_MIN,
            format!(
                "Outside of the allocator: {outside} resident bytes are the program's own code, its stacks, or pages that the kernel makes huge."
            ),
        );
        complain(
            clients > 0 && self.clients / clients.max(1) > CLIENT_MAX,
            format!(
                "Clients: a client's buffers take {} bytes on average. Some send faster than they read, or pipeline very much: CLIENT LIST shows them (omem, qbuf).",
                self.clients / clients.max(1)
            ),
        );
        complaints
    }
}

/// Resident memory of the process, bytes; 0: the kernel does not tell.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages.saturating_mul(system_value(SysconfVar::PAGE_SIZE))
}

/// Memory of the machine, bytes.
pub fn total_system_bytes() -> usize {
    system_value(SysconfVar::PAGE_SIZE).saturating_mul(system_value(SysconfVar::_PHYS_PAGES))
}

fn system_value(variable: SysconfVar) -> usize {
    sysconf(variable).ok().flatten().and_then(|value| usize::try_from(value).ok()).unwrap_or(0)
}

/// Gives the allocator's free pages back to the system, on a thread: there may be gigabytes of them. One that is at it already will do.
pub fn purge() {
    static RUNNING: AtomicBool = AtomicBool::new(false);
    if RUNNING.swap(true, Ordering::AcqRel) {
        return;
    }
    let spawned = threads::spawn("zedis-purge", || {
        allocator::purge();
        RUNNING.store(false, Ordering::Release);
    });
    if let Err(error) = spawned {
        RUNNING.store(false, Ordering::Release);
        log::warning(format_args!("MEMORY PURGE can't start a thread: {error}"));
    }
}
