//! The quicklist against a `VecDeque` of strings, under limits that make every kind of node.

use std::collections::VecDeque;

use super::{Direction, Node, NodeLimit, Quicklist, Range};
use crate::base::random::Random;
use crate::collections::listpack::{Listpack, ListpackValue};

type Twin = VecDeque<Vec<u8>>;

fn texts(range: Range<'_>, direction: Direction) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    range.for_each(direction, |value| texts.push(value.to_vec()));
    texts
}

/// Whether elements are those, without a copy of each.
fn are(range: Range<'_>, direction: Direction, mut twin: impl Iterator<Item = impl AsRef<[u8]>>) -> bool {
    range.all(direction, |value| twin.next().is_some_and(|text| value.is(text.as_ref()))) && twin.next().is_none()
}

/// Answers how many nodes are compressed.
fn check(list: &Quicklist, twin: &Twin) -> usize {
    list.nodes.check();
    assert_eq!((list.len(), list.is_empty()), (twin.len(), twin.is_empty()));
    assert!(are(list.all(), Direction::FromFront, twin.iter()));
    assert!(are(list.all(), Direction::FromBack, twin.iter().rev()));
    assert_eq!(list.front().map(ListpackValue::to_vec).as_ref(), twin.front());
    assert_eq!(list.back().map(ListpackValue::to_vec).as_ref(), twin.back());
    check_depth(list);
    for node in list.nodes() {
        match &*node.opened() {
            Node::Packed(pack) => {
                assert!(!pack.is_empty());
                assert!(!list.limit().is_exceeded(pack.total_bytes(), pack.len()) || pack.len() == 1);
                let reread = Listpack::from_bytes(pack.as_bytes());
                assert_eq!(reread.as_ref(), Ok(pack));
            }
            Node::Plain(bytes) => assert!(list.limit().is_large(bytes.len())),
            Node::Compressed(_) => unreachable!("it has been opened"),
        }
    }
    list.nodes().filter(|node| node.is_compressed()).count()
}

/// Nodes near the ends are open, the others are compressed unless that does not pay.
fn check_depth(list: &Quicklist) {
    let (depth, len) = (list.depth() as usize, list.nodes_len());
    for (number, node) in list.nodes().enumerate() {
        if depth == 0 || number < depth || number + depth >= len {
            assert!(!node.is_compressed(), "node {number} of {len} is compressed, depth {depth}");
        } else if !node.is_compressed() {
            let mut again = node.clone();
            again.compress();
            assert!(!again.is_compressed(), "node {number} of {len} could be compressed, depth {depth}");
        }
    }
}

fn text(random: &mut Random, list: &Quicklist) -> Vec<u8> {
    match random.below(40) {
        // Large ones, and some that just are not.
        0 => vec![b'L'; list.limit().bytes as usize - 20 + random.below(40) as usize],
        1 => vec![b'm'; list.limit().bytes as usize / 3],
        2..10 => random.below(5).to_string().into_bytes(),
        10..14 => random.next_u64().to_string().into_bytes(),
        _ => vec![b'a' + random.below(26) as u8; random.below(30) as usize],
    }
}

#[test]
fn behaves_as_a_deque() {
    assert_eq!(run_as_a_deque(&[-1, 1, 2, 4, 128, 0, -1, 3, 7, 16], 0), 0);
}

#[test]
fn behaves_as_a_deque_with_compressed_nodes() {
    for depth in 1..=3 {
        let seen = run_as_a_deque(&[-1, 4, 128, 16, 7, 60], depth);
        assert!(seen > 10_000, "{seen} compressed nodes have been looked at, depth {depth}");
    }
}

