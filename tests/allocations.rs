//! The promise of the hot path: GET, and SET of a value of the same size, allocate nothing; a new small key is one allocation.
//!
//! One test function, because the counter is the process's.

use zedis::base::allocator;
use zedis::base::clock::Clock;
use zedis::reactor::Stream;
use zedis::server::Engine;

/// Requests per measurement.
const REQUESTS: usize = 1000;

fn frame(args: &[&[u8]]) -> Vec<u8> {
    let mut frame = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        frame.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        frame.extend_from_slice(arg);
        frame.extend_from_slice(b"\r\n");
    }
    frame
}

/// Runs requests one at a time and in pipelines of ten; the allocations that took.
fn allocations(engine: &mut Engine, client: usize, requests: &[Vec<u8>]) -> u64 {
    let pipelines: Vec<Vec<u8>> = requests.chunks(10).map(<[Vec<u8>]>::concat).collect();
    allocator::start_counting();
    for bytes in requests.iter().chain(&pipelines) {
        engine.feed(client, bytes);
        engine.run();
        engine.drop_output(client);
    }
    allocator::stop_counting()
}

#[test]
fn the_hot_path_does_not_allocate() {
    let mut engine = Engine::new(Clock::virtual_at(1_700_000_000_000_000), 42);
    let client = engine.connect(Stream::Detached);
    let key = |n: usize| format!("key:{n:012}").into_bytes();
    for n in 0..REQUESTS {
        engine.feed(client, &frame(&[b"SET", &key(n), b"sixteen byte val"]));
        engine.feed(client, &frame(&[b"SET", &[b"int".as_slice(), &key(n)].concat(), b"1234567"]));
        engine.feed(client, &frame(&[b"SET", &[b"raw".as_slice(), &key(n)].concat(), &[b'x'; 1000]]));
        engine.run();
        engine.drop_output(client);
    }
    // The vectors of the batch have grown to what they need; the first call of a command makes the histogram of its calls.
    engine.feed(client, &frame(&[b"INCR", &[b"int".as_slice(), &key(0)].concat()]));
    let warm: Vec<Vec<u8>> = (0..REQUESTS).map(|n| frame(&[b"GET", &key(n)])).collect();
    allocations(&mut engine, client, &warm);

    let get = |prefix: &[u8]| -> Vec<Vec<u8>> {
        (0..REQUESTS).map(|n| frame(&[b"GET", &[prefix, &key(n)].concat()])).collect()
    };
    let set = |prefix: &[u8], value: &[u8]| -> Vec<Vec<u8>> {
        (0..REQUESTS).map(|n| frame(&[b"SET", &[prefix, &key(n)].concat(), value])).collect()
    };
    assert_eq!(allocations(&mut engine, client, &get(b"")), 0, "GET of a short string");
    assert_eq!(allocations(&mut engine, client, &get(b"int")), 0, "GET of an integer");
    assert_eq!(allocations(&mut engine, client, &get(b"raw")), 0, "GET of a long string");
    assert_eq!(allocations(&mut engine, client, &get(b"missing")), 0, "GET of a missing key");
    assert_eq!(allocations(&mut engine, client, &set(b"", b"SIXTEEN BYTE VAL")), 0, "SET of the same size");
    assert_eq!(allocations(&mut engine, client, &set(b"int", b"7654321")), 0, "SET of an integer");
    let incr: Vec<Vec<u8>> = (0..REQUESTS).map(|n| frame(&[b"INCR", &[b"int".as_slice(), &key(n)].concat()])).collect();
    assert_eq!(allocations(&mut engine, client, &incr), 0, "INCR");

    // New keys: one allocation each, and those of the table's segments, a small part of that.
    let new: Vec<Vec<u8>> = (0..REQUESTS).map(|n| frame(&[b"SET", &key(1_000_000 + n), b"sixteen byte val"])).collect();
    let made = allocations(&mut engine, client, &new) as usize;
    assert!((REQUESTS..REQUESTS + REQUESTS / 20).contains(&made), "{made} allocations for {REQUESTS} new keys");
}
