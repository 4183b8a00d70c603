//! `zedis benchmark` against a small server of the test's own, well-behaved and not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::thread;

use argh::FromArgs;
use socket2::{Domain, Socket, Type};
use zedis::benchmark::{Failure, Options, run_into};
use zedis::resp::request::{Limits, Parser, Progress};

type Request = Vec<Vec<u8>>;

/// What the server saw: requests other than CONFIG by connection, in the order of accepting.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Vec<Request>>>>);

impl Seen {
    fn connect(&self) -> usize {
        let mut connections = self.0.lock().unwrap();
        connections.push(Vec::new());
        connections.len() - 1
    }

    fn record(&self, connection: usize, request: Request) {
        self.0.lock().unwrap()[connection].push(request);
    }

    /// Connections that sent a request other than CONFIG.
    fn connections(&self) -> Vec<Vec<Request>> {
        self.0.lock().unwrap().iter().filter(|requests| !requests.is_empty()).cloned().collect()
    }

    fn count(&self, name: &str) -> usize {
        self.connections().concat().iter().filter(|request| request[0] == name.as_bytes()).count()
    }
}

/// The reply to a request; None closes the connection.
type Answer = fn(&Request) -> Option<Vec<u8>>;

fn obedient(request: &Request) -> Option<Vec<u8>> {
    Some(match request[0].as_slice() {
        b"CONFIG" => b"*2\r\n$1\r\nx\r\n$2\r\nno\r\n".to_vec(),
        b"HELLO" => b"%1\r\n$5\r\nproto\r\n:3\r\n".to_vec(),
        b"LRANGE" => b"*2\r\n$3\r\nabc\r\n*1\r\n$-1\r\n".to_vec(),
        b"GET" => b"$3\r\nabc\r\n".to_vec(),
        b"INCR" => b":1\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    })
}

/// Serves one connection until either side closes it. Replies leave in pieces of `piece` bytes.
fn serve(mut stream: impl Read + Write, seen: &Seen, answer: Answer, piece: usize) {
    let connection = seen.connect();
    let limits = Limits { bulk_max: 512 << 20, authenticated: true };
    let (mut frame, mut args, mut owned) = (Vec::new(), Vec::new(), Vec::new());
    let mut parser = Parser::default();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let received = match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(received) => received,
        };
        frame.extend(&chunk[..received]);
        let mut replies = Vec::new();
        let mut close = false;
        let mut at = 0;
        while at < frame.len() && !close {
            if parser.parse(&frame[at..], &mut args, &mut owned, &limits) != Ok(Progress::Complete) {
                break;
            }
            let request: Request = args.drain(..).map(|arg| arg.of(&frame[at..]).to_vec()).collect();
            at += parser.pos();
            parser.reset();
            match answer(&request) {
                Some(reply) => replies.extend(reply),
                None => close = true,
            }
            if request[0] != b"CONFIG" {
                seen.record(connection, request);
            }
        }
        frame.drain(..at);
        for piece in replies.chunks(piece) {
            if stream.write_all(piece).is_err() {
                return;
            }
        }
        if close {
            return;
        }
    }
}

/// Starts a server; its threads end with the test's process.
fn server(answer: Answer, piece: usize) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let accepted = seen.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            let seen = accepted.clone();
            thread::spawn(move || serve(stream, &seen, answer, piece));
        }
    });
    (address, seen)
}

fn options(line: &str) -> Options {
    let words: Vec<&str> = line.split_whitespace().collect();
    Options::from_args(&["zedis", "benchmark"], &words).unwrap_or_else(|exit| panic!("{line}: {}", exit.output))
}

