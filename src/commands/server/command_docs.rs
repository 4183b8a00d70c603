//! COMMAND DOCS: what redis-cli makes its help and hints of
//! (<https://redis.io/docs/latest/commands/command-docs/>).

use super::command::{ACL, FLAGS, find_full};
use super::command_info::simple_set;
use crate::acl::Catalog;
use crate::commands::{
    Arg, ArgFlags, ArgKind, Args, Command, CommandId, CommandResult, Flags, Group, Registry, Reply, Run,
};
use crate::server::Engine;

pub(super) static DOCS: Command = Command {
    name: "docs",
    arity: -2,
    run: Run::Server(docs),
    flags: FLAGS,
    acl: ACL,
    group: Group::Server,
    summary: "Returns the documentation of some commands, or of all.",
    since: "7.0.0",
    complexity: "O(N) where N is the number of commands to look up",
    tips: &["nondeterministic_output_order"],
    args: &[Arg::string("command-name").optional().multiple()],
    ..Command::BASE
};

fn docs(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let registry = &engine.registry;
    let ids: Vec<CommandId> = match args.len() {
        2 => registry.top_level().map(|(id, _)| id).collect(),
        _ => args.from(2).filter_map(|name| find_full(registry, name)).collect(),
    };
    let client = &mut engine.clients[key];
    let mut reply = Reply::new(&mut client.output, client.session.version);
    reply.map(ids.len());
    for id in ids {
        document(registry, id, &mut reply);
    }
    Ok(())
}

/// A name, and the map of what is said about it: only what there is to say.
fn document(registry: &Registry, id: CommandId, reply: &mut Reply<'_>) {
    let registered = registry.get(id);
    let command = registered.command;
    let is_system = command.flags.contains(Flags::SYSCMD);
    let texts = [
        ("summary", command.summary),
        ("since", command.since),
        ("group", command.group.name()),
        ("complexity", command.complexity),
    ];
    let said = texts.iter().filter(|(_, text)| !text.is_empty());
    let deprecated = command.deprecated.is_some();
    let fields = said.clone().count()
        + usize::from(deprecated || is_system)
        + 2 * usize::from(deprecated)
        + usize::from(!command.history.is_empty())
        + usize::from(!command.args.is_empty())
        + usize::from(!command.subcommands.is_empty());
    reply.bulk_str(&registered.full_name);
    reply.map(fields);
    for (name, text) in said {
        reply.bulk_str(name);
        reply.bulk_str(text);
    }
    if deprecated || is_system {
        let flags = [(deprecated, "deprecated"), (is_system, "syscmd")];
        reply.bulk_str("doc_flags");
        simple_set(reply, flags.iter().filter(|(set, _)| *set).map(|&(_, name)| name));
    }
    if let Some((since, instead)) = command.deprecated {
        reply.bulk_str("deprecated_since");
        reply.bulk_str(since);
        reply.bulk_str("replaced_by");
        reply.bulk_str(instead);
    }
    if !command.history.is_empty() {
        reply.bulk_str("history");
        reply.set(command.history.len());
        for (version, change) in command.history {
            reply.array(2);
            reply.bulk_str(version);
            reply.bulk_str(change);
        }
    }
    if !command.args.is_empty() {
        reply.bulk_str("arguments");
        document_args(command.args, reply);
    }
    if !command.subcommands.is_empty() {
        reply.bulk_str("subcommands");
        reply.map(command.subcommands.len());
        for id in registry.subcommands(id) {
            document(registry, id, reply);
        }
    }
}

fn document_args(args: &[Arg], reply: &mut Reply<'_>) {
    const FLAGS: [(ArgFlags, &str); 3] = [
        (ArgFlags::OPTIONAL, "optional"),
        (ArgFlags::MULTIPLE, "multiple"),
        (ArgFlags::MULTIPLE_TOKEN, "multiple_token"),
    ];
    reply.array(args.len());
    for arg in args {
        let has_parts = matches!(arg.kind, ArgKind::OneOf | ArgKind::Block);
        let display = match (has_parts, arg.display) {
            (true, _) => "",
            (false, "") => arg.name,
            (false, display) => display,
        };
        let before = [("name", arg.name), ("type", arg.kind.name()), ("display_text", display)];
        let after = [("token", arg.token), ("since", arg.since), ("deprecated_since", arg.deprecated_since)];
        let said = |texts: &[(&str, &str)]| texts.iter().filter(|(_, text)| !text.is_empty()).count();
        let is_key = arg.kind == ArgKind::Key;
        let fields = said(&before)
            + said(&after)
            + usize::from(is_key)
            + usize::from(!arg.flags.is_empty())
            + usize::from(has_parts);
        reply.map(fields);
        let say = |reply: &mut Reply<'_>, texts: &[(&str, &str)]| {
            for (name, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
                reply.bulk_str(name);
                reply.bulk_str(text);
            }
        };
        say(reply, &before);
        if is_key {
            reply.bulk_str("key_spec_index");
            reply.int(i64::from(arg.key_spec));
        }
        say(reply, &after);
        if !arg.flags.is_empty() {
            reply.bulk_str("flags");
            simple_set(reply, FLAGS.iter().filter(|(flag, _)| arg.flags.contains(*flag)).map(|&(_, name)| name));
        }
        if has_parts {
            reply.bulk_str("arguments");
            document_args(arg.args, reply);
        }
    }
}
