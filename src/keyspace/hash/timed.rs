//! Deadlines of fields: setting them, finding the next, removing what is due.

use super::{Fields, Hash};
use crate::base::hash::KeyHasher;
use crate::collections::listpack::{Listpack, ListpackValue, Position};
use crate::keyspace::db::same;
use crate::keyspace::entry::ByKey;
use crate::keyspace::{Context, Entry, Ttl, Typed};

/// What a listpack has behind the value of a field without a deadline.
pub(super) const NO_DEADLINE: i64 = 0;
/// Fields fetched into the cache together, ahead of their removal.
const AHEAD: usize = 32;

#[inline]
pub(super) fn is_past(deadline_ms: i64, now_ms: i64) -> bool {
    deadline_ms != NO_DEADLINE && deadline_ms < now_ms
}

/// The deadline at `position`.
pub(super) fn deadline_at(pack: &Listpack, position: Position) -> i64 {
    pack.get(position).and_then(ListpackValue::as_i64).unwrap_or(NO_DEADLINE)
}

/// The deadline of the field at `position`.
pub(super) fn deadline_of(pack: &Listpack, position: Position) -> i64 {
    let deadline = pack.next(position).and_then(|value| pack.next(value));
    deadline.map_or(NO_DEADLINE, |position| deadline_at(pack, position))
}

/// Field, value, deadline.
pub(super) fn triples(pack: &Listpack) -> impl Iterator<Item = (ListpackValue<'_>, ListpackValue<'_>, i64)> {
    let mut elements = pack.iter();
    std::iter::from_fn(move || {
        let (field, value, deadline) = (elements.next()?, elements.next()?, elements.next()?);
        Some((field, value, deadline.as_i64().unwrap_or(NO_DEADLINE)))
    })
}

/// The deadlines are in order, so that the first field has the first one if any has.
pub(super) fn first_deadline(pack: &Listpack) -> Option<i64> {
    let deadline_ms = deadline_of(pack, pack.first()?);
    (deadline_ms != NO_DEADLINE).then_some(deadline_ms)
}

/// Adds a field that is not there: behind those of the same deadline, before later ones.
pub(super) fn insert(pack: &mut Listpack, field: ListpackValue<'_>, value: ListpackValue<'_>, deadline_ms: i64) {
    let mut at = if deadline_ms == NO_DEADLINE { None } else { pack.first() };
    while let Some(position) = at {
        let other_ms = deadline_of(pack, position);
        if other_ms == NO_DEADLINE || other_ms > deadline_ms {
            break;
        }
        at = (0..3).try_fold(position, |position, _| pack.next(position));
    }
    match at {
        None => {
            pack.append(field);
            pack.append(value);
            pack.append(deadline_ms);
        }
        Some(at) => {
            let field = pack.insert_before(at, field);
            let value = pack.insert_after(field, value);
            pack.insert_after(value, deadline_ms);
        }
    }
}

/// Gives the field at `at` another value. Whether it was past its deadline, and so was not there.
pub(super) fn overwrite(
    pack: &mut Listpack,
    at: Position,
    field: &[u8],
    value: ListpackValue<'_>,
    ttl: Ttl,
    now_ms: i64,
) -> bool {
    let old = deadline_of(pack, at);
    let expired = is_past(old, now_ms);
    let new = match ttl {
        Ttl::Keep if !expired => old,
        Ttl::Keep | Ttl::Clear => NO_DEADLINE,
        Ttl::At(deadline_ms) => deadline_ms,
    };
    if new == old
        && let Some(position) = pack.next(at)
    {
        pack.replace(position, value);
    } else {
        pack.remove_some(at, 3);
        insert(pack, field.into(), value, new);
    }
    expired
}

impl Fields {
    /// A field's deadline has become another.
    #[inline]
    pub(super) fn reindex(&mut self, hash: u64, old: Option<i64>, new: Option<i64>) {
        if old.is_some() || new.is_some() {
            self.reindex_slowly(hash, old, new);
        }
    }

