//! HOTKEYS of Redis 8.6 (<https://redis.io/docs/latest/commands/hotkeys/>). What is counted is in [`crate::server`]'s `hot_keys.rs`.

use super::{ADMIN, ADMIN_ACL};
use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandResult, Group, Reply, Run};
use crate::server::Engine;
use crate::server::hot_keys::{HotKeysOptions, HotKeysReport};

/// Keys shown, unless the caller says otherwise, and at most.
const SHOWN: usize = 10;
const SHOWN_MAX: i64 = 64;

pub(super) static HOTKEYS: Command = Command {
    name: "hotkeys",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "A container for hotkeys tracking commands.",
    since: "8.6.0",
    complexity: "Depends on subcommand.",
    subcommands: &[&GET, &HELP, &RESET, &START, &STOP],
    ..Command::BASE
};

static START: Command = Command {
    name: "start",
    arity: -2,
    run: Run::Server(start),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Starts hotkeys tracking.",
    since: "8.6.0",
    args: &[
        Arg::block(
            "metrics",
            &[
                Arg::integer("count").token("METRICS"),
                Arg::word("cpu", "CPU").optional(),
                Arg::word("net", "NET").optional(),
            ],
        ),
        Arg::integer("k").token("COUNT").optional(),
        Arg::integer("seconds").token("DURATION").optional(),
        Arg::integer("ratio").token("SAMPLE").optional(),
        Arg::block("slots", &[Arg::integer("count").token("SLOTS"), Arg::integer("slot").multiple()]).optional(),
    ],
    ..Command::BASE
};

fn start(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let options = options(args)?;
    if !engine.start_hot_keys(options) {
        return Err(CommandError::new("ERR hotkey tracking session already in progress"));
    }
    engine.reply(key).ok();
    Ok(())
}

fn options(args: &Args<'_>) -> Result<HotKeysOptions, CommandError> {
    if args.len() < 4 || !args.is(2, "METRICS") {
        return Err(CommandError::new("ERR METRICS parameter is required"));
    }
    let mut options = HotKeysOptions { by_cpu: false, by_net: false, count: SHOWN, duration_s: None, sample_ratio: 1 };
    let metrics = args.int(3)?;
    let Some(metrics) = usize::try_from(metrics).ok().filter(|&count| count > 0) else {
        return Err(CommandError::new("ERR METRICS count must be positive"));
    };
    let mut at = 4;
    if metrics > args.len() - at {
        return Err(CommandError::new("ERR METRICS count does not match number of metric types provided"));
    }
    // Names that are not known yet are passed over.
    for index in at..at + metrics {
        if args.is(index, "CPU") {
            if std::mem::replace(&mut options.by_cpu, true) {
                return Err(CommandError::new("ERR METRICS CPU defined more than once"));
            }
        } else if args.is(index, "NET") && std::mem::replace(&mut options.by_net, true) {
            return Err(CommandError::new("ERR METRICS NET defined more than once"));
        }
    }
    if !options.by_cpu && !options.by_net {
        return Err(CommandError::new("ERR METRICS no valid metrics passed"));
    }
    at += metrics;
    while at < args.len() {
        if args.is(at, "SLOTS") {
            return Err(CommandError::new("ERR SLOTS parameter cannot be used in non-cluster mode"));
        }
        if at + 1 == args.len() {
            return Err(CommandError::SYNTAX);
        }
        if args.is(at, "COUNT") {
            let count = args.int(at + 1).ok().filter(|count| (1..=SHOWN_MAX).contains(count));
            let count = count.ok_or(CommandError::new("ERR COUNT must be between 1 and 64"))?;
            options.count = count as usize;
        } else if args.is(at, "DURATION") {
            options.duration_s = Some(positive(args, at + 1, "ERR DURATION must be positive")?);
        } else if args.is(at, "SAMPLE") {
            options.sample_ratio = positive(args, at + 1, "ERR SAMPLE ratio must be positive")?;
        } else {
            return Err(CommandError::SYNTAX);
        }
        at += 2;
    }
    Ok(options)
}

