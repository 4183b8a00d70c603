//! `zedis check-aof`, also under the name `redis-check-aof`: reads the files of a manifest, or one file, says up to where they are whole, and with
//! `--fix` cuts off what is not. In the words of Redis's tool.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::base::clock::Clock;
use crate::base::number;
use crate::base::random::Random;
use crate::keyspace::Keyspace;
use crate::persistence::aof::{AofFile, Manifest, Scanned, Scanner};
use crate::persistence::rdb::{self, EMPTY, FileError, FileReader, Item, load_contents};
use crate::server::start::{ExitReason, reason};

const USAGE: &str = "Usage: zedis check-aof [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>";
/// Bytes read at once.
const READ_BYTES: usize = 1024 * 1024;

/// What is to be done.
#[derive(Default)]
struct Asked {
    fix: bool,
    /// Everything after this second is to go, Unix seconds.
    until_s: Option<i64>,
    path: PathBuf,
}

/// What a file turned out to be.
struct Analysis {
    size: u64,
    /// Everything before is whole.
    ok_up_to: u64,
    /// The line at which reading ended, from 1 on.
    line: u64,
    /// What is wrong there.
    problem: Option<String>,
    /// Where the first annotation of a time after the wanted one is.
    later_at: Option<u64>,
}

/// Checks what the words name; the report goes to `out`, a confirmation comes from `input`.
///
/// # Errors
/// When something is wrong with a file and was not mended.
pub fn run(words: &[OsString], input: &mut dyn BufRead, out: &mut dyn Write) -> Result<(), ExitReason> {
    let usage = || ExitReason::Failed(USAGE.to_owned());
    let mut asked = Asked::default();
    match words {
        [path] => asked.path = path.into(),
        [flag, path] if flag == "--fix" => asked = Asked { fix: true, path: path.into(), ..asked },
        [flag, time, path] if flag == "--truncate-to-timestamp" => {
            let time = time.to_str().and_then(|time| number::parse_i64(time.as_bytes()));
            asked.until_s = Some(time.ok_or_else(usage)?);
            asked.path = path.into();
        }
        _ => return Err(usage()),
    }
    // Whoever closed the pipe does not want the rest.
    check(&asked, input, out).unwrap_or_else(|error| Err(ExitReason::Failed(reason(&error))))
}

fn check(asked: &Asked, input: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<Result<(), ExitReason>> {
    let file = match open_to_read(&asked.path) {
        Ok(file) => file,
        Err(text) => return Ok(Err(ExitReason::Failed(text))),
    };
    if !is_manifest(&asked.path, &file)? {
        writeln!(out, "Start checking Old-Style AOF")?;
        let checked = check_file(asked, &asked.path, true, input, out)?;
        if checked.is_ok() {
            writeln!(out, "AOF {} is valid", asked.path.display())?;
        }
        return Ok(checked);
    }
    writeln!(out, "Start checking Multi Part AOF")?;
    let manifest = match Manifest::parse(&fs::read(&asked.path)?) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Err(ExitReason::Failed(error))),
    };
    let dir = asked.path.parent().unwrap_or(Path::new(""));
    let files: Vec<_> = manifest.base.iter().chain(&manifest.incremental).collect();
    for (number, file) in files.iter().enumerate() {
        let is_base = manifest.base.as_ref().is_some_and(|base| base == *file);
        let path = dir.join(&file.name);
        if is_base {
            let format = if file.name.ends_with(".rdb") { "RDB" } else { "AOF" };
            writeln!(out, "Start to check BASE AOF ({format} format).")?;
        } else if number <= 1 {
            writeln!(out, "Start to check INCR files.")?;
        }
        let is_empty = |file: &&AofFile| fs::metadata(dir.join(&file.name)).is_ok_and(|about| about.len() == 0);
        let is_last = files[number + 1..].iter().all(is_empty);
        if let Err(reason) = check_file(asked, &path, is_last, input, out)? {
            return Ok(Err(reason));
        }
        let what = if is_base { "BASE AOF" } else { "INCR AOF" };
        writeln!(out, "{what} {} is valid", file.name)?;
    }
    writeln!(out, "All AOF files and manifest are valid")?;
    Ok(Ok(()))
}

