//! CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO. What is done about it is in [`crate::server::tracking`].

use super::{OWN, OWN_ACL};
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Group, Run};
use crate::server::Engine;
use crate::server::client_list;
use crate::server::tracking::{ClientRef, Mode};

pub(super) static TRACKING: Command = Command {
    name: "tracking",
    arity: -3,
    run: Run::Server(tracking),
    is_quick: true,
    flags: OWN,
    acl: OWN_ACL,
    group: Group::Connection,
    summary: "Says whether the connection is to be told of changes of keys that it has read.",
    since: "6.0.0",
    complexity: "O(1). Some options may introduce additional complexity.",
    args: &[
        Arg::one_of("status", &[Arg::word("on", "ON"), Arg::word("off", "OFF")]),
        Arg::integer("client-id").token("REDIRECT").optional(),
        Arg::string("prefix").token("PREFIX").optional().multiple_token(),
        Arg::word("bcast", "BCAST").optional(),
        Arg::word("optin", "OPTIN").optional(),
        Arg::word("optout", "OPTOUT").optional(),
        Arg::word("noloop", "NOLOOP").optional(),
    ],
    ..Command::BASE
};

fn tracking(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let mut mode = Mode::empty();
    let mut redirect = None;
    let mut prefixes: Vec<&[u8]> = Vec::new();
    let mut at = 3;
    while at < args.len() {
        let has_value = at + 1 < args.len();
        if args.is(at, "REDIRECT") && has_value {
            at += 1;
            if redirect.is_some() {
                return Err(CommandError::new("ERR A client can only redirect to a single other client"));
            }
            let id = args.int(at)?;
            let found = client_list::visible(engine).find(|(_, client)| i64::try_from(client.session.id) == Ok(id));
            let (found, client) =
                found.ok_or(CommandError::new("ERR The client ID you want redirect to does not exist"))?;
            redirect = Some(ClientRef::of(found, client));
        } else if args.is(at, "PREFIX") && has_value {
            at += 1;
            prefixes.push(args.get(at));
        } else {
            const MODES: [(&str, Mode); 4] =
                [("BCAST", Mode::BCAST), ("OPTIN", Mode::OPTIN), ("OPTOUT", Mode::OPTOUT), ("NOLOOP", Mode::NOLOOP)];
            let found = MODES.iter().find(|(name, _)| args.is(at, name)).ok_or(CommandError::SYNTAX)?;
            mode |= found.1;
        }
        at += 1;
    }
    if args.is(2, "ON") {
        engine.start_tracking(key, mode, redirect, &prefixes)?;
    } else if args.is(2, "OFF") {
        engine.stop_tracking(key);
    } else {
        return Err(CommandError::SYNTAX);
    }
    engine.reply(key).ok();
    Ok(())
}

pub(super) static CACHING: Command = Command {
    name: "caching",
    arity: 3,
    run: Run::Server(caching),
    is_quick: true,
    flags: OWN,
    acl: OWN_ACL,
    group: Group::Connection,
    summary: "Says whether the keys that the next command reads are tracked.",
    since: "6.0.0",
    args: &[Arg::one_of("mode", &[Arg::word("yes", "YES"), Arg::word("no", "NO")])],
    ..Command::BASE
};

fn caching(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let Some(own) = &mut engine.clients[key].tracking else {
        return Err(CommandError::new(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    if args.is(2, "YES") {
        if !own.mode.contains(Mode::OPTIN) {
            return Err(CommandError::new(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
    } else if args.is(2, "NO") {
        if !own.mode.contains(Mode::OPTOUT) {
            return Err(CommandError::new(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
    } else {
        return Err(CommandError::SYNTAX);
    }
    own.is_caching_given = true;
    engine.reply(key).ok();
    Ok(())
}

pub(super) static GETREDIR: Command = Command {
    name: "getredir",
    arity: 2,
    run: Run::Server(getredir),
    is_quick: true,
    flags: OWN,
    acl: OWN_ACL,
    group: Group::Connection,
    summary: "Returns the number of the connection that invalidations are redirected to.",
    since: "6.0.0",
    ..Command::BASE
};

fn getredir(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let redirect = redirect(engine, key);
    engine.reply(key).int(redirect);
    Ok(())
}

/// -1: no tracking; 0: no redirection.
fn redirect(engine: &Engine, key: usize) -> i64 {
    match &engine.clients[key].tracking {
        None => -1,
        Some(own) => own.redirect.map_or(0, |redirect| redirect.id as i64),
    }
}

pub(super) static TRACKINGINFO: Command = Command {
    name: "trackinginfo",
    arity: 2,
    run: Run::Server(trackinginfo),
    is_quick: true,
    flags: OWN,
    acl: OWN_ACL,
    group: Group::Connection,
    summary: "Returns how the connection tracks keys.",
    since: "6.2.0",
    ..Command::BASE
};

fn trackinginfo(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let redirect = redirect(engine, key);
    let mut flags = Vec::new();
    let mut prefixes = Vec::new();
    match &engine.clients[key].tracking {
        None => flags.push("off"),
        Some(own) => {
            flags.push("on");
            if own.mode.contains(Mode::BCAST) {
                flags.push("bcast");
            }
            if own.mode.contains(Mode::OPTIN) {
                flags.push("optin");
                flags.extend(own.is_caching_given.then_some("caching-yes"));
            }
            if own.mode.contains(Mode::OPTOUT) {
                flags.push("optout");
                flags.extend(own.is_caching_given.then_some("caching-no"));
            }
            if own.mode.contains(Mode::NOLOOP) {
                flags.push("noloop");
            }
            if own.is_redirect_broken {
                flags.push("broken_redirect");
            }
            prefixes.clone_from(&own.prefixes);
        }
    }
    let mut reply = engine.reply(key);
    reply.map(3);
    reply.bulk_str("flags");
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk_str(flag));
    reply.bulk_str("redirect");
    reply.int(redirect);
    reply.bulk_str("prefixes");
    reply.bulks(&prefixes);
    Ok(())
}
