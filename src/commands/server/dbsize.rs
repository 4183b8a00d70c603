//! DBSIZE.

use crate::commands::{Acl, Args, Command, CommandResult, Flags, Group, Run};
use crate::server::Engine;

pub(super) static DBSIZE: Command = Command {
    name: "dbsize",
    arity: 1,
    run: Run::Server(dbsize),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::KEYSPACE.union(Acl::READ).union(Acl::FAST),
    group: Group::Server,
    summary: "Returns the number of keys in the database.",
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    ..Command::BASE
};

fn dbsize(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let keys = engine.keyspace.db(engine.clients[key].session.db).len();
    engine.reply(key).len(keys);
    Ok(())
}
