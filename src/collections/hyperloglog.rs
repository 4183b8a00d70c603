//! HyperLogLog as Redis keeps it: a string of bytes that counts distinct elements with a standard error of 0.81 %.
//!
//! ```text
//!   +------+----------+--------+-------------------+-----------------------------------------------------+
//!   | HYLL | encoding | unused | cached cardinality|  dense: 16,384 registers of 6 bits, lowest bit first |
//!   |  4   |    1     |   3    | 8, little endian  |  sparse: runs, see below                             |
//!   +------+----------+--------+-------------------+-----------------------------------------------------+
//!                                top bit set: not valid
//!
//!   00nnnnnn            ZERO    n + 1 registers are 0
//!   01nnnnnn nnnnnnnn   XZERO   n + 1 registers are 0
//!   1vvvvvnn            VAL     n + 1 registers are v + 1
//! ```
//!
//! The 64-bit hash of an element names a register (14 bits) and a value (the number of zeros below the lowest one in the other 50,
//! plus one); the register keeps the greatest. A sparse string that would outgrow `hll-sparse-max-bytes`, or hold a value above
//! 32, becomes dense. The same calls leave the same bytes as in Redis: hash and seed, how runs are split and joined, and when the cached
//! cardinality is dropped are part of the format.
//!
//! The estimate is Otmar Ertl's ("New cardinality estimation algorithms for HyperLogLog sketches", 2017), from the histogram of
//! register values alone.
//!
//! Strings come from clients, who may write anything into them: [`check`] looks at the header, and everything that walks runs
//! answers [`Corrupted`] if they do not cover the registers exactly.
//!
//! Cost: adding to a dense string touches two bytes, to a sparse one it walks the runs. Counting without a cached cardinality walks
//! all registers.

use std::fmt::Write;

use self::sparse::Run;
use crate::base::random::Random;

mod hash;
mod sparse;
#[cfg(test)]
mod tests;

/// Registers of every HyperLogLog.
pub const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// Bits of the hash that a value is taken from.
const VALUE_BITS: u32 = 64 - INDEX_BITS;
const REGISTER_BITS: usize = 6;
const REGISTER_MAX: u8 = (1 << REGISTER_BITS) - 1;
const MAGIC: &[u8] = b"HYLL";
const ENCODING_AT: usize = 4;
const CARDINALITY_AT: usize = 8;
const HEADER_BYTES: usize = 16;
const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * REGISTER_BITS / 8;
const STALE: u8 = 0x80;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    Dense,
    Sparse,
}

/// The runs of a sparse string do not cover the registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corrupted;

/// An empty one: sparse, with a valid cached cardinality of 0.
pub fn new() -> Vec<u8> {
    let mut value = vec![0; HEADER_BYTES];
    value[..MAGIC.len()].copy_from_slice(MAGIC);
    value[ENCODING_AT] = SPARSE;
    sparse::push_zeros(&mut value, REGISTERS);
    value
}

/// The encoding, if this is the header of a HyperLogLog and the length of a dense one is right. Everything else here takes
/// strings that have passed this, and is safe but without a promise for others.
pub fn check(value: &[u8]) -> Option<Encoding> {
    if value.len() < HEADER_BYTES || !value.starts_with(MAGIC) {
        return None;
    }
    match value[ENCODING_AT] {
        DENSE if value.len() == DENSE_BYTES => Some(Encoding::Dense),
        SPARSE => Some(Encoding::Sparse),
        _ => None,
    }
}

fn is_dense(value: &[u8]) -> bool {
    value[ENCODING_AT] == DENSE
}

/// The cardinality that was stored with the string, if it still holds.
pub fn cached(value: &[u8]) -> Option<u64> {
    let bytes: [u8; 8] = value.get(CARDINALITY_AT..HEADER_BYTES)?.try_into().ok()?;
    (bytes[7] & STALE == 0).then(|| u64::from_le_bytes(bytes))
}

/// Marks the cached cardinality as no longer true. [`add`] does so by itself.
pub fn invalidate(value: &mut [u8]) {
    value[HEADER_BYTES - 1] |= STALE;
}

/// The cardinality, from the cache if that holds; stored there if not.
pub fn count(value: &mut [u8]) -> Result<u64, Corrupted> {
    if let Some(cardinality) = cached(value) {
        return Ok(cardinality);
    }
    let cardinality = histogram(value)?.estimate();
    value[CARDINALITY_AT..HEADER_BYTES].copy_from_slice(&cardinality.to_le_bytes());
    Ok(cardinality)
}

