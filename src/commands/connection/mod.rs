//! Connection commands (<https://redis.io/docs/latest/commands/?group=connection>).

mod ping;

use super::Command;

pub static COMMANDS: &[&Command] = &[&ping::PING];
