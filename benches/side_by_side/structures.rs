//! Operations on large collections: the server's time for each, side by side, in alternating rounds on the same prepared data.
//!
//! One connection; cheap operations are sent many at once, so that the trips between the processes do not hide them. All
//! requests of a run are encoded before the clock starts.

use std::io;
use std::path::Path;
use std::time::Instant;

use crate::cpu::CpuTime;
use crate::preparation::{encode_words, fill_collection, is_unknown_command};
use crate::rig;
use crate::rig::client::Client;
use crate::rig::server::{Program, Server};
use crate::rounds::{median, progress, settle};

/// The most that Zedis may take, relative to redis-server.
pub const BUDGET: f64 = 1.0;

const MILLION: u64 = 1_000_000;
const THOUSAND: u64 = 1_000;
/// Members of each set of ZUNIONSTORE, half of them in both; numbers to SORT.
const HUNDRED_THOUSAND: u64 = 100_000;

/// What an operation works on; it is prepared once and serves every operation that follows with the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Data {
    /// `zset`: a million members, the score of the `i`th is `i`.
    SortedSet,
    /// `list`: a million elements of 16 B.
    List,
    /// `set`: a million members; `small`: a thousand, half of them in `set` too.
    Sets,
    /// `hash`: a thousand fields.
    Hash,
    /// `zset1` and `zset2`.
    TwoSortedSets,
    /// `numbers`: a list of numbers in no order.
    Numbers,
}

/// One operation.
pub struct Operation {
    pub name: &'static str,
    /// What is measured, for the report.
    pub what: &'static str,
    data: Data,
    /// Operations of a run, and how many of them are in flight.
    count: u64,
    in_flight: u64,
    /// Appends the `i`th request; `i` goes on from run to run.
    encode: fn(u64, &mut Vec<u8>),
}

/// Operations that change their data are the last of those that share it.
static OPERATIONS: &[Operation] = &[
    Operation {
        name: "zrank",
        what: "ZRANK of random members, 1 M members",
        data: Data::SortedSet,
        count: 100_000,
        in_flight: 500,
        encode: |i, frame| encode_words(frame, &["ZRANK", "zset", &element(random(i) % MILLION)]),
    },
    Operation {
        name: "zrange by rank",
        what: "ZRANGE of 10 from a random rank, 1 M members",
        data: Data::SortedSet,
        count: 50_000,
        in_flight: 250,
        encode: |i, frame| {
            let first = random(i) % (MILLION - 10);
            encode_words(frame, &["ZRANGE", "zset", &first.to_string(), &(first + 9).to_string()]);
        },
    },
    Operation {
        name: "zrangebyscore",
        what: "ZRANGEBYSCORE of 10 from a random score, 1 M members",
        data: Data::SortedSet,
        count: 50_000,
        in_flight: 250,
        encode: |i, frame| {
            let first = random(i) % (MILLION - 10);
            encode_words(frame, &["ZRANGEBYSCORE", "zset", &first.to_string(), &(first + 9).to_string()]);
        },
    },
    Operation {
        name: "zadd",
        what: "ZADD of a new member with a random score, 1 M members before",
        data: Data::SortedSet,
        count: 50_000,
        in_flight: 500,
        encode: |i, frame| {
            encode_words(frame, &["ZADD", "zset", &(random(i) % MILLION).to_string(), &element(MILLION + i)]);
        },
    },
    Operation {
        name: "lindex middle",
        what: "LINDEX of the middle, list of 1 M",
        data: Data::List,
        count: 20_000,
        in_flight: 500,
        encode: |_, frame| encode_words(frame, &["LINDEX", "list", &(MILLION / 2).to_string()]),
    },
    Operation {
        name: "linsert middle",
        what: "LINSERT before the middle element, list of 1 M",
        data: Data::List,
        count: 50,
        in_flight: 1,
        encode: |i, frame| {
            encode_words(frame, &["LINSERT", "list", "BEFORE", &element(MILLION / 2), &element(MILLION + i)])
        },
    },
    Operation {
        name: "sinter",
        what: "SINTER of 1 M and 1 k members, 500 of them in both",
        data: Data::Sets,
        count: 1_000,
        in_flight: 10,
        encode: |_, frame| encode_words(frame, &["SINTER", "set", "small"]),
    },
    Operation {
        name: "hgetall",
        what: "HGETALL of 1 k fields, 16 B field and value",
        data: Data::Hash,
        count: 2_000,
        in_flight: 20,
        encode: |_, frame| encode_words(frame, &["HGETALL", "hash"]),
    },
    Operation {
        name: "zunionstore",
        what: "ZUNIONSTORE of 2 x 100 k members, half of them in both",
        data: Data::TwoSortedSets,
        count: 5,
        in_flight: 1,
        encode: |_, frame| encode_words(frame, &["ZUNIONSTORE", "union", "2", "zset1", "zset2"]),
    },
    Operation {
        name: "sort",
        what: "SORT of a list of 100 k numbers",
        data: Data::Numbers,
        count: 5,
        in_flight: 1,
        encode: |_, frame| encode_words(frame, &["SORT", "numbers"]),
    },
];

