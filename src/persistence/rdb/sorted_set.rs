//! Sorted sets from bytes. A listpack that is small enough and in order is taken as it is; anything else is built anew, so that no file
//! makes a set that is out of order.

use super::read::{DUPLICATE, EMPTY, Reader, has_twins};
use crate::base::number;
use crate::collections::Malformed;
use crate::collections::listpack::Listpack;
use crate::collections::sorted_set::SortedSetBuilder;
use crate::keyspace::{Context, SortedSet};

const NO_NUMBER: Malformed = Malformed("a score that is no number");
/// What stands for the length of a score as text.
const NAN: u8 = 253;
const POSITIVE_INFINITY: u8 = 254;
const NEGATIVE_INFINITY: u8 = 255;

fn push(builder: &mut SortedSetBuilder, member: &[u8], score: f64, context: &Context<'_>) -> Result<(), Malformed> {
    if score.is_nan() {
        return Err(NO_NUMBER);
    }
    if builder.push(context.hasher, member, score) { Ok(()) } else { Err(DUPLICATE) }
}

/// Member by member; `score` reads a score.
fn members(
    reader: &mut Reader<'_>,
    context: &Context<'_>,
    score: impl Fn(&mut Reader<'_>) -> Result<f64, Malformed>,
) -> Result<SortedSet, Malformed> {
    let mut digits = itoa::Buffer::new();
    let mut builder = SortedSetBuilder::new();
    for _ in 0..reader.count()? {
        let member = reader.text()?;
        let score = score(reader)?;
        push(&mut builder, member.bytes(&mut digits), score, context)?;
    }
    Ok(SortedSet::from_builder(builder, context))
}

/// With scores as text.
pub(super) fn of_texts(reader: &mut Reader<'_>, context: &Context<'_>) -> Result<SortedSet, Malformed> {
    members(reader, context, |reader| match reader.byte()? {
        NAN => Err(NO_NUMBER),
        POSITIVE_INFINITY => Ok(f64::INFINITY),
        NEGATIVE_INFINITY => Ok(f64::NEG_INFINITY),
        len => reader.take(usize::from(len)).and_then(|text| number::parse_f64(text).ok_or(NO_NUMBER)),
    })
}

/// With scores as doubles.
pub(super) fn of_doubles(reader: &mut Reader<'_>, context: &Context<'_>) -> Result<SortedSet, Malformed> {
    members(reader, context, |reader| reader.chunk().map(f64::from_le_bytes))
}

pub(super) fn packed(pack: Listpack, context: &Context<'_>) -> Result<SortedSet, Malformed> {
    if pack.is_empty() {
        return Err(EMPTY);
    }
    if !pack.len().is_multiple_of(2) {
        return Err(Malformed("a member without a score"));
    }
    let pack = match SortedSet::from_pack(pack, context) {
        Ok(set) if has_twins(set.pack_members(), context) => return Err(DUPLICATE),
        Ok(set) => return Ok(set),
        Err(pack) => pack,
    };
    let mut digits = (itoa::Buffer::new(), itoa::Buffer::new());
    let mut builder = SortedSetBuilder::new();
    for (member, score) in pack.pairs() {
        let score = number::parse_f64(score.text(&mut digits.1)).ok_or(NO_NUMBER)?;
        push(&mut builder, member.text(&mut digits.0), score, context)?;
    }
    Ok(SortedSet::from_builder(builder, context))
}
