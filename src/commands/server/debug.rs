//! DEBUG: for tests of a server, and for whoever looks into one. Not a container in Redis, so not one here.

use std::time::Duration;

use super::{ADMIN, ADMIN_ACL, debug_digest, debug_object};
use crate::base::number;
use crate::commands::{Args, Command, CommandError, CommandResult, Flags, Group, Run};
use crate::keyspace::{NewValue, Ttl};
use crate::server::Engine;

pub(super) static DEBUG: Command = Command {
    name: "debug",
    arity: -2,
    run: Run::Server(debug),
    flags: ADMIN.union(Flags::PROTECTED).union(Flags::SYSCMD),
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "A container for commands that look inside.",
    complexity: "Depends on subcommand.",
    ..Command::BASE
};

type Debug = fn(&mut Args<'_>, &mut Engine, usize) -> CommandResult;

/// Subcommands with the least and the greatest number of arguments, DEBUG and their own name among them.
const SUBCOMMANDS: &[(&str, usize, usize, Debug)] = &[
    ("CONFIG-REWRITE-FORCE-ALL", 2, 2, config_rewrite_force_all),
    ("DIGEST", 2, 2, debug_digest::digest),
    ("DIGEST-VALUE", 2, usize::MAX, debug_digest::digest_value),
    ("HELP", 2, 2, help),
    ("HTSTATS", 3, 4, debug_object::htstats),
    ("OBJECT", 3, 4, debug_object::object),
    ("POPULATE", 3, 5, populate),
    ("SET-ACTIVE-EXPIRE", 3, 3, set_active_expire),
    ("SLEEP", 3, 3, sleep),
];

fn debug(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if !engine.config.enable_debug_command.allows(engine.clients[key].stream.is_local()) {
        return Err(CommandError::new(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from \
             a local connection, otherwise you need to set this option in the configuration file, and then restart \
             the server.",
        ));
    }
    let found =
        SUBCOMMANDS.iter().find(|(name, least, most, _)| args.is(1, name) && (*least..=*most).contains(&args.len()));
    match found {
        Some((.., run)) => run(args, engine, key),
        None => Err(CommandError::unknown_subcommand_or_arity("DEBUG", args.get(1))),
    }
}

/// Holds everything up, which is the point of it.
fn sleep(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    // What is not a number is no time at all, as in Redis.
    let seconds = number::parse_f64(args.get(2)).unwrap_or(0.0);
    if let Ok(time) = Duration::try_from_secs_f64(seconds) {
        engine.clock.sleep(time);
    }
    engine.reply(key).ok();
    Ok(())
}

fn set_active_expire(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let digits = args.get(2);
    engine.keyspace.active_expire = number::parse_i64(digits).unwrap_or(0) != 0;
    engine.reply(key).ok();
    Ok(())
}

/// CONFIG REWRITE, with the defaults too.
fn config_rewrite_force_all(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let failed = |reason| CommandError::owned(format!("ERR CONFIG-REWRITE-FORCE-ALL failed: {reason}"));
    engine.rewrite_config(true).map_err(failed)?;
    engine.reply(key).ok();
    Ok(())
}

fn populate(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let positive = |index: usize| {
        number::parse_i64(args.get(index))
            .filter(|number| *number >= 0)
            .ok_or(CommandError::new("ERR value is out of range, must be positive"))
    };
    let count = positive(2)?;
    let prefix = args.try_get(3).unwrap_or(b"key");
    let size = if args.len() > 4 { usize::try_from(positive(4)?).unwrap_or(usize::MAX) } else { 0 };
    if size > engine.keyspace.settings.bulk_max {
        return Err(CommandError::STRING_TOO_LONG);
    }
    let db = engine.clients[key].session.db;
    let mut writer = engine.keyspace.writer(db);
    let (mut name, mut value) = (Vec::new(), Vec::new());
    for number in 0..count {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        name.clear();
        name.extend_from_slice(prefix);
        name.push(b':');
        name.extend_from_slice(digits);
        let new = writer.key(&name);
        if writer.exists(new) {
            continue;
        }
        value.clear();
        value.extend_from_slice(b"value:");
        value.extend_from_slice(digits);
        if size > 0 {
            value.resize(size, 0);
        }
        let key = writer.key(&name);
        writer.set(key, NewValue::string(&value), Ttl::Clear);
    }
    engine.reply(key).ok();
    Ok(())
}

fn help(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.reply(key).simples(&[
        "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CONFIG-REWRITE-FORCE-ALL",
        "    CONFIG REWRITE with every directive, the defaults too.",
        "DIGEST",
        "    A hash of everything in all databases, the same for the same data.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    A hash of the value of each key.",
        "HTSTATS <dbid> [FULL]",
        "    The shape of a database's table and of its timing wheel.",
        "OBJECT <key>",
        "    How a key's value is kept.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Make <count> string keys, named key:<num> or <prefix>:<num>, of <size> bytes.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Whether keys are removed at their deadlines though nobody asks for them.",
        "SLEEP <seconds>",
        "    Hold the server up. Decimals allowed.",
        "HELP",
        "    This text.",
    ]);
    Ok(())
}
