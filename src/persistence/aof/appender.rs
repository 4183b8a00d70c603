//! The appender: a thread that owns the incremental file that is being written, so that the loop never waits for the disk.
//!
//! ```text
//!   loop                                     thread "zedis-aof"
//!   append(bytes) --> queue (one lock) ----> write, at most once a millisecond
//!   switch(file)  --> queue                  fdatasync: at once (always), once a second (everysec), never (no)
//!   wait_synced() <-- condition variable <-- up to where it is on the disk
//!   request_sync() ... on_synced() <-------- everything that was handed over by then is
//! ```
//!
//! What the loop hands over is in the file within about a millisecond, so even a killed process loses no more; what a crash of the machine
//! loses is the policy's business. While the disk hangs, bytes collect in the queue; beyond [`QUEUE_MAX`] the loop does wait, and counts
//! it. An error keeps what was not written: it is tried again until the disk takes it, and meanwhile reported.
//!
//! Cost for the loop: a copy of the bytes and an uncontended lock per turn; a wake-up only after the thread had nothing to do.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::allocator::ThreadBook;
use crate::base::clock::Clock;

/// Bytes that wait to be written, beyond which the loop waits.
const QUEUE_MAX: usize = 64 * 1024 * 1024;
/// The thread looks for more so long after it has written something.
const NAP: Duration = Duration::from_millis(1);
/// Time between two syncs, with `everysec`, nanoseconds.
const SYNC_EVERY_NS: u64 = 1_000_000_000;
/// After an error it tries again so much later.
const RETRY: Duration = Duration::from_millis(100);

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
    Switch(File),
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
    is_stopping: bool,
    /// The thread sleeps until it is woken.
    is_idle: bool,
    status: Status,
}

