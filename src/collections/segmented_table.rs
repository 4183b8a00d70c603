//! The segmented hash table: the keyspace, and every large collection.
//!
//! ```text
//!   hash:  |  prefix (directory index)  | ........ | h2 | ....... | h1 |
//!             top bits, `depth` of them              (as hashbrown sees the hash rotated by 32)
//!
//!   directory         segments
//!   000 --------+
//!   001 --------+---> [ depth 1, up to 224 entries, one hashbrown::HashTable ]
//!   010 ------------> [ depth 3 ]
//!   011 ------------> [ depth 3 ]
//! ```
//!
//! A full segment splits in two by the next bit of the prefix; the directory doubles when a segment as deep as itself splits (extendible
//! hashing: Fagin, Nievergelt, Pippenger, Strong, 1979). So growth moves at most 224 entries at a time at any size and memory never
//! doubles; what does is the directory, of four bytes for some hundred and fifty entries: 4 MiB for a hundred million. Two halves that have
//! become nearly empty merge again. With a hash whose top bits are spread as [`crate::base::hash`] does, splits come one by one and the
//! load of the whole stays near two thirds; with a uniform one it swings between 7/16 and 7/8.
//!
//! Invariants: every directory slot of a segment's prefix range points to it; `depth <= directory_depth`; a segment holds at most
//! [`SEGMENT_MAX`] entries in [`BUCKETS_MAX`] buckets unless it is [`DEPTH_MAX`] deep; of two siblings at least one is not sparse, unless
//! they were made ahead of entries that never came ([`SegmentedTable::expect`]).
//!
//! The table knows neither keys nor hash function: callers bring the hash, an equality test, and for inserting a way to hash an
//! entry already inside.
//!
//! Scanning walks segments in hash order and buckets inside a segment. Nothing inside a segment moves unless it is rehashed,
//! split or merged; each of these gives it a new version, and a cursor that carries an old version begins the segment again. So
//! an element present throughout a scan is returned at least once.
//!
//! Cost: find is two dependent loads (directory, segment) more than a flat table; both are small enough to stay in the cache.

use std::cell::Cell;

use hashbrown::HashTable;

/// Most entries of a segment: 256 buckets at hashbrown's load of 7/8. A split reads something of each entry, and each may lie on a page of
/// its own that a virtual machine's host takes several microseconds to bring back; four times as many made turns of milliseconds there.
/// A segment costs 44 bytes of its own, here 0.3 of a byte for each entry.
pub const SEGMENT_MAX: usize = 224;
/// Most buckets of a segment, unless it is [`DEPTH_MAX`] deep.
const BUCKETS_MAX: usize = SEGMENT_MAX * 8 / 7;
/// A segment with at least so many entries splits when the marks of removed ones fill it up. With fewer it is tidied, which moves
/// seven entries at most for each one inserted since the last time.
const SPLIT_MARKED: usize = SEGMENT_MAX / 8 * 7;
/// A segment with fewer entries merges with its sibling if both together have fewer than twice as many.
const MERGE_BELOW: usize = SEGMENT_MAX / 8;
/// The only segment shrinks when it has so many times as many buckets as entries, unless it is small.
const HOLLOW: usize = 16;
const HOLLOW_MIN: usize = 4;
/// Vacant segments that are kept beyond three for each one in use.
const VACANT_MAX: usize = 8;
/// Entries that a segment is made for ahead of time: more, and chance would have it split all the same.
const EXPECTED_MAX: f64 = (SEGMENT_MAX - 16) as f64;
/// Most bits of prefix: a directory of 16 M slots, some 2.5 G entries.
const DEPTH_MAX: u32 = 24;
/// Places that hashbrown looks at at once, from the one that the hash says.
const GROUP_LEN: usize = 16;
/// Segments are kept in blocks of this many, so that adding one never moves the others.
const BLOCK: usize = 1024;
/// Bits of a cursor: prefix, bucket, version; 63 in all, so that a client may keep it in a signed integer.
const BUCKET_BITS: u32 = 18;
const VERSION_BITS: u32 = 21;
const _: () = assert!(DEPTH_MAX + BUCKET_BITS + VERSION_BITS == 63);
/// The inner hash takes its h1 from hash bits 32.. upward and its h2 from bits 25..32; neither may reach the prefix.
const _: () = assert!(BUCKETS_MAX.is_power_of_two() && BUCKETS_MAX <= 1 << (64 - DEPTH_MAX - 32));

