//! LATENCY: the latency monitor's events, the commands' histograms, and why turns of the loop took long.

use super::{ADMIN, ADMIN_ACL};
use crate::commands::{Acl, Arg, Args, Command, CommandError, CommandId, CommandResult, Group, Reply, Run};
use crate::server::Engine;
use crate::server::histograms::cumulative_us;
use crate::server::latency;
use crate::server::stall::{RunNote, Stall};

const TIPS: &[&str] = &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];
/// Turns that LATENCY WHY shows unless the caller says otherwise.
const SHOWN: usize = 10;

pub(super) static LATENCY: Command = Command {
    name: "latency",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Server,
    summary: "A container for latency diagnostics commands.",
    since: "2.8.13",
    complexity: "Depends on subcommand.",
    subcommands: &[&DOCTOR, &GRAPH, &HELP, &HISTOGRAM, &HISTORY, &LATEST, &RESET, &WHY],
    ..Command::BASE
};

fn now_s(engine: &Engine) -> u64 {
    engine.clock.unix_us() / 1_000_000
}

static DOCTOR: Command = Command {
    name: "doctor",
    arity: 2,
    run: Run::Server(doctor),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns a human-readable latency analysis report.",
    since: "2.8.13",
    tips: TIPS,
    ..Command::BASE
};

fn doctor(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let report = latency::report(&engine.latency, &engine.config, now_s(engine));
    engine.reply(key).verbatim("txt", report.as_bytes());
    Ok(())
}

static GRAPH: Command = Command {
    name: "graph",
    arity: 3,
    run: Run::Server(graph),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns a latency graph for an event.",
    since: "2.8.13",
    tips: TIPS,
    args: &[Arg::string("event")],
    ..Command::BASE
};

fn graph(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let name = args.get(2);
    let Some(event) = engine.latency.get(name) else {
        let text = [b"ERR No samples available for event '".as_slice(), name, b"'"].concat();
        return Err(CommandError::owned(text));
    };
    let picture = latency::graph(&String::from_utf8_lossy(name), event, now_s(engine));
    engine.reply(key).verbatim("txt", picture.as_bytes());
    Ok(())
}

static HISTOGRAM: Command = Command {
    name: "histogram",
    arity: -2,
    run: Run::Server(histogram),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns the cumulative distribution of latencies of a subset or all commands.",
    since: "7.0.0",
    complexity: "O(N) where N is the number of commands with latency information being retrieved.",
    tips: TIPS,
    args: &[Arg::string("command").optional().multiple()],
    ..Command::BASE
};

fn histogram(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let registry = &engine.registry;
    let mut wanted: Vec<CommandId> = Vec::new();
    if args.len() == 2 {
        wanted.extend(registry.iter().map(|(id, _)| id));
    }
    for name in args.from(2) {
        let mut words = name.splitn(2, |&byte| byte == b'|');
        let Some(id) = words.next().and_then(|name| registry.find(name)) else { continue };
        match words.next() {
            Some(subcommand) => wanted.extend(registry.find_subcommand(id, subcommand)),
            None => wanted.extend((id..).take(1 + registry.command(id).subcommands.len())),
        }
    }
    let shown: Vec<_> = wanted
        .into_iter()
        .filter_map(|id| {
            let histogram = engine.stats.histograms.get(id)?;
            Some((registry.get(id).full_name.clone(), histogram.len(), cumulative_us(&histogram)))
        })
        .collect();
    let mut reply = engine.reply(key);
    reply.map(shown.len());
    for (name, calls, buckets) in shown {
        reply.bulk_str(&name);
        reply.map(2);
        reply.bulk_str("calls");
        reply.int(calls as i64);
        reply.bulk_str("histogram_usec");
        reply.map(buckets.len());
        for (us, seen) in buckets {
            reply.int(us as i64);
            reply.int(seen as i64);
        }
    }
    Ok(())
}

static HISTORY: Command = Command {
    name: "history",
    arity: 3,
    run: Run::Server(history),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns timestamp-latency samples for an event.",
    since: "2.8.13",
    tips: TIPS,
    args: &[Arg::string("event")],
    ..Command::BASE
};

fn history(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let samples: Vec<latency::Sample> =
        engine.latency.get(args.get(2)).map_or(Vec::new(), |event| event.samples().collect());
    let mut reply = engine.reply(key);
    reply.array(samples.len());
    for sample in samples {
        reply.array(2);
        reply.int(sample.unix_s as i64);
        reply.int(sample.ms as i64);
    }
    Ok(())
}

static LATEST: Command = Command {
    name: "latest",
    arity: 2,
    run: Run::Server(latest),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns the latest latency samples for all events.",
    since: "2.8.13",
    tips: TIPS,
    ..Command::BASE
};

fn latest(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let events: Vec<(&str, latency::Sample, u64)> = engine
        .latency
        .events()
        .filter_map(|(name, event)| Some((name, event.samples().next_back()?, event.max_ms())))
        .collect();
    let mut reply = engine.reply(key);
    reply.array(events.len());
    for (name, sample, max_ms) in events {
        reply.array(4);
        reply.bulk_str(name);
        for number in [sample.unix_s, sample.ms, max_ms] {
            reply.int(number as i64);
        }
    }
    Ok(())
}

