//! Publish and subscribe (<https://redis.io/docs/latest/develop/interact/pubsub/>): who subscribed to what, and getting messages to them.
//!
//! ```text
//!   Topic (name) --seats--> subscriber's number --clients--> client's output, marked for the fan-out
//!      ^                         |
//!      +------- held: place -----+     (so that leaving a topic with ten thousand others is one step)
//! ```
//!
//! A message is encoded once per protocol version. What it is appended to is sent at the end of the turn, [`FAN_OUT_SENDS`] clients a
//! turn: after the replies of the turn's own commands, so that ten thousand subscribers delay nobody else, unless they are at most
//! [`FAN_OUT_FIRST`]. What is published meanwhile joins what still waits for the subscriber's turn, so the busier the channel, the more
//! messages go with one `send`, and the `send` is what a delivery costs. While too much of that is outstanding, further PUBLISHes wait
//! ([`gate::FAN_OUT`]), which is what holds a fast publisher back.
//!
//! Invariants: a seat of a topic and a [`Held`] of a subscriber are one and the other half of the same subscription; a topic without
//! seats does not exist; a client has a subscriber's number if and only if it has subscriptions. A client that goes with many
//! subscriptions gives up its number's client at once (nothing reaches it any more, nobody counts it) and the subscriptions in slices.
//!
//! Cost: a delivery of a short message is a copy of it, or for many receivers a reference.
//!
//! Here: subscriptions, and what waits to be sent. Messages: `pubsub/delivery.rs`; many PUBLISHes at once: `pubsub/burst.rs`.

use std::collections::VecDeque;
use std::sync::Arc;

use slab::Slab;
use smallvec::SmallVec;

use crate::base::glob;
use crate::collections::segmented_table::SegmentedTable;
use crate::commands::{Args, Reply};
use crate::resp::reply::Version;
use crate::server::engine::{Engine, Request};
use crate::server::pubsub::delivery::{SCRATCH_KEPT, Scratch};
use crate::server::session::gate;

/// Subscribers that are sent to in one turn, besides the clients whose commands it executed: some 0.1 ms of system calls. So few, because a
/// publisher's next message is seen only by the next turn: with 128 instead, 100 subscribers of messages published one by one cost 5 times
/// the CPU.
pub(super) const FAN_OUT_SENDS: usize = 16;
/// So few subscribers are sent to before those who asked something in the turn.
pub(super) const FAN_OUT_FIRST: usize = 4;
/// Deliveries in one turn, and deliveries and bytes of those that are not sent yet, after which a PUBLISH waits.
const TURN_DELIVERIES: usize = 8 * 1024;
const AHEAD_DELIVERIES: usize = 256 * 1024;
const AHEAD_BYTES: usize = 16 * 1024 * 1024;
/// Subscriptions given up in one turn of clients that are gone.
const LEAVE_SLICE: usize = 512;

/// What is subscribed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Topics {
    Channels,
    Patterns,
    ShardChannels,
}

impl Topics {
    const ALL: [Topics; 3] = [Topics::Channels, Topics::Patterns, Topics::ShardChannels];

    /// What a subscription and its end are announced with.
    fn verbs(self) -> (&'static str, &'static str) {
        match self {
            Topics::Channels => ("subscribe", "unsubscribe"),
            Topics::Patterns => ("psubscribe", "punsubscribe"),
            Topics::ShardChannels => ("ssubscribe", "sunsubscribe"),
        }
    }
}

/// A channel or a pattern that somebody subscribed to.
struct Topic {
    hash: u64,
    /// Tells it from every other one there ever was.
    serial: u64,
    name: Box<[u8]>,
    /// Numbers of its subscribers.
    seats: SmallVec<[u32; 4]>,
}

/// A subscription, as its subscriber keeps it.
struct Held {
    hash: u64,
    serial: u64,
    /// Index of its seat.
    place: u32,
}

#[derive(Default)]
struct Subscriber {
    /// By [`Topics`].
    held: [SegmentedTable<Held>; 3],
}

impl Subscriber {
    fn len(&self) -> usize {
        self.held.iter().map(SegmentedTable::len).sum()
    }
}

/// A client that is gone whose subscriptions are being given up.
struct Leaving {
    subscriber: u32,
    topics: usize,
    cursor: u64,
}

