//! How far a thing in a file reaches, found out without building it, and across any number of looks: what is skipped is never looked at
//! again, and no length is believed for more than where the next thing should be.

use super::kind;
use super::read::{CUT_OFF, Reader};
use crate::collections::Malformed;

/// What a value is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Length,
    Text,
    Fixed(usize),
    /// A score as text.
    Score,
}

/// A few things, then perhaps a count and as many groups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    lead: &'static [Part],
    group: &'static [Part],
}

/// Marks instead of the length of a score from here on.
const SCORE_MARKS: u8 = 253;

impl Shape {
    pub(super) const fn parts(lead: &'static [Part]) -> Shape {
        Shape { lead, group: &[] }
    }

    const fn groups(group: &'static [Part]) -> Shape {
        Shape { lead: &[], group }
    }

    /// Of the contents of a value. Err: what they are instead of something that is known.
    pub(super) fn of(kind: u8) -> Result<Shape, &'static str> {
        Ok(match kind {
            kind::STRING
            | kind::HASH_ZIPMAP
            | kind::LIST_ZIPLIST
            | kind::SET_INTSET
            | kind::ZSET_ZIPLIST
            | kind::HASH_ZIPLIST
            | kind::HASH_LISTPACK
            | kind::ZSET_LISTPACK
            | kind::SET_LISTPACK => Shape::parts(&[Part::Text]),
            kind::LIST | kind::SET | kind::LIST_QUICKLIST => Shape::groups(&[Part::Text]),
            kind::HASH => Shape::groups(&[Part::Text, Part::Text]),
            kind::ZSET => Shape::groups(&[Part::Text, Part::Score]),
            kind::ZSET_2 => Shape::groups(&[Part::Text, Part::Fixed(8)]),
            kind::LIST_QUICKLIST_2 => Shape::groups(&[Part::Length, Part::Text]),
            kind::HASH_LISTPACK_EX => Shape::parts(&[Part::Fixed(8), Part::Text]),
            kind::HASH_METADATA => Shape { lead: &[Part::Fixed(8)], group: &[Part::Length, Part::Text, Part::Text] },
            kind::HASH_2 => Shape::groups(&[Part::Text, Part::Text, Part::Fixed(8)]),
            kind::STREAM_LISTPACKS
            | kind::STREAM_LISTPACKS_2
            | kind::STREAM_LISTPACKS_3
            | kind::STREAM_LISTPACKS_4
            | kind::STREAM_LISTPACKS_5 => return Err("a stream, which is not supported yet"),
            kind::ARRAY => return Err("an array, a type of Redis 8.8 that is not supported"),
            kind::HASH_TMPL_LP | kind::HASH_TMPL_LP_REF | kind::HASH_TMPL_ARRAY | kind::HASH_TMPL_ARRAY_REF => {
                return Err("a hash with a template of Redis 8.10's HIMPORT, which is not supported");
            }
            kind::MODULE | kind::MODULE_2 => return Err("a value of a module; modules are not supported"),
            kind::HASH_METADATA_PRE_GA | kind::HASH_LISTPACK_EX_PRE_GA => {
                return Err("a hash in a format of a release candidate of 7.4, which no release reads");
            }
            _ => return Err("a value of an unknown type"),
        })
    }
}

/// Groups that [`pass_small`] passes: a bound on the work for one value.
const SMALL_GROUPS_MAX: u64 = 64;

/// Passes the contents of a value of this type. None: they are not all there, or they are not small, or something is wrong with them.
#[inline]
pub(super) fn pass_small(kind: u8, reader: &mut Reader<'_>) -> Option<()> {
    if kind == kind::STRING {
        return pass_part(Part::Text, reader);
    }
    let Shape { lead, group } = Shape::of(kind).ok()?;
    lead.iter().try_for_each(|&part| pass_part(part, reader))?;
    if group.is_empty() {
        return Some(());
    }
    let count = reader.length().ok().filter(|&count| count <= SMALL_GROUPS_MAX)?;
    (0..count).try_for_each(|_| group.iter().try_for_each(|&part| pass_part(part, reader)))
}

