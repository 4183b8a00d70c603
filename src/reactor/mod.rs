//! Sockets, rings, slabs and readiness: bytes in, bytes out. Nobody else touches a socket. Knows no command and no RESP.
//!
//! Every socket is registered once, edge-triggered, for both directions; there is no `epoll_ctl` after accept. A `recv` that fills less
//! than the space offered has drained the socket, and the next edge will come; one that fills it all has not, and the caller keeps the
//! connection on a list of its own instead of asking the kernel again.

mod buffer;
mod events;
pub mod http;
mod input;
mod listener;
mod output;
mod socket;
mod ticker;
mod waker;

pub use buffer::{BufferPool, RING_CAPACITY};
pub use events::{Event, Events};
pub use input::Input;
pub use listener::{Address, Listener};
pub use output::{IOV_MAX, Output, PUSH_SHARED_MIN, SharedMessage};
pub use socket::{Flushed, Received, Stream, flush, receive};
pub use ticker::Ticker;
pub use waker::Waker;
