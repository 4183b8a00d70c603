//! CONFIG. The directives are in [`crate::config`]; what a change means for the server is carried out by
//! [`Engine::carry_out`].

use super::{ADMIN, ADMIN_ACL};
use crate::base::log;
use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Group, Reply, Run};
use crate::server::Engine;

pub(super) static CONFIG: Command = Command {
    name: "config",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "A container for commands on the configuration.",
    since: "2.0.0",
    complexity: "Depends on subcommand.",
    subcommands: &[&GET, &HELP, &RESETSTAT, &REWRITE, &SET],
    ..Command::BASE
};

static GET: Command = Command {
    name: "get",
    arity: -3,
    run: Run::Server(get),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns parameters and their values.",
    since: "2.0.0",
    complexity: "O(N) when N is the number of configuration parameters provided",
    history: &[("7.0.0", "Several patterns in one call.")],
    args: &[Arg::string("parameter").multiple()],
    ..Command::BASE
};

fn get(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let patterns: Vec<&[u8]> = args.from(2).collect();
    let found = engine.config.get(&patterns);
    let mut reply = engine.reply(key);
    reply.map(found.len());
    for (name, value) in found {
        reply.bulk(&name);
        reply.bulk(&value);
    }
    Ok(())
}

static SET: Command = Command {
    name: "set",
    arity: -4,
    run: Run::Server(set),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Sets parameters, all of them or none.",
    since: "2.0.0",
    complexity: "O(N) when N is the number of configuration parameters provided",
    history: &[("7.0.0", "Several parameters in one call.")],
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    args: &[Arg::block("data", &[Arg::string("parameter"), Arg::string("value")]).multiple()],
    ..Command::BASE
};

fn set(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::SYNTAX);
    }
    let pairs: Vec<(&[u8], &[u8])> = (2..args.len()).step_by(2).map(|at| (args.get(at), args.get(at + 1))).collect();
    let is_dir = |name: &[u8]| name.eq_ignore_ascii_case(b"dir");
    if engine.is_loading() && pairs.iter().any(|(name, _)| is_dir(name)) {
        // What is being loaded, and appended to then, is in the one that there is.
        return Err(CommandError::LOADING);
    }
    let is_local = engine.clients[key].stream.is_local();
    let applied = engine.config.set(&pairs, is_local).map_err(|error| CommandError::owned(error.text()))?;
    engine.carry_out(applied).map_err(|error| CommandError::owned(error.text()))?;
    engine.reply(key).ok();
    Ok(())
}

static REWRITE: Command = Command {
    name: "rewrite",
    arity: 2,
    run: Run::Server(rewrite),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Writes what is in force now to the configuration file.",
    since: "2.8.0",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Command::BASE
};

/// The answer says that it is on the disk, so it waits for that, as in Redis: rare, and for whoever runs the server.
fn rewrite(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if engine.facts.config_file.is_empty() {
        return Err(CommandError::new("ERR The server is running without a config file"));
    }
    match engine.rewrite_config(false) {
        Ok(()) => {
            log::notice("CONFIG REWRITE executed with success.");
            engine.reply(key).ok();
            Ok(())
        }
        Err(reason) => {
            log::warning(format_args!("CONFIG REWRITE failed: {reason}"));
            Err(CommandError::owned(format!("ERR Rewriting config file: {reason}")))
        }
    }
}

static RESETSTAT: Command = Command {
    name: "resetstat",
    arity: 2,
    run: Run::Server(resetstat),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Sets the statistics of INFO back to zero.",
    since: "2.0.0",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Command::BASE
};

fn resetstat(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.stats.reset();
    engine.registry.reset_stats();
    engine.metrics.reset_rates();
    engine.recorder.reset();
    engine.keyspace.reset_stats();
    engine.memory.reset_stats();
    engine.saving.reset_stats();
    engine.aof.reset_stats();
    engine.reply(key).ok();
    Ok(())
}

static HELP: Command = Command { run: Run::Pure(help), group: Group::Server, since: "5.0.0", ..Command::HELP };

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(&[
        "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET <pattern> [<pattern> ...]",
        "    Parameters that match, and their values.",
        "SET <directive> <value> [<directive> <value> ...]",
        "    Change parameters, all of them or none.",
        "REWRITE",
        "    Write what is in force now to the configuration file.",
        "RESETSTAT",
        "    Set the statistics of INFO back to zero.",
        "HELP",
        "    This text.",
    ]);
    Ok(())
}
