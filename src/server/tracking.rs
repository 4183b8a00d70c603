//! Client-side caching (<https://redis.io/docs/latest/develop/reference/client-side-caching/>): who may have copies of which keys, and
//! telling them when these change.
//!
//! ```text
//!   read command of a tracking client --remember--> table: key -> readers
//!   changed keys (Observers) ---------------------> readers are told, and forgotten          by default
//!                             \-------------------> prefixes: keys of this turn, told at its end   BCAST
//! ```
//!
//! A reader is a slab key with a client's id; one that is gone is passed over, and dropped when its key's readers are next counted.
//! The table never holds more than `tracking-table-max-keys` for long: whatever is beyond is told as changed, some each turn.
//!
//! Invariants: the keyspace records changes if and only if a client tracks ([`Tracking::clients`]) or a key is in the table, so that none
//! is there that has changed since; a client has [`gate::TRACKING`] if its reads are to be remembered, and then none of its commands runs
//! in the hot loop.
//!
//! Cost: nothing without tracking clients and what they have left behind; with some, a change is a look into the table.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use hashbrown::HashTable;
use slab::Slab;

use crate::base::branch::cold_path;
use crate::collections::segmented_table::SegmentedTable;
use crate::commands::{Args, Command, CommandError, Flags, find_keys, quotable};
use crate::keyspace::{Bulk, Invalidation, Pending};
use crate::reactor::SharedMessage;
use crate::resp::reply::{Encoder, Version};
use crate::server::engine::Engine;
use crate::server::session::{Client, gate};

/// Keys told as changed in one turn because there are too many in the table.
const EVICT_SLICE: usize = 128;
/// From so many prefixes of one client on an overlap is told without naming the first pair.
const PAIRS_MAX: usize = 1000;
/// Keys whose names are looked at to know about how long all of them are.
const KEYS_WEIGHED: usize = 64;
/// What a RESP2 client that invalidations are redirected to subscribes to.
const CHANNEL: &[u8] = b"__redis__:invalidate";

bitflags::bitflags! {
    /// How a client tracks.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Mode: u8 {
        /// Every change of a key with one of its prefixes, whatever it has read.
        const BCAST = 1;
        /// Only keys read right after CLIENT CACHING YES.
        const OPTIN = 1 << 1;
        /// Not keys read right after CLIENT CACHING NO.
        const OPTOUT = 1 << 2;
        /// Not what it has changed itself.
        const NOLOOP = 1 << 3;
    }
}

/// A client by slab key and id: the key may be another client's by now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientRef {
    key: usize,
    pub id: u64,
}

impl ClientRef {
    pub fn of(key: usize, client: &Client) -> ClientRef {
        ClientRef { key, id: client.session.id }
    }

    fn find(self, clients: &Slab<Box<Client>>) -> Option<&Client> {
        clients.get(self.key).map(|client| &**client).filter(|client| client.session.id == self.id && !client.closing)
    }
}

/// What a client asked for with CLIENT TRACKING.
#[derive(Default)]
pub struct ClientTracking {
    pub mode: Mode,
    pub redirect: Option<ClientRef>,
    /// In the order in which they are printed.
    pub prefixes: Vec<Box<[u8]>>,
    /// CLIENT CACHING was said of the next command.
    pub is_caching_given: bool,
    pub is_redirect_broken: bool,
}

impl ClientTracking {
    /// Memory that it costs, bytes.
    pub fn memory_bytes(&self) -> usize {
        let prefixes = self.prefixes.iter().map(|prefix| prefix.len() + 2 * size_of::<Box<[u8]>>());
        size_of::<ClientTracking>() + prefixes.sum::<usize>()
    }
}

/// A key that clients may have copies of.
struct TrackedKey {
    hash: u64,
    name: Box<[u8]>,
    readers: Readers,
}

/// Who has read a key: mostly one.
enum Readers {
    One(ClientRef),
    Many(Box<HashTable<ClientRef>>),
}

