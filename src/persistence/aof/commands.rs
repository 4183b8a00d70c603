//! A data set as the commands that make it: the base of an append-only file with `aof-use-rdb-preamble no`.
//!
//! The elements of a large collection may come one by one. What stands between two of its commands may be of other keys: its deadline comes
//! behind all of them, and those of fields behind the command that makes the fields.

use crate::base::number::format_double_17;
use crate::collections::quicklist::Node;
use crate::keyspace::{Element, Entry, Head, List, Object, ValueRef};
use crate::resp::request::encode;

/// Elements of one command, as in Redis.
const ITEMS_MAX: usize = 64;

/// Makes the bytes of a file.
#[derive(Default)]
pub struct CommandWriter {
    bytes: Vec<u8>,
    db: Option<usize>,
    /// The key whose elements are coming, with its database, and those that have come and not been written.
    coming: Option<(usize, Head, Batch)>,
}

impl CommandWriter {
    /// One whose bytes begin with when that was, as `aof-timestamp-enabled` wants it; Unix seconds.
    pub fn annotated(now_s: i64) -> CommandWriter {
        CommandWriter { bytes: format!("#TS:{now_s}\r\n").into_bytes(), ..CommandWriter::default() }
    }

    /// Bytes that have been written and not been taken.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    fn command(&mut self, args: &[&[u8]]) {
        encode(&mut self.bytes, args.iter().copied());
    }

    /// A key with its value and its deadline.
    pub fn entry(&mut self, db: usize, entry: &Entry) {
        self.select(db);
        let key = entry.key();
        match entry.value() {
            ValueRef::Int(int) => self.command(&[b"SET", key, itoa::Buffer::new().format(int).as_bytes()]),
            ValueRef::Embedded(bytes) => self.command(&[b"SET", key, bytes]),
            ValueRef::Raw(bytes) => self.command(&[b"SET", key, bytes]),
            ValueRef::Object(object) => self.object(key, object),
        }
        self.deadline(entry);
    }

    fn deadline(&mut self, entry: &Entry) {
        if let Some(deadline_ms) = entry.deadline_ms() {
            self.command(&[b"PEXPIREAT", entry.key(), itoa::Buffer::new().format(deadline_ms).as_bytes()]);
        }
    }

    fn select(&mut self, db: usize) {
        if self.db != Some(db) {
            self.db = Some(db);
            self.command(&[b"SELECT", itoa::Buffer::new().format(db).as_bytes()]);
        }
    }

    fn object(&mut self, key: &[u8], object: &Object) {
        let mut batch = Batch::default();
        let mut digits = (itoa::Buffer::new(), itoa::Buffer::new());
        match object {
            Object::List(list) => {
                list.for_each(|element| batch.push(self, key, b"RPUSH", &[element.text(&mut digits.0)]));
            }
            Object::Set(set) => set.for_each(|member| batch.push(self, key, b"SADD", &[member])),
            Object::SortedSet(set) => {
                for (member, score) in set.iter() {
                    batch.scored(self, key, member.text(&mut digits.0), score);
                }
            }
            Object::Hash(hash) => hash.for_each(i64::MIN, |field, value, deadline_ms| {
                batch.field(self, key, field.bytes(&mut digits.0), value.bytes(&mut digits.1), deadline_ms);
            }),
        }
        batch.flush(self, key);
    }

    /// What is to be known of a key with a large collection when its elements come.
    pub fn head(entry: &Entry) -> Option<Head> {
        let ValueRef::Object(object) = entry.value() else { return None };
        let elements = match object {
            Object::List(List::Nodes(nodes)) => nodes.nodes_len(),
            object => object.len(),
        };
        let mut end = CommandWriter::default();
        end.deadline(entry);
        Some(Head { key: entry.key().into(), bytes: end.bytes, elements, due_ms: None })
    }

    /// The elements of a key follow. Other keys may come between them.
    pub fn begin(&mut self, db: usize, head: Head) {
        self.coming = Some((db, head, Batch::default()));
    }

    pub fn element(&mut self, element: &Element<'_>) {
        let Some((db, head, mut batch)) = self.coming.take() else { return };
        self.select(db);
        let mut digits = itoa::Buffer::new();
        match element {
            Element::Node(node) => match &*node.opened() {
                Node::Packed(pack) => {
                    pack.iter().for_each(|element| batch.push(self, &head.key, b"RPUSH", &[element.text(&mut digits)]));
                }
                Node::Plain(bytes) => batch.push(self, &head.key, b"RPUSH", &[bytes]),
                Node::Compressed(_) => unreachable!("it has been opened"),
            },
            Element::Member(member) => batch.push(self, &head.key, b"SADD", &[member]),
            Element::Scored(member, score) => batch.scored(self, &head.key, member, *score),
            Element::Field(field, value, deadline_ms) => {
                batch.field(self, &head.key, field, value.bytes(&mut digits), *deadline_ms);
            }
        }
        self.coming = Some((db, head, batch));
    }

    /// That was the last one.
    pub fn end(&mut self) {
        let Some((db, head, mut batch)) = self.coming.take() else { return };
        self.select(db);
        batch.flush(self, &head.key);
        self.bytes.extend_from_slice(&head.bytes);
    }
}

/// Elements on their way into commands of [`ITEMS_MAX`] each.
#[derive(Default)]
struct Batch {
    name: &'static [u8],
    args: Vec<Vec<u8>>,
    items: usize,
    /// Fields that have deadlines.
    timed: Vec<(Vec<u8>, i64)>,
}

impl Batch {
    fn push(&mut self, writer: &mut CommandWriter, key: &[u8], name: &'static [u8], item: &[&[u8]]) {
        self.name = name;
        self.args.extend(item.iter().map(|arg| arg.to_vec()));
        self.items += 1;
        if self.items == ITEMS_MAX {
            self.flush(writer, key);
        }
    }

    fn scored(&mut self, writer: &mut CommandWriter, key: &[u8], member: &[u8], score: f64) {
        self.push(writer, key, b"ZADD", &[format_double_17(score).as_bytes(), member]);
    }

    fn field(&mut self, writer: &mut CommandWriter, key: &[u8], field: &[u8], value: &[u8], deadline_ms: Option<i64>) {
        if let Some(deadline_ms) = deadline_ms {
            self.timed.push((field.to_vec(), deadline_ms));
        }
        self.push(writer, key, b"HSET", &[field, value]);
    }

    fn flush(&mut self, writer: &mut CommandWriter, key: &[u8]) {
        if self.items > 0 {
            let mut command: Vec<&[u8]> = vec![self.name, key];
            command.extend(self.args.iter().map(Vec::as_slice));
            writer.command(&command);
            self.args.clear();
            self.items = 0;
        }
        // Nothing is overdue while they are executed again, so that those that follow don't find the hash gone.
        for (field, deadline_ms) in self.timed.drain(..) {
            let mut digits = itoa::Buffer::new();
            let deadline = digits.format(deadline_ms).as_bytes();
            writer.command(&[b"HPEXPIREAT", key, deadline, b"FIELDS", b"1", &field]);
        }
    }
}
