//! Numbers as Redis reads and prints them. Parsing is strict where Redis is strict: no leading zeros, no `+`, no spaces.

/// Reads a decimal i64, strictly. `""`, `"+1"`, `"01"`, `" 1"`, `"-0"` and what does not fit are None.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // 19 digits fit in a u64.
        value = value * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// Writes `value` in decimal to the front of `out` and returns the number of digits. `out` holds at least 20 bytes.
#[inline]
pub fn write_u64(out: &mut [u8], value: u64) -> usize {
    if value < 100 {
        if value < 10 {
            out[0] = b'0' + value as u8;
            return 1;
        }
        out[0] = b'0' + (value / 10) as u8;
        out[1] = b'0' + (value % 10) as u8;
        return 2;
    }
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(value).as_bytes();
    out[..digits.len()].copy_from_slice(digits);
    digits.len()
}

/// Prints a double as Redis 7.2 and later reply it: the shortest digits that read back as the same number, `inf`, `-inf`,
/// `nan`. (Redis 7.0 printed `%.17g`; the two differ in digits, never in value.)
///
/// Integers up to 2^62 are plain digits. Else the point or the exponent is placed as Redis's shortest printer does: up to
/// seven zeros behind the digits and up to six in front are written out, beyond that it is `1.5e+30`.
pub fn format_double(value: f64) -> String {
    DoubleText::new(value).as_str().to_owned()
}

/// The text of a double as [`format_double`] makes it, without an allocation.
pub struct DoubleText {
    bytes: [u8; DOUBLE_TEXT_MAX],
    len: usize,
}

/// Sign, 17 digits, point, up to seven zeros; or an exponent of up to three digits.
const DOUBLE_TEXT_MAX: usize = 32;

impl DoubleText {
    pub fn new(value: f64) -> DoubleText {
        let mut text = DoubleText { bytes: [0; DOUBLE_TEXT_MAX], len: 0 };
        if value.is_nan() {
            text.push(b"nan");
        } else if value.is_infinite() {
            text.push(if value > 0.0 { b"inf" } else { b"-inf" });
        } else if value == 0.0 {
            text.push(if value.is_sign_negative() { b"-0" } else { b"0" });
        } else if let Some(int) = integral(value) {
            text.push(itoa::Buffer::new().format(int).as_bytes());
        } else {
            text.lay_out(value);
        }
        text
    }

    #[inline]
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever pushed.
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn zeros(&mut self, count: i32) {
        self.push(&[b'0'; DOUBLE_TEXT_MAX][..count as usize]);
    }

    /// The standard library finds the shortest digits; only their layout is Redis's.
    fn lay_out(&mut self, value: f64) {
        let mut scientific = DoubleText { bytes: [0; DOUBLE_TEXT_MAX], len: 0 };
        let _ = std::fmt::Write::write_fmt(&mut scientific, format_args!("{:e}", value.abs()));
        let (mantissa, exponent) = scientific.as_str().split_once('e').unwrap_or((scientific.as_str(), "0"));
        let mut digits = DoubleText { bytes: [0; DOUBLE_TEXT_MAX], len: 0 };
        mantissa.split('.').for_each(|part| digits.push(part.as_bytes()));
        let (digits, exponent): (&[u8], i32) = (digits.as_bytes(), exponent.parse().unwrap_or(0));
        let count = digits.len() as i32;
        // The number is `digits` times ten to the `scale`.
        let scale = exponent - (count - 1);
        if value < 0.0 {
            self.push(b"-");
        }
        if scale >= 0 && exponent < count + 7 {
            self.push(digits);
            self.zeros(scale);
        } else if scale < 0 && (scale > -7 || exponent.abs() < 4) {
            if exponent < 0 {
                self.push(b"0.");
                self.zeros(-exponent - 1);
                self.push(digits);
            } else {
                let (whole, fraction) = digits.split_at((exponent + 1) as usize);
                self.push(whole);
                self.push(b".");
                self.push(fraction);
            }
        } else {
            let (first, rest) = digits.split_at(1);
            self.push(first);
            if !rest.is_empty() {
                self.push(b".");
                self.push(rest);
            }
            self.push(if exponent < 0 { b"e-" } else { b"e+" });
            self.push(itoa::Buffer::new().format(exponent.abs()).as_bytes());
        }
    }
}

impl std::fmt::Write for DoubleText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if text.len() > DOUBLE_TEXT_MAX - self.len {
            return Err(std::fmt::Error);
        }
        self.push(text.as_bytes());
        Ok(())
    }
}

/// The integer that a double is, if it is one of at most 2^62. -0 is 0.
#[inline]
pub fn integral(value: f64) -> Option<i64> {
    const MAX: f64 = (i64::MAX / 2) as f64;
    (value.abs() <= MAX && (value as i64) as f64 == value).then_some(value as i64)
}

