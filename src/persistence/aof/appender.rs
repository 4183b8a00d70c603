//! The appender: a thread that writes the incremental file, so that the loop never waits for the disk, unless that is what was asked for.
//!
//! ```text
//!   loop                                     thread "zedis-aof"
//!   append(bytes) --> queue (one lock) ----> write, at most once a millisecond
//!   switch(path)  --> queue                  fdatasync: once a second (everysec), never (no), when requested
//!   request_sync() ... wake() <------------- everything that was handed over by then is on the disk
//!   commit(bytes): write, fdatasync (always)
//! ```
//!
//! With `always` the loop has to wait anyway, and writes and syncs by itself: two wake-ups of threads would cost more than a fast disk
//! takes. Only if the thread is still busy, with what was handed over before, it is left to the thread. Each side opens the file for
//! itself, for appending (their descriptors are not shared, see `base/threads.rs`), and only one writes at a time: the loop when the queue
//! is empty and the thread has nothing in hand, else the thread. The loop opens it when it first has to write: opening waits for a disk,
//! too.
//!
//! What the loop hands over is in the file within about a millisecond, so even a killed process loses no more; what a crash of the machine
//! loses is the policy's business. While the disk hangs, bytes collect in the queue; beyond [`QUEUE_MAX`] the loop is told, so that it
//! accepts nothing more to write, and is woken when half of that is gone. An error keeps what was not written: it is tried again until the
//! disk takes it, and meanwhile reported. A part that a full disk took is cut off again, as in Redis, so that no file ends within a
//! command. At the end it is tried for [`LAST_TRIES`] times, and then told how much is lost.
//!
//! Cost for the loop: a copy of the bytes and an uncontended lock per turn; a wake-up only after the thread had nothing to do.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::FILE_MODE;
use crate::base::allocator::ThreadBook;
use crate::base::clock::Clock;
use crate::base::threads;

/// Bytes in one piece of what waits: a longer one would grow, and be copied, in a turn of the loop.
const PIECE_BYTES: usize = 256 * 1024;
/// Bytes that wait to be written, beyond which there should be no more; there may be again when there are so few.
const QUEUE_MAX: usize = 64 * 1024 * 1024;
const QUEUE_LOW: usize = QUEUE_MAX / 2;
/// The thread looks for more so long after it has written something.
const NAP: Duration = Duration::from_millis(1);
/// Time between two syncs, with `everysec`, nanoseconds.
const SYNC_EVERY_NS: u64 = 1_000_000_000;
/// After an error it tries again so much later.
const RETRY: Duration = Duration::from_millis(100);
/// So often it is tried before the thread ends without success: half a second, in which nobody is served.
const LAST_TRIES: u32 = 5;

/// What was being done.
const SYNCING: &str = "syncing";

/// `appendfsync`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sync {
    Always,
    #[default]
    EverySecond,
    No,
}

enum Task {
    Bytes(Vec<u8>),
    /// What comes behind goes to this file.
    Switch(PathBuf),
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Task>,
    bytes: usize,
    policy: Sync,
    /// Everything up to here is to be synced at once.
    wanted: u64,
    /// `no-appendfsync-on-rewrite`, while there is a rewrite.
    holds_syncs: bool,
    /// Somebody is to be told when everything wanted is synced.
    tells: bool,
    /// The loop is to be told when there is room again, or never will be.
    tells_room: bool,
    is_stopping: bool,
    /// The thread sleeps until it is woken.
    is_idle: bool,
    /// The thread has taken tasks that are not done, or has not opened its file yet.
    is_busy: bool,
    /// The thread has opened its first file.
    is_open: bool,
    status: Status,
}

#[derive(Default)]
struct Status {
    appended: u64,
    written: u64,
    synced: u64,
    syncs: u64,
    /// There was no room so often.
    delays: u64,
    is_syncing: bool,
    error: Option<DiskError>,
    /// How often something has failed, and the last of these errors.
    failures: u64,
    sync_failures: u64,
    last_error: Option<DiskError>,
    /// What had been synced before a sync failed that nothing has made up for: what came behind may be lost, whatever later syncs say.
    doubted_from: Option<u64>,
}

impl Status {
    fn durable(&self) -> u64 {
        self.doubted_from.unwrap_or(self.synced)
    }

    fn fail(&mut self, (doing, error): DiskError) {
        self.failures += 1;
        self.last_error = Some((doing, error));
    }
}

