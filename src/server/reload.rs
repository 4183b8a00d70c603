//! DEBUG LOADAOF: the data set from its append-only file once more, while the server runs.
//!
//! The command only asks for it: it runs in the middle of a batch, and the commands of the file go through a batch of their own. Between
//! two turns everything that was changed is written to the file, the databases are emptied, and the file is loaded as at the start, a slice
//! between two turns, with everybody else told to wait. Who asked is held ([`gate::AWAITS`]) and answered at the end.
//!
//! Meanwhile nothing is written to the file, no rewrite and no save begins, and nothing expires. Statistics begin anew, as after a start.
//! Who is blocked for a key that the file has waits for the next change of it.

use crate::base::log;
use crate::commands::CommandError;
use crate::persistence::aof::{AppenderStatus, Failures};
use crate::server::engine::Engine;
use crate::server::session::gate;

/// As Redis answers when anything is wrong.
const FAILED: &str = "ERR Error trying to load the AOF files, check server logs.";

/// What has been asked for.
pub struct Reload {
    /// Who waits for it.
    key: usize,
    id: u64,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    Asked,
    /// So many bytes have been handed to the append-only file, and are on their way into it.
    Writing(u64),
    Loading,
}

impl Engine {
    /// Refuses what would load while a file is being loaded.
    ///
    /// # Errors
    /// When one is.
    pub fn is_free_to_load(&self) -> Result<(), CommandError> {
        if self.is_loading() { Err(CommandError::LOADING) } else { Ok(()) }
    }

    /// Has the append-only file loaded again after this turn; the client is answered when that is done.
    ///
    /// # Errors
    /// When a file is being loaded, or in a transaction, whose other commands can't wait.
    pub fn ask_for_reload(&mut self, key: usize) -> Result<(), CommandError> {
        self.is_free_to_load()?;
        if self.is_in_exec() {
            return Err(CommandError::new("ERR DEBUG LOADAOF is not allowed in transactions"));
        }
        let session = &mut self.clients[key].session;
        session.gates |= gate::AWAITS;
        self.reload = Some(Box::new(Reload { key, id: session.id, stage: Stage::Asked }));
        Ok(())
    }

    /// A step, between two turns. Whether there is more to do.
    pub fn continue_reload(&mut self) -> bool {
        let Some(mut reload) = self.reload.take() else { return false };
        let outcome = match reload.stage {
            Stage::Asked => {
                // From here on nobody changes anything.
                self.gates |= gate::LOADING;
                self.postpone_rewrite();
                self.write_journal();
                reload.stage = Stage::Writing(self.aof.appender().map_or(0, |appender| appender.status().appended));
                Ok(false)
            }
            Stage::Writing(bytes) => match self.aof.appender().map(|appender| (appender.status(), appender.failures()))
            {
                Some((_, Failures { is_bad: true, last: Some((doing, error)), .. })) => {
                    Err(format!("Error {doing} the append-only file: {error}"))
                }
                Some((AppenderStatus { written, .. }, _)) if written < bytes => Ok(false),
                _ => {
                    reload.stage = Stage::Loading;
                    self.begin_reload().map(|()| false)
                }
            },
            Stage::Loading => self.reload_slice(),
        };
        match outcome {
            Ok(false) => {
                self.reload = Some(reload);
                return true;
            }
            Ok(true) => self.end_reload(&reload, Ok(())),
            Err(reason) => self.end_reload(&reload, Err(reason)),
        }
        false
    }

    fn begin_reload(&mut self) -> Result<(), String> {
        let paths = self.list_aof()?;
        if paths.is_empty() {
            return Err("there is no append-only file".to_owned());
        }
        self.keyspace.journal.set_on(false);
        for db in 0..self.keyspace.databases() {
            self.keyspace.writer(0).flush(db);
        }
        self.keyspace.writer(0).flushed();
        self.list_aof_to_load(paths)
    }

    /// Whether everything is there.
    fn reload_slice(&mut self) -> Result<bool, String> {
        loop {
            let ended = self.load_step()?;
            // The end of a file lets everybody in again; there may be another.
            self.gates |= gate::LOADING;
            if ended || self.is_reading() {
                return Ok(ended);
            }
        }
    }

    fn end_reload(&mut self, reload: &Reload, outcome: Result<(), String>) {
        self.to_load.clear();
        self.gates &= !gate::LOADING;
        self.keyspace.journal.set_on(self.aof.appender().is_some());
        match &outcome {
            Ok(()) => {
                let changes = self.keyspace.dirty;
                self.saving.mark_saved(changes);
                log::warning("Append Only File loaded by DEBUG LOADAOF");
            }
            Err(reason) => log::warning(reason),
        }
        if !self.is_client(reload.key, reload.id) {
            return;
        }
        let client = &mut self.clients[reload.key];
        client.session.gates &= !gate::AWAITS;
        client.output.attach(&mut self.pool);
        match outcome {
            Ok(()) => self.reply(reload.key).ok(),
            Err(_) => self.reply(reload.key).error(FAILED.as_bytes()),
        }
        self.resume(reload.key);
        self.after_replies(reload.key);
    }
}
