//! Sorted sets against a naive twin, in both encodings and across the border between them.

use std::cell::RefCell;

use super::{End, SortedSet};
use crate::base::hash::KeyHasher;
use crate::base::random::Random;
use crate::collections::btree::{LexBound, ScoreBound};
use crate::collections::sorted_set::SortedSetBuilder;
use crate::keyspace::reclaim::Discarded;
use crate::keyspace::{Context, PackMax, Settings, Typed};

/// Members in order, and nothing else.
#[derive(Default)]
struct Twin(Vec<(Vec<u8>, f64)>);

impl Twin {
    fn at(&self, member: &[u8]) -> Option<usize> {
        self.0.iter().position(|(other, _)| other == member)
    }

    fn set(&mut self, member: &[u8], score: f64) {
        match self.at(member) {
            Some(at) => self.0[at].1 = score,
            None => self.0.push((member.to_vec(), score)),
        }
        self.0.sort_by(|a, b| a.1.partial_cmp(&b.1).expect("no NaN").then_with(|| a.0.cmp(&b.0)));
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        self.at(member).map(|at| self.0[at].1)
    }
}

fn members(set: &SortedSet) -> Vec<(Vec<u8>, f64)> {
    set.iter().map(|(member, score)| (member.to_vec(), score)).collect()
}

fn run(entries: usize, value_bytes: usize, seed: u64) {
    let settings = Settings { zset_max_listpack: PackMax { entries, value_bytes }, ..Settings::default() };
    let hasher = KeyHasher::new(seed, 2);
    let source = RefCell::new(Random::new(seed));
    let discarded = Discarded::default();
    let context =
        Context { settings: &settings, hasher: &hasher, now_ms: 0, random: &source, discarded: &discarded, undo: None };
    let mut random = Random::new(seed + 1);
    let mut below = |n: usize| random.below(n as u64) as usize;
    let mut set = SortedSet::with_hints(1, 1, &context);
    let mut twin = Twin::default();
    for step in 0..4000 {
        let member = match below(12) {
            0 => Vec::new(),
            1 => vec![b'x'; 1 + below(12)],
            2..6 => below(30).to_string().into_bytes(),
            _ => format!("m{}", below(30)).into_bytes(),
        };
        let score = [0.0, 1.0, -1.5, 0.1, f64::INFINITY, f64::NEG_INFINITY, 1e300, below(20) as f64][below(8)];
        match below(12) {
            0..6 => {
                let mut seen = None;
                set.update(&member, &context, |old| {
                    seen = old;
                    Some(score)
                });
                assert_eq!(seen, twin.score(&member), "step {step}");
                twin.set(&member, score);
            }
            6 => {
                set.update(&member, &context, |_| None);
            }
            7 | 8 => {
                assert_eq!(set.remove(&member, &context), twin.score(&member));
                twin.0.retain(|(other, _)| *other != member);
            }
            9 => {
                let (end, count) = ([End::Min, End::Max][below(2)], below(3));
                let mut popped = Vec::new();
                set.pop(end, count, &context, |member, score| popped.push((member.to_vec(), score)));
                for pair in popped {
                    let expected = if end == End::Min { twin.0.remove(0) } else { twin.0.pop().expect("a member") };
                    assert_eq!(pair, expected);
                }
            }
            10 if below(6) == 0 => {
                let start = below(twin.0.len() + 2);
                let end = start + below(4);
                let clip = |at: usize| at.min(twin.0.len());
                let range = clip(start)..clip(end);
                assert_eq!(set.remove_range(start..end, &context).0, range.len());
                twin.0.drain(range);
            }
            _ => {
                set = set.copy(&hasher);
            }
        }
        assert_eq!(set.len(), twin.0.len());
        assert_eq!(members(&set), twin.0, "step {step}");
        assert_eq!(set.score(&member, &context), twin.score(&member));
        let rank = twin.at(&member).map(|at| (at, twin.0[at].1));
        assert_eq!(set.rank(&member, &context), rank);
        let bound = |score: f64, exclusive| ScoreBound { score, exclusive };
        let (min, max) = (bound(score, below(2) == 0), bound(below(20) as f64, below(2) == 0));
        let expected: Vec<usize> = (0..twin.0.len())
            .filter(|&at| {
                let score = twin.0[at].1;
                let above = score > min.score || (score == min.score && !min.exclusive);
                above && (score < max.score || (score == max.score && !max.exclusive))
            })
            .collect();
        let ranks = set.ranks_by_score(min, max);
        assert_eq!(ranks.clone().collect::<Vec<_>>(), expected, "step {step}");
        let backwards: Vec<Vec<u8>> = set.range(ranks).rev().map(|(member, _)| member.to_vec()).collect();
        assert_eq!(backwards, expected.iter().rev().map(|&at| twin.0[at].0.clone()).collect::<Vec<_>>());
        let mut seen = Vec::new();
        let mut cursor = 0;
        loop {
            cursor = set.scan(cursor, 3, |member, _| seen.push(member.to_vec()));
            if cursor == 0 {
                break;
            }
        }
        seen.sort();
        let mut all: Vec<Vec<u8>> = twin.0.iter().map(|(member, _)| member.clone()).collect();
        all.sort();
        assert_eq!(seen, all);
        if twin.0.len() > entries || twin.0.iter().any(|(member, _)| member.len() > value_bytes) {
            assert_eq!(set.encoding(), "skiplist");
        }
        if below(200) == 0 {
            // The most compact form again.
            let mut builder = SortedSetBuilder::new();
            twin.0.iter().for_each(|(member, score)| assert!(builder.push(&hasher, member, *score)));
            set = SortedSet::from_builder(builder, &context);
            let fits = twin.0.len() <= entries && twin.0.iter().all(|(member, _)| member.len() <= value_bytes);
            assert_eq!(set.encoding(), if fits { "listpack" } else { "skiplist" });
        }
    }
}

