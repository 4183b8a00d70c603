//! Bytes of others in our texts: as a C string, and as hexadecimal digits.
//!
//! Knows nothing of where the texts go. Only [`hex`] allocates.

/// What an error quotes of an argument: Redis prints it as a C string, which a NUL byte ends.
pub fn quotable(argument: &[u8]) -> &[u8] {
    argument.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A byte as two hexadecimal digits in lower case.
#[inline]
pub fn hex_digits(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// Each byte as two hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|&byte| hex_digits(byte)).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::{hex, hex_digits, quotable};

    #[test]
    fn bytes_are_shown() {
        for byte in 0..=u8::MAX {
            assert_eq!(hex_digits(byte), *format!("{byte:02x}").as_bytes());
        }
        assert_eq!(hex(b"\x00\x7f\xff"), "007fff");
        assert_eq!((quotable(b"a\0b\0"), quotable(b"\0"), quotable(b"")), (&b"a"[..], &b""[..], &b""[..]));
    }
}
