//! What is sampled: rates of the last seconds, peaks, and the sums over all clients, which are too many to be looked at in
//! one turn. [`Engine::sample`] takes the samples, ten times a second.

use crate::server::engine::Engine;

/// Samples that a rate is the mean of.
const SAMPLES: usize = 16;

/// A counter's growth per second, over the last [`SAMPLES`] samples.
#[derive(Default)]
struct Rate {
    last: u64,
    per_second: [u64; SAMPLES],
    next: usize,
}

impl Rate {
    fn sample(&mut self, counter: u64, elapsed_us: u64) {
        // The counter is set back by CONFIG RESETSTAT.
        let grown = counter.saturating_sub(self.last);
        self.last = counter;
        self.per_second[self.next] = grown.saturating_mul(1_000_000) / elapsed_us.max(1);
        self.next = (self.next + 1) % SAMPLES;
    }

    fn mean(&self) -> u64 {
        self.per_second.iter().sum::<u64>() / SAMPLES as u64
    }
}

/// Sums and peaks over all clients.
#[derive(Clone, Copy, Default, Debug)]
pub struct ClientSums {
    /// Memory of all clients, bytes.
    pub memory_bytes: usize,
    /// The largest input and output of any, bytes.
    pub input_max_bytes: usize,
    pub output_max_bytes: usize,
}

/// What is sampled.
#[derive(Default)]
pub struct Metrics {
    commands: Rate,
    input_bytes: Rate,
    output_bytes: Rate,
    turns: Rate,
    busy_ns: Rate,
    sampled_us: Option<u64>,
    /// DEBUG PAUSE-CRON.
    pub cron_is_paused: bool,
    /// Most memory that was in use at a sample, bytes.
    memory_peak_bytes: usize,
    /// Of the last complete round over the clients, and of the one that is going on.
    pub clients: ClientSums,
    round: ClientSums,
}

impl Metrics {
    pub fn commands_per_second(&self) -> u64 {
        self.commands.mean()
    }

    pub fn input_bytes_per_second(&self) -> u64 {
        self.input_bytes.mean()
    }

    pub fn output_bytes_per_second(&self) -> u64 {
        self.output_bytes.mean()
    }

    pub fn turns_per_second(&self) -> u64 {
        self.turns.mean()
    }

    /// Time in turns, without that in which the loop slept.
    pub fn busy_ns_per_second(&self) -> u64 {
        self.busy_ns.mean()
    }

    /// The highest memory use seen so far; `now_bytes` is one more sample.
    pub fn memory_peak_bytes(&mut self, now_bytes: usize) -> usize {
        self.memory_peak_bytes = self.memory_peak_bytes.max(now_bytes);
        self.memory_peak_bytes
    }

    /// CONFIG RESETSTAT: rates begin anew, the peak stays.
    /// All clients have been looked at.
    pub(super) fn end_round(&mut self) {
        self.clients = std::mem::take(&mut self.round);
    }

    pub fn reset_rates(&mut self) {
        self.commands = Rate::default();
        self.input_bytes = Rate::default();
        self.output_bytes = Rate::default();
        self.turns = Rate::default();
        self.busy_ns = Rate::default();
    }
}

impl Engine {
    /// Commands executed since start or CONFIG RESETSTAT.
    pub fn commands_processed(&self) -> u64 {
        self.registry.stats.iter().map(|stats| stats.calls).sum()
    }

    /// Takes a sample of everything; one of the periodic jobs.
    pub(super) fn sample(&mut self) {
        let now_us = self.clock.monotonic_ns() / 1000;
        let commands = self.commands_processed();
        let metrics = &mut self.metrics;
        if let Some(before_us) = metrics.sampled_us {
            let elapsed_us = now_us.saturating_sub(before_us);
            metrics.commands.sample(commands, elapsed_us);
            metrics.input_bytes.sample(self.stats.net_input_bytes, elapsed_us);
            metrics.output_bytes.sample(self.stats.net_output_bytes, elapsed_us);
            metrics.turns.sample(self.recorder.turns, elapsed_us);
            metrics.busy_ns.sample(self.recorder.busy_ns, elapsed_us);
        }
        metrics.sampled_us = Some(now_us);
        metrics.memory_peak_bytes(self.keyspace.used_bytes());
    }

    /// Adds a client to the sums.
    pub(super) fn sample_client(&mut self, key: usize) {
        self.count_client(key);
        let client = &self.clients[key];
        let round = &mut self.metrics.round;
        round.memory_bytes += client.memory_bytes();
        round.input_max_bytes = round.input_max_bytes.max(client.input.memory_bytes());
        round.output_max_bytes = round.output_max_bytes.max(client.output.memory_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{Rate, SAMPLES};

    #[test]
    fn a_rate_is_the_mean_of_its_samples() {
        let mut rate = Rate::default();
        for sample in 1..=SAMPLES as u64 {
            rate.sample(sample * 50, 100_000);
        }
        assert_eq!(rate.mean(), 500);
        // A counter that was set back is no negative rate.
        rate.sample(0, 100_000);
        assert_eq!(rate.mean(), 500 * (SAMPLES as u64 - 1) / SAMPLES as u64);
    }
}