/// Prints a double as C's `%.17g`: 17 digits without the zeros at the end, and `inf` and `nan`.
pub fn format_double_17(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format_double(value);
    }
    let scientific = format!("{value:.16e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    if !(-4..17).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(mantissa), exponent.abs());
    }
    let decimals = (16 - exponent) as usize;
    let text = format!("{value:.decimals$}");
    if decimals == 0 { text } else { trim(&text) }
}

/// The parts of a floating point number in C's syntax.
pub(crate) enum Float<'a> {
    Infinite {
        negative: bool,
    },
    Decimal {
        negative: bool,
        whole: &'a [u8],
        fraction: &'a [u8],
        exponent: i32,
    },
    /// `mantissa * 2^exponent`, and a little more when `inexact`.
    Hex {
        negative: bool,
        mantissa: u128,
        exponent: i32,
        inexact: bool,
    },
}

/// Takes a number apart as C's `strtod` would if it had to use every byte. NaN is refused, as Redis does.
pub(crate) fn scan_float(text: &[u8]) -> Option<Float<'_>> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
        return Some(Float::Infinite { negative });
    }
    if let [b'0', b'x' | b'X', hex @ ..] = rest {
        return scan_hex(negative, hex);
    }
    let (number, exponent) = match rest.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&rest[..at], scan_exponent(&rest[at + 1..])?),
        None => (rest, 0),
    };
    let (whole, fraction) = match number.iter().position(|&b| b == b'.') {
        Some(at) => (&number[..at], &number[at + 1..]),
        None => (number, &number[number.len()..]),
    };
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
        return None;
    }
    Some(Float::Decimal { negative, whole, fraction, exponent })
}

/// An exponent; beyond a million it is as good as a million, whose sign decides between zero and infinity.
fn scan_exponent(text: &[u8]) -> Option<i32> {
    const FAR: i32 = 1_000_000;
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0i32;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = (value * 10 + i32::from(byte - b'0')).min(FAR);
    }
    Some(if negative { -value } else { value })
}

fn scan_hex(negative: bool, text: &[u8]) -> Option<Float<'_>> {
    let (number, mut exponent) = match text.iter().position(|b| matches!(b, b'p' | b'P')) {
        Some(at) => (&text[..at], scan_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (mut mantissa, mut inexact, mut digits, mut behind_point) = (0u128, false, 0usize, false);
    for &byte in number {
        if byte == b'.' && !behind_point {
            behind_point = true;
            continue;
        }
        let digit = (byte as char).to_digit(16)?;
        digits += 1;
        // 80 bits are more than either precision; what follows only says whether something was lost.
        if mantissa >> 80 == 0 {
            mantissa = mantissa << 4 | u128::from(digit);
            exponent = exponent.saturating_sub(if behind_point { 4 } else { 0 });
        } else {
            inexact |= digit != 0;
            exponent = exponent.saturating_add(if behind_point { 0 } else { 4 });
        }
    }
    (digits > 0).then_some(Float::Hex { negative, mantissa, exponent, inexact })
}

/// A binary floating point format: numbers are `mantissa * 2^exponent`, the mantissa of at most `bits` bits.
pub(crate) struct Format {
    pub bits: u32,
    pub exponent_min: i32,
    pub exponent_max: i32,
}

const DOUBLE: Format = Format { bits: 53, exponent_min: -1074, exponent_max: 971 };

impl Format {
    /// `mantissa * 2^exponent` (and a little more when `inexact`) to the nearest number of this format, ties to even.
    /// None: too large. An inexact mantissa must have at least two bits more than the format.
    pub fn round(&self, mantissa: u128, exponent: i32, inexact: bool) -> Option<(u64, i32)> {
        if mantissa == 0 {
            return Some((0, self.exponent_min));
        }
        let length = 128 - mantissa.leading_zeros();
        let surplus = (length as i32 - self.bits as i32).max(self.exponent_min.saturating_sub(exponent));
        let (mut kept, mut scale);
        if surplus <= 0 {
            debug_assert!(!inexact);
            kept = mantissa << -surplus;
            scale = exponent + surplus;
        } else {
            scale = exponent.saturating_add(surplus);
            if surplus > 128 {
                // Less than half of the smallest number.
                return Some((0, self.exponent_min));
            }
            let half = 1u128 << (surplus - 1);
            let lost = mantissa & (half | (half - 1));
            kept = mantissa.checked_shr(surplus as u32).unwrap_or(0);
            if lost > half || (lost == half && (inexact || kept & 1 == 1)) {
                kept += 1;
            }
            if kept >> self.bits != 0 {
                kept >>= 1;
                scale += 1;
            }
        }
        (scale <= self.exponent_max).then_some((kept as u64, scale))
    }
}

/// Reads digits, perhaps with a point between them, if they are so few that number and power of ten are exact as doubles: then their
/// quotient is the double that is nearest (Clinger 1990). Most scores are such.
#[inline]
fn short_decimal(text: &[u8]) -> Option<f64> {
    const DIGITS_MAX: usize = 15;
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > DIGITS_MAX + 1 || !digits.first()?.is_ascii_digit() || !digits.last()?.is_ascii_digit() {
        return None;
    }
    let (mut number, mut fraction_len, mut count) = (0_u64, None, 0);
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                number = number * 10 + u64::from(byte - b'0');
                count += 1;
                if let Some(len) = &mut fraction_len {
                    *len += 1;
                }
            }
            b'.' if fraction_len.is_none() => fraction_len = Some(0),
            _ => return None,
        }
    }
    if count > DIGITS_MAX {
        return None;
    }
    let value = number as f64 / POWERS_OF_TEN[fraction_len.unwrap_or(0)];
    Some(if negative { -value } else { value })
}

