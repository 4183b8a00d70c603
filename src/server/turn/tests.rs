//! The loop with real sockets, on a clock by which every call takes long.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::{CALLS_NS, CALLS_PER_LOOK, Server, Sleep};
use crate::base::clock::Clock;
use crate::config::Config;
use crate::reactor::{Address, Listener};
use crate::server::engine::Engine;

const CLIENTS: usize = 40;
const PING: &[u8] = b"PING\r\n";
const PONG: &[u8] = b"+PONG\r\n";

/// A server, and connections to it that it has accepted.
fn connected() -> (Server, Clock, Vec<TcpStream>) {
    let address = Address::Tcp((Ipv4Addr::LOCALHOST, 0).into(), String::new());
    let listener = Listener::bind(&address, 511).expect("a free port");
    let address = listener.local_addr().expect("the port");
    let clock = Clock::virtual_at(1_700_000_000_000_000);
    let engine = Engine::with_config(Config::default(), clock.clone(), 1);
    let sleep = Sleep::new().expect("an epoll instance");
    let mut server = Server::new(engine, sleep, vec![listener], None).expect("a server");
    let clients: Vec<TcpStream> = (0..CLIENTS).map(|_| TcpStream::connect(address).expect("a connection")).collect();
    for client in &clients {
        client.set_nonblocking(true).expect("a socket that does not wait");
    }
    while server.engine.clients.len() < CLIENTS {
        server.turn().expect("a turn");
    }
    (server, clock, clients)
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
    let (mut server, clock, mut clients) = connected();
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
fn quick_calls_are_all_made_in_one_turn() {
    let (mut server, _, mut clients) = connected();
    for client in &mut clients {
        client.write_all(PING).expect("room in the socket");
    }
    server.turn().expect("a turn");
    assert_eq!(server.engine.recorder.turn.sends, CLIENTS as u32);
    assert_eq!(clients.iter_mut().map(pongs).sum::<usize>(), CLIENTS);
}
