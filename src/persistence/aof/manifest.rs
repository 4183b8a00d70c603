//! The manifest: which files the append-only file consists of, a line each.
//!
//! ```text
//!   file appendonly.aof.2.base.rdb seq 2 type b
//!   file appendonly.aof.1.incr.aof seq 1 type h
//!   file appendonly.aof.2.incr.aof seq 2 type i
//! ```
//!
//! Base (at most one), incremental files in the order of their numbers, and history: files that are about to be removed. Pure.

use std::fmt::Write;

use crate::base::number;
use crate::resp::request::split_words;

/// Bytes of a line, and of a name, at most: Redis has the same bound.
const LINE_MAX: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    Base,
    Incremental,
    /// Not needed any more.
    History,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AofFile {
    pub name: String,
    pub sequence: u64,
    pub kind: FileKind,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Manifest {
    pub base: Option<AofFile>,
    pub incremental: Vec<AofFile>,
    pub history: Vec<AofFile>,
    /// The highest number that a base has had.
    base_sequence: u64,
    incremental_sequence: u64,
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is wrong with it, with the number of the line.
    pub fn parse(text: &[u8]) -> Result<Manifest, String> {
        let mut manifest = Manifest::default();
        if text.is_empty() {
            return Err("Found an empty AOF manifest".to_owned());
        }
        for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            manifest.read_line(line).map_err(|reason| format!("{reason} (line {} of the AOF manifest)", number + 1))?;
        }
        if manifest.base.is_none() && manifest.incremental.is_empty() && manifest.history.is_empty() {
            return Err("Found an empty AOF manifest".to_owned());
        }
        Ok(manifest)
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), String> {
        const INVALID: &str = "Invalid AOF manifest file format";
        if line.len() > LINE_MAX {
            return Err("The AOF manifest file contains too long line".to_owned());
        }
        let words = split_words(line).ok_or(INVALID)?;
        if words.len() < 6 || !words.len().is_multiple_of(2) {
            return Err(INVALID.to_owned());
        }
        let (mut name, mut sequence, mut kind) = (None, None, None);
        for pair in words.chunks(2) {
            match pair[0].to_ascii_lowercase().as_slice() {
                b"file" => name = Some(pair[1].clone()),
                b"seq" => {
                    // There have to be numbers for the files that are yet to come.
                    let read = number::parse_i64(&pair[1]).filter(|&sequence| sequence < i64::MAX / 2);
                    sequence = read.and_then(|sequence| u64::try_from(sequence).ok());
                }
                b"type" => {
                    kind = match pair[1].as_slice() {
                        b"b" => Some(FileKind::Base),
                        b"i" => Some(FileKind::Incremental),
                        b"h" => Some(FileKind::History),
                        _ => return Err("Unknown AOF file type".to_owned()),
                    }
                }
                // Of newer versions: where in the replication stream a file begins.
                _ => {}
            }
        }
        let (Some(name), Some(sequence), Some(kind)) = (name, sequence.filter(|&sequence| sequence > 0), kind) else {
            return Err(INVALID.to_owned());
        };
        let name = String::from_utf8(name).map_err(|_| INVALID)?;
        if name.contains('/') || name.is_empty() || name == "." || name == ".." {
            return Err("File can't be a path, just a filename".to_owned());
        }
        let file = AofFile { name, sequence, kind };
        match kind {
            FileKind::Base if self.base.is_some() => return Err("Found duplicate base file information".to_owned()),
            FileKind::Base => {
                self.base_sequence = sequence;
                self.base = Some(file);
            }
            FileKind::Incremental => {
                if sequence <= self.incremental_sequence {
                    return Err("Found a non-monotonic sequence number".to_owned());
                }
                self.incremental_sequence = sequence;
                self.incremental.push(file);
            }
            FileKind::History => self.history.push(file),
        }
        Ok(())
    }

    /// As it is written.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for file in self.base.iter().chain(&self.history).chain(&self.incremental) {
            let kind = match file.kind {
                FileKind::Base => 'b',
                FileKind::Incremental => 'i',
                FileKind::History => 'h',
            };
            let needs_quotes = file.name.bytes().any(|byte| byte <= b' ' || matches!(byte, b'"' | b'\\' | b'\''));
            let name = if needs_quotes { quoted(&file.name) } else { file.name.clone() };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "file {name} seq {} type {kind}", file.sequence);
        }
        text
    }

    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.incremental.is_empty()
    }

    /// Adds another incremental file; its name.
    pub fn add_incremental(&mut self, filename: &str) -> String {
        let file = self.next_incremental(filename);
        let name = file.name.clone();
        self.incremental.push(file);
        name
    }

    /// Another incremental file, which is not added yet. Its number is not given again.
    pub fn next_incremental(&mut self, filename: &str) -> AofFile {
        self.incremental_sequence += 1;
        let sequence = self.incremental_sequence;
        AofFile { name: format!("{filename}.{sequence}.incr.aof"), sequence, kind: FileKind::Incremental }
    }

    /// What the next base is called.
    pub fn next_base(&self, filename: &str, is_rdb: bool) -> AofFile {
        let sequence = self.base_sequence + 1;
        let ending = if is_rdb { "rdb" } else { "aof" };
        AofFile { name: format!("{filename}.{sequence}.base.{ending}"), sequence, kind: FileKind::Base }
    }

    /// Puts `base` in the place of the old one and of the incremental files but the last `kept`.
    pub fn replace_base(&mut self, base: AofFile, kept: usize) {
        let gone = self.incremental.len().saturating_sub(kept);
        let old = self.base.take().into_iter().chain(self.incremental.drain(..gone));
        self.history.extend(old.map(|file| AofFile { kind: FileKind::History, ..file }));
        self.base_sequence = base.sequence;
        self.base = Some(base);
    }

    /// A file of an older version becomes the base.
    pub fn adopt(filename: &str) -> Manifest {
        let base = AofFile { name: filename.to_owned(), sequence: 1, kind: FileKind::Base };
        Manifest { base: Some(base), base_sequence: 1, ..Manifest::default() }
    }
}

