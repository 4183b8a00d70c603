//! A data set as the commands that make it: the base of an append-only file with `aof-use-rdb-preamble no`.

use crate::base::number::format_double_17;
use crate::keyspace::{Entry, Hash, Object, ValueRef};
use crate::resp::request::encode;

/// Elements of one command, as in Redis.
const ITEMS_MAX: usize = 64;

/// Makes the bytes of a file.
#[derive(Default)]
pub struct CommandWriter {
    bytes: Vec<u8>,
    db: Option<usize>,
}

impl CommandWriter {
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
        if self.db != Some(db) {
            self.db = Some(db);
            self.command(&[b"SELECT", itoa::Buffer::new().format(db).as_bytes()]);
        }
        let key = entry.key();
        match entry.value() {
            ValueRef::Int(int) => self.command(&[b"SET", key, itoa::Buffer::new().format(int).as_bytes()]),
            ValueRef::Embedded(bytes) => self.command(&[b"SET", key, bytes]),
            ValueRef::Raw(bytes) => self.command(&[b"SET", key, bytes]),
            ValueRef::Object(object) => self.object(key, object),
        }
        if let Some(deadline_ms) = entry.deadline_ms() {
            self.command(&[b"PEXPIREAT", key, itoa::Buffer::new().format(deadline_ms).as_bytes()]);
        }
    }

    fn object(&mut self, key: &[u8], object: &Object) {
        match object {
            Object::List(list) => {
                let mut items = Items::new(self, b"RPUSH", key);
                let mut digits = itoa::Buffer::new();
                list.iter().for_each(|element| items.push(&[element.text(&mut digits)]));
                items.flush();
            }
            Object::Set(set) => {
                let mut items = Items::new(self, b"SADD", key);
                set.for_each(|member| items.push(&[member]));
                items.flush();
            }
            Object::SortedSet(set) => {
                let mut items = Items::new(self, b"ZADD", key);
                let mut digits = itoa::Buffer::new();
                for (member, score) in set.iter() {
                    items.push(&[format_double_17(score).as_bytes(), member.text(&mut digits)]);
                }
                items.flush();
            }
            Object::Hash(hash) => self.hash(key, hash),
        }
    }

    fn hash(&mut self, key: &[u8], hash: &Hash) {
        let mut timed = Vec::new();
        let mut items = Items::new(self, b"HSET", key);
        hash.for_each(i64::MIN, |field, value, deadline_ms| {
            let (mut field_digits, mut value_digits) = (itoa::Buffer::new(), itoa::Buffer::new());
            let field = field.bytes(&mut field_digits);
            items.push(&[field, value.bytes(&mut value_digits)]);
            if let Some(deadline_ms) = deadline_ms {
                timed.push((field.to_vec(), deadline_ms));
            }
        });
        items.flush();
        for (field, deadline_ms) in timed {
            let mut digits = itoa::Buffer::new();
            let deadline = digits.format(deadline_ms).as_bytes();
            self.command(&[b"HPEXPIREAT", key, deadline, b"FIELDS", b"1", &field]);
        }
    }
}

/// Elements on their way into commands of [`ITEMS_MAX`] each.
struct Items<'a> {
    writer: &'a mut CommandWriter,
    name: &'static [u8],
    key: &'a [u8],
    args: Vec<Vec<u8>>,
    items: usize,
}

impl<'a> Items<'a> {
    fn new(writer: &'a mut CommandWriter, name: &'static [u8], key: &'a [u8]) -> Items<'a> {
        Items { writer, name, key, args: Vec::new(), items: 0 }
    }

    fn push(&mut self, item: &[&[u8]]) {
        self.args.extend(item.iter().map(|arg| arg.to_vec()));
        self.items += 1;
        if self.items == ITEMS_MAX {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.items > 0 {
            let mut command: Vec<&[u8]> = vec![self.name, self.key];
            command.extend(self.args.iter().map(Vec::as_slice));
            self.writer.command(&command);
            self.args.clear();
            self.items = 0;
        }
    }
}