/// One run of one server, per operation.
#[derive(Clone, Copy)]
pub struct Sample {
    pub wall_us: f64,
    pub cpu_us: f64,
}

/// A row of the report: the runs of each server; none if it does not know a command.
pub struct Timing {
    pub operation: &'static Operation,
    pub series: Vec<(&'static str, Vec<Sample>)>,
}

impl Operation {
    /// What `BENCH_ONLY` selects by.
    fn line(&self) -> String {
        format!("structures {}", self.name)
    }
}

/// Whether any operation is selected.
pub fn is_selected() -> bool {
    OPERATIONS.iter().any(|operation| rig::is_selected(&operation.line()))
}

pub fn measure(programs: &[Program], rounds: usize, quick: bool, directory: &Path) -> io::Result<Vec<Timing>> {
    let servers = programs.iter().map(|program| Server::start(program, directory)).collect::<io::Result<Vec<_>>>()?;
    let mut prepared: Option<Data> = None;
    let mut timings = Vec::new();
    for operation in OPERATIONS.iter().filter(|operation| rig::is_selected(&operation.line())) {
        let mut clients =
            servers.iter().map(|server| Client::connect(server.port)).collect::<io::Result<Vec<Client>>>()?;
        if prepared != Some(operation.data) {
            for ((program, server), client) in programs.iter().zip(&servers).zip(&mut clients) {
                progress(&format!("structures, preparing {:?}: {}", operation.data, program.name));
                if prepare(client, operation.data)? {
                    settle(server.pid())?;
                } else {
                    *client = Client::connect(server.port)?;
                }
            }
            prepared = Some(operation.data);
        }
        let count = if quick { (operation.count / 5).max(2) } else { operation.count };
        let mut timing = Timing { operation, series: programs.iter().map(|p| (p.name, Vec::new())).collect() };
        for round in 0..rounds {
            let batches = batches(operation, round as u64 * count, count);
            for ((server, client), (name, samples)) in servers.iter().zip(&mut clients).zip(&mut timing.series) {
                progress(&format!("{}: round {} of {rounds}, {name}", operation.line(), round + 1));
                if let Some(sample) = run(client, server.pid(), &batches, count)? {
                    samples.push(sample);
                } else {
                    // The replies behind the error are still on their way.
                    *client = Client::connect(server.port)?;
                }
            }
        }
        progress("");
        println!("{}", timing.summary());
        timings.push(timing);
    }
    Ok(timings)
}

/// The requests of a run as they are sent, each with the number of its replies.
fn batches(operation: &Operation, first: u64, count: u64) -> Vec<(Vec<u8>, u64)> {
    let mut batches = Vec::new();
    let (mut next, end) = (first, first + count);
    while next < end {
        let upto = end.min(next + operation.in_flight);
        let mut frame = Vec::new();
        for i in next..upto {
            (operation.encode)(i, &mut frame);
        }
        batches.push((frame, upto - next));
        next = upto;
    }
    batches
}

fn run(client: &mut Client, pid: u32, batches: &[(Vec<u8>, u64)], count: u64) -> io::Result<Option<Sample>> {
    let before = CpuTime::of(pid)?;
    let start = Instant::now();
    let result = batches.iter().try_for_each(|(requests, replies)| client.exchange(requests, *replies));
    let wall_us = start.elapsed().as_secs_f64() * 1e6;
    if is_unknown_command(&result) {
        return Ok(None);
    }
    result?;
    // Includes what the server frees in the background after its last answer.
    settle(pid)?;
    let cpu_us = CpuTime::of(pid)?.since(&before).run_ns as f64 / 1e3;
    Ok(Some(Sample { wall_us: wall_us / count as f64, cpu_us: cpu_us / count as f64 }))
}

/// Fills the server; false if it lacks the command for it.
fn prepare(client: &mut Client, data: Data) -> io::Result<bool> {
    client.command(&["FLUSHALL"])?;
    let scored = |score: u64, words: &mut Vec<String>| words.extend([score.to_string(), element(score)]);
    let result = match data {
        Data::SortedSet => fill_collection(client, &["ZADD", "zset"], MILLION, |i, words| scored(shuffled(i), words)),
        Data::List => fill_collection(client, &["RPUSH", "list"], MILLION, |i, words| words.push(element(i))),
        Data::Sets => {
            fill_collection(client, &["SADD", "set"], MILLION, |i, words| words.push(element(i))).and_then(|()| {
                let first = MILLION - THOUSAND / 2;
                fill_collection(client, &["SADD", "small"], THOUSAND, |i, words| words.push(element(first + i)))
            })
        }
        Data::Hash => fill_collection(client, &["HSET", "hash"], THOUSAND, |i, words| {
            words.extend([element(i), format!("val:{i:012}")]);
        }),
        Data::TwoSortedSets => {
            fill_collection(client, &["ZADD", "zset1"], HUNDRED_THOUSAND, |i, words| scored(i, words)).and_then(|()| {
                fill_collection(client, &["ZADD", "zset2"], HUNDRED_THOUSAND, |i, words| {
                    scored(i + HUNDRED_THOUSAND / 2, words);
                })
            })
        }
        Data::Numbers => fill_collection(client, &["RPUSH", "numbers"], HUNDRED_THOUSAND, |i, words| {
            words.push((random(i) % MILLION).to_string());
        }),
    };
    if is_unknown_command(&result) {
        return Ok(false);
    }
    result.map(|()| true)
}

/// 16 bytes.
fn element(i: u64) -> String {
    format!("elm:{i:012}")
}

/// The numbers below a million in an order without order: the factor has no divisor in common with a million.
fn shuffled(i: u64) -> u64 {
    i * 618_033 % MILLION
}

/// A number for the `i`th request that is the same for every server (splitmix64).
fn random(i: u64) -> u64 {
    let mut bits = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Timing {
    fn of(&self, name: &str) -> Option<&[Sample]> {
        let (_, samples) = self.series.iter().find(|(server, _)| *server == name)?;
        (!samples.is_empty()).then_some(samples)
    }

    pub fn wall_us(&self, name: &str) -> Option<f64> {
        Some(median(self.of(name)?.iter().map(|sample| sample.wall_us).collect()))
    }

    pub fn cpu_us(&self, name: &str) -> Option<f64> {
        Some(median(self.of(name)?.iter().map(|sample| sample.cpu_us).collect()))
    }

    fn ratio(&self, of: fn(&Sample) -> f64) -> Option<f64> {
        let pairs = self.of("zedis")?.iter().zip(self.of("redis")?);
        Some(median(pairs.map(|(zedis, redis)| of(zedis) / of(redis)).collect()))
    }

    /// Zedis relative to Redis.
    pub fn wall_ratio(&self) -> Option<f64> {
        self.ratio(|sample| sample.wall_us)
    }

    pub fn cpu_ratio(&self) -> Option<f64> {
        self.ratio(|sample| sample.cpu_us)
    }

    pub fn verdict(&self) -> &'static str {
        match self.wall_ratio() {
            Some(ratio) if ratio <= BUDGET => "PASS",
            Some(_) => "MISS",
            None => "-",
        }
    }

    /// One line for the terminal.
    fn summary(&self) -> String {
        let mut text = format!("{:<26}", self.operation.line());
        for (name, _) in &self.series {
            let cell = match (self.wall_us(name), self.cpu_us(name)) {
                (Some(wall), Some(cpu)) => format!("{wall:>9.2} us (cpu {cpu:.2})"),
                _ => "-".to_owned(),
            };
            text.push_str(&format!("  {name} {cell}"));
        }
        if let (Some(wall), Some(cpu)) = (self.wall_ratio(), self.cpu_ratio()) {
            text.push_str(&format!("  zedis/redis {wall:.3}, cpu {cpu:.3} (budget {BUDGET:.2}) {}", self.verdict()));
        }
        text
    }
}