/// What INFO shows.
#[derive(Clone, Copy, Default, Debug)]
pub struct AppenderStatus {
    /// Bytes handed over, written and synced since the start.
    pub appended: u64,
    pub written: u64,
    pub synced: u64,
    /// Bytes that are on the disk: those synced, as long as no sync has failed.
    pub durable: u64,
    pub syncs: u64,
    pub delays: u64,
    pub queued_bytes: usize,
    pub is_syncing: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    /// [`Queue::bytes`], for whoever can't wait for the lock.
    queued_bytes: AtomicUsize,
    /// For the thread: there is something to do.
    work: Condvar,
    /// For the loop: something was written or synced, or failed.
    progress: Condvar,
}

impl Shared {
    /// A thread that panicked leaves nothing half done in the queue.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loop's side.
pub struct Appender {
    shared: Arc<Shared>,
    /// The file that bytes are appended to now.
    path: PathBuf,
    /// That file as the loop has it open. None: it has not had to write to it.
    file: Option<File>,
    thread: Option<JoinHandle<()>>,
}

/// What came of handing bytes over.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    /// So much waits for the disk that nothing should be added before [`Appender::has_room`] says so.
    pub is_full: bool,
    /// The disk has refused what was handed over before.
    pub has_failed: bool,
}

/// Something failed: while doing what, and why.
pub type DiskError = (&'static str, io::Error);

/// What the disk has refused so far.
pub struct Failures {
    pub count: u64,
    /// Those of them after which nobody knows what is on the disk: the kernel reports once what it could not write, and forgets it then.
    pub syncs: u64,
    pub last: Option<DiskError>,
    /// It has not taken what it refused then.
    pub is_bad: bool,
}

/// The file lacks so many bytes of what was handed over, since the disk has refused them to the end.
pub struct Lost {
    pub bytes: u64,
    pub error: DiskError,
}

impl Appender {
    /// Starts the thread with the file that bytes are appended to, which is created if need be. It calls `wake` after each sync that
    /// was requested, and when there is room again.
    ///
    /// # Errors
    /// When the file can't be opened, or there can be no further thread.
    pub fn start(
        path: &Path,
        policy: Sync,
        account: Arc<AtomicI64>,
        wake: impl Fn() + Send + 'static,
    ) -> io::Result<Appender> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { policy, is_busy: true, ..Queue::default() }),
            queued_bytes: AtomicUsize::new(0),
            work: Condvar::new(),
            progress: Condvar::new(),
        });
        let for_thread = Arc::clone(&shared);
        let pending = VecDeque::from([Task::Switch(path.to_owned())]);
        let thread = threads::spawn("zedis-aof", move || {
            let clock = Clock::real();
            let synced_ns = clock.monotonic_ns();
            let wake = Box::new(wake);
            let book = ThreadBook::open(account);
            Worker { shared: for_thread, file: None, pending, clock, synced_ns, is_sync_owed: false, wake, book }.run();
        })?;
        let appender = Appender { shared, path: path.to_owned(), file: None, thread: Some(thread) };
        appender.wait_open()?;
        Ok(appender)
    }

    fn wait_open(&self) -> io::Result<()> {
        let mut queue = self.shared.lock();
        while !queue.is_open {
            if let Some((_, error)) = &queue.status.error {
                return Err(copy(error));
            }
            queue = self.shared.progress.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    pub fn set_policy(&self, policy: Sync) {
        self.shared.lock().policy = policy;
        self.shared.work.notify_one();
    }

    /// Whether syncs are put off.
    pub fn hold_syncs(&self, holds_syncs: bool) {
        self.shared.lock().holds_syncs = holds_syncs;
        self.shared.work.notify_one();
    }

    /// Hands bytes over.
    pub fn append(&self, bytes: &[u8]) -> Appended {
        let mut queue = self.shared.lock();
        queue.status.appended += bytes.len() as u64;
        queue.bytes += bytes.len();
        self.shared.queued_bytes.store(queue.bytes, Ordering::Relaxed);
        match queue.tasks.back_mut() {
            Some(Task::Bytes(last)) if last.len() + bytes.len() <= PIECE_BYTES => last.extend_from_slice(bytes),
            _ => queue.tasks.push_back(Task::Bytes(bytes.to_vec())),
        }
        let has_failed = queue.status.error.is_some();
        // A disk that refuses to write is another matter: then nothing more is accepted from clients anyway.
        let is_full = queue.bytes > QUEUE_MAX && !has_failed;
        queue.status.delays += u64::from(is_full && !queue.tells_room);
        queue.tells_room |= is_full;
        if std::mem::take(&mut queue.is_idle) {
            drop(queue);
            self.shared.work.notify_one();
        }
        Appended { is_full, has_failed }
    }

    /// Whether more may be appended, after there was no room; also if the disk refuses what there is. The callback has been called by then.
    pub fn has_room(&self) -> bool {
        let queue = self.shared.lock();
        queue.bytes <= QUEUE_LOW || queue.status.error.is_some()
    }

    /// Writes and syncs, before it returns. What the thread has in hand comes first.
    ///
    /// # Errors
    /// What the disk says, if it does not take it.
    pub fn commit(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        let queue = self.shared.lock();
        let is_threads = queue.is_busy || !queue.tasks.is_empty() || queue.status.error.is_some();
        drop(queue);
        if !is_threads && self.file.is_none() {
            match open(&self.path) {
                Ok(file) => self.file = Some(file),
                Err(error) => self.shared.lock().status.fail(("opening", error)),
            }
        }
        let Some(file) = self.file.as_mut().filter(|_| !is_threads) else {
            // The thread has it open.
            self.append(bytes);
            return self.wait_synced();
        };
        // The thread writes only what this side hands over, so until then the file is this side's alone.
        let (written, result) = write_whole(file, bytes);
        let result = result.map_err(|error| ("writing", error));
        let result = result.and_then(|()| file.sync_data().map_err(|error| (SYNCING, error)));
        let mut queue = self.shared.lock();
        let status = &mut queue.status;
        status.appended += written as u64;
        status.written += written as u64;
        if result.is_ok() {
            status.synced = status.written;
            status.syncs += 1;
        }
        result
    }

    /// What is appended from here on goes to another file, which is created if need be. If it can't be opened, that is tried again until
    /// it can, as with everything else that the disk refuses.
    pub fn switch(&mut self, path: &Path) {
        self.path = path.to_owned();
        self.file = None;
        self.shared.lock().tasks.push_back(Task::Switch(path.to_owned()));
        self.shared.work.notify_one();
    }

    /// Asks for a sync of everything handed over, and does not wait for it; how many bytes that is.
    pub fn request_sync(&self) -> u64 {
        let mut queue = self.shared.lock();
        let target = queue.status.appended;
        queue.wanted = target;
        queue.tells = true;
        drop(queue);
        self.shared.work.notify_one();
        target
    }

    /// Waits until everything handed over is on the disk.
    ///
    /// # Errors
    /// What the disk says, if it does not take it. What it said before does not count: it is asked again.
    pub fn wait_synced(&self) -> Result<(), DiskError> {
        let mut queue = self.shared.lock();
        let target = queue.status.appended;
        let failures = queue.status.failures;
        queue.wanted = target;
        self.shared.work.notify_one();
        while queue.status.synced < target {
            if let Some((doing, error)) = queue.status.error.as_ref().filter(|_| queue.status.failures > failures) {
                return Err((doing, copy(error)));
            }
            queue = self.shared.progress.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Errors, also those that are over.
    pub fn failures(&self) -> Failures {
        let status = &self.shared.lock().status;
        let last = status.last_error.as_ref().map(|(doing, error)| (*doing, copy(error)));
        Failures { count: status.failures, syncs: status.sync_failures, last, is_bad: status.error.is_some() }
    }

    /// What was handed over until `sync_failures` syncs had failed is on the disk elsewhere by now, so nothing is lost if no other has
    /// failed since.
    pub fn make_up_for(&self, sync_failures: u64) {
        let status = &mut self.shared.lock().status;
        if status.sync_failures == sync_failures {
            status.doubted_from = None;
        }
    }

    /// Writes and syncs what was handed over, and ends the thread.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn close(&mut self) -> Result<(), Lost> {
        self.end();
        let status = &self.shared.lock().status;
        let doubt = status.doubted_from.and(status.last_error.as_ref());
        match status.error.as_ref().or(doubt) {
            Some((doing, error)) => {
                Err(Lost { bytes: status.appended - status.durable(), error: (doing, copy(error)) })
            }
            None => Ok(()),
        }
    }

    fn end(&mut self) {
        self.shared.lock().is_stopping = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did all the same, what is lost shows in the counts.
            let _ = thread.join();
        }
    }

    /// Bytes handed over and not yet written.
    pub fn queued_bytes(&self) -> usize {
        self.shared.queued_bytes.load(Ordering::Relaxed)
    }

    /// CONFIG RESETSTAT.
    pub fn reset_delays(&self) {
        self.shared.lock().status.delays = 0;
    }

    pub fn status(&self) -> AppenderStatus {
        let queue = self.shared.lock();
        let status = &queue.status;
        AppenderStatus {
            appended: status.appended,
            written: status.written,
            synced: status.synced,
            durable: status.durable(),
            syncs: status.syncs,
            delays: status.delays,
            queued_bytes: queue.bytes,
            is_syncing: status.is_syncing,
        }
    }
}

fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}

