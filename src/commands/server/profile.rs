//! PROFILE. How it works is in [`crate::server`]'s `profile.rs`.

use super::{ADMIN, ADMIN_ACL};
use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, Reply, Run};
use crate::server::Engine;
use crate::server::profile::{DEFAULT_HZ, ProfileFormat};

/// Samples in a second.
const HZ_MAX: i64 = 1000;

pub(super) static PROFILE: Command = Command {
    name: "profile",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "A container for commands that profile the server's thread.",
    since: "7.4.0",
    complexity: "Depends on subcommand.",
    subcommands: &[&HELP, &START, &STATUS, &STOP],
    ..Command::BASE
};

static START: Command = Command {
    name: "start",
    arity: -2,
    run: Run::Server(start),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Starts sampling the server's thread.",
    since: "7.4.0",
    args: &[Arg::integer("hz").optional()],
    ..Command::BASE
};

fn start(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::SYNTAX);
    }
    let hz = if args.len() == 3 { args.int_within(2, 1, HZ_MAX)? as u32 } else { DEFAULT_HZ };
    engine.start_profile(hz)?;
    engine.reply(key).ok();
    Ok(())
}

static STOP: Command = Command {
    name: "stop",
    arity: -2,
    run: Run::Server(stop),
    flags: ADMIN.union(Flags::NO_MULTI),
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Stops sampling and returns the stacks.",
    since: "7.4.0",
    complexity: "O(N) where N is the number of samples; another thread does it.",
    args: &[Arg::one_of("format", &[Arg::word("folded", "FOLDED"), Arg::word("svg", "SVG")]).optional()],
    ..Command::BASE
};

fn stop(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let format = match args.try_get(2) {
        None => ProfileFormat::Folded,
        Some(word) if word.eq_ignore_ascii_case(b"FOLDED") => ProfileFormat::Folded,
        Some(word) if word.eq_ignore_ascii_case(b"SVG") => ProfileFormat::Svg,
        Some(_) => return Err(CommandError::SYNTAX),
    };
    if args.len() > 3 {
        return Err(CommandError::SYNTAX);
    }
    engine.stop_profile(key, format)
}

static STATUS: Command = Command {
    name: "status",
    arity: 2,
    run: Run::Server(status),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns whether a profile is being taken, and how large it is.",
    since: "7.4.0",
    ..Command::BASE
};

fn status(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let status = engine.profile_status();
    let mut reply = engine.reply(key);
    let fields = [
        ("active", u64::from(status.is_active)),
        ("writing", u64::from(status.is_writing)),
        ("hz", u64::from(status.hz)),
        ("seconds", status.seconds),
        ("samples", status.samples as u64),
        ("samples-max", status.samples_max as u64),
    ];
    reply.map(fields.len());
    for (name, value) in fields {
        reply.bulk_str(name);
        reply.int(value as i64);
    }
    Ok(())
}

static HELP: Command = Command { run: Run::Pure(help), group: Group::Server, since: "7.4.0", ..Command::HELP };

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(&[
        "PROFILE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "START [<hz>]",
        "    Interrupt the server's thread <hz> times in a second of its CPU time (default:",
        "    99, at most 1000) and remember what it is busy with. It ends by itself after",
        "    ten minutes; 16384 samples are kept.",
        "STOP [FOLDED|SVG]",
        "    End it, and return the stacks with their number of samples (FOLDED, the",
        "    default: for inferno-flamegraph or speedscope) or as a flame graph (SVG).",
        "STATUS",
        "    Return whether a profile is being taken, and how large it is.",
        "HELP",
        "    Print this help.",
    ]);
    Ok(())
}
