//! The one clock. It is read once a turn and handed down; a test runs on a virtual one.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall time and monotonic time, real or virtual.
#[derive(Clone, Debug)]
pub enum Clock {
    Real {
        origin: Instant,
    },
    /// Moves only when told to.
    Virtual(Rc<Cell<u64>>),
}

impl Clock {
    pub fn real() -> Clock {
        Clock::Real { origin: Instant::now() }
    }

    /// A clock that stands at `unix_us` until [`Clock::advance`] moves it.
    pub fn virtual_at(unix_us: u64) -> Clock {
        Clock::Virtual(Rc::new(Cell::new(unix_us)))
    }

    /// Microseconds since 1970.
    pub fn unix_us(&self) -> u64 {
        match self {
            Clock::Real { .. } => {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
            }
            Clock::Virtual(now) => now.get(),
        }
    }

    /// Nanoseconds since some fixed moment; never goes back.
    #[inline]
    pub fn monotonic_ns(&self) -> u64 {
        match self {
            Clock::Real { origin } => origin.elapsed().as_nanos() as u64,
            Clock::Virtual(now) => now.get() * 1000,
        }
    }

    /// Moves a virtual clock; panics on a real one.
    pub fn advance(&self, by: Duration) {
        match self {
            Clock::Real { .. } => panic!("the real clock moves by itself"),
            Clock::Virtual(now) => now.set(now.get() + by.as_micros() as u64),
        }
    }
}
