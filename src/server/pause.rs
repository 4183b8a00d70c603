//! CLIENT PAUSE: putting commands off, and taking them up again. So are those for which memory has to be made first, until the next turn,
//! and those that write while the disk does not keep up with the append-only file.
//!
//! A request that has to wait stays where it is, in its client's input; the client gets a gate bit of its own ([`gate::HELD`]), so
//! nothing more is read or parsed of it, and is remembered here. When the pause ends these clients are parsed anew, in the order in
//! which they were stopped. A request whose frame outgrew the ring has been taken out of the input already: its frame and
//! the references to its arguments are kept in the client.
//!
//! Invariant: a client with [`gate::HELD`] is in [`Pause::stopped`], or waits with a PUBLISH (`pubsub.rs`), or is closing.

use crate::base::log;
use crate::commands::Flags;
use crate::server::engine::{BATCH_MAX, Engine, Request};
use crate::server::session::gate;

/// The pause that is on, and who waits for its end.
#[derive(Default)]
pub struct Pause {
    /// When it ends, Unix milliseconds; None: no pause.
    until_ms: Option<u64>,
    /// Only commands that write have to wait.
    writes_only: bool,
    /// Since when commands that write wait for the disk, on the monotonic clock; None: it keeps up.
    awaits_disk_ns: Option<u64>,
    /// Slab key and id of the clients that wait: a key may be another client's by then.
    stopped: Vec<(usize, u64)>,
}

impl Pause {
    pub(super) fn is_on(&self) -> bool {
        self.until_ms.is_some() || self.awaits_disk_ns.is_some()
    }

    /// Whether it is on, or somebody still waits as if it were.
    pub(super) fn is_in_use(&self) -> bool {
        self.is_on() || !self.stopped.is_empty()
    }

    /// Whether a command with these flags has to wait.
    pub(super) fn covers(&self, flags: Flags) -> bool {
        let by_order = self.until_ms.is_some()
            && (!self.writes_only || flags.intersects(Flags::WRITE.union(Flags::MAY_REPLICATE)));
        by_order || self.awaits_disk_ns.is_some() && flags.contains(Flags::WRITE)
    }
}

impl Engine {
    /// Pauses for `timeout_ms` from now on. A pause that is on is only ever made longer and stricter.
    pub fn pause(&mut self, timeout_ms: u64, writes_only: bool) {
        let until_ms = (self.keyspace.now_ms() as u64).saturating_add(timeout_ms);
        let pause = &mut self.pause;
        pause.writes_only = writes_only && (pause.until_ms.is_none() || pause.writes_only);
        pause.until_ms = Some(pause.until_ms.map_or(until_ms, |before_ms| before_ms.max(until_ms)));
        self.gates |= gate::PAUSED;
        // Removing a key is a write, too.
        self.keyspace.expiry_is_paused = true;
    }

    /// Ends the pause. Clients that were stopped go on in the next turn.
    pub fn unpause(&mut self) {
        self.pause.until_ms = None;
        self.keyspace.expiry_is_paused = false;
        self.go_on();
    }

    /// So much waits for the append-only file's disk that commands that write have to wait as well.
    #[cold]
    pub(super) fn wait_for_disk(&mut self) {
        if self.pause.awaits_disk_ns.is_none() {
            log::warning(
                "The disk does not keep up with the append-only file: commands that write wait until it does.",
            );
            self.pause.awaits_disk_ns = Some(self.clock.monotonic_ns());
            self.gates |= gate::PAUSED;
            self.is_stirred = true;
        }
    }

    /// Ends that if the disk has caught up.
    fn end_wait_for_disk(&mut self) {
        if let Some(since_ns) = self.pause.awaits_disk_ns
            && self.aof.has_room()
        {
            self.pause.awaits_disk_ns = None;
            // Redis's name for a disk that is still syncing when something has to be written.
            self.note_latency("aof-write-pending-fsync", self.clock.monotonic_ns() - since_ns);
            self.go_on();
        }
    }

    /// A reason to wait is gone.
    fn go_on(&mut self) {
        if self.pause.is_on() {
            return;
        }
        self.gates &= !gate::PAUSED;
        for index in 0..self.pause.stopped.len() {
            let (key, id) = self.pause.stopped[index];
            if self.is_client(key, id) {
                // So that the loop does not sleep first.
                self.mark_ready(key);
            }
        }
    }

