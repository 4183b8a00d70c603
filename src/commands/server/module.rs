//! MODULE: there are none and none can be loaded. They are shared objects made for Redis's own memory layout.

use crate::base::log;
use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, Reply, Run};
use crate::server::Engine;

use super::ADMIN_ACL;

const FLAGS: Flags = Flags::ADMIN.union(Flags::NOSCRIPT);
const LOADING_FLAGS: Flags = FLAGS.union(Flags::NO_ASYNC_LOADING).union(Flags::PROTECTED);

pub(super) static MODULE: Command = Command {
    name: "module",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "A container for commands on modules.",
    since: "4.0.0",
    complexity: "Depends on subcommand.",
    subcommands: &[&HELP, &LIST, &LOAD, &LOADEX, &UNLOAD],
    ..Command::BASE
};

static LIST: Command = Command {
    name: "list",
    arity: 2,
    run: Run::Pure(list),
    flags: FLAGS,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns the modules that are loaded.",
    since: "4.0.0",
    complexity: "O(N) where N is the number of loaded modules.",
    tips: &["nondeterministic_output_order"],
    ..Command::BASE
};

fn list(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.array(0);
    Ok(())
}

static LOAD: Command = Command {
    name: "load",
    arity: -3,
    run: Run::Server(load),
    is_quick: true,
    flags: LOADING_FLAGS,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Loads a module.",
    since: "4.0.0",
    args: &[Arg::string("path"), Arg::string("arg").optional().multiple()],
    ..Command::BASE
};

static LOADEX: Command = Command {
    name: "loadex",
    arity: -3,
    run: Run::Server(load),
    is_quick: true,
    flags: LOADING_FLAGS,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Loads a module, with its configuration.",
    since: "7.0.0",
    args: &[
        Arg::string("path"),
        Arg::block("configs", &[Arg::string("name"), Arg::string("value")]).token("CONFIG").optional().multiple_token(),
        Arg::block("args", &[Arg::string("arg")]).token("ARGS").optional().multiple(),
    ],
    ..Command::BASE
};

fn load(args: &mut Args<'_>, _engine: &mut Engine, _key: usize) -> CommandResult {
    log::warning(format_args!("Module {} is not loaded: modules are not supported", args.get(2).escape_ascii()));
    Err(CommandError::new("ERR Error loading the extension. Please check the server logs."))
}

static UNLOAD: Command = Command {
    name: "unload",
    arity: 3,
    run: Run::Server(unload),
    is_quick: true,
    flags: LOADING_FLAGS,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Unloads a module.",
    since: "4.0.0",
    args: &[Arg::string("name")],
    ..Command::BASE
};

fn unload(_args: &mut Args<'_>, _engine: &mut Engine, _key: usize) -> CommandResult {
    Err(CommandError::new("ERR Error unloading module: no such module with that name"))
}

static HELP: Command = Command { run: Run::Pure(help), group: Group::Server, since: "5.0.0", ..Command::HELP };

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(&[
        "MODULE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "LIST",
        "    The modules that are loaded: none.",
        "LOAD <path> [<arg> ...]",
        "    Load a module. It is refused: there is no support for them.",
        "LOADEX <path> [CONFIG <name> <value> ...] [ARGS <arg> ...]",
        "    The same, with configuration.",
        "UNLOAD <name>",
        "    Unload a module.",
        "HELP",
        "    This text.",
    ]);
    Ok(())
}
