//! The 24 bits that say how recently, or how often, a key was used (<https://redis.io/docs/latest/develop/reference/eviction/>).
//!
//! With an LFU policy they are 16 bits of minutes (when the counter was last lowered) and an 8-bit logarithmic counter; with any other
//! a clock of seconds: of the last use or, with an LRM policy, of the last change.

use super::{Entry, Keyspace};
use crate::config::MaxmemoryPolicy;

pub const CLOCK_MAX: u32 = (1 << 24) - 1;
/// The counter of a new key, so that it survives until it had a chance to be used.
const LFU_INIT: u32 = 5;

/// What the bits of a key say at one moment: for whoever looks at it later, as a snapshot does.
#[derive(Clone, Copy)]
pub struct UseClock {
    policy: MaxmemoryPolicy,
    lfu_decay_time: u32,
    lru_clock: u32,
    minutes: u32,
}

impl UseClock {
    /// Seconds since the key was last used, if the policy asks for that.
    pub fn idle_s(&self, entry: &Entry) -> Option<u32> {
        let wanted = matches!(self.policy, MaxmemoryPolicy::AllkeysLru | MaxmemoryPolicy::VolatileLru);
        wanted.then(|| self.lru_clock.wrapping_sub(entry.lru()) & CLOCK_MAX)
    }

    /// How often it was used, if the policy asks for that.
    pub fn frequency(&self, entry: &Entry) -> Option<u8> {
        self.policy.is_lfu().then(|| lowered(entry.lru(), self.minutes, self.lfu_decay_time) as u8)
    }
}

/// The counter in `bits`, as it has fallen by this minute.
fn lowered(bits: u32, minutes: u32, lfu_decay_time: u32) -> u32 {
    let (since, counter) = (bits >> 8, bits & 0xff);
    if lfu_decay_time == 0 {
        return counter;
    }
    let passed = minutes.wrapping_sub(since) & 0xffff;
    counter.saturating_sub(passed / lfu_decay_time)
}

impl Keyspace {
    /// To look at uses as of now.
    pub fn use_clock(&self) -> UseClock {
        UseClock {
            policy: self.settings.policy,
            lfu_decay_time: self.settings.lfu_decay_time,
            lru_clock: self.lru_clock,
            minutes: self.minutes(),
        }
    }

    /// The bits of a key that is made now.
    #[inline]
    pub(super) fn new_lru(&self) -> u32 {
        if self.settings.policy.is_lfu() { self.minutes() << 8 | LFU_INIT } else { self.lru_clock }
    }

    /// A key was used.
    #[inline]
    pub(super) fn touch(&self, entry: &Entry) {
        if self.settings.policy.is_clock_of_uses() {
            entry.set_lru(self.lru_clock);
        } else {
            self.touch_otherwise(entry);
        }
    }

    #[cold]
    fn touch_otherwise(&self, entry: &Entry) {
        if self.settings.policy.is_lrm() {
            // Only changes count: see `modified`.
            return;
        }
        let counter = self.lfu_counter(entry);
        let counter = if counter == 255 {
            counter
        } else {
            let base = counter.saturating_sub(LFU_INIT);
            let one_in = u64::from(base) * u64::from(self.settings.lfu_log_factor) + 1;
            counter + u32::from(self.random.borrow_mut().below(one_in) == 0)
        };
        entry.set_lru(self.minutes() << 8 | counter);
    }

    /// A key was changed. With other policies it was used, which has been noted already.
    #[inline]
    pub(super) fn modified(&self, entry: &Entry) {
        if self.settings.policy.is_lrm() {
            entry.set_lru(self.lru_clock);
        }
    }

    /// A key comes from elsewhere, where it was last used so long ago, or so often.
    pub(super) fn set_use(&self, entry: &Entry, idle_s: Option<i64>, frequency: Option<u8>) {
        match (self.settings.policy.is_lfu(), idle_s, frequency) {
            (true, _, Some(frequency)) => entry.set_lru(self.minutes() << 8 | u32::from(frequency)),
            (false, Some(idle_s), _) => {
                let idle_s = idle_s.min(i64::from(CLOCK_MAX)) as u32;
                entry.set_lru(self.lru_clock.wrapping_sub(idle_s) & CLOCK_MAX);
            }
            _ => {}
        }
    }

    /// The logarithmic counter, lowered by one for each `lfu-decay-time` minutes since it was last touched.
    pub fn lfu_counter(&self, entry: &Entry) -> u32 {
        lowered(entry.lru(), self.minutes(), self.settings.lfu_decay_time)
    }

    /// Seconds since the key was last used or, with an LRM policy, changed.
    pub fn idle_s(&self, entry: &Entry) -> u32 {
        self.lru_clock.wrapping_sub(entry.lru()) & CLOCK_MAX
    }

    /// Minutes since the counter was last touched.
    pub(super) fn lfu_minutes(&self, entry: &Entry) -> u32 {
        self.minutes().wrapping_sub(entry.lru() >> 8) & 0xffff
    }

    fn minutes(&self) -> u32 {
        (self.now_ms / 60_000) as u32 & 0xffff
    }
}
