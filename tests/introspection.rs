//! What no other server shows, from outside: PROFILE, LATENCY WHY on a real loop, the Prometheus endpoint and its bad clients, and
//! redis-cli's ways of looking at a server.

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use support::client::{Client, encode};
use support::server::{Server, eventually};

/// Keeps the server busy for a while.
fn work(client: &mut Client) {
    let mut batch = Vec::new();
    for n in 0..500 {
        batch.extend(encode(&[b"SET".to_vec(), format!("key:{n}").into_bytes(), b"value".to_vec()]));
        batch.extend(encode(&[b"KEYS".as_slice(), b"*:1*2*"]));
    }
    client.send(&batch);
    for _ in 0..1000 {
        client.read();
    }
}

#[test]
fn the_server_profiles_itself() {
    let server = Server::subject(&[]);
    let (mut client, mut worker) = (server.connect(), server.connect());
    assert!(client.run("PROFILE STOP").string().contains("no profile is being taken"));
    for svg in [false, true] {
        assert_eq!(client.run("PROFILE START 997").string(), "OK");
        assert!(client.run("PROFILE START").string().contains("being taken already"));
        eventually("ten samples", || {
            work(&mut worker);
            client.run("PROFILE STATUS").field("samples").is_some_and(|samples| samples.int() >= 10)
        });
        client.run("MULTI");
        assert!(client.run("PROFILE STOP").string().contains("not allowed inside a transaction"));
        client.run("DISCARD");
        // What comes behind it waits for it, and nobody else does.
        client.send(if svg { b"PROFILE STOP SVG\r\nPING\r\n" } else { b"PROFILE STOP\r\nPING\r\n" });
        assert_eq!(worker.run("PING").string(), "PONG");
        let profile = client.read().string();
        assert_eq!(client.read().string(), "PONG");
        assert!(profile.contains("zedis::server::turn::Server::turn"), "{profile}");
        if svg {
            assert!(profile.starts_with("<?xml") && profile.contains("</svg>"));
            continue;
        }
        let mut samples = 0;
        for line in profile.lines() {
            let (stack, count) = line.rsplit_once(' ').expect("a stack and a count");
            assert!(!stack.is_empty(), "{line}");
            samples += count.parse::<u64>().expect("a number");
        }
        assert!(samples >= 10, "{profile}");
        assert!(profile.contains(";zedis::commands::generic::"), "KEYS is most of it: {profile}");
    }
    // Who stopped it may go away.
    client.run("PROFILE START");
    let mut impatient = server.connect();
    impatient.send(b"PROFILE STOP\r\n");
    drop(impatient);
    eventually("the next profile", || client.run("PROFILE START").string() == "OK");
}

#[test]
fn a_long_turn_is_explained() {
    let server = Server::subject(&[]);
    let (mut client, mut other) = (server.connect(), server.connect());
    client.run("CONFIG RESETSTAT");
    other.run("CLIENT SETNAME culprit");
    client.run("LATENCY WHY RESET");
    // It burns no CPU, so it is no stall of the thread, but one by the clock.
    other.run("DEBUG SLEEP 0.05");
    let stalls = client.run("LATENCY WHY");
    assert!(client.run("INFO stats").string().lines().any(|line| {
        line.strip_prefix("longest_turn_wall_us:").is_some_and(|us| us.parse::<u64>().is_ok_and(|us| us >= 50_000))
    }));
    assert!(format!("{stalls:?}").find("sleep").is_none(), "{stalls:?}");
    // This does.
    client.run("CONFIG SET stall-threshold-us 200");
    for n in 0..1000 {
        other.call(&[b"RPUSH".to_vec(), b"list".to_vec(), vec![b'x'; 1000 + n]]);
    }
    for _ in 0..20 {
        let mut batch = Vec::new();
        for _ in 0..10 {
            batch.extend(encode(&[b"SORT".as_slice(), b"list", b"ALPHA", b"STORE", b"sorted"]));
        }
        other.send(&batch);
        for _ in 0..10 {
            other.read();
        }
    }
    let stalls = client.run("LATENCY WHY -1");
    assert!(!stalls.items().is_empty());
    let stall = &stalls.items()[0];
    assert!(stall.field("ran-us").is_some_and(|us| us.int() >= 200), "{stall:?}");
    let commands = stall.field("commands").expect("commands").items();
    let sort = commands.iter().find(|command| command.field("command").is_some_and(|name| name.string() == "sort"));
    let sort = sort.unwrap_or_else(|| panic!("{stall:?}"));
    assert_eq!(sort.field("name").map(|name| name.string()).as_deref(), Some("culprit"));
    assert_eq!(sort.field("arguments").expect("arguments").items()[1].string(), "list");
    assert_eq!(sort.field("calls").map(|calls| calls.int()), Some(1));
    assert!(stall.field("phases").and_then(|phases| phases.field("execute").map(|us| us.int())) > Some(0));
}

/// Opens the endpoint on a port that was free a moment ago.
fn open_endpoint(client: &mut Client) -> u16 {
    for _ in 0..20 {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = free.local_addr().expect("its address").port();
        drop(free);
        if client.run(&format!("CONFIG SET metrics-port {port}")).string() == "OK" {
            return port;
        }
    }
    panic!("no port was free");
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the endpoint listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
    stream
}

/// What is answered until the connection is closed.
fn ask(port: u16, request: &[u8]) -> String {
    let mut stream = connect(port);
    // It may answer, and close, before it has read everything.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("text")
}

