//! The input under a toy protocol, so that only the rings are under test: four bytes of length, that many bytes, two bytes of line end.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::{BULK_TRUST_BYTES, Input};
use crate::base::random::Random;
use crate::reactor::buffer::{BufferPool, RING_CAPACITY};

/// A payload of at least this many bytes gets a buffer of its own.
const BIG: usize = 32 * 1024;
const HEADER: usize = 4;

fn frame(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_le_bytes(), payload, b"\r\n"].concat()
}

fn payload(random: &mut Random, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    random.fill(&mut bytes);
    bytes
}

enum Parsed {
    Complete(usize),
    Incomplete,
    Big(usize),
}

fn parse(bytes: &[u8]) -> Parsed {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Parsed::Incomplete };
    let len = u32::from_le_bytes(*header) as usize;
    if bytes.len() >= HEADER + len + 2 {
        Parsed::Complete(HEADER + len + 2)
    } else if len >= BIG {
        Parsed::Big(len)
    } else {
        Parsed::Incomplete
    }
}

/// A connection as the engine drives it.
#[derive(Default)]
struct Reader {
    input: Input,
    pool: BufferPool,
    received: u64,
    payloads: VecDeque<Vec<u8>>,
    spilled: usize,
    unreceived: Rc<Cell<usize>>,
}

impl Reader {
    /// One `recv` of up to `most` bytes; how many it took.
    fn receive(&mut self, bytes: &[u8], most: usize) -> usize {
        if self.input.is_full() {
            self.input.spill();
        }
        let space = self.input.space(&mut self.pool);
        assert!(!space.is_empty(), "room for at least a byte");
        let len = space.len().min(bytes.len()).min(most);
        space[..len].copy_from_slice(&bytes[..len]);
        self.input.received(len);
        self.received += len as u64;
        assert_eq!(self.input.received_bytes(), self.received);
        while self.gather() {}
        if !self.input.is_spilled() {
            self.input.settle(&mut self.pool);
        }
        len
    }

    /// Whether there may be another frame.
    fn gather(&mut self) -> bool {
        if !self.input.is_spilled() {
            let bytes = self.input.parts().0.to_vec();
            assert_eq!(bytes, self.input.frame());
            match parse(self.input.bytes()) {
                Parsed::Complete(used) => {
                    self.payloads.push_back(self.input.bytes()[HEADER..used - 2].to_vec());
                    self.input.consume(used);
                    return true;
                }
                Parsed::Incomplete => return false,
                Parsed::Big(len) => {
                    self.input.spill();
                    self.input.begin_bulk(HEADER, len, &self.unreceived);
                    return false;
                }
            }
        }
        self.spilled += 1;
        self.input.spill();
        let mut big = None;
        if self.input.awaits_bulk() {
            let Some(index) = self.input.bulk_arrived() else { return false };
            assert_eq!(index, 0);
            big = self.input.owned.pop();
            self.input.spill();
        }
        if let Some(bytes) = big {
            self.payloads.push_back(bytes);
            let (frame, _) = self.input.spilled_parts().expect("a frame in pieces");
            assert!(frame.len() >= HEADER);
            let taken = self.input.take_spilled(HEADER, &mut self.pool);
            assert!(taken.len() >= HEADER && !self.input.is_spilled());
            return true;
        }
        let (frame, _) = self.input.spilled_parts().expect("a frame in pieces");
        match parse(frame) {
            Parsed::Complete(used) => {
                let taken = self.input.take_spilled(used, &mut self.pool);
                self.payloads.push_back(taken[HEADER..used - 2].to_vec());
                true
            }
            Parsed::Incomplete => false,
            Parsed::Big(len) => {
                self.input.begin_bulk(HEADER, len, &self.unreceived);
                false
            }
        }
    }
}

fn some_len(random: &mut Random) -> usize {
    let near = |random: &mut Random, len: usize| len - 8 + random.below(16) as usize;
    match random.below(20) {
        0 => near(random, RING_CAPACITY),
        1 => near(random, 2 * RING_CAPACITY),
        2 => near(random, BIG),
        3 => random.below(100_000) as usize,
        4 => near(random, 300_000),
        5..=8 => random.below(RING_CAPACITY as u64) as usize,
        9 => 0,
        _ => random.below(200) as usize,
    }
}

#[test]
fn what_was_sent_arrives() {
    let mut spilled = 0;
    for seed in 0..40 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let sent: Vec<Vec<u8>> = (0..60)
            .map(|_| {
                let len = some_len(&mut random);
                payload(&mut random, len)
            })
            .collect();
        let bytes: Vec<u8> = sent.iter().flat_map(|payload| frame(payload)).collect();
        let mut reader = Reader::default();
        let mut at = 0;
        while at < bytes.len() {
            let most = match random.below(4) {
                0 => 1 + random.below(3) as usize,
                1 => 1 + random.below(500) as usize,
                _ => 1 + random.below(3 * RING_CAPACITY as u64) as usize,
            };
            at += reader.receive(&bytes[at..], most);
            // What is held is what came and belongs to no payload yet, less the line ends and headers dropped on the way.
            let taken: usize = reader.payloads.iter().map(|payload| payload.len() + HEADER + 2).sum();
            let held = reader.input.pending_bytes();
            assert!(held <= at - taken && at - taken <= held + 2, "seed {seed} at {at}: {held}, {taken}");
            assert!(reader.input.memory_bytes() >= held);
        }
        assert!(reader.payloads.iter().eq(sent.iter()), "seed {seed}");
        assert_eq!(reader.unreceived.get(), 0, "seed {seed}");
        assert!(reader.input.is_empty() && reader.input.memory_bytes() == 0, "an empty input holds no memory");
        assert!(reader.pool.reserve_bytes() > 0, "its ring went back");
        spilled += reader.spilled;
    }
    assert!(spilled > 1000, "{spilled}");
}

