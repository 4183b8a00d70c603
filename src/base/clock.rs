//! The one clock. What a turn does happens at one time, which is handed down; the recorder of turns reads the clock besides. A test runs on
//! a virtual one.

mod counter;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::ClockId;

use counter::Counter;

/// Wall time and monotonic time, real or virtual.
#[derive(Clone, Debug)]
pub enum Clock {
    Real(RealClock),
    /// Moves only when told to.
    Virtual(Rc<VirtualClock>),
}

/// A time that tests set.
#[derive(Debug)]
pub struct VirtualClock {
    /// Wall time, had nobody set it.
    unix_us: Cell<u64>,
    set_back_us: Cell<u64>,
    /// Passes before each look at monotonic time.
    between_looks_us: Cell<u64>,
}

impl VirtualClock {
    /// Monotonic time, which a look may move.
    #[cold]
    #[inline(never)]
    fn look_ns(&self) -> u64 {
        self.unix_us.set(self.unix_us.get() + self.between_looks_us.get());
        self.unix_us.get() * 1000
    }
}

/// The system's clocks, of which one is read: wall time follows from monotonic time until [`Clock::resync`] looks again.
#[derive(Clone, Debug)]
pub struct RealClock {
    /// Monotonic time when the clock was made, nanoseconds.
    origin_ns: u64,
    /// Wall time then, as of the last look.
    origin_unix_us: u64,
    /// Tells monotonic time for less, where the machine has one to rely on.
    counter: Option<Counter>,
    /// The latest time told, since the origin.
    told_ns: Cell<u64>,
}

impl RealClock {
    #[inline]
    fn since_origin_ns(&self) -> u64 {
        let counted_ns = self.counter.as_ref().and_then(Counter::now_ns);
        let now_ns = match counted_ns {
            Some(counted_ns) => counted_ns,
            None => uncounted_ns(),
        } - self.origin_ns;
        let told_ns = now_ns.max(self.told_ns.get());
        self.told_ns.set(told_ns);
        told_ns
    }
}

/// The same as [`system_ns`], out of the way of readings of the counter.
#[cold]
#[inline(never)]
fn uncounted_ns() -> u64 {
    system_ns()
}

/// Monotonic time by the system's clock, nanoseconds.
#[inline]
fn system_ns() -> u64 {
    read_ns(ClockId::CLOCK_MONOTONIC)
}

/// A clock of the kernel, nanoseconds; see clock_gettime(2), which does not fail for those that there are. An `Instant` costs as much
/// again: it checks its subtractions.
#[inline]
fn read_ns(clock: ClockId) -> u64 {
    clock.now().map_or(0, |time| time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

fn system_unix_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

impl Clock {
    pub fn real() -> Clock {
        Clock::Real(RealClock {
            origin_ns: system_ns(),
            origin_unix_us: system_unix_us(),
            counter: Counter::new(system_ns),
            told_ns: Cell::new(0),
        })
    }

    /// A clock that stands at `unix_us` until [`Clock::advance`] moves it.
    pub fn virtual_at(unix_us: u64) -> Clock {
        Clock::Virtual(Rc::new(VirtualClock {
            unix_us: Cell::new(unix_us),
            set_back_us: Cell::new(0),
            between_looks_us: Cell::new(0),
        }))
    }

    /// Microseconds since 1970.
    pub fn unix_us(&self) -> u64 {
        match self {
            Clock::Real(_) => self.unix_us_at(self.monotonic_ns()),
            Clock::Virtual(clock) => clock.unix_us.get() - clock.set_back_us.get(),
        }
    }

    /// Microseconds since 1970 at a moment of monotonic time.
    #[inline]
    pub fn unix_us_at(&self, monotonic_ns: u64) -> u64 {
        match self {
            Clock::Real(clock) => clock.origin_unix_us + monotonic_ns / 1000,
            Clock::Virtual(clock) => clock.unix_us.get() - clock.set_back_us.get(),
        }
    }

    /// Takes over what happened to the system's wall time (it was set, it was slewed), and holds the processor's counter to the system's
    /// clock; called every now and then.
    pub fn resync(&mut self) {
        if let Clock::Real(clock) = self {
            if clock.counter.as_mut().is_some_and(|counter| !counter.look(system_ns)) {
                clock.counter = None;
            }
            let since_origin_us = clock.since_origin_ns() / 1000;
            clock.origin_unix_us = system_unix_us().saturating_sub(since_origin_us);
        }
    }

    /// Nanoseconds since some fixed moment; never goes back.
    #[inline]
    pub fn monotonic_ns(&self) -> u64 {
        match self {
            Clock::Real(clock) => clock.since_origin_ns(),
            Clock::Virtual(clock) => clock.look_ns(),
        }
    }

    /// What tells monotonic time, in the words of Redis's INFO.
    pub fn source(&self) -> String {
        let counter = match self {
            Clock::Real(clock) => clock.counter.as_ref(),
            Clock::Virtual(_) => None,
        };
        match counter.and_then(Counter::ticks_per_us) {
            Some(ticks) => format!("X86 TSC @ {ticks} ticks/us"),
            None => "POSIX clock_gettime".to_string(),
        }
    }

    /// Lets time pass.
    pub fn sleep(&self, time: Duration) {
        match self {
            Clock::Real(_) => std::thread::sleep(time),
            Clock::Virtual(_) => self.advance(time),
        }
    }

    /// CPU time of the calling thread, nanoseconds; a system call. With virtual time a thread always runs.
    pub fn thread_cpu_ns(&self) -> u64 {
        match self {
            Clock::Real(_) => read_ns(ClockId::CLOCK_THREAD_CPUTIME_ID),
            Clock::Virtual(_) => self.monotonic_ns(),
        }
    }

    /// Moves a virtual clock; panics on a real one.
    pub fn advance(&self, by: Duration) {
        match self {
            Clock::Real(_) => panic!("the real clock moves by itself"),
            Clock::Virtual(clock) => clock.unix_us.set(clock.unix_us.get() + by.as_micros() as u64),
        }
    }

    /// Sets a virtual clock's wall time back, as an administrator might; panics on a real one.
    pub fn set_back(&self, by: Duration) {
        match self {
            Clock::Real(_) => panic!("the real clock is the system's"),
            Clock::Virtual(clock) => clock.set_back_us.set(clock.set_back_us.get() + by.as_micros() as u64),
        }
    }

    /// From now on so much time passes before each look at a virtual clock's monotonic time, as if the machine were slow; panics on a
    /// real one.
    pub fn pass_between_looks(&self, time: Duration) {
        match self {
            Clock::Real(_) => panic!("the real clock moves by itself"),
            Clock::Virtual(clock) => clock.between_looks_us.set(time.as_micros() as u64),
        }
    }
}

#[cfg(test)]
mod tests;
