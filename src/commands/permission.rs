//! What access control needs of the commands: their numbers, names and categories, and which keys and channels a call touches for what.

use std::ops::Range;

use smallvec::SmallVec;

pub use super::absent::is_absent;
use super::{Acl, Args, Command, CommandId, CommandResult, KeyFlags, Registry, find_keys, generic};
use crate::acl::{Access, Call, Catalog, ChannelUse, Denied, KeyUse, User};

/// Arguments of a call that are held without an allocation.
const ARGS_INLINE: usize = 16;

impl Catalog for Registry {
    fn count(&self) -> usize {
        self.iter().count()
    }

    /// By the names that commands have before they are renamed.
    fn find(&self, name: &[u8]) -> Option<CommandId> {
        self.iter().find(|(_, command)| command.full_name.as_bytes().eq_ignore_ascii_case(name)).map(|(id, _)| id)
    }

    fn full_name(&self, id: CommandId) -> &str {
        &self.get(id).full_name
    }

    fn is_subcommand(&self, id: CommandId) -> bool {
        self.get(id).parent.is_some()
    }

    fn subcommands(&self, id: CommandId) -> Range<CommandId> {
        // They are numbered right after their container.
        id + 1..id + 1 + self.command(id).subcommands.len() as CommandId
    }

    fn categories(&self, id: CommandId) -> u32 {
        self.command(id).acl.bits()
    }

    fn is_absent(&self, name: &[u8]) -> bool {
        is_absent(name)
    }

    fn category(&self, name: &[u8]) -> Option<u32> {
        Acl::named(name).map(|category| category.bits())
    }
}

/// What a flag means for somebody who may only read, or only write.
pub fn access(flags: KeyFlags) -> Access {
    let mut access = Access::empty();
    access.set(Access::READ, flags.contains(KeyFlags::ACCESS));
    access.set(Access::WRITE, flags.intersects(KeyFlags::INSERT.union(KeyFlags::UPDATE).union(KeyFlags::DELETE)));
    access
}

/// Where channels stand among the arguments of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channels {
    None,
    /// Only the first argument is one.
    First,
    All,
    /// All are patterns of channels.
    AllPatterns,
}

/// Whoever may subscribe may end it, so the names of channels do not matter there.
pub fn channels(command: &Command) -> Channels {
    match command.name {
        "publish" | "spublish" => Channels::First,
        "subscribe" | "ssubscribe" => Channels::All,
        "psubscribe" => Channels::AllPatterns,
        _ => Channels::None,
    }
}

/// What can be told of every call of a command, so that most calls are checked without looking for their keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touches {
    Nothing,
    /// One key, always at this argument, if there are no more arguments than so many: options may change what is done to it.
    OneKey {
        index: u16,
        access: Access,
        argc_max: u16,
    },
    /// The arguments tell.
    Varies,
}

pub fn touches(command: &Command) -> Touches {
    if channels(command) != Channels::None || !command.subcommands.is_empty() {
        return Touches::Varies;
    }
    let spec = match command.keys {
        [] => return Touches::Nothing,
        [spec] if !spec.flags.intersects(KeyFlags::INCOMPLETE.union(KeyFlags::NOT_KEY)) => spec,
        _ => return Touches::Varies,
    };
    let Some(index) = spec.one_index() else { return Touches::Varies };
    if !spec.flags.contains(KeyFlags::VARIABLE_FLAGS) {
        return Touches::OneKey { index, access: access(spec.flags), argc_max: u16::MAX };
    }
    // Without options it is always the same.
    let plain = vec![b"".as_slice(); usize::from(command.arity.unsigned_abs())];
    match find_keys(command, &plain).as_deref() {
        Some([found]) => Touches::OneKey { index, access: access(found.flags), argc_max: command.arity.unsigned_abs() },
        _ => Touches::Varies,
    }
}

