//! What stands between a request and its command, as one ordered list. The hot path tests one bit mask and comes here only
//! when a bit is set.

use crate::commands::{CommandError, Flags, quotable};
use crate::server::engine::{Engine, Request, UNKNOWN};
use crate::server::session::gate;

pub(super) enum Verdict {
    Run,
    Refuse(CommandError),
    /// Not now; the client's requests stay where they are.
    Wait,
}

/// Asks the gates, in Redis's order: unknown command, number of arguments, authentication, pause.
pub(super) fn admit(engine: &mut Engine, key: usize, request: Request) -> Verdict {
    if request.command == UNKNOWN {
        return Verdict::Refuse(unknown_command(engine, key, request));
    }
    let command = engine.registry.command(request.command);
    if !command.accepts(request.argc as usize) {
        return Verdict::Refuse(CommandError::wrong_arity(&engine.registry.get(request.command).full_name));
    }
    let session = &engine.clients[key].session;
    if session.gates & gate::UNAUTHENTICATED != 0 && !command.flags.contains(Flags::NO_AUTH) {
        return Verdict::Refuse(CommandError::new("NOAUTH Authentication required."));
    }
    if engine.gates & gate::PAUSED != 0 && engine.pause.covers(command.flags) {
        return Verdict::Wait;
    }
    Verdict::Run
}

/// `ERR unknown command 'foo', with args beginning with: 'a' 'b' `
fn unknown_command(engine: &mut Engine, key: usize, request: Request) -> CommandError {
    const SHOWN_MAX: usize = 128;
    let args = engine.request_args(key, request);
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(quotable(&args[0][..args[0].len().min(SHOWN_MAX)]));
    text.extend_from_slice(b"', with args beginning with: ");
    let mut shown = 0;
    for arg in &args[1..] {
        if shown >= SHOWN_MAX {
            break;
        }
        let part = quotable(&arg[..arg.len().min(SHOWN_MAX - shown)]);
        text.push(b'\'');
        text.extend_from_slice(part);
        text.extend_from_slice(b"' ");
        shown += part.len() + 3;
    }
    CommandError::owned(text)
}
