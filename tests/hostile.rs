//! Clients that mean harm or have lost their minds: memory stays bounded, other clients notice nothing, and what Redis answers
//! is answered.

mod support;

use std::io::Write;
use std::net::Shutdown;

use support::client::{Client, encode};
use support::pair::Pair;
use support::random::Random;
use support::server::{Server, eventually};

const MIB: usize = 1 << 20;

/// A thousand requests of a client that behaves.
fn assert_serves(client: &mut Client) {
    for round in 0..1000 {
        let text = format!("round {round}");
        assert_eq!(client.call(&["PING", &text]).text(), text.as_bytes());
    }
}

/// Waits until `client` is the only one left.
fn wait_until_alone(client: &mut Client) {
    eventually("the other clients are gone", || client.run("CLIENT LIST").string().lines().count() == 1);
}

#[test]
fn a_million_arguments() {
    const KEYS: usize = 500_000;
    let server = Server::subject(&[]);
    let mut client = server.connect();
    let mut other = server.connect();
    let pairs: Vec<String> = (0..KEYS).flat_map(|key| [format!("key:{key}"), key.to_string()]).collect();
    let keys: Vec<&String> = pairs.iter().step_by(2).collect();
    let request = |name: &str, args: &[&String]| {
        let mut request = format!("*{}\r\n${}\r\n{name}\r\n", args.len() + 1, name.len()).into_bytes();
        for arg in args {
            request.extend_from_slice(format!("${}\r\n{arg}\r\n", arg.len()).as_bytes());
        }
        request
    };
    let all: Vec<&String> = pairs.iter().collect();
    client.send(&request("MSET", &all));
    assert_eq!(client.read().text(), b"OK");
    assert_eq!(client.run("DBSIZE").int(), KEYS as i64);
    assert_eq!(client.run("GET key:499999").text(), b"499999");
    let twice: Vec<&String> = keys.iter().chain(&keys).copied().collect();
    client.send(&request("EXISTS", &twice));
    assert_eq!(client.read().int(), 2 * KEYS as i64);
    assert_serves(&mut other);
    client.send(&request("DEL", &twice));
    assert_eq!(client.read().int(), KEYS as i64);
    client.send(&request("UNLINK", &twice));
    assert_eq!(client.read().int(), 0);
    // A wrong number of them, and a command that nobody knows.
    client.send(&request("MSET", &all[1..]));
    assert_eq!(client.read().text(), b"ERR wrong number of arguments for 'mset' command");
    client.send(&request("NONSENSE", &all));
    assert!(
        client.read().string().starts_with("ERR unknown command 'NONSENSE', with args beginning with: 'key:0' '0' ")
    );
    assert_serves(&mut other);
}

#[test]
fn announced_and_never_sent() {
    let server = Server::subject(&["--proto-max-bulk-len", "2gb"]);
    let mut other = server.connect();
    assert_serves(&mut other);
    let before = server.memory("VmRSS");
    let mut clients = Vec::new();
    for number in 0..100 {
        let mut client = server.connect();
        client.send(match number % 5 {
            0 => b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1073741824\r\n",
            1 => b"*2\r\n$1073741824\r\n",
            2 => b"*2147483647\r\n",
            3 => b"*1000000\r\n$4\r\nMGET\r\n",
            _ => b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1073741824\r\nthe first few bytes",
        });
        clients.push(client);
    }
    assert_serves(&mut other);
    let grown = server.memory("VmRSS").saturating_sub(before);
    assert!(grown < 16 * MIB, "100 announcements cost {grown} bytes");
    drop(clients);
    wait_until_alone(&mut other);
}

