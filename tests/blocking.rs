//! Blocking commands over sockets: the loop's part (deadlines, clients that leave, requests that pile up) and, against redis-server,
//! what two and more clients see of each other.

mod support;

use std::time::{Duration, Instant};

use support::client::{Client, encode};
use support::pair::Pair;
use support::reply::Reply;
use support::server::{POLL_INTERVAL, Server};
use support::table;

/// Longest wait for something that happens at once.
const DEADLINE: Duration = Duration::from_secs(10);

/// Waits until so many clients are blocked.
fn wait_for_blocked(client: &mut Client, wanted: usize) {
    let line = format!("blocked_clients:{wanted}");
    let begun = Instant::now();
    loop {
        let info = client.run("INFO clients");
        if String::from_utf8_lossy(info.text()).lines().any(|found| found == line) {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "not {line}: {info:?}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

fn send(client: &mut Client, line: &str) {
    client.send(&encode(&table::words(line)));
}

#[test]
fn deadlines_are_kept_without_traffic() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    for (seconds, ms) in [("0.001", 1), ("0.05", 50), ("0.25", 250)] {
        let begun = Instant::now();
        let reply = client.run(&format!("BLPOP k {seconds}"));
        let waited = begun.elapsed();
        assert!(reply.is_null(), "{seconds}: {reply:?}");
        assert!(waited >= Duration::from_millis(ms), "{seconds}: after {waited:?}");
        assert!(waited < Duration::from_millis(ms + 500), "{seconds}: after {waited:?}");
    }
}

#[test]
fn who_hangs_up_waits_no_more() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    let mut stays = server.connect();
    let mut gone = server.connect();
    let mut half = server.connect();
    let mut busy = server.connect();
    for waiting in [&mut gone, &mut half, &mut busy] {
        send(waiting, "BLPOP k 0");
    }
    wait_for_blocked(&mut client, 3);
    send(&mut stays, "BLPOP k 0");
    wait_for_blocked(&mut client, 4);
    // More than the ring and the socket's buffer hold together would be; this is read no more.
    send(&mut busy, "PING");
    drop(gone);
    half.stream().shutdown(std::net::Shutdown::Write).expect("an open socket");
    drop(busy);
    wait_for_blocked(&mut client, 1);
    assert_eq!(half.read_to_end(), b"");
    client.run("RPUSH k v");
    assert_eq!(stays.read().items().len(), 2);
    wait_for_blocked(&mut client, 0);
}

/// A wait that comes together with the end of the stream is none, and takes nothing.
#[test]
fn a_wait_and_an_end_in_one() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    for _ in 0..20 {
        let mut last = server.connect();
        last.send(&[encode(&["PING"]), encode(&["BLPOP", "k", "0"])].concat());
        last.stream().shutdown(std::net::Shutdown::Write).expect("an open socket");
        assert_eq!(last.read_to_end(), b"+PONG\r\n");
    }
    wait_for_blocked(&mut client, 0);
    assert_eq!(client.run("RPUSH k v").int(), 1);
    assert_eq!(client.run("LLEN k").int(), 1);
}

#[test]
fn requests_pile_up_behind_a_wait() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    let mut waits = server.connect();
    send(&mut waits, "BLPOP k 0");
    wait_for_blocked(&mut client, 1);
    // Beyond the ring, so that some of it stays in the socket.
    let value = vec![b'v'; 1000];
    let requests: Vec<u8> = (0..100).flat_map(|_| encode(&[b"APPEND".as_slice(), b"s", &value])).collect();
    waits.send(&requests);
    send(&mut waits, "BLPOP k 0");
    send(&mut waits, "STRLEN s");
    assert_eq!(format!("{:?}", client.run("STRLEN s")), ":0");
    client.run("RPUSH k 1");
    assert_eq!(waits.read().items().len(), 2);
    for number in 1..=100 {
        assert_eq!(format!("{:?}", waits.read()), format!(":{}", number * 1000));
    }
    wait_for_blocked(&mut client, 1);
    client.run("RPUSH k 2");
    assert_eq!(waits.read().items().len(), 2);
    assert_eq!(format!("{:?}", waits.read()), ":100000");
}

#[test]
fn those_who_wait_cost_no_time() {
    let server = Server::subject(&["--maxclients", "2000"]);
    let mut client = server.connect();
    let mut waiting: Vec<Client> = (0..500).map(|_| server.connect()).collect();
    for (number, waits) in waiting.iter_mut().enumerate() {
        send(waits, &format!("BLPOP k{} 100", number % 7));
    }
    wait_for_blocked(&mut client, 500);
    // Waiting is no reason for a turn: there are those of the periodic jobs, ten a second, and those of the two INFOs.
    let cycles = |client: &mut Client| {
        let text = client.run("INFO stats").string();
        let line = text.lines().find_map(|line| line.strip_prefix("eventloop_cycles:")).expect("a count of turns");
        line.parse::<u64>().expect("a number")
    };
    let begun = Instant::now();
    let before = cycles(&mut client);
    std::thread::sleep(Duration::from_millis(500));
    let turns = cycles(&mut client) - before;
    let periods = 1 + begun.elapsed().as_millis() as u64 / 100;
    assert!(turns <= 2 * periods + 10, "{turns} turns in {periods} tenths of a second of waiting");
}

