//! A user: whether it may log in, with which passwords, and what it may do then.

use std::borrow::Cow;

use super::password::Digest;
use super::{Access, Call, Catalog, CommandId, Denied, Permissions, RuleError};
use crate::resp::request::split_words;

/// A longer password is wrong without being hashed, which would take a while: a client that has yet to log in could not send it.
const PASSWORD_BYTES_MAX: usize = 16 * 1024;

/// Whether the payloads that the user's RESTOREs bring are checked to the last byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sanitize {
    Yes,
    Skip,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub enabled: bool,
    /// Any password will do.
    pub nopass: bool,
    pub sanitize: Sanitize,
    passwords: Vec<Digest>,
    root: Permissions,
    selectors: Vec<Permissions>,
}

impl User {
    /// A user that may not log in and may do nothing.
    pub fn new(commands: &dyn Catalog, all_channels: bool) -> User {
        User {
            enabled: false,
            nopass: false,
            sanitize: Sanitize::Yes,
            passwords: Vec::new(),
            root: Permissions::none(commands, all_channels),
            selectors: Vec::new(),
        }
    }

    /// What the user `default` is as long as nobody says otherwise: everybody, with everything allowed.
    pub fn unrestricted(commands: &dyn Catalog, all_channels: bool) -> User {
        let mut user = User::new(commands, all_channels);
        user.enabled = true;
        user.nopass = true;
        for rule in ["+@all", "~*", "&*"] {
            let applied = user.root.apply(rule.as_bytes(), commands);
            debug_assert!(applied.is_ok(), "{rule} is a rule");
        }
        user
    }

    /// Whether no call needs to be checked.
    pub fn permits_all(&self) -> bool {
        self.root.permits_all() || self.selectors.iter().any(Permissions::permits_all)
    }

    /// The user's own permissions, then those of its selectors.
    pub fn permissions(&self) -> impl Iterator<Item = &Permissions> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    pub fn root(&self) -> &Permissions {
        &self.root
    }

    pub fn selectors(&self) -> &[Permissions] {
        &self.selectors
    }

    /// Whether the keys of a call matter at all.
    pub fn examines_keys(&self) -> bool {
        !self.permissions().all(Permissions::permits_all_keys)
    }

    pub fn examines_channels(&self) -> bool {
        !self.permissions().all(Permissions::permits_all_channels)
    }

    /// Whether there is a channel that the user may use.
    pub fn permits_some_channel(&self) -> bool {
        self.permissions().any(Permissions::permits_some_channel)
    }

    /// Whether a call of a command without channels, and with at most this one key, is allowed. False may also mean that only
    /// [`User::check`] can tell.
    #[inline]
    pub fn permits_simple(&self, command: CommandId, key: Option<(&[u8], Access)>) -> bool {
        self.permissions().any(|permissions| {
            permissions.permits_command(command)
                && key.is_none_or(|(name, access)| permissions.permits_key(name, access))
        })
    }

    /// # Errors
    /// What is not allowed, of the permissions that go furthest.
    pub fn check(&self, call: &Call<'_>) -> Result<(), Denied> {
        let mut furthest = Denied::Command;
        for permissions in self.permissions() {
            match permissions.check(call) {
                Ok(()) => return Ok(()),
                Err(denied) => furthest = furthest.max(denied),
            }
        }
        Err(furthest)
    }

    /// Whether the call is allowed by permissions that allow the same access to every key: SORT's BY and GET build names of
    /// keys from data.
    pub fn permits_with_every_key(&self, call: &Call<'_>, access: Access) -> bool {
        self.permissions().any(|permissions| permissions.permits_every_key(access) && permissions.check(call).is_ok())
    }

    /// Whether the user may log in with this password. It takes as long for a user that is disabled.
    pub fn accepts(&self, password: &[u8]) -> bool {
        let is_known = password.len() <= PASSWORD_BYTES_MAX && Digest::of(password).is_one_of(&self.passwords);
        self.enabled && (self.nopass || is_known)
    }

