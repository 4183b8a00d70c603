//! The listening sockets of a running server, and where clients' sockets are registered.

use std::io;
use std::path::PathBuf;

use mio::{Registry, Token};

use crate::config::Settings;
use crate::reactor::{Listener, Stream};
use crate::server::exporter::Exporter;
use crate::server::listen::listen_tcp;

/// Tokens from here on are listeners; below are clients, by slab key.
pub(super) const FIRST_LISTENER: usize = usize::MAX / 2;
/// The token of the signal pipe.
pub(super) const SIGNALS: usize = FIRST_LISTENER - 1;
/// The token of the ticker.
pub(super) const TICK: usize = FIRST_LISTENER - 2;
/// The token of those who wake the loop.
pub(super) const WAKE: usize = FIRST_LISTENER - 3;

/// Open listeners. Empty in an engine without sockets.
#[derive(Default)]
pub struct Network {
    registry: Option<Registry>,
    listeners: Vec<Option<Listener>>,
    /// Listeners from which as many connections were accepted as a turn may; the next one goes on.
    pub(super) unfinished: Vec<usize>,
    /// Listeners that could not be accepted from, for want of descriptors; the periodic jobs try again.
    pub(super) stalled: Vec<usize>,
    /// The Prometheus endpoint.
    pub(super) exporter: Exporter,
}

impl Network {
    /// Registers `listeners`.
    pub(super) fn new(registry: Registry, listeners: Vec<Listener>) -> io::Result<Network> {
        let mut network = Network { registry: Some(registry), ..Network::default() };
        for listener in listeners {
            network.add(listener)?;
        }
        Ok(network)
    }

    fn add(&mut self, mut listener: Listener) -> io::Result<()> {
        let token = Token(FIRST_LISTENER + self.listeners.len());
        if let Some(registry) = &self.registry {
            listener.register(registry, token)?;
        }
        self.listeners.push(Some(listener));
        Ok(())
    }

    /// Opens the TCP sockets anew after `bind` or `port` changed. Unix sockets stay, and so do connected clients.
    ///
    /// # Errors
    /// Why an address could not be had; the old sockets are then open as before, unless they had the same port: those are closed.
    pub fn listen_again(&mut self, settings: &Settings) -> Result<(), String> {
        if self.registry.is_none() {
            return Ok(());
        }
        let is_tcp = |listener: &mut Listener| listener.local_addr().is_some();
        let mut old: Vec<Option<Listener>> = self.listeners.iter_mut().map(|slot| slot.take_if(is_tcp)).collect();
        // An address that stays would be busy until its old socket is closed.
        if old.iter().flatten().filter_map(Listener::local_addr).any(|address| address.port() == settings.port) {
            old.clear();
        }
        let opened = listen_tcp(settings);
        if opened.is_err() {
            for (slot, listener) in self.listeners.iter_mut().zip(old).filter(|(_, listener)| listener.is_some()) {
                *slot = listener;
            }
        }
        for listener in opened? {
            self.add(listener).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Opens the sockets of the Prometheus endpoint, or those that it is to have now.
    ///
    /// # Errors
    /// Which address could not be had, and why.
    pub fn listen_for_metrics(&mut self, settings: &Settings) -> Result<(), String> {
        match &self.registry {
            Some(registry) => self.exporter.listen(registry, settings),
            None => Ok(()),
        }
    }

    /// Where other sockets are registered; None: this is an engine without any.
    pub(super) fn registry(&self) -> Option<Registry> {
        self.registry.as_ref()?.try_clone().ok()
    }

    /// A connection from listener number `index`.
    pub(super) fn accept(&self, index: usize) -> io::Result<Stream> {
        match self.listeners.get(index) {
            Some(Some(listener)) => listener.accept(),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub(super) fn register(&self, stream: &mut Stream, key: usize) -> io::Result<()> {
        match &self.registry {
            Some(registry) => stream.register(registry, Token(key)),
            None => Ok(()),
        }
    }

    /// Closes the listeners: the server is about to end.
    pub(super) fn close(&mut self) {
        self.listeners.clear();
        self.exporter = Exporter::default();
    }

    /// The addresses that are listened on, as `bind` has them.
    pub fn tcp_binds(&self) -> impl Iterator<Item = &str> {
        self.listeners.iter().flatten().filter_map(Listener::written)
    }

    /// Path of the Unix socket.
    pub fn unix_path(&self) -> Option<&PathBuf> {
        self.listeners.iter().flatten().find_map(Listener::path)
    }
}
