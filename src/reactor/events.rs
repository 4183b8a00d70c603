//! What epoll_wait(2) brings. It is called without libc, whose wrapper is a cancellation point: two locked instructions and a second
//! frame of code for every turn of the loop. Everything is registered through mio, so the data of an event is mio's token.

use std::io;
use std::time::Duration;

use mio::{Registry, Token};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventFlags};

/// The events of one turn.
pub struct Events {
    taken: Vec<epoll::Event>,
}

/// Of whom, and what.
#[derive(Clone, Copy)]
pub struct Event {
    pub token: Token,
    flags: EventFlags,
}

impl Events {
    /// Takes at most so many at once.
    pub fn with_capacity(capacity: usize) -> Events {
        Events { taken: Vec::with_capacity(capacity) }
    }

    /// Sleeps until there are some, or a signal comes, or for so long, in milliseconds rounded up; None: for ever.
    ///
    /// # Errors
    /// As epoll_wait(2), but for EINTR, which is the end of the sleep without an event.
    #[inline]
    pub fn wait(&mut self, registry: &Registry, timeout: Option<Duration>) -> io::Result<()> {
        self.taken.clear();
        // A time beyond what a timespec holds is as good as for ever.
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        match epoll::wait(registry, spare_capacity(&mut self.taken), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Event> {
        self.taken.iter().map(|event| Event { token: Token(event.data.u64() as usize), flags: event.flags })
    }
}

impl Event {
    /// There is something to read, or the end of it, or an error.
    #[inline]
    pub fn is_readable(self) -> bool {
        self.flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR)
    }

    #[inline]
    pub fn is_writable(self) -> bool {
        self.flags.contains(EventFlags::OUT)
    }

    /// The peer sends nothing more.
    #[inline]
    pub fn is_read_closed(self) -> bool {
        self.flags.contains(EventFlags::HUP) || self.flags.contains(EventFlags::IN | EventFlags::RDHUP)
    }
}
