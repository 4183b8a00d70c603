//! COMMAND GETKEYS and GETKEYSANDFLAGS.

use super::command::{ACL, FLAGS};
use super::command_info::key_flags;
use crate::commands::{
    Arg, Args, Command, CommandError, CommandResult, Flags, FoundKey, Group, KeyFlags, Registry, Run, find_keys,
};
use crate::server::Engine;

const ARGS: &[Arg] = &[Arg::string("command"), Arg::string("arg").optional().multiple()];

pub(super) static GETKEYS: Command = Command {
    name: "getkeys",
    arity: -3,
    run: Run::Server(getkeys),
    flags: FLAGS,
    acl: ACL,
    group: Group::Server,
    summary: "Returns the keys among the arguments of a command.",
    since: "2.8.13",
    complexity: "O(N) where N is the number of arguments to the command",
    args: ARGS,
    ..Command::BASE
};

fn getkeys(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let call: Vec<&[u8]> = args.from(2).collect();
    let found = keys_of(&engine.registry, &call)?;
    let mut reply = engine.reply(key);
    reply.array(found.len());
    for found in found {
        reply.bulk(call[found.index]);
    }
    Ok(())
}

pub(super) static GETKEYSANDFLAGS: Command = Command {
    name: "getkeysandflags",
    arity: -3,
    run: Run::Server(getkeysandflags),
    flags: FLAGS,
    acl: ACL,
    group: Group::Server,
    summary: "Returns the keys among the arguments of a command, and what it does to them.",
    since: "7.0.0",
    complexity: "O(N) where N is the number of arguments to the command",
    args: ARGS,
    ..Command::BASE
};

fn getkeysandflags(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let call: Vec<&[u8]> = args.from(2).collect();
    let found = keys_of(&engine.registry, &call)?;
    let mut reply = engine.reply(key);
    reply.array(found.len());
    for found in found {
        reply.array(2);
        reply.bulk(call[found.index]);
        key_flags(&mut reply, found.flags);
    }
    Ok(())
}

fn keys_of(registry: &Registry, call: &[&[u8]]) -> Result<Vec<FoundKey>, CommandError> {
    const UNKNOWN: CommandError = CommandError::new("ERR Invalid command specified");
    let mut id = registry.find(call[0]).ok_or(UNKNOWN)?;
    if !registry.command(id).subcommands.is_empty()
        && let Some(subcommand) = call.get(1)
    {
        id = registry.find_subcommand(id, subcommand).ok_or(UNKNOWN)?;
    }
    let command = registry.command(id);
    // A channel of a shard says where a command belongs, but is no key.
    if command.keys.iter().all(|spec| spec.flags.contains(KeyFlags::NOT_KEY)) {
        return Err(CommandError::new("ERR The command has no key arguments"));
    }
    if !command.accepts(call.len()) {
        return Err(CommandError::new("ERR Invalid number of arguments specified for command"));
    }
    match find_keys(command, call) {
        Some(found) => Ok(found),
        None if command.flags.contains(Flags::NO_MANDATORY_KEYS) => Ok(Vec::new()),
        None => Err(CommandError::new("ERR Invalid arguments specified for command")),
    }
}
