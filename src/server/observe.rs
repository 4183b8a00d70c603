//! Telling those who want to know of changes: subscribers of keyspace events, client-side caches, and clients that wait for keys.
//!
//! It runs right after the command that caused something, or after the transaction that the command was part of, and before the
//! next command of anybody. The usual command causes nothing that is to be told, and then none of this is reached.

use crate::keyspace::Pending;
use crate::server::engine::Engine;
use crate::server::timing::RunTimer;

impl Engine {
    /// Tells everything that is to be told. `by`: the client whose command has just been executed.
    ///
    /// Those who waited may change keys in turn, of which others are told then.
    #[inline]
    pub(super) fn tell_observers(&mut self, by: Option<usize>) {
        while !self.keyspace.observers.pending().is_empty() {
            self.tell_of_changes(by);
            if self.keyspace.observers.pending().contains(Pending::READY) {
                self.serve_ready_keys();
            }
        }
    }

    /// The same between two commands that are timed.
    #[cold]
    #[inline(never)]
    pub(super) fn tell_observers_between(&mut self, key: usize, timer: &mut RunTimer) {
        timer.close(&self.clock, &mut self.registry, &mut self.stats);
        self.tell_observers(Some(key));
        timer.restart(&self.clock);
    }

    /// Tells those who only listen.
    pub(super) fn tell_of_changes(&mut self, _by: Option<usize>) {
        let pending = self.keyspace.observers.pending();
        if pending.contains(Pending::NOTIFICATIONS) {
            // Nobody can subscribe to them yet.
            self.keyspace.observers.take_notifications();
        }
        if pending.contains(Pending::INVALIDATIONS) {
            self.keyspace.observers.take_invalidations();
        }
    }
}
