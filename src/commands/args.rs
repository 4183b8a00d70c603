//! The arguments of one request, as a command sees them: bytes by index, the name at 0.
//!
//! Most lie in the connection's read ring and are borrowed from there. A large one has a buffer of its own, which a command
//! may take over ([`Args::take`]) so that a 512 MB value is moved into the keyspace, not copied.

use std::sync::Arc;

use crate::base::long_double::LongDouble;
use crate::base::number;
use crate::commands::CommandError;
use crate::keyspace::{EMBEDDED_MAX, Key, NewValue};
use crate::resp::request::ArgRef;

/// Borrowed arguments of the request being executed.
pub struct Args<'a> {
    frame: &'a [u8],
    refs: &'a [ArgRef],
    owned: &'a mut [Vec<u8>],
    /// Hash of the first key, computed (and its memory prefetched) before the turn's commands run; 0 where there is none.
    key_hash: u64,
    /// Whether somebody needs the arguments after the command, so that none may be moved.
    is_kept: bool,
}

impl<'a> Args<'a> {
    /// `refs` are relative to `frame`; those with buffers of their own index into `owned`.
    #[inline]
    pub fn new(frame: &'a [u8], refs: &'a [ArgRef], owned: &'a mut [Vec<u8>], key_hash: u64) -> Args<'a> {
        Args { frame, refs, owned, key_hash, is_kept: false }
    }

    /// Whether none of them may be moved: they are needed after the command.
    #[inline]
    pub fn keep(&mut self, is_kept: bool) {
        self.is_kept = is_kept;
    }

    /// Number of arguments, with the command's name.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a request has at least its name")]
    pub fn len(&self) -> usize {
        self.refs.len()
    }

    /// The argument at `index`; panics when there is none, so check the length first.
    #[inline]
    pub fn get(&self, index: usize) -> &[u8] {
        let arg = self.refs[index];
        match arg.owned_index() {
            None => arg.of(self.frame),
            Some(index) => &self.owned[index],
        }
    }

    /// The argument at `index`, if there is one.
    pub fn try_get(&self, index: usize) -> Option<&[u8]> {
        (index < self.len()).then(|| self.get(index))
    }

    /// The arguments from `start` on.
    pub fn from(&self, start: usize) -> impl ExactSizeIterator<Item = &[u8]> {
        (start.min(self.len())..self.len()).map(|index| self.get(index))
    }

    /// The first key, at `index`, with the hash that was computed when its memory was prefetched.
    #[inline]
    pub fn key(&self, index: usize) -> Key<'_> {
        Key::with_hash(self.get(index), self.key_hash)
    }

    /// Whether the argument at `index` is `word`, in any case.
    #[inline]
    pub fn is(&self, index: usize, word: &str) -> bool {
        self.get(index).eq_ignore_ascii_case(word.as_bytes())
    }

    /// The bytes of an argument as a value to keep: moved if it has a buffer of its own, else copied. The argument is empty
    /// afterwards in the first case. Where the arguments are kept it is always copied.
    pub fn take(&mut self, index: usize) -> Vec<u8> {
        match self.refs[index].owned_index() {
            Some(index) if !self.is_kept => std::mem::take(&mut self.owned[index]),
            _ => self.get(index).to_vec(),
        }
    }

    /// The argument at `index`, unless it has a buffer of its own.
    #[inline]
    pub fn borrowed(&self, index: usize) -> Option<&[u8]> {
        let arg = self.refs[index];
        if arg.owned_index().is_some() { None } else { Some(arg.of(self.frame)) }
    }

    /// A key's name and the string to store under it, which is moved if it is long and has a buffer of its own.
    pub fn key_and_value(&mut self, key: usize, value: usize) -> (&[u8], NewValue<'_>) {
        if self.is_owned(value) && self.get(value).len() > EMBEDDED_MAX {
            let mut bytes = self.take(value);
            if bytes.capacity() - bytes.len() > bytes.len() / 8 {
                bytes.shrink_to_fit();
            }
            return (self.get(key), NewValue::Raw(Arc::new(bytes)));
        }
        (self.get(key), NewValue::string(self.get(value)))
    }

    /// Whether [`Args::take`] would move rather than copy.
    pub fn is_owned(&self, index: usize) -> bool {
        self.refs[index].owned_index().is_some()
    }

    /// # Errors
    /// `ERR value is not an integer or out of range`
    pub fn int(&self, index: usize) -> Result<i64, CommandError> {
        number::parse_i64(self.get(index)).ok_or(CommandError::NOT_AN_INTEGER)
    }

    /// An integer between `min` and `max`.
    ///
    /// # Errors
    /// `ERR value is not an integer or out of range`, `ERR value is out of range, value must between 0 and 15`
    pub fn int_within(&self, index: usize, min: i64, max: i64) -> Result<i64, CommandError> {
        let int = self.int(index)?;
        if (min..=max).contains(&int) {
            return Ok(int);
        }
        Err(CommandError::owned(format!("ERR value is out of range, value must between {min} and {max}")))
    }

    /// The number of a database.
    ///
    /// # Errors
    /// As [`Args::int_within`] for C's `int`; `ERR DB index is out of range`
    pub fn db(&self, index: usize, databases: usize) -> Result<usize, CommandError> {
        let int = self.int_within(index, i64::from(i32::MIN), i64::from(i32::MAX))?;
        usize::try_from(int).ok().filter(|&db| db < databases).ok_or(CommandError::new("ERR DB index is out of range"))
    }

    /// How long a blocking command may wait: seconds, with decimals, rounded up to milliseconds. None: for ever. Redis computes them as
    /// long doubles, of which some that are written with few digits are no whole number of milliseconds.
    ///
    /// # Errors
    /// `ERR timeout is not a float or out of range`, `ERR timeout is out of range`, `ERR timeout is negative`
    pub fn timeout_ms(&self, index: usize, now_ms: i64) -> Result<Option<u64>, CommandError> {
        let seconds = LongDouble::parse(self.get(index))
            .ok_or(CommandError::new("ERR timeout is not a float or out of range"))?;
        timeout_within(seconds.times(1000).ceil(), now_ms)
    }

    /// Whether arguments have buffers of their own, which a command may take.
    #[inline]
    pub fn has_owned(&self) -> bool {
        !self.owned.is_empty()
    }

    /// A copy that outlives the request.
    pub fn to_owned(&self) -> Vec<Vec<u8>> {
        self.from(0).map(<[u8]>::to_vec).collect()
    }

    /// The first key's hash as computed with the batch.
    pub fn key_hash(&self) -> u64 {
        self.key_hash
    }
}

/// A timeout in milliseconds, None being for ever, whose end can be told as a time.
///
/// # Errors
/// `ERR timeout is out of range`, `ERR timeout is negative`
pub fn timeout_within(timeout_ms: i64, now_ms: i64) -> Result<Option<u64>, CommandError> {
    match timeout_ms {
        ..0 => Err(CommandError::new("ERR timeout is negative")),
        _ if timeout_ms > i64::MAX - now_ms => Err(CommandError::new("ERR timeout is out of range")),
        _ => Ok(Some(timeout_ms as u64).filter(|&timeout_ms| timeout_ms > 0)),
    }
}
