//! Collections that are written element by element: what stands before the elements, and each of them. So it does not matter whether they
//! are written at once or by and by.

use std::sync::Arc;

use super::write::{self, Out};
use super::{NODE_PACKED, NODE_PLAIN, hash, kind};
use crate::collections::listpack::Listpack;
use crate::collections::quicklist::{Compressed, Node};
use crate::keyspace::{Element, FieldText, List, Set, SortedSet, Typed};

pub(super) fn list_head(out: &mut Out<'_>, list: &List) {
    out.kind(kind::LIST_QUICKLIST_2);
    let nodes = if let List::Nodes(nodes) = list { nodes.nodes_len() } else { 1 };
    write::length(out, nodes as u64);
}

pub(super) fn set_head(out: &mut Out<'_>, set: &Set) {
    out.kind(kind::SET);
    write::length(out, set.len() as u64);
}

pub(super) fn sorted_set_head(out: &mut Out<'_>, set: &SortedSet) {
    out.kind(kind::ZSET_2);
    write::length(out, set.len() as u64);
}

/// The node that a small list is.
pub(super) fn save_pack(out: &mut Out<'_>, pack: &Listpack) {
    write::length(out, NODE_PACKED);
    write::string(out, pack.as_bytes());
}

fn node_kind(out: &mut Out<'_>, node: &Compressed) {
    write::length(out, if node.is_plain() { NODE_PLAIN } else { NODE_PACKED });
}

/// `due_ms`: what the deadlines of fields are counted from; None: they are not written.
pub(super) fn save(out: &mut Out<'_>, element: &Element<'_>, due_ms: Option<i64>) {
    match element {
        Element::Node(Node::Packed(pack)) => save_pack(out, pack),
        Element::Node(Node::Plain(bytes)) => {
            write::length(out, NODE_PLAIN);
            write::string(out, bytes);
        }
        Element::Node(Node::Compressed(node)) => {
            node_kind(out, node);
            if out.compress {
                write::lzf_string(out, node.lzf(), node.raw_bytes());
            } else {
                write::string(out, &node.raw());
            }
        }
        Element::Member(member) => write::string(out, member),
        Element::Scored(member, score) => {
            write::string(out, member);
            out.extend_from_slice(&score.to_le_bytes());
        }
        Element::Field(field, value, deadline_ms) => {
            hash::deadline(out, due_ms, *deadline_ms);
            write::string(out, field);
            write::string(out, value.bytes(&mut itoa::Buffer::new()));
        }
    }
}

/// The same, but if its last string has at least `shared_min` bytes, that is not written but returned.
pub(super) fn save_sharing(
    out: &mut Out<'_>,
    element: &Element<'_>,
    due_ms: Option<i64>,
    shared_min: usize,
) -> Option<Arc<Vec<u8>>> {
    match element {
        Element::Node(Node::Packed(pack)) if pack.as_bytes().len() >= shared_min => {
            write::length(out, NODE_PACKED);
            Some(Arc::new(pack.as_bytes().to_vec()))
        }
        Element::Node(Node::Plain(bytes)) if bytes.len() >= shared_min => {
            write::length(out, NODE_PLAIN);
            Some(Arc::new(bytes.to_vec()))
        }
        Element::Node(Node::Compressed(node)) if !out.compress && node.raw_bytes() >= shared_min => {
            node_kind(out, node);
            Some(Arc::new(node.raw()))
        }
        Element::Member(member) if member.len() >= shared_min => Some(Arc::new(member.to_vec())),
        Element::Field(field, FieldText::Shared(value), deadline_ms) if value.len() >= shared_min => {
            hash::deadline(out, due_ms, *deadline_ms);
            write::string(out, field);
            Some(Arc::clone(value))
        }
        element => {
            save(out, element, due_ms);
            None
        }
    }
}
