//! Keyspace events: what is told to those who subscribed to changes (<https://redis.io/docs/latest/develop/pubsub/keyspace-notifications/>).
//!
//! A command names the event of each change to the writer. With `notify-keyspace-events` off, that is one test.

bitflags::bitflags! {
    /// Classes of events, as the letters of `notify-keyspace-events`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct EventClass: u32 {
        const GENERIC = 1 << 2;
        const STRING = 1 << 3;
        const LIST = 1 << 4;
        const SET = 1 << 5;
        const HASH = 1 << 6;
        const SORTED_SET = 1 << 7;
        const EXPIRED = 1 << 8;
        const EVICTED = 1 << 9;
        const STREAM = 1 << 10;
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
