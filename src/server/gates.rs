//! What stands between a request and its command, as one ordered list. The hot path tests one bit mask and comes here only
//! when a bit is set.
//!
//! A gate is a row of [`GATES`]: the bits that close it, and a function that looks whether it is closed for this request. Their order is
//! that of Redis's `processCommand`; the first that objects decides.

use crate::acl::Context;
use crate::commands::{Args, Command, CommandError, CommandId, CommandResult, Flags, quotable};
use crate::server::engine::{Engine, UNKNOWN};
use crate::server::maxmemory::{Room, out_of_memory};
use crate::server::session::gate;

pub(super) enum Verdict {
    /// This command, or subcommand, may be called.
    Run(CommandId),
    /// It may, later, by EXEC.
    Queue(CommandId),
    /// With the number of the command to be blamed, or [`UNKNOWN`].
    Refuse(CommandId, CommandError),
    /// Not now; the client's requests stay where they are.
    Wait(Until),
}

/// What a request waits for.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// The pause is over, or there is memory: it is tried again when no pause is on.
    EndOfPause,
    /// What was published before has been sent.
    FanOut,
}

/// A request that asks to be executed.
struct Asked<'a> {
    /// Slab key of its client.
    key: usize,
    id: CommandId,
    command: &'static Command,
    /// Of the command; of EXEC also those of what it is going to execute.
    flags: Flags,
    args: &'a Args<'a>,
}

/// What a gate says.
enum Opinion {
    Pass,
    Refuse(CommandError),
    Wait(Until),
    Queue,
}

