//! Scripting commands (<https://redis.io/docs/latest/commands/?group=scripting>). There are no scripts and no functions yet: what is
//! here is what client libraries and test tools send to a server that has none, answered as such a server does.

mod function;
mod script;

use super::Command;

pub static COMMANDS: &[&Command] = &[&function::FUNCTION, &script::SCRIPT];
