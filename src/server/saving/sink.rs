//! What becomes of the keys of a snapshot: chunks of a file that the thread of the disk writes.
//!
//! A key comes whole, or in parts if it is large ([`SnapshotSink::begin`], [`SnapshotSink::element`], [`SnapshotSink::end`]); others that
//! are about to be changed meanwhile are put aside and come behind it. It knows no slices, no clock and no outcome. Cost: a copy of each
//! value into the chunk, but for long strings, which are shared with the disk until they are written.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use crate::keyspace::{Element, Entry, Head, SnapshotSink, UseClock, ValueRef};
use crate::persistence::aof::CommandWriter;
use crate::persistence::disk::{Chunk, Disk, FileId};
use crate::persistence::rdb::FileWriter;

/// Bytes handed to the thread of the disk at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// A value with so many bytes makes a slice longer than it should be, so it is named.
const LARGE_BYTES: usize = 64 * 1024;
/// So much of its name is shown, bytes.
const KEY_SHOWN_MAX: usize = 64;

/// What makes the bytes.
pub(super) enum Writer {
    Rdb(FileWriter),
    Commands(CommandWriter),
}

impl Writer {
    fn len(&self) -> usize {
        match self {
            Writer::Rdb(writer) => writer.len(),
            Writer::Commands(writer) => writer.len(),
        }
    }

    fn take(&mut self) -> Vec<u8> {
        match self {
            Writer::Rdb(writer) => writer.take(),
            Writer::Commands(writer) => writer.take(),
        }
    }
}

/// Turns the keys of a snapshot into chunks of a file.
pub(super) struct SaveSink {
    writer: Writer,
    pub(super) disk: Rc<Disk>,
    file: FileId,
    uses: UseClock,
    pub(super) keys: u64,
    /// Handed to the disk, in the shape that it has here.
    sent_bytes: u64,
    /// Keys that were about to be changed.
    pub(super) early_keys: u64,
    /// The largest value since somebody asked, if it was more than fits in a slice.
    pub(super) large: Option<Large>,
    /// The key whose elements are coming.
    in_parts: Option<InParts>,
    /// Bytes of keys that come behind such a one, for the keyspace to know.
    waiting: Rc<Cell<usize>>,
    /// A key did not have as many elements as it was going to: a file with such a key is no file.
    is_miscounted: bool,
}

/// A key whose elements are coming, one by one.
struct InParts {
    /// Elements still to come.
    left: usize,
    /// Cut.
    key: String,
    due_ms: Option<i64>,
    /// Other keys that are about to be changed, which come behind it.
    others: Option<Others>,
}

struct Others {
    writer: FileWriter,
    chunks: Vec<Chunk>,
    /// Of the chunks.
    bytes: u64,
    /// What the keyspace knows of it, and how much of that is this.
    waiting: Rc<Cell<usize>>,
    counted_bytes: usize,
}

impl Drop for Others {
    fn drop(&mut self) {
        self.waiting.set(self.waiting.get() - self.counted_bytes);
    }
}

impl Others {
    fn count(&mut self) {
        let bytes = self.bytes as usize + self.writer.len();
        self.waiting.set(self.waiting.get() - self.counted_bytes + bytes);
        self.counted_bytes = bytes;
    }

    fn send(&mut self) {
        if self.writer.is_empty() {
            return;
        }
        self.bytes += self.writer.len() as u64;
        self.chunks.push(Chunk::Bytes(self.writer.take()));
    }
}

/// A value, or an element of one, that is written as a whole, however large it is.
pub(super) struct Large {
    /// Cut.
    key: String,
    what: &'static str,
    elements: usize,
    bytes: usize,
    early: bool,
}

impl Large {
    pub(super) fn text(&self) -> String {
        let Large { key, what, elements, bytes, early } = self;
        let when = if *early { " ahead of its change" } else { "" };
        format!("BGSAVE took {what}key '{key}' as a whole{when}: {elements} elements, {bytes} bytes")
    }
}

/// A key as it is shown in texts.
fn shown(key: &[u8]) -> String {
    key[..key.len().min(KEY_SHOWN_MAX)].escape_ascii().to_string()
}

impl SaveSink {
    /// `waiting`: where it says how much it has put aside, bytes.
    pub(super) fn new(
        writer: Writer,
        disk: Rc<Disk>,
        file: FileId,
        uses: UseClock,
        waiting: Rc<Cell<usize>>,
    ) -> SaveSink {
        SaveSink {
            writer,
            disk,
            file,
            uses,
            keys: 0,
            sent_bytes: 0,
            early_keys: 0,
            large: None,
            in_parts: None,
            waiting,
            is_miscounted: false,
        }
    }

    pub(super) fn written_bytes(&self) -> u64 {
        self.sent_bytes + self.writer.len() as u64
    }

    /// There is to be no such file.
    pub(super) fn abandon(&mut self) {
        self.disk.abandon(self.file);
        // What has waited may be a lot, and is freed where it would have been written.
        if let Some(others) = self.in_parts.as_mut().and_then(|in_parts| in_parts.others.as_mut()) {
            let bytes = std::mem::take(&mut others.bytes) as usize;
            self.disk.write_all(self.file, std::mem::take(&mut others.chunks), bytes);
        }
    }

