//! Client-side caching against redis-server: tables of what goes together and what does not, and interleavings of clients of both
//! protocol versions generated from a seed. After each step everything that every client has received by then has to agree.

mod support;

use support::client::{Client, encode};
use support::pair::{Clients, Pair, run_table};
use support::random::Random;
use support::reply::Reply;
use support::table::words;

/// An overlap of any but the first prefix is not tried: Redis 7.0 then answers twice.
const TABLE: &str = r#"
CLIENT TRACKING
CLIENT TRACKING MAYBE
CLIENT TRACKING ON NOSUCH
CLIENT TRACKING ON REDIRECT
CLIENT TRACKING ON REDIRECT x
CLIENT TRACKING ON REDIRECT 1234567
CLIENT TRACKING ON PREFIX
CLIENT TRACKING ON PREFIX a
CLIENT TRACKING ON BCAST OPTIN
CLIENT TRACKING ON BCAST OPTOUT
CLIENT TRACKING ON OPTIN OPTOUT
CLIENT TRACKING ON BCAST PREFIX a PREFIX ab
CLIENT TRACKING ON BCAST PREFIX ab PREFIX a
CLIENT TRACKING ON BCAST PREFIX b PREFIX b PREFIX ab
CLIENT TRACKING ON BCAST PREFIX ""  PREFIX b
CLIENT TRACKINGINFO
CLIENT GETREDIR
CLIENT CACHING YES
CLIENT CACHING NO
CLIENT CACHING MAYBE
CLIENT TRACKING OFF
CLIENT TRACKING ON
CLIENT TRACKINGINFO
CLIENT GETREDIR
CLIENT CACHING YES
CLIENT CACHING NO
CLIENT CACHING MAYBE
CLIENT TRACKING ON BCAST
CLIENT TRACKING ON OPTIN
~ CLIENT TRACKINGINFO
CLIENT CACHING YES
~ CLIENT TRACKINGINFO
CLIENT CACHING NO
CLIENT TRACKING ON OPTOUT
GET a
~ CLIENT TRACKINGINFO
CLIENT TRACKING OFF
CLIENT TRACKING ON OPTOUT NOLOOP
CLIENT CACHING NO
CLIENT CACHING YES
~ CLIENT TRACKINGINFO
GET a
~ CLIENT TRACKINGINFO
CLIENT TRACKING ON OPTIN
CLIENT TRACKING OFF
CLIENT TRACKING ON BCAST PREFIX a PREFIX b
CLIENT TRACKING ON BCAST PREFIX ab
CLIENT TRACKING ON BCAST PREFIX bb PREFIX c
CLIENT TRACKING ON BCAST PREFIX c
~ CLIENT TRACKINGINFO
CLIENT TRACKING ON
CLIENT CACHING YES
CLIENT TRACKING OFF
CLIENT TRACKING ON BCAST
CLIENT TRACKING ON BCAST PREFIX a
~ CLIENT TRACKINGINFO
RESET
CLIENT TRACKINGINFO
"#;

#[test]
fn a_table_of_options() {
    run_table(&[("tracking", TABLE)], &[], &[]);
}

