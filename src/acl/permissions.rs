//! One set of permissions: a user's own (its root), or one of its selectors. Which commands, which keys for what, which channels.

use super::pattern::{KeyPattern, Pattern};
use super::{Access, Catalog, CommandId, RuleError};

/// What may be done. The order of refusals is that of Redis: of several sets, the refusal that got furthest is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Denied {
    Command,
    /// The argument that is the key.
    Key(usize),
    /// The argument that is the channel.
    Channel(usize),
}

/// A key among the arguments of a call.
#[derive(Clone, Copy, Debug)]
pub struct KeyUse<'a> {
    pub index: usize,
    pub name: &'a [u8],
    pub access: Access,
}

/// A channel, or a pattern of channels, among the arguments of a call.
#[derive(Clone, Copy, Debug)]
pub struct ChannelUse<'a> {
    pub index: usize,
    pub name: &'a [u8],
    pub is_pattern: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub command: CommandId,
    /// The argument behind the command's name, or behind the subcommand's.
    pub first_arg: Option<&'a [u8]>,
    pub keys: &'a [KeyUse<'a>],
    pub channels: &'a [ChannelUse<'a>],
}

/// What commands, keys and channels are allowed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Permissions {
    /// Everything, now and later; then nothing needs to be looked up.
    all_commands: bool,
    all_keys: bool,
    all_channels: bool,
    /// Whether commands that do not exist yet are allowed: what the rules begin with, `+@all` or `-@all`.
    future_commands: bool,
    /// A bit for each command and subcommand.
    commands: Box<[u64]>,
    /// Commands that are allowed with this first argument only.
    first_args: Vec<(CommandId, Box<[u8]>)>,
    keys: Vec<KeyPattern>,
    channels: Vec<Pattern>,
    /// The rules about commands since the last `+@all` or `-@all`, as they were given: allowed or not, and what.
    rules: Vec<(bool, Box<[u8]>)>,
}

/// Whether a name or pattern would not survive being written in a line.
pub(super) fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|&byte| byte.is_ascii_whitespace() || byte == 0 || byte == b'\x0b')
}

impl Permissions {
    /// None at all, but for the channels.
    pub fn none(commands: &dyn Catalog, all_channels: bool) -> Permissions {
        Permissions {
            all_commands: false,
            all_keys: false,
            all_channels,
            future_commands: false,
            commands: vec![0; commands.count().div_ceil(64)].into(),
            first_args: Vec::new(),
            keys: Vec::new(),
            channels: Vec::new(),
            rules: Vec::new(),
        }
    }

    #[inline]
    pub fn permits_all(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels
    }

    pub fn permits_all_keys(&self) -> bool {
        self.all_keys
    }

    pub fn permits_all_channels(&self) -> bool {
        self.all_channels
    }

    /// Whether every key there is may be used so: all are allowed, or `~*` in its forms with letters.
    pub fn permits_every_key(&self, access: Access) -> bool {
        self.all_keys || self.keys.iter().any(|key| key.access.contains(access) && key.pattern.text() == b"*")
    }

    #[inline]
    pub fn permits_command(&self, id: CommandId) -> bool {
        let word = self.commands.get(usize::from(id) / 64).copied().unwrap_or(0);
        self.all_commands || word >> (id % 64) & 1 != 0
    }

    #[inline]
    pub fn permits_key(&self, name: &[u8], access: Access) -> bool {
        self.all_keys || self.keys.iter().any(|key| key.access.contains(access) && key.pattern.matches(name))
    }

    pub fn permits_some_channel(&self) -> bool {
        self.all_channels || !self.channels.is_empty()
    }

