//! Publish and subscribe, and keyspace events, against redis-server: several clients in both protocol versions, interleavings
//! generated from a seed. After each step everything that every client has received by then has to agree.

mod support;

use support::client::{Client, encode};
use support::pair::{Clients, Pair, run_table};
use support::random::Random;
use support::reply::Reply;
use support::server::subject_is_redis;
use support::table::words;

const TABLE: &str = r#"
PUBLISH nobody text
SPUBLISH nobody text
PUBLISH
PUBLISH a
PUBLISH a b c
SUBSCRIBE
PSUBSCRIBE
SSUBSCRIBE
UNSUBSCRIBE
PUNSUBSCRIBE
SUNSUBSCRIBE
UNSUBSCRIBE never
PUNSUBSCRIBE never
SUNSUBSCRIBE never
PUBSUB
PUBSUB NOSUCH
PUBSUB NUMPAT
PUBSUB NUMPAT x
PUBSUB CHANNELS
PUBSUB CHANNELS a b
PUBSUB CHANNELS *
PUBSUB NUMSUB
PUBSUB NUMSUB a b
PUBSUB SHARDCHANNELS
PUBSUB SHARDCHANNELS a b
PUBSUB SHARDNUMSUB
PUBSUB SHARDNUMSUB a b
kind PUBSUB HELP
PING
SUBSCRIBE one
SUBSCRIBE one
PSUBSCRIBE o* 
SSUBSCRIBE shard
GET a
CONFIG GET maxmemory
CLIENT ID x
MULTI
EXEC
NOSUCH
GET
PING
PING text
PING text text
UNSUBSCRIBE two
PUNSUBSCRIBE o*
SUNSUBSCRIBE
UNSUBSCRIBE
GET a
SUBSCRIBE one
QUITE
RESET
GET a
PING
"#;

#[test]
fn a_table_of_calls() {
    run_table(&[("pubsub", TABLE)], &[], &[]);
}

/// Steps of a client: requests sent together. `R3` marks those that only a RESP3 client does.
const STEPS: &[(&str, usize)] = &[
    ("SUBSCRIBE a", 4),
    ("SUBSCRIBE b c a", 2),
    ("PSUBSCRIBE *", 1),
    ("PSUBSCRIBE a*", 3),
    ("PSUBSCRIBE [ab] a? \\*", 2),
    ("SSUBSCRIBE a", 2),
    ("SSUBSCRIBE b s", 1),
    ("UNSUBSCRIBE a", 2),
    ("UNSUBSCRIBE", 1),
    ("UNSUBSCRIBE b zz", 1),
    ("PUNSUBSCRIBE a*", 2),
    ("PUNSUBSCRIBE", 1),
    ("SUNSUBSCRIBE", 1),
    ("SUNSUBSCRIBE a zz", 1),
    ("PUBLISH a text", 8),
    ("PUBLISH b text", 5),
    ("PUBLISH ab text", 3),
    ("PUBLISH * text", 2),
    ("PUBLISH a {x*20000}", 1),
    ("SPUBLISH a text", 3),
    ("SPUBLISH b text|PUBLISH b text|PUBLISH a text", 2),
    ("PUBLISH a 1|PUBLISH a 2|PUBLISH a 3|PUBLISH a 4", 3),
    ("PUBSUB CHANNELS", 1),
    ("PUBSUB CHANNELS a*", 1),
    ("PUBSUB SHARDCHANNELS", 1),
    ("PUBSUB NUMSUB a b c ab", 2),
    ("PUBSUB SHARDNUMSUB a b s", 2),
    ("PUBSUB NUMPAT", 1),
    ("MULTI|PUBLISH a in|PUBLISH b in|EXEC", 2),
    ("MULTI|SUBSCRIBE a b|GET k|PING x|UNSUBSCRIBE a|EXEC", 1),
    ("MULTI|SUBSCRIBE|EXEC", 1),
    ("MULTI|PSUBSCRIBE x y|PUBSUB NUMPAT|PUNSUBSCRIBE|EXEC", 1),
    ("MULTI|SUBSCRIBE c|DISCARD", 1),
    ("GET k", 1),
    ("SET k v", 1),
    ("PING", 1),
    ("HELLO 2", 1),
    ("HELLO 3", 2),
    ("RESET", 1),
    ("CLIENT REPLY SKIP|SUBSCRIBE skipped", 1),
];

