//! The wheel against an ordered map of deadlines.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{TICK_MAX, TimingWheel};
use crate::base::random::Random;

/// A millisecond of our time; digits at every level.
const START: u64 = 1_700_000_000_123;

/// What the wheel should do: records by their real deadline.
#[derive(Default)]
struct Twin {
    by_deadline: BTreeMap<u64, BTreeSet<u64>>,
    deadlines: HashMap<u64, u64>,
    /// Sweep in which a record was filed last.
    filed_in: HashMap<u64, u64>,
    sweep: u64,
}

impl Twin {
    fn set(&mut self, record: u64, deadline: u64) {
        self.clear(record);
        self.deadlines.insert(record, deadline);
        self.by_deadline.entry(deadline).or_default().insert(record);
        self.filed_in.insert(record, self.sweep);
    }

    fn clear(&mut self, record: u64) {
        let Some(deadline) = self.deadlines.remove(&record) else { return };
        let at = self.by_deadline.get_mut(&deadline).expect("both maps know it");
        at.remove(&record);
        if at.is_empty() {
            self.by_deadline.remove(&deadline);
        }
    }

    fn earliest(&self) -> Option<u64> {
        self.by_deadline.keys().next().copied()
    }
}

/// Advances in slices of `budget` until time has come to `tick`; each record that is due goes.
fn advance(wheel: &mut TimingWheel, twin: &mut Twin, tick: u64, budget: usize) {
    loop {
        let mut asked = 0;
        let left = wheel.advance(tick, budget, |record| {
            asked += 1;
            let deadline = *twin.deadlines.get(&record)?;
            if deadline <= tick {
                twin.clear(record);
                return None;
            }
            twin.filed_in.insert(record, twin.sweep);
            Some(deadline)
        });
        assert_eq!(asked + left, budget);
        if left > 0 {
            break;
        }
    }
    assert!(twin.earliest().is_none_or(|deadline| deadline > tick), "{:?} is late at {tick}", twin.earliest());
}

/// Never wakes too late, and wakes for nothing at most once per level and record.
fn assert_next(wheel: &TimingWheel, twin: &Twin, now: u64) {
    match (wheel.next_tick(), twin.earliest()) {
        (None, earliest) => assert!(earliest.is_none(), "{earliest:?} is forgotten"),
        (Some(next), Some(earliest)) => assert!(next <= earliest.max(now).min(TICK_MAX), "{next} is after {earliest}"),
        (Some(_), None) => assert!(!wheel.is_empty()),
    }
}

fn some_deadline(random: &mut Random, now: u64) -> u64 {
    match random.below(12) {
        0 => now.saturating_sub(random.below(1000)),
        1..=3 => now + random.below(5),
        4..=6 => now + random.below(1000),
        7 => now + random.below(100_000),
        8 => now + random.below(1 << 26),
        9 => now + random.below(1 << 36),
        10 => (now | 0xffff) + random.below(3),
        _ => now + random.below(1 << 47) + (1 << 47),
    }
}

fn some_step(random: &mut Random) -> u64 {
    match random.below(40) {
        0..=19 => random.below(3),
        20..=29 => random.below(300),
        30..=35 => random.below(70_000),
        36..=38 => random.below(1 << 24),
        _ => random.below(1 << 36),
    }
}

