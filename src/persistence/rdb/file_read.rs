//! Reading a file: bytes to a stream of items.
//!
//! ```text
//!   file:  "REDIS" version, 4 digits, or "VALKEY" version, 3 digits | item ... | ff | CRC-64, 8 bytes (since version 5)
//!   item:  fa name value | fe db | fb keys expires | f4 slot keys expires | [fc ms, 8 | fd s, 4] [f8 idle | f9 freq] type key value
//! ```
//!
//! The window holds what has been read and not been handed out. It grows as data arrives, to the size of the largest value, and a thing
//! that is said to reach beyond the end of the file is refused before any of it is awaited. Whatever the bytes are,
//! [`FileReader::next_item`] ends in an item, in [`Item::Pending`] (call again), or in an error that says where.
//!
//! Small values that lie whole in the window are most of what there is. [`FileReader::look_ahead`] finds a few dozen of them at once, so
//! that whoever loads them can have the memory fetched that each of them is going to touch. Whatever is in any way unusual it leaves to the
//! careful way.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::io::Read;

use super::file_shape::{Part, Scanner, Shape, pass_part, pass_small};
use super::read::{CUT_OFF, Reader};
use super::{Format, VERSION_REDIS_MAX, VERSION_VALKEY, kind, opcode};
use crate::base::crc64;
use crate::collections::Malformed;

/// What stands before the version, and whose it is.
const SIGNATURES: [(&[u8], Format); 2] = [(b"REDIS", Format::Redis), (b"VALKEY", Format::Valkey)];
const HEADER_LEN: usize = 9;
/// The first version with a checksum at the end.
const VERSION_CHECKSUM: u16 = 5;
/// Bytes read from the source at once.
const CHUNK: usize = 256 * 1024;
/// A window that has grown beyond this is given back once it is empty again.
const WINDOW_KEPT_MAX: usize = 4 * CHUNK;
/// Items found ahead.
pub const AHEAD_MAX: usize = 32;
/// So much of a key is quoted in an error, bytes.
const KEY_SHOWN_MAX: usize = 128;

/// One thing that stands in a file.
#[derive(Debug)]
pub enum Item<'a> {
    /// More was read, and it is still not enough: call again. So that a large value does not hold up the caller.
    Pending,
    Aux {
        name: Cow<'a, [u8]>,
        value: Cow<'a, [u8]>,
    },
    SelectDb(u64),
    /// How many keys are coming, and how many of them have deadlines; a hint.
    ResizeDb {
        keys: u64,
        expires: u64,
    },
    Key(KeyItem<'a>),
    /// The last one.
    End,
}

/// A key with what is known of it; its value has all its bytes and has not been looked into.
#[derive(Debug)]
pub struct KeyItem<'a> {
    pub key: Cow<'a, [u8]>,
    /// Unix milliseconds.
    pub deadline_ms: Option<i64>,
    /// Seconds since it was last used.
    pub idle_s: Option<u64>,
    /// `OBJECT FREQ`
    pub frequency: Option<u8>,
    pub kind: u8,
    pub contents: &'a [u8],
    /// What the caller of [`FileReader::look_ahead`] noted of it, if it was found that way.
    pub note: Option<u64>,
}

/// What is wrong with a file, and where: bytes from its beginning.
#[derive(Debug)]
pub struct FileError {
    pub offset: u64,
    pub reason: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "at offset {}: {}", self.offset, self.reason)
    }
}

impl std::error::Error for FileError {}

/// As much of a key as belongs into a message.
pub(super) fn shown(key: &[u8]) -> String {
    let cut = if key.len() > KEY_SHOWN_MAX { "..." } else { "" };
    format!("'{}{cut}'", key[..key.len().min(KEY_SHOWN_MAX)].escape_ascii())
}

/// What came before the type of a key.
#[derive(Clone, Copy, Default)]
struct Attributes {
    deadline_ms: Option<i64>,
    idle_s: Option<u64>,
    frequency: Option<u8>,
    /// Where the first of them stands.
    offset: Option<u64>,
}