/// One gate: the bits of [`gate`] of which one has to be set, and who then decides.
type Gate = (u32, fn(&mut Engine, &Asked<'_>) -> Opinion);

const GATES: &[Gate] = &[
    (gate::UNAUTHENTICATED, authentication),
    (gate::MULTI, no_multi),
    (gate::RESTRICTED, permission),
    (gate::MEMORY, memory),
    (gate::DISK_ERROR, disk_error),
    (gate::SUBSCRIBED, subscribed),
    (gate::LOADING, loading),
    (gate::MONITORS, monitor),
    (gate::PAUSED, pause),
    (gate::MULTI, transaction),
    (gate::RESTRICTED, options),
    (gate::FAN_OUT, fan_out),
];

/// Asks the gates: unknown command, number of arguments and what the configuration does not allow first, then the list.
pub(super) fn admit(engine: &mut Engine, key: usize, id: CommandId, args: &Args<'_>) -> Verdict {
    if id == UNKNOWN {
        return Verdict::Refuse(UNKNOWN, unknown_command(args));
    }
    let id = match engine.resolve(key, id, args) {
        Ok(id) => id,
        Err((id, error)) => return Verdict::Refuse(id, error),
    };
    let command = engine.registry.command(id);
    let client = &engine.clients[key];
    let mut flags = command.flags;
    if command.name == "exec"
        && let Some(transaction) = &client.transaction
    {
        flags |= transaction.flags() & (Flags::WRITE | Flags::READONLY | Flags::DENYOOM | Flags::MAY_REPLICATE);
    }
    let bits = engine.gates | client.session.gates;
    let asked = Asked { key, id, command, flags, args };
    for (closed_by, ask) in GATES {
        if bits & closed_by == 0 {
            continue;
        }
        match ask(engine, &asked) {
            Opinion::Pass => {}
            Opinion::Refuse(error) => return Verdict::Refuse(id, error),
            Opinion::Wait(until) => return Verdict::Wait(until),
            Opinion::Queue => return Verdict::Queue(id),
        }
    }
    Verdict::Run(id)
}

/// Whether the configuration lets the client use a command that looks inside the server. It comes before all else that could be said
/// against the request. EXEC need not ask again: the directives do not change while the server runs.
///
/// # Errors
/// In Redis's words.
pub(super) fn check_protected(engine: &Engine, key: usize, id: CommandId) -> CommandResult {
    if !engine.registry.command(id).flags.contains(Flags::PROTECTED) {
        return Ok(());
    }
    let config = &engine.config;
    let (name, option, guard) = match engine.registry.get(id).full_name.as_str() {
        "debug" => ("DEBUG", "enable-debug-command", config.enable_debug_command),
        _ => ("MODULE", "enable-module-command", config.enable_module_command),
    };
    if guard.allows(engine.clients[key].stream.is_local()) {
        return Ok(());
    }
    Err(CommandError::owned(format!(
        "ERR {name} command not allowed. If the {option} option is set to \"local\", you can run it from a local connection, otherwise you need \
         to set this option in the configuration file, and then restart the server."
    )))
}

fn authentication(_engine: &mut Engine, asked: &Asked<'_>) -> Opinion {
    if asked.flags.contains(Flags::NO_AUTH) {
        return Opinion::Pass;
    }
    Opinion::Refuse(CommandError::new("NOAUTH Authentication required."))
}

fn no_multi(_engine: &mut Engine, asked: &Asked<'_>) -> Opinion {
    if asked.flags.contains(Flags::NO_MULTI) {
        return Opinion::Refuse(CommandError::new("ERR Command not allowed inside a transaction"));
    }
    Opinion::Pass
}

fn disk_error(engine: &mut Engine, asked: &Asked<'_>) -> Opinion {
    // PING too, so that whoever watches the server hears of it.
    if !asked.flags.contains(Flags::WRITE) && asked.command.name != "ping" {
        return Opinion::Pass;
    }
    if engine.is_save_in_the_way() {
        return Opinion::Refuse(CommandError::new(DISK_ERROR));
    }
    // Without a text the disk has recovered just now.
    engine.aof_error_text().map_or(Opinion::Pass, |text| Opinion::Refuse(CommandError::owned(text)))
}

fn loading(_engine: &mut Engine, asked: &Asked<'_>) -> Opinion {
    if asked.flags.contains(Flags::LOADING) {
        return Opinion::Pass;
    }
    Opinion::Refuse(CommandError::LOADING)
}

/// In Redis a monitor is a kind of replica.
fn monitor(_engine: &mut Engine, asked: &Asked<'_>) -> Opinion {
    if asked.flags.intersects(Flags::WRITE | Flags::READONLY | Flags::MAY_REPLICATE) {
        return Opinion::Refuse(CommandError::new("ERR Replica can't interact with the keyspace"));
    }
    Opinion::Pass
}

fn permission(engine: &mut Engine, asked: &Asked<'_>) -> Opinion {
    let in_multi = engine.clients[asked.key].session.gates & gate::MULTI != 0;
    let context = if in_multi { Context::Multi } else { Context::TopLevel };
    match engine.check_access(asked.key, asked.id, asked.args, context) {
        Ok(()) => Opinion::Pass,
        Err(error) => Opinion::Refuse(error),
    }
}

/// What the command itself would refuse, if it knew its user: so it is asked last, and not of what is only queued.
fn options(engine: &mut Engine, asked: &Asked<'_>) -> Opinion {
    match engine.check_options(asked.key, asked.id, asked.args) {
        Ok(()) => Opinion::Pass,
        Err(error) => Opinion::Refuse(error),
    }
}

/// What clients with subscriptions may send in RESP2, where replies and messages could not be told apart otherwise.
fn subscribed(engine: &mut Engine, asked: &Asked<'_>) -> Opinion {
    const ALLOWED: [&str; 9] = [
        "ping",
        "subscribe",
        "ssubscribe",
        "unsubscribe",
        "sunsubscribe",
        "psubscribe",
        "punsubscribe",
        "quit",
        "reset",
    ];
    // The name of a subcommand tells nothing: SLOWLOG RESET is no RESET.
    let name = engine.registry.get(asked.id).full_name.as_str();
    if ALLOWED.contains(&name) {
        return Opinion::Pass;
    }
    Opinion::Refuse(CommandError::owned(format!(
        "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
    )))
}

fn fan_out(_engine: &mut Engine, asked: &Asked<'_>) -> Opinion {
    if matches!(asked.command.name, "publish" | "spublish") { Opinion::Wait(Until::FanOut) } else { Opinion::Pass }
}

fn memory(engine: &mut Engine, asked: &Asked<'_>) -> Opinion {
    // What is put off takes memory too, whatever it is; that would have no end. Of EXEC what it is going to execute counts. MULTI and WATCH
    // are not put off, and refused all the same, as in Redis.
    let is_put_off = engine.clients[asked.key].session.gates & gate::MULTI != 0
        && !matches!(engine.registry.get(asked.id).full_name.as_str(), "exec" | "discard" | "quit" | "reset");
    if !is_put_off && !asked.flags.contains(Flags::DENYOOM) {
        return Opinion::Pass;
    }
    match engine.make_room() {
        Room::Enough => Opinion::Pass,
        Room::Later => Opinion::Wait(Until::EndOfPause),
        Room::None => Opinion::Refuse(out_of_memory()),
    }
}

fn pause(engine: &mut Engine, asked: &Asked<'_>) -> Opinion {
    if engine.pause.covers(asked.flags) { Opinion::Wait(Until::EndOfPause) } else { Opinion::Pass }
}

fn transaction(engine: &mut Engine, asked: &Asked<'_>) -> Opinion {
    let is_open = engine.clients[asked.key].session.gates & gate::MULTI != 0;
    if is_open && !asked.command.flags.contains(Flags::IN_MULTI) { Opinion::Queue } else { Opinion::Pass }
}

/// What clients are told while a failed save keeps them from changing anything.
const DISK_ERROR: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands \
that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails \
(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";

/// Whether a request is a line of HTTP's: somebody makes a browser talk to this server.
pub(super) fn is_of_http(args: &Args<'_>) -> bool {
    args.is(0, "POST") || args.is(0, "HOST:")
}

/// `ERR unknown command 'foo', with args beginning with: 'a' 'b' `
fn unknown_command(args: &Args<'_>) -> CommandError {
    const SHOWN_MAX: usize = 128;
    let name = args.get(0);
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(quotable(&name[..name.len().min(SHOWN_MAX)]));
    text.extend_from_slice(b"', with args beginning with: ");
    let mut shown = 0;
    for arg in args.from(1) {
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