#[test]
fn agrees_with_an_ordered_map() {
    for seed in 0..6 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut wheel = TimingWheel::new(START);
        let mut twin = Twin::default();
        let mut now = START;
        let mut next_record = 0;
        for step in 0..8000 {
            match random.below(11) {
                0..=4 => {
                    let deadline = some_deadline(&mut random, now);
                    twin.set(next_record, deadline);
                    wheel.file(deadline, next_record);
                    next_record += 1;
                }
                10 => {
                    let mut wanted = random.below(200) as usize;
                    let before = wanted;
                    let mut asked = 0;
                    wanted = wheel.file_ahead(
                        wanted,
                        |_| {},
                        |record| {
                            asked += 1;
                            twin.filed_in.insert(record, twin.sweep);
                            twin.deadlines.get(&record).copied()
                        },
                    );
                    assert_eq!(asked + wanted, before);
                }
                5 => twin.clear(random.below(next_record + 1)),
                6 => {
                    // A later deadline is not told to the wheel, an earlier one is.
                    let record = random.below(next_record + 1);
                    if let Some(&old) = twin.deadlines.get(&record) {
                        let deadline = some_deadline(&mut random, now);
                        let filed_in = twin.filed_in[&record];
                        twin.set(record, deadline);
                        if deadline < old {
                            wheel.file(deadline, record);
                        } else {
                            twin.filed_in.insert(record, filed_in);
                        }
                    }
                }
                7 if step % 3 == 0 => {
                    if !wheel.is_sweeping() {
                        wheel.begin_sweep();
                        twin.sweep += 1;
                    }
                }
                7 => {
                    let budget = random.below(60) as usize;
                    let Twin { deadlines, filed_in, sweep, .. } = &mut twin;
                    let mut asked = 0;
                    wheel.sweep(budget, |record| {
                        asked += 1;
                        let deadline = *deadlines.get(&record)?;
                        // The first of its records in this sweep is kept.
                        (filed_in.insert(record, *sweep) != Some(*sweep)).then_some(deadline)
                    });
                    assert!(asked <= budget);
                }
                _ => {
                    now += some_step(&mut random);
                    let budget = 1 + random.below(50) as usize;
                    advance(&mut wheel, &mut twin, now, budget);
                }
            }
            assert!(wheel.len() >= twin.deadlines.len(), "seed {seed}, step {step}: records are lost");
            if now < TICK_MAX / 2 {
                assert_next(&wheel, &twin, now);
            }
        }
    }
}

/// Woken only when the wheel asks for it, each record goes at its very tick.
#[test]
fn every_record_fires_at_its_tick() {
    let seed = 10;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut wheel = TimingWheel::new(START);
    let mut deadlines = HashMap::new();
    for record in 0..20_000 {
        let bits = 1 + random.below(40);
        let deadline = START + 1 + random.below(1 << bits);
        deadlines.insert(record, deadline);
        wheel.file(deadline, record);
    }
    let mut wakes = 0;
    while let Some(tick) = wheel.next_tick() {
        wakes += 1;
        let left = wheel.advance(tick, usize::MAX, |record| {
            let deadline = deadlines[&record];
            assert!(deadline >= tick, "record {record} of {deadline} at {tick}");
            if deadline > tick {
                return Some(deadline);
            }
            deadlines.remove(&record);
            None
        });
        assert!(left > 0);
    }
    assert!(deadlines.is_empty() && wheel.is_empty());
    assert!(wakes < 20_000 * 6, "{wakes} wakes");
}

#[test]
fn a_slice_takes_no_more_than_its_budget() {
    let mut wheel = TimingWheel::new(START);
    for record in 0..5000 {
        wheel.file(START + 7, record);
    }
    let mut fired = 0;
    let mut slices = 0;
    while wheel.advance(START + 10, 100, |_| {
        fired += 1;
        None
    }) == 0
    {
        slices += 1;
        assert_eq!(fired, 100 * slices);
        assert_eq!(wheel.len(), 5000 - fired);
        if fired < 5000 {
            assert!(wheel.next_tick().is_some_and(|tick| tick <= START + 10), "the rest is due at once");
        }
    }
    assert_eq!((fired, wheel.len(), wheel.next_tick()), (5000, 0, None));
    // What is filed in between is not lost.
    wheel.file(START + 20, 1);
    wheel.file(START + 20, 2);
    assert_eq!(wheel.advance(START + 30, 1, |_| None), 0);
    wheel.file(START + 25, 3);
    let mut rest = Vec::new();
    while wheel.advance(START + 30, 1, |record| {
        rest.push(record);
        None
    }) == 0
    {}
    rest.sort_unstable();
    assert!(rest == [1, 3] || rest == [2, 3], "{rest:?}");
}

