//! DEBUG OBJECT and HTSTATS: how values and tables are kept.

use crate::base::log;
use crate::collections::quicklist::{Node, Quicklist};
use crate::commands::{Args, CommandError, CommandResult};
use crate::keyspace::{List, Object, ValueRef};
use crate::persistence::rdb;
use crate::server::Engine;

/// The line that test harnesses pick `encoding`, `serializedlength` and `lru` out of. Takes as long as DUMP.
pub(super) fn object(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let view = engine.keyspace.view(engine.clients[key].session.db);
    let entry = view.peek(view.key(args.get(2))).ok_or(CommandError::NO_SUCH_KEY)?;
    let nodes = match entry.value() {
        ValueRef::Object(Object::List(List::Nodes(nodes))) => quicklist(nodes, engine.config.list_max_listpack_size),
        _ => String::new(),
    };
    let line = format!(
        "Value at:{entry:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}{nodes}",
        entry.value().encoding(),
        rdb::serialized_bytes(&entry.value()),
        entry.lru(),
        view.idle_s(entry),
    );
    engine.reply(key).simple(&line);
    Ok(())
}

/// What else is said of a list with nodes.
fn quicklist(nodes: &Quicklist, limit: i32) -> String {
    let bytes: usize = nodes.nodes().map(Node::payload_bytes).sum();
    let average = nodes.len() as f64 / nodes.nodes_len() as f64;
    format!(
        " ql_nodes:{} ql_avg_node:{average:.2} ql_listpack_max:{limit} ql_compressed:{} ql_uncompressed_size:{bytes}",
        nodes.nodes_len(),
        u8::from(nodes.depth() != 0),
    )
}

pub(super) fn htstats(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let index = args.int(2)?;
    if args.len() == 4 && !args.is(3, "FULL") {
        return Err(CommandError::SYNTAX);
    }
    let db = usize::try_from(index)
        .ok()
        .filter(|&db| db < engine.keyspace.databases())
        .ok_or(CommandError::new("ERR Out of range database"))?;
    let db = engine.keyspace.db(db);
    let (segments, buckets, records) = db.shape();
    let load = db.len() as f64 * 100.0 / buckets.max(1) as f64;
    let text = format!(
        "[Table]\n segments: {segments}\n buckets: {buckets}\n number of elements: {}\n load: {load:.2}%\n\
         [Expires wheel]\n number of elements: {}\n records: {records}\n\
         [Memory]\n bytes without entries: {}\n",
        db.len(),
        db.volatile_len(),
        db.overhead_bytes(),
    );
    engine.reply(key).verbatim("txt", text.as_bytes());
    Ok(())
}

/// The shape of the table of a large set, hash or sorted set.
pub(super) fn htstats_key(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let view = engine.keyspace.view(engine.clients[key].session.db);
    let entry = view.peek(view.key(args.get(2))).ok_or(CommandError::NO_SUCH_KEY)?;
    if args.len() == 4 && !args.is(3, "FULL") {
        return Err(CommandError::unknown_subcommand_or_arity("DEBUG", args.get(1)));
    }
    let shape = match entry.value() {
        ValueRef::Object(object) => object.table_shape().map(|shape| (shape, object.len())),
        _ => None,
    };
    let ((segments, buckets), len) = shape
        .ok_or(CommandError::new("ERR The value stored at the specified key is not represented using an hash table"))?;
    let load = len as f64 * 100.0 / buckets.max(1) as f64;
    let text = format!(
        "Hash table 0 stats (main hash table):\n table size: {buckets}\n segments: {segments}\n number of elements: {len}\n load: {load:.2}%\n"
    );
    engine.reply(key).verbatim("txt", text.as_bytes());
    Ok(())
}

/// As in Redis the structure is not for the client but for whoever reads what the server prints.
pub(super) fn listpack(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let view = engine.keyspace.view(engine.clients[key].session.db);
    let entry = view.peek(view.key(args.get(2))).ok_or(CommandError::NO_SUCH_KEY)?;
    let ValueRef::Object(object) = entry.value() else { return Err(NOT_A_LISTPACK) };
    if !object.encoding().starts_with("listpack") {
        return Err(NOT_A_LISTPACK);
    }
    log::notice(format_args!(
        "{{{} with {} elements, {} bytes}}",
        object.encoding(),
        object.len(),
        object.memory_bytes(0)
    ));
    engine.reply(key).simple("Listpack structure printed on stdout");
    Ok(())
}

const NOT_A_LISTPACK: CommandError = CommandError::new("ERR Not a listpack encoded object.");
