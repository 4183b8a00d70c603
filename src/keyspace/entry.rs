//! One key and its value in one allocation, behind a thin pointer.
//!
//! ```text
//!   +--------+----------+-------+---------+-----------+-------------------+
//!   | header | deadline | value | key len | key bytes | short string      |    rounded up to a size class of the allocator
//!   |   8    |   8 ?    | 8/24? |    8 ?  |           | if embedded       |
//!   +--------+----------+-------+---------+-----------+-------------------+
//!
//!   header, from the low bit:  type 4 | encoding 2 | has deadline | filed | long key | swept | key at 3 | saved | 2 free | LRU/LFU 24 |
//!                              length of the embedded string 8 | key length 16 (when not long)
//! ```
//!
//! `value` is there unless it is an embedded string: the integer itself, the pointer of a raw string, or an object, three words whose
//! last points to all that it has. `key at` says in words where the key begins, so that nothing is added up to find it.
//! The deadline is there when the key has had one since it was last rebuilt (a flag says whether it counts).
//!
//! This file holds the keyspace's unsafe code. Its invariants, which every constructor establishes and every method keeps:
//!
//! 1. `ptr` is the unique owner of an allocation of `Layout(size_class::round_up(parts.size), 8)`, where `parts` is computed from the
//!    header (and for a long key the length field) alone. What is computed stays the same when the value is moved out.
//! 2. `parts.key + key_len + embedded_len <= size_class::round_up(parts.size)`, and those bytes are initialized.
//! 3. If the encoding is raw, `value` holds an `Arc<Vec<u8>>`; if object, an `Object`; this entry owns it.
//! 4. The header is only touched through a `Cell`: LRU bits and marks may change behind a shared reference. An entry is
//!    never shared between threads (it is `Send`, so that it can be freed elsewhere, and not `Sync`).
//!
//! Cost: GET of a small key touches one or two cache lines of it. 16-byte key and value: 40 bytes.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Arc;

use super::object::Object;
use crate::base::hash::KeyHasher;
use crate::base::size_class;
use crate::collections::segmented_table::Rehash;

/// Longest string kept inside the entry, bytes.
pub const EMBEDDED_MAX: usize = 255;

/// A key with its value.
pub struct Entry {
    ptr: NonNull<u8>,
}

// SAFETY: the entry owns its allocation and everything in it; bytes, `Arc<Vec<u8>>` and `Object` are all Send.
unsafe impl Send for Entry {}

/// A value on its way into an entry.
pub enum NewValue<'a> {
    Int(i64),
    /// Copied; at most [`EMBEDDED_MAX`] bytes.
    Embedded(&'a [u8]),
    Raw(Arc<Vec<u8>>),
    Object(Object),
}

impl NewValue<'_> {
    pub fn kind(&self) -> super::Kind {
        match self {
            NewValue::Object(object) => object.kind(),
            NewValue::Int(_) | NewValue::Embedded(_) | NewValue::Raw(_) => super::Kind::String,
        }
    }

    /// How a string is kept: as an integer if it is one, inside the entry if it is short.
    #[inline]
    pub fn string(bytes: &[u8]) -> NewValue<'_> {
        if bytes.len() <= 20
            && let Some(int) = crate::base::number::parse_i64(bytes)
        {
            return NewValue::Int(int);
        }
        if bytes.len() <= EMBEDDED_MAX { NewValue::Embedded(bytes) } else { NewValue::Raw(Arc::new(bytes.to_vec())) }
    }
}

/// A value that has left its entry.
pub enum Value {
    Int(i64),
    Short(smallvec::SmallVec<[u8; 64]>),
    Raw(Arc<Vec<u8>>),
    Object(Object),
}

impl Value {
    /// A copy; a raw string is shared until one of its holders changes it.
    pub fn copy_of(value: ValueRef<'_>, hasher: &KeyHasher) -> Value {
        match value {
            ValueRef::Int(int) => Value::Int(int),
            ValueRef::Embedded(bytes) => Value::Short(smallvec::SmallVec::from_slice(bytes)),
            ValueRef::Raw(bytes) => Value::Raw(Arc::clone(bytes)),
            ValueRef::Object(object) => Value::Object(object.copy(hasher)),
        }
    }

