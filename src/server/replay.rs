//! Loading an append-only file: its commands are executed again, by a client without a socket, through the same loop as everybody's.
//!
//! ```text
//!   file --> window --> Scanner: whole commands, annotations left out --> Engine::feed --> the hot loop
//! ```
//!
//! What can't have changed data, nor says where and together with what others did, is not executed: somebody wrote it into the file, and a
//! SUBSCRIBE or a SHUTDOWN is not to have the rest of the file lost.
//!
//! Time stands still at zero meanwhile: what had a deadline when a command was executed is there when it is executed again, and what had
//! gone is removed by the DEL that the file has. Nothing that gates hold back is held back here, there is no `maxmemory`, and nobody else
//! is served within a slice. The scanner knows where each command ends, so a torn end is cut where the last whole command, or transaction,
//! ended.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use memchr::memmem;

use crate::base::log;
use crate::commands::Flags;
use crate::persistence::aof::{Scanned, Scanner};
use crate::persistence::rdb;
use crate::reactor::Stream;
use crate::server::engine::{Engine, Request, UNKNOWN};
use crate::server::loading::Duplicates;
use crate::server::session::gate;
use crate::server::start::reason;

/// Time for a slice, nanoseconds.
const SLICE_NS: u64 = 800_000;
/// Bytes read at once, and bytes executed between two looks at the clock.
const READ_BYTES: usize = 256 * 1024;
const SPAN_BYTES: usize = 64 * 1024;
/// Bytes executed in a slice where no time passes.
const SLICE_BYTES: usize = 4 * 1024 * 1024;
/// Longest string of a file: what an argument can be. It was within `proto-max-bulk-len` when it was written.
const BULK_MAX: u32 = u32::MAX;
/// Errors of a file's commands that the log tells of.
const ERRORS_TOLD: usize = 16;
/// Where whole commands are looked for behind one that is not complete: bytes, and places.
const BEHIND_BYTES: usize = 1024 * 1024;
const BEHIND_PLACES: usize = 100;
/// Between two lines in the log, nanoseconds.
const PROGRESS_NS: u64 = 5_000_000_000;

/// A file whose commands are being executed.
pub struct Replay {
    path: PathBuf,
    file: File,
    window: Vec<u8>,
    /// Where in the window the next command begins, and which byte of the file that is.
    at: usize,
    offset: u64,
    is_at_end: bool,
    scanner: Scanner,
    client: usize,
    commands: u64,
    /// Errors that commands answered and the log has.
    errors: usize,
    /// Where the transaction that is open began, and the number of its first command.
    transaction: Option<(u64, u64)>,
    may_be_torn: bool,
    total_bytes: u64,
    started_ns: u64,
    started_s: i64,
    logged_ns: u64,
    /// It is slowed down: it goes on then.
    resumes_ns: u64,
}

/// A file that is to be loaded.
pub struct ToLoad {
    pub path: PathBuf,
    /// Part of the append-only file, rather than the RDB file.
    pub is_aof: bool,
    /// Whether its end may lack something.
    pub may_be_torn: bool,
}

/// Progress, for INFO.
#[derive(Clone, Copy)]
pub struct LoadProgress {
    pub started_s: i64,
    pub total_bytes: u64,
    pub loaded_bytes: u64,
    /// Memory that the server used which wrote the file, bytes; 0: not known.
    pub used_memory_bytes: u64,
    pub seconds: u64,
}

impl Engine {
    /// Whether the data set is being loaded.
    pub fn is_loading(&self) -> bool {
        self.is_reading() || self.reload.is_some()
    }

    /// Whether one of the clients is the one that executes a file.
    pub fn is_replaying(&self) -> bool {
        self.replay.is_some()
    }

    /// Whether a file of it is open.
    pub(super) fn is_reading(&self) -> bool {
        self.loading.is_some() || self.replay.is_some()
    }

    pub fn load_progress(&self, now_ns: u64) -> Option<LoadProgress> {
        if let Some(loading) = &self.loading {
            return Some(LoadProgress {
                started_s: loading.started_s,
                total_bytes: loading.total_bytes,
                loaded_bytes: loading.loaded_bytes(),
                used_memory_bytes: loading.used_memory_bytes,
                seconds: loading.seconds(now_ns),
            });
        }
        self.replay.as_ref().map(|replay| LoadProgress {
            started_s: replay.started_s,
            total_bytes: replay.total_bytes,
            loaded_bytes: replay.offset,
            used_memory_bytes: 0,
            seconds: (now_ns - replay.started_ns) / 1_000_000_000,
        })
    }