/// Number of subscriptions, as CLIENT LIST prints them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Subscriptions {
    pub channels: usize,
    pub patterns: usize,
    pub shard_channels: usize,
}

/// Of a subscriber whose client is gone.
const GONE: u32 = u32::MAX;

/// Every subscription, and what is on its way.
#[derive(Default)]
pub struct PubSub {
    /// By [`Topics`].
    topics: [SegmentedTable<Topic>; 3],
    subscribers: Slab<Subscriber>,
    /// Slab key of each subscriber's client, or [`GONE`].
    clients: Vec<u32>,
    leaving: Vec<Leaving>,
    next_serial: u64,
    scratch: Scratch,
    /// What the receivers of the last shared message, of each protocol version, have before them to be sent.
    last_shared: [Option<Arc<Vec<u8>>>; 2],
    /// Messages for the client whose command is being executed: they come after its reply.
    deferred: Vec<u8>,
    deferred_for: usize,
    /// Clients that were sent messages and not flushed yet: slab key and id.
    pub(super) fan_out: VecDeque<(usize, u64)>,
    turn_deliveries: usize,
    ahead_deliveries: usize,
    ahead_bytes: usize,
    /// Slab key and id of clients whose PUBLISH waits.
    stopped: Vec<(usize, u64)>,
}

impl PubSub {
    /// Whether nobody has subscribed to a channel or pattern.
    pub fn is_empty(&self) -> bool {
        self.topics[Topics::Channels as usize].is_empty() && self.topics[Topics::Patterns as usize].is_empty()
    }

    /// Channels or patterns that somebody subscribed to; those that only a client that is gone had may be among them for a moment.
    pub fn topics(&self, topics: Topics) -> usize {
        self.topics[topics as usize].len()
    }

    /// Clients with subscriptions.
    pub fn clients(&self) -> usize {
        self.subscribers.len() - self.leaving.len()
    }

    /// Whether there is something for the next turn: messages to send, PUBLISHes that may go on then, subscriptions to give up.
    pub(super) fn is_behind(&self) -> bool {
        !self.fan_out.is_empty() || !self.stopped.is_empty() || !self.leaving.is_empty()
    }

    /// Names of the channels that match, if there is a pattern.
    pub fn names(&self, topics: Topics, pattern: Option<&[u8]>) -> Vec<&[u8]> {
        let found = self.topics[topics as usize].iter().filter(|topic| self.receivers(topic) > 0);
        let names = found.map(|topic| &*topic.name);
        names.filter(|name| pattern.is_none_or(|pattern| glob::matches(pattern, name, false))).collect()
    }

    /// Subscribers of a channel, without those of patterns that match it.
    pub fn subscribers(&self, topics: Topics, hash: u64, name: &[u8]) -> usize {
        self.find(topics, hash, name).map_or(0, |topic| self.receivers(topic))
    }

    fn receivers(&self, topic: &Topic) -> usize {
        if self.leaving.is_empty() {
            return topic.seats.len();
        }
        topic.seats.iter().filter(|&&seat| self.clients[seat as usize] != GONE).count()
    }

    fn find(&self, topics: Topics, hash: u64, name: &[u8]) -> Option<&Topic> {
        self.topics[topics as usize].find(hash, |topic| topic.hash == hash && *topic.name == *name)
    }

    /// Takes a seat. None: it has one already.
    fn join(&mut self, topics: Topics, hash: u64, name: &[u8], subscriber: u32) -> Option<()> {
        let table = &mut self.topics[topics as usize];
        let held = &mut self.subscribers[subscriber as usize].held[topics as usize];
        let is_it = |topic: &Topic| topic.hash == hash && *topic.name == *name;
        if let Some(topic) = table.find_mut(hash, is_it) {
            let serial = topic.serial;
            if held.find(hash, |held| held.serial == serial).is_some() {
                return None;
            }
            let place = topic.seats.len() as u32;
            topic.seats.push(subscriber);
            held.insert_unique(hash, Held { hash, serial, place }, |held: &Held| held.hash);
            return Some(());
        }
        self.next_serial += 1;
        let serial = self.next_serial;
        let topic = Topic { hash, serial, name: name.into(), seats: SmallVec::from_slice(&[subscriber]) };
        table.insert_unique(hash, topic, |topic: &Topic| topic.hash);
        held.insert_unique(hash, Held { hash, serial, place: 0 }, |held: &Held| held.hash);
        Some(())
    }