/// Replies up to the answer to `PING nonce`, which is sent first: pushes, and the rest.
fn until_ping(client: &mut Client, nonce: &str) -> (Vec<Reply>, Vec<Reply>) {
    let (mut pushes, mut rest) = (Vec::new(), Vec::new());
    loop {
        let reply = client.read();
        let is_pong = match &reply {
            Reply::Bulk(text) => text == nonce.as_bytes(),
            Reply::Array(parts) => parts.len() == 2 && parts[1].text() == nonce.as_bytes(),
            _ => false,
        };
        if is_pong {
            return (in_order(pushes), in_order(rest));
        }
        if reply.items().first().is_some_and(|first| first.text() == b"server") {
            // HELLO tells numbers and versions.
            continue;
        }
        // Redis 7.0 answers EXEC with the pushes that its commands caused between the replies; newer ones come later.
        let has_pushes = reply.items().iter().any(|item| matches!(item, Reply::Push(_)));
        let is_exec = matches!(reply, Reply::Array(_)) && (has_pushes || reply.items().iter().all(is_int));
        let replies = if is_exec { reply.items().to_vec() } else { vec![reply] };
        for reply in replies {
            if matches!(reply, Reply::Push(_)) { pushes.push(reply) } else { rest.push(reply) }
        }
    }
}

fn is_int(reply: &Reply) -> bool {
    matches!(reply, Reply::Int(_))
}

/// With what Redis does in the order of a hash table sorted: which of several patterns is first, which channel is left first.
fn in_order(replies: Vec<Reply>) -> Vec<Reply> {
    let mut sorted: Vec<Reply> = Vec::new();
    for reply in replies {
        let word = |reply: &Reply| reply.items().first().map(|first| first.string()).unwrap_or_default();
        let name = word(&reply);
        let mut at = sorted.len();
        if name.ends_with("unsubscribe") {
            // Only the names change places: the numbers go down.
            sorted.push(reply);
            let run = sorted.iter().rev().take_while(|other| word(other) == name).count();
            let start = sorted.len() - run;
            let numbers: Vec<Reply> = sorted[start..].iter().map(|reply| reply.items()[2].clone()).collect();
            sorted[start..].sort_by_key(|reply| reply.items()[1].clone());
            for (reply, number) in sorted[start..].iter_mut().zip(numbers) {
                if let Reply::Array(items) | Reply::Push(items) = reply {
                    items[2] = number;
                }
            }
            continue;
        }
        if name == "pmessage" {
            while at > 0 && word(&sorted[at - 1]) == name && sorted[at - 1] > reply && sorted[at - 1].items()[3] == reply.items()[3]
            {
                at -= 1;
            }
        }
        if name == "message" || name == "pmessage" || !matches!(reply, Reply::Array(_)) {
            sorted.insert(at, reply);
        } else {
            sorted.push(reply.sorted());
        }
    }
    sorted
}

fn pick<'a>(random: &mut Random, steps: &[(&'a str, usize)]) -> &'a str {
    let mut at = random.below(steps.iter().map(|step| step.1).sum());
    for (step, weight) in steps {
        if at < *weight {
            return step;
        }
        at -= weight;
    }
    unreachable!("the weights add up")
}

