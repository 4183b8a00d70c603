//! Values to bytes.

use super::{elements, hash, kind};
use crate::base::{lzf, number};
use crate::collections::listpack::ListpackValue;
use crate::keyspace::{Element, List, Object, Set, SortedSet, ValueRef};

/// Strings of up to so many bytes are not compressed: it would not pay.
const COMPRESS_ABOVE: usize = 20;
/// Digits of a 32-bit integer with its sign.
const INT_MAX_LEN: usize = 11;

/// Where values are written to.
pub struct Out<'a> {
    pub bytes: &'a mut Vec<u8>,
    /// `rdbcompression`: whether strings are compressed where that pays.
    pub compress: bool,
    /// In a file the key stands between a value's type and its contents.
    pub key: Option<&'a [u8]>,
    /// Of hashes only the fields that are living at this time (Unix milliseconds) are written, and none of their deadlines, which 7.0 has
    /// not.
    pub plain_hashes_at_ms: Option<i64>,
}

impl Out<'_> {
    /// The type of a value and, if there is one, its key.
    pub(super) fn kind(&mut self, kind: u8) {
        self.push(kind);
        if let Some(key) = self.key.take() {
            string(self, key);
        }
    }

    pub(super) fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

pub(super) fn length(out: &mut Out<'_>, len: u64) {
    if len < 1 << 6 {
        out.push(len as u8);
    } else if len < 1 << 14 {
        out.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]);
    } else if let Ok(len) = u32::try_from(len) {
        out.push(0x80);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(0x81);
        out.extend_from_slice(&len.to_be_bytes());
    }
}

/// An integer as a string.
fn int(out: &mut Out<'_>, value: i64) {
    if let Ok(value) = i8::try_from(value) {
        out.extend_from_slice(&[0xc0, value as u8]);
    } else if let Ok(value) = i16::try_from(value) {
        out.push(0xc1);
        out.extend_from_slice(&value.to_le_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        out.push(0xc2);
        out.extend_from_slice(&value.to_le_bytes());
    } else {
        plain(out, itoa::Buffer::new().format(value).as_bytes());
    }
}

/// A string as it is.
fn plain(out: &mut Out<'_>, bytes: &[u8]) {
    length(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A string as whatever is shortest.
pub(super) fn string(out: &mut Out<'_>, bytes: &[u8]) {
    if bytes.len() <= INT_MAX_LEN
        && let Some(value) = number::parse_i64(bytes).filter(|&value| i32::try_from(value).is_ok())
    {
        return int(out, value);
    }
    if out.compress
        && bytes.len() > COMPRESS_ABOVE
        && let Some(packed) = lzf::compress(bytes, bytes.len() - 4)
    {
        return lzf_string(out, &packed, bytes.len());
    }
    plain(out, bytes);
}

/// A string of `len` bytes that has been compressed.
pub(super) fn lzf_string(out: &mut Out<'_>, packed: &[u8], len: usize) {
    out.push(0xc3);
    length(out, packed.len() as u64);
    length(out, len as u64);
    out.extend_from_slice(packed);
}

fn element(out: &mut Out<'_>, value: ListpackValue<'_>) {
    match value {
        ListpackValue::Int(value) => int(out, value),
        ListpackValue::Bytes(bytes) => string(out, bytes),
    }
}

/// A value with its type.
pub fn save_value(out: &mut Out<'_>, value: &ValueRef<'_>) {
    match value {
        ValueRef::Int(value) => {
            out.kind(kind::STRING);
            int(out, *value);
        }
        ValueRef::Embedded(bytes) => {
            out.kind(kind::STRING);
            string(out, bytes);
        }
        ValueRef::Raw(bytes) => {
            out.kind(kind::STRING);
            string(out, bytes);
        }
        ValueRef::Object(Object::List(list)) => save_list(out, list),
        ValueRef::Object(Object::Set(set)) => save_set(out, set),
        ValueRef::Object(Object::SortedSet(set)) => save_sorted_set(out, set),
        ValueRef::Object(Object::Hash(hash)) => hash::save(out, hash),
    }
}

fn save_list(out: &mut Out<'_>, list: &List) {
    elements::list_head(out, list);
    match list {
        List::Pack(pack) => elements::save_pack(out, pack),
        List::Nodes(nodes) => nodes.nodes().for_each(|node| elements::save(out, &Element::Node(node), None)),
    }
}

fn save_set(out: &mut Out<'_>, set: &Set) {
    match set {
        Set::Ints(ints) => {
            out.kind(kind::SET_INTSET);
            string(out, ints.as_bytes());
        }
        Set::Pack(pack) => {
            // A type of its own since 7.2; 7.0 reads this one.
            elements::set_head(out, set);
            pack.iter().for_each(|member| element(out, member));
        }
        Set::Table(table) => {
            elements::set_head(out, set);
            table.iter().for_each(|entry| elements::save(out, &Element::Member(entry.key()), None));
        }
    }
}

fn save_sorted_set(out: &mut Out<'_>, set: &SortedSet) {
    match set {
        SortedSet::Pack(pack) => {
            out.kind(kind::ZSET_LISTPACK);
            string(out, pack.as_bytes());
        }
        SortedSet::Tree(tree) => {
            elements::sorted_set_head(out, set);
            tree.iter().for_each(|(member, score)| elements::save(out, &Element::Scored(member, score), None));
        }
    }
}
