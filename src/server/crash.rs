//! The last words of a server that panics: a report in the log, as Redis leaves one, so that what is sent in says what happened.

use std::backtrace::Backtrace;
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::log::{self, Level};
use crate::config::Settings;
use crate::server::start::{REDIS_VERSION, ZEDIS_VERSION};

static REPORT: AtomicBool = AtomicBool::new(true);
static EXIT: AtomicBool = AtomicBool::new(false);

/// `crash-log-enabled`: whether a report is written; `use-exit-on-panic`: whether the process then exits instead of aborting.
pub fn configure(settings: &Settings) {
    REPORT.store(settings.crash_log_enabled, Ordering::Relaxed);
    EXIT.store(settings.use_exit_on_panic, Ordering::Relaxed);
}

/// From now on a panic of any thread is reported. (Release builds abort after it, and leave a core dump where the system wants one.)
pub fn install() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if REPORT.load(Ordering::Relaxed) {
            log::raw(Level::Warning, &report(info, &Backtrace::force_capture()));
        } else {
            before(info);
        }
        if EXIT.load(Ordering::Relaxed) {
            std::process::exit(1);
        }
    }));
}

fn report(info: &PanicHookInfo<'_>, backtrace: &Backtrace) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("no message");
    let place = info.location().map_or_else(String::new, ToString::to_string);
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("without a name");
    format!(
        "\n\n=== ZEDIS BUG REPORT START: Cut & paste starting from here ===\n\
         Zedis {ZEDIS_VERSION} (Redis {REDIS_VERSION}) crashed: {text}\nat {place}, in thread {thread}\n\n\
         ------ STACK TRACE ------\n{backtrace}\n=== ZEDIS BUG REPORT END. ===\n\n"
    )
}
