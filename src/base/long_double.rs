//! The arithmetic of INCRBYFLOAT and HINCRBYFLOAT: Redis computes them in the x87's 80-bit `long double` and prints 17 decimals,
//! so that `10.50` plus `0.1` is `10.6`. This is that format in integers: a 64-bit mantissa, correctly rounded reading and
//! addition, exact printing.
//!
//! Cost: the common number (at most 19 digits, 18 of them decimals) is one 128-bit division; others go through big integers
//! whose size the length limit of the text bounds.

use crate::base::number::{Float, Format, scan_float};

/// Longest text that Redis reads as a long double, in bytes.
const TEXT_MAX: usize = 5 * 1024 - 1;

const FORMAT: Format = Format { bits: 64, exponent_min: -16445, exponent_max: 16320 };

/// An 80-bit floating point number; there is no NaN, and zero has no sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    size: Size,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// `mantissa * 2^exponent`; normalized (top bit set) unless the exponent is the smallest.
    Finite {
        mantissa: u64,
        exponent: i32,
    },
    Infinite,
}

impl From<i64> for LongDouble {
    fn from(value: i64) -> LongDouble {
        let magnitude = u128::from(value.unsigned_abs());
        LongDouble { negative: value < 0, size: rounded(magnitude, 0, false) }
    }
}