/// Answers how many compressed nodes there were, counted after each step.
fn run_as_a_deque(limits: &[i64], depth: u32) -> usize {
    let mut seen = 0;
    for (seed, &limit) in limits.iter().enumerate() {
        println!("seed {seed}, list-max-listpack-size {limit}, depth {depth}");
        let mut random = Random::new(seed as u64);
        let mut list = Quicklist::new(NodeLimit::from_config(limit), depth);
        let mut twin = Twin::new();
        let most = 30 + random.below(900) as usize;
        for step in 0..1500 {
            let value = text(&mut random, &list);
            let index = random.below(twin.len() as u64 + 1) as usize;
            let grows = twin.len() < most && step % 700 < 600;
            let direction = if random.below(2) == 0 { Direction::FromFront } else { Direction::FromBack };
            match random.below(16) {
                0..=3 if grows => {
                    list.push_back(&value[..]);
                    twin.push_back(value);
                }
                4..=7 if grows => {
                    list.push_front(&value[..]);
                    twin.push_front(value);
                }
                8..=10 if grows => {
                    assert!(list.insert(index, &value[..]));
                    twin.insert(index, value);
                }
                0..=1 => assert_eq!(list.pop_front(|value| value.to_vec()), twin.pop_front()),
                2..=3 => assert_eq!(list.pop_back(|value| value.to_vec()), twin.pop_back()),
                4..=5 => {
                    let magnitude = random.below(8);
                    let count = random.below(1 << magnitude) as usize;
                    let detached = list.remove_range(index, count);
                    detached.nodes.check();
                    twin.drain(index..(index + count).min(twin.len()));
                }
                6 => {
                    let count = random.below(5) as usize;
                    let mut removed = 0;
                    while removed < count {
                        let found = match direction {
                            Direction::FromFront => twin.iter().position(|text| *text == value),
                            Direction::FromBack => twin.iter().rposition(|text| *text == value),
                        };
                        let Some(found) = found else { break };
                        twin.remove(found);
                        removed += 1;
                    }
                    assert_eq!(list.remove_matching(&value, count, direction), removed);
                }
                7 => {
                    let wanted = random.below(5).to_string().into_bytes();
                    let before = twin.len();
                    twin.retain(|text| *text != wanted);
                    assert_eq!(list.remove_matching(&wanted, usize::MAX, direction), before - twin.len());
                }
                8..=10 => {
                    assert_eq!(list.set(index, &value[..]), index < twin.len());
                    if let Some(text) = twin.get_mut(index) {
                        *text = value;
                    }
                }
                11..=12 => {
                    let wanted = twin.get(index).cloned().unwrap_or_else(|| b"not there".to_vec());
                    let found = match direction {
                        Direction::FromFront => twin.iter().position(|text| *text == wanted),
                        Direction::FromBack => twin.iter().rposition(|text| *text == wanted),
                    };
                    let place = list.find(&wanted, direction);
                    assert_eq!(place.is_some(), found.is_some());
                    if let (Some(place), Some(found)) = (place, found) {
                        if random.below(2) == 0 {
                            list.insert_before(place, &value[..]);
                            twin.insert(found, value);
                        } else {
                            list.insert_after(place, &value[..]);
                            twin.insert(found + 1, value);
                        }
                    }
                }
                _ => {
                    let count = random.below(50) as usize;
                    let part = || twin.iter().skip(index).take(count);
                    let range = list.range(index, count);
                    assert_eq!((range.len(), range.is_empty()), (part().count(), part().count() == 0));
                    assert!(are(range, Direction::FromFront, part()));
                    assert!(are(range, Direction::FromBack, part().rev()));
                    // No further than it is asked to go.
                    let most = random.below(count as u64 + 1) as usize;
                    let mut some = Vec::new();
                    let all = range.all(direction, |value| {
                        some.push(value.to_vec());
                        some.len() < most
                    });
                    assert_eq!(all, range.len() < most.max(1));
                    assert!(texts(range, direction).starts_with(&some) && some.len() == range.len().min(most.max(1)));
                    assert_eq!(list.get(index, |value| value.to_vec()).as_ref(), twin.get(index));
                    let mut opened = Vec::new();
                    let collected = range.collect(&mut opened);
                    let expected = texts(range, Direction::FromFront);
                    assert!(collected.len() == expected.len());
                    assert!(collected.iter().zip(&expected).all(|(value, text)| value.is(text)));
                }
            }
            seen += check(&list, &twin);
        }
    }
    seen
}

