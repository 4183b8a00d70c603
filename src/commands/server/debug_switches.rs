//! The subcommands of DEBUG that change how the server goes about its work, as test tools ask for it, or end it.

use crate::base::random::Random;
use crate::base::{fault, glob, log, number};
use crate::commands::{Args, CommandError, CommandResult};
use crate::server::Engine;

/// As C's `atoi`: what is no number is 0.
fn is_on(args: &Args<'_>) -> bool {
    number::parse_i64(args.get(2)).unwrap_or(0) != 0
}

pub(super) fn set_active_expire(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.keyspace.active_expire = is_on(args);
    engine.reply(key).ok();
    Ok(())
}

/// Holds the periodic jobs up.
pub(super) fn pause_cron(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.metrics.cron_is_paused = is_on(args);
    engine.reply(key).ok();
    Ok(())
}

/// Whether the checksum of RESTORE's payloads is looked at.
pub(super) fn set_skip_checksum_validation(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.keyspace.skips_checksums = is_on(args);
    engine.reply(key).ok();
    Ok(())
}

/// A switch of something that does not exist here: of tables that are rehashed (tables here grow by a segment at a time), of commands that
/// scripts may not call (there are no scripts).
pub(super) fn nothing_to_switch(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.reply(key).ok();
    Ok(())
}

/// Elements of any size are in the nodes of a list, but the sizes that Redis takes are taken.
pub(super) fn quicklist_packed_threshold(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    const SIZE_MAX: u64 = (1 << 32) - (1 << 20);
    if number::parse_memory(args.get(2)).is_none_or(|bytes| bytes > SIZE_MAX) {
        return Err(CommandError::new("ERR argument must be a memory value bigger than 1 and smaller than 4gb"));
    }
    engine.reply(key).ok();
    Ok(())
}

/// Reply buffers are lent for as long as there are replies in them, so there is no peak to remember and nothing to resize.
pub(super) fn replybuffer(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if args.is(2, "PEAK-RESET-TIME") {
        if !args.is(3, "NEVER") && !args.is(3, "RESET") {
            args.int(3)?;
        }
    } else if !args.is(2, "RESIZING") {
        return Err(CommandError::unknown_subcommand_or_arity("DEBUG", args.get(1)));
    }
    engine.reply(key).ok();
    Ok(())
}

pub(super) fn change_repl_id(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    log::notice("Changing replication IDs after receiving DEBUG change-repl-id");
    engine.facts.change_replication_id();
    engine.reply(key).ok();
    Ok(())
}

pub(super) fn log(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    log::warning(format_args!("DEBUG LOG: {}", String::from_utf8_lossy(args.get(2))));
    engine.reply(key).ok();
    Ok(())
}

/// The text as an error. It is no failure of a command, so nobody counts it.
pub(super) fn error(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    engine.reply(key).error(args.get(2));
    Ok(())
}

/// Whether a string matches a glob pattern: 1 or 0.
pub(super) fn stringmatch_len(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let matches = glob::matches(args.get(2), args.get(3), false);
    engine.reply(key).int(i64::from(matches));
    Ok(())
}

/// Rounds of the fuzzer below: some milliseconds.
const MATCHES: u32 = 10_000;
/// Longest pattern and string of it, bytes.
const MATCHED_MAX: u64 = 32;

/// Matches strings of any bytes with patterns of any bytes.
pub(super) fn stringmatch_test(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let mut random = Random::new(Random::entropy_seed());
    for _ in 0..MATCHES {
        let [pattern, text] = [(); 2].map(|()| {
            let mut bytes = vec![0; random.below(MATCHED_MAX) as usize];
            random.fill(&mut bytes);
            // Mostly those that patterns are made of.
            bytes.iter_mut().filter(|byte| **byte < 128).for_each(|byte| *byte = b"*?[]^-\\a"[usize::from(*byte % 8)]);
            bytes
        });
        std::hint::black_box(glob::matches(&pattern, &text, true));
    }
    engine.reply(key).simple("Apparently Redis did not crash: test passed");
    Ok(())
}

/// Ends the server as a broken promise of its own would, with a report.
pub(super) fn assert(_args: &mut Args<'_>, _engine: &mut Engine, _key: usize) -> CommandResult {
    panic!("assertion failed: 1 == 2, because DEBUG ASSERT asked for it")
}

pub(super) fn panic(_args: &mut Args<'_>, _engine: &mut Engine, _key: usize) -> CommandResult {
    panic!("called by Unittest: DEBUG PANIC asked for it")
}

/// Ends the server as an access to memory that is none would.
pub(super) fn segfault(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    fault::provoke();
    engine.reply(key).error(b"ERR the page that may not be accessed could not be mapped");
    Ok(())
}
