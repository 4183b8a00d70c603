//! DEBUG: for tests of a server, and for whoever looks into one. Not a container in Redis, so not one here.

use std::time::Duration;

use super::{
    ADMIN, ADMIN_ACL, debug_digest, debug_mallctl, debug_object, debug_protocol, debug_reload, debug_switches,
};
use crate::base::number;
use crate::commands::{Args, Command, CommandError, CommandResult, Flags, Group, Run};
use crate::keyspace::{NewValue, Ttl};
use crate::server::Engine;

pub(super) static DEBUG: Command = Command {
    name: "debug",
    arity: -2,
    run: Run::Server(debug),
    flags: ADMIN.union(Flags::PROTECTED).union(Flags::SYSCMD),
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "A container for commands that look inside.",
    complexity: "Depends on subcommand.",
    ..Command::BASE
};

type Debug = fn(&mut Args<'_>, &mut Engine, usize) -> CommandResult;

/// Subcommands with the least and the greatest number of arguments, DEBUG and their own name among them.
const SUBCOMMANDS: &[(&str, usize, usize, Debug)] = &[
    ("ASSERT", 2, 2, debug_switches::assert),
    ("CHANGE-REPL-ID", 2, 2, debug_switches::change_repl_id),
    ("CONFIG-REWRITE-FORCE-ALL", 2, 2, config_rewrite_force_all),
    ("DICT-RESIZING", 3, 3, debug_switches::nothing_to_switch),
    ("DIGEST", 2, 2, debug_digest::digest),
    ("DIGEST-VALUE", 2, usize::MAX, debug_digest::digest_value),
    ("ERROR", 3, 3, debug_switches::error),
    ("HELP", 2, 2, help),
    ("HTSTATS", 3, 4, debug_object::htstats),
    ("HTSTATS-KEY", 3, 4, debug_object::htstats_key),
    ("LISTPACK", 3, 3, debug_object::listpack),
    ("LOADAOF", 2, usize::MAX, debug_reload::loadaof),
    ("LOG", 3, 3, debug_switches::log),
    ("MALLCTL", 3, usize::MAX, debug_mallctl::mallctl),
    ("MALLCTL-STR", 3, usize::MAX, debug_mallctl::mallctl_str),
    ("OBJECT", 3, 4, debug_object::object),
    ("PANIC", 2, 2, debug_switches::panic),
    ("PAUSE-CRON", 3, 3, debug_switches::pause_cron),
    ("POPULATE", 3, 5, populate),
    ("RELOAD", 2, usize::MAX, debug_reload::reload),
    ("PROTOCOL", 3, 3, debug_protocol::protocol),
    ("QUICKLIST-PACKED-THRESHOLD", 3, 3, debug_switches::quicklist_packed_threshold),
    ("REPLYBUFFER", 4, 4, debug_switches::replybuffer),
    ("SEGFAULT", 2, 2, debug_switches::segfault),
    ("SET-ACTIVE-EXPIRE", 3, 3, debug_switches::set_active_expire),
    ("SET-DISABLE-DENY-SCRIPTS", 3, 3, debug_switches::nothing_to_switch),
    ("SET-SKIP-CHECKSUM-VALIDATION", 3, 3, debug_switches::set_skip_checksum_validation),
    ("SLEEP", 3, 3, sleep),
    ("STRINGMATCH-LEN", 4, 4, debug_switches::stringmatch_len),
    ("STRINGMATCH-TEST", 2, 2, debug_switches::stringmatch_test),
];

fn debug(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let found =
        SUBCOMMANDS.iter().find(|(name, least, most, _)| args.is(1, name) && (*least..=*most).contains(&args.len()));
    match found {
        Some((.., run)) => run(args, engine, key),
        None => Err(CommandError::unknown_subcommand_or_arity("DEBUG", args.get(1))),
    }
}

/// Holds everything up, which is the point of it.
fn sleep(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    // What is not a number is no time at all, as in Redis.
    let seconds = number::parse_f64(args.get(2)).unwrap_or(0.0);
    if let Ok(time) = Duration::try_from_secs_f64(seconds) {
        engine.clock.sleep(time);
    }
    engine.reply(key).ok();
    Ok(())
}

/// CONFIG REWRITE, with the defaults too.
fn config_rewrite_force_all(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let failed = |reason| CommandError::owned(format!("ERR CONFIG-REWRITE-FORCE-ALL failed: {reason}"));
    engine.rewrite_config(true).map_err(failed)?;
    engine.reply(key).ok();
    Ok(())
}

fn populate(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let positive = |index: usize| {
        number::parse_i64(args.get(index))
            .filter(|number| *number >= 0)
            .ok_or(CommandError::new("ERR value is out of range, must be positive"))
    };
    let count = positive(2)?;
    let prefix = args.try_get(3).unwrap_or(b"key");
    let size = if args.len() > 4 { usize::try_from(positive(4)?).unwrap_or(usize::MAX) } else { 0 };
    if size > engine.keyspace.settings.bulk_max {
        return Err(CommandError::STRING_TOO_LONG);
    }
    let db = engine.clients[key].session.db;
    let mut writer = engine.keyspace.writer(db);
    let (mut name, mut value) = (Vec::new(), Vec::new());
    for number in 0..count {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        name.clear();
        name.extend_from_slice(prefix);
        name.push(b':');
        name.extend_from_slice(digits);
        let new = writer.key(&name);
        if writer.exists(new) {
            continue;
        }
        value.clear();
        value.extend_from_slice(b"value:");
        value.extend_from_slice(digits);
        if size > 0 {
            value.resize(size, 0);
        }
        let key = writer.key(&name);
        writer.set(key, NewValue::string(&value), Ttl::Clear);
    }
    engine.reply(key).ok();
    Ok(())
}

fn help(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.reply(key).simples(&[
        "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ASSERT",
        "    End the server by a failed assertion.",
        "CHANGE-REPL-ID",
        "    Another replication ID.",
        "CONFIG-REWRITE-FORCE-ALL",
        "    CONFIG REWRITE with every directive, the defaults too.",
        "DICT-RESIZING <0|1>",
        "    Accepted: tables grow by a segment at a time and are never resized.",
        "DIGEST",
        "    A hash of everything in all databases, the same for the same data.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    A hash of the value of each key.",
        "ERROR <string>",
        "    Answer <string> as an error.",
        "HTSTATS <dbid> [FULL]",
        "    The shape of a database's table and of its timing wheel.",
        "HTSTATS-KEY <key> [FULL]",
        "    The shape of the table of a large value.",
        "LISTPACK <key>",
        "    Write what is in a value's listpack to the log.",
        "LOADAOF",
        "    Write what has changed to the append-only file, empty all databases, and load it again.",
        "LOG <message>",
        "    Write <message> to the log.",
        "MALLCTL <key> [<val>]",
        "    A number that the allocator knows by a name, and set it, if that can do no harm.",
        "MALLCTL-STR <key> [VOID]",
        "    A text, or with VOID have the allocator give memory back: arena.<i>.purge, arena.<i>.decay.",
        "OBJECT <key>",
        "    How a key's value is kept.",
        "PANIC",
        "    End the server by a panic.",
        "PAUSE-CRON <0|1>",
        "    Hold the periodic jobs up.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Make <count> string keys, named key:<num> or <prefix>:<num>, of <size> bytes.",
        "RELOAD [option ...]",
        "    Save the data to disk and load it again. Options:",
        "    * MERGE: what is there already is replaced by what is loaded.",
        "    * NOFLUSH: what is there stays there.",
        "    * NOSAVE: load what was saved before.",
        "PROTOCOL <type>",
        "    Answer a reply of a type: string, integer, double, bignum, null, array, set, map, attrib, push, verbatim, true, false.",
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "    Accepted: elements of any size are packed.",
        "REPLYBUFFER PEAK-RESET-TIME <NEVER|RESET|time>",
        "    Accepted: reply buffers are lent, not owned.",
        "REPLYBUFFER RESIZING <0|1>",
        "    Accepted, for the same reason.",
        "SEGFAULT",
        "    End the server by a fault.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Whether keys are removed at their deadlines though nobody asks for them.",
        "SET-DISABLE-DENY-SCRIPTS <0|1>",
        "    Accepted: there are no scripts.",
        "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
        "    Whether RESTORE takes payloads with wrong checksums.",
        "SLEEP <seconds>",
        "    Hold the server up. Decimals allowed.",
        "STRINGMATCH-LEN <pattern> <string>",
        "    Whether a string matches a pattern.",
        "STRINGMATCH-TEST",
        "    Match random strings with random patterns.",
        "HELP",
        "    This text.",
    ]);
    Ok(())
}
