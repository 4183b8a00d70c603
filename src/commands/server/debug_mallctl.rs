//! DEBUG MALLCTL, MALLCTL-STR: the allocator's controls by name. What could break it is refused (Redis would do it), as is what has another
//! type than the command (Redis would show it all the same, or crash).

use std::ffi::CString;

use nix::errno::Errno;

use crate::base::allocator;
use crate::commands::{Args, CommandError, CommandResult};
use crate::server::Engine;

/// An argument up to its first NUL byte.
fn name(args: &Args<'_>) -> CString {
    let bytes = args.get(2).split(|&byte| byte == 0).next().unwrap_or_default();
    CString::new(bytes).unwrap_or_default()
}

fn failed(error: Errno) -> CommandError {
    CommandError::owned(format!("ERR {}", error.desc()))
}

pub(super) fn mallctl(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let new = if args.len() > 3 { Some(args.int(3)?) } else { None };
    let old = allocator::control_number(&name(args), new).map_err(failed)?;
    engine.reply(key).int(old);
    Ok(())
}

pub(super) fn mallctl_str(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if args.len() == 3 {
        let text = allocator::control_text(&name(args)).map_err(failed)?;
        engine.reply(key).bulk_str(&text);
        return Ok(());
    }
    if args.get(3) != b"VOID" {
        // A text is a pointer, which the allocator would keep.
        return allocator::control_text(&name(args)).and(Err(Errno::EPERM)).map_err(failed);
    }
    allocator::control_action(&name(args)).map_err(failed)?;
    engine.reply(key).ok();
    Ok(())
}
