//! What a number of seconds or milliseconds counts from: the EX, PX, EXAT and PXAT that strings and hashes share. Which numbers are
//! refused, and how, is each command's own.

/// A unit, and whether it counts from now or from 1970.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeUnit {
    Seconds,
    Milliseconds,
    UnixSeconds,
    UnixMilliseconds,
}

impl TimeUnit {
    /// EX, PX, EXAT, PXAT, in any case.
    pub(super) fn of_word(word: &[u8]) -> Option<TimeUnit> {
        let is = |token: &str| word.eq_ignore_ascii_case(token.as_bytes());
        match word.len() {
            2 if is("EX") => Some(TimeUnit::Seconds),
            2 if is("PX") => Some(TimeUnit::Milliseconds),
            4 if is("EXAT") => Some(TimeUnit::UnixSeconds),
            4 if is("PXAT") => Some(TimeUnit::UnixMilliseconds),
            _ => None,
        }
    }

    /// The moment that a number means, Unix milliseconds. None: there is no such moment.
    pub(super) fn moment_ms(self, number: i64, now_ms: i64) -> Option<i64> {
        match self {
            TimeUnit::Seconds => number.checked_mul(1000)?.checked_add(now_ms),
            TimeUnit::Milliseconds => number.checked_add(now_ms),
            TimeUnit::UnixSeconds => number.checked_mul(1000),
            TimeUnit::UnixMilliseconds => Some(number),
        }
    }
}