    fn reindex_slowly(&mut self, hash: u64, old: Option<i64>, new: Option<i64>) {
        if let Some(old) = old {
            self.deadlines.remove(&(old, hash));
        }
        if let Some(new) = new {
            self.deadlines.insert((new, hash));
        }
    }

    fn set_deadline(&mut self, field: &[u8], deadline_ms: Option<i64>, context: &Context<'_>) {
        let hash = context.hasher.hash(field);
        let Some(entry) = self.table.find_mut(hash, |entry| same(entry.key(), field)) else { return };
        let old = entry.deadline_ms();
        if old != deadline_ms {
            context.changing(hash, entry);
            entry.set_deadline_ms(deadline_ms);
            self.reindex(hash, old, deadline_ms);
        }
    }
}

impl Hash {
    /// Room for deadlines, before a field is asked to have one. Redis makes it whether or not one gets it.
    pub fn make_timed(&mut self) {
        if let Hash::Pack(pack) = self {
            let mut timed = Listpack::with_capacity(pack.total_bytes() + pack.len());
            for (field, value) in pack.pairs() {
                timed.append(field);
                timed.append(value);
                timed.append(NO_DEADLINE);
            }
            *self = Hash::TimedPack(timed);
        }
    }

    /// The deadline of a field, or that it has none. None: no such field.
    pub fn deadline_ms(&self, field: &[u8], context: &Context<'_>) -> Option<Option<i64>> {
        match self {
            Hash::Pack(pack) => pack.find(field, 1).map(|_| None),
            Hash::TimedPack(pack) => {
                let deadline_ms = deadline_of(pack, pack.find(field, 2)?);
                if is_past(deadline_ms, context.now_ms) {
                    return None;
                }
                Some((deadline_ms != NO_DEADLINE).then_some(deadline_ms))
            }
            Hash::Table(fields) => fields.find(field, context).map(Entry::deadline_ms),
        }
    }

    /// Gives a field a deadline, which is not 0, or takes it away.
    pub fn set_deadline(&mut self, field: &[u8], deadline_ms: Option<i64>, context: &Context<'_>) {
        if deadline_ms.is_some() {
            self.make_timed();
        }
        match self {
            Hash::Pack(_) => {}
            Hash::TimedPack(pack) => {
                let Some(at) = pack.find(field, 2) else { return };
                let new = deadline_ms.unwrap_or(NO_DEADLINE);
                let Some(value) = pack.next(at).and_then(|value| pack.get(value)) else { return };
                let value = value.to_vec();
                pack.remove_some(at, 3);
                insert(pack, field.into(), value.as_slice().into(), new);
            }
            Hash::Table(fields) => fields.set_deadline(field, deadline_ms, context),
        }
    }

    /// Fields without those past their deadlines that have not been removed yet.
    pub fn living_len(&self, now_ms: i64) -> usize {
        if self.next_deadline_ms().is_none_or(|next_ms| next_ms >= now_ms) {
            return self.len();
        }
        let expired = match self {
            Hash::Pack(_) => 0,
            Hash::TimedPack(pack) => {
                triples(pack).take_while(|&(_, _, deadline_ms)| is_past(deadline_ms, now_ms)).count()
            }
            Hash::Table(fields) => fields.deadlines.range(..(now_ms, 0)).count(),
        };
        self.len() - expired
    }

