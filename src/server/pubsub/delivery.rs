//! Messages on their way: encoded, and appended to what their receivers are to be sent.
//!
//! A message is encoded once, whoever gets it: RESP2 and RESP3 differ in its first byte only. Few receivers get a copy each, many a
//! reference to one that they share. The memory in which it was encoded is kept, since the next one on the same channel begins with the
//! same bytes.
//!
//! It knows of subscriptions only where their seats are, and of clients only their output and the lists that say when it is sent.
//!
//! Cost: finding the channel, one copy of the message, and one more for each receiver.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{GONE, PubSub, Topics};
use crate::base::glob;
use crate::base::sink::Sink;
use crate::collections::segmented_table::SegmentedTable;
use crate::reactor::{PUSH_SHARED_MIN, SharedMessage};
use crate::resp::reply::{Encoder, Version};
use crate::server::engine::Engine;
use crate::server::session::{Client, gate};

/// From so many receivers on they share a message instead of each getting a copy.
const SHARED_RECEIVERS: usize = 64;
/// So many subscribers of a channel are copied while they are sent to.
const FEW_SEATS: usize = 8;
/// Channels of the largest message whose text is kept for the next one's, bytes.
pub(super) const SCRATCH_KEPT: usize = 64 * 1024;

/// The memory in which messages are encoded. The last one is still there: the next one on the same channel begins with the same bytes.
#[derive(Default)]
pub(super) struct Scratch {
    bytes: Vec<u8>,
    /// Serial of the channel, and how many bytes come before the text of a message on it.
    head: Option<(u64, usize)>,
}

/// A message, encoded when the first that speaks a protocol version is to get it.
struct Message<'a> {
    /// What stands before the text, and the text.
    head: &'a [&'a [u8]],
    text: &'a [u8],
    /// The channel, if the next message may well be on the same.
    serial: Option<u64>,
    /// RESP2 and RESP3 differ in the first byte only.
    scratch: &'a mut Scratch,
    is_encoded: bool,
    shared: [Option<SharedMessage>; 2],
    is_shared: bool,
    /// What was shared before it.
    before: [Option<Arc<Vec<u8>>>; 2],
}

impl<'a> Message<'a> {
    fn new(
        head: &'a [&'a [u8]],
        text: &'a [u8],
        serial: Option<u64>,
        scratch: &'a mut Scratch,
        receivers: usize,
    ) -> Message<'a> {
        let is_shared = receivers >= SHARED_RECEIVERS || (text.len() >= PUSH_SHARED_MIN && receivers > 1);
        Message {
            head,
            text,
            serial,
            scratch,
            is_encoded: false,
            shared: [None, None],
            is_shared,
            before: [None, None],
        }
    }

    fn encode(&mut self) {
        let Scratch { bytes, head } = &mut *self.scratch;
        match (*head, self.serial) {
            (Some((known, len)), Some(serial)) if known == serial => bytes.truncate(len),
            _ => {
                bytes.clear();
                let mut encoder = Encoder::new(bytes, Version::Resp2);
                encoder.push(self.head.len() + 1);
                self.head.iter().for_each(|part| encoder.bulk(part));
                *head = self.serial.map(|serial| (serial, bytes.len()));
            }
        }
        Encoder::new(bytes, Version::Resp2).bulk(self.text);
        self.is_encoded = true;
    }

    /// What its receivers have before them afterwards, if it was shared.
    fn last_shared(self) -> [Option<Arc<Vec<u8>>>; 2] {
        self.shared.map(|shared| {
            let SharedMessage { message, joined } = shared?;
            // Whichever more of them have: those of another channel had nothing before it.
            match joined {
                Some((_, with_it)) if Arc::strong_count(&with_it) >= Arc::strong_count(&message) => Some(with_it),
                _ => Some(message),
            }
        })
    }

    fn of(&mut self, version: Version) -> (&[u8], Option<&SharedMessage>) {
        if !self.is_encoded {
            self.encode();
        }
        let Message { scratch, shared, before, .. } = self;
        let bytes = &mut scratch.bytes;
        bytes[0] = push_type(version);
        if self.is_shared {
            let shared = shared[version as usize].get_or_insert_with(|| {
                let before = before[version as usize].take();
                let joined = before.filter(|before| before.len() + bytes.len() <= PUSH_SHARED_MIN).map(|before| {
                    let with_it = Arc::new([&before[..], &bytes[..]].concat());
                    (before, with_it)
                });
                SharedMessage { message: Arc::new(bytes.clone()), joined }
            });
            (bytes, Some(shared))
        } else {
            (bytes, None)
        }
    }
}

