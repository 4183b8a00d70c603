//! CPU time of a process: exact in total (the scheduler's nanoseconds of all its threads), split into user and system in the
//! proportion of the clock ticks.

use std::fs;
use std::io;

#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    pub run_ns: u64,
    pub user_ticks: u64,
    pub system_ticks: u64,
}

impl CpuTime {
    /// What the process has used so far.
    pub fn of(pid: u32) -> io::Result<CpuTime> {
        let mut run_ns = 0;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may end while the directory is read.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else {
                continue;
            };
            run_ns += text.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold spaces; utime and stime are the 12th and 13th field behind it.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field = |index: usize| fields.get(index).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        Ok(CpuTime { run_ns, user_ticks: field(11), system_ticks: field(12) })
    }

    pub fn since(&self, before: &CpuTime) -> CpuTime {
        CpuTime {
            run_ns: self.run_ns.saturating_sub(before.run_ns),
            user_ticks: self.user_ticks.saturating_sub(before.user_ticks),
            system_ticks: self.system_ticks.saturating_sub(before.system_ticks),
        }
    }
}

/// Resident bytes of a process.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("no VmRSS"))
}
