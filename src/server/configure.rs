//! What a change of the configuration at run time means for the server.

use crate::base::log;
use crate::config::{Action, Applied, SetError};
use crate::server::engine::Engine;
use crate::server::start::raise_open_files;

impl Engine {
    /// Carries out what CONFIG SET changed; takes the change back if that cannot be done.
    ///
    /// # Errors
    /// In Redis's words, for the client.
    pub fn carry_out(&mut self, applied: Applied) -> Result<(), SetError> {
        let actions = applied.actions.clone();
        let mut outcome = Ok(());
        for (done, &action) in actions.iter().enumerate() {
            if let Err(reason) = self.act(action) {
                outcome = Err(self.config.undo(applied, action, &reason));
                // What came before it is done once more, with the old values, which worked once.
                for &action in &actions[..done] {
                    drop(self.act(action));
                }
                break;
            }
        }
        self.apply_config();
        outcome
    }

    fn act(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Dir => std::env::set_current_dir(&self.config.dir).map_err(|error| error.to_string()),
            Action::Listen => self.network.listen_again(&self.config),
            Action::ListenForMetrics => self.network.listen_for_metrics(&self.config),
            Action::LogLevel => {
                log::set_level(self.config.loglevel);
                Ok(())
            }
            Action::MaxClients => self.check_maxclients(),
            // Read where they are used.
            Action::RequirePass | Action::Hz | Action::MaxMemory | Action::LatencyTracking | Action::SlowlogLength => {
                Ok(())
            }
        }
    }

    fn check_maxclients(&self) -> Result<(), String> {
        let wanted = self.config.maxclients;
        let possible = raise_open_files(wanted).map_err(|error| error.to_string())?;
        if possible < wanted {
            return Err(format!(
                "The operating system is not able to handle the specified number of clients, try with {possible}"
            ));
        }
        Ok(())
    }
}
