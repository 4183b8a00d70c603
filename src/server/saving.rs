//! Saving the data set to its RDB file: what SAVE, BGSAVE, the save points and the end of the process have in common.
//!
//! A save is a snapshot ([`crate::keyspace::SnapshotSink`]) whose keys become chunks (`sink.rs`) of a file that the thread of the disk
//! writes ([`crate::persistence::disk`]). In the background it goes on by a slice per turn, and pauses when the disk falls behind; in the
//! foreground it holds everything up until the file is there. There is no other process, so there is no fork and nothing to copy but what
//! is about to be changed.

mod sink;

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use crate::base::allocator;
use crate::base::log;
use crate::keyspace::SharedSink;
use crate::persistence::aof::CommandWriter;
use crate::persistence::disk::{Coder, Disk, FileId, Options, Outcome};
use crate::persistence::rdb::{About, ChunkCoder, FileWriter};
use crate::reactor::Waker;
use crate::server::engine::Engine;
use crate::server::session::gate;
use crate::server::start::{REDIS_VERSION, reason};
use crate::server::supervisor;
use sink::{SaveSink, Writer};

/// Time for a slice of the walk, nanoseconds; after a long turn less, but so much.
const SLICE_NS: u64 = 250_000;
const SLICE_LEAST_NS: u64 = 50_000;
/// Bytes written in a slice: a bound where no time passes, and on what a slow disk finds waiting.
const SLICE_BYTES: u64 = 64 * 1024;
/// Keys, and bytes, between two looks at the clock.
const LOOK_KEYS: u64 = 16;
const LOOK_BYTES: u64 = 8 * 1024;
/// How long a save in the foreground waits for the disk before it looks again.
const DISK_PAUSE: Duration = Duration::from_micros(200);
/// What is said to have failed when a key's elements are not as many as the file says.
const COUNTING: &str = "counting";
/// After a failure the save points wait for so long, seconds.
const RETRY_DELAY_S: i64 = 5;
/// Permissions of RDB files, as in Redis: the umask decides alone.
const RDB_MODE: u32 = 0o666;

/// What a save is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The RDB file.
    Rdb,
    /// The base of the append-only file.
    AofBase,
}

/// A save that is going on.
struct Active {
    purpose: Purpose,
    file: FileId,
    sink: Rc<RefCell<SaveSink>>,
    temporary: PathBuf,
    target: PathBuf,
    started_ns: u64,
    /// Changes until it began.
    dirty: u64,
    keys_total: usize,
    /// Every key has been handed over.
    is_walked: bool,
    /// It is slowed down: it goes on then.
    resumes_ns: u64,
    /// Time that the loop has spent on it.
    spent_ns: u64,
    /// What the thread of the disk had used when it began.
    disk_cpu_before_ns: u64,
    queued_peak_bytes: usize,
}

impl Active {
    /// CPU time that it has taken, nanoseconds: the loop's, and the thread's that writes.
    fn cpu_ns(&self) -> u64 {
        self.spent_ns + self.sink.borrow().disk.cpu_ns() - self.disk_cpu_before_ns
    }
}

/// What is known of saves.
pub struct Saving {
    disk: Option<Rc<Disk>>,
    waker: Option<Waker>,
    /// Where the thread books what it frees.
    pub(super) account: Arc<AtomicI64>,
    active: Option<Active>,
    /// A BGSAVE is to begin as soon as it can.
    is_scheduled: bool,
    /// Nobody asked for the save that goes on: it is of the empty data set that FLUSHALL has left.
    follows_flush: bool,
    /// The RDB file may still have what FLUSHALL has removed.
    is_flush_unsaved: bool,
    /// Unix seconds; of the start until there has been one.
    pub last_save_s: i64,
    last_attempt_s: i64,
    pub last_bgsave_ok: bool,
    /// Of the last one in the background, seconds.
    last_bgsave_s: Option<u64>,
    /// Of the last one in the background, be it for the base of the append-only file.
    last_cpu_ns: u64,
    /// Changes until the last save began.
    saved_dirty: u64,
    saves: u64,
    last_queued_peak_bytes: usize,
    /// Of the last load.
    pub loaded_keys: u64,
    /// Where its end was.
    pub loaded_bytes: u64,
    pub expired_at_load: u64,
}

