//! The append-only file: its start, what each turn hands over, its rewriting.
//!
//! ```text
//!   turn: execute --> journal (keyspace) --> write_journal --> Appender (thread)            flush: the replies leave
//!
//!   rewrite:   manifest with another incremental file --> the appender switches to it, the snapshot begins
//!              --> its base is on the disk --> manifest with the base instead of the old files --> these are removed
//! ```
//!
//! Each step is on the disk before the next begins, so a crash at any moment finds a manifest whose files are complete. (The one exception
//! mends itself: an incremental file may be torn while those behind it are empty.) A step that fails may have been done all the same, by
//! the time the disk refuses to sync a directory; so what is done next is right whichever manifest is on the disk, and no file is removed,
//! or its name used again, that either of them may name. The loop waits for the disk only with `appendfsync always`, which promises it, and
//! where the file begins or ends to be kept.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::base::files::{create_empty, directory_of, replace, sync_directory};
use crate::base::log;
use crate::config::AppendFsync;
use crate::persistence::aof::{
    AofFile, Appender, AppenderStatus, DIR_MODE, DiskError, FILE_MODE, Lost, Manifest, Sync,
};
use crate::persistence::disk::{Chunk, FileId, Options, Outcome};
use crate::reactor::Waker;
use crate::server::engine::Engine;
use crate::server::saving::Purpose;
use crate::server::start::reason;
use crate::server::supervisor;

/// Room that the journal keeps between turns, bytes.
const SPARE_MAX: usize = 1024 * 1024;
/// After a rewrite that failed none begins by itself for so long, seconds.
const RETRY_DELAY_S: i64 = 60;

/// How far a rewrite is.
enum Stage {
    /// The manifest with the new incremental file is on its way to the disk.
    Announcing { manifest: FileId, incremental: PathBuf, next: Manifest },
    /// The base is being written.
    /// `incremental`: the file that goes with it, if it is the first.
    Walking { base: AofFile, appended_before: u64, incremental: Option<AofFile> },
    /// The manifest without the old files is on its way to the disk.
    /// `settled`: bytes of the base, and what had been appended before it.
    Concluding { manifest: FileId, next: Manifest, settled: (u64, u64) },
}

/// What is known of the append-only file.
#[derive(Default)]
pub struct Aof {
    manifest: Manifest,
    appender: Option<Appender>,
    /// It was switched on while there was data: there is no complete file before the first rewrite is done.
    is_starting: bool,
    /// Incremental files of first bases that came to nothing: to be removed when nothing is on its way to them any more.
    leftovers: Vec<String>,
    stage: Option<Stage>,
    /// The manifest without history, on its way to the disk.
    tidying: Option<FileId>,
    /// A rewrite is to begin as soon as it can.
    is_scheduled: bool,
    /// The journal's other buffer.
    spare: Vec<u8>,
    /// Size of the files that are not being written to, and what had been appended when that was so.
    settled_bytes: u64,
    settled_appended: u64,
    /// Size after the last rewrite, or at the start.
    base_bytes: u64,
    annotated_s: i64,
    started_s: Option<i64>,
    last_rewrite_s: Option<i64>,
    last_attempt_s: i64,
    is_last_rewrite_bad: bool,
    /// Rewrites that have failed since one succeeded.
    failed_rewrites: u64,
    is_write_bad: bool,
    /// Errors of the appender that the log has, and the last of them.
    failures: u64,
    sync_failures: u64,
    /// A rewrite is to make up for a sync that failed: it waits for no delay after another one's failure, as the disk is well again.
    is_repair_due: bool,
    /// Syncs that had failed when the base was begun: it has what they may have lost.
    sync_failures_before: u64,
    write_error: Option<DiskError>,
    rewrites: u64,
}

/// What became of the wish for a rewrite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RewriteStart {
    Started,
    /// It begins when what is going on has ended.
    Scheduled,
    /// The log says why.
    Failed,
}

/// For INFO.
#[derive(Clone, Copy, Default)]
pub struct AofFacts {
    pub is_on: bool,
    pub is_rewriting: bool,
    pub is_scheduled: bool,
    pub last_rewrite_s: Option<i64>,
    pub current_rewrite_s: Option<i64>,
    pub is_last_rewrite_bad: bool,
    pub failed_rewrites: u64,
    pub is_write_bad: bool,
    pub rewrites: u64,
    pub current_bytes: u64,
    pub base_bytes: u64,
    pub appender: AppenderStatus,
}

