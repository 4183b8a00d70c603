//! Publish and subscribe, and keyspace events, against redis-server: several clients in both protocol versions, interleavings
//! generated from a seed. After each step everything that every client has received by then has to agree.

mod support;

use std::collections::BTreeMap;

use support::client::{Client, encode};
use support::pair::{Clients, Pair, run_table};
use support::random::Random;
use support::reply::Reply;
use support::server::subject_is_redis;
use support::stream::{Command, Generator, Profile};
use support::table::{show, words};

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
            while at > 0
                && word(&sorted[at - 1]) == name
                && sorted[at - 1] > reply
                && sorted[at - 1].items()[3] == reply.items()[3]
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

/// RESET is for subscribers; subcommands of that name are not.
#[test]
fn subcommands_are_not_taken_for_commands() {
    let pair = Pair::start(&[]);
    let mut clients = pair.connect();
    clients.lines(
        "SUBSCRIBE a\nSLOWLOG RESET\nLATENCY RESET\nCLUSTER RESET\nSLOWLOG NOSUCH\nLATENCY RESET a b\nCONFIG RESETSTAT\nRESET\n\
         SLOWLOG RESET",
    );
    // Nor may any other be put off when there is no memory.
    clients.lines(
        "CONFIG SET maxmemory 1\nMULTI\nSLOWLOG RESET\nEXEC\nMULTI\nLATENCY RESET\nDISCARD\nMULTI\nCLUSTER RESET\nRESET\nSLOWLOG RESET\n\
         CONFIG SET maxmemory 0",
    );
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

/// Commands of every type over a few keys, all of which may meet any type.
const EVENTFUL: &[(&str, usize)] = &[
    ("SET key val", 6),
    ("SET key num [NX|XX] [GET] [EX sec|PX ms|EXAT at|KEEPTTL]", 6),
    ("SETNX key num", 2),
    ("SETEX key sec val", 2),
    ("PSETEX key ms val", 1),
    ("GET key", 3),
    ("GETSET key num", 2),
    ("GETDEL key", 2),
    ("GETEX key [EX sec|PERSIST|PXAT atms]", 3),
    ("GETEX key EXAT 1", 1),
    ("GETRANGE key 0 3", 1),
    ("STRLEN key", 1),
    ("MGET key key", 1),
    ("MSET key val key num", 2),
    ("MSETNX key val key val", 1),
    ("INCR key", 3),
    ("DECRBY key int", 2),
    ("INCRBYFLOAT key float", 2),
    ("APPEND key val", 3),
    ("SETRANGE key small val", 2),
    ("LCS key key", 1),
    ("SETBIT key small 1", 2),
    ("GETBIT key 1", 1),
    ("BITCOUNT key", 1),
    ("BITPOS key 1", 1),
    ("BITOP OR key key key", 3),
    ("BITFIELD key SET u8 small 3 INCRBY u8 0 2", 2),
    ("BITFIELD key GET u8 0", 1),
    ("BITFIELD_RO key GET u8 0", 1),
    ("PFADD key member...", 3),
    ("PFCOUNT key", 2),
    ("PFCOUNT key key", 1),
    ("PFMERGE key key key", 2),
    ("DEL key key", 4),
    ("UNLINK key", 2),
    ("EXISTS key key", 1),
    ("TOUCH key key", 1),
    ("TYPE key", 1),
    ("TTL key", 1),
    ("PTTL key", 1),
    ("EXPIRETIME key", 1),
    ("OBJECT ENCODING key", 1),
    ("OBJECT REFCOUNT key", 1),
    ("DUMP key", 1),
    ("EXPIRE key sec [NX|XX|GT|LT]", 4),
    ("PEXPIREAT key atms", 1),
    ("EXPIRE key -1", 1),
    ("PERSIST key", 3),
    ("RENAME key key", 3),
    ("RENAMENX key key", 2),
    ("MOVE key db", 2),
    ("COPY key key [DB db] [REPLACE]", 3),
    ("RANDOMKEY", 1),
    ("SCAN 0 TYPE string COUNT 1000", 1),
    ("SORT key", 1),
    ("SORT key ALPHA STORE key", 2),
    ("SORT key ALPHA BY key* GET key* GET # STORE key", 1),
    ("SORT_RO key ALPHA", 1),
    ("SELECT db", 2),
    ("SWAPDB db db", 1),
    ("LPUSH key member...", 4),
    ("RPUSH key num...", 4),
    ("LPUSHX key member", 1),
    ("RPUSHX key member", 1),
    ("LPOP key", 3),
    ("RPOP key 2", 2),
    ("LPOP key 0", 1),
    ("LLEN key", 1),
    ("LINDEX key 0", 1),
    ("LRANGE key 0 -1", 1),
    ("LPOS key member", 1),
    ("LSET key 0 member", 2),
    ("LINSERT key BEFORE member member", 2),
    ("LREM key 0 member", 2),
    ("LTRIM key 1 3", 2),
    ("LTRIM key 5 3", 1),
    ("LMOVE key key LEFT RIGHT", 3),
    ("RPOPLPUSH key key", 2),
    ("LMPOP 2 key key LEFT COUNT 2", 2),
    ("BLPOP key key 0.001", 2),
    ("BRPOP key 0.001", 1),
    ("BLMOVE key key RIGHT LEFT 0.001", 2),
    ("BLMPOP 0.001 2 key key RIGHT", 1),
    ("SADD key member...", 4),
    ("SADD key num", 3),
    ("SREM key member...", 3),
    ("SCARD key", 1),
    ("SISMEMBER key member", 1),
    ("SMISMEMBER key member", 1),
    ("SMEMBERS key", 1),
    ("SRANDMEMBER key", 1),
    ("SSCAN key 0", 1),
    ("SMOVE key key member", 3),
    ("SPOP key 4000", 1),
    ("SPOP key 0", 1),
    ("SINTER key key", 1),
    ("SINTERCARD 2 key key", 1),
    ("SUNION key key", 1),
    ("SDIFF key key", 1),
    ("SINTERSTORE key key key", 2),
    ("SUNIONSTORE key key key", 2),
    ("SDIFFSTORE key key key", 2),
    ("HSET key member val", 4),
    ("HSET key member num member val", 2),
    ("HMSET key member val", 1),
    ("HSETNX key member val", 2),
    ("HGET key member", 1),
    ("HMGET key member member", 1),
    ("HGETALL key", 1),
    ("HKEYS key", 1),
    ("HLEN key", 1),
    ("HEXISTS key member", 1),
    ("HSTRLEN key member", 1),
    ("HRANDFIELD key", 1),
    ("HSCAN key 0", 1),
    ("HDEL key member...", 4),
    ("HINCRBY key member int", 2),
    ("HINCRBYFLOAT key member float", 2),
    ("ZADD key small member small member", 4),
    ("ZADD key [NX|XX] [CH] small member", 3),
    ("ZADD key INCR small member", 2),
    ("ZINCRBY key small member", 2),
    ("ZREM key member...", 2),
    ("ZCARD key", 1),
    ("ZSCORE key member", 1),
    ("ZMSCORE key member", 1),
    ("ZRANK key member", 1),
    ("ZRANGE key 0 -1", 1),
    ("ZRANGEBYSCORE key 0 10", 1),
    ("ZCOUNT key 0 10", 1),
    ("ZLEXCOUNT key - +", 1),
    ("ZRANDMEMBER key", 1),
    ("ZSCAN key 0", 1),
    ("ZPOPMIN key", 2),
    ("ZPOPMAX key 2", 2),
    ("ZMPOP 2 key key MIN COUNT 2", 2),
    ("BZPOPMIN key key 0.001", 1),
    ("BZMPOP 0.001 1 key MAX", 1),
    ("ZREMRANGEBYRANK key 1 2", 1),
    ("ZREMRANGEBYSCORE key 0 3", 2),
    ("ZREMRANGEBYLEX key - (m1", 1),
    ("ZUNION 2 key key", 1),
    ("ZINTERCARD 2 key key", 1),
    ("ZUNIONSTORE key 2 key key", 2),
    ("ZINTERSTORE key 2 key key", 2),
    ("ZDIFFSTORE key 2 key key", 2),
    ("ZRANGESTORE key key 0 1", 2),
    ("ZRANGESTORE key key 5 1", 1),
    ("GEOADD key 10 10 member 11 11 member", 2),
    ("GEODIST key member member", 1),
    ("GEOPOS key member", 1),
    ("GEOHASH key member", 1),
    ("GEORADIUS key 10 10 500 km", 1),
    ("GEORADIUS key 10 10 500 km STORE key", 1),
    ("GEOSEARCH key FROMLONLAT 10 10 BYRADIUS 500 km", 1),
    ("GEOSEARCHSTORE key key FROMLONLAT 10 10 BYBOX 500 500 km", 1),
    ("FLUSHDB", 1),
];

fn event_word(generator: &mut Generator, word: &str) -> Option<Vec<u8>> {
    match word {
        "key" => Some(format!("k{}", generator.random.below(5)).into_bytes()),
        "key*" => Some(b"k*".to_vec()),
        "member" => Some(format!("m{}", generator.random.below(4)).into_bytes()),
        _ => None,
    }
}

fn mend_eventful(command: &mut Command) {
    // Damage may make a command wait, or draw at random.
    let name = command[0].to_ascii_uppercase();
    let waits = name.starts_with(b"BL") || name.starts_with(b"BR") || name.starts_with(b"BZ");
    if (waits && !command.iter().any(|word| word == b"0.001")) || (name == b"SPOP" && command.len() < 3) {
        *command = vec![b"PING".to_vec()];
    }
    if name == b"SPOP" && command.len() == 3 && command[2] != b"0" {
        command[2] = b"4000".to_vec();
    }
}

static EVENTS: Profile =
    Profile { forms: EVENTFUL, word: event_word, mend: mend_eventful, commands: 12_000, ..Profile::BASE };

/// Lines `channel event` up to the answer to PING.
fn events(client: &mut Client, nonce: &str) -> Vec<String> {
    let (messages, rest) = until_ping(client, nonce);
    let lines = messages.into_iter().chain(rest);
    lines.map(|message| message.items()[2..].iter().map(Reply::string).collect::<Vec<_>>().join(" ")).collect()
}

/// The events of every command, in their order.
#[test]
fn generated_commands_tell_the_same_events() {
    let mut random = Random::new("generated_commands_tell_the_same_events");
    let mut generator = Generator::new(&EVENTS, random.fork());
    let count = std::env::var("ZEDIS_TEST_COMMANDS").ok().and_then(|n| n.parse().ok()).unwrap_or(EVENTS.commands);
    let pair = Pair::start(&["--notify-keyspace-events", "AKEmn"]);
    let mut listeners = pair.connect();
    listeners.run_quietly("PSUBSCRIBE __key*__:*");
    let mut clients = pair.connect();
    let mut complaints: BTreeMap<String, String> = BTreeMap::new();
    for step in 0..count {
        let command = generator.command();
        let replies = clients.call(&command);
        let nonce = format!("nonce-{step}");
        for listener in [&mut listeners.subject, &mut listeners.oracle] {
            listener.send(&encode(&["PING", &nonce]));
        }
        let (mut got, mut wanted) = (events(&mut listeners.subject, &nonce), events(&mut listeners.oracle, &nonce));
        let name = String::from_utf8_lossy(&command[0]).to_ascii_uppercase();
        if name.starts_with("SORT") {
            // Keys of patterns are looked up in the order of the elements, which a set has none of.
            got.sort();
            wanted.sort();
        }
        // What newer Redis refuses before it looks for the key (BITCOUNT and BITPOS with a bad range), and what HyperLogLogs
        // come to that were overwritten at random: other suites compare replies.
        let is_other =
            replies.0.is_error() != replies.1.is_error() || (name.starts_with("PF") && replies.0 != replies.1);
        if replies.0 != replies.1 && !is_other {
            // The keyspaces have parted, over something drawn at random or a set that came in another order; they begin anew.
            clients.run_quietly("FLUSHALL");
            let nonce = format!("again-{step}");
            for listener in [&mut listeners.subject, &mut listeners.oracle] {
                listener.send(&encode(&["PING", &nonce]));
                events(listener, &nonce);
            }
            continue;
        }
        if got != wanted && !is_other {
            complaints.entry(name).or_insert_with(|| {
                format!(
                    "{} (command {step}, answered {:?})\n    got    {got:?}\n    wanted {wanted:?}",
                    show(&command),
                    replies.1
                )
            });
        }
    }
    let complaints: Vec<String> = complaints.into_values().collect();
    assert!(complaints.is_empty(), "seed {}:\n{}", random.seed(), complaints.join("\n"));
}

/// What is past its deadline and was not looked at since goes when a command comes upon it, and that is told first, also where the command
/// would only have put something in its place.
#[test]
fn what_is_past_its_deadline_goes_first() {
    let pair = Pair::start(&["--notify-keyspace-events", "AKE", "--enable-debug-command", "yes"]);
    let mut listeners = pair.connect();
    listeners.run_quietly("PSUBSCRIBE __key*__:*");
    let mut clients = pair.connect();
    clients.run_quietly("DEBUG SET-ACTIVE-EXPIRE 0");
    for (number, command) in [
        "RENAME a b",
        "RENAMENX a b",
        "COPY a b REPLACE",
        "COPY a b",
        "SMOVE nothing b x",
        "SMOVE set b x",
        "MSETNX other 1 a 2 b 3",
        "MSETNX other 1 b 3",
        "MOVE b 1",
        "SET b 1",
        "GETSET b 1",
        "RPOPLPUSH list b",
        "LMOVE nothing b LEFT LEFT",
    ]
    .into_iter()
    .enumerate()
    {
        for line in ["FLUSHALL", "SET a 1", "SADD set x", "RPUSH list x", "SET b 2 PX 1", "DEBUG SLEEP 0.005", command]
        {
            clients.run_quietly(line);
        }
        let nonce = format!("nonce-{number}");
        let told = [&mut listeners.subject, &mut listeners.oracle].map(|listener| {
            listener.send(&encode(&["PING", &nonce]));
            events(listener, &nonce)
        });
        assert_eq!(told[0], told[1], "{command}");
        let counted = "INFO stats";
        let counts = [clients.subject.run(counted), clients.oracle.run(counted)].map(|reply| {
            let text = reply.string();
            text.lines().find(|line| line.starts_with("expired_keys:")).map(str::to_owned)
        });
        assert_eq!(counts[0], counts[1], "{command}");
    }
}
