//! CLIENT PAUSE: putting commands off, and taking them up again.
//!
//! A request that has to wait stays where it is, in its client's input; the client gets a gate bit of its own ([`gate::HELD`]), so
//! nothing more is read or parsed of it, and is remembered here. When the pause ends these clients are parsed anew, in the order in
//! which they were stopped. A request whose frame outgrew the ring has been taken out of the input already: its frame and
//! the references to its arguments are kept in the client.
//!
//! Invariant: a client with [`gate::HELD`] is in [`Pause::stopped`], or is closing.

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
    /// Slab key and id of the clients that wait: a key may be another client's by then.
    stopped: Vec<(usize, u64)>,
}

impl Pause {
    /// Whether a command with these flags has to wait.
    pub(super) fn covers(&self, flags: Flags) -> bool {
        self.until_ms.is_some() && (!self.writes_only || flags.intersects(Flags::WRITE.union(Flags::MAY_REPLICATE)))
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
    }

    /// Ends the pause. Clients that were stopped go on in the next turn.
    pub fn unpause(&mut self) {
        self.pause.until_ms = None;
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

    /// Clients whose commands wait.
    pub fn postponed_clients(&self) -> usize {
        self.pause.stopped.iter().filter(|&&(key, id)| self.is_client(key, id)).count()
    }

    fn is_client(&self, key: usize, id: u64) -> bool {
        self.clients.get(key).is_some_and(|client| client.session.id == id && !client.closing)
    }

    /// The client's request has to wait, and so has all that it sent after it.
    pub(super) fn postpone(&mut self, key: usize, request: Request) {
        let client = &mut self.clients[key];
        client.session.gates |= gate::HELD;
        if request.spilled {
            let args = &self.batch.args[request.args_at as usize..][..request.argc as usize];
            client.partial.clear();
            client.partial.extend_from_slice(args);
            client.session.holds_spilled = true;
        }
        self.pause.stopped.push((key, client.session.id));
    }

    /// At the beginning of a run: ends a pause whose time has come, and puts what was stopped by one that is over into the
    /// batch.
    #[inline]
    pub(super) fn end_pauses(&mut self) {
        if self.pause.until_ms.is_some() || !self.pause.stopped.is_empty() {
            self.end_pauses_slowly();
        }
    }

    #[cold]
    fn end_pauses_slowly(&mut self) {
        let now_ms = self.keyspace.now_ms() as u64;
        if self.pause.until_ms.is_some_and(|until_ms| until_ms <= now_ms) {
            self.unpause();
        }
        if self.pause.until_ms.is_some() {
            return;
        }
        for (key, id) in std::mem::take(&mut self.pause.stopped) {
            if !self.is_client(key, id) {
                continue;
            }
            if self.batch.requests.len() >= BATCH_MAX {
                // Its turn comes in the next one.
                self.pause.stopped.push((key, id));
                self.mark_ready(key);
                continue;
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
        }
    }
}
