//! The thread that writes files: whoever must not wait for a disk hands it bytes and hears later what became of them.
//!
//! A file is begun with [`Disk::create`], gets chunks with [`Disk::write`], and ends in [`Disk::publish`] (checked, synced, renamed to
//! where it is looked for, the directory synced) or [`Disk::abandon`]. What is asked of it is done in the order in which it was asked. The
//! first error of a file is reported and ends it: what comes after it for that file is dropped, and its temporary file is removed when it
//! is abandoned. After each report the loop is woken, by whatever it gave for that.
//!
//! Bytes that wait are counted: a sender that can wait looks at [`Disk::is_full`] first. One that can't (a change that is about to
//! overwrite what a snapshot needs) may go beyond, and the count says how far.
//!
//! It knows nothing of what it writes; what is to be done to bytes off the loop (compressing, summing up) a [`Coder`] brings along.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use crate::base::allocator::ThreadBook;
use crate::base::clock::Clock;
use crate::base::files::{create_empty, directory_of, sync_directory};
use crate::base::threads;

/// Bytes that wait to be written, beyond which a sender that can wait does.
const QUEUE_BYTES: usize = 4 * 1024 * 1024;
/// Chunks that wait, each of which costs more than its bytes.
const QUEUE_CHUNKS: usize = 4096;
/// Bytes between two syncs of a file that is synced as it grows, so that the last sync finds little to do.
const SYNC_EVERY: u64 = 4 * 1024 * 1024;

/// Bytes for a file.
pub enum Chunk {
    Bytes(Vec<u8>),
    /// Shared with whoever holds it until it is written. What it becomes in the file, the coder says.
    Shared(Arc<Vec<u8>>),
}

impl Chunk {
    fn len(&self) -> usize {
        match self {
            Chunk::Bytes(bytes) => bytes.len(),
            Chunk::Shared(bytes) => bytes.len(),
        }
    }
}

/// What becomes of chunks before they are written, on the thread.
pub trait Coder: Send {
    fn encode(&mut self, chunk: Chunk) -> Vec<u8>;
    /// What stands at the end of the file.
    fn finish(&mut self) -> Vec<u8>;
}

/// How a file is written.
pub struct Options {
    /// None: bytes are written as they are.
    pub coder: Option<Box<dyn Coder>>,
    /// Whether it is synced as it grows.
    pub incremental_sync: bool,
    /// Its permissions, of which the umask takes away some.
    pub mode: u32,
}

/// A file of this thread.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FileId(u64);

#[derive(Debug)]
struct Report {
    file: FileId,
    outcome: Outcome,
}

/// What became of a file.
#[derive(Debug)]
pub enum Outcome {
    /// It is on the disk, under its name, with so many bytes.
    Published {
        bytes: u64,
    },
    Failed {
        doing: &'static str,
        error: io::Error,
    },
}

enum Task {
    Create(FileId, PathBuf, Options),
    Write(FileId, Chunk),
    WriteAll(FileId, Vec<Chunk>),
    MakeEmpty(FileId, PathBuf),
    Publish(FileId, PathBuf),
    Abandon(FileId),
    Remove(PathBuf),
}

/// What waits.
#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    chunks: AtomicUsize,
}

/// The sender's side.
pub struct Disk {
    /// None only while it is dropped.
    tasks: Option<Sender<Task>>,
    reports: Receiver<Report>,
    /// Reports that have come and not been asked for, all of files in `files`.
    arrived: RefCell<Vec<Report>>,
    /// Files that are being written.
    files: RefCell<Vec<FileId>>,
    waiting: Arc<Waiting>,
    /// CPU time of the thread, nanoseconds.
    cpu_ns: Arc<AtomicU64>,
    next_id: Cell<u64>,
    thread: Option<JoinHandle<()>>,
}

