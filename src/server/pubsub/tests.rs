//! Subscriptions against a model; many subscribers, many channels; what happens to those who go, and to those who do not read.

use std::collections::BTreeSet;

use super::{AHEAD_DELIVERIES, LEAVE_SLICE, TURN_DELIVERIES, Topics};
use crate::base::random::Random;
use crate::server::testing::{EngineHarness, encode};

fn message(channel: &str, text: &str) -> Vec<u8> {
    encode(&[b"message", channel.as_bytes(), text.as_bytes()])
}

#[test]
fn ten_thousand_subscribers_get_each_message_once() {
    const SUBSCRIBERS: usize = 10_000;
    let mut harness = EngineHarness::new();
    let subscribers: Vec<usize> = (0..SUBSCRIBERS).map(|_| harness.connect()).collect();
    for &subscriber in &subscribers {
        harness.send_as(subscriber, &[b"SUBSCRIBE", b"a"]);
    }
    assert_eq!(harness.line("PUBSUB NUMSUB a"), "*2\r\n$1\r\na\r\n:10000\r\n");
    assert_eq!(harness.line("PUBLISH a one"), ":10000\r\n");
    for &subscriber in &subscribers {
        assert_eq!(harness.take(subscriber), message("a", "one"));
    }
    // Every other goes; the rest get what comes.
    for &subscriber in subscribers.iter().step_by(2) {
        harness.engine.close(subscriber);
    }
    harness.engine.remove_closed();
    harness.turn();
    assert_eq!(harness.line("PUBLISH a two"), ":5000\r\n");
    for &subscriber in subscribers.iter().skip(1).step_by(2) {
        assert_eq!(harness.take(subscriber), message("a", "two"));
        assert_eq!(harness.send_as(subscriber, &[b"UNSUBSCRIBE"]), b"*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n");
    }
    assert_eq!(harness.line("PUBSUB CHANNELS"), "*0\r\n");
    assert_eq!(harness.engine.pubsub.clients(), 0);
}

#[test]
fn a_fast_publisher_waits_for_its_messages_to_be_sent() {
    const SUBSCRIBERS: usize = 5000;
    let mut harness = EngineHarness::new();
    let subscribers: Vec<usize> = (0..SUBSCRIBERS).map(|_| harness.connect()).collect();
    for &subscriber in &subscribers {
        harness.send_as(subscriber, &[b"SUBSCRIBE", b"a"]);
    }
    let publishes = 100;
    let requests: Vec<u8> = (0..publishes).flat_map(|_| encode(&[b"PUBLISH", b"a", b"text"])).collect();
    let mut answered = harness.feed(harness.first, &requests).len() / b":5000\r\n".len();
    assert!(answered >= 1 && answered * SUBSCRIBERS <= TURN_DELIVERIES + SUBSCRIBERS, "{answered} in one turn");
    // Others are not held up meanwhile.
    let other = harness.connect();
    assert_eq!(harness.line_as(other, "PING"), "+PONG\r\n");
    for _ in 0..publishes {
        harness.turn();
        answered += harness.take(harness.first).len() / b":5000\r\n".len();
    }
    assert!(answered < publishes, "nobody reads, so it waits");
    assert!(answered * SUBSCRIBERS <= AHEAD_DELIVERIES + TURN_DELIVERIES + SUBSCRIBERS, "{answered} ahead");
    let mut received = 0;
    for _ in 0..publishes {
        for &subscriber in &subscribers {
            received += harness.take(subscriber).len();
        }
        harness.turn();
        answered += harness.take(harness.first).len() / b":5000\r\n".len();
    }
    assert_eq!(answered, publishes);
    assert_eq!(received, publishes * SUBSCRIBERS * message("a", "text").len());
}

