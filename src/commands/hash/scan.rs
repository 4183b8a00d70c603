//! HSCAN.

use crate::base::glob;
use crate::commands::generic::parse_cursor;
use crate::commands::{
    Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{FieldText, Hash, View};

pub(super) static HSCAN: Command = Command {
    name: "hscan",
    arity: -3,
    run: Run::Read(hscan),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::HASH).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Hash,
    summary: "Goes through the fields of a hash, some with each call.",
    since: "2.8.0",
    complexity: "O(1) for each call; O(N) for all calls until the cursor is 0 again, where N is the number of fields.",
    tips: &["nondeterministic_output"],
    args: &[
        Arg::key("key"),
        Arg::integer("cursor"),
        Arg::new("pattern", ArgKind::Pattern).token("MATCH").optional(),
        Arg::integer("count").token("COUNT").optional(),
        Arg::word("novalues", "NOVALUES").since("7.4.0").optional(),
    ],
    ..Command::BASE
};

/// Fields looked at in a call that does not say how many.
const COUNT_DEFAULT: usize = 10;

fn hscan(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(args.get(2)).ok_or(CommandError::new("ERR invalid cursor"))?;
    let Some(hash) = view.object::<Hash>(args.key(1))? else {
        // The options go unread, as in Redis.
        reply.array(2);
        reply.bulk(b"0");
        reply.array(0);
        return Ok(());
    };
    let mut pattern = None;
    let mut count = COUNT_DEFAULT;
    let mut with_values = true;
    let mut index = 3;
    while index < args.len() {
        if args.is(index, "NOVALUES") {
            with_values = false;
            index += 1;
            continue;
        }
        if index + 1 >= args.len() {
            return Err(CommandError::SYNTAX);
        }
        if args.is(index, "COUNT") {
            let asked = args.int(index + 1)?;
            count = usize::try_from(asked).ok().filter(|&count| count > 0).ok_or(CommandError::SYNTAX)?;
        } else if args.is(index, "MATCH") {
            let text = args.get(index + 1);
            // Also for the empty field, which no pattern matches.
            pattern = (text != b"*").then_some(text);
        } else {
            return Err(CommandError::SYNTAX);
        }
        index += 2;
    }
    let mut digits = itoa::Buffer::new();
    let mut found: Vec<FieldText<'_>> = Vec::new();
    let next = hash.scan(cursor, count, view.now_ms(), |field, value| {
        if pattern.is_none_or(|pattern| glob::matches(pattern, field.bytes(&mut digits), false)) {
            found.push(field);
            if with_values {
                found.push(value);
            }
        }
    });
    reply.array(2);
    reply.bulk_str(itoa::Buffer::new().format(next));
    reply.array(found.len());
    found.into_iter().for_each(|text| super::put(reply, text));
    Ok(())
}