/// Runs against `address`, as the server that the benchmark starts itself.
fn run_at(address: SocketAddr, line: &str) -> Result<String, Failure> {
    let mut out = Vec::new();
    run_into(&options(line), || Ok(address), &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn every_test_of_the_suite_runs_in_order() {
    let (address, seen) = server(obedient, usize::MAX);
    let report = run_at(address, "-n 100 -c 5 --csv").unwrap();
    let titles: Vec<&str> = report.lines().map(|line| line.split('"').nth(1).unwrap()).collect();
    assert_eq!(
        titles,
        [
            "test",
            "PING_INLINE",
            "PING_MBULK",
            "SET",
            "GET",
            "INCR",
            "LPUSH",
            "RPUSH",
            "LPOP",
            "RPOP",
            "SADD",
            "HSET",
            "SPOP",
            "ZADD",
            "ZPOPMIN",
            "LPUSH (needed to benchmark LRANGE)",
            "LRANGE_100 (first 100 elements)",
            "LRANGE_300 (first 300 elements)",
            "LRANGE_500 (first 500 elements)",
            "LRANGE_600 (first 600 elements)",
            "MSET (10 keys)",
        ]
    );
    for (name, count) in [("PING", 200), ("SET", 100), ("LPUSH", 200), ("LRANGE", 400), ("MSET", 100)] {
        assert_eq!(seen.count(name), count, "{name}");
    }
}

#[test]
fn requests_are_spread_over_clients_and_threads() {
    let (address, seen) = server(obedient, usize::MAX);
    let report = run_at(address, "-n 5000 -c 7 -P 10 -t get --threads 3").unwrap();
    assert!(report.contains("  5000 requests completed in "), "{report}");
    assert!(report.contains("  multi-thread: yes\n  threads: 3\n"), "{report}");
    assert_eq!((seen.count("GET"), seen.connections().len()), (5000, 7));
    // A batch is never cut short, so the count rounds up.
    let report = run_at(address, "-n 5 -c 2 -P 3 -t get").unwrap();
    assert!(report.contains("  6 requests completed in "), "{report}");
}

#[test]
fn replies_may_arrive_in_pieces() {
    let (address, seen) = server(obedient, 1);
    let report = run_at(address, "-n 300 -c 3 -P 5 -t get,lrange_100 -3 -q").unwrap();
    assert_eq!(report.lines().count(), 3, "{report}");
    assert_eq!((seen.count("GET"), seen.count("LRANGE"), seen.count("HELLO")), (300, 300, 3 * 3 + 1));
}

#[test]
fn a_batch_may_exceed_what_the_kernel_takes() {
    let (address, seen) = server(obedient, usize::MAX);
    run_at(address, "-n 2000 -c 2 -P 1000 -d 10000 -t set -q -r 1000000 --seed 1").unwrap();
    let requests = seen.connections().concat();
    assert_eq!(requests.len(), 2000);
    assert!(requests.iter().all(|request| request[2].len() == 10_000));
    let mut keys: Vec<&[u8]> = requests.iter().map(|request| request[1].as_slice()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert!(keys.len() > 1900, "{} different keys", keys.len());
}

#[test]
fn a_seed_reproduces_the_requests() {
    let sent = |seed: u64| {
        let (address, seen) = server(obedient, usize::MAX);
        run_at(address, &format!("-n 100 -c 1 -P 4 -r 1000 --seed {seed} -q set a:__rand_int__ __data__")).unwrap();
        seen.connections().concat()
    };
    let requests = sent(5);
    assert_eq!(requests.len(), 100);
    for request in &requests {
        let digits = str::from_utf8(&request[1]).unwrap().strip_prefix("a:").unwrap();
        assert_eq!(digits.len(), 12);
        assert!(digits.parse::<u64>().unwrap() < 1000);
        assert_eq!(request[2].len(), 3);
    }
    assert_eq!(requests, sent(5));
    assert_ne!(requests, sent(6));
}

#[test]
fn connections_are_greeted_once_and_reopened_on_demand() {
    let (address, seen) = server(obedient, usize::MAX);
    run_at(address, "-n 40 -c 4 -P 2 -a secret --user me --dbnum 5 -3 -t get -q").unwrap();
    for connection in seen.connections().iter().filter(|connection| connection.len() > 3) {
        let names: Vec<&[u8]> = connection.iter().map(|request| request[0].as_slice()).collect();
        assert_eq!(names[..3], [b"AUTH".as_slice(), b"SELECT", b"HELLO"]);
        assert!(names[3..].iter().all(|&name| name == b"GET"));
    }
    assert_eq!(seen.count("GET"), 40);

    let (address, seen) = server(obedient, usize::MAX);
    run_at(address, "-n 40 -c 4 -P 2 -k 0 -t get -q").unwrap();
    let sizes: Vec<usize> = seen.connections().iter().map(Vec::len).collect();
    assert_eq!(sizes, [2; 20]);
}

#[test]
fn a_unix_socket_will_do() {
    let path = std::env::temp_dir().join(format!("zedis-benchmark-{}.sock", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let seen = Seen::default();
    let accepted = seen.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let seen = accepted.clone();
            thread::spawn(move || serve(stream.unwrap(), &seen, obedient, usize::MAX));
        }
    });
    let mut out = Vec::new();
    let result = run_into(
        &options(&format!("-s {} -n 60 -c 3 -k 0 -t incr", path.display())),
        || panic!("the socket names the server"),
        &mut out,
    );
    std::fs::remove_file(&path).unwrap();
    assert_eq!(result, Ok(()));
    assert_eq!(seen.count("INCR"), 60);
}

#[test]
fn an_error_reply_ends_the_run() {
    let (address, _) = server(|_| Some(b"-ERR not today\r\n".to_vec()), 1);
    let failure = run_at(address, "-n 1000 -t get").unwrap_err();
    assert_eq!(failure.to_string(), format!("Error from server {address}: ERR not today"));
    let failure = run_at(address, "-n 1000 -a pw -t get").unwrap_err();
    assert!(matches!(failure, Failure::Reply { .. }), "{failure:?}");
}

#[test]
fn a_closed_connection_ends_the_run() {
    let (address, _) = server(|_| None, 1);
    assert_eq!(run_at(address, "-n 1000 -t get"), Err(Failure::Closed));
    let (address, _) = server(|request| (request[0] == b"CONFIG").then(|| b"$1\r\nx\r\n".to_vec()), 1);
    assert_eq!(run_at(address, "-n 1000 -t get -P 100 --threads 2"), Err(Failure::Closed));
}

#[test]
fn idle_connections_last_until_the_server_closes_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut streams: Vec<_> = (0..5).map(|_| listener.accept().unwrap().0).collect();
        drop(streams.pop());
        streams
    });
    assert_eq!(run_at(address, "-I -c 5"), Err(Failure::Closed));
    assert_eq!(server.join().unwrap().len(), 4);
}

