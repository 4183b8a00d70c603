//! CLIENT ID, GETNAME, SETNAME and SETINFO: what a connection is called.

use super::{OWN, OWN_ACL};
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Group, Reply, Run, quotable};
use crate::server::Session;

const POLICIES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

pub(super) static ID: Command = Command {
    name: "id",
    arity: 2,
    run: Run::Session(id),
    is_quick: true,
    flags: OWN,
    acl: OWN_ACL,
    group: Group::Connection,
    summary: "Returns the number of the connection.",
    since: "5.0.0",
    ..Command::BASE
};

fn id(_args: &mut Args<'_>, session: &mut Session, reply: &mut Reply<'_>) -> CommandResult {
    reply.int(session.id as i64);
    Ok(())
}

pub(super) static GETNAME: Command = Command {
    name: "getname",
    arity: 2,
    run: Run::Session(getname),
    is_quick: true,
    flags: OWN,
    acl: OWN_ACL,
    group: Group::Connection,
    summary: "Returns the name of the connection.",
    since: "2.6.9",
    ..Command::BASE
};

fn getname(_args: &mut Args<'_>, session: &mut Session, reply: &mut Reply<'_>) -> CommandResult {
    if session.identity.name.is_empty() {
        reply.null()
    } else {
        reply.bulk(&session.identity.name)
    }
    Ok(())
}

pub(super) static SETNAME: Command = Command {
    name: "setname",
    arity: 3,
    run: Run::Session(setname),
    is_quick: true,
    flags: OWN,
    acl: OWN_ACL,
    group: Group::Connection,
    summary: "Gives the connection a name.",
    since: "2.6.9",
    tips: POLICIES,
    args: &[Arg::string("connection-name")],
    ..Command::BASE
};

fn setname(args: &mut Args<'_>, session: &mut Session, reply: &mut Reply<'_>) -> CommandResult {
    check_name(args.get(2))?;
    session.identity.name = args.get(2).to_vec();
    reply.ok();
    Ok(())
}

/// Whether a name can stand in a line of CLIENT LIST.
fn is_plain(name: &[u8]) -> bool {
    name.iter().all(u8::is_ascii_graphic)
}

pub(super) fn check_name(name: &[u8]) -> CommandResult {
    if is_plain(name) {
        return Ok(());
    }
    Err(CommandError::new("ERR Client names cannot contain spaces, newlines or special characters."))
}

pub(super) static SETINFO: Command = Command {
    name: "setinfo",
    arity: 4,
    run: Run::Session(setinfo),
    is_quick: true,
    flags: OWN,
    acl: OWN_ACL,
    group: Group::Connection,
    summary: "Says which client library the connection belongs to.",
    since: "7.2.0",
    tips: POLICIES,
    args: &[Arg::one_of("attr", &[Arg::string("libname").token("LIB-NAME"), Arg::string("libver").token("LIB-VER")])],
    ..Command::BASE
};

fn setinfo(args: &mut Args<'_>, session: &mut Session, reply: &mut Reply<'_>) -> CommandResult {
    let (option, value) = (args.get(2), args.get(3));
    let attribute = if option.eq_ignore_ascii_case(b"lib-name") {
        &mut session.identity.lib_name
    } else if option.eq_ignore_ascii_case(b"lib-ver") {
        &mut session.identity.lib_ver
    } else {
        return Err(CommandError::owned([b"ERR Unrecognized option '", quotable(option), b"'"].concat()));
    };
    if !is_plain(value) {
        let reason = b" cannot contain spaces, newlines or special characters.";
        return Err(CommandError::owned([b"ERR ", quotable(option), reason].concat()));
    }
    *attribute = value.to_vec();
    reply.ok();
    Ok(())
}
