//! What a request costs in the engine, without sockets: `cargo bench --bench engine`; under callgrind the counts repeat exactly.
//! An argument runs one workload by name so many times (`engine get-1 100000`).

use std::time::Instant;

use zedis::base::clock::Clock;
use zedis::reactor::Stream;
use zedis::server::Engine;

/// Requests fed at once.
const PIPELINE: usize = 64;

fn frame(args: &[&[u8]]) -> Vec<u8> {
    let mut frame = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        frame.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        frame.extend_from_slice(arg);
        frame.extend_from_slice(b"\r\n");
    }
    frame
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let only = args.first().cloned();
    let requests: usize = args.get(1).and_then(|n| n.parse().ok()).unwrap_or(2_000_000);
    let key = |n: usize| format!("key:{n:012}").into_bytes();
    type Make = fn(&dyn Fn(usize) -> Vec<u8>, usize) -> Vec<u8>;
    let workloads: [(&str, usize, Make); 5] = [
        ("ping", 0, |_, _| frame(&[b"PING"])),
        ("get-1", 1, |key, _| frame(&[b"GET", &key(0)])),
        ("set-1", 1, |key, _| frame(&[b"SET", &key(0), b"xxx"])),
        ("get-1m", 1_000_000, |key, n| frame(&[b"GET", &key(n.wrapping_mul(0x9E37_79B1) % 1_000_000)])),
        ("set-1m", 1_000_000, |key, n| frame(&[b"SET", &key(n.wrapping_mul(0x9E37_79B1) % 1_000_000), b"xxx"])),
    ];
    for (name, keys, make) in workloads {
        if only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let mut engine = Engine::new(Clock::real(), 1);
        let client = engine.connect(Stream::Detached);
        for n in 0..keys {
            engine.feed(client, &frame(&[b"SET", &key(n), b"xxx"]));
            engine.run();
            engine.take_output(client);
        }
        let batches: Vec<Vec<u8>> = (0..if keys > 1 { 2000 } else { 4 })
            .map(|batch| (0..PIPELINE).flat_map(|n| make(&key, batch * PIPELINE + n)).collect())
            .collect();
        let started = Instant::now();
        for batch in batches.iter().cycle().take(requests / PIPELINE) {
            engine.feed(client, batch);
            engine.run();
            engine.drop_output(client);
        }
        let ns = started.elapsed().as_nanos() as f64 / requests as f64;
        println!("{name:8} {ns:7.1} ns a request");
    }
    if only.as_deref().is_none_or(|only| only == "growth") {
        growth(&key);
    }
}

/// The longest of all batches while the keyspace grows to five million keys: what splitting segments and doubling the directory take. Of
/// several runs, because the machine has other business now and then; what every run shows is the engine's.
fn growth(key: &dyn Fn(usize) -> Vec<u8>) {
    for _ in 0..3 {
        let mut engine = Engine::new(Clock::real(), 1);
        let client = engine.connect(Stream::Detached);
        let mut times: Vec<u64> = Vec::new();
        for batch in 0..GROWTH_KEYS / PIPELINE {
            let bytes: Vec<u8> =
                (0..PIPELINE).flat_map(|n| frame(&[b"SET", &key(batch * PIPELINE + n), b"sixteen byte val"])).collect();
            let started = Instant::now();
            engine.feed(client, &bytes);
            engine.run();
            engine.drop_output(client);
            times.push(started.elapsed().as_micros() as u64);
        }
        times.sort_unstable();
        let mean = times.iter().sum::<u64>() as f64 / times.len() as f64;
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        println!(
            "growth to {GROWTH_KEYS} keys, {PIPELINE} SETs at a time: mean {mean:.1} us, median {} us, p99.9 {} us, p99.99 {} us, longest {} us",
            at(0.5),
            at(0.999),
            at(0.9999),
            at(1.0)
        );
    }
}

const GROWTH_KEYS: usize = 5_000_000;
