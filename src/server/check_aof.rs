//! `zedis check-aof`, also under the name `redis-check-aof`: reads the files of a manifest, or one file, says up to where they are whole,
//! and with `--fix` cuts off what is not. In the words of Redis's tool.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::base::number;
use crate::persistence::aof::{AofFile, Manifest};
use crate::persistence::rdb;
use crate::server::check_rdb;
use crate::server::start::{ExitReason, reason};

use commands::{Commands, Problem, Step, annotated_s};

mod commands;

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
    /// Everything before is whole.
    ok_up_to: u64,
    /// What is wrong, and where the reader was.
    problem: Option<(u64, Problem)>,
    /// Where the first annotation of a time after the wanted one is. Nothing was read behind it.
    later_at: Option<u64>,
}

/// What has been done about a file.
#[derive(PartialEq, Eq)]
enum Checked {
    Valid,
    Empty,
    Cut,
}

/// An error, or what to say at the end if something is wrong.
type Outcome<T> = io::Result<Result<T, ExitReason>>;

/// Checks what the words name; the report goes to `out`, a confirmation comes from `input`.
///
/// # Errors
/// When something is wrong with a file and was not mended.
pub fn run(words: &[OsString], input: &mut dyn BufRead, out: &mut dyn Write) -> Result<(), ExitReason> {
    let mut asked = Asked::default();
    match words {
        [path] => asked.path = path.into(),
        [flag, path] if flag == "--fix" => asked = Asked { fix: true, path: path.into(), ..asked },
        [flag, time, path] if flag == "--truncate-to-timestamp" => {
            let time_s = time.to_str().and_then(|time| number::parse_i64(time.trim_start().as_bytes()));
            let time_s = time_s.ok_or_else(|| ExitReason::Failed("Invalid timestamp, aborting...".to_owned()))?;
            // As in Redis, 0 asks for nothing.
            asked.until_s = Some(time_s).filter(|&time_s| time_s != 0);
            asked.path = path.into();
        }
        _ => return Err(ExitReason::Failed(USAGE.to_owned())),
    }
    // Whoever closed the pipe does not want the rest.
    check(&asked, input, out).unwrap_or_else(|error| Err(ExitReason::Failed(reason(&error))))
}

fn failed<T>(text: String) -> Outcome<T> {
    Ok(Err(ExitReason::Failed(text)))
}

fn check(asked: &Asked, input: &mut dyn BufRead, out: &mut dyn Write) -> Outcome<()> {
    let name = asked.path.display();
    let file = match File::open(&asked.path) {
        Ok(file) => file,
        Err(error) => return failed(format!("Cannot open file {name}: {}", reason(&error))),
    };
    if file.metadata()?.is_dir() {
        return failed(format!("Cannot read file: {name}"));
    }
    let mut line = 1;
    if !is_manifest(&asked.path, &file)? {
        writeln!(out, "Start checking Old-Style AOF")?;
        let checked = check_file(asked, &asked.path, true, &mut line, input, out)?;
        return Ok(match checked {
            Ok(checked) => Ok(say(&checked, "AOF", &asked.path, out)?),
            Err(reason) => Err(reason),
        });
    }
    writeln!(out, "Start checking Multi Part AOF")?;
    let manifest = match Manifest::parse(&fs::read(&asked.path)?) {
        Ok(manifest) => manifest,
        Err(error) => return failed(error),
    };
    let dir = asked.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let files: Vec<_> = manifest.base.iter().chain(&manifest.incremental).collect();
    for (number, file) in files.iter().enumerate() {
        let is_base = manifest.base.as_ref().is_some_and(|base| base == *file);
        let path = dir.join(&file.name);
        if is_base {
            let is_rdb = File::open(&path).is_ok_and(|mut file| begins_rdb(&mut file).unwrap_or(false));
            let format = if is_rdb { "RDB" } else { "RESP" };
            writeln!(out, "Start to check BASE AOF ({format} format).")?;
        } else if number <= 1 {
            writeln!(out, "Start to check INCR files.")?;
        }
        let is_empty = |file: &&AofFile| fs::metadata(dir.join(&file.name)).is_ok_and(|about| about.len() == 0);
        let is_last = files[number + 1..].iter().all(is_empty);
        let checked = match check_file(asked, &path, is_last, &mut line, input, out)? {
            Ok(checked) => checked,
            Err(reason) => return Ok(Err(reason)),
        };
        say(&checked, if is_base { "BASE AOF" } else { "INCR AOF" }, Path::new(&file.name), out)?;
    }
    writeln!(out, "All AOF files and manifest are valid")?;
    Ok(Ok(()))
}

