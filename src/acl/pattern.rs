//! Patterns of keys and channels. Most are a literal or end in their only `*`: these are compared, not globbed.

use crate::base::glob;

bitflags::bitflags! {
    /// What is done to a key.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Access: u8 {
        const READ = 1;
        const WRITE = 2;
    }
}

/// A glob that knows whether it needs to be one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    text: Box<[u8]>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Literal,
    /// So many bytes, and anything behind them.
    Prefix(usize),
    Glob,
}

impl Pattern {
    pub fn new(text: &[u8]) -> Pattern {
        let kind = match text.iter().position(|byte| b"*?[\\".contains(byte)) {
            None => Kind::Literal,
            Some(at) if text[at] == b'*' && at + 1 == text.len() => Kind::Prefix(at),
            Some(_) => Kind::Glob,
        };
        Pattern { text: text.into(), kind }
    }

    pub fn text(&self) -> &[u8] {
        &self.text
    }

    #[inline]
    pub fn matches(&self, name: &[u8]) -> bool {
        match self.kind {
            Kind::Literal => *self.text == *name,
            // As everywhere in Redis, `*` does not match the empty name.
            Kind::Prefix(len) => !name.is_empty() && name.starts_with(&self.text[..len]),
            Kind::Glob => glob::matches(&self.text, name, false),
        }
    }
}

/// Keys, and what may be done to them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyPattern {
    pub pattern: Pattern,
    pub access: Access,
}

impl KeyPattern {
    /// As a rule: `~x`, `%R~x`, `%W~x`.
    pub fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match (self.access.contains(Access::READ), self.access.contains(Access::WRITE)) {
            (true, false) => b"%R~",
            (false, true) => b"%W~",
            _ => b"~",
        });
        out.extend_from_slice(self.pattern.text());
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;
    use crate::base::glob;

    #[test]
    fn shortcuts_agree_with_the_glob() {
        for pattern in ["", "*", "a", "a*", "ab*", "a*b", "a?", "[ab]", "a\\*", "**", "a**", "*a"] {
            for name in ["", "a", "ab", "abc", "b", "a*", "*", "ba"] {
                let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
                let shown = (pattern.escape_ascii().to_string(), name.escape_ascii().to_string());
                assert_eq!(Pattern::new(pattern).matches(name), glob::matches(pattern, name, false), "{shown:?}");
            }
        }
    }
}
