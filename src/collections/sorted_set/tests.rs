//! The set beside its naive twin, a map from members to scores that is sorted for every question about order.

use std::collections::BTreeMap;

use super::super::btree::{LexBound, ScoreBound};
use super::{SortedSet, SortedSetBuilder, Updated};
use crate::base::hash::KeyHasher;
use crate::base::random::Random;

type Twin = BTreeMap<Vec<u8>, f64>;

fn sorted(twin: &Twin) -> Vec<(&[u8], f64)> {
    let mut members: Vec<(&[u8], f64)> = twin.iter().map(|(member, &score)| (member.as_slice(), score)).collect();
    members.sort_by(|a, b| a.1.partial_cmp(&b.1).expect("no NaN").then(a.0.cmp(b.0)));
    members
}

fn same(set: &SortedSet, hasher: &KeyHasher, twin: &Twin) {
    set.check(hasher);
    assert_eq!(set.len(), twin.len());
    assert!(set.iter().eq(sorted(twin)));
    assert!(set.iter().rev().eq(sorted(twin).into_iter().rev()));
}

fn score(random: &mut Random) -> f64 {
    match random.below(30) {
        0 => f64::INFINITY,
        1 => f64::NEG_INFINITY,
        2 => -0.0,
        3 => 0.0,
        _ => random.below(200) as f64 / 4.0,
    }
}

#[test]
fn operations_agree_with_a_map() {
    for seed in 40..44 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let hasher = KeyHasher::new(seed, seed);
        let mut set = SortedSet::new();
        let mut twin = Twin::new();
        for step in 0..3_000 {
            let member = random.below(if step % 1000 < 700 { 2_000 } else { 200 }).to_string().into_bytes();
            let new = score(&mut random);
            let old = twin.get(&member).copied();
            match random.below(14) {
                0..=4 => {
                    assert_eq!(set.insert(&hasher, &member, new), old);
                    if old != Some(new) {
                        twin.insert(member.clone(), new);
                    }
                }
                5 => {
                    // As with GT: only upward, and only what is there.
                    let updated = set.update(&hasher, &member, |old| old.filter(|&old| new > old).map(|_| new));
                    let expected = match old {
                        None => Updated::Absent,
                        Some(old) if new > old => Updated::Changed { old, score: new },
                        Some(old) => Updated::Kept { score: old },
                    };
                    assert_eq!(updated, expected);
                    if let Updated::Changed { score, .. } = updated {
                        twin.insert(member.clone(), score);
                    }
                }
                6 | 7 => assert_eq!(set.remove(&hasher, &member), twin.remove(&member)),
                8 => {
                    let ranked = sorted(&twin);
                    let rank = ranked.iter().position(|(other, _)| *other == member);
                    assert_eq!(set.rank(&hasher, &member), rank.map(|rank| (rank, ranked[rank].1)));
                    let reverse = rank.map(|rank| (ranked.len() - 1 - rank, ranked[rank].1));
                    assert_eq!(set.reverse_rank(&hasher, &member), reverse);
                }
                9 => {
                    let first = sorted(&twin).first().map(|(member, score)| (member.to_vec(), *score));
                    assert_eq!(set.first().map(|(member, score)| (member.to_vec(), score)), first);
                    let popped = set.pop_first(&hasher).map(|member| (member.bytes().to_vec(), member.score()));
                    assert_eq!(popped, first);
                    first.map(|(member, _)| twin.remove(&member));
                }
                10 => {
                    let last = sorted(&twin).last().map(|(member, score)| (member.to_vec(), *score));
                    assert_eq!(set.last().map(|(member, score)| (member.to_vec(), score)), last);
                    let popped = set.pop_last(&hasher).map(|member| (member.bytes().to_vec(), member.score()));
                    assert_eq!(popped, last);
                    last.map(|(member, _)| twin.remove(&member));
                }
                11 if random.below(10) == 0 => {
                    let start = random.below(twin.len() as u64 + 1) as usize;
                    let end = start + random.below(200) as usize;
                    let ranked = sorted(&twin);
                    let expected: Vec<(Vec<u8>, f64)> = ranked[start..end.min(ranked.len())]
                        .iter()
                        .map(|(member, score)| (member.to_vec(), *score))
                        .collect();
                    let mut got = Vec::new();
                    let removed =
                        set.remove_range(&hasher, start..end, |member, score| got.push((member.to_vec(), score)));
                    assert_eq!((removed, &got), (expected.len(), &expected));
                    twin.retain(|member, _| !expected.iter().any(|(gone, _)| gone == member));
                }
                12 => {
                    let at = random.below(twin.len() as u64 + 1) as usize;
                    assert_eq!(set.select(at), sorted(&twin).get(at).copied());
                    let picked = set.random(|len| random.below(len as u64) as usize);
                    assert_eq!(picked.map(|(member, score)| twin.get(member) == Some(&score)), picked.map(|_| true));
                    assert_eq!(picked.is_some(), !twin.is_empty());
                }
                _ => {
                    let max = score(&mut random);
                    let bound = |score, exclusive| ScoreBound { score, exclusive };
                    let ranks = set.ranks_by_score(bound(new, false), bound(max, true));
                    let expected: Vec<(&[u8], f64)> =
                        sorted(&twin).into_iter().filter(|(_, score)| *score >= new && *score < max).collect();
                    assert!(set.range(ranks).eq(expected));
                }
            }
            assert_eq!(set.score(&hasher, &member), twin.get(&member).copied());
            if step % 8 == 0 {
                same(&set, &hasher, &twin);
            }
        }
        same(&set, &hasher, &twin);
        let mut seen = Twin::new();
        let mut cursor = 0;
        loop {
            cursor = set.scan(cursor, 10, |member, score| {
                seen.insert(member.to_vec(), score);
            });
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(seen, twin);
    }
}

