//! CLIENT PAUSE and UNPAUSE. How commands are put off is in `server/pause.rs`.

use super::{OTHERS, OTHERS_ACL};
use crate::base::number;
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Group, Run};
use crate::server::Engine;

pub(super) static PAUSE: Command = Command {
    name: "pause",
    arity: -3,
    run: Run::Server(pause),
    is_quick: true,
    flags: OTHERS,
    acl: OTHERS_ACL,
    group: Group::Connection,
    summary: "Puts off the commands of all clients for a while.",
    since: "2.9.50",
    history: &[("6.2.0", "The `mode`, and with it pausing writes only.")],
    args: &[
        Arg::integer("timeout"),
        Arg::one_of("mode", &[Arg::word("write", "WRITE"), Arg::word("all", "ALL")]).optional().since("6.2.0"),
    ],
    ..Command::BASE
};

fn pause(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let writes_only = match args.len() {
        3 => false,
        4 if args.is(3, "WRITE") => true,
        4 if args.is(3, "ALL") => false,
        4 => return Err(CommandError::new("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(CommandError::unknown_subcommand_or_arity("CLIENT", args.get(1))),
    };
    let timeout_ms =
        number::parse_i64(args.get(2)).ok_or(CommandError::new("ERR timeout is not an integer or out of range"))?;
    let timeout_ms = u64::try_from(timeout_ms).map_err(|_| CommandError::new("ERR timeout is negative"))?;
    if timeout_ms > (i64::MAX - engine.keyspace.now_ms()) as u64 {
        return Err(CommandError::new("ERR timeout is out of range"));
    }
    engine.pause(timeout_ms, writes_only);
    engine.reply(key).ok();
    Ok(())
}

pub(super) static UNPAUSE: Command = Command {
    name: "unpause",
    arity: 2,
    run: Run::Server(unpause),
    flags: OTHERS,
    acl: OTHERS_ACL,
    group: Group::Connection,
    summary: "Ends a pause.",
    since: "6.2.0",
    complexity: "O(N) Where N is the number of paused clients",
    ..Command::BASE
};

fn unpause(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.unpause();
    engine.reply(key).ok();
    Ok(())
}
