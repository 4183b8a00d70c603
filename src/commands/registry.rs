//! Looking a command up by name, and what is counted of each.
//!
//! A name of up to eight bytes (nearly all) is one u64; the table is open-addressed on it, small enough to stay in the cache.

use std::collections::BTreeMap;

use super::{Command, Flags, Run};

/// Number of a command or subcommand in this process.
pub type CommandId = u16;

/// What INFO commandstats shows of a command.
#[derive(Clone, Copy, Default, Debug)]
pub struct CommandStats {
    pub calls: u64,
    pub run_ns: u64,
    /// Refused before it ran: arity, gates.
    pub rejected: u64,
    /// Answered with an error.
    pub failed: u64,
}

/// Every command and subcommand.
pub struct Registry {
    commands: Vec<Registered>,
    hot: Vec<Hot>,
    /// Short names, folded to lower case; 0 where free.
    slots: Vec<Slot>,
    long_names: BTreeMap<Vec<u8>, CommandId>,
    /// Of the longest of these, bytes.
    name_max: usize,
    pub stats: Vec<CommandStats>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    folded: u64,
    len: u8,
    id: CommandId,
}

/// A command with its number's worth of derived facts.
pub struct Registered {
    pub command: &'static Command,
    /// Whether it has a name: `rename-command` may have taken it away.
    pub is_reachable: bool,
    /// `config|get`.
    pub full_name: String,
    pub parent: Option<CommandId>,
}

/// What the hot path needs of a command, in half a cache line.
#[derive(Clone, Copy)]
pub struct Hot {
    pub run: Run,
    pub arity: i16,
    /// Argument with the first key, 0: none. What the prefetch phase hashes.
    pub first_key: u16,
    /// Whether it is refused when memory is short.
    pub is_denied_oom: bool,
}

const _: () = assert!(size_of::<Hot>() <= 32);

impl Hot {
    /// Whether `argc` arguments (with the name) satisfy the arity.
    #[inline]
    pub fn accepts(&self, argc: usize) -> bool {
        super::accepts(self.arity, argc)
    }
}

/// A name of one to eight bytes as a number, ASCII letters in lower case. Names of different lengths may agree (when they
/// contain NUL bytes), so the length is compared too.
#[inline]
fn fold(name: &[u8]) -> Option<u64> {
    let half = |at: usize| u64::from(u32::from_le_bytes([name[at], name[at + 1], name[at + 2], name[at + 3]]));
    let word = match name.len() {
        3 => u64::from(name[0]) | u64::from(name[1]) << 8 | u64::from(name[2]) << 16,
        len @ 4..=8 => half(0) | half(len - 4) << (8 * (len - 4)),
        1 => u64::from(name[0]),
        2 => u64::from(name[0]) | u64::from(name[1]) << 8,
        _ => return None,
    };
    // Eight bytes at once: the high bit of each becomes "is between A and Z", and moved to 0x20 makes it lower case.
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let low = word & !HIGH;
    let from_a = low + 0x0101_0101_0101_0101 * (0x80 - b'A' as u64);
    let past_z = low + 0x0101_0101_0101_0101 * (0x7f - b'Z' as u64);
    Some(word | (!word & HIGH & (from_a ^ past_z)) >> 2)
}

/// Arguments of a call that is quick, with the name.
const QUICK_ARGS_MAX: usize = 32;
/// Longest name that a command is born with, bytes.
const NAME_MAX: usize = 64;
/// A power of two, several times the number of commands.
const SLOTS: usize = 2048;

#[inline]
fn slot_of(folded: u64) -> usize {
    (folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - SLOTS.ilog2())) as usize
}

