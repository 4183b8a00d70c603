//! The line about a client that CLIENT LIST and CLIENT INFO print
//! (<https://redis.io/docs/latest/commands/client-list/>), and the types by which clients are chosen.

use std::collections::BTreeMap;
use std::io::Write;

use crate::commands::Args;
use crate::resp::reply::Version;
use crate::server::engine::{Engine, UNKNOWN};
use crate::server::session::{Client, gate};
use crate::server::tracking::Mode;

/// What a connection is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientType {
    Normal,
    Master,
    Replica,
    PubSub,
}

impl ClientType {
    pub fn parse(name: &[u8]) -> Option<ClientType> {
        const NAMES: [(&str, ClientType); 5] = [
            ("normal", ClientType::Normal),
            ("master", ClientType::Master),
            ("replica", ClientType::Replica),
            ("slave", ClientType::Replica),
            ("pubsub", ClientType::PubSub),
        ];
        NAMES.iter().find(|(own, _)| own.as_bytes().eq_ignore_ascii_case(name)).map(|&(_, found)| found)
    }

    /// There is no replication yet.
    pub fn of(client: &Client) -> ClientType {
        if client.subscriber.is_some() { ClientType::PubSub } else { ClientType::Normal }
    }
}

/// Everybody there is to be listed: not who has been killed, though the connection ends with the turn.
pub fn visible(engine: &Engine) -> impl Iterator<Item = (usize, &Client)> {
    let everybody = engine.clients.iter().map(|(key, client)| (key, &**client));
    everybody.filter(|(_, client)| !client.session.replays && !client.closing)
}

/// Slab keys by client number.
pub fn keys_by_id(engine: &Engine) -> BTreeMap<u64, usize> {
    visible(engine).map(|(key, client)| (client.session.id, key)).collect()
}

fn flags(engine: &Engine, key: usize) -> String {
    let client = &engine.clients[key];
    let session = &client.session;
    let flags = [
        (session.monitors, 'O'),
        (client.subscriber.is_some(), 'P'),
        (session.gates & gate::MULTI != 0, 'x'),
        (session.gates & (gate::HELD | gate::BLOCKED | gate::AWAITS) != 0, 'b'),
        (client.tracking.is_some(), 't'),
        (client.tracking.as_ref().is_some_and(|own| own.is_redirect_broken), 'R'),
        (client.tracking.as_ref().is_some_and(|own| own.mode.contains(Mode::BCAST)), 'B'),
        (engine.is_watch_broken(key), 'd'),
        (session.close_after_reply, 'c'),
        (session.identity.unix_socket, 'U'),
        (session.no_evict, 'e'),
        (session.no_touch, 'T'),
    ];
    let set: String = flags.iter().filter(|(is_set, _)| *is_set).map(|&(_, flag)| flag).collect();
    if set.is_empty() { "N".to_string() } else { set }
}

/// Appends the line about the client at `key`. `caller` is the client whose command `args` this is: its input is not where
/// it usually is.
pub fn describe(engine: &Engine, key: usize, caller: usize, args: &Args<'_>, out: &mut Vec<u8>) {
    let client = &engine.clients[key];
    let session = &client.session;
    let now_ms = engine.keyspace.now_ms() as u64;
    let is_caller = key == caller;
    let mut idle_ms = now_ms.saturating_sub(session.last_interaction_ms);
    let (argument_bytes, parsed_bytes) = client.unfinished_bytes();
    let mut pending_bytes = client.input.pending_bytes().saturating_sub(parsed_bytes);
    let mut free_bytes = client.input.memory_bytes().saturating_sub(pending_bytes);
    let mut memory_bytes = client.memory_bytes();
    // A request that waits has a frame of its own.
    let mut argv_bytes = if client.spilled.is_empty() { argument_bytes } else { client.spilled.len() };
    let mut command = session.last_command;
    if is_caller {
        idle_ms = 0;
        let input = engine.detached_input;
        pending_bytes = input.pending_bytes;
        free_bytes = input.memory_bytes.saturating_sub(pending_bytes);
        memory_bytes += input.memory_bytes;
        argv_bytes = args.from(0).map(<[u8]>::len).sum();
        command = engine.registry.find(args.get(0));
        if let (Some(id), Some(word)) = (command, args.try_get(1)) {
            command = engine.registry.find_subcommand(id, word).or(command);
        }
    }
    let name = command.map_or("NULL", |id| {
        let registry = &engine.registry;
        let is_container = !registry.command(id).subcommands.is_empty();
        match session.last_subcommand.filter(|_| is_container) {
            Some(UNKNOWN) => "NULL",
            Some(sub) if registry.get(sub).parent == Some(id) => &registry.get(sub).full_name,
            _ => &registry.get(id).full_name,
        }
    });
    let (overflow_bytes, overflow_chunks) = client.output.overflow();
    let ring_bytes = client.output.queued_bytes() - overflow_bytes;
    let events =
        if !client.dirty && !client.fanned_out && !is_caller && !client.output.is_empty() { "rw" } else { "r" };
    let reply_ring_bytes = client.output.ring_bytes();
    let version = match session.version {
        Version::Resp2 => 2,
        Version::Resp3 => 3,
    };
    let transaction = client.transaction.as_deref();
    let subscriptions = engine.subscriptions(key);
    // Writing to a vector cannot fail.
    let _ = write!(
        out,
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={} \
         watch={} qbuf={pending_bytes} qbuf-free={free_bytes} argv-mem={argv_bytes} multi-mem={} \
         rbs={reply_ring_bytes} rbp={reply_ring_bytes} obl={ring_bytes} oll={overflow_chunks} omem={overflow_bytes} \
         tot-mem={memory_bytes} events={events} cmd={name} user={} redir={} resp={version} lib-name={} lib-ver={}",
        session.id,
        session.identity.addr,
        session.identity.laddr,
        session.identity.fd,
        String::from_utf8_lossy(&session.identity.name),
        now_ms.saturating_sub(session.identity.created_ms) / 1000,
        idle_ms / 1000,
        flags(engine, key),
        session.db,
        subscriptions.channels,
        subscriptions.patterns,
        subscriptions.shard_channels,
        transaction.map_or(-1, |transaction| transaction.len() as i64),
        client.watching.as_ref().map_or(0, |watching| watching.len()),
        transaction.map_or(0, |transaction| transaction.argument_bytes()),
        String::from_utf8_lossy(engine.access.users.name(session.user)),
        client.tracking.as_ref().map_or(-1, |own| own.redirect.map_or(0, |redirect| redirect.id as i64)),
        String::from_utf8_lossy(&session.identity.lib_name),
        String::from_utf8_lossy(&session.identity.lib_ver),
    );
    out.push(b'\n');
}
