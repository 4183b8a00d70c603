//! ACL: the container, and what concerns rules rather than users: CAT, DRYRUN, GENPASS, WHOAMI, HELP.
//! How rules work is in [`crate::acl`].

use super::{ADMIN, ADMIN_ACL, acl_file, acl_log, acl_users};
use crate::acl::{Catalog, Denied};
use crate::base::random::Random;
use crate::commands::permission;
use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, Reply, Run, quotable};
use crate::server::Engine;

pub(super) static ACL: Command = Command {
    name: "acl",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "A container for Access Control List commands.",
    since: "6.0.0",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &CAT,
        &acl_users::DELUSER,
        &DRYRUN,
        &GENPASS,
        &acl_users::GETUSER,
        &HELP,
        &acl_users::LIST,
        &acl_file::LOAD,
        &acl_log::LOG,
        &acl_file::SAVE,
        &acl_users::SETUSER,
        &acl_users::USERS,
        &WHOAMI,
    ],
    ..Command::BASE
};

/// Of subcommands that anybody may use who may use them.
const OWN: Flags = Flags::NOSCRIPT.union(Flags::LOADING).union(Flags::STALE);

static CAT: Command = Command {
    name: "cat",
    arity: -2,
    run: Run::Server(cat),
    is_quick: true,
    flags: OWN,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "Lists the categories, or the commands in one.",
    since: "6.0.0",
    complexity: "O(1) since the categories and commands are a fixed set.",
    args: &[Arg::string("category").optional()],
    ..Command::BASE
};

fn cat(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    at_most(args, 3)?;
    let names: Vec<&str> = match args.try_get(2) {
        None => Acl::NAMES.iter().map(|&(_, name)| name).collect(),
        Some(name) => {
            let category = Acl::named(name).ok_or_else(|| {
                CommandError::owned([b"ERR Unknown category '".as_slice(), quotable(name), b"'"].concat())
            })?;
            let is_in = engine.registry.iter().filter(|(_, registered)| registered.command.acl.contains(category));
            is_in.map(|(_, registered)| registered.full_name.as_str()).collect()
        }
    };
    let client = &mut engine.clients[key];
    Reply::new(&mut client.output, client.session.version).bulks(&names);
    Ok(())
}

/// # Errors
/// In the words of a container that finds its subcommands by itself.
pub(super) fn at_most(args: &Args<'_>, argc_max: usize) -> CommandResult {
    if args.len() > argc_max {
        return Err(CommandError::unknown_subcommand_or_arity("acl", args.get(1)));
    }
    Ok(())
}

static DRYRUN: Command = Command {
    name: "dryrun",
    arity: -4,
    run: Run::Server(dryrun),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Says whether a user may execute a command, without executing it.",
    since: "7.0.0",
    complexity: "O(1).",
    args: &[Arg::string("username"), Arg::string("command"), Arg::string("arg").optional().multiple()],
    ..Command::BASE
};

fn dryrun(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let quoted = |before: &str, word: &[u8], behind: &str| {
        CommandError::owned([before.as_bytes(), quotable(word), behind.as_bytes()].concat())
    };
    let name = args.get(2);
    let Some(user) = engine.access.users.find(name) else {
        return Err(quoted("ERR User '", name, "' not found"));
    };
    let call: Vec<&[u8]> = args.from(3).collect();
    let not_found = || quoted("ERR Command '", call[0], "' not found");
    let mut id = engine.registry.find(call[0]).ok_or_else(not_found)?;
    if call.len() > 1 && !engine.registry.subcommands(id).is_empty() {
        id = engine.registry.find_subcommand(id, call[1]).ok_or_else(not_found)?;
    }
    let command = &engine.registry.get(id);
    if !command.command.accepts(call.len()) {
        return Err(CommandError::wrong_arity(&command.full_name));
    }
    let permitted = match command.command.flags.contains(Flags::NO_AUTH) {
        true => Ok(()),
        false => permission::check(&engine.registry, id, &call, engine.access.users.get(user)),
    };
    let Err(denied) = permitted else {
        engine.reply(key).ok();
        return Ok(());
    };
    let (verb, object, noun) = match denied {
        Denied::Command => ("run", command.full_name.as_bytes(), "command"),
        Denied::Key(index) => ("access", call[index], "key"),
        Denied::Channel(index) => ("access", call[index], "channel"),
    };
    let verb = format!(" has no permissions to {verb} the '");
    let noun = format!("' {noun}");
    let text = [b"User ".as_slice(), engine.access.users.name(user), verb.as_bytes(), object, noun.as_bytes()].concat();
    engine.reply(key).bulk(&text);
    Ok(())
}

static GENPASS: Command = Command {
    name: "genpass",
    arity: -2,
    run: Run::Pure(genpass),
    is_quick: true,
    flags: OWN,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "Makes a password that cannot be guessed.",
    since: "6.0.0",
    args: &[Arg::integer("bits").optional()],
    ..Command::BASE
};

fn genpass(args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    const BITS_MAX: i64 = 4096;
    at_most(args, 3)?;
    let bits = if args.len() == 3 { args.int(2)? } else { 256 };
    if !(1..=BITS_MAX).contains(&bits) {
        return Err(CommandError::owned(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to {BITS_MAX}"
        )));
    }
    // Four bits a digit, rounded up.
    let digits = (bits as usize).div_ceil(4);
    let mut secret = vec![0; digits.div_ceil(2)];
    if !Random::secret(&mut secret) {
        return Err(CommandError::new("ERR The operating system has no random numbers yet"));
    }
    let mut text: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    reply.bulk_str(&text);
    Ok(())
}

static WHOAMI: Command = Command {
    name: "whoami",
    arity: 2,
    run: Run::Server(whoami),
    is_quick: true,
    flags: OWN,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "Returns the name of the user that the connection is logged in as.",
    since: "6.0.0",
    ..Command::BASE
};

fn whoami(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let client = &mut engine.clients[key];
    let name = engine.access.users.name(client.session.user);
    Reply::new(&mut client.output, client.session.version).bulk(name);
    Ok(())
}

static HELP: Command = Command { run: Run::Pure(help), group: Group::Server, since: "6.0.0", ..Command::HELP };

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(&[
        "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CAT [<category>]",
        "    The categories, or the commands in one.",
        "DELUSER <username> [<username> ...]",
        "    Delete users, and close their connections.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Whether the user may execute the command, which is not executed.",
        "GETUSER <username>",
        "    A user's details.",
        "GENPASS [<bits>]",
        "    A password that cannot be guessed, of 256 bits or as many as are said.",
        "LIST",
        "    The users, as lines of a file.",
        "LOAD",
        "    Read the users from the file again.",
        "LOG [<count> | RESET]",
        "    What was refused lately.",
        "SAVE",
        "    Write the users to the file.",
        "SETUSER <username> <attribute> [<attribute> ...]",
        "    Create or change a user.",
        "USERS",
        "    The names of the users.",
        "WHOAMI",
        "    The name of the user of this connection.",
        "HELP",
        "    This text.",
    ]);
    Ok(())
}