#[test]
fn every_encoding_is_as_its_twin() {
    for (seed, (entries, value_bytes)) in [(0, 64), (1000, 64), (12, 64), (1000, 6), (20, 8)].into_iter().enumerate() {
        run(entries, value_bytes, seed as u64 + 100);
    }
}

#[test]
fn ranges_by_member() {
    let settings = Settings::default();
    let hasher = KeyHasher::new(1, 2);
    let source = RefCell::new(Random::new(1));
    let discarded = Discarded::default();
    let context =
        Context { settings: &settings, hasher: &hasher, now_ms: 0, random: &source, discarded: &discarded, undo: None };
    for hint in [1, 1000] {
        let mut set = SortedSet::with_hints(hint, 1, &context);
        for member in ["", "1", "12", "a", "b", "ba"] {
            set.update(member.as_bytes(), &context, |_| Some(0.0));
        }
        let cases = [
            (LexBound::Min, LexBound::Max, 0..6),
            (LexBound::Max, LexBound::Min, 6..6),
            (LexBound::Inclusive(b"1"), LexBound::Exclusive(b"b"), 1..4),
            (LexBound::Exclusive(b"1"), LexBound::Inclusive(b"b"), 2..5),
            (LexBound::Exclusive(b""), LexBound::Inclusive(b"zz"), 1..6),
        ];
        for (min, max, expected) in cases {
            assert_eq!(set.ranks_by_lex(min, max), expected, "{min:?} {max:?}");
        }
    }
}

/// Where nearly all of a large set is removed, the few others move instead; what is left behind is handed out to be freed.
#[test]
fn few_move_out_of_what_is_removed() {
    const LEN: usize = 6000;
    let settings = Settings::default();
    let hasher = KeyHasher::new(5, 6);
    let source = RefCell::new(Random::new(5));
    let discarded = Discarded::default();
    let context =
        Context { settings: &settings, hasher: &hasher, now_ms: 0, random: &source, discarded: &discarded, undo: None };
    for (ranks, moves) in [
        (0..LEN, true),
        (0..usize::MAX, true),
        (7..LEN - 9, true),
        (0..LEN / 5 * 4, true),
        (0..LEN / 4 * 3, false),
        (LEN..LEN + 5, false),
        (3..3, false),
    ] {
        let mut set = SortedSet::with_hints(LEN, 1, &context);
        let mut twin = Vec::new();
        for n in 0..LEN {
            // Several with the same score.
            let member = format!("m{n:05}").into_bytes();
            set.update(&member, &context, |_| Some((n / 3) as f64));
            twin.push((member, (n / 3) as f64));
        }
        let gone: Vec<_> = twin.drain(ranks.start.min(LEN)..ranks.end.min(LEN)).collect();
        let (removed, left) = set.remove_range(ranks.clone(), &context);
        assert_eq!(removed, gone.len(), "{ranks:?}");
        assert_eq!(left.map(|left| left.len()), moves.then_some(LEN), "{ranks:?}");
        assert_eq!(members(&set), twin, "{ranks:?}");
        assert_eq!(set.encoding(), "skiplist");
        for (rank, (member, score)) in twin.iter().enumerate() {
            assert_eq!(set.rank(member, &context), Some((rank, *score)));
        }
        assert!(gone.iter().all(|(member, _)| set.score(member, &context).is_none()));
    }
}
