//! Moving several elements from one list to another at once: LMOVEM, and the same waiting for them: BLMOVEM. Of Redis 8.10.

use super::lmove::{DESTINATION, FROM, KEYS, SOURCE, TIMEOUT, TO, wait_for_source};
use super::pop::pop_name;
use super::{BLOCKING_ACL, WRITE_ACL, pop_event, push_event, side};
use crate::base::number;
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Flags, Group, Outcome, Reply, Run};
use crate::keyspace::{Changed, List, Side, Typed, Writer};

const HOW_MANY: Arg = Arg::block(
    "how-many",
    &[
        Arg::one_of("selector", &[Arg::integer("count").token("COUNT"), Arg::integer("exactly").token("EXACTLY")]),
        Arg::one_of("ordering", &[Arg::word("obo", "OBO"), Arg::word("bulk", "BULK")]),
    ],
)
.optional();

pub(super) static LMOVEM: Command = Command {
    name: "lmovem",
    arity: -5,
    run: Run::Write(lmovem),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: WRITE_ACL,
    keys: KEYS,
    group: Group::List,
    summary: "Moves up to, or exactly, so many elements from an end of a list to an end of another, and answers them.",
    since: "8.10.0",
    complexity: "O(N) where N is the number of elements moved",
    args: &[SOURCE, DESTINATION, FROM, TO, HOW_MANY],
    ..Command::BASE
};

fn lmovem(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let call = Call::parse(args, 5)?;
    if !call.move_elements(args, db, reply)? {
        reply.null_array();
    }
    Ok(())
}

pub(super) static BLMOVEM: Command = Command {
    name: "blmovem",
    arity: -6,
    run: Run::Block(blmovem),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::BLOCKING),
    acl: BLOCKING_ACL,
    keys: KEYS,
    group: Group::List,
    summary: "Moves up to, or exactly, so many elements from an end of a list to an end of another, and answers them; waits for \
              them if there are too few.",
    since: "8.10.0",
    complexity: "O(N) where N is the number of elements moved",
    args: &[SOURCE, DESTINATION, FROM, TO, TIMEOUT, HOW_MANY],
    ..Command::BASE
};

fn blmovem(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> Result<Outcome, CommandError> {
    let call = Call::parse(args, 6)?;
    let timeout_ms = args.timeout_ms(5, db.now_ms())?;
    if call.move_elements(args, db, reply)? { Ok(Outcome::Done) } else { Ok(wait_for_source(timeout_ms, true)) }
}

/// What a call asks for.
struct Call {
    from: Side,
    to: Side,
    count: usize,
    /// Not fewer.
    exactly: bool,
    /// One after the other, which turns the order around if they come and go by the same end.
    one_by_one: bool,
}

impl Call {
    /// What is optional begins at argument `at`.
    fn parse(args: &Args<'_>, at: usize) -> Result<Call, CommandError> {
        let (from, to) = (side(args, 3)?, side(args, 4)?);
        let mut call = Call { from, to, count: 1, exactly: false, one_by_one: false };
        if args.len() == at {
            return Ok(call);
        }
        if args.len() != at + 3 {
            return Err(CommandError::SYNTAX);
        }
        call.exactly = match () {
            () if args.is(at, "EXACTLY") => true,
            () if args.is(at, "COUNT") => false,
            () => return Err(CommandError::SYNTAX),
        };
        call.one_by_one = match () {
            () if args.is(at + 2, "OBO") => true,
            () if args.is(at + 2, "BULK") => false,
            () => return Err(CommandError::SYNTAX),
        };
        call.count = number::parse_i64(args.get(at + 1))
            .and_then(|count| usize::try_from(count).ok())
            .filter(|&count| count > 0)
            .ok_or(CommandError::new("ERR count should be greater than 0"))?;
        Ok(call)
    }

    /// Names what it does as any version of Redis understands it.
    fn propagate(&self, args: &Args<'_>, db: &mut Writer<'_>, moved: &[Box<[u8]>]) {
        let (source, destination) = (args.get(1), args.get(2));
        let mut digits = itoa::Buffer::new();
        let mut push: Vec<&[u8]> = Vec::with_capacity(2 + moved.len());
        match self.to {
            // Each is pushed in front of the one before.
            Side::Left => {
                push.extend([b"LPUSH".as_slice(), destination]);
                push.extend(moved.iter().rev().map(|element| &**element));
            }
            Side::Right => {
                push.extend([b"RPUSH".as_slice(), destination]);
                push.extend(moved.iter().map(|element| &**element));
            }
        }
        db.propagate(&[pop_name(self.from), source, digits.format(moved.len()).as_bytes()]);
        db.propagate(&push);
    }

    /// False: there are too few, or none.
    fn move_elements(&self, args: &Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> Result<bool, CommandError> {
        let (source, destination) = (args.key(1), db.key(args.get(2)));
        let Some(list) = db.object::<List>(source)? else { return Ok(false) };
        if self.exactly && list.len() < self.count {
            return Ok(false);
        }
        let count = self.count.min(list.len());
        let start = match self.from {
            Side::Left => 0,
            Side::Right => list.len() - count,
        };
        let mut digits = itoa::Buffer::new();
        let mut moved: Vec<Box<[u8]>> = Vec::with_capacity(count);
        list.range(start, count).for_each(Side::Left, |element| moved.push(element.text(&mut digits).into()));
        if self.one_by_one && self.from == self.to {
            moved.reverse();
        }
        let bytes = moved.iter().map(|element| element.len()).sum();
        let push_all = |list: &mut List| match self.to {
            Side::Left => moved.iter().rev().for_each(|element| list.push(Side::Left, element)),
            Side::Right => moved.iter().for_each(|element| list.push(Side::Right, element)),
        };
        let removed = if source.bytes == destination.bytes {
            let removed = db.change(source, push_event(self.to), |list: &mut List, context| {
                let removed = list.remove_range(start, count);
                list.make_room(bytes, count, context);
                push_all(list);
                list.settle();
                Changed(removed, count)
            })?;
            db.notify(pop_event(self.from), source);
            removed
        } else {
            // First, because what is there may be no list.
            db.change_or_make(
                destination,
                push_event(self.to),
                |_| List::new(),
                |list, context| {
                    list.make_room(bytes, count, context);
                    push_all(list);
                    Changed((), count)
                },
            )?;
            let removed = db.change(source, pop_event(self.from), |list: &mut List, _| {
                let removed = list.remove_range(start, count);
                list.settle();
                Changed(removed, count)
            })?;
            db.count_less(count);
            removed
        };
        if let Some(removed) = removed.flatten() {
            db.discard(removed);
        }
        if db.propagates() {
            self.propagate(args, db, &moved);
        }
        reply.bulks(&moved);
        Ok(true)
    }
}
