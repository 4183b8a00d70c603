//! The Prometheus endpoint: `GET /metrics` on `metrics-port`, served by the loop beside the clients' requests.
//!
//! Owned by [`Network`](crate::server::network::Network): listeners and connections of their own, with tokens of their own, so that nothing
//! of it is seen by the clients' path. Bounded: [`PEERS_MAX`] connections of [`PEER_MS`] at most, of which those that ask for nothing give
//! way to others, a request of a few KiB, and one text in [`FRESH_MS`], however often it is asked for, made in slices of at most some 0.3
//! ms, one in a turn.

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
use crate::server::exporter::text::Rendering;
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
    /// Connections accepted so far.
    accepted: u64,
    /// Connections with more to send than a turn sends.
    unfinished: Vec<usize>,
    /// Listeners whose queue may hold more connections than could be accepted.
    stalled: Vec<usize>,
    text: Option<(u64, Arc<Vec<u8>>)>,
    /// The text that is being made, and the connections that wait for it, each with whether it asks for no more than the head.
    rendering: Option<Rendering>,
    waiting: Vec<(usize, bool)>,
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

    /// Whether there is something to do in the next turn.
    pub(super) fn is_busy(&self) -> bool {
        !self.unfinished.is_empty() || self.rendering.is_some()
    }

    /// Accepts one that waits, in the place of the oldest that is idle if all are taken; without such it is closed at once, and there is
    /// nobody to look after.
    fn accept(&mut self, index: usize, registry: &Registry, now_ms: u64) -> io::Result<Option<usize>> {
        let Some(listener) = self.listeners.get(index) else { return Err(io::ErrorKind::WouldBlock.into()) };
        let stream = listener.accept()?;
        if self.peers.len() >= PEERS_MAX {
            let idle = self.peers.iter().filter(|(_, peer)| peer.is_idle());
            match idle.min_by_key(|(_, peer)| peer.order).map(|(key, _)| key) {
                Some(oldest) => drop(self.peers.remove(oldest)),
                None => return Ok(None),
            }
        }
        self.accepted += 1;
        let key = self.peers.insert(Peer::new(stream, now_ms, self.accepted));
        let token = Token(FIRST_TOKEN + LISTENERS_MAX + key);
        if self.peers[key].register(registry, token).is_err() {
            self.peers.remove(key);
            return Ok(None);
        }
        Ok(Some(key))
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
        for _ in 0..ACCEPTS_MAX {
            match self.network.exporter.accept(number, &registry, now_ms) {
                // What it has sent already may have come without another event, and the next may take its place.
                Ok(Some(key)) => self.advance_scrape(key),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    log::warning(format_args!("Accepting a connection for metrics: {error}"));
                    break;
                }
            }
        }
        // There will be no other event for those that wait.
        if !self.network.exporter.stalled.contains(&number) {
            self.network.exporter.stalled.push(number);
        }
    }

    /// Looks after the endpoint; one of the periodic jobs.
    pub(super) fn attend_exporter(&mut self) {
        self.network.exporter.close_overdue(self.keyspace.now_ms() as u64);
        for index in std::mem::take(&mut self.network.exporter.stalled) {
            self.exporter_event(FIRST_TOKEN + index);
        }
    }

    /// The text grows, and connections with more to send go on; called once a turn while there is something to do.
    pub(super) fn advance_scrapes(&mut self) {
        self.advance_text();
        for key in std::mem::take(&mut self.network.exporter.unfinished) {
            self.advance_scrape(key);
        }
    }

    fn advance_scrape(&mut self, key: usize) {
        let Some(peer) = self.network.exporter.peers.get_mut(key) else { return };
        let mut progress = peer.advance();
        if let Progress::Get { path, head_only } = progress {
            let (status, kind, body) = match path.as_str() {
                "/metrics" => match self.fresh_text() {
                    Some(text) => (Status::Ok, CONTENT_TYPE, text),
                    None => {
                        self.network.exporter.rendering.get_or_insert_default();
                        return self.network.exporter.waiting.push((key, head_only));
                    }
                },
                "/" => (Status::Ok, "text/plain", Arc::new(b"Zedis metrics are at /metrics\n".to_vec())),
                _ => (Status::NotFound, "text/plain", Arc::default()),
            };
            progress = self.network.exporter.peers[key].respond(status, kind, body, head_only);
        }
        self.book_progress(key, progress);
    }

    fn book_progress(&mut self, key: usize, progress: Progress) {
        match progress {
            Progress::Done => drop(self.network.exporter.peers.try_remove(key)),
            Progress::More => self.network.exporter.unfinished.push(key),
            Progress::Wait | Progress::Get { .. } => {}
        }
    }

    /// The metrics, if they were made not long ago.
    fn fresh_text(&self) -> Option<Arc<Vec<u8>>> {
        let (made_ms, text) = self.network.exporter.text.as_ref()?;
        let is_fresh = self.clock.monotonic_ns() / 1_000_000 - made_ms < FRESH_MS;
        is_fresh.then(|| Arc::clone(text))
    }

    /// Makes the next slice of the text; those who wait for it are answered when it is complete.
    fn advance_text(&mut self) {
        let Some(mut rendering) = self.network.exporter.rendering.take() else { return };
        let Some(text) = rendering.advance(self) else {
            self.network.exporter.rendering = Some(rendering);
            return;
        };
        let text = Arc::new(text.into_bytes());
        self.network.exporter.text = Some((self.clock.monotonic_ns() / 1_000_000, Arc::clone(&text)));
        for (key, head_only) in std::mem::take(&mut self.network.exporter.waiting) {
            // It may have been given up, and its place taken by another.
            let peer = self.network.exporter.peers.get_mut(key).filter(|peer| peer.is_asking());
            let Some(peer) = peer else { continue };
            let progress = peer.respond(Status::Ok, CONTENT_TYPE, Arc::clone(&text), head_only);
            self.book_progress(key, progress);
        }
    }
}

#[cfg(test)]
mod tests;
