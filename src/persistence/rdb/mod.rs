//! The RDB encoding of values: what stands in a dump file behind each key, and in a DUMP payload.
//!
//! ```text
//!   value:    type byte | contents, as the type says
//!   DUMP:     value | version, 2 bytes | CRC-64 of all before it, 8 bytes
//!   length:   00nnnnnn | 01nnnnnn n.. (14 bits) | 80 n.. (32 bits, big endian) | 81 n.. (64 bits)
//!   string:   length, bytes | c0 i8 | c1 i16 | c2 i32 (little endian) | c3 length length LZF
//! ```
//!
//! What is written is what redis-server 7.0 reads: compact values go out as the blobs that they are, but a set in a listpack, which came
//! later, goes out member by member. Hashes whose fields have deadlines are the one thing that needs 7.4. What is read is
//! RDB versions 1 to 15, and Valkey's own format, checked completely: bytes from outside end in a value or in [`Malformed`].
//!
//! Valkey 9 has gone its own way since version 11: its numbers go on at 80, and what it has added since then has numbers that
//! Redis has given to something else. So a byte is a type only together with the [`Format`] in which it stands.
//!
//! A file (`file_*.rs`) is a stream of such values, each with its key, and of a few other things. It is read through a window that holds
//! what has not been understood yet, so that a load can be done in slices, and written piece by piece; neither side opens files
//! itself. Cost: a blob is one copy; everything else is proportional to its elements.

mod elements;
mod file_read;
mod file_shape;
mod file_write;
mod hash;
mod read;
mod sorted_set;
mod write;
mod ziplist;

pub use file_read::{FileError, FileReader, Item, KeyItem};
pub use file_write::{About, ChunkCoder, FileWriter};
pub use read::{EMPTY, Loaded, load_contents, load_value};
pub use write::{Out, save_value};

use crate::base::crc64;
use crate::collections::Malformed;
use crate::keyspace::{Context, ValueRef};

/// The version of values that 7.0 reads, and of those with types of 7.4.
const VERSION_7_0: u16 = 10;
const VERSION_7_4: u16 = 12;
/// The newest of Redis's that is read, which is 8.10's.
const VERSION_REDIS_MAX: u16 = 15;
/// The one of Valkey's that is read: 9.0's and 9.1's.
const VERSION_VALKEY: u16 = 80;
/// Version and checksum.
const FOOTER: usize = 2 + 8;

/// Whose numbers of types and opcodes are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    Redis,
    Valkey,
}

impl Format {
    /// In which a payload of this version is, where no name stands before the version. None: it is not one that is read.
    fn of_version(version: u16) -> Option<Format> {
        match version {
            0..=VERSION_REDIS_MAX => Some(Format::Redis),
            VERSION_VALKEY => Some(Format::Valkey),
            _ => None,
        }
    }
}

/// Bytes by which [`begins_file`] decides.
pub const SIGNATURE_BYTES: usize = 6;

/// Whether a file that begins like this is in this format, of whatever version; an append-only file may begin with one.
pub fn begins_file(begin: &[u8]) -> bool {
    begin.starts_with(b"REDIS") || begin.starts_with(b"VALKEY")
}

/// What stands in a file besides values.
mod opcode {
    /// Redis's alone.
    pub const HASH_TEMPLATE: u8 = 242;
    /// Redis's; and what Valkey has made of the same number.
    pub const KEY_META: u8 = 243;
    pub const SLOT_IMPORT: u8 = 243;
    pub const SLOT_INFO: u8 = 244;
    pub const FUNCTION_2: u8 = 245;
    pub const FUNCTION_PRE_GA: u8 = 246;
    pub const MODULE_AUX: u8 = 247;
    pub const IDLE: u8 = 248;
    pub const FREQ: u8 = 249;
    pub const AUX: u8 = 250;
    pub const RESIZE_DB: u8 = 251;
    pub const EXPIRE_TIME_MS: u8 = 252;
    pub const EXPIRE_TIME: u8 = 253;
    pub const SELECT_DB: u8 = 254;
    pub const END: u8 = 255;
}