/// Steps of a client: requests sent together; `@2` is the number of the third client.
const STEPS: &[(&str, usize)] = &[
    ("CLIENT TRACKING ON", 4),
    ("CLIENT TRACKING ON NOLOOP", 2),
    ("CLIENT TRACKING ON OPTIN", 2),
    ("CLIENT TRACKING ON OPTOUT NOLOOP", 1),
    ("CLIENT TRACKING ON BCAST", 1),
    ("CLIENT TRACKING ON BCAST PREFIX k1 PREFIX k2", 2),
    ("CLIENT TRACKING ON BCAST PREFIX k NOLOOP", 2),
    ("CLIENT TRACKING ON REDIRECT @0", 2),
    ("CLIENT TRACKING ON REDIRECT @1 BCAST", 1),
    ("CLIENT TRACKING ON REDIRECT @2", 2),
    ("CLIENT TRACKING OFF", 3),
    ("CLIENT TRACKINGINFO", 2),
    ("CLIENT GETREDIR", 1),
    ("CLIENT CACHING YES|GET k1", 2),
    ("CLIENT CACHING YES|CLIENT GETNAME|GET k1|GET k2", 1),
    ("CLIENT CACHING YES|NOSUCH|GET k1", 1),
    ("CLIENT CACHING YES|MULTI|GET k1|GET k2|EXEC|GET k3", 1),
    ("MULTI|CLIENT CACHING YES|GET k1|EXEC|GET k2", 1),
    ("CLIENT CACHING NO|GET k1", 2),
    ("GET k1", 6),
    ("GET k2", 4),
    ("GET nothing", 1),
    ("MGET k1 k2 k3", 3),
    ("EXISTS k1 k2|TTL k3|TYPE k1", 2),
    ("STRLEN k3|GETRANGE k1 0 1", 1),
    ("LRANGE list 0 -1|HGETALL hash|SMEMBERS set", 3),
    ("SORT_RO list ALPHA|OBJECT REFCOUNT list|DUMP k1", 1),
    ("SUNION set set2", 2),
    ("SET k1 v", 6),
    ("SET k2 v|SET k3 v", 3),
    ("MSET k1 a k2 b k3 c", 2),
    ("INCR n|INCR n", 1),
    ("APPEND k1 x", 2),
    ("SETEX k2 1000 v", 1),
    ("EXPIRE k1 1000|PERSIST k1", 1),
    ("DEL k1 k2", 2),
    ("DEL nothing", 1),
    ("RENAME k1 k2", 2),
    ("COPY k1 k3 REPLACE", 1),
    ("RPUSH list a b|LPOP list", 2),
    ("HSET hash f v|HDEL hash f", 2),
    ("SADD set a|SADD set2 b|SMOVE set set2 a", 2),
    ("BLPOP list 0.001", 1),
    ("MULTI|SET k1 v|GET k1|EXEC", 2),
    ("MULTI|GET k1|SET k1 v|SET k1 w|GET k2|EXEC", 2),
    ("MULTI|GET k1|FLUSHDB|GET k1|SET k1 v|EXEC", 1),
    ("SELECT 1", 1),
    ("SELECT 0", 2),
    ("MOVE k1 1", 1),
    ("SWAPDB 0 1", 1),
    ("FLUSHDB", 1),
    ("FLUSHALL", 1),
    ("SUBSCRIBE __redis__:invalidate", 1),
    ("UNSUBSCRIBE", 1),
    ("PUBLISH __redis__:invalidate text", 1),
    ("HELLO 3", 3),
    ("HELLO 2", 1),
    ("RESET", 1),
];

/// With the numbers of clients replaced by their places.
fn named(reply: Reply, ids: &[i64]) -> Reply {
    match reply {
        Reply::Int(id) => match ids.iter().position(|&own| own == id) {
            Some(place) => Reply::Bulk(format!("@{place}").into_bytes()),
            None => Reply::Int(id),
        },
        Reply::Array(items) => Reply::Array(items.into_iter().map(|item| named(item, ids)).collect()),
        Reply::Map(items) => Reply::Map(items.into_iter().map(|item| named(item, ids)).collect()),
        Reply::Push(items) => Reply::Push(items.into_iter().map(|item| named(item, ids)).collect()),
        other => other,
    }
}

/// Whether a client is told to forget everything.
fn is_of_flush(message: &Reply) -> bool {
    message.items().last().is_some_and(Reply::is_null)
}

fn in_any_order(messages: &[Reply]) -> Vec<String> {
    let mut lines: Vec<String> = messages.iter().map(|message| format!("{message:?}")).collect();
    lines.sort();
    lines
}

/// Invalidations in a row as one: what is told with BCAST is told once for each turn of the loop, and how many turns a pipeline takes
/// depends on the machine.
fn merged(pushes: &[Reply]) -> Vec<(String, Vec<Reply>)> {
    let mut merged: Vec<(String, Vec<Reply>)> = Vec::new();
    for push in pushes {
        let items = push.items();
        let Some(Reply::Array(keys)) = items.last() else {
            merged.push((format!("{push:?}"), Vec::new()));
            continue;
        };
        let kind = format!("{:?}", &items[..items.len() - 1]);
        match merged.last_mut().filter(|(last, _)| *last == kind) {
            Some((_, all)) => all.extend(keys.iter().cloned()),
            None => merged.push((kind, keys.clone())),
        }
    }
    for (_, keys) in &mut merged {
        keys.sort();
        keys.dedup();
    }
    merged
}

