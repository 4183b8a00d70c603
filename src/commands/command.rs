//! The command record: everything that is known of a command, in one `static` directly above its function.
//!
//! Dispatch, arity errors, `COMMAND *`, key extraction, the gates and the per-command statistics all read these fields,
//! so a field that is wrong shows as wrong behaviour. The record never knows how a command works.

use crate::commands::{Args, CommandError, CommandResult, Reply};
use crate::keyspace::{Kind, View, Writer};
use crate::server::{Engine, Session};

/// A command or, inside [`Command::subcommands`], a subcommand.
pub struct Command {
    /// Lower case, as Redis prints it; of a subcommand only its own word.
    pub name: &'static str,
    /// Number of arguments with the name; negative: at least that many.
    pub arity: i16,
    /// What to call, and by that what it may touch.
    pub run: Run,
    /// Whether what it does is bounded by its few arguments, though it is not [`Flags::FAST`], which is Redis's to say: such commands are
    /// timed together.
    pub is_quick: bool,
    pub flags: Flags,
    pub acl: Acl,
    /// Where the keys are among the arguments.
    pub keys: &'static [KeySpec],
    pub group: Group,
    pub summary: &'static str,
    /// The Redis version that introduced it.
    pub since: &'static str,
    pub complexity: &'static str,
    /// What changed in which version.
    pub history: &'static [(&'static str, &'static str)],
    /// The hints of `COMMAND INFO` for proxies (`request_policy:...`).
    pub tips: &'static [&'static str],
    /// Version of deprecation and what to use instead.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Argument grammar, as `COMMAND DOCS` shows it and redis-cli hints from it.
    pub args: &'static [Arg],
    pub subcommands: &'static [&'static Command],
}

impl Command {
    /// What a record does not name: `static GET: Command = Command { name: "get", ..., ..Command::BASE };`
    pub const BASE: Command = Command {
        name: "",
        arity: 1,
        run: Run::Container,
        is_quick: false,
        flags: Flags::empty(),
        acl: Acl::empty(),
        keys: &[],
        group: Group::Generic,
        summary: "",
        since: "1.0.0",
        complexity: "O(1)",
        history: &[],
        tips: &[],
        deprecated: None,
        args: &[],
        subcommands: &[],
    };

    /// What the subcommands that print help have in common: `static HELP: Command = Command { run, group, since, ..Command::HELP };`
    pub const HELP: Command = Command {
        name: "help",
        arity: 2,
        is_quick: true,
        flags: Flags::LOADING.union(Flags::STALE),
        acl: Acl::SLOW,
        summary: "Says what the subcommands do.",
        ..Command::BASE
    };

    /// Whether `argc` arguments (with the name) satisfy the arity.
    #[inline]
    pub fn accepts(&self, argc: usize) -> bool {
        accepts(self.arity, argc)
    }
}

/// Whether `argc` arguments (with the name) satisfy an arity.
#[inline]
pub fn accepts(arity: i16, argc: usize) -> bool {
    let arity = i64::from(arity);
    if arity >= 0 { argc as i64 == arity } else { argc as i64 >= -arity }
}

