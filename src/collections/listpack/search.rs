//! Searching many packs for one string: whether a pack may have it is asked of its bytes, without going from entry to entry.
//!
//! Walking a pack is a chain of dependent loads, some two nanoseconds an entry; a vector search for the entry's bytes goes at the
//! memory's speed. What it finds may also lie across entries or inside a longer one, so a pack in which it finds something is
//! walked; the others, nearly all, are passed over. It relies on every string being encoded in one way, which is an invariant of
//! packs.
//!
//! A vector search tests the two rarest bytes of what it looks for, and which those are depends on the list: in one of
//! `user:000001`, `user:000002`, ... each letter is in every element. So the bytes of a part of the list are counted first.

use memchr::arch::all::packedpair::HeuristicFrequencyRank;
use memchr::memmem::{Finder, FinderBuilder};

use super::Listpack;
use super::entry::{Encoded, Needle};

/// Bytes of a pack that are counted.
const SAMPLE: usize = 1024;
/// Bytes of the entry that are searched for, its last ones: elements often begin alike, and this many fit the vector search.
const PATTERN_MAX: usize = 32;

/// A string that many packs are searched for.
pub struct Search<'a> {
    needle: Needle<'a>,
    pattern: Finder<'static>,
}

impl<'a> Search<'a> {
    /// `like` is one of the packs, or one like them.
    pub fn new(text: &'a [u8], like: &Listpack) -> Search<'a> {
        let entry = Encoded::new(text.into()).to_vec();
        let pattern = &entry[entry.len().saturating_sub(PATTERN_MAX)..];
        let rank = Rank::of(like.as_bytes());
        let pattern = FinderBuilder::new().build_forward_with_ranker(rank, pattern).into_owned();
        Search { needle: Needle::new(text), pattern }
    }

    #[inline]
    pub fn needle(&self) -> &Needle<'a> {
        &self.needle
    }

    /// Whether the pack may have the string; if not, it has not.
    #[inline]
    pub fn may_be_in(&self, pack: &Listpack) -> bool {
        self.pattern.find(pack.as_bytes()).is_some()
    }
}

/// How frequent each byte is.
struct Rank([u8; 256]);

impl Rank {
    fn of(pack: &[u8]) -> Rank {
        let begin = pack.len().saturating_sub(SAMPLE) / 2;
        let mut rank = Rank([0; 256]);
        for &byte in &pack[begin..pack.len().min(begin + SAMPLE)] {
            let count = &mut rank.0[usize::from(byte)];
            *count = count.saturating_add(1);
        }
        rank
    }
}

impl HeuristicFrequencyRank for Rank {
    fn rank(&self, byte: u8) -> u8 {
        self.0[usize::from(byte)]
    }
}
