//! Telling those who want to know of changes: subscribers of keyspace events, client-side caches, and clients that wait for keys.
//!
//! It runs right after the command that caused something, or after the transaction that the command was part of, and before the
//! next command of anybody. The usual command causes nothing that is to be told, and then none of this is reached.

use crate::keyspace::{EventClass, Notification, Pending};
use crate::server::engine::Engine;
use crate::server::pubsub::Topics;
use crate::server::timing::RunTimer;

impl Engine {
    /// Tells everything that is to be told. `by`: the client whose command has just been executed.
    ///
    /// Those who waited may change keys in turn, of which others are told then.
    #[inline]
    pub(super) fn tell_observers(&mut self, by: Option<usize>) {
        if !self.keyspace.observers.pending().is_empty() {
            self.tell_everything(by);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_everything(&mut self, by: Option<usize>) {
        while !self.keyspace.observers.pending().is_empty() {
            if self.replay_client.is_some() {
                // Nobody is told of, or served with, what happened long ago.
                return self.keyspace.observers.forget();
            }
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
    pub(super) fn tell_of_changes(&mut self, by: Option<usize>) {
        self.is_stirred = true;
        let pending = self.keyspace.observers.pending();
        if pending.contains(Pending::PUSHES) {
            self.keyspace.observers.pushes_released();
            self.release_deferred();
        }
        if pending.contains(Pending::NOTIFICATIONS) {
            self.tell_notifications(None);
        }
        if pending.contains(Pending::INVALIDATIONS) {
            self.tell_invalidations(by);
        }
        self.tell_own_invalidations();
    }

    /// Publishes the events that have happened so far. `calling`: the client whose command is being executed still.
    pub fn tell_notifications(&mut self, calling: Option<usize>) {
        if !self.keyspace.observers.pending().contains(Pending::NOTIFICATIONS) {
            return;
        }
        let notifications = self.keyspace.observers.take_notifications();
        if self.pubsub.is_empty() {
            return;
        }
        let ways = EventClass::from_bits_truncate(self.config.notify_keyspace_events);
        for Notification { event, db, key } in notifications {
            if ways.contains(EventClass::KEYSPACE) {
                let channel = [format!("__keyspace@{db}__:").as_bytes(), &key].concat();
                self.publish(Topics::Channels, &channel, event.name.as_bytes(), calling);
            }
            if ways.contains(EventClass::KEYEVENT) {
                let channel = format!("__keyevent@{db}__:{}", event.name);
                self.publish(Topics::Channels, channel.as_bytes(), &key, calling);
            }
        }
    }
}