#[test]
fn a_client_with_many_subscriptions_goes_in_slices() {
    const CHANNELS: usize = 20_000;
    let mut harness = EngineHarness::new();
    let (greedy, modest) = (harness.connect(), harness.connect());
    let memory = |harness: &mut EngineHarness| -> usize {
        let list = harness.line("CLIENT LIST ID 2");
        let field = list.split(' ').find_map(|field| field.strip_prefix("tot-mem=")).expect("a field");
        field.parse().expect("a number")
    };
    let before = memory(&mut harness);
    for channel in 0..CHANNELS {
        let name = format!("channel-{channel}");
        harness.send_as(modest, &[b"SUBSCRIBE", name.as_bytes()]);
        harness.send_as(greedy, &[b"SUBSCRIBE", name.as_bytes(), format!("own-{channel}").as_bytes()]);
    }
    assert!(memory(&mut harness) > before + CHANNELS * 2 * 60);
    assert_eq!(harness.line("PUBLISH own-7 x"), ":1\r\n");
    harness.take(greedy);
    harness.engine.close(greedy);
    harness.engine.remove_closed();
    // Gone for everybody at once, though not forgotten yet.
    assert_eq!(harness.line("PUBLISH own-7 x"), ":0\r\n");
    assert_eq!(harness.line("PUBSUB NUMSUB own-7 channel-7"), "*4\r\n$5\r\nown-7\r\n:0\r\n$9\r\nchannel-7\r\n:1\r\n");
    assert_eq!(harness.line("PUBSUB CHANNELS own-*"), "*0\r\n");
    assert_eq!(harness.engine.pubsub.clients(), 1);
    assert!(harness.engine.pubsub.topics(Topics::Channels) > CHANNELS);
    // Its place in the slab is another's, who gets nothing of it.
    let newcomer = harness.connect();
    let mut slices = 0;
    while harness.engine.pubsub.is_behind() && slices < 1000 {
        let topics = harness.engine.pubsub.topics(Topics::Channels);
        harness.engine.pubsub.leave_slice();
        assert!(topics - harness.engine.pubsub.topics(Topics::Channels) <= LEAVE_SLICE + 16, "a slice is bounded");
        slices += 1;
        let channel = format!("channel-{}", slices * 17 % CHANNELS);
        assert_eq!(harness.line(&format!("PUBLISH {channel} text")), ":1\r\n");
        assert_eq!(harness.take(modest), message(&channel, "text"));
    }
    assert!(slices >= 2 * CHANNELS / LEAVE_SLICE / 2);
    assert_eq!(harness.take(newcomer), b"");
    assert_eq!(harness.engine.pubsub.topics(Topics::Channels), CHANNELS);
    harness.send_as(modest, &[b"UNSUBSCRIBE"]);
    assert_eq!(harness.engine.pubsub.topics(Topics::Channels), 0);
}

#[test]
fn subscriptions_are_as_in_a_model() {
    for seed in 0..5 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut harness = EngineHarness::new();
        let mut clients: Vec<usize> = (0..6).map(|_| harness.connect()).collect();
        let mut model: Vec<BTreeSet<u64>> = vec![BTreeSet::new(); clients.len()];
        for _ in 0..4000 {
            let who = random.below(clients.len() as u64) as usize;
            let channel = random.below(12);
            let name = format!("c{channel}");
            match random.below(12) {
                0..=4 => {
                    harness.send_as(clients[who], &[b"SUBSCRIBE", name.as_bytes()]);
                    model[who].insert(channel);
                }
                5..=8 => {
                    harness.send_as(clients[who], &[b"UNSUBSCRIBE", name.as_bytes()]);
                    model[who].remove(&channel);
                }
                9 => {
                    harness.engine.close(clients[who]);
                    harness.engine.remove_closed();
                    clients[who] = harness.connect();
                    model[who].clear();
                }
                10 if random.below(4) == 0 => {
                    harness.send_as(clients[who], &[b"UNSUBSCRIBE"]);
                    model[who].clear();
                }
                _ => {
                    let receivers = model.iter().filter(|channels| channels.contains(&channel)).count();
                    assert_eq!(harness.line(&format!("PUBLISH {name} text")), format!(":{receivers}\r\n"));
                    for (client, channels) in clients.iter().zip(&model) {
                        let expected = if channels.contains(&channel) { message(&name, "text") } else { Vec::new() };
                        assert_eq!(harness.take(*client), expected);
                    }
                }
            }
        }
        let channels: BTreeSet<u64> = model.iter().flatten().copied().collect();
        assert_eq!(harness.engine.pubsub.topics(Topics::Channels), channels.len());
    }
}