    pub fn as_new(&mut self) -> NewValue<'_> {
        match std::mem::replace(self, Value::Int(0)) {
            Value::Int(int) => NewValue::Int(int),
            Value::Raw(bytes) => NewValue::Raw(bytes),
            Value::Object(object) => NewValue::Object(object),
            Value::Short(bytes) => {
                *self = Value::Short(bytes);
                match self {
                    Value::Short(bytes) => NewValue::Embedded(bytes),
                    _ => NewValue::Int(0),
                }
            }
        }
    }
}

/// A look at a value.
pub enum ValueRef<'a> {
    Int(i64),
    Embedded(&'a [u8]),
    Raw(&'a Arc<Vec<u8>>),
    Object(&'a Object),
}

/// Longest string that Redis keeps in one allocation with its object, bytes: what `OBJECT ENCODING` calls `embstr`.
const EMBSTR_MAX: usize = 44;

impl ValueRef<'_> {
    /// As OBJECT ENCODING prints it.
    pub fn encoding(&self) -> &'static str {
        match self {
            ValueRef::Int(_) => "int",
            ValueRef::Embedded(bytes) if bytes.len() <= EMBSTR_MAX => "embstr",
            ValueRef::Embedded(_) | ValueRef::Raw(_) => "raw",
            ValueRef::Object(object) => object.encoding(),
        }
    }
}

const TYPE_BITS: u64 = 0xf;
const ENCODING_SHIFT: u32 = 4;
const EMBEDDED: u64 = 0;
const INT: u64 = 1;
const RAW: u64 = 2;
const OBJECT: u64 = 3;
const ENCODING_BITS: u64 = 3 << ENCODING_SHIFT;
/// The deadline field is there.
const DEADLINE: u64 = 1 << 6;
/// A record in the timing wheel leads to this key.
const FILED: u64 = 1 << 7;
const LONG_KEY: u64 = 1 << 8;
/// Toggled by each sweep of the timing wheel.
const SWEPT: u64 = 1 << 9;
/// Where the key begins, in 8 bytes from the start.
const KEY_AT_SHIFT: u32 = 10;
const KEY_AT_BITS: u64 = 7 << KEY_AT_SHIFT;
/// A snapshot that has not come to this key has no need of it any more.
const SAVED: u64 = 1 << 13;
const LRU_SHIFT: u32 = 16;
/// The 24 bits of LRU clock or LFU counter.
pub const LRU_MAX: u32 = (1 << 24) - 1;
const EMBEDDED_LEN_SHIFT: u32 = 40;
const KEY_LEN_SHIFT: u32 = 48;
const SHORT_KEY_MAX: usize = (1 << 16) - 1;
/// Deadline field of a key that has the room for one and none.
const NO_DEADLINE: i64 = i64::MIN;

const _: () = assert!(EMBEDDED_MAX < 1 << (KEY_LEN_SHIFT - EMBEDDED_LEN_SHIFT));
const _: () = assert!(size_of::<Option<Entry>>() == 8);
const _: () = assert!(size_of::<Arc<Vec<u8>>>() == WORD && size_of::<Object>() == OBJECT_BYTES);
const _: () = assert!(align_of::<Object>() <= 8);
const WORD: usize = 8;
const OBJECT_BYTES: usize = 24;
// Header, deadline, object, length.
const _: () = assert!((8 + 8 + OBJECT_BYTES + 8) / 8 <= (KEY_AT_BITS >> KEY_AT_SHIFT) as usize);

/// Offsets of the parts, from the allocation's start.
#[derive(Clone, Copy)]
struct Parts {
    value: usize,
    key: usize,
    key_len: usize,
    size: usize,
}

#[inline]
fn key_at(header: u64) -> usize {
    (header >> (KEY_AT_SHIFT - 3)) as usize & (KEY_AT_BITS >> (KEY_AT_SHIFT - 3)) as usize
}

#[inline]
fn parts_of(header: u64, key_len: usize, embedded_len: usize) -> Parts {
    let key = key_at(header);
    // Without a branch: a deadline that is there adds its 8 bytes.
    Parts { value: 8 + 8 * usize::from(header & DEADLINE != 0), key, key_len, size: key + key_len + embedded_len }
}

