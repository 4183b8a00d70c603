//! HOTKEYS: which keys take the most time and the most bytes on the network, while somebody wants to know.
//!
//! A session looks at every command ([`gate::ONE_BY_ONE`](crate::server::gate::ONE_BY_ONE)) and books its time and bytes on its keys, in
//! equal shares. Memory is bounded: a [`Top`] keeps so many keys, and a new one takes the place of the least (the space-saving
//! algorithm), so a key that is hot is in it whatever the others are. Nothing is kept, and nothing costs anything, before START.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::FixedState;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::base::random::Random;
use crate::commands::{Args, CommandId, find_keys};
use crate::server::engine::Engine;
use crate::server::observation::Timed;

/// Keys counted for each that is to be shown.
const COUNTED_PER_SHOWN: usize = 16;
/// Bytes of a key; longer ones are counted by their beginning.
const KEY_BYTES_MAX: usize = 1024;
/// Keys of one command that are booked.
const KEYS_MAX: usize = 128;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct HotKeysOptions {
    pub by_cpu: bool,
    pub by_net: bool,
    /// Keys shown.
    pub count: usize,
    /// None: until it is stopped.
    pub duration_s: Option<u64>,
    /// One key in so many is booked.
    pub sample_ratio: u64,
}

/// The keys with the largest sums, of a stream of additions.
struct Top {
    capacity: usize,
    sums: HashMap<Vec<u8>, u64, FixedState>,
    ordered: BTreeSet<(u64, Vec<u8>)>,
}

impl Top {
    /// Clients choose the keys: which of them collide depends on `seed`, which they do not know.
    fn new(shown: usize, seed: u64) -> Top {
        let sums = HashMap::with_hasher(FixedState::with_seed(seed));
        Top { capacity: shown * COUNTED_PER_SHOWN, sums, ordered: BTreeSet::new() }
    }

    fn add(&mut self, key: &[u8], amount: u64) {
        let key = &key[..key.len().min(KEY_BYTES_MAX)];
        let before = if let Some(&sum) = self.sums.get(key) {
            self.ordered.remove(&(sum, key.to_vec()));
            sum
        } else if self.sums.len() < self.capacity {
            0
        } else {
            // The least goes, and its sum is where the new one starts: an upper bound of what it may have had.
            let Some((sum, least)) = self.ordered.pop_first() else { return };
            self.sums.remove(&least);
            sum
        };
        let sum = before.saturating_add(amount);
        self.sums.insert(key.to_vec(), sum);
        self.ordered.insert((sum, key.to_vec()));
    }

    fn largest(&self, count: usize) -> KeySums {
        self.ordered.iter().rev().take(count).map(|(sum, key)| (key.clone(), *sum)).collect()
    }
}

/// A session that is going on, or has ended and was not forgotten.
pub struct HotKeys {
    options: HotKeysOptions,
    by_cpu: Top,
    by_net: Top,
    random: Random,
    started_ms: u64,
    stopped_ms: Option<u64>,
    until_ms: Option<u64>,
    /// Of all commands: nanoseconds that they ran, bytes that they and their replies had.
    run_ns: u64,
    net_bytes: u64,
    cpu: CpuTime,
}

/// CPU time of the process: at the beginning of a session, after its end what it took. Microseconds.
#[derive(Clone, Copy)]
struct CpuTime {
    user_us: u64,
    sys_us: u64,
}

impl CpuTime {
    fn now() -> CpuTime {
        let us = |time: TimeVal| time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64;
        getrusage(UsageWho::RUSAGE_SELF).map_or(CpuTime { user_us: 0, sys_us: 0 }, |usage| CpuTime {
            user_us: us(usage.user_time()),
            sys_us: us(usage.system_time()),
        })
    }

    fn since(self, before: CpuTime) -> CpuTime {
        CpuTime {
            user_us: self.user_us.saturating_sub(before.user_us),
            sys_us: self.sys_us.saturating_sub(before.sys_us),
        }
    }
}

/// Keys with their sums, the largest first.
pub type KeySums = Vec<(Vec<u8>, u64)>;

/// What HOTKEYS GET shows.
pub struct HotKeysReport {
    pub is_active: bool,
    pub sample_ratio: u64,
    pub run_us: u64,
    pub net_bytes: u64,
    pub started_ms: u64,
    pub duration_ms: u64,
    /// User and system CPU time of the process, milliseconds, and the keys with their microseconds.
    pub by_cpu: Option<(u64, u64, KeySums)>,
    /// The keys with their bytes.
    pub by_net: Option<KeySums>,
}

impl HotKeys {
    pub fn is_active(&self) -> bool {
        self.stopped_ms.is_none()
    }