impl LongDouble {
    /// Reads C's syntax, strictly: no spaces, no NaN, nothing that overflows or underflows to zero.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() > TEXT_MAX {
            return None;
        }
        let (negative, size, is_zero) = match scan_float(text)? {
            Float::Infinite { negative } => {
                return Some(LongDouble { negative, size: Size::Infinite });
            }
            Float::Hex { negative, mantissa, exponent, inexact } => {
                (negative, rounded(mantissa, exponent, inexact), mantissa == 0)
            }
            Float::Decimal { negative, whole, fraction, exponent } => {
                let exponent = exponent - fraction.len() as i32;
                let digits = || whole.iter().chain(fraction).map(|b| b - b'0').skip_while(|&digit| digit == 0);
                let count = digits().count();
                (negative, from_decimal(digits(), count, exponent), count == 0)
            }
        };
        match size {
            Size::Infinite => None,
            Size::Finite { mantissa: 0, .. } => is_zero.then(|| LongDouble::from(0)),
            Size::Finite { .. } => Some(LongDouble { negative, size }),
        }
    }

    /// The sum, rounded to the nearest; None when it is infinite or not a number.
    pub fn checked_add(self, other: LongDouble) -> Option<LongDouble> {
        let (
            Size::Finite { mantissa: mantissa_a, exponent: exponent_a },
            Size::Finite { mantissa: mantissa_b, exponent: exponent_b },
        ) = (self.size, other.size)
        else {
            return None;
        };
        if exponent_a < exponent_b {
            return other.checked_add(self);
        }
        // The larger number sits below the two top bits of 128, the smaller is shifted under it; what falls out at the
        // bottom is less than one unit there.
        let gap = exponent_a - exponent_b;
        let large = u128::from(mantissa_a) << 62;
        let small_exact = u128::from(mantissa_b) << 62;
        let small = if gap < 128 { small_exact >> gap } else { 0 };
        let lost = if gap < 128 { small << gap != small_exact } else { mantissa_b != 0 };
        let scale = exponent_a - 62;
        let (negative, sum) = if self.negative == other.negative {
            (self.negative, large + small)
        } else if large >= small + u128::from(lost) {
            (self.negative, large - small - u128::from(lost))
        } else {
            // Only without a gap can the mantissa of the second be larger.
            (other.negative, small - large)
        };
        match rounded(sum, scale, lost) {
            Size::Infinite => None,
            Size::Finite { mantissa: 0, .. } => Some(LongDouble::from(0)),
            size => Some(LongDouble { negative, size }),
        }
    }

    /// The product, rounded to the nearest.
    pub fn times(self, factor: u32) -> LongDouble {
        let Size::Finite { mantissa, exponent } = self.size else { return self };
        match rounded(u128::from(mantissa) * u128::from(factor), exponent, false) {
            Size::Finite { mantissa: 0, .. } => LongDouble::from(0),
            size => LongDouble { negative: self.negative, size },
        }
    }

    /// The next integer that is not smaller; the last one on that side where that is none of 64 bits.
    pub fn ceil(self) -> i64 {
        let beyond = if self.negative { i64::MIN } else { i64::MAX };
        let Size::Finite { mantissa, exponent } = self.size else { return beyond };
        if exponent > 0 {
            // The top bit is set unless all are.
            return if mantissa == 0 { 0 } else { beyond };
        }
        let shift = exponent.unsigned_abs();
        let whole = mantissa.checked_shr(shift).unwrap_or(0);
        let is_whole = whole.checked_shl(shift) == Some(mantissa) || mantissa == 0;
        let magnitude = i128::from(whole) + i128::from(!is_whole && !self.negative);
        i64::try_from(if self.negative { -magnitude } else { magnitude }).unwrap_or(beyond)
    }

    /// Prints it with 17 decimals, without the zeros at the end: `3.2`, `10`, `-0.00000000000000001`. A number that rounds to
    /// nothing is `0`.
    pub fn to_decimal(self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let Size::Finite { mantissa, exponent } = self.size else {
            return format!("{sign}inf");
        };
        if exponent >= 0 {
            let mut whole = Big::from(u128::from(mantissa));
            whole.shift_left(exponent as usize);
            return format!("{sign}{}", whole.into_decimal());
        }
        const DECIMALS: u128 = 10u128.pow(17);
        let shift = exponent.unsigned_abs();
        // 64 bits times 57 bits fit.
        let scaled = u128::from(mantissa) * DECIMALS;
        let rounded = if shift > 127 {
            0
        } else {
            let (kept, half) = (scaled >> shift, 1u128 << (shift - 1));
            let lost = scaled & (half | (half - 1));
            kept + u128::from(lost > half || (lost == half && kept & 1 == 1))
        };
        if rounded == 0 {
            return "0".to_owned();
        }
        let text = format!("{sign}{}.{:017}", rounded / DECIMALS, rounded % DECIMALS);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// What INCREX needs besides: its bounds are compared, and it answers a difference.
impl LongDouble {
    /// The greatest finite number.
    pub const MAX: LongDouble =
        LongDouble { negative: false, size: Size::Finite { mantissa: u64::MAX, exponent: FORMAT.exponent_max } };

    pub fn is_finite(self) -> bool {
        self.size != Size::Infinite
    }
}

impl std::ops::Neg for LongDouble {
    type Output = LongDouble;

    fn neg(self) -> LongDouble {
        let is_zero = matches!(self.size, Size::Finite { mantissa: 0, .. });
        LongDouble { negative: !self.negative && !is_zero, size: self.size }
    }
}

impl PartialOrd for LongDouble {
    fn partial_cmp(&self, other: &LongDouble) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LongDouble {
    fn cmp(&self, other: &LongDouble) -> std::cmp::Ordering {
        // Mantissas are normalized, so the exponent decides first; a mantissa of 0 may stand with any.
        let magnitude = |number: &LongDouble| match number.size {
            Size::Finite { mantissa: 0, .. } => (i32::MIN, 0),
            Size::Finite { mantissa, exponent } => (exponent, mantissa),
            Size::Infinite => (i32::MAX, 0),
        };
        match (self.negative, other.negative) {
            (false, false) => magnitude(self).cmp(&magnitude(other)),
            (true, true) => magnitude(other).cmp(&magnitude(self)),
            // Zero has no sign.
            (negative, _) => other.negative.cmp(&negative),
        }
    }
}

fn rounded(mantissa: u128, exponent: i32, inexact: bool) -> Size {
    match FORMAT.round(mantissa, exponent, inexact) {
        Some((mantissa, exponent)) => Size::Finite { mantissa, exponent },
        None => Size::Infinite,
    }
}

/// `digits * 10^exponent`, correctly rounded; `digits` are `count` and begin with another than 0.
fn from_decimal(digits: impl Iterator<Item = u8>, count: usize, exponent: i32) -> Size {
    // The position of the point decides the hopeless cases before any big number is made.
    let magnitude = count as i32 + exponent;
    if count == 0 || magnitude < -4970 {
        return Size::Finite { mantissa: 0, exponent: FORMAT.exponent_min };
    }
    if magnitude > 4940 {
        return Size::Infinite;
    }
    if count <= 19 && (-18..=19).contains(&exponent) {
        let number = digits.fold(0u128, |n, digit| n * 10 + u128::from(digit));
        let power = 10u128.pow(exponent.unsigned_abs());
        if exponent >= 0 {
            return rounded(number * power, 0, false);
        }
        // 128 bits divided by at most 60 leave 68: four more than the format.
        let shift = number.leading_zeros();
        let number = number << shift;
        return rounded(number / power, -(shift as i32), number % power != 0);
    }
    let mut big = Big::from(0);
    for digit in digits {
        big.multiply_add(10, u32::from(digit));
    }
    let mut scale = 0i32;
    let mut inexact = false;
    if exponent >= 0 {
        big.multiply_power_of_ten(exponent.unsigned_abs());
    } else {
        // Shifted so far that the quotient has more than 128 bits: ten to the n has less than 10 n / 3 + 1 of them.
        let shift = exponent.unsigned_abs() * 10 / 3 + 160;
        big.shift_left(shift as usize);
        scale = -(shift as i32);
        inexact = big.divide_power_of_ten(exponent.unsigned_abs());
    }
    let (top, dropped_bits, dropped) = big.top();
    rounded(top, scale + dropped_bits as i32, inexact || dropped)
}

/// A natural number of any size, just large enough in abilities for decimal conversion.
struct Big {
    /// Base 2^32, least significant first.
    limbs: Vec<u32>,
}

const CHUNK: u32 = 1_000_000_000;

impl From<u128> for Big {
    fn from(value: u128) -> Big {
        let mut big = Big { limbs: (0..4).map(|n| (value >> (32 * n)) as u32).collect() };
        big.trim();
        big
    }
}

impl Big {
    fn trim(&mut self) {
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }

    fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for limb in &mut self.limbs {
            let product = u64::from(*limb) * u64::from(factor) + carry;
            *limb = product as u32;
            carry = product >> 32;
        }
        if carry != 0 {
            self.limbs.push(carry as u32);
        }
    }

    /// Divides in place and returns the remainder.
    fn divide(&mut self, divisor: u32) -> u32 {
        let mut remainder = 0u64;
        for limb in self.limbs.iter_mut().rev() {
            let part = remainder << 32 | u64::from(*limb);
            *limb = (part / u64::from(divisor)) as u32;
            remainder = part % u64::from(divisor);
        }
        self.trim();
        remainder as u32
    }

    fn multiply_power_of_ten(&mut self, power: u32) {
        for _ in 0..power / 9 {
            self.multiply_add(CHUNK, 0);
        }
        self.multiply_add(10u32.pow(power % 9), 0);
    }

    /// Whether there was a remainder.
    fn divide_power_of_ten(&mut self, power: u32) -> bool {
        let mut remainder = 0;
        for _ in 0..power / 9 {
            remainder |= self.divide(CHUNK);
        }
        remainder |= self.divide(10u32.pow(power % 9));
        remainder != 0
    }

    fn shift_left(&mut self, bits: usize) {
        self.multiply_add(1 << (bits % 32), 0);
        if !self.limbs.is_empty() {
            self.limbs.splice(0..0, std::iter::repeat_n(0, bits / 32));
        }
    }

    /// The most significant limbs (97 to 128 bits if it is that long), how many bits are below, whether any of them is set.
    fn top(&self) -> (u128, usize, bool) {
        let below = self.limbs.len().saturating_sub(4);
        let (rest, top) = self.limbs.split_at(below);
        let value = top.iter().rev().fold(0u128, |value, &limb| value << 32 | u128::from(limb));
        (value, below * 32, rest.iter().any(|&limb| limb != 0))
    }

    fn into_decimal(mut self) -> String {
        let mut chunks = Vec::new();
        while !self.limbs.is_empty() {
            chunks.push(self.divide(CHUNK));
        }
        let Some(first) = chunks.pop() else {
            return "0".to_owned();
        };
        let mut text = first.to_string();
        for chunk in chunks.iter().rev() {
            text.push_str(&format!("{chunk:09}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::LongDouble;
    use crate::base::random::Random;

    fn sum(a: &str, b: &str) -> Option<String> {
        let (a, b) = (LongDouble::parse(a.as_bytes())?, LongDouble::parse(b.as_bytes())?);
        Some(a.checked_add(b)?.to_decimal())
    }

    /// Each line is what Redis answered to `INCRBYFLOAT`.
    #[test]
    fn sums_as_redis_computes_them() {
        for line in include_str!("long_double_cases.txt").lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            let [a, b, expected] = words[..] else { panic!("{line}") };
            let got = match (LongDouble::parse(a.as_bytes()), LongDouble::parse(b.as_bytes())) {
                (Some(_), Some(_)) => sum(a, b).unwrap_or_else(|| "infinite".to_owned()),
                _ => "invalid".to_owned(),
            };
            assert_eq!(got, expected, "{a} + {b}");
        }
    }

    #[test]
    fn integers_are_exact() {
        let mut random = Random::new(11);
        for _ in 0..2000 {
            let (a, b) = (random.next_u64() as i64 >> random.below(63), random.next_u64() as i64 >> random.below(63));
            let total = LongDouble::from(a).checked_add(LongDouble::from(b)).map(LongDouble::to_decimal);
            assert_eq!(total, Some((i128::from(a) + i128::from(b)).to_string()), "{a} + {b}");
            assert_eq!(LongDouble::parse(a.to_string().as_bytes()), Some(LongDouble::from(a)));
        }
    }

    #[test]
    fn the_short_way_and_the_long_way_agree() {
        let mut random = Random::new(12);
        for _ in 0..2000 {
            let number = random.next_u64() >> random.below(64);
            let decimals = random.below(18) as usize;
            let short = format!("{number}e-{decimals}");
            // Zeros at the end leave the value and take the short way's limits away.
            let long = format!("{number}{}e-{}", "0".repeat(40), decimals + 40);
            assert_eq!(LongDouble::parse(short.as_bytes()), LongDouble::parse(long.as_bytes()), "{short}");
        }
    }

    #[test]
    fn seconds_become_milliseconds() {
        for (seconds, ms) in [
            ("0", 0),
            ("1", 1000),
            ("0.001", 1),
            ("0.001000000000000000000001", 1),
            ("0.0011", 2),
            ("1e-4000", 1),
            ("-1e-4000", 0),
            // A little less than so much.
            ("-0.001", 0),
            ("-0.002", -1),
            ("-0.0011", -1),
            ("-1", -1000),
            ("9223372036854775.5", 9_223_372_036_854_775_500),
            ("9223372036854775.807", i64::MAX),
            ("9223372036854776", i64::MAX),
            ("-9223372036854775.9", i64::MIN),
            ("1e4930", i64::MAX),
            ("inf", i64::MAX),
            ("-inf", i64::MIN),
        ] {
            assert_eq!(LongDouble::parse(seconds.as_bytes()).unwrap().times(1000).ceil(), ms, "{seconds}");
        }
        assert_eq!(LongDouble::MAX.times(2), LongDouble::parse(b"inf").unwrap());
    }

    #[test]
    fn order_and_sign() {
        let ascending =
            ["-inf", "-1e4000", "-2", "-1.5", "-1e-4900", "0", "1e-4900", "0.1", "1", "1.5", "2", "1e4000", "inf"];
        let numbers = ascending.map(|text| LongDouble::parse(text.as_bytes()).unwrap());
        for (at, a) in numbers.iter().enumerate() {
            for (other, b) in numbers.iter().enumerate() {
                assert_eq!(a.cmp(b), at.cmp(&other), "{} {}", ascending[at], ascending[other]);
            }
            assert_eq!((-*a).cmp(&-numbers[0]), at.cmp(&0).reverse());
        }
        assert_eq!(-LongDouble::from(0), LongDouble::from(0));
        assert!(LongDouble::MAX > numbers[11] && LongDouble::MAX < numbers[12]);
        assert!(LongDouble::MAX.checked_add(LongDouble::MAX).is_none());
    }

    #[test]
    fn limits() {
        assert_eq!(sum("1e4932", "1e4932"), None);
        assert!(sum("1e4932", "-1e4932").is_some_and(|text| text == "0"));
        assert_eq!(sum("1", "inf"), None);
        assert_eq!(sum("inf", "-inf"), None);
        for text in ["1e4933", "1e-5000", "1e999999999", "nan", "", " 1", "1 ", "0x", "1e"] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text}");
        }
        assert!(LongDouble::parse(&[b'1'; 5119]).is_none(), "too large a number");
        assert!(LongDouble::parse(&[b'0'; 5119]).is_some());
        assert!(LongDouble::parse(&[b'0'; 5120]).is_none());
        let tiny = [b"0.".as_slice(), &[b'0'; 4900], b"123"].concat();
        assert_eq!(LongDouble::parse(&tiny).map(LongDouble::to_decimal).as_deref(), Some("0"));
    }
}
