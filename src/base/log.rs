//! The log: lines as Redis writes them, `PID:ROLE DD Mon YYYY HH:MM:SS.mmm LEVEL message`, to standard output or to a file.
//!
//! Global, because anything may have something to say; the only state is where lines go and from which level on. The file is
//! opened anew for each line, as Redis does, so that a rotated file needs no signal. Lines are rare: no hot path logs.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::syslog::Syslog;

/// How much a line matters; a line below the log's level is not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    Debug,
    Verbose,
    #[default]
    Notice,
    Warning,
    /// As a log's level: write nothing.
    Nothing,
}

impl Level {
    /// From most to least talkative; the order of `loglevel`'s values.
    pub const ALL: [Level; 5] = [Level::Debug, Level::Verbose, Level::Notice, Level::Warning, Level::Nothing];

    fn mark(self) -> char {
        match self {
            Level::Debug => '.',
            Level::Verbose => '-',
            Level::Notice => '*',
            Level::Warning | Level::Nothing => '#',
        }
    }
}

/// What the process is, as the letter behind its PID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Starting up, or a child.
    Child = b'C',
    Master = b'M',
    Replica = b'S',
}

/// Longest message, in bytes; the rest is cut.
const MESSAGE_MAX: usize = 1024;

static LEVEL: AtomicU8 = AtomicU8::new(Level::Notice as u8);
static ROLE: AtomicU8 = AtomicU8::new(Role::Child as u8);
/// None: standard output.
static FILE: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Beside the file or standard output.
static SYSLOG: OnceLock<Syslog> = OnceLock::new();

pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

pub fn set_role(role: Role) {
    ROLE.store(role as u8, Ordering::Relaxed);
}

/// Sends lines to `path` from now on, or to standard output.
///
/// # Errors
/// When the file cannot be opened for appending; lines go where they went before.
pub fn set_file(path: Option<&Path>) -> io::Result<()> {
    if let Some(path) = path {
        OpenOptions::new().append(true).create(true).open(path)?;
    }
    *FILE.lock().unwrap_or_else(PoisonError::into_inner) = path.map(Path::to_path_buf);
    Ok(())
}

/// Sends lines to the system's log as well.
pub fn set_syslog(syslog: Syslog) {
    drop(SYSLOG.set(syslog));
}

/// Whether lines of `level` are written.
#[inline]
pub fn enabled(level: Level) -> bool {
    level as u8 >= LEVEL.load(Ordering::Relaxed)
}

pub fn debug(message: impl Display) {
    line(Level::Debug, message);
}

pub fn verbose(message: impl Display) {
    line(Level::Verbose, message);
}

pub fn notice(message: impl Display) {
    line(Level::Notice, message);
}

pub fn warning(message: impl Display) {
    line(Level::Warning, message);
}

/// Writes a line if the log's level allows. A log that cannot be written is no reason to stop: errors are dropped.
pub fn line(level: Level, message: impl Display) {
    if !enabled(level) || level == Level::Nothing {
        return;
    }
    let role = ROLE.load(Ordering::Relaxed);
    let (pid, now, message) = (std::process::id(), Timestamp::now(), message.to_string());
    if let Some(syslog) = SYSLOG.get() {
        syslog.send(level, pid, &now.to_zoned(zone().clone()), &message);
    }
    write(format_line(pid, role, now, zone(), level, message).as_bytes());
}

/// Writes bytes as they are, without a line's header: the logo.
pub fn raw(level: Level, text: &str) {
    if enabled(level) && level != Level::Nothing {
        write(text.as_bytes());
    }
}

/// The time zone is read once, so that a line costs no look at `/etc/localtime`.
fn zone() -> &'static TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    ZONE.get_or_init(TimeZone::system)
}

fn write(bytes: &[u8]) {
    let file = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = match file.as_deref() {
        None => io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()),
        Some(path) => {
            OpenOptions::new().append(true).create(true).open(path).and_then(|mut file| file.write_all(bytes))
        }
    };
}

fn format_line(pid: u32, role: u8, now: Timestamp, zone: &TimeZone, level: Level, message: impl Display) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let now = now.to_zoned(zone.clone());
    let month = MONTHS[(now.month() - 1) as usize];
    let mut message = message.to_string();
    if message.len() > MESSAGE_MAX {
        let end = (0..=MESSAGE_MAX).rev().find(|&end| message.is_char_boundary(end));
        message.truncate(end.unwrap_or(0));
    }
    format!(
        "{pid}:{} {:02} {month} {} {:02}:{:02}:{:02}.{:03} {} {message}\n",
        role as char,
        now.day(),
        now.year(),
        now.hour(),
        now.minute(),
        now.second(),
        now.millisecond(),
        level.mark(),
    )
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::{TimeZone, offset};

    use super::{Level, MESSAGE_MAX, Role, format_line};

    #[test]
    fn lines_look_like_those_of_redis() {
        let now = Timestamp::from_millisecond(1_795_348_800_123).unwrap();
        let text = |level, zone: &TimeZone| {
            format_line(42, Role::Master as u8, now, zone, level, format_args!("Ready to accept connections {}", "tcp"))
        };
        assert_eq!(
            text(Level::Notice, &TimeZone::UTC),
            "42:M 22 Nov 2026 12:00:00.123 * Ready to accept connections tcp\n"
        );
        let east = TimeZone::fixed(offset(12));
        assert_eq!(text(Level::Warning, &east), "42:M 23 Nov 2026 00:00:00.123 # Ready to accept connections tcp\n");
        assert!(text(Level::Debug, &east).contains(" . ") && text(Level::Verbose, &east).contains(" - "));
    }

    #[test]
    fn long_messages_are_cut() {
        let long = "ä".repeat(MESSAGE_MAX);
        let now = Timestamp::UNIX_EPOCH;
        let line = format_line(1, b'M', now, &TimeZone::UTC, Level::Notice, format_args!("x{long}"));
        assert!(line.len() < MESSAGE_MAX + 64 && line.ends_with("ä\n"));
    }
}