impl Entry {
    /// A new entry. `lru` are the 24 bits of [`Entry::lru`].
    pub fn new(key: &[u8], value: NewValue<'_>, deadline_ms: Option<i64>, lru: u32) -> Entry {
        let (encoding, kind, value_bytes, embedded): (u64, u64, usize, &[u8]) = match &value {
            NewValue::Int(_) => (INT, 0, WORD, b""),
            NewValue::Embedded(bytes) => (EMBEDDED, 0, 0, bytes),
            NewValue::Raw(_) => (RAW, 0, WORD, b""),
            NewValue::Object(object) => (OBJECT, object.kind() as u64, OBJECT_BYTES, b""),
        };
        assert!(embedded.len() <= EMBEDDED_MAX);
        let mut header = kind | encoding << ENCODING_SHIFT | u64::from(lru & LRU_MAX) << LRU_SHIFT;
        header |= (embedded.len() as u64) << EMBEDDED_LEN_SHIFT;
        let mut key_at = 8 + value_bytes;
        if deadline_ms.is_some() {
            header |= DEADLINE;
            key_at += 8;
        }
        if key.len() <= SHORT_KEY_MAX {
            header |= (key.len() as u64) << KEY_LEN_SHIFT;
        } else {
            header |= LONG_KEY;
            key_at += 8;
        }
        header |= (key_at as u64 / 8) << KEY_AT_SHIFT;
        let parts = parts_of(header, key.len(), embedded.len());
        let layout = layout(parts.size);
        // SAFETY: the layout's size is at least 8.
        let Some(ptr) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        let base = ptr.as_ptr();
        // SAFETY: `parts` lays the fields out inside `layout.size()` bytes, 8-byte fields at multiples of 8 (invariant 1), the
        // key and the embedded string behind them (invariant 2); the sources are other allocations.
        unsafe {
            base.cast::<u64>().write(header);
            if let Some(deadline_ms) = deadline_ms {
                base.add(8).cast::<i64>().write(deadline_ms);
            }
            if header & LONG_KEY != 0 {
                base.add(parts.key - 8).cast::<u64>().write(key.len() as u64);
            }
            base.add(parts.key).copy_from_nonoverlapping(key.as_ptr(), key.len());
            base.add(parts.key + key.len()).copy_from_nonoverlapping(embedded.as_ptr(), embedded.len());
        }
        let mut entry = Entry { ptr };
        entry.write_value(parts, value);
        entry
    }

    /// Establishes invariant 3 for a header whose encoding is that of `value`.
    #[inline]
    fn write_value(&mut self, parts: Parts, value: NewValue<'_>) {
        // SAFETY: unless the value is embedded, there is a field for it at `parts.value`, 8-byte aligned and as large as it is.
        unsafe {
            let at = self.ptr.as_ptr().add(parts.value);
            match value {
                NewValue::Embedded(_) => {}
                NewValue::Int(int) => at.cast::<i64>().write(int),
                NewValue::Raw(bytes) => at.cast::<Arc<Vec<u8>>>().write(bytes),
                NewValue::Object(object) => at.cast::<Object>().write(object),
            }
        }
    }

    #[inline]
    fn header(&self) -> &Cell<u64> {
        // SAFETY: the allocation begins with the 8-byte header, only ever touched through this Cell (invariant 4).
        unsafe { self.ptr.cast::<Cell<u64>>().as_ref() }
    }

    #[inline]
    fn flag(&self, flag: u64) -> bool {
        self.header().get() & flag != 0
    }

    #[inline]
    fn set_flag(&self, flag: u64, on: bool) {
        let header = self.header().get();
        self.header().set(if on { header | flag } else { header & !flag });
    }

    #[inline]
    fn parts(&self) -> Parts {
        let header = self.header().get();
        let embedded_len = (header >> EMBEDDED_LEN_SHIFT) as usize & EMBEDDED_MAX;
        let key_len = if header & LONG_KEY != 0 { self.long_key_len() } else { (header >> KEY_LEN_SHIFT) as usize };
        parts_of(header, key_len, embedded_len)
    }

