//! redis.conf and the command line: text to values.
//!
//! As in Redis the command line is turned into lines behind those of the file ([`options_text`], [`compose`]), so that both have one
//! grammar and one kind of error. Bounded: include depth, included files, and one line at a time.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::directive::Kind;
use super::settings::UserLine;
use super::value::Value;
use super::{Config, DIRECTIVES, Rename, find};
use crate::base::glob;
use crate::base::os_error::reason;
use crate::resp::request::split_words;

/// Deepest nesting of `include`, and most files altogether.
const INCLUDE_DEPTH_MAX: usize = 16;
const INCLUDED_FILES_MAX: usize = 1024;

/// Something that was accepted without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub line: usize,
    pub text: String,
}

/// Why the configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A line is wrong.
    Line { line: usize, text: String, reason: String },
    /// A file cannot be read.
    Open { path: String, reason: String },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Line { line, text, reason } => {
                writeln!(f, "Reading the configuration file, at line {line}")?;
                writeln!(f, ">>> '{text}'")?;
                write!(f, "{reason}")
            }
            ConfigError::Open { path, reason } => {
                write!(f, "Fatal error, can't open config file '{path}': {reason}")
            }
        }
    }
}

/// The words of the command line behind the configuration file, as lines of redis.conf: `--port 6380` is `port "6380"`.
///
/// The word behind an option that stands alone is its value even if it begins with `--` (`--requirepass --x`), later ones are not.
/// An option may bring its values along in its own word (`'--save 60 1'`); then the next word may be an option again. Only `--save`
/// may stand without a value, which means the empty one.
pub fn options_text(words: &[Vec<u8>]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut words = words.iter().peekable();
    let mut expects_value = false;
    while let Some(word) = words.next() {
        match word.strip_prefix(b"--") {
            Some(name) if !expects_value => {
                if !text.is_empty() {
                    text.push(b'\n');
                }
                // As it is, so that its values are split and unquoted like those of a line.
                text.extend_from_slice(name);
                text.push(b' ');
                expects_value = split_words(word).is_some_and(|parts| parts.len() == 1);
                if name.eq_ignore_ascii_case(b"save") && words.peek().is_none_or(|next| next.starts_with(b"--")) {
                    text.extend_from_slice(b"\"\"");
                    expects_value = false;
                }
            }
            _ => {
                quote(word, &mut text);
                text.push(b' ');
                expects_value = false;
            }
        }
    }
    text
}

/// The whole configuration: the file, then what came from standard input, then the lines of the command line.
pub fn compose(file: Option<&[u8]>, stdin: Option<&[u8]>, options: &[u8]) -> Vec<u8> {
    let mut text = file.unwrap_or_default().to_vec();
    if let Some(stdin) = stdin {
        if !text.is_empty() {
            text.push(b'\n');
        }
        text.extend_from_slice(stdin);
    }
    if !options.is_empty() {
        text.push(b'\n');
        text.extend_from_slice(options);
    }
    text
}

/// Writes a word so that reading it back gives the same bytes.
pub(super) fn quote(word: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}

/// One load: what spans its lines and files.
struct Load {
    notes: Vec<Note>,
    /// The first `save` replaces the default, later ones add to it.
    save_seen: bool,
    files: usize,
}

