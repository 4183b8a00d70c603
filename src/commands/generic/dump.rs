//! DUMP and RESTORE: a value as bytes, and back.

use crate::base::log;
use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Event, Ttl, View, Writer};
use crate::persistence::rdb;

pub(super) static DUMP: Command = Command {
    name: "dump",
    arity: 2,
    run: Run::Read(dump),
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE.union(Acl::READ).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Generic,
    summary: "Returns the value of a key as bytes that RESTORE makes the value of again.",
    since: "2.6.0",
    complexity: "O(1) to find the key, and O(N) to write its N elements; compact values are copied as they are.",
    tips: &["nondeterministic_output"],
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn dump(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match view.find(args.key(1)) {
        Some(entry) => reply.bulk(&rdb::dump(&entry.value())),
        None => reply.null(),
    }
    Ok(())
}

pub(super) static RESTORE: Command = Command {
    name: "restore",
    arity: -4,
    run: Run::Write(restore),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::KEYSPACE.union(Acl::WRITE).union(Acl::SLOW).union(Acl::DANGEROUS),
    keys: &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE))],
    group: Group::Generic,
    summary: "Creates a key with the value that DUMP made bytes of.",
    since: "2.6.0",
    complexity: "O(1) to make the key, and O(N) to read its N elements; O(N*log(N)) for sorted sets.",
    history: RESTORE_HISTORY,
    args: RESTORE_ARGS,
    ..Command::BASE
};

const RESTORE_HISTORY: &[(&str, &str)] =
    &[("3.0.0", "Added REPLACE."), ("5.0.0", "Added ABSTTL."), ("5.0.0", "Added IDLETIME and FREQ.")];
const RESTORE_ARGS: &[Arg] = &[
    Arg::key("key"),
    Arg::integer("ttl"),
    Arg::string("serialized-value"),
    Arg::word("replace", "REPLACE").optional().since("3.0.0"),
    Arg::word("absttl", "ABSTTL").optional().since("5.0.0"),
    Arg::integer("seconds").token("IDLETIME").optional().since("5.0.0"),
    Arg::integer("frequency").token("FREQ").optional().since("5.0.0"),
];

/// What MIGRATE of a node of a cluster sends to a server, whether that is in one or not.
pub(super) static RESTORE_ASKING: Command = Command {
    name: "restore-asking",
    arity: -4,
    run: Run::Write(restore),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::ASKING).union(Flags::SYSCMD),
    acl: Acl::KEYSPACE.union(Acl::WRITE).union(Acl::SLOW).union(Acl::DANGEROUS),
    keys: &[KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE))],
    group: Group::Server,
    summary: "The same as RESTORE, between nodes of a cluster.",
    since: "3.0.0",
    complexity: "O(1) to make the key, and O(N) to read its N elements; O(N*log(N)) for sorted sets.",
    history: RESTORE_HISTORY,
    args: RESTORE_ARGS,
    ..Command::BASE
};

/// What stands behind the payload.
#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_s: Option<i64>,
    frequency: Option<u8>,
}

fn options(args: &Args<'_>) -> Result<Options, CommandError> {
    let mut options = Options::default();
    let mut index = 4;
    while index < args.len() {
        let has_value = index + 1 < args.len();
        if args.is(index, "REPLACE") {
            options.replace = true;
        } else if args.is(index, "ABSTTL") {
            options.absolute = true;
        } else if args.is(index, "IDLETIME") && has_value && options.frequency.is_none() {
            index += 1;
            let idle_s = args.int(index)?;
            if idle_s < 0 {
                return Err(CommandError::new("ERR Invalid IDLETIME value, must be >= 0"));
            }
            options.idle_s = Some(idle_s);
        } else if args.is(index, "FREQ") && has_value && options.idle_s.is_none() {
            index += 1;
            let frequency = u8::try_from(args.int(index)?)
                .map_err(|_| CommandError::new("ERR Invalid FREQ value, must be >= 0 and <= 255"))?;
            options.frequency = Some(frequency);
        } else {
            return Err(CommandError::SYNTAX);
        }
        index += 1;
    }
    Ok(options)
}

fn restore(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let options = options(args)?;
    let key = args.key(1);
    if !options.replace && db.exists(key) {
        return Err(CommandError::new("BUSYKEY Target key name already exists."));
    }
    let ttl_ms = args.int(2)?;
    if ttl_ms < 0 {
        return Err(CommandError::new("ERR Invalid TTL value, must be >= 0"));
    }
    let payload = args.get(3);
    if !rdb::is_intact(payload) && !(db.skips_checksums() && rdb::has_known_version(payload)) {
        return Err(CommandError::new("ERR DUMP payload version or checksum are wrong"));
    }
    let mut loaded = rdb::restore(payload, &db.context()).map_err(|error| {
        log::warning(format_args!("RESTORE of a payload that is corrupt: integrity check failed: {error}"));
        CommandError::new("ERR Bad data format")
    })?;
    let ttl = match (ttl_ms, options.absolute) {
        (0, _) => Ttl::Clear,
        (deadline_ms, true) => Ttl::At(deadline_ms),
        (ttl_ms, false) => Ttl::At(ttl_ms.saturating_add(db.relative_to_ms())),
    };
    if let Ttl::At(deadline_ms) = ttl
        && deadline_ms < db.now_ms()
    {
        // It would be gone at once; what was there is.
        if db.delete_and_tell(key) {
            // Executed again, where time stands still, it would not be.
            db.propagate(&[b"DEL", key.bytes]);
        }
        reply.ok();
        return Ok(());
    }
    if let Ttl::At(deadline_ms) = ttl {
        let mut digits = itoa::Buffer::new();
        let deadline = digits.format(deadline_ms).as_bytes();
        let mut command = vec![b"RESTORE", key.bytes, deadline, payload, b"REPLACE", b"ABSTTL"];
        let mut use_digits = itoa::Buffer::new();
        match (options.idle_s, options.frequency) {
            (Some(idle_s), _) => command.extend([b"IDLETIME".as_slice(), use_digits.format(idle_s).as_bytes()]),
            (None, Some(frequency)) => command.extend([b"FREQ".as_slice(), use_digits.format(frequency).as_bytes()]),
            (None, None) => {}
        }
        db.propagate(&command);
    }
    // Not the use of one, whatever the new one is: an old one's bits do not pass to it.
    db.remove(key);
    db.set(key, loaded.as_new(), ttl);
    db.set_use(key, options.idle_s, options.frequency);
    db.notify(Event::generic("restore"), key);
    reply.ok();
    Ok(())
}
