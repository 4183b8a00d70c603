//! What is measured: a table of tests, the pipeline depths each is run at, and the budgets.
//!
//! To add a test, add a record to [`TESTS`]; to give one of its lines a budget of its own, add that to [`BUDGETS`].

use crate::rig::client::{Preparation, encode};
use crate::rig::load::Load;

/// One redis-benchmark test.
pub struct Test {
    /// Its `-t` name.
    pub name: &'static str,
    /// The request that redis-benchmark sends.
    pub request: &'static [&'static str],
    /// A reply of the usual length, which is what the floor server answers.
    pub reply: &'static str,
    pub before: Preparation,
    /// How many times the work of a GET a request is: divides the number of requests.
    pub weight: u64,
}

/// Keys as redis-benchmark writes them, before `-r` puts digits in.
const KEY: &str = "key:__rand_int__";

pub static TESTS: &[Test] = &[
    Test { name: "get", request: &["GET", KEY], reply: "$3\r\nVXK\r\n", before: Preparation::OneKey, weight: 1 },
    Test { name: "set", request: &["SET", KEY, "VXK"], reply: "+OK\r\n", before: Preparation::OneKey, weight: 1 },
    Test { name: "ping_inline", request: &["PING"], reply: "+PONG\r\n", before: Preparation::OneKey, weight: 1 },
    Test { name: "ping_mbulk", request: &["PING"], reply: "+PONG\r\n", before: Preparation::OneKey, weight: 1 },
    Test {
        name: "incr",
        request: &["INCR", "counter:__rand_int__"],
        reply: ":500000\r\n",
        before: Preparation::OneKey,
        weight: 1,
    },
    Test {
        name: "mset",
        request: &[
            "MSET", KEY, "VXK", KEY, "VXK", KEY, "VXK", KEY, "VXK", KEY, "VXK", KEY, "VXK", KEY, "VXK", KEY, "VXK",
            KEY, "VXK", KEY, "VXK",
        ],
        reply: "+OK\r\n",
        before: Preparation::OneKey,
        weight: 4,
    },
];

/// Depths at which every test is measured.
const PIPELINES: [u32; 3] = [1, 16, 64];
const MILLION: u64 = 1_000_000;

/// The most that a line may cost.
#[derive(Clone, Copy)]
pub struct Budget {
    /// CPU per request relative to redis-server.
    pub of_redis: f64,
    /// And relative to the floor server, if the kernel's share is nearly all there is.
    pub of_floor: Option<f64>,
}

/// Without a pipeline the kernel's part alone is above 0.75 of redis-server, so every test gets the budget of GET and SET there.
const UNPIPELINED: Budget = Budget { of_redis: 0.86, of_floor: None };
const PIPELINED: Budget = Budget { of_redis: 0.75, of_floor: None };
const NEAR_FLOOR: Budget = Budget { of_redis: 0.86, of_floor: Some(1.05) };

/// Lines with a budget of their own: test, pipeline, random keys.
const BUDGETS: &[(&str, u32, Option<u64>, Budget)] = &[
    ("get", 1, None, NEAR_FLOOR),
    ("set", 1, None, NEAR_FLOOR),
    ("get", 16, None, Budget { of_redis: 0.62, of_floor: None }),
    ("set", 16, Some(MILLION), Budget { of_redis: 0.45, of_floor: None }),
    ("get", 16, Some(MILLION), Budget { of_redis: 0.48, of_floor: None }),
    ("get", 64, None, Budget { of_redis: 0.42, of_floor: None }),
];

/// A line of the report.
pub struct Workload {
    pub test: &'static Test,
    pub pipeline: u32,
    pub keys: Option<u64>,
    pub budget: Budget,
}

/// Every line: those with a budget of their own first, as in the budget table.
pub fn all() -> Vec<Workload> {
    let own = BUDGETS.iter().filter_map(|&(name, pipeline, keys, budget)| {
        let test = TESTS.iter().find(|test| test.name == name)?;
        Some(Workload { test, pipeline, keys, budget })
    });
    let rest = TESTS.iter().flat_map(|test| {
        PIPELINES.into_iter().map(move |pipeline| {
            let budget = if pipeline == 1 { UNPIPELINED } else { PIPELINED };
            Workload { test, pipeline, keys: None, budget }
        })
    });
    let mut lines: Vec<Workload> = own.collect();
    for line in rest {
        if !lines.iter().any(|known| known.name() == line.name()) {
            lines.push(line);
        }
    }
    lines
}

impl Workload {
    /// `get P16 r1M`.
    pub fn name(&self) -> String {
        let keys = match self.keys {
            None => String::new(),
            Some(MILLION) => " r1M".to_owned(),
            Some(keys) => format!(" r{keys}"),
        };
        format!("{} P{}{keys}", self.test.name, self.pipeline)
    }

    /// The load; long enough that 50 connections more or less and the clock tick do not matter.
    pub fn load(&self, quick: bool) -> Load<'static> {
        let requests = match self.pipeline {
            1 => 200_000,
            16 => 1_600_000,
            _ => 3_200_000,
        };
        let requests = requests / self.test.weight / if quick { 5 } else { 1 };
        Load { test: self.test.name, pipeline: self.pipeline, keys: self.keys, requests }
    }

    /// What the keyspace holds before.
    pub fn preparation(&self) -> Preparation {
        self.keys.map_or(self.test.before, Preparation::Keys)
    }

    /// Bytes of one request on the wire.
    pub fn request_len(&self) -> usize {
        if self.test.name == "ping_inline" {
            return "PING\r\n".len();
        }
        let mut frame = Vec::new();
        let arguments: Vec<&[u8]> = self.test.request.iter().map(|argument| argument.as_bytes()).collect();
        encode(&mut frame, &arguments);
        frame.len()
    }
}
