//! How another thread wakes the loop (eventfd(2)).

use std::io;
use std::sync::Arc;

use mio::{Registry, Token};

/// Wakes the loop; every clone the same one.
#[derive(Clone)]
pub struct Waker(Arc<mio::Waker>);

impl Waker {
    /// # Errors
    /// As eventfd(2), epoll_ctl(2).
    pub fn new(registry: &Registry, token: Token) -> io::Result<Waker> {
        mio::Waker::new(registry, token).map(Arc::new).map(Waker)
    }

    pub fn wake(&self) {
        // A full counter is a loop that has been woken often enough.
        let _ = self.0.wake();
    }
}
