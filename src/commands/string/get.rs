//! GET and its relatives.

use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{StringBytes, View};

pub(super) static GET: Command = Command {
    name: "get",
    arity: 2,
    run: Run::Read(get),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::STRING).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::String,
    summary: "Returns the string value of a key.",
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn get(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match view.string(args.key(1)) {
        Ok(Some(StringBytes::Bytes(bytes))) => reply.bulk(bytes),
        Ok(Some(StringBytes::Int(_, int))) => reply.bulk_int(int),
        Ok(Some(StringBytes::Shared(bytes))) => reply.bulk_shared(bytes),
        Ok(None) => reply.null(),
        Err(_) => return Err(CommandError::WRONG_TYPE),
    }
    Ok(())
}