/// A key whose bytes are all in the window, by places in the window: where it begins with what is said of it, its name, its contents, its
/// end.
struct Ahead {
    attributes: Attributes,
    kind: u8,
    begin: usize,
    key_at: usize,
    contents_at: usize,
    end: usize,
    note: u64,
}

/// What is being looked for.
enum State {
    Header,
    Opcode,
    /// A key of this type begins the window.
    Key(u8, Scanner),
    /// Behind the key, which reaches so far into the window.
    Value(u8, usize, Scanner),
    /// Something with this opcode.
    Other(u8, Scanner),
    Checksum,
    Ended,
}

/// Reads items from a source of bytes.
pub struct FileReader<R> {
    source: R,
    /// Bytes of the file, if that is known.
    file_len: Option<u64>,
    window: Vec<u8>,
    /// Where what has not been handed out begins, in the window; and what of that has been, until the next call.
    start: usize,
    handed_out: usize,
    /// Offset of `start` in the file.
    offset: u64,
    source_ended: bool,
    /// `rdbchecksum`; with the place in the window from which on bytes have not been added to it.
    checksum: Option<crc64::Running>,
    checked_to: usize,
    was_checked: bool,
    version: u16,
    format: Format,
    state: State,
    attributes: Attributes,
    item_offset: u64,
    /// Found by [`FileReader::look_ahead`] and not yet handed out, from `start` on without a gap.
    ahead: VecDeque<Ahead>,
}

impl<R: Read> FileReader<R> {
    /// `checked`: whether the checksum is to be right.
    pub fn new(source: R, file_len: Option<u64>, checked: bool) -> FileReader<R> {
        FileReader {
            source,
            file_len,
            window: Vec::new(),
            start: 0,
            handed_out: 0,
            offset: 0,
            source_ended: false,
            checksum: checked.then(crc64::Running::default),
            checked_to: 0,
            was_checked: false,
            version: 0,
            format: Format::Redis,
            state: State::Header,
            attributes: Attributes::default(),
            item_offset: 0,
            ahead: VecDeque::new(),
        }
    }

    /// Bytes from the item that comes next to the end of the file, as far as that is known.
    pub fn left(&self) -> u64 {
        self.file_len.map_or(u64::MAX, |len| len.saturating_sub(self.item_end()))
    }

    /// Whether what [`FileReader::look_ahead`] found has been handed out.
    #[inline]
    pub fn wants_look_ahead(&self) -> bool {
        self.ahead.is_empty()
    }

    /// Finds the keys that come next, as far as they are small and in the window, and has `note` look at each name; what it answers comes
    /// with the item.
    pub fn look_ahead(&mut self, mut note: impl FnMut(&[u8]) -> u64) {
        self.consume();
        if !self.ahead.is_empty() || !matches!(self.state, State::Opcode) || self.attributes.offset.is_some() {
            return;
        }
        let mut at = self.start;
        while self.ahead.len() < AHEAD_MAX {
            let Some(mut found) = ahead_at(&self.window, at, self.format) else { break };
            let Ok(key) = text(&mut Reader::new(&self.window[found.key_at..found.contents_at])) else { break };
            found.note = note(&key);
            at = found.end;
            self.ahead.push_back(found);
        }
    }

    /// What was noted of the keys found ahead.
    pub fn notes(&self) -> impl Iterator<Item = u64> + Clone {
        self.ahead.iter().map(|found| found.note)
    }