/// There is no file; the log says why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SaveFailed;

/// Progress of a save, for INFO.
#[derive(Default)]
pub struct Progress {
    pub in_background: bool,
    pub keys_done: u64,
    pub keys_total: usize,
    pub seconds: Option<u64>,
    pub cpu_ns: u64,
    pub last_cpu_ns: u64,
    pub queued_bytes: usize,
    pub queued_peak_bytes: usize,
    pub last_queued_peak_bytes: usize,
    pub last_seconds: Option<u64>,
    pub saves: u64,
}

impl Saving {
    pub fn new(now_ms: i64) -> Saving {
        Saving {
            disk: None,
            waker: None,
            account: Arc::default(),
            active: None,
            is_scheduled: false,
            follows_flush: false,
            is_flush_unsaved: false,
            last_save_s: now_ms / 1000,
            last_attempt_s: 0,
            last_bgsave_ok: true,
            last_bgsave_s: None,
            last_cpu_ns: 0,
            saved_dirty: 0,
            saves: 0,
            last_queued_peak_bytes: 0,
            loaded_keys: 0,
            loaded_bytes: 0,
            expired_at_load: 0,
        }
    }

    pub fn reset_stats(&mut self) {
        self.saves = 0;
    }

    /// With what the thread of the disk wakes the loop.
    pub fn set_waker(&mut self, waker: Waker) {
        self.waker = Some(waker);
    }

    pub fn waker(&self) -> Option<Waker> {
        self.waker.clone()
    }

    /// The thread of the disk, which starts with its first use.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn disk(&mut self) -> io::Result<Rc<Disk>> {
        if let Some(disk) = &self.disk {
            return Ok(Rc::clone(disk));
        }
        let waker = self.waker.clone();
        let disk = Rc::new(Disk::start(Arc::clone(&self.account), move || {
            if let Some(waker) = &waker {
                waker.wake();
            }
        })?);
        self.disk = Some(Rc::clone(&disk));
        Ok(disk)
    }

    /// Whether a save that somebody has asked for is going on, or about to.
    pub fn is_in_the_way(&self) -> bool {
        (self.is_active() || self.is_scheduled) && !self.follows_flush
    }

    /// Whether an RDB file is being saved.
    pub fn is_active(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.purpose == Purpose::Rdb)
    }

    /// Whether any file is being saved.
    pub fn is_busy(&self) -> bool {
        self.active.is_some()
    }

    pub fn is_scheduled(&self) -> bool {
        self.is_scheduled
    }

    pub fn changes(&self, dirty: u64) -> u64 {
        dirty.saturating_sub(self.saved_dirty)
    }

    /// What is in memory is what the file has.
    pub fn mark_saved(&mut self, dirty: u64) {
        self.saved_dirty = dirty;
    }

    pub fn progress(&self, now_ns: u64) -> Progress {
        let mut progress = Progress {
            last_queued_peak_bytes: self.last_queued_peak_bytes,
            last_seconds: self.last_bgsave_s,
            last_cpu_ns: self.last_cpu_ns,
            saves: self.saves,
            ..Progress::default()
        };
        if let Some(active) = &self.active {
            progress.in_background = active.purpose == Purpose::Rdb;
            progress.cpu_ns = active.cpu_ns();
            progress.keys_done = active.sink.borrow().keys;
            progress.keys_total = active.keys_total;
            progress.seconds = Some((now_ns - active.started_ns) / 1_000_000_000);
            progress.queued_bytes = self.disk.as_ref().map_or(0, |disk| disk.queued_bytes());
            progress.queued_peak_bytes = active.queued_peak_bytes;
        }
        progress
    }
}

