//! A reply as a tree, and its parser: RESP2 and RESP3, written for clarity.

use std::fmt;

/// One reply. The bytes of a number in [`Reply::Double`] and [`Reply::BigNumber`] are kept as they came.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    NullBulk,
    Array(Vec<Reply>),
    NullArray,
    Null,
    Bool(bool),
    Double(Vec<u8>),
    BigNumber(Vec<u8>),
    BulkError(Vec<u8>),
    Verbatim(Vec<u8>),
    /// Keys and values, alternating.
    Map(Vec<Reply>),
    Set(Vec<Reply>),
    Push(Vec<Reply>),
}

impl Reply {
    /// The first reply in `bytes` and its length in bytes; None when it is not all there.
    pub fn parse(bytes: &[u8]) -> Option<(Reply, usize)> {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let line = bytes[1..end].to_vec();
        let next = end + 2;
        let number = || std::str::from_utf8(&line).ok().and_then(|text| text.parse::<i64>().ok()).expect("a number");
        Some(match bytes[0] {
            b'+' => (Reply::Simple(line), next),
            b'-' => (Reply::Error(line), next),
            b':' => (Reply::Int(number()), next),
            b'_' => (Reply::Null, next),
            b'#' => (Reply::Bool(line == b"t"), next),
            b',' => (Reply::Double(line), next),
            b'(' => (Reply::BigNumber(line), next),
            kind @ (b'$' | b'=' | b'!') => {
                let Ok(len) = usize::try_from(number()) else { return Some((Reply::NullBulk, next)) };
                let body = bytes.get(next..next + len + 2)?;
                let body = body.strip_suffix(b"\r\n").expect("a bulk ends in CR LF").to_vec();
                let reply = match kind {
                    b'$' => Reply::Bulk(body),
                    b'=' => Reply::Verbatim(body),
                    _ => Reply::BulkError(body),
                };
                (reply, next + len + 2)
            }
            kind @ (b'*' | b'~' | b'>' | b'%') => {
                let Ok(len) = usize::try_from(number()) else { return Some((Reply::NullArray, next)) };
                let mut at = next;
                let mut items = Vec::new();
                for _ in 0..if kind == b'%' { 2 * len } else { len } {
                    let (item, used) = Reply::parse(&bytes[at..])?;
                    items.push(item);
                    at += used;
                }
                let reply = match kind {
                    b'*' => Reply::Array(items),
                    b'~' => Reply::Set(items),
                    b'>' => Reply::Push(items),
                    _ => Reply::Map(items),
                };
                (reply, at)
            }
            other => panic!("no reply begins with {:?}", other as char),
        })
    }

    /// Bytes of anything that carries text; empty for everything else.
    pub fn text(&self) -> &[u8] {
        match self {
            Reply::Simple(text)
            | Reply::Error(text)
            | Reply::Bulk(text)
            | Reply::Double(text)
            | Reply::BigNumber(text)
            | Reply::BulkError(text) => text,
            Reply::Verbatim(text) => text.get(4..).unwrap_or(text),
            _ => b"",
        }
    }

    pub fn string(&self) -> String {
        String::from_utf8_lossy(self.text()).into_owned()
    }

    /// The number in an integer reply.
    pub fn int(&self) -> i64 {
        match self {
            Reply::Int(value) => *value,
            other => panic!("an integer was expected, not {other:?}"),
        }
    }

    /// The elements of any aggregate; none for everything else.
    pub fn items(&self) -> &[Reply] {
        match self {
            Reply::Array(items) | Reply::Map(items) | Reply::Set(items) | Reply::Push(items) => items,
            _ => &[],
        }
    }

    /// The value of `key` in a map, or in the array that stands for one in RESP2.
    pub fn field(&self, key: &str) -> Option<&Reply> {
        self.items().chunks_exact(2).find(|pair| pair[0].text() == key.as_bytes()).map(|pair| &pair[1])
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Reply::Error(_) | Reply::BulkError(_))
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Reply::Null | Reply::NullBulk | Reply::NullArray)
    }

    /// The same reply with the elements of every aggregate in one order, whatever order they came in.
    pub fn sorted(&self) -> Reply {
        let sort = |items: &[Reply]| {
            let mut items: Vec<Reply> = items.iter().map(Reply::sorted).collect();
            items.sort();
            items
        };
        match self {
            Reply::Array(items) => Reply::Array(sort(items)),
            Reply::Set(items) => Reply::Set(sort(items)),
            Reply::Push(items) => Reply::Push(sort(items)),
            Reply::Map(items) => {
                let mut pairs: Vec<(Reply, Reply)> =
                    items.chunks_exact(2).map(|pair| (pair[0].sorted(), pair[1].sorted())).collect();
                pairs.sort();
                Reply::Map(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect())
            }
            other => other.clone(),
        }
    }
}

/// As on the wire, escaped, one line; long texts are cut.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, kind: &str, items: &[Reply]| {
            write!(f, "{kind}")?;
            f.debug_list().entries(items).finish()
        };
        match self {
            Reply::Simple(text) => write!(f, "+{}", text.escape_ascii()),
            Reply::Error(text) => write!(f, "-{}", text.escape_ascii()),
            Reply::Int(value) => write!(f, ":{value}"),
            Reply::Bulk(text) if text.len() > 300 => {
                write!(f, "${}\"{}...\"", text.len(), text[..300].escape_ascii())
            }
            Reply::Bulk(text) => write!(f, "\"{}\"", text.escape_ascii()),
            Reply::NullBulk => write!(f, "$-1"),
            Reply::Array(items) => list(f, "*", items),
            Reply::NullArray => write!(f, "*-1"),
            Reply::Null => write!(f, "_"),
            Reply::Bool(value) => write!(f, "#{}", if *value { 't' } else { 'f' }),
            Reply::Double(text) => write!(f, ",{}", text.escape_ascii()),
            Reply::BigNumber(text) => write!(f, "({}", text.escape_ascii()),
            Reply::BulkError(text) => write!(f, "!{}", text.escape_ascii()),
            Reply::Verbatim(text) => write!(f, "={}", text.escape_ascii()),
            Reply::Map(items) => list(f, "%", items),
            Reply::Set(items) => list(f, "~", items),
            Reply::Push(items) => list(f, ">", items),
        }
    }
}
