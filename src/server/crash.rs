//! The last words of a server that panics or is ended by a fault: a report in the log, as Redis leaves one, so that what is sent in says
//! what happened. And where a server is that hangs: the same stack trace, for SIGALRM or the watchdog.

use std::backtrace::Backtrace;
use std::ffi::c_void;
use std::fmt::Write;
use std::fs;
use std::io;
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::fault::{self, Caught};
use crate::base::log::{self, Level};
use crate::config::Settings;
use crate::server::start::{REDIS_VERSION, ZEDIS_VERSION, reason};

static REPORT: AtomicBool = AtomicBool::new(true);
static EXIT: AtomicBool = AtomicBool::new(false);
static IS_INSTALLED: AtomicBool = AtomicBool::new(false);

/// `crash-log-enabled`: whether a report is written; `use-exit-on-panic`: whether the process then exits instead of aborting;
/// `watchdog-period`: until [`feed_watchdog`] has to be called again.
pub fn configure(settings: &Settings) {
    REPORT.store(settings.crash_log_enabled, Ordering::Relaxed);
    EXIT.store(settings.use_exit_on_panic, Ordering::Relaxed);
    if IS_INSTALLED.load(Ordering::Relaxed) {
        catch_signals(settings);
    }
}

fn catch_signals(settings: &Settings) {
    log_unless(fault::catch(settings.crash_log_enabled));
    fault::set_alarm(settings.watchdog_period_ms);
}

fn log_unless(caught: io::Result<()>) {
    if let Err(error) = caught {
        log::warning(format_args!("A fault would not be reported: {}", reason(&error)));
    }
}

/// The loop is alive: if `watchdog-period` passes before this is called again, the log gets a stack trace.
pub fn feed_watchdog(settings: &Settings) {
    if settings.watchdog_period_ms > 0 {
        fault::set_alarm(settings.watchdog_period_ms);
    }
}

/// From now on a panic and a fault of any thread are reported. It comes before the loop has its own descriptors. (Release builds abort
/// after a panic, and leave a core dump where the system wants one.)
pub fn install(settings: &Settings) {
    IS_INSTALLED.store(true, Ordering::Relaxed);
    log_unless(fault::prepare(explain));
    configure(settings);
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if REPORT.load(Ordering::Relaxed) {
            log::raw(Level::Warning, &report(info, &Backtrace::force_capture()));
            fault::expect_abort();
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
    bug_report(&format!("crashed: {text}\nat {place}, in thread {thread}\n\n------ STACK TRACE ------\n{backtrace}"))
}

fn bug_report(text: &str) -> String {
    format!(
        "\n\n=== ZEDIS BUG REPORT START: Cut & paste starting from here ===\n\
         Zedis {ZEDIS_VERSION} (Redis {REDIS_VERSION}) {text}\n=== ZEDIS BUG REPORT END. ===\n\n"
    )
}

/// Writes what is known of a signal to the log; on a thread of its own.
fn explain(caught: &Caught) {
    let Caught { signal, code, address, sender, thread, registers, stack } = caught;
    let thread = fs::read_to_string(format!("/proc/self/task/{thread}/comm")).unwrap_or_default();
    let trace = format!("------ STACK TRACE ------\n{}", stack_trace(stack));
    let by = sender.map_or_else(String::new, |(pid, uid)| format!("Killed by PID: {pid}, UID: {uid}\n"));
    if !caught.is_fatal() {
        let what = if sender.is_some() { "Received SIGALRM" } else { "WATCHDOG TIMER EXPIRED" };
        log::warning(format_args!("--- {what} ---"));
        return log::raw(Level::Warning, &format!("{by}{trace}------------------------\n"));
    }
    let place = if sender.is_none() { format!("Accessing address: {address:#x}\n") } else { by };
    let instruction = stack.first().copied().unwrap_or_default();
    let registers: Vec<String> = registers.iter().map(|(name, value)| format!("{name}:{value:016x}")).collect();
    let registers: Vec<String> = registers.chunks(4).map(|row| row.join(" ")).collect();
    let text = format!(
        "crashed by signal: {signal}, si_code: {code}\n{place}in thread {}\n\
         Crashed running the instruction at: {instruction:#x}\n\n{trace}\n------ REGISTERS ------\n{}",
        thread.trim(),
        registers.join("\n"),
    );
    log::raw(Level::Warning, &bug_report(&text));
}

/// A line for each function, the innermost first, and one for where that is in the source.
fn stack_trace(stack: &[usize]) -> String {
    let mut text = String::new();
    for (depth, &address) in stack.iter().enumerate() {
        // A return address is behind the call.
        let looked_up = if depth == 0 { address } else { address - 1 };
        let mut is_named = false;
        backtrace::resolve(looked_up as *mut c_void, |symbol| {
            let Some(name) = symbol.name() else { return };
            is_named = true;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{depth:4}: {address:#x} {name:#}");
            if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
                let _ = writeln!(text, "        at {}:{line}", file.display());
            }
        });
        if !is_named {
            let _ = writeln!(text, "{depth:4}: {address:#x}");
        }
    }
    text
}
