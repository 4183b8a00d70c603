//! The Prometheus endpoint: `GET /metrics` on `metrics-port`, served by the loop beside the clients' requests.
//!
//! Owned by [`Network`](crate::server::network::Network): listeners and connections of their own, with tokens of their own, so that nothing
//! of it is seen by the clients' path. Bounded: [`PEERS_MAX`] connections of [`PEER_MS`] at most, a request of a few KiB, and one text in
//! [`FRESH_MS`], however often it is asked for.

mod text;

use std::io;
use std::sync::Arc;

use mio::{Registry, Token};
use slab::Slab;

use crate::base::log;
use crate::config::Settings;
use crate::reactor::Listener;
use crate::reactor::http::{Peer, Progress, Status};
use crate::server::engine::Engine;
use crate::server::listen::bind_all;

/// Tokens of the exporter begin here, below those of the loop itself: first its listeners, then its connections.
pub(super) const FIRST_TOKEN: usize = usize::MAX / 4;
const LISTENERS_MAX: usize = 64;
/// Connections at the same time.
const PEERS_MAX: usize = 16;
/// Connections accepted, or refused, at once.
const ACCEPTS_MAX: usize = 64;
/// How long one may take.
const PEER_MS: u64 = 10_000;
/// How long a text is good for further scrapes.
const FRESH_MS: u64 = 100;
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Listeners and connections.
#[derive(Default)]
pub(super) struct Exporter {
    listeners: Vec<Listener>,
    peers: Slab<Peer>,
    /// Connections with more to send than a turn sends.
    unfinished: Vec<usize>,
    /// Listeners whose queue may hold more connections than could be accepted.
    stalled: Vec<usize>,
    text: Option<(u64, Arc<Vec<u8>>)>,
}

impl Exporter {
    /// Opens the sockets that the configuration says, instead of those that are open.
    ///
    /// # Errors
    /// Which address can't be had, and why; then there is none.
    pub(super) fn listen(&mut self, registry: &Registry, settings: &Settings) -> Result<(), String> {
        self.listeners.clear();
        if settings.metrics_port == 0 {
            return Ok(());
        }
        let mut listeners = bind_all(&settings.metrics_bind, settings.metrics_port, settings.tcp_backlog)?;
        listeners.truncate(LISTENERS_MAX);
        for (index, listener) in listeners.iter_mut().enumerate() {
            listener.register(registry, Token(FIRST_TOKEN + index)).map_err(|error| error.to_string())?;
        }
        self.listeners = listeners;
        Ok(())
    }

    /// Whether a connection waits to send more.
    pub(super) fn is_busy(&self) -> bool {
        !self.unfinished.is_empty()
    }

    /// Accepts what waits; connections beyond the limit are closed at once.
    fn accept(&mut self, index: usize, registry: &Registry, now_ms: u64) -> Vec<usize> {
        let mut accepted = Vec::new();
        let Some(listener) = self.listeners.get(index) else { return accepted };
        for _ in 0..ACCEPTS_MAX {
            match listener.accept() {
                Ok(stream) if self.peers.len() < PEERS_MAX => {
                    let key = self.peers.insert(Peer::new(stream, now_ms));
                    let token = Token(FIRST_TOKEN + LISTENERS_MAX + key);
                    if self.peers[key].register(registry, token).is_err() {
                        self.peers.remove(key);
                    } else {
                        accepted.push(key);
                    }
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        log::warning(format_args!("Accepting a connection for metrics: {error}"));
                        break;
                    }
                    return accepted;
                }
            }
        }
        // There will be no other event for those that wait.
        self.stalled.push(index);
        accepted
    }

    /// Drops connections that took too long.
    fn close_overdue(&mut self, now_ms: u64) {
        self.peers.retain(|_, peer| now_ms.saturating_sub(peer.opened_ms) < PEER_MS);
    }
}

impl Engine {
    /// Something happened at a socket of the exporter.
    pub(super) fn exporter_event(&mut self, token: usize) {
        let number = token - FIRST_TOKEN;
        if number >= LISTENERS_MAX {
            return self.advance_scrape(number - LISTENERS_MAX);
        }
        let now_ms = self.keyspace.now_ms() as u64;
        let Some(registry) = self.network.registry() else { return };
        for key in self.network.exporter.accept(number, &registry, now_ms) {
            // What it has sent already may have come without another event.
            self.advance_scrape(key);
        }
    }

    /// Looks after the endpoint; one of the periodic jobs.
    pub(super) fn attend_exporter(&mut self) {
        self.network.exporter.close_overdue(self.keyspace.now_ms() as u64);
        for index in std::mem::take(&mut self.network.exporter.stalled) {
            self.exporter_event(FIRST_TOKEN + index);
        }
    }

    /// Connections with more to send go on; called once a turn while there are any.
    pub(super) fn advance_scrapes(&mut self) {
        for key in std::mem::take(&mut self.network.exporter.unfinished) {
            self.advance_scrape(key);
        }
    }

    fn advance_scrape(&mut self, key: usize) {
        let Some(peer) = self.network.exporter.peers.get_mut(key) else { return };
        let mut progress = peer.advance();
        if let Progress::Get { path, head_only } = progress {
            let (status, kind, body) = match path.as_str() {
                "/metrics" => (Status::Ok, CONTENT_TYPE, self.metrics_text()),
                "/" => (Status::Ok, "text/plain", Arc::new(b"Zedis metrics are at /metrics\n".to_vec())),
                _ => (Status::NotFound, "text/plain", Arc::default()),
            };
            progress = self.network.exporter.peers[key].respond(status, kind, body, head_only);
        }
        match progress {
            Progress::Done => drop(self.network.exporter.peers.try_remove(key)),
            Progress::More => self.network.exporter.unfinished.push(key),
            Progress::Wait | Progress::Get { .. } => {}
        }
    }

    /// The metrics, at most [`FRESH_MS`] old.
    pub fn metrics_text(&mut self) -> Arc<Vec<u8>> {
        let now_ms = self.clock.monotonic_ns() / 1_000_000;
        if let Some((made_ms, text)) = &self.network.exporter.text
            && now_ms - made_ms < FRESH_MS
        {
            return Arc::clone(text);
        }
        let text = Arc::new(text::render(self).into_bytes());
        self.network.exporter.text = Some((now_ms, Arc::clone(&text)));
        text
    }
}

#[cfg(test)]
mod tests;
