//! All users, by name and by number, and their text form: the file of `aclfile`, the `user` lines of redis.conf.

use std::collections::{BTreeMap, BTreeSet};

use super::permissions::has_spaces;
use super::{Catalog, RuleError, User, merge_selectors};
use crate::base::text::quotable;

/// Number of a user. It stays the same for as long as the user's name exists.
pub type UserId = u32;

/// The user of clients that have not named one. It cannot be removed.
pub const DEFAULT_USER: UserId = 0;
pub const DEFAULT_NAME: &[u8] = b"default";

/// A refused change, in Redis's words (without the code `ERR`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetError(pub Vec<u8>);

pub struct Users {
    by_name: BTreeMap<Box<[u8]>, UserId>,
    slots: Vec<Option<(Box<[u8]>, User)>>,
    free: Vec<UserId>,
    /// The channels of new users and selectors (`acl-pubsub-default`): all, or none.
    pub all_channels_at_first: bool,
}

/// Whether a user may be called so.
pub fn is_plain_name(name: &[u8]) -> bool {
    !has_spaces(name)
}

impl Users {
    /// Only the user `default`, who may do everything.
    pub fn new(commands: &dyn Catalog, all_channels_at_first: bool) -> Users {
        let mut users = Users { by_name: BTreeMap::new(), slots: Vec::new(), free: Vec::new(), all_channels_at_first };
        let id = users.put(DEFAULT_NAME, User::unrestricted(commands, all_channels_at_first));
        debug_assert_eq!(id, DEFAULT_USER);
        users
    }

    /// The user of this number; of one that was removed, `default`: whoever holds such a number is about to lose it.
    #[inline]
    pub fn get(&self, id: UserId) -> &User {
        &self.slot(id).1
    }

    pub fn name(&self, id: UserId) -> &[u8] {
        &self.slot(id).0
    }

    #[inline]
    fn slot(&self, id: UserId) -> &(Box<[u8]>, User) {
        let slot = self.slots.get(id as usize).and_then(Option::as_ref);
        slot.or_else(|| self.slots[DEFAULT_USER as usize].as_ref()).expect("the user `default` is never removed")
    }

    pub fn find(&self, name: &[u8]) -> Option<UserId> {
        self.by_name.get(name).copied()
    }

    /// The user `default`, for what is said of it elsewhere than in rules.
    pub fn default_user(&mut self) -> &mut User {
        let slot = self.slots[DEFAULT_USER as usize].as_mut();
        &mut slot.expect("the user `default` is never removed").1
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &User)> {
        self.by_name.iter().map(|(name, &id)| (&name[..], self.get(id)))
    }

    /// Users that may use some channel.
    pub fn with_channels(&self) -> BTreeSet<UserId> {
        self.by_name.values().copied().filter(|&id| self.get(id).permits_some_channel()).collect()
    }

