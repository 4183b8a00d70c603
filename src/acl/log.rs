//! What was refused lately, the latest first: ACL LOG.

use std::collections::VecDeque;

/// Refusals that agree are one entry if no more time than this lies between them.
const GROUPED_WITHIN_MS: i64 = 60_000;
/// So many of the latest entries are compared with a new one.
const GROUPED_AMONG: usize = 10;
/// More of a key or a name, also of the client's own, is not kept: a client may send 512 MB of it.
const TEXT_BYTES_MAX: usize = 4096;

/// What was not allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    Command,
    Key,
    Channel,
    Auth,
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Auth => "auth",
        }
    }
}

/// Where it was tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Context {
    TopLevel,
    Multi,
    Lua,
}

impl Context {
    pub fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        }
    }
}

/// A refusal.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    pub reason: Reason,
    pub context: Context,
    /// The command, key or channel.
    pub object: &'a [u8],
    pub username: &'a [u8],
    /// The client, as CLIENT INFO describes it.
    pub client_info: &'a [u8],
}

/// Refusals that agree.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: u64,
    pub count: u64,
    pub reason: Reason,
    pub context: Context,
    pub object: Vec<u8>,
    pub username: Vec<u8>,
    /// Of the latest.
    pub client_info: Vec<u8>,
    /// Unix times, milliseconds.
    pub created_ms: i64,
    pub updated_ms: i64,
}

#[derive(Default)]
pub struct Log {
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl Log {
    /// Adds a refusal, and drops the oldest so that at most `len_max` entries remain.
    pub fn add(&mut self, refusal: &Refusal<'_>, now_ms: i64, len_max: usize) {
        if len_max == 0 {
            self.entries.clear();
            return;
        }
        let object = &refusal.object[..refusal.object.len().min(TEXT_BYTES_MAX)];
        let client_info = &refusal.client_info[..refusal.client_info.len().min(TEXT_BYTES_MAX)];
        let username = &refusal.username[..refusal.username.len().min(TEXT_BYTES_MAX)];
        let agrees = |entry: &Entry| {
            entry.reason == refusal.reason
                && entry.context == refusal.context
                && now_ms - entry.updated_ms <= GROUPED_WITHIN_MS
                && entry.object == object
                && entry.username == username
        };
        let known = self.entries.iter().take(GROUPED_AMONG).position(agrees).and_then(|at| self.entries.remove(at));
        let entry = match known {
            Some(mut entry) => {
                entry.count += 1;
                entry.updated_ms = now_ms;
                entry.client_info = client_info.to_vec();
                entry
            }
            None => {
                let id = self.next_id;
                self.next_id += 1;
                Entry {
                    id,
                    count: 1,
                    reason: refusal.reason,
                    context: refusal.context,
                    object: object.to_vec(),
                    username: username.to_vec(),
                    client_info: client_info.to_vec(),
                    created_ms: now_ms,
                    updated_ms: now_ms,
                }
            }
        };
        self.entries.push_front(entry);
        self.trim(len_max);
    }

    /// Keeps the latest `len_max` entries.
    pub fn trim(&mut self, len_max: usize) {
        self.entries.truncate(len_max);
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The latest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }
}
