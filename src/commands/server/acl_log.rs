//! ACL LOG.

use super::acl::at_most;
use super::{ADMIN, ADMIN_ACL};
use crate::commands::{Arg, Args, Command, CommandResult, Group, Reply, Run};
use crate::server::Engine;

pub(super) static LOG: Command = Command {
    name: "log",
    arity: -2,
    run: Run::Server(log),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns what was refused lately.",
    since: "6.0.0",
    complexity: "O(N) with N being the number of entries shown.",
    history: &[("7.2.0", "The fields `entry-id`, `timestamp-created` and `timestamp-last-updated`.")],
    args: &[Arg::one_of("operation", &[Arg::integer("count"), Arg::word("reset", "RESET")]).optional()],
    ..Command::BASE
};

/// Entries that are shown unless the caller says otherwise.
const SHOWN: usize = 10;

fn log(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    at_most(args, 3)?;
    if args.len() == 3 && args.is(2, "RESET") {
        engine.access.log.clear();
        engine.reply(key).ok();
        return Ok(());
    }
    let shown = if args.len() == 3 { usize::try_from(args.int(2)?).unwrap_or(0) } else { SHOWN };
    let now_ms = engine.keyspace.now_ms();
    let client = &mut engine.clients[key];
    let mut reply = Reply::new(&mut client.output, client.session.version);
    let entries = engine.access.log.entries().take(shown);
    reply.array(entries.len());
    for entry in entries {
        reply.map(10);
        reply.bulk_str("count");
        reply.int(entry.count as i64);
        reply.bulk_str("reason");
        reply.bulk_str(entry.reason.name());
        reply.bulk_str("context");
        reply.bulk_str(entry.context.name());
        reply.bulk_str("object");
        reply.bulk(&entry.object);
        reply.bulk_str("username");
        reply.bulk(&entry.username);
        reply.bulk_str("age-seconds");
        reply.double((now_ms - entry.updated_ms) as f64 / 1000.0);
        reply.bulk_str("client-info");
        reply.bulk(&entry.client_info);
        reply.bulk_str("entry-id");
        reply.int(entry.id as i64);
        reply.bulk_str("timestamp-created");
        reply.int(entry.created_ms);
        reply.bulk_str("timestamp-last-updated");
        reply.int(entry.updated_ms);
    }
    Ok(())
}
