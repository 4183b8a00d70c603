//! ACL SETUSER, GETUSER, DELUSER, LIST and USERS.

use super::{ADMIN, ADMIN_ACL};
use crate::acl::{DEFAULT_NAME, Permissions, is_plain_name};
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Group, Reply, Run};
use crate::server::Engine;

pub(super) static SETUSER: Command = Command {
    name: "setuser",
    arity: -3,
    run: Run::Server(setuser),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Creates or changes a user.",
    since: "6.0.0",
    complexity: "O(N). Where N is the number of rules provided.",
    history: &[("6.2.0", "Patterns of channels."), ("7.0.0", "Selectors, and keys that may only be read or written.")],
    args: &[Arg::string("username"), Arg::string("rule").optional().multiple()],
    ..Command::BASE
};

fn setuser(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let name = args.get(2);
    if !is_plain_name(name) {
        return Err(CommandError::new("ERR Usernames can't contain spaces or null characters"));
    }
    let rules: Vec<&[u8]> = args.from(3).collect();
    let users = &mut engine.access.users;
    let had_channels = users.find(name).filter(|&id| users.get(id).permits_some_channel());
    users
        .set(name, &rules, &engine.registry)
        .map_err(|error| CommandError::owned([b"ERR ".as_slice(), &error.0].concat()))?;
    engine.users_changed(&had_channels.into_iter().collect());
    engine.reply(key).ok();
    Ok(())
}

pub(super) static GETUSER: Command = Command {
    name: "getuser",
    arity: 3,
    run: Run::Server(getuser),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns a user's rules.",
    since: "6.0.0",
    complexity: "O(N). Where N is the number of password, command and pattern rules that the user has.",
    history: &[("6.2.0", "Patterns of channels."), ("7.0.0", "Selectors; patterns of keys and channels as rules.")],
    args: &[Arg::string("username")],
    ..Command::BASE
};

fn getuser(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let client = &mut engine.clients[key];
    let mut reply = Reply::new(&mut client.output, client.session.version);
    let users = &engine.access.users;
    let Some(id) = users.find(args.get(2)) else {
        reply.null();
        return Ok(());
    };
    let user = users.get(id);
    reply.map(6);
    reply.bulk_str("flags");
    let flags = user.flags();
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk_str(flag));
    reply.bulk_str("passwords");
    reply.array(user.passwords().len());
    user.passwords().iter().for_each(|password| reply.bulk_str(&password.hex()));
    permissions(user.root(), &mut reply);
    reply.bulk_str("selectors");
    reply.array(user.selectors().len());
    for selector in user.selectors() {
        reply.map(3);
        permissions(selector, &mut reply);
    }
    Ok(())
}

fn permissions(permissions: &Permissions, reply: &mut Reply<'_>) {
    reply.bulk_str("commands");
    reply.bulk(&permissions.describe_commands());
    reply.bulk_str("keys");
    reply.bulk(&permissions.describe_keys());
    reply.bulk_str("channels");
    reply.bulk(&permissions.describe_channels());
}

pub(super) static DELUSER: Command = Command {
    name: "deluser",
    arity: -3,
    run: Run::Server(deluser),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Deletes users, and closes their connections.",
    since: "6.0.0",
    complexity: "O(1) amortized time considering the typical user.",
    args: &[Arg::string("username").multiple()],
    ..Command::BASE
};

fn deluser(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if args.from(2).any(|name| name == DEFAULT_NAME) {
        return Err(CommandError::new("ERR The 'default' user cannot be removed"));
    }
    let gone: Vec<_> = args.from(2).filter_map(|name| engine.access.users.remove(name)).collect();
    engine.reply(key).len(gone.len());
    engine.users_removed(&gone, key);
    Ok(())
}

pub(super) static LIST: Command = Command {
    name: "list",
    arity: 2,
    run: Run::Server(list),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns the users, as lines of a file.",
    since: "6.0.0",
    complexity: "O(N). Where N is the number of configured users.",
    ..Command::BASE
};

fn list(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let lines = engine.access.users.lines();
    engine.reply(key).bulks(&lines);
    Ok(())
}

pub(super) static USERS: Command = Command {
    name: "users",
    arity: 2,
    run: Run::Server(users),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns the names of the users.",
    since: "6.0.0",
    complexity: "O(N). Where N is the number of configured users.",
    ..Command::BASE
};

fn users(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let client = &mut engine.clients[key];
    let mut reply = Reply::new(&mut client.output, client.session.version);
    let users = engine.access.users.iter();
    reply.array(users.len());
    users.for_each(|(name, _)| reply.bulk(name));
    Ok(())
}
