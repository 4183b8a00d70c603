//! What INFO shows of the server's work.

use std::collections::BTreeMap;

use crate::commands::CommandId;
use crate::server::histograms::Histograms;
use crate::server::timing::LongRuns;

/// Distinct error codes counted; more than that is a script's doing, and those are counted in the sum only.
const ERROR_CODES_MAX: usize = 128;

#[derive(Default)]
pub struct Stats {
    /// When somebody was last told of a request of HTTP's, Unix seconds.
    pub last_attack_s: i64,
    pub connections_received: u64,
    pub rejected_connections: u64,
    pub net_input_bytes: u64,
    pub net_output_bytes: u64,
    pub protocol_errors: u64,
    /// `recv` and `send` calls, those that moved nothing among them.
    pub reads: u64,
    pub writes: u64,
    /// Refused by access control, by what was not allowed.
    pub denied_auth: u64,
    pub denied_commands: u64,
    pub denied_keys: u64,
    pub denied_channels: u64,
    pub error_replies: u64,
    /// Replies per error code: `ERR`, `WRONGTYPE`.
    pub errors: BTreeMap<Vec<u8>, u64>,
    /// The longest run of equal commands in this turn.
    pub turn: TurnStats,
    /// Runs of it that took long and have not been looked at.
    pub long_runs: LongRuns,
    /// How long the calls of each command took.
    pub histograms: Histograms,
    /// Clients closed because they did not read, or did not finish a request, within their limits.
    pub output_limit_disconnections: u64,
    pub query_limit_disconnections: u64,
    /// Clients closed because all together took too much memory.
    pub evicted_clients: u64,
}

/// What happened in the current turn.
#[derive(Default, Clone, Copy)]
pub struct TurnStats {
    pub longest_run_ns: u64,
    pub longest_run_command: CommandId,
    pub longest_run_calls: u32,
    pub requests: u32,
}

impl Stats {
    /// Counts an error reply by its first word.
    pub fn count_error(&mut self, text: &[u8]) {
        self.error_replies += 1;
        let code = text.split(|&byte| byte == b' ').next().unwrap_or(text);
        if let Some(count) = self.errors.get_mut(code) {
            *count += 1;
        } else if self.errors.len() < ERROR_CODES_MAX {
            self.errors.insert(code.to_vec(), 1);
        }
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&mut self) {
        let (long_runs, mut histograms) = (std::mem::take(&mut self.long_runs), std::mem::take(&mut self.histograms));
        histograms.reset();
        *self = Stats { long_runs, histograms, turn: self.turn, ..Stats::default() };
    }

    /// A run of equal commands took this long.
    #[inline]
    pub fn note_run(&mut self, command: CommandId, calls: u32, elapsed_ns: u64) {
        self.turn.requests += calls;
        self.histograms.record(command, calls, elapsed_ns);
        if elapsed_ns > self.turn.longest_run_ns {
            self.turn.longest_run_ns = elapsed_ns;
            self.turn.longest_run_command = command;
            self.turn.longest_run_calls = calls;
        }
    }
}
