//! The engine gives the same answers however its input is cut.

use std::time::Duration;

use super::Engine;
use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::config::Config;
use crate::reactor::{RING_CAPACITY, Stream};
use crate::server::stall::Phase;

fn engine() -> (Engine, usize) {
    let mut engine = Engine::new(Clock::virtual_at(1_700_000_000_000_000), 42);
    let client = engine.connect(Stream::Detached);
    (engine, client)
}

fn frame(args: &[&[u8]]) -> Vec<u8> {
    let mut frame = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        frame.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        frame.extend_from_slice(arg);
        frame.extend_from_slice(b"\r\n");
    }
    frame
}

/// The replies to `input` when each piece is received in a turn of its own.
fn replies<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut engine, client) = engine();
    let mut output = Vec::new();
    for piece in pieces {
        engine.feed(client, piece);
        engine.run();
        output.extend(engine.take_output(client));
    }
    assert!(engine.batch.requests.is_empty());
    output
}

/// `input` cut at random, in pieces of about `mean` bytes.
fn cut<'a>(input: &'a [u8], mean: u64, random: &mut Random) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = input;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((1 + random.below(2 * mean) as usize).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

fn some_request(random: &mut Random) -> Vec<u8> {
    let key = format!("key:{}", random.below(8)).into_bytes();
    let other = format!("key:{}", random.below(8)).into_bytes();
    let value = vec![b'v'; random.below(40) as usize];
    match random.below(26) {
        0..=3 => frame(&[b"GET", &key]),
        4..=6 => frame(&[b"SET", &key, &value]),
        7 => frame(&[b"INCR", &key]),
        8 => frame(&[b"APPEND", &key, &value]),
        9 => frame(&[b"MGET", &key, &other, b"missing"]),
        10 => frame(&[b"DEL", &key]),
        11 => frame(&[b"ECHO", &value]),
        12 => b"PING\r\n".to_vec(),
        13 => [b"SET ", key.as_slice(), b" \"quoted \\x41 value\"\r\n"].concat(),
        14 => frame(&[b"NOSUCHCOMMAND", &key]),
        15 => frame(&[b"GET"]),
        16 => frame(&[b"get", &key, &other]),
        17 => frame(&[b"SELECT", if random.below(2) == 0 { b"0" } else { b"1" }]),
        18 => b"*0\r\n".to_vec(),
        19 => b"\r\n".to_vec(),
        20 => frame(&[b"COMMAND", b"COUNT"]),
        21 => frame(&[b"CLIENT", b"SETNAME", &key]),
        22 => frame(&[b"CLIENT", b"GETNAME"]),
        23 => frame(&[b"GET\0", &key]),
        24 => frame(&[b"HELLO", if random.below(2) == 0 { b"2" } else { b"3" }]),
        _ => frame(&[b"RENAME", &key, &other]),
    }
}

/// One that outgrows the ring, with a value of its own buffer or many small ones.
fn large_request(random: &mut Random) -> Vec<u8> {
    let len = [15_000, 16_384, 17_000, 32_767, 32_768, 40_000, 70_000][random.below(7) as usize];
    let value = vec![b'a' + random.below(26) as u8; len];
    match random.below(5) {
        0 => frame(&[b"SET", b"large", &value]),
        1 => frame(&[b"GET", b"large"]),
        2 => frame(&[b"MSET", b"key:1", &value, b"key:2", b"small", b"key:3", &value]),
        3 => frame(&[b"APPEND", b"large", &value]),
        _ => {
            let mut args: Vec<&[u8]> = vec![b"MGET"];
            args.resize(3000, b"key:7");
            frame(&args)
        }
    }
}

/// Changes a byte or two, so that requests look like others and some are no requests at all.
fn damage(input: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(input.len() as u64) as usize;
    match random.below(4) {
        0 => input[at] = random.next_u64() as u8,
        1 => input[at] = b"*$\r\n0123456789-"[random.below(15) as usize],
        2 => input.insert(at, b"0\r\n$*"[random.below(5) as usize]),
        _ => drop(input.remove(at)),
    }
}

#[test]
fn cut_anywhere_the_answers_are_the_same() {
    for seed in 0..120 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut input: Vec<u8> = (0..60).flat_map(|_| some_request(&mut random)).collect();
        if seed % 2 == 1 {
            // The shortcut for requests that begin alike sees only whole input, the parser sees every byte.
            for _ in 0..1 + random.below(3) {
                damage(&mut input, &mut random);
            }
        }
        let whole = replies([input.as_slice()].into_iter());
        assert!(seed % 2 == 1 || whole.len() > 100);
        assert_eq!(whole.escape_ascii().to_string(), replies(input.chunks(1)).escape_ascii().to_string());
        for mean in [3, 20, 200] {
            let cut = cut(&input, mean, &mut random);
            assert_eq!(whole, replies(cut.into_iter()), "seed {seed}, pieces of {mean}");
        }
    }
}