    /// Lists what is to be loaded at the start: the append-only file if there is to be one, else the RDB file.
    ///
    /// # Errors
    /// Why the append-only file can't be found out about.
    pub fn list_files_to_load(&mut self) -> Result<(), String> {
        if !self.config.appendonly {
            let path = self.rdb_path();
            self.to_load.push_back(ToLoad { path, is_aof: false, may_be_torn: false });
            return Ok(());
        }
        let paths = self.find_aof()?;
        self.list_aof_to_load(paths)
    }

    /// Lists the files of the append-only file, which are given in their order.
    ///
    /// # Errors
    /// Why a file can't be found out about.
    pub(super) fn list_aof_to_load(&mut self, paths: Vec<PathBuf>) -> Result<(), String> {
        let mut may_be_torn = true;
        for path in paths.into_iter().rev() {
            let len = std::fs::metadata(&path).map(|about| about.len());
            let len = len.map_err(|error| format!("Can't find out about {}: {}", path.display(), reason(&error)))?;
            self.to_load.push_front(ToLoad { path, is_aof: true, may_be_torn });
            // A file that was begun and that nothing has come to leaves the one before it the last in which something stands: what was on
            // its way there when the server was killed.
            may_be_torn &= len == 0;
        }
        Ok(())
    }

    /// Goes on to load what was listed, for a slice. Whether everything is there.
    ///
    /// # Errors
    /// What is wrong with a file.
    pub fn load_step(&mut self) -> Result<bool, String> {
        if self.replay.is_some() {
            if self.replay_slice()? {
                self.to_load.pop_front();
            }
            return Ok(false);
        }
        let Some(ToLoad { path, is_aof, may_be_torn }) = self.to_load.front() else { return Ok(true) };
        let (path, is_aof, may_be_torn) = (path.clone(), *is_aof, *may_be_torn);
        let told =
            |error: io::Error| format!("Fatal error: can't open {} for reading: {}", path.display(), reason(&error));
        if self.loading.is_some() {
            let ended =
                self.load_slice().map_err(|error| format!("Error in the RDB file {} {error}", path.display()))?;
            if ended {
                let end = self.saving.loaded_bytes;
                let len = std::fs::metadata(&path).map_err(told)?.len();
                if is_aof && end < len {
                    // One file in the manner of before version 7: commands follow what was a snapshot.
                    self.begin_replay(&path, end, may_be_torn).map_err(told)?;
                } else {
                    self.to_load.pop_front();
                }
            }
            return Ok(false);
        }
        let is_rdb = !is_aof || begins_like_rdb(&path).map_err(told)?;
        if is_rdb {
            if !self.begin_loading(&path, Duplicates::Refused).map_err(told)? {
                self.to_load.pop_front();
            } else if let Some(loading) = self.loading.as_mut().filter(|_| is_aof) {
                loading.keeps_expired = true;
            }
        } else {
            self.begin_replay(&path, 0, may_be_torn).map_err(told)?;
        }
        Ok(false)
    }

    /// Begins to execute what stands in a file behind its first `from` bytes. `may_be_torn`: that the end may lack something, which is then
    /// cut off.
    ///
    /// # Errors
    /// As open(2).
    pub fn begin_replay(&mut self, path: &Path, from: u64, may_be_torn: bool) -> io::Result<()> {
        let mut file = File::open(path)?;
        let total_bytes = file.metadata()?.len();
        file.seek(SeekFrom::Start(from))?;
        let client = self.connect(Stream::Detached);
        self.stats.connections_received -= 1;
        // Whoever changed something once was allowed to.
        let session = &mut self.clients[client].session;
        (session.gates, session.authenticated, session.replays) = (0, true, true);
        let now_ns = self.clock.monotonic_ns();
        self.replay = Some(Box::new(Replay {
            path: path.to_owned(),
            file,
            window: Vec::new(),
            at: 0,
            offset: from,
            is_at_end: false,
            scanner: Scanner::default(),
            client,
            commands: 0,
            errors: 0,
            transaction: None,
            may_be_torn,
            total_bytes,
            started_ns: now_ns,
            started_s: self.keyspace.now_ms() / 1000,
            logged_ns: now_ns,
            resumes_ns: 0,
        }));
        self.gates |= gate::LOADING;
        Ok(())
    }