/// The function of a command that changes keys.
pub type Write = fn(&mut Args<'_>, &mut Writer<'_>, &mut Reply<'_>) -> CommandResult;

/// The function of a command. Its type says what it may do, and the compiler holds it to that.
#[derive(Clone, Copy)]
pub enum Run {
    /// Arguments and reply only: PING, ECHO.
    Pure(fn(&mut Args<'_>, &mut Reply<'_>) -> CommandResult),
    /// A shared view of the keyspace: GET.
    Read(fn(&mut Args<'_>, &View<'_>, &mut Reply<'_>) -> CommandResult),
    /// The only way to change a key: SET.
    Write(Write),
    /// Changes keys if they are there, else waits for them: BLPOP. It is called again with the same arguments when one of them was
    /// changed, until it is done.
    Block(fn(&mut Args<'_>, &mut Writer<'_>, &mut Reply<'_>) -> Result<Outcome, CommandError>),
    /// The calling client's own state: SELECT, CLIENT SETNAME.
    Session(fn(&mut Args<'_>, &mut Session, &mut Reply<'_>) -> CommandResult),
    /// Everything: CONFIG, CLIENT KILL, FLUSHALL. The client is named by its slab key; its reply comes from
    /// [`Engine::reply`].
    Server(fn(&mut Args<'_>, &mut Engine, usize) -> CommandResult),
    /// Has only subcommands: CONFIG, CLIENT.
    Container,
}

/// What a blocking command came to.
pub enum Outcome {
    /// It has replied.
    Done,
    /// There is nothing yet; it has not replied.
    Wait(Wait),
}

/// What a client waits for. When its time is up it gets a null array; where it may not wait (inside MULTI), a null at once.
pub struct Wait {
    /// The arguments that are the keys.
    pub keys: std::ops::Range<usize>,
    /// How long, milliseconds; None: for ever.
    pub timeout_ms: Option<u64>,
    /// Whether the reply where it may not wait is a null array, rather than a null.
    pub null_array: bool,
    /// The type that a key must have for another attempt.
    pub kind: Kind,
    /// Whether another attempt is made at every change of a key, as one that is there may have too little; else when it is made.
    pub on_change: bool,
}

bitflags::bitflags! {
    /// What a command is like, in Redis's terms (<https://redis.io/docs/latest/commands/command/>, "Flags").
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Flags: u32 {
        const WRITE = 1;
        const READONLY = 1 << 1;
        const DENYOOM = 1 << 2;
        const ADMIN = 1 << 3;
        const PUBSUB = 1 << 4;
        const NOSCRIPT = 1 << 5;
        const BLOCKING = 1 << 6;
        const LOADING = 1 << 7;
        const STALE = 1 << 8;
        const SKIP_MONITOR = 1 << 9;
        const SKIP_SLOWLOG = 1 << 10;
        const ASKING = 1 << 11;
        const FAST = 1 << 12;
        const NO_AUTH = 1 << 13;
        const MAY_REPLICATE = 1 << 14;
        const NO_MANDATORY_KEYS = 1 << 15;
        const NO_ASYNC_LOADING = 1 << 16;
        const NO_MULTI = 1 << 17;
        const ALLOW_BUSY = 1 << 18;
        const MOVABLEKEYS = 1 << 19;
        /// Needs `enable-debug-command` or a like permission; not printed. Only for what the hot loop does not run: it does not ask.
        const PROTECTED = 1 << 20;
        /// The deprecated flag of `COMMAND DOCS`; derived from [`Command::deprecated`], here for system commands.
        const SYSCMD = 1 << 21;
        /// Is not put off by MULTI but executed at once; not printed.
        const IN_MULTI = 1 << 22;
    }
}

impl Flags {
    /// The flags that `COMMAND INFO` prints, in its order.
    pub const PRINTED: &'static [(Flags, &'static str)] = &[
        (Flags::WRITE, "write"),
        (Flags::READONLY, "readonly"),
        (Flags::DENYOOM, "denyoom"),
        (Flags::ADMIN, "admin"),
        (Flags::PUBSUB, "pubsub"),
        (Flags::NOSCRIPT, "noscript"),
        (Flags::BLOCKING, "blocking"),
        (Flags::LOADING, "loading"),
        (Flags::STALE, "stale"),
        (Flags::SKIP_MONITOR, "skip_monitor"),
        (Flags::SKIP_SLOWLOG, "skip_slowlog"),
        (Flags::ASKING, "asking"),
        (Flags::FAST, "fast"),
        (Flags::NO_AUTH, "no_auth"),
        (Flags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
        (Flags::NO_ASYNC_LOADING, "no_async_loading"),
        (Flags::NO_MULTI, "no_multi"),
        (Flags::MOVABLEKEYS, "movablekeys"),
        (Flags::ALLOW_BUSY, "allow_busy"),
    ];
}

bitflags::bitflags! {
    /// ACL categories (<https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/>).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Acl: u32 {
        const KEYSPACE = 1;
        const READ = 1 << 1;
        const WRITE = 1 << 2;
        const SET = 1 << 3;
        const SORTEDSET = 1 << 4;
        const LIST = 1 << 5;
        const HASH = 1 << 6;
        const STRING = 1 << 7;
        const BITMAP = 1 << 8;
        const HYPERLOGLOG = 1 << 9;
        const GEO = 1 << 10;
        const STREAM = 1 << 11;
        const PUBSUB = 1 << 12;
        const ADMIN = 1 << 13;
        const FAST = 1 << 14;
        const SLOW = 1 << 15;
        const BLOCKING = 1 << 16;
        const DANGEROUS = 1 << 17;
        const CONNECTION = 1 << 18;
        const TRANSACTION = 1 << 19;
        const SCRIPTING = 1 << 20;
    }
}

impl Acl {
    /// The category of this name, in any case.
    pub fn named(name: &[u8]) -> Option<Acl> {
        Acl::NAMES.iter().find(|(_, own)| own.as_bytes().eq_ignore_ascii_case(name)).map(|&(category, _)| category)
    }

    /// Every category with its name, in the order in which Redis lists them.
    pub const NAMES: &'static [(Acl, &'static str)] = &[
        (Acl::KEYSPACE, "keyspace"),
        (Acl::READ, "read"),
        (Acl::WRITE, "write"),
        (Acl::SET, "set"),
        (Acl::SORTEDSET, "sortedset"),
        (Acl::LIST, "list"),
        (Acl::HASH, "hash"),
        (Acl::STRING, "string"),
        (Acl::BITMAP, "bitmap"),
        (Acl::HYPERLOGLOG, "hyperloglog"),
        (Acl::GEO, "geo"),
        (Acl::STREAM, "stream"),
        (Acl::PUBSUB, "pubsub"),
        (Acl::ADMIN, "admin"),
        (Acl::FAST, "fast"),
        (Acl::SLOW, "slow"),
        (Acl::BLOCKING, "blocking"),
        (Acl::DANGEROUS, "dangerous"),
        (Acl::CONNECTION, "connection"),
        (Acl::TRANSACTION, "transaction"),
        (Acl::SCRIPTING, "scripting"),
    ];
}

/// Where a group of keys stands among the arguments
/// (<https://redis.io/docs/latest/develop/reference/key-specs/>).
pub struct KeySpec {
    pub notes: &'static str,
    pub flags: KeyFlags,
    pub begin: BeginSearch,
    pub find: FindKeys,
}

impl KeySpec {
    /// Where its first key is, if that is the same argument in every call; 0 otherwise.
    pub fn first_index(&self) -> u16 {
        match (&self.begin, &self.find) {
            (BeginSearch::Index(index), FindKeys::Range { .. }) => *index,
            _ => 0,
        }
    }

    /// Where its only key is, if it has never more than one, and that always at the same argument.
    pub fn one_index(&self) -> Option<u16> {
        match (&self.begin, &self.find) {
            (BeginSearch::Index(index), FindKeys::Range { last: 0, .. }) => Some(*index),
            _ => None,
        }
    }

    /// One key at argument `index`.
    pub const fn one(index: u16, flags: KeyFlags) -> KeySpec {
        KeySpec::range(index, 0, 1, flags)
    }

    /// Keys from argument `index` to `last` (relative to `index`; negative: from the end), every `step`-th.
    pub const fn range(index: u16, last: i32, step: u16, flags: KeyFlags) -> KeySpec {
        KeySpec { notes: "", flags, begin: BeginSearch::Index(index), find: FindKeys::Range { last, step, limit: 0 } }
    }

    /// A count at argument `index`, and that many keys behind it.
    pub const fn counted(index: u16, flags: KeyFlags) -> KeySpec {
        KeySpec {
            notes: "",
            flags,
            begin: BeginSearch::Index(index),
            find: FindKeys::KeyNum { count_at: 0, first: 1, step: 1 },
        }
    }
}

pub enum BeginSearch {
    Index(u16),
    /// From the argument after `keyword`, which is searched from argument `from` (negative: backwards from the end).
    Keyword {
        keyword: &'static str,
        from: i16,
    },
    Unknown,
}

pub enum FindKeys {
    Range { last: i32, step: u16, limit: u16 },
    KeyNum { count_at: u16, first: u16, step: u16 },
    Unknown,
}

bitflags::bitflags! {
    /// What a command does to a key.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct KeyFlags: u32 {
        const RO = 1;
        const RW = 1 << 1;
        const OW = 1 << 2;
        const RM = 1 << 3;
        const ACCESS = 1 << 4;
        const UPDATE = 1 << 5;
        const INSERT = 1 << 6;
        const DELETE = 1 << 7;
        const NOT_KEY = 1 << 8;
        const INCOMPLETE = 1 << 9;
        const VARIABLE_FLAGS = 1 << 10;
    }
}

impl KeyFlags {
    /// Names in the order in which `COMMAND INFO` and `COMMAND GETKEYSANDFLAGS` print them.
    pub const NAMES: &'static [(KeyFlags, &'static str)] = &[
        (KeyFlags::RO, "RO"),
        (KeyFlags::RW, "RW"),
        (KeyFlags::OW, "OW"),
        (KeyFlags::RM, "RM"),
        (KeyFlags::ACCESS, "access"),
        (KeyFlags::UPDATE, "update"),
        (KeyFlags::INSERT, "insert"),
        (KeyFlags::DELETE, "delete"),
        (KeyFlags::NOT_KEY, "not_key"),
        (KeyFlags::INCOMPLETE, "incomplete"),
        (KeyFlags::VARIABLE_FLAGS, "variable_flags"),
    ];
}

