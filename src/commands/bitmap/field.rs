//! An integer of up to 64 bits anywhere among the bits of a string: what BITFIELD reads and writes. Pure.

#[cfg(test)]
mod tests;

/// `u8`, `i64`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FieldType {
    pub signed: bool,
    /// 1 to 64; without a sign at most 63.
    pub width: u32,
}

/// What happens to a number that does not fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Overflow {
    /// Its lowest bits are taken.
    Wrap,
    /// The nearest one that fits is taken.
    Saturate,
    /// Nothing is changed.
    Fail,
}

/// Bytes that a field of 64 bits may touch.
const SPAN: usize = 9;

impl FieldType {
    pub fn parse(text: &[u8]) -> Option<FieldType> {
        let (&sign, width) = text.split_first()?;
        let signed = match sign {
            b'i' => true,
            b'u' => false,
            _ => return None,
        };
        let width = u32::try_from(crate::base::number::parse_i64(width)?).ok()?;
        let max = if signed { 64 } else { 63 };
        (1..=max).contains(&width).then_some(FieldType { signed, width })
    }

    fn min(self) -> i128 {
        if self.signed { -(1 << (self.width - 1)) } else { 0 }
    }

    fn max(self) -> i128 {
        if self.signed { (1 << (self.width - 1)) - 1 } else { (1 << self.width) - 1 }
    }

    /// The number whose lowest bits these are.
    fn of_bits(self, bits: u64) -> i64 {
        let unused = 64 - self.width;
        if self.signed { (bits << unused) as i64 >> unused } else { (bits << unused >> unused) as i64 }
    }

    /// A number as it fits; None: it does not, and that is a failure.
    pub fn fit(self, number: i128, overflow: Overflow) -> Option<i64> {
        if (self.min()..=self.max()).contains(&number) {
            return Some(number as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.of_bits(number as u64)),
            Overflow::Saturate => Some(number.clamp(self.min(), self.max()) as i64),
            Overflow::Fail => None,
        }
    }

    /// As [`FieldType::fit`], of 64 bits from a client, which are an unsigned number for a field without a sign.
    pub fn fit_given(self, given: i64, overflow: Overflow) -> Option<i64> {
        let number = if self.signed { i128::from(given) } else { i128::from(given as u64) };
        // Redis takes the distance to the greatest number in 64 bits. For a number so small that it wraps, it says that it is too
        // large.
        let wraps = self.signed && self.width < 64 && self.max() - number > i128::from(i64::MAX);
        if wraps && overflow == Overflow::Saturate { Some(self.max() as i64) } else { self.fit(number, overflow) }
    }

    /// How far the field's lowest bit is from the end of the bytes it may touch.
    fn shift(self, offset: u64) -> u32 {
        8 * SPAN as u32 - (offset & 7) as u32 - self.width
    }

    /// The number at a bit offset; beyond the end all bits are clear.
    pub fn read(self, bytes: &[u8], offset: u64) -> i64 {
        let mut span = [0; 16];
        let there = usize::try_from(offset >> 3).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let len = there.len().min(SPAN);
        span[16 - SPAN..][..len].copy_from_slice(&there[..len]);
        self.of_bits((u128::from_be_bytes(span) >> self.shift(offset)) as u64)
    }

    /// Writes the number at a bit offset; the bytes are there.
    pub fn write(self, bytes: &mut [u8], offset: u64, number: i64) {
        let at = (offset >> 3) as usize;
        let len = (bytes.len() - at).min(SPAN);
        let mut span = [0; 16];
        span[16 - SPAN..][..len].copy_from_slice(&bytes[at..at + len]);
        let mask = (u128::from(u64::MAX) >> (64 - self.width)) << self.shift(offset);
        let number = u128::from(number as u64) << self.shift(offset) & mask;
        let span = (u128::from_be_bytes(span) & !mask | number).to_be_bytes();
        bytes[at..at + len].copy_from_slice(&span[16 - SPAN..][..len]);
    }
}
