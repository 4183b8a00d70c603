//! HRANDFIELD.

use super::put;
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, DRAWS_MAX, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Hash, View};

pub(super) static HRANDFIELD: Command = Command {
    name: "hrandfield",
    arity: -2,
    run: Run::Read(hrandfield),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::HASH).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Hash,
    summary: "Returns fields of a hash drawn at random.",
    since: "6.2.0",
    complexity: "O(N) where N is the number of fields returned.",
    tips: &["nondeterministic_output"],
    args: &[
        Arg::key("key"),
        Arg::block("options", &[Arg::integer("count"), Arg::word("withvalues", "WITHVALUES").optional()]).optional(),
    ],
    ..Command::BASE
};

fn hrandfield(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let context = view.context();
    if args.len() == 2 {
        let pair = view.object::<Hash>(args.key(1))?.and_then(|hash| hash.random(&context));
        super::put_or_null(reply, pair.map(|(field, _)| field));
        return Ok(());
    }
    let count = args.int_within(2, -i64::MAX, i64::MAX)?;
    let with_values = args.len() == 4 && args.is(3, "WITHVALUES");
    if args.len() > 3 && !with_values {
        return Err(CommandError::SYNTAX);
    }
    const OUT_OF_RANGE: CommandError = CommandError::new("ERR value is out of range");
    if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(OUT_OF_RANGE);
    }
    let hash = view.object::<Hash>(args.key(1))?;
    let living = hash.map_or(0, |hash| hash.living_len(view.now_ms()));
    let Some(hash) = hash.filter(|_| count != 0 && living > 0) else {
        reply.array(0);
        return Ok(());
    };
    if count < 0 && count.unsigned_abs() > DRAWS_MAX {
        return Err(OUT_OF_RANGE);
    }
    let asked = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let answered = if count < 0 { asked } else { asked.min(living) };
    // In RESP3 each field with its value is an array.
    let in_pairs = with_values && reply.is_resp3();
    reply.array(if with_values && !in_pairs { 2 * answered } else { answered });
    let put_pair = |field, value| {
        if in_pairs {
            reply.array(2);
        }
        put(reply, field);
        if with_values {
            put(reply, value);
        }
    };
    if count < 0 {
        hash.draw(answered, &context, put_pair);
    } else if answered == living {
        let mut put_pair = put_pair;
        hash.for_each(view.now_ms(), |field, value, _| put_pair(field, value));
    } else {
        hash.sample(answered, &context, put_pair);
    }
    Ok(())
}
