//! Bytes to values. No length is believed before as many bytes are there, and nothing is allocated in proportion to a number alone.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use smallvec::SmallVec;

use super::{NODE_PACKED, NODE_PLAIN, hash, kind, sorted_set, ziplist};
use crate::base::lzf;
use crate::base::number::parse_i64;
use crate::collections::Malformed;
use crate::collections::intset::IntSet;
use crate::collections::listpack::{Listpack, ListpackValue, SAFE_MAX};
use crate::collections::quicklist::Node;
use crate::keyspace::{Context, EMBEDDED_MAX, List, NewValue, Object, PackMax, Set};

pub const CUT_OFF: Malformed = Malformed("the value ends too early");
pub const EMPTY: Malformed = Malformed("a value without elements");
pub(super) const DUPLICATE: Malformed = Malformed("an element is there twice");

/// A value that was read.
pub enum Loaded<'a> {
    Int(i64),
    String(Cow<'a, [u8]>),
    Object(Object),
}

impl Loaded<'_> {
    pub fn as_new(&mut self) -> NewValue<'_> {
        match self {
            Loaded::Int(int) => NewValue::Int(*int),
            // What was unpacked is not copied once more.
            Loaded::String(Cow::Owned(bytes)) if bytes.len() > EMBEDDED_MAX => {
                NewValue::Raw(Arc::new(std::mem::take(bytes)))
            }
            Loaded::String(bytes) => NewValue::string(bytes),
            Loaded::Object(_) => match std::mem::replace(self, Loaded::Int(0)) {
                Loaded::Object(object) => NewValue::Object(object),
                _ => unreachable!("it was an object"),
            },
        }
    }
}

/// A string as it was encoded.
pub(super) enum Text<'a> {
    Int(i64),
    Bytes(Cow<'a, [u8]>),
}

impl<'a> Text<'a> {
    pub(super) fn bytes<'b>(&'b self, digits: &'b mut itoa::Buffer) -> &'b [u8] {
        match self {
            Text::Int(int) => digits.format(*int).as_bytes(),
            Text::Bytes(bytes) => bytes,
        }
    }

    pub(super) fn into_cow(self) -> Cow<'a, [u8]> {
        match self {
            Text::Int(_) => Cow::Owned(self.into_vec()),
            Text::Bytes(bytes) => bytes,
        }
    }

    pub(super) fn into_vec(self) -> Vec<u8> {
        match self {
            Text::Int(int) => itoa::Buffer::new().format(int).as_bytes().to_vec(),
            Text::Bytes(bytes) => bytes.into_owned(),
        }
    }
}

enum Length {
    Len(u64),
    /// How a string is encoded.
    Special(u8),
}

/// What is left to read.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// A compressed string is longer than this only in something that is refused.
    unpacked_max: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, unpacked_max: usize::MAX }
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (chunk, rest) = self.rest.split_first_chunk::<N>().ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(*chunk)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    fn length_or_special(&mut self) -> Result<Length, Malformed> {
        let first = self.byte()?;
        Ok(match (first >> 6, first) {
            (0, _) => Length::Len(u64::from(first)),
            (1, _) => Length::Len(u64::from(first & 0x3f) << 8 | u64::from(self.byte()?)),
            (2, 0x80) => Length::Len(u64::from(u32::from_be_bytes(self.chunk()?))),
            (2, 0x81) => Length::Len(u64::from_be_bytes(self.chunk()?)),
            (3, _) => Length::Special(first & 0x3f),
            _ => return Err(Malformed("no such encoding of a length")),
        })
    }

    pub(super) fn length(&mut self) -> Result<u64, Malformed> {
        match self.length_or_special()? {
            Length::Len(len) => Ok(len),
            Length::Special(_) => Err(Malformed("a string where a length should be")),
        }
    }

    /// A number of elements, each of which takes a byte at least.
    pub(super) fn count(&mut self) -> Result<usize, Malformed> {
        let count = self.length()?;
        match usize::try_from(count) {
            Ok(0) => Err(EMPTY),
            Ok(count) if count <= self.rest.len() => Ok(count),
            _ => Err(CUT_OFF),
        }
    }

    pub(super) fn text(&mut self) -> Result<Text<'a>, Malformed> {
        let len = match self.length_or_special()? {
            Length::Len(len) => usize::try_from(len).map_err(|_| CUT_OFF)?,
            Length::Special(0) => return Ok(Text::Int(i64::from(self.byte()? as i8))),
            Length::Special(1) => return Ok(Text::Int(i64::from(i16::from_le_bytes(self.chunk()?)))),
            Length::Special(2) => return Ok(Text::Int(i64::from(i32::from_le_bytes(self.chunk()?)))),
            Length::Special(3) => {
                let (packed, len) = (self.length()?, self.length()?);
                let packed = self.take(usize::try_from(packed).map_err(|_| CUT_OFF)?)?;
                let len = usize::try_from(len).map_err(|_| CUT_OFF)?;
                if len > self.unpacked_max {
                    return Err(Malformed("a compressed string is longer than a string may be"));
                }
                let text = lzf::decompress(packed, len).ok_or(Malformed("a compressed string is broken"))?;
                return Ok(Text::Bytes(Cow::Owned(text)));
            }
            Length::Special(_) => return Err(Malformed("no such encoding of a string")),
        };
        self.take(len).map(|bytes| Text::Bytes(Cow::Borrowed(bytes)))
    }

    /// How many bytes of a string follow what says how long it is.
    pub(super) fn text_extent(&mut self) -> Result<u64, Malformed> {
        Ok(match self.length_or_special()? {
            Length::Len(len) => len,
            Length::Special(0) => 1,
            Length::Special(1) => 2,
            Length::Special(2) => 4,
            Length::Special(3) => {
                let packed = self.length()?;
                self.length()?;
                packed
            }
            Length::Special(_) => return Err(Malformed("no such encoding of a string")),
        })
    }

    /// A string that is a blob of its own.
    pub(super) fn blob(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        self.text().map(Text::into_cow)
    }

    pub(super) fn pack(&mut self) -> Result<Listpack, Malformed> {
        Listpack::from_bytes(&self.blob()?)
    }

    fn old_pack(&mut self) -> Result<Listpack, Malformed> {
        ziplist::to_listpack(&self.blob()?)
    }
}