fn sync_of(policy: AppendFsync) -> Sync {
    match policy {
        AppendFsync::Always => Sync::Always,
        AppendFsync::EverySec => Sync::EverySecond,
        AppendFsync::No => Sync::No,
    }
}

/// Makes the directory of the files, if it is not there; it is on the disk then.
fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir)?;
    sync_directory(directory_of(dir))
}

fn log_failure(doing: &str, error: &io::Error) {
    log::warning(format_args!("Error {doing} files of the append-only file: {}", reason(error)));
}

impl Aof {
    pub fn is_rewriting(&self) -> bool {
        self.stage.is_some()
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub fn appender(&self) -> Option<&Appender> {
        self.appender.as_ref()
    }

    /// How much of what was appended is on the disk. None: there is no file, or its first base is not there yet, without which the rest is
    /// worth nothing.
    pub fn durable_bytes(&self) -> Option<u64> {
        let appender = self.appender.as_ref().filter(|_| !self.is_starting)?;
        Some(appender.status().durable)
    }

    /// Whether the disk has taken enough of what waited for it, or there is nothing to wait for.
    pub(super) fn has_room(&self) -> bool {
        self.appender.as_ref().is_none_or(Appender::has_room)
    }

    /// Size of all files, bytes.
    fn current_bytes(&self) -> u64 {
        let appended = self.appender.as_ref().map_or(0, |appender| appender.status().appended);
        self.settled_bytes + appended.saturating_sub(self.settled_appended)
    }

    pub fn reset_stats(&mut self) {
        (self.rewrites, self.failed_rewrites) = (0, 0);
        if let Some(appender) = &self.appender {
            appender.reset_delays();
        }
    }

    pub fn facts(&self, now_s: i64) -> AofFacts {
        AofFacts {
            is_on: self.appender.is_some(),
            is_rewriting: self.stage.is_some(),
            is_scheduled: self.is_scheduled,
            last_rewrite_s: self.last_rewrite_s,
            current_rewrite_s: self.started_s.map(|started_s| now_s - started_s),
            is_last_rewrite_bad: self.is_last_rewrite_bad,
            failed_rewrites: self.failed_rewrites,
            is_write_bad: self.is_write_bad,
            rewrites: self.rewrites,
            current_bytes: self.current_bytes(),
            base_bytes: self.base_bytes,
            appender: self.appender.as_ref().map(Appender::status).unwrap_or_default(),
        }
    }
}

impl Engine {
    /// The directory of the files.
    pub fn aof_dir(&self) -> PathBuf {
        Path::new(&self.config.dir).join(&self.config.appenddirname)
    }

    fn manifest_path(&self) -> PathBuf {
        self.aof_dir().join(format!("{}.manifest", self.config.appendfilename))
    }

    fn temporary_manifest_path(&self) -> PathBuf {
        self.aof_dir().join(format!("temp-{}.manifest", self.config.appendfilename))
    }