/// One step: who sends what, and who gets a reply because of it.
struct Step {
    client: usize,
    line: &'static str,
    replies: &'static [usize],
}

const fn step(client: usize, line: &'static str, replies: &'static [usize]) -> Step {
    Step { client, line, replies }
}

/// Scenes of four clients, the last of which never blocks; the same to both servers.
const SCENES: &[(&str, &[Step])] = &[
    (
        "first waiting, first served",
        &[
            step(0, "BLPOP k 0", &[]),
            step(1, "BRPOP k 0", &[]),
            step(2, "BLPOP k 0", &[]),
            step(3, "RPUSH k a b", &[3, 0, 1]),
            step(3, "RPUSH k c d", &[3, 2]),
            step(3, "LRANGE k 0 -1", &[3]),
        ],
    ),
    (
        "several keys",
        &[
            step(0, "BLPOP a b c 0", &[]),
            step(1, "BLMPOP 0 2 c a RIGHT COUNT 2", &[]),
            step(3, "RPUSH c 1 2 3 4", &[3, 0, 1]),
            step(3, "LRANGE c 0 -1", &[3]),
        ],
    ),
    (
        "moves in a row",
        &[
            step(0, "BLMOVE a b LEFT RIGHT 0", &[]),
            step(1, "BRPOPLPUSH b c 0", &[]),
            step(2, "BLPOP c 0", &[]),
            step(3, "LPUSH a v", &[3, 0, 1, 2]),
            step(3, "DBSIZE", &[3]),
        ],
    ),
    (
        "another type in between",
        &[
            step(0, "BLPOP k 0", &[]),
            step(3, "SET k v", &[3]),
            step(3, "GET k", &[3]),
            step(3, "DEL k", &[3]),
            step(3, "RPUSH k v", &[3, 0]),
            step(3, "EXISTS k", &[3]),
        ],
    ),
    (
        "a destination of another type",
        &[
            step(3, "SET d v", &[3]),
            step(0, "BLMOVE k d LEFT LEFT 0", &[]),
            step(1, "BLPOP k 0", &[]),
            step(3, "RPUSH k v", &[3, 0, 1]),
            step(3, "EXISTS k", &[3]),
        ],
    ),
    (
        "other ways to a list",
        &[
            step(3, "RPUSH old 1 2", &[3]),
            step(0, "BLPOP k 0", &[]),
            step(3, "RENAME old k", &[3, 0]),
            step(1, "BLPOP m 0", &[]),
            step(3, "COPY k m", &[3, 1]),
            step(2, "BLPOP n 0", &[]),
            step(3, "LMOVE k n LEFT LEFT", &[3, 2]),
            step(3, "DBSIZE", &[3]),
        ],
    ),
    (
        "a key that is there and becomes a list is no new one",
        &[
            step(3, "RPUSH src 1 2", &[3]),
            step(0, "BLPOP k 0", &[]),
            step(3, "SET k v", &[3]),
            step(3, "SORT src STORE k", &[3]),
            step(3, "RPUSH k 3", &[3]),
            step(3, "LRANGE k 0 -1", &[3]),
            step(3, "RENAME k l", &[3]),
            step(3, "RENAME l k", &[3, 0]),
            step(3, "LRANGE k 0 -1", &[3]),
            step(1, "BLMOVE other k LEFT LEFT 0", &[]),
            step(2, "BRPOP s 0", &[]),
            step(3, "SET s v", &[3]),
            step(3, "COPY k s REPLACE", &[3, 2]),
            step(3, "SET other v", &[3]),
            step(3, "SORT src STORE other", &[3]),
            step(3, "SELECT 1", &[3]),
            step(3, "SWAPDB 0 1", &[3]),
            step(3, "SWAPDB 0 1", &[3, 1]),
        ],
    ),
    (
        "a key that is there and becomes a sorted set",
        &[
            step(3, "ZADD src 1 a 2 b", &[3]),
            step(0, "BZPOPMIN k 0", &[]),
            step(1, "BZMPOP 0 2 k j MAX COUNT 2", &[]),
            step(3, "RPUSH k v", &[3]),
            step(3, "ZUNIONSTORE k 1 src", &[3]),
            step(3, "ZADD k 3 c", &[3]),
            step(3, "SET j v", &[3]),
            step(3, "ZRANGESTORE j src 0 -1", &[3]),
            step(3, "GEOSEARCHSTORE j src FROMLONLAT 0 0 BYRADIUS 30000 km", &[3]),
            step(3, "RENAME k src", &[3]),
            step(3, "ZUNIONSTORE k 1 src", &[3, 0, 1]),
        ],
    ),
    (
        "what becomes of keys inside a transaction",
        &[
            step(3, "RPUSH src 1 2", &[3]),
            step(0, "BLPOP k 0", &[]),
            step(2, "MULTI", &[2]),
            step(2, "SET k v", &[2]),
            step(2, "SORT src STORE k", &[2]),
            step(2, "EXEC", &[2]),
            step(3, "DEL k", &[3]),
            step(2, "MULTI", &[2]),
            step(2, "RPUSH k x", &[2]),
            step(2, "SET k v", &[2]),
            step(2, "EXEC", &[2]),
            // A list was made, though the one that is there took the place of a string.
            step(3, "DEL k", &[3]),
            step(2, "MULTI", &[2]),
            step(2, "RPUSH k x", &[2]),
            step(2, "SET k v", &[2]),
            step(2, "SORT src STORE k", &[2]),
            step(2, "EXEC", &[2, 0]),
            // A sorted set that somebody could wait for, though nobody does; then somebody does.
            step(0, "BLPOP z 0", &[]),
            step(2, "MULTI", &[2]),
            step(2, "ZADD z 1 m", &[2]),
            step(2, "SORT src STORE z", &[2]),
            step(2, "EXEC", &[2]),
            step(3, "DEL z", &[3]),
            step(1, "BZPOPMIN elsewhere 0", &[]),
            step(2, "MULTI", &[2]),
            step(2, "ZADD z 1 m", &[2]),
            step(2, "SORT src STORE z", &[2]),
            step(2, "EXEC", &[2, 0]),
        ],
    ),
    (
        "databases",
        &[
            step(0, "BLPOP k 0", &[]),
            step(3, "SELECT 1", &[3]),
            step(3, "RPUSH k v", &[3]),
            step(3, "SWAPDB 0 1", &[3, 0]),
            step(1, "BLPOP m 0", &[]),
            step(3, "RPUSH m v", &[3]),
            step(3, "MOVE m 0", &[3, 1]),
            step(3, "DBSIZE", &[3]),
            step(3, "SELECT 0", &[3]),
        ],
    ),
    (
        "times out while another goes on",
        &[
            step(0, "BLPOP k 0.05", &[0]),
            step(1, "BLMOVE k l LEFT LEFT 0.01", &[1]),
            step(2, "BLMPOP 0.01 1 k LEFT", &[2]),
            step(0, "BLPOP k 0", &[]),
            step(3, "RPUSH k v", &[3, 0]),
        ],
    ),
    (
        "hardly any time at all, or hardly less than none",
        &[
            step(0, "BLPOP k 1e-400", &[0]),
            // As a long double a little less than a millisecond before, which is rounded up to no time: for ever.
            step(0, "BLPOP k -0.001", &[]),
            step(1, "BLMOVE k l LEFT LEFT 9000000000000000", &[]),
            step(3, "RPUSH k v w", &[3, 0, 1]),
        ],
    ),
    (
        "unblocked",
        &[
            step(3, "CLIENT UNBLOCK 0 TIMEOUT", &[3]),
            step(0, "BLPOP k 0", &[]),
            step(3, "@UNBLOCK 0 TIMEOUT", &[3, 0]),
            step(0, "BRPOPLPUSH k l 0", &[]),
            step(3, "@UNBLOCK 0 ERROR", &[3, 0]),
            step(3, "@UNBLOCK 0", &[3]),
            step(0, "BLMPOP 0 1 k LEFT", &[]),
            step(3, "@UNBLOCK 0", &[3, 0]),
        ],
    ),
];

