//! BITFIELD and BITFIELD_RO: reading, setting and incrementing integers of any width at any offset.

use smallvec::SmallVec;

use super::bit::SET_BIT;
use super::bit_offset;
use super::field::{FieldType, Overflow};
use crate::base::growth::grow;
use crate::commands::{
    Acl, Arg, Args, BeginSearch, Command, CommandError, CommandResult, FindKeys, Flags, Group, KeyFlags, KeySpec,
    Reply, Run,
};
use crate::keyspace::{Changed, StringBytes, View, Writer};

const FIELD: [Arg; 2] = [Arg::string("encoding"), Arg::integer("offset")];

pub(super) static BITFIELD: Command = Command {
    name: "bitfield",
    arity: -2,
    run: Run::Write(bitfield),
    is_quick: true,
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::BITMAP).union(Acl::SLOW),
    keys: &[KeySpec {
        notes: "This command allows both access and modification of the key",
        flags: KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE).union(KeyFlags::VARIABLE_FLAGS),
        begin: BeginSearch::Index(1),
        find: FindKeys::Range { last: 0, step: 1, limit: 0 },
    }],
    group: Group::Bitmap,
    summary: "Reads, sets and increments integers of any width at any bit of a string.",
    since: "3.2.0",
    complexity: "O(1) for each operation.",
    args: &[
        Arg::key("key"),
        Arg::one_of(
            "operation",
            &[
                Arg::block("get-block", &FIELD).token("GET"),
                Arg::block(
                    "write",
                    &[
                        Arg::one_of(
                            "overflow-block",
                            &[Arg::word("wrap", "WRAP"), Arg::word("sat", "SAT"), Arg::word("fail", "FAIL")],
                        )
                        .token("OVERFLOW")
                        .optional(),
                        Arg::one_of(
                            "write-operation",
                            &[
                                Arg::block(
                                    "set-block",
                                    &[Arg::string("encoding"), Arg::integer("offset"), Arg::integer("value")],
                                )
                                .token("SET"),
                                Arg::block(
                                    "incrby-block",
                                    &[Arg::string("encoding"), Arg::integer("offset"), Arg::integer("increment")],
                                )
                                .token("INCRBY"),
                            ],
                        ),
                    ],
                ),
            ],
        )
        .optional()
        .multiple(),
    ],
    ..Command::BASE
};

pub(super) static BITFIELD_RO: Command = Command {
    name: "bitfield_ro",
    arity: -2,
    run: Run::Read(bitfield_ro),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::BITMAP).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Bitmap,
    summary: "Reads integers of any width at any bit of a string.",
    since: "6.0.0",
    complexity: "O(1) for each operation.",
    args: &[Arg::key("key"), Arg::block("get-block", &FIELD).token("GET").optional().multiple_token()],
    ..Command::BASE
};

enum Action {
    Get,
    Set(i64),
    IncrBy(i64),
}

struct Operation {
    field: FieldType,
    offset: u64,
    action: Action,
    overflow: Overflow,
}

type Operations = SmallVec<[Operation; 4]>;

fn read(args: &Args<'_>, bulk_max: usize) -> Result<Operations, CommandError> {
    let mut operations = Operations::new();
    let mut overflow = Overflow::Wrap;
    let mut index = 2;
    while index < args.len() {
        let left = args.len() - index - 1;
        if args.is(index, "OVERFLOW") && left >= 1 {
            let named = [("WRAP", Overflow::Wrap), ("SAT", Overflow::Saturate), ("FAIL", Overflow::Fail)];
            let found = named.iter().find(|(name, _)| args.is(index + 1, name));
            overflow = found.ok_or(CommandError::new("ERR Invalid OVERFLOW type specified"))?.1;
            index += 2;
            continue;
        }
        let is_get = args.is(index, "GET") && left >= 2;
        let is_set = args.is(index, "SET") && left >= 3;
        if !is_get && !is_set && !(args.is(index, "INCRBY") && left >= 3) {
            return Err(CommandError::SYNTAX);
        }
        const NO_TYPE: CommandError = CommandError::new(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        );
        let field = FieldType::parse(args.get(index + 1)).ok_or(NO_TYPE)?;
        let offset = bit_offset(args, index + 2, Some(field.width), bulk_max)?;
        let action = if is_get {
            Action::Get
        } else {
            let number = args.int(index + 3)?;
            if is_set { Action::Set(number) } else { Action::IncrBy(number) }
        };
        operations.push(Operation { field, offset, action, overflow });
        index += if is_get { 3 } else { 4 };
    }
    Ok(operations)
}

/// With no operation but GET, nothing is changed or created.
fn reply_fields(args: &Args<'_>, operations: &Operations, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let value = view.string(args.key(1)).map_err(|_| CommandError::WRONG_TYPE)?;
    let mut value = value.unwrap_or(StringBytes::Bytes(b""));
    let bytes = value.as_bytes();
    reply.array(operations.len());
    operations.iter().for_each(|operation| reply.int(operation.field.read(bytes, operation.offset)));
    Ok(())
}

fn bitfield(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let operations = read(args, db.bulk_max())?;
    let writes = operations.iter().filter(|operation| !matches!(operation.action, Action::Get));
    let Some(end) = writes.map(|operation| operation.offset + u64::from(operation.field.width)).max() else {
        return reply_fields(args, &operations, &db.view(), reply);
    };
    let changed = db.change_bytes(args.key(1), SET_BIT, |bytes| {
        let grown = grow(bytes, end.div_ceil(8) as usize);
        let mut changes = 0;
        reply.array(operations.len());
        for Operation { field, offset, action, overflow } in &operations {
            let old = field.read(bytes, *offset);
            let new = match action {
                Action::Get => {
                    reply.int(old);
                    continue;
                }
                Action::Set(number) => field.fit_given(*number, *overflow),
                Action::IncrBy(increment) => field.fit(i128::from(old) + i128::from(*increment), *overflow),
            };
            let Some(new) = new else {
                reply.null();
                continue;
            };
            reply.int(if matches!(action, Action::Set(_)) { old } else { new });
            field.write(bytes, *offset, new);
            changes += usize::from(grown || old != new);
        }
        Changed((), changes)
    });
    changed.map_err(|_| CommandError::WRONG_TYPE)
}

fn bitfield_ro(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let operations = read(args, view.bulk_max())?;
    if operations.iter().any(|operation| !matches!(operation.action, Action::Get)) {
        return Err(CommandError::new("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    reply_fields(args, &operations, view, reply)
}