/// A file of `dir`, which is absolute unless the engine has no process around it.
fn in_dir(dir: &str, name: &str) -> PathBuf {
    if dir.is_empty() { PathBuf::from(name) } else { Path::new(dir).join(name) }
}

impl Engine {
    /// Where the data set is kept.
    pub fn rdb_path(&self) -> PathBuf {
        in_dir(&self.config.dir, &self.config.dbfilename)
    }

    /// Changes that are in no file yet.
    pub fn unsaved_changes(&self) -> u64 {
        self.saving.changes(self.keyspace.dirty)
    }

    /// The beginning of an RDB file: whom it is for, and how many keys there are.
    fn begin_rdb(&self, purpose: Purpose, now_ms: i64) -> FileWriter {
        let has_field_deadlines = (0..self.keyspace.databases()).any(|db| self.keyspace.db(db).timed_hashes() > 0);
        let about = About {
            redis_version: REDIS_VERSION,
            created_s: now_ms / 1000,
            used_memory_bytes: allocator::stats().allocated,
            is_aof_base: purpose == Purpose::AofBase,
            has_field_deadlines,
            // The append-only file is for this server first.
            plain_hashes_at_ms: (self.config.rdb_without_field_deadlines && purpose == Purpose::Rdb).then_some(now_ms),
        };
        if has_field_deadlines && about.plain_hashes_at_ms.is_some() {
            log::warning(
                "Hashes have fields with expiration times, which the RDB file lacks, as rdb-target-version wants it",
            );
        } else if has_field_deadlines {
            log::notice("Hashes have fields with expiration times: the RDB file is for Redis 7.4 and later");
        }
        let mut rdb = FileWriter::new(&about, self.config.rdbcompression);
        for number in 0..self.keyspace.databases() {
            let db = self.keyspace.db(number);
            if !db.is_empty() {
                rdb.resize(number, db.len(), db.volatile_len());
            }
        }
        rdb
    }

    fn begin_save(&mut self, target: PathBuf, purpose: Purpose) -> io::Result<Active> {
        let disk = self.saving.disk()?;
        let disk_cpu_before_ns = disk.cpu_ns();
        let now_ms = self.keyspace.now_ms();
        let name = match purpose {
            Purpose::Rdb => format!("temp-{}.rdb", std::process::id()),
            Purpose::AofBase => format!("temp-rewriteaof-bg-{}.aof", std::process::id()),
        };
        let temporary = target.parent().unwrap_or(Path::new("")).join(name);
        let is_rdb = purpose == Purpose::Rdb || self.config.aof_use_rdb_preamble;
        let writer = match is_rdb {
            true => Writer::Rdb(self.begin_rdb(purpose, now_ms)),
            false if self.config.aof_timestamp_enabled => Writer::Commands(CommandWriter::annotated(now_ms / 1000)),
            false => Writer::Commands(CommandWriter::default()),
        };
        let file = disk.create(
            temporary.clone(),
            Options {
                coder: is_rdb.then(|| -> Box<dyn Coder> {
                    Box::new(ChunkCoder::new(self.config.rdbcompression, self.config.rdbchecksum))
                }),
                incremental_sync: match purpose {
                    Purpose::Rdb => self.config.rdb_save_incremental_fsync,
                    Purpose::AofBase => self.config.aof_rewrite_incremental_fsync,
                },
                mode: RDB_MODE,
            },
        );
        let (uses, waiting) = (self.keyspace.use_clock(), Rc::clone(&self.keyspace.waiting));
        let sink = Rc::new(RefCell::new(SaveSink::new(writer, disk, file, uses, waiting)));
        let shared: SharedSink = sink.clone();
        while !self.keyspace.begin_snapshot(&shared) {
            // SAVE comes while the base of an append-only file is being written, or marks of a save that was given up are there: to the end
            // of that, as fast as the disk takes it. (BGSAVE waits for it.)
            let disk = Rc::clone(&sink.borrow().disk);
            if disk.is_full() {
                std::thread::sleep(DISK_PAUSE);
            }
            self.keyspace.walk_snapshot(&mut || !disk.is_full());
        }
        if purpose == Purpose::Rdb {
            // It knows of it now.
            let is_flushed = std::mem::take(&mut self.keyspace.is_flushed);
            self.saving.is_flush_unsaved |= is_flushed && !self.config.save.is_empty();
            self.saving.saves += 1;
            self.saving.last_attempt_s = now_ms / 1000;
        }
        Ok(Active {
            purpose,
            file,
            sink,
            temporary,
            target,
            started_ns: self.clock.monotonic_ns(),
            dirty: self.keyspace.dirty,
            keys_total: self.keyspace.keys(),
            is_walked: false,
            resumes_ns: 0,
            spent_ns: 0,
            disk_cpu_before_ns,
            queued_peak_bytes: 0,
        })
    }