impl Drop for Appender {
    /// As [`Appender::close`], for whoever does not want to know.
    fn drop(&mut self) {
        self.end();
    }
}

/// The thread's side.
struct Worker {
    shared: Arc<Shared>,
    /// None: the first one is still to be opened.
    file: Option<File>,
    /// Taken from the queue and not yet written.
    pending: VecDeque<Task>,
    clock: Clock,
    /// When it was synced last.
    synced_ns: u64,
    /// A sync has failed: nothing is well until one succeeds.
    is_sync_owed: bool,
    wake: Box<dyn Fn() + Send>,
    book: ThreadBook,
}

impl Worker {
    fn run(&mut self) {
        let mut last_tries = 0;
        loop {
            let is_stopping = self.take();
            let step = self.write().and_then(|()| self.sync_if_due(is_stopping));
            let has_failed = step.is_err();
            self.note(step);
            self.book.enter();
            last_tries += u32::from(is_stopping && has_failed);
            let is_over =
                if has_failed { last_tries == LAST_TRIES || self.is_clean() } else { self.pending.is_empty() };
            if is_stopping && is_over {
                return;
            }
            if has_failed {
                // Whoever waits for the disk does not wait for this.
                let queue = self.shared.lock();
                drop(self.shared.work.wait_timeout(queue, RETRY));
            } else {
                self.nap();
            }
        }
    }

