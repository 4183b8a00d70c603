//! Redis's glob patterns: `*`, `?`, `[abc]`, `[a-z]`, `[^x]`, `\` before a byte to take it literally. KEYS, SCAN MATCH,
//! PSUBSCRIBE, CONFIG GET and ACL use them.
//!
//! Every element but `*` stands for exactly one byte, so a mismatch can only be mended at the last `*`: no recursion, and the
//! time is at most pattern length times text length (`a*a*a*b` against many `a` blows up nothing).
//!
//! Redis's corner cases are kept: a class without `]` ends with the pattern, a range may be written backwards, a trailing `\`
//! is itself, and the empty text is matched by the empty pattern only. (That KEYS and SCAN list the empty key for `*` is a
//! shortcut of theirs: they do not ask.)

/// Whether all of `text` matches `pattern`. `nocase` compares ASCII letters in any case.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut at, mut position) = (0, 0);
    // Behind the last `*` met, and the first byte of the text that it does not yet cover.
    let mut resume: Option<(usize, usize)> = None;
    while position < text.len() {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            if at == pattern.len() {
                return true;
            }
            resume = Some((at, position));
            continue;
        }
        let step = element(&pattern[at..], text[position], nocase);
        match (step, resume) {
            (Some(length), _) => {
                at += length;
                position += 1;
            }
            (None, Some((behind, covered))) => {
                at = behind;
                position = covered + 1;
                resume = Some((behind, position));
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|&b| b == b'*')
}

/// Length of the element at the front of `pattern` if it matches `byte`.
#[inline]
fn element(pattern: &[u8], byte: u8, nocase: bool) -> Option<usize> {
    let fold = |b: u8| if nocase { b.to_ascii_lowercase() } else { b };
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', ..] => class(pattern, byte, &fold),
        [b'\\', literal, ..] => (fold(*literal) == fold(byte)).then_some(2),
        [literal, ..] => (fold(*literal) == fold(byte)).then_some(1),
    }
}

fn class(pattern: &[u8], byte: u8, fold: &impl Fn(u8) -> u8) -> Option<usize> {
    let negated = pattern.get(1) == Some(&b'^');
    let mut rest = &pattern[if negated { 2 } else { 1 }..];
    let mut found = false;
    loop {
        match rest {
            [] => break,
            [b'\\', literal, tail @ ..] => {
                found |= *literal == byte;
                rest = tail;
            }
            [b']', tail @ ..] => {
                rest = tail;
                break;
            }
            [first, b'-', last, tail @ ..] => {
                let (first, last) = (fold(*first), fold(*last));
                found |= (first.min(last)..=first.max(last)).contains(&fold(byte));
                rest = tail;
            }
            [literal, tail @ ..] => {
                found |= fold(*literal) == fold(byte);
                rest = tail;
            }
        }
    }
    (found != negated).then(|| pattern.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::{element, matches};
    use crate::base::random::Random;

    /// The definition, by trying everything.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            ([b'*', rest @ ..], text) => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            (_, []) => false,
            (pattern, [byte, tail @ ..]) => {
                element(pattern, *byte, false).is_some_and(|length| naive(&pattern[length..], tail))
            }
        }
    }

    #[test]
    fn agrees_with_its_naive_twin() {
        let mut random = Random::new(21);
        let mut word = |alphabet: &[u8], max: u64| -> Vec<u8> {
            let length = random.below(max);
            (0..length).map(|_| alphabet[random.below(alphabet.len() as u64) as usize]).collect()
        };
        for _ in 0..200_000 {
            let (pattern, text) = (word(b"aab*?[]^-\\", 9), word(b"aab]-", 8));
            let expected = if text.is_empty() { pattern.is_empty() } else { naive(&pattern, &text) };
            let shown = (String::from_utf8_lossy(&pattern), String::from_utf8_lossy(&text));
            assert_eq!(matches(&pattern, &text, false), expected, "{shown:?}");
        }
    }

    /// Patterns against keys, as KEYS of Redis answered.
    #[test]
    fn agrees_with_redis() {
        let cases = include_str!("glob_cases.txt").strip_suffix('\n').unwrap();
        let mut lines = cases.split('\n').skip(1);
        let keys: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("# patterns")).collect();
        let mut patterns = 0;
        for line in lines {
            let (pattern, numbers) = line.split_once('\t').unwrap();
            let listed: Vec<usize> = numbers.split_whitespace().map(|number| number.parse().unwrap()).collect();
            for (index, key) in keys.iter().enumerate() {
                // KEYS does not ask for "*".
                let got = pattern == "*" || matches(pattern.as_bytes(), key.as_bytes(), false);
                assert_eq!(got, listed.contains(&index), "{pattern:?} {key:?}");
            }
            patterns += 1;
        }
        assert!(patterns > 1000);
    }

    #[test]
    fn case_is_ignored_when_asked() {
        assert!(matches(b"SLOW*-[A-C]\\D", b"slowlog-bD", true));
        assert!(!matches(b"SLOW*", b"slowlog", false));
        assert!(matches(b"[^A]", b"b", true));
        assert!(!matches(b"[^A]", b"a", true));
    }

    #[test]
    fn time_stays_bounded() {
        let (pattern, text) = (b"a*".repeat(2000), b"a".repeat(20_000));
        assert!(!matches(&[pattern.as_slice(), b"b"].concat(), &text, false));
    }
}