/// The register of an element and what it raises that to.
fn place(element: &[u8]) -> (usize, u8) {
    let hash = hash::murmur64a(element);
    let index = hash as usize % REGISTERS;
    // A one above the last bit ends a row of zeros.
    let rest = hash >> INDEX_BITS | 1 << VALUE_BITS;
    (index, rest.trailing_zeros() as u8 + 1)
}

/// Counts an element in; whether that changed anything. A sparse string grows to at most `sparse_max_bytes`, then it becomes dense.
pub fn add(value: &mut Vec<u8>, element: &[u8], sparse_max_bytes: usize) -> Result<bool, Corrupted> {
    let (index, rank) = place(element);
    let changed = raise(value, index, rank, sparse_max_bytes)?;
    if changed {
        invalidate(value);
    }
    Ok(changed)
}

/// Raises a register to `rank` if it is lower.
fn raise(value: &mut Vec<u8>, index: usize, rank: u8, sparse_max_bytes: usize) -> Result<bool, Corrupted> {
    if !is_dense(value) {
        match sparse::raise(value, index, rank, sparse_max_bytes)? {
            sparse::Raised::Changed => return Ok(true),
            sparse::Raised::Kept => return Ok(false),
            sparse::Raised::TooLarge => to_dense(value)?,
        }
    }
    let registers = &mut value[HEADER_BYTES..];
    if dense_get(registers, index) >= rank {
        return Ok(false);
    }
    dense_set(registers, index, rank);
    Ok(true)
}

#[inline]
fn dense_get(registers: &[u8], index: usize) -> u8 {
    let (byte, bit) = (index * REGISTER_BITS / 8, index * REGISTER_BITS % 8);
    let low = u16::from(registers[byte]);
    let high = registers.get(byte + 1).map_or(0, |&high| u16::from(high));
    ((low | high << 8) >> bit) as u8 & REGISTER_MAX
}

#[inline]
fn dense_set(registers: &mut [u8], index: usize, rank: u8) {
    let (byte, bit) = (index * REGISTER_BITS / 8, index * REGISTER_BITS % 8);
    let mask = u16::from(REGISTER_MAX) << bit;
    let bits = u16::from(rank & REGISTER_MAX) << bit;
    registers[byte] = registers[byte] & !(mask as u8) | bits as u8;
    // The last register ends with the last byte.
    if let Some(high) = registers.get_mut(byte + 1) {
        *high = *high & !((mask >> 8) as u8) | (bits >> 8) as u8;
    }
}

/// Shows every register, in order.
fn each_register(value: &[u8], mut see: impl FnMut(usize, u8)) -> Result<(), Corrupted> {
    if !is_dense(value) {
        return sparse::each_run(&value[HEADER_BYTES..], |first, run| {
            (first..first + run.len()).for_each(|index| see(index, run.value()));
        });
    }
    // Four registers are three bytes.
    for (group, bytes) in value[HEADER_BYTES..].as_chunks::<3>().0.iter().enumerate() {
        let bits = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
        for at in 0..4 {
            see(group * 4 + at, (bits >> (at * REGISTER_BITS)) as u8 & REGISTER_MAX);
        }
    }
    Ok(())
}

/// Makes a string dense, if it is not yet. Its cached cardinality stays.
pub fn to_dense(value: &mut Vec<u8>) -> Result<(), Corrupted> {
    if is_dense(value) {
        return Ok(());
    }
    let mut dense = vec![0; DENSE_BYTES];
    dense[..HEADER_BYTES].copy_from_slice(&value[..HEADER_BYTES]);
    dense[ENCODING_AT] = DENSE;
    sparse::each_run(&value[HEADER_BYTES..], |first, run| {
        if run.value() > 0 {
            (first..first + run.len()).for_each(|index| dense_set(&mut dense[HEADER_BYTES..], index, run.value()));
        }
    })?;
    *value = dense;
    Ok(())
}

/// The runs of a sparse string as `PFDEBUG DECODE` shows them; None: it is dense.
pub fn decode(value: &[u8]) -> Result<Option<String>, Corrupted> {
    if is_dense(value) {
        return Ok(None);
    }
    let mut text = String::new();
    sparse::each_run(&value[HEADER_BYTES..], |_, run| {
        let separator = if text.is_empty() { "" } else { " " };
        let written = match run {
            Run::Zero(len) => write!(text, "{separator}z:{len}"),
            Run::LongZero(len) => write!(text, "{separator}Z:{len}"),
            Run::Value { value, len } => write!(text, "{separator}v:{value},{len}"),
        };
        written.expect("a String takes everything");
    })?;
    Ok(Some(text))
}

