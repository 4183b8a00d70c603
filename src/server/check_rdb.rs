//! `zedis check-rdb`, also under the name `redis-check-rdb`: reads a file as a load would, and says what it finds, in the words of Redis's
//! tool.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::keyspace::{Context, Keyspace};
use crate::persistence::rdb::{EMPTY, FileError, FileReader, Item, load_contents};
use crate::server::start::{ExitReason, reason};

/// What has been found.
#[derive(Default)]
struct Found {
    keys: u64,
    expires: u64,
    expired: u64,
}

/// Checks the file that the only word names; the report goes to `out`.
///
/// # Errors
/// When there is no such file, or something is wrong with it.
pub fn run(words: &[OsString], out: &mut dyn Write) -> Result<(), ExitReason> {
    let [path] = words else {
        return Err(ExitReason::Failed("Usage: zedis check-rdb <rdb-file-name>".to_owned()));
    };
    // Whoever closed the pipe does not want the rest.
    check(Path::new(path), out).unwrap_or(Err(ExitReason::Failed(String::new())))
}

fn check(path: &Path, out: &mut dyn Write) -> io::Result<Result<(), ExitReason>> {
    let opened = File::open(path).and_then(|file| file.metadata().map(|about| (file, about.len())));
    let (mut file, len) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            writeln!(out, "{}", beginning(&path.display().to_string()))?;
            return Ok(Err(ExitReason::Failed(format!("Cannot open file {}: {}", path.display(), reason(&error)))));
        }
    };
    let outcome = check_open(&mut file, len, &path.display().to_string(), out)?;
    Ok(match outcome {
        Ok(_) => Ok(()),
        Err(error) => Err(ExitReason::Failed(format!("{}: {error}", path.display()))),
    })
}

fn beginning(name: &str) -> String {
    format!("[offset 0] Checking RDB file {name}")
}

/// Checks the RDB file that begins here, and says what it finds; where it ends.
///
/// # Errors
/// What is wrong with it, which has been said.
pub(super) fn check_open(
    file: &mut File,
    len: u64,
    name: &str,
    out: &mut dyn Write,
) -> io::Result<Result<u64, FileError>> {
    writeln!(out, "{}", beginning(name))?;
    let now_ms = (Clock::real().unix_us() / 1000) as i64;
    // For the thresholds of the encodings; nothing is kept in it.
    let keyspace = Keyspace::new(1, Random::new(0), now_ms);
    let mut reader = FileReader::new(file, Some(len), true);
    let mut found = Found::default();
    let outcome = read(&mut reader, &keyspace.view(0).context(), &mut found, out)?;
    match &outcome {
        Ok(()) => writeln!(out, "[offset {}] \\o/ RDB looks OK! \\o/", reader.offset())?,
        Err(error) => {
            writeln!(out, "--- RDB ERROR DETECTED ---")?;
            writeln!(out, "[offset {}] {}", error.offset, error.reason)?;
        }
    }
    writeln!(out, "[info] {} keys read", found.keys)?;
    writeln!(out, "[info] {} expires", found.expires)?;
    writeln!(out, "[info] {} already expired", found.expired)?;
    Ok(outcome.map(|()| reader.offset()))
}

fn read(
    reader: &mut FileReader<&mut File>,
    context: &Context<'_>,
    found: &mut Found,
    out: &mut dyn Write,
) -> io::Result<Result<(), FileError>> {
    loop {
        // Where the thing that was read ends.
        let (line, end) = match reader.next_item() {
            Err(error) => return Ok(Err(error)),
            Ok(Item::Pending | Item::ResizeDb { .. }) => continue,
            Ok(Item::Aux { name, value }) => {
                let line = format!("AUX FIELD {} = '{}'", name.escape_ascii(), value.escape_ascii());
                (line, reader.item_end())
            }
            Ok(Item::SelectDb(db)) => (format!("Selecting DB ID {db}"), reader.item_end()),
            Ok(Item::Key(item)) => {
                found.keys += 1;
                found.expires += u64::from(item.deadline_ms.is_some());
                found.expired += u64::from(item.deadline_ms.is_some_and(|deadline_ms| deadline_ms < context.now_ms));
                match load_contents(item.kind, item.contents, context) {
                    Ok(_) | Err(EMPTY) => continue,
                    Err(error) => {
                        let key = item.key.to_vec();
                        return Ok(Err(reader.error_of_item(&key, error)));
                    }
                }
            }
            Ok(Item::End) => {
                if reader.version() < 5 {
                    return Ok(Ok(()));
                }
                let line = if reader.is_checked() {
                    "Checksum OK"
                } else {
                    "RDB file was saved with checksum disabled: no check performed."
                };
                writeln!(out, "[offset {}] {line}", reader.offset())?;
                return Ok(Ok(()));
            }
        };
        writeln!(out, "[offset {end}] {line}")?;
    }
}
