//! SHUTDOWN: saves if that is wanted, and leaves a request for the loop, which acts on it at the end of the turn.

use super::ADMIN;
use crate::base::log;
use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, Run};
use crate::server::Engine;
use crate::server::saving::SaveFailed;
use crate::server::shutdown::{SHUTDOWN_FAILED, ShutdownRequest};

pub(super) static SHUTDOWN: Command = Command {
    name: "shutdown",
    arity: -1,
    run: Run::Server(shutdown),
    flags: ADMIN.union(Flags::NO_MULTI).union(Flags::ALLOW_BUSY),
    acl: Acl::ADMIN.union(Acl::SLOW).union(Acl::DANGEROUS),
    group: Group::Server,
    summary: "Stops the server, saving the data first if it is configured to.",
    complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
    history: &[("7.0.0", "The `NOW`, `FORCE` and `ABORT` modifiers.")],
    args: &[
        Arg::one_of("save-selector", &[Arg::word("nosave", "NOSAVE"), Arg::word("save", "SAVE")]).optional(),
        Arg::word("now", "NOW").optional().since("7.0.0"),
        Arg::word("force", "FORCE").optional().since("7.0.0"),
        Arg::word("abort", "ABORT").optional().since("7.0.0"),
    ],
    ..Command::BASE
};

/// A client that shuts the server down gets no answer: its connection ends with the server.
fn shutdown(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let mut request = ShutdownRequest::default();
    let mut abort = false;
    for at in 1..args.len() {
        if args.is(at, "NOSAVE") && request.save != Some(true) {
            request.save = Some(false);
        } else if args.is(at, "SAVE") && request.save != Some(false) {
            request.save = Some(true);
        } else if args.is(at, "NOW") {
            request.now = true;
        } else if args.is(at, "FORCE") {
            request.force = true;
        } else if args.is(at, "ABORT") {
            abort = true;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    if !abort {
        engine
            .save_before_end(request.save, request.force)
            .inspect_err(|SaveFailed| log::warning(SHUTDOWN_FAILED))
            .map_err(|SaveFailed| CommandError::new("ERR Errors trying to SHUTDOWN. Check logs."))?;
        engine.request_shutdown(request);
        return Ok(());
    }
    if request != ShutdownRequest::default() {
        return Err(CommandError::SYNTAX);
    }
    if !engine.abort_shutdown() {
        return Err(CommandError::new("ERR No shutdown in progress."));
    }
    engine.reply(key).ok();
    Ok(())
}