/// The group as `COMMAND DOCS` prints it; also the folder under `commands/`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    Bitmap,
    Cluster,
    Connection,
    Generic,
    Geo,
    Hash,
    HyperLogLog,
    List,
    PubSub,
    Scripting,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transactions,
}

impl Group {
    pub const fn name(self) -> &'static str {
        match self {
            Group::Bitmap => "bitmap",
            Group::Cluster => "cluster",
            Group::Connection => "connection",
            Group::Generic => "generic",
            Group::Geo => "geo",
            Group::Hash => "hash",
            Group::HyperLogLog => "hyperloglog",
            Group::List => "list",
            Group::PubSub => "pubsub",
            Group::Scripting => "scripting",
            Group::Server => "server",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::String => "string",
            Group::Transactions => "transactions",
        }
    }
}

/// One node of the argument grammar (<https://redis.io/docs/latest/develop/reference/command-arguments/>).
pub struct Arg {
    pub name: &'static str,
    pub kind: ArgKind,
    /// The literal word before the value, or the whole of a [`ArgKind::PureToken`].
    pub token: &'static str,
    pub flags: ArgFlags,
    /// Which [`Command::keys`] entry a [`ArgKind::Key`] belongs to.
    pub key_spec: u8,
    pub since: &'static str,
    pub deprecated_since: &'static str,
    /// What help shows for it, where that is not its name.
    pub display: &'static str,
    /// Choices of [`ArgKind::OneOf`], parts of [`ArgKind::Block`].
    pub args: &'static [Arg],
}