    /// Begins a save in the background, or sees to it that it begins as soon as the marks of one that was given up are gone. False: it
    /// failed.
    pub fn begin_background_save(&mut self) -> bool {
        if self.keyspace.has_snapshot() || self.aof.is_rewriting() {
            self.saving.is_scheduled = true;
            return true;
        }
        self.saving.is_scheduled = false;
        match self.begin_background_save_to(self.rdb_path(), Purpose::Rdb) {
            Ok(()) => {
                log::notice("Background saving started");
                true
            }
            Err(error) => {
                log::warning(format_args!("Can't save in background: {}", reason(&error)));
                self.end_background_save(false);
                false
            }
        }
    }

    /// A save begins as soon as it can.
    pub fn schedule_background_save(&mut self) {
        self.saving.is_scheduled = true;
        // Now somebody has asked for it.
        self.saving.follows_flush = false;
    }

    pub(super) fn begin_background_save_to(&mut self, target: PathBuf, purpose: Purpose) -> io::Result<()> {
        let active = self.begin_save(target, purpose)?;
        self.saving.active = Some(active);
        Ok(())
    }

    /// Gives the save in the background up. Whether there was one. (The base of the append-only file is not one.)
    pub fn cancel_background_save(&mut self) -> bool {
        let was_scheduled = std::mem::take(&mut self.saving.is_scheduled);
        self.saving.follows_flush = false;
        if self.saving.active.as_ref().is_none_or(|active| active.purpose != Purpose::Rdb) {
            return was_scheduled;
        }
        self.abandon_active();
        true
    }

    /// Gives up what is being written in the background, whatever it is.
    pub(super) fn abandon_active(&mut self) {
        if let Some(active) = self.saving.active.take() {
            active.sink.borrow_mut().abandon();
            self.keyspace.give_up_snapshot();
        }
    }

    /// A slice of the save in the background, and what the disk says. Whether there is more to do without an event.
    pub fn save_slice(&mut self) -> bool {
        if std::mem::take(&mut self.keyspace.is_flushed) {
            self.save_flushed();
        }
        if self.saving.active.is_none() && !self.keyspace.has_snapshot() {
            return false;
        }
        self.save_slowly()
    }

    /// After FLUSHALL: a save that goes on would bring back what is gone, and so would the file that is there, if files are kept at all.
    #[cold]
    fn save_flushed(&mut self) {
        if self.is_loading() {
            return;
        }
        self.cancel_background_save();
        if !self.config.save.is_empty() {
            self.saving.is_flush_unsaved = true;
            self.saving.follows_flush = true;
            self.begin_background_save();
        }
    }

    /// Gives up the save that nobody asked for, since one begins that somebody has asked for.
    pub fn make_way_for_save(&mut self) {
        if self.saving.follows_flush {
            self.cancel_background_save();
        }
    }

