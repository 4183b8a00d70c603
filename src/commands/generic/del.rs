//! DEL and UNLINK. They do the same: what is expensive to free is always freed off the loop.

use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::Writer;

pub(super) static DEL: Command = Command {
    name: "del",
    arity: -2,
    run: Run::Write(del),
    flags: Flags::WRITE,
    acl: Acl::KEYSPACE.union(Acl::WRITE).union(Acl::SLOW),
    keys: &[KeySpec::range(1, -1, 1, KeyFlags::RM.union(KeyFlags::DELETE))],
    group: Group::Generic,
    summary: "Deletes keys.",
    complexity: "O(N) where N is the number of keys; a large value is freed off the loop.",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    args: &[Arg::key("key").multiple()],
    ..Command::BASE
};

pub(super) static UNLINK: Command = Command {
    name: "unlink",
    arity: -2,
    run: Run::Write(del),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::KEYSPACE.union(Acl::WRITE).union(Acl::FAST),
    keys: &[KeySpec::range(1, -1, 1, KeyFlags::RM.union(KeyFlags::DELETE))],
    group: Group::Generic,
    summary: "Deletes keys and frees their values off the loop.",
    since: "4.0.0",
    complexity: "O(N) where N is the number of keys; a large value is freed off the loop.",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    args: &[Arg::key("key").multiple()],
    ..Command::BASE
};

fn del(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut deleted = usize::from(db.delete_and_tell(args.key(1)));
    for bytes in args.from(2) {
        deleted += usize::from(db.delete_and_tell(db.key(bytes)));
    }
    reply.len(deleted);
    Ok(())
}
