//! LZF, the compression of strings in RDB files and DUMP payloads, and of the nodes of lists.
//!
//! The format is that of Marc Lehmann's LibLZF: a control byte, and what it says.
//!
//! ```text
//!   000LLLLL                      L + 1 literal bytes follow
//!   LLLooooo oooooooo             copy L + 2 bytes (L: 1 to 6) from o + 1 bytes back
//!   111ooooo LLLLLLLL oooooooo    copy L + 9 bytes from o + 1 bytes back
//! ```
//!
//! Any compressor's output is read by any decompressor; this one finds matches through a table of the last place of each hash of three
//! bytes, as the original does, and gives up when it does not get below the size that the caller has a use for.

/// Longest run of literals, furthest and longest match.
const LITERAL_MAX: usize = 32;
const OFFSET_MAX: usize = 1 << 13;
const MATCH_MAX: usize = 255 + 9;
const MATCH_MIN: usize = 3;
/// Slots of the table: as many as a short input can use, and no more, because they all have to be cleared.
const SLOTS_MIN: usize = 1 << 6;
const SLOTS_MAX: usize = 1 << 14;

fn slot(bytes: &[u8], slots: usize) -> usize {
    let three = u32::from(bytes[0]) << 16 | u32::from(bytes[1]) << 8 | u32::from(bytes[2]);
    (three.wrapping_mul(0x9E37_79B1) >> (32 - slots.ilog2())) as usize
}

/// The compressed bytes; None if they would not be fewer than `limit`.
pub fn compress(input: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut output = Vec::with_capacity(limit.min(input.len()));
    // Where three bytes of each hash were seen last, plus one.
    let slots = (2 * input.len()).next_power_of_two().clamp(SLOTS_MIN, SLOTS_MAX);
    let mut table = vec![0_u32; slots];
    let mut literals_from = 0;
    let mut at = 0;
    while at + MATCH_MIN <= input.len() {
        let slot = slot(&input[at..], slots);
        let candidate = std::mem::replace(&mut table[slot], at as u32 + 1) as usize;
        let is_match = candidate > 0
            && at - (candidate - 1) <= OFFSET_MAX
            && input[candidate - 1..candidate - 1 + MATCH_MIN] == input[at..at + MATCH_MIN];
        if !is_match {
            at += 1;
            continue;
        }
        let from = candidate - 1;
        let longest = MATCH_MAX.min(input.len() - at);
        let len = (MATCH_MIN..longest).find(|&len| input[from + len] != input[at + len]).unwrap_or(longest);
        put_literals(&mut output, &input[literals_from..at]);
        put_match(&mut output, at - from, len);
        if output.len() >= limit {
            return None;
        }
        at += len;
        literals_from = at;
    }
    put_literals(&mut output, &input[literals_from..]);
    (output.len() < limit).then_some(output)
}

fn put_literals(output: &mut Vec<u8>, literals: &[u8]) {
    for run in literals.chunks(LITERAL_MAX) {
        output.push((run.len() - 1) as u8);
        output.extend_from_slice(run);
    }
}

fn put_match(output: &mut Vec<u8>, distance: usize, len: usize) {
    let (offset, len) = (distance - 1, len - 2);
    let high = (offset >> 8) as u8;
    if len < 7 {
        output.push((len as u8) << 5 | high);
    } else {
        output.push(7 << 5 | high);
        output.push((len - 7) as u8);
    }
    output.push(offset as u8);
}

/// The `len` bytes that were compressed. None: these bytes are no such thing. Nothing is allocated beyond what the compressed bytes
/// can become.
pub fn decompress(mut input: &[u8], len: usize) -> Option<Vec<u8>> {
    // Three bytes become a match of 264 at most.
    if len > input.len().saturating_mul(MATCH_MAX) {
        return None;
    }
    let mut output = Vec::with_capacity(len);
    while let [control, rest @ ..] = input {
        let control = usize::from(*control);
        if control < LITERAL_MAX {
            let (literals, rest) = rest.split_at_checked(control + 1)?;
            output.extend_from_slice(literals);
            input = rest;
        } else {
            let (extra, rest) = match (control >> 5, rest) {
                (7, [extra, rest @ ..]) => (usize::from(*extra), rest),
                (7, []) => return None,
                (_, rest) => (0, rest),
            };
            let [low, rest @ ..] = rest else { return None };
            let distance = ((control & 0x1f) << 8 | usize::from(*low)) + 1;
            let mut missing = (control >> 5) + extra + 2;
            let from = output.len().checked_sub(distance)?;
            // What is copied may reach into what is being written: a run repeats itself.
            while missing > 0 {
                let part = missing.min(output.len() - from);
                output.extend_from_within(from..from + part);
                missing -= part;
            }
            input = rest;
        }
        if output.len() > len {
            return None;
        }
    }
    (output.len() == len).then_some(output)
}

#[cfg(test)]
mod tests {
    use super::{compress, decompress};
    use crate::base::random::Random;

    #[test]
    fn what_was_compressed_comes_back() {
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let len = random.below(3000) as usize;
            let letters = 1 + random.below(8);
            let mut text: Vec<u8> = Vec::new();
            while text.len() < len {
                if !text.is_empty() && random.below(3) == 0 {
                    let from = random.below(text.len() as u64) as usize;
                    let some = (1 + random.below(600) as usize).min(text.len() - from);
                    text.extend_from_within(from..from + some);
                } else {
                    text.push(random.below(letters) as u8);
                }
            }
            let packed = compress(&text, usize::MAX).expect("there is no limit");
            assert_eq!(decompress(&packed, text.len()).as_deref(), Some(&text[..]), "seed {seed}");
            assert_eq!(decompress(&packed, text.len() + 1), None, "seed {seed}");
            assert_eq!(compress(&text, packed.len()), None, "seed {seed}");
        }
        assert!(compress(&[b'a'; 1000], 40).is_some_and(|packed| packed.len() < 20));
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(decompress(&[0x20, 0], 3), None, "from before the beginning");
        assert_eq!(decompress(&[5, b'a'], 6), None, "literals that are not there");
        assert_eq!(decompress(&[0, b'a', 0xe0], 10), None, "a match that is cut off");
        assert_eq!(decompress(&[0, b'a'], usize::MAX), None, "more than so few bytes can become");
        let mut random = Random::new(1);
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..random.below(30)).map(|_| random.below(256) as u8).collect();
            let len = random.below(100) as usize;
            if let Some(output) = decompress(&bytes, len) {
                assert_eq!(output.len(), len);
            }
        }
    }
}
