//! SET and its relatives.

use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run};
use crate::keyspace::{NewValue, Ttl, Writer};

pub(super) static SET: Command = Command {
    name: "set",
    arity: -3,
    run: Run::Write(set),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE))],
    group: Group::String,
    summary: "Sets the string value of a key.",
    args: &[Arg::key("key"), Arg::string("value")],
    ..Command::BASE
};

fn set(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    db.set(args.key(1), NewValue::string(args.get(2)), Ttl::Clear);
    reply.ok();
    Ok(())
}