#[test]
fn a_builder_makes_the_same_set() {
    let seed = 50;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let hasher = KeyHasher::new(1, 2);
    for order in 0..3 {
        let mut twin = Twin::new();
        let mut builder = SortedSetBuilder::new();
        for n in 0..3_000_u64 {
            let (member, new) = match order {
                0 => (format!("{n:06}"), n as f64),
                1 => (format!("{:06}", 9_999 - n), -(n as f64)),
                _ => (random.below(1_000).to_string(), score(&mut random).clamp(-1e9, 1e9)),
            };
            let member = member.into_bytes();
            if random.below(2) == 0 {
                assert_eq!(builder.push(&hasher, &member, new), !twin.contains_key(&member));
                twin.entry(member).or_insert(new);
            } else {
                builder.update(&hasher, &member, |old| old.unwrap_or(0.0) + new);
                *twin.entry(member).or_insert(0.0) += new;
            }
            assert_eq!(builder.len(), twin.len());
        }
        let mut set = builder.finish().expect("no NaN");
        same(&set, &hasher, &twin);
        for (member, score) in &twin {
            assert_eq!(set.remove(&hasher, member), Some(*score));
        }
        assert!(set.is_empty());
        set.check(&hasher);
    }
    let mut builder = SortedSetBuilder::default();
    builder.push(&hasher, b"a", f64::INFINITY);
    builder.update(&hasher, b"a", |old| old.unwrap_or(0.0) - f64::INFINITY);
    assert!(builder.finish().is_none());
}

#[test]
fn members_of_any_length() {
    let hasher = KeyHasher::new(3, 4);
    let mut set = SortedSet::new();
    let large = vec![b'x'; 1 << 20];
    let larger = [large.as_slice(), b"y"].concat();
    for member in [b"".as_slice(), b"\0", &larger, &large, b"x"] {
        assert_eq!(set.insert(&hasher, member, 1.0), None);
        set.check(&hasher);
    }
    let ordered: Vec<usize> = set.iter().map(|(member, _)| member.len()).collect();
    assert_eq!(ordered, [0, 1, 1, 1 << 20, (1 << 20) + 1]);
    assert_eq!(set.rank(&hasher, &larger), Some((4, 1.0)));
    let ranks = set.ranks_by_lex(LexBound::Exclusive(b"x"), LexBound::Inclusive(&large));
    assert_eq!(ranks, 3..4);
    assert!(set.memory_bytes(0) > 2 << 20);
    assert_eq!(set.insert(&hasher, &large, -1.0), Some(1.0));
    assert_eq!(set.rank(&hasher, &large), Some((0, -1.0)));
    assert_eq!(set.pop_first(&hasher).map(|member| member.bytes().len()), Some(1 << 20));
    set.check(&hasher);
}

#[test]
fn zero_has_one_score_and_keeps_its_sign() {
    let hasher = KeyHasher::new(5, 6);
    let mut set = SortedSet::new();
    assert_eq!(set.update(&hasher, b"a", |_| Some(-0.0)), Updated::Added { score: -0.0 });
    assert_eq!(set.update(&hasher, b"a", |_| Some(0.0)), Updated::Kept { score: 0.0 });
    assert!(set.score(&hasher, b"a").is_some_and(f64::is_sign_negative));
    set.insert(&hasher, b"0", 0.0);
    assert_eq!(set.iter().map(|(member, _)| member).collect::<Vec<_>>(), [b"0", b"a"]);
    assert_eq!(set.remove(&hasher, b"a"), Some(0.0));
    set.check(&hasher);
}

#[test]
fn a_set_can_be_dropped_elsewhere() {
    let hasher = KeyHasher::new(7, 8);
    let mut set = SortedSet::new();
    for n in 0..50_000_u64 {
        set.insert(&hasher, n.to_string().as_bytes(), (n % 1_000) as f64);
    }
    std::thread::spawn(move || drop(set)).join().expect("dropping does not fail");
}
