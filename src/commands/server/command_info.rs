//! COMMAND INFO: a command as ten elements
//! (<https://redis.io/docs/latest/commands/command/>).

use super::command::{ACL, FLAGS, find_full};
use crate::acl::Catalog;
use crate::commands::{
    Acl, Arg, Args, BeginSearch, Command, CommandId, CommandResult, FindKeys, Flags, Group, KeyFlags, KeySpec,
    Registry, Reply, Run, legacy_range,
};
use crate::server::Engine;

pub(super) static INFO: Command = Command {
    name: "info",
    arity: -2,
    run: Run::Server(info),
    flags: FLAGS,
    acl: ACL,
    group: Group::Server,
    summary: "Returns what there is to know about some commands, or about all.",
    since: "2.8.13",
    complexity: "O(N) where N is the number of commands to look up",
    history: &[("7.0.0", "Without a name, it is about all commands.")],
    tips: &["nondeterministic_output_order"],
    args: &[Arg::string("command-name").optional().multiple()],
    ..Command::BASE
};

fn info(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if args.len() == 2 {
        reply_all(engine, key);
        return Ok(());
    }
    let client = &mut engine.clients[key];
    let mut reply = Reply::new(&mut client.output, client.session.version);
    reply.array(args.len() - 2);
    for name in args.from(2) {
        match find_full(&engine.registry, name) {
            Some(id) => describe(&engine.registry, id, &mut reply),
            None => reply.null(),
        }
    }
    Ok(())
}

/// Every command, with its subcommands inside it.
pub(super) fn reply_all(engine: &mut Engine, key: usize) {
    let client = &mut engine.clients[key];
    let mut reply = Reply::new(&mut client.output, client.session.version);
    reply.array(engine.registry.top_level().count());
    for (id, _) in engine.registry.top_level() {
        describe(&engine.registry, id, &mut reply);
    }
}

fn describe(registry: &Registry, id: CommandId, reply: &mut Reply<'_>) {
    let registered = registry.get(id);
    let command = registered.command;
    let range = legacy_range(command);
    let mut flags = command.flags;
    flags.set(Flags::MOVABLEKEYS, range.movable || flags.contains(Flags::MOVABLEKEYS));
    reply.array(10);
    reply.bulk_str(&registered.full_name);
    reply.int(i64::from(command.arity));
    let printed = Flags::PRINTED.iter().filter(|(flag, _)| flags.contains(*flag)).map(|&(_, name)| name);
    simple_set(reply, printed);
    reply.int(range.first);
    reply.int(range.last);
    reply.int(range.step);
    let categories: Vec<String> = Acl::NAMES
        .iter()
        .filter(|(category, _)| command.acl.contains(*category))
        .map(|(_, name)| format!("@{name}"))
        .collect();
    simple_set(reply, categories.iter().map(String::as_str));
    reply.set(command.tips.len());
    for tip in command.tips {
        reply.bulk_str(tip);
    }
    reply.set(command.keys.len());
    for spec in command.keys {
        describe_keys(spec, reply);
    }
    if command.subcommands.is_empty() {
        return reply.set(0);
    }
    reply.array(command.subcommands.len());
    for id in registry.subcommands(id) {
        describe(registry, id, reply);
    }
}

/// A set of simple strings.
pub(super) fn simple_set<'a>(reply: &mut Reply<'_>, names: impl Iterator<Item = &'a str>) {
    let names: Vec<&str> = names.collect();
    reply.set(names.len());
    for name in names {
        reply.simple(name);
    }
}

/// Names of the flags in `flags`, as a set.
pub(super) fn key_flags(reply: &mut Reply<'_>, flags: KeyFlags) {
    simple_set(reply, KeyFlags::NAMES.iter().filter(|(flag, _)| flags.contains(*flag)).map(|&(_, name)| name));
}

fn describe_keys(spec: &KeySpec, reply: &mut Reply<'_>) {
    reply.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        reply.bulk_str("notes");
        reply.bulk_str(spec.notes);
    }
    reply.bulk_str("flags");
    key_flags(reply, spec.flags);
    reply.bulk_str("begin_search");
    match spec.begin {
        BeginSearch::Index(index) => method(reply, "index", &[("index", i64::from(index))]),
        BeginSearch::Keyword { keyword, from } => {
            reply.map(2);
            reply.bulk_str("type");
            reply.bulk_str("keyword");
            reply.bulk_str("spec");
            reply.map(2);
            reply.bulk_str("keyword");
            reply.bulk_str(keyword);
            reply.bulk_str("startfrom");
            reply.int(i64::from(from));
        }
        BeginSearch::Unknown => method(reply, "unknown", &[]),
    }
    reply.bulk_str("find_keys");
    match spec.find {
        FindKeys::Range { last, step, limit } => {
            let fields = [("lastkey", i64::from(last)), ("keystep", i64::from(step)), ("limit", i64::from(limit))];
            method(reply, "range", &fields);
        }
        FindKeys::KeyNum { count_at, first, step } => {
            let (count_at, first, step) = (i64::from(count_at), i64::from(first), i64::from(step));
            method(reply, "keynum", &[("keynumidx", count_at), ("firstkey", first), ("keystep", step)]);
        }
        FindKeys::Unknown => method(reply, "unknown", &[]),
    }
}

fn method(reply: &mut Reply<'_>, kind: &str, fields: &[(&str, i64)]) {
    reply.map(2);
    reply.bulk_str("type");
    reply.bulk_str(kind);
    reply.bulk_str("spec");
    reply.map(fields.len());
    for (name, value) in fields {
        reply.bulk_str(name);
        reply.int(*value);
    }
}
