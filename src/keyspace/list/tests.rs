//! Lists against a vector: every encoding through one suite.

use std::cell::RefCell;

use super::{Elements, List, Side};
use crate::base::hash::KeyHasher;
use crate::base::random::Random;
use crate::collections::quicklist::NodeLimit;
use crate::keyspace::reclaim::Discarded;
use crate::keyspace::{Context, Settings, Typed};

/// Lists get a context of their own keyspace; here they get one without.
struct World {
    settings: Settings,
    hasher: KeyHasher,
    random: RefCell<Random>,
    discarded: Discarded,
}

impl World {
    fn new(list_max_listpack_size: i32, list_compress_depth: u32) -> World {
        let settings = Settings { list_max_listpack_size, list_compress_depth, ..Settings::default() };
        World {
            settings,
            hasher: KeyHasher::new(1, 2),
            random: RefCell::new(Random::new(3)),
            discarded: Discarded::default(),
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            settings: &self.settings,
            hasher: &self.hasher,
            now_ms: 0,
            random: &self.random,
            discarded: &self.discarded,
            undo: None,
        }
    }
}

fn texts(elements: Elements<'_>, side: Side) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    elements.for_each(side, |element| texts.push(element.to_vec()));
    texts
}

fn element(random: &mut Random) -> Vec<u8> {
    match random.below(10) {
        0 => random.below(1000).to_string().into_bytes(),
        1 => (random.next_u64() as i64).to_string().into_bytes(),
        2 => vec![b'l'; random.below(200) as usize],
        3 if random.below(20) == 0 => vec![b'h'; 20_000],
        _ => vec![b'a' + random.below(6) as u8; random.below(3) as usize],
    }
}

fn side(random: &mut Random) -> Side {
    if random.below(2) == 0 { Side::Left } else { Side::Right }
}

fn check(list: &List, twin: &[Vec<u8>], what: &str) {
    assert_eq!(list.len(), twin.len(), "{what}");
    assert_eq!(texts(list.range(0, twin.len()), Side::Left), twin, "{what}");
    let mut all = Vec::new();
    list.for_each(|element| all.push(element.to_vec()));
    assert_eq!(all, twin, "{what}");
}