/// The types of values. Those of Redis are numbered as in its files.
mod kind {
    use super::Format;

    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const ZSET: u8 = 3;
    pub const HASH: u8 = 4;
    pub const ZSET_2: u8 = 5;
    pub const MODULE: u8 = 6;
    pub const MODULE_2: u8 = 7;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM_LISTPACKS: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_LISTPACKS_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_LISTPACKS_3: u8 = 21;
    pub const HASH_METADATA_PRE_GA: u8 = 22;
    pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
    pub const HASH_METADATA: u8 = 24;
    pub const HASH_LISTPACK_EX: u8 = 25;
    pub const STREAM_LISTPACKS_4: u8 = 26;
    pub const STREAM_LISTPACKS_5: u8 = 27;
    pub const ARRAY: u8 = 28;
    pub const HASH_TMPL_LP: u8 = 29;
    pub const HASH_TMPL_LP_REF: u8 = 30;
    pub const HASH_TMPL_ARRAY: u8 = 31;
    pub const HASH_TMPL_ARRAY_REF: u8 = 32;
    /// 22 in Valkey's files. This number stands in none.
    pub const HASH_2: u8 = 0x80 | HASH_2_BYTE;
    const HASH_2_BYTE: u8 = 22;

    /// The type that a byte stands for. None: no server has written it.
    #[inline]
    pub fn of(byte: u8, format: Format) -> Option<u8> {
        match byte {
            8 => None,
            STRING..=STREAM_LISTPACKS_3 => Some(byte),
            HASH_2_BYTE if format == Format::Valkey => Some(HASH_2),
            HASH_METADATA_PRE_GA..=HASH_TMPL_ARRAY_REF if format == Format::Redis => Some(byte),
            _ => None,
        }
    }

    /// The byte that stands for it.
    pub fn byte(kind: u8) -> u8 {
        if kind == HASH_2 { HASH_2_BYTE } else { kind }
    }
}

/// Nodes of a quicklist.
const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;

/// The payload of DUMP.
pub fn dump(value: &ValueRef<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    save_value(&mut Out { bytes: &mut payload, compress: true, key: None, plain_hashes_at_ms: None }, value);
    let is_newer = file_write::has_field_deadlines(value);
    let version = if is_newer { VERSION_7_4 } else { VERSION_7_0 };
    payload.extend_from_slice(&version.to_le_bytes());
    let checksum = crc64::checksum(&payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

/// Length of the value in a file, where a byte for its type stands before it. Takes as long as [`dump`].
pub fn serialized_bytes(value: &ValueRef<'_>) -> usize {
    dump(value).len() - 1 - FOOTER
}

/// None: the payload's version is not one that is read.
fn format_of(payload: &[u8]) -> Option<Format> {
    let (rest, _checksum) = payload.split_last_chunk::<8>()?;
    Format::of_version(u16::from_le_bytes(*rest.last_chunk::<2>()?))
}

/// Whether the payload's version is one that is read, whatever its checksum.
pub fn has_known_version(payload: &[u8]) -> bool {
    format_of(payload).is_some()
}

/// Whether the payload's version is one that is read and its checksum right.
pub fn is_intact(payload: &[u8]) -> bool {
    let Some((rest, checksum)) = payload.split_last_chunk::<8>() else { return false };
    has_known_version(payload) && u64::from_le_bytes(*checksum) == crc64::checksum(rest)
}

/// The value of a DUMP payload, which is intact.
///
/// # Errors
/// What is wrong with it.
pub fn restore<'a>(payload: &'a [u8], context: &Context<'_>) -> Result<Loaded<'a>, Malformed> {
    let format = format_of(payload).ok_or(Malformed("a version that is not known"))?;
    let (&byte, contents) = payload[..payload.len() - FOOTER].split_first().ok_or(read::CUT_OFF)?;
    if byte == opcode::KEY_META && format == Format::Redis {
        return Err(Malformed("the metadata of a module; modules are not supported"));
    }
    let kind = kind::of(byte, format).ok_or(Malformed("no such type of value"))?;
    file_shape::Shape::of(kind).map_err(Malformed)?;
    read::load_sent(kind, contents, context)
}
