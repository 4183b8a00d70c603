//! The configuration: one table of directives ([`DIRECTIVES`]), from which redis.conf, the command line, CONFIG GET and CONFIG
//! SET all derive.
//!
//! [`Config`] holds a [`Value`] for each directive; those that Zedis acts on are also kept as plain typed fields in
//! [`Settings`], which `Config` dereferences to, so that the hot path reads `config.timeout_s` and nobody looks up a string.
//! The fields follow the values and cannot be written from outside.
//!
//! This module never knows the server or the reactor: what a CONFIG SET means for them is returned as [`Action`]s, and a caller
//! that cannot carry one out gives the [`Applied`] back to [`Config::undo`].

mod directive;
mod load;
mod rewrite;
mod settings;
mod table;
mod value;

pub use directive::{Action, Directive, Effect, Kind, Mutability, TextRule};
pub use load::{ConfigError, Note, compose, options_text};
pub use rewrite::{read_file, replace_file};
pub use settings::{
    AppendFsync, BufferClass, BufferLimit, ClientsLimit, Guard, MaxmemoryPolicy, OomScoreAdj, Rename, SavePoint,
    Settings, ShutdownFlags, Supervised, UserLine,
};
pub use table::DIRECTIVES;
pub use value::Value;

use std::ops::Deref;

use crate::base::glob;
use crate::base::log;

/// The configuration of a server.
#[derive(Clone, Debug)]
pub struct Config {
    settings: Settings,
    /// By index in [`DIRECTIVES`].
    values: Vec<Value>,
}

impl Deref for Config {
    type Target = Settings;

    #[inline]
    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Default for Config {
    fn default() -> Config {
        let values = DIRECTIVES.iter().map(Directive::default_value).collect();
        let mut config = Config { settings: Settings::default(), values };
        for (directive, value) in DIRECTIVES.iter().zip(&config.values) {
            directive.apply(&mut config.settings, value);
        }
        config
    }
}

/// Where a directive is in the table, by its name or its other name, in any case.
fn find(name: &[u8]) -> Option<usize> {
    DIRECTIVES.iter().position(|directive| directive.name_as(name).is_some())
}

/// What CONFIG SET changed and what remains to be done about it.
#[derive(Debug)]
#[must_use = "the actions are still to be carried out"]
pub struct Applied {
    /// Each at most once, in the order of the parameters.
    pub actions: Vec<Action>,
    /// What of it changes nothing, and why: for the log.
    pub notes: Vec<String>,
    /// The values before, by index; and under which name each was set, for the error text.
    previous: Vec<(usize, Value, &'static str)>,
}

/// A refused CONFIG SET; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetError(Vec<u8>);

impl SetError {
    fn unknown(name: &[u8]) -> SetError {
        SetError([b"ERR Unknown option or number of arguments for CONFIG SET - '".as_slice(), name, b"'"].concat())
    }

    fn failed(name: &str, reason: &str) -> SetError {
        SetError(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}").into_bytes())
    }

    /// The error reply without its leading `-`. It may quote the client's bytes.
    pub fn text(&self) -> &[u8] {
        &self.0
    }
}

impl Config {
    /// The parameters that match any of `patterns`, each once. A name in full is answered as the client wrote it, and finds hidden
    /// parameters too.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut seen: Vec<&'static str> = Vec::new();
        for pattern in patterns {
            if !pattern.iter().any(|b| b"*?[".contains(b)) {
                if let Some(index) = find(pattern)
                    && let Some(name) = DIRECTIVES[index].name_as(pattern)
                    && !seen.contains(&name)
                {
                    seen.push(name);
                    found.push((pattern.to_vec(), self.text(index)));
                }
                continue;
            }
            for (index, directive) in DIRECTIVES.iter().enumerate().filter(|(_, directive)| !directive.hidden) {
                for name in directive.names() {
                    if glob::matches(pattern, name.as_bytes(), true) && !seen.contains(&name) {
                        seen.push(name);
                        found.push((name.as_bytes().to_vec(), self.text(index)));
                    }
                }
            }
        }
        found
    }