/// Hands `ask` the call of `command` with what it touches, as far as the user's permissions depend on it. `args` begins with the
/// command's name (and, of a subcommand, its container's before it).
fn with_call<T>(
    registry: &Registry,
    id: CommandId,
    args: &[&[u8]],
    user: &User,
    ask: impl FnOnce(&Call<'_>) -> T,
) -> T {
    let command = registry.command(id);
    let mut keys: SmallVec<[KeyUse<'_>; ARGS_INLINE]> = SmallVec::new();
    if user.examines_keys() && !command.keys.is_empty() {
        // A call whose arguments contradict the grammar has no keys: it will say so, and touch nothing.
        for found in find_keys(command, args).unwrap_or_default() {
            keys.push(KeyUse { index: found.index, name: args[found.index], access: access(found.flags) });
        }
    }
    let mut named: SmallVec<[ChannelUse<'_>; ARGS_INLINE]> = SmallVec::new();
    if user.examines_channels() {
        let kind = channels(command);
        let range = match kind {
            Channels::None => 0..0,
            Channels::First => 1..args.len().min(2),
            Channels::All | Channels::AllPatterns => 1..args.len(),
        };
        let is_pattern = kind == Channels::AllPatterns;
        named.extend(range.map(|index| ChannelUse { index, name: args[index], is_pattern }));
    }
    let first_arg = args.get(if registry.is_subcommand(id) { 2 } else { 1 }).copied();
    ask(&Call { command: id, first_arg, keys: &keys, channels: &named })
}

/// Whether the user may make this call.
///
/// # Errors
/// What of it is not allowed.
pub fn check(registry: &Registry, id: CommandId, args: &[&[u8]], user: &User) -> Result<(), Denied> {
    with_call(registry, id, args, user, |call| user.check(call))
}

/// Whether the user may make this call, and with the same permissions read every key there is.
pub fn may_read_every_key(registry: &Registry, id: CommandId, args: &[&[u8]], user: &User) -> bool {
    user.permits_all() || with_call(registry, id, args, user, |call| user.permits_with_every_key(call, Access::READ))
}

/// Whether the command has options by which it looks at keys that are not among its arguments.
pub fn has_patterns_of_keys(command: &Command) -> bool {
    matches!(command.name, "sort" | "sort_ro")
}

/// What such a command answers to a call with these options, if its user may not read every key.
///
/// # Errors
/// If it has any; the first that is wrong.
pub fn refuse_patterns_of_keys(command: &Command, args: &Args<'_>) -> CommandResult {
    generic::refuse_patterns(args, command.name == "sort")
}

#[cfg(test)]
mod tests {
    use super::{Access, Touches, access, touches};
    use crate::acl::{Catalog, Denied, User, merge_selectors};
    use crate::commands::{Flags, GROUPS, KeyFlags, Registry};

    #[test]
    fn names_of_commands_and_subcommands() {
        let registry = Registry::new(GROUPS);
        for (id, registered) in registry.iter() {
            assert_eq!(Catalog::find(&registry, registered.full_name.to_uppercase().as_bytes()), Some(id));
            let children: Vec<u16> = registry.subcommands(id).collect();
            assert_eq!(children.len(), registered.command.subcommands.len());
            assert!(children.iter().all(|&child| registry.get(child).parent == Some(id)));
        }
        for unknown in ["", "|", "get|", "get|x", "config|", "config|nope", "config|get|x", "|get"] {
            assert_eq!(Catalog::find(&registry, unknown.as_bytes()), None, "{unknown}");
        }
    }

    /// A write command writes some key, a read command reads one: a flag that is missing is a hole.
    #[test]
    fn every_key_is_read_or_written() {
        let registry = Registry::new(GROUPS);
        for (_, registered) in registry.iter() {
            let command = registered.command;
            let keys: Vec<KeyFlags> = command.keys.iter().map(|spec| spec.flags).collect();
            // What takes or leaves only a name, like EXISTS, does neither.
            let written = keys.iter().any(|&flags| access(flags).contains(Access::WRITE));
            if command.flags.contains(Flags::WRITE) && !keys.is_empty() {
                // PFDEBUG only changes how a value is kept.
                assert!(written || command.name == "pfdebug", "{} writes no key", registered.full_name);
            }
            if command.flags.contains(Flags::READONLY) {
                assert!(!written, "{} writes a key", registered.full_name);
            }
        }
    }

    #[test]
    fn most_commands_are_told_by_one_key() {
        let registry = Registry::new(GROUPS);
        let of = |name: &str| touches(registry.command(Catalog::find(&registry, name.as_bytes()).unwrap()));
        let one = |access, argc_max| Touches::OneKey { index: 1, access, argc_max };
        assert_eq!(of("get"), one(Access::READ, u16::MAX));
        assert_eq!(of("incr"), one(Access::all(), u16::MAX));
        assert_eq!(of("lpush"), one(Access::WRITE, u16::MAX));
        assert_eq!(of("strlen"), one(Access::empty(), u16::MAX));
        assert_eq!(of("set"), one(Access::WRITE, 3));
        assert_eq!(of("bitfield"), one(Access::READ, 2));
        assert_eq!(of("ping"), Touches::Nothing);
        for name in ["mget", "del", "rename", "copy", "sort", "config", "zunionstore"] {
            assert_eq!(of(name), Touches::Varies, "{name}");
        }
    }

    #[test]
    fn what_calls_need() {
        let registry = Registry::new(GROUPS);
        let check = |rules: &str, call: &str| {
            let mut user = User::new(&registry, false);
            let words: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
            for rule in merge_selectors(&words).unwrap() {
                user.apply(&rule, &registry, false).unwrap();
            }
            let args: Vec<&[u8]> = call.split(' ').map(str::as_bytes).collect();
            let mut name = args[0].to_vec();
            if !registry.command(registry.find(args[0]).unwrap()).subcommands.is_empty() {
                name.push(b'|');
                name.extend_from_slice(args[1]);
            }
            super::check(&registry, Catalog::find(&registry, &name).unwrap(), &args, &user)
        };
        let (ok, key) = (Ok(()), |index| Err(Denied::Key(index)));
        for (rules, call, expected) in [
            ("+@all %R~r %W~w", "get r", ok),
            ("+@all %R~r %W~w", "get w", key(1)),
            ("+@all %R~r %W~w", "set w x", ok),
            ("+@all %R~r %W~w", "set r x", key(1)),
            ("+@all %R~r %W~w", "set w x get", key(1)),
            ("+@all %R~r %W~w", "copy r w", ok),
            ("+@all %R~r %W~w", "copy w r", key(1)),
            ("+@all %R~r %W~w", "copy r r", key(2)),
            ("+@all %R~r %W~w", "sort r by x get y store w", ok),
            ("+@all %R~r %W~w", "sort r store r", key(3)),
            ("+@all %R~r %W~w", "sort r store w store r", key(5)),
            ("+@all %R~r %W~w", "mget r r x w", key(3)),
            ("+@all %R~r %W~w", "mset w 1 r 2", key(3)),
            ("+@all %R~r %W~w", "zunionstore w 2 r x", key(4)),
            ("+@all %R~r %W~w", "zunionstore r 1 r", key(1)),
            ("+@all %R~r %W~w", "bitfield r get u8 0", ok),
            ("+@all %R~r %W~w", "bitfield r get u8 0 set u8 0 1", key(1)),
            ("+@all ~a*", "rename a1 b1", key(2)),
            ("+@all ~a*", "del a a b", key(3)),
            ("+@all ~a*", "object encoding b", key(2)),
            ("+@all ~a*", "object encoding a", ok),
            ("+config|get ~*", "config get x", ok),
            ("+config|get ~*", "config set x y", Err(Denied::Command)),
            ("+select|1", "select 1", ok),
            ("+select|1", "select 2", Err(Denied::Command)),
        ] {
            assert_eq!(check(rules, call), expected, "{rules}: {call}");
        }
    }
}