    /// Goes on for a slice. Whether the end has been reached, or there was nothing to load.
    ///
    /// # Errors
    /// What is wrong with the file. What has been loaded of it is there.
    pub fn replay_slice(&mut self) -> Result<bool, String> {
        let Some(mut replay) = self.replay.take() else { return Ok(true) };
        let begun_ns = self.clock.monotonic_ns();
        if begun_ns < replay.resumes_ns {
            self.replay = Some(replay);
            return Ok(false);
        }
        let now_ms = self.keyspace.now_ms();
        let gates = std::mem::take(&mut self.gates);
        self.replay_client = Some(replay.client);
        // It had room when it was executed first, and what would go to make room would be missing to what comes after it.
        let memory = std::mem::take(&mut self.memory);
        let (bulk_max, string_max) = (self.limits.bulk_max, self.keyspace.settings.bulk_max);
        self.limits.bulk_max = bulk_max.max(i64::from(BULK_MAX));
        self.keyspace.settings.bulk_max = string_max.max(BULK_MAX as usize);
        let was_denied = std::mem::replace(&mut self.blocking.is_denied, true);
        self.keyspace.stop_time();
        let outcome = self.replay_spans(&mut replay, begun_ns);
        self.keyspace.set_now_ms(now_ms);
        self.blocking.is_denied = was_denied;
        self.replay_client = None;
        self.memory = memory;
        self.limits.bulk_max = bulk_max;
        self.keyspace.settings.bulk_max = string_max;
        self.gates |= gates;
        let now_ns = self.clock.monotonic_ns();
        self.recorder.note_job("loading", now_ns - begun_ns);
        match outcome {
            Ok(false) => {
                if now_ns - replay.logged_ns >= PROGRESS_NS {
                    replay.logged_ns = now_ns;
                    log::notice(format_args!(
                        "Loading AOF: {} of {} bytes, {} commands",
                        replay.offset, replay.total_bytes, replay.commands
                    ));
                }
                self.replay = Some(replay);
                Ok(false)
            }
            Ok(true) => {
                self.end_replay(&replay);
                let ended = self.cut_torn_end(&replay);
                if ended.is_ok() {
                    let seconds = (now_ns - replay.started_ns) as f64 / 1e9;
                    log::notice(format_args!(
                        "{}: {} commands executed in {seconds:.3} seconds",
                        replay.path.display(),
                        replay.commands
                    ));
                }
                ended.map(|()| true)
            }
            Err(reason) => {
                self.end_replay(&replay);
                Err(reason)
            }
        }
    }

    /// Executes what is in the file, for a slice. Whether that was all.
    fn replay_spans(&mut self, replay: &mut Replay, begun_ns: u64) -> Result<bool, String> {
        let (mut executed, begun_commands) = (0, replay.commands);
        let delay_ns = self.config.key_load_delay_us * 1000;
        loop {
            let start = replay.at;
            let is_complete = replay.scan_span()?;
            let span = start..replay.at;
            if !span.is_empty() {
                executed += span.len();
                self.execute_span(replay, span)?;
                replay.resumes_ns = begun_ns + (replay.commands - begun_commands) * delay_ns;
                if replay.resumes_ns >= begun_ns + SLICE_NS {
                    return Ok(false);
                }
            }
            if let Some(len) = is_complete.annotation {
                replay.at += len;
                replay.offset += len as u64;
            } else if is_complete.needs_more && !replay.read_more()? {
                return Ok(true);
            }
            if executed >= SLICE_BYTES || self.clock.monotonic_ns() - begun_ns >= SLICE_NS {
                return Ok(false);
            }
        }
    }

