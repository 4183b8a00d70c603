//! BITOP: several strings combined bit by bit, under a key.

use std::sync::Arc;

use smallvec::SmallVec;

use super::bits::{Operation, combine};
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Event, NewValue, StringBytes, Ttl, Writer};

pub(super) static BITOP: Command = Command {
    name: "bitop",
    arity: -4,
    run: Run::Write(bitop),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::BITMAP).union(Acl::SLOW),
    keys: &[
        KeySpec::one(2, KeyFlags::OW.union(KeyFlags::UPDATE)),
        KeySpec::range(3, -1, 1, KeyFlags::RO.union(KeyFlags::ACCESS)),
    ],
    group: Group::Bitmap,
    summary: "Combines strings bit by bit and stores the result under a key.",
    since: "2.6.0",
    complexity: "O(N) where N is the length of all strings.",
    history: &[("8.2.0", "Added the `DIFF`, `DIFF1`, `ANDOR` and `ONE` operations.")],
    args: &[
        Arg::one_of(
            "operation",
            &[
                Arg::word("and", "AND"),
                Arg::word("or", "OR"),
                Arg::word("xor", "XOR"),
                Arg::word("not", "NOT"),
                Arg::word("diff", "DIFF").since("8.2.0"),
                Arg::word("diff1", "DIFF1").since("8.2.0"),
                Arg::word("andor", "ANDOR").since("8.2.0"),
                Arg::word("one", "ONE").since("8.2.0"),
            ],
        ),
        Arg::key("destkey"),
        Arg::key("key").of_spec(1).multiple(),
    ],
    ..Command::BASE
};

const OPERATIONS: [(&str, Operation); 8] = [
    ("AND", Operation::And),
    ("OR", Operation::Or),
    ("XOR", Operation::Xor),
    ("NOT", Operation::Not),
    ("DIFF", Operation::Diff),
    ("DIFF1", Operation::Diff1),
    ("ANDOR", Operation::AndOr),
    ("ONE", Operation::One),
];

fn bitop(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let operation = OPERATIONS.iter().find(|(name, _)| args.is(1, name));
    let &(name, operation) = operation.ok_or(CommandError::SYNTAX)?;
    let sources = args.len() - 3;
    if operation == Operation::Not && sources != 1 {
        return Err(CommandError::new("ERR BITOP NOT must be called with a single source key."));
    }
    if matches!(operation, Operation::Diff | Operation::Diff1 | Operation::AndOr) && sources < 2 {
        return Err(CommandError::owned(format!("ERR BITOP {name} must be called with at least two source keys.")));
    }
    let destination = db.key(args.get(2));
    let result = {
        let view = db.view();
        let mut values: SmallVec<[StringBytes<'_>; 4]> = SmallVec::new();
        for key in args.from(3) {
            let value = view.string(view.key(key)).map_err(|_| CommandError::WRONG_TYPE)?;
            values.push(value.unwrap_or(StringBytes::Bytes(b"")));
        }
        let sources: SmallVec<[&[u8]; 4]> = values.iter_mut().map(StringBytes::as_bytes).collect();
        combine(operation, &sources)
    };
    reply.len(result.len());
    if !result.is_empty() {
        db.set(destination, NewValue::Raw(Arc::new(result)), Ttl::Clear);
        db.notify(Event::SET, destination);
    } else {
        db.delete_and_tell(destination);
    }
    Ok(())
}