impl Arg {
    const BASE: Arg = Arg {
        name: "",
        kind: ArgKind::String,
        token: "",
        flags: ArgFlags::empty(),
        key_spec: 0,
        since: "",
        deprecated_since: "",
        display: "",
        args: &[],
    };

    pub const fn new(name: &'static str, kind: ArgKind) -> Arg {
        Arg { name, kind, ..Arg::BASE }
    }

    /// A key of the first key spec.
    pub const fn key(name: &'static str) -> Arg {
        Arg::new(name, ArgKind::Key)
    }

    pub const fn string(name: &'static str) -> Arg {
        Arg::new(name, ArgKind::String)
    }

    pub const fn integer(name: &'static str) -> Arg {
        Arg::new(name, ArgKind::Integer)
    }

    /// A literal word, such as `NX`.
    pub const fn word(name: &'static str, token: &'static str) -> Arg {
        Arg { name, token, kind: ArgKind::PureToken, ..Arg::BASE }
    }

    pub const fn one_of(name: &'static str, args: &'static [Arg]) -> Arg {
        Arg { name, args, kind: ArgKind::OneOf, ..Arg::BASE }
    }

    pub const fn block(name: &'static str, args: &'static [Arg]) -> Arg {
        Arg { name, args, kind: ArgKind::Block, ..Arg::BASE }
    }

    /// Preceded by a literal word: `COUNT count`.
    pub const fn token(mut self, token: &'static str) -> Arg {
        self.token = token;
        self
    }

    pub const fn optional(mut self) -> Arg {
        self.flags = self.flags.union(ArgFlags::OPTIONAL);
        self
    }

    pub const fn multiple(mut self) -> Arg {
        self.flags = self.flags.union(ArgFlags::MULTIPLE);
        self
    }

    /// Its token is repeated with each value.
    pub const fn multiple_token(mut self) -> Arg {
        self.flags = self.flags.union(ArgFlags::MULTIPLE).union(ArgFlags::MULTIPLE_TOKEN);
        self
    }

    pub const fn of_spec(mut self, key_spec: u8) -> Arg {
        self.key_spec = key_spec;
        self
    }

    pub const fn since(mut self, version: &'static str) -> Arg {
        self.since = version;
        self
    }

    pub const fn display(mut self, text: &'static str) -> Arg {
        self.display = text;
        self
    }

    pub const fn deprecated_since(mut self, version: &'static str) -> Arg {
        self.deprecated_since = version;
        self
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgKind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    OneOf,
    Block,
}

impl ArgKind {
    pub const fn name(self) -> &'static str {
        match self {
            ArgKind::String => "string",
            ArgKind::Integer => "integer",
            ArgKind::Double => "double",
            ArgKind::Key => "key",
            ArgKind::Pattern => "pattern",
            ArgKind::UnixTime => "unix-time",
            ArgKind::PureToken => "pure-token",
            ArgKind::OneOf => "oneof",
            ArgKind::Block => "block",
        }
    }
}

bitflags::bitflags! {
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct ArgFlags: u8 {
        const OPTIONAL = 1;
        const MULTIPLE = 1 << 1;
        const MULTIPLE_TOKEN = 1 << 2;
    }
}