/// Bulks that stop after the first megabyte cost that megabyte, not what they promised.
#[test]
fn a_big_bulk_that_stops() {
    let limit = ["--proto-max-bulk-len", "2gb", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    let server = Server::subject(&limit);
    let mut other = server.connect();
    other.run("SET kept for-what-it-costs");
    assert_serves(&mut other);
    let before = server.memory("VmRSS");
    let part = vec![b'x'; MIB];
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = server.connect();
        client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1073741824\r\n");
        client.send(&part);
        clients.push(client);
    }
    assert_serves(&mut other);
    let grown = server.memory("VmRSS").saturating_sub(before);
    assert!(grown < 40 * MIB, "10 MiB sent cost {grown} bytes");
    let memory = other.run("INFO memory").string();
    let used = memory.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("the field");
    assert!(used.parse::<usize>().expect("a number") < 40 * MIB, "{used} bytes are counted");
    assert_eq!(other.run("SET another key").string(), "OK");
    assert_eq!(other.run("GET kept").string(), "for-what-it-costs", "nothing goes for what was only announced");
}

#[test]
fn half_a_frame_then_silence() {
    let server = Server::subject(&[]);
    let mut other = server.connect();
    let frame = encode(&["SET", "k", "value"]);
    let mut clients = Vec::new();
    for cut in 1..frame.len() {
        let mut client = server.connect();
        client.send(&frame[..cut]);
        clients.push((client, cut));
    }
    assert_serves(&mut other);
    assert_eq!(other.run("EXISTS k").int(), 0, "nothing has been executed");
    for (client, cut) in &mut clients {
        client.send(&frame[*cut..]);
        assert_eq!(client.read().text(), b"OK", "cut at {cut}");
    }
    assert_eq!(other.run("GET k").text(), b"value");
}

