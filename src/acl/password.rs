//! Passwords: only their SHA-256 is kept, and comparing takes the same time whatever is wrong.

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::RuleError;
use crate::base::text;

/// Bytes of a SHA-256.
const DIGEST_BYTES: usize = 32;

/// The SHA-256 of a password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; DIGEST_BYTES]);

impl Digest {
    pub fn of(password: &[u8]) -> Digest {
        Digest(Sha256::digest(password).into())
    }

    /// Reads 64 hexadecimal digits in lower case.
    ///
    /// # Errors
    /// [`RuleError::BadHash`]
    pub fn parse(hex: &[u8]) -> Result<Digest, RuleError> {
        if hex.len() != 2 * DIGEST_BYTES {
            return Err(RuleError::BadHash);
        }
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(RuleError::BadHash),
        };
        let mut digest = [0; DIGEST_BYTES];
        for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Digest(digest))
    }

    pub fn hex(&self) -> String {
        text::hex(&self.0)
    }

    /// Whether it is one of `known`. Every one of them is compared to the end.
    pub fn is_one_of(&self, known: &[Digest]) -> bool {
        known.iter().fold(Choice::from(0), |found, other| found | self.0.ct_eq(&other.0)).into()
    }
}

/// A digest is no secret worth much, but logs are no place for it.
impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digest(..)")
    }
}