    /// When the pause ends.
    pub fn pause_end_ms(&self) -> Option<u64> {
        self.pause.until_ms
    }

    /// Whether a command waits for memory, not for the end of a pause: it is to be tried again at once.
    pub(super) fn has_stopped_for_memory(&self) -> bool {
        !self.pause.is_on() && !self.pause.stopped.is_empty()
    }

    /// Clients whose commands wait.
    pub fn postponed_clients(&self) -> usize {
        self.pause.stopped.iter().filter(|&&(key, id)| self.is_client(key, id)).count()
    }

    pub(super) fn is_client(&self, key: usize, id: u64) -> bool {
        self.clients.get(key).is_some_and(|client| client.session.id == id && !client.closing)
    }

    /// The client's request has to wait for the end of the pause, and so has all that it sent after it.
    pub(super) fn postpone(&mut self, key: usize, request: Request) {
        self.hold(key, request);
        self.pause.stopped.push((key, self.clients[key].session.id));
    }

    /// Leaves the client's request, and all that it sent after it, where they are until [`Engine::take_up`].
    pub(super) fn hold(&mut self, key: usize, request: Request) {
        self.is_stirred = true;
        let client = &mut self.clients[key];
        client.session.gates |= gate::HELD;
        if request.spilled {
            let args = &self.batch.args[request.args_at as usize..][..request.argc as usize];
            client.partial.clear();
            client.partial.extend_from_slice(args);
            client.session.holds_spilled = true;
        }
    }

    /// Puts what the client was held with into the batch, if it is still there. False: the batch is full, so not now.
    pub(super) fn take_up(&mut self, key: usize, id: u64) -> bool {
        if !self.is_client(key, id) {
            return true;
        }
        // Twice as many as others may fill the batch with, so that those cannot keep it from its turn.
        if self.batch.requests.len() >= 2 * BATCH_MAX {
            // Its turn comes in the next one.
            self.mark_ready(key);
            return false;
        }
        let client = &mut self.clients[key];
        client.session.gates &= !gate::HELD;
        if client.session.holds_spilled {
            client.session.holds_spilled = false;
            let args_at = self.batch.args.len();
            self.batch.args.append(&mut client.partial);
            self.push_resumed(key, args_at, 0, true);
        } else {
            self.gather(key);
        }
        // The rest of its input, and what waits in its socket.
        self.resume(key);
        true
    }

    /// At the beginning of a run: ends a pause whose time has come, and puts what was stopped by one that is over into the
    /// batch. Whether there was anything to look after.
    #[inline]
    pub(super) fn end_pauses(&mut self) -> bool {
        let is_in_use = self.pause.is_in_use();
        if is_in_use {
            self.end_pauses_slowly();
        }
        is_in_use
    }