fn positive(args: &Args<'_>, index: usize, error: &'static str) -> Result<u64, CommandError> {
    let number = args.int(index).ok().and_then(|number| u64::try_from(number).ok()).filter(|&number| number > 0);
    number.ok_or(CommandError::new(error))
}

static STOP: Command = Command {
    name: "stop",
    arity: 2,
    run: Run::Server(stop),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Stops hotkeys tracking.",
    since: "8.6.0",
    ..Command::BASE
};

fn stop(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let was_active = engine.stop_hot_keys();
    let mut reply = engine.reply(key);
    if was_active {
        reply.ok()
    } else {
        reply.null()
    }
    Ok(())
}

static RESET: Command = Command {
    name: "reset",
    arity: 2,
    run: Run::Server(reset),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Releases the resources used for hotkeys tracking.",
    since: "8.6.0",
    ..Command::BASE
};

fn reset(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if !engine.reset_hot_keys() {
        return Err(CommandError::new("ERR hotkey tracking session in progress, stop tracking first"));
    }
    engine.reply(key).ok();
    Ok(())
}

static GET: Command = Command {
    name: "get",
    arity: 2,
    run: Run::Server(get),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns lists of top K hotkeys depending on metrics chosen in HOTKEYS START command.",
    since: "8.6.0",
    complexity: "O(K) where K is the number of hotkeys returned.",
    ..Command::BASE
};

fn get(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let report = engine.hot_keys_report();
    let mut reply = engine.reply(key);
    match report {
        Some(report) => show(report, &mut reply),
        None => reply.null(),
    }
    Ok(())
}

fn show(report: HotKeysReport, reply: &mut Reply<'_>) {
    let HotKeysReport { by_cpu, by_net, .. } = report;
    reply.map(7 + if by_cpu.is_some() { 3 } else { 0 } + if by_net.is_some() { 2 } else { 0 });
    let number = |reply: &mut Reply<'_>, name: &str, value: u64| {
        reply.bulk_str(name);
        reply.int(value as i64);
    };
    number(reply, "tracking-active", u64::from(report.is_active));
    number(reply, "sample-ratio", report.sample_ratio);
    reply.bulk_str("selected-slots");
    reply.array(0);
    number(reply, "all-commands-all-slots-us", report.run_us);
    number(reply, "net-bytes-all-commands-all-slots", report.net_bytes);
    number(reply, "collection-start-time-unix-ms", report.started_ms);
    number(reply, "collection-duration-ms", report.duration_ms);
    if let Some((user_ms, sys_ms, _)) = by_cpu {
        number(reply, "total-cpu-time-user-ms", user_ms);
        number(reply, "total-cpu-time-sys-ms", sys_ms);
    }
    if by_net.is_some() {
        number(reply, "total-net-bytes", report.net_bytes);
    }
    let lists = [by_cpu.map(|(.., keys)| ("by-cpu-time-us", keys)), by_net.map(|keys| ("by-net-bytes", keys))];
    for (name, keys) in lists.into_iter().flatten() {
        reply.bulk_str(name);
        reply.array(2 * keys.len());
        for (key, sum) in keys {
            reply.bulk(&key);
            reply.int(sum as i64);
        }
    }
}

static HELP: Command = Command { run: Run::Pure(help), group: Group::Server, since: "8.6.1", ..Command::HELP };

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(&[
        "HOTKEYS <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "START METRICS <count> [CPU] [NET] [COUNT <k>] [DURATION <seconds>] [SAMPLE <ratio>]",
        "    Begin to count what keys take: CPU time, bytes on the network, or both.",
        "    <k> keys are shown (default: 10); one in <ratio> is counted (default: every).",
        "    While it is on, each command is looked at by itself.",
        "GET",
        "    Return the <k> hottest keys, the hottest first.",
        "STOP",
        "    Stop counting.",
        "RESET",
        "    Forget what was counted.",
        "HELP",
        "    Print this help.",
    ]);
    Ok(())
}