fn play(server: &Server, version: &str, steps: &[Step]) -> Vec<(usize, &'static str, Reply)> {
    let mut clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    let ids: Vec<String> = clients
        .iter_mut()
        .map(|client| {
            client.run(&format!("HELLO {version}"));
            format!("{:?}", client.run("CLIENT ID")).trim_start_matches(':').to_string()
        })
        .collect();
    clients[3].run("FLUSHALL");
    let mut blocked = 0;
    let mut seen = Vec::new();
    for step in steps {
        let line = match step.line.strip_prefix("@UNBLOCK ") {
            Some(rest) => format!("CLIENT UNBLOCK {}{}", ids[0], &rest[1..]),
            None => step.line.to_string(),
        };
        send(&mut clients[step.client], &line);
        for &who in step.replies {
            seen.push((who, step.line, clients[who].read()));
        }
        if step.replies.is_empty() {
            blocked += 1;
        } else {
            blocked -= step.replies.iter().filter(|&&who| who != step.client).count();
        }
        wait_for_blocked(&mut clients[3], blocked);
    }
    seen
}

#[test]
fn scenes() {
    let pair = Pair::start(&[]);
    for version in ["2", "3"] {
        for (title, steps) in SCENES {
            let got = play(&pair.subject, version, steps);
            let wanted = play(&pair.oracle, version, steps);
            assert_eq!(format!("{got:#?}"), format!("{wanted:#?}"), "{title}, RESP{version}");
        }
    }
}