    /// Removes up to `budget` fields that are past their deadlines, in the order of these. How many there were. What large values they
    /// had goes to `free`.
    pub fn expire(&mut self, now_ms: i64, budget: usize, hasher: &KeyHasher, mut free: impl FnMut(Entry)) -> usize {
        match self {
            Hash::Pack(_) => 0,
            Hash::TimedPack(pack) => {
                let due = triples(pack).take(budget).take_while(|&(_, _, deadline_ms)| is_past(deadline_ms, now_ms));
                let expired = due.count();
                if expired > 0 {
                    pack.remove_range(0, 3 * expired);
                }
                expired
            }
            Hash::Table(fields) => {
                let Fields { table, deadlines } = &mut **fields;
                let mut expired = 0;
                while expired < budget
                    && let Some(&(deadline_ms, hash)) = deadlines.first()
                    && deadline_ms < now_ms
                {
                    if expired.is_multiple_of(AHEAD) {
                        let next = deadlines.iter().take(AHEAD.min(budget - expired));
                        next.filter_map(|&(_, hash)| table.guess(hash)).for_each(Entry::prefetch);
                    }
                    deadlines.pop_first();
                    let is_due =
                        |entry: &Entry| entry.deadline_ms() == Some(deadline_ms) && hasher.hash(entry.key()) == hash;
                    table.remove(hash, is_due, ByKey(hasher)).map(&mut free);
                    expired += 1;
                }
                expired
            }
        }
    }

    /// Removes a field if it is past its deadline. Whether it was; what large value it had goes to `free`.
    pub fn expire_one(&mut self, field: &[u8], now_ms: i64, hasher: &KeyHasher, mut free: impl FnMut(Entry)) -> bool {
        match self {
            Hash::Pack(_) => false,
            Hash::TimedPack(pack) => {
                let found = pack.find(field, 2).filter(|&at| is_past(deadline_of(pack, at), now_ms));
                if let Some(at) = found {
                    pack.remove_some(at, 3);
                }
                found.is_some()
            }
            Hash::Table(fields) => {
                let hash = hasher.hash(field);
                let is_due = |entry: &Entry| same(entry.key(), field) && entry.is_expired(now_ms);
                let Some(entry) = fields.table.remove(hash, is_due, ByKey(hasher)) else { return false };
                fields.reindex(hash, entry.deadline_ms(), None);
                free(entry);
                true
            }
        }
    }

    /// The names of the fields that [`Hash::expire`] would remove.
    pub fn due(&self, now_ms: i64, budget: usize) -> Vec<Vec<u8>> {
        match self {
            Hash::Pack(_) => Vec::new(),
            Hash::TimedPack(pack) => triples(pack)
                .take(budget)
                .take_while(|&(_, _, deadline_ms)| is_past(deadline_ms, now_ms))
                .map(|(field, ..)| field.text(&mut itoa::Buffer::new()).to_vec())
                .collect(),
            Hash::Table(fields) => {
                let Fields { table, deadlines } = &**fields;
                let due = deadlines.iter().take(budget).take_while(|&&(deadline_ms, _)| deadline_ms < now_ms);
                due.flat_map(|&(deadline_ms, hash)| {
                    let is_due = move |entry: &&Entry| entry.deadline_ms() == Some(deadline_ms);
                    table.candidates(hash).filter(is_due).map(|entry| entry.key().to_vec())
                })
                .collect()
            }
        }
    }

    /// Whether the index of deadlines is that of the entries, and the listpack is in order.
    #[cfg(test)]
    pub(super) fn check(&self, hasher: &KeyHasher) {
        match self {
            Hash::Pack(pack) => assert_eq!(pack.len() % 2, 0),
            Hash::TimedPack(pack) => {
                assert_eq!(pack.len() % 3, 0);
                let order = |deadline_ms: i64| if deadline_ms == NO_DEADLINE { i64::MAX } else { deadline_ms };
                let deadlines: Vec<i64> = triples(pack).map(|(_, _, deadline_ms)| order(deadline_ms)).collect();
                assert!(deadlines.is_sorted(), "{deadlines:?}");
            }
            Hash::Table(fields) => {
                let of_entries: std::collections::BTreeSet<(i64, u64)> = fields
                    .table
                    .iter()
                    .filter_map(|entry| Some((entry.deadline_ms()?, hasher.hash(entry.key()))))
                    .collect();
                assert_eq!(fields.deadlines, of_entries);
            }
        }
    }
}