/// A value, which is all of `bytes`.
///
/// # Errors
/// What is wrong with them.
pub fn load_value<'a>(bytes: &'a [u8], context: &Context<'_>) -> Result<Loaded<'a>, Malformed> {
    let (&kind, contents) = bytes.split_first().ok_or(CUT_OFF)?;
    load_contents(kind, contents, context)
}

/// A value of this type, which is all of `bytes`: in a file its key comes in between.
///
/// # Errors
/// What is wrong with them.
pub fn load_contents<'a>(kind: u8, bytes: &'a [u8], context: &Context<'_>) -> Result<Loaded<'a>, Malformed> {
    load_all(kind, Reader::new(bytes), context)
}

/// The same, for bytes from a client: what it could not send as it is (`proto-max-bulk-len`) it does not get in by way of compression,
/// where a kilobyte may announce 88.
pub(super) fn load_sent<'a>(kind: u8, bytes: &'a [u8], context: &Context<'_>) -> Result<Loaded<'a>, Malformed> {
    load_all(kind, Reader { rest: bytes, unpacked_max: context.settings.bulk_max }, context)
}

fn load_all<'a>(kind: u8, mut reader: Reader<'a>, context: &Context<'_>) -> Result<Loaded<'a>, Malformed> {
    let loaded = load(kind, &mut reader, context)?;
    if !reader.rest.is_empty() {
        return Err(Malformed("bytes behind the value"));
    }
    Ok(loaded)
}

fn load<'a>(kind: u8, reader: &mut Reader<'a>, context: &Context<'_>) -> Result<Loaded<'a>, Malformed> {
    let object = match kind {
        kind::STRING => {
            return Ok(match reader.text()? {
                Text::Int(int) => Loaded::Int(int),
                Text::Bytes(bytes) => Loaded::String(bytes),
            });
        }
        kind::LIST => plain_list(reader, context)?.into(),
        kind::LIST_ZIPLIST => list_of([Ok(Node::Packed(reader.old_pack()?))], context)?.into(),
        kind::LIST_QUICKLIST => {
            let count = reader.count()?;
            list_of((0..count).map(|_| reader.old_pack().map(Node::Packed)), context)?.into()
        }
        kind::LIST_QUICKLIST_2 => {
            let count = reader.count()?;
            list_of((0..count).map(|_| node(reader)), context)?.into()
        }
        kind::SET => plain_set(reader, context)?.into(),
        kind::SET_INTSET => int_set(IntSet::from_bytes(&reader.blob()?)?, context)?.into(),
        kind::SET_LISTPACK => packed_set(reader.pack()?, context)?.into(),
        kind::ZSET => sorted_set::of_texts(reader, context)?.into(),
        kind::ZSET_2 => sorted_set::of_doubles(reader, context)?.into(),
        kind::ZSET_ZIPLIST => sorted_set::packed(reader.old_pack()?, context)?.into(),
        kind::ZSET_LISTPACK => sorted_set::packed(reader.pack()?, context)?.into(),
        kind::HASH => hash::plain(reader, context)?.into(),
        kind::HASH_ZIPMAP => hash::pairs(&ziplist::zipmap(&reader.blob()?)?, context)?.into(),
        kind::HASH_ZIPLIST => hash::packed(reader.old_pack()?, context)?.into(),
        kind::HASH_LISTPACK => hash::packed(reader.pack()?, context)?.into(),
        kind::HASH_METADATA => hash::with_deadlines(reader, context)?.into(),
        kind::HASH_LISTPACK_EX => hash::packed_with_deadlines(reader, context)?.into(),
        kind::HASH_2 => hash::with_times(reader, context)?.into(),
        _ => return Err(Malformed("no such type of value")),
    };
    Ok(Loaded::Object(object))
}