#[test]
fn generated_interleavings_agree() {
    let mut random = Random::new("generated_interleavings_agree");
    let count = std::env::var("ZEDIS_TEST_COMMANDS").ok().and_then(|n| n.parse().ok()).unwrap_or(3000);
    let pair = Pair::start(&[]);
    let mut clients: Vec<Clients> = (0..5).map(|_| pair.connect()).collect();
    let mut history: Vec<String> = Vec::new();
    for step in 0..count {
        let who = random.below(clients.len());
        let line = pick(&mut random, STEPS);
        history.push(format!("{who}: {line}"));
        let mut bytes: Vec<u8> = line.split('|').flat_map(|request| encode(&words(request))).collect();
        if line.starts_with("MULTI") {
            // In RESP2's context of subscriptions MULTI is refused, and what comes behind it is executed by itself: that is
            // compared as well, but it must not stay open.
            bytes.extend(encode(&["DISCARD"]));
        }
        if random.one_in(200) && clients.len() > 3 {
            // It goes without a word.
            clients.remove(who);
            clients.push(pair.connect());
            // Both servers have seen that it is gone when nobody lists it any more.
            let open = clients.len() as i64;
            let wait = |client: &mut Client| loop {
                client.send(&encode(&["RESET"]));
                while client.read() != Reply::Simple(b"RESET".to_vec()) {}
                let list = client.run("CLIENT LIST").string();
                if list.lines().count() as i64 == open {
                    break;
                }
            };
            wait(&mut clients[0].subject);
            wait(&mut clients[0].oracle);
            continue;
        }
        clients[who].subject.send(&bytes);
        clients[who].oracle.send(&bytes);
        let nonce = format!("nonce-{step}");
        let ping = encode(&["PING", &nonce]);
        // First the one that did it: what it caused is there when it is answered.
        let order = std::iter::once(who).chain((0..clients.len()).filter(|&other| other != who));
        for other in order.collect::<Vec<_>>() {
            let client = &mut clients[other];
            client.subject.send(&ping);
            client.oracle.send(&ping);
            let got = until_ping(&mut client.subject, &nonce);
            let wanted = until_ping(&mut client.oracle, &nonce);
            if got != wanted {
                let recent: Vec<&str> = history.iter().rev().take(30).rev().map(String::as_str).collect();
                panic!(
                    "seed {}: client {other}\n got    {got:?}\n wanted {wanted:?}\n after\n{}",
                    random.seed(),
                    recent.join("\n")
                );
            }
        }
    }
}

#[test]
fn a_subscribers_own_messages_come_after_the_reply() {
    // Redis does so since 7.2.
    if subject_is_redis() {
        return;
    }
    let pair = Pair::start(&[]);
    let mut client = pair.subject.connect();
    client.run("HELLO 3");
    client.run("SUBSCRIBE a");
    client.send(&encode(&["PUBLISH", "a", "1"]));
    assert_eq!(client.read(), Reply::Int(1));
    assert_eq!(format!("{:?}", client.read()), r#">["message", "a", "1"]"#);
    client.send(&[encode(&["MULTI"]), encode(&["PUBLISH", "a", "2"]), encode(&["PING"]), encode(&["EXEC"])].concat());
    for _ in 0..3 {
        assert!(matches!(client.read(), Reply::Simple(_)));
    }
    assert_eq!(client.read(), Reply::Array(vec![Reply::Int(1), Reply::Simple(b"PONG".to_vec())]));
    assert_eq!(format!("{:?}", client.read()), r#">["message", "a", "2"]"#);
}

#[test]
fn what_others_see_of_subscribers() {
    let pair = Pair::start(&["--timeout", "1"]);
    let mut subscriber = pair.connect();
    let mut other = pair.connect();
    for line in ["CLIENT SETNAME sub", "SUBSCRIBE a", "PSUBSCRIBE b*", "SSUBSCRIBE c"] {
        subscriber.line(line);
    }
    let fields = |client: &mut Client| {
        let list = client.run("CLIENT LIST TYPE pubsub").string();
        assert_eq!(list.lines().count(), 1, "{list}");
        list.split(' ')
            .filter(|field| ["sub=", "psub=", "ssub=", "flags="].iter().any(|name| field.starts_with(name)))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(fields(&mut other.subject), fields(&mut other.oracle));
    let info = |client: &mut Client| {
        let text = client.run("INFO stats").string();
        text.lines().filter(|line| line.starts_with("pubsub")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(info(&mut other.subject), info(&mut other.oracle));
    other.line("CLIENT KILL TYPE pubsub");
    assert_eq!(subscriber.subject.read_to_end(), subscriber.oracle.read_to_end());
    other.line("PUBSUB NUMPAT");
    other.line("PUBSUB NUMSUB a");
    other.line("CLIENT KILL TYPE pubsub");
}