impl Config {
    /// Reads a configuration in redis.conf's syntax. On an error some of it may have been taken. With `dir` in it the process is in
    /// another directory afterwards.
    ///
    /// # Errors
    /// The first line that is wrong, with the reason in Redis's words, or the file that cannot be read.
    pub fn load(&mut self, text: &[u8]) -> Result<Vec<Note>, ConfigError> {
        let mut load = Load { notes: Vec::new(), save_seen: false, files: 0 };
        self.load_text(text, 0, &mut load)?;
        Ok(load.notes)
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_file(&mut self, path: &Path) -> Result<Vec<Note>, ConfigError> {
        let text = read(path)?;
        self.load(&text)
    }

    fn load_text(&mut self, text: &[u8], depth: usize, load: &mut Load) -> Result<(), ConfigError> {
        for (index, line) in text.split(|&b| b == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let failed = |reason: &str| ConfigError::Line {
                line: index + 1,
                text: String::from_utf8_lossy(line).into_owned(),
                reason: reason.to_owned(),
            };
            let words = split_words(line).ok_or_else(|| failed("Unbalanced quotes in configuration line"))?;
            let Some((name, words)) = words.split_first() else {
                continue;
            };
            if name.eq_ignore_ascii_case(b"include") {
                let [path] = words else {
                    return Err(failed(BAD_DIRECTIVE));
                };
                if depth == INCLUDE_DEPTH_MAX {
                    return Err(failed("Too many levels of include"));
                }
                for path in included(path)? {
                    load.files += 1;
                    if load.files > INCLUDED_FILES_MAX {
                        return Err(failed("Too many included files"));
                    }
                    self.load_text(&read(&path)?, depth + 1, load)?;
                }
                continue;
            }
            if name.eq_ignore_ascii_case(b"user") && !words.is_empty() {
                // What it means is known where the commands are.
                let text = String::from_utf8_lossy(line).into_owned();
                self.settings.users.push(UserLine { line: index + 1, text, words: words.to_vec() });
                continue;
            }
            self.load_directive(name, words, index + 1, line, load).map_err(|reason| failed(&reason))?;
        }
        Ok(())
    }

    fn load_directive(
        &mut self,
        name: &[u8],
        words: &[Vec<u8>],
        line: usize,
        text: &[u8],
        load: &mut Load,
    ) -> Result<(), String> {
        let Some(index) = find(name) else {
            return self.load_nameless(name, words, line, text);
        };
        let directive = &DIRECTIVES[index];
        // Several words in one pair of quotes are the same as several words.
        let split = match words {
            [word] if directive.kind.takes_words() && !word.is_empty() => split_words(word),
            _ => None,
        };
        let words: Vec<&[u8]> = split.as_deref().unwrap_or(words).iter().map(Vec::as_slice).collect();
        let mut value = directive.parse(&words, &self.values[index])?;
        if let (Kind::Save, Value::Save(points)) = (directive.kind, &mut value) {
            if load.save_seen
                && !points.is_empty()
                && let Value::Save(earlier) = &self.values[index]
            {
                points.splice(0..0, earlier.iter().copied());
            }
            load.save_seen = true;
        }
        if let Some(note) = directive.note(&value) {
            load.note(line, &note);
        }
        if directive.name == "dir" {
            // As in Redis at once: what the lines behind it name, be it another directory or a file to include, is looked for there.
            std::env::set_current_dir(OsStr::from_bytes(value.bytes())).map_err(|error| reason(&error))?;
        }
        self.store(index, value);
        Ok(())
    }

    /// Directives that are lines of their own and not parameters.
    fn load_nameless(&mut self, name: &[u8], words: &[Vec<u8>], line: usize, text: &[u8]) -> Result<(), String> {
        match (name.to_ascii_lowercase().as_slice(), words) {
            (b"rename-command", [from, to]) => {
                let text = String::from_utf8_lossy(text).into_owned();
                self.settings.renamed_commands.push(Rename { from: from.clone(), to: to.clone(), line, text });
            }
            (b"loadmodule", [path, ..]) => {
                // A server without the commands that its clients count on is no service to them.
                return Err(format!(
                    "Can't load module from {}: modules are not supported",
                    String::from_utf8_lossy(path)
                ));
            }
            // What Redis once knew and now passes over in silence.
            (b"list-max-ziplist-entries" | b"list-max-ziplist-value", [_]) => {}
            _ => return Err(BAD_DIRECTIVE.to_owned()),
        }
        Ok(())
    }
}

const BAD_DIRECTIVE: &str = "Bad directive or wrong number of arguments";

impl Load {
    fn note(&mut self, line: usize, text: &str) {
        self.notes.push(Note { line, text: text.to_owned() });
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|error| ConfigError::Open { path: path.display().to_string(), reason: reason(&error) })
}

/// The files that an `include` means: one, or those whose paths match, part by part and in order; matching none is no error.
fn included(path: &[u8]) -> Result<Vec<PathBuf>, ConfigError> {
    let path = PathBuf::from(String::from_utf8_lossy(path).into_owned());
    let is_pattern = |part: &OsStr| part.as_encoded_bytes().iter().any(|b| b"*?[".contains(b));
    if !path.iter().any(is_pattern) {
        return Ok(vec![path]);
    }
    let mut found = vec![PathBuf::new()];
    for part in &path {
        found = match is_pattern(part) {
            false => found.into_iter().map(|path| path.join(part)).collect(),
            true => found.iter().flat_map(|directory| matching(directory, part.as_encoded_bytes())).collect(),
        };
    }
    found.retain(|path| path.exists());
    found.sort();
    Ok(found)
}

/// What is in a directory under names that match. Names that begin with a dot want one in the pattern, as in a shell.
fn matching(directory: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let entries = fs::read_dir(listed).into_iter().flatten().filter_map(Result::ok);
    let names = entries.map(|entry| entry.file_name()).filter(|name| {
        let is_hidden = name.as_encoded_bytes().starts_with(b".") && !pattern.starts_with(b".");
        !is_hidden && glob::matches(pattern, name.as_encoded_bytes(), false)
    });
    names.take(INCLUDED_FILES_MAX + 1).map(|name| directory.join(name)).collect()
}
