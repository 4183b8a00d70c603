//! Ctrl-C and SIGTERM as a flag. Every wait in the tools looks at it and returns an error, so that the values that own child
//! processes are dropped, which ends the children: no orphan keeps a port or a core.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
/// How often a wait looks at the flag.
const LOOK: Duration = Duration::from_millis(10);

/// Installs the handlers; a second signal ends the process at once.
pub fn install() -> io::Result<()> {
    let flag = FLAG.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(flag))?;
        signal_hook::flag::register(signal, Arc::clone(flag))?;
    }
    Ok(())
}

/// An error once a signal has come.
pub fn check() -> io::Result<()> {
    match FLAG.get() {
        Some(flag) if flag.load(Ordering::Relaxed) => Err(io::Error::other("interrupted")),
        _ => Ok(()),
    }
}

/// Sleeps, but not through a signal.
pub fn sleep(mut time: Duration) -> io::Result<()> {
    while !time.is_zero() {
        check()?;
        let slice = time.min(LOOK);
        std::thread::sleep(slice);
        time -= slice;
    }
    check()
}

/// A child that is killed when its owner is dropped.
pub struct Guarded(pub Child);

impl Guarded {
    /// Waits for its end; a signal ends the wait with an error.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            check()?;
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // It fails only if the child has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