    fn put(&mut self, name: &[u8], user: User) -> UserId {
        let slot = Some((name.into(), user));
        if let Some(id) = self.find(name) {
            self.slots[id as usize] = slot;
            return id;
        }
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id as usize] = slot;
                id
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as UserId
            }
        };
        self.by_name.insert(name.into(), id);
        id
    }

    /// Changes a user, or makes one, by rules; all of them or none.
    ///
    /// # Errors
    /// The first rule that is refused, and why.
    pub fn set(&mut self, name: &[u8], rules: &[&[u8]], commands: &dyn Catalog) -> Result<UserId, SetError> {
        let merged = merge_selectors(rules).map_err(|at| {
            let start = b"Unmatched parenthesis in acl selector starting at '".as_slice();
            SetError([start, quotable(rules[at]), b"'."].concat())
        })?;
        let mut user = match self.find(name) {
            Some(id) => self.get(id).clone(),
            None => User::new(commands, self.all_channels_at_first),
        };
        for rule in merged {
            user.apply(&rule, commands, self.all_channels_at_first).map_err(|error| {
                let reason = format!("': {error}");
                SetError([b"Error in ACL SETUSER modifier '".as_slice(), quotable(&rule), reason.as_bytes()].concat())
            })?;
        }
        Ok(self.put(name, user))
    }

    /// Removes a user, but never `default`. Its number, if there was one; it may be given to another user from now on.
    pub fn remove(&mut self, name: &[u8]) -> Option<UserId> {
        if name == DEFAULT_NAME {
            return None;
        }
        let id = self.by_name.remove(name)?;
        self.slots[id as usize] = None;
        self.free.push(id);
        Some(id)
    }

    /// Takes over a `user` line of the configuration: the words behind `user`. The first for `default` replaces what it was.
    ///
    /// # Errors
    /// The word that is wrong, and why.
    pub fn declare(&mut self, words: &[Vec<u8>], commands: &dyn Catalog) -> Result<UserId, (Vec<u8>, RuleError)> {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let Some((&name, rules)) = words.split_first() else { return Err((Vec::new(), RuleError::Syntax)) };
        if !is_plain_name(name) {
            return Err((name.to_vec(), RuleError::Syntax));
        }
        if name != DEFAULT_NAME && self.find(name).is_some() {
            return Err((name.to_vec(), RuleError::Duplicate));
        }
        let merged = merge_selectors(rules).map_err(|at| (rules[at].to_vec(), RuleError::Syntax))?;
        let mut user = User::new(commands, self.all_channels_at_first);
        for rule in merged {
            user.apply(&rule, commands, self.all_channels_at_first).map_err(|error| (rule.into_owned(), error))?;
        }
        Ok(self.put(name, user))
    }

    /// Replaces all users by those in `text`, which was read from `file`. The numbers of users that are gone are returned; nobody
    /// else has them yet.
    ///
    /// # Errors
    /// What is wrong, of every line, in Redis's words; nothing has changed then.
    pub fn load(&mut self, text: &[u8], file: &str, commands: &dyn Catalog) -> Result<Vec<UserId>, String> {
        let mut loaded: BTreeMap<&[u8], User> = BTreeMap::new();
        let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
        let mut errors = String::new();
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let number = index + 1;
            let mut words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
            if words[0] != b"user" || words.len() < 2 {
                errors += &format!("{file}:{number} should start with user keyword followed by the username. ");
                continue;
            }
            let (rules, name) = (words.split_off(2), words[1]);
            let shown = String::from_utf8_lossy(name);
            if !is_plain_name(name) {
                errors += &format!("'{file}:{number}: username '{shown}' contains invalid characters. ");
            } else if !seen.insert(name) {
                errors += &format!("WARNING: Duplicate user '{shown}' found on line {number}. ");
            } else {
                match self.load_rules(&rules, &format!("{file}:{number}"), commands) {
                    Ok(user) => drop(loaded.insert(name, user)),
                    Err(error) => errors += &error,
                }
            }
        }
        if !errors.is_empty() {
            errors += "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
            return Err(errors);
        }
        let default = loaded.remove(DEFAULT_NAME);
        let default = default.unwrap_or_else(|| User::unrestricted(commands, self.all_channels_at_first));
        let gone: Vec<Box<[u8]>> = self
            .by_name
            .keys()
            .filter(|name| name[..] != *DEFAULT_NAME && !loaded.contains_key(&name[..]))
            .cloned()
            .collect();
        self.put(DEFAULT_NAME, default);
        for (name, user) in loaded {
            self.put(name, user);
        }
        Ok(gone.iter().filter_map(|name| self.remove(name)).collect())
    }

    /// A user by the rules of a line; `place` says which.
    fn load_rules(&self, rules: &[&[u8]], place: &str, commands: &dyn Catalog) -> Result<User, String> {
        let rules =
            merge_selectors(rules).map_err(|_| format!("{place}: Unmatched parenthesis in selector definition."))?;
        let mut user = User::new(commands, self.all_channels_at_first);
        let mut errors = String::new();
        let mut told = false;
        for rule in rules {
            let rule = rule.trim_ascii();
            match user.apply(rule, commands, self.all_channels_at_first) {
                Ok(()) => {}
                // It tells nothing that must not be told.
                Err(error @ RuleError::Unknown) => {
                    let rule = String::from_utf8_lossy(rule);
                    errors += &format!("{place}: Error in applying operation '{rule}': {error}. ");
                }
                // Others may come of the first.
                Err(error) if !told => {
                    errors += &format!("{place}: {error}. ");
                    told = true;
                }
                Err(_) => {}
            }
        }
        if errors.is_empty() { Ok(user) } else { Err(errors) }
    }

    /// Lines that [`Users::load`] reads.
    pub fn save(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, user) in self.iter() {
            describe(name, user, &mut text);
            text.push(b'\n');
        }
        text
    }

    /// Lines as [`Users::save`] writes them.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        let line = |(name, user)| {
            let mut text = Vec::new();
            describe(name, user, &mut text);
            text
        };
        self.iter().map(line).collect()
    }
}

fn describe(name: &[u8], user: &User, text: &mut Vec<u8>) {
    text.extend_from_slice(b"user ");
    text.extend_from_slice(name);
    text.push(b' ');
    text.extend(user.describe());
}
