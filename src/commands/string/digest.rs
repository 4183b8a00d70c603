//! Comparing a value without sending it: DIGEST, and the conditions of SET and DELEX (IFEQ, IFNE, IFDEQ, IFDNE).

use xxhash_rust::xxh3::xxh3_64;

use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{View, Writer};

/// Hexadecimal digits of a digest.
const DIGITS: usize = 16;

/// The XXH3 hash of a value, as clients send and see it.
fn digest_of(value: &[u8]) -> [u8; DIGITS] {
    let hash = xxh3_64(value);
    std::array::from_fn(|digit| b"0123456789abcdef"[(hash >> (4 * (DIGITS - 1 - digit))) as usize & 0xf])
}

/// What a value must be like for the command to act.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// IFEQ
    Equals,
    /// IFNE
    Differs,
    /// IFDEQ
    DigestEquals,
    /// IFDNE
    DigestDiffers,
}

impl Condition {
    pub(super) fn of_word(word: &[u8]) -> Option<Condition> {
        let is = |token: &str| word.eq_ignore_ascii_case(token.as_bytes());
        match word.len() {
            4 if is("IFEQ") => Some(Condition::Equals),
            4 if is("IFNE") => Some(Condition::Differs),
            5 if is("IFDEQ") => Some(Condition::DigestEquals),
            5 if is("IFDNE") => Some(Condition::DigestDiffers),
            _ => None,
        }
    }

    /// Whether `value` is as `operand`, a value or a digest, says.
    ///
    /// # Errors
    /// The operand is no digest.
    pub(super) fn holds(self, value: &[u8], operand: &[u8]) -> Result<bool, CommandError> {
        match self {
            Condition::Equals => Ok(value == operand),
            Condition::Differs => Ok(value != operand),
            Condition::DigestEquals | Condition::DigestDiffers => {
                if operand.len() != DIGITS {
                    return Err(CommandError::new("ERR must be exactly 16 hexadecimal characters"));
                }
                let equals = digest_of(value).eq_ignore_ascii_case(operand);
                Ok(equals == (self == Condition::DigestEquals))
            }
        }
    }

    /// Whether a key that is not there is as it says: nothing differs from everything.
    pub(super) fn holds_for_missing(self) -> bool {
        matches!(self, Condition::Differs | Condition::DigestDiffers)
    }
}

/// `IFEQ ifeq-value`
pub(super) const IFEQ: Arg = Arg::string("ifeq-value").token("IFEQ");
/// `IFNE ifne-value`
pub(super) const IFNE: Arg = Arg::string("ifne-value").token("IFNE");
/// `IFDEQ ifdeq-digest`
pub(super) const IFDEQ: Arg = Arg::string("ifdeq-digest").token("IFDEQ");
/// `IFDNE ifdne-digest`
pub(super) const IFDNE: Arg = Arg::string("ifdne-digest").token("IFDNE");

pub(super) static DIGEST: Command = Command {
    name: "digest",
    arity: 2,
    run: Run::Read(digest),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::STRING).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::String,
    summary: "Returns the XXH3 hash of the string value of a key, in hexadecimal.",
    since: "8.4.0",
    complexity: "O(N) where N is the length of the value.",
    args: &[Arg::key("key")],
    ..Command::BASE
};

fn digest(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match view.string(args.key(1)).map_err(|_| CommandError::WRONG_TYPE)? {
        Some(mut value) => reply.bulk(&digest_of(value.as_bytes())),
        None => reply.null(),
    }
    Ok(())
}

pub(super) static DELEX: Command = Command {
    name: "delex",
    arity: -2,
    run: Run::Write(delex),
    flags: Flags::WRITE.union(Flags::FAST),
    acl: Acl::WRITE.union(Acl::STRING).union(Acl::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.union(KeyFlags::DELETE).union(KeyFlags::VARIABLE_FLAGS))],
    group: Group::String,
    summary: "Deletes a key if its value, or the digest of it, is as expected.",
    since: "8.4.0",
    complexity: "O(1) with IFEQ and IFNE; O(N) with IFDEQ and IFDNE, where N is the length of the value.",
    args: &[Arg::key("key"), Arg::one_of("condition", &[IFEQ, IFNE, IFDEQ, IFDNE]).optional()],
    ..Command::BASE
};

fn delex(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() != 2 && args.len() != 4 {
        return Err(CommandError::wrong_arity("delex"));
    }
    let key = args.key(1);
    let deletes = args.len() == 2 || {
        match db.string(key) {
            Ok(None) => false,
            Ok(Some(mut value)) => Condition::of_word(args.get(2))
                .ok_or(CommandError::new("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"))?
                .holds(value.as_bytes(), args.get(3))?,
            Err(_) => {
                return Err(CommandError::new("ERR Key should be of string type if conditions are specified"));
            }
        }
    };
    let is_deleted = deletes && db.delete_and_tell(key);
    if is_deleted {
        db.propagate(&[b"DEL", key.bytes]);
    }
    reply.int(i64::from(is_deleted));
    Ok(())
}
