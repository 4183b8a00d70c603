//! The loop with real sockets, on a clock by which every call takes long.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::{CALLS_NS, CALLS_PER_LOOK, Server, Sleep};
use crate::base::clock::Clock;
use crate::config::Config;
use crate::reactor::{Address, Listener};
use crate::server::engine::Engine;

const CLIENTS: usize = 40;
const PING: &[u8] = b"PING\r\n";
const PONG: &[u8] = b"+PONG\r\n";

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
        server.turn().expect("a turn");
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
        server.turn().expect("a turn");
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
    server.turn().expect("a turn");
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
        server.turn().expect("a turn");
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
    server.turn().expect("a turn");
    assert_eq!(server.engine.stats.reads, CLIENTS as u64);
    clock.pass_between_looks(Duration::ZERO);
    server.turn().expect("a turn");
    assert_eq!(clients.iter_mut().map(pongs).sum::<usize>(), CLIENTS);
}

#[test]
fn quick_calls_are_all_made_in_one_turn() {
    let (mut server, _, _, mut clients) = connected();
    for client in &mut clients {
        client.write_all(PING).expect("room in the socket");
    }
    server.turn().expect("a turn");
    assert_eq!(server.engine.recorder.turn.sends, CLIENTS as u32);
    assert_eq!(clients.iter_mut().map(pongs).sum::<usize>(), CLIENTS);
}
