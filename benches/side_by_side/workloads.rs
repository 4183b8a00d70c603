//! What is measured: a table of tests, the pipeline depths each is run at, and the budgets.
//!
//! To add a test, add a record to [`TESTS`]; to give one of its lines a budget of its own, add that to [`BUDGETS`].

use crate::preparation::{Preparation, encode_words};
use crate::rig::load::Load;

/// One redis-benchmark test.
pub struct Test {
    /// Its `-t` name.
    pub name: &'static str,
    /// The request that redis-benchmark sends.
    pub request: &'static [&'static str],
    /// A reply of the usual length, which is what the floor server answers.
    pub reply: Reply,
    pub before: Before,
    /// How many times the work of a GET a request is: divides the number of requests.
    pub weight: u64,
}

pub enum Reply {
    Is(&'static str),
    /// An array of so many times the same element.
    Array(usize, &'static str),
}

/// What a test needs: with and without `-r`.
pub enum Before {
    /// The string key or keys.
    Keys,
    /// A list to read from.
    List,
    /// Without `-r` the one element stays what it is; with it every run starts from nothing, as redis-benchmark does on a new server.
    Elements,
    /// Every run starts from nothing and grows a list.
    Nothing,
    /// A collection that has an element for every request of a run; with `-r` so many elements from the start.
    ToPop(fn(u64) -> Preparation),
}

/// Keys and elements as redis-benchmark writes them, before `-r` puts digits in.
const KEY: &str = "key:__rand_int__";
const ELEMENT: &str = "element:__rand_int__";
/// Elements of the list of the LRANGE tests: what redis-benchmark pushes for them by default.
const LIST_LEN: u64 = 100_000;
/// So many times the rounds of a workload that is pipelined.
pub const ROUNDS_UNPIPELINED: usize = 3;
/// The same where a few per cent over the floor are the budget.
pub const ROUNDS_NEAR_FLOOR: usize = 7;
/// The last requests may be a pipeline longer than asked for.
const POP_MARGIN: u64 = 64;

pub static TESTS: &[Test] = &[
    Test { name: "get", request: &["GET", KEY], reply: Reply::Is("$3\r\nVXK\r\n"), before: Before::Keys, weight: 1 },
    Test { name: "set", request: &["SET", KEY, "VXK"], reply: Reply::Is("+OK\r\n"), before: Before::Keys, weight: 1 },
    Test { name: "ping_inline", request: &["PING"], reply: Reply::Is("+PONG\r\n"), before: Before::Keys, weight: 1 },
    Test { name: "ping_mbulk", request: &["PING"], reply: Reply::Is("+PONG\r\n"), before: Before::Keys, weight: 1 },
    Test {
        name: "incr",
        request: &["INCR", "counter:__rand_int__"],
        reply: Reply::Is(":500000\r\n"),
        before: Before::Keys,
        weight: 1,
    },
    Test {
        name: "mset",
        request: &[
            "MSET", KEY, "VXK", KEY, "VXK", KEY, "VXK", KEY, "VXK", KEY, "VXK", KEY, "VXK", KEY, "VXK", KEY, "VXK",
            KEY, "VXK", KEY, "VXK",
        ],
        reply: Reply::Is("+OK\r\n"),
        before: Before::Keys,
        weight: 4,
    },
    Test {
        name: "lpush",
        request: &["LPUSH", "mylist", "VXK"],
        reply: Reply::Is(":500000\r\n"),
        before: Before::Nothing,
        weight: 1,
    },
    Test {
        name: "rpush",
        request: &["RPUSH", "mylist", "VXK"],
        reply: Reply::Is(":500000\r\n"),
        before: Before::Nothing,
        weight: 1,
    },
    Test {
        name: "lpop",
        request: &["LPOP", "mylist"],
        reply: Reply::Is("$3\r\nVXK\r\n"),
        before: Before::ToPop(Preparation::ListToPop),
        weight: 1,
    },
    Test {
        name: "rpop",
        request: &["RPOP", "mylist"],
        reply: Reply::Is("$3\r\nVXK\r\n"),
        before: Before::ToPop(Preparation::ListToPop),
        weight: 1,
    },
    Test {
        name: "sadd",
        request: &["SADD", "myset", ELEMENT],
        reply: Reply::Is(":0\r\n"),
        before: Before::Elements,
        weight: 2,
    },
    Test {
        name: "hset",
        request: &["HSET", "myhash", ELEMENT, "VXK"],
        reply: Reply::Is(":0\r\n"),
        before: Before::Elements,
        weight: 2,
    },
    Test {
        name: "spop",
        request: &["SPOP", "myset"],
        reply: Reply::Is("$20\r\nelement:000000500000\r\n"),
        before: Before::ToPop(Preparation::SetToPop),
        weight: 2,
    },
    Test {
        name: "zadd",
        request: &["ZADD", "myzset", "0", ELEMENT],
        reply: Reply::Is(":0\r\n"),
        before: Before::Elements,
        weight: 2,
    },
    Test {
        name: "zpopmin",
        request: &["ZPOPMIN", "myzset"],
        reply: Reply::Is("*2\r\n$20\r\nelement:000000500000\r\n$6\r\n500000\r\n"),
        before: Before::ToPop(Preparation::SortedSetToPop),
        weight: 4,
    },
    Test {
        name: "lrange_100",
        request: &["LRANGE", "mylist", "0", "99"],
        reply: Reply::Array(100, "$3\r\nVXK\r\n"),
        before: Before::List,
        weight: 8,
    },
    Test {
        name: "lrange_300",
        request: &["LRANGE", "mylist", "0", "299"],
        reply: Reply::Array(300, "$3\r\nVXK\r\n"),
        before: Before::List,
        weight: 16,
    },
    Test {
        name: "lrange_500",
        request: &["LRANGE", "mylist", "0", "499"],
        reply: Reply::Array(500, "$3\r\nVXK\r\n"),
        before: Before::List,
        weight: 24,
    },
    Test {
        name: "lrange_600",
        request: &["LRANGE", "mylist", "0", "599"],
        reply: Reply::Array(600, "$3\r\nVXK\r\n"),
        before: Before::List,
        weight: 32,
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

/// Tests that `-r` changes, measured with it too: adding to a collection that grows, taking from a large one.
const RANDOM: [&str; 5] = ["sadd", "hset", "zadd", "spop", "zpopmin"];
const RANDOM_PIPELINE: u32 = 16;

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
    let random = TESTS.iter().filter(|test| RANDOM.contains(&test.name)).map(|test| Workload {
        test,
        pipeline: RANDOM_PIPELINE,
        keys: Some(MILLION),
        budget: PIPELINED,
    });
    let mut lines: Vec<Workload> = own.collect();
    for line in rest.chain(random) {
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

    /// Requests of a run: long enough that 50 connections more or less and the clock tick do not matter.
    fn requests(&self, quick: bool) -> u64 {
        let (requests, weight) = match self.pipeline {
            // Most of a request is the kernel's work, which a heavier command does not change.
            1 => (100_000, self.test.weight.min(4)),
            16 => (1_600_000, self.test.weight),
            _ => (3_200_000, self.test.weight),
        };
        requests / weight / if quick { 5 } else { 1 }
    }

    /// Alternating rounds, of `usual` with pipelining. Without it nearly all is the kernel's work, whose cost drifts while the servers
    /// differ by little: more and shorter rounds, so that those which are compared lie close together.
    pub fn rounds(&self, usual: usize) -> usize {
        match (self.pipeline, self.budget.of_floor) {
            (1, Some(_)) => usual * ROUNDS_NEAR_FLOOR,
            (1, None) => usual * ROUNDS_UNPIPELINED,
            _ => usual,
        }
    }

    pub fn load(&self, quick: bool) -> Load<'static> {
        // `-t lrange_100` would push as many elements as it reads ranges, and count as one run.
        let request = matches!(self.test.before, Before::List).then_some(self.test.request);
        Load { test: self.test.name, request, pipeline: self.pipeline, keys: self.keys, requests: self.requests(quick) }
    }

    /// What the keyspace holds before.
    pub fn preparation(&self, quick: bool) -> Preparation {
        match (&self.test.before, self.keys) {
            (Before::Keys, Some(keys)) => Preparation::Keys(keys),
            (Before::Keys, None) | (Before::Elements, None) => Preparation::OneKey,
            (Before::Elements, Some(_)) | (Before::Nothing, _) => Preparation::Empty,
            (Before::List, _) => Preparation::List(LIST_LEN),
            (Before::ToPop(preparation), keys) => preparation(keys.unwrap_or(0).max(self.requests(quick) + POP_MARGIN)),
        }
    }

    /// What the floor server answers.
    pub fn reply(&self) -> String {
        match self.test.reply {
            Reply::Is(text) => text.to_owned(),
            Reply::Array(len, element) => format!("*{len}\r\n{}", element.repeat(len)),
        }
    }

    /// Bytes of one request on the wire.
    pub fn request_len(&self) -> usize {
        if self.test.name == "ping_inline" {
            return "PING\r\n".len();
        }
        let mut frame = Vec::new();
        encode_words(&mut frame, self.test.request);
        frame.len()
    }
}