    #[cold]
    fn long_key_len(&self) -> usize {
        let parts = parts_of(self.header().get(), 0, 0);
        // SAFETY: a long key's length is the 8-byte field before the key.
        unsafe { self.ptr.as_ptr().add(parts.key - 8).cast::<u64>().read() as usize }
    }

    #[inline]
    pub fn key(&self) -> &[u8] {
        let header = self.header().get();
        if header & LONG_KEY != 0 {
            return self.long_key();
        }
        // SAFETY: invariant 2.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr().add(key_at(header)), (header >> KEY_LEN_SHIFT) as usize) }
    }

    #[cold]
    fn long_key(&self) -> &[u8] {
        let parts = self.parts();
        // SAFETY: invariant 2.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr().add(parts.key), parts.key_len) }
    }

    /// Type number: [`super::Kind`].
    #[inline]
    pub fn kind(&self) -> super::Kind {
        super::Kind::from_bits((self.header().get() & TYPE_BITS) as u8)
    }

    #[inline]
    fn encoding(&self) -> u64 {
        (self.header().get() & ENCODING_BITS) >> ENCODING_SHIFT
    }

    #[inline]
    pub fn value(&self) -> ValueRef<'_> {
        let header = self.header().get();
        if header & (ENCODING_BITS | DEADLINE | LONG_KEY) == 0 {
            // Nearly every key of nearly every keyspace: a short string without a deadline.
            let at = 8 + (header >> KEY_LEN_SHIFT) as usize;
            let len = (header >> EMBEDDED_LEN_SHIFT) as usize & EMBEDDED_MAX;
            // SAFETY: without deadline and `value` the key is right behind the header, the string behind the key (invariant 2).
            return ValueRef::Embedded(unsafe { std::slice::from_raw_parts(self.ptr.as_ptr().add(at), len) });
        }
        self.value_of_any()
    }

    fn value_of_any(&self) -> ValueRef<'_> {
        let parts = self.parts();
        // SAFETY: the encoding says what `value` or the bytes behind the key are (invariants 2 and 3).
        unsafe {
            let at = self.ptr.as_ptr().add(parts.value);
            match self.encoding() {
                EMBEDDED => {
                    let begin = parts.key + parts.key_len;
                    ValueRef::Embedded(std::slice::from_raw_parts(self.ptr.as_ptr().add(begin), parts.size - begin))
                }
                INT => ValueRef::Int(at.cast::<i64>().read()),
                RAW => ValueRef::Raw(&*at.cast::<Arc<Vec<u8>>>()),
                _ => ValueRef::Object(&*at.cast::<Object>()),
            }
        }
    }

    /// Absolute Unix time in milliseconds after which the key is gone.
    #[inline]
    pub fn deadline_ms(&self) -> Option<i64> {
        if !self.flag(DEADLINE) {
            return None;
        }
        // SAFETY: the flag says that the field behind the header is there.
        let deadline = unsafe { self.ptr.as_ptr().add(8).cast::<i64>().read() };
        (deadline != NO_DEADLINE).then_some(deadline)
    }

    /// Whether the deadline has passed at `now_ms`.
    #[inline]
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.deadline_ms().is_some_and(|deadline_ms| deadline_ms < now_ms)
    }

    /// Gives the key a deadline or takes it away. The entry may be rebuilt for the room.
    pub fn set_deadline_ms(&mut self, deadline_ms: Option<i64>) {
        if !self.flag(DEADLINE) {
            let Some(deadline_ms) = deadline_ms else { return };
            let mut value = self.take_value();
            let mut rebuilt = Entry::new(self.key(), value.as_new(), Some(deadline_ms), self.lru());
            rebuilt.copy_marks(self);
            *self = rebuilt;
            return;
        }
        // SAFETY: the flag says that the field behind the header is there.
        unsafe { self.ptr.as_ptr().add(8).cast::<i64>().write(deadline_ms.unwrap_or(NO_DEADLINE)) };
    }

    /// Replaces the value, whatever it was; key, deadline and flags stay. Allocates nothing if the new value takes the room of
    /// the old.
    #[inline]
    pub fn set_value(&mut self, value: NewValue<'_>) -> Displaced {
        let parts = self.parts();
        match (&value, self.encoding()) {
            (NewValue::Embedded(bytes), EMBEDDED) => {
                let at = parts.key + parts.key_len;
                if bytes.len() <= EMBEDDED_MAX
                    && size_class::round_up(at + bytes.len()) == size_class::round_up(parts.size)
                {
                    // SAFETY: the size class stays, so `at + bytes.len()` is inside the allocation (invariants 1 and 2).
                    unsafe { self.ptr.as_ptr().add(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
                    let header = self.header().get() & !((EMBEDDED_MAX as u64) << EMBEDDED_LEN_SHIFT);
                    self.header().set(header | (bytes.len() as u64) << EMBEDDED_LEN_SHIFT);
                    return Displaced::Nothing;
                }
            }
            (NewValue::Int(int), INT) => {
                // SAFETY: the encoding says that `value` is an integer.
                unsafe { self.ptr.as_ptr().add(parts.value).cast::<i64>().write(*int) };
                return Displaced::Nothing;
            }
            (NewValue::Raw(_), RAW) => {
                let old = self.take_value();
                self.set_encoding(RAW, 0);
                self.write_value(parts, value);
                return Displaced::Value(old);
            }
            _ => {}
        }
        self.rebuild(value)
    }

    #[cold]
    #[inline(never)]
    fn rebuild(&mut self, value: NewValue<'_>) -> Displaced {
        let deadline = self.flag(DEADLINE).then(|| self.deadline_ms());
        // A field that holds no deadline is not kept.
        let mut new = Entry::new(self.key(), value, deadline.flatten(), self.lru());
        new.copy_marks(self);
        std::mem::swap(self, &mut new);
        Displaced::Entry(new)
    }

    /// Takes over whether the timing wheel and the snapshot know the key.
    fn copy_marks(&mut self, other: &Entry) {
        let marks = FILED | SWEPT | SAVED;
        self.header().set(self.header().get() & !marks | other.header().get() & marks);
    }

    fn set_encoding(&mut self, encoding: u64, kind: u64) {
        let header = self.header().get() & !(ENCODING_BITS | TYPE_BITS);
        self.header().set(header | encoding << ENCODING_SHIFT | kind);
    }

    /// Moves the value out. A short string or an integer is copied and stays; in place of anything else stays an integer 0, until
    /// a value is set or the entry dropped.
    pub fn take_value(&mut self) -> Value {
        let parts = self.parts();
        let encoding = self.encoding();
        // SAFETY: invariant 3; the encoding is changed so that what is moved out is not dropped again.
        unsafe {
            let at = self.ptr.as_ptr().add(parts.value);
            match encoding {
                EMBEDDED => {
                    let ValueRef::Embedded(bytes) = self.value() else { unreachable!("the encoding says embedded") };
                    Value::Short(smallvec::SmallVec::from_slice(bytes))
                }
                INT => Value::Int(at.cast::<i64>().read()),
                RAW => {
                    let bytes = at.cast::<Arc<Vec<u8>>>().read();
                    self.set_encoding(INT, 0);
                    at.cast::<i64>().write(0);
                    Value::Raw(bytes)
                }
                _ => {
                    let object = at.cast::<Object>().read();
                    self.set_encoding(INT, 0);
                    at.cast::<i64>().write(0);
                    Value::Object(object)
                }
            }
        }
    }

    /// The bytes of a raw string, to change them in place; a copy of its own if a reply still refers to them. None: another
    /// encoding.
    pub fn raw_mut(&mut self) -> Option<&mut Vec<u8>> {
        if self.encoding() != RAW {
            return None;
        }
        let parts = self.parts();
        // SAFETY: invariant 3.
        let bytes = unsafe { &mut *self.ptr.as_ptr().add(parts.value).cast::<Arc<Vec<u8>>>() };
        Some(Arc::make_mut(bytes))
    }

    /// The object, to change it in place. None: a string.
    pub fn object_mut(&mut self) -> Option<&mut Object> {
        if self.encoding() != OBJECT {
            return None;
        }
        let parts = self.parts();
        // SAFETY: invariant 3.
        Some(unsafe { &mut *self.ptr.as_ptr().add(parts.value).cast::<Object>() })
    }

    /// The 24 bits of LRU clock (seconds) or LFU counter.
    #[inline]
    pub fn lru(&self) -> u32 {
        (self.header().get() >> LRU_SHIFT) as u32 & LRU_MAX
    }

    /// Readers call it too; it writes only when the bits change, so that a hot key's cache line stays clean.
    #[inline]
    pub fn set_lru(&self, lru: u32) {
        let header = self.header().get();
        let changed = header & !(u64::from(LRU_MAX) << LRU_SHIFT) | u64::from(lru & LRU_MAX) << LRU_SHIFT;
        if header != changed {
            self.header().set(changed);
        }
    }

    /// Whether a record in the timing wheel leads here.
    #[inline]
    pub fn is_filed(&self) -> bool {
        self.flag(FILED)
    }

    pub fn set_filed(&mut self, filed: bool) {
        self.set_flag(FILED, filed);
    }

    /// The parity of the sweeps when a record of this key was last filed: the one that goes on has met a record of it already.
    pub fn swept(&self) -> bool {
        self.flag(SWEPT)
    }

    /// The table is only borrowed when a record is filed again.
    pub fn set_swept(&self, parity: bool) {
        self.set_flag(SWEPT, parity);
    }

    /// Whether the snapshot that is on has what it wants of this key, though it has not come to it yet: see [`super::snapshot`].
    #[inline]
    pub(super) fn is_saved(&self) -> bool {
        self.flag(SAVED)
    }

    #[inline]
    pub(super) fn set_saved(&self, saved: bool) {
        self.set_flag(SAVED, saved);
    }

    /// Bytes allocated for the entry itself; what a raw string or an object adds is not in it.
    pub fn allocated_bytes(&self) -> usize {
        size_class::round_up(self.parts().size)
    }

    /// Memory of the entry with all that it holds, bytes; of a large value estimated from `samples` elements (0: from all).
    pub fn memory_bytes(&self, samples: usize) -> usize {
        self.allocated_bytes()
            + match self.value() {
                ValueRef::Int(_) | ValueRef::Embedded(_) => 0,
                ValueRef::Raw(bytes) => size_of::<Vec<u8>>() + 2 * size_of::<usize>() + bytes.capacity(),
                ValueRef::Object(object) => object.memory_bytes(samples),
            }
    }

    /// Brings the header into the cache ahead of use.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(self.ptr.as_ptr());
    }

    /// Brings the end of a usual key into the cache, which may lie on another line than the header.
    #[inline]
    fn prefetch_key(&self) {
        prefetch(self.ptr.as_ptr().wrapping_add(KEY_END));
    }
}

