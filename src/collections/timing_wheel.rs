//! A hierarchical timing wheel (Varghese and Lauck, 1987): which records are due at which tick, in 8 bytes a record.
//!
//! ```text
//!   level 0: 512 slots of     1 tick     a ring: the slots after the one of `now` hold the next 511 ticks
//!   level 1: 512 slots of   256 ticks    before `now` enters a slot, its records are filed again, one level down or lower
//!   ...
//!   level 5: 512 slots of 2^40 ticks
//! ```
//!
//! Twice as many slots as a digit has values: so the records of the next slot of a level fit below it already while `now` is still in the
//! slot before it, and can be filed there in slices ([`TimingWheel::file_ahead`]). Otherwise a quarter of a second's worth of records (or a
//! minute's, or five hours') would have to be filed at the very moment when the first of them are due.
//!
//! A record is a number that means something to the caller (the keyspace files hashes of keys) and is filed without its tick: when a
//! slot is reached the caller is asked what each record is due at *now*, so a deadline that moved later costs nothing until the old
//! one comes. A record whose key is gone is dropped then. A caller that makes many stale records calls [`TimingWheel::sweep`],
//! which asks for every record, in slices, and files what is kept anew. Time goes on meanwhile: records that are due before the sweep
//! comes to them are asked for at their tick as ever.
//!
//! The caller's clock may be set back ([`TimingWheel::turn_back`]); the wheel's own does not go back: from then on it is so much ahead, and
//! what was filed before is asked for too early, and filed again where it belongs.
//!
//! Invariants: slots up to that of `now` are empty at every level; a record is filed at the lowest level whose ring it fits into, so at
//! level 1 and above at least two slots ahead: the next slot gets no more. `first` is never after the first tick of what is filed. Slots
//! are lists of chunks: filing never copies old records.
//!
//! Cost: filing is a shift, a push and a bit; a record is asked for once per level that it comes through.

const LEVELS: usize = 6;
/// Bits by which the levels' ticks differ.
const DIGIT_BITS: u32 = 8;
/// Slots of a ring.
const SLOTS: usize = 2 << DIGIT_BITS;
/// Last tick that the levels can tell from others.
const TICK_MAX: u64 = (1 << (DIGIT_BITS * LEVELS as u32)) - 1;
/// Records in a full chunk; a slot's first chunk grows up to it.
const CHUNK: usize = 512;

/// Records that [`TimingWheel::advance_ahead`] tells of at once: what is done for one of them does not wait for what is done for another.
const AHEAD: usize = 32;
type Chunks = Vec<Vec<u64>>;

/// Records by the tick at which they are due.
#[derive(Default)]
pub struct TimingWheel {
    now: u64,
    /// Ticks that this clock is ahead of the caller's.
    ahead: u64,
    filed: Levels,
    /// What a sweep has still to ask for.
    unswept: Levels,
    /// Reached, and not yet asked for.
    due: Chunks,
    /// Of the next slot of some level, to be filed again before its first tick.
    early: Chunks,
    early_first: u64,
    /// There is nothing to do before this tick, if anything is filed: looked for when time moves, so that asking costs nothing.
    first: u64,
    len: usize,
    lottery: Lottery,
}

/// Where records are, so that one can be drawn: made now and then, and good enough in between.
#[derive(Default)]
struct Lottery {
    /// Places before the end of each list, and which list it is.
    ends: Vec<(usize, List)>,
    /// Draws until it is made again.
    draws_left: usize,
}

/// Draws between two looks at all slots.
const DRAWS: usize = 1024;

/// A list of records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum List {
    Due,
    Early,
    /// With level and slot.
    Filed((usize, usize)),
    Unswept((usize, usize)),
}

/// The slots of all levels.
#[derive(Default)]
struct Levels {
    /// Of each level `SLOTS` lists, none until its first record is filed.
    slots: [Vec<Chunks>; LEVELS],
    occupied: [[u64; SLOTS / 64]; LEVELS],
}

impl Levels {
    /// Files a record for `tick`, which is in `now + 1 ..= TICK_MAX`; the first tick of its slot.
    #[inline]
    fn file(&mut self, now: u64, tick: u64, record: u64) -> u64 {
        let mut level = 0;
        while (tick >> (DIGIT_BITS * level)) - (now >> (DIGIT_BITS * level)) >= SLOTS as u64 {
            level += 1;
        }
        let slot = (tick >> (DIGIT_BITS * level)) as usize % SLOTS;
        let level = level as usize;
        let slots = &mut self.slots[level];
        if slots.is_empty() {
            slots.resize_with(SLOTS, Vec::new);
        }
        push(&mut slots[slot], record);
        self.occupied[level][slot / 64] |= 1 << (slot % 64);
        let shift = DIGIT_BITS * level as u32;
        tick >> shift << shift
    }