/// How many registers have each value.
struct Histogram([u32; REGISTER_MAX as usize + 1]);

fn histogram(value: &[u8]) -> Result<Histogram, Corrupted> {
    let mut counts = [0; REGISTER_MAX as usize + 1];
    if is_dense(value) {
        each_register(value, |_, rank| counts[usize::from(rank)] += 1)?;
    } else {
        sparse::each_run(&value[HEADER_BYTES..], |_, run| counts[usize::from(run.value())] += run.len() as u32)?;
    }
    Ok(Histogram(counts))
}

impl Histogram {
    /// Ertl's improved raw estimator (his algorithm 6): no special cases for small and large cardinalities.
    fn estimate(&self) -> u64 {
        let registers = REGISTERS as f64;
        let share = |value: u32| f64::from(self.0[value as usize]) / registers;
        let mut z = registers * tau(1.0 - share(VALUE_BITS + 1));
        for value in (1..=VALUE_BITS).rev() {
            z = (z + f64::from(self.0[value as usize])) * 0.5;
        }
        z += registers * sigma(share(0));
        // 1 / (2 ln 2)
        let alpha = 0.721_347_520_444_481_7;
        // Forged registers can make it infinite; a reply is a signed integer.
        ((alpha * registers * registers / z).round() as u64).min(i64::MAX as u64)
    }
}

/// x plus the sum of x^(2^k) * 2^(k-1) for k from 1 on: what the registers that are still 0 contribute.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

/// A third of 1 - x minus the sum of (1 - x^(2^-k))^2 * 2^-k for k from 1 on: what the registers at their maximum take away.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

/// What PFSELFTEST asks for: whether both encodings keep what is put into them, and count it.
pub fn self_test(random: &mut Random) -> bool {
    let mut value = new();
    let mut twin = Registers::new();
    let mut good = true;
    for added in 1..=20_000_u64 {
        let element = random.next_u64().to_le_bytes();
        let (index, rank) = place(&element);
        good &= add(&mut value, &element, 3_000) == Ok(rank > twin.0[index]);
        twin.0[index] = rank.max(twin.0[index]);
        if added.is_power_of_two() {
            let mut kept = Registers::new();
            good &= kept.merge(&value) == Ok(()) && kept.0 == twin.0;
            // Ten standard errors.
            let error = added as f64 * 0.081 + 1.0;
            good &= count(&mut value).is_ok_and(|counted| counted.abs_diff(added) as f64 <= error);
        }
    }
    good
}

/// All registers, a byte each: where several strings are united.
pub struct Registers(Box<[u8; REGISTERS]>);

impl Default for Registers {
    fn default() -> Self {
        Registers::new()
    }
}

impl Registers {
    pub fn new() -> Registers {
        Registers(Box::new([0; REGISTERS]))
    }

    /// Raises each register to that of `value` where it is lower.
    pub fn merge(&mut self, value: &[u8]) -> Result<(), Corrupted> {
        let registers = &mut self.0;
        each_register(value, |index, rank| registers[index] = registers[index].max(rank))
    }

    /// One register; None: there is no such index.
    pub fn get(&self, index: usize) -> Option<u8> {
        self.0.get(index).copied()
    }

    /// All registers in order.
    pub fn iter(&self) -> impl Iterator<Item = u8> {
        self.0.iter().copied()
    }

    /// The cardinality of the union.
    pub fn estimate(&self) -> u64 {
        let mut counts = [0; REGISTER_MAX as usize + 1];
        self.0.iter().for_each(|&rank| counts[usize::from(rank & REGISTER_MAX)] += 1);
        Histogram(counts).estimate()
    }

    /// Raises the registers of `value` to these, and drops its cached cardinality. `dense`: one of the strings united was dense, so
    /// the result is.
    pub fn store(&self, value: &mut Vec<u8>, dense: bool, sparse_max_bytes: usize) -> Result<(), Corrupted> {
        if dense {
            to_dense(value)?;
        }
        for (index, &rank) in self.0.iter().enumerate() {
            if rank > 0 {
                raise(value, index, rank, sparse_max_bytes)?;
            }
        }
        invalidate(value);
        Ok(())
    }
}
