//! Whoever started the server and wants to hear how it is: systemd, which reads datagrams (sd_notify(3)), or upstart, which waits for the
//! process to stop itself.
//!
//! The states are told in Redis's words and in its order, a datagram for each line.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use signal_hook::consts::SIGSTOP;
use signal_hook::low_level::raise;

use crate::base::log;
use crate::base::os_error::reason;
use crate::config::Supervised;
use crate::server::engine::Engine;

pub const LOADING: &str = "STATUS=Redis is loading...\n";
pub const READY: [&str; 2] = ["STATUS=Ready to accept connections\n", "READY=1\n"];
pub const STOPPING: &str = "STOPPING=1\n";
pub const SAVING: &str = "STATUS=Saving the final RDB snapshot\n";
pub const CANNOT_SAVE: &str = "STATUS=Error trying to save the DB, can't exit.\n";
pub const WRITING_FIRST_BASE: &str = "STATUS=Writing initial AOF, can't exit\n";

/// A supervisor that was found.
#[derive(Debug)]
pub enum Supervisor {
    Systemd { socket: UnixDatagram, address: SocketAddr },
    Upstart,
}

impl Supervisor {
    /// Looks for the one that `supervised` speaks of, and tells it that the server is loading. None: nobody supervises, whatever was
    /// wanted.
    pub fn find(supervised: Supervised) -> Option<Supervisor> {
        let is_set = |name: &str| std::env::var_os(name).is_some();
        match supervised {
            Supervised::No => None,
            Supervised::Upstart => Supervisor::upstart(),
            Supervised::Systemd => Supervisor::systemd(),
            Supervised::Auto if is_set("UPSTART_JOB") => Supervisor::upstart(),
            Supervised::Auto if is_set("NOTIFY_SOCKET") => Supervisor::systemd(),
            Supervised::Auto => None,
        }
    }

    /// What INFO calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Supervisor::Systemd { .. } => "systemd",
            Supervisor::Upstart => "upstart",
        }
    }

    /// A job with `expect stop` is up when its process stops; upstart lets it go on.
    fn upstart() -> Option<Supervisor> {
        if std::env::var_os("UPSTART_JOB").is_none() {
            log::warning("upstart supervision requested, but UPSTART_JOB not found!");
            return None;
        }
        log::notice("supervised by upstart, will stop to signal readiness.");
        if let Err(error) = raise(SIGSTOP) {
            log::warning(format_args!("upstart supervision error: {}", reason(&error)));
        }
        Some(Supervisor::Upstart)
    }

    fn systemd() -> Option<Supervisor> {
        let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
            log::warning("systemd supervision error: NOTIFY_SOCKET not found!");
            return None;
        };
        log::notice(
            "Supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and TimeoutStopSec in your service unit.",
        );
        let address = match path.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => SocketAddr::from_pathname(&path),
        };
        let found = address.and_then(|address| Ok(Supervisor::Systemd { socket: UnixDatagram::unbound()?, address }));
        match found.and_then(|found| found.send(LOADING).map(|()| found)) {
            Ok(found) => Some(found),
            Err(error) => {
                log::warning(format_args!("systemd supervision error: {}", reason(&error)));
                None
            }
        }
    }

    fn send(&self, state: &str) -> io::Result<()> {
        match self {
            Supervisor::Systemd { socket, address } => socket.send_to_addr(state.as_bytes(), address).map(drop),
            Supervisor::Upstart => Ok(()),
        }
    }
}

impl Engine {
    /// Tells the supervisor, if there is one, how the server is.
    pub(super) fn tell_supervisor(&self, state: &str) {
        let told = self.supervisor.as_ref().map_or(Ok(()), |supervisor| supervisor.send(state));
        if let Err(error) = told {
            log::warning(format_args!("systemd supervision error: {}", reason(&error)));
        }
    }
}