    /// As `requirepass` says: this password only, or without one any.
    pub fn set_only_password(&mut self, password: Option<&[u8]>) {
        self.passwords = password.map(Digest::of).into_iter().collect();
        self.nopass = password.is_none();
    }

    /// Changes the user as a rule says. Rules of several words, in parentheses, are one here ([`merge_selectors`]). New permissions begin
    /// with all channels, or with none.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn apply(&mut self, rule: &[u8], commands: &dyn Catalog, all_channels: bool) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        if rule.is_empty() {
        } else if is("on") {
            self.enabled = true;
        } else if is("off") {
            self.enabled = false;
        } else if is("nopass") {
            self.nopass = true;
            self.passwords.clear();
        } else if is("resetpass") {
            self.nopass = false;
            self.passwords.clear();
        } else if is("sanitize-payload") {
            self.sanitize = Sanitize::Yes;
        } else if is("skip-sanitize-payload") {
            self.sanitize = Sanitize::Skip;
        } else if is("clearselectors") {
            self.selectors.clear();
        } else if is("reset") {
            *self = User::new(commands, all_channels);
        } else {
            match rule {
                [b'>', password @ ..] => self.add_password(Digest::of(password)),
                [b'#', hash @ ..] => self.add_password(Digest::parse(hash)?),
                [b'<', password @ ..] => self.remove_password(Digest::of(password))?,
                [b'!', hash @ ..] => self.remove_password(Digest::parse(hash)?)?,
                [b'(', inner @ .., b')'] => {
                    let mut selector = Permissions::none(commands, all_channels);
                    for rule in split_words(inner).unwrap_or_default() {
                        selector.apply(&rule, commands)?;
                    }
                    self.selectors.push(selector);
                }
                _ => self.root.apply(rule, commands)?,
            }
        }
        Ok(())
    }

    fn add_password(&mut self, digest: Digest) {
        if !self.passwords.contains(&digest) {
            self.passwords.push(digest);
        }
        self.nopass = false;
    }

    fn remove_password(&mut self, digest: Digest) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| *known == digest).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    /// `on`, `nopass` and the like.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        if self.nopass {
            flags.push("nopass");
        }
        flags.push(match self.sanitize {
            Sanitize::Skip => "skip-sanitize-payload",
            Sanitize::Yes => "sanitize-payload",
        });
        flags
    }

    pub fn passwords(&self) -> &[Digest] {
        &self.passwords
    }

    /// As rules that make it anew.
    pub fn describe(&self) -> Vec<u8> {
        let mut text = self.flags().join(" ").into_bytes();
        for password in &self.passwords {
            text.extend_from_slice(b" #");
            text.extend_from_slice(password.hex().as_bytes());
        }
        text.push(b' ');
        text.extend(self.root.describe());
        for selector in &self.selectors {
            text.extend_from_slice(b" (");
            text.extend(selector.describe());
            text.push(b')');
        }
        text
    }
}

/// Rules as words to rules: words from one that begins with `(` to one that ends with `)` are one rule.
///
/// # Errors
/// The index of the word whose parenthesis is not closed.
pub fn merge_selectors<'a>(words: &[&'a [u8]]) -> Result<Vec<Cow<'a, [u8]>>, usize> {
    let mut rules: Vec<Cow<'a, [u8]>> = Vec::with_capacity(words.len());
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (index, &word) in words.iter().enumerate() {
        match &mut open {
            None if word.starts_with(b"(") && !word.ends_with(b")") => open = Some((index, word.to_vec())),
            None => rules.push(Cow::Borrowed(word)),
            Some((_, text)) => {
                text.push(b' ');
                text.extend_from_slice(word);
                if word.ends_with(b")")
                    && let Some((_, text)) = open.take()
                {
                    rules.push(Cow::Owned(text));
                }
            }
        }
    }
    match open {
        Some((index, _)) => Err(index),
        None => Ok(rules),
    }
}