    /// Hands out what was found ahead.
    #[inline]
    fn found_ahead(&mut self, found: &Ahead) -> Result<Item<'_>, FileError> {
        self.item_offset = self.offset + (found.begin - self.start) as u64;
        self.skip(found.key_at - self.start);
        self.handed_out = found.end - found.key_at;
        self.attributes = found.attributes;
        let known = Known::Key { kind: found.kind, key_len: found.contents_at - found.key_at };
        self.item(known, Some(found.note))
    }

    /// Of the file; 0 until the first item has been read.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// Bytes of the file that have been handed out.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the item that was handed out last begins.
    pub fn item_offset(&self) -> u64 {
        self.item_offset
    }

    /// Where it ends.
    pub fn item_end(&self) -> u64 {
        self.offset + self.handed_out as u64
    }

    /// Whether the file has a checksum and it was compared, once the end has been read.
    pub fn is_checked(&self) -> bool {
        self.was_checked
    }

    /// The source, with what was read of it and does not belong to the file: what follows a preamble.
    pub fn into_rest(mut self) -> (Vec<u8>, R) {
        self.consume();
        (self.window.split_off(self.start), self.source)
    }

    /// The error that is about the item handed out last.
    pub fn error_of_item(&self, key: &[u8], reason: impl fmt::Display) -> FileError {
        FileError { offset: self.item_offset, reason: format!("key {}: {reason}", shown(key)) }
    }

    fn error(&self, reason: impl fmt::Display) -> FileError {
        FileError { offset: self.offset, reason: reason.to_string() }
    }

    fn rest(&self) -> &[u8] {
        &self.window[self.start..]
    }

    /// Takes leave of what was handed out.
    fn consume(&mut self) {
        let len = std::mem::take(&mut self.handed_out);
        self.skip(len);
    }

    fn skip(&mut self, len: usize) {
        self.start += len;
        self.offset += len as u64;
    }

    /// Adds what has been passed to the checksum.
    fn sum_up(&mut self) {
        if let Some(checksum) = &mut self.checksum {
            checksum.update(&self.window[self.checked_to..self.start]);
        }
        self.checked_to = self.start;
    }

    /// Reads more from the source; an error if there is no more, or not as much as `needed` bytes from the start.
    fn fill(&mut self, needed: usize) -> Result<(), FileError> {
        let too_long = self.file_len.is_some_and(|len| len.saturating_sub(self.offset) < needed as u64);
        if self.source_ended || too_long {
            return Err(self.error("the file ends too early"));
        }
        self.sum_up();
        self.window.drain(..self.start);
        (self.start, self.checked_to) = (0, 0);
        if self.window.is_empty() && self.window.capacity() > WINDOW_KEPT_MAX {
            self.window = Vec::new();
        }
        let before = self.window.len();
        // Straight into the window; `take` bounds what one call reads.
        match self.source.by_ref().take(CHUNK as u64).read_to_end(&mut self.window) {
            Ok(read) => self.source_ended = read < CHUNK,
            Err(error) => return Err(self.error(format_args!("reading the file: {error}"))),
        }
        if self.window.len() == before {
            return Err(self.error("the file ends too early"));
        }
        Ok(())
    }

    /// The next item.
    ///
    /// # Errors
    /// What is wrong with the file, and where. Nothing can be read after it.
    pub fn next_item(&mut self) -> Result<Item<'_>, FileError> {
        self.consume();
        if let Some(found) = self.ahead.pop_front() {
            return self.found_ahead(&found);
        }
        let mut filled = false;
        loop {
            match self.try_next()? {
                Found::Item(found) => return self.item(found, None),
                Found::Nothing => {}
                Found::Missing(needed) => {
                    if filled {
                        return Ok(Item::Pending);
                    }
                    self.fill(needed)?;
                    filled = true;
                }
            }
        }
    }

    fn try_next(&mut self) -> Result<Found, FileError> {
        match &mut self.state {
            State::Header => self.header(),
            State::Opcode => self.opcode(),
            State::Key(kind, scanner) => {
                let kind = *kind;
                let done = scanner.advance(&self.window[self.start..]);
                let reach = scanner.reach();
                if !self.is_done(done)? {
                    return Ok(Found::Missing(reach));
                }
                // Its name belongs into the message that refuses it.
                match Shape::of(kind) {
                    Ok(shape) => self.state = State::Value(kind, reach, Scanner::new(shape)),
                    Err(what) => return Err(self.refused(kind, reach, what)),
                }
                Ok(Found::Nothing)
            }
            State::Value(kind, key_len, scanner) => {
                let (kind, key_len) = (*kind, *key_len);
                let done = scanner.advance(&self.window[self.start + key_len..]);
                let reach = key_len.saturating_add(scanner.reach());
                match done {
                    Ok(true) => {}
                    Ok(false) => return Ok(Found::Missing(reach)),
                    Err(error) => {
                        let key = self.rest()[..key_len].to_vec();
                        let key = text(&mut Reader::new(&key)).map_or(Vec::new(), Cow::into_owned);
                        return Err(self.error(format_args!("key {}: {error}", shown(&key))));
                    }
                }
                self.state = State::Opcode;
                self.handed_out = reach;
                Ok(Found::Item(Known::Key { kind, key_len }))
            }
            State::Other(opcode, scanner) => {
                let opcode = *opcode;
                let done = scanner.advance(&self.window[self.start..]);
                let reach = scanner.reach();
                if !self.is_done(done)? {
                    return Ok(Found::Missing(reach));
                }
                self.state = State::Opcode;
                self.other(opcode, reach)
            }
            State::Checksum => self.checksum(),
            State::Ended => Ok(Found::Item(Known::End)),
        }
    }

    fn is_done(&self, done: Result<bool, Malformed>) -> Result<bool, FileError> {
        done.map_err(|error| self.error(error))
    }

    fn refused(&self, kind: u8, key_len: usize, what: &str) -> FileError {
        let key = text(&mut Reader::new(&self.rest()[..key_len]));
        match key {
            Ok(key) => self.error(format_args!("key {} is {what} (type {})", shown(&key), kind::byte(kind))),
            Err(error) => self.error(error),
        }
    }

    fn header(&mut self) -> Result<Found, FileError> {
        let Some(header) = self.rest().first_chunk::<HEADER_LEN>() else { return Ok(Found::Missing(HEADER_LEN)) };
        let signed = SIGNATURES.iter().find_map(|&(name, format)| Some((name, format, header.strip_prefix(name)?)));
        let Some((name, format, digits)) = signed else {
            return Err(self.error("Wrong signature: this is no RDB file"));
        };
        let version = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let version = version.and_then(|digits| digits.parse::<u16>().ok()).unwrap_or(0);
        // Each has its own numbers, and says with its name which are meant.
        if version == 0 || Format::of_version(version) != Some(format) {
            let (name, digits) = (name.escape_ascii(), digits.escape_ascii());
            return Err(self.error(format_args!(
                "Can't handle RDB format version {digits} of {name}; those of REDIS up to {VERSION_REDIS_MAX} are known, and \
                 {VERSION_VALKEY:03} of VALKEY"
            )));
        }
        self.version = version;
        self.format = format;
        self.skip(HEADER_LEN);
        self.state = State::Opcode;
        Ok(Found::Nothing)
    }

    fn opcode(&mut self) -> Result<Found, FileError> {
        let Some(&first) = self.rest().first() else { return Ok(Found::Missing(1)) };
        let shape = match first {
            opcode::AUX => Shape::parts(&[Part::Text, Part::Text]),
            opcode::SELECT_DB | opcode::IDLE => Shape::parts(&[Part::Length]),
            opcode::RESIZE_DB => Shape::parts(&[Part::Length, Part::Length]),
            opcode::HASH_TEMPLATE if self.format == Format::Redis => {
                return Err(
                    self.error("the file holds templates of hashes of Redis 8.10's HIMPORT, which are not supported")
                );
            }
            opcode::KEY_META if self.format == Format::Redis => Shape::parts(&[Part::Length, Part::Fixed(4)]),
            opcode::SLOT_IMPORT if self.format == Format::Valkey => {
                // Some of the keys of these slots are in the file, and whether they were to stay had not been decided.
                return Err(self.error(
                    "the file was written while a cluster node imported slots, and holds a part of their keys; save again after that",
                ));
            }
            opcode::SLOT_INFO => Shape::parts(&[Part::Length, Part::Length, Part::Length]),
            opcode::EXPIRE_TIME_MS => Shape::parts(&[Part::Fixed(8)]),
            opcode::EXPIRE_TIME => Shape::parts(&[Part::Fixed(4)]),
            opcode::FREQ => Shape::parts(&[Part::Fixed(1)]),
            opcode::MODULE_AUX => Shape::parts(&[Part::Length]),
            opcode::FUNCTION_2 => {
                return Err(self.error("the file holds a library of functions, which are not supported yet"));
            }
            opcode::FUNCTION_PRE_GA => {
                return Err(self.error("the file holds functions in the format of a release candidate of 7.0"));
            }
            opcode::END => {
                self.item_offset = self.offset;
                self.skip(1);
                self.state = State::Checksum;
                return Ok(Found::Nothing);
            }
            byte => {
                self.item_offset = self.attributes.offset.unwrap_or(self.offset);
                let Some(kind) = kind::of(byte, self.format) else {
                    return Err(self.error(format_args!("neither a type of value nor anything else: byte {byte}")));
                };
                self.skip(1);
                self.state = State::Key(kind, Scanner::new(Shape::parts(&[Part::Text])));
                return Ok(Found::Nothing);
            }
        };
        self.item_offset = self.offset;
        self.skip(1);
        self.state = State::Other(first, Scanner::new(shape));
        Ok(Found::Nothing)
    }

    /// Takes note of what is no item, or says which one it is.
    fn other(&mut self, opcode: u8, len: usize) -> Result<Found, FileError> {
        let at = self.item_offset;
        let mut reader = Reader::new(&self.window[self.start..self.start + len]);
        let attributes = &mut self.attributes;
        let read = match opcode {
            opcode::EXPIRE_TIME_MS => reader.chunk().map(|ms| attributes.deadline_ms = Some(i64::from_le_bytes(ms))),
            opcode::EXPIRE_TIME => reader
                .chunk()
                .map(|seconds| attributes.deadline_ms = Some(i64::from(i32::from_le_bytes(seconds)) * 1000)),
            opcode::IDLE => reader.length().map(|idle_s| attributes.idle_s = Some(idle_s)),
            opcode::FREQ => reader.byte().map(|frequency| attributes.frequency = Some(frequency)),
            opcode::MODULE_AUX => {
                let module = reader.length().map_or(String::new(), module_name);
                return Err(
                    self.error(format_args!("the file holds data of the module '{module}'; modules are not supported"))
                );
            }
            opcode::KEY_META => {
                let class = reader.length().and_then(|_classes| reader.chunk()).map_or(String::new(), class_name);
                return Err(self.error(format_args!(
                    "the file holds metadata of keys of the module class '{class}'; modules are not supported"
                )));
            }
            // About the keys that follow, of which it is no attribute.
            opcode::SLOT_INFO => {
                self.skip(len);
                return Ok(Found::Nothing);
            }
            _ => {
                self.handed_out = len;
                return Ok(Found::Item(Known::Other(opcode)));
            }
        };
        if let Err(error) = read {
            return Err(self.error(error));
        }
        attributes.offset.get_or_insert(at);
        self.skip(len);
        Ok(Found::Nothing)
    }

    fn checksum(&mut self) -> Result<Found, FileError> {
        if self.version >= VERSION_CHECKSUM {
            let Some(said) = self.rest().first_chunk::<8>() else { return Ok(Found::Missing(8)) };
            let said = u64::from_le_bytes(*said);
            self.sum_up();
            // Who writes with `rdbchecksum no` writes a zero.
            if let Some(checksum) = &self.checksum
                && said != 0
                && checksum.value() != said
            {
                return Err(
                    self.error(format_args!("RDB CRC error: expected {:x}, but it is {said:x}", checksum.value()))
                );
            }
            self.was_checked = self.checksum.is_some() && said != 0;
            self.skip(8);
            self.checked_to = self.start;
        }
        self.state = State::Ended;
        Ok(Found::Item(Known::End))
    }

    fn item(&mut self, found: Known, note: Option<u64>) -> Result<Item<'_>, FileError> {
        let attributes = match found {
            Known::Key { .. } => std::mem::take(&mut self.attributes),
            Known::Other(_) | Known::End => Attributes::default(),
        };
        let bytes = &self.window[self.start..self.start + self.handed_out];
        let mut reader = Reader::new(bytes);
        let item = match found {
            Known::End => Ok(Item::End),
            Known::Key { kind, key_len } => text(&mut reader).map(|key| {
                Item::Key(KeyItem {
                    key,
                    // -1 is how Redis says that there is none.
                    deadline_ms: attributes.deadline_ms.filter(|&ms| ms != -1),
                    idle_s: attributes.idle_s,
                    frequency: attributes.frequency,
                    kind,
                    contents: &bytes[key_len..],
                    note,
                })
            }),
            Known::Other(opcode::AUX) => {
                text(&mut reader).and_then(|name| text(&mut reader).map(|value| Item::Aux { name, value }))
            }
            Known::Other(opcode::SELECT_DB) => reader.length().map(Item::SelectDb),
            Known::Other(_) => {
                reader.length().and_then(|keys| reader.length().map(|expires| Item::ResizeDb { keys, expires }))
            }
        };
        item.map_err(|error| FileError { offset: self.offset, reason: error.to_string() })
    }
}

