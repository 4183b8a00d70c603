//! The request parser alone: what a frame costs, whole, pipelined and in pieces. `cargo bench --bench parser`.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use zedis::resp::request::{ArgRef, Limits, Parser, Progress};

const LIMITS: Limits = Limits { bulk_max: 512 * 1024 * 1024, authenticated: true };
const PIPELINE: usize = 64;

fn main() {
    divan::main();
}

/// Requests as redis-benchmark sends them.
fn frame(name: &str) -> Vec<u8> {
    let value = |len: usize| "x".repeat(len);
    match name {
        "get" => multibulk(&["GET", "key:000000123456"]),
        "set 3 B" => multibulk(&["SET", "key:000000123456", &value(3)]),
        "set 1024 B" => multibulk(&["SET", "key:000000123456", &value(1024)]),
        "mset 10" => {
            let mut words = vec!["MSET"];
            for _ in 0..10 {
                words.extend(["key:000000123456", "xxx"]);
            }
            multibulk(&words)
        }
        "inline" => b"SET key:000000123456 xxx\r\n".to_vec(),
        _ => b"SET key:000000123456 \"x\\x41 x\"\r\n".to_vec(),
    }
}

fn multibulk(words: &[&str]) -> Vec<u8> {
    let mut frame = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        frame.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    frame
}

const FRAMES: [&str; 6] = ["get", "set 3 B", "set 1024 B", "mset 10", "inline", "inline with quotes"];

/// The vectors that the caller owns and reuses.
#[derive(Default)]
struct State {
    parser: Parser,
    args: Vec<ArgRef>,
    owned: Vec<Vec<u8>>,
}

impl State {
    /// Parses every frame in `bytes` and returns the number of arguments seen.
    fn parse_all(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        let mut count = 0;
        while at < bytes.len() {
            let progress = self.parser.parse(&bytes[at..], &mut self.args, &mut self.owned, &LIMITS);
            assert_eq!(progress, Ok(Progress::Complete));
            at += self.parser.pos();
            count += self.args.len();
            self.clear();
        }
        count
    }

    fn clear(&mut self) {
        self.parser.reset();
        self.args.clear();
        self.owned.clear();
    }
}

#[divan::bench(args = FRAMES)]
fn whole(bencher: Bencher, name: &str) {
    let frame = frame(name);
    let mut state = State::default();
    bencher.counter(BytesCount::of_slice(&frame)).bench_local(|| state.parse_all(black_box(&frame)));
}

#[divan::bench(args = FRAMES)]
fn pipelined_64(bencher: Bencher, name: &str) {
    let frames = frame(name).repeat(PIPELINE);
    let mut state = State::default();
    bencher.counter(ItemsCount::new(PIPELINE)).bench_local(|| state.parse_all(black_box(&frames)));
}

/// Every byte arrives alone: the parser is called once for each and must not begin anew.
#[divan::bench(args = FRAMES)]
fn byte_by_byte(bencher: Bencher, name: &str) {
    let frame = frame(name);
    let mut state = State::default();
    bencher.counter(BytesCount::of_slice(&frame)).bench_local(|| {
        let frame = black_box(&frame);
        for end in 1..frame.len() {
            let progress = state.parser.parse(&frame[..end], &mut state.args, &mut state.owned, &LIMITS);
            assert_eq!(progress, Ok(Progress::Incomplete));
        }
        let progress = state.parser.parse(frame, &mut state.args, &mut state.owned, &LIMITS);
        assert_eq!(progress, Ok(Progress::Complete));
        let count = state.args.len();
        state.clear();
        count
    });
}