#[test]
fn what_is_not_resp_ends_the_run() {
    let hostile: [Answer; 6] = [
        |_| Some(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        |_| Some(b"$99999999999999999999\r\n".to_vec()),
        |_| Some(b"*-7\r\n".to_vec()),
        |_| Some(b"*1\r\n".repeat(1000)),
        |_| Some(b"+OK\r\n+OK\r\n".to_vec()),
        |_| Some(vec![0xff; 100_000]),
    ];
    for answer in hostile {
        let (address, _) = server(answer, 7);
        let failure = run_at(address, "-n 1000 -c 3 -t get").unwrap_err();
        assert!(matches!(failure, Failure::Protocol(_)), "{failure:?}");
    }
}

#[test]
fn a_refused_connection_is_explained() {
    // Bound but not listening: nobody else gets the port, and it refuses connections.
    let reserved = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    reserved.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let port = reserved.local_addr().unwrap().as_socket().unwrap().port();
    let result = run_into(&options(&format!("-p {port} -t get")), || panic!("named"), &mut Vec::new());
    let failure = result.unwrap_err();
    assert_eq!(failure.to_string(), format!("Could not connect to Redis at 127.0.0.1:{port}: Connection refused"));
    let no_server = || Err(std::io::Error::other("no room"));
    let failure = run_into(&options("-t get"), no_server, &mut Vec::new()).unwrap_err();
    assert_eq!(failure.to_string(), "Could not start a server: no room");
}

#[test]
fn bad_flags_are_explained() {
    let (address, seen) = server(obedient, usize::MAX);
    for line in ["-t nope", "-c 0", "-n 0", "-P 1000000 -d 1000000 -t set", "--user x"] {
        let failure = run_at(address, line).unwrap_err();
        assert!(matches!(failure, Failure::Usage(_)) && !failure.to_string().contains('\n'), "{line}: {failure:?}");
    }
    assert!(seen.connections().is_empty());
}