#[test]
fn ticks_beyond_the_last_level_wait_in_the_last_slot() {
    let mut wheel = TimingWheel::new(START);
    let far = [TICK_MAX - 1, TICK_MAX, TICK_MAX + 1, 1 << 60, u64::MAX];
    for (record, &deadline) in far.iter().enumerate() {
        wheel.file(deadline, record as u64);
    }
    let year_ms = 365 * 24 * 3600 * 1000;
    let mut now = START;
    while now + 500 * year_ms < TICK_MAX - 1 {
        now += 500 * year_ms;
        let left = wheel.advance(now, 1000, |record| {
            let deadline = far[record as usize];
            assert!(deadline > now);
            Some(deadline)
        });
        assert!(left > 0 && wheel.len() == far.len());
        assert!(wheel.next_tick().is_some_and(|tick| tick > now && tick < TICK_MAX));
    }
    let mut fired = Vec::new();
    wheel.advance(TICK_MAX - 1, 1000, |record| {
        if far[record as usize] < TICK_MAX {
            fired.push(record);
            return None;
        }
        Some(far[record as usize])
    });
    assert_eq!((fired, wheel.len()), (vec![0], 4));
}

#[test]
fn time_that_stands_or_goes_back_changes_nothing() {
    let mut wheel = TimingWheel::new(START);
    wheel.file(START + 5, 1);
    for tick in [START, START - 1000, 0] {
        assert_eq!(wheel.advance(tick, 10, |_| panic!("nothing is due")), 10);
    }
    wheel.file(START - 5, 2);
    assert_eq!(wheel.next_tick(), Some(START));
    let mut fired = Vec::new();
    wheel.advance(START, 10, |record| {
        fired.push(record);
        None
    });
    assert_eq!(fired, [2]);
    assert_eq!(wheel.next_tick(), Some(START + 5));
}

#[test]
fn a_clock_that_is_set_back_moves_no_deadline() {
    let mut random = Random::new(7);
    let mut wheel = TimingWheel::new(START);
    // Of what has not fired.
    let mut deadlines = BTreeMap::new();
    let mut now = START;
    let mut records = 0..;
    for back in [3_600_000, 1, 500, 86_400_000, 0] {
        for record in records.by_ref().take(200) {
            let deadline = now + 1 + random.below(100_000);
            deadlines.insert(record, deadline);
            wheel.file(deadline, record);
        }
        for _ in 0..300 {
            now += random.below(400);
            let left = wheel.advance(now, usize::MAX, |record| {
                let again = deadlines.get(&record).copied().filter(|&deadline| deadline > now);
                if again.is_none() {
                    deadlines.remove(&record);
                }
                again
            });
            assert!(left > 0);
            assert!(deadlines.values().all(|&deadline| deadline > now), "all that is due has fired at {now}");
            assert_eq!(wheel.len(), deadlines.len());
            let next = wheel.next_tick();
            assert!(next.is_none_or(|next| next > now) && next <= deadlines.values().min().copied(), "{next:?}");
        }
        now -= back;
        wheel.turn_back(back);
    }
    assert!(!deadlines.is_empty() && records.start == 1000);
}

#[test]
fn a_sweep_drops_what_is_stale_and_delays_nothing() {
    let mut wheel = TimingWheel::new(START);
    // Even records live; each has a second, stale record.
    let deadline = |record: u64| START + 10 + record * 37 % 5000;
    for record in 0..10_000 {
        wheel.file(deadline(record), record);
        if record % 2 == 0 {
            wheel.file(deadline(record) + 100_000, record);
        }
    }
    wheel.begin_sweep();
    let mut kept = BTreeSet::new();
    let mut fired: BTreeMap<u64, u64> = BTreeMap::new();
    let mut now = START;
    let mut ticks_swept = 0;
    while !wheel.is_empty() {
        ticks_swept += u64::from(wheel.is_sweeping());
        now += 1;
        let left = wheel.advance(now, usize::MAX, |record| {
            if record % 2 == 1 || fired.contains_key(&record) {
                return None;
            }
            if deadline(record) > now {
                return Some(deadline(record));
            }
            fired.insert(record, now);
            None
        });
        assert!(left > 0);
        wheel.sweep(100, |record| {
            let lives = record % 2 == 0 && !fired.contains_key(&record);
            (lives && kept.insert(record)).then(|| deadline(record))
        });
    }
    assert!(ticks_swept > 20, "the sweep is over after {ticks_swept} ticks");
    assert!(now < START + 6000, "the stale records are swept, not waited for");
    assert_eq!(fired.len(), 5000);
    assert!(fired.iter().all(|(&record, &at)| at == deadline(record)));
    assert!(!wheel.is_sweeping());
}