struct Segment<T> {
    entries: HashTable<T>,
    /// Prefix bits that all hashes inside share; [`VACANT`] in a free slot.
    depth: u8,
    version: u32,
}

impl<T> Segment<T> {
    /// Whether so many entries have been removed that it should merge with its sibling or, if it has none, shrink.
    #[inline]
    fn is_sparse(&self) -> bool {
        let len = self.entries.len();
        if self.depth > 0 { len < MERGE_BELOW } else { len < self.entries.num_buckets() / HOLLOW && len >= HOLLOW_MIN }
    }
}

const VACANT: u8 = u8::MAX;
const _: () = assert!(size_of::<Segment<u64>>() == 40);

/// How the table finds out the hash of an entry already inside.
pub trait Rehash<T>: Copy {
    fn hash(&self, entry: &T) -> u64;

    /// Brings what [`Rehash::hash`] will read into the cache.
    fn prefetch(&self, _entry: &T) {}
}

impl<T, F: Fn(&T) -> u64 + Copy> Rehash<T> for F {
    fn hash(&self, entry: &T) -> u64 {
        self(entry)
    }
}

/// Entries whose memory is fetched ahead while a segment is rehashed: two lines each, and more than a core has on their way at a time.
const PREFETCHED: usize = 32;

/// The hash of each entry, in the table's order. They lie all over the memory: read one after the other they would cost a cache miss each.
fn hashes_of<T>(entries: &HashTable<T>, rehash: impl Rehash<T>) -> Vec<u64> {
    let mut ahead = entries.iter();
    ahead.by_ref().take(PREFETCHED).for_each(|entry| rehash.prefetch(entry));
    let hash_of = |entry: &T| {
        if let Some(next) = ahead.next() {
            rehash.prefetch(next);
        }
        rehash.hash(entry)
    };
    entries.iter().map(hash_of).collect()
}

/// Moves all entries to a table that has room for them.
fn move_all<T>(from: HashTable<T>, to: &mut HashTable<T>, rehash: impl Rehash<T>) {
    let hashes = hashes_of(&from, rehash);
    for (entry, hash) in from.into_iter().zip(hashes) {
        to.insert_unique(inner(hash), entry, |entry| inner(rehash.hash(entry)));
    }
}

/// A hash table of `T` that grows a segment at a time.
pub struct SegmentedTable<T> {
    /// Which segment holds the hashes with this prefix.
    directory: Vec<u32>,
    /// Prefix bits that index the directory.
    depth: u32,
    blocks: Vec<Vec<Segment<T>>>,
    /// Vacant segments.
    free: Vec<u32>,
    segments: usize,
    len: usize,
    /// The last version given out; 0: none.
    versions: u32,
}

/// Where the versions of another table begin: far from where those of the tables before it did, so that a cursor from one is not taken for
/// one from its successor under the same name (SUNIONSTORE onto one of its sources makes such a table).
fn first_version() -> u32 {
    /// 2^32 divided by the golden ratio: its multiples keep their distance.
    const STRIDE: u32 = 0x9E37_79B9;
    thread_local! {
        static TABLES: Cell<u32> = const { Cell::new(0) };
    }
    TABLES.with(|tables| {
        tables.set(tables.get().wrapping_add(1));
        tables.get().wrapping_mul(STRIDE)
    })
}

/// What hashbrown sees: its h1 (low bits) and h2 (top seven) must not be prefix bits, which all entries of a segment share.
#[inline]
fn inner(hash: u64) -> u64 {
    hash.rotate_left(32)
}

impl<T> Default for SegmentedTable<T> {
    fn default() -> Self {
        SegmentedTable::new()
    }
}