/// Brings the memory at this address, if it is one, into the cache ahead of use.
#[inline]
pub(super) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing and faults nowhere, wherever it points to.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Where the key of an entry usually ends, bytes from its beginning.
const KEY_END: usize = 31;

/// How a table of entries finds their hashes.
#[derive(Clone, Copy)]
pub struct ByKey<'a>(pub &'a KeyHasher);

impl Rehash<Entry> for ByKey<'_> {
    #[inline]
    fn hash(&self, entry: &Entry) -> u64 {
        self.0.hash(entry.key())
    }

    #[inline]
    fn prefetch(&self, entry: &Entry) {
        entry.prefetch();
        entry.prefetch_key();
    }
}

/// What a new value pushed out: the caller decides where it is freed.
pub enum Displaced {
    Nothing,
    Value(Value),
    Entry(Entry),
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size_class::round_up(size), 8).expect("keys and values are far below isize::MAX")
}

impl Drop for Entry {
    fn drop(&mut self) {
        let parts = self.parts();
        // SAFETY: the entry owns what `value` holds (invariant 3) and its allocation (invariant 1), and is gone after this.
        unsafe {
            let at = self.ptr.as_ptr().add(parts.value);
            match self.encoding() {
                RAW => at.cast::<Arc<Vec<u8>>>().drop_in_place(),
                OBJECT => at.cast::<Object>().drop_in_place(),
                _ => {}
            }
            dealloc(self.ptr.as_ptr(), layout(parts.size));
        }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &String::from_utf8_lossy(self.key()))
            .field("kind", &self.kind())
            .field("deadline_ms", &self.deadline_ms())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
