//! Writing a file: items to bytes, piece by piece. What is written is what redis-server 7.0 loads; only fields of hashes with deadlines, if
//! there are any at the start, make it a file for 7.4 and later, unless `rdb-target-version` says that they are not wanted.

use std::sync::Arc;

use super::write::{self, Out, save_value};
use super::{VERSION_7_0, VERSION_7_4, elements, hash, kind, opcode};
use crate::base::crc64;
use crate::keyspace::{Element, Entry, Head, List, Object, Typed, ValueRef};
use crate::persistence::disk::{Chunk, Coder};

/// Strings of so many bytes are not encoded here: they are handed on as they are, and [`ChunkCoder`] encodes them.
const SHARED_MIN: usize = 4 * 1024;

/// Room made for the next bytes when some are taken.
const TAKEN_MAX: usize = 128 * 1024;

/// What the file says of itself.
pub struct About<'a> {
    pub redis_version: &'a str,
    /// Unix seconds.
    pub created_s: i64,
    pub used_memory_bytes: usize,
    /// Whether it is the first part of an append-only file.
    pub is_aof_base: bool,
    /// Whether a hash has fields with deadlines, which only 7.4 and later can read.
    pub has_field_deadlines: bool,
    /// Where those deadlines are not to be written: now, Unix milliseconds.
    pub plain_hashes_at_ms: Option<i64>,
}

/// Makes the bytes of a file, as chunks.
pub struct FileWriter {
    compress: bool,
    plain_hashes_at_ms: Option<i64>,
    db: Option<usize>,
    bytes: Vec<u8>,
}

impl FileWriter {
    /// `compress`: `rdbcompression`
    pub fn new(about: &About<'_>, compress: bool) -> FileWriter {
        let plain_hashes_at_ms = about.plain_hashes_at_ms;
        let mut writer = FileWriter { compress, plain_hashes_at_ms, db: None, bytes: Vec::new() };
        let is_newer = about.has_field_deadlines && plain_hashes_at_ms.is_none();
        let version = if is_newer { VERSION_7_4 } else { VERSION_7_0 };
        writer.bytes.extend_from_slice(format!("REDIS{version:04}").as_bytes());
        writer.aux("redis-ver", about.redis_version);
        writer.aux("redis-bits", "64");
        writer.aux("ctime", &about.created_s.to_string());
        writer.aux("used-mem", &about.used_memory_bytes.to_string());
        writer.aux("aof-base", if about.is_aof_base { "1" } else { "0" });
        writer
    }