#[test]
fn metrics_are_served_beside_the_clients() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    assert_eq!(client.run("CONFIG GET metrics-port").items()[1].string(), "0");
    let port = open_endpoint(&mut client);
    client.run("SET k v");
    let answer = ask(port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Prometheus\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    assert!(body.contains("\nzedis_commands_total{cmd=\"set\"} 1\n"), "{body}");
    assert!(body.contains("\nzedis_turn_duration_seconds_bucket{le=\"+Inf\"} "), "{body}");
    let scraped = |answer: &str| answer.split_once("\r\n\r\n").is_some_and(|(_, body)| body.is_empty());
    assert!(scraped(&ask(port, b"HEAD /metrics HTTP/1.1\r\n\r\n")));
    for (request, status) in [
        (b"GET /other HTTP/1.1\r\n\r\n".as_slice(), "404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
        (b"*1\r\n$4\r\nPING\r\n\r\n", "400"),
    ] {
        assert!(ask(port, request).starts_with(&format!("HTTP/1.1 {status} ")), "{}", request.escape_ascii());
    }
    let endless = [b"GET /metrics HTTP/1.1\r\nX: ".as_slice(), &vec![b'x'; 100_000]].concat();
    let answer = ask(port, &endless);
    assert!(answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
    // What follows a request is of no interest, and does not cost it its answer.
    let talkative = [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &vec![b'x'; 1_000_000]].concat();
    assert!(ask(port, &talkative).ends_with("Zedis metrics are at /metrics\n"));
    // Those who say nothing, or not enough, give way to others; the clients do not notice.
    let mut silent: Vec<TcpStream> = (0..40).map(|_| connect(port)).collect();
    silent[39].write_all(b"GET /metrics HTTP/1.1\r\n").expect("it is the newest");
    assert_eq!(client.run("GET k").string(), "v");
    assert!(ask(port, b"GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"));
    assert!(matches!(silent[0].read(&mut [0]), Ok(0)), "the oldest was closed");
    silent[39].write_all(b"\r\n").expect("it stays");
    let mut answer = String::new();
    silent[39].read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(client.run("CONFIG SET metrics-port 0").string(), "OK");
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(), "nobody listens there any more");
    assert!(client.run("CONFIG SET metrics-port 1 metrics-bind 192.0.2.1").is_error());
    // Nor is it a way to write lines into the configuration file.
    for bind in ["127.0.0.1\nenable-debug-command yes", "127.0.0.1\tx", "\0", "\u{e4}"] {
        assert!(client.call(&["CONFIG", "SET", "metrics-bind", bind]).is_error(), "{bind:?}");
    }
    assert_eq!(client.run("CONFIG GET metrics-bind").items()[1].string(), "127.0.0.1 -::1");
}

fn redis_cli(server: &Server, args: &[&str]) -> String {
    let socket = server.socket();
    let output = Command::new("redis-cli")
        .arg("-s")
        .arg(socket)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("redis-cli is installed");
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn redis_cli_looks_at_the_server() {
    let server = Server::subject(&["--maxmemory-policy", "allkeys-lfu"]);
    let mut client = server.connect();
    for n in 0..100 {
        client.run(&format!("SET key:{n} v"));
    }
    client.run("RPUSH biglist a b c d e f");
    client.call(&[b"SET".to_vec(), b"bigstring".to_vec(), vec![b'x'; 5000]]);
    for _ in 0..3000 {
        client.run("GET key:7");
    }
    let big = redis_cli(&server, &["--bigkeys"]);
    assert!(big.contains("Biggest string found '\"bigstring\"' has 5000 bytes"), "{big}");
    assert!(big.contains("Biggest   list found '\"biglist\"' has 6 items"), "{big}");
    let memory = redis_cli(&server, &["--memkeys"]);
    assert!(memory.contains("Biggest string found '\"bigstring\"' has "), "{memory}");
    let hot = redis_cli(&server, &["--hotkeys"]);
    assert!(hot.contains("hot key found with counter") && hot.contains("keyname: \"key:7\""), "{hot}");
    // These go on until they are ended.
    let mut monitor = Command::new("redis-cli");
    monitor.arg("-s").arg(server.socket()).arg("MONITOR").stdin(Stdio::null()).stdout(Stdio::piped());
    let mut monitor = monitor.spawn().expect("redis-cli is installed");
    eventually("redis-cli monitors", || client.run("CLIENT LIST").string().contains(" flags=OU "));
    client.run("SET seen by");
    let mut seen = String::new();
    let mut stdout = monitor.stdout.take().expect("a pipe");
    let mut chunk = [0; 256];
    while !seen.contains("\"SET\" \"seen\" \"by\"") {
        let len = stdout.read(&mut chunk).expect("redis-cli writes");
        assert!(len > 0, "it ended: {seen}");
        seen.push_str(&String::from_utf8_lossy(&chunk[..len]));
    }
    monitor.kill().expect("it is there");
    monitor.wait().expect("it ends");
    let mut stat = Command::new("redis-cli");
    stat.arg("-s").arg(server.socket()).args(["--stat", "-i", "0.01"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut stat = stat.spawn().expect("redis-cli is installed");
    let mut shown = String::new();
    let mut stdout = stat.stdout.take().expect("a pipe");
    while shown.lines().count() < 5 {
        let len = stdout.read(&mut chunk).expect("redis-cli writes");
        assert!(len > 0, "it ended: {shown}");
        shown.push_str(&String::from_utf8_lossy(&chunk[..len]));
    }
    stat.kill().expect("it is there");
    stat.wait().expect("it ends");
    assert!(shown.lines().nth(2).is_some_and(|line| line.trim_start().starts_with("103 ")), "{shown}");
}