    #[cold]
    fn save_slowly(&mut self) -> bool {
        let started_ns = self.clock.monotonic_ns();
        let more = match self.saving.active.take() {
            Some(active) => self.continue_save(active, started_ns),
            None => self.take_marks_away(started_ns),
        };
        let elapsed_ns = self.clock.monotonic_ns() - started_ns;
        if let Some(active) = &mut self.saving.active {
            active.spent_ns += elapsed_ns;
            // Of this slice, or of a command of this turn.
            if let Some(large) = active.sink.borrow_mut().large.take() {
                self.recorder.note_detail(large.text());
            }
        }
        self.recorder.note_job("a slice of BGSAVE", elapsed_ns);
        more
    }

    fn take_marks_away(&mut self, started_ns: u64) -> bool {
        let clock = self.clock.clone();
        let mut steps = 0;
        let ended = self.keyspace.walk_snapshot(&mut || {
            steps += 1;
            steps < 1000 && clock.monotonic_ns() - started_ns < SLICE_NS
        });
        if ended && self.saving.is_scheduled && !self.is_loading() {
            self.begin_background_save();
        }
        !ended || self.saving.is_active()
    }

    fn continue_save(&mut self, mut active: Active, started_ns: u64) -> bool {
        let disk = Rc::clone(&active.sink.borrow().disk);
        match disk.take_report(active.file) {
            Some(Outcome::Published { bytes }) => return self.saved_in_background(&active, bytes),
            Some(Outcome::Failed { doing, error }) => return self.failed_in_background(&active, doing, &error),
            None => {}
        }
        active.queued_peak_bytes = active.queued_peak_bytes.max(disk.queued_bytes() + self.keyspace.waiting.get());
        if !active.is_walked && !disk.is_full() && started_ns >= active.resumes_ns {
            active.is_walked = self.walk_slice(&mut active, started_ns);
            if active.is_walked {
                if let Some(error) = active.sink.borrow().miscounted() {
                    return self.failed_in_background(&active, COUNTING, &error);
                }
                active.sink.borrow_mut().send();
                disk.publish(active.file, active.target.clone());
            }
        }
        let more = !active.is_walked && !disk.is_full();
        self.saving.active = Some(active);
        more
    }

    /// Whether the walk has come to its end.
    fn walk_slice(&mut self, active: &mut Active, started_ns: u64) -> bool {
        let delay_ns = self.config.rdb_key_save_delay_us * 1000;
        let clock = self.clock.clone();
        let (sink, begun_bytes) = (Rc::clone(&active.sink), active.sink.borrow().written_bytes());
        let slice_ns = self.left_of_turn_ns(started_ns).clamp(SLICE_LEAST_NS, SLICE_NS);
        let mut looked_bytes = begun_bytes;
        let mut keys = 0;
        let is_walked = self.keyspace.walk_snapshot(&mut || {
            if keys * delay_ns >= SLICE_NS {
                return false;
            }
            keys += 1;
            let sink = sink.borrow();
            let bytes = sink.written_bytes();
            if keys % LOOK_KEYS != 0 && bytes - looked_bytes < LOOK_BYTES {
                return true;
            }
            looked_bytes = bytes;
            bytes - begun_bytes < SLICE_BYTES && clock.monotonic_ns() - started_ns < slice_ns && !sink.disk.is_full()
        });
        active.resumes_ns = started_ns + keys * delay_ns;
        is_walked
    }

    fn saved_in_background(&mut self, active: &Active, bytes: u64) -> bool {
        self.saving.last_cpu_ns = active.cpu_ns();
        if active.purpose == Purpose::AofBase {
            self.base_saved(bytes);
            return false;
        }
        let (keys, early_keys) = (active.sink.borrow().keys, active.sink.borrow().early_keys);
        log::notice("DB saved on disk");
        log::notice(format_args!(
            "RDB: {keys} keys, {bytes} bytes; {early_keys} keys were saved ahead of their change, at most {} bytes waited for the disk, \
             {} ms of CPU, {} of them the loop's",
            active.queued_peak_bytes,
            active.cpu_ns() / 1_000_000,
            active.spent_ns / 1_000_000
        ));
        log::notice("Background saving terminated with success");
        self.note_saved(active);
        let elapsed_ns = self.clock.monotonic_ns() - active.started_ns;
        self.saving.last_bgsave_s = Some(elapsed_ns / 1_000_000_000);
        self.saving.last_queued_peak_bytes = active.queued_peak_bytes;
        self.end_background_save(true);
        false
    }

