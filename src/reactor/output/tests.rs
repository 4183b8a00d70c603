//! The output against a queue of bytes.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use super::{FLUSH_BYTES, IOV_MAX, Output, SharedMessage};
use crate::base::random::Random;
use crate::base::sink::Sink;
use crate::reactor::buffer::{BufferPool, RING_CAPACITY};

/// Bytes that count up, so that any confusion of their order shows.
struct Source(u64);

impl Source {
    fn take(&mut self, len: usize) -> Vec<u8> {
        (0..len)
            .map(|_| {
                self.0 += 1;
                (self.0 ^ self.0 >> 8 ^ self.0 >> 16) as u8
            })
            .collect()
    }
}

/// What `writev` would be given.
fn waiting(output: &Output) -> Vec<u8> {
    let mut pieces = [IoSlice::new(&[]); IOV_MAX];
    let count = output.pieces(&mut pieces);
    let bytes = pieces[..count].iter().flat_map(|piece| piece.iter().copied()).collect();
    if let Some(single) = output.single_piece() {
        assert_eq!(single, bytes);
    }
    bytes
}

#[test]
fn what_was_put_is_sent_in_order() {
    let (mut overflows, mut wraps, mut firsts) = (0, 0, 0);
    for seed in 0..10 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut source = Source(0);
        let mut pool = BufferPool::default();
        let mut output = Output::default();
        let mut twin: VecDeque<u8> = VecDeque::new();
        let mut before: Option<Arc<Vec<u8>>> = None;
        for step in 0..1500 {
            match random.below(14) {
                0..=5 => {
                    let len = match random.below(30) {
                        0 => RING_CAPACITY - 2 + random.below(4) as usize,
                        1 => random.below(100_000) as usize,
                        2..=5 => random.below(5000) as usize,
                        _ => random.below(100) as usize,
                    };
                    let bytes = source.take(len);
                    output.put(&bytes);
                    twin.extend(bytes);
                }
                6..=7 => {
                    // As the encoder does: room for more than is written then.
                    let room = random.below(400) as usize;
                    let len = random.below(room as u64 + 1) as usize;
                    if let Some(window) = output.window(room) {
                        assert_eq!(window.len(), room);
                        let bytes = source.take(len);
                        window[..len].copy_from_slice(&bytes);
                        output.commit(len);
                        twin.extend(bytes);
                    }
                }
                8 if step % 5 == 0 => {
                    let len = [0, 1, 40_000, 200_000][random.below(4) as usize];
                    let shared = Arc::new(source.take(len));
                    output.put_shared(&shared);
                    assert_eq!(Arc::strong_count(&shared), 1 + usize::from(len > 0), "it is not copied");
                    twin.extend(shared.iter());
                }
                8..=10 => {
                    let bytes = waiting(&output);
                    assert!(bytes.iter().eq(twin.iter().take(bytes.len())), "seed {seed}, step {step}");
                    let skip = random.below(twin.len() as u64 + 1) as usize;
                    let behind = output.bytes_behind(skip).flatten();
                    assert!(behind.eq(twin.iter().skip(skip)), "seed {seed}, step {step}: behind {skip}");
                    let sent = match random.below(3) {
                        0 => bytes.len(),
                        1 => random.below(bytes.len() as u64 + 1) as usize,
                        _ => random.below(100).min(bytes.len() as u64) as usize,
                    };
                    output.sent(sent);
                    twin.drain(..sent);
                }
                11 => {
                    let len = [0, 1, 60, 300, 20_000][random.below(5) as usize];
                    let message = Arc::new(source.take(len));
                    let shared = (random.below(3) > 0).then_some(&message);
                    let is_muted = random.below(2) > 0;
                    output.set_muted(is_muted);
                    let joined = before.take().map(|before| {
                        let with_it = Arc::new([&before[..], &message[..]].concat());
                        (before, with_it)
                    });
                    let shared =
                        shared.map(|message| SharedMessage { message: Arc::clone(message), joined: joined.clone() });
                    output.push(&message, shared.as_ref(), &mut pool);
                    drop(shared);
                    before = joined.map(|(_, with_it)| with_it).filter(|with_it| Arc::strong_count(with_it) > 1);
                    before = before.or(Some(Arc::clone(&message)));
                    output.set_muted(false);
                    firsts += Arc::strong_count(&message) - 1;
                    twin.extend(message.iter());
                }
                12 => output.settle(&mut pool),
                _ => {
                    output.settle(&mut pool);
                    output.attach(&mut pool);
                }
            }
            assert_eq!(output.queued_bytes(), twin.len());
            assert_eq!(output.is_empty(), twin.is_empty(), "nothing but bytes keeps a client waiting");
            assert!(!twin.is_empty() || output.overflow() == (0, 0));
            overflows += usize::from(output.overflow().0 > 0);
            wraps += usize::from(output.overflow().0 == 0 && !output.is_empty() && output.single_piece().is_none());
        }
        while !output.is_empty() {
            let bytes = waiting(&output);
            assert!(!bytes.is_empty() && bytes.iter().eq(twin.iter().take(bytes.len())));
            output.sent(bytes.len());
            twin.drain(..bytes.len());
        }
        assert!(twin.is_empty());
        output.settle(&mut pool);
        assert_eq!((output.memory_bytes(), output.ring_bytes()), (0, 0), "an empty output holds no memory");
    }
    assert!(overflows > 1000 && wraps > 20, "{overflows} overflows, {wraps} around the end");
    assert!(firsts > 20, "{firsts} messages that were not copied");
}

