//! One client: what it is, what it may, what it is in the middle of.

use std::mem::offset_of;

use crate::acl::{DEFAULT_USER, UserId};
use crate::commands::CommandId;
use crate::reactor::{Input, Output, Stream};
use crate::resp::reply::Version;
use crate::resp::request::{ArgRef, Parser};
use crate::server::blocking::Waiting;
use crate::server::client_eviction::Counted;
use crate::server::tracking::ClientTracking;
use crate::server::transaction::{Transaction, Watching};

/// A connected client: its socket, what it has sent, what it is to be sent, and its session.
///
/// In this order in memory, so that a turn of GETs and SETs touches the first five cache lines of it and never the others, which are for
/// what few clients do:
///
/// ```text
///   0        16        80        144       208      248       272       296
///   | stream | session | input   | output  | parser | partial | spilled | waiting, transaction, watching, tracking, ...
///   | flags  |
/// ```
#[repr(C, align(64))]
pub struct Client {
    pub stream: Stream,
    /// Is on the list of clients with replies to send.
    pub dirty: bool,
    /// Has requests in the batch; until they have been run its ring is not to be touched.
    pub gathered: bool,
    /// Is on the list of clients with messages to send.
    pub fanned_out: bool,
    /// Is on the list of clients whose socket or input has more to give.
    pub ready: bool,
    /// Its socket may hold bytes for which no other event will come.
    pub unread: bool,
    /// Has whole requests in its ring for which a turn had no time; they come before anything else is received.
    pub put_off: bool,
    /// The peer sends no more: no other event will come, so the socket is read until it says so too.
    pub read_closed: bool,
    /// Is to be closed when what is being done with it is done.
    pub closing: bool,
    pub session: Session,
    pub input: Input,
    pub output: Output,
    pub parser: Parser,
    /// Arguments of the frame that is not complete yet.
    pub partial: Vec<ArgRef>,
    /// The frame that outgrew the ring, complete and waiting to be executed.
    pub spilled: Vec<u8>,
    /// What it is blocked in.
    pub waiting: Option<Box<Waiting>>,
    /// What MULTI has put off.
    pub transaction: Option<Box<Transaction>>,
    /// The empty one of the last time, with its room.
    pub idle_transaction: Option<Box<Transaction>>,
    /// The keys that it watches.
    pub watching: Option<Box<Watching>>,
    /// How it was counted for `maxmemory-clients`.
    pub counted: Counted,
    /// Number in [`PubSub`](crate::server::pubsub::PubSub), if it has subscriptions.
    pub subscriber: Option<u32>,
    /// Memory that its subscriptions cost, bytes.
    pub subscription_bytes: usize,
    /// What it asked for with CLIENT TRACKING.
    pub tracking: Option<Box<ClientTracking>>,
    /// Since when the output has been over its soft limit, monotonic milliseconds.
    pub over_soft_since_ms: Option<u64>,
}

// With debug assertions mio's sockets are larger.
const _: () = assert!(cfg!(debug_assertions) || (offset_of!(Client, session) == 16 && offset_of!(Client, input) == 80));
const _: () =
    assert!(cfg!(debug_assertions) || (offset_of!(Client, output) == 144 && offset_of!(Client, parser) == 208));
const _: () =
    assert!(cfg!(debug_assertions) || (offset_of!(Client, partial) == 248 && offset_of!(Client, spilled) == 272));
const _: () = assert!(offset_of!(Client, waiting) <= 5 * 64);

/// What must be looked at before a command may run; all zero on the hot path. [`crate::server::gates`] says what each means.
pub mod gate {
    pub const UNAUTHENTICATED: u32 = 1;
    pub const REPLY_SKIP_NEXT: u32 = 1 << 1;
    /// A request waits: for the end of CLIENT PAUSE, for memory, for what was published before it. Nothing of the client is executed until
    /// then.
    pub const HELD: u32 = 1 << 2;
    /// It is closed as soon as its replies are sent, or at the end of the turn; nothing of it is executed any more.
    pub const CLOSING: u32 = 1 << 3;
    /// CLIENT PAUSE is on, or the disk does not keep up with the append-only file: commands it concerns are put off.
    pub const PAUSED: u32 = 1 << 4;
    /// It waits for a key; nothing more of it is executed until then.
    pub const BLOCKED: u32 = 1 << 5;
    /// It has a transaction: its requests are put off until EXEC.
    pub const MULTI: u32 = 1 << 6;
    /// The data set is being loaded: only what can do without it is executed.
    pub const LOADING: u32 = 1 << 7;
    /// The last save failed, or the append-only file takes nothing: nothing may be changed.
    pub const DISK_ERROR: u32 = 1 << 8;
    /// Its user may not do everything.
    pub const RESTRICTED: u32 = 1 << 9;
    /// It speaks RESP2 and has subscriptions: only what has to do with them is executed.
    pub const SUBSCRIBED: u32 = 1 << 10;
    /// More messages are on their way to subscribers than is good: PUBLISH waits.
    pub const FAN_OUT: u32 = 1 << 11;
    /// Somebody may want to know of lookups of missing keys: every command is looked after by itself.
    pub const KEY_MISS: u32 = 1 << 12;
    /// The keys that it reads are remembered.
    pub const TRACKING: u32 = 1 << 13;
    /// More memory is in use than `maxmemory` allows.
    pub const MEMORY: u32 = 1 << 14;
    /// It monitors: what it may see of the data is what others do.
    pub const MONITORS: u32 = 1 << 15;
    /// It waits for something that another thread does; nothing more of it is executed until then.
    pub const AWAITS: u32 = 1 << 25;
    /// Somebody looks at every command by itself: MONITOR, HOTKEYS, a log with a small threshold. It keeps nobody from anything.
    pub const ONE_BY_ONE: u32 = 1 << 24;

