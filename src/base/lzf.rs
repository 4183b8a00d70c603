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
/// What a compressed byte becomes at most: nothing gives more than the longest match, which takes three bytes.
const EXPANSION_MAX: usize = MATCH_MAX / 3;
/// Slots of the table: as many as a short input can use, and no more, because they all have to be cleared.
const SLOTS_MIN: usize = 1 << 6;
const SLOTS_MAX: usize = 1 << 14;

/// After so many bytes without a match one more is passed over at each step, and so on up to so many: what does not compress is soon done
/// with, and what follows it is still found by its repetitions within [`OFFSET_MAX`].
const PATIENCE: usize = 256;
const PASSED_MAX: usize = 15;

/// The three bytes from `at` on, behind which there is a fourth.
#[inline]
fn three(input: &[u8], at: usize) -> Option<u32> {
    let four = input.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*four) & 0x00FF_FFFF)
}

/// How many of the bytes from `at` on are those from `from` on, which is before it: at least [`MATCH_MIN`], as is known.
#[inline]
fn match_len(input: &[u8], from: usize, at: usize) -> usize {
    let longest = MATCH_MAX.min(input.len() - at);
    let (earlier, later) = (&input[from..from + longest], &input[at..at + longest]);
    let mut len = MATCH_MIN;
    while let (Some(a), Some(b)) = (earlier[len..].first_chunk::<8>(), later[len..].first_chunk::<8>()) {
        let differing = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differing != 0 {
            return len + differing.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    len + earlier[len..].iter().zip(&later[len..]).take_while(|(a, b)| a == b).count()
}

/// The compressed bytes; None if they would not be fewer than `limit`.
pub fn compress(input: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut output = Vec::with_capacity(limit.min(input.len()));
    // Where three bytes of each hash were seen last, plus one.
    let slots = (2 * input.len()).next_power_of_two().clamp(SLOTS_MIN, SLOTS_MAX);
    let shift = 32 - slots.ilog2();
    let mut table = vec![0_u32; slots];
    let mut literals_from = 0;
    let mut at = 0;
    while let Some(bytes) = three(input, at) {
        let slot = (bytes.wrapping_mul(0x9E37_79B1) >> shift) as usize;
        let candidate = std::mem::replace(&mut table[slot], at as u32 + 1) as usize;
        let is_match = candidate > 0
            && at - (candidate - 1) <= OFFSET_MAX
            && three(input, candidate - 1).is_some_and(|earlier| earlier == bytes);
        if !is_match {
            at += 1 + ((at - literals_from) / PATIENCE).min(PASSED_MAX);
            continue;
        }
        let from = candidate - 1;
        let len = match_len(input, from, at);
        put_literals(&mut output, &input[literals_from..at]);
        put_match(&mut output, at - from, len);
        if output.len() >= limit {
            return None;
        }
        at += len;
        literals_from = at;
    }
    if output.len() + (input.len() - literals_from) >= limit {
        return None;
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
    if len > input.len().saturating_mul(EXPANSION_MAX) {
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
    fn what_does_not_compress_hides_nothing_that_does() {
        let mut random = Random::new(7);
        let noise: Vec<u8> = (0..200_000).map(|_| random.below(256) as u8).collect();
        assert_eq!(compress(&noise, noise.len()), None);
        let text = b"the same again and ".repeat(20_000);
        let both = [&noise[..], &text].concat();
        let packed = compress(&both, both.len()).expect("half of it does");
        assert!(packed.len() < noise.len() + noise.len() / 32 + text.len() / 50, "{}", packed.len());
        assert_eq!(decompress(&packed, both.len()).as_deref(), Some(&both[..]));
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(decompress(&[0x20, 0], 3), None, "from before the beginning");
        assert_eq!(decompress(&[5, b'a'], 6), None, "literals that are not there");
        assert_eq!(decompress(&[0, b'a', 0xe0], 10), None, "a match that is cut off");
        assert_eq!(decompress(&[0, b'a'], usize::MAX), None, "more than so few bytes can become");
        let longest = [0, b'a', 0xe0, 0xff, 0, 0xe0, 0xff, 0];
        assert_eq!(decompress(&longest, 1 + 2 * 264).as_deref(), Some(&[b'a'; 529][..]), "as much as they can");
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