impl<T> SegmentedTable<T> {
    pub const fn new() -> Self {
        SegmentedTable {
            directory: Vec::new(),
            depth: 0,
            blocks: Vec::new(),
            free: Vec::new(),
            segments: 0,
            len: 0,
            versions: 0,
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of segments.
    pub fn segments(&self) -> usize {
        self.segments
    }

    /// Buckets of all segments. A walk over the segments' headers.
    pub fn buckets(&self) -> usize {
        self.blocks.iter().flatten().map(|segment| segment.entries.num_buckets()).sum()
    }

    /// Memory of the table itself, without what entries point to, bytes. A walk over the segments' headers.
    pub fn memory_bytes(&self) -> usize {
        let tables: usize = self.blocks.iter().flatten().map(|segment| segment.entries.allocation_size()).sum();
        let headers = self.blocks.iter().map(Vec::capacity).sum::<usize>() * size_of::<Segment<T>>();
        tables + headers + self.directory.capacity() * size_of::<u32>()
    }

    #[inline]
    fn slot(&self, hash: u64) -> usize {
        // In two steps, because a shift by 64 (one slot, depth 0) is not defined.
        (hash >> 1 >> (63 - self.depth)) as usize
    }

    #[inline]
    fn at(&self, index: u32) -> &Segment<T> {
        &self.blocks[index as usize / BLOCK][index as usize % BLOCK]
    }

    #[inline]
    fn at_mut(&mut self, index: u32) -> &mut Segment<T> {
        &mut self.blocks[index as usize / BLOCK][index as usize % BLOCK]
    }

    #[inline]
    fn segment(&self, hash: u64) -> Option<&Segment<T>> {
        self.directory.get(self.slot(hash)).map(|&index| self.at(index))
    }

    #[inline]
    fn segment_mut(&mut self, hash: u64) -> Option<&mut Segment<T>> {
        let index = *self.directory.get(self.slot(hash))?;
        Some(self.at_mut(index))
    }

    /// The entry with this hash that `eq` accepts.
    #[inline(always)]
    pub fn find(&self, hash: u64, eq: impl FnMut(&T) -> bool) -> Option<&T> {
        self.segment(hash)?.entries.find(inner(hash), eq)
    }

    /// The entry with this hash that `eq` accepts.
    #[inline]
    pub fn find_mut(&mut self, hash: u64, eq: impl FnMut(&T) -> bool) -> Option<&mut T> {
        self.segment_mut(hash)?.entries.find_mut(inner(hash), eq)
    }

    /// The first entry that probably has this hash (seven bits of it agree): to touch its memory ahead of use.
    #[inline]
    pub fn guess(&self, hash: u64) -> Option<&T> {
        self.find(hash, |_| true)
    }

    /// Reads a byte of where an entry with this hash would be, for a caller that has many to insert: such reads, one after the other with
    /// nothing in between that waits for them, are all on their way at once.
    #[inline]
    pub fn touch(&self, hash: u64) {
        if let Some(segment) = self.segment(hash) {
            let bucket = inner(hash) as usize & (segment.entries.num_buckets() - 1);
            std::hint::black_box(segment.entries.get_bucket(bucket).is_some());
        }
    }

    /// Where an entry with this hash would be put, as far as that can be told from another entry nearby: for a caller that prefetches it,
    /// because a processor with too many writes under way to memory that it does not have waits with all others. To be called after
    /// [`SegmentedTable::touch`]. Nothing is to be read or written there.
    #[inline]
    pub fn vacancy(&self, hash: u64) -> Option<*const T> {
        let entries = &self.segment(hash)?.entries;
        let home = inner(hash) as usize;
        let (mut vacancy, mut neighbour) = (None, None);
        for place in home..home + GROUP_LEN {
            match entries.get_bucket(place & (entries.num_buckets() - 1)) {
                Some(entry) => neighbour = Some((place, std::ptr::from_ref(entry))),
                None => vacancy = vacancy.or(Some(place)),
            }
            if let (Some(vacancy), Some((place, entry))) = (vacancy, neighbour) {
                // hashbrown's buckets lie in descending order.
                return Some(entry.wrapping_add(place).wrapping_sub(vacancy));
            }
        }
        None
    }

    /// Every entry that has this hash, and some that only nearly do.
    pub fn candidates(&self, hash: u64) -> impl Iterator<Item = &T> {
        self.segment(hash).into_iter().flat_map(move |segment| segment.entries.iter_hash(inner(hash)))
    }

    /// Prepares the empty table for entries that are going to come: `expected` says how many of them have a hash from the first to the last
    /// of a range, both multiples of a power of two apart. What is prepared has no buckets before it has entries, so that too many expected
    /// cost 40 bytes for each [`SEGMENT_MAX`].
    pub fn expect(&mut self, expected: impl Fn(u64, u64) -> f64) {
        if !self.directory.is_empty() {
            return;
        }
        let mut depths = Vec::new();
        let mut ranges = vec![(0, 0)];
        // As deep as the table may be, and one more for each of the halves on the way.
        while let Some((first, depth)) = ranges.pop() {
            let span = u64::MAX >> depth;
            if depth < DEPTH_MAX && expected(first, first | span) > EXPECTED_MAX {
                let half = 1 << (63 - depth);
                ranges.extend([(first | half, depth + 1), (first, depth + 1)]);
            } else {
                depths.push(depth);
            }
        }
        self.depth = depths.iter().copied().max().unwrap_or(0);
        for depth in depths {
            let index = self.add_segment(HashTable::new(), depth as u8);
            let slots = self.directory.len() + (1 << (self.depth - depth));
            self.directory.resize(slots, index);
        }
    }

    /// Inserts an entry that is known to be absent. `rehash` gives the hash of an entry already inside.
    pub fn insert_unique(&mut self, hash: u64, entry: T, rehash: impl Rehash<T>) -> &mut T {
        if self.directory.is_empty() {
            let first = self.add_segment(HashTable::new(), 0);
            self.directory.push(first);
        }
        loop {
            let slot = self.slot(hash);
            let index = self.directory[slot];
            let segment = &mut self.blocks[index as usize / BLOCK][index as usize % BLOCK];
            let len = segment.entries.len();
            if len >= SEGMENT_MAX && u32::from(segment.depth) < DEPTH_MAX {
                self.split(slot, rehash);
                continue;
            }
            // hashbrown's capacity is what fits without moving anything.
            if len == segment.entries.capacity() {
                self.make_room(slot, rehash);
                continue;
            }
            self.len += 1;
            return self
                .at_mut(index)
                .entries
                .insert_unique(inner(hash), entry, |entry| inner(rehash.hash(entry)))
                .into_mut();
        }
    }

    /// Removes the entry with this hash that `eq` accepts.
    pub fn remove(&mut self, hash: u64, eq: impl FnMut(&T) -> bool, rehash: impl Rehash<T>) -> Option<T> {
        let slot = self.slot(hash);
        let index = *self.directory.get(slot)?;
        let segment = self.at_mut(index);
        let (entry, _) = segment.entries.find_entry(inner(hash), eq).ok()?.remove();
        let sparse = segment.is_sparse();
        self.len -= 1;
        if sparse {
            self.merge(slot, rehash);
        }
        Some(entry)
    }

    /// Removes an entry, each with the same probability. `below(n)` is a random number below `n`.
    pub fn take_random(&mut self, below: impl FnMut(usize) -> usize, rehash: impl Rehash<T>) -> Option<T> {
        let (index, bucket) = self.draw(below)?;
        let segment = self.at_mut(index);
        let (entry, _) = segment.entries.get_bucket_entry(bucket).ok()?.remove();
        let sparse = segment.is_sparse();
        self.len -= 1;
        if sparse {
            self.merge(self.slot(rehash.hash(&entry)), rehash);
        }
        Some(entry)
    }

    /// The segment that holds entries with this hash.
    pub fn segment_of(&self, hash: u64) -> Option<SegmentView<'_, T>> {
        let segment = self.segment(hash)?;
        let span = u64::MAX >> segment.depth;
        Some(SegmentView { segment, first: hash & !span, last: hash | span })
    }

    /// Every entry, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flatten().flat_map(|segment| segment.entries.iter())
    }