    /// What was asked when a request was put off, and does not matter any more when EXEC comes to it.
    pub const PASSED_BY_EXEC: u32 =
        REPLY_SKIP_NEXT | PAUSED | CLOSING | LOADING | DISK_ERROR | FAN_OUT | MEMORY | MONITORS;
}

/// The state of a client that commands see and change.
#[repr(C)]
pub struct Session {
    /// Bits of [`gate`].
    pub gates: u32,
    /// Who it is logged in as.
    pub user: UserId,
    pub db: usize,
    pub id: u64,
    pub last_interaction_ms: u64,
    pub last_command: Option<CommandId>,
    /// The subcommand that was named last, of whichever container; or that container, which is shown then, or none that there is.
    pub last_subcommand: Option<CommandId>,
    pub version: Version,
    /// Close when the replies so far are sent.
    pub close_after_reply: bool,
    pub no_touch: bool,
    pub no_evict: bool,
    pub reply_off: bool,
    /// Whether it may go on when the user `default` needs a password.
    pub authenticated: bool,
    /// It executes an append-only file again: nobody sees it, and no limit ends it.
    pub replays: bool,
    /// MONITOR: it is told of every command.
    pub monitors: bool,
    /// The request that is held has a frame of its own: the client's spilled one, with the partial arguments.
    pub holds_spilled: bool,
    pub identity: Box<Identity>,
}

/// Who a client is and where it is: what only those look at who ask for it.
#[derive(Default)]
pub struct Identity {
    pub addr: String,
    pub laddr: String,
    pub name: Vec<u8>,
    pub lib_name: Vec<u8>,
    pub lib_ver: Vec<u8>,
    pub created_ms: u64,
    pub fd: i32,
    pub unix_socket: bool,
}

impl Identity {
    /// Memory held, bytes.
    fn memory_bytes(&self) -> usize {
        let texts = self.addr.capacity() + self.laddr.capacity();
        let names = self.name.capacity() + self.lib_name.capacity() + self.lib_ver.capacity();
        size_of::<Identity>() + texts + names
    }
}

impl Session {
    pub fn new(id: u64, now_ms: u64) -> Session {
        Session {
            gates: 0,
            user: DEFAULT_USER,
            db: 0,
            id,
            last_interaction_ms: now_ms,
            last_command: None,
            last_subcommand: None,
            version: Version::Resp2,
            close_after_reply: false,
            no_touch: false,
            no_evict: false,
            reply_off: false,
            authenticated: true,
            replays: false,
            monitors: false,
            holds_spilled: false,
            identity: Box::new(Identity { created_ms: now_ms, fd: -1, ..Identity::default() }),
        }
    }

    /// Whether nothing of it may be executed now.
    #[inline]
    pub fn is_held(&self) -> bool {
        self.gates & (gate::HELD | gate::CLOSING | gate::BLOCKED | gate::AWAITS) != 0
    }
}

impl Client {
    pub fn new(stream: Stream, session: Session) -> Client {
        Client {
            stream,
            input: Input::default(),
            output: Output::default(),
            parser: Parser::default(),
            partial: Vec::new(),
            spilled: Vec::new(),
            session,
            waiting: None,
            transaction: None,
            idle_transaction: None,
            watching: None,
            counted: Counted::default(),
            dirty: false,
            fanned_out: false,
            subscriber: None,
            subscription_bytes: 0,
            tracking: None,
            gathered: false,
            ready: false,
            unread: false,
            put_off: false,
            read_closed: false,
            closing: false,
            over_soft_since_ms: None,
        }
    }
    /// Whether it is on its way out.
    pub fn is_closing(&self) -> bool {
        self.closing || self.session.close_after_reply
    }

    /// Of the request that is not complete: bytes of the arguments that are, and what all that was parsed of it takes of the input.
    pub fn unfinished_bytes(&self) -> (usize, usize) {
        let in_frame: usize = self.partial.iter().map(|arg| arg.len_in_frame()).sum();
        let owned: usize = self.input.owned.iter().map(Vec::len).sum();
        (in_frame + owned, self.parser.pos() + owned)
    }

    /// Memory that it costs, bytes.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Client>()
            + self.input.memory_bytes()
            + self.output.memory_bytes()
            + self.partial.capacity() * size_of::<ArgRef>()
            + self.spilled.capacity()
            + self.waiting.as_ref().map_or(0, |waiting| waiting.memory_bytes())
            + self.transaction.as_ref().map_or(0, |transaction| transaction.memory_bytes())
            + self.idle_transaction.as_ref().map_or(0, |transaction| transaction.memory_bytes())
            + self.subscription_bytes
            + self.tracking.as_ref().map_or(0, |tracking| tracking.memory_bytes())
            + self.watching.as_ref().map_or(0, |watching| watching.memory_bytes())
            + self.session.identity.memory_bytes()
    }
}
