//! A node of a quicklist that lies so deep in its list that it is kept compressed (`list-compress-depth`).
//!
//! ```text
//!   | length of what was compressed u32 | elements u32, 0: one large element | LZF |      one allocation
//! ```
//!
//! Owns its bytes. Knows neither how deep it lies nor when it is opened. Made here and nowhere else, so that what it says of itself
//! is so: bytes from outside are checked, and are packs or elements before they come here.
//!
//! Cost: compressing takes some 30 microseconds for 8 kB, opening a third of that and a copy.

use super::Node;
use crate::base::lzf;
use crate::collections::listpack::Listpack;
use crate::collections::thin_bytes::ThinBytes;

/// Bytes of length and count.
const FRONT: usize = 8;
/// Fewer bytes than this are not compressed, and as many at least must be saved: Redis's bounds.
const BYTES_MIN: usize = 48;
const SAVED_MIN: usize = 8;

/// A pack, or one large element, compressed.
#[derive(Clone)]
pub struct Compressed {
    bytes: ThinBytes,
}

const _: () = assert!(size_of::<Compressed>() == 8);

impl Compressed {
    /// None: it would not pay. `count`: elements of a pack; 0 for a large element.
    pub(super) fn new(raw: &[u8], count: u32) -> Option<Compressed> {
        let len = u32::try_from(raw.len()).ok()?;
        if raw.len() < BYTES_MIN {
            return None;
        }
        let lzf = lzf::compress(raw, raw.len() - SAVED_MIN)?;
        let mut bytes = ThinBytes::with_capacity(FRONT + lzf.len());
        bytes.extend_from_slice(&len.to_ne_bytes());
        bytes.extend_from_slice(&count.to_ne_bytes());
        bytes.extend_from_slice(&lzf);
        Some(Compressed { bytes })
    }

    fn field(&self, at: usize) -> usize {
        self.bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |field| u32::from_ne_bytes(*field) as usize)
    }

    /// Length of what was compressed.
    pub fn raw_bytes(&self) -> usize {
        self.field(0)
    }

    /// Whether it is one large element, not a pack.
    pub fn is_plain(&self) -> bool {
        self.field(4) == 0
    }

    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.field(4).max(1)
    }

    /// The bytes as they stand in a string of an RDB file that is compressed.
    pub fn lzf(&self) -> &[u8] {
        &self.bytes[FRONT..]
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.allocated_bytes()
    }

    /// The bytes that were compressed.
    ///
    /// # Panics
    /// Never: they were compressed here.
    pub fn raw(&self) -> Vec<u8> {
        lzf::decompress(self.lzf(), self.raw_bytes()).expect("what was compressed here is LZF")
    }

    /// The node that it was.
    pub(super) fn open(&self) -> Node {
        let raw = self.raw();
        if self.is_plain() {
            Node::Plain(Box::new(raw.into_boxed_slice()))
        } else {
            Node::Packed(Listpack::of_valid(&raw, self.len()))
        }
    }
}

/// As what it holds.
impl std::fmt::Debug for Compressed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.open().fmt(formatter)
    }
}
