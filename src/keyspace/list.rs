//! A list as a value: a listpack while it is small, a quicklist from then on (`list-max-listpack-size`).

use super::{Kind, Object, Typed};
use crate::base::hash::KeyHasher;
use crate::collections::listpack::Listpack;
use crate::collections::quicklist::Quicklist;

/// Elements in the order in which they were put.
pub enum List {
    Pack(Listpack),
    Nodes(Box<Quicklist>),
}

impl Typed for List {
    const KIND: Kind = Kind::List;

    fn of(object: &Object) -> Option<&Self> {
        if let Object::List(list) = object { Some(list) } else { None }
    }

    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::List(list) = object { Some(list) } else { None }
    }

    fn into_object(self) -> Object {
        Object::List(self)
    }

    fn len(&self) -> usize {
        match self {
            List::Pack(pack) => pack.len(),
            List::Nodes(nodes) => nodes.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self {
            List::Pack(_) => "listpack",
            List::Nodes(_) => "quicklist",
        }
    }

    fn is_heavy(&self) -> bool {
        match self {
            List::Pack(_) => false,
            List::Nodes(nodes) => nodes.nodes_len() > HEAVY_NODES,
        }
    }

    fn memory_bytes(&self, samples: usize) -> usize {
        match self {
            List::Pack(pack) => pack.memory_bytes(),
            List::Nodes(nodes) => size_of::<Quicklist>() + nodes.memory_bytes(samples),
        }
    }

    fn copy(&self, _hasher: &KeyHasher) -> Self {
        match self {
            List::Pack(pack) => List::Pack(pack.clone()),
            List::Nodes(nodes) => List::Nodes(nodes.clone()),
        }
    }
}

/// Freeing so many nodes takes some ten microseconds.
const HEAVY_NODES: usize = 64;