    /// Gives up a seat whose [`Held`] is gone or going. Returns what the topic is called.
    fn leave(&mut self, topics: Topics, held: &Held, subscriber: u32) -> Box<[u8]> {
        let table = &mut self.topics[topics as usize];
        let is_it = |topic: &Topic| topic.serial == held.serial;
        let Some(topic) = table.find_mut(held.hash, is_it) else { return Box::default() };
        let place = held.place as usize;
        if topic.seats.get(place) != Some(&subscriber) {
            return Box::default();
        }
        topic.seats.swap_remove(place);
        if let Some(&moved) = topic.seats.get(place) {
            let name = topic.name.clone();
            let others = &mut self.subscribers[moved as usize].held[topics as usize];
            if let Some(other) = others.find_mut(held.hash, |other| other.serial == held.serial) {
                other.place = held.place;
            }
            return name;
        }
        if !topic.seats.is_empty() {
            return topic.name.clone();
        }
        let gone = table.remove(held.hash, is_it, |topic: &Topic| topic.hash);
        gone.map(|topic| topic.name).unwrap_or_default()
    }

    /// Whether `permits` says so of every channel and pattern (then with `true`) of a subscriber.
    pub(super) fn are_all(&self, subscriber: u32, permits: impl Fn(&[u8], bool) -> bool) -> bool {
        let Some(own) = self.subscribers.get(subscriber as usize) else { return true };
        own.held.iter().zip(&self.topics).enumerate().all(|(kind, (held, topics))| {
            let is_pattern = kind == Topics::Patterns as usize;
            held.iter().all(|held| {
                let topic = topics.find(held.hash, |topic: &Topic| topic.serial == held.serial);
                topic.is_none_or(|topic| permits(&topic.name, is_pattern))
            })
        })
    }

    /// Gives up some subscriptions of clients that are gone.
    #[cold]
    pub(super) fn leave_slice(&mut self) {
        let Some(mut leaving) = self.leaving.pop() else { return };
        let mut left: Vec<Held> = Vec::with_capacity(LEAVE_SLICE);
        let held = &self.subscribers[leaving.subscriber as usize].held[leaving.topics];
        leaving.cursor = held.scan(leaving.cursor, LEAVE_SLICE, |held| {
            left.push(Held { hash: held.hash, serial: held.serial, place: held.place });
        });
        for mut held in left {
            // An earlier one of these may have given it another place.
            let serial = held.serial;
            let now = self.subscribers[leaving.subscriber as usize].held[leaving.topics]
                .find(held.hash, |held| held.serial == serial)
                .map(|held| held.place);
            held.place = now.unwrap_or(held.place);
            self.leave(Topics::ALL[leaving.topics], &held, leaving.subscriber);
        }
        if leaving.cursor == 0 {
            leaving.topics += 1;
        }
        if leaving.topics < Topics::ALL.len() {
            self.leaving.push(leaving);
        } else {
            self.subscribers.remove(leaving.subscriber as usize);
        }
    }

    /// Whether subscribers had better be sent to later, because more for them comes in the next turn: a PUBLISH waits for that only.
    pub(super) fn is_gathering(&self) -> bool {
        !self.stopped.is_empty() && self.ahead_deliveries < AHEAD_DELIVERIES && self.ahead_bytes < AHEAD_BYTES
    }

    /// Whether further messages have to wait until what is on its way has been sent.
    fn is_ahead(&self) -> bool {
        self.turn_deliveries >= TURN_DELIVERIES
            || self.ahead_deliveries >= AHEAD_DELIVERIES
            || self.ahead_bytes >= AHEAD_BYTES
    }
}

impl Engine {
    /// What the client subscribed to.
    pub fn subscriptions(&self, key: usize) -> Subscriptions {
        let Some(subscriber) = self.clients[key].subscriber else { return Subscriptions::default() };
        let held = &self.pubsub.subscribers[subscriber as usize].held;
        Subscriptions { channels: held[0].len(), patterns: held[1].len(), shard_channels: held[2].len() }
    }

