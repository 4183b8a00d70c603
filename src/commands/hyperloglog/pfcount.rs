//! PFCOUNT. Of one key the count is remembered in its value, so the command writes though it is called read-only.

use super::value_of;
use crate::collections::hyperloglog::{self, Registers};
use crate::commands::{
    Acl, Arg, Args, BeginSearch, Command, CommandError, CommandResult, FindKeys, Flags, Group, KeyFlags, KeySpec,
    Reply, Run,
};
use crate::keyspace::{Changed, Writer};

pub(super) static PFCOUNT: Command = Command {
    name: "pfcount",
    arity: -2,
    run: Run::Write(pfcount),
    flags: Flags::READONLY.union(Flags::MAY_REPLICATE),
    acl: Acl::READ.union(Acl::HYPERLOGLOG).union(Acl::SLOW),
    keys: &[KeySpec {
        notes: "RW because it may change the internal representation of the key, and propagate to replicas",
        flags: KeyFlags::RW.union(KeyFlags::ACCESS),
        begin: BeginSearch::Index(1),
        find: FindKeys::Range { last: -1, step: 1, limit: 0 },
    }],
    group: Group::HyperLogLog,
    summary: "Returns about how many distinct elements have been counted in, in one key or several together.",
    since: "2.8.9",
    complexity: "O(1) for one key whose count is remembered; O(N) with a large constant for N keys.",
    args: &[Arg::key("key").multiple()],
    ..Command::BASE
};

fn pfcount(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 2 {
        let mut registers = Registers::new();
        for key in args.from(1) {
            if let Some((mut value, _)) = value_of(&db.view(), key)? {
                registers.merge(value.as_bytes())?;
            }
        }
        reply.int(registers.estimate() as i64);
        return Ok(());
    }
    let cached = match value_of(&db.view(), args.get(1))? {
        None => Some(0),
        Some((mut value, _)) => hyperloglog::cached(value.as_bytes()),
    };
    let count = match cached {
        Some(count) => count,
        None => {
            let counted = db.change_bytes(args.key(1), None, |value| {
                let counted = hyperloglog::count(value);
                let changes = usize::from(counted.is_ok());
                Changed(counted, changes)
            });
            counted.map_err(|_| CommandError::WRONG_TYPE)??
        }
    };
    reply.int(count as i64);
    Ok(())
}