const POWERS_OF_TEN: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Reads a double as Redis reads scores and float arguments: C's syntax with `inf`, hexadecimal too, and not one byte more.
/// Refused: the empty string, spaces, NaN, and finite texts that a double cannot hold (overflow, or underflow to zero).
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    if let Some(value) = short_decimal(text) {
        return Some(value);
    }
    match scan_float(text)? {
        Float::Infinite { negative } => Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY }),
        Float::Decimal { whole, fraction, .. } => {
            let value: f64 = str::from_utf8(text).ok()?.parse().ok()?;
            let is_zero = |part: &[u8]| part.iter().all(|&b| b == b'0');
            let fits = value.is_finite() && (value != 0.0 || (is_zero(whole) && is_zero(fraction)));
            fits.then_some(value)
        }
        Float::Hex { negative, mantissa, exponent, inexact } => {
            let (kept, scale) = DOUBLE.round(mantissa, exponent, inexact)?;
            if kept == 0 && mantissa != 0 {
                return None;
            }
            let hidden = 1u64 << (DOUBLE.bits - 1);
            // Below the hidden bit the number is subnormal, and its exponent field 0.
            let field = if kept & hidden == 0 { 0 } else { (scale - DOUBLE.exponent_min + 1) as u64 };
            let sign = if negative { 1u64 << 63 } else { 0 };
            Some(f64::from_bits(sign | field << (DOUBLE.bits - 1) | (kept & (hidden - 1))))
        }
    }
}

/// Reads a size as redis.conf writes it: `100`, `1k` (1000), `1kb` (1024), `m`, `mb`, `g`, `gb`, `b`, in any case. As in
/// Redis no digits are 0, and too many saturate.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, unit) = text.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number = digits.iter().fold(0u64, |n, b| n.saturating_mul(10).saturating_add(u64::from(b - b'0')));
    Some(number.saturating_mul(factor))
}

/// Reads `50%`: the number, which may be larger than 100.
pub fn parse_percent(text: &[u8]) -> Option<i64> {
    parse_i64(text.strip_suffix(b"%")?).filter(|percent| *percent >= 0)
}

#[cfg(test)]
mod tests {
    use super::{format_double, format_double_17, parse_f64, parse_i64, parse_memory, parse_percent, write_u64};
    use crate::base::random::Random;

    #[test]
    fn short_decimals_are_the_nearest_doubles() {
        let seed = 11;
        println!("seed {seed}");
        let mut random = Random::new(seed);
        for _ in 0..100_000 {
            let mut text = if random.below(3) == 0 { "-".to_owned() } else { String::new() };
            let digits = 1 + random.below(17);
            let point = random.below(digits + 2);
            for at in 0..digits {
                if at == point && at > 0 {
                    text.push('.');
                }
                text.push((b'0' + random.below(10) as u8) as char);
            }
            let wanted: f64 = text.parse().expect("a decimal");
            let read = parse_f64(text.as_bytes()).expect("one here too");
            assert_eq!(read.to_bits(), wanted.to_bits(), "{text}");
        }
        for (text, value) in [("-0", -0.0_f64), ("0.0", 0.0), ("000", 0.0), ("1.", 1.0), (".5", 0.5)] {
            assert_eq!(parse_f64(text.as_bytes()).map(f64::to_bits), Some(value.to_bits()), "{text}");
        }
        for text in ["", "-", ".", "1.2.3", "1-2", "--1", "1 "] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn integers_are_read_strictly() {
        let good = [("0", 0), ("-1", -1), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)];
        for (text, value) in good {
            assert_eq!(parse_i64(text.as_bytes()), Some(value), "{text}");
        }
        let bad = [
            "",
            "-",
            "+1",
            "01",
            "-0",
            " 1",
            "1 ",
            "1a",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
        ];
        for text in bad {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn unsigned_integers_are_written() {
        for value in [0, 9, 10, 99, 100, 12345, u64::MAX] {
            let mut out = [0u8; 20];
            let length = write_u64(&mut out, value);
            assert_eq!(out[..length], *value.to_string().as_bytes());
        }
    }

    #[test]
    fn doubles_are_printed_as_redis_prints_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-17.0, "-17"),
            (0.1, "0.1"),
            (0.1 + 0.2, "0.30000000000000004"),
            (3.25, "3.25"),
            (1e17, "100000000000000000"),
            (4e18, "4000000000000000000"),
            (1e19, "1e+19"),
            (1.5e300, "1.5e+300"),
            (1.25e-4, "0.000125"),
            (1.25e-5, "1.25e-5"),
            (1e-5, "0.00001"),
            (1e-7, "1e-7"),
            (1.0 / 3.0, "0.3333333333333333"),
            (123456.789, "123456.789"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (12345678901234567890.0, "12345678901234567000"),
        ];
        for (value, text) in cases {
            assert_eq!(format_double(value), text);
        }
    }