fn node(reader: &mut Reader<'_>) -> Result<Node, Malformed> {
    match reader.length()? {
        NODE_PLAIN => reader.blob().map(|bytes| Node::Plain(Box::new(bytes.into_owned().into_boxed_slice()))),
        NODE_PACKED => reader.pack().map(Node::Packed),
        _ => Err(Malformed("no such node of a quicklist")),
    }
}

fn list_of(nodes: impl IntoIterator<Item = Result<Node, Malformed>>, context: &Context<'_>) -> Result<List, Malformed> {
    let mut list = List::empty_nodes(context);
    for node in nodes {
        match node? {
            Node::Packed(pack) if pack.is_empty() => {}
            node => list.push_node(node),
        }
    }
    if list.is_empty() {
        return Err(EMPTY);
    }
    let mut list = List::Nodes(Box::new(list));
    list.settle();
    Ok(list)
}

fn plain_list(reader: &mut Reader<'_>, context: &Context<'_>) -> Result<List, Malformed> {
    let mut list = List::empty_nodes(context);
    let mut digits = itoa::Buffer::new();
    for _ in 0..reader.count()? {
        list.push_back(reader.text()?.bytes(&mut digits));
    }
    let mut list = List::Nodes(Box::new(list));
    list.settle();
    Ok(list)
}

fn plain_set(reader: &mut Reader<'_>, context: &Context<'_>) -> Result<Set, Malformed> {
    let count = reader.count()?;
    let mut digits = itoa::Buffer::new();
    if let Some(pack) = small_members(Reader { ..*reader }, count, context) {
        reader.rest = &[];
        return if has_twins(pack.iter(), context) { Err(DUPLICATE) } else { Ok(Set::Pack(pack)) };
    }
    let mut set: Option<Set> = None;
    for _ in 0..count {
        let text = reader.text()?;
        let member = text.bytes(&mut digits);
        let set = set.get_or_insert_with(|| Set::for_members(member, count, context));
        if !set.add(member, context) {
            return Err(DUPLICATE);
        }
    }
    set.ok_or(EMPTY)
}

/// The members as a listpack, in one allocation, if they fit into one, the first is no integer (all of them may be, then), and nothing is
/// wrong.
fn small_members(mut reader: Reader<'_>, count: usize, context: &Context<'_>) -> Option<Listpack> {
    let max = context.settings.set_max_listpack;
    let mut pack = Listpack::with_capacity(small_members_bytes(reader.left(), count, max)?);
    for nth in 0..count {
        match reader.text().ok()? {
            Text::Bytes(bytes) if bytes.len() <= max.value_bytes && pack.is_safe_to_add(bytes.len()) => {
                if nth == 0 && parse_i64(&bytes).is_some() {
                    return None;
                }
                pack.append(bytes.as_ref());
            }
            Text::Int(int) if nth > 0 && ListpackValue::Int(int).text_len() <= max.value_bytes => {
                pack.append(ListpackValue::Int(int));
            }
            _ => return None,
        }
    }
    pack.shrink_to_fit();
    (reader.left() == 0).then_some(pack)
}

/// Bytes to reserve for a listpack of `count` members that take `left` bytes in a file. None: these do not fit into one, which is known
/// before any of them has been read.
fn small_members_bytes(left: usize, count: usize, max: PackMax) -> Option<usize> {
    // If there are more bytes than so many small members take, one of them is large.
    let left_max = max.value_bytes.saturating_add(LENGTH_BYTES_MAX).saturating_mul(count);
    if count > max.entries || left > left_max {
        return None;
    }
    let bytes = left.saturating_add(ELEMENT_BYTES.saturating_mul(count));
    (bytes <= SAFE_MAX).then(|| LISTPACK_BYTES + bytes)
}

