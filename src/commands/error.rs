//! The error of a command: text for the client, worded as Redis words it, because clients match on it.
//!
//! The text has no leading `-` and no line end; the encoder adds them. The first word is the code that INFO errorstats
//! counts.

use std::borrow::Cow;

use crate::base::text::quotable;
use crate::keyspace::WrongType;

/// What a command answers instead of its reply. Nothing of the reply may have been written before it is returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError(Cow<'static, [u8]>);

/// So much of an unknown subcommand is quoted, bytes.
const SUBCOMMAND_SHOWN_MAX: usize = 128;

impl From<WrongType> for CommandError {
    fn from(_: WrongType) -> CommandError {
        CommandError::WRONG_TYPE
    }
}

/// What every command function returns.
pub type CommandResult = Result<(), CommandError>;

impl CommandError {
    /// A fixed text, with its code: `ERR syntax error`.
    pub const fn new(text: &'static str) -> CommandError {
        CommandError(Cow::Borrowed(text.as_bytes()))
    }

    /// A text made for the occasion. Control characters that would end the line early become spaces on the wire.
    pub fn owned(text: impl Into<Vec<u8>>) -> CommandError {
        CommandError(Cow::Owned(text.into()))
    }

    pub fn text(&self) -> &[u8] {
        &self.0
    }

    pub const WRONG_TYPE: CommandError =
        CommandError::new("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub const SYNTAX: CommandError = CommandError::new("ERR syntax error");
    pub const LOADING: CommandError = CommandError::new("LOADING Redis is loading the dataset in memory");
    pub const NOT_AN_INTEGER: CommandError = CommandError::new("ERR value is not an integer or out of range");
    pub const NOT_A_FLOAT: CommandError = CommandError::new("ERR value is not a valid float");
    pub const OUT_OF_RANGE: CommandError = CommandError::new("ERR index out of range");
    pub const NO_SUCH_KEY: CommandError = CommandError::new("ERR no such key");
    pub const STRING_TOO_LONG: CommandError =
        CommandError::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)");

    /// `ERR wrong number of arguments for 'get' command`
    pub fn wrong_arity(full_name: &str) -> CommandError {
        CommandError::owned(format!("ERR wrong number of arguments for '{full_name}' command"))
    }

    /// `ERR invalid expire time in 'set' command`
    pub fn invalid_expire(name: &str) -> CommandError {
        CommandError::owned(format!("ERR invalid expire time in '{name}' command"))
    }

    /// `ERR unknown subcommand 'foo'. Try CONFIG HELP.`
    pub fn unknown_subcommand(container: &str, subcommand: &[u8]) -> CommandError {
        let shown = quotable(&subcommand[..subcommand.len().min(SUBCOMMAND_SHOWN_MAX)]);
        let hint = format!("'. Try {} HELP.", container.to_uppercase());
        CommandError::owned([b"ERR unknown subcommand '".as_slice(), shown, hint.as_bytes()].concat())
    }

    /// The same of a container that finds its subcommands by itself, and so does not tell apart what is wrong.
    pub fn unknown_subcommand_or_arity(container: &str, subcommand: &[u8]) -> CommandError {
        let shown = quotable(&subcommand[..subcommand.len().min(SUBCOMMAND_SHOWN_MAX)]);
        let hint = format!("'. Try {} HELP.", container.to_uppercase());
        let begin = b"ERR unknown subcommand or wrong number of arguments for '".as_slice();
        CommandError::owned([begin, shown, hint.as_bytes()].concat())
    }
}
