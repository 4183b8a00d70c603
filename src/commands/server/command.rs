//! COMMAND: the container, COUNT and HELP, and finding a command by its full name.

use super::{command_docs, command_info, command_keys, command_list};
use crate::commands::{Acl, Args, Command, CommandId, CommandResult, Flags, Group, Registry, Reply, Run};
use crate::server::Engine;

pub(super) const FLAGS: Flags = Flags::LOADING.union(Flags::STALE);
pub(super) const ACL: Acl = Acl::SLOW.union(Acl::CONNECTION);

pub(super) static COMMAND: Command = Command {
    name: "command",
    arity: -1,
    run: Run::Server(command),
    flags: FLAGS,
    acl: ACL,
    group: Group::Server,
    summary: "Returns what there is to know about every command.",
    since: "2.8.13",
    complexity: "O(N) where N is the total number of Redis commands",
    tips: &["nondeterministic_output_order"],
    subcommands: &[
        &COUNT,
        &command_docs::DOCS,
        &command_keys::GETKEYS,
        &command_keys::GETKEYSANDFLAGS,
        &HELP,
        &command_info::INFO,
        &command_list::LIST,
    ],
    ..Command::BASE
};

fn command(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    command_info::reply_all(engine, key);
    Ok(())
}

/// The command of this name; of a subcommand `config|get`.
pub(super) fn find_full(registry: &Registry, name: &[u8]) -> Option<CommandId> {
    match name.iter().position(|&byte| byte == b'|') {
        None => registry.find(name),
        Some(bar) => registry.find_subcommand(registry.find(&name[..bar])?, &name[bar + 1..]),
    }
}

static COUNT: Command = Command {
    name: "count",
    arity: 2,
    run: Run::Server(count),
    is_quick: true,
    flags: FLAGS,
    acl: ACL,
    group: Group::Server,
    summary: "Returns the number of commands.",
    since: "2.8.13",
    ..Command::BASE
};

fn count(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let count = engine.registry.top_level().count();
    engine.reply(key).len(count);
    Ok(())
}

static HELP: Command = Command {
    name: "help",
    arity: 2,
    run: Run::Pure(help),
    is_quick: true,
    flags: FLAGS,
    acl: ACL,
    group: Group::Server,
    summary: "Says what the subcommands do.",
    since: "5.0.0",
    ..Command::BASE
};

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(&[
        "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "(no subcommand)",
        "    What there is to know about every command.",
        "COUNT",
        "    How many commands there are.",
        "DOCS [<command-name> ...]",
        "    Documentation of these commands, or of all.",
        "GETKEYS <full-command>",
        "    Which of the arguments are keys.",
        "GETKEYSANDFLAGS <full-command>",
        "    The same, and what the command does to each key.",
        "INFO [<command-name> ...]",
        "    What there is to know about these commands, or about all.",
        "LIST [FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>)]",
        "    Names of commands.",
        "HELP",
        "    This text.",
    ]);
    Ok(())
}
