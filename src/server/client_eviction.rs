//! `maxmemory-clients`: when all clients together take more than they may, the largest are closed
//! (<https://redis.io/docs/latest/develop/reference/clients/#client-eviction>).
//!
//! What a client takes is its `tot-mem`. It is counted anew when something happened to the client (requests executed, bytes received,
//! replies sent), and for all in turn ten times a second; between two countings it does not change much. Those with CLIENT NO-EVICT count,
//! and stay.
//!
//! Cost: without a limit one test per client and turn; with one an update of an ordered set when the client's size has changed.

use std::collections::BTreeSet;

use crate::base::log;
use crate::server::engine::Engine;

/// Clients closed in one turn; the rest in the next.
const EVICTIONS_MAX: usize = 64;

/// What the clients take.
#[derive(Default)]
pub struct ClientMemory {
    /// None: nothing is counted.
    limit_bytes: Option<u64>,
    total_bytes: u64,
    /// Size and slab key of those that may be closed.
    by_size: BTreeSet<(usize, usize)>,
}

/// How a client was counted last.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counted {
    bytes: usize,
    /// Whether it may be closed.
    may_go: bool,
}

impl ClientMemory {
    /// Whether clients use more than they may together.
    pub(super) fn is_over(&self) -> bool {
        self.limit_bytes.is_some_and(|limit_bytes| self.total_bytes >= limit_bytes)
    }

    fn count(&mut self, key: usize, before: Counted, now: Counted) {
        if before.may_go {
            self.by_size.remove(&(before.bytes, key));
        }
        if now.may_go {
            self.by_size.insert((now.bytes, key));
        }
        self.total_bytes = self.total_bytes + now.bytes as u64 - before.bytes as u64;
    }
}

impl Engine {
    /// The configuration has changed. Counts every client if that is new.
    pub(super) fn limit_clients(&mut self) {
        let limit_bytes = self.config.maxmemory_clients.bytes(self.config.maxmemory);
        let was_counting = self.client_memory.limit_bytes.is_some();
        self.client_memory.limit_bytes = limit_bytes;
        if was_counting == limit_bytes.is_some() {
            return;
        }
        self.client_memory.total_bytes = 0;
        self.client_memory.by_size.clear();
        for (_, client) in &mut self.clients {
            client.counted = Counted::default();
        }
        if limit_bytes.is_some() {
            let keys: Vec<usize> = self.clients.iter().map(|(key, _)| key).collect();
            keys.into_iter().for_each(|key| self.count_client_slowly(key));
        }
    }

    /// Something has happened to a client that may have changed its size.
    #[inline]
    pub(super) fn count_client(&mut self, key: usize) {
        if self.client_memory.limit_bytes.is_some() {
            self.count_client_slowly(key);
        }
    }

    #[inline(never)]
    fn count_client_slowly(&mut self, key: usize) {
        self.is_stirred = true;
        let client = &mut self.clients[key];
        // Who is on its way out is not counted any more.
        let now = if client.closing {
            Counted::default()
        } else {
            Counted { bytes: client.memory_bytes(), may_go: !client.session.no_evict && !client.session.replays }
        };
        if now != client.counted {
            let before = std::mem::replace(&mut client.counted, now);
            self.client_memory.count(key, before, now);
        }
    }

    /// A client is about to be taken out of the slab.
    pub(super) fn uncount_client(&mut self, key: usize) {
        let before = std::mem::take(&mut self.clients[key].counted);
        if before != Counted::default() {
            self.client_memory.count(key, before, Counted::default());
        }
    }

    /// Closes the largest clients until the others are within the limit.
    pub fn evict_clients(&mut self) {
        for _ in 0..EVICTIONS_MAX {
            if !self.client_memory.is_over() {
                return;
            }
            let Some(&(bytes, key)) = self.client_memory.by_size.last() else { return };
            let session = &self.clients[key].session;
            log::notice(format_args!(
                "Evicting client: id={} addr={} tot-mem={bytes}",
                session.id, session.identity.addr
            ));
            self.stats.evicted_clients += 1;
            self.close(key);
            self.uncount_client(key);
        }
    }
}
