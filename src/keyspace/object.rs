//! The values that are not strings, each in a box of its own behind the entry.

/// The types of keys, in Redis's numbering.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    String = 0,
    List = 1,
    Set = 2,
    SortedSet = 3,
    Hash = 4,
    Stream = 6,
}

impl Kind {
    /// Of the four bits in an entry's header, which were a `Kind` when they were written.
    #[inline]
    pub fn from_bits(bits: u8) -> Kind {
        match bits {
            0 => Kind::String,
            1 => Kind::List,
            2 => Kind::Set,
            3 => Kind::SortedSet,
            4 => Kind::Hash,
            6 => Kind::Stream,
            _ => unreachable!("no such type: {bits}"),
        }
    }

    /// As TYPE prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::SortedSet => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
        }
    }

    pub const ALL: [Kind; 6] = [Kind::String, Kind::List, Kind::Set, Kind::SortedSet, Kind::Hash, Kind::Stream];
}

/// A list, set, hash, sorted set or stream.
#[derive(Clone, Debug)]
pub enum Object {}

impl Object {
    pub fn kind(&self) -> Kind {
        match *self {}
    }

    /// As OBJECT ENCODING prints it.
    pub fn encoding(&self) -> &'static str {
        match *self {}
    }

    /// Whether freeing it would hold up the loop.
    pub fn is_heavy(&self) -> bool {
        match *self {}
    }
}