    /// Finds out, at the start, which files there are: their paths, in order. A single file of an older version is moved into the
    /// directory.
    ///
    /// # Errors
    /// Why they can't be read.
    pub fn find_aof(&mut self) -> Result<Vec<PathBuf>, String> {
        let dir = self.aof_dir();
        let told = |what: &str, path: &Path, error: &io::Error| format!("{what} {}: {}", path.display(), reason(error));
        let path = self.manifest_path();
        let old = Path::new(&self.config.dir).join(&self.config.appendfilename);
        let adopted = Manifest::adopt(&self.config.appendfilename);
        match fs::read(&path) {
            Ok(text) => self.aof.manifest = Manifest::parse(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !old.is_file() {
                    return Ok(Vec::new());
                }
                let new = dir.join(&self.config.appendfilename);
                if new.exists() {
                    let (old, new) = (old.display(), new.display());
                    return Err(format!("There is no AOF manifest, and both {old} and {new}: which one counts?"));
                }
                make_dir(&dir).map_err(|error| told("Can't open or create append-only dir", &dir, &error))?;
                self.put_manifest(&adopted).map_err(|error| told("Can't write the AOF manifest", &path, &error))?;
                self.aof.manifest = adopted.clone();
            }
            Err(error) => return Err(told("Fatal error: can't open the AOF manifest file", &path, &error)),
        }
        let new = dir.join(&self.config.appendfilename);
        // Also if an earlier start came no further than to the manifest.
        if self.aof.manifest == adopted && !new.exists() && old.is_file() {
            let moved = fs::rename(&old, &new);
            let moved =
                moved.and_then(|()| sync_directory(&dir)).and_then(|()| sync_directory(Path::new(&self.config.dir)));
            moved.map_err(|error| told("Error trying to move the AOF file", &old, &error))?;
            log::notice(format_args!(
                "Successfully migrated an old-style AOF configuration ({}) into the AOF directory ({}).",
                self.config.appendfilename, self.config.appenddirname
            ));
        }
        let manifest = &self.aof.manifest;
        let names = manifest.base.iter().chain(&manifest.incremental).map(|file| &file.name);
        let paths: Vec<PathBuf> = names.map(|name| dir.join(name)).collect();
        if let Some(missing) = paths.iter().find(|path| !path.is_file()) {
            return Err(format!("The AOF file {} does not exist, which the manifest names", missing.display()));
        }
        Ok(paths)
    }

    /// The files that there are now: their paths, in order.
    ///
    /// # Errors
    /// Why that can't be found out.
    pub(super) fn list_aof(&mut self) -> Result<Vec<PathBuf>, String> {
        let is_on = self.aof.appender.is_some();
        // Without one nothing of an older version is moved about.
        if is_on || self.manifest_path().is_file() { self.find_aof() } else { Ok(Vec::new()) }
    }

    /// Begins to write, at the start: behind what has been loaded, or a first base and a first incremental file.
    ///
    /// # Errors
    /// What the disk says.
    pub fn open_aof(&mut self) -> Result<(), String> {
        let dir = self.aof_dir();
        let told = |what: &str, error: &io::Error| format!("{what}: {}", reason(error));
        make_dir(&dir).map_err(|error| told("Can't open or create append-only dir", &error))?;
        let mut manifest = self.aof.manifest.clone();
        if manifest.is_empty() {
            let base = manifest.next_base(&self.config.appendfilename, self.config.aof_use_rdb_preamble);
            log::notice(format_args!("Creating AOF base file {} on server start", base.name));
            self.save_to(dir.join(&base.name), Purpose::AofBase)
                .map_err(|_| "Can't write the AOF base file".to_owned())?;
            manifest.replace_base(base, 0);
        }
        if manifest.incremental.is_empty() {
            let name = manifest.add_incremental(&self.config.appendfilename);
            log::notice(format_args!("Creating AOF incr file {name} on server start"));
            // There may be one of that name, of an attempt that came to nothing.
            create_empty(&dir.join(&name), FILE_MODE)
                .map_err(|error| told("Can't open the append-only file", &error))?;
        }
        let name = manifest.incremental.last().map(|file| file.name.clone()).unwrap_or_default();
        log::notice(format_args!("Opening AOF incr file {name} on server start"));
        let opened = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(dir.join(&name));
        opened.map_err(|error| told("Can't open the append-only file", &error))?;
        if manifest != self.aof.manifest {
            self.put_manifest(&manifest).map_err(|error| told("Can't write the AOF manifest", &error))?;
        }
        self.aof.manifest = manifest;
        self.start_appender(&dir.join(&name))
            .map_err(|error| told("Can't start the thread of the append-only file", &error))?;
        self.aof.settled_bytes = self.files_bytes();
        // What has been added since the last rewrite is growth, whoever wrote it.
        self.aof.base_bytes = self.base_file_bytes();
        self.tidy_up();
        Ok(())
    }

    fn base_file_bytes(&self) -> u64 {
        let base = self.aof.manifest.base.as_ref();
        base.and_then(|base| fs::metadata(self.aof_dir().join(&base.name)).ok()).map_or(0, |about| about.len())
    }

    fn files_bytes(&self) -> u64 {
        let dir = self.aof_dir();
        let manifest = &self.aof.manifest;
        let files = manifest.base.iter().chain(&manifest.incremental);
        files.filter_map(|file| fs::metadata(dir.join(&file.name)).ok()).map(|about| about.len()).sum()
    }