#[test]
fn messages_come_without_replies_too() {
    let mut harness = EngineHarness::new();
    let silent = harness.connect();
    harness.line_as(silent, "HELLO 3");
    assert_eq!(harness.line_as(silent, "CLIENT REPLY OFF"), "");
    assert_eq!(harness.line_as(silent, "SUBSCRIBE a"), ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    assert_eq!(harness.line_as(silent, "PING"), "");
    assert_eq!(harness.line("PUBLISH a b"), ":1\r\n");
    assert_eq!(harness.take(silent), b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n");
    assert_eq!(harness.line_as(silent, "PING"), "");
}

#[test]
fn who_does_not_read_is_closed_by_the_limit_of_subscribers() {
    let mut harness = EngineHarness::new();
    let limits = b"normal 1000 0 0 pubsub 200000 0 0";
    harness.send(&[b"CONFIG", b"SET", b"client-output-buffer-limit", limits]);
    let (slow, quick) = (harness.connect(), harness.connect());
    for client in [slow, quick] {
        harness.line_as(client, "SUBSCRIBE a");
    }
    let text = "x".repeat(50_000);
    for sent in 1..=5 {
        harness.line(&format!("PUBLISH a {text}"));
        assert_eq!(harness.take(quick), message("a", &text));
        assert_eq!(harness.is_connected(slow), sent < 4, "after {sent} messages");
    }
    assert_eq!(harness.line("PUBSUB NUMSUB a"), "*2\r\n$1\r\na\r\n:1\r\n");
}

/// What a subscriber of all events has been sent, as words.
fn events(harness: &mut EngineHarness, subscriber: usize) -> Vec<String> {
    let bytes = harness.take(subscriber);
    let text = String::from_utf8(bytes).expect("text");
    let lines: Vec<&str> = text.split("\r\n").collect();
    lines.chunks(9).filter(|lines| lines.len() == 9).map(|lines| format!("{} {}", lines[6], lines[8])).collect()
}

#[test]
fn expiry_is_told_once_whoever_sees_it() {
    for way in ["GET k", "EXISTS k", "SET k new", "APPEND k x", "DEL k", "nobody", "MULTI"] {
        let mut harness = EngineHarness::with_config(&[("notify-keyspace-events", "Exmn")]);
        let subscriber = harness.connect();
        harness.line_as(subscriber, "PSUBSCRIBE *");
        harness.line("DEBUG SET-ACTIVE-EXPIRE 0");
        harness.line("SET k v PX 10");
        harness.engine.keyspace.active_expire = way == "nobody";
        assert_eq!(events(&mut harness, subscriber), ["__keyevent@0__:new k"], "{way}");
        harness.advance_ms(20);
        let expired = "__keyevent@0__:expired k";
        let expected: &[&str] = match way {
            "GET k" | "EXISTS k" => &[expired, "__keyevent@0__:keymiss k"],
            "SET k new" | "APPEND k x" => &[expired, "__keyevent@0__:new k"],
            _ => &[expired],
        };
        match way {
            "nobody" => {
                harness.engine.keyspace.expire_slice(100);
                harness.turn();
            }
            "MULTI" => {
                for line in ["MULTI", "DEL k", "TTL other", "EXEC"] {
                    harness.line(line);
                }
                let told = events(&mut harness, subscriber);
                assert_eq!(told, [expired, "__keyevent@0__:keymiss other"]);
                continue;
            }
            line => {
                harness.line(line);
            }
        }
        assert_eq!(events(&mut harness, subscriber), expected, "{way}");
        harness.turn();
        assert_eq!(events(&mut harness, subscriber), [""; 0], "{way}");
    }
}

#[test]
fn fields_of_hashes_tell_their_events() {
    let mut harness = EngineHarness::with_config(&[("notify-keyspace-events", "Eh")]);
    let subscriber = harness.connect();
    harness.line_as(subscriber, "PSUBSCRIBE *");
    for line in
        ["HSET h a 1 b 2 c 3", "HPEXPIRE h 1000 FIELDS 1 a", "HPERSIST h FIELDS 1 a", "HPEXPIRE h 5 FIELDS 2 a b"]
    {
        harness.line(line);
    }
    harness.line("HPEXPIRE h 0 FIELDS 1 c");
    harness.advance_ms(10);
    harness.engine.keyspace.expire_slice(100);
    harness.turn();
    let names: Vec<String> =
        events(&mut harness, subscriber).iter().map(|event| event.replace("__keyevent@0__:", "")).collect();
    assert_eq!(names, ["hset h", "hexpire h", "hpersist h", "hexpire h", "hdel h", "hexpired h"]);
}

#[test]
fn a_transaction_tells_before_it_subscribes() {
    let mut harness = EngineHarness::with_config(&[("notify-keyspace-events", "KEA")]);
    harness.line("HELLO 3");
    harness.line("MULTI");
    for line in ["SET before 1", "PSUBSCRIBE __keyevent*", "SET after 1", "EXEC"] {
        harness.line(line);
    }
    let told = harness.line("PING");
    assert_eq!(told, "+PONG\r\n", "everything came with EXEC's reply");
    harness.line("MULTI");
    harness.line("SET again 1");
    let answer = harness.line("EXEC");
    assert!(answer.starts_with("*1\r\n+OK\r\n>4\r\n$8\r\npmessage\r\n"), "{answer}");
    assert_eq!(answer.matches("pmessage").count(), 1);
}

/// Those that come one behind the other are executed together, which makes no difference to anybody.
#[test]
fn many_publishes_are_as_one_by_one() {
    let wild = [
        "PUBLISH a 1",
        "PUBLISH a 2",
        "PUBLISH b 3",
        "PUBLISH a",
        "PUBLISH nobody 4",
        "PUBLISH a 5",
        "SPUBLISH s 6",
        "SPUBLISH s 7",
        "SET k v",
        "PUBLISH a 8",
        "CLIENT REPLY SKIP",
        "PUBLISH a 9",
        "PUBLISH a 10",
        "PUBLISH own 11",
        "PUBLISH own 12",
        "PUBLISH a 13 x",
        "MULTI",
        "PUBLISH a 14",
        "PUBLISH a 15",
        "EXEC",
        "PUBLISH a 16",
        "RESET",
        "PUBLISH a 17",
        "PUBLISH a 18",
    ];
    let requests: Vec<Vec<u8>> =
        wild.iter().map(|line| encode(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>())).collect();
    let outcome = |together: usize| {
        let mut harness = EngineHarness::new();
        let (publisher, subscriber, other) = (harness.connect(), harness.connect(), harness.connect());
        harness.line_as(publisher, "HELLO 3");
        harness.line_as(publisher, "SUBSCRIBE own");
        harness.line_as(subscriber, "SUBSCRIBE a b own");
        harness.line_as(other, "HELLO 3");
        harness.line_as(other, "SSUBSCRIBE s");
        harness.line_as(other, "PSUBSCRIBE *");
        for some in requests.chunks(together) {
            harness.feed(publisher, &some.concat());
        }
        [publisher, subscriber, other].map(|client| String::from_utf8(harness.take(client)).expect("text"))
    };
    let wanted = outcome(1);
    assert!(wanted[1].matches("message").count() > 10, "{wanted:?}");
    for together in [2, 3, 5, 7, wild.len()] {
        assert_eq!(outcome(together), wanted, "{together} at a time");
    }
}

/// The same with generated streams: few subscribers and many, with and without patterns, in both protocol versions, who want no replies,
/// who publish themselves, who are closed in the middle because they do not read.
#[test]
fn bursts_of_publishes_are_as_one_by_one() {
    const CHANNELS: [&[u8]; 3] = [b"a", b"another", b""];
    for seed in 0..40 {
        println!("seed {seed}");
        let outcome = |together: usize| {
            let mut random = Random::new(seed);
            let mut harness = EngineHarness::new();
            let limits = b"normal 0 0 0 pubsub 40000 0 0";
            harness.send(&[b"CONFIG", b"SET", b"client-output-buffer-limit", limits]);
            let publisher = harness.connect();
            let subscribers: Vec<usize> = (0..[1, 2, 8, 9, 70][seed as usize % 5]).map(|_| harness.connect()).collect();
            for &subscriber in &subscribers {
                if random.below(2) == 0 {
                    harness.line_as(subscriber, "HELLO 3");
                }
                if random.below(4) == 0 {
                    harness.line_as(subscriber, "CLIENT REPLY OFF");
                }
                for name in CHANNELS {
                    if random.below(4) > 0 {
                        harness.send_as(subscriber, &[b"SUBSCRIBE", name]);
                        harness.send_as(subscriber, &[b"SSUBSCRIBE", name]);
                    }
                }
            }
            if random.below(4) == 0 {
                harness.line_as(subscribers[0], "PSUBSCRIBE a*");
            }
            if random.below(4) == 0 {
                harness.line_as(publisher, "HELLO 3");
                harness.send_as(publisher, &[b"SUBSCRIBE", CHANNELS[0]]);
            }
            // With many, publishing waits for the next turn, and nobody feeds more than a ring meanwhile.
            let max_len = if subscribers.len() < 70 { 20_000 } else { 60 };
            let mut channel = CHANNELS[0];
            let mut requests = Vec::new();
            for _ in 0..200 {
                if random.below(8) == 0 {
                    channel = CHANNELS[random.below(3) as usize];
                }
                let len = if random.below(40) == 0 { random.below(max_len) } else { random.below(40) };
                let text: Vec<u8> = (0..len).map(|_| random.below(256) as u8).collect();
                let verb: &[u8] = if random.below(10) == 0 { b"spublish" } else { b"PUBLISH" };
                requests.push(encode(&[verb, channel, &text]));
            }
            let mut said = Vec::new();
            for some in requests.chunks(together) {
                said.extend(harness.feed(publisher, &some.concat()));
                said.extend(harness.take(publisher));
            }
            // Too much for one turn, if it comes at once.
            for _ in 0..4 {
                harness.turn();
                said.extend(harness.take(publisher));
            }
            let told: Vec<Option<Vec<u8>>> = subscribers
                .iter()
                .map(|&subscriber| harness.is_connected(subscriber).then(|| harness.take(subscriber)))
                .collect();
            let calls = harness.line("INFO commandstats");
            let calls: Vec<String> = calls
                .lines()
                .filter(|line| line.contains("publish:"))
                .map(|line| line.split(',').next().unwrap_or_default().to_string())
                .collect();
            (said, told, calls)
        };
        let wanted = outcome(1);
        assert!(wanted.1.iter().all(Option::is_none) || wanted.1.iter().flatten().any(|told| told.len() > 1000));
        assert_eq!(wanted.2.len(), 2, "{:?}", wanted.2);
        for together in [2, 16, 200] {
            let found = outcome(together);
            assert!(found == wanted, "{together} at a time: {:?} and not {:?}", found.2, wanted.2);
        }
    }
}
