//! Setting fields: HSET, HMSET, HSETNX.

use std::sync::Arc;

use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Changed, Context, EMBEDDED_MAX, Event, Hash, NewValue, Ttl, Writer};

const FLAGS: Flags = Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST);
const ACL: Acl = Acl::WRITE.union(Acl::HASH).union(Acl::FAST);
const KEYS: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::UPDATE))];
const ARGS: &[Arg] = &[Arg::key("key"), Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple()];

/// What all of these tell.
pub(super) const EVENT: Event = Event::hash("hset");

/// The values of a call: long ones that have buffers of their own are moved.
pub(super) struct Values(Vec<(usize, Arc<Vec<u8>>)>);

impl Values {
    /// The values are every second argument from `first` on.
    pub(super) fn take(args: &mut Args<'_>, first: usize) -> Values {
        let mut moved = Vec::new();
        for index in (first..args.len()).step_by(2) {
            if args.is_owned(index) && args.get(index).len() > EMBEDDED_MAX {
                let mut bytes = args.take(index);
                if bytes.capacity() - bytes.len() > bytes.len() / 8 {
                    bytes.shrink_to_fit();
                }
                moved.push((index, Arc::new(bytes)));
            }
        }
        Values(moved)
    }

    fn moved(&self, index: usize) -> Option<&Arc<Vec<u8>>> {
        self.0.iter().find(|(moved, _)| *moved == index).map(|(_, bytes)| bytes)
    }

    /// The value at argument `index`.
    #[inline]
    fn get<'v>(&self, args: &'v Args<'_>, index: usize) -> NewValue<'v> {
        match self.moved(index) {
            Some(bytes) => NewValue::Raw(Arc::clone(bytes)),
            None => NewValue::string(args.get(index)),
        }
    }

    /// Sets the fields and values from argument `first` on. How many fields were new.
    pub(super) fn set(&self, hash: &mut Hash, args: &Args<'_>, first: usize, ttl: Ttl, context: &Context<'_>) -> usize {
        let pairs = (args.len() - first) / 2;
        // One alone finds out by itself.
        if pairs > 1 {
            let lens = (first..args.len()).map(|index| self.moved(index).map_or(args.get(index).len(), |b| b.len()));
            let (longest, bytes) = lens.fold((0, 0), |(longest, bytes), len| (len.max(longest), bytes + len));
            hash.prepare(pairs, longest, bytes, context);
        }
        let mut created = 0;
        for index in (first..args.len()).step_by(2) {
            created += usize::from(hash.set(args.get(index), self.get(args, index + 1), ttl, context));
        }
        created
    }
}

/// Sets the pairs of a call. How many fields were new.
#[inline]
fn set_pairs(args: &mut Args<'_>, db: &mut Writer<'_>, name: &str) -> Result<usize, CommandError> {
    if args.len() % 2 == 1 {
        return Err(CommandError::wrong_arity(name));
    }
    let values = Values::take(args, 3);
    let args = &*args;
    let change = |hash: &mut Hash, context: &Context<'_>| {
        let created = values.set(hash, args, 2, Ttl::Clear, context);
        Changed(created, args.len() / 2 - 1)
    };
    db.expire_fields(args.key(1), args.from(2).step_by(2));
    Ok(db.change_or_make(args.key(1), EVENT, |_| Hash::new(), change)?)
}

pub(super) static HSET: Command = Command {
    name: "hset",
    arity: -4,
    run: Run::Write(hset),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Sets fields of a hash, which is made if there is none.",
    since: "2.0.0",
    complexity: "O(N) where N is the number of fields given.",
    history: &[("4.0.0", "Several fields may be given.")],
    args: ARGS,
    ..Command::BASE
};

fn hset(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.len(set_pairs(args, db, "hset")?);
    Ok(())
}

pub(super) static HMSET: Command = Command {
    name: "hmset",
    arity: -4,
    run: Run::Write(hmset),
    flags: FLAGS,
    acl: ACL,
    keys: KEYS,
    group: Group::Hash,
    summary: "Sets several fields of a hash.",
    since: "2.0.0",
    complexity: "O(N) where N is the number of fields given.",
    deprecated: Some(("4.0.0", "`HSET` with several fields")),
    args: ARGS,
    ..Command::BASE
};

fn hmset(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    set_pairs(args, db, "hmset")?;
    reply.ok();
    Ok(())
}

pub(super) static HSETNX: Command = Command {
    name: "hsetnx",
    arity: 4,
    run: Run::Write(hsetnx),
    flags: FLAGS,
    acl: ACL,
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::INSERT))],
    group: Group::Hash,
    summary: "Sets a field of a hash, unless the hash has it.",
    since: "2.0.0",
    args: &[Arg::key("key"), Arg::string("field"), Arg::string("value")],
    ..Command::BASE
};

fn hsetnx(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let values = Values::take(args, 3);
    let args = &*args;
    let change = |hash: &mut Hash, context: &Context<'_>| {
        if hash.contains(args.get(2), context) {
            return Changed(0, 0);
        }
        values.set(hash, args, 2, Ttl::Clear, context);
        Changed(1, 1)
    };
    db.expire_fields(args.key(1), std::iter::once(args.get(2)));
    reply.int(db.change_or_make(args.key(1), EVENT, |_| Hash::new(), change)?);
    Ok(())
}