#[derive(Default)]
struct Status {
    appended: u64,
    written: u64,
    synced: u64,
    syncs: u64,
    /// The loop had to wait for room so often.
    delays: u64,
    is_syncing: bool,
    error: Option<(&'static str, io::Error)>,
}

/// What INFO shows.
#[derive(Clone, Copy, Default, Debug)]
pub struct AppenderStatus {
    /// Bytes handed over, written and synced since the start.
    pub appended: u64,
    pub written: u64,
    pub synced: u64,
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
    thread: Option<JoinHandle<()>>,
}

impl Appender {
    /// Starts the thread with the file that bytes are appended to. It calls `on_synced` after each sync that was requested.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn start(
        file: File,
        policy: Sync,
        account: Arc<AtomicI64>,
        on_synced: impl Fn() + Send + 'static,
    ) -> io::Result<Appender> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { policy, ..Queue::default() }),
            queued_bytes: AtomicUsize::new(0),
            work: Condvar::new(),
            progress: Condvar::new(),
        });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("zedis-aof".into()).spawn(move || {
            let clock = Clock::real();
            let synced_ns = clock.monotonic_ns();
            let on_synced = Box::new(on_synced);
            let pending = VecDeque::new();
            let book = ThreadBook::open(account);
            Worker { shared: for_thread, file, pending, clock, synced_ns, is_sync_owed: false, on_synced, book }.run();
        })?;
        Ok(Appender { shared, thread: Some(thread) })
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

    /// Hands bytes over. Whether it had to wait for room.
    pub fn append(&self, bytes: &[u8]) -> bool {
        let mut queue = self.shared.lock();
        let mut has_waited = false;
        // A disk that refuses to write is another matter: then nothing more is accepted from clients.
        while queue.bytes + bytes.len() > QUEUE_MAX && queue.bytes > 0 && queue.status.error.is_none() {
            has_waited = true;
            queue = self.shared.progress.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.status.delays += u64::from(has_waited);
        queue.status.appended += bytes.len() as u64;
        queue.bytes += bytes.len();
        self.shared.queued_bytes.store(queue.bytes, Ordering::Relaxed);
        match queue.tasks.back_mut() {
            Some(Task::Bytes(last)) => last.extend_from_slice(bytes),
            _ => queue.tasks.push_back(Task::Bytes(bytes.to_vec())),
        }
        if std::mem::take(&mut queue.is_idle) {
            drop(queue);
            self.shared.work.notify_one();
        }
        has_waited
    }

    /// What is appended from here on goes to another file.
    pub fn switch(&self, file: File) {
        self.shared.lock().tasks.push_back(Task::Switch(file));
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
    /// What the disk says, if it does not take it.
    pub fn wait_synced(&self) -> Result<(), (&'static str, io::Error)> {
        let mut queue = self.shared.lock();
        let target = queue.status.appended;
        queue.wanted = target;
        self.shared.work.notify_one();
        while queue.status.synced < target {
            if let Some((doing, error)) = &queue.status.error {
                return Err((doing, copy(error)));
            }
            queue = self.shared.progress.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// The error that holds it up, if there is one.
    pub fn error(&self) -> Option<(&'static str, io::Error)> {
        self.shared.lock().status.error.as_ref().map(|(doing, error)| (*doing, copy(error)))
    }

    /// Bytes handed over and not yet written.
    pub fn queued_bytes(&self) -> usize {
        self.shared.queued_bytes.load(Ordering::Relaxed)
    }

    pub fn status(&self) -> AppenderStatus {
        let queue = self.shared.lock();
        let status = &queue.status;
        AppenderStatus {
            appended: status.appended,
            written: status.written,
            synced: status.synced,
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
    /// Writes and syncs what was handed over, unless the disk refuses.
    fn drop(&mut self) {
        self.shared.lock().is_stopping = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's side.
struct Worker {
    shared: Arc<Shared>,
    file: File,
    /// Taken from the queue and not yet written.
    pending: VecDeque<Task>,
    clock: Clock,
    /// When it was synced last.
    synced_ns: u64,
    /// A sync has failed: nothing is well until one succeeds.
    is_sync_owed: bool,
    on_synced: Box<dyn Fn() + Send>,
    book: ThreadBook,
}

impl Worker {
    fn run(&mut self) {
        loop {
            let is_stopping = self.take();
            let step = self.write().and_then(|()| self.sync_if_due(is_stopping));
            self.note(step);
            self.book.enter();
            let has_failed = self.shared.lock().status.error.is_some();
            if is_stopping && (has_failed || self.pending.is_empty()) {
                return;
            }
            if has_failed {
                std::thread::sleep(RETRY);
            } else {
                self.nap();
            }
        }
    }

    /// Takes what is in the queue; waits for something if there is nothing to do. Whether it is to stop.
    fn take(&mut self) -> bool {
        let mut queue = self.shared.lock();
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
        queue.is_stopping
    }

    /// Writes what was taken. What the disk does not take stays.
    fn write(&mut self) -> Result<(), (&'static str, io::Error)> {
        while let Some(task) = self.pending.pop_front() {
            match task {
                Task::Bytes(bytes) => {
                    let (written, result) = write_some(&mut self.file, &bytes);
                    let mut queue = self.shared.lock();
                    queue.status.written += written as u64;
                    queue.bytes -= written;
                    self.shared.queued_bytes.store(queue.bytes, Ordering::Relaxed);
                    drop(queue);
                    self.shared.progress.notify_all();
                    if let Err(error) = result {
                        self.pending.push_front(Task::Bytes(bytes[written..].to_vec()));
                        return Err(("writing", error));
                    }
                }
                Task::Switch(file) => {
                    // The old one has to be complete before the new one says anything that builds on it.
                    if let Err(error) = self.file.sync_data() {
                        self.pending.push_front(Task::Switch(file));
                        return Err(("syncing", error));
                    }
                    self.is_sync_owed = false;
                    self.file = file;
                    let mut queue = self.shared.lock();
                    queue.status.synced = queue.status.written;
                    self.tell(queue);
                }
            }
        }
        Ok(())
    }

    fn sync_if_due(&mut self, is_stopping: bool) -> Result<(), (&'static str, io::Error)> {
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
        let result = self.file.sync_data();
        let mut queue = self.shared.lock();
        queue.status.is_syncing = false;
        queue.status.syncs += 1;
        self.synced_ns = now_ns;
        self.is_sync_owed = result.is_err();
        if result.is_ok() {
            queue.status.synced = written;
        }
        self.tell(queue);
        self.shared.progress.notify_all();
        result.map_err(|error| ("syncing", error))
    }

    /// Tells whoever asked for it that everything wanted is synced, if it is.
    fn tell(&self, mut queue: MutexGuard<'_, Queue>) {
        let tells = queue.tells && queue.status.synced >= queue.wanted;
        queue.tells &= !tells;
        drop(queue);
        if tells {
            (self.on_synced)();
        }
    }

    fn note(&self, step: Result<(), (&'static str, io::Error)>) {
        self.shared.lock().status.error = step.err();
        self.shared.progress.notify_all();
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
    use std::fs::{self, OpenOptions};
    use std::sync::Arc;

    use super::{Appender, Sync};

    fn scratch(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("zedis-appender-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn bytes_arrive_in_order_across_files_under_every_policy() {
        for (number, policy) in [Sync::Always, Sync::EverySecond, Sync::No].into_iter().enumerate() {
            let dir = scratch(&format!("order-{number}"));
            let open = |name: &str| OpenOptions::new().create(true).append(true).open(dir.join(name)).unwrap();
            let appender = Appender::start(open("a"), policy, Arc::default(), || {}).unwrap();
            for _ in 0..1000 {
                appender.append(b"0123456789");
            }
            appender.switch(open("b"));
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
        let appender =
            Appender::start(fs::File::create(dir.join("a")).unwrap(), Sync::No, Arc::default(), tell).unwrap();
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
        // Opened for reading: every write fails.
        let dir = scratch("refuses");
        fs::write(dir.join("a"), b"").unwrap();
        let appender =
            Appender::start(fs::File::open(dir.join("a")).unwrap(), Sync::Always, Arc::default(), || {}).unwrap();
        appender.append(b"lost");
        let (doing, _) = appender.wait_synced().unwrap_err();
        assert_eq!(doing, "writing");
        assert!(appender.error().is_some());
        drop(appender);
        fs::remove_dir_all(dir).unwrap();
    }
}