fn quoted(name: &str) -> String {
    let mut text = String::from("\"");
    for byte in name.bytes() {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text += &format!("\\x{byte:02x}"),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::{FileKind, Manifest};

    #[test]
    fn what_is_written_is_read() {
        let mut manifest = Manifest::adopt("old name.aof");
        assert_eq!(manifest.add_incremental("a"), "a.1.incr.aof");
        assert_eq!(manifest.add_incremental("a"), "a.2.incr.aof");
        let base = manifest.next_base("a", true);
        assert_eq!(base.name, "a.2.base.rdb");
        manifest.replace_base(base, 1);
        let text = manifest.text();
        assert_eq!(
            text,
            "file a.2.base.rdb seq 2 type b\nfile \"old name.aof\" seq 1 type h\nfile a.1.incr.aof seq 1 type h\n\
             file a.2.incr.aof seq 2 type i\n"
        );
        assert_eq!(Manifest::parse(text.as_bytes()), Ok(manifest));
    }

    #[test]
    fn redis_wrote_this() {
        let text =
            b"# comment\nfile appendonly.aof.1.base.rdb seq 1 type b\r\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(manifest.base.unwrap().kind, FileKind::Base);
        assert_eq!(manifest.incremental.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let wrong = [
            "",
            "# nothing\n",
            "file a seq 1",
            "file a seq x type b",
            "file a seq 0 type b",
            "file a seq -1 type i",
            "file a seq 9223372036854775807 type i",
            "file a/b seq 1 type b",
            "file .. seq 1 type b",
            "file a seq 1 type q",
            "file a seq 1 type b\nfile b seq 2 type b",
            "file a seq 2 type i\nfile b seq 2 type i",
            "file \"a seq 2 type i",
            "nonsense",
        ];
        for text in wrong {
            assert!(Manifest::parse(text.as_bytes()).is_err(), "{text}");
        }
        let long = format!("file {} seq 1 type b", "a".repeat(2000));
        assert!(Manifest::parse(long.as_bytes()).is_err());
    }
}
