//! PFADD.

use super::{ADDED, check};
use crate::collections::hyperloglog;
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Changed, Writer};

pub(super) static PFADD: Command = Command {
    name: "pfadd",
    arity: -2,
    run: Run::Write(pfadd),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::HYPERLOGLOG).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
    group: Group::HyperLogLog,
    summary: "Counts elements in, in a key that is created if there is none.",
    since: "2.8.9",
    complexity: "O(N) where N is the number of elements.",
    args: &[Arg::key("key"), Arg::string("element").optional().multiple()],
    ..Command::BASE
};

fn pfadd(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let key = args.key(1);
    let sparse_max_bytes = db.context().settings.hll_sparse_max_bytes;
    let is_new = match db.string(key).map_err(|_| CommandError::WRONG_TYPE)? {
        Some(mut value) => {
            check(value.as_bytes())?;
            false
        }
        None => true,
    };
    let changed = db.change_bytes(key, ADDED, |value| {
        let mut changes = 0;
        if is_new {
            *value = hyperloglog::new();
            hyperloglog::invalidate(value);
            changes = 1;
        }
        for element in args.from(2) {
            match hyperloglog::add(value, element, sparse_max_bytes) {
                Ok(changed) => changes += usize::from(changed),
                Err(corrupted) => return Changed(Err(corrupted), changes),
            }
        }
        Changed(Ok(changes > 0), changes)
    });
    let changed = changed.map_err(|_| CommandError::WRONG_TYPE)??;
    reply.int(i64::from(changed));
    Ok(())
}