/// The key that begins at `at`, if all its bytes are there and its value is small.
#[inline]
fn ahead_at(window: &[u8], at: usize, format: Format) -> Option<Ahead> {
    let mut attributes = Attributes::default();
    let mut reader = Reader::new(window.get(at..)?);
    let kind = loop {
        match reader.byte().ok()? {
            opcode::EXPIRE_TIME_MS => attributes.deadline_ms = Some(i64::from_le_bytes(reader.chunk().ok()?)),
            opcode::FREQ => attributes.frequency = Some(reader.byte().ok()?),
            opcode::IDLE => attributes.idle_s = Some(reader.length().ok()?),
            byte => break kind::of(byte, format)?,
        }
    };
    let key_at = window.len() - reader.left();
    pass_part(Part::Text, &mut reader)?;
    let contents_at = window.len() - reader.left();
    pass_small(kind, &mut reader)?;
    let end = window.len() - reader.left();
    Some(Ahead { attributes, kind, begin: at, key_at, contents_at, end, note: 0 })
}

/// What a look at the window came to.
enum Found {
    Item(Known),
    /// A step was made.
    Nothing,
    /// So many bytes are needed from the start of the window, or more.
    Missing(usize),
}

/// An item whose bytes are all there.
enum Known {
    Key { kind: u8, key_len: usize },
    Other(u8),
    End,
}

fn text<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, Malformed> {
    reader.text().map(super::read::Text::into_cow).map_err(|error| match error {
        CUT_OFF => Malformed("a string ends too early"),
        error => error,
    })
}

/// The nine characters in the upper 54 bits of a module's number.
fn module_name(id: u64) -> String {
    letters(id >> 10, 9)
}

/// The four characters in the upper 24 bits of what a class of metadata is known by; its version and its flags follow.
fn class_name(spec: [u8; 4]) -> String {
    letters(u64::from(u32::from_le_bytes(spec) >> 8), 4)
}

/// So many letters of six bits each, the last one in the lowest bits.
fn letters(bits: u64, count: u32) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..count).rev().map(|nth| char::from(LETTERS[(bits >> (6 * nth)) as usize & 63])).collect()
}