    fn out(&mut self) -> Out<'_> {
        Out { bytes: &mut self.bytes, compress: self.compress, key: None, plain_hashes_at_ms: None }
    }

    fn aux(&mut self, name: &str, value: &str) {
        let mut out = self.out();
        out.push(opcode::AUX);
        write::string(&mut out, name.as_bytes());
        write::string(&mut out, value.as_bytes());
    }

    fn select(&mut self, db: usize) {
        if self.db != Some(db) {
            self.db = Some(db);
            let mut out = self.out();
            out.push(opcode::SELECT_DB);
            write::length(&mut out, db as u64);
        }
    }

    /// How many keys a database has, and how many of them have deadlines.
    pub fn resize(&mut self, db: usize, keys: usize, expires: usize) {
        self.select(db);
        let mut out = self.out();
        out.push(opcode::RESIZE_DB);
        write::length(&mut out, keys as u64);
        write::length(&mut out, expires as u64);
    }

    /// A key. What is said of its last use goes into the file. A long string comes back, to follow the bytes that have been written so
    /// far.
    #[must_use = "the value is still to be written"]
    pub fn entry(
        &mut self,
        db: usize,
        entry: &Entry,
        idle_s: Option<u32>,
        frequency: Option<u8>,
    ) -> Option<Arc<Vec<u8>>> {
        if self.has_nothing_to_say(entry) {
            return None;
        }
        self.select(db);
        let mut out = Out {
            bytes: &mut self.bytes,
            compress: self.compress,
            key: Some(entry.key()),
            plain_hashes_at_ms: self.plain_hashes_at_ms,
        };
        about_key(&mut out, entry, idle_s, frequency);
        match entry.value() {
            ValueRef::Raw(string) if string.len() >= SHARED_MIN => {
                out.kind(kind::STRING);
                return Some(Arc::clone(string));
            }
            value => save_value(&mut out, &value),
        }
        None
    }

    /// Of a hash without deadlines, no field may be left.
    fn has_nothing_to_say(&self, entry: &Entry) -> bool {
        match (self.plain_hashes_at_ms, entry.value()) {
            (Some(now_ms), ValueRef::Object(Object::Hash(hash))) => hash.living_len(now_ms) == 0,
            _ => false,
        }
    }

    /// What stands before the elements of a key that has a large collection; None: nothing of it is written.
    pub fn head(&self, entry: &Entry, idle_s: Option<u32>, frequency: Option<u8>) -> Option<Head> {
        let ValueRef::Object(object) = entry.value() else { return None };
        if self.has_nothing_to_say(entry) {
            return None;
        }
        let mut bytes = Vec::new();
        let plain_hashes_at_ms = self.plain_hashes_at_ms;
        let mut out = Out { bytes: &mut bytes, compress: self.compress, key: Some(entry.key()), plain_hashes_at_ms };
        about_key(&mut out, entry, idle_s, frequency);
        let (elements, due_ms) = match object {
            Object::List(list) => {
                elements::list_head(&mut out, list);
                (if let List::Nodes(nodes) = list { nodes.nodes_len() } else { 1 }, None)
            }
            Object::Set(set) => {
                elements::set_head(&mut out, set);
                (set.len(), None)
            }
            Object::SortedSet(set) => {
                elements::sorted_set_head(&mut out, set);
                (set.len(), None)
            }
            Object::Hash(hash) => {
                let due_ms = hash::head(&mut out, hash);
                (plain_hashes_at_ms.map_or(hash.len(), |now_ms| hash.living_len(now_ms)), due_ms)
            }
        };
        Some(Head { key: entry.key().into(), bytes, elements, due_ms })
    }

    /// What [`FileWriter::head`] has answered; the elements follow.
    pub fn begin(&mut self, db: usize, head: &Head) {
        self.select(db);
        self.bytes.extend_from_slice(&head.bytes);
    }

    /// Whether an element is one of those that [`FileWriter::head`] has counted.
    pub fn counts(&self, element: &Element<'_>) -> bool {
        match (self.plain_hashes_at_ms, element) {
            (Some(now_ms), Element::Field(_, _, Some(deadline_ms))) => *deadline_ms >= now_ms,
            _ => true,
        }
    }

    /// An element. A long string comes back, to follow the bytes that have been written so far.
    #[must_use = "the string is still to be written"]
    pub fn element(&mut self, element: &Element<'_>, due_ms: Option<i64>) -> Option<Arc<Vec<u8>>> {
        elements::save_sharing(&mut self.out(), element, due_ms, SHARED_MIN)
    }

    /// Another one for keys that are to come later in the same file.
    pub fn for_later(&self) -> FileWriter {
        FileWriter { compress: self.compress, plain_hashes_at_ms: self.plain_hashes_at_ms, db: None, bytes: Vec::new() }
    }

    /// All that the other has written and what has been taken from it now stands in the file.
    pub fn follow(&mut self, other: &FileWriter) {
        self.db = other.db.or(self.db);
    }

    /// Bytes that have been written and not been taken.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn take(&mut self) -> Vec<u8> {
        if self.bytes.len() < self.bytes.capacity() / 4 {
            // A few, before a long string; while they wait they are not to take the room of many.
            let taken = self.bytes.as_slice().into();
            self.bytes.clear();
            return taken;
        }
        // As much again will come.
        let capacity = self.bytes.capacity().min(TAKEN_MAX);
        std::mem::replace(&mut self.bytes, Vec::with_capacity(capacity))
    }
}

/// What stands before the type of a value: its key's deadline, and its last use.
fn about_key(out: &mut Out<'_>, entry: &Entry, idle_s: Option<u32>, frequency: Option<u8>) {
    if let Some(deadline_ms) = entry.deadline_ms() {
        out.push(opcode::EXPIRE_TIME_MS);
        out.extend_from_slice(&deadline_ms.to_le_bytes());
    }
    if let Some(idle_s) = idle_s {
        out.push(opcode::IDLE);
        write::length(out, u64::from(idle_s));
    }
    if let Some(frequency) = frequency {
        out.push(opcode::FREQ);
        out.push(frequency);
    }
}

/// Whether a value is a hash whose fields have deadlines.
pub(super) fn has_field_deadlines(value: &ValueRef<'_>) -> bool {
    matches!(value, ValueRef::Object(Object::Hash(hash)) if super::hash::has_deadlines(hash))
}

/// The part of writing that the thread of the disk does: long strings, the checksum, the end.
pub struct ChunkCoder {
    compress: bool,
    /// None: `rdbchecksum no`
    checksum: Option<crc64::Running>,
}

impl ChunkCoder {
    pub fn new(compress: bool, with_checksum: bool) -> ChunkCoder {
        ChunkCoder { compress, checksum: with_checksum.then(crc64::Running::default) }
    }

    fn summed(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        if let Some(checksum) = &mut self.checksum {
            checksum.update(&bytes);
        }
        bytes
    }
}

impl Coder for ChunkCoder {
    fn encode(&mut self, chunk: Chunk) -> Vec<u8> {
        let bytes = match chunk {
            Chunk::Bytes(bytes) => bytes,
            Chunk::Shared(string) => {
                let mut bytes = Vec::new();
                let compress = self.compress;
                let mut out = Out { bytes: &mut bytes, compress, key: None, plain_hashes_at_ms: None };
                write::string(&mut out, &string);
                bytes
            }
        };
        self.summed(bytes)
    }

    fn finish(&mut self) -> Vec<u8> {
        let mut bytes = self.summed(vec![opcode::END]);
        let checksum = self.checksum.as_ref().map_or(0, crc64::Running::value);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }
}