/// One element a node makes many blocks, which split and join.
#[test]
fn blocks_of_nodes_split_and_join() {
    for seed in 0..4 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut list = Quicklist::new(NodeLimit::from_config(1), 0);
        let mut twin = Twin::new();
        for number in 0..3000u64 {
            let index = match seed {
                0 => number,
                1 => 0,
                2 => number / 2,
                _ => random.below(number + 1),
            } as usize;
            let text = number.to_string().into_bytes();
            assert!(list.insert(index, &text[..]));
            twin.insert(index, text);
        }
        check(&list, &twin);
        assert_eq!(list.nodes_len(), 3000);
        assert!(list.nodes.blocks_len() <= 3000 / 128 + 1, "{} blocks", list.nodes.blocks_len());
        let copy = list.clone();
        while !twin.is_empty() {
            let index = random.below(twin.len() as u64) as usize;
            let count = 1 + random.below(3) as usize;
            drop(list.remove_range(index, count));
            twin.drain(index..(index + count).min(twin.len()));
            list.nodes.check();
            assert!(list.nodes.blocks_len() <= 1 + twin.len() / 16, "{} blocks", list.nodes.blocks_len());
            if twin.len().is_multiple_of(97) {
                check(&list, &twin);
            }
        }
        check(&list, &twin);
        let mut copy = copy;
        let mut detached = copy.remove_range(700, 1600);
        detached.nodes.check();
        copy.nodes.check();
        assert_eq!((copy.len(), detached.len()), (1400, 1600));
        assert!(detached.shed(1599));
        assert_eq!(detached.len(), 1);
        assert!(!detached.shed(10));
    }
}

#[test]
fn limits_are_the_directives() {
    let bytes = |value| NodeLimit::from_config(value).bytes;
    assert_eq!([-1, -2, -3, -4, -5, -6].map(bytes), [4096, 8192, 16_384, 32_768, 65_536, 65_536]);
    assert_eq!((bytes(1), bytes(i64::MIN), bytes(i64::MAX)), (8192, 65_536, 8192));
    let limit = NodeLimit::from_config(128);
    assert!(!limit.is_exceeded(8192, 128) && limit.is_exceeded(8193, 1) && limit.is_exceeded(10, 129));
    assert!(!limit.is_large(8192) && limit.is_large(8193));
    assert!(NodeLimit::from_config(0).is_exceeded(10, 2));
    assert!(NodeLimit::from_config(i64::MAX).is_exceeded(10, 32_768));
    assert!(!NodeLimit::from_config(-2).is_exceeded(8192, usize::MAX >> 32));
}

#[test]
fn a_short_list_is_a_pack_again() {
    let limit = NodeLimit::from_config(10);
    let mut pack = Listpack::new();
    for number in 0..11i64 {
        pack.append(number);
    }
    let mut list = Quicklist::new(limit, 0);
    list.push_node(Node::Packed(pack));
    assert!(list.as_small_pack().is_none());
    while list.len() > 5 {
        assert!(list.take_small_pack().is_none());
        list.pop_back(|_| ());
    }
    let pack = list.take_small_pack().expect("half the limit");
    assert!(pack.iter().map(ListpackValue::as_i64).eq((0..5).map(Some)));
    assert!(list.is_empty() && list.pop_front(|_| ()).is_none() && list.get(0, |_| ()).is_none());
    let large = vec![b'x'; 9000];
    list.push_back(&large[..]);
    assert!(list.as_small_pack().is_none());
    assert!(matches!(list.nodes().next(), Some(Node::Plain(bytes)) if ***bytes == large));
    assert!(list.memory_bytes(1) > 9000 && list.memory_bytes(0) == list.memory_bytes(5));
}

/// The nodes are those that a queue fills: full packs, without room that nobody uses.
#[test]
fn pushing_fills_packs() {
    for front in [false, true] {
        let mut list = Quicklist::new(NodeLimit::from_config(-2), 0);
        for number in 0..100_000i64 {
            if front { list.push_front(number) } else { list.push_back(number) }
        }
        let bytes: usize =
            list.nodes().map(|node| if let Node::Packed(pack) = node { pack.total_bytes() } else { 0 }).sum();
        assert_eq!(list.nodes_len(), bytes.div_ceil(7168 - 16 - 8), "{bytes} bytes");
        let full = list.nodes().filter(|node| node.memory_bytes() == 7168).count();
        assert!(full >= list.nodes_len() - 1, "{full} of {} nodes fill their size class", list.nodes_len());
        assert!(list.memory_bytes(0) < bytes * 102 / 100, "{} bytes for {bytes}", list.memory_bytes(0));
    }
}

