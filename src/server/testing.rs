//! An engine without sockets for tests: clients send requests and get bytes back, on a clock that only moves when told to.

use std::time::Duration;

use crate::base::clock::Clock;
use crate::config::Config;
use crate::reactor::Stream;
use crate::server::engine::Engine;

/// An engine and a first client.
pub struct EngineHarness {
    pub engine: Engine,
    /// The client that [`EngineHarness::send`] speaks for.
    pub first: usize,
}

/// When tests begin: 2023-11-14 22:13:20 UTC.
const START_US: u64 = 1_700_000_000_000_000;

impl Default for EngineHarness {
    fn default() -> Self {
        EngineHarness::with_config(&[])
    }
}

impl EngineHarness {
    /// With the default configuration.
    pub fn new() -> EngineHarness {
        EngineHarness::default()
    }

    /// With these directives set.
    pub fn with_config(directives: &[(&str, &str)]) -> EngineHarness {
        let mut config = Config::default();
        for (name, value) in directives {
            config.override_value(name, value.as_bytes()).expect("a directive and a value for it");
        }
        let mut engine = Engine::with_config(config, Clock::virtual_at(START_US), 1);
        let first = engine.connect(Stream::Detached);
        EngineHarness { engine, first }
    }

    pub fn connect(&mut self) -> usize {
        self.engine.connect(Stream::Detached)
    }

    /// One request of the first client, and what it is answered.
    pub fn send(&mut self, args: &[&[u8]]) -> Vec<u8> {
        self.send_as(self.first, args)
    }

    pub fn send_as(&mut self, client: usize, args: &[&[u8]]) -> Vec<u8> {
        self.feed(client, &encode(args))
    }

    /// Words of a line as one request of the first client; the answer as text.
    pub fn line(&mut self, line: &str) -> String {
        self.line_as(self.first, line)
    }

    pub fn line_as(&mut self, client: usize, line: &str) -> String {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        String::from_utf8(self.send_as(client, &args)).expect("an answer in text")
    }

    /// Bytes as they come from the network; a turn; what is sent back.
    pub fn feed(&mut self, client: usize, bytes: &[u8]) -> Vec<u8> {
        self.engine.begin_turn();
        self.engine.feed(client, bytes);
        self.engine.run();
        self.take(client)
    }

    /// A turn in which nothing arrives.
    pub fn turn(&mut self) {
        self.engine.begin_turn();
        self.engine.run();
    }

    /// What the client has been sent since the last look; it is taken away if it was closed.
    pub fn take(&mut self, client: usize) -> Vec<u8> {
        let sent = self.engine.take_output(client);
        if self.engine.clients[client].session.close_after_reply {
            self.engine.close(client);
        }
        self.engine.remove_closed();
        sent
    }

    pub fn is_connected(&self, client: usize) -> bool {
        self.engine.clients.contains(client)
    }

    pub fn advance_ms(&mut self, ms: u64) {
        self.engine.clock.advance(Duration::from_millis(ms));
        self.turn();
    }
}

/// A request as clients write it.
pub fn encode(args: &[&[u8]]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        request.extend_from_slice(arg);
        request.extend_from_slice(b"\r\n");
    }
    request
}