/// What a client has received up to the answer to `PING nonce`: pushes, and the rest.
fn until_ping(client: &mut Client, nonce: &str, ids: &[i64], received: &mut (Vec<Reply>, Vec<Reply>)) {
    let with_ids = nonce.ends_with("with-ids");
    loop {
        let reply = client.read();
        let is_pong = match &reply {
            Reply::Bulk(text) => text == nonce.as_bytes(),
            Reply::Array(parts) => parts.len() == 2 && parts[1].text() == nonce.as_bytes(),
            _ => false,
        };
        if is_pong {
            // The order of replies is for other suites; here 7.0's EXEC would disturb it.
            received.1.sort();
            return;
        }
        let word = reply.items().first().map(Reply::string).unwrap_or_default();
        match word.as_str() {
            // HELLO tells numbers and versions.
            "server" => {}
            "tracking-redir-broken" | "invalidate" | "message" => received.0.push(named(reply, ids)),
            "flags" => received.1.push(named(reply, ids).sorted()),
            // Redis 7.0 answers EXEC with the pushes that its commands caused between the replies; newer ones come later.
            _ if matches!(reply, Reply::Array(_)) => {
                for item in reply.sorted().items() {
                    if matches!(item, Reply::Push(_)) {
                        received.0.push(named(item.clone(), ids));
                    } else {
                        received.1.push(item.sorted());
                    }
                }
            }
            _ if with_ids => received.1.push(named(reply, ids)),
            _ => received.1.push(reply.sorted()),
        }
    }
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

fn ids(clients: &mut Clients) -> (i64, i64) {
    (clients.subject.run("CLIENT ID").int(), clients.oracle.run("CLIENT ID").int())
}

#[test]
fn generated_interleavings_agree() {
    let mut random = Random::new("generated_interleavings_agree");
    let count = std::env::var("ZEDIS_TEST_COMMANDS").ok().and_then(|n| n.parse().ok()).unwrap_or(4000);
    let pair = Pair::start(&[]);
    let mut clients: Vec<Clients> = (0..4).map(|_| pair.connect()).collect();
    let mut numbers: (Vec<i64>, Vec<i64>) = clients.iter_mut().map(ids).unzip();
    let mut history: Vec<String> = Vec::new();
    let mut is_broadcast = vec![false; clients.len()];
    for step in 0..count {
        let who = random.below(clients.len());
        if random.one_in(300) {
            // It goes, and so does what was redirected to it.
            history.push(format!("{who}: closed"));
            clients[who] = pair.connect();
            is_broadcast[who] = false;
            let new = ids(&mut clients[who]);
            // Somebody may redirect to the old number still.
            numbers.0.push(numbers.0[who]);
            numbers.1.push(numbers.1[who]);
            (numbers.0[who], numbers.1[who]) = new;
            let Clients { subject, oracle, .. } = &mut clients[who];
            for server in [subject, oracle] {
                while server.run("CLIENT LIST").string().lines().count() != 4 {}
            }
            continue;
        }
        let line = pick(&mut random, STEPS);
        // To another mode it does not come but by way of OFF.
        is_broadcast[who] &= !["TRACKING OFF", "RESET"].iter().any(|end| line.contains(end));
        is_broadcast[who] |= line.contains("BCAST");
        history.push(format!("{who}: {line}"));
        let nonces = [
            format!("first-{step}{}", if line.contains("GETREDIR") { "-with-ids" } else { "" }),
            format!("second-{step}"),
        ];
        let request = |ids: &[i64]| {
            let mut line = line.to_string();
            for (place, id) in ids.iter().enumerate() {
                line = line.replace(&format!("@{place}"), &id.to_string());
            }
            let mut bytes: Vec<u8> = line.split('|').flat_map(|request| encode(&words(request))).collect();
            if line.starts_with("MULTI") || line.contains("|MULTI") {
                // Refused inside RESP2's context of subscriptions, but never left open.
                bytes.extend(encode(&["DISCARD"]));
            }
            bytes.extend(encode(&["PING", &nonces[0]]));
            bytes
        };
        clients[who].subject.send(&request(&numbers.0));
        clients[who].oracle.send(&request(&numbers.1));
        let mut first: [(Vec<Reply>, Vec<Reply>); 2] = Default::default();
        until_ping(&mut clients[who].subject, &nonces[0], &numbers.0, &mut first[0]);
        until_ping(&mut clients[who].oracle, &nonces[0], &numbers.1, &mut first[1]);
        let ping = encode(&["PING", &nonces[1]]);
        for (other, client) in clients.iter_mut().enumerate() {
            let mut received = if other == who { std::mem::take(&mut first) } else { Default::default() };
            client.subject.send(&ping);
            client.oracle.send(&ping);
            until_ping(&mut client.subject, &nonces[1], &numbers.0, &mut received[0]);
            until_ping(&mut client.oracle, &nonces[1], &numbers.1, &mut received[1]);
            // After a flush Redis goes through its clients in an order that its periodic jobs change.
            let is_flushed = received[0].0.iter().filter(|message| is_of_flush(message)).count() > 1;
            // Redis goes through those who have read a key by the bytes of their numbers, the lowest byte first; we by the numbers.
            let has_long_numbers = numbers.1.iter().any(|&number| number > 0xff);
            let agree = received[0] == received[1]
                || (is_flushed || has_long_numbers)
                    && received[0].1 == received[1].1
                    && in_any_order(&received[0].0) == in_any_order(&received[1].0)
                || is_broadcast.contains(&true)
                    && received[0].1 == received[1].1
                    && merged(&received[0].0) == merged(&received[1].0);
            if !agree {
                let recent: Vec<&str> = history.iter().rev().take(60).rev().map(String::as_str).collect();
                panic!(
                    "seed {}: client {other}\n got    {:?}\n wanted {:?}\n after\n{}",
                    random.seed(),
                    received[0],
                    received[1],
                    recent.join("\n")
                );
            }
        }
    }
    let info = |client: &mut Client| {
        let text = client.run("INFO").string();
        text.lines().filter(|line| line.starts_with("tracking")).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut last = pair.connect();
    let (got, wanted) = (info(&mut last.subject), info(&mut last.oracle));
    // The keys of readers that are gone stay until they change, in both.
    assert_eq!(
        got.iter().filter(|line| !line.contains("items")).collect::<Vec<_>>(),
        wanted.iter().filter(|line| !line.contains("items")).collect::<Vec<_>>()
    );
}

#[test]
fn a_full_table_forgets_keys_and_says_so() {
    let pair = Pair::start(&["--tracking-table-max-keys", "10"]);
    let mut clients = pair.connect();
    for client in [&mut clients.subject, &mut clients.oracle] {
        client.run("HELLO 3");
        client.run("CLIENT TRACKING ON");
        for key in 0..30 {
            client.send(&encode(&["GET", &format!("key{key}")]));
        }
        // What is told as changed, and the replies.
        let mut forgotten = 0;
        let mut answered = 0;
        while forgotten < 20 || answered < 30 {
            match client.read() {
                Reply::Push(_) => forgotten += 1,
                _ => answered += 1,
            }
        }
        let info = client.run("INFO stats").string();
        assert!(info.contains("tracking_total_keys:10\r\n"), "{info}");
    }
}

#[test]
fn what_others_see_of_tracking_clients() {
    let pair = Pair::start(&[]);
    let mut other = pair.connect();
    let mut plain = pair.connect();
    plain.run_quietly("HELLO 3");
    let mut target = pair.connect();
    let target_ids = ids(&mut target);
    let mut tracking = pair.connect();
    tracking.subject.run(&format!("CLIENT TRACKING ON BCAST REDIRECT {}", target_ids.0));
    tracking.oracle.run(&format!("CLIENT TRACKING ON BCAST REDIRECT {}", target_ids.1));
    drop(target);
    let own_ids = ids(&mut tracking);
    let flags = |client: &mut Client, id: i64| {
        let line = client.run(&format!("CLIENT LIST ID {id}")).string();
        line.split(' ').find_map(|field| field.strip_prefix("flags=")).expect("flags").to_string()
    };
    assert_eq!(flags(&mut other.subject, own_ids.0), flags(&mut other.oracle, own_ids.1));
    for (client, id) in [(&mut other.subject, own_ids.0), (&mut other.oracle, own_ids.1)] {
        while client.run("CLIENT LIST").string().lines().count() != 3 {}
        client.run("SET a 1");
        assert_eq!(flags(client, id), "tRBU");
    }
    tracking.line("shape CLIENT TRACKINGINFO");
}