    /// The first occupied slot of a level and its first tick.
    #[inline]
    fn next_of(&self, now: u64, level: usize) -> Option<(usize, u64)> {
        let occupied = &self.occupied[level];
        if occupied.iter().all(|&word| word == 0) {
            return None;
        }
        let shift = DIGIT_BITS * level as u32;
        let next = (now >> shift) + 1;
        let from = next as usize % SLOTS;
        let slot = next_bit(occupied, from).or_else(|| next_bit(occupied, 0))?;
        let distance = (slot + SLOTS - from) % SLOTS;
        Some((slot, (next + distance as u64) << shift))
    }

    /// The first occupied slot: level, index, first tick.
    fn next_slot(&self, now: u64) -> Option<(usize, usize, u64)> {
        (0..LEVELS)
            .filter_map(|level| self.next_of(now, level).map(|(slot, first)| (level, slot, first)))
            .min_by_key(|&(_, _, first)| first)
    }

    /// Every occupied slot, in no order: level and index.
    fn all_occupied(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..LEVELS).flat_map(|level| {
            let bits = self.occupied[level];
            let next = move |&slot: &usize| next_bit(&bits, slot + 1);
            std::iter::successors(next_bit(&bits, 0), next).map(move |slot| (level, slot))
        })
    }

    /// Empties a slot.
    fn take(&mut self, level: usize, slot: usize) -> Chunks {
        self.occupied[level][slot / 64] &= !(1 << (slot % 64));
        self.slots[level].get_mut(slot).map(std::mem::take).unwrap_or_default()
    }

    fn slot(&self, at: (usize, usize)) -> Option<&Chunks> {
        self.slots[at.0].get(at.1)
    }

    fn is_unused(&self) -> bool {
        self.slots.iter().all(Vec::is_empty)
    }

    fn memory_bytes(&self) -> usize {
        self.slots.iter().map(|slots| slots.capacity() * size_of::<Chunks>()).sum()
    }
}

impl TimingWheel {
    /// A wheel that has passed tick `now`.
    pub fn new(now: u64) -> TimingWheel {
        TimingWheel { now, ..TimingWheel::default() }
    }

    /// Records filed, stale ones among them.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Records reached and not yet asked for.
    pub fn due_len(&self) -> usize {
        self.due.iter().map(Vec::len).sum()
    }