    fn failed_in_background(&mut self, active: &Active, doing: &str, error: &io::Error) -> bool {
        self.log_failure(active, doing, error);
        active.sink.borrow_mut().abandon();
        self.keyspace.give_up_snapshot();
        if active.purpose == Purpose::AofBase {
            self.base_failed();
            return self.keyspace.has_snapshot();
        }
        log::warning("Background saving error");
        let elapsed_ns = self.clock.monotonic_ns() - active.started_ns;
        self.saving.last_bgsave_s = Some(elapsed_ns / 1_000_000_000);
        self.end_background_save(false);
        self.keyspace.has_snapshot()
    }

    fn log_failure(&self, active: &Active, doing: &str, error: &io::Error) {
        let text = reason(error);
        match doing {
            "opening" => log::warning(format_args!(
                "Failed opening the temp RDB file {} (in server root dir {}) for saving: {text}",
                active.temporary.display(),
                self.config.dir
            )),
            "renaming" => log::warning(format_args!(
                "Error moving temp DB file {} on the final destination {} (in server root dir {}): {text}",
                active.temporary.display(),
                active.target.display(),
                self.config.dir
            )),
            _ => log::warning(format_args!("Write error saving DB on disk({doing}): {text}")),
        }
    }

    fn note_saved(&mut self, active: &Active) {
        self.saving.is_flush_unsaved = false;
        self.saving.saved_dirty = active.dirty;
        self.saving.last_save_s = self.keyspace.now_ms() / 1000;
    }

    fn end_background_save(&mut self, ok: bool) {
        if std::mem::take(&mut self.saving.follows_flush) && !ok {
            // FLUSHALL is no reason to refuse writes from now on; the log says what has gone wrong.
            return;
        }
        self.saving.last_bgsave_ok = ok;
        self.update_disk_gate();
    }

    /// Whether writes are refused because the last save in the background failed: `stop-writes-on-bgsave-error`.
    pub(super) fn is_save_in_the_way(&self) -> bool {
        let stop = self.config.stop_writes_on_bgsave_error && !self.config.save.is_empty();
        stop && !self.saving.last_bgsave_ok
    }

    /// Called when any of what decides about it may have changed.
    pub fn update_disk_gate(&mut self) {
        if self.is_save_in_the_way() || self.is_aof_bad() {
            self.gates |= gate::DISK_ERROR;
        } else {
            self.gates &= !gate::DISK_ERROR;
        }
    }

    /// Saves, and holds everything up until that is done. A save in the background must not be going on.
    ///
    /// # Errors
    /// When there is no file now; the log says why.
    pub fn save_now(&mut self) -> Result<(), SaveFailed> {
        self.save_to(self.rdb_path(), Purpose::Rdb)
    }

    /// The same to any file.
    ///
    /// # Errors
    /// As [`Engine::save_now`].
    pub(super) fn save_to(&mut self, target: PathBuf, purpose: Purpose) -> Result<(), SaveFailed> {
        let active = match self.begin_save(target, purpose) {
            Ok(active) => active,
            Err(error) => {
                log::warning(format_args!("Can't save: {}", reason(&error)));
                return Err(SaveFailed);
            }
        };
        let disk = Rc::clone(&active.sink.borrow().disk);
        let mut failed = None;
        while failed.is_none() && !self.keyspace.walk_snapshot(&mut || !disk.is_full()) {
            std::thread::sleep(DISK_PAUSE);
            failed = disk.take_report(active.file);
        }
        let miscounted = active.sink.borrow().miscounted().map(|error| Outcome::Failed { doing: COUNTING, error });
        let outcome = failed.or(miscounted).unwrap_or_else(|| {
            active.sink.borrow_mut().send();
            disk.publish(active.file, active.target.clone());
            disk.wait(active.file)
        });
        if let Outcome::Failed { doing, error } = outcome {
            self.log_failure(&active, doing, &error);
            active.sink.borrow_mut().abandon();
            self.keyspace.give_up_snapshot();
            return Err(SaveFailed);
        }
        if purpose == Purpose::Rdb {
            log::notice("DB saved on disk");
            self.note_saved(&active);
            self.end_background_save(true);
        }
        Ok(())
    }