    /// The entries, to be changed in what [`Rehash`] does not look at.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.blocks.iter_mut().flatten().flat_map(|segment| segment.entries.iter_mut())
    }

    /// Segments, vacant ones among them.
    fn segment_slots(&self) -> usize {
        self.segments + self.free.len()
    }

    /// Visits about `count` entries from `cursor` on and returns where to go on; 0 is the beginning and the end. An entry
    /// present from the first call of a scan to the last is visited at least once, whatever happens in between.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut visit: impl FnMut(&'a T)) -> u64 {
        if self.directory.is_empty() {
            return 0;
        }
        let mut prefix = (cursor >> (BUCKET_BITS + VERSION_BITS)) & ((1 << DEPTH_MAX) - 1);
        let mut bucket = ((cursor >> VERSION_BITS) & ((1 << BUCKET_BITS) - 1)) as usize;
        let version = (cursor & ((1 << VERSION_BITS) - 1)) as u32;
        let mut visited = 0;
        let mut steps = count.saturating_mul(10);
        let first = self.at(self.directory[(prefix >> (DEPTH_MAX - self.depth)) as usize]);
        if first.version & ((1 << VERSION_BITS) - 1) != version {
            bucket = 0;
        }
        loop {
            let segment = self.at(self.directory[(prefix >> (DEPTH_MAX - self.depth)) as usize]);
            let span = DEPTH_MAX - u32::from(segment.depth);
            prefix = prefix >> span << span;
            let buckets = segment.entries.num_buckets();
            while bucket < buckets {
                if visited >= count || steps == 0 {
                    let version = u64::from(segment.version) & ((1 << VERSION_BITS) - 1);
                    return prefix << (BUCKET_BITS + VERSION_BITS) | (bucket as u64) << VERSION_BITS | version;
                }
                if let Some(entry) = segment.entries.get_bucket(bucket) {
                    visit(entry);
                    visited += 1;
                }
                steps -= 1;
                bucket += 1;
            }
            bucket = 0;
            // Segments may be empty, and there may be many of them.
            steps = steps.saturating_sub(1);
            prefix += 1 << span;
            if prefix == 1 << DEPTH_MAX {
                return 0;
            }
            if visited >= count || steps == 0 {
                return prefix << (BUCKET_BITS + VERSION_BITS);
            }
        }
    }

    /// An entry, each with the same probability. `below(n)` is a random number below `n`.
    pub fn random(&self, below: impl FnMut(usize) -> usize) -> Option<&T> {
        let (index, bucket) = self.draw(below)?;
        self.at(index).entries.get_bucket(bucket)
    }

    /// Visits neighbours, from a random place on, until `visit` answers false or the segment ends: cheap, and random enough for a sample.
    pub fn sample(&self, mut below: impl FnMut(usize) -> usize, mut visit: impl FnMut(&T) -> bool) {
        let Some((index, first)) = self.draw(&mut below) else { return };
        let entries = &self.at(index).entries;
        let buckets = entries.num_buckets();
        for step in 0..buckets {
            if let Some(entry) = entries.get_bucket((first + step) % buckets)
                && !visit(entry)
            {
                return;
            }
        }
    }

    /// Segment and bucket of an entry, each with the same probability.
    fn draw(&self, mut below: impl FnMut(usize) -> usize) -> Option<(u32, usize)> {
        if self.len == 0 {
            return None;
        }
        let slots = self.segment_slots();
        // A bucket number is drawn from the same range for every segment, so that each bucket of the table is as likely.
        let buckets = if slots == 1 { self.at(0).entries.num_buckets() } else { self.buckets_max() };
        // A miss is as likely as a bucket is empty; a table of nearly empty segments is the exception.
        for _ in 0..RANDOM_TRIES {
            let (index, bucket) = (below(slots) as u32, below(buckets));
            if self.at(index).entries.get_bucket(bucket).is_some() {
                return Some((index, bucket));
            }
        }
        let mut nth = below(self.len);
        for index in 0..slots as u32 {
            let entries = &self.at(index).entries;
            if nth < entries.len() {
                let bucket = (0..entries.num_buckets()).filter(|&at| entries.get_bucket(at).is_some()).nth(nth)?;
                return Some((index, bucket));
            }
            nth -= entries.len();
        }
        None
    }

    fn buckets_max(&self) -> usize {
        // Only hashes that agree in DEPTH_MAX bits make a segment larger than this.
        if self.depth < DEPTH_MAX {
            return BUCKETS_MAX;
        }
        self.blocks.iter().flatten().map(|segment| segment.entries.num_buckets()).max().unwrap_or(0)
    }

    fn next_version(&mut self) -> u32 {
        if self.versions == 0 {
            self.versions = first_version();
        }
        self.versions = self.versions.wrapping_add(1);
        self.versions
    }

    fn add_segment(&mut self, entries: HashTable<T>, depth: u8) -> u32 {
        let version = self.next_version();
        let segment = Segment { entries, depth, version };
        self.segments += 1;
        if let Some(index) = self.free.pop() {
            *self.at_mut(index) = segment;
            return index;
        }
        if self.blocks.last().is_none_or(|block| block.len() == BLOCK) {
            // The first block grows as needed, for small tables; the others are allocated whole.
            let capacity = if self.blocks.is_empty() { 1 } else { BLOCK };
            self.blocks.push(Vec::with_capacity(capacity));
        }
        let block = self.blocks.len() - 1;
        self.blocks[block].push(segment);
        (block * BLOCK + self.blocks[block].len() - 1) as u32
    }

    /// Makes room in a segment that takes no other entry without moving some. What fills it may be the marks that removed entries
    /// leave behind: then hashbrown would double a table that is more than half full, beyond [`BUCKETS_MAX`] too.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, slot: usize, rehash: impl Rehash<T>) {
        let segment = self.at_mut(self.directory[slot]);
        if segment.entries.capacity() == 0 && segment.depth > 0 {
            // Made ahead of its entries; growing from nothing would look at each of them again and again.
            segment.entries = HashTable::with_capacity(SEGMENT_MAX);
        } else if segment.entries.num_buckets() < BUCKETS_MAX || u32::from(segment.depth) == DEPTH_MAX {
            segment.entries.reserve(1, |entry| inner(rehash.hash(entry)));
        } else if segment.entries.len() >= SPLIT_MARKED {
            return self.split(slot, rehash);
        } else {
            let marked = std::mem::replace(&mut segment.entries, HashTable::with_capacity(SEGMENT_MAX));
            move_all(marked, &mut segment.entries, rehash);
        }
        let version = self.next_version();
        self.at_mut(self.directory[slot]).version = version;
    }

    #[cold]
    #[inline(never)]
    fn split(&mut self, slot: usize, rehash: impl Rehash<T>) {
        let index = self.directory[slot];
        let depth = u32::from(self.at(index).depth);
        let mut slot = slot;
        if depth == self.depth {
            self.directory = self.directory.iter().flat_map(|&index| [index, index]).collect();
            self.depth += 1;
            slot *= 2;
        }
        let full = std::mem::take(&mut self.at_mut(index).entries);
        let in_upper = |hash: u64| hash >> (63 - depth) & 1 == 1;
        let hashes = hashes_of(&full, rehash);
        // As many buckets as the whole had: half full is what they would grow to at once.
        let mut lower = HashTable::with_capacity(SEGMENT_MAX);
        let mut upper = HashTable::with_capacity(SEGMENT_MAX);
        for (entry, hash) in full.into_iter().zip(hashes) {
            let half = if in_upper(hash) { &mut upper } else { &mut lower };
            half.insert_unique(inner(hash), entry, |entry| inner(rehash.hash(entry)));
        }
        // The lower half keeps the slot, the upper half gets one.
        let version = self.next_version();
        let segment = self.at_mut(index);
        segment.entries = lower;
        segment.depth += 1;
        segment.version = version;
        let upper = self.add_segment(upper, depth as u8 + 1);
        let span = 1 << (self.depth - depth);
        let start = slot / span * span;
        self.directory[start + span / 2..start + span].fill(upper);
    }

    /// Merges the sparse segment of `slot` with its sibling, if that has the same depth and they fit; and what comes of it with its
    /// sibling, since nothing may ever be removed from that one again.
    #[cold]
    #[inline(never)]
    fn merge(&mut self, slot: usize, rehash: impl Rehash<T>) {
        loop {
            let segment = self.at(self.directory[slot]);
            if segment.depth == 0 || !segment.is_sparse() || !self.merge_once(slot, rehash) {
                break;
            }
        }
        if self.free.len() > VACANT_MAX + 3 * self.segments {
            self.compact();
        }
        if self.segments == 1 {
            self.shrink(rehash);
        }
    }

    /// Gives back vacant segments, and the half of a directory that no segment needs any more.
    fn compact(&mut self) {
        let mut new_index = vec![0; self.segment_slots()];
        let mut kept: Vec<Segment<T>> = Vec::with_capacity(self.segments);
        for (index, segment) in std::mem::take(&mut self.blocks).into_iter().flatten().enumerate() {
            if segment.depth != VACANT {
                new_index[index] = kept.len() as u32;
                kept.push(segment);
            }
        }
        let depth = kept.iter().map(|segment| u32::from(segment.depth)).max().unwrap_or(0);
        let step = 1 << (self.depth - depth);
        self.directory = self.directory.iter().step_by(step).map(|&index| new_index[index as usize]).collect();
        self.depth = depth;
        self.free = Vec::new();
        let mut kept = kept.into_iter();
        while kept.len() > 0 {
            let mut block = Vec::with_capacity(BLOCK.min(kept.len()));
            block.extend(kept.by_ref().take(BLOCK));
            self.blocks.push(block);
        }
    }

    /// Gives back most buckets of the only segment, if it needs only a few of them: so that a random bucket is rarely empty.
    fn shrink(&mut self, rehash: impl Rehash<T>) {
        let index = self.directory[0];
        let segment = self.at_mut(index);
        if segment.depth > 0 || segment.entries.len() >= segment.entries.num_buckets() / HOLLOW {
            return;
        }
        let len = segment.entries.len();
        segment.entries.shrink_to(2 * len, |entry| inner(rehash.hash(entry)));
        let version = self.next_version();
        self.at_mut(index).version = version;
    }

    /// Whether it did.
    fn merge_once(&mut self, slot: usize, rehash: impl Rehash<T>) -> bool {
        let depth = u32::from(self.at(self.directory[slot]).depth);
        let half = 1 << (self.depth - depth);
        let start = slot / (2 * half) * (2 * half);
        let (lower, upper) = (self.directory[start], self.directory[start + half]);
        if u32::from(self.at(lower).depth) != depth || u32::from(self.at(upper).depth) != depth {
            return false;
        }
        if self.at(lower).entries.len() + self.at(upper).entries.len() >= 2 * MERGE_BELOW {
            return false;
        }
        let vacated = self.at_mut(upper);
        vacated.depth = VACANT;
        let moved = std::mem::take(&mut vacated.entries);
        let kept = std::mem::take(&mut self.at_mut(lower).entries);
        let both = match (kept.is_empty(), moved.is_empty()) {
            // Nothing has to be read: entries that go in the order of their hashes leave one of two halves empty each time.
            (_, true) => kept,
            (true, false) => moved,
            (false, false) => {
                let mut both = HashTable::with_capacity(kept.len() + moved.len());
                move_all(kept, &mut both, rehash);
                move_all(moved, &mut both, rehash);
                both
            }
        };
        let version = self.next_version();
        let segment = self.at_mut(lower);
        segment.entries = both;
        segment.depth -= 1;
        segment.version = version;
        self.directory[start..start + 2 * half].fill(lower);
        self.free.push(upper);
        self.segments -= 1;
        true
    }
}

/// A look at one segment: for walks in hash order. What stands in a bucket stays there for as long as the version is the same.
pub struct SegmentView<'a, T> {
    segment: &'a Segment<T>,
    /// The hashes that belong here.
    pub first: u64,
    pub last: u64,
}

impl<'a, T> SegmentView<'a, T> {
    pub fn version(&self) -> u32 {
        self.segment.version
    }

    pub fn buckets(&self) -> usize {
        self.segment.entries.num_buckets()
    }

    #[inline]
    pub fn get(&self, bucket: usize) -> Option<&'a T> {
        self.segment.entries.get_bucket(bucket)
    }

    pub fn iter(&self) -> impl Iterator<Item = &'a T> {
        self.segment.entries.iter()
    }
}

/// Draws before a random entry is looked for in order.
const RANDOM_TRIES: usize = 10_000;

#[cfg(test)]
mod tests;