/// The type byte of a message.
fn push_type(version: Version) -> u8 {
    match version {
        Version::Resp2 => b'*',
        Version::Resp3 => b'>',
    }
}

/// The subscribers of a channel, if they are few.
pub(super) struct FewReceivers {
    /// Their slab keys.
    keys: SmallVec<[u32; FEW_SEATS]>,
    /// What comes before the text of a message is the first so many bytes of the last one.
    head_len: usize,
}

impl FewReceivers {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

impl PubSub {
    /// The client is about to be sent a message.
    fn count_delivery(&mut self, client: &mut Client, key: usize, bytes: usize) {
        // What is there and on no list waits until the socket takes more.
        let waits_for_socket = !client.dirty && !client.fanned_out && !client.output.is_empty();
        self.turn_deliveries += 1;
        if waits_for_socket {
            return;
        }
        self.ahead_deliveries += 1;
        self.ahead_bytes += bytes;
        if !client.dirty && !client.fanned_out {
            client.fanned_out = true;
            self.fan_out.push_back((key, client.session.id));
        }
    }
}

impl Engine {
    /// Sends a message to everybody who subscribed to the channel or to a pattern that matches it. How many that are. `calling`: the client
    /// whose command is being executed; what it is sent comes after its reply.
    pub fn publish(&mut self, topics: Topics, channel: &[u8], message: &[u8], calling: Option<usize>) -> usize {
        if self.pubsub.topics.iter().all(SegmentedTable::is_empty) {
            return 0;
        }
        let hash = self.keyspace.hash(channel);
        let mut scratch = std::mem::take(&mut self.pubsub.scratch);
        let mut receivers = 0;
        let mut over = SmallVec::new();
        let mut delivery = Delivery { engine: self, calling, over: &mut over };
        receivers += delivery.reach_channel(topics, hash, channel, message, &mut scratch);
        if topics == Topics::Channels {
            receivers += delivery.reach_patterns(channel, message, &mut scratch);
        }
        for key in over {
            self.check_output_limit(key);
        }
        if scratch.bytes.capacity() > SCRATCH_KEPT {
            scratch = Scratch::default();
        }
        self.pubsub.scratch = scratch;
        self.hold_back_publishers();
        receivers
    }

    /// Who gets what is published on the channel next, if they are few, and the last message of all was for them and nobody else: one for
    /// subscribers of patterns leaves no head.
    pub(super) fn few_receivers(&self, topics: Topics, channel: &[u8]) -> Option<FewReceivers> {
        let PubSub { clients, scratch, .. } = &self.pubsub;
        let topic = self.pubsub.find(topics, self.keyspace.hash(channel), channel)?;
        let (_, head_len) = scratch.head.filter(|&(serial, _)| serial == topic.serial)?;
        if topic.seats.len() > FEW_SEATS {
            return None;
        }
        let keys: SmallVec<[u32; FEW_SEATS]> = topic.seats.iter().map(|&seat| clients[seat as usize]).collect();
        let is_there = |&key: &u32| key != GONE && !self.clients[key as usize].is_closing();
        keys.iter().all(is_there).then_some(FewReceivers { keys, head_len })
    }

    /// Sends them a short message, as [`Engine::publish`] would; whether the next one would go to the same. Since they were found nothing
    /// else may have happened but this; the client whose command is being executed is not among them.
    pub(super) fn publish_to_few(&mut self, few: &FewReceivers, text: &[u8]) -> bool {
        debug_assert!(text.len() < PUSH_SHARED_MIN, "a long one is referred to, not copied");
        let Engine { clients, pubsub, pool, .. } = self;
        let mut scratch = std::mem::take(&mut pubsub.scratch);
        let head = &mut scratch.bytes[..few.head_len];
        let mut over: SmallVec<[usize; FEW_SEATS]> = SmallVec::new();
        for &key in &few.keys {
            let key = key as usize;
            let client = &mut clients[key];
            let version = client.session.version;
            head[0] = push_type(version);
            pubsub.count_delivery(client, key, head.len() + text.len());
            client.output.push_with(|output| {
                output.attach(pool);
                output.put(head);
                Encoder::new(output, version).bulk(text);
            });
            if client.output.overflow().0 > 0 {
                over.push(key);
            }
        }
        pubsub.scratch = scratch;
        let may_go_on = over.is_empty();
        for key in over {
            self.check_output_limit(key);
        }
        self.hold_back_publishers();
        may_go_on && self.gates & gate::FAN_OUT == 0
    }

    /// Further PUBLISHes wait if too much is on its way.
    fn hold_back_publishers(&mut self) {
        if self.pubsub.is_ahead() {
            self.gates |= gate::FAN_OUT;
        }
    }

