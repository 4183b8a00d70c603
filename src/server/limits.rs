//! What a client may cost: `client-output-buffer-limit`, `client-query-buffer-limit`, `timeout`. A client beyond a limit is closed, and
//! the log says why. And the look at all clients that goes on all the time, [`CHECKED_MAX`] of them a turn.

use crate::base::log;
use crate::config::{BufferClass, BufferLimit};
use crate::resp::request;
use crate::server::client_list::ClientType;
use crate::server::engine::Engine;

impl Engine {
    /// Closes the client if what waits to be sent to it is beyond its limits.
    #[cold]
    pub(super) fn check_output_limit(&mut self, key: usize) {
        let client = &mut self.clients[key];
        if client.closing || client.session.replays {
            return;
        }
        let class = match ClientType::of(client) {
            ClientType::PubSub => BufferClass::PubSub,
            ClientType::Replica => BufferClass::Replica,
            ClientType::Normal | ClientType::Master => BufferClass::Normal,
        };
        let limits = &self.config.client_output_buffer_limits;
        let mut limit = limits[class as usize];
        if client.session.monitors && limit == BufferLimit::default() {
            limit = limits[BufferClass::Replica as usize];
        }
        let queued = client.output.queued_bytes() as u64;
        let over_hard = limit.hard_bytes > 0 && queued > limit.hard_bytes;
        let over_soft = limit.soft_bytes > 0 && queued > limit.soft_bytes;
        let now_ms = self.keyspace.now_ms() as u64;
        if !over_soft {
            client.over_soft_since_ms = None;
        }
        let soft_too_long = over_soft && {
            let since_ms = *client.over_soft_since_ms.get_or_insert(now_ms);
            now_ms.saturating_sub(since_ms) > limit.soft_s.saturating_mul(1000)
        };
        if over_hard || soft_too_long {
            self.stats.output_limit_disconnections += 1;
            let id = client.session.id;
            log::warning(format_args!(
                "Client id={id} addr={} with {queued} bytes of replies waiting closed for overcoming of output buffer limits.",
                client.session.identity.addr
            ));
            self.close(key);
            // It is not sent what it may not have, though the socket might take it.
            self.clients[key].output.close(&mut self.pool);
        }
    }

    /// Closes the client if it has sent more of unfinished requests than it may.
    #[cold]
    pub(super) fn check_query_limit(&mut self, key: usize) {
        let client = &self.clients[key];
        let pending = client.input.pending_bytes() as u64;
        // What is loaded was within the limit when it was executed first.
        let limit = if client.session.replays { u64::MAX } else { self.config.client_query_buffer_limit };
        let is_beyond = pending > limit || client.input.frame_bytes() as u64 > request::FRAME_MAX;
        if is_beyond && !client.closing {
            self.stats.query_limit_disconnections += 1;
            log::warning(format_args!(
                "Closing client id={} addr={} that reached max query buffer length: {pending} bytes.",
                client.session.id, client.session.identity.addr
            ));
            self.close(key);
        }
    }

    /// Ten times a second: a part of the clients is to be looked after, a few in this turn and each of the next.
    pub(super) fn begin_share_of_clients(&mut self) {
        let slots = self.clients.capacity();
        self.unchecked_clients = (slots / 10 + 1).clamp(SHARE_MIN, SHARE_MAX).min(slots);
        self.check_clients();
    }

    /// Looks after some clients: their sizes are summed up, and those that are idle for too long or over a soft limit are closed.
    pub(super) fn check_clients(&mut self) {
        let slots = self.clients.capacity();
        for _ in 0..self.unchecked_clients.min(CHECKED_MAX) {
            self.unchecked_clients -= 1;
            if self.clients.contains(self.next_checked) {
                self.check_client(self.next_checked);
            }
            self.next_checked += 1;
            if self.next_checked >= slots {
                self.next_checked = 0;
                self.metrics.end_round();
            }
        }
    }

    fn check_client(&mut self, key: usize) {
        self.sample_client(key);
        if self.clients[key].output.overflow().0 > 0 {
            self.check_output_limit(key);
        }
        let client = &self.clients[key];
        let timeout_ms = u64::from(self.config.timeout_s) * 1000;
        let idle_ms = (self.keyspace.now_ms() as u64).saturating_sub(client.session.last_interaction_ms);
        let is_exempt = client.closing || client.session.replays || client.session.monitors;
        let may_idle = is_exempt || client.is_blocked() || client.subscriber.is_some();
        if timeout_ms > 0 && idle_ms > timeout_ms && !may_idle {
            log::verbose(format_args!(
                "Closing idle client id={} addr={}",
                client.session.id, client.session.identity.addr
            ));
            self.close(key);
        }
    }
}

/// Clients looked after in a tenth of a second; with more than ten times the most, each is looked after less often than once a second.
const SHARE_MIN: usize = 200;
const SHARE_MAX: usize = 2000;
/// Those of a turn: looking at one is a few cache misses.
const CHECKED_MAX: usize = 64;