    /// Whether the file would be none.
    pub(super) fn miscounted(&self) -> Option<io::Error> {
        self.is_miscounted.then(|| io::Error::other("a key had not as many elements as it was going to have"))
    }

    /// A key that comes while the elements of another do.
    fn put_aside(&mut self, db: usize, entry: &Entry) {
        let Writer::Rdb(writer) = &self.writer else { return };
        let Some(in_parts) = &mut self.in_parts else { return };
        let others = in_parts.others.get_or_insert_with(|| Others {
            writer: writer.for_later(),
            chunks: Vec::new(),
            bytes: 0,
            waiting: Rc::clone(&self.waiting),
            counted_bytes: 0,
        });
        let long_string = others.writer.entry(db, entry, self.uses.idle_s(entry), self.uses.frequency(entry));
        if others.writer.len() >= CHUNK_BYTES || long_string.is_some() {
            others.send();
        }
        if let Some(string) = long_string {
            others.bytes += string.len() as u64;
            others.chunks.push(Chunk::Shared(string));
        }
        others.count();
    }

    fn share(&mut self, string: Arc<Vec<u8>>) {
        self.send();
        self.sent_bytes += string.len() as u64;
        self.disk.write(self.file, Chunk::Shared(string));
    }

    #[cold]
    fn note_large(&mut self, entry: &Entry, bytes: usize, early: bool) {
        let key = shown(entry.key());
        let elements = if let ValueRef::Object(object) = entry.value() { object.len() } else { 1 };
        self.large = Some(Large { key, what: "", elements, bytes, early });
    }

    pub(super) fn send(&mut self) {
        self.sent_bytes += self.writer.len() as u64;
        self.disk.write(self.file, Chunk::Bytes(self.writer.take()));
    }
}

impl SnapshotSink for SaveSink {
    fn entry(&mut self, db: usize, entry: &Entry, early: bool) {
        self.keys += 1;
        self.early_keys += u64::from(early);
        if self.in_parts.is_some() && matches!(self.writer, Writer::Rdb(_)) {
            return self.put_aside(db, entry);
        }
        let before = self.writer.len();
        let long_string = match &mut self.writer {
            Writer::Rdb(writer) => writer.entry(db, entry, self.uses.idle_s(entry), self.uses.frequency(entry)),
            Writer::Commands(writer) => {
                writer.entry(db, entry);
                None
            }
        };
        let bytes = self.writer.len() - before;
        if bytes >= LARGE_BYTES && self.large.as_ref().is_none_or(|other| other.bytes < bytes) {
            self.note_large(entry, bytes, early);
        }
        if let Some(string) = long_string {
            self.share(string);
        } else if self.writer.len() >= CHUNK_BYTES {
            self.send();
        }
    }

    fn head(&mut self, entry: &Entry) -> Option<Head> {
        match &self.writer {
            Writer::Rdb(writer) => writer.head(entry, self.uses.idle_s(entry), self.uses.frequency(entry)),
            Writer::Commands(_) => CommandWriter::head(entry),
        }
    }

    fn begin(&mut self, db: usize, head: Head, early: bool) {
        self.keys += 1;
        self.early_keys += u64::from(early);
        self.in_parts = Some(InParts { left: head.elements, key: shown(&head.key), due_ms: head.due_ms, others: None });
        match &mut self.writer {
            Writer::Rdb(writer) => writer.begin(db, &head),
            Writer::Commands(writer) => writer.begin(db, head),
        }
    }

    fn element(&mut self, element: Element<'_>) {
        let Some(in_parts) = &mut self.in_parts else { return };
        if matches!(&self.writer, Writer::Rdb(writer) if !writer.counts(&element)) {
            return;
        }
        match in_parts.left.checked_sub(1) {
            Some(left) => in_parts.left = left,
            None => self.is_miscounted = true,
        }
        let before = self.writer.len();
        let long_string = match &mut self.writer {
            Writer::Rdb(writer) => writer.element(&element, in_parts.due_ms),
            Writer::Commands(writer) => {
                writer.element(&element);
                None
            }
        };
        let bytes = self.writer.len() - before + long_string.as_ref().map_or(0, |string| string.len());
        if bytes >= LARGE_BYTES && self.large.as_ref().is_none_or(|other| other.bytes < bytes) {
            let key = in_parts.key.clone();
            self.large = Some(Large { key, what: "an element of ", elements: 1, bytes, early: false });
        }
        if let Some(string) = long_string {
            self.share(string);
        } else if self.writer.len() >= CHUNK_BYTES {
            self.send();
        }
    }

    fn end(&mut self) {
        let Some(in_parts) = self.in_parts.take() else { return };
        self.is_miscounted |= in_parts.left > 0;
        if let Writer::Commands(writer) = &mut self.writer {
            writer.end();
        }
        let Some(mut others) = in_parts.others else { return };
        others.send();
        self.send();
        if let Writer::Rdb(writer) = &mut self.writer {
            writer.follow(&others.writer);
        }
        self.sent_bytes += others.bytes;
        self.disk.write_all(self.file, std::mem::take(&mut others.chunks), others.bytes as usize);
    }
}
