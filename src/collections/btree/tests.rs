//! The tree beside its naive twin, a sorted array: in small nodes, so that a few hundred entries make a deep tree, and in real ones.

use super::{Entry, LexBound, ScoreBound, ScoreTree};
use crate::base::random::Random;

type Bytes = Vec<u8>;

/// The naive twin.
#[derive(Default)]
struct Twin(Vec<(f64, Bytes)>);

impl Twin {
    fn find(&self, score: f64, bytes: &[u8]) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, member)| {
            other.partial_cmp(&score).expect("no NaN").then_with(|| member.as_slice().cmp(bytes))
        })
    }

    fn insert(&mut self, score: f64, bytes: Bytes) -> bool {
        match self.find(score, &bytes) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, (score, bytes));
                true
            }
        }
    }

    fn ranks(&self, inside: impl Fn(&(f64, Bytes)) -> bool) -> (usize, usize) {
        let start = self.0.iter().position(&inside).unwrap_or(0);
        (start, self.0.iter().filter(|entry| inside(entry)).count())
    }
}

fn same<const NODE: usize>(tree: &ScoreTree<Bytes, NODE>, twin: &Twin) {
    tree.check();
    assert_eq!(tree.len(), twin.0.len());
    assert!(
        tree.iter()
            .map(|entry| (entry.score.to_bits(), &entry.member))
            .eq(twin.0.iter().map(|(score, member)| (score.to_bits(), member)))
    );
}

/// Scores from a small range meet each other often; infinities and both zeros are among them.
fn score(random: &mut Random, spread: u64) -> f64 {
    match random.below(40) {
        0 => f64::INFINITY,
        1 => f64::NEG_INFINITY,
        2 => -0.0,
        3 => 0.0,
        4 => random.unit_f64(),
        _ => random.below(spread) as f64 - (spread / 2) as f64,
    }
}

fn member(random: &mut Random, spread: u64) -> Bytes {
    match random.below(50) {
        0 => Vec::new(),
        1 => vec![0xff; random.below(4) as usize],
        2 => vec![0; random.below(4) as usize],
        _ => random.below(spread).to_string().into_bytes(),
    }
}

fn bound(random: &mut Random, spread: u64) -> ScoreBound {
    ScoreBound { score: score(random, spread), exclusive: random.below(2) == 0 }
}

fn lex_bound<'a>(random: &mut Random, bytes: &'a [u8]) -> LexBound<'a> {
    match random.below(6) {
        0 => LexBound::Min,
        1 => LexBound::Max,
        2 | 3 => LexBound::Inclusive(bytes),
        _ => LexBound::Exclusive(bytes),
    }
}

fn above(bound: &LexBound<'_>, bytes: &[u8]) -> bool {
    match bound {
        LexBound::Min => true,
        LexBound::Max => false,
        LexBound::Inclusive(min) => bytes >= *min,
        LexBound::Exclusive(min) => bytes > *min,
    }
}

fn below(bound: &LexBound<'_>, bytes: &[u8]) -> bool {
    match bound {
        LexBound::Min => false,
        LexBound::Max => true,
        LexBound::Inclusive(max) => bytes <= *max,
        LexBound::Exclusive(max) => bytes < *max,
    }
}

/// Both ends in a random order.
fn walk<const NODE: usize>(tree: &ScoreTree<Bytes, NODE>, twin: &Twin, random: &mut Random) {
    let len = twin.0.len() as u64;
    let (start, end) = (random.below(len + 2) as usize, random.below(len + 2) as usize);
    let clipped = &twin.0[start.min(end).min(twin.0.len())..end.min(twin.0.len())];
    let mut expected = clipped.iter();
    let mut got = tree.range(start..end.max(start));
    loop {
        let front = random.below(2) == 0;
        let (a, b) = if front { (got.next(), expected.next()) } else { (got.next_back(), expected.next_back()) };
        assert_eq!(a.map(|entry| &entry.member), b.map(|(_, member)| member));
        assert_eq!(got.len(), expected.len());
        if a.is_none() {
            break;
        }
    }
}

