//! What rules need to know of the commands there are.

use std::ops::Range;

/// Number of a command or subcommand.
pub type CommandId = u16;

/// The commands by number and name.
pub trait Catalog {
    /// Numbers are below this.
    fn count(&self) -> usize;

    /// The command `get` or the subcommand `config|get`, in any case.
    fn find(&self, name: &[u8]) -> Option<CommandId>;

    /// Whether there is a command or subcommand of this name elsewhere, and may be here some day: rules about it are kept.
    fn is_absent(&self, name: &[u8]) -> bool;

    /// `config|get`, in lower case.
    fn full_name(&self, id: CommandId) -> &str;

    fn is_subcommand(&self, id: CommandId) -> bool;

    /// The numbers of a container's subcommands.
    fn subcommands(&self, id: CommandId) -> Range<CommandId>;

    /// A bit for each category that the command is in.
    fn categories(&self, id: CommandId) -> u32;

    /// The bit of the category of this name (without `@`), in any case.
    fn category(&self, name: &[u8]) -> Option<u32>;
}