    fn execute_span(&mut self, replay: &mut Replay, span: std::ops::Range<usize>) -> Result<(), String> {
        let errors = self.stats.error_replies;
        self.feed(replay.client, &replay.window[span]);
        self.run();
        if self.stats.error_replies != errors {
            let answers = self.take_output(replay.client);
            // Whatever else it answers it answered when it was executed first; but not these, after which nothing would be as it was.
            const FATAL: [&[u8]; 8] = [
                b"-ERR unknown command",
                b"-ERR unknown subcommand",
                // What follows would come into a database that others are in.
                b"-ERR DB index is out of range",
                b"-EXECABORT",
                b"-NOAUTH",
                b"-NOPERM",
                b"-OOM",
                b"-MISCONF",
            ];
            let is_error =
                |line: &&[u8]| line.first() == Some(&b'-') && line.get(1).is_some_and(u8::is_ascii_uppercase);
            let lines = answers.split(|&byte| byte == b'\n').filter(is_error);
            if let Some(line) = lines.clone().find(|line| FATAL.iter().any(|begin| line.starts_with(begin))) {
                return Err(format!(
                    "{} reading the append only file {} before offset {}",
                    String::from_utf8_lossy(line.trim_ascii()).trim_start_matches("-ERR ").trim_start_matches('-'),
                    replay.path.display(),
                    replay.offset
                ));
            }
            // What else begins like one is a line of some value.
            let answered = (self.stats.error_replies - errors) as usize;
            for line in lines.take(answered.min(ERRORS_TOLD.saturating_sub(replay.errors))) {
                replay.errors += 1;
                log::warning(format_args!(
                    "== CRITICAL == This server is sending an error to its AOF-loading-client: '{}' for a command of {} before offset {}",
                    String::from_utf8_lossy(&line[1..]).trim_ascii(),
                    replay.path.display(),
                    replay.offset
                ));
            }
        } else {
            self.drop_output(replay.client);
        }
        // Nobody is told of what happened long ago.
        self.keyspace.observers.forget();
        if self.clients[replay.client].is_closing() {
            return Err(format!("A request of the append only file {} was refused", replay.path.display()));
        }
        Ok(())
    }

    /// Whether a command of a file is not to be executed. (What only reads data is not asked about: it is executed like what writes it.)
    #[cold]
    pub(super) fn passes_by(&mut self, key: usize, request: Request) -> bool {
        let mut id = request.command;
        if id != UNKNOWN && !self.registry.command(id).subcommands.is_empty() {
            // Of a container it is what it is asked for: FUNCTION LOAD, which is not known here, did change something.
            self.with_args(key, request, |engine, args| {
                let (Ok(named) | Err((named, _))) = engine.resolve_subcommand(request.command, args);
                id = named;
            });
        }
        if id == UNKNOWN {
            return false;
        }
        let command = self.registry.command(id);
        if command.flags.contains(Flags::WRITE) || CONTEXT.contains(&command.name) {
            return false;
        }
        self.passed_by.get_or_insert((id, 0)).1 += 1;
        true
    }

    fn end_replay(&mut self, replay: &Replay) {
        if let Some((first, count)) = self.passed_by.take() {
            log::warning(format_args!(
                "{}: {count} commands that change no data were not executed; the first is {}",
                replay.path.display(),
                self.registry.get(first).full_name.to_ascii_uppercase()
            ));
        }
        self.gates &= !gate::LOADING;
        self.close(replay.client);
        self.remove_closed();
        // None of it was asked for by anybody.
        self.registry.reset_stats();
        self.stats.error_replies = 0;
        self.stats.errors.clear();
        self.keyspace.reset_stats();
        self.keyspace.is_flushed = false;
    }

    /// Where a whole command begins in what is left of the file. There is none behind a command that was torn; behind one whose length was
    /// damaged, so that it seems to reach beyond the end, there are all that were written later.
    fn whole_command_in(&self, rest: &[u8]) -> Option<usize> {
        let rest = &rest[..rest.len().min(BEHIND_BYTES)];
        let places = memmem::find_iter(rest, b"\r\n*").map(|end| end + 2);
        places.take(BEHIND_PLACES).find(|&at| match Scanner::default().scan(&rest[at..]) {
            Ok(Scanned::Command { name: (from, to), .. }) => self.registry.find(&rest[at + from..at + to]).is_some(),
            _ => false,
        })
    }

