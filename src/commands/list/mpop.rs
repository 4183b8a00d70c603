//! Taking elements from the first of several lists: LMPOP, BLMPOP.

use super::pop::{pop_name, pop_range};
use super::{BLOCKING_ACL, WRITE_ACL, side};
use crate::base::number;
use crate::commands::{
    Arg, ArgKind, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Outcome, Reply, Run,
    Wait,
};
use crate::keyspace::{Kind, Side, Writer};

const KEYS: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);
const SIDE: Arg = Arg::one_of("where", &[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")]);
const COUNT: Arg = Arg::integer("count").token("COUNT").optional();

pub(super) static LMPOP: Command = Command {
    name: "lmpop",
    arity: -4,
    run: Run::Write(lmpop),
    flags: Flags::WRITE.union(Flags::MOVABLEKEYS),
    acl: WRITE_ACL,
    keys: &[KeySpec::counted(1, KEYS)],
    group: Group::List,
    summary: "Removes and answers elements of the first list that is there. A list without elements goes.",
    since: "7.0.0",
    complexity: "O(N+M) where N is the number of keys and M the number of elements answered",
    args: &[Arg::integer("numkeys"), Arg::key("key").multiple(), SIDE, COUNT],
    ..Command::BASE
};

fn lmpop(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let call = Call::parse(args, 1)?;
    if !call.pop(args, db, reply)? {
        reply.null_array();
    }
    Ok(())
}

pub(super) static BLMPOP: Command = Command {
    name: "blmpop",
    arity: -5,
    run: Run::Block(blmpop),
    flags: Flags::WRITE.union(Flags::BLOCKING).union(Flags::MOVABLEKEYS),
    acl: BLOCKING_ACL,
    keys: &[KeySpec::counted(2, KEYS)],
    group: Group::List,
    summary: "Removes and answers elements of the first list that is there; waits for one if there is none.",
    since: "7.0.0",
    complexity: "O(N+M) where N is the number of keys and M the number of elements answered",
    args: &[Arg::new("timeout", ArgKind::Double), Arg::integer("numkeys"), Arg::key("key").multiple(), SIDE, COUNT],
    ..Command::BASE
};

fn blmpop(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let call = Call::parse(args, 2)?;
    let timeout_ms = args.timeout_ms(1, db.now_ms())?;
    if call.pop(args, db, reply)? {
        return Ok(Outcome::Done);
    }
    Ok(Outcome::Wait(Wait { keys: call.keys, timeout_ms, null_array: true, kind: Kind::List, on_change: false }))
}

/// What a call asks for.
struct Call {
    /// The arguments that are the keys.
    keys: std::ops::Range<usize>,
    side: Side,
    count: usize,
}

impl Call {
    /// The number of keys is argument `at`.
    fn parse(args: &Args<'_>, at: usize) -> Result<Call, CommandError> {
        let keys = positive(args.get(at), "ERR numkeys should be greater than 0")?;
        let first = at + 1;
        let end = first.saturating_add(keys);
        if end >= args.len() {
            return Err(CommandError::SYNTAX);
        }
        let side = side(args, end)?;
        let mut count = None;
        let mut index = end + 1;
        while index < args.len() {
            if count.is_some() || !args.is(index, "COUNT") || index + 1 >= args.len() {
                return Err(CommandError::SYNTAX);
            }
            count = Some(positive(args.get(index + 1), "ERR count should be greater than 0")?);
            index += 2;
        }
        Ok(Call { keys: first..end, side, count: count.unwrap_or(1) })
    }

    /// False: none of the keys is there.
    fn pop(&self, args: &Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> Result<bool, CommandError> {
        for index in self.keys.clone() {
            let key = db.key(args.get(index));
            let head = |reply: &mut Reply<'_>| {
                reply.array(2);
                reply.bulk(key.bytes);
            };
            if let Some(popped) = pop_range(db, key, self.side, self.count, reply, head)? {
                let mut digits = itoa::Buffer::new();
                db.propagate(&[pop_name(self.side), key.bytes, digits.format(popped).as_bytes()]);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn positive(text: &[u8], error: &'static str) -> Result<usize, CommandError> {
    number::parse_i64(text)
        .and_then(|number| usize::try_from(number).ok())
        .filter(|&number| number > 0)
        .ok_or(CommandError::new(error))
}
