//! DBSIZE.

use crate::commands::{Acl, Args, Command, CommandResult, Flags, Group, Reply, Run};
use crate::keyspace::View;

pub(super) static DBSIZE: Command = Command {
    name: "dbsize",
    arity: 1,
    run: Run::Read(dbsize),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::KEYSPACE.union(Acl::READ).union(Acl::FAST),
    group: Group::Server,
    summary: "Returns the number of keys in the database.",
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    ..Command::BASE
};

fn dbsize(_args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.len(view.db().len());
    Ok(())
}
