//! DEBUG RELOAD and DEBUG LOADAOF: the data set to disk and back.

use crate::base::log;
use crate::commands::{Args, CommandError, CommandResult};
use crate::server::Engine;
use crate::server::loading::Duplicates;
use crate::server::saving::SaveFailed;

pub(super) fn reload(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.is_free_to_load()?;
    let (mut flush, mut save, mut duplicates) = (true, true, Duplicates::Refused);
    for at in 2..args.len() {
        if args.is(at, "MERGE") {
            duplicates = Duplicates::Replace;
        } else if args.is(at, "NOFLUSH") {
            flush = false;
        } else if args.is(at, "NOSAVE") {
            save = false;
        } else {
            return Err(CommandError::new("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."));
        }
    }
    if save {
        // Both would write the same file.
        engine.cancel_background_save();
        engine.postpone_rewrite();
        engine.save_now().map_err(|SaveFailed| CommandError::new("ERR"))?;
    }
    if flush {
        for db in 0..engine.keyspace.databases() {
            engine.keyspace.writer(0).flush(db);
        }
    }
    let path = engine.rdb_path();
    let loaded = match engine.begin_loading(&path, duplicates) {
        Ok(true) => engine.load_at_once().map_err(|error| error.to_string()),
        Ok(false) => Err("there is no such file".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(reason) = loaded {
        log::warning(format_args!("Error in the RDB file {} {reason}", path.display()));
        return Err(CommandError::new("ERR Error trying to load the RDB dump, check server logs."));
    }
    let dirty = engine.keyspace.dirty;
    engine.saving.mark_saved(dirty);
    log::warning("DB reloaded by DEBUG RELOAD");
    engine.reply(key).ok();
    Ok(())
}

/// Answered when it is done, which is after this turn.
pub(super) fn loadaof(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.ask_for_reload(key)
}