static RESET: Command = Command {
    name: "reset",
    arity: -2,
    run: Run::Server(reset),
    is_quick: true,
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Resets the latency data for one or more events.",
    since: "2.8.13",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    args: &[Arg::string("event").optional().multiple()],
    ..Command::BASE
};

fn reset(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let forgotten = if args.len() == 2 {
        engine.latency.reset_all()
    } else {
        args.from(2).filter(|name| engine.latency.reset(name)).count()
    };
    engine.reply(key).len(forgotten);
    Ok(())
}

static WHY: Command = Command {
    name: "why",
    arity: -2,
    run: Run::Server(why),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Returns what ran in the turns of the loop that took longer than stall-threshold-us.",
    since: "7.4.0",
    complexity: "O(N) where N is the number of turns returned",
    tips: TIPS,
    args: &[Arg::one_of("what", &[Arg::integer("count"), Arg::word("reset", "RESET")]).optional()],
    ..Command::BASE
};

fn why(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::wrong_arity("latency|why"));
    }
    let mut count = SHOWN;
    if args.len() == 3 {
        if args.is(2, "RESET") {
            let forgotten = engine.recorder.forget();
            engine.reply(key).len(forgotten);
            return Ok(());
        }
        let asked = args.int(2)?;
        let wrong = || CommandError::new("ERR count should be greater than or equal to -1");
        count = if asked == -1 { usize::MAX } else { usize::try_from(asked).map_err(|_| wrong())? };
    }
    let stalls: Vec<Stall> = engine.recorder.kept().take(count).cloned().collect();
    let mut reply = engine.reply(key);
    reply.array(stalls.len());
    for stall in &stalls {
        show_stall(stall, &mut reply);
    }
    Ok(())
}

fn show_stall(stall: &Stall, reply: &mut Reply<'_>) {
    reply.map(11);
    for (name, value) in [
        ("id", stall.id),
        ("unix-time-ms", stall.unix_ms),
        ("ran-us", stall.ns / 1000),
        ("took-us", stall.wall_ns / 1000),
        ("requests", u64::from(stall.requests)),
        ("clients", u64::from(stall.clients)),
        ("sends", u64::from(stall.sends)),
    ] {
        reply.bulk_str(name);
        reply.int(value as i64);
    }
    reply.bulk_str("cause");
    reply.bulk_str(&stall.cause);
    reply.bulk_str("phases");
    reply.map(stall.phases.len());
    for (name, ns) in stall.phases {
        reply.bulk_str(name);
        reply.int((ns / 1000) as i64);
    }
    reply.bulk_str("commands");
    reply.array(stall.runs.len());
    for run in &stall.runs {
        show_run(run, reply);
    }
    reply.bulk_str("job");
    match stall.job {
        Some((name, ns)) => reply.bulk_str(&format!("{name} {}us", ns / 1000)),
        None => reply.null(),
    }
}

fn show_run(run: &RunNote, reply: &mut Reply<'_>) {
    reply.map(10);
    reply.bulk_str("command");
    reply.bulk_str(&run.command);
    reply.bulk_str("arguments");
    reply.bulks(&run.args);
    for (name, value) in [
        ("us", run.us),
        ("queued-us", run.queued_us),
        ("calls", u64::from(run.calls)),
        ("request-bytes", run.request_bytes),
        ("reply-bytes", run.reply_bytes),
        ("client-id", run.client_id),
    ] {
        reply.bulk_str(name);
        reply.int(value as i64);
    }
    reply.bulk_str("addr");
    reply.bulk_str(&run.addr);
    reply.bulk_str("name");
    reply.bulk(&run.name);
}

static HELP: Command = Command { run: Run::Pure(help), group: Group::Server, since: "2.8.13", ..Command::HELP };

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(&[
        "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DOCTOR",
        "    Return a human readable latency analysis report.",
        "GRAPH <event>",
        "    Return an ASCII latency graph for the <event> class.",
        "HISTORY <event>",
        "    Return time-latency samples for the <event> class.",
        "LATEST",
        "    Return the latest latency samples for all events.",
        "RESET [<event> ...]",
        "    Reset latency data of one or more <event> classes.",
        "    (default: reset all data for all event classes)",
        "HISTOGRAM [COMMAND ...]",
        "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
        "    If no commands are specified then all histograms are replied.",
        "WHY [<count>|RESET]",
        "    Return the last <count> turns of the event loop that took longer than",
        "    stall-threshold-us (default: 10, -1 mean all; 128 are kept), the newest first:",
        "    when, how long the thread ran and how long it took by the clock, each phase,",
        "    and the commands that took a noticeable part of it with client, arguments,",
        "    sizes, and the time that they waited and ran. RESET forgets them.",
        "HELP",
        "    Print this help.",
    ]);
    Ok(())
}