    /// The number that goes with an announcement.
    fn announced(&self, key: usize, topics: Topics) -> usize {
        let subscriptions = self.subscriptions(key);
        match topics {
            Topics::ShardChannels => subscriptions.shard_channels,
            _ => subscriptions.channels + subscriptions.patterns,
        }
    }

    /// A RESP2 client with subscriptions may send only what has to do with them.
    pub fn refresh_subscribed(&mut self, key: usize) {
        let client = &mut self.clients[key];
        let is_restricted = client.subscriber.is_some() && client.session.version == Version::Resp2;
        client.session.gates &= !gate::SUBSCRIBED;
        if is_restricted {
            client.session.gates |= gate::SUBSCRIBED;
        }
    }

    /// What the client is told about its subscriptions, even if it wants no replies.
    fn announce(&mut self, key: usize, say: impl FnOnce(&mut Reply<'_>)) {
        let output = &mut self.clients[key].output;
        let was_muted = output.is_muted();
        output.set_muted(false);
        say(&mut self.reply(key));
        self.clients[key].output.set_muted(was_muted);
    }

    /// SUBSCRIBE and its kin, for one name.
    pub fn subscribe(&mut self, key: usize, topics: Topics, name: &[u8]) {
        let hash = self.keyspace.hash(name);
        let Engine { clients, pubsub, .. } = self;
        let client = &mut clients[key];
        let subscriber = *client.subscriber.get_or_insert_with(|| {
            let subscriber = pubsub.subscribers.insert(Subscriber::default());
            if pubsub.clients.len() <= subscriber {
                pubsub.clients.resize(subscriber + 1, GONE);
            }
            pubsub.clients[subscriber] = key as u32;
            subscriber as u32
        });
        if pubsub.join(topics, hash, name, subscriber).is_some() {
            client.subscription_bytes += subscription_bytes(name);
        }
        self.refresh_subscribed(key);
        let count = self.announced(key, topics);
        self.announce(key, |reply| {
            reply.push(3);
            reply.bulk_str(topics.verbs().0);
            reply.bulk(name);
            reply.len(count);
        });
    }

    /// UNSUBSCRIBE and its kin, for one name.
    pub fn unsubscribe(&mut self, key: usize, topics: Topics, name: &[u8]) {
        let hash = self.keyspace.hash(name);
        let Engine { clients, pubsub, .. } = self;
        let client = &mut clients[key];
        let serial = pubsub.find(topics, hash, name).map(|topic| topic.serial);
        if let (Some(subscriber), Some(serial)) = (client.subscriber, serial) {
            let held = &mut pubsub.subscribers[subscriber as usize].held[topics as usize];
            let removed = held.remove(hash, |held| held.serial == serial, |held: &Held| held.hash);
            if let Some(held) = removed {
                pubsub.leave(topics, &held, subscriber);
                client.subscription_bytes -= subscription_bytes(name);
            }
        }
        self.forget_empty_subscriber(key);
        let count = self.announced(key, topics);
        self.announce_end(key, topics, Some(name), count);
    }

    fn announce_end(&mut self, key: usize, topics: Topics, name: Option<&[u8]>, count: usize) {
        self.announce(key, |reply| {
            reply.push(3);
            reply.bulk_str(topics.verbs().1);
            match name {
                Some(name) => reply.bulk(name),
                None => reply.null(),
            }
            reply.len(count);
        });
    }

    /// UNSUBSCRIBE and its kin without a name.
    pub fn unsubscribe_all(&mut self, key: usize, topics: Topics) {
        let Engine { clients, pubsub, .. } = self;
        let held = match clients[key].subscriber {
            Some(subscriber) => std::mem::take(&mut pubsub.subscribers[subscriber as usize].held[topics as usize]),
            None => SegmentedTable::new(),
        };
        if held.is_empty() {
            let count = self.announced(key, topics);
            return self.announce_end(key, topics, None, count);
        }
        let mut count = self.announced(key, topics) + held.len();
        for held in held.iter() {
            let Some(subscriber) = self.clients[key].subscriber else { break };
            let name = self.pubsub.leave(topics, held, subscriber);
            self.clients[key].subscription_bytes -= subscription_bytes(&name);
            count -= 1;
            self.announce_end(key, topics, Some(&name), count);
        }
        self.forget_empty_subscriber(key);
    }

    /// A client without subscriptions is as any other.
    fn forget_empty_subscriber(&mut self, key: usize) {
        let client = &mut self.clients[key];
        let Some(subscriber) = client.subscriber else { return };
        if self.pubsub.subscribers[subscriber as usize].len() == 0 {
            self.pubsub.subscribers.remove(subscriber as usize);
            self.pubsub.clients[subscriber as usize] = GONE;
            client.subscriber = None;
            client.subscription_bytes = 0;
            self.refresh_subscribed(key);
        }
    }

    /// The client goes, or begins anew: it is sent nothing more. What costs time is done in slices.
    pub fn end_subscriptions(&mut self, key: usize) {
        let Some(subscriber) = self.clients[key].subscriber.take() else { return };
        self.clients[key].subscription_bytes = 0;
        self.refresh_subscribed(key);
        self.pubsub.clients[subscriber as usize] = GONE;
        let is_small = self.pubsub.subscribers[subscriber as usize].len() <= LEAVE_SLICE;
        self.pubsub.leaving.push(Leaving { subscriber, topics: 0, cursor: 0 });
        if is_small {
            let others = self.pubsub.leaving.len() - 1;
            while self.pubsub.leaving.len() > others {
                self.pubsub.leave_slice();
            }
        }
    }

    /// Appends what had to come after the reply of the client whose command has just been executed.
    pub(super) fn release_deferred(&mut self) {
        let Engine { pubsub, clients, pool, .. } = self;
        if pubsub.deferred.is_empty() {
            return;
        }
        let key = pubsub.deferred_for;
        clients[key].output.push(&pubsub.deferred, None, pool);
        pubsub.deferred.clear();
        if pubsub.deferred.capacity() > SCRATCH_KEPT {
            pubsub.deferred = Vec::new();
        }
        self.after_replies(key);
    }

    /// The fan-out of a turn is sent: what has to wait for the next is known.
    #[cold]
    pub(super) fn begin_fan_out_turn(&mut self) {
        let pubsub = &mut self.pubsub;
        pubsub.turn_deliveries = 0;
        if pubsub.fan_out.is_empty() {
            pubsub.last_shared = [None, None];
            pubsub.ahead_deliveries = 0;
            pubsub.ahead_bytes = 0;
        }
        if !pubsub.is_ahead() {
            self.gates &= !gate::FAN_OUT;
        }
    }

    /// Whether the turn has to look after the fan-out.
    #[inline]
    pub(super) fn has_fan_out(&self) -> bool {
        self.pubsub.turn_deliveries > 0 || self.pubsub.ahead_deliveries > 0
    }

    /// The client's PUBLISH has to wait, and so has all that it sent after it.
    pub(super) fn postpone_publish(&mut self, key: usize, request: Request) {
        self.hold(key, request);
        self.pubsub.stopped.push((key, self.clients[key].session.id));
    }

    /// At the beginning of a run: clients whose PUBLISH had to wait go on. Whether there are any.
    #[inline]
    pub(super) fn release_publishers(&mut self) -> bool {
        let go_on = !self.pubsub.stopped.is_empty() && self.gates & gate::FAN_OUT == 0;
        if go_on {
            self.release_publishers_slowly();
        }
        go_on
    }

    #[cold]
    fn release_publishers_slowly(&mut self) {
        for (key, id) in std::mem::take(&mut self.pubsub.stopped) {
            if !self.take_up(key, id) {
                self.pubsub.stopped.push((key, id));
            }
        }
    }

    /// A command of a client in RESP2's context of subscriptions.
    pub(super) fn pong_to_subscriber(args: &Args<'_>, reply: &mut Reply<'_>) {
        reply.array(2);
        reply.bulk_str("pong");
        reply.bulk(args.try_get(1).unwrap_or_default());
    }
}

/// What a subscription costs, without its share of unused room in tables, bytes.
fn subscription_bytes(name: &[u8]) -> usize {
    size_of::<Topic>() + size_of::<Held>() + name.len()
}

mod burst;
mod delivery;
#[cfg(test)]
mod tests;
