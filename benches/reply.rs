//! The reply encoder alone, into a sink with a window (as the write ring has) and into a plain vector (as the overflow queue has).
//! `cargo bench --bench reply`.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use zedis::base::sink::Sink;
use zedis::resp::reply::{Encoder, Version};

/// Replies per measurement, as with a deep pipeline.
const REPLIES: usize = 64;

fn main() {
    divan::main();
}

/// Contiguous room that is always there.
struct Window {
    bytes: Vec<u8>,
    len: usize,
}

impl Sink for Window {
    #[inline]
    fn window(&mut self, len: usize) -> Option<&mut [u8]> {
        self.bytes.get_mut(self.len..self.len + len)
    }

    #[inline]
    fn commit(&mut self, len: usize) {
        self.len += len;
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// Encodes `REPLIES` replies again and again into a window.
fn into_window(bencher: Bencher, mut encode: impl FnMut(&mut Encoder<'_, Window>)) {
    let mut window = Window { bytes: vec![0; 256 * 1024], len: 0 };
    bencher.counter(ItemsCount::new(REPLIES)).bench_local(|| {
        window.len = 0;
        for _ in 0..REPLIES {
            encode(&mut Encoder::new(&mut window, black_box(Version::Resp2)));
        }
        black_box(&window.bytes[..window.len]).len()
    });
}

#[divan::bench(args = [3, 16, 1024])]
fn bulk(bencher: Bencher, len: usize) {
    let value = vec![b'x'; len];
    into_window(bencher, |reply| reply.bulk(black_box(&value)));
}

#[divan::bench(args = [3, 16, 1024])]
fn bulk_into_vec(bencher: Bencher, len: usize) {
    let value = vec![b'x'; len];
    let mut out = Vec::with_capacity(256 * 1024);
    bencher.counter(ItemsCount::new(REPLIES)).bench_local(|| {
        out.clear();
        for _ in 0..REPLIES {
            Encoder::new(&mut out, black_box(Version::Resp2)).bulk(black_box(&value));
        }
        black_box(&out).len()
    });
}

#[divan::bench(args = [0, 42, 1_000_000, i64::MIN])]
fn int(bencher: Bencher, value: i64) {
    into_window(bencher, |reply| reply.int(black_box(value)));
}

#[divan::bench]
fn ok(bencher: Bencher) {
    into_window(bencher, |reply| reply.ok());
}

#[divan::bench]
fn null(bencher: Bencher) {
    into_window(bencher, |reply| reply.null());
}

/// As MGET and LRANGE answer.
#[divan::bench(args = [1, 10, 100])]
fn array_of_bulks(bencher: Bencher, len: usize) {
    let values = vec![b"0123456789abcdef"; len];
    into_window(bencher, |reply| reply.bulks(black_box(&values)));
}