/// Elements that hold the bytes of others' entries, that share all but one byte, and integers of every width: a search by bytes finds
/// what a walk finds.
#[test]
fn a_search_finds_what_a_walk_finds() {
    for seed in 0..6 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut elements: Vec<Vec<u8>> =
            vec![b"".to_vec(), b"0".to_vec(), b"-1".to_vec(), vec![b'z'; 70], vec![0xFF; 5000]];
        for shift in 0..63 {
            let int = 1i64 << shift;
            elements.extend([int - 1, int, -int].map(|int| int.to_string().into_bytes()));
        }
        for n in 0..300 {
            elements.push(format!("user:{:06}", n * 7).into_bytes());
            elements.push(format!("user:{n:06}:{}", "x".repeat(n % 90)).into_bytes());
        }
        // Entries inside an entry.
        for at in 0..elements.len() {
            if elements[at].len() < 100 {
                let mut pack = Listpack::new();
                pack.append(&elements[at][..]);
                elements.push(pack.as_bytes()[random.below(8) as usize..].to_vec());
            }
        }
        let limit = NodeLimit::from_config([-1, 40, -2][seed as usize % 3]);
        let mut list = Quicklist::new(limit, seed as u32 / 2);
        let mut twin: Twin = Twin::new();
        for _ in 0..1500 {
            let element = &elements[random.below(elements.len() as u64) as usize];
            list.push_back(&element[..]);
            twin.push_back(element.clone());
        }
        for _ in 0..200 {
            let text = elements[random.below(elements.len() as u64) as usize].clone();
            let mut expected: Vec<usize> = (0..twin.len()).filter(|&at| twin[at] == text).collect();
            let enough = 1 + random.below(expected.len() as u64 + 2) as usize;
            for direction in [Direction::FromFront, Direction::FromBack] {
                let mut found = Vec::new();
                list.for_each_match(&text, direction, |index| {
                    found.push(index);
                    found.len() < enough
                });
                assert_eq!(found, expected[..enough.min(expected.len())]);
                assert_eq!(list.find(&text, direction).is_some(), !expected.is_empty());
                expected.reverse();
            }
            if random.below(4) == 0 {
                let count = random.below(4) as usize;
                let from_back = random.below(2) == 0;
                if from_back {
                    expected.reverse();
                }
                expected.truncate(count);
                let direction = if from_back { Direction::FromBack } else { Direction::FromFront };
                assert_eq!(list.remove_matching(&text, count, direction), expected.len());
                expected.sort_unstable();
                for index in expected.into_iter().rev() {
                    twin.remove(index);
                }
                check(&list, &twin);
            }
        }
    }
}

/// What is taken of a frozen list is what it was, whatever is done to it between two nodes.
#[test]
fn a_frozen_list_is_as_it_was() {
    run_frozen(&[-1, 1, 2, 4, 128, 0, -1, 3, 7, 16], 0);
}

#[test]
fn a_frozen_list_with_compressed_nodes_is_as_it_was() {
    for depth in [1, 3] {
        run_frozen(&[-1, 128, 16], depth);
    }
}

fn run_frozen(limits: &[i64], depth: u32) {
    for (seed, &limit) in limits.iter().enumerate() {
        println!("seed {seed}, list-max-listpack-size {limit}, depth {depth}");
        let mut random = Random::new(seed as u64);
        let mut list = Quicklist::new(NodeLimit::from_config(limit), depth);
        for round in 0..12 {
            for _ in 0..random.below(3000) {
                let value = text(&mut random, &list);
                list.push_back(&value[..]);
            }
            let wanted: Vec<Vec<u8>> = texts(list.all(), Direction::FromFront);
            list.freeze();
            let mut taken = Vec::new();
            let gives_up = random.below(4) == 0;
            let haste = 1 + random.below(40);
            loop {
                for _ in 0..random.below(4) {
                    edit_anything(&mut list, &mut random);
                    list.nodes.check();
                    check_depth(&list);
                }
                let mut over = false;
                for _ in 0..=random.below(haste) {
                    let node = list.take_frozen(|node| match &*node.opened() {
                        Node::Packed(pack) => taken.extend(pack.iter().map(ListpackValue::to_vec)),
                        Node::Plain(bytes) => taken.push(bytes.to_vec()),
                        Node::Compressed(_) => unreachable!("it has been opened"),
                    });
                    over |= node.is_none();
                }
                if over || (gives_up && random.below(20) == 0) {
                    break;
                }
            }
            list.thaw();
            if !gives_up {
                assert_eq!(taken.len(), wanted.len(), "seed {seed}, round {round}");
                assert!(taken == wanted, "seed {seed}, round {round}");
            } else {
                assert!(wanted.starts_with(&taken), "seed {seed}, round {round}");
            }
        }
    }
}