fn operate<const NODE: usize>(seed: u64, steps: usize, spread: u64) {
    println!("seed {seed}, nodes of {NODE}");
    let mut random = Random::new(seed);
    let mut tree: ScoreTree<Bytes, NODE> = ScoreTree::new();
    let mut twin = Twin::default();
    // Phases of growth and decline, so that every size is passed in both directions.
    let mut growing = true;
    for step in 0..steps {
        if step % 400 == 0 {
            growing = random.below(3) != 0;
        }
        let len = twin.0.len() as u64;
        match random.below(20) {
            0..=7 if growing => {
                let (score, member) = (score(&mut random, spread), member(&mut random, spread));
                assert_eq!(tree.insert(score, member.clone()), twin.insert(score, member));
            }
            0..=9 if len > 0 => {
                let at = random.below(len) as usize;
                let (score, bytes) = twin.0.remove(at);
                assert_eq!(tree.rank(score, &bytes), Some(at));
                assert_eq!(tree.remove(score, &bytes), Some(bytes.clone()));
                assert_eq!(tree.remove(score, &bytes), None);
            }
            10 => {
                let (score, bytes) = (score(&mut random, spread), member(&mut random, spread));
                let found = twin.find(score, &bytes).ok();
                assert_eq!(tree.rank(score, &bytes), found);
                assert_eq!(tree.remove(score, &bytes), found.map(|at| twin.0.remove(at).1));
            }
            11 | 12 if len > 0 => {
                let (old, bytes) = twin.0.remove(random.below(len) as usize);
                // Near the old score, it often stays where it is.
                let near = old + random.unit_f64() - 0.5;
                let new = if random.below(2) == 0 && !near.is_nan() { near } else { score(&mut random, spread) };
                // What is there already under the new score is not a case that the table lets happen.
                let new = if twin.find(new, &bytes).is_ok() { old } else { new };
                assert!(tree.update(old, new, &bytes));
                assert!(twin.insert(new, bytes));
            }
            13 => {
                let (score, bytes) = (score(&mut random, spread), b"no such member");
                assert!(!tree.update(score, 1.0, bytes));
                assert_eq!(tree.rank(score, bytes), None);
            }
            14 => {
                let expected = (!twin.0.is_empty()).then(|| twin.0.remove(0));
                assert_eq!(tree.pop_first().map(|entry| (entry.score, entry.member)), expected);
                let expected = twin.0.pop();
                assert_eq!(tree.pop_last().map(|entry| (entry.score, entry.member)), expected);
            }
            15 => {
                let at = random.below(len + 2) as usize;
                let expected = (at < twin.0.len()).then(|| twin.0.remove(at));
                assert_eq!(tree.remove_rank(at).map(|entry| (entry.score, entry.member)), expected);
            }
            16 if random.below(8) == 0 => {
                let (a, b) = (random.below(len + 3) as usize, random.below(len + 3) as usize);
                let (start, end) = (a.min(b), a.max(b));
                let expected: Vec<(f64, Bytes)> =
                    twin.0.drain(start.min(twin.0.len())..end.min(twin.0.len())).collect();
                let mut got = Vec::new();
                tree.remove_range(start..end, |entry| got.push((entry.score, entry.member)));
                assert_eq!(got, expected);
            }
            17 => {
                let (min, max) = (bound(&mut random, spread), bound(&mut random, spread));
                let above = |score: f64| if min.exclusive { score > min.score } else { score >= min.score };
                let below = |score: f64| if max.exclusive { score < max.score } else { score <= max.score };
                let (start, count) = twin.ranks(|(score, _)| above(*score) && below(*score));
                let ranks = tree.ranks_by_score(min, max);
                assert_eq!(ranks.len(), count);
                assert!(count == 0 || ranks.start == start);
            }
            18 => walk(&tree, &twin, &mut random),
            _ => {
                let at = random.below(len + 1) as usize;
                assert_eq!(tree.select(at).map(|entry| &entry.member), twin.0.get(at).map(|(_, member)| member));
                assert_eq!(tree.first().map(|entry| &entry.member), twin.0.first().map(|(_, member)| member));
                assert_eq!(tree.last().map(|entry| &entry.member), twin.0.last().map(|(_, member)| member));
            }
        }
        same(&tree, &twin);
    }
}

#[test]
fn small_nodes_agree_with_a_sorted_array() {
    for seed in 0..6 {
        operate::<8>(seed, 6_000, 1_000);
    }
    // Nearly all scores the same: members decide.
    for seed in 10..13 {
        operate::<8>(seed, 5_000, 3);
    }
}

#[test]
fn real_nodes_agree_with_a_sorted_array() {
    operate::<64>(20, 6_000, 1_000_000);
    operate::<64>(21, 4_000, 4);
}

#[test]
fn ranges_by_member_agree_with_a_sorted_array() {
    let seed = 30;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for _ in 0..40 {
        let mut tree: ScoreTree<Bytes, 8> = ScoreTree::new();
        let mut twin = Twin::default();
        for _ in 0..random.below(600) {
            let member = member(&mut random, 1_000);
            assert_eq!(tree.insert(5.0, member.clone()), twin.insert(5.0, member));
        }
        for _ in 0..100 {
            let (a, b) = (member(&mut random, 1_000), member(&mut random, 1_000));
            let (min, max) = (lex_bound(&mut random, &a), lex_bound(&mut random, &b));
            let (start, count) = twin.ranks(|(_, bytes)| above(&min, bytes) && below(&max, bytes));
            let ranks = tree.ranks_by_lex(min, max);
            assert_eq!(ranks.len(), count, "{min:?} {max:?}");
            assert!(count == 0 || ranks.start == start);
        }
    }
}

