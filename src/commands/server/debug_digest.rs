//! DEBUG DIGEST and DIGEST-VALUE: SHA-1 hashes of data that are equal on servers that hold the same, in whatever order. Equal to
//! Redis's for the same data.
//!
//! Two ways to bring bytes into a digest: *adding* (exclusive or with their hash: the order does not matter) and *chaining*
//! (adding, then hashing the digest: it does). A key's digest chains its name and its value and adds a mark if it has a
//! deadline; a database's adds those of its keys to what is chained with its number.

use sha1::{Digest as _, Sha1};

use crate::base::number::format_double_17;
use crate::base::text;
use crate::commands::{Args, CommandResult};
use crate::keyspace::{Entry, Hash, Object, ValueRef};
use crate::server::Engine;

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Digest([u8; 20]);

impl Digest {
    fn add(&mut self, bytes: &[u8]) {
        let hash = Sha1::digest(bytes);
        self.0.iter_mut().zip(hash).for_each(|(own, byte)| *own ^= byte);
    }

    fn chain(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    fn chain_number(&mut self, number: u32) {
        self.chain(&number.to_be_bytes());
    }

    /// The value of a key, and whether it has a deadline.
    fn chain_value(&mut self, entry: &Entry) {
        self.chain_number(entry.kind() as u32);
        match entry.value() {
            ValueRef::Int(int) => self.chain(itoa::Buffer::new().format(int).as_bytes()),
            ValueRef::Embedded(bytes) => self.chain(bytes),
            ValueRef::Raw(bytes) => self.chain(bytes),
            ValueRef::Object(object) => self.chain_object(object),
        }
        if entry.deadline_ms().is_some() {
            self.add(b"!!expire!!");
        }
    }

    fn chain_object(&mut self, object: &Object) {
        match object {
            Object::List(list) => {
                let mut digits = itoa::Buffer::new();
                list.for_each(|element| self.chain(element.text(&mut digits)));
            }
            Object::Set(set) => set.for_each(|member| self.add(member)),
            Object::Hash(hash) => self.add_fields(hash),
            Object::SortedSet(set) => {
                let mut digits = itoa::Buffer::new();
                for (member, score) in set.iter() {
                    let mut pair = Digest::default();
                    pair.chain(member.text(&mut digits));
                    pair.chain(format_double_17(score).as_bytes());
                    self.add(&pair.0);
                }
            }
        }
    }

    /// The fields of a hash, in any order.
    fn add_fields(&mut self, hash: &Hash) {
        hash.for_each(i64::MIN, |field, value, deadline_ms| {
            let mut of_field = Digest::default();
            let mut digits = itoa::Buffer::new();
            of_field.chain(field.bytes(&mut digits));
            of_field.chain(value.bytes(&mut digits));
            if deadline_ms.is_some() {
                of_field.add(b"!!hexpire!!");
            }
            self.add(&of_field.0);
        });
    }

    fn hex(&self) -> String {
        text::hex(&self.0)
    }
}

pub(super) fn digest(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let mut all = Digest::default();
    for db in 0..engine.keyspace.databases() {
        if engine.keyspace.db(db).is_empty() {
            continue;
        }
        all.chain_number(db as u32);
        for entry in engine.keyspace.view(db).iter() {
            let mut of_key = Digest::default();
            of_key.chain(entry.key());
            of_key.chain_value(entry);
            all.add(&of_key.0);
        }
    }
    engine.reply(key).simple(&all.hex());
    Ok(())
}

pub(super) fn digest_value(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let view = engine.keyspace.view(engine.clients[key].session.db);
    let digests: Vec<String> = args
        .from(2)
        .map(|name| {
            let mut digest = Digest::default();
            if let Some(entry) = view.peek(view.key(name)) {
                digest.chain_value(entry);
            }
            digest.hex()
        })
        .collect();
    let mut reply = engine.reply(key);
    reply.array(digests.len());
    for digest in digests {
        reply.simple(&digest);
    }
    Ok(())
}