/// The last word on a file; what was cut has had it.
fn say(checked: &Checked, what: &str, name: &Path, out: &mut dyn Write) -> io::Result<()> {
    match checked {
        Checked::Valid => writeln!(out, "{what} {} is valid", name.display()),
        Checked::Empty => writeln!(out, "{what} {} is empty", name.display()),
        Checked::Cut => Ok(()),
    }
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
    line: &mut u64,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Outcome<Checked> {
    // The directory of a manifest is no part of a file's name here.
    let shown = path.strip_prefix(asked.path.parent().unwrap_or(Path::new(""))).unwrap_or(path);
    let name = if path == asked.path { path.display() } else { shown.strip_prefix(".").unwrap_or(shown).display() };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return failed(format!("Cannot open file {}: {}, aborting...", path.display(), reason(&error))),
    };
    if file.metadata()?.is_dir() {
        return failed(format!("Cannot read file: {}", path.display()));
    }
    let size = file.metadata()?.len();
    if size == 0 {
        return Ok(Ok(Checked::Empty));
    }
    let begin = match preamble_end(&mut file, size, &name.to_string(), out)? {
        Ok(end) => end,
        Err(reason) => return Ok(Err(reason)),
    };
    file.seek(SeekFrom::Start(begin))?;
    let analysis = match analyze(&file, &name.to_string(), begin, asked.until_s, line)? {
        Ok(analysis) => analysis,
        Err(reason) => return Ok(Err(reason)),
    };
    let ok_up_to = analysis.ok_up_to;
    match &analysis.problem {
        Some((at, Problem::Broken(problem))) => writeln!(out, "0x{at:16x}: {problem}")?,
        Some((_, Problem::Format)) => writeln!(out, "AOF {name} format error")?,
        Some((_, Problem::Nothing)) | None => {}
    }
    if let (Some(until_s), Some(at)) = (asked.until_s, analysis.later_at) {
        if at == 0 {
            return failed(format!("AOF {} has nothing before timestamp {until_s}, aborting...", path.display()));
        }
        if !is_last {
            return failed(format!(
                "Failed to truncate AOF {name} to timestamp {until_s} because it is not the last file"
            ));
        }
        return cut(path, at, &format!("AOF {name} to timestamp {until_s}"), out);
    }
    if let (Some(until_s), None) = (asked.until_s, &analysis.problem) {
        writeln!(out, "Truncate nothing in AOF {name} to timestamp {until_s}")?;
        return Ok(Ok(Checked::Valid));
    }
    let diff = size - ok_up_to;
    writeln!(
        out,
        "AOF analyzed: filename={name}, size={size}, ok_up_to={ok_up_to}, ok_up_to_line={line}, diff={diff}"
    )?;
    if diff == 0 {
        return Ok(Ok(Checked::Valid));
    }
    if !asked.fix {
        return failed(format!("AOF {name} is not valid. Use the --fix option to try fixing it."));
    }
    if !is_last {
        return failed(format!("Failed to truncate AOF {name} because it is not the last file"));
    }
    writeln!(out, "This will shrink the AOF {name} from {size} bytes, with {diff} bytes, to {ok_up_to} bytes")?;
    write!(out, "Continue? [y/N]: ")?;
    out.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    if !answer.starts_with(['y', 'Y']) {
        return failed("Aborting...".to_owned());
    }
    cut(path, ok_up_to, &format!("AOF {name}"), out)
}

/// Cuts off what is behind `len` bytes.
fn cut(path: &Path, len: u64, what: &str, out: &mut dyn Write) -> Outcome<Checked> {
    let file = OpenOptions::new().write(true).open(path)?;
    if let Err(error) = file.set_len(len).and_then(|()| file.sync_all()) {
        return failed(format!("Failed to truncate {what}: {}", reason(&error)));
    }
    writeln!(out, "Successfully truncated {what}")?;
    Ok(Ok(Checked::Cut))
}

fn begins_rdb(file: &mut File) -> io::Result<bool> {
    let mut begin = Vec::new();
    file.take(rdb::SIGNATURE_BYTES as u64).read_to_end(&mut begin)?;
    Ok(rdb::begins_file(&begin))
}

/// Where the RDB file that this one begins with ends: 0 if it does not. Nothing mends one that is broken.
fn preamble_end(file: &mut File, size: u64, name: &str, out: &mut dyn Write) -> Outcome<u64> {
    if !begins_rdb(file)? {
        return Ok(Ok(0));
    }
    file.rewind()?;
    match check_rdb::check_open(file, size, name, out)? {
        Ok(end) => {
            writeln!(out, "RDB preamble is OK, proceeding with AOF tail...")?;
            Ok(Ok(end))
        }
        Err(_) => failed("RDB preamble of AOF file is not sane, aborting.".to_owned()),
    }
}

/// Reads a file's commands to its end, to where it ceases to be one, or to the first annotation of a time after the wanted one.
fn analyze(file: &File, name: &str, begin: u64, until_s: Option<i64>, line: &mut u64) -> Outcome<Analysis> {
    let mut commands = Commands::new(BufReader::with_capacity(READ_BYTES, file), begin, line);
    let mut analysis = Analysis { ok_up_to: begin, problem: None, later_at: None };
    let mut in_transaction = false;
    loop {
        let before = commands.offset();
        if !in_transaction {
            analysis.ok_up_to = before;
        }
        let broken = |what: String| Some(Problem::Broken(what));
        let problem = match commands.next()? {
            Ok(Step::Annotation(annotation)) => match annotated_s(&annotation).filter(|_| until_s.is_some()) {
                Some(Err(())) => return failed("Invalid timestamp annotation".to_owned()),
                Some(Ok(time_s)) if until_s.is_some_and(|until_s| time_s > until_s) => {
                    analysis.later_at = Some(before);
                    return Ok(Ok(analysis));
                }
                _ => None,
            },
            Ok(Step::Command(begin)) => {
                let is = |word: &[u8]| begin.eq_ignore_ascii_case(word);
                let problem = match in_transaction {
                    true if is(b"MULTI") => broken(format!("Unexpected MULTI in AOF {name}")),
                    false if is(b"EXEC") => broken(format!("Unexpected EXEC in AOF {name}")),
                    _ => None,
                };
                in_transaction = is(b"MULTI") || (in_transaction && !is(b"EXEC") && !is(b"DISCARD"));
                problem
            }
            Ok(Step::End) if in_transaction => broken("Reached EOF before reading EXEC for MULTI".to_owned()),
            Ok(Step::End) => return Ok(Ok(analysis)),
            Err(problem) => Some(problem),
        };
        if let Some(problem) = problem {
            analysis.problem = Some((commands.mark(), problem));
            return Ok(Ok(analysis));
        }
    }
}
