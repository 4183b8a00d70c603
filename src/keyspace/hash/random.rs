//! Random fields: one, several, several different ones.

use std::collections::HashSet;

use super::{FieldText, Fields, Hash};
use crate::keyspace::{Context, Entry};

/// A field with its value.
type Pair<'a> = (FieldText<'a>, FieldText<'a>);

fn pair_of(entry: &Entry) -> Pair<'_> {
    (FieldText::Bytes(entry.key()), FieldText::of_entry(entry))
}

/// Few fields are past their deadlines at any time; should most be, a living one is looked for in order after so many draws.
const DRAWS_MAX: usize = 100;

impl Fields {
    /// A field that is there, each with the same probability.
    fn draw(&self, context: &Context<'_>) -> Option<&Entry> {
        for _ in 0..DRAWS_MAX {
            let entry = self.table.random(|n| context.below(n))?;
            if !entry.is_expired(context.now_ms) {
                return Some(entry);
            }
        }
        self.table.iter().find(|entry| !entry.is_expired(context.now_ms))
    }
}

impl Hash {
    fn living<'a>(&'a self, now_ms: i64) -> Vec<Pair<'a>> {
        let mut living = Vec::with_capacity(self.living_len(now_ms));
        self.for_each(now_ms, |field, value, _| living.push((field, value)));
        living
    }

    /// A field, each with the same probability.
    pub fn random(&self, context: &Context<'_>) -> Option<Pair<'_>> {
        match self {
            Hash::Pack(pack) => {
                let field = pack.random(2, |n| context.below(n))?;
                Some((pack.get(field)?.into(), pack.get(pack.next(field)?)?.into()))
            }
            Hash::TimedPack(_) => {
                let living = self.living(context.now_ms);
                (!living.is_empty()).then(|| living[context.below(living.len())])
            }
            Hash::Table(fields) => fields.draw(context).map(pair_of),
        }
    }

    /// Visits `count` fields drawn one by one, so that they may be the same; none if there are none.
    pub fn draw<'a>(
        &'a self,
        count: usize,
        context: &Context<'_>,
        mut visit: impl FnMut(FieldText<'a>, FieldText<'a>),
    ) {
        if let Hash::Table(fields) = self {
            for (field, value) in (0..count).map_while(|_| fields.draw(context)).map(pair_of) {
                visit(field, value);
            }
            return;
        }
        let living = self.living(context.now_ms);
        if !living.is_empty() {
            for _ in 0..count {
                let (field, value) = living[context.below(living.len())];
                visit(field, value);
            }
        }
    }

    /// Visits `count` different fields, fewer than there are.
    pub fn sample<'a>(
        &'a self,
        count: usize,
        context: &Context<'_>,
        mut visit: impl FnMut(FieldText<'a>, FieldText<'a>),
    ) {
        let living_len = self.living_len(context.now_ms);
        if let Hash::Table(fields) = self
            && count < living_len / 3
            && living_len > self.table_len() / 2
        {
            // Most draws find one that has not come yet.
            let mut seen = HashSet::with_capacity(count);
            while seen.len() < count {
                let Some(entry) = fields.draw(context) else { return };
                if seen.insert(entry.key().as_ptr()) {
                    let (field, value) = pair_of(entry);
                    visit(field, value);
                }
            }
            return;
        }
        let mut living = self.living(context.now_ms);
        for drawn in 0..count.min(living.len()) {
            let other = drawn + context.below(living.len() - drawn);
            living.swap(drawn, other);
            visit(living[drawn].0, living[drawn].1);
        }
    }

    fn table_len(&self) -> usize {
        if let Hash::Table(fields) = self { fields.table.len() } else { 0 }
    }
}
