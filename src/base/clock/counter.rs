//! The processor's time-stamp counter, as a second opinion of CLOCK_MONOTONIC that costs a third of it: 8 ns instead of 20, of which a turn
//! without pipelining needs four.
//!
//! The vDSO reads the same counter, behind a fence and under a sequence lock; Redis reads it bare where it is built with
//! USE_PROCESSOR_CLOCK. Here it is read bare, and never trusted for long: every look at the system's clock ([`Counter::look`], ten times a
//! second) begins anew from there, with the rate measured since the look before. What it says in between is off by what a rate can be
//! measured wrongly within a tenth of a second, some 50 ns, and by what the system's clock is slewed meanwhile, at most 50 us.
//!
//! ```text
//!   system      |---------------------|---------------------|---->     clock_gettime(CLOCK_MONOTONIC)
//!   counter     look     rate         look     rate         look
//!   told             (the system's)       look + ticks since, at the last rate
//! ```
//!
//! It is used if the kernel keeps time by it (clocksource `tsc`): then the kernel has found that it runs steadily, on all processors alike,
//! and that programs may read it. A rate that changes by more than a hundredth (a virtual machine that moved to another host) ends its use.

use std::fs;

/// Where the kernel says what it keeps time by.
const CLOCKSOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
/// Ticks that a look at both clocks takes at most; more, and something came between them. About a microsecond.
const LOOK_TICKS: u64 = 3_000;
/// So often a look is tried.
const TRIES: usize = 4;
/// Looks have to be so far apart for a rate, nanoseconds.
const APART_NS: u64 = 5_000_000;
/// By one in so many a rate may differ from the one before.
const STEADY: u64 = 100;

/// Both clocks at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Look {
    ticks: u64,
    ns: u64,
}

/// Time by the counter.
#[derive(Clone, Debug)]
pub struct Counter {
    look: Look,
    /// Nanoseconds of a tick, in units of 2^-32; 0: not measured yet.
    scale: u64,
}

impl Counter {
    /// None: the machine has none to rely on. `system_ns` reads the system's clock.
    pub fn new(system_ns: impl Fn() -> u64) -> Option<Counter> {
        let is_trusted = fs::read(CLOCKSOURCE).is_ok_and(|name| name.trim_ascii() == b"tsc");
        let look = Look::take(&system_ns, is_trusted.then(read_counter)??)?;
        Some(Counter { look, scale: 0 })
    }

    /// Nanoseconds by the system's clock; None: the rate is not known yet. May be a little less than was told before: two readings without
    /// a fence between them may come in either order, and the system's clock may be behind what was told.
    #[inline]
    pub fn now_ns(&self) -> Option<u64> {
        match self.scale {
            0 => None,
            scale => Some(self.look.ns_at(read_counter()?, scale)),
        }
    }

    /// Looks at the system's clock and measures the rate. False: it does not run steadily, and is not to be used any more.
    pub fn look(&mut self, system_ns: impl Fn() -> u64) -> bool {
        let Some(look) = read_counter().and_then(|ticks| Look::take(&system_ns, ticks)) else {
            // Too busy a moment; there will be another.
            return true;
        };
        self.follow(look)
    }

    fn follow(&mut self, look: Look) -> bool {
        if look.ns < self.look.ns + APART_NS {
            return true;
        }
        let Some(scale) = look.scale_since(self.look) else { return false };
        if self.scale != 0 && scale.abs_diff(self.scale) > self.scale / STEADY {
            return false;
        }
        (self.look, self.scale) = (look, scale);
        true
    }

    /// Ticks of a microsecond, rounded; None: not known yet.
    pub fn ticks_per_us(&self) -> Option<u64> {
        ((1000 << 32) + self.scale / 2).checked_div(self.scale)
    }
}

impl Look {
    /// Looks at both clocks; None: something came between the two each time. `ticks`: the counter just now.
    fn take(system_ns: &impl Fn() -> u64, mut ticks: u64) -> Option<Look> {
        for _ in 0..TRIES {
            let ns = system_ns();
            let after = read_counter()?;
            let took = after.wrapping_sub(ticks);
            if took <= LOOK_TICKS {
                return Some(Look { ticks: ticks + took / 2, ns });
            }
            ticks = after;
        }
        None
    }

    /// Time at a tick, at so many 2^-32 nanoseconds a tick. A tick before the look is none after it.
    #[inline]
    fn ns_at(self, ticks: u64, scale: u64) -> u64 {
        let since = ticks.saturating_sub(self.ticks);
        self.ns + ((u128::from(since) * u128::from(scale)) >> 32) as u64
    }

    /// Nanoseconds of a tick since an earlier look, in units of 2^-32; None: the counter stood still, or went back, or is slower than a
    /// megahertz.
    fn scale_since(self, before: Look) -> Option<u64> {
        let ticks = self.ticks.checked_sub(before.ticks).filter(|&ticks| ticks > 0)?;
        let ns = self.ns.checked_sub(before.ns)?;
        let scale = (u128::from(ns) << 32) / u128::from(ticks);
        u64::try_from(scale).ok().filter(|&scale| scale > 0 && scale <= 1000 << 32)
    }
}

/// The time-stamp counter; None: this processor has another.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn read_counter() -> Option<u64> {
    // SAFETY: RDTSC reads a register and has no operands. It faults only where prctl(PR_SET_TSC) forbids it, which nobody here asks for.
    Some(unsafe { std::arch::x86_64::_rdtsc() })
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn read_counter() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests;