    /// Whether all that was handed over is on the disk.
    fn is_clean(&self) -> bool {
        let queue = self.shared.lock();
        queue.bytes == 0 && queue.status.synced == queue.status.written
    }

    /// Takes what is in the queue; waits for something if there is nothing to do. Whether it is to stop.
    fn take(&mut self) -> bool {
        let mut queue = self.shared.lock();
        queue.is_busy = !self.pending.is_empty();
        let has_work = |queue: &Queue| {
            !queue.tasks.is_empty()
                || queue.is_stopping
                || queue.wanted > queue.status.synced
                || queue.status.error.is_some()
        };
        while self.pending.is_empty() && !has_work(&queue) {
            queue.is_idle = true;
            // What is not synced is looked after once a second; otherwise there is all the time in the world.
            if queue.status.synced == queue.status.written || queue.policy == Sync::No || queue.holds_syncs {
                queue = self.shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let since_ns = self.clock.monotonic_ns() - self.synced_ns;
            let Some(left_ns) = SYNC_EVERY_NS.checked_sub(since_ns).filter(|&left_ns| left_ns > 0) else { break };
            let waited = self.shared.work.wait_timeout(queue, Duration::from_nanos(left_ns));
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.is_idle = false;
        self.pending.append(&mut queue.tasks);
        queue.is_busy = !self.pending.is_empty();
        queue.is_stopping
    }

    /// Writes what was taken. What the disk does not take stays.
    fn write(&mut self) -> Result<(), DiskError> {
        while let Some(task) = self.pending.pop_front() {
            match task {
                Task::Bytes(bytes) => {
                    let Some(file) = &mut self.file else { continue };
                    let (written, result) = write_whole(file, &bytes);
                    let mut queue = self.shared.lock();
                    queue.status.written += written as u64;
                    queue.bytes -= written;
                    self.shared.queued_bytes.store(queue.bytes, Ordering::Relaxed);
                    let tells = queue.bytes <= QUEUE_LOW && std::mem::take(&mut queue.tells_room);
                    drop(queue);
                    self.shared.progress.notify_all();
                    if tells {
                        (self.wake)();
                    }
                    if let Err(error) = result {
                        self.pending.push_front(Task::Bytes(bytes[written..].to_vec()));
                        return Err(("writing", error));
                    }
                }
                Task::Switch(path) => {
                    // The old one has to be complete before the new one says anything that builds on it.
                    let synced = self.file.as_ref().map_or(Ok(()), File::sync_data);
                    let opened = synced.map_err(|error| (SYNCING, error));
                    let opened = opened.and_then(|()| open(&path).map_err(|error| ("opening", error)));
                    match opened {
                        Ok(file) => self.file = Some(file),
                        Err(error) => {
                            self.pending.push_front(Task::Switch(path));
                            return Err(error);
                        }
                    }
                    self.is_sync_owed = false;
                    let mut queue = self.shared.lock();
                    queue.is_open = true;
                    queue.status.synced = queue.status.written;
                    self.tell(queue);
                }
            }
        }
        Ok(())
    }

    fn sync_if_due(&mut self, is_stopping: bool) -> Result<(), DiskError> {
        let mut queue = self.shared.lock();
        let written = queue.status.written;
        let now_ns = self.clock.monotonic_ns();
        if queue.status.synced == written {
            self.synced_ns = now_ns;
            return Ok(());
        }
        let is_second_over = now_ns - self.synced_ns >= SYNC_EVERY_NS;
        let is_due = is_second_over && queue.policy == Sync::EverySecond && !queue.holds_syncs;
        let is_wanted = queue.wanted > queue.status.synced || queue.policy == Sync::Always || is_stopping;
        if !is_due && !is_wanted && !self.is_sync_owed {
            return Ok(());
        }
        queue.status.is_syncing = true;
        drop(queue);
        let result = self.file.as_ref().map_or(Ok(()), File::sync_data);
        let mut queue = self.shared.lock();
        queue.status.is_syncing = false;
        queue.status.syncs += 1;
        self.synced_ns = now_ns;
        self.is_sync_owed = result.is_err();
        if result.is_ok() {
            // The loop may have synced more in the meantime.
            queue.status.synced = queue.status.synced.max(written);
            // Before anybody hears of it.
            queue.status.error = None;
        }
        self.tell(queue);
        self.shared.progress.notify_all();
        result.map_err(|error| (SYNCING, error))
    }

    /// Tells whoever asked for it that everything wanted is synced, if it is.
    fn tell(&self, mut queue: MutexGuard<'_, Queue>) {
        let tells = queue.tells && queue.status.synced >= queue.wanted;
        queue.tells &= !tells;
        drop(queue);
        if tells {
            (self.wake)();
        }
    }

    fn note(&self, step: Result<(), DiskError>) {
        let mut queue = self.shared.lock();
        if let Err((doing, error)) = &step {
            queue.status.fail((doing, copy(error)));
            if *doing == SYNCING {
                queue.status.sync_failures += 1;
                let synced = queue.status.synced;
                queue.status.doubted_from.get_or_insert(synced);
            }
        }
        queue.status.error = step.err();
        let tells = queue.status.error.is_some() && std::mem::take(&mut queue.tells_room);
        drop(queue);
        self.shared.progress.notify_all();
        if tells {
            (self.wake)();
        }
    }

    /// Lets some more come together. Somebody who waits for the disk does not let it.
    fn nap(&self) {
        let queue = self.shared.lock();
        if queue.policy == Sync::Always || queue.is_stopping || queue.wanted > queue.status.synced {
            return;
        }
        drop(queue);
        std::thread::sleep(NAP);
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

/// Writes it all, or takes back what the file took of it: what is handed over ends where a command does, and so does a file that is full.
/// How much is in the file.
fn write_whole(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let (written, result) = write_some(file, bytes);
    if result.is_ok() || written == 0 {
        return (written, result);
    }
    let is_taken_back = file.metadata().and_then(|about| file.set_len(about.len().saturating_sub(written as u64)));
    // If that fails too, the rest of it comes behind when the disk takes it.
    (if is_taken_back.is_ok() { 0 } else { written }, result)
}

/// Writes as much as the file takes; how much that was.
fn write_some(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut at = 0;
    while at < bytes.len() {
        match file.write(&bytes[at..]) {
            Ok(0) => return (at, Err(io::ErrorKind::WriteZero.into())),
            Ok(len) => at += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (at, Err(error)),
        }
    }
    (at, Ok(()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use super::{Appender, PIECE_BYTES, Sync, Task};

    fn scratch(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("zedis-appender-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn bytes_arrive_in_order_across_files_under_every_policy() {
        for (number, policy) in [Sync::Always, Sync::EverySecond, Sync::No].into_iter().enumerate() {
            let dir = scratch(&format!("order-{number}"));
            let mut appender = Appender::start(&dir.join("a"), policy, Arc::default(), || {}).unwrap();
            for _ in 0..1000 {
                appender.append(b"0123456789");
            }
            appender.switch(&dir.join("b"));
            appender.append(b"behind");
            appender.wait_synced().unwrap();
            let status = appender.status();
            assert_eq!((status.appended, status.written, status.synced), (10_006, 10_006, 10_006));
            assert_eq!(fs::read(dir.join("a")).unwrap(), b"0123456789".repeat(1000));
            assert_eq!(fs::read(dir.join("b")).unwrap(), b"behind");
            appender.append(b" and the end");
            drop(appender);
            assert_eq!(fs::read(dir.join("b")).unwrap(), b"behind and the end");
            fs::remove_dir_all(dir).unwrap();
        }
    }

    #[test]
    fn a_sync_that_was_asked_for_is_told_of() {
        let dir = scratch("told");
        let (sender, receiver) = std::sync::mpsc::channel();
        let tell = move || sender.send(()).expect("somebody listens");
        let appender = Appender::start(&dir.join("a"), Sync::No, Arc::default(), tell).unwrap();
        for round in 1..=3 {
            appender.append(b"0123456789");
            assert_eq!(appender.request_sync(), 10 * round);
            receiver.recv_timeout(std::time::Duration::from_secs(20)).expect("it is told");
            assert_eq!(appender.status().synced, 10 * round);
        }
        assert!(receiver.try_recv().is_err());
        drop(appender);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_disk_that_refuses_is_reported() {
        let mut appender = Appender::start(Path::new("/dev/full"), Sync::No, Arc::default(), || {}).unwrap();
        appender.append(b"lost");
        let (doing, _) = appender.wait_synced().unwrap_err();
        assert_eq!(doing, "writing");
        assert!(appender.failures().is_bad);
        assert_eq!(appender.commit(b"lost too").unwrap_err().0, "writing");
        let lost = appender.close().expect_err("it refuses to the end");
        assert_eq!((lost.bytes, lost.error.0), (12, "writing"));
    }

    #[test]
    fn what_waits_is_in_pieces() {
        let appender = Appender::start(Path::new("/dev/full"), Sync::No, Arc::default(), || {}).unwrap();
        // The thread holds on to the first, which the disk refuses.
        appender.append(b"refused");
        while appender.failures().count == 0 {
            std::thread::yield_now();
        }
        for _ in 0..100 {
            appender.append(&[b'x'; 30_000]);
        }
        let queue = appender.shared.lock();
        let pieces = queue.tasks.iter().map(|task| match task {
            Task::Bytes(bytes) => bytes.len(),
            Task::Switch(_) => 0,
        });
        assert!(pieces.clone().all(|len| len <= PIECE_BYTES) && pieces.sum::<usize>() <= 3_000_000);
        assert_eq!(queue.bytes, 3_000_007);
    }

    #[test]
    fn the_loop_and_the_thread_take_turns() {
        let dir = scratch("turns");
        let mut appender = Appender::start(&dir.join("0"), Sync::Always, Arc::default(), || {}).unwrap();
        let mut expected = Vec::new();
        for round in 0..300u32 {
            let text = format!("{round} ");
            expected.extend_from_slice(text.as_bytes());
            if round % 3 == 0 {
                appender.append(text.as_bytes());
            } else {
                appender.commit(text.as_bytes()).unwrap();
                assert_eq!(appender.status().synced, expected.len() as u64);
            }
            if round == 100 {
                appender.switch(&dir.join("1"));
            }
        }
        drop(appender);
        let files = [fs::read(dir.join("0")).unwrap(), fs::read(dir.join("1")).unwrap()];
        assert!(files[0].ends_with(b" 100 ") && files[1].starts_with(b"101 "));
        assert_eq!(files.concat(), expected);
        fs::remove_dir_all(dir).unwrap();
    }
}
