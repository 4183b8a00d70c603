//! PFMERGE.

use super::{ADDED, value_of};
use crate::collections::hyperloglog::{self, Encoding, Registers};
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Changed, Writer};

pub(super) static PFMERGE: Command = Command {
    name: "pfmerge",
    arity: -2,
    run: Run::Write(pfmerge),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::HYPERLOGLOG).union(Acl::SLOW),
    keys: &[
        KeySpec::one(1, KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::INSERT)),
        KeySpec::range(2, -1, 1, KeyFlags::RO.union(KeyFlags::ACCESS)),
    ],
    group: Group::HyperLogLog,
    summary: "Counts into a key what has been counted into others.",
    since: "2.8.9",
    complexity: "O(N) with a large constant, where N is the number of keys.",
    args: &[Arg::key("destkey"), Arg::key("sourcekey").of_spec(1).optional().multiple()],
    ..Command::BASE
};

fn pfmerge(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let sparse_max_bytes = db.context().settings.hll_sparse_max_bytes;
    let mut registers = Registers::new();
    let mut dense = false;
    // The destination is a source too.
    for key in args.from(1) {
        if let Some((mut value, encoding)) = value_of(&db.view(), key)? {
            dense |= encoding == Encoding::Dense;
            registers.merge(value.as_bytes())?;
        }
    }
    let stored = db.change_bytes(args.key(1), ADDED, |value| {
        if value.is_empty() {
            *value = hyperloglog::new();
        }
        Changed(registers.store(value, dense, sparse_max_bytes), 1)
    });
    stored.map_err(|_| CommandError::WRONG_TYPE)??;
    reply.ok();
    Ok(())
}