#[test]
fn large_requests_too() {
    for seed in 0..25 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let input: Vec<u8> = (0..20)
            .flat_map(|_| if random.below(3) == 0 { large_request(&mut random) } else { some_request(&mut random) })
            .collect();
        let whole = replies([input.as_slice()].into_iter());
        for mean in [500, 8_000, 16_384, 60_000] {
            let cut = cut(&input, mean, &mut random);
            assert!(whole == replies(cut.into_iter()), "seed {seed}, pieces of {mean}");
        }
        if seed < 3 {
            assert!(whole == replies(input.chunks(1)), "seed {seed}, byte by byte");
        }
    }
}

#[test]
fn two_cuts_everywhere() {
    let input = [
        frame(&[b"SET", b"k", b"v"]),
        b"PING \"a b\"\r\n".to_vec(),
        frame(&[b"GET", b"k"]),
        frame(&[b"GET", b"k"]),
        b"*0\r\n".to_vec(),
        frame(&[b"GET"]),
    ]
    .concat();
    let whole = replies([input.as_slice()].into_iter());
    for first in 0..=input.len() {
        for second in first..=input.len() {
            let pieces = [&input[..first], &input[first..second], &input[second..]];
            assert_eq!(whole, replies(pieces.into_iter()), "cut at {first} and {second}");
        }
    }
}

/// More requests than a batch takes.
#[test]
fn a_long_pipeline_is_run_in_batches() {
    let (mut engine, client) = engine();
    let input = frame(&[b"INCR", b"counter"]).repeat(5000);
    engine.feed(client, &input);
    engine.run();
    let expected: Vec<u8> = (1..=5000).flat_map(|n| format!(":{n}\r\n").into_bytes()).collect();
    assert!(engine.take_output(client) == expected);
    assert!(engine.clients[client].input.is_empty());
}

/// Two clients whose requests begin alike and are cut in the middle do not see each other's.
#[test]
fn clients_do_not_mix() {
    let seed = 9;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let (mut engine, first) = engine();
    let clients = [first, engine.connect(Stream::Detached), engine.connect(Stream::Detached)];
    let inputs: Vec<Vec<u8>> = (0..clients.len())
        .map(|client| {
            let requests = (0..300).map(|n| {
                let (key, value) = (format!("{client}:{}", n % 7), format!("{client}:{n}"));
                match n % 3 {
                    0 => frame(&[b"SET", key.as_bytes(), value.as_bytes()]),
                    1 => frame(&[b"ECHO", value.as_bytes()]),
                    _ => frame(&[b"GET", key.as_bytes()]),
                }
            });
            requests.flatten().collect()
        })
        .collect();
    let mut at = [0; 3];
    let mut outputs = [Vec::new(), Vec::new(), Vec::new()];
    while (0..3).any(|index| at[index] < inputs[index].len()) {
        for index in 0..3 {
            let rest = &inputs[index][at[index]..];
            let len = (random.below(60) as usize).min(rest.len());
            engine.feed(clients[index], &rest[..len]);
            at[index] += len;
        }
        engine.run();
        for index in 0..3 {
            outputs[index].extend(engine.take_output(clients[index]));
        }
    }
    for (input, output) in inputs.iter().zip(&outputs) {
        let alone = replies([input.as_slice()].into_iter());
        assert_eq!(&alone, output);
    }
}