impl Disk {
    /// Starts the thread; `wake` is called after each report. What it frees is booked to `account`.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn start(account: Arc<AtomicI64>, wake: impl Fn() + Send + 'static) -> io::Result<Disk> {
        let (tasks, inbox) = channel();
        let (outbox, reports) = channel();
        let waiting = Arc::new(Waiting::default());
        let cpu_ns = Arc::new(AtomicU64::new(0));
        let used_ns = Arc::clone(&cpu_ns);
        let mut worker = Worker { files: Vec::new(), outbox, wake: Box::new(wake), waiting: Arc::clone(&waiting) };
        let thread = threads::spawn("zedis-disk", move || {
            let mut book = ThreadBook::open(account);
            let clock = Clock::real();
            for task in inbox {
                worker.carry_out(task);
                book.enter();
                used_ns.store(clock.thread_cpu_ns(), Ordering::Relaxed);
            }
        })?;
        Ok(Disk {
            tasks: Some(tasks),
            reports,
            arrived: RefCell::default(),
            files: RefCell::default(),
            waiting,
            cpu_ns,
            next_id: Cell::new(0),
            thread: Some(thread),
        })
    }

    fn send(&self, task: Task) {
        if let Some(tasks) = &self.tasks {
            // The thread ends only after this sender.
            let _ = tasks.send(task);
        }
    }

    /// Begins a file.
    pub fn create(&self, path: PathBuf, options: Options) -> FileId {
        self.next_id.set(self.next_id.get() + 1);
        let id = FileId(self.next_id.get());
        self.files.borrow_mut().push(id);
        self.send(Task::Create(id, path, options));
        id
    }

    pub fn write(&self, file: FileId, chunk: Chunk) {
        self.waiting.bytes.fetch_add(chunk.len(), Ordering::Relaxed);
        self.waiting.chunks.fetch_add(1, Ordering::Relaxed);
        self.send(Task::Write(file, chunk));
    }

    /// The same of many, which takes no longer than of one. For a file that was abandoned it is a way to have them freed.
    pub fn write_all(&self, file: FileId, chunks: Vec<Chunk>, bytes: usize) {
        debug_assert_eq!(chunks.iter().map(Chunk::len).sum::<usize>(), bytes);
        self.waiting.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.waiting.chunks.fetch_add(chunks.len(), Ordering::Relaxed);
        self.send(Task::WriteAll(file, chunks));
    }

    /// Makes an empty file at `path`, whatever is there: one that `file` names, which therefore comes to nothing if this does. Its name is
    /// on the disk when that of `file` is, in the same directory.
    pub fn make_empty(&self, file: FileId, path: PathBuf) {
        self.send(Task::MakeEmpty(file, path));
    }

    /// Ends a file: it is synced and renamed.
    pub fn publish(&self, file: FileId, path: PathBuf) {
        self.send(Task::Publish(file, path));
    }

    /// Ends a file and removes it. There is no report, and none is to be expected for what was asked before.
    pub fn abandon(&self, file: FileId) {
        self.files.borrow_mut().retain(|&other| other != file);
        self.arrived.borrow_mut().retain(|report| report.file != file);
        self.send(Task::Abandon(file));
    }

    /// Removes a file that nobody needs any more. There is no report.
    pub fn remove(&self, path: PathBuf) {
        self.send(Task::Remove(path));
    }

    /// Whether so much waits that whoever can wait should.
    pub fn is_full(&self) -> bool {
        self.queued_bytes() >= QUEUE_BYTES || self.waiting.chunks.load(Ordering::Relaxed) >= QUEUE_CHUNKS
    }

    /// Bytes handed over and not yet written.
    pub fn queued_bytes(&self) -> usize {
        self.waiting.bytes.load(Ordering::Relaxed)
    }

    /// CPU time that the thread has used until the end of what it did last, nanoseconds.
    pub fn cpu_ns(&self) -> u64 {
        self.cpu_ns.load(Ordering::Relaxed)
    }

    fn arrived(&self, report: Report) {
        // Nobody asks for those of a file that was abandoned in the meantime.
        if self.files.borrow().contains(&report.file) {
            self.arrived.borrow_mut().push(report);
        }
    }

    /// The next report on a file, if there is one.
    pub fn take_report(&self, file: FileId) -> Option<Outcome> {
        self.reports.try_iter().for_each(|report| self.arrived(report));
        let mut arrived = self.arrived.borrow_mut();
        let first = arrived.iter().position(|report| report.file == file)?;
        let outcome = arrived.remove(first).outcome;
        if matches!(outcome, Outcome::Published { .. }) {
            self.files.borrow_mut().retain(|&other| other != file);
        }
        Some(outcome)
    }

    /// Waits for the next report on a file, of which there must be one to come.
    pub fn wait(&self, file: FileId) -> Outcome {
        loop {
            if let Some(outcome) = self.take_report(file) {
                return outcome;
            }
            match self.reports.recv() {
                Ok(report) => self.arrived(report),
                // The thread is gone, which it never should be before this.
                Err(_) => return Outcome::Failed { doing: "writing", error: io::ErrorKind::BrokenPipe.into() },
            }
        }
    }
}

