//! Members drawn at random: SPOP takes them out, SRANDMEMBER only looks.

use super::put;
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, DRAWS_MAX, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Changed, Event, Member, Set, Typed, View, Writer};

/// Members that one SREM of the journal removes.
const PROPAGATED_MAX: usize = 1024;
const POPPED: Event = Event::set("spop");

pub(super) static SPOP: Command = Command {
    name: "spop",
    arity: -2,
    run: Run::Write(spop),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::SET).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE))],
    group: Group::Set,
    summary: "Removes and returns one or more members drawn at random; a key left without members is deleted.",
    complexity: "O(1) without a count, else O(N) where N is the count.",
    history: &[("3.2.0", "Added the `count` argument.")],
    tips: &["nondeterministic_output"],
    args: &[Arg::key("key"), Arg::integer("count").since("3.2.0").optional()],
    ..Command::BASE
};

fn spop(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 2 {
        return spop_count(args, db, reply);
    }
    let key = args.key(1);
    let mut popped_member = db.propagates().then(Vec::new);
    let popped = db.change(key, POPPED, |set: &mut Set, context| {
        set.pop(context, |member| {
            if let Some(text) = &mut popped_member {
                text.extend_from_slice(member.text(&mut itoa::Buffer::new()));
            }
            put(reply, member)
        });
        Changed((), 1)
    })?;
    match (popped, popped_member) {
        (None, _) => reply.null(),
        (Some(()), Some(member)) => db.propagate(&[b"SREM", key.bytes, &member]),
        (Some(()), None) => {}
    }
    Ok(())
}

fn spop_count(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::SYNTAX);
    }
    const NOT_POSITIVE: CommandError = CommandError::new("ERR value is out of range, must be positive");
    let count = args.int(2).ok().and_then(|count| usize::try_from(count).ok()).ok_or(NOT_POSITIVE)?;
    let key = args.key(1);
    let propagates = db.propagates();
    let mut popped_members: Vec<Vec<u8>> = Vec::new();
    let mut are_all = true;
    let popped = db.change(key, POPPED, |set: &mut Set, context| {
        let popped = count.min(set.len());
        reply.set(popped);
        if count < set.len() {
            are_all = false;
            let visit = |member: Member<'_>| {
                if propagates {
                    popped_members.push(member.text(&mut itoa::Buffer::new()).to_vec());
                }
                put(reply, member)
            };
            return Changed(set.pop_some(count, context, visit), popped);
        }
        Changed(Some(set.pop_all(context, |member| put(reply, member))), popped)
    })?;
    match popped {
        Some(Some(rest)) => db.discard(rest),
        Some(None) => {}
        None => {
            reply.set(0);
            return Ok(());
        }
    }
    if !propagates {
        return Ok(());
    }
    if are_all {
        db.propagate(&[b"DEL", key.bytes]);
    }
    for some in popped_members.chunks(PROPAGATED_MAX) {
        let mut command = vec![b"SREM".as_slice(), key.bytes];
        command.extend(some.iter().map(Vec::as_slice));
        db.propagate(&command);
    }
    Ok(())
}

pub(super) static SRANDMEMBER: Command = Command {
    name: "srandmember",
    arity: -2,
    run: Run::Read(srandmember),
    is_quick: true,
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::SET).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Set,
    summary: "Returns one or more members drawn at random.",
    complexity: "O(1) without a count, else O(N) where N is the count without its sign.",
    history: &[("2.6.0", "Added the optional `count` argument.")],
    tips: &["nondeterministic_output"],
    args: &[Arg::key("key"), Arg::integer("count").since("2.6.0").optional()],
    ..Command::BASE
};

fn srandmember(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::SYNTAX);
    }
    let count = if args.len() == 3 { Some(args.int_within(2, -i64::MAX, i64::MAX)?) } else { None };
    let set = view.object::<Set>(args.key(1))?;
    let context = view.context();
    match (count, set) {
        (None, None) => reply.null(),
        (None, Some(set)) => match set.random(&context) {
            Some(member) => put(reply, member),
            None => reply.null(),
        },
        (Some(_), None) | (Some(0), _) => reply.array(0),
        (Some(count), Some(set)) if count < 0 => {
            let count = count.unsigned_abs();
            if count > DRAWS_MAX {
                return Err(CommandError::new("ERR value is out of range"));
            }
            reply.array(count as usize);
            for _ in 0..count {
                set.random(&context).into_iter().for_each(|member| put(reply, member));
            }
        }
        (Some(count), Some(set)) if count as usize >= set.len() => {
            reply.array(set.len());
            set.iter().for_each(|member| put(reply, member));
        }
        (Some(count), Some(set)) => {
            reply.array(count as usize);
            set.sample(count as usize, &context, |member| put(reply, member));
        }
    }
    Ok(())
}
