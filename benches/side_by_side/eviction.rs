//! Hit ratio under `maxmemory`: a cache in front of a keyspace several times as large, read by Zipf's law. A GET that finds nothing is
//! followed by a SET of that key. Every server gets the same sequence of keys. What counts is how many GETs hit, once the cache is full.
//!
//! What fits into the limit is a part of the answer: a server that needs less memory per key has more of them.

use std::io;
use std::path::Path;

use crate::rig;
use crate::rig::client::{Client, encode};
use crate::rig::server::{Program, Server};
use crate::rounds::progress;
use crate::stalls::longest_turn;

/// A hit ratio at least Redis's.
pub const BUDGET: f64 = 1.0;
const MAXMEMORY: &str = "100mb";
/// Requests in flight.
const BATCH: usize = 100;
/// Values of `key:000000000000` are of so many bytes.
const VALUE_LEN: usize = 200;
/// Zipf's exponent, as YCSB has it.
const EXPONENT: f64 = 0.99;
const POLICIES: [&str; 2] = ["allkeys-lru", "allkeys-lfu"];

pub struct Sizes {
    pub keys: usize,
    /// Until the cache is full and settled, and then measured.
    pub warming: usize,
    pub measured: usize,
}

pub const FULL: Sizes = Sizes { keys: 2_000_000, warming: 6_000_000, measured: 6_000_000 };
pub const QUICK: Sizes = Sizes { keys: 2_000_000, warming: 2_000_000, measured: 1_000_000 };

/// What was seen of one server with one policy.
pub struct Eviction {
    pub server: &'static str,
    pub policy: &'static str,
    pub hit_ratio: f64,
    /// Of the first server's, Redis.
    pub of_redis: f64,
    pub keys_kept: u64,
    pub evicted: u64,
    pub used_max_bytes: u64,
    /// The server's own account of its longest turn: milliseconds and cause.
    pub own_account: Option<(f64, String)>,
}

fn line(policy: &str) -> String {
    format!("eviction {policy}")
}

/// Whether anything of this section is selected.
pub fn is_selected() -> bool {
    POLICIES.iter().any(|policy| rig::is_selected(&line(policy)))
}

pub fn measure(programs: &[Program], sizes: &Sizes, directory: &Path) -> io::Result<Vec<Eviction>> {
    let law = Zipf::new(sizes.keys);
    let mut all: Vec<Eviction> = Vec::new();
    for policy in POLICIES.into_iter().filter(|policy| rig::is_selected(&line(policy))) {
        let mut of_first = None;
        for program in programs {
            progress(&format!("{}: {}", line(policy), program.name));
            let mut seen = one(program, policy, sizes, &law, directory)?;
            seen.of_redis = seen.hit_ratio / *of_first.get_or_insert(seen.hit_ratio);
            seen.print();
            all.push(seen);
        }
    }
    Ok(all)
}

fn one(program: &Program, policy: &'static str, sizes: &Sizes, law: &Zipf, directory: &Path) -> io::Result<Eviction> {
    let server = Server::start(program, directory)?;
    let mut client = Client::connect(server.port)?;
    client.command(&["CONFIG", "SET", "maxmemory", MAXMEMORY, "maxmemory-policy", policy])?;
    let mut random = Numbers(1);
    let mut used_max_bytes = 0;
    serve(&mut client, law, &mut random, sizes.warming, &mut used_max_bytes)?;
    client.command(&["CONFIG", "RESETSTAT"])?;
    let hits = serve(&mut client, law, &mut random, sizes.measured, &mut used_max_bytes)?;
    let own_account = longest_turn(&mut client)?;
    Ok(Eviction {
        server: program.name,
        policy,
        hit_ratio: hits as f64 / sizes.measured as f64,
        of_redis: 1.0,
        keys_kept: client.command(&["DBSIZE"])?.parse().unwrap_or(0),
        evicted: number(&mut client, "evicted_keys")?,
        used_max_bytes,
        own_account,
    })
}

fn number(client: &mut Client, field: &str) -> io::Result<u64> {
    Ok(client.info(field)?.and_then(|value| value.trim().parse().ok()).unwrap_or(0))
}

/// Reads `count` keys, and writes those that are not there; how many were.
fn serve(
    client: &mut Client,
    law: &Zipf,
    random: &mut Numbers,
    count: usize,
    used_max_bytes: &mut u64,
) -> io::Result<usize> {
    let value = [b'v'; VALUE_LEN];
    let name = |rank: usize| format!("key:{rank:012}");
    let mut hits = 0;
    let mut frame = Vec::new();
    for batch in 0..count / BATCH {
        let ranks: Vec<usize> = (0..BATCH).map(|_| law.draw(random)).collect();
        frame.clear();
        ranks.iter().for_each(|&rank| encode(&mut frame, &[b"GET", name(rank).as_bytes()]));
        let found = client.found(&frame, BATCH)?;
        frame.clear();
        let mut missing = 0;
        for (&rank, _) in ranks.iter().zip(&found).filter(|(_, found)| !**found) {
            encode(&mut frame, &[b"SET", name(rank).as_bytes(), &value]);
            missing += 1;
        }
        client.exchange(&frame, missing)?;
        hits += BATCH - missing as usize;
        if batch % 1000 == 0 {
            *used_max_bytes = number(client, "used_memory")?.max(*used_max_bytes);
        }
    }
    Ok(hits)
}

impl Eviction {
    fn print(&self) {
        progress("");
        let own = self
            .own_account
            .as_ref()
            .map_or_else(String::new, |(ms, cause)| format!("; its own longest turn {ms:.3} ms ({cause})"));
        println!(
            "{:<24} {:<7} hit ratio {:.4} ({:.3} of redis), {} keys kept, {} evicted, {:.1} MB used at most{own}",
            line(self.policy),
            self.server,
            self.hit_ratio,
            self.of_redis,
            self.keys_kept,
            self.evicted,
            self.used_max_bytes as f64 / f64::from(1 << 20)
        );
    }

    /// Of another server than Redis: whether it is good enough.
    pub fn verdict(&self) -> &'static str {
        match self.server {
            "zedis" if self.of_redis >= BUDGET => "PASS",
            "zedis" => "MISS",
            _ => "-",
        }
    }
}

/// Ranks by Zipf's law.
struct Zipf {
    /// Probability of this rank or one before it.
    until: Vec<f64>,
}

impl Zipf {
    fn new(ranks: usize) -> Zipf {
        let mut sum = 0.0;
        let mut until: Vec<f64> = (1..=ranks)
            .map(|rank| {
                sum += (rank as f64).powf(-EXPONENT);
                sum
            })
            .collect();
        until.iter_mut().for_each(|part| *part /= sum);
        Zipf { until }
    }

    fn draw(&self, random: &mut Numbers) -> usize {
        let at = random.fraction();
        self.until.partition_point(|&until| until < at).min(self.until.len() - 1)
    }
}

/// SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    }
}
