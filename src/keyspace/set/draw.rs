//! Random members of a set: looked at, or taken out. Every member, and every choice of several different ones, is as likely as any
//! other.

use hashbrown::HashTable;

use super::{Member, Set};
use crate::collections::intset::IntSet;
use crate::collections::listpack::Listpack;
use crate::collections::segmented_table::SegmentedTable;
use crate::keyspace::entry::ByKey;
use crate::keyspace::{Context, Entry, Typed};

/// Of a table with fewer members than so many times those that stay, members are not taken out one by one: those that stay move to
/// a new one.
const MOVE_FACTOR: usize = 5;
/// If a set has fewer members than so many times those wanted, they are chosen in one walk over it.
const WALK_FACTOR: usize = 3;

impl Set {
    /// A member; None: there is none.
    pub fn random(&self, context: &Context<'_>) -> Option<Member<'_>> {
        match self {
            Set::Ints(ints) => ints.random(|n| context.below(n)).map(Member::Int),
            Set::Pack(pack) => pack.random(1, |n| context.below(n)).and_then(|position| pack.get(position)),
            Set::Table(table) => table.random(|n| context.below(n)).map(|entry| Member::Bytes(entry.key())),
        }
    }

    /// Visits `count` different members, or all.
    pub fn sample<'a>(&'a self, count: usize, context: &Context<'_>, mut visit: impl FnMut(Member<'a>)) {
        if let Set::Table(table) = self
            && count < table.len() / WALK_FACTOR
        {
            // Members stay where they are, so the address of its entry says which one it is.
            let mut seen: HashTable<usize> = HashTable::with_capacity(count);
            let hash = |address: usize| (address as u64 >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
            while seen.len() < count {
                let Some(entry) = table.random(|n| context.below(n)) else { return };
                let address = std::ptr::from_ref(entry).addr();
                if seen.find(hash(address), |&other| other == address).is_none() {
                    seen.insert_unique(hash(address), address, |&other| hash(other));
                    visit(Member::Bytes(entry.key()));
                }
            }
            return;
        }
        let mut left = self.len();
        let mut wanted = count.min(left);
        for member in self.iter() {
            if wanted == 0 {
                return;
            }
            // Of the members that are left, so many are still wanted.
            if context.below(left) < wanted {
                wanted -= 1;
                visit(member);
            }
            left -= 1;
        }
    }

    /// Takes out a member and shows it; false: there is none.
    #[inline]
    pub fn pop(&mut self, context: &Context<'_>, visit: impl FnOnce(Member<'_>)) -> bool {
        match self {
            Set::Table(table) => {
                let hasher = context.hasher;
                let Some(taken) = table.take_random(|n| context.below(n), ByKey(hasher)) else { return false };
                visit(Member::Bytes(taken.key()));
                if context.undo.is_some() {
                    context.removed(hasher.hash(taken.key()), taken);
                }
                true
            }
            Set::Pack(pack) => {
                let Some(position) = pack.random(1, |n| context.below(n)) else { return false };
                if let Some(member) = pack.get(position) {
                    visit(member);
                }
                pack.remove(position);
                true
            }
            Set::Ints(ints) => {
                let Some(int) = ints.random(|n| context.below(n)) else { return false };
                visit(Member::Int(int));
                ints.remove(int)
            }
        }
    }

    /// Takes out all members, after they have been shown: for the caller to free.
    pub fn pop_all(&mut self, context: &Context<'_>, visit: impl FnMut(Member<'_>)) -> Set {
        if let Set::Table(table) = self {
            Set::leave(table, context);
        }
        self.iter().for_each(visit);
        std::mem::take(self)
    }

    /// All members of a table are going to leave their set.
    fn leave(table: &SegmentedTable<Entry>, context: &Context<'_>) {
        if context.undo.is_some() {
            table.iter().for_each(|entry| context.changing(context.hasher.hash(entry.key()), entry));
        }
    }

    /// Takes out `count` members, which are fewer than it has, and shows them. What is left over of a set that was made anew is
    /// returned, for the caller to free.
    pub fn pop_some(&mut self, count: usize, context: &Context<'_>, mut visit: impl FnMut(Member<'_>)) -> Option<Set> {
        let kept = self.len().saturating_sub(count);
        let hasher = context.hasher;
        match self {
            Set::Table(table) if kept.saturating_mul(MOVE_FACTOR) <= count => {
                let mut rest = SegmentedTable::new();
                for _ in 0..kept {
                    let Some(entry) = table.take_random(|n| context.below(n), ByKey(hasher)) else {
                        break;
                    };
                    rest.insert_unique(hasher.hash(entry.key()), entry, ByKey(hasher));
                }
                Set::leave(table, context);
                table.iter().for_each(|entry| visit(Member::Bytes(entry.key())));
                Some(Set::Table(std::mem::replace(table, Box::new(rest))))
            }
            Set::Table(_) => {
                for _ in 0..count {
                    self.pop(context, &mut visit);
                }
                None
            }
            Set::Pack(_) | Set::Ints(_) => {
                let mut left = self.len();
                let mut wanted = count;
                let mut pack = Listpack::new();
                let mut ints = IntSet::new();
                for member in self.iter() {
                    if context.below(left) < wanted {
                        wanted -= 1;
                        visit(member);
                    } else if let (Set::Ints(_), Member::Int(int)) = (&*self, member) {
                        ints.insert(int);
                    } else {
                        pack.append(member);
                    }
                    left -= 1;
                }
                *self = if matches!(self, Set::Ints(_)) { Set::Ints(ints) } else { Set::Pack(pack) };
                None
            }
        }
    }
}
