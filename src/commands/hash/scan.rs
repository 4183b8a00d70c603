//! HSCAN.

use crate::commands::generic::{ScanArgs, parse_cursor, reply_next, reply_nothing};
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

fn hscan(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cursor = parse_cursor(args.get(2)).ok_or(CommandError::new("ERR invalid cursor"))?;
    let Some(hash) = view.object::<Hash>(args.key(1))? else {
        reply_nothing(reply);
        return Ok(());
    };
    let mut with_values = true;
    let options = ScanArgs::read_with(args, 3, |index| {
        let is_own = args.is(index, "NOVALUES");
        with_values &= !is_own;
        usize::from(is_own)
    })?;
    let mut digits = itoa::Buffer::new();
    let mut found: Vec<FieldText<'_>> = Vec::new();
    let next = hash.scan(cursor, options.count, view.now_ms(), |field, value| {
        if options.accepts(field.bytes(&mut digits)) {
            found.push(field);
            if with_values {
                found.push(value);
            }
        }
    });
    reply_next(reply, next);
    reply.array(found.len());
    found.into_iter().for_each(|text| super::put(reply, text));
    Ok(())
}