    fn start_appender(&mut self, path: &Path) -> io::Result<()> {
        let waker = self.saving.waker();
        let account = std::sync::Arc::clone(&self.keyspace.elsewhere);
        let wake = move || waker.iter().for_each(Waker::wake);
        self.aof.appender = Some(Appender::start(path, sync_of(self.config.appendfsync), account, wake)?);
        self.aof.settled_appended = 0;
        (self.aof.failures, self.aof.sync_failures) = (0, 0);
        self.keyspace.journal.set_on(true);
        Ok(())
    }

    /// Writes the manifest and waits for the disk.
    fn put_manifest(&self, manifest: &Manifest) -> io::Result<()> {
        replace(&self.manifest_path(), &self.temporary_manifest_path(), manifest.text().as_bytes(), FILE_MODE)
    }

    /// Sends the manifest to the disk, and the new file that it names, if there is one; a report says when they are there.
    fn send_manifest(&mut self, manifest: &Manifest, new: Option<&Path>) -> io::Result<FileId> {
        let disk = self.saving.disk()?;
        let options = Options { coder: None, incremental_sync: false, mode: FILE_MODE };
        let file = disk.create(self.temporary_manifest_path(), options);
        if let Some(path) = new {
            disk.make_empty(file, path.to_owned());
        }
        disk.write(file, Chunk::Bytes(manifest.text().into_bytes()));
        disk.publish(file, self.manifest_path());
        Ok(file)
    }

    /// Hands what the turn's commands changed to the append-only file, before their replies leave.
    #[inline]
    pub fn write_journal(&mut self) {
        if self.keyspace.journal.is_on() && self.keyspace.journal.waiting_bytes() > 0 {
            self.write_journal_slowly();
        }
    }

    /// Whether a turn with changes ends with a wait for the disk: one for as many requests as there are, rather than one for each few.
    #[inline]
    pub fn waits_for_disk(&self) -> bool {
        self.keyspace.journal.is_on() && self.config.appendfsync == AppendFsync::Always
    }

    fn write_journal_slowly(&mut self) {
        let aof = &mut self.aof;
        let Some(appender) = &mut aof.appender else { return };
        let mut bytes = self.keyspace.journal.take(std::mem::take(&mut aof.spare));
        if self.config.aof_timestamp_enabled {
            let now_s = self.keyspace.now_ms() / 1000;
            if now_s > aof.annotated_s {
                aof.annotated_s = now_s;
                appender.append(format!("#TS:{now_s}\r\n").as_bytes());
            }
        }
        // A turn of the loop has just looked.
        let executed_ns = self.recorder.turn.executed_ns();
        let started_ns = executed_ns.unwrap_or_else(|| self.clock.monotonic_ns());
        let is_always = self.config.appendfsync == AppendFsync::Always;
        let (mut has_failed, mut is_full) = (false, false);
        if is_always {
            if let Err((doing, error)) = appender.commit(&bytes) {
                log::warning(format_args!("Error {doing} the append-only file: {}", reason(&error)));
                log::warning("Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...");
                // What has not been answered was never promised.
                std::process::exit(1);
            }
        } else {
            let appended = appender.append(&bytes);
            (has_failed, is_full) = (appended.has_failed, appended.is_full);
        }
        let elapsed_ns = self.clock.monotonic_ns() - started_ns;
        self.recorder.note_job("the append-only file", elapsed_ns);
        if is_always {
            self.note_latency("aof-fsync-always", elapsed_ns);
        }
        if is_full {
            self.wait_for_disk();
        }
        if has_failed && !self.aof.is_write_bad {
            // At once: what is accepted meanwhile has to wait in memory.
            self.watch_appender();
        }
        bytes.clear();
        if bytes.capacity() <= SPARE_MAX {
            self.aof.spare = bytes;
        }
    }

    /// Asks the disk for everything written until now, of this turn too, if `now`; how many bytes that is. None: there is no append-only
    /// file.
    pub fn request_sync(&mut self, now: bool) -> Option<u64> {
        self.write_journal();
        let appender = self.aof.appender.as_ref()?;
        Some(if now { appender.request_sync() } else { appender.status().appended })
    }

