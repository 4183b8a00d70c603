//! String commands (<https://redis.io/docs/latest/commands/?group=string>).

mod get;
mod set;

use super::Command;

pub static COMMANDS: &[&Command] = &[&get::GET, &set::SET];