impl Registry {
    /// A registry of `groups`; names must be unique.
    pub fn new(groups: &[&[&'static Command]]) -> Registry {
        let mut registry = Registry {
            commands: Vec::new(),
            hot: Vec::new(),
            slots: vec![Slot::default(); SLOTS],
            long_names: BTreeMap::new(),
            name_max: NAME_MAX,
            stats: Vec::new(),
        };
        for &command in groups.iter().copied().flatten() {
            let id = registry.add(command, None);
            assert!(command.name.len() <= NAME_MAX, "{} is too long a name", command.name);
            assert!(registry.find(command.name.as_bytes()).is_none(), "two commands are named {}", command.name);
            registry.name(command.name.as_bytes(), id);
            for &subcommand in command.subcommands {
                registry.add(subcommand, Some(id));
            }
        }
        registry.stats = vec![CommandStats::default(); registry.commands.len()];
        registry
    }

    fn add(&mut self, command: &'static Command, parent: Option<CommandId>) -> CommandId {
        let id = CommandId::try_from(self.commands.len()).expect("there are a few hundred commands");
        let full_name = match parent {
            Some(parent) => format!("{}|{}", self.commands[usize::from(parent)].command.name, command.name),
            None => command.name.to_string(),
        };
        let is_guarded = command.flags.contains(Flags::PROTECTED);
        assert!(!is_guarded || matches!(command.run, Run::Server(_)), "nobody would guard {full_name}");
        let first_key = command.keys.first().map_or(0, super::KeySpec::first_index);
        self.commands.push(Registered { command, is_reachable: true, full_name, parent });
        let is_denied_oom = command.flags.contains(Flags::DENYOOM);
        self.hot.push(Hot { run: command.run, arity: command.arity, first_key, is_denied_oom });
        id
    }

    /// Makes `name`, which is nobody's, the name of a command.
    fn name(&mut self, name: &[u8], id: CommandId) {
        let Some(folded) = fold(name) else {
            self.name_max = self.name_max.max(name.len());
            self.long_names.insert(name.to_ascii_lowercase(), id);
            return;
        };
        let mut slot = slot_of(folded);
        while self.slots[slot].len != 0 {
            slot = (slot + 1) % SLOTS;
        }
        self.slots[slot] = Slot { folded, len: name.len() as u8, id };
    }

    /// `rename-command`: from now on the command is found by its other name only, or, if that is empty, by none.
    ///
    /// # Errors
    /// In Redis's words, when there is no such command or the other name is taken.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), &'static str> {
        let id = self.find(from).ok_or("No such command in rename-command")?;
        if fold(from).is_some() {
            // Without the one slot, whose place others may have been displaced from.
            let kept: Vec<Slot> = self.slots.iter().copied().filter(|slot| slot.len != 0 && slot.id != id).collect();
            self.slots.fill(Slot::default());
            for kept in kept {
                let mut slot = slot_of(kept.folded);
                while self.slots[slot].len != 0 {
                    slot = (slot + 1) % SLOTS;
                }
                self.slots[slot] = kept;
            }
        } else {
            self.long_names.retain(|_, named| *named != id);
        }
        let subcommands = self.command(id).subcommands.len();
        for registered in &mut self.commands[usize::from(id)..=usize::from(id) + subcommands] {
            registered.is_reachable = !to.is_empty();
        }
        if to.is_empty() {
            return Ok(());
        }
        if self.find(to).is_some() {
            return Err("Target command name already exists");
        }
        self.name(to, id);
        Ok(())
    }

    /// The command that was born with this name, whatever it is called now: what rules about commands mean.
    pub fn find_original(&self, name: &[u8]) -> Option<CommandId> {
        let mut own = self.iter().filter(|(_, registered)| registered.parent.is_none());
        own.find(|(_, registered)| registered.command.name.as_bytes().eq_ignore_ascii_case(name)).map(|(id, _)| id)
    }

    /// The command of this name, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<CommandId> {
        let Some(folded) = fold(name) else { return self.find_long(name) };
        let mut slot = slot_of(folded);
        loop {
            let found = self.slots[slot];
            if found.folded == folded && usize::from(found.len) == name.len() {
                return Some(found.id);
            }
            if found.len == 0 {
                return None;
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    #[cold]
    fn find_long(&self, name: &[u8]) -> Option<CommandId> {
        // Before anything is done with it: a name is whatever a client sends first, 512 MB of it perhaps.
        if name.len() > self.name_max {
            return None;
        }
        self.long_names.get(&name.to_ascii_lowercase()).copied()
    }

    /// The subcommand of this name, in any case.
    pub fn find_subcommand(&self, parent: CommandId, name: &[u8]) -> Option<CommandId> {
        let command = self.command(parent);
        let index = command.subcommands.iter().position(|sub| sub.name.as_bytes().eq_ignore_ascii_case(name))?;
        // Subcommands are numbered right after their container.
        Some(parent + 1 + index as CommandId)
    }

    #[inline]
    pub fn command(&self, id: CommandId) -> &'static Command {
        self.commands[usize::from(id)].command
    }

    #[inline]
    pub fn hot(&self, id: CommandId) -> &Hot {
        &self.hot[usize::from(id)]
    }

    #[inline]
    pub fn get(&self, id: CommandId) -> &Registered {
        &self.commands[usize::from(id)]
    }

    /// Every command and subcommand, with its number.
    pub fn iter(&self) -> impl Iterator<Item = (CommandId, &Registered)> {
        self.commands.iter().enumerate().map(|(id, registered)| (id as CommandId, registered))
    }

    /// Commands and subcommands that can be called.
    pub fn reachable(&self) -> impl Iterator<Item = (CommandId, &Registered)> {
        self.iter().filter(|(_, registered)| registered.is_reachable)
    }

    /// Commands that can be called, without subcommands.
    pub fn top_level(&self) -> impl Iterator<Item = (CommandId, &Registered)> {
        self.reachable().filter(|(_, registered)| registered.parent.is_none())
    }

    pub fn reset_stats(&mut self) {
        self.stats.fill(CommandStats::default());
    }

    /// Whether a call with `argc` arguments is so quick that a clock reading for itself would be a large part of it: what it does is
    /// bounded by its few arguments, whatever the size of the value.
    pub fn is_quick(&self, id: CommandId, argc: usize) -> bool {
        let command = self.command(id);
        let is_quick = command.flags.contains(Flags::FAST) || command.is_quick;
        // LPOP, SPOP, ZPOPMIN and their like take one element unless they are told how many.
        let takes_many = argc > 2 && command.args.iter().any(|arg| arg.name == "count");
        is_quick && !takes_many && argc <= QUICK_ARGS_MAX
    }
}

#[cfg(test)]
mod tests;