    /// Whether a start would bring back what FLUSHALL has removed.
    fn is_flush_unsaved(&self) -> bool {
        (self.keyspace.is_flushed || self.saving.is_flush_unsaved) && !self.config.save.is_empty()
    }

    /// The save points, looked at ten times a second.
    pub(super) fn check_save_points(&mut self) {
        if self.saving.is_scheduled
            && !self.saving.is_busy()
            && !self.aof.is_rewriting()
            && !self.keyspace.has_snapshot()
            && !self.is_loading()
        {
            // It had to wait for a rewrite of the append-only file.
            self.begin_background_save();
        }
        if self.saving.is_busy() || self.saving.is_scheduled || self.is_loading() {
            return;
        }
        let now_s = self.keyspace.now_ms() / 1000;
        // What came in place of the save of the empty data set may have failed, as that may have itself. Redis, which does not go on before
        // it is written, has an empty file by then, so it is tried until there is one that has nothing of what is gone.
        if self.is_flush_unsaved() && now_s - self.saving.last_attempt_s > RETRY_DELAY_S {
            log::warning("The RDB file still has what FLUSHALL has removed. Saving...");
            self.saving.follows_flush = true;
            self.begin_background_save();
            return;
        }
        let changes = i64::try_from(self.unsaved_changes()).unwrap_or(i64::MAX);
        let may_try = self.saving.last_bgsave_ok || now_s - self.saving.last_attempt_s > RETRY_DELAY_S;
        let since_s = now_s - self.saving.last_save_s;
        let reached = self.config.save.iter().find(|point| changes >= point.changes && since_s > point.seconds);
        if let Some(point) = reached.filter(|_| may_try) {
            log::notice(format_args!("{} changes in {} seconds. Saving...", point.changes, point.seconds));
            self.begin_background_save();
        }
    }

    /// Before the end of the process: saves if that is asked for. Err: it should not end, since saving failed.
    ///
    /// # Errors
    /// When saving failed and `force` does not say that it does not matter.
    pub fn save_before_end(&mut self, save: Option<bool>, force: bool) -> Result<(), SaveFailed> {
        log::warning("User requested shutdown...");
        self.tell_supervisor(supervisor::STOPPING);
        if self.keeps_from_ending(force) {
            return Err(SaveFailed);
        }
        // What FLUSHALL has removed is not to come back, whatever is to become of what came after it.
        let is_flush_unsaved = self.is_flush_unsaved();
        if self.cancel_background_save() {
            log::warning("There is a save in the background. Giving it up!");
        }
        // If the process does not end after all, it begins anew.
        self.postpone_rewrite();
        let wanted = save.unwrap_or(!self.config.save.is_empty()) || is_flush_unsaved;
        let force = force || save == Some(false);
        // What is only half there must not take the place of what is complete.
        if !wanted || self.is_loading() {
            return Ok(());
        }
        log::notice("Saving the final RDB snapshot before exiting.");
        self.tell_supervisor(supervisor::SAVING);
        match self.save_now() {
            Err(SaveFailed) if force => {
                log::warning("Error trying to save the DB. Exit anyway.");
                Ok(())
            }
            Err(SaveFailed) => {
                log::warning("Error trying to save the DB, can't exit.");
                self.tell_supervisor(supervisor::CANNOT_SAVE);
                Err(SaveFailed)
            }
            Ok(()) => Ok(()),
        }
    }
}
