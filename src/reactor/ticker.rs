//! A clock tick as an event (timerfd_create(2)): what wakes the loop for its periodic jobs, so that `epoll_wait` needs no timeout. A
//! timeout would have the kernel set and cancel a timer each time the loop sleeps, some per cent of an unpipelined request.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// Readable once every period.
pub struct Ticker {
    timer: TimerFd,
}

impl Ticker {
    /// # Errors
    /// As timerfd_create(2), timerfd_settime(2), epoll_ctl(2).
    pub fn new(period: Duration, registry: &Registry, token: Token) -> io::Result<Ticker> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        timer.set(Expiration::Interval(TimeSpec::from_duration(period)), TimerSetTimeFlags::empty())?;
        registry.register(&mut SourceFd(&timer.as_fd().as_raw_fd()), token, Interest::READABLE)?;
        Ok(Ticker { timer })
    }

    /// Takes note of the ticks that have been.
    pub fn acknowledge(&self) {
        // Nothing to read is no error: the tick was acknowledged already.
        let _ = self.timer.wait();
    }
}