#[test]
fn many_chunks_are_sent_in_several_calls() {
    let mut output = Output::default();
    let mut source = Source(0);
    let mut twin = Vec::new();
    for _ in 0..3 * IOV_MAX {
        let shared = Arc::new(source.take(10));
        output.put_shared(&shared);
        twin.extend_from_slice(&shared);
    }
    assert_eq!(output.overflow(), (30 * IOV_MAX, 3 * IOV_MAX));
    let mut sent = Vec::new();
    let mut calls = 0;
    while !output.is_empty() {
        let bytes = waiting(&output);
        output.sent(bytes.len());
        sent.extend(bytes);
        calls += 1;
    }
    assert_eq!((sent, calls), (twin, 3));
}

#[test]
fn a_large_value_is_sent_a_part_at_a_time() {
    let mut output = Output::default();
    let value = Arc::new(Source(0).take(1_000_000));
    output.put_shared(&value);
    let mut sent = Vec::new();
    while !output.is_empty() {
        let bytes = waiting(&output);
        assert!(!bytes.is_empty() && bytes.len() <= FLUSH_BYTES, "{} bytes at once", bytes.len());
        output.sent(bytes.len());
        sent.extend(bytes);
    }
    assert_eq!(sent, *value);
}

#[test]
fn a_muted_output_drops_what_is_put() {
    let mut pool = BufferPool::default();
    let mut output = Output::default();
    output.attach(&mut pool);
    output.put(b"kept");
    output.set_muted(true);
    output.put(b"dropped");
    output.put(&vec![b'x'; 2 * RING_CAPACITY]);
    output.put_shared(&Arc::new(vec![b'y'; 100]));
    assert!(output.window(1).is_none());
    assert_eq!(waiting(&output), b"kept");
    output.set_muted(false);
    output.put(b", and so is this");
    assert_eq!(waiting(&output), b"kept, and so is this");
    output.close(&mut pool);
    assert!(output.is_empty() && output.muted && output.memory_bytes() == 0);
    assert_eq!(pool.reserve_bytes(), RING_CAPACITY);
}

#[test]
fn messages_for_many_are_joined_while_nothing_is_sent() {
    let mut pool = BufferPool::default();
    let [one, two, both, three, all] =
        ["one", "two", "onetwo", "three", "onetwothree"].map(|text| Arc::new(text.as_bytes().to_vec()));
    let first = SharedMessage { message: Arc::clone(&one), joined: None };
    let second = SharedMessage { message: Arc::clone(&two), joined: Some((Arc::clone(&one), Arc::clone(&both))) };
    let third = SharedMessage { message: Arc::clone(&three), joined: Some((Arc::clone(&both), Arc::clone(&all))) };
    let mut output = Output::default();
    output.push(&one, Some(&first), &mut pool);
    output.push(&two, Some(&second), &mut pool);
    assert_eq!((output.single_piece(), output.ring_bytes()), (Some(both.as_slice()), 0), "it costs no ring");
    output.sent(2);
    output.push(&three, Some(&third), &mut pool);
    assert_eq!(waiting(&output), b"etwothree", "what is sent in part is not sent again");
    output.sent(9);
    output.push(&three, Some(&third), &mut pool);
    assert_eq!(waiting(&output), b"three");
}

#[test]
fn what_stands_between_values_that_are_referred_to_costs_little() {
    let mut pool = BufferPool::default();
    let mut output = Output::default();
    output.attach(&mut pool);
    let value = Arc::new(vec![b'x'; 20_000]);
    let empty = output.memory_bytes();
    for _ in 0..1000 {
        output.put(b"$20000\r\n");
        output.put_shared(&value);
        output.put(b"\r\n");
    }
    let held = output.memory_bytes() - empty;
    assert!(held < 1000 * (20_000 + 200), "{held}");
    // Short replies behind such a value are together again.
    (0..1000).for_each(|_| output.put(b"+OK\r\n"));
    assert!(output.overflow().1 < 2010, "{:?}", output.overflow());
    assert!(output.memory_bytes() - empty - held < 100_000);
    while !output.is_empty() {
        let sent = waiting(&output).len();
        output.sent(sent);
    }
    assert_eq!(output.memory_bytes(), empty);
}