fn run(list_max_listpack_size: i32, depth: u32, steps: usize, grow_until: usize) {
    let world = World::new(list_max_listpack_size, depth);
    let context = world.context();
    let limit = NodeLimit::from_config(i64::from(list_max_listpack_size));
    let seed = 0x1157_u64.wrapping_add_signed(i64::from(list_max_listpack_size));
    let mut random = Random::new(seed);
    let mut list = List::new();
    let mut twin: Vec<Vec<u8>> = Vec::new();
    let mut seen = [false; 2];
    for step in 0..steps {
        let what = format!("limit {list_max_listpack_size}, seed {seed}, step {step}");
        let at = random.below(twin.len() as u64 + 2) as usize;
        let growing = twin.len() < grow_until;
        match random.below(if growing { 14 } else { 20 }) {
            0..=5 => {
                let (side, value) = (side(&mut random), element(&mut random));
                list.make_room(value.len(), 1, &context);
                list.push(side, &value);
                twin.insert(if side == Side::Left { 0 } else { twin.len() }, value);
            }
            6 => {
                let (side, value) = (side(&mut random), element(&mut random));
                let pivot = element(&mut random);
                list.make_room(value.len(), 1, &context);
                let found = twin.iter().position(|other| *other == pivot);
                assert_eq!(list.insert(side, &pivot, &value), found.is_some(), "{what}");
                if let Some(found) = found {
                    twin.insert(found + usize::from(side == Side::Right), value);
                }
            }
            7 => {
                let value = element(&mut random);
                list.make_room(value.len(), 1, &context);
                assert_eq!(list.set(at, &value), at < twin.len(), "{what}");
                if at < twin.len() {
                    twin[at] = value;
                    list.settle();
                }
            }
            8 => {
                let (side, value, count) = (side(&mut random), element(&mut random), random.below(4) as usize);
                let mut left = count;
                let mut keep = |other: &Vec<u8>| {
                    let goes = left > 0 && *other == value;
                    left -= usize::from(goes);
                    !goes
                };
                match side {
                    Side::Left => twin.retain(&mut keep),
                    Side::Right => {
                        twin.reverse();
                        twin.retain(&mut keep);
                        twin.reverse();
                    }
                }
                assert_eq!(list.remove_matching(&value, count, side), count - left, "{what}");
                list.settle();
            }
            9 | 14..=16 => {
                let side = side(&mut random);
                let expected = if side == Side::Left { (!twin.is_empty()).then(|| twin.remove(0)) } else { twin.pop() };
                let end = list.end(side).map(|element| element.text(&mut itoa::Buffer::new()).to_vec());
                assert_eq!(end, expected, "{what}");
                let popped = list.pop(side, |element| element.text(&mut itoa::Buffer::new()).to_vec());
                assert_eq!(popped, expected, "{what}");
                list.settle();
            }
            10 | 17..=19 => {
                let count = random.below(if growing { 3 } else { grow_until as u64 }) as usize;
                let stop = (at + count).min(twin.len());
                let gone: Vec<Vec<u8>> = twin.splice(at.min(stop)..stop, []).collect();
                let detached = list.remove_range(at, count);
                let whole = detached.map_or(Vec::new(), |detached| texts(detached.range(0, count), Side::Left));
                assert!(whole.iter().all(|element| gone.contains(element)), "{what}");
                list.settle();
            }
            11 => {
                let index = at.min(twin.len());
                let got = list.get(index, |element| element.to_vec());
                assert_eq!(got.as_ref(), twin.get(index), "{what}");
            }
            12 => {
                let count = random.below(20) as usize;
                let stop = (at + count).min(twin.len());
                let expected = twin.get(at..stop).unwrap_or_default().to_vec();
                assert_eq!(texts(list.range(at, count), Side::Left), expected, "{what}");
                let mut backwards = texts(list.range(at, count), Side::Right);
                backwards.reverse();
                assert_eq!(backwards, expected, "{what}");
            }
            _ => list = list.copy(&world.hasher),
        }
        check(&list, &twin, &what);
        seen[usize::from(list.encoding() == "quicklist")] = true;
        match &list {
            List::Pack(_) => {}
            List::Nodes(nodes) => assert!(nodes.limit() == limit && nodes.depth() == depth, "{what}"),
        }
    }
    assert_eq!(seen, [true, true], "limit {list_max_listpack_size}: both encodings were there");
}

#[test]
fn as_a_vector_would() {
    run(3, 0, 4000, 30);
    run(16, 0, 4000, 100);
    run(-1, 0, 2500, 300);
}

#[test]
fn as_a_vector_would_with_compressed_nodes() {
    run(3, 1, 2000, 30);
    run(16, 1, 2000, 100);
    run(16, 2, 2000, 150);
}

/// The border up and, half as high, the border down.
#[test]
fn encodings_change_where_redis_changes_them() {
    let world = World::new(8, 0);
    let context = world.context();
    let mut list = List::new();
    let mut encodings = Vec::new();
    for _ in 0..10 {
        list.make_room(1, 1, &context);
        list.push(Side::Right, b"v");
        encodings.push(list.encoding());
    }
    assert_eq!(encodings.iter().position(|&encoding| encoding == "quicklist"), Some(8));
    for len in (0..10).rev() {
        list.pop(Side::Right, |_| {});
        list.settle();
        assert_eq!(list.encoding(), if len > 4 { "quicklist" } else { "listpack" }, "{len} left");
    }
    // Several at once count together, before any is added.
    let mut list = List::new();
    list.make_room(8192, 1, &World::new(-2, 0).context());
    assert_eq!(list.encoding(), "quicklist");
}