    fn report(&self, now_ms: u64) -> HotKeysReport {
        let cpu = if self.is_active() { CpuTime::now().since(self.cpu) } else { self.cpu };
        let options = self.options;
        let in_us = |mut keys: KeySums| {
            keys.iter_mut().for_each(|(_, ns)| *ns /= 1000);
            keys
        };
        HotKeysReport {
            is_active: self.is_active(),
            sample_ratio: options.sample_ratio,
            run_us: self.run_ns / 1000,
            net_bytes: self.net_bytes,
            started_ms: self.started_ms,
            duration_ms: self.stopped_ms.unwrap_or(now_ms).saturating_sub(self.started_ms),
            by_cpu: options
                .by_cpu
                .then(|| (cpu.user_us / 1000, cpu.sys_us / 1000, in_us(self.by_cpu.largest(options.count)))),
            by_net: options.by_net.then(|| self.by_net.largest(options.count)),
        }
    }
}

impl Engine {
    /// HOTKEYS START. False: there is a session already.
    pub fn start_hot_keys(&mut self, options: HotKeysOptions) -> bool {
        if self.hot_keys.as_ref().is_some_and(|session| session.is_active()) {
            return false;
        }
        let now_us = self.clock.unix_us();
        let now_ms = now_us / 1000;
        let mut random = Random::new(self.keyspace.random_below(usize::MAX) as u64);
        self.hot_keys = Some(Box::new(HotKeys {
            options,
            by_cpu: Top::new(options.count, random.next_u64()),
            by_net: Top::new(options.count, random.next_u64()),
            random,
            started_ms: now_ms,
            stopped_ms: None,
            until_ms: options.duration_s.map(|seconds| now_ms.saturating_add(seconds.saturating_mul(1000))),
            run_ns: 0,
            net_bytes: 0,
            cpu: CpuTime::now(),
        }));
        self.apply_thresholds();
        true
    }

    /// HOTKEYS STOP. False: there is no session, or it has been stopped.
    pub fn stop_hot_keys(&mut self) -> bool {
        let now_ms = self.clock.unix_us() / 1000;
        let Some(session) = self.hot_keys.as_mut().filter(|session| session.is_active()) else { return false };
        session.stopped_ms = Some(session.until_ms.map_or(now_ms, |until_ms| until_ms.min(now_ms)));
        session.cpu = CpuTime::now().since(session.cpu);
        self.apply_thresholds();
        true
    }

    /// HOTKEYS RESET. False: it is going on.
    pub fn reset_hot_keys(&mut self) -> bool {
        self.end_hot_keys();
        if self.hot_keys.as_ref().is_some_and(|session| session.is_active()) {
            return false;
        }
        self.hot_keys = None;
        true
    }

    /// HOTKEYS GET. None: nothing was started.
    pub fn hot_keys_report(&mut self) -> Option<HotKeysReport> {
        self.end_hot_keys();
        let now_ms = self.clock.unix_us() / 1000;
        self.hot_keys.as_ref().map(|session| session.report(now_ms))
    }

    /// Stops a session whose time is up; one of the periodic jobs.
    pub(super) fn end_hot_keys(&mut self) {
        let Some(until_ms) = self.hot_keys.as_ref().filter(|session| session.is_active()).and_then(|one| one.until_ms)
        else {
            return;
        };
        if until_ms <= self.clock.unix_us() / 1000 {
            self.stop_hot_keys();
        }
    }

    /// The keys of a call, if a session wants to book them.
    pub(super) fn keys_to_book(&mut self, id: CommandId, args: &Args<'_>) -> Vec<Vec<u8>> {
        let Some(session) = self.hot_keys.as_mut().filter(|session| session.is_active()) else { return Vec::new() };
        let command = self.registry.command(id);
        if command.keys.is_empty() {
            return Vec::new();
        }
        let words: Vec<&[u8]> = args.from(0).collect();
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for key in find_keys(command, &words).unwrap_or_default().into_iter().take(KEYS_MAX) {
            if session.options.sample_ratio == 1 || session.random.below(session.options.sample_ratio) == 0 {
                keys.extend(words.get(key.index).map(|word| word.to_vec()));
            }
        }
        keys
    }

