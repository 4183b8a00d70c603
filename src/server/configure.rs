//! What a change of the configuration at run time means for the server.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::base::{allocator, log, threads};
use crate::config::{self, Action, Applied, SetError};
use crate::server::engine::Engine;
use crate::server::start::{self, raise_open_files, reason};
use crate::server::{crash, process};

impl Engine {
    /// Carries out what CONFIG SET changed; takes the change back if that cannot be done.
    ///
    /// # Errors
    /// In Redis's words, for the client.
    pub fn carry_out(&mut self, applied: Applied) -> Result<(), SetError> {
        let actions = applied.actions.clone();
        applied.notes.iter().for_each(log::notice);
        let mut outcome = Ok(());
        for (done, &action) in actions.iter().enumerate() {
            if let Err(reason) = self.act(action) {
                outcome = Err(self.config.undo(applied, action, &reason));
                // It, of which a part may be done (sockets are closed before their addresses are bound anew), and what came before it are
                // done once more, with the old values, which worked once.
                for &action in &actions[..=done] {
                    drop(self.act(action));
                }
                break;
            }
        }
        self.apply_config();
        outcome
    }

    /// Writes the configuration file anew; with `force_all` the defaults too.
    ///
    /// # Errors
    /// What the system says, or would say without a file.
    pub fn rewrite_config(&self, force_all: bool) -> Result<(), String> {
        if self.facts.config_file.is_empty() {
            return Err("Bad address".to_owned());
        }
        let path = Path::new(&self.facts.config_file);
        let failed = |error| reason(&error);
        let old = config::read_file(path).map_err(failed)?;
        // With a file of their own the users do not belong here.
        let users = if self.config.aclfile.is_empty() { self.access.users.lines() } else { Vec::new() };
        let users: Vec<Vec<u8>> =
            users.iter().filter_map(|line| line.strip_prefix(b"user ")).map(<[u8]>::to_vec).collect();
        config::replace_file(path, &self.config.rewritten(&old, Some(&users), force_all)).map_err(failed)
    }

    fn act(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Dir => self.apply_dir(),
            // Which address could not be had, and why, is in the log.
            Action::Bind => {
                self.network.listen_again(&self.config).map_err(|_| "Failed to bind to specified addresses.".to_owned())
            }
            Action::Port => self
                .network
                .listen_again(&self.config)
                .map_err(|_| "Unable to listen on this port. Check server logs.".to_owned()),
            Action::ListenForMetrics => self.network.listen_for_metrics(&self.config),
            Action::LogLevel => {
                log::set_level(self.config.loglevel);
                Ok(())
            }
            Action::AppendOnly => self.apply_append_only(),
            Action::AppendFsync => {
                self.apply_append_fsync();
                Ok(())
            }
            Action::ProcTitle => process::apply_title(&self.config, &self.facts.config_file),
            Action::OomScore => process::apply_oom_score(&self.config),
            Action::CrashLog => {
                crash::configure(&self.config);
                Ok(())
            }
            Action::AllocatorThread => {
                let on = self.config.jemalloc_bg_thread;
                // The allocator's thread is a child of the one that asks for it, and must not share the loop's descriptors.
                if threads::spawn("zedis-ask", move || allocator::set_background_thread(on)).is_err() {
                    allocator::set_background_thread(on);
                }
                Ok(())
            }
            Action::MaxClients => self.check_maxclients(),
            Action::RequirePass => {
                self.apply_requirepass();
                Ok(())
            }
            // Read where they are used.
            Action::Hz
            | Action::MaxMemory
            | Action::MaxMemoryClients
            | Action::LatencyTracking
            | Action::SlowlogLength => Ok(()),
        }
    }

    /// Goes to `dir`, which is absolute from then on. A rewrite of the append-only file that is going on begins anew there.
    fn apply_dir(&mut self) -> Result<(), String> {
        let before = std::env::current_dir();
        start::change_dir(&mut self.config).map_err(|error| reason(&error))?;
        if before.is_ok_and(|before| before.as_os_str().as_bytes() != self.config.dir.as_bytes()) {
            self.postpone_rewrite();
        }
        Ok(())
    }

    fn check_maxclients(&self) -> Result<(), String> {
        let wanted = self.config.maxclients;
        let possible = raise_open_files(wanted).map_err(|error| reason(&error))?;
        if possible < wanted {
            return Err(format!(
                "The operating system is not able to handle the specified number of clients, try with {possible}"
            ));
        }
        Ok(())
    }
}