#[test]
fn ordered_runs_and_bulk_building() {
    for len in [0, 1, 7, 8, 9, 63, 64, 65, 100, 500, 3_000] {
        let entries = |n: usize| Entry { score: (n / 3) as f64, member: format!("{n:08}").into_bytes() };
        let mut built: ScoreTree<Bytes, 8> = ScoreTree::from_sorted((0..len).map(entries).collect()).expect("sorted");
        built.check();
        let mut up: ScoreTree<Bytes, 8> = ScoreTree::new();
        let mut down: ScoreTree<Bytes, 8> = ScoreTree::new();
        for n in 0..len {
            assert!(up.insert(entries(n).score, entries(n).member));
            let n = len - 1 - n;
            assert!(down.insert(entries(n).score, entries(n).member));
        }
        up.check();
        down.check();
        let members = |tree: &ScoreTree<Bytes, 8>| tree.iter().map(|entry| entry.member.clone()).collect::<Vec<_>>();
        assert_eq!(members(&built), members(&up));
        assert_eq!(members(&built), members(&down));
        // What was built goes on as any other.
        for n in 0..len {
            assert!(!built.insert(entries(n).score, entries(n).member));
            assert!(built.insert(entries(n).score, b"x".to_vec()) == (n % 3 == 0));
        }
        built.check();
        while built.pop_first().is_some() {}
        built.check();
    }
    let pair = |a: (f64, &str), b: (f64, &str)| {
        let entry = |(score, member): (f64, &str)| Entry { score, member: member.as_bytes().to_vec() };
        ScoreTree::<Bytes, 8>::from_sorted(vec![entry(a), entry(b)]).is_some()
    };
    assert!(pair((1.0, "a"), (1.0, "b")));
    assert!(pair((-0.0, "a"), (0.0, "b")));
    assert!(!pair((1.0, "a"), (1.0, "a")));
    assert!(!pair((0.0, "a"), (-0.0, "a")));
    assert!(!pair((2.0, "a"), (1.0, "b")));
    assert!(!pair((1.0, "a"), (f64::NAN, "b")));
}

#[test]
fn removing_ranges_of_every_place_and_length() {
    for len in [20, 100, 300] {
        for start in (0..len).step_by(7) {
            for end in (start..=len).step_by(11) {
                let entries = (0..len).map(|n| Entry { score: f64::from(n), member: vec![n as u8] }).collect();
                let mut tree: ScoreTree<Bytes, 8> = ScoreTree::from_sorted(entries).expect("sorted");
                let mut expected = start;
                tree.remove_range(start as usize..end as usize, |entry| {
                    assert_eq!(entry.score, f64::from(expected));
                    expected += 1;
                });
                assert_eq!(expected, end);
                tree.check();
                assert!(tree.iter().map(|entry| entry.score).eq((0..start).chain(end..len).map(f64::from)));
            }
        }
    }
}

#[test]
fn a_large_tree_is_dropped_on_another_thread() {
    let entries = (0..300_000).map(|n| Entry { score: f64::from(n), member: Bytes::new() }).collect();
    let tree: ScoreTree<Bytes, 8> = ScoreTree::from_sorted(entries).expect("sorted");
    assert!(tree.root.height() < 9);
    // A stack on which a walk along the entries would not fit.
    let small = std::thread::Builder::new().stack_size(64 * 1024).spawn(move || drop(tree));
    small.expect("there are threads").join().expect("dropping does not recurse deeply");
}

#[test]
#[should_panic(expected = "NaN")]
fn nan_is_refused() {
    ScoreTree::<Bytes, 8>::new().insert(f64::NAN, Bytes::new());
}

/// What a large tree takes is told by a few of its leaves, and no other is looked at.
#[test]
fn memory_is_estimated_from_a_few_leaves() {
    let mut random = Random::new(11);
    let mut tree: ScoreTree<Bytes> = ScoreTree::new();
    for n in 0..50_000_u32 {
        tree.insert(random.unit_f64(), n.to_be_bytes().to_vec());
    }
    let exact = tree.memory_bytes(0);
    let entries = tree.len() * size_of::<Entry<Bytes>>();
    assert!((entries..entries * 3 / 2).contains(&exact), "{exact} bytes for {entries}");
    assert_eq!(tree.memory_bytes(usize::MAX), exact);
    for samples in [1, 5, 50] {
        let mut leaves = samples;
        let estimate = tree.root.memory_bytes(&mut leaves);
        assert_eq!(leaves, 0, "so many leaves are looked at");
        assert_ne!(estimate, exact, "and no others");
        assert!((exact * 2 / 3..exact * 3 / 2).contains(&estimate), "{estimate} instead of {exact} bytes");
    }
    let empty: ScoreTree<Bytes> = ScoreTree::new();
    assert_eq!((empty.memory_bytes(0), empty.memory_bytes(5)), (0, 0));
}
