//! What a server does not do for strangers, for those who have gone, and for those who only watch.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use support::append_only::info;
use support::client::encode;
use support::pair::Pair;
use support::server::{Server, eventually};

/// What the server at `port` answers to these bytes until it closes.
fn answer_until_closed(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.write_all(bytes).expect("it reads");
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// A web page can make a browser send a request whose body has commands: nothing from its first line on is executed.
#[test]
fn requests_of_http_are_cut_off() {
    let pair = Pair::start(&[]);
    for server in [&pair.subject, &pair.oracle] {
        let port = server.open_port();
        let attacks: [&[u8]; 5] = [
            b"POST / HTTP/1.1\r\nContent-Length: 20\r\n\r\nSET pwned 1\r\n",
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET pwned 1\r\n",
            b"host: x\r\nSET pwned 1\r\n",
            b"*1\r\n$4\r\npOsT\r\n*3\r\n$3\r\nSET\r\n$5\r\npwned\r\n$1\r\n1\r\n",
            b"MULTI\r\nSET pwned 1\r\nHost: x\r\nEXEC\r\n",
        ];
        for attack in attacks {
            let answer = answer_until_closed(port, attack);
            assert!(!answer.windows(7).any(|part| part == b"unknown"), "{}", answer.escape_ascii());
        }
        assert_eq!(server.connect().run("EXISTS pwned").int(), 0);
        assert!(server.log().contains("Possible SECURITY ATTACK detected"), "{}", server.log());
    }
}

/// Nothing is executed for a client that went away while it was paused: it has tried again elsewhere.
#[test]
fn who_goes_during_a_pause_is_forgotten() {
    let pair = Pair::start(&[]);
    for server in [&pair.subject, &pair.oracle] {
        let mut client = server.connect();
        client.run("CLIENT PAUSE 100000 WRITE");
        let gone = server.connect();
        let mut stream = gone.stream().try_clone().expect("a second handle");
        stream.write_all(&encode(&["SET", "from-the-grave", "1"])).expect("it is sent");
        eventually("it waits", || info(&mut client, "blocked_clients") == "1");
        stream.shutdown(Shutdown::Both).expect("it goes");
        drop((stream, gone));
        eventually("it is gone", || info(&mut client, "connected_clients") == "1");
        client.run("CLIENT UNPAUSE");
        assert_eq!(client.run("EXISTS from-the-grave").int(), 0);
    }
}

/// Nor longer than time itself goes.
#[test]
fn no_pause_is_for_ever() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    assert_eq!(client.run("CLIENT PAUSE 9223372036854775807").string(), "ERR timeout is out of range");
    assert_eq!(client.run("PING").string(), "PONG");
    // What is counted while it is paused is a write of sorts.
    client.run("PFADD hll a b");
    client.run("CLIENT PAUSE 100000 WRITE");
    let mut other = server.connect();
    other.send(&encode(&["PFCOUNT", "hll"]));
    eventually("it waits", || info(&mut client, "blocked_clients") == "1");
    client.run("CLIENT UNPAUSE");
    assert_eq!(other.read().int(), 2);
}

/// A monitor sees what others do with the data, and may be silent for as long as it likes.
#[test]
fn monitors_watch_and_do_nothing_else() {
    let pair = Pair::start(&["--timeout", "1"]);
    for server in [&pair.subject, &pair.oracle] {
        let mut monitor = server.connect();
        monitor.run("MONITOR");
        for line in ["GET a", "SET a 1", "KEYS *", "FLUSHALL", "PUBLISH a b"] {
            monitor.send(&encode(&line.split(' ').collect::<Vec<_>>()));
            assert_eq!(monitor.read().string(), "ERR Replica can't interact with the keyspace", "{line}");
        }
        let mut idle = server.connect();
        assert!(idle.read_to_end().is_empty(), "who only waits is closed");
        server.connect().run("SET seen 1");
        assert!(monitor.read().string().ends_with("\"SET\" \"seen\" \"1\""));
    }
}

/// Who watches keys is counted, once each, and so are the keys.
#[test]
fn watching_clients_are_counted() {
    let server = Server::subject(&[]);
    let (mut one, mut other, mut client) = (server.connect(), server.connect(), server.connect());
    let mut counted = || (info(&mut client, "watching_clients"), info(&mut client, "total_watched_keys"));
    let numbers = |clients: &str, keys: &str| (clients.to_owned(), keys.to_owned());
    assert_eq!(counted(), numbers("0", "0"));
    one.run("WATCH a b");
    one.run("WATCH b");
    other.run("WATCH b c");
    assert_eq!(counted(), numbers("2", "3"));
    one.run("UNWATCH");
    assert_eq!(counted(), numbers("1", "2"));
    drop(other);
    eventually("it is gone", || counted() == numbers("0", "0"));
}

/// A reply without end is refused, as is one that Redis would never come to the end of.
#[test]
fn draws_have_a_bound() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    client.run("ZADD z 1 a");
    for count in ["-9223372036854775807", "-200000000"] {
        assert_eq!(client.run(&format!("ZRANDMEMBER z {count}")).string(), "ERR value is out of range");
    }
    assert_eq!(client.run("ZRANDMEMBER z -3").items().len(), 3);
}
