//! The logs of commands that took long, or whose request or reply is large: SLOWLOG, and COMMANDLOG of Valkey 8.1, of which SLOWLOG is the
//! part about time.
//!
//! Each log is a ring of entries with arguments cut as Redis cuts them, so that its memory is bounded by its length. Owned by the engine;
//! [`Engine::observe`](crate::server::Engine) decides what comes here.

use std::collections::VecDeque;

use crate::base::growth::shed_queue;
use crate::commands::Args;
use crate::server::redaction;

/// Arguments kept of a call, the last of which may say how many there were more.
const ARGS_MAX: usize = 32;
/// Bytes kept of an argument.
const ARG_BYTES_MAX: usize = 128;

/// What a log is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogKind {
    /// Microseconds.
    Slow,
    /// Bytes.
    LargeRequest,
    LargeReply,
}

impl LogKind {
    pub const ALL: [(LogKind, &'static str); 3] =
        [(LogKind::Slow, "slow"), (LogKind::LargeRequest, "large-request"), (LogKind::LargeReply, "large-reply")];

    pub fn parse(name: &[u8]) -> Option<LogKind> {
        LogKind::ALL.iter().find(|(_, own)| own.as_bytes().eq_ignore_ascii_case(name)).map(|&(kind, _)| kind)
    }
}

/// A command that was logged.
#[derive(Clone, Debug)]
pub struct LogEntry {
    pub id: u64,
    pub unix_s: u64,
    /// In the unit of its log.
    pub amount: u64,
    pub args: Vec<Vec<u8>>,
    pub addr: String,
    pub name: Vec<u8>,
    /// Time between the beginning of the turn that received it and its execution, microseconds.
    pub queued_us: u64,
    /// Calls that were timed together.
    pub calls: u32,
}

/// The three logs.
#[derive(Default)]
pub struct CommandLog {
    logs: [Log; 3],
}

#[derive(Default)]
struct Log {
    /// The newest first.
    entries: VecDeque<Box<LogEntry>>,
    next_id: u64,
}

impl CommandLog {
    /// Remembers an entry as the newest of at most `max_len`; its number is given here.
    pub fn push(&mut self, kind: LogKind, max_len: u64, mut entry: LogEntry) {
        if max_len == 0 {
            return;
        }
        let log = &mut self.logs[kind as usize];
        entry.id = log.next_id;
        log.next_id += 1;
        log.entries.push_front(Box::new(entry));
        self.trim(kind, max_len);
    }

    /// Drops what is too old for `max_len`.
    pub fn trim(&mut self, kind: LogKind, max_len: u64) {
        let log = &mut self.logs[kind as usize];
        let max_len = usize::try_from(max_len).unwrap_or(usize::MAX);
        if log.entries.len() > max_len {
            log.entries.truncate(max_len);
            shed_queue(&mut log.entries);
        }
    }

    pub fn len(&self, kind: LogKind) -> usize {
        self.logs[kind as usize].entries.len()
    }

    /// The newest first.
    pub fn entries(&self, kind: LogKind) -> impl ExactSizeIterator<Item = &LogEntry> {
        self.logs[kind as usize].entries.iter().map(|entry| &**entry)
    }

    pub fn reset(&mut self, kind: LogKind) {
        self.logs[kind as usize].entries = VecDeque::new();
    }
}

/// The arguments of a call as they are kept: cut, and without secrets.
pub fn kept_args(full_name: &str, args: &Args<'_>) -> Vec<Vec<u8>> {
    let argc = args.len();
    let shown = if argc > ARGS_MAX { ARGS_MAX - 1 } else { argc };
    let mut kept: Vec<Vec<u8>> = (0..shown)
        .map(|index| {
            let arg = redaction::shown(full_name, args, index);
            if arg.len() <= ARG_BYTES_MAX {
                return arg.to_vec();
            }
            let mut cut = arg[..ARG_BYTES_MAX].to_vec();
            cut.extend_from_slice(format!("... ({} more bytes)", arg.len() - ARG_BYTES_MAX).as_bytes());
            cut
        })
        .collect();
    if shown < argc {
        kept.push(format!("... ({} more arguments)", argc - shown).into_bytes());
    }
    kept
}

/// Length of a request as clients send it, bytes.
pub fn request_bytes(args: &Args<'_>) -> u64 {
    let digits = |number: usize| u64::from(number.checked_ilog10().unwrap_or(0)) + 1;
    let frame = |len: usize| 1 + digits(len) + 2;
    args.from(0).fold(frame(args.len()), |sum, arg| sum + frame(arg.len()) + arg.len() as u64 + 2)
}

#[cfg(test)]
mod tests {
    use super::{CommandLog, LogEntry, LogKind, kept_args, request_bytes};
    use crate::commands::Args;
    use crate::resp::request::ArgRef;

    fn entry(amount: u64) -> LogEntry {
        LogEntry {
            id: 0,
            unix_s: 1,
            amount,
            args: Vec::new(),
            addr: String::new(),
            name: Vec::new(),
            queued_us: 0,
            calls: 1,
        }
    }

    fn with_args<R>(words: &[&[u8]], look: impl FnOnce(&Args<'_>) -> R) -> R {
        let mut refs = Vec::new();
        let mut bytes = Vec::new();
        for word in words {
            refs.push(ArgRef::in_frame(bytes.len(), word.len()));
            bytes.extend_from_slice(word);
        }
        look(&Args::new(&bytes, &refs, &mut [], 0))
    }

    #[test]
    fn a_log_keeps_the_newest() {
        let mut log = CommandLog::default();
        for amount in 0..5 {
            log.push(LogKind::Slow, 3, entry(amount));
        }
        let kept: Vec<(u64, u64)> = log.entries(LogKind::Slow).map(|entry| (entry.id, entry.amount)).collect();
        assert_eq!(kept, [(4, 4), (3, 3), (2, 2)]);
        assert_eq!(log.len(LogKind::LargeReply), 0);
        log.trim(LogKind::Slow, 1);
        assert_eq!(log.len(LogKind::Slow), 1);
        log.reset(LogKind::Slow);
        log.push(LogKind::Slow, 1, entry(9));
        assert_eq!(log.entries(LogKind::Slow).next().map(|entry| entry.id), Some(5), "numbers are not used twice");
        log.push(LogKind::Slow, 0, entry(10));
        assert_eq!(log.len(LogKind::Slow), 1);
    }

    #[test]
    fn arguments_are_cut() {
        let long = [b'x'; 130];
        let mut words: Vec<&[u8]> = vec![b"rpush", &long];
        assert!(with_args(&words, |args| kept_args("rpush", args))[1].ends_with(b"x... (2 more bytes)"));
        words.extend(std::iter::repeat_n(b"y".as_slice(), 30));
        assert_eq!(with_args(&words, |args| kept_args("rpush", args)).len(), 32);
        words.push(b"z");
        let kept = with_args(&words, |args| kept_args("rpush", args));
        assert_eq!((kept.len(), kept[31].as_slice()), (32, b"... (2 more arguments)".as_slice()));
    }

    #[test]
    fn secrets_are_not_kept() {
        let line = |full_name: &str, line: &str| {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let kept = with_args(&words, |args| kept_args(full_name, args));
            String::from_utf8(kept.join(&b' ')).expect("text")
        };
        assert_eq!(line("auth", "AUTH user secret"), "AUTH (redacted) (redacted)");
        assert_eq!(line("hello", "HELLO 3 AUTH u p SETNAME n"), "HELLO 3 AUTH (redacted) (redacted) SETNAME n");
        assert_eq!(line("config|set", "CONFIG SET port 1 RequirePass x"), "CONFIG SET port 1 RequirePass (redacted)");
        assert_eq!(line("get", "GET auth"), "GET auth");
    }

    #[test]
    fn a_request_is_as_long_as_it_was_sent() {
        for (words, sent) in [
            (vec![b"PING".as_slice()], "*1\r\n$4\r\nPING\r\n"),
            (vec![b"SET".as_slice(), b"", b"0123456789"], "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$10\r\n0123456789\r\n"),
        ] {
            assert_eq!(with_args(&words, request_bytes), sent.len() as u64);
        }
    }
}