    #[cold]
    fn end_pauses_slowly(&mut self) {
        self.end_wait_for_disk();
        let now_ms = self.keyspace.now_ms() as u64;
        if self.pause.until_ms.is_some_and(|until_ms| until_ms <= now_ms) {
            self.unpause();
        }
        if self.pause.is_on() {
            return;
        }
        for (key, id) in std::mem::take(&mut self.pause.stopped) {
            if !self.take_up(key, id) {
                self.pause.stopped.push((key, id));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::server::testing::{EngineHarness, encode};

    #[test]
    fn a_pause_of_writes_lets_reads_through() {
        let mut harness = EngineHarness::new();
        let other = harness.connect();
        assert_eq!(harness.line("client pause 1000 write"), "+OK\r\n");
        assert_eq!(harness.line_as(other, "get a"), "$-1\r\n");
        assert_eq!(harness.line_as(other, "set a 1"), "");
        assert_eq!(harness.line_as(other, "get a"), "", "what comes behind a write waits as well");
        assert_eq!(harness.engine.postponed_clients(), 1);
        assert!(harness.line("client list").contains(" flags=b "));
        harness.advance_ms(999);
        assert_eq!(harness.take(other), b"");
        harness.advance_ms(1);
        assert_eq!(harness.take(other), b"+OK\r\n$1\r\n1\r\n");
        assert_eq!(harness.engine.postponed_clients(), 0);
        assert_eq!(harness.line_as(other, "set a 2"), "+OK\r\n");
    }

    #[test]
    fn a_pause_of_everything_holds_everybody() {
        let mut harness = EngineHarness::new();
        let other = harness.connect();
        assert_eq!(harness.line("client pause 1000"), "+OK\r\n");
        assert_eq!(harness.line("ping"), "");
        assert_eq!(harness.line_as(other, "client unpause"), "");
        harness.advance_ms(1000);
        assert_eq!(harness.take(harness.first), b"+PONG\r\n");
        assert_eq!(harness.take(other), b"+OK\r\n");
    }

    #[test]
    fn nothing_expires_in_a_pause() {
        let mut harness = EngineHarness::new();
        for name in ["a", "b", "c"] {
            assert_eq!(harness.line(&format!("set {name} 1 px 10")), "+OK\r\n");
        }
        assert_eq!(harness.line("client pause 1000 write"), "+OK\r\n");
        harness.advance_ms(500);
        // Nobody finds them, but they are there.
        assert_eq!(harness.line("get a"), "$-1\r\n");
        assert_eq!(harness.line("dbsize"), ":3\r\n");
        assert_eq!(harness.engine.keyspace.stats.expired_keys, 0);
        harness.advance_ms(500);
        harness.turn();
        assert!(harness.engine.keyspace.expire_slice(100) > 0);
        assert_eq!(harness.line("dbsize"), ":0\r\n");
        assert_eq!(harness.engine.keyspace.stats.expired_keys, 3);
    }

    #[test]
    fn unpause_ends_a_pause() {
        let mut harness = EngineHarness::new();
        let other = harness.connect();
        assert_eq!(harness.line("client pause 1000000 write"), "+OK\r\n");
        assert_eq!(harness.line_as(other, "set a 1"), "");
        assert_eq!(harness.line("client unpause"), "+OK\r\n");
        harness.turn();
        assert_eq!(harness.take(other), b"+OK\r\n");
    }

    #[test]
    fn a_pause_only_becomes_longer_and_stricter() {
        let mut harness = EngineHarness::new();
        let other = harness.connect();
        let mut both = encode(&[b"client", b"pause", b"500", b"all"]);
        // In one batch: the second command is held by the first.
        both.extend(encode(&[b"client", b"pause", b"10", b"write"]));
        assert_eq!(harness.feed(other, &both), b"+OK\r\n");
        harness.advance_ms(499);
        assert_eq!(harness.take(other), b"");
        harness.advance_ms(1);
        assert_eq!(harness.take(other), b"+OK\r\n");
        assert_eq!(harness.line("client pause 500 write"), "+OK\r\n");
        assert_eq!(harness.line("client pause 1 write"), "+OK\r\n");
        harness.advance_ms(400);
        assert_eq!(harness.line("set a 1"), "");
    }

    #[test]
    fn large_requests_wait_as_well() {
        let mut harness = EngineHarness::new();
        let other = harness.connect();
        // In its own buffer, in a spilled frame, in the ring.
        for size in [100_000, 20_000, 100] {
            let value = vec![b'v'; size];
            assert_eq!(harness.line("client pause 1000 write"), "+OK\r\n");
            let mut requests = encode(&[b"set", b"big", &value]);
            requests.extend(encode(&[b"strlen", b"big"]));
            assert_eq!(harness.feed(other, &requests), b"", "{size}");
            harness.advance_ms(1000);
            let mut answer = harness.take(other);
            // What lay behind a large request is parsed in the turn after it.
            answer.extend(harness.feed(other, &encode(&[b"ping"])));
            assert_eq!(String::from_utf8(answer).unwrap(), format!("+OK\r\n:{size}\r\n+PONG\r\n"));
        }
    }

    #[test]
    fn a_client_that_is_closed_is_not_waited_for() {
        let mut harness = EngineHarness::new();
        let other = harness.connect();
        assert_eq!(harness.line("client pause 1000 write"), "+OK\r\n");
        assert_eq!(harness.line_as(other, "set a 1"), "");
        harness.engine.close(other);
        harness.engine.remove_closed();
        let third = harness.connect();
        assert_eq!(third, other, "the slab uses a key again");
        assert_eq!(harness.engine.postponed_clients(), 0);
        harness.advance_ms(1000);
        assert_eq!(harness.line_as(third, "exists a"), ":0\r\n");
    }
}