/// One whose time was up just as it began to wait: when it goes on, what is in its ring comes first, and then its socket is looked at, for
/// which there will be no other event.
#[test]
fn what_is_put_off_and_blocked_is_read_afterwards() {
    let mut engine = Engine::new(Clock::virtual_at(1_700_000_000_000_000), 42);
    let [waits, pushes] = [0; 2].map(|_| engine.connect(Stream::Detached));
    engine.feed(waits, &frame(&[b"BLPOP", b"list", b"0"]));
    engine.run();
    let client = &mut engine.clients[waits];
    assert!(client.is_blocked());
    client.put_off = true;
    engine.mark_unread(waits);
    engine.feed(pushes, &frame(&[b"RPUSH", b"list", b"a"]));
    engine.run();
    engine.run();
    assert!(!engine.take_output(waits).is_empty());
    let client = &engine.clients[waits];
    assert!(client.put_off && client.unread && engine.ready.contains(&waits));
}

/// Puts `bytes` into the client's ring, as a `recv` does, and gathers them.
fn receive(engine: &mut Engine, key: usize, bytes: &[u8]) {
    let space = engine.clients[key].input.space(&mut engine.pool);
    space[..bytes.len()].copy_from_slice(bytes);
    engine.clients[key].input.received(bytes.len());
    engine.gather(key);
}

/// When the time is up, nothing of the next client is executed, or only a part; either way the ring is left for the next turn before
/// anything else is received into it, and those with nothing executed come first.
#[test]
fn what_a_turn_has_no_time_for_stays_in_the_ring() {
    let clock = Clock::virtual_at(1_700_000_000_000_000);
    let mut config = Config::default();
    config.override_value("enable-debug-command", b"yes").expect("a directive and a value for it");
    let mut engine = Engine::with_config(config, clock.clone(), 42);
    let [quick, full, waits, cut] = [0; 4].map(|_| engine.connect(Stream::Detached));
    let set = frame(&[b"SET", b"key", b"value"]);
    let sets = RING_CAPACITY / set.len();
    let rest = RING_CAPACITY - sets * set.len();
    let ring = [set.repeat(sets), vec![b' '; rest]].concat();
    let sleep = frame(&[b"DEBUG", b"SLEEP", b"0.001"]);

    engine.begin_turn();
    engine.batch.limit = 1000;
    receive(&mut engine, quick, b"PING\r\n");
    receive(&mut engine, full, &ring);
    receive(&mut engine, waits, &set.repeat(3));
    engine.recorder.end_phase(Phase::Gather, clock.monotonic_ns());
    // Found when the run of the first client ends, which is where that of the next begins.
    clock.advance(Duration::from_millis(1));
    engine.run();
    assert_eq!(engine.take_output(quick), b"+PONG\r\n");
    assert!(engine.clients[full].input.is_full() && engine.clients[full].put_off);
    assert!(engine.clients[waits].put_off);
    assert_eq!(engine.ready, [waits, full], "the one that was begun with comes last");
    assert_eq!(engine.batch.limit, 16);
    engine.recorder.end_phase(Phase::Housekeep, clock.monotonic_ns());
    engine.finish_turn();

    // Without a turn that has begun, it is executed to the end.
    engine.batch.limit = 1000;
    for key in [waits, full] {
        engine.gather(key);
    }
    engine.run();
    assert_eq!(engine.take_output(waits), b"+OK\r\n".repeat(3));
    assert_eq!(engine.take_output(full), b"+OK\r\n".repeat(sets));

    engine.begin_turn();
    receive(&mut engine, cut, &[sleep.as_slice(), &set, &set].concat());
    engine.recorder.end_phase(Phase::Gather, clock.monotonic_ns());
    engine.run();
    assert_eq!(engine.take_output(cut), b"+OK\r\n");
    assert!(engine.clients[cut].put_off && engine.clients[cut].input.bytes().len() == 2 * set.len());
    engine.gather(cut);
    // A client that is about to be closed is answered first.
    engine.clients[cut].session.close_after_reply = true;
    clock.advance(Duration::from_millis(1));
    engine.run();
    assert_eq!(engine.take_output(cut), b"+OK\r\n+OK\r\n");
}
