//! Finding where the commands of an append-only file begin and end, without executing them. Pure: bytes in, lengths out.
//!
//! ```text
//!   *2\r\n$4\r\nINCR\r\n$1\r\na\r\n        a command
//!   #TS:1700000000\r\n                     an annotation, between commands
//! ```
//!
//! It keeps its place in a command that is not complete, so that no byte is looked at twice however the bytes come.

use memchr::memchr;

use crate::base::number;

/// Longest line, bytes: a header has a number of at most 20 digits; an annotation is short, too.
const LINE_MAX: usize = 1024;
/// Most arguments of a command, and most bytes of one argument: what Redis accepts from a client.
const ARGS_MAX: i64 = 1024 * 1024 * 1024;
const BULK_MAX: i64 = i64::MAX / 2;

/// What stands at the beginning of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scanned {
    /// A command of so many bytes; where its name is.
    Command { len: usize, name: (usize, usize) },
    /// An annotation of so many bytes, its line end among them.
    Annotation { len: usize },
    /// The rest is not there.
    Incomplete,
}

/// What is not as it should be, and how many bytes from the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScanError {
    pub at: usize,
    pub reason: &'static str,
}

/// Its place in a command.
#[derive(Clone, Copy, Default, Debug)]
pub struct Scanner {
    at: usize,
    /// Arguments that are still to come; None: the first line has not been read.
    missing: Option<i64>,
    /// Length of the argument whose header was read.
    bulk: Option<usize>,
    name: Option<(usize, usize)>,
}

impl Scanner {
    /// Looks at what begins with `bytes`. After [`Scanned::Incomplete`] it is called again with the same bytes and more; otherwise with
    /// what comes behind.
    ///
    /// # Errors
    /// No command can begin so.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Scanned, ScanError> {
        let scanned = self.scan_on(bytes);
        if !matches!(scanned, Ok(Scanned::Incomplete)) {
            *self = Scanner::default();
        }
        scanned
    }

    fn scan_on(&mut self, bytes: &[u8]) -> Result<Scanned, ScanError> {
        if self.missing.is_none() {
            match bytes.first() {
                None => return Ok(Scanned::Incomplete),
                Some(b'#') => {
                    let line = self.line(bytes)?;
                    return Ok(line.map_or(Scanned::Incomplete, |end| Scanned::Annotation { len: end }));
                }
                Some(_) => {}
            }
            let Some(count) = self.header(bytes, b'*', "Expected prefix '*'")? else { return Ok(Scanned::Incomplete) };
            if !(1..=ARGS_MAX).contains(&count) {
                return Err(ScanError { at: 0, reason: "Invalid argument count" });
            }
            self.missing = Some(count);
        }
        while let Some(missing) = self.missing.filter(|&missing| missing > 0) {
            if self.bulk.is_none() {
                let at = self.at;
                let Some(len) = self.header(bytes, b'$', "Expected prefix '$'")? else {
                    return Ok(Scanned::Incomplete);
                };
                if !(0..=BULK_MAX).contains(&len) {
                    return Err(ScanError { at, reason: "Invalid argument length" });
                }
                self.bulk = Some(len as usize);
            }
            let len = self.bulk.unwrap_or(0);
            if bytes.len() - self.at < len + 2 {
                return Ok(Scanned::Incomplete);
            }
            if &bytes[self.at + len..self.at + len + 2] != b"\r\n" {
                return Err(ScanError { at: self.at + len, reason: "Expected \\r\\n" });
            }
            self.name.get_or_insert((self.at, self.at + len));
            self.at += len + 2;
            self.bulk = None;
            self.missing = Some(missing - 1);
        }
        Ok(Scanned::Command { len: self.at, name: self.name.unwrap_or((0, 0)) })
    }

    /// The number behind `prefix` in the line that begins here; None: the line is not complete.
    fn header(&mut self, bytes: &[u8], prefix: u8, expected: &'static str) -> Result<Option<i64>, ScanError> {
        let start = self.at;
        match bytes.get(start) {
            None => return Ok(None),
            Some(&first) if first != prefix => return Err(ScanError { at: start, reason: expected }),
            Some(_) => {}
        }
        let Some(end) = self.line(bytes)? else { return Ok(None) };
        match number::parse_i64(&bytes[start + 1..end - 2]) {
            Some(number) => {
                self.at = end;
                Ok(Some(number))
            }
            None => Err(ScanError { at: start, reason: "Invalid number" }),
        }
    }

    /// Where the line that begins here ends, behind its CR LF.
    fn line(&self, bytes: &[u8]) -> Result<Option<usize>, ScanError> {
        let rest = &bytes[self.at..];
        let looked = &rest[..rest.len().min(LINE_MAX)];
        match memchr(b'\n', looked) {
            Some(end) if end > 0 && rest[end - 1] == b'\r' => Ok(Some(self.at + end + 1)),
            Some(end) => Err(ScanError { at: self.at + end, reason: "Expected \\r\\n" }),
            None if rest.len() > LINE_MAX => Err(ScanError { at: self.at, reason: "Too long a line" }),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Scanned, Scanner};

    #[test]
    fn commands_and_annotations_at_every_split() {
        let bytes = b"#TS:12\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n*1\r\n$0\r\n\r\n";
        for split in 0..=bytes.len() {
            let (mut found, mut at, mut seen) = (Vec::new(), 0, split);
            let mut scanner = Scanner::default();
            loop {
                match scanner.scan(&bytes[at..seen]).unwrap() {
                    Scanned::Incomplete if seen < bytes.len() => seen = bytes.len(),
                    Scanned::Incomplete => break,
                    Scanned::Annotation { len } => {
                        found.push(String::from_utf8_lossy(&bytes[at..at + len]).into_owned());
                        at += len;
                    }
                    Scanned::Command { len, name } => {
                        found.push(String::from_utf8_lossy(&bytes[at + name.0..at + name.1]).into_owned());
                        at += len;
                    }
                }
            }
            assert_eq!(found, ["#TS:12\r\n", "INCR", ""], "split at {split}");
            assert_eq!(at, bytes.len());
        }
    }

    #[test]
    fn what_is_no_command_is_refused() {
        let wrong: &[(&[u8], usize)] = &[
            (b"INCR a\r\n", 0),
            (b"*0\r\n", 0),
            (b"*-1\r\n", 0),
            (b"*x\r\n", 0),
            (b"*2\n", 2),
            (b"*1\r\n:4\r\n", 4),
            (b"*1\r\n$-1\r\n", 4),
            (b"*1\r\n$9999999999999999999\r\n", 4),
            (b"*1\r\n$1\r\nabc", 9),
        ];
        for &(bytes, at) in wrong {
            let error = Scanner::default().scan(bytes).unwrap_err();
            assert_eq!(error.at, at, "{}", bytes.escape_ascii());
        }
        let long = [b"#".as_slice(), &[b'x'; 2000]].concat();
        assert!(Scanner::default().scan(&long).is_err());
    }
}