    /// `appendfsync` has another value.
    pub(super) fn apply_append_fsync(&mut self) {
        if let Some(appender) = &self.aof.appender {
            appender.set_policy(sync_of(self.config.appendfsync));
        }
    }

    /// CONFIG SET appendonly: begins to keep the file, with a rewrite, or ends it.
    ///
    /// # Errors
    /// Why it can't begin.
    pub(super) fn apply_append_only(&mut self) -> Result<(), String> {
        const FAILED: &str = "Unable to turn on AOF. Check server logs.";
        if self.config.appendonly == self.aof.appender.is_some() {
            return Ok(());
        }
        if !self.config.appendonly {
            self.close_aof();
            return Ok(());
        }
        // One that is going on began before there was a journal, and lacks what has changed since.
        self.cancel_rewrite();
        let dir = self.aof_dir();
        let opened = make_dir(&dir).and_then(|()| {
            if self.aof.manifest.is_empty() {
                // Of an earlier time: its files become history, and its numbers are not used again. One that can't be read is not
                // overwritten.
                match fs::read(self.manifest_path()) {
                    Ok(text) => self.aof.manifest = Manifest::parse(&text).map_err(io::Error::other)?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            let name = self.aof.manifest.clone().add_incremental(&self.config.appendfilename);
            let path = dir.join(name);
            create_empty(&path, FILE_MODE).map(|_| path)
        });
        let started = opened.and_then(|path| self.start_appender(&path));
        if let Err(error) = started {
            log::warning(format_args!("Redis needs to enable the AOF but can't: {}", reason(&error)));
            return Err(FAILED.to_owned());
        }
        self.aof.is_starting = true;
        self.aof.settled_bytes = 0;
        if self.schedule_rewrite() == RewriteStart::Failed {
            log::warning("Redis needs to enable the AOF but can't trigger a background AOF rewrite operation.");
            self.close_aof();
            return Err(FAILED.to_owned());
        }
        Ok(())
    }

    /// Ends the append-only file: everything is written and synced first.
    pub(super) fn close_aof(&mut self) {
        self.write_journal();
        self.cancel_rewrite();
        self.keyspace.journal.set_on(false);
        let closed = self.aof.appender.as_mut().map_or(Ok(()), Appender::close);
        self.watch_appender();
        self.aof.appender = None;
        // Its thread has done all that it was asked for.
        self.remove_leftovers();
        if let Err(Lost { bytes, error: (_, error) }) = closed {
            let text = reason(&error);
            log::warning(format_args!(
                "Fail to fsync the AOF file: {text}. It lacks the last {bytes} bytes, or may do so"
            ));
        }
        self.aof.is_starting = false;
        self.aof.is_scheduled = false;
        self.aof.is_repair_due = false;
        self.aof.is_write_bad = false;
        self.update_disk_gate();
    }

    /// Asks for a rewrite. If it does not begin now it does so when what is going on has ended: a save, or a transaction, half of which
    /// must not be in the base.
    pub fn schedule_rewrite(&mut self) -> RewriteStart {
        self.aof.is_scheduled = true;
        // Whatever went wrong with the last one, this was asked for now.
        self.aof.last_attempt_s = 0;
        if self.blocking.is_denied { RewriteStart::Scheduled } else { self.begin_scheduled_rewrite() }
    }

    fn begin_scheduled_rewrite(&mut self) -> RewriteStart {
        if self.aof.is_rewriting() || self.saving.is_busy() || self.keyspace.has_snapshot() || self.is_loading() {
            return RewriteStart::Scheduled;
        }
        self.aof.is_scheduled = false;
        self.aof.is_repair_due = false;
        self.aof.last_attempt_s = self.keyspace.now_ms() / 1000;
        log::notice("Background append only file rewriting started");
        let begun = if self.aof.appender.is_none() || self.aof.is_starting {
            // Without a file that grows there is nothing to switch: the base is all there is.
            self.begin_walk()
        } else {
            self.announce_file()
        };
        match begun {
            Ok(()) => {
                self.aof.rewrites += 1;
                self.aof.started_s = Some(self.keyspace.now_ms() / 1000);
                if let Some(appender) = &self.aof.appender {
                    appender.hold_syncs(self.config.no_appendfsync_on_rewrite);
                }
                RewriteStart::Started
            }
            Err(error) => {
                log::warning(format_args!("Can't rewrite append only file in background: {}", reason(&error)));
                self.end_rewrite(false);
                RewriteStart::Failed
            }
        }
    }

    /// The first step: a manifest that has another incremental file, which is still empty.
    fn announce_file(&mut self) -> io::Result<()> {
        make_dir(&self.aof_dir())?;
        let mut next = self.aof.manifest.clone();
        let name = next.add_incremental(&self.config.appendfilename);
        let incremental = self.aof_dir().join(name);
        let manifest = self.send_manifest(&next, Some(&incremental))?;
        self.aof.stage = Some(Stage::Announcing { manifest, incremental, next });
        Ok(())
    }

    /// The second: the base, as of this moment.
    fn begin_walk(&mut self) -> io::Result<()> {
        make_dir(&self.aof_dir())?;
        let mut incremental = None;
        if self.aof.is_starting {
            // What came before this base is none of the file's business; a new file, under a name that no other attempt has had, whatever
            // is still on its way into the old one.
            let file = self.aof.manifest.next_incremental(&self.config.appendfilename);
            let path = self.aof_dir().join(&file.name);
            let _ = fs::remove_file(&path);
            self.write_journal();
            self.keyspace.journal.forget_database();
            if let Some(appender) = &mut self.aof.appender {
                appender.switch(&path);
            }
            incremental = Some(file);
        }
        let base = self.aof.manifest.next_base(&self.config.appendfilename, self.config.aof_use_rdb_preamble);
        let target = self.aof_dir().join(&base.name);
        let appended_before = self.aof.appender.as_ref().map_or(0, |appender| appender.status().appended);
        self.aof.sync_failures_before = self.aof.appender.as_ref().map_or(0, |appender| appender.failures().syncs);
        if let Err(error) = self.begin_background_save_to(target, Purpose::AofBase) {
            self.forget_first_file(incremental);
            return Err(error);
        }
        self.aof.stage = Some(Stage::Walking { base, appended_before, incremental });
        Ok(())
    }

    /// Takes the rewrite a step further if the disk has done what that waits for.
    #[inline]
    pub(super) fn continue_rewrite(&mut self) {
        if self.aof.stage.is_some() {
            self.continue_rewrite_slowly();
        }
    }

    #[cold]
    fn continue_rewrite_slowly(&mut self) {
        let Some(Stage::Announcing { manifest, .. } | Stage::Concluding { manifest, .. }) = &self.aof.stage else {
            return;
        };
        let Ok(disk) = self.saving.disk() else { return };
        match disk.take_report(*manifest) {
            None => {}
            Some(Outcome::Failed { doing, error }) => {
                disk.abandon(*manifest);
                if let Some(Stage::Announcing { next, .. } | Stage::Concluding { next, .. }) = self.aof.stage.take() {
                    // Perhaps it is on the disk. Its files are, so what builds on it is right either way.
                    self.aof.manifest = next;
                }
                self.fail_rewrite(doing, &error);
            }
            Some(Outcome::Published { .. }) => match self.aof.stage.take() {
                Some(Stage::Announcing { incremental, next, .. }) => self.switch_files(&incremental, next),
                Some(Stage::Concluding { next, settled, .. }) => self.conclude(next, settled),
                stage => self.aof.stage = stage,
            },
        }
    }

    /// The manifest has the new incremental file: what comes now goes there.
    fn switch_files(&mut self, incremental: &Path, next: Manifest) {
        self.aof.manifest = next;
        // Everything up to here belongs to the old files.
        self.write_journal();
        self.keyspace.journal.forget_database();
        if let Some(appender) = &mut self.aof.appender {
            appender.switch(incremental);
        }
        if let Err(error) = self.begin_walk() {
            self.fail_rewrite("opening", &error);
        }
    }

    /// The manifest has the new base: nothing needs the old files any more.
    fn conclude(&mut self, next: Manifest, settled: (u64, u64)) {
        self.aof.manifest = next;
        (self.aof.settled_bytes, self.aof.settled_appended) = settled;
        self.aof.is_starting = false;
        if let Some(appender) = &self.aof.appender {
            appender.make_up_for(self.aof.sync_failures_before);
        }
        log::notice("Background AOF rewrite finished successfully");
        self.end_rewrite(true);
        self.tidy_up();
    }

    /// Removes the files that nothing needs any more. That they are gone is worth no wait.
    fn tidy_up(&mut self) {
        self.remove_leftovers();
        if self.aof.manifest.history.is_empty() {
            return;
        }
        let dir = self.aof_dir();
        let Ok(disk) = self.saving.disk() else { return };
        self.aof.manifest.history.drain(..).for_each(|file| disk.remove(dir.join(file.name)));
        let manifest = self.aof.manifest.clone();
        self.aof.tidying = self.send_manifest(&manifest, None).ok();
    }

    /// The base is on the disk.
    pub(super) fn base_saved(&mut self, bytes: u64) {
        let Some(Stage::Walking { base, appended_before, incremental }) = self.aof.stage.take() else { return };
        log::notice(format_args!("Successfully created the AOF base file {} ({bytes} bytes)", base.name));
        let mut next = self.aof.manifest.clone();
        next.incremental.extend(incremental.clone());
        next.replace_base(base, usize::from(self.aof.appender.is_some()));
        match self.send_manifest(&next, None) {
            Ok(manifest) => {
                let settled = (bytes, appended_before);
                self.aof.stage = Some(Stage::Concluding { manifest, next, settled });
            }
            Err(error) => {
                self.forget_first_file(incremental);
                self.fail_rewrite("opening", &error);
            }
        }
    }

    /// The base could not be written.
    pub(super) fn base_failed(&mut self) {
        if let Some(Stage::Walking { incremental, .. }) = self.aof.stage.take() {
            self.forget_first_file(incremental);
        }
        log::warning("Background AOF rewrite terminated with error");
        self.end_rewrite(false);
    }

    fn fail_rewrite(&mut self, doing: &str, error: &io::Error) {
        log_failure(doing, error);
        self.base_failed();
    }

    fn end_rewrite(&mut self, is_good: bool) {
        self.aof.stage = None;
        let now_s = self.keyspace.now_ms() / 1000;
        if let Some(started_s) = self.aof.started_s.take() {
            self.aof.last_rewrite_s = Some(now_s - started_s);
        }
        self.aof.is_last_rewrite_bad = !is_good;
        self.aof.failed_rewrites = if is_good { 0 } else { self.aof.failed_rewrites + 1 };
        if is_good {
            self.aof.base_bytes = self.aof.current_bytes();
        } else if self.aof.is_starting {
            // Until there is a base the file is worth nothing.
            self.aof.is_scheduled = true;
        }
        if let Some(appender) = &self.aof.appender {
            appender.hold_syncs(false);
        }
    }

    /// The incremental file of a first base that there will not be is worth nothing.
    fn forget_first_file(&mut self, file: Option<AofFile>) {
        self.aof.leftovers.extend(file.map(|file| file.name));
    }

    /// Removes what attempts have left. That it is gone is worth no wait.
    fn remove_leftovers(&mut self) {
        if self.aof.leftovers.is_empty() {
            return;
        }
        let dir = self.aof_dir();
        if let Ok(disk) = self.saving.disk() {
            self.aof.leftovers.drain(..).for_each(|name| disk.remove(dir.join(name)));
        }
    }

    /// Gives a rewrite up that stands in the way; it begins anew when nothing does.
    pub fn postpone_rewrite(&mut self) {
        if self.aof.is_rewriting() {
            self.cancel_rewrite();
            self.aof.is_scheduled = true;
        }
    }

    pub(super) fn cancel_rewrite(&mut self) {
        match self.aof.stage.take() {
            None => return,
            Some(Stage::Walking { incremental, .. }) => {
                self.abandon_active();
                self.forget_first_file(incremental);
            }
            Some(Stage::Announcing { manifest, next, .. } | Stage::Concluding { manifest, next, .. }) => {
                // It is on its way and can't be called back. What is done next builds on what is on the disk, or may be.
                self.aof.manifest = next;
                if let Ok(disk) = self.saving.disk()
                    && let Outcome::Failed { doing, error } = disk.wait(manifest)
                {
                    disk.abandon(manifest);
                    log_failure(doing, &error);
                }
            }
        }
        log::warning("There is a child rewriting the AOF. Giving it up!");
        let before = (self.aof.is_last_rewrite_bad, self.aof.failed_rewrites);
        self.end_rewrite(false);
        // Nothing has gone wrong.
        (self.aof.is_last_rewrite_bad, self.aof.failed_rewrites) = before;
        self.aof.is_scheduled = false;
    }

    /// Looks after it, ten times a second.
    pub(super) fn check_aof(&mut self) {
        if let Some(manifest) = self.aof.tidying
            && let Ok(disk) = self.saving.disk()
            && let Some(outcome) = disk.take_report(manifest)
        {
            self.aof.tidying = None;
            if let Outcome::Failed { doing, error } = outcome {
                // The one that names the files which are gone, as history, serves as well.
                disk.abandon(manifest);
                log_failure(doing, &error);
            }
        }
        let now_s = self.keyspace.now_ms() / 1000;
        let may_try = !self.aof.is_last_rewrite_bad || now_s - self.aof.last_attempt_s > RETRY_DELAY_S;
        if self.aof.is_scheduled && (may_try || self.aof.is_repair_due) {
            self.begin_scheduled_rewrite();
        }
        self.watch_appender();
        if self.aof.appender.is_none() {
            return;
        }
        let percentage = self.config.auto_aof_rewrite_percentage;
        if percentage == 0 || self.aof.is_rewriting() || self.aof.is_scheduled || !may_try || self.is_loading() {
            return;
        }
        let (current, base) = (self.aof.current_bytes(), self.aof.base_bytes.max(1));
        let growth = current.saturating_mul(100) / base;
        if current > self.config.auto_aof_rewrite_min_size_bytes && growth >= percentage.saturating_add(100) {
            log::notice(format_args!("Starting automatic rewriting of AOF on {}% growth", growth - 100));
            self.schedule_rewrite();
        }
    }

    /// Hears what the disk says, also of what is over by now.
    fn watch_appender(&mut self) {
        let Some(appender) = &self.aof.appender else { return };
        let failures = appender.failures();
        let was_bad = self.aof.is_write_bad;
        let mut is_known = was_bad;
        if failures.count > self.aof.failures {
            self.aof.failures = failures.count;
            self.aof.write_error = failures.last;
            if let Some((doing, error)) = self.aof.write_error.as_ref().filter(|_| !was_bad) {
                log::warning(format_args!("Error {doing} the append-only file: {}", reason(error)));
                is_known = true;
            }
        }
        if is_known && !failures.is_bad {
            log::warning("AOF write error looks solved, Redis can write again.");
            if failures.syncs > self.aof.sync_failures && self.keyspace.journal.is_on() {
                // A sync that succeeds says nothing about what the one before it could not write; new files will have it.
                log::notice("What the disk has failed to sync is written anew");
                self.aof.sync_failures = failures.syncs;
                self.aof.is_scheduled = true;
                self.aof.is_repair_due = true;
            }
        }
        if failures.is_bad != was_bad {
            self.aof.is_write_bad = failures.is_bad;
            self.update_disk_gate();
        }
    }

    /// Why writes are refused, if the append-only file still is the reason.
    pub(super) fn aof_error_text(&mut self) -> Option<String> {
        self.watch_appender();
        let (_, error) = self.aof.write_error.as_ref().filter(|_| self.aof.is_write_bad)?;
        Some(format!("MISCONF Errors writing to the AOF file: {}", reason(error)))
    }

    pub(super) fn is_aof_bad(&self) -> bool {
        self.aof.is_write_bad
    }

    /// Whether the process must not end now, since the first base is being written and nothing else has what is in memory.
    pub(super) fn keeps_from_ending(&self, force: bool) -> bool {
        if !self.aof.is_starting || !self.aof.is_rewriting() {
            return false;
        }
        if force {
            log::warning("Writing initial AOF. Exit anyway.");
            return false;
        }
        log::warning("Writing initial AOF, can't exit");
        self.tell_supervisor(supervisor::WRITING_FIRST_BASE);
        true
    }

    /// Before the end of the process: everything is on the disk.
    pub(super) fn end_aof(&mut self) {
        if self.aof.appender.is_some() {
            log::notice("Calling fsync() on the AOF file.");
            self.close_aof();
        }
    }
}
