//! The loop with real sockets, on a clock by which every call takes long.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::{CALLS_NS, CALLS_PER_LOOK, EVENTS_MAX, Server, Sleep};
use crate::base::clock::Clock;
use crate::config::Config;
use crate::reactor::{Address, Events, Listener};
use crate::server::engine::{BATCH_MAX, Engine};
use crate::server::housekeeping::EXPIRE_FIRST_STEP;

const CLIENTS: usize = 40;
const PING: &[u8] = b"PING\r\n";
const PONG: &[u8] = b"+PONG\r\n";

fn one_turn(server: &mut Server) {
    server.turn(&mut Events::with_capacity(EVENTS_MAX)).expect("a turn");
}

/// A server, its clock and address, and connections to it that it has accepted.
fn connected() -> (Server, Clock, SocketAddr, Vec<TcpStream>) {
    connected_with(Config::default())
}

fn connected_with(config: Config) -> (Server, Clock, SocketAddr, Vec<TcpStream>) {
    let address = Address::Tcp((Ipv4Addr::LOCALHOST, 0).into(), String::new());
    let listener = Listener::bind(&address, 511).expect("a free port");
    let address = listener.local_addr().expect("the port");
    let clock = Clock::virtual_at(1_700_000_000_000_000);
    let engine = Engine::with_config(config, clock.clone(), 1);
    let sleep = Sleep::new().expect("an epoll instance");
    let mut server = Server::new(engine, sleep, vec![listener], None).expect("a server");
    let clients: Vec<TcpStream> = (0..CLIENTS).map(|_| TcpStream::connect(address).expect("a connection")).collect();
    for client in &clients {
        client.set_nonblocking(true).expect("a socket that does not wait");
    }
    while server.engine.clients.len() < CLIENTS {
        one_turn(&mut server);
    }
    (server, clock, address, clients)
}

