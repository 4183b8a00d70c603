//! What several sets have in common, have together, or what one has and the others have not. Results are shown member by member
//! and refer to the sets: nothing is copied.
//!
//! A set may be named several times. `limit` is where counting stops; 0: never.
//!
//! Cost: the intersection looks members of the smallest set up in the others. The union remembers what it has shown of all sets but
//! the largest. The difference either looks members of the first set up in the others, or the others' in the first, whichever
//! is less.

use std::cmp::Reverse;
use std::ops::ControlFlow;

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::{Member, Set};
use crate::keyspace::{Context, Typed};

/// Members of a listpack that are walked over in the time of a look into a table.
const PACK_LOOK: usize = 8;

/// Distinct members.
#[derive(Default)]
struct Seen<'a>(HashTable<(u64, Member<'a>)>);

fn hash_of(member: Member<'_>, context: &Context<'_>) -> u64 {
    context.hasher.hash(member.text(&mut itoa::Buffer::new()))
}

/// Sets of different encodings keep an integer in different ways.
fn is_same(a: Member<'_>, b: Member<'_>) -> bool {
    match (a, b) {
        (Member::Int(a), Member::Int(b)) => a == b,
        (member, Member::Bytes(text)) | (Member::Bytes(text), member) => member.is(text),
    }
}

impl<'a> Seen<'a> {
    /// False: it was there.
    fn insert(&mut self, member: Member<'a>, context: &Context<'_>) -> bool {
        let hash = hash_of(member, context);
        if self.0.find(hash, |seen| seen.0 == hash && is_same(seen.1, member)).is_some() {
            return false;
        }
        self.0.insert_unique(hash, (hash, member), |seen| seen.0);
        true
    }

    fn contains(&self, member: Member<'_>, context: &Context<'_>) -> bool {
        let hash = hash_of(member, context);
        self.0.find(hash, |seen| seen.0 == hash && is_same(seen.1, member)).is_some()
    }
}

/// Shows members and stops at the limit.
struct Shown<V> {
    visit: V,
    limit: usize,
    count: usize,
}

impl<'a, V: FnMut(Member<'a>)> Shown<V> {
    fn new(visit: V, limit: usize) -> Shown<V> {
        Shown { visit, limit: if limit == 0 { usize::MAX } else { limit }, count: 0 }
    }

    fn show(&mut self, member: Member<'a>) -> ControlFlow<()> {
        (self.visit)(member);
        self.count += 1;
        if self.count == self.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Set {
    /// What all of `sets` have, which are at least one; how many members that are.
    pub fn intersection<'a>(
        sets: &[&'a Set],
        limit: usize,
        context: &Context<'_>,
        visit: impl FnMut(Member<'a>),
    ) -> usize {
        let mut sets: SmallVec<[&'a Set; 8]> = sets.into();
        sets.sort_by_key(|set| set.len());
        let mut shown = Shown::new(visit, limit);
        let Some((smallest, others)) = sets.split_first() else { return 0 };
        let _ = smallest.iter().try_for_each(|member| {
            let is_common =
                others.iter().all(|other| std::ptr::eq(*other, *smallest) || other.contains_member(member, context));
            if is_common { shown.show(member) } else { ControlFlow::Continue(()) }
        });
        shown.count
    }

    /// What any of `sets` has; how many members that are.
    pub fn union<'a>(sets: &[&'a Set], limit: usize, context: &Context<'_>, visit: impl FnMut(Member<'a>)) -> usize {
        let Some(largest) = sets.iter().copied().max_by_key(|set| set.len()) else { return 0 };
        let mut shown = Shown::new(visit, limit);
        let mut seen = Seen::default();
        // A listpack is walked at each look: rather remember its members too.
        let is_pack = matches!(largest, Set::Pack(_));
        let mut walk = || {
            largest.iter().try_for_each(|member| {
                if is_pack && sets.len() > 1 {
                    seen.insert(member, context);
                }
                shown.show(member)
            })?;
            for set in sets.iter().filter(|set| !std::ptr::eq(**set, largest)) {
                set.iter().try_for_each(|member| {
                    let is_shown = !is_pack && largest.contains_member(member, context);
                    let is_new = !is_shown && seen.insert(member, context);
                    if is_new { shown.show(member) } else { ControlFlow::Continue(()) }
                })?;
            }
            ControlFlow::Continue(())
        };
        let _: ControlFlow<()> = walk();
        shown.count
    }

    /// What `first` has and none of `others`; how many members that are.
    pub fn difference<'a>(
        first: &'a Set,
        others: &[&'a Set],
        limit: usize,
        context: &Context<'_>,
        visit: impl FnMut(Member<'a>),
    ) -> usize {
        let mut shown = Shown::new(visit, limit);
        if others.iter().any(|other| std::ptr::eq(*other, first)) {
            return 0;
        }
        // A member that is not in the result is found after half of the others, in the mean, and after half of a listpack's members.
        let look = |set: &Set| if matches!(set, Set::Pack(_)) { 1 + set.len() / PACK_LOOK } else { 1 };
        let looks: usize = others.iter().map(|other| look(other)).sum();
        let by_first = first.len().saturating_mul(looks + 1) / 2;
        let by_others = others.iter().fold(first.len(), |sum, other| sum.saturating_add(other.len()));
        let mut others: SmallVec<[&'a Set; 8]> = others.into();
        if by_first <= by_others {
            // In a large set it is found sooner.
            others.sort_by_key(|other| Reverse(other.len()));
            let _ = first.iter().try_for_each(|member| {
                let is_gone = others.iter().any(|other| other.contains_member(member, context));
                if is_gone { ControlFlow::Continue(()) } else { shown.show(member) }
            });
            return shown.count;
        }
        let (mut own, mut gone) = (Seen::default(), Seen::default());
        let is_pack = matches!(first, Set::Pack(_));
        if is_pack {
            for member in first.iter() {
                own.insert(member, context);
            }
        }
        for member in others.iter().flat_map(|other| other.iter()) {
            if if is_pack { own.contains(member, context) } else { first.contains_member(member, context) } {
                gone.insert(member, context);
            }
        }
        let _ = first.iter().try_for_each(|member| {
            let is_gone = !gone.0.is_empty() && gone.contains(member, context);
            if is_gone { ControlFlow::Continue(()) } else { shown.show(member) }
        });
        shown.count
    }
}