/// Passes one part, if it is all there.
#[inline]
pub(super) fn pass_part(part: Part, reader: &mut Reader<'_>) -> Option<()> {
    let len = match part {
        Part::Length => return reader.length().ok().map(drop),
        Part::Text => reader.text_extent().ok()?,
        Part::Fixed(len) => len as u64,
        Part::Score => reader.byte().ok().filter(|&len| len < SCORE_MARKS).map_or(0, u64::from),
    };
    reader.take(usize::try_from(len).ok()?).ok().map(drop)
}

/// Where the look at a thing has got to.
#[derive(Debug)]
pub(super) struct Scanner {
    shape: Shape,
    /// Bytes of the thing that have been passed. May lie beyond what is there yet.
    at: usize,
    /// The next part: of the lead, or of a group.
    part: usize,
    /// Groups not yet begun or finished; None: the count has not been read.
    groups: Option<u64>,
}

impl Scanner {
    pub(super) fn new(shape: Shape) -> Scanner {
        Scanner { shape, at: 0, part: 0, groups: None }
    }

    /// Bytes that the thing has at least.
    pub(super) fn reach(&self) -> usize {
        // Every part has a byte.
        let parts = self.groups.unwrap_or(0).saturating_mul(self.shape.group.len() as u64);
        let parts = usize::try_from(parts.saturating_sub(self.part as u64)).unwrap_or(usize::MAX);
        self.at.saturating_add(if self.groups.is_some() { parts } else { 0 })
    }

    /// Goes on as far as `bytes`, which begin with the thing, allow. Whether it is all there.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<bool, Malformed> {
        loop {
            let Shape { lead, group } = self.shape;
            if self.groups.is_none() && self.part < lead.len() {
                if !self.pass(lead[self.part], bytes)? {
                    return Ok(false);
                }
                self.part += 1;
                continue;
            }
            if group.is_empty() {
                return Ok(self.at <= bytes.len());
            }
            let Some(groups) = self.groups else {
                let Some(count) = self.read(bytes, |reader| reader.length())? else { return Ok(false) };
                self.groups = Some(count);
                self.part = 0;
                continue;
            };
            if groups == 0 {
                return Ok(self.at <= bytes.len());
            }
            if !self.pass(group[self.part], bytes)? {
                return Ok(false);
            }
            self.part += 1;
            if self.part == group.len() {
                self.part = 0;
                self.groups = Some(groups - 1);
            }
        }
    }

    /// Reads something small. None: it is not there yet.
    fn read<T>(
        &mut self,
        bytes: &[u8],
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        let Some(rest) = bytes.get(self.at..) else { return Ok(None) };
        let mut reader = Reader::new(rest);
        match read(&mut reader) {
            Ok(value) => {
                self.at += rest.len() - reader.left();
                Ok(Some(value))
            }
            Err(CUT_OFF) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether it has been passed.
    fn pass(&mut self, part: Part, bytes: &[u8]) -> Result<bool, Malformed> {
        let skipped = match part {
            Part::Length => self.read(bytes, |reader| reader.length())?.map(|_| 0),
            Part::Text => self.read(bytes, |reader| reader.text_extent())?,
            Part::Fixed(len) => Some(len as u64),
            Part::Score => {
                self.read(bytes, |reader| reader.byte())?.map(|len| if len < SCORE_MARKS { u64::from(len) } else { 0 })
            }
        };
        let Some(skipped) = skipped else { return Ok(false) };
        let to = usize::try_from(skipped).ok().and_then(|skipped| self.at.checked_add(skipped));
        self.at = to.filter(|&to| to <= isize::MAX as usize).ok_or(CUT_OFF)?;
        Ok(true)
    }
}