/// How many replies have arrived.
fn pongs(client: &mut TcpStream) -> usize {
    let mut bytes = [0; 64];
    match client.read(&mut bytes) {
        Ok(len) => {
            assert!(bytes[..len].chunks(PONG.len()).all(|reply| reply == PONG), "{:?}", &bytes[..len]);
            len / PONG.len()
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn slow_calls_make_turns_of_few_of_them_and_everybody_has_a_turn() {
    let (mut server, clock, _, mut clients) = connected();
    for client in &mut clients {
        client.write_all(PING).expect("room in the socket");
    }
    clock.pass_between_looks(Duration::from_nanos(CALLS_NS));
    let mut answers = [0; CLIENTS];
    for turn in 1.. {
        let reads = server.engine.stats.reads;
        one_turn(&mut server);
        assert!(server.engine.stats.reads - reads <= CALLS_PER_LOOK as u64, "turn {turn}");
        assert!(server.engine.recorder.turn.sends <= CALLS_PER_LOOK as u32, "turn {turn}");
        for (client, answers) in clients.iter_mut().zip(&mut answers) {
            let new = pongs(client);
            if new > 0 {
                // Those who are quick come again and again, and yet nobody waits for them.
                client.write_all(PING).expect("room in the socket");
            }
            *answers += new;
        }
        if answers.iter().all(|&count| count > 0) {
            break;
        }
        assert!(turn < 2 * CLIENTS, "{answers:?}");
    }
    let (least, most) = (answers.iter().min(), answers.iter().max());
    assert!(most <= least.map(|least| least + 2).as_ref(), "{answers:?}");
}

#[test]
fn slow_calls_keep_nobody_from_connecting_or_from_being_told() {
    let (mut server, clock, address, mut clients) = connected();
    let mut subscriber = clients.pop().expect("a client");
    subscriber.write_all(b"SUBSCRIBE news\r\n").expect("room in the socket");
    one_turn(&mut server);
    let mut told = vec![0; 64 * 1024];
    let confirmed = subscriber.read(&mut told).expect("a confirmation");
    assert!(told[..confirmed].starts_with(b"*3\r\n$9\r\nsubscribe\r\n"), "{:?}", &told[..confirmed]);
    clock.pass_between_looks(Duration::from_nanos(CALLS_NS));
    let newcomer = TcpStream::connect(address).expect("a connection");
    let connected = server.engine.clients.len();
    // Everybody asks for something in every turn, more than there is time for.
    let mut first_told = None;
    for turn in 0..CLIENTS {
        for client in &mut clients {
            client.write_all(b"PUBLISH news x\r\n").expect("room in the socket");
        }
        one_turn(&mut server);
        if subscriber.read(&mut told).is_ok() {
            first_told.get_or_insert(turn);
        }
    }
    assert!(first_told.is_some_and(|turn| turn < 2), "{first_told:?}");
    assert_eq!(server.engine.clients.len(), connected + 1, "the connection is accepted: {newcomer:?}");
}

#[test]
fn a_turn_that_waits_for_the_disk_waits_for_everybody() {
    let mut config = Config::default();
    config.override_value("appendfsync", b"always").expect("a directive and a value for it");
    let (mut server, clock, _, mut clients) = connected_with(config);
    server.engine.keyspace.journal.set_on(true);
    for client in &mut clients {
        client.write_all(PING).expect("room in the socket");
    }
    clock.pass_between_looks(Duration::from_nanos(CALLS_NS));
    one_turn(&mut server);
    assert_eq!(server.engine.stats.reads, CLIENTS as u64);
    clock.pass_between_looks(Duration::ZERO);
    one_turn(&mut server);
    assert_eq!(clients.iter_mut().map(pongs).sum::<usize>(), CLIENTS);
}

#[test]
fn quick_calls_are_all_made_in_one_turn() {
    let (mut server, _, _, mut clients) = connected();
    for client in &mut clients {
        client.write_all(PING).expect("room in the socket");
    }
    one_turn(&mut server);
    assert_eq!(server.engine.recorder.turn.sends, CLIENTS as u32);
    assert_eq!(clients.iter_mut().map(pongs).sum::<usize>(), CLIENTS);
}

/// Everything that has arrived.
fn arrived(client: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match client.read_to_end(&mut bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn long_replies_delay_nobody_for_more_than_a_few_turns() {
    let (mut server, _, _, mut clients) = connected();
    let mut subscriber = clients.pop().expect("a client");
    subscriber.write_all(b"SUBSCRIBE news\r\n").expect("room in the socket");
    let mut asking = clients.pop().expect("a client");
    asking.write_all(b"SETRANGE long 3000000 x\r\n").expect("room in the socket");
    one_turn(&mut server);
    let _ = (arrived(&mut asking), arrived(&mut subscriber));
    // Their peers take whatever they are sent, so they have more for every turn.
    let readers = &mut clients[..3];
    for reader in &mut *readers {
        reader.write_all(&b"GET long\r\n".repeat(60)).expect("room in the socket");
    }
    let mut waits = Vec::new();
    let mut read_bytes = 0;
    for _ in 0..20 {
        asking.write_all(b"PUBLISH news x\r\n").expect("room in the socket");
        let (mut is_answered, mut is_told) = (false, false);
        for turn in 1.. {
            one_turn(&mut server);
            for reader in &mut *readers {
                read_bytes += arrived(reader).len();
            }
            is_answered |= !arrived(&mut asking).is_empty();
            is_told |= !arrived(&mut subscriber).is_empty();
            if is_answered && is_told {
                waits.push(turn);
                break;
            }
            assert!(turn < 100, "answered: {is_answered}, told: {is_told}, after {waits:?}");
        }
    }
    assert!(waits.iter().all(|&turns| turns <= 4), "{waits:?}");
    assert!(read_bytes > 5_000_000, "{read_bytes}");
}

#[test]
fn a_publish_gives_nobody_else_more_time() {
    let (mut server, clock, _, mut clients) = connected();
    let mut subscriber = clients.pop().expect("a client");
    subscriber.write_all(b"SUBSCRIBE news\r\n").expect("room in the socket");
    one_turn(&mut server);
    for client in &mut clients {
        client
            .write_all(&[b"PUBLISH news x\r\n".as_slice(), &b"LCS a b\r\n".repeat(20)].concat())
            .expect("room in the socket");
    }
    clock.pass_between_looks(Duration::from_micros(100));
    let (mut most, mut turns, mut answers) = (0, 0, 0);
    while answers < 20 * clients.len() {
        one_turn(&mut server);
        most = most.max(server.engine.recorder.turn.requests);
        answers += clients.iter_mut().flat_map(arrived).filter(|&byte| byte == b'$').count();
        turns += 1;
        assert!(turns < 2000, "{answers}");
    }
    // Those that were published are executed together; of the others there is time for a few.
    assert!(most <= CLIENTS as u32 + 8, "{most} in a turn");
    assert_eq!(arrived(&mut subscriber).iter().filter(|&&byte| byte == b'*').count(), CLIENTS);
}

/// On a machine so slow that one step of it takes all the time there is, a turn takes one, and says what it took.
#[test]
fn the_first_step_of_expiry_counts() {
    let (mut server, clock, _, mut clients) = connected();
    let keys: Vec<u8> = (0..1000).flat_map(|key| format!("SET {key} x PX 50\r\n").into_bytes()).collect();
    clients[0].write_all(&keys).expect("room in the socket");
    while server.engine.keyspace.db(0).len() < 1000 {
        one_turn(&mut server);
    }
    clock.advance(Duration::from_millis(60));
    clock.pass_between_looks(Duration::from_micros(600));
    let spent_ns = server.engine.keyspace.stats.expire_ns;
    one_turn(&mut server);
    let left = server.engine.keyspace.db(0).len();
    assert!((1000 - EXPIRE_FIRST_STEP..1000).contains(&left), "{left} are left");
    assert_eq!(server.engine.keyspace.stats.expire_ns - spent_ns, 600_000);
}

#[test]
fn those_who_stop_waiting_come_a_batch_at_a_time() {
    let (mut server, _, _, mut clients) = connected();
    let mut asking = clients.pop().expect("a client");
    for client in &mut clients {
        client.write_all(&[b"BLPOP list 0\r\n".as_slice(), &PING.repeat(200)].concat()).expect("room in the socket");
    }
    one_turn(&mut server);
    let push = [b"RPUSH list".as_slice(), &b" x".repeat(CLIENTS), b"\r\n"].concat();
    asking.write_all(&push).expect("room in the socket");
    let mut answers = 0;
    let mut turns = 0;
    while answers < 200 * clients.len() {
        one_turn(&mut server);
        assert!(
            server.engine.recorder.turn.requests <= 2 * BATCH_MAX as u32,
            "{}",
            server.engine.recorder.turn.requests
        );
        for client in &mut clients {
            answers += arrived(client).windows(PONG.len()).filter(|&window| window == PONG).count();
        }
        turns += 1;
        assert!(turns < 200, "{answers}");
    }
}

#[test]
fn many_are_closed_in_several_turns_and_gone_at_once() {
    let (mut server, _, _, mut clients) = connected();
    let mut asking = clients.pop().expect("a client");
    asking.write_all(b"CLIENT KILL TYPE normal SKIPME yes\r\nINFO clients\r\n").expect("room in the socket");
    one_turn(&mut server);
    let info = String::from_utf8(arrived(&mut asking)).expect("text");
    assert!(info.starts_with(&format!(":{}\r\n", CLIENTS - 1)) && info.contains("connected_clients:1\r\n"), "{info}");
    assert!(server.engine.clients.len() > 1, "not all of them in one turn");
    for _ in 0..2 {
        one_turn(&mut server);
    }
    assert_eq!(server.engine.clients.len(), 1);
    let mut byte = [0];
    assert!(clients.iter_mut().all(|client| matches!(client.read(&mut byte), Ok(0))));
}

#[test]
fn a_clock_that_is_set_back_stops_no_periodic_job() {
    let (mut server, clock, _, _clients) = connected();
    clock.set_back(Duration::from_secs(3600));
    for _ in 0..3 {
        clock.advance(Duration::from_millis(200));
        let before_ns = server.next_cron_ns;
        server.engine.mark_ready(0);
        one_turn(&mut server);
        assert!(server.next_cron_ns > before_ns);
    }
}