/// A peer that shuts down its side is still answered, and then closed: no connection is forgotten.
#[test]
fn half_closed() {
    let server = Server::subject(&[]);
    let mut other = server.connect();
    for (sent, answer) in [
        (&b""[..], &b""[..]),
        (b"PING\r\n", b"+PONG\r\n"),
        (b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"),
        (b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPI", b"+PONG\r\n"),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\nabc", b""),
    ] {
        for _ in 0..50 {
            let mut client = server.connect();
            client.send(sent);
            client.stream().shutdown(Shutdown::Write).expect("a shutdown");
            assert_eq!(client.read_to_end().escape_ascii().to_string(), answer.escape_ascii().to_string());
        }
    }
    wait_until_alone(&mut other);
}

/// Sends `request` again and again, never reads; how many bytes of replies it asked for before it was closed.
/// Whoever only stops sending gets the whole reply, however large it is and however late it is read; whoever is gone is forgotten.
#[test]
fn half_closed_with_a_large_reply() {
    let server = Server::subject(&[]);
    let mut other = server.connect();
    let value = "v".repeat(30_000_000);
    assert_eq!(other.call(&["SET", "big", &value]).string(), "OK");
    for is_gone in [false, true] {
        let mut client = server.connect();
        client.send(b"GET big\r\n");
        client.stream().shutdown(Shutdown::Write).expect("a shutdown");
        // It waits for the reader, who may well take his time.
        eventually("it has seen the end", || other.run("CLIENT LIST").string().contains(" flags=cU "));
        if !is_gone {
            let reply = client.read_to_end();
            assert!(reply == format!("$30000000\r\n{value}\r\n").as_bytes(), "{} bytes", reply.len());
        }
        drop(client);
        wait_until_alone(&mut other);
    }
    // What others publish is not waited for.
    let mut subscriber = server.connect();
    subscriber.send(b"SUBSCRIBE c\r\n");
    subscriber.read();
    for _ in 0..30 {
        other.call(&["PUBLISH", "c", &value[..1_000_000]]);
    }
    subscriber.stream().shutdown(Shutdown::Write).expect("a shutdown");
    wait_until_alone(&mut other);
}

fn never_read(client: &mut Client, request: &[u8], reply_bytes: usize) -> usize {
    let mut asked = 0;
    for _ in 0..10_000 {
        if client.try_send(request).is_err() {
            return asked;
        }
        asked += reply_bytes;
        if asked > 1 << 30 {
            break;
        }
    }
    panic!("a reader that never reads is still connected after asking for {asked} bytes");
}

#[test]
fn a_reader_that_never_reads_is_closed() {
    let server = Server::subject(&["--client-output-buffer-limit", "normal 8mb 0 0"]);
    let mut other = server.connect();
    for (key, len) in [("small", 100), ("medium", 10_000), ("large", MIB)] {
        other.call(&[b"SET".to_vec(), key.into(), vec![b'v'; len]]);
        let get = encode(&["GET", key]).repeat(1 + 100_000 / len);
        let before = server.memory("VmRSS");
        let mut client = server.connect();
        never_read(&mut client, &get, len * (1 + 100_000 / len));
        assert_serves(&mut other);
        let grown = server.memory("VmHWM").saturating_sub(before);
        assert!(grown < 40 * MIB, "{key}: a limit of 8 MiB let memory grow by {grown} bytes");
        wait_until_alone(&mut other);
    }
}

/// Nothing of a reply beyond the limit is sent, even to somebody who reads, and a transaction with such a reply is executed to its end.
#[test]
fn a_reply_beyond_the_limit_is_not_sent() {
    let limit = ["--client-output-buffer-limit", "normal 100000 0 0"];
    for server in [Server::subject(&limit), Server::oracle(&limit)] {
        let mut other = server.connect();
        let element = "x".repeat(1000);
        let elements: Vec<&str> = std::iter::repeat_n(element.as_str(), 150).collect();
        other.run(&format!("RPUSH list {}", elements.join(" ")));
        other.run(&format!("SET string {}", element.repeat(150)));
        for request in ["LRANGE list 0 -1", "GET string"] {
            let mut client = server.connect();
            client.send(&encode(&request.split(' ').collect::<Vec<_>>()));
            assert_eq!(client.read_to_end(), b"", "{request}");
        }
        let mut client = server.connect();
        for line in ["MULTI", "SET a 1", "LRANGE list 0 -1", "SET b 2"] {
            client.run(line);
        }
        client.send(&encode(&["EXEC"]));
        assert_eq!(client.read_to_end(), b"");
        assert_eq!(other.run("MGET a b").items().iter().map(|item| item.string()).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(other.run("CLIENT LIST").string().lines().count(), 1);
    }
}

#[test]
fn a_soft_limit_gives_time() {
    let server = Server::subject(&["--client-output-buffer-limit", "normal 0 1mb 1"]);
    let mut other = server.connect();
    other.call(&[b"SET".to_vec(), b"k".to_vec(), vec![b'v'; 100_000]]);
    let mut slow = server.connect();
    let mut quick = server.connect();
    let gets = encode(&["GET", "k"]).repeat(50);
    slow.send(&gets);
    quick.send(&gets);
    // One reads at once and may stay, the other does not.
    for _ in 0..50 {
        assert_eq!(quick.read().text().len(), 100_000);
    }
    eventually("the slow reader is closed", || other.run("CLIENT LIST").string().lines().count() == 2);
    assert_eq!(quick.run("PING").text(), b"PONG");
    assert!(slow.read_to_end().len() < 50 * 100_000, "it did not get everything");
}

#[test]
fn the_query_buffer_is_limited() {
    let server = Server::subject(&["--client-query-buffer-limit", "1mb"]);
    let mut other = server.connect();
    let before = server.memory("VmRSS");
    let script = [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4000000\r\n".as_slice(), &vec![b'v'; 4_000_000]].concat();
    for _ in 0..10 {
        let mut client = server.connect();
        // It is closed on the way, so not everything can be sent.
        let _ = client.try_send(&script);
        assert_eq!(client.read_to_end(), b"", "closed without an answer");
    }
    assert_serves(&mut other);
    let grown = server.memory("VmHWM").saturating_sub(before);
    assert!(grown < 60 * MIB, "a limit of 1 MiB let memory grow by {grown} bytes");
    wait_until_alone(&mut other);
    assert_eq!(other.call(&[b"SET".to_vec(), b"k".to_vec(), vec![b'v'; 900_000]]).text(), b"OK");
}

#[test]
fn thousands_of_connections_come_and_go() {
    let server = Server::subject(&[]);
    let mut other = server.connect();
    other.call(&[b"SET".to_vec(), b"large".to_vec(), vec![b'v'; 300_000]]);
    let mut random = Random::new("thousands_of_connections_come_and_go");
    let requests: [&[u8]; 8] = [
        b"",
        b"PING\r\n",
        b"*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$50000\r\nabc",
        b"*3\r\n$3\r\nSET\r\n",
        b"QUIT\r\n",
        b"*x\r\n",
        b"CLIENT REPLY OFF\r\nPING\r\n",
    ];
    let files = server.open_files();
    let mut memory = 0;
    for round in 0..40 {
        let mut clients = Vec::new();
        for _ in 0..200 {
            let mut client = server.connect();
            let request: &&[u8] = random.pick(&requests);
            client.send(request);
            clients.push(client);
        }
        assert_eq!(other.run("PING").text(), b"PONG");
        drop(clients);
        if round == 4 {
            memory = server.memory("VmRSS");
        }
    }
    wait_until_alone(&mut other);
    eventually("all sockets are closed", || server.open_files() <= files);
    let grown = server.memory("VmRSS").saturating_sub(memory);
    assert!(grown < 16 * MIB, "7000 connections later memory has grown by {grown} bytes");
}

#[test]
fn more_clients_than_allowed() {
    let pair = Pair::start(&["--maxclients", "10"]);
    let mut answers = Vec::new();
    for server in [&pair.subject, &pair.oracle] {
        let mut clients: Vec<Client> = (0..10).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.run("PING");
        }
        let mut refused = server.connect();
        answers.push(refused.read_to_end().escape_ascii().to_string());
        // When one goes, there is room for one.
        drop(clients.pop());
        eventually("a place becomes free", || {
            let mut client = server.connect();
            client.try_send(b"PING\r\n").is_ok()
                && matches!(client.try_read(), Ok(Some((reply, _))) if !reply.is_error())
        });
    }
    assert_eq!(answers[0], answers[1]);
}

/// Out of file descriptors: who is connected is served, and later comers are served when there is room again.
#[test]
fn out_of_files() {
    let server = Server::subject_with_files(64, &["--maxclients", "10000"]);
    let mut early = server.connect();
    assert_serves(&mut early);
    let mut clients: Vec<Client> = (0..200).map(|_| server.connect()).collect();
    for client in &mut clients {
        // Some are refused, some wait for a place: both are fine.
        let _ = client.try_send(b"PING\r\n");
    }
    assert_serves(&mut early);
    drop(clients);
    eventually("new clients are served", || {
        let mut client = server.connect();
        client.try_send(b"PING\r\n").is_ok() && matches!(client.try_read(), Ok(Some((reply, _))) if !reply.is_error())
    });
    assert_serves(&mut early);
}

#[test]
fn idle_clients_are_closed_after_the_timeout() {
    let server = Server::subject(&["--timeout", "1"]);
    let mut idle = server.connect();
    assert_eq!(idle.run("PING").text(), b"PONG");
    let mut silent = server.connect();
    assert_eq!(idle.read_to_end(), b"");
    assert_eq!(silent.read_to_end(), b"");
}

#[test]
fn noise() {
    let server = Server::subject(&[]);
    let mut other = server.connect();
    let mut random = Random::new("noise");
    for _ in 0..1000 {
        let mut client = server.connect();
        let len = random.below(5000);
        let mut bytes = random.bytes(len);
        if random.one_in(2) {
            let mut start = encode(&["SET", "k", "v"]);
            start.extend_from_slice(b"*3\r\n$3\r\nGET\r\n$");
            start.append(&mut bytes);
            bytes = start;
        }
        let mut stream = client.stream();
        // It may be closed at the first byte.
        let _ = stream.write_all(&bytes);
        let _ = client.stream().shutdown(Shutdown::Write);
        if random.one_in(10) {
            client.read_to_end();
        }
    }
    assert_serves(&mut other);
    wait_until_alone(&mut other);
}