/// Err: what to tell of a file that can't be opened, or is a directory.
fn open_to_read(path: &Path) -> Result<File, String> {
    let opened = File::open(path).and_then(|file| {
        let is_directory = file.metadata()?.is_dir();
        if is_directory { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
    });
    opened.map_err(|error| format!("Cannot open file {}: {}, aborting...", path.display(), reason(&error)))
}

/// Whether it is called one, or its first line that is no comment names a file, as no command and no RDB file does.
fn is_manifest(path: &Path, mut file: &File) -> io::Result<bool> {
    if path.extension().is_some_and(|ending| ending == "manifest") {
        return Ok(true);
    }
    let mut begin = Vec::new();
    (&mut file).take(READ_BYTES as u64).read_to_end(&mut begin)?;
    let mut lines = begin.split(|&byte| byte == b'\n');
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#"));
    Ok(first.is_some_and(|line| line.starts_with(b"file ")))
}

/// Only the last file in which something stands may be cut: what stands in later ones builds on all of an earlier one.
fn check_file(
    asked: &Asked,
    path: &Path,
    is_last: bool,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> io::Result<Result<(), ExitReason>> {
    let name = path.display();
    let failed = |text: String| Ok(Err(ExitReason::Failed(text)));
    let analysis = match analyze(path, asked.until_s, out)? {
        Ok(analysis) => analysis,
        Err(text) => return failed(text),
    };
    if let Some(problem) = &analysis.problem {
        writeln!(out, "0x{:16x}: {problem}", analysis.ok_up_to)?;
    }
    writeln!(
        out,
        "AOF analyzed: filename={name}, size={}, ok_up_to={}, ok_up_to_line={}, diff={}",
        analysis.size,
        analysis.ok_up_to,
        analysis.line,
        analysis.size - analysis.ok_up_to
    )?;
    let target = match (asked.until_s, analysis.later_at) {
        (Some(_), Some(at)) => at,
        (Some(_), None) if analysis.problem.is_none() => {
            if is_last {
                writeln!(out, "Truncate nothing in AOF {name} to timestamp {}", asked.until_s.unwrap_or(0))?;
            }
            return Ok(Ok(()));
        }
        _ if analysis.ok_up_to == analysis.size => return Ok(Ok(())),
        _ if asked.fix => analysis.ok_up_to,
        _ => return failed(format!("AOF {name} is not valid. Use the --fix option to try fixing it.")),
    };
    if !is_last {
        return failed(format!("Failed to truncate AOF {name} because it is not the last file"));
    }
    if let Some(until_s) = asked.until_s.filter(|_| target == 0) {
        return failed(format!("AOF {name} has nothing before timestamp {until_s}, aborting..."));
    }
    if asked.until_s.is_none() {
        writeln!(
            out,
            "This will shrink the AOF {name} from {} bytes, with {} bytes, to {target} bytes",
            analysis.size,
            analysis.size - target
        )?;
        write!(out, "Continue? [y/N]: ")?;
        out.flush()?;
        let mut answer = String::new();
        input.read_line(&mut answer)?;
        if !answer.starts_with(['y', 'Y']) {
            return failed("Aborting...".to_owned());
        }
    }
    let file = OpenOptions::new().write(true).open(path)?;
    if let Err(error) = file.set_len(target).and_then(|()| file.sync_all()) {
        return failed(format!("Failed to truncate AOF {name}: {}", reason(&error)));
    }
    match asked.until_s {
        Some(until_s) => writeln!(out, "Successfully truncated AOF {name} to timestamp {until_s}")?,
        None => writeln!(out, "Successfully truncated AOF {name}")?,
    }
    Ok(Ok(()))
}

/// Reads a file to its end, or to where it ceases to be one. Err: it begins with an RDB file that is broken, which nothing mends.
fn analyze(path: &Path, until_s: Option<i64>, out: &mut dyn Write) -> io::Result<Result<Analysis, String>> {
    let mut file = match open_to_read(path) {
        Ok(file) => file,
        Err(text) => return Ok(Err(text)),
    };
    let size = file.metadata()?.len();
    let mut begin = Vec::new();
    (&mut file).take(rdb::SIGNATURE_BYTES as u64).read_to_end(&mut begin)?;
    let mut offset = 0;
    if rdb::begins_file(&begin) {
        file.rewind()?;
        writeln!(out, "The AOF {} appears to start with an RDB preamble.", path.display())?;
        writeln!(out, "Checking the RDB preamble to start:")?;
        let mut reader = FileReader::new(&mut file, Some(size), true);
        if let Err(error) = check_preamble(&mut reader) {
            return Ok(Err(format!("RDB preamble of AOF {} is not sane, aborting: {error}", path.display())));
        }
        offset = reader.offset();
        writeln!(out, "RDB preamble is OK, proceeding with AOF tail...")?;
    }
    file.seek(SeekFrom::Start(offset))?;
    analyze_commands(&mut file, offset, size, until_s).map(Ok)
}

/// Reads all of it as a load would.
fn check_preamble(reader: &mut FileReader<&mut File>) -> Result<(), FileError> {
    // For the thresholds of the encodings; nothing is kept in it.
    let keyspace = Keyspace::new(1, Random::new(0), (Clock::real().unix_us() / 1000) as i64);
    let view = keyspace.view(0);
    loop {
        match reader.next_item()? {
            Item::End => return Ok(()),
            Item::Key(item) => match load_contents(item.kind, item.contents, &view.context()) {
                Ok(_) | Err(EMPTY) => {}
                Err(error) => {
                    let key = item.key.to_vec();
                    return Err(reader.error_of_item(&key, error));
                }
            },
            _ => {}
        }
    }
}

fn analyze_commands(file: &mut File, from: u64, size: u64, until_s: Option<i64>) -> io::Result<Analysis> {
    let mut analysis = Analysis { size, ok_up_to: from, line: 1, problem: None, later_at: None };
    let (mut window, mut at, mut offset) = (Vec::new(), 0, from);
    let lines = |bytes: &[u8]| memchr::memchr_iter(b'\n', bytes).count() as u64;
    let mut scanner = Scanner::default();
    let mut in_transaction = false;
    loop {
        match scanner.scan(&window[at..]) {
            Ok(Scanned::Incomplete) => {
                window.drain(..at);
                at = 0;
                let wanted = READ_BYTES.max(window.len());
                if file.take(wanted as u64).read_to_end(&mut window)? > 0 {
                    continue;
                }
                analysis.line += lines(&window);
                analysis.problem = match (window.is_empty(), in_transaction) {
                    (false, _) => Some("Unexpected end of file".to_owned()),
                    (true, true) => Some("Reached EOF before reading EXEC for MULTI".to_owned()),
                    (true, false) => None,
                };
                return Ok(analysis);
            }
            Ok(Scanned::Annotation { len }) => {
                let line = window[at..at + len].trim_ascii_end();
                let time_s = line.strip_prefix(b"#TS:").and_then(number::parse_i64);
                if until_s.zip(time_s).is_some_and(|(until_s, time_s)| time_s > until_s) && analysis.later_at.is_none()
                {
                    analysis.later_at = Some(offset);
                }
                at += len;
                offset += len as u64;
                analysis.line += 1;
            }
            Ok(Scanned::Command { len, args, name }) => {
                let name = &window[at + name.0..at + name.1];
                let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
                let problem = match in_transaction {
                    true if is(b"MULTI") => Some("Unexpected MULTI"),
                    false if is(b"EXEC") => Some("Unexpected EXEC"),
                    _ => None,
                };
                if let Some(problem) = problem {
                    analysis.problem = Some(problem.to_owned());
                    return Ok(analysis);
                }
                in_transaction = is(b"MULTI") || (in_transaction && !is(b"EXEC") && !is(b"DISCARD"));
                at += len;
                offset += len as u64;
                analysis.line += 1 + 2 * args as u64;
            }
            Err(error) => {
                analysis.line += lines(&window[at..at + error.at]);
                analysis.problem = Some(format!("{} at offset {}", error.reason, offset + error.at as u64));
                return Ok(analysis);
            }
        }
        if !in_transaction {
            analysis.ok_up_to = offset;
        }
    }
}