/// Around a payload with a buffer of its own, the reads end at every place of its line end and header.
#[test]
fn a_big_payload_may_be_cut_anywhere() {
    let mut random = Random::new(100);
    for len in [BIG, BIG + 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 3 * RING_CAPACITY] {
        let (before, big, after) = (payload(&mut random, 5), payload(&mut random, len), payload(&mut random, 9));
        let bytes = [frame(&before), frame(&big), frame(&after)].concat();
        let begin = frame(&before).len();
        let end = begin + HEADER + len;
        let cuts: Vec<usize> = (begin.saturating_sub(2)..begin + HEADER + 3).chain(end - 3..end + 6).collect();
        for &first in &cuts {
            for &second in &cuts {
                if first >= second {
                    continue;
                }
                let mut reader = Reader::default();
                for (mut from, to) in [(0, first), (first, second), (second, bytes.len())] {
                    while from < to {
                        from += reader.receive(&bytes[from..to], usize::MAX);
                    }
                }
                assert!(reader.payloads.iter().eq([&before, &big, &after]), "{len}, cut at {first} and {second}");
                assert!(reader.input.is_empty(), "{len}, cut at {first} and {second}");
            }
        }
    }
}

/// The sender's word costs nothing; only what it sends does.
#[test]
fn a_buffer_grows_as_data_arrives() {
    let mut reader = Reader::default();
    reader.receive(&(400 * 1024 * 1024u32).to_le_bytes(), usize::MAX);
    assert!(reader.input.memory_bytes() < 256 * 1024, "{}", reader.input.memory_bytes());
    let chunk = vec![b'x'; 8 * 1024];
    let mut sent = 0;
    while sent < BULK_TRUST_BYTES / 2 {
        sent += reader.receive(&chunk, usize::MAX);
        let memory = reader.input.memory_bytes();
        assert!(memory <= 3 * sent + 256 * 1024, "{memory} bytes for {sent}");
    }
    assert!(reader.input.awaits_bulk() && reader.input.is_spilled());
    // From then on the address space is there, and what is in use is still no more than what came.
    while sent < 2 * BULK_TRUST_BYTES {
        sent += reader.receive(&chunk, usize::MAX);
        let used = reader.input.memory_bytes() - reader.unreceived.get();
        assert!(used <= sent + 4 * RING_CAPACITY, "{used} bytes for {sent}");
    }
    assert!(reader.input.memory_bytes() >= 400 * 1024 * 1024);
    reader.input.close(&mut reader.pool);
    assert!(reader.input.is_empty() && reader.input.memory_bytes() == 0 && reader.input.pending_bytes() == 0);
    assert_eq!(reader.unreceived.get(), 0);
}

#[test]
fn a_partial_frame_moves_to_the_front_once() {
    let mut pool = BufferPool::default();
    let mut input = Input::default();
    let mut sent = 0u8;
    let mut expected: VecDeque<u8> = VecDeque::new();
    let mut random = Random::new(101);
    for _ in 0..20_000 {
        let space = input.space(&mut pool);
        let len = space.len().min(random.below(3000) as usize);
        for byte in &mut space[..len] {
            sent = sent.wrapping_add(1);
            *byte = sent;
            expected.push_back(sent);
        }
        input.received(len);
        assert!(input.bytes().iter().eq(&expected));
        let consumed = random.below(input.bytes().len() as u64 + 1) as usize;
        input.consume(consumed);
        expected.drain(..consumed);
        assert_eq!(input.is_empty(), expected.is_empty());
        input.settle(&mut pool);
        assert!(input.bytes().iter().eq(&expected), "what is left is still there");
        assert_eq!(input.memory_bytes(), if expected.is_empty() { 0 } else { RING_CAPACITY });
        if !expected.is_empty() {
            assert_eq!(input.space(&mut pool).len(), RING_CAPACITY - expected.len(), "all the rest is room");
        }
    }
}

#[test]
fn the_pool_keeps_what_it_is_given_up_to_a_limit() {
    let mut pool = BufferPool::default();
    let buffers: Vec<_> = (0..1100).map(|_| pool.take()).collect();
    assert_eq!(pool.reserve_bytes(), 0);
    buffers.into_iter().for_each(|buffer| pool.give(buffer));
    assert_eq!(pool.reserve_bytes(), 1024 * RING_CAPACITY);
}

#[test]
fn the_pool_lets_go_of_what_is_not_needed() {
    let mut pool = BufferPool::default();
    let busy = |pool: &mut BufferPool, count: usize| {
        let buffers: Vec<_> = (0..count).map(|_| pool.take()).collect();
        buffers.into_iter().for_each(|buffer| pool.give(buffer));
    };
    busy(&mut pool, 1000);
    pool.shrink();
    assert_eq!(pool.reserve_bytes(), 1000 * RING_CAPACITY, "all of it was in use");
    for expected in [510, 265, 142, 81, 50, 35, 27, 23, 21, 20, 20, 20] {
        busy(&mut pool, 20);
        pool.shrink();
        assert_eq!(pool.reserve_bytes(), expected * RING_CAPACITY);
    }
    for expected in [10, 5, 2, 1, 0, 0] {
        pool.shrink();
        assert_eq!(pool.reserve_bytes(), expected * RING_CAPACITY, "nobody needs any");
    }
}