fn edit_anything(list: &mut Quicklist, random: &mut Random) {
    let value = text(random, list);
    let len = list.len() as u64;
    let index = random.below(len + 1) as usize;
    let direction = if random.below(2) == 0 { Direction::FromFront } else { Direction::FromBack };
    match random.below(14) {
        0 => list.push_back(&value[..]),
        1 => list.push_front(&value[..]),
        2..=3 => {
            list.pop_front(|_| ());
        }
        4..=5 => {
            list.pop_back(|_| ());
        }
        6..=7 => {
            list.insert(index, &value[..]);
        }
        8..=9 => {
            list.set(index, &value[..]);
        }
        10 => {
            list.remove_matching(&value, random.below(20) as usize, direction);
        }
        11 => {
            list.remove_range(index, random.below(50) as usize);
        }
        12 => {
            list.remove_range(index, random.below(len / 2 + 1) as usize);
        }
        _ => {
            // A copy is a list of its own.
            let mut copy = list.clone();
            copy.pop_front(|_| ());
            assert!(copy.take_frozen(|_| ()).is_none());
        }
    }
}

/// What a node is and what it takes, from end to end.
#[test]
fn deep_nodes_are_compressed_if_that_pays() {
    let limit = NodeLimit::from_config(-1);
    let shape = |list: &Quicklist| -> String {
        list.nodes().map(|node| if node.is_compressed() { 'z' } else { 'o' }).collect()
    };
    let mut random = Random::new(7);
    let mut list = Quicklist::new(limit, 2);
    // Alike, all different, short, and one large element of each kind.
    let alike = vec![b'a'; 3500];
    let noise: Vec<u8> = (0..3500).map(|_| random.next_u64() as u8).collect();
    let large_noise: Vec<u8> = (0..9000).map(|_| random.next_u64() as u8).collect();
    let large = vec![b'b'; 9000];
    for value in [&alike, &alike, &alike, &noise, &large, &large_noise, &alike] {
        list.push_back(&value[..]);
    }
    assert_eq!(shape(&list), "oozozoo");
    let open = list.memory_bytes(0);
    list.push_back(&alike[..]);
    assert_eq!(shape(&list), "oozozooo");
    list.push_back(&alike[..]);
    assert_eq!(shape(&list), "oozozozoo");
    // Two more, of which one is compressed.
    assert!(list.memory_bytes(0) < open + 4096 + 200, "{} bytes, before {open}", list.memory_bytes(0));
    list.push_front(&alike[..]);
    assert_eq!(shape(&list), "oozzozozoo");
    list.pop_front(|_| ());
    list.pop_back(|_| ());
    list.pop_back(|_| ());
    assert_eq!(shape(&list), "oozozoo");
    // Less than the least that is compressed.
    let mut list = Quicklist::new(NodeLimit::from_config(1), 1);
    for len in [5, 33, 48, 5] {
        list.push_back(&vec![b'c'; len][..]);
    }
    assert_eq!(shape(&list), "oozo");
    assert_eq!(texts(list.all(), Direction::FromBack).iter().map(Vec::len).collect::<Vec<_>>(), [5, 48, 33, 5]);
    // As deep as a list can be said to be.
    assert_eq!(Quicklist::new(limit, u32::MAX).depth(), 65_535);
}

/// However the memory of a list is estimated, what is compressed is not taken for what is not.
#[test]
fn an_estimate_knows_the_ends_from_what_is_between() {
    let mut list = Quicklist::new(NodeLimit::from_config(-2), 3);
    for number in 0..40_000 {
        list.push_back(format!("element {:06}", number % 50).as_bytes());
    }
    let exact = list.memory_bytes(0);
    for samples in [1, 2, 5, 50, 100_000] {
        let estimate = list.memory_bytes(samples);
        assert!(estimate.abs_diff(exact) < exact / 5, "{estimate} of {exact} by {samples} samples");
    }
}