    /// Sends one client something that it did not ask for right now.
    /// `shared`: the message again, if others are sent it, too.
    pub(in crate::server) fn push_to(
        &mut self,
        key: usize,
        message: &[u8],
        shared: Option<&SharedMessage>,
        calling: Option<usize>,
    ) {
        let mut over = SmallVec::new();
        // A short one is copied: what goes before the ring is known by the one that all were sent last.
        let shared = shared.filter(|_| message.len() >= PUSH_SHARED_MIN);
        Delivery { engine: self, calling, over: &mut over }.reach_client(key, |_| (message, shared));
        for key in over {
            self.check_output_limit(key);
        }
    }
}

/// A message on its way.
struct Delivery<'a> {
    engine: &'a mut Engine,
    calling: Option<usize>,
    /// Clients with more waiting than fits into their rings.
    over: &'a mut SmallVec<[usize; 4]>,
}

impl Delivery<'_> {
    fn reach_channel(
        &mut self,
        topics: Topics,
        hash: u64,
        channel: &[u8],
        text: &[u8],
        scratch: &mut Scratch,
    ) -> usize {
        let table = &mut self.engine.pubsub.topics[topics as usize];
        let Some(topic) = table.find(hash, |topic| topic.hash == hash && *topic.name == *channel) else { return 0 };
        let serial = topic.serial;
        let verb: &[u8] = if topics == Topics::ShardChannels { b"smessage" } else { b"message" };
        let head = [verb, channel];
        if topic.seats.len() <= FEW_SEATS {
            let seats: SmallVec<[u32; FEW_SEATS]> = SmallVec::from_slice(&topic.seats);
            return self.reach_all(&seats, Message::new(&head, text, Some(serial), scratch, seats.len()));
        }
        // Out of its place meanwhile, as delivering needs the whole engine; a few seats are copied in less time.
        let table = std::mem::take(table);
        let topic = table.find(hash, |topic| topic.serial == serial);
        let seats = topic.map_or(&[][..], |topic| &topic.seats);
        let receivers = self.reach_all(seats, Message::new(&head, text, Some(serial), scratch, seats.len()));
        self.engine.pubsub.topics[topics as usize] = table;
        receivers
    }

    fn reach_all(&mut self, seats: &[u32], mut message: Message<'_>) -> usize {
        if !message.is_shared {
            let receivers = self.reach_seats(seats, &mut message);
            self.engine.pubsub.last_shared = [None, None];
            return receivers;
        }
        message.before = std::mem::take(&mut self.engine.pubsub.last_shared);
        let receivers = self.reach_seats(seats, &mut message);
        self.engine.pubsub.last_shared = message.last_shared();
        receivers
    }

    fn reach_patterns(&mut self, channel: &[u8], text: &[u8], scratch: &mut Scratch) -> usize {
        let patterns = Topics::Patterns as usize;
        if self.engine.pubsub.topics[patterns].is_empty() {
            return 0;
        }
        let table = std::mem::take(&mut self.engine.pubsub.topics[patterns]);
        let mut receivers = 0;
        for topic in table.iter().filter(|topic| glob::matches(&topic.name, channel, false)) {
            let head = [b"pmessage".as_slice(), &topic.name, channel];
            let mut message = Message::new(&head, text, None, scratch, topic.seats.len());
            receivers += self.reach_seats(&topic.seats, &mut message);
        }
        self.engine.pubsub.topics[patterns] = table;
        receivers
    }

    fn reach_seats(&mut self, seats: &[u32], message: &mut Message<'_>) -> usize {
        let mut receivers = 0;
        for &seat in seats {
            let client = self.engine.pubsub.clients[seat as usize];
            if client != GONE {
                receivers += 1;
                self.reach_client(client as usize, |version| message.of(version));
            }
        }
        receivers
    }

    fn reach_client<'m>(&mut self, key: usize, text: impl FnOnce(Version) -> (&'m [u8], Option<&'m SharedMessage>)) {
        let Engine { clients, pubsub, pool, keyspace, .. } = &mut *self.engine;
        let client = &mut clients[key];
        if client.is_closing() {
            return;
        }
        let (bytes, shared) = text(client.session.version);
        if self.calling == Some(key) {
            pubsub.deferred.extend_from_slice(bytes);
            pubsub.deferred_for = key;
            keyspace.observers.push_deferred();
            return;
        }
        pubsub.count_delivery(client, key, bytes.len());
        client.output.push(bytes, shared, pool);
        if client.output.overflow().0 > 0 {
            self.over.push(key);
        }
    }
}