    #[test]
    fn doubles_are_printed_with_17_digits() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (100.0, "100"),
            (0.1, "0.10000000000000001"),
            (-2.5, "-2.5"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (1.5e300, "1.5000000000000001e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (123456789012345678.0, "1.2345678901234568e+17"),
            (12345678901234567.0, "12345678901234568"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (value, text) in cases {
            assert_eq!(format_double_17(value), text);
        }
    }

    #[test]
    fn doubles_survive_printing_and_reading() {
        let mut random = Random::new(7);
        for _ in 0..20_000 {
            let value = f64::from_bits(random.next_u64());
            if value.is_nan() {
                continue;
            }
            let text = format_double(value);
            let back = parse_f64(text.as_bytes());
            assert_eq!(back.map(f64::to_bits), Some(value.to_bits()), "{text}");
        }
    }

    #[test]
    fn doubles_are_read_strictly() {
        let good = [
            ("1", 1.0),
            ("+1", 1.0),
            ("-1.5", -1.5),
            ("1.", 1.0),
            (".5", 0.5),
            ("1e3", 1000.0),
            ("1E-3", 0.001),
            ("inf", f64::INFINITY),
            ("+INF", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("0x1.8p1", 3.0),
            ("-0X.8", -0.5),
            ("0x1p-1074", 5e-324),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x10000000000000000000000001", 1267650600228229401496703205376.0),
            ("0e999999999999", 0.0),
            ("5e-324", 5e-324),
        ];
        for (text, value) in good {
            assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text}");
        }
        let bad = [
            "",
            " 1",
            "1 ",
            "nan",
            "-NaN",
            "nan(1)",
            "1e",
            "1e+",
            "0x",
            "0x.",
            "0xg",
            "1.2.3",
            "1_0",
            "e5",
            ".",
            "+-1",
            "infi",
            "1e400",
            "-1e400",
            "1e-400",
            "0x1p-2000",
            "0x1p2000",
            "1\0",
            "1,5",
        ];
        for text in bad {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn hexadecimal_rounds_as_decimal_does() {
        let mut random = Random::new(8);
        for _ in 0..20_000 {
            let mantissa = random.next_u64() >> random.below(64);
            let shift = random.below(60) as i32;
            let text = format!("0x{mantissa:x}p-{shift}");
            assert_eq!(parse_f64(text.as_bytes()), Some(mantissa as f64 / (shift as f64).exp2()), "{text}");
        }
    }

    #[test]
    fn memory_sizes() {
        let cases = [
            ("100", 100),
            ("1b", 1),
            ("1k", 1000),
            ("1kB", 1024),
            ("2m", 2_000_000),
            ("2Mb", 2 << 20),
            ("1g", 1_000_000_000),
            ("1GB", 1 << 30),
            ("", 0),
            ("01", 1),
            ("18446744073709551616", u64::MAX),
            ("18446744073709551615gb", u64::MAX),
        ];
        for (text, value) in cases {
            assert_eq!(parse_memory(text.as_bytes()), Some(value), "{text}");
        }
        for text in ["-1", "1tb", "1 gb", "1.5gb", "+1", "10%", "x", "1kbb"] {
            assert_eq!(parse_memory(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_percent(b"50%"), Some(50));
        assert_eq!(parse_percent(b"150%"), Some(150));
        for text in ["50", "%", "-5%", "5.5%", "5%%"] {
            assert_eq!(parse_percent(text.as_bytes()), None, "{text}");
        }
    }
}
