//! AUTH, and the check of a user's password that HELLO shares with it. There is one user, `default`, and its password is
//! `requirepass`.

use super::{FAST_ACL, HANDSHAKE};
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Group, Run};
use crate::server::{Engine, gate};

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
        2 if engine.config.requirepass.is_empty() => {
            return Err(CommandError::new(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        2 => authenticate(engine, key, DEFAULT_USER, args.get(1))?,
        3 => authenticate(engine, key, args.get(1), args.get(2))?,
        _ => return Err(CommandError::SYNTAX),
    }
    engine.reply(key).ok();
    Ok(())
}

const DEFAULT_USER: &[u8] = b"default";

/// Whether a user of this name exists.
pub(super) fn is_user(name: &[u8]) -> bool {
    name == DEFAULT_USER
}

/// Lets the client in if the password is the user's. A client that is in already stays in either way.
pub(super) fn authenticate(engine: &mut Engine, key: usize, user: &[u8], password: &[u8]) -> CommandResult {
    let secret = &engine.config.requirepass;
    if !is_user(user) || !(secret.is_empty() || is_same_secret(password, secret)) {
        engine.stats.auth_failures += 1;
        return Err(CommandError::new("WRONGPASS invalid username-password pair or user is disabled."));
    }
    engine.clients[key].session.gates &= !gate::UNAUTHENTICATED;
    Ok(())
}

/// Equality that looks at every byte of `given`, so that the time it takes tells nothing about `secret`.
fn is_same_secret(given: &[u8], secret: &[u8]) -> bool {
    let mut difference = u8::from(given.len() != secret.len());
    for (index, byte) in given.iter().enumerate() {
        difference |= byte ^ secret.get(index).copied().unwrap_or(0);
    }
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::is_same_secret;

    #[test]
    fn secrets_are_compared_whole() {
        assert!(is_same_secret(b"", b""));
        assert!(is_same_secret(b"abc", b"abc"));
        for wrong in [&b"ab"[..], b"abcd", b"abd", b"Abc", b"", b"abc\0"] {
            assert!(!is_same_secret(wrong, b"abc"), "{wrong:?}");
        }
    }
}