#[test]
fn memory_is_accounted_for() {
    let mut wheel = TimingWheel::new(START);
    assert_eq!(wheel.memory_bytes(), 0);
    (0..100_000).for_each(|record| wheel.file(START + 1 + record % 10_000, record));
    assert!((800_000..1_000_000).contains(&wheel.memory_bytes()), "{}", wheel.memory_bytes());
}

#[test]
fn what_is_filed_ahead_needs_no_other_asking_until_it_is_due() {
    let mut wheel = TimingWheel::new(START);
    let deadline = |record: u64| START + 1000 + record % 1000;
    (0..10_000).for_each(|record| wheel.file(deadline(record), record));
    let mut now = START;
    while now < START + 1999 {
        while wheel.file_ahead(100, |_| {}, |record| Some(deadline(record))) == 0 {}
        now += 1;
        let left = wheel.advance(now, 1000, |record| {
            assert_eq!(deadline(record), now, "it is filed at its tick already");
            None
        });
        assert!(left > 0);
    }
    assert!(wheel.is_empty());
}

#[test]
fn the_first_records_are_visited_in_order_of_their_slots() {
    let mut random = Random::new(1);
    for early in [false, true] {
        let mut wheel = TimingWheel::new(START);
        let some = |random: &mut Random| {
            let bits = random.below(30);
            START + 1 + random.below(1 << bits)
        };
        let deadlines: Vec<u64> = (0..3000).map(|_| some(&mut random)).collect();
        for (record, &deadline) in deadlines.iter().enumerate() {
            wheel.file(deadline, record as u64);
        }
        if early {
            wheel.file_ahead(10, |_| {}, |record| Some(deadlines[record as usize]));
        }
        let mut by_deadline = deadlines.clone();
        by_deadline.sort_unstable();
        let mut seen = Vec::new();
        wheel.first(
            20,
            |n| random.below(n as u64) as usize,
            |record| {
                seen.push(deadlines[record as usize]);
                true
            },
        );
        seen.sort_unstable();
        assert_eq!(seen.len(), 20);
        assert_eq!(seen[..10], by_deadline[..10], "{early}");
        // What is not kept is gone, from wherever it was drawn.
        let mut dropped = 0;
        while !wheel.is_empty() {
            wheel.draw(
                |n| random.below(n as u64) as usize,
                |_| {
                    dropped += 1;
                    false
                },
            );
        }
        assert_eq!((dropped, wheel.next_tick()), (3000, None));
    }
}

#[test]
fn every_record_is_as_likely_to_be_drawn() {
    let mut random = Random::new(2);
    let mut wheel = TimingWheel::new(START);
    // A slot with many and many slots with few.
    (0..1500).for_each(|record| wheel.file(START + 100_000_000, record));
    (1500..2000).for_each(|record| wheel.file(START + record, record));
    let mut drawn = vec![0; 2000];
    for _ in 0..400_000 {
        wheel.draw(
            |n| random.below(n as u64) as usize,
            |record| {
                drawn[record as usize] += 1;
                true
            },
        );
    }
    let total: usize = drawn.iter().sum();
    let mean = total / 2000;
    assert!(total > 300_000 && drawn.iter().all(|&count| count > mean / 2 && count < mean * 2), "{total}");
}

/// So that what a record leads to is in the cache when it is asked for, in whatever slices.
#[test]
fn records_are_told_of_before_they_are_asked_for() {
    for budget in [1, 7, 64, 1000] {
        let mut wheel = TimingWheel::new(START);
        (0..5000).for_each(|record| wheel.file(START + 10, record));
        let told = std::cell::RefCell::new(BTreeSet::new());
        let (mut asked, mut untold) = (0, 0);
        let mut due = |record| {
            asked += 1;
            untold += u64::from(!told.borrow().contains(&record));
            None
        };
        while wheel.advance_ahead(START + 10, budget, |record| _ = told.borrow_mut().insert(record), &mut due) == 0 {}
        assert_eq!(asked, 5000, "slices of {budget}");
        // Of each chunk at most the first ones that do not make a group.
        assert!(untold <= 5000 / 16, "slices of {budget}: {untold} were not told of");
    }
}