    /// Whether a channel may be used. A pattern must be allowed as it stands: what it would match is not known.
    pub fn permits_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        let allows = |pattern: &Pattern| if is_pattern { pattern.text() == name } else { pattern.matches(name) };
        self.all_channels || self.channels.iter().any(allows)
    }

    /// # Errors
    /// The first thing that is not allowed: the command, then keys, then channels.
    pub fn check(&self, call: &Call<'_>) -> Result<(), Denied> {
        if !self.permits_command(call.command) {
            let allows = |(id, arg): &(CommandId, Box<[u8]>)| {
                *id == call.command && call.first_arg.is_some_and(|given| given.eq_ignore_ascii_case(arg))
            };
            if !self.first_args.iter().any(allows) {
                return Err(Denied::Command);
            }
        }
        if let Some(key) = call.keys.iter().find(|key| !self.permits_key(key.name, key.access)) {
            return Err(Denied::Key(key.index));
        }
        let refused = call.channels.iter().find(|channel| !self.permits_channel(channel.name, channel.is_pattern));
        refused.map_or(Ok(()), |channel| Err(Denied::Channel(channel.index)))
    }

    /// Changes the permissions as a rule says.
    ///
    /// # Errors
    /// Nothing has changed then.
    pub fn apply(&mut self, rule: &[u8], commands: &dyn Catalog) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        if is("allkeys") || is("~*") {
            self.all_keys = true;
            self.keys.clear();
        } else if is("resetkeys") {
            self.all_keys = false;
            self.keys.clear();
        } else if is("allchannels") || is("&*") {
            self.all_channels = true;
            self.channels.clear();
        } else if is("resetchannels") {
            self.all_channels = false;
            self.channels.clear();
        } else if is("allcommands") || is("+@all") {
            self.set_all_commands(true);
        } else if is("nocommands") || is("-@all") {
            self.set_all_commands(false);
        } else {
            match rule {
                [b'~' | b'%', ..] => return self.add_keys(rule),
                [b'&', channel @ ..] => return self.add_channel(channel),
                [sign @ (b'+' | b'-'), b'@', category @ ..] => {
                    return self.set_category(category, *sign == b'+', commands);
                }
                [sign @ (b'+' | b'-'), name @ ..] if commands.is_absent(name) => self.note_rule(*sign == b'+', name),
                [b'+', name @ ..] => return self.allow(name, commands),
                [b'-', name @ ..] => {
                    let id = commands.find(name).ok_or(RuleError::Unknown)?;
                    self.set_command(id, false, commands);
                    self.note_rule(false, commands.full_name(id).as_bytes());
                }
                _ => return Err(RuleError::Syntax),
            }
        }
        Ok(())
    }

    fn set_all_commands(&mut self, allowed: bool) {
        self.all_commands = allowed;
        self.future_commands = allowed;
        self.commands.fill(if allowed { u64::MAX } else { 0 });
        self.first_args.clear();
        self.rules.clear();
    }

    fn add_keys(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::KeyBehindAll);
        }
        let (access, pattern) = match rule {
            [b'~', pattern @ ..] => (Access::all(), pattern),
            [_, rest @ ..] => {
                let mut access = Access::empty();
                let mut letters = 0;
                for &byte in rest {
                    let bit = match byte.to_ascii_uppercase() {
                        b'R' => Access::READ,
                        b'W' => Access::WRITE,
                        b'~' => break,
                        _ => return Err(RuleError::Syntax),
                    };
                    if access.contains(bit) {
                        return Err(RuleError::Syntax);
                    }
                    access |= bit;
                    letters += 1;
                }
                // Where the `~` is missing as well, the pattern is empty.
                (access, rest.get(letters + 1..).unwrap_or_default())
            }
            [] => (Access::empty(), rule),
        };
        if access.is_empty() || has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|known| known.pattern.text() == pattern) {
            Some(known) => known.access |= access,
            None => self.keys.push(KeyPattern { pattern: Pattern::new(pattern), access }),
        }
        Ok(())
    }

    fn add_channel(&mut self, channel: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::ChannelBehindAll);
        }
        if has_spaces(channel) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| known.text() == channel) {
            self.channels.push(Pattern::new(channel));
        }
        Ok(())
    }

    fn set_category(&mut self, name: &[u8], allowed: bool, commands: &dyn Catalog) -> Result<(), RuleError> {
        let category = commands.category(name).ok_or(RuleError::Unknown)?;
        self.note_rule(allowed, &[b"@", name].concat());
        for id in 0..commands.count() as CommandId {
            if commands.categories(id) & category != 0 {
                self.set_command(id, allowed, commands);
            }
        }
        Ok(())
    }

    /// `+get`, `+config|get`, `+select|0`, without the sign.
    fn allow(&mut self, name: &[u8], commands: &dyn Catalog) -> Result<(), RuleError> {
        let Some(bar) = name.iter().rposition(|&byte| byte == b'|') else {
            let id = commands.find(name).ok_or(RuleError::Unknown)?;
            self.set_command(id, true, commands);
            self.note_rule(true, commands.full_name(id).as_bytes());
            return Ok(());
        };
        let (container, argument) = (&name[..bar], &name[bar + 1..]);
        let id = commands.find(container).ok_or(RuleError::Unknown)?;
        if commands.is_subcommand(id) {
            return Err(RuleError::ArgOfSubcommand);
        }
        // What cannot be written in a line cannot be read back.
        if argument.is_empty() || has_spaces(argument) {
            return Err(RuleError::Syntax);
        }
        if commands.subcommands(id).is_empty() {
            let is_known = |(known, arg): &(CommandId, Box<[u8]>)| *known == id && arg.eq_ignore_ascii_case(argument);
            if !self.first_args.iter().any(is_known) {
                self.first_args.push((id, argument.into()));
            }
        } else {
            let subcommand = commands.find(name).ok_or(RuleError::Unknown)?;
            self.set_command(subcommand, true, commands);
        }
        self.note_rule(true, name);
        Ok(())
    }

    /// A command, with its subcommands.
    fn set_command(&mut self, id: CommandId, allowed: bool, commands: &dyn Catalog) {
        for id in std::iter::once(id).chain(commands.subcommands(id)) {
            let word = &mut self.commands[usize::from(id) / 64];
            let bit = 1 << (id % 64);
            if allowed {
                *word |= bit;
            } else {
                *word &= !bit;
                self.all_commands = false;
            }
            self.first_args.retain(|(known, _)| *known != id);
        }
    }

    /// Remembers a rule as the latest word on what it is about; earlier ones on the same, or on a part of it, are forgotten.
    fn note_rule(&mut self, allowed: bool, subject: &[u8]) {
        let subject = subject.to_ascii_lowercase();
        self.rules.retain(|(_, earlier)| {
            let rest = earlier.strip_prefix(subject.as_slice());
            !rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'|')
        });
        self.rules.push((allowed, subject.into()));
    }

    /// `-@all +get`
    pub fn describe_commands(&self) -> Vec<u8> {
        let mut text = if self.future_commands { b"+@all".to_vec() } else { b"-@all".to_vec() };
        for (allowed, subject) in &self.rules {
            text.extend_from_slice(if *allowed { b" +" } else { b" -" });
            text.extend_from_slice(subject);
        }
        text
    }

    /// `~a* %R~b`
    pub fn describe_keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let mut text = Vec::new();
        for (index, key) in self.keys.iter().enumerate() {
            if index > 0 {
                text.push(b' ');
            }
            key.describe(&mut text);
        }
        text
    }

    /// `&a* &b`
    pub fn describe_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let parts: Vec<Vec<u8>> = self.channels.iter().map(|channel| [b"&", channel.text()].concat()).collect();
        parts.join(&b' ')
    }

    /// All of it as rules that make it anew.
    pub fn describe(&self) -> Vec<u8> {
        let mut text = self.describe_keys();
        if !text.is_empty() {
            text.push(b' ');
        }
        if !self.all_channels {
            text.extend_from_slice(b"resetchannels ");
        }
        let channels = self.describe_channels();
        text.extend_from_slice(&channels);
        if !channels.is_empty() {
            text.push(b' ');
        }
        text.extend_from_slice(&self.describe_commands());
        text
    }
}