impl Readers {
    fn len(&self) -> usize {
        match self {
            Readers::One(_) => 1,
            Readers::Many(table) => table.len(),
        }
    }

    fn contains(&self, reader: ClientRef) -> bool {
        match self {
            Readers::One(one) => *one == reader,
            Readers::Many(table) => table.find(reader_hash(&reader), |other| *other == reader).is_some(),
        }
    }

    /// Adds one that is not there. Before it takes more room, those that `is_there` does not know leave.
    fn insert(&mut self, reader: ClientRef, is_there: impl Fn(ClientRef) -> bool) {
        match self {
            Readers::One(one) if !is_there(*one) => *one = reader,
            Readers::One(one) => {
                let mut table = HashTable::with_capacity(2);
                for reader in [*one, reader] {
                    table.insert_unique(reader_hash(&reader), reader, reader_hash);
                }
                *self = Readers::Many(Box::new(table));
            }
            Readers::Many(table) => {
                if table.len() == table.capacity() {
                    table.retain(|reader| is_there(*reader));
                }
                table.insert_unique(reader_hash(&reader), reader, reader_hash);
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = &ClientRef> {
        let (one, many) = match self {
            Readers::One(one) => (Some(one), None),
            Readers::Many(table) => (None, Some(table.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// The table when all of it is forgotten.
struct Forgotten(SegmentedTable<TrackedKey>);

impl Bulk for Forgotten {
    fn bytes(&self) -> usize {
        let weighed = self.0.len().min(KEYS_WEIGHED);
        let names: usize = self.0.iter().take(weighed).map(|tracked| tracked.name.len()).sum();
        self.0.len() * size_of::<TrackedKey>() + names * self.0.len() / weighed.max(1)
    }
}

/// A prefix that clients want to know the changed keys of.
#[derive(Default)]
struct Prefix {
    /// By id.
    clients: BTreeMap<u64, ClientRef>,
    /// Keys changed in this turn, with the client that did it last.
    changed: BTreeMap<Box<[u8]>, Option<u64>>,
}

/// Everybody who tracks.
#[derive(Default)]
pub struct Tracking {
    clients: usize,
    table: SegmentedTable<TrackedKey>,
    /// Readers of all keys.
    items: usize,
    prefixes: BTreeMap<Box<[u8]>, Prefix>,
    /// How many prefixes there are of each length.
    lengths: BTreeMap<usize, usize>,
    /// Prefixes with changed keys.
    to_broadcast: Vec<Box<[u8]>>,
    /// What the client whose command did it is told itself, or has told another: slab key, array of keys. It comes after what others
    /// are told, and after that command's reply.
    own: Vec<(usize, Vec<u8>)>,
    /// The client whose command is being executed still, while others are told in the middle of it.
    calling: Option<usize>,
}

fn reader_hash(reader: &ClientRef) -> u64 {
    reader.id.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Tracking {
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// Whether changes of keys have to be known.
    fn is_wanted(&self) -> bool {
        self.clients > 0 || !self.table.is_empty()
    }

    /// Keys in the table, and their readers.
    pub fn keys_and_items(&self) -> (usize, usize) {
        (self.table.len(), self.items)
    }

    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    fn remember(&mut self, hash: u64, name: &[u8], reader: ClientRef, clients: &Slab<Box<Client>>) {
        let is_it = |tracked: &TrackedKey| tracked.hash == hash && *tracked.name == *name;
        if let Some(tracked) = self.table.find_mut(hash, is_it) {
            let readers = &mut tracked.readers;
            if readers.contains(reader) {
                return;
            }
            let before = readers.len();
            readers.insert(reader, |reader| reader.find(clients).is_some());
            self.items = self.items + readers.len() - before;
        } else {
            let tracked = TrackedKey { hash, name: name.into(), readers: Readers::One(reader) };
            self.table.insert_unique(hash, tracked, |tracked: &TrackedKey| tracked.hash);
            self.items += 1;
        }
    }

    fn take(&mut self, hash: u64, name: &[u8]) -> Option<TrackedKey> {
        let is_it = |tracked: &TrackedKey| tracked.hash == hash && *tracked.name == *name;
        let taken = self.table.remove(hash, is_it, |tracked: &TrackedKey| tracked.hash)?;
        self.items -= taken.readers.len();
        Some(taken)
    }

    /// Notes a changed key for everybody with a prefix of it.
    fn note_for_broadcast(&mut self, name: &[u8], by: Option<u64>) {
        for &len in self.lengths.range(..=name.len()).map(|(len, _)| len) {
            let Some(prefix) = self.prefixes.get_mut(&name[..len]) else { continue };
            if prefix.changed.is_empty() {
                self.to_broadcast.push(name[..len].into());
            }
            // Whoever did it last knows what the key is now, and nobody else.
            match prefix.changed.get_mut(name) {
                Some(last) => *last = by,
                None => drop(prefix.changed.insert(name.into(), by)),
            }
        }
    }

    fn add_prefix(&mut self, prefix: &[u8], client: ClientRef) {
        if !self.prefixes.contains_key(prefix) {
            self.prefixes.insert(prefix.into(), Prefix::default());
            *self.lengths.entry(prefix.len()).or_default() += 1;
        }
        if let Some(prefix) = self.prefixes.get_mut(prefix) {
            prefix.clients.insert(client.id, client);
        }
    }

    fn remove_prefix(&mut self, name: &[u8], id: u64) {
        let Some(prefix) = self.prefixes.get_mut(name) else { return };
        prefix.clients.remove(&id);
        if prefix.clients.is_empty() {
            self.prefixes.remove(name);
            if let Some(count) = self.lengths.get_mut(&name.len()) {
                *count -= 1;
                if *count == 0 {
                    self.lengths.remove(&name.len());
                }
            }
        }
    }
}

/// An array of keys, and the messages that it is sent in, made once for all that get them.
struct Keys<'a> {
    text: &'a [u8],
    /// By protocol version.
    messages: [Option<SharedMessage>; 2],
}

impl<'a> Keys<'a> {
    fn new(text: &'a [u8]) -> Keys<'a> {
        Keys { text, messages: [None, None] }
    }

    fn message(&mut self, version: Version) -> &SharedMessage {
        self.messages[version as usize].get_or_insert_with(|| {
            let header: &[&[u8]] = match version {
                Version::Resp3 => &[b">2\r\n$10\r\ninvalidate\r\n"],
                Version::Resp2 => &[b"*3\r\n$7\r\nmessage\r\n$20\r\n", CHANNEL, b"\r\n"],
            };
            SharedMessage { message: Arc::new([&header.concat(), self.text].concat()), joined: None }
        })
    }
}

/// An array of keys.
fn keys_text<'a>(keys: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut text = Vec::new();
    let mut encoder = Encoder::new(&mut text, Version::Resp2);
    encoder.array(keys.len());
    keys.for_each(|key| encoder.bulk(key));
    text
}

/// # Errors
/// `ERR Prefix 'a' overlaps with another provided prefix 'ab'. ...`
fn check_prefixes(own: &[Box<[u8]>], given: &[&[u8]]) -> Result<(), CommandError> {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let error = |a: &[u8], which: &str, b: &[u8]| {
        let text = [b"ERR Prefix '", quotable(a), b"' overlaps with ", which.as_bytes(), b" prefix '", quotable(b)];
        let text = [&text.concat(), b"'. Prefixes for a single client must not overlap.".as_slice()].concat();
        Err(CommandError::owned(text))
    };
    // In order, whatever is a prefix of another is one of its neighbour.
    let mut all: Vec<&[u8]> = own.iter().map(|prefix| &**prefix).chain(given.iter().copied()).collect();
    all.sort_unstable();
    let Some(pair) = all.windows(2).find(|pair| pair[1].starts_with(pair[0])) else { return Ok(()) };
    if all.len() > PAIRS_MAX {
        return error(pair[1], "another provided", pair[0]);
    }
    for (index, prefix) in given.iter().enumerate() {
        if let Some(other) = own.iter().find(|other| overlap(prefix, other)) {
            return error(prefix, "an existing", other);
        }
        if let Some(other) = given[index + 1..].iter().find(|other| overlap(prefix, other)) {
            return error(prefix, "another provided", other);
        }
    }
    Ok(())
}

impl Engine {
    /// CLIENT TRACKING ON.
    ///
    /// # Errors
    /// What does not go together, in Redis's words.
    pub fn start_tracking(
        &mut self,
        key: usize,
        mode: Mode,
        redirect: Option<ClientRef>,
        prefixes: &[&[u8]],
    ) -> Result<(), CommandError> {
        if !mode.contains(Mode::BCAST) && !prefixes.is_empty() {
            return Err(CommandError::new("ERR PREFIX option requires BCAST mode to be enabled"));
        }
        let own = self.clients[key].tracking.as_deref();
        if own.is_some_and(|own| own.mode.contains(Mode::BCAST) != mode.contains(Mode::BCAST)) {
            return Err(CommandError::new(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        let opts = Mode::OPTIN.union(Mode::OPTOUT);
        if mode.contains(Mode::BCAST) && mode.intersects(opts) {
            return Err(CommandError::new("ERR OPTIN and OPTOUT are not compatible with BCAST"));
        }
        if mode.contains(opts) {
            return Err(CommandError::new("ERR You can't specify both OPTIN mode and OPTOUT mode"));
        }
        if own.is_some_and(|own| (own.mode | mode).contains(opts)) {
            return Err(CommandError::new(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        if mode.contains(Mode::BCAST) {
            check_prefixes(own.map_or(&[], |own| &own.prefixes), prefixes)?;
        }
        let Engine { clients, tracking, keyspace, .. } = self;
        let client = &mut clients[key];
        let this = ClientRef::of(key, client);
        if client.tracking.is_none() {
            tracking.clients += 1;
            keyspace.observers.set_cached(true);
        }
        let own = client.tracking.get_or_insert_default();
        own.mode = mode;
        own.redirect = redirect;
        own.is_redirect_broken = false;
        if mode.contains(Mode::BCAST) {
            let everything: &[&[u8]] = &[b""];
            for prefix in if prefixes.is_empty() { everything } else { prefixes } {
                own.prefixes.push((*prefix).into());
                tracking.add_prefix(prefix, this);
            }
            own.prefixes.sort_unstable();
            own.prefixes.dedup();
            client.session.gates &= !gate::TRACKING;
        } else {
            client.session.gates |= gate::TRACKING;
        }
        Ok(())
    }

    /// CLIENT TRACKING OFF, or the client goes.
    pub fn stop_tracking(&mut self, key: usize) {
        let Engine { clients, tracking, keyspace, .. } = self;
        let client = &mut clients[key];
        let Some(own) = client.tracking.take() else { return };
        client.session.gates &= !gate::TRACKING;
        for prefix in &own.prefixes {
            tracking.remove_prefix(prefix, client.session.id);
        }
        tracking.clients -= 1;
        keyspace.observers.set_cached(tracking.is_wanted());
    }

    /// A tracking client has executed a command: the keys that it read are remembered.
    pub(super) fn remember_reads(&mut self, key: usize, command: &Command, args: &Args<'_>) {
        let Some(own) = &self.clients[key].tracking else { return };
        let is_wanted = match () {
            () if own.mode.contains(Mode::BCAST) => false,
            () if own.mode.contains(Mode::OPTIN) => own.is_caching_given,
            () if own.mode.contains(Mode::OPTOUT) => !own.is_caching_given,
            () => true,
        };
        if !is_wanted || !command.flags.contains(Flags::READONLY) || command.flags.contains(Flags::PUBSUB) {
            return;
        }
        // What a transaction changed before it read the key is no news, and neither is that the time of one was up.
        self.keyspace.reap_seen();
        self.tracking.calling = Some(key);
        self.tell_invalidations(Some(key));
        self.tracking.calling = None;
        let all: Vec<&[u8]> = args.from(0).collect();
        let Some(found) = find_keys(command, &all) else { return };
        let reader = ClientRef::of(key, &self.clients[key]);
        for found in found {
            let name = all[found.index];
            let hash = self.keyspace.hash(name);
            self.tracking.remember(hash, name, reader, &self.clients);
        }
    }

    /// What CLIENT CACHING said holds for one command, or one transaction.
    pub(super) fn end_caching(&mut self, key: usize, is_client_command: bool) {
        let client = &mut self.clients[key];
        if client.session.gates & gate::MULTI == 0
            && !is_client_command
            && let Some(own) = &mut client.tracking
        {
            own.is_caching_given = false;
        }
    }

    /// Tells of the keys changed so far. `by`: the client whose command did it.
    pub(super) fn tell_invalidations(&mut self, by: Option<usize>) {
        if !self.keyspace.observers.pending().contains(Pending::INVALIDATIONS) {
            return;
        }
        let by_id = by.and_then(|by| self.clients.get(by)).map(|client| client.session.id);
        for invalidation in self.keyspace.observers.take_invalidations() {
            match invalidation {
                Invalidation::Key { hash, bytes, .. } => {
                    self.tracking.note_for_broadcast(&bytes, by_id);
                    self.invalidate(hash, &bytes, by);
                }
                Invalidation::All => self.invalidate_all(by),
            }
        }
        if !self.tracking.own.is_empty() {
            self.keyspace.observers.push_deferred();
        }
        self.keyspace.observers.set_cached(self.tracking.is_wanted());
    }

    /// The command that changed keys is done: its own client is told.
    pub(super) fn tell_own_invalidations(&mut self) {
        if self.tracking.own.is_empty() {
            return;
        }
        self.keyspace.observers.pushes_released();
        for (key, keys) in std::mem::take(&mut self.tracking.own) {
            self.send_invalidation(key, &keys);
        }
    }

    /// Tells a client now or, if it is the one whose command is to blame, later.
    fn tell_or_keep(&mut self, key: usize, keys: &[u8], by: Option<usize>) {
        if by == Some(key) {
            self.tracking.own.push((key, keys.to_vec()));
        } else {
            self.send_invalidation(key, keys);
        }
    }

    /// Tells the readers of a key, which are forgotten.
    fn invalidate(&mut self, hash: u64, name: &[u8], by: Option<usize>) {
        let Some(tracked) = self.tracking.take(hash, name) else { return };
        let text = keys_text([name].into_iter());
        for reader in tracked.readers.iter() {
            let Some(own) = reader.find(&self.clients).and_then(|client| client.tracking.as_deref()) else { continue };
            let is_own_doing = own.mode.contains(Mode::NOLOOP) && by == Some(reader.key);
            if !own.mode.contains(Mode::BCAST) && !is_own_doing {
                self.tell_or_keep(reader.key, &text, by);
            }
        }
    }

    /// Tells every client that tracks to forget everything.
    fn invalidate_all(&mut self, by: Option<usize>) {
        let everybody = self.clients.iter().filter(|(_, client)| client.tracking.is_some() && !client.closing);
        let mut everybody: Vec<(u64, usize)> = everybody.map(|(key, client)| (client.session.id, key)).collect();
        everybody.sort_unstable();
        for (_, key) in everybody {
            let null: &[u8] = match self.clients[key].session.version {
                Version::Resp2 => b"$-1\r\n",
                Version::Resp3 => b"_\r\n",
            };
            self.tell_or_keep(key, null, by);
        }
        let forgotten = std::mem::take(&mut self.tracking.table);
        if !forgotten.is_empty() {
            self.keyspace.free_elsewhere(Box::new(Forgotten(forgotten)));
        }
        self.tracking.items = 0;
    }

    /// Sends a client, or the one that it redirects to, an array of keys.
    fn send_invalidation(&mut self, key: usize, keys: &[u8]) {
        self.send_keys(key, &mut Keys::new(keys));
    }

    fn send_keys(&mut self, key: usize, keys: &mut Keys<'_>) {
        let Some(own) = &mut self.clients[key].tracking else { return };
        let redirect = own.redirect;
        let mut target = key;
        if let Some(redirect) = redirect {
            if redirect.find(&self.clients).is_none() {
                return self.tell_redirect_broken(key, redirect.id);
            }
            target = redirect.key;
        }
        let client = &self.clients[target];
        let version = client.session.version;
        // In RESP2 there is no telling it apart from a reply.
        if version == Version::Resp2 && (redirect.is_none() || client.subscriber.is_none()) {
            return;
        }
        let message = keys.message(version);
        self.push_to(target, &message.message, Some(message), self.tracking.calling);
    }

    #[cold]
    fn tell_redirect_broken(&mut self, key: usize, id: u64) {
        let client = &mut self.clients[key];
        if let Some(own) = &mut client.tracking {
            own.is_redirect_broken = true;
        }
        if client.session.version == Version::Resp3 {
            let message = format!(">2\r\n$21\r\ntracking-redir-broken\r\n:{id}\r\n");
            self.push_to(key, message.as_bytes(), None, self.tracking.calling);
        }
    }

    /// At the end of a run: tells of the keys with prefixes that were changed, and of some too many in the table.
    #[inline]
    pub(super) fn settle_tracking(&mut self) {
        if !self.tracking.to_broadcast.is_empty() {
            self.broadcast();
        }
        if self.is_tracking_table_full() {
            cold_path();
            self.is_stirred = true;
            self.shrink_tracking_table();
        }
    }

    /// Whether there are keys in the table that have to go.
    pub(super) fn is_tracking_table_full(&self) -> bool {
        let max_keys = self.config.tracking_table_max_keys;
        max_keys > 0 && self.tracking.table.len() as u64 > max_keys
    }

    #[cold]
    fn broadcast(&mut self) {
        let mut names = std::mem::take(&mut self.tracking.to_broadcast);
        names.sort_unstable();
        for name in names {
            let Some(prefix) = self.tracking.prefixes.get_mut(&name) else { continue };
            let changed = std::mem::take(&mut prefix.changed);
            if changed.is_empty() {
                // Nobody wanted it any more, and then somebody again.
                continue;
            }
            let clients: Vec<ClientRef> = prefix.clients.values().copied().collect();
            let names: Vec<&[u8]> = changed.keys().map(|key| &**key).collect();
            let text = keys_text(names.into_iter());
            let mut all = Keys::new(&text);
            let writers: HashSet<u64> = changed.values().copied().flatten().collect();
            for client in clients {
                let Some(own) = client.find(&self.clients).and_then(|found| found.tracking.as_deref()) else {
                    continue;
                };
                if !own.mode.contains(Mode::NOLOOP) || !writers.contains(&client.id) {
                    self.send_keys(client.key, &mut all);
                    continue;
                }
                let others = changed.iter().filter(|(_, by)| **by != Some(client.id)).map(|(key, _)| &**key);
                let others: Vec<&[u8]> = others.collect();
                if !others.is_empty() {
                    let text = keys_text(others.into_iter());
                    self.send_invalidation(client.key, &text);
                }
            }
        }
    }

    #[cold]
    fn shrink_tracking_table(&mut self) {
        for _ in 0..EVICT_SLICE {
            if !self.is_tracking_table_full() {
                break;
            }
            let Engine { tracking, keyspace, .. } = self;
            let below = |n: usize| keyspace.random_below(n);
            let Some(taken) = tracking.table.take_random(below, |tracked: &TrackedKey| tracked.hash) else { break };
            tracking.items -= taken.readers.len();
            let text = keys_text([&*taken.name].into_iter());
            for reader in taken.readers.iter() {
                let Some(own) = reader.find(&self.clients).and_then(|client| client.tracking.as_deref()) else {
                    continue;
                };
                if !own.mode.contains(Mode::BCAST) {
                    self.send_invalidation(reader.key, &text);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