/// What a listpack has besides its elements, and an element besides its text and what is in a file besides that, bytes.
const LISTPACK_BYTES: usize = 8;
const ELEMENT_BYTES: usize = 2;
/// What stands before the bytes of a string, at most: what it is and its length, or its two lengths if it is compressed.
const LENGTH_BYTES_MAX: usize = 1 + 2 * 9;

fn int_set(ints: IntSet, context: &Context<'_>) -> Result<Set, Malformed> {
    if ints.is_empty() {
        return Err(EMPTY);
    }
    if ints.len() <= context.settings.set_max_intset_entries {
        return Ok(Set::Ints(ints));
    }
    let mut digits = itoa::Buffer::new();
    let mut set = Set::for_members(b"", ints.len(), context);
    for int in ints.iter() {
        set.add(digits.format(int).as_bytes(), context);
    }
    Ok(set)
}

/// Whether some of these elements of a listpack are the same. What was read as a listpack is written in the one way that there is, so the
/// same text is the same element.
pub(super) fn has_twins<'a>(elements: impl Iterator<Item = ListpackValue<'a>>, context: &Context<'_>) -> bool {
    let elements: SmallVec<[ListpackValue<'a>; COMPARED_MAX]> = elements.collect();
    if elements.len() <= COMPARED_MAX {
        let marks: SmallVec<[u64; COMPARED_MAX]> = elements.iter().map(mark).collect();
        let may_be_twins = (1..marks.len()).any(|nth| marks[..nth].contains(&marks[nth]));
        return may_be_twins && (1..elements.len()).any(|nth| elements[..nth].contains(&elements[nth]));
    }
    let mut digits = itoa::Buffer::new();
    let mut hashes: Vec<u64> = elements.iter().map(|element| context.hasher.hash(element.text(&mut digits))).collect();
    hashes.sort_unstable();
    let Some(twins) = hashes.windows(2).find(|two| two[0] == two[1]) else { return false };
    // Two texts of one hash may still be two.
    let suspects: Vec<_> =
        elements.iter().filter(|element| context.hasher.hash(element.text(&mut digits)) >= twins[0]).collect();
    let distinct: HashSet<Vec<u8>> = suspects.iter().map(|element| element.text(&mut digits).to_vec()).collect();
    distinct.len() < suspects.len()
}

/// The same for the same element, and nearly always another for another: its length and its ends.
fn mark(element: &ListpackValue<'_>) -> u64 {
    match *element {
        ListpackValue::Int(int) => int as u64,
        ListpackValue::Bytes(bytes) => {
            let ends = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
                (Some(first), Some(last)) => u64::from_le_bytes(*first).rotate_left(17) ^ u64::from_le_bytes(*last),
                _ => bytes.iter().fold(0, |mark, &byte| mark << 8 | u64::from(byte)),
            };
            ends ^ (bytes.len() as u64) << 56
        }
    }
}

/// Elements up to which each is compared with each.
const COMPARED_MAX: usize = 16;

fn packed_set(pack: Listpack, context: &Context<'_>) -> Result<Set, Malformed> {
    if pack.is_empty() {
        return Err(EMPTY);
    }
    let max = context.settings.set_max_listpack;
    if pack.len() <= max.entries && pack.iter().all(|member| member.text_len() <= max.value_bytes) {
        return if has_twins(pack.iter(), context) { Err(DUPLICATE) } else { Ok(Set::Pack(pack)) };
    }
    let mut digits = itoa::Buffer::new();
    let mut set = Set::for_members(b"", pack.len(), context);
    for member in pack.iter() {
        if !set.add(member.text(&mut digits), context) {
            return Err(DUPLICATE);
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::small_members_bytes;
    use crate::keyspace::PackMax;

    #[test]
    fn what_is_no_listpack_reserves_nothing() {
        let max = PackMax { entries: 128, value_bytes: 64 };
        assert_eq!(small_members_bytes(3 * 65, 3, max), Some(3 * 65 + 14));
        assert_eq!(small_members_bytes(3 * 65, 129, max), None);
        for left in [1000, 1 << 20, 5 << 30, usize::MAX] {
            assert_eq!(small_members_bytes(left, 3, max), None, "a member is longer than 64 bytes");
        }
        let no_max = PackMax { entries: usize::MAX, value_bytes: usize::MAX };
        assert_eq!(small_members_bytes(1 << 20, 1, no_max), Some((1 << 20) + 10));
        for left in [2 << 30, 5 << 30, usize::MAX] {
            assert_eq!(small_members_bytes(left, 1, no_max), None, "no listpack becomes so large");
        }
    }
}
