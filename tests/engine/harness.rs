//! One client of an engine: requests in, replies out, time as told.

use std::time::Duration;

use zedis::base::clock::Clock;
use zedis::config::Config;
use zedis::reactor::Stream;
use zedis::server::Engine;

/// When every test begins, Unix milliseconds.
pub const START_MS: i64 = 1_700_000_000_000;
const SEED: u64 = 42;

pub struct Harness {
    pub engine: Engine,
    clock: Clock,
    client: usize,
}

impl Harness {
    pub fn new() -> Harness {
        let clock = Clock::virtual_at(START_MS as u64 * 1000);
        Harness::of(Engine::new(clock.clone(), SEED), clock)
    }

    /// With these directives set.
    pub fn with_config(directives: &[(&str, &str)]) -> Harness {
        let mut config = Config::default();
        for (name, value) in directives {
            config.override_value(name, value.as_bytes()).expect("a directive and a value for it");
        }
        let clock = Clock::virtual_at(START_MS as u64 * 1000);
        Harness::of(Engine::with_config(config, clock.clone(), SEED), clock)
    }

    /// With a first client for an engine.
    pub fn of(mut engine: Engine, clock: Clock) -> Harness {
        let client = engine.connect(Stream::Detached);
        Harness { engine, clock, client }
    }

    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Sends one request and returns the bytes of its reply.
    pub fn send(&mut self, args: &[&[u8]]) -> Vec<u8> {
        let mut frame = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            frame.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            frame.extend_from_slice(arg);
            frame.extend_from_slice(b"\r\n");
        }
        self.engine.begin_turn();
        self.engine.feed(self.client, &frame);
        self.engine.run();
        self.engine.take_output(self.client)
    }

    /// Sends words divided by spaces; the reply in one line: `3`, `OK`, `nil`, `"text"`, `[1 "a"]`, `-ERR ...`.
    pub fn run(&mut self, line: &str) -> String {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let reply = self.send(&args);
        let (text, rest) = show(&reply);
        assert!(rest.is_empty(), "{line}: more than one reply: {:?}", String::from_utf8_lossy(&reply));
        text
    }

    /// Runs each line and compares its reply.
    #[track_caller]
    pub fn check(&mut self, lines: &[(&str, &str)]) {
        for (line, reply) in lines {
            assert_eq!(self.run(line), *reply, "{line}");
        }
    }

    pub fn advance_ms(&mut self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    pub fn dirty(&self) -> u64 {
        self.engine.keyspace.dirty
    }

    pub fn hits_and_misses(&self) -> (u64, u64) {
        let stats = &self.engine.keyspace.stats;
        (stats.hits.get(), stats.misses.get())
    }
}

/// One reply as text, and the bytes behind it.
fn show(reply: &[u8]) -> (String, &[u8]) {
    let end = reply.windows(2).position(|pair| pair == b"\r\n").expect("a reply has a line end");
    let line = String::from_utf8_lossy(&reply[1..end]).into_owned();
    let rest = &reply[end + 2..];
    match reply[0] {
        b'+' | b':' => (line, rest),
        b'-' => (format!("-{line}"), rest),
        b'$' if line == "-1" => ("nil".to_owned(), rest),
        b'$' => {
            let len: usize = line.parse().expect("a length");
            (format!("\"{}\"", String::from_utf8_lossy(&rest[..len])), &rest[len + 2..])
        }
        b'*' => {
            let mut rest = rest;
            let mut parts = Vec::new();
            for _ in 0..line.parse().expect("a count") {
                let (part, behind) = show(rest);
                parts.push(part);
                rest = behind;
            }
            (format!("[{}]", parts.join(" ")), rest)
        }
        other => panic!("a reply of an unknown type: {:?}", other as char),
    }
}
