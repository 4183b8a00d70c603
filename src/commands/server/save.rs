//! SAVE, BGSAVE, LASTSAVE, BGREWRITEAOF. What a save is, [`crate::server::saving`] knows.

use super::ADMIN_ACL;
use crate::base::log;
use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, Run};
use crate::server::Engine;
use crate::server::aof::RewriteStart;
use crate::server::saving::SaveFailed;

const IN_PROGRESS: CommandError = CommandError::new("ERR Background save already in progress");

pub(super) static SAVE: Command = Command {
    name: "save",
    arity: 1,
    run: Run::Server(save),
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::NO_ASYNC_LOADING).union(Flags::NO_MULTI),
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Saves the data to disk, and holds everybody up until that is done.",
    complexity: "O(N) where N is the total number of keys in all databases",
    ..Command::BASE
};

fn save(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    // One that is only scheduled comes later all the same.
    if engine.saving.is_in_the_way() && engine.saving.is_active() {
        return Err(IN_PROGRESS);
    }
    engine.make_way_for_save();
    // Redis answers this error without any text.
    engine.save_now().map_err(|SaveFailed| CommandError::new("ERR"))?;
    engine.reply(key).ok();
    Ok(())
}

pub(super) static BGSAVE: Command = Command {
    name: "bgsave",
    arity: -1,
    run: Run::Server(bgsave),
    is_quick: true,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::NO_ASYNC_LOADING),
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Saves the data to disk in the background.",
    history: &[("3.2.2", "The `SCHEDULE` option."), ("8.1.0", "The `CANCEL` option.")],
    args: &[Arg::one_of(
        "operation",
        &[Arg::word("schedule", "SCHEDULE").since("3.2.2"), Arg::word("cancel", "CANCEL").since("8.1.0")],
    )
    .optional()],
    ..Command::BASE
};

fn bgsave(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    match args.len() {
        1 => {}
        2 if args.is(1, "SCHEDULE") => {}
        2 if args.is(1, "CANCEL") => {
            if !engine.cancel_background_save() {
                return Err(CommandError::new("ERR Background saving is currently not in progress or scheduled"));
            }
            log::notice("Background saving cancelled");
            engine.reply(key).simple("Background saving cancelled");
            return Ok(());
        }
        _ => return Err(CommandError::SYNTAX),
    }
    if engine.saving.is_in_the_way() && engine.saving.is_active() {
        return Err(IN_PROGRESS);
    }
    if engine.aof.is_rewriting() || engine.is_in_exec() {
        if args.len() == 1 && !engine.is_in_exec() {
            return Err(CommandError::new(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE \
                 whenever possible.",
            ));
        }
        engine.schedule_background_save();
        engine.reply(key).simple("Background saving scheduled");
        return Ok(());
    }
    if engine.saving.is_in_the_way() {
        // Already, and only waits for the marks of one that was given up.
        return Err(IN_PROGRESS);
    }
    engine.make_way_for_save();
    if !engine.begin_background_save() {
        return Err(CommandError::new("ERR"));
    }
    engine.reply(key).simple("Background saving started");
    Ok(())
}

pub(super) static BGREWRITEAOF: Command = Command {
    name: "bgrewriteaof",
    arity: 1,
    run: Run::Server(bgrewriteaof),
    is_quick: true,
    flags: Flags::ADMIN.union(Flags::NOSCRIPT).union(Flags::NO_ASYNC_LOADING),
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Rewrites the append-only file to disk in the background.",
    ..Command::BASE
};

fn bgrewriteaof(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if engine.aof.is_rewriting() {
        return Err(CommandError::new("ERR Background append only file rewriting already in progress"));
    }
    let text = match engine.schedule_rewrite() {
        RewriteStart::Started => "Background append only file rewriting started",
        RewriteStart::Scheduled => "Background append only file rewriting scheduled",
        RewriteStart::Failed => {
            return Err(CommandError::new(
                "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
            ));
        }
    };
    engine.reply(key).simple(text);
    Ok(())
}

pub(super) static LASTSAVE: Command = Command {
    name: "lastsave",
    arity: 1,
    run: Run::Server(lastsave),
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::FAST),
    acl: Acl::ADMIN.union(Acl::FAST).union(Acl::DANGEROUS),
    group: Group::Server,
    summary: "Returns when the data was last saved to disk, in Unix seconds.",
    tips: &["nondeterministic_output"],
    ..Command::BASE
};

fn lastsave(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let last_save_s = engine.saving.last_save_s;
    engine.reply(key).int(last_save_s);
    Ok(())
}
