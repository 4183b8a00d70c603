//! Keyspace events: what is told to those who subscribed to changes
//! (<https://redis.io/docs/latest/develop/pubsub/keyspace-notifications/>).
//!
//! A command names the event of each change to the writer. With `notify-keyspace-events` off, that is one test.

bitflags::bitflags! {
    /// Classes of events, as the letters of `notify-keyspace-events`; their bits are those of the directive's value.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct EventClass: u32 {
        const GENERIC = 1;
        const STRING = 1 << 1;
        const LIST = 1 << 2;
        const SET = 1 << 3;
        const HASH = 1 << 4;
        const SORTED_SET = 1 << 5;
        const EXPIRED = 1 << 6;
        const EVICTED = 1 << 7;
        const STREAM = 1 << 8;
        /// Of loadable modules, which do not exist here.
        const MODULE = 1 << 9;
        /// Keys that come to exist.
        const NEW = 1 << 10;
        /// Not a class of events: they are published under the key's name.
        const KEYSPACE = 1 << 11;
        /// Not a class of events: they are published under the event's name.
        const KEYEVENT = 1 << 12;
        /// Lookups of keys that are not there.
        const KEY_MISS = 1 << 13;
    }
}

impl EventClass {
    /// The classes that anybody is to be told of: none if neither way of telling is chosen.
    pub fn of_directive(bits: u32) -> EventClass {
        let chosen = EventClass::from_bits_truncate(bits);
        let ways = EventClass::KEYSPACE.union(EventClass::KEYEVENT);
        if chosen.intersects(ways) { chosen - ways } else { EventClass::empty() }
    }
}

/// What happened to a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    pub class: EventClass,
    /// As subscribers see it: `lpush`.
    pub name: &'static str,
}

impl Event {
    pub const DEL: Event = Event { class: EventClass::GENERIC, name: "del" };
    pub const EXPIRED: Event = Event { class: EventClass::EXPIRED, name: "expired" };
    pub const KEY_MISS: Event = Event { class: EventClass::KEY_MISS, name: "keymiss" };
    pub const NEW: Event = Event { class: EventClass::NEW, name: "new" };
    pub const SET: Event = Event::string("set");
    pub const EXPIRE: Event = Event::generic("expire");
    pub const PERSIST: Event = Event::generic("persist");
    pub const EVICTED: Event = Event { class: EventClass::EVICTED, name: "evicted" };
    pub const HEXPIRED: Event = Event::hash("hexpired");

    pub const fn generic(name: &'static str) -> Event {
        Event { class: EventClass::GENERIC, name }
    }

    pub const fn string(name: &'static str) -> Event {
        Event { class: EventClass::STRING, name }
    }

    pub const fn list(name: &'static str) -> Event {
        Event { class: EventClass::LIST, name }
    }

    pub const fn set(name: &'static str) -> Event {
        Event { class: EventClass::SET, name }
    }

    pub const fn hash(name: &'static str) -> Event {
        Event { class: EventClass::HASH, name }
    }

    pub const fn sorted_set(name: &'static str) -> Event {
        Event { class: EventClass::SORTED_SET, name }
    }
}