impl Drop for Disk {
    /// What was asked for is done first.
    fn drop(&mut self) {
        drop(self.tasks.take());
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did all the same, there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

/// A file that is being written.
struct Open {
    id: FileId,
    path: PathBuf,
    /// None: it has failed, and that was reported.
    file: Option<File>,
    options: Options,
    written_bytes: u64,
    synced_bytes: u64,
}

/// What it was doing, and what came of it.
type Step<T> = Result<T, (&'static str, io::Error)>;

fn doing<T>(what: &'static str, result: io::Result<T>) -> Step<T> {
    result.map_err(|error| (what, error))
}

impl Open {
    fn new(id: FileId, path: PathBuf, options: Options) -> (Open, Step<()>) {
        let (file, step) = match create_empty(&path, options.mode) {
            Ok(file) => (Some(file), Ok(())),
            Err(error) => (None, Err(("opening", error))),
        };
        (Open { id, path, file, options, written_bytes: 0, synced_bytes: 0 }, step)
    }

    fn write(&mut self, chunk: Chunk) -> Step<()> {
        if self.file.is_none() {
            return Ok(());
        }
        let bytes = match (&mut self.options.coder, chunk) {
            (Some(coder), chunk) => coder.encode(chunk),
            (None, Chunk::Bytes(bytes)) => bytes,
            (None, Chunk::Shared(bytes)) => return self.put(&bytes),
        };
        self.put(&bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> Step<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        doing("writing", file.write_all(bytes))?;
        self.written_bytes += bytes.len() as u64;
        if self.options.incremental_sync && self.written_bytes - self.synced_bytes >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Step<()> {
        let Some(file) = &self.file else { return Ok(()) };
        doing("syncing", file.sync_data())?;
        self.synced_bytes = self.written_bytes;
        Ok(())
    }

    fn publish(&mut self, path: &Path) -> Step<()> {
        let end = self.options.coder.as_mut().map(|coder| coder.finish());
        self.put(&end.unwrap_or_default())?;
        let Some(file) = self.file.take() else { return Ok(()) };
        doing("syncing", file.sync_all())?;
        drop(file);
        doing("renaming", fs::rename(&self.path, path))?;
        doing("syncing the directory of", sync_directory(directory_of(path)))
    }
}

/// The thread's side.
struct Worker {
    files: Vec<Open>,
    outbox: Sender<Report>,
    wake: Box<dyn Fn() + Send>,
    waiting: Arc<Waiting>,
}

impl Worker {
    fn carry_out(&mut self, task: Task) {
        match task {
            Task::Create(id, path, options) => {
                let (open, step) = Open::new(id, path, options);
                self.files.push(open);
                self.note(id, step);
            }
            Task::Write(id, chunk) => self.write(id, chunk),
            Task::WriteAll(id, chunks) => chunks.into_iter().for_each(|chunk| self.write(id, chunk)),
            Task::MakeEmpty(id, path) => {
                let Some(open) = self.find(id).filter(|open| open.file.is_some()) else { return };
                let made = create_empty(&path, open.options.mode);
                self.note(id, doing("opening", made.map(drop)));
            }
            Task::Publish(id, path) => {
                let Some(open) = self.find(id).filter(|open| open.file.is_some()) else { return };
                let step = open.publish(&path);
                let bytes = open.written_bytes;
                if self.note(id, step) {
                    self.files.retain(|open| open.id != id);
                    self.report(id, Outcome::Published { bytes });
                }
            }
            Task::Abandon(id) => {
                if let Some(open) = self.find(id) {
                    // It may never have come to be.
                    let _ = fs::remove_file(&open.path);
                }
                self.files.retain(|open| open.id != id);
            }
            Task::Remove(path) => {
                // If it can't be removed, it only takes up room.
                let _ = fs::remove_file(path);
            }
        }
    }

    fn write(&mut self, id: FileId, chunk: Chunk) {
        let len = chunk.len();
        if let Some(open) = self.find(id) {
            let step = open.write(chunk);
            self.note(id, step);
        }
        let full = self.waiting.bytes.fetch_sub(len, Ordering::Relaxed) >= QUEUE_BYTES;
        let many = self.waiting.chunks.fetch_sub(1, Ordering::Relaxed) >= QUEUE_CHUNKS;
        if full || many {
            // Somebody may wait for room.
            (self.wake)();
        }
    }

    fn find(&mut self, id: FileId) -> Option<&mut Open> {
        self.files.iter_mut().find(|open| open.id == id)
    }

    /// Reports an error, with which the file ends. Whether there was none.
    fn note(&mut self, id: FileId, step: Step<()>) -> bool {
        let Err((doing, error)) = step else { return true };
        if let Some(open) = self.find(id) {
            open.file = None;
        }
        self.report(id, Outcome::Failed { doing, error });
        false
    }

    fn report(&self, file: FileId, outcome: Outcome) {
        // The other side is gone only when nobody wants to know.
        let _ = self.outbox.send(Report { file, outcome });
        (self.wake)();
    }
}