    /// The file has been read to its end: what of it is no whole command, or no whole transaction, is cut off.
    fn cut_torn_end(&mut self, replay: &Replay) -> Result<(), String> {
        let (end, commands) = replay.transaction.unwrap_or((replay.offset, replay.commands));
        if end == replay.total_bytes {
            return Ok(());
        }
        let path = replay.path.display();
        let lost_bytes = replay.total_bytes - end;
        let lost_commands = replay.commands - commands;
        if !replay.may_be_torn {
            return Err(format!(
                "Fatal error: the truncated file is not the last file: {path} ends within a command at offset {end}, and files with \
                 commands follow it"
            ));
        }
        if !self.config.aof_load_truncated {
            return Err(format!(
                "Unexpected end of file reading the append only file {path}. You can: 1) Make a backup of your AOF file, then use \
                 zedis check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' configuration option \
                 to yes and restart the server."
            ));
        }
        if let Some(behind) = self.whole_command_in(&replay.window[replay.at..]) {
            let (at, behind) = (replay.offset, replay.offset + behind as u64);
            return Err(format!(
                "Bad file format reading the append only file {path} at offset {at}: the command there is longer than the file, and others follow \
                 it at offset {behind}, so it is not torn but damaged. Make a backup of your AOF file, then use zedis check-aof --fix \
                 <filename.manifest>, with which everything from offset {end} on is lost"
            ));
        }
        log::warning(format_args!("!!! Warning: short read while loading the AOF file {path}!!!"));
        log::warning("AOF loaded anyway because aof-load-truncated is enabled");
        log::warning(format_args!(
            "Truncating the AOF {path} at offset {end}: the last {lost_bytes} bytes are lost, {lost_commands} whole commands of an \
             unfinished transaction among them"
        ));
        let cut = OpenOptions::new().write(true).open(&replay.path).and_then(|file| {
            file.set_len(end)?;
            file.sync_all()
        });
        cut.map_err(|error| format!("Error truncating the AOF file {path}: {}", reason(&error)))
    }
}

fn begins_like_rdb(path: &Path) -> io::Result<bool> {
    let mut begin = Vec::new();
    File::open(path)?.take(rdb::SIGNATURE_BYTES as u64).read_to_end(&mut begin)?;
    Ok(rdb::begins_file(&begin))
}

/// Commands that say in which database and together with which others the following are executed.
const CONTEXT: [&str; 4] = ["select", "multi", "exec", "discard"];

/// How far the scanner came.
struct Span {
    /// An annotation of so many bytes comes next.
    annotation: Option<usize>,
    needs_more: bool,
}

impl Replay {
    /// Moves `at` and `offset` behind whole commands, as many as are to be executed at once.
    fn scan_span(&mut self) -> Result<Span, String> {
        let start = self.at;
        while self.at - start < SPAN_BYTES {
            match self.scanner.scan(&self.window[self.at..]) {
                Ok(Scanned::Incomplete) => return Ok(Span { annotation: None, needs_more: true }),
                Ok(Scanned::Annotation { len }) => return Ok(Span { annotation: Some(len), needs_more: false }),
                Ok(Scanned::Command { len, name }) => {
                    let name = &self.window[self.at + name.0..self.at + name.1];
                    // Nearly no command has this length and first letter.
                    if name.len() == 5 && name.eq_ignore_ascii_case(b"MULTI") {
                        self.transaction = Some((self.offset, self.commands));
                    } else if name.len() == 5 && name.eq_ignore_ascii_case(b"RESET") {
                        // It would drop a transaction and go to another database, and no server writes it.
                        return Err(format!(
                            "Bad file format reading the append only file {} at offset {}: RESET has no place in it",
                            self.path.display(),
                            self.offset
                        ));
                    } else if self.transaction.is_some()
                        && (name.eq_ignore_ascii_case(b"EXEC") || name.eq_ignore_ascii_case(b"DISCARD"))
                    {
                        self.transaction = None;
                    }
                    self.commands += 1;
                    self.at += len;
                    self.offset += len as u64;
                }
                Err(error) => {
                    return Err(format!(
                        "Bad file format reading the append only file {} at offset {}: {}. Make a backup of your AOF file, then use \
                         zedis check-aof --fix <filename.manifest>",
                        self.path.display(),
                        self.offset + error.at as u64,
                        error.reason
                    ));
                }
            }
        }
        Ok(Span { annotation: None, needs_more: false })
    }

    /// Reads on. False: there is no more.
    fn read_more(&mut self) -> Result<bool, String> {
        if self.is_at_end {
            return Ok(false);
        }
        self.window.drain(..self.at);
        self.at = 0;
        let had = self.window.len();
        // More at once for a command that is long, so that it is not moved for every piece.
        let wanted = READ_BYTES.max(had);
        self.window.reserve(wanted);
        let read = (&mut self.file).take(wanted as u64).read_to_end(&mut self.window);
        match read {
            Ok(0) => {
                self.is_at_end = true;
                Ok(false)
            }
            Ok(_) => Ok(true),
            Err(error) => Err(format!(
                "Unrecoverable error reading the append only file {}: {}",
                self.path.display(),
                reason(&error)
            )),
        }
    }
}
