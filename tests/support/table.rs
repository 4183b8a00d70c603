//! Calls written as text, one a line, and how exactly their replies have to agree.
//!
//! ```text
//!   SET k "a b\xff" EX 100        words, quoted as in redis-cli; {a*1000} is a thousand times `a`
//!   ~ KEYS *                      replies agree whatever the order of elements
//!   near TTL k                    integers depend on the time and may differ a little
//!   shape TIME                    only the kinds of replies agree, not their text
//!   kind DEBUG OBJECT k           only the outermost kind agrees
//!   number ZSCORE k m            floating-point numbers are equal, whatever the digits that say so
//!   # text                        a remark
//! ```
//!
//! Everything without a mark agrees byte for byte.

use super::reply::Reply;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Agreement {
    Exact,
    AnyOrder,
    Near,
    Number,
    Shape,
    Kind,
}

/// The agreement a line asks for, and its command; None for an empty line or a remark.
pub fn parse(line: &str) -> Option<(Agreement, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with("# ") {
        return None;
    }
    let marks = [
        ("~ ", Agreement::AnyOrder),
        ("near ", Agreement::Near),
        ("number ", Agreement::Number),
        ("shape ", Agreement::Shape),
        ("kind ", Agreement::Kind),
    ];
    for (mark, agreement) in marks {
        if let Some(command) = line.strip_prefix(mark) {
            return Some((agreement, command.trim_start()));
        }
    }
    Some((Agreement::Exact, line))
}

impl Agreement {
    pub fn holds(self, left: &Reply, right: &Reply) -> bool {
        match self {
            Agreement::Exact => left == right,
            Agreement::AnyOrder => left.sorted() == right.sorted(),
            Agreement::Near => match (left, right) {
                (Reply::Int(left), Reply::Int(right)) => near(*left, *right),
                _ => left == right,
            },
            Agreement::Number => {
                std::mem::discriminant(left) == std::mem::discriminant(right)
                    && left.items().len() == right.items().len()
                    && left.items().iter().zip(right.items()).all(|(left, right)| self.holds(left, right))
                    && (left == right || !left.items().is_empty() || same_number(left, right))
            }
            Agreement::Shape => {
                std::mem::discriminant(left) == std::mem::discriminant(right)
                    && left.items().len() == right.items().len()
                    && left.items().iter().zip(right.items()).all(|(left, right)| self.holds(left, right))
            }
            Agreement::Kind => std::mem::discriminant(left) == std::mem::discriminant(right),
        }
    }
}

/// Whether two texts say the same number: 7.0 prints the digits of `%.17g`, 7.2 the fewest that will do.
/// The same double; of zero the sign is not looked at, which in Redis depends on how a set was kept at times that are past.
fn same_number(left: &Reply, right: &Reply) -> bool {
    let number = |reply: &Reply| reply.string().parse::<f64>().ok();
    number(left).is_some_and(|left| {
        number(right).is_some_and(|right| left.to_bits() == right.to_bits() || left.abs() + right.abs() == 0.0)
    })
}

/// Whether two numbers that depend on the time agree: small ones (seconds to live) to within two percent, large ones
/// (milliseconds to live, Unix times) to within twenty thousand. Deadlines in the tests are much further apart.
fn near(left: i64, right: i64) -> bool {
    // -1 and -2 say "no deadline" and "no key": these are facts, not times.
    if left < 0 || right < 0 {
        return left == right;
    }
    let larger = left.max(right);
    let allowed = if larger < 1_000_000 { (larger / 50).max(3) } else { 20_000 };
    left.abs_diff(right) <= allowed as u64
}

/// Splits a line into arguments.
pub fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = line.as_bytes();
    loop {
        rest = rest.trim_ascii_start();
        match rest {
            [] => return words,
            [b'"', tail @ ..] => {
                let (word, tail) = quoted(tail);
                words.push(word);
                rest = tail;
            }
            _ => {
                let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
                words.push(repeated(&rest[..end]).unwrap_or_else(|| rest[..end].to_vec()));
                rest = &rest[end..];
            }
        }
    }
}

/// The word behind an opening quote, and what follows the closing one.
fn quoted(mut rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut word = Vec::new();
    loop {
        match rest {
            [b'"', tail @ ..] => return (word, tail),
            [b'\\', b'x', high, low, tail @ ..] => {
                let hex = [*high, *low];
                let hex = std::str::from_utf8(&hex).expect("hex digits");
                word.push(u8::from_str_radix(hex, 16).expect("hex digits"));
                rest = tail;
            }
            [b'\\', escaped, tail @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                rest = tail;
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
            }
            [] => panic!("a quote is not closed in a table of calls"),
        }
    }
}

/// `{ab*3}`: `ababab`.
fn repeated(word: &[u8]) -> Option<Vec<u8>> {
    let inner = word.strip_prefix(b"{")?.strip_suffix(b"}")?;
    let star = inner.iter().rposition(|&byte| byte == b'*')?;
    let count = std::str::from_utf8(&inner[star + 1..]).ok()?.parse().ok()?;
    Some(inner[..star].repeat(count))
}

/// A request as it would stand in a table.
pub fn show(args: &[Vec<u8>]) -> String {
    let shown: Vec<String> = args
        .iter()
        .map(|arg| {
            let plain = !arg.is_empty() && arg.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'"');
            match arg.len() {
                len if len > 200 => format!("<{len} bytes: {}...>", arg[..60].escape_ascii()),
                _ if plain => String::from_utf8_lossy(arg).into_owned(),
                _ => format!("\"{}\"", arg.escape_ascii()),
            }
        })
        .collect();
    shown.join(" ")
}