    /// Memory held, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.filed.memory_bytes() + self.unswept.memory_bytes() + self.len * size_of::<u64>()
    }

    /// Files `record` to be asked for at `tick`, at the next [`TimingWheel::advance`] if that has passed.
    pub fn file(&mut self, tick: u64, record: u64) {
        self.file_at(self.own_tick(tick), record);
    }

    /// The caller's clock has been set back by so many ticks.
    pub fn turn_back(&mut self, by: u64) {
        self.ahead = self.ahead.saturating_add(by).min(TICK_MAX);
    }

    /// A tick of the caller's by the wheel's own clock.
    #[inline]
    fn own_tick(&self, tick: u64) -> u64 {
        tick.saturating_add(self.ahead).min(TICK_MAX)
    }

    fn file_at(&mut self, tick: u64, record: u64) {
        let first = if tick <= self.now {
            push(&mut self.due, record);
            self.now
        } else {
            self.filed.file(self.now, tick, record)
        };
        self.first = if self.len == 0 { first } else { self.first.min(first) };
        self.len += 1;
    }

    /// The first tick at which there is something to do, which is at once during a sweep; None: nothing is filed. Too early, until time
    /// comes to it, if what was first has been dropped.
    #[inline]
    pub fn next_tick(&self) -> Option<u64> {
        (self.len > 0).then_some(self.first.saturating_sub(self.ahead))
    }

    /// Finds the first tick at which there is something to do.
    fn find_first(&mut self) {
        self.first = match !self.due.is_empty() || self.is_sweeping() {
            true => self.now,
            false => self.next_filed().unwrap_or(u64::MAX),
        };
    }

    /// The first tick of what is filed and not due.
    fn next_filed(&self) -> Option<u64> {
        let early = (!self.early.is_empty()).then_some(self.early_first);
        [self.next_slot().map(|(_, _, first)| first), early].into_iter().flatten().min()
    }

    /// The first occupied slot, of what a sweep has left too: level, index, first tick. A tick that is yet to come has one slot at a
    /// time and level, so both have the same one if they have the same level and first tick.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let filed = self.filed.next_slot(self.now);
        if !self.is_sweeping() {
            return filed;
        }
        [filed, self.unswept.next_slot(self.now)].into_iter().flatten().min_by_key(|&(_, _, first)| first)
    }

    /// Moves time to `tick` if there is nothing to do up to then; whether that was so.
    #[inline]
    pub fn pass(&mut self, tick: u64) -> bool {
        let tick = self.own_tick(tick);
        let is_passed = self.len == 0 || self.first > tick;
        if is_passed {
            self.now = self.now.max(tick);
        }
        is_passed
    }

    /// Moves time to `tick` and asks `due` for up to `budget` records on the way, slot by slot in the order of their ticks: the
    /// tick at which the record is really due (to be filed again if that has not come) or None to drop it. Returns the part of the
    /// budget that is left; 0 means that time may not have come to `tick` yet and the call should be repeated.
    pub fn advance(&mut self, tick: u64, budget: usize, due: impl FnMut(u64) -> Option<u64>) -> usize {
        self.advance_ahead(tick, budget, |_| {}, due)
    }

    /// The same; `ahead` is told of most records a little before `due` is asked for them.
    pub fn advance_ahead(
        &mut self,
        tick: u64,
        mut budget: usize,
        mut ahead: impl FnMut(u64),
        mut due: impl FnMut(u64) -> Option<u64>,
    ) -> usize {
        let tick = self.own_tick(tick);
        loop {
            while let Some(chunk) = self.due.last_mut() {
                while let Some(record) = chunk.pop() {
                    if budget == 0 {
                        chunk.push(record);
                        self.first = self.now;
                        return 0;
                    }
                    tell_ahead(chunk, &mut ahead);
                    budget -= 1;
                    self.len -= 1;
                    if let Some(again) = due(record) {
                        // Never at once: what is due now has been told so and was not dropped.
                        self.file_later(again, record);
                        // Filing touches the slots, not the list of what is due.
                        break;
                    }
                }
                if self.due.last().is_some_and(Vec::is_empty) {
                    self.due.pop();
                }
            }
            match self.next_filed() {
                Some(first) if first <= tick => self.enter(first),
                next => {
                    self.now = self.now.max(tick);
                    self.first = if self.is_sweeping() { self.now } else { next.unwrap_or(u64::MAX) };
                    return budget;
                }
            }
        }
    }

    /// Moves time to the first tick of slots, of several levels perhaps, and takes what is in them. Nothing is due, or filed before it.
    fn enter(&mut self, first: u64) {
        self.now = self.now.max(first);
        for level in 0..LEVELS {
            let shift = DIGIT_BITS * level as u32;
            if first & ((1 << shift) - 1) != 0 {
                break;
            }
            let slot = (first >> shift) as usize % SLOTS;
            self.due.append(&mut self.filed.take(level, slot));
            self.due.append(&mut self.unswept.take(level, slot));
        }
        if self.early_first <= self.now {
            // It was not filed in time, so it is asked for now.
            self.due.append(&mut self.early);
        }
    }

    /// Asks for up to `budget` records of slots that time is about to enter, and files them where they belong. Returns the part of the
    /// budget that is left; 0 means that there may be more.
    pub fn file_ahead(
        &mut self,
        mut budget: usize,
        mut ahead: impl FnMut(u64),
        mut due: impl FnMut(u64) -> Option<u64>,
    ) -> usize {
        loop {
            while let Some(mut chunk) = self.early.pop() {
                while let Some(record) = chunk.pop() {
                    if budget == 0 {
                        chunk.push(record);
                        self.early.push(chunk);
                        return 0;
                    }
                    tell_ahead(&chunk, &mut ahead);
                    budget -= 1;
                    self.len -= 1;
                    if let Some(again) = due(record) {
                        self.file_later(again, record);
                    }
                }
            }
            let Some((level, slot, first)) = self.next_to_file() else {
                self.find_first();
                return budget;
            };
            self.early = self.filed.take(level, slot);
            self.early_first = first;
        }
    }

    /// Whether there are records that [`TimingWheel::file_ahead`] would ask for.
    pub fn has_to_file(&self) -> bool {
        self.len > 0 && (!self.early.is_empty() || self.next_to_file().is_some())
    }

    /// The next slot of some level above the lowest, if it is the one that time enters next: level, index, first tick.
    fn next_to_file(&self) -> Option<(usize, usize, u64)> {
        (1..LEVELS).find_map(|level| {
            let shift = DIGIT_BITS * level as u32;
            let (slot, first) = self.filed.next_of(self.now, level)?;
            (first >> shift == (self.now >> shift) + 1).then_some((level, slot, first))
        })
    }

    fn file_later(&mut self, tick: u64, record: u64) {
        self.file_at(self.own_tick(tick).max(self.now + 1), record);
    }

    /// Draws a record, each with nearly the same probability, and drops it if `keep` says so. It may find none.
    pub fn draw(&mut self, mut below: impl FnMut(usize) -> usize, keep: impl FnOnce(u64) -> bool) {
        if self.lottery.draws_left == 0 {
            self.hold_lottery();
        }
        self.lottery.draws_left -= 1;
        let places = self.lottery.ends.last().map_or(0, |&(end, _)| end);
        if places == 0 {
            self.lottery.draws_left = 0;
            return;
        }
        let place = below(places);
        let nth = self.lottery.ends.partition_point(|&(end, _)| end <= place);
        let start = if nth == 0 { 0 } else { self.lottery.ends[nth - 1].0 };
        let list = self.lottery.ends[nth].1;
        let (chunk, at) = ((place - start) / CHUNK, (place - start) % CHUNK);
        let record = self.list(list).get(chunk).and_then(|chunk| chunk.get(at)).copied();
        if let Some(record) = record
            && !keep(record)
        {
            self.drop_record(list, chunk, at);
        }
    }

    /// Visits about `count` of the records that are filed first: all of a slot, or some of it drawn at random if it holds more. Those of
    /// which `keep` says so are dropped.
    pub fn first(
        &mut self,
        mut count: usize,
        mut below: impl FnMut(usize) -> usize,
        mut keep: impl FnMut(u64) -> bool,
    ) {
        // Where each level of what is filed, and of what a sweep has left, has been visited up to.
        let mut visited = [[self.now; LEVELS]; 2];
        let mut next = Some(List::Due);
        let mut is_early_left = true;
        while let Some(list) = next {
            next = self.list_after(&mut visited, &mut is_early_left);
            if count == 0 {
                break;
            }
            let records: usize = self.list(list).iter().take(count / CHUNK + 2).map(Vec::len).sum();
            if records > count {
                for _ in 0..count {
                    let chunks = self.list(list);
                    if chunks.is_empty() {
                        break;
                    }
                    let chunk = below(chunks.len());
                    let at = below(chunks[chunk].len());
                    let record = chunks[chunk][at];
                    if !keep(record) {
                        self.drop_record(list, chunk, at);
                    }
                }
                return;
            }
            count -= records;
            for chunk in (0..self.list(list).len()).rev() {
                for at in (0..self.list(list)[chunk].len()).rev() {
                    let record = self.list(list)[chunk][at];
                    if !keep(record) {
                        self.drop_record(list, chunk, at);
                    }
                }
            }
        }
    }

    /// The list with the first tick of those that have not been visited.
    fn list_after(&self, visited: &mut [[u64; LEVELS]; 2], is_early_left: &mut bool) -> Option<List> {
        let mut best: Option<(u64, usize, usize, usize)> = None;
        for (set, levels) in [&self.filed, &self.unswept].into_iter().enumerate() {
            for (level, &until) in visited[set].iter().enumerate() {
                let shift = DIGIT_BITS * level as u32;
                if let Some((slot, first)) = levels.next_of(until, level)
                    && (first >> shift) - (self.now >> shift) < SLOTS as u64
                    && best.is_none_or(|(so_far, ..)| first < so_far)
                {
                    best = Some((first, set, level, slot));
                }
            }
        }
        if std::mem::take(is_early_left) {
            if best.is_none_or(|(first, ..)| self.early_first <= first) {
                return Some(List::Early);
            }
            *is_early_left = true;
        }
        let (first, set, level, slot) = best?;
        visited[set][level] = first;
        let at = (level, slot);
        Some(if set == 0 { List::Filed(at) } else { List::Unswept(at) })
    }

    fn hold_lottery(&mut self) {
        let mut ends = std::mem::take(&mut self.lottery.ends);
        ends.clear();
        let mut end = 0;
        let filed = self.filed.all_occupied().map(List::Filed);
        let unswept = self.unswept.all_occupied().map(List::Unswept);
        for list in [List::Due, List::Early].into_iter().chain(filed).chain(unswept) {
            end += match self.list(list).as_slice() {
                [] => 0,
                [only] => only.len(),
                // As if all were full: a place without a record is a draw without a prize.
                chunks => chunks.len() * CHUNK,
            };
            ends.push((end, list));
        }
        self.lottery = Lottery { ends, draws_left: DRAWS };
    }

    fn list(&self, list: List) -> &Chunks {
        const NONE: &Chunks = &Vec::new();
        match list {
            List::Due => &self.due,
            List::Early => &self.early,
            List::Filed(at) => self.filed.slot(at).unwrap_or(NONE),
            List::Unswept(at) => self.unswept.slot(at).unwrap_or(NONE),
        }
    }

    fn drop_record(&mut self, list: List, chunk: usize, at: usize) {
        let (chunks, levels) = match list {
            List::Due => (&mut self.due, None),
            List::Early => (&mut self.early, None),
            List::Filed((level, slot)) => {
                (&mut self.filed.slots[level][slot], Some((&mut self.filed.occupied[level], slot)))
            }
            List::Unswept((level, slot)) => {
                (&mut self.unswept.slots[level][slot], Some((&mut self.unswept.occupied[level], slot)))
            }
        };
        chunks[chunk].swap_remove(at);
        self.len -= 1;
        if chunks[chunk].is_empty() {
            chunks.swap_remove(chunk);
        }
        if chunks.is_empty()
            && let Some((occupied, slot)) = levels
        {
            *chunks = Vec::new();
            occupied[slot / 64] &= !(1 << (slot % 64));
        }
    }

    /// Begins to ask for every record, so that stale ones go; [`TimingWheel::sweep`] does the work.
    pub fn begin_sweep(&mut self) {
        if !self.is_sweeping() {
            self.unswept = std::mem::take(&mut self.filed);
            self.first = self.now;
        }
    }

    #[inline]
    pub fn is_sweeping(&self) -> bool {
        !self.unswept.is_unused()
    }

    /// Asks for up to `budget` records of the sweep: the tick at which to file it again, or None to drop it.
    pub fn sweep(&mut self, mut budget: usize, mut keep: impl FnMut(u64) -> Option<u64>) {
        while let Some((level, slot, _)) = self.unswept.next_slot(self.now) {
            let mut chunks = self.unswept.take(level, slot);
            while let Some(mut chunk) = chunks.pop() {
                while let Some(record) = chunk.pop() {
                    if budget == 0 {
                        chunk.push(record);
                        chunks.push(chunk);
                        self.unswept.slots[level][slot] = chunks;
                        self.unswept.occupied[level][slot / 64] |= 1 << (slot % 64);
                        return;
                    }
                    budget -= 1;
                    self.len -= 1;
                    if let Some(tick) = keep(record) {
                        self.file_later(tick, record);
                    }
                }
            }
        }
        self.unswept = Levels::default();
        self.find_first();
    }
}

/// A record has been taken from the end of `chunk`: tells of those that come next, if they are the first of a group.
#[inline]
fn tell_ahead(chunk: &[u64], ahead: impl FnMut(u64)) {
    if chunk.len().is_multiple_of(AHEAD) {
        chunk[chunk.len().saturating_sub(AHEAD)..].iter().rev().copied().for_each(ahead);
    }
}

fn push(chunks: &mut Chunks, record: u64) {
    match chunks.last_mut() {
        Some(chunk) if chunk.len() < CHUNK => chunk.push(record),
        None => chunks.push(vec![record]),
        Some(_) => {
            let mut chunk = Vec::with_capacity(CHUNK);
            chunk.push(record);
            chunks.push(chunk);
        }
    }
}

/// The first set bit at or after `from`.
fn next_bit(bits: &[u64; SLOTS / 64], from: usize) -> Option<usize> {
    let mut word = from / 64;
    let mut mask = u64::MAX << (from % 64);
    while word < bits.len() {
        let found = bits[word] & mask;
        if found != 0 {
            return Some(word * 64 + found.trailing_zeros() as usize);
        }
        word += 1;
        mask = u64::MAX;
    }
    None
}

#[cfg(test)]
mod tests;
