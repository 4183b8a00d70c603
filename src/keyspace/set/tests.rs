//! Sets against a tree of byte strings, in every encoding.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::Set;
use crate::base::hash::KeyHasher;
use crate::base::number::parse_i64;
use crate::base::random::Random;
use crate::keyspace::reclaim::Discarded;
use crate::keyspace::{Context, PackMax, Settings, Typed};

struct Bench {
    settings: Settings,
    hasher: KeyHasher,
    /// The sets' own choices.
    random: RefCell<Random>,
    discarded: Discarded,
    /// The test's choices.
    dice: Random,
}

impl Bench {
    fn new(seed: u64, ints: usize, entries: usize, value_bytes: usize) -> Bench {
        println!("seed {seed}, thresholds {ints} {entries} {value_bytes}");
        let settings = Settings {
            set_max_intset_entries: ints,
            set_max_listpack: PackMax { entries, value_bytes },
            ..Settings::default()
        };
        let hasher = KeyHasher::new(seed, 1);
        Bench {
            settings,
            hasher,
            random: RefCell::new(Random::new(seed ^ 1)),
            discarded: Discarded::default(),
            dice: Random::new(seed),
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

    fn below(&mut self, n: usize) -> usize {
        self.dice.below(n as u64) as usize
    }

    fn member(&mut self, ints_only: bool, range: usize) -> Vec<u8> {
        let n = self.below(range) as i64;
        match self.below(if ints_only { 12 } else { 24 }) {
            0 => (i64::MAX - n).to_string().into_bytes(),
            1 => (-n * 70_000).to_string().into_bytes(),
            2..12 => n.to_string().into_bytes(),
            12 => format!("0{n}").into_bytes(),
            13 => b"-0".to_vec(),
            14 => Vec::new(),
            15 => vec![b'l'; n as usize % 100],
            16 => vec![0xff, 0, n as u8],
            _ => format!("member:{n}").into_bytes(),
        }
    }

    /// The set against its twin, and its encoding against the thresholds.
    fn check(&self, set: &Set, twin: &BTreeSet<Vec<u8>>) {
        assert_eq!(set.len(), twin.len());
        let mut members = BTreeSet::new();
        set.for_each(|member| assert!(members.insert(member.to_vec()), "{:?} comes twice", member.escape_ascii()));
        assert_eq!(&members, twin);
        assert!(set.iter().map(super::Member::to_vec).eq(set_order(set)));
        let max = self.settings.set_max_listpack;
        match set {
            Set::Ints(_) => {
                assert!(twin.iter().all(|member| parse_i64(member).is_some()));
                assert!(set.len() <= self.settings.set_max_intset_entries.max(1));
            }
            Set::Pack(_) => {
                assert!(set.len() <= max.entries && twin.iter().all(|member| member.len() <= max.value_bytes));
            }
            Set::Table(_) => {}
        }
    }
}

fn set_order(set: &Set) -> Vec<Vec<u8>> {
    let mut order = Vec::new();
    set.for_each(|member| order.push(member.to_vec()));
    order
}

fn rank(set: &Set) -> usize {
    ["intset", "listpack", "hashtable"].iter().position(|&name| name == set.encoding()).expect("an encoding")
}

fn agree(seed: u64, thresholds: (usize, usize, usize), ints_only: bool, range: usize, steps: usize) {
    let mut bench = Bench::new(seed, thresholds.0, thresholds.1, thresholds.2);
    let mut set = Set::new();
    let mut twin: BTreeSet<Vec<u8>> = BTreeSet::new();
    for step in 0..steps {
        let encoding = rank(&set);
        let growing = (step / (range * 4)).is_multiple_of(2);
        match bench.below(40) {
            0..20 => {
                let member = bench.member(ints_only, range);
                if growing || bench.below(3) == 0 {
                    assert_eq!(set.add(&member, &bench.context()), twin.insert(member));
                } else {
                    assert_eq!(set.remove(&member, &bench.context()), twin.remove(&member));
                }
            }
            20..30 => {
                let member = bench.member(ints_only, range);
                assert_eq!(set.contains(&member, &bench.context()), twin.contains(&member));
                assert_eq!(set.remove(&member, &bench.context()), twin.remove(&member));
            }
            30..32 => {
                let mut popped = None;
                assert_eq!(set.pop(&bench.context(), |member| popped = Some(member.to_vec())), !twin.is_empty());
                assert!(popped.is_none_or(|member| twin.remove(&member)));
            }
            32 if set.len() > 1 => {
                let count = 1 + bench.below(set.len() - 1).min(if growing { 3 } else { usize::MAX });
                let mut popped = 0;
                let rest = set.pop_some(count, &bench.context(), |member| {
                    assert!(twin.remove(&member.to_vec()));
                    popped += 1;
                });
                assert_eq!(popped, count);
                drop(rest);
            }
            33 => {
                let count = bench.below(set.len() + 2);
                let mut seen = BTreeSet::new();
                set.sample(count, &bench.context(), |member| {
                    assert!(twin.contains(&member.to_vec()) && seen.insert(member.to_vec()));
                });
                assert_eq!(seen.len(), count.min(twin.len()));
            }
            34 => match set.random(&bench.context()) {
                Some(member) => assert!(twin.contains(&member.to_vec())),
                None => assert!(twin.is_empty()),
            },
            35 => {
                let (mut cursor, mut seen) = (0, BTreeSet::new());
                loop {
                    cursor = set.scan(cursor, 10, |member| {
                        seen.insert(member.to_vec());
                    });
                    if cursor == 0 {
                        break;
                    }
                }
                assert_eq!(seen, twin);
            }
            36 => {
                let copy = set.copy(&bench.hasher);
                bench.check(&copy, &twin);
                assert_eq!(copy.encoding(), set.encoding());
            }
            37 if bench.below(400) == 0 => set.expect(thresholds.0.max(thresholds.1) + 1, &bench.context()),
            _ => {
                let member = bench.member(ints_only, range);
                assert_eq!(set.contains(&member, &bench.context()), twin.contains(&member));
                if let Some(int) = parse_i64(&member) {
                    let int = super::Member::Int(int);
                    assert_eq!(set.contains_member(int, &bench.context()), twin.contains(&member));
                }
            }
        }
        assert!(rank(&set) >= encoding, "a set never goes back");
        if range < 200 || step % 64 == 0 {
            bench.check(&set, &twin);
        }
        if step % 1500 == 1499 && twin.len() < 4 {
            (set, twin) = (Set::new(), BTreeSet::new());
        }
    }
}

#[test]
fn sets_agree_with_a_tree() {
    for seed in 0..4 {
        agree(seed, (4, 6, 8), false, 12, 6_000);
        agree(100 + seed, (512, 128, 64), false, 100, 4_000);
        agree(200 + seed, (64, 128, 64), true, 100, 4_000);
        agree(300 + seed, (0, 0, 0), false, 50, 3_000);
    }
    agree(400, (16, 16, 64), false, 6_000, 120_000);
    agree(401, (512, 16, 64), true, 3_000, 60_000);
}

#[test]
fn encodings_change_as_redis_changes_them() {
    let bench = Bench::new(1, 3, 4, 5);
    let context = bench.context();
    let made = |members: &[&str]| {
        let mut set = Set::for_members(members[0].as_bytes(), 1, &context);
        members.iter().for_each(|member| {
            set.add(member.as_bytes(), &context);
        });
        set.encoding()
    };
    assert_eq!(made(&["1", "2", "3"]), "intset");
    assert_eq!(made(&["1", "2", "3", "4"]), "hashtable");
    assert_eq!(made(&["1", "2", "a"]), "listpack");
    assert_eq!(made(&["a", "b", "c", "d"]), "listpack");
    assert_eq!(made(&["a", "b", "c", "d", "e"]), "hashtable");
    assert_eq!(made(&["a", "12345"]), "listpack");
    assert_eq!(made(&["a", "123456"]), "hashtable");
    // An integer that is too long for a listpack keeps the whole from becoming one.
    assert_eq!(made(&["123456", "a"]), "hashtable");
    assert_eq!(made(&["-12345", "a"]), "hashtable");
    assert_eq!(Set::for_members(b"1", 3, &context).encoding(), "intset");
    assert_eq!(Set::for_members(b"1", 4, &context).encoding(), "listpack");
    assert_eq!(Set::for_members(b"1", 5, &context).encoding(), "hashtable");
    assert_eq!(Set::for_members(b"a", 4, &context).encoding(), "listpack");
}

/// Members present throughout a scan are seen, while others come and go and the set converts, grows and shrinks.
#[test]
fn a_scan_sees_what_stays() {
    for (seed, thresholds, stay, others) in
        [(1, (8, 8, 64), 40, 4_000), (2, (512, 128, 64), 100, 3_000), (3, (0, 0, 0), 500, 20_000)]
    {
        let mut bench = Bench::new(seed, thresholds.0, thresholds.1, thresholds.2);
        let mut set = Set::new();
        let name = |n: usize| format!("stays:{n}").into_bytes();
        (0..stay).for_each(|n| {
            set.add(&name(n), &bench.context());
        });
        for round in 0..20 {
            let (mut cursor, mut seen) = (0, BTreeSet::new());
            loop {
                cursor = set.scan(cursor, 1 + bench.below(30), |member| {
                    seen.insert(member.to_vec());
                });
                if cursor == 0 {
                    break;
                }
                for _ in 0..bench.below(others / 8) {
                    let other = bench.below(others).to_string();
                    if round % 2 == 0 {
                        set.add(other.as_bytes(), &bench.context());
                    } else {
                        set.remove(other.as_bytes(), &bench.context());
                    }
                }
            }
            assert!((0..stay).all(|n| seen.contains(&name(n))), "round {round} misses some");
            // The first rounds scan a small set.
            if round == 1 {
                (0..others).for_each(|n| {
                    set.add(n.to_string().as_bytes(), &bench.context());
                });
            }
        }
    }
}

/// How often each of ten members came, of `draws`.
fn assert_even(counts: &[usize], draws: usize, what: &str) {
    let expected = draws / counts.len();
    // Five standard deviations.
    let allowed = 5 * (expected as f64).sqrt() as usize;
    assert!(counts.iter().all(|count| count.abs_diff(expected) < allowed), "{what}: {counts:?}");
}

#[test]
fn draws_are_even() {
    const MEMBERS: usize = 10;
    // The last is a table that has had many more members.
    for (seed, thresholds, extra) in
        [(1, (512, 128, 64), 0), (2, (0, 128, 64), 0), (3, (0, 0, 0), 0), (4, (0, 0, 0), 5_000)]
    {
        let bench = Bench::new(seed, thresholds.0, thresholds.1, thresholds.2);
        let context = bench.context();
        let mut set = Set::for_members(b"0", 1, &context);
        (0..MEMBERS + extra).for_each(|n| {
            set.add(n.to_string().as_bytes(), &context);
        });
        (MEMBERS..MEMBERS + extra).for_each(|n| {
            set.remove(n.to_string().as_bytes(), &context);
        });
        let number = |member: super::Member<'_>| member.as_i64().expect("an integer") as usize;
        let what = format!("{}, {extra} removed", set.encoding());
        let mut counts = [0; MEMBERS];
        (0..10_000).for_each(|_| counts[number(set.random(&context).expect("a member"))] += 1);
        assert_even(&counts, 10_000, &what);
        // Fewer than a third are drawn, more are chosen in a walk.
        for count in [2, 7] {
            let mut counts = [0; MEMBERS];
            (0..5_000).for_each(|_| set.sample(count, &context, |member| counts[number(member)] += 1));
            assert_even(&counts, 5_000 * count, &what);
        }
        let mut counts = [0; MEMBERS];
        for _ in 0..5_000 {
            let mut copy = set.copy(&bench.hasher);
            copy.pop(&context, |member| counts[number(member)] += 1);
            assert_eq!(copy.len(), MEMBERS - 1);
        }
        assert_even(&counts, 5_000, &what);
        for count in [2, 9] {
            let mut counts = [0; MEMBERS];
            for _ in 0..5_000 {
                let mut copy = set.copy(&bench.hasher);
                copy.pop_some(count, &context, |member| counts[number(member)] += 1);
                assert_eq!(copy.len(), MEMBERS - count);
            }
            assert_even(&counts, 5_000 * count, &what);
        }
    }
}

#[test]
fn algebra_agrees_with_trees() {
    let mut bench = Bench::new(7, 16, 24, 64);
    for _ in 0..2_000 {
        let sets: Vec<(Set, BTreeSet<Vec<u8>>)> = (0..1 + bench.below(4))
            .map(|_| {
                let (mut set, mut twin) = (Set::new(), BTreeSet::new());
                // Of very different sizes, so that each order is the cheaper one at times.
                let (ints_only, len) = (bench.below(2) == 0, [1, 5, 20, 80][bench.below(4)]);
                for _ in 0..bench.below(len + 1) {
                    let member = bench.member(ints_only, 40);
                    set.add(&member, &bench.context());
                    twin.insert(member);
                }
                (set, twin)
            })
            .collect();
        // One may be named twice.
        let chosen: Vec<usize> = (0..1 + bench.below(5)).map(|_| bench.below(sets.len())).collect();
        let refs: Vec<&Set> = chosen.iter().map(|&at| &sets[at].0).collect();
        let twins: Vec<&BTreeSet<Vec<u8>>> = chosen.iter().map(|&at| &sets[at].1).collect();
        let all: BTreeSet<Vec<u8>> = twins.iter().flat_map(|twin| twin.iter().cloned()).collect();
        let in_all = |member: &&Vec<u8>| twins.iter().all(|twin| twin.contains(*member));
        let in_first_only =
            |member: &&Vec<u8>| twins[0].contains(*member) && !twins[1..].iter().any(|twin| twin.contains(*member));
        let wanted = [
            all.iter().filter(in_all).cloned().collect(),
            all.clone(),
            all.iter().filter(in_first_only).cloned().collect::<BTreeSet<Vec<u8>>>(),
        ];
        let limit = bench.below(4);
        let context = bench.context();
        for (operation, wanted) in wanted.iter().enumerate() {
            for limit in [0, limit] {
                let mut seen = BTreeSet::new();
                let show = |member: super::Member<'_>| assert!(seen.insert(member.to_vec()), "a member comes twice");
                let count = match operation {
                    0 => Set::intersection(&refs, limit, &context, show),
                    1 => Set::union(&refs, limit, &context, show),
                    _ => Set::difference(refs[0], &refs[1..], limit, &context, show),
                };
                let expected = if limit == 0 { wanted.len() } else { wanted.len().min(limit) };
                assert_eq!((count, seen.len()), (expected, expected));
                assert!(seen.is_subset(wanted), "operation {operation} of {chosen:?}");
            }
        }
    }
}
