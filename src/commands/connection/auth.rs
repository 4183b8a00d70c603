//! AUTH, and the check of a user's password that HELLO shares with it.

use super::{FAST_ACL, HANDSHAKE};
use crate::acl::{DEFAULT_NAME, DEFAULT_USER};
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Group, Run};
use crate::server::Engine;

pub(super) static AUTH: Command = Command {
    name: "auth",
    arity: -2,
    run: Run::Server(auth),
    flags: HANDSHAKE,
    acl: FAST_ACL,
    group: Group::Connection,
    summary: "Tells the server the password of a user.",
    complexity: "O(N) where N is the number of passwords defined for the user",
    history: &[("6.0.0", "Accepts a username in front of the password.")],
    args: &[Arg::string("username").optional().since("6.0.0"), Arg::string("password")],
    ..Command::BASE
};

fn auth(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    match args.len() {
        2 if engine.access.users.get(DEFAULT_USER).nopass => {
            return Err(CommandError::new(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        2 => authenticate(args, engine, key, DEFAULT_NAME, args.get(1))?,
        3 => authenticate(args, engine, key, args.get(1), args.get(2))?,
        _ => return Err(CommandError::SYNTAX),
    }
    engine.reply(key).ok();
    Ok(())
}

/// Lets the client in if the password is the user's. A client that is in already stays who it is if not.
pub(super) fn authenticate(
    args: &Args<'_>,
    engine: &mut Engine,
    key: usize,
    user: &[u8],
    password: &[u8],
) -> CommandResult {
    if engine.log_in(key, user, password, args) {
        return Ok(());
    }
    Err(CommandError::new("WRONGPASS invalid username-password pair or user is disabled."))
}
