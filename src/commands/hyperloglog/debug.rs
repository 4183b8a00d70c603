//! PFDEBUG, which shows what is inside a value, and PFSELFTEST.

use super::value_of;
use crate::base::random::Random;
use crate::collections::hyperloglog::{self, Encoding, Registers};
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run, quotable,
};
use crate::keyspace::{Changed, Writer};

pub(super) static PFDEBUG: Command = Command {
    name: "pfdebug",
    arity: 3,
    run: Run::Write(pfdebug),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::ADMIN).union(Flags::SYSCMD),
    acl: Acl::WRITE.union(Acl::HYPERLOGLOG).union(Acl::ADMIN).union(Acl::SLOW).union(Acl::DANGEROUS),
    keys: &[KeySpec::one(2, KeyFlags::RW.union(KeyFlags::ACCESS))],
    group: Group::HyperLogLog,
    summary: "Shows what is inside a HyperLogLog, for debugging.",
    since: "2.8.9",
    complexity: "N/A",
    args: &[Arg::string("subcommand"), Arg::key("key")],
    ..Command::BASE
};

fn pfdebug(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let view = db.view();
    let Some((mut value, encoding)) = value_of(&view, args.get(2))? else {
        return Err(CommandError::new("ERR The specified key does not exist"));
    };
    if args.is(1, "ENCODING") {
        reply.simple(if encoding == Encoding::Dense { "dense" } else { "sparse" });
    } else if args.is(1, "DECODE") {
        let runs = hyperloglog::decode(value.as_bytes())?;
        reply.bulk_str(&runs.ok_or(CommandError::new("ERR HLL encoding is not sparse"))?);
    } else if args.is(1, "TODENSE") {
        let converted = encoding == Encoding::Sparse && to_dense(args, db)?;
        reply.int(i64::from(converted));
    } else if args.is(1, "GETREG") {
        let mut registers = Registers::new();
        registers.merge(value.as_bytes())?;
        if encoding == Encoding::Sparse {
            to_dense(args, db)?;
        }
        reply.array(hyperloglog::REGISTERS);
        registers.iter().for_each(|register| reply.int(i64::from(register)));
    } else {
        let text = [b"ERR Unknown PFDEBUG subcommand '".as_slice(), quotable(args.get(1)), b"'"].concat();
        return Err(CommandError::owned(text));
    }
    Ok(())
}

fn to_dense(args: &Args<'_>, db: &mut Writer<'_>) -> Result<bool, CommandError> {
    let key = db.key(args.get(2));
    let converted = db.change_bytes(key, None, |value| {
        let converted = hyperloglog::to_dense(value);
        let changes = usize::from(converted.is_ok());
        Changed(converted, changes)
    });
    converted.map_err(|_| CommandError::WRONG_TYPE)??;
    Ok(true)
}

pub(super) static PFSELFTEST: Command = Command {
    name: "pfselftest",
    arity: 1,
    run: Run::Pure(pfselftest),
    flags: Flags::ADMIN.union(Flags::SYSCMD),
    acl: Acl::HYPERLOGLOG.union(Acl::ADMIN).union(Acl::SLOW).union(Acl::DANGEROUS),
    group: Group::HyperLogLog,
    summary: "Tries out whether HyperLogLogs keep what is counted into them.",
    since: "2.8.9",
    complexity: "N/A",
    ..Command::BASE
};

fn pfselftest(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if !hyperloglog::self_test(&mut Random::new(1)) {
        return Err(CommandError::new("ERR a HyperLogLog does not keep what is counted into it"));
    }
    reply.ok();
    Ok(())
}
