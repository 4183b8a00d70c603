//! Lines for the system's log: datagrams to its socket in the form of RFC 3164, as syslog(3) sends them.
//!
//! It never waits: a log daemon that is gone or does not keep up loses lines, as with syslog(3) and a full buffer.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use jiff::Zoned;

use super::log::Level;

/// Where syslog daemons, and systemd's journal, listen.
pub const SOCKET: &str = "/dev/log";

/// The names of `syslog-facility` with their numbers.
pub const FACILITIES: [(&str, u8); 9] = [
    ("user", 1),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// A connection to the system's log.
pub struct Syslog {
    socket: UnixDatagram,
    path: PathBuf,
    ident: String,
    facility: u8,
}

impl Syslog {
    /// # Errors
    /// When there is no socket to be had; that nobody listens at `path` is none, it is tried again with each line.
    pub fn new(path: impl Into<PathBuf>, ident: &str, facility: u8) -> io::Result<Syslog> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Syslog { socket, path: path.into(), ident: ident.to_owned(), facility })
    }

    pub fn send(&self, level: Level, pid: u32, now: &Zoned, message: &str) {
        let priority = (self.facility << 3) | severity(level);
        let line = format!("<{priority}>{} {}[{pid}]: {message}", now.strftime("%b %e %H:%M:%S"), self.ident);
        // By address each time, so that a daemon that was started anew is found again.
        let _ = self.socket.send_to(line.as_bytes(), &self.path);
    }
}

/// RFC 5424, table 2.
fn severity(level: Level) -> u8 {
    match level {
        Level::Debug => 7,
        Level::Verbose => 6,
        Level::Notice => 5,
        Level::Warning | Level::Nothing => 4,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::{Level, Syslog};

    #[test]
    fn lines_are_those_of_syslog() {
        let path = std::env::temp_dir().join(format!("zedis-syslog-{}", std::process::id()));
        let syslog = Syslog::new(&path, "redis", 16).unwrap();
        let now = Timestamp::from_second(1_795_348_800).unwrap().to_zoned(TimeZone::UTC);
        syslog.send(Level::Notice, 7, &now, "nobody listens");
        let daemon = UnixDatagram::bind(&path).unwrap();
        syslog.send(Level::Notice, 7, &now, "ready");
        syslog.send(Level::Warning, 7, &now, "oh");
        let mut line = [0; 200];
        let len = daemon.recv(&mut line).unwrap();
        assert_eq!(&line[..len], b"<133>Nov 22 12:00:00 redis[7]: ready");
        let len = daemon.recv(&mut line).unwrap();
        assert_eq!(&line[..len], b"<132>Nov 22 12:00:00 redis[7]: oh");
        drop(daemon);
        std::fs::remove_file(&path).unwrap();
        syslog.send(Level::Notice, 7, &now, "nobody listens any more");
    }
}