    /// Books a call.
    pub(super) fn book_hot_keys(&mut self, keys: &[Vec<u8>], timed: Timed, net_bytes: u64) {
        let Some(session) = self.hot_keys.as_mut().filter(|session| session.is_active()) else { return };
        session.run_ns += timed.elapsed_ns;
        session.net_bytes += net_bytes;
        let parts = keys.len().max(1) as u64;
        for key in keys {
            if session.options.by_cpu {
                session.by_cpu.add(key, timed.elapsed_ns / parts);
            }
            if session.options.by_net {
                session.by_net.add(key, net_bytes / parts);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::Top;
    use crate::base::random::Random;
    use crate::server::testing::EngineHarness;

    #[test]
    fn what_is_hot_stays_among_many() {
        let seed = 3;
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut top = Top::new(4, random.next_u64());
        for _ in 0..100_000 {
            // Four keys get a tenth of all each, the rest is spread over a hundred thousand.
            let pick = random.below(10);
            let key = if pick < 4 { format!("hot:{pick}") } else { format!("cold:{}", random.below(100_000)) };
            top.add(key.as_bytes(), 1 + random.below(3));
        }
        assert_eq!((top.sums.len(), top.ordered.len()), (64, 64));
        let mut names: Vec<String> =
            top.largest(4).into_iter().map(|(key, _)| String::from_utf8_lossy(&key).into_owned()).collect();
        names.sort();
        assert_eq!(names, ["hot:0", "hot:1", "hot:2", "hot:3"]);
    }

    /// Else whoever knows the program knows keys that all collide.
    #[test]
    fn each_session_hashes_in_its_own_way() {
        let mut harness = EngineHarness::new();
        let mut hash = || {
            assert_eq!(harness.line("hotkeys start metrics 1 cpu"), "+OK\r\n");
            let hash = harness.engine.hot_keys.as_ref().expect("a session").by_cpu.sums.hasher().hash_one(b"key");
            assert_eq!(harness.line("hotkeys stop"), "+OK\r\n");
            hash
        };
        assert_ne!(hash(), hash());
    }

    #[test]
    fn a_session() {
        let mut harness = EngineHarness::new();
        assert_eq!(harness.line("hotkeys get"), "$-1\r\n");
        assert_eq!(harness.line("hotkeys stop"), "$-1\r\n");
        assert_eq!(harness.line("hotkeys start metrics 2 cpu net count 2"), "+OK\r\n");
        assert_eq!(harness.line("hotkeys start metrics 1 cpu"), "-ERR hotkey tracking session already in progress\r\n");
        assert_ne!(harness.engine.gates, 0);
        for line in ["set a 1", "mset b 1 a 2", "get a", "ping", "set c 0123456789", "get c"] {
            harness.line(line);
        }
        let got = harness.line("hotkeys get");
        // Requests and replies of a: 27 + 5, half of 42 + 5, 20 + 7; of c: 37 + 5, 20 + 17.
        assert!(got.contains("$12\r\nby-net-bytes\r\n*4\r\n$1\r\na\r\n:82\r\n$1\r\nc\r\n:79\r\n"), "{got}");
        assert!(got.contains("$15\r\ntracking-active\r\n:1\r\n"), "{got}");
        assert_eq!(harness.line("hotkeys reset"), "-ERR hotkey tracking session in progress, stop tracking first\r\n");
        assert_eq!(harness.line("hotkeys stop"), "+OK\r\n");
        assert_eq!(harness.engine.gates, 0);
        assert!(harness.line("hotkeys get").contains("$15\r\ntracking-active\r\n:0\r\n"));
        assert_eq!(harness.line("hotkeys reset"), "+OK\r\n");
        assert_eq!(harness.line("hotkeys get"), "$-1\r\n");
    }

    #[test]
    fn a_session_ends_by_itself() {
        let mut harness = EngineHarness::new();
        assert_eq!(harness.line("hotkeys start metrics 1 net duration 2 sample 3"), "+OK\r\n");
        harness.advance_ms(2100);
        harness.engine.cron();
        assert_eq!(harness.engine.gates, 0);
        let got = harness.line("hotkeys get");
        assert!(got.contains("collection-duration-ms\r\n:2000\r\n") && got.contains("sample-ratio\r\n:3\r\n"), "{got}");
        assert!(!got.contains("cpu"), "{got}");
    }

    #[test]
    fn options() {
        let mut harness = EngineHarness::new();
        for (line, error) in [
            ("start", "METRICS parameter is required"),
            ("start metrics 0", "METRICS count"),
            ("start metrics -1", "METRICS count"),
            ("start metrics 2 cpu", "METRICS count does not match number of metric types provided"),
            ("start metrics 1 cpu net", "syntax error"),
            ("start metrics 3 cpu net", "METRICS count"),
            ("start metrics 1 gpu", "METRICS no valid metrics"),
            ("start metrics 2 cpu cpu", "METRICS CPU"),
            ("start metrics 2 net net", "METRICS NET"),
            ("start metrics 1 cpu count 0", "COUNT must be between 1 and 64"),
            ("start metrics 1 cpu count 65", "COUNT must be between 1 and 64"),
            ("start metrics 1 cpu sample 0", "SAMPLE ratio must be positive"),
            ("start metrics 1 cpu slots 1 0", "SLOTS parameter cannot be used in non-cluster mode"),
            ("start metrics 1 cpu duration", "syntax error"),
            ("start metrics 1 cpu duration 0", "DURATION must be positive"),
        ] {
            let answer = harness.line(&format!("hotkeys {line}"));
            assert!(answer.starts_with("-ERR ") && answer.contains(error), "{line}: {answer}");
        }
        assert_eq!(harness.line("hotkeys start metrics 2 gpu cpu"), "+OK\r\n", "unknown metrics are passed over");
    }
}
