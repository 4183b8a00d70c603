//! The checksum of RDB files and DUMP payloads: CRC-64 with the Jones polynomial, reflected, starting from 0.

use crc::{CRC_64_REDIS, Crc, Digest, Table};

static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// The checksum of `bytes`.
pub fn checksum(bytes: &[u8]) -> u64 {
    CRC64.checksum(bytes)
}

/// The checksum of bytes that come in pieces.
#[derive(Clone)]
pub struct Running(Digest<'static, u64, Table<16>>);

impl Default for Running {
    fn default() -> Running {
        Running(CRC64.digest())
    }
}

impl Running {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of all so far.
    pub fn value(&self) -> u64 {
        self.0.clone().finalize()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_that_redis_documents() {
        assert_eq!(super::checksum(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(super::checksum(b""), 0);
        let mut running = super::Running::default();
        running.update(b"1234");
        running.update(b"56789");
        assert_eq!(running.value(), super::checksum(b"123456789"));
    }
}