    fn text(&self, index: usize) -> Vec<u8> {
        DIRECTIVES[index].text(&self.values[index])
    }

    /// Sets parameters as CONFIG SET does: all or none. `local` says whether the client's connection is from this machine.
    ///
    /// # Errors
    /// In Redis's words and Redis's order: names are checked before values.
    pub fn set(&mut self, pairs: &[(&[u8], &[u8])], local: bool) -> Result<Applied, SetError> {
        let mut named: Vec<(usize, &'static str)> = Vec::with_capacity(pairs.len());
        for (name, _) in pairs {
            let index = find(name).ok_or_else(|| SetError::unknown(name))?;
            let directive = &DIRECTIVES[index];
            let name = directive.name_as(name).unwrap_or(directive.name);
            match directive.mutability {
                Mutability::Immutable => {
                    return Err(SetError::failed(name, "can't set immutable config"));
                }
                Mutability::Protected if !self.enable_protected_configs.allows(local) => {
                    return Err(SetError::failed(name, "can't set protected config"));
                }
                Mutability::Protected | Mutability::Modifiable => {}
            }
            if named.iter().any(|&(_, earlier)| earlier == name) {
                return Err(SetError::failed(name, "duplicate parameter"));
            }
            named.push((index, name));
        }
        let mut applied = Applied { actions: Vec::new(), notes: Vec::new(), previous: Vec::new() };
        for (&(index, name), (_, text)) in named.iter().zip(pairs) {
            let directive = &DIRECTIVES[index];
            let words: Vec<&[u8]> = match directive.kind.takes_words() {
                true if text.is_empty() => Vec::new(),
                true => text.split(|&b| b == b' ').collect(),
                false => vec![text],
            };
            match directive.parse(&words, &self.values[index]) {
                Ok(value) => {
                    applied.notes.extend(directive.note(&value));
                    let previous = self.store(index, value);
                    applied.previous.push((index, previous, name));
                }
                Err(reason) => {
                    self.undo_values(&mut applied);
                    return Err(SetError::failed(name, &reason));
                }
            }
            if let Some(action) = directive.action
                && !applied.actions.contains(&action)
            {
                applied.actions.push(action);
            }
        }
        Ok(applied)
    }

    /// Takes back what `applied` changed, because `action` of it could not be carried out, for `reason`.
    pub fn undo(&mut self, mut applied: Applied, action: Action, reason: &str) -> SetError {
        let name = applied.previous.iter().rev().find(|(index, ..)| DIRECTIVES[*index].action == Some(action));
        let name = name.map_or("", |&(.., name)| name);
        self.undo_values(&mut applied);
        SetError::failed(name, reason)
    }

    fn undo_values(&mut self, applied: &mut Applied) {
        while let Some((index, value, _)) = applied.previous.pop() {
            self.store(index, value);
        }
    }

    /// Sets one parameter on the server's own account (the limits of the machine lowered `maxclients`, `dir` became absolute),
    /// past the rules for clients.
    ///
    /// # Errors
    /// Why the value is refused.
    pub fn override_value(&mut self, name: &str, text: &[u8]) -> Result<(), String> {
        let index = find(name.as_bytes()).ok_or_else(|| "unknown directive".to_owned())?;
        let value = DIRECTIVES[index].parse(&[text], &self.values[index])?;
        self.store(index, value);
        Ok(())
    }

    /// The one place where a value changes, so that the typed field follows.
    fn store(&mut self, index: usize, value: Value) -> Value {
        DIRECTIVES[index].apply(&mut self.settings, &value);
        std::mem::replace(&mut self.values[index], value)
    }

    /// Logs what was accepted without effect.
    pub fn log_notes(notes: &[Note]) {
        for note in notes {
            log::notice(&note.text);
        }
    }
}

#[cfg(test)]
mod tests;
