//! Threads beside the loop's, and a table of descriptors for the loop alone.
//!
//! ```text
//!   loop's thread: own table, epoll and every socket in it        thread "zedis-spawn": the other table
//!        spawn(name, work) --------------------------------------> starts "zedis-free", "zedis-disk", "zedis-aof" ...
//! ```
//!
//! While a table of descriptors has several threads, the kernel counts a reference in every system call that names a descriptor, and again
//! when it is done; with one it does not. That is some 4 % of a GET without a pipeline. So the loop's thread parts with the table, and
//! whatever starts another thread has it started by one that stayed behind.
//!
//! Invariant, once [`own_descriptors`] has succeeded: a descriptor opened afterwards is known to one side only. What crosses between the
//! loop and a thread is bytes and paths; a file is opened, and closed, by whoever uses it. What was opened before has the same number on
//! both sides.

use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

use nix::sched::{CloneFlags, unshare};

type Work = Box<dyn FnOnce() + Send>;

/// A thread to be started, and who waits for it.
struct Birth {
    name: &'static str,
    work: Work,
    outbox: Sender<io::Result<JoinHandle<()>>>,
}

/// To the thread that starts the others, once there is one.
static NURSERY: OnceLock<Sender<Birth>> = OnceLock::new();

/// Gives the calling thread a table of descriptors that it shares with nobody (unshare(2), CLONE_FILES): a copy, so threads that exist
/// keep what is open now, and this comes before any socket. Threads are started by one of those from now on.
///
/// # Errors
/// When there can be no further thread, or the kernel refuses, as it does inside some containers. Nothing has changed then.
pub fn own_descriptors() -> io::Result<()> {
    let (sender, receiver) = channel::<Birth>();
    Builder::new().name("zedis-spawn".to_owned()).spawn(move || {
        for Birth { name, work, outbox } in receiver {
            // Whoever asked may have gone.
            drop(outbox.send(start(name, work)));
        }
    })?;
    unshare(CloneFlags::CLONE_FILES)?;
    drop(NURSERY.set(sender));
    Ok(())
}

/// Starts a thread.
///
/// # Errors
/// When there can be no further one.
pub fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let Some(nursery) = NURSERY.get() else { return start(name, Box::new(work)) };
    let (outbox, inbox) = channel();
    let birth = Birth { name, work: Box::new(work), outbox };
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    nursery.send(birth).map_err(|_| io::ErrorKind::BrokenPipe)?;
    inbox.recv().map_err(gone)?
}

fn start(name: &str, work: Work) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(work)
}
