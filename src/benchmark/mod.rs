//! The load generator behind `zedis benchmark`: redis-benchmark's flags, requests and reports, with as little CPU as possible.
//!
//! ```text
//!   options ──> tests (workload) ──> load threads: connections (target), batches, reply scanner, histogram ──> report
//! ```
//!
//! It owns the sockets of the load side and the process's SIGINT while it runs. It knows the server only through the wire; the
//! one that it starts when none is named is handed in as a function.
//!
//! The thread that calls [`run`] connects, waits, shows the live line and reports; the load is on threads of its own.

mod load;
mod options;
mod report;
mod target;
mod workload;

use std::fmt;
use std::io::{self, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;

use crate::resp::scan::ScanError;
use load::{Load, Plan, Progress, Shared};
pub use options::Options;
use report::{LiveLine, Outcome, Settings, Style};
use target::{Stream, Target};
use workload::{Random, Test};

/// How often the live line changes, and how soon Ctrl-C is noticed.
const TICK: Duration = Duration::from_millis(100);
const LIVE_TICKS: u32 = 3;

/// Why a benchmark ended early. Its text is one line for the person who ran it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A flag's value can't be used.
    Usage(String),
    Connect {
        target: String,
        reason: String,
    },
    /// The server closed a connection.
    Closed,
    /// The server answered a request with an error.
    Reply {
        target: String,
        text: String,
    },
    /// The server sent something that is not RESP, or too much of it.
    Protocol(String),
    Io {
        doing: &'static str,
        reason: String,
    },
    /// The server for this benchmark could not be started.
    Server(String),
    /// Ctrl-C.
    Interrupted,
}

impl Failure {
    fn io(doing: &'static str) -> impl Fn(io::Error) -> Failure {
        move |error| Failure::Io { doing, reason: target::reason(&error) }
    }

    fn reply(target: &Target, text: &[u8]) -> Failure {
        let text: String = String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).collect();
        Failure::Reply { target: target.to_string(), text }
    }
}

impl From<ScanError> for Failure {
    fn from(error: ScanError) -> Failure {
        Failure::Protocol(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) => out.write_str(text),
            Failure::Connect { target, reason } => {
                write!(out, "Could not connect to Redis at {target}: {reason}")
            }
            Failure::Closed => out.write_str("Server closed the connection"),
            Failure::Reply { target, text } => write!(out, "Error from server {target}: {text}"),
            Failure::Protocol(text) => write!(out, "Protocol error in the server's answer: {text}"),
            Failure::Io { doing, reason } => write!(out, "Could not {doing}: {reason}"),
            Failure::Server(reason) => write!(out, "Could not start a server: {reason}"),
            Failure::Interrupted => out.write_str("Interrupted"),
        }
    }
}

impl std::error::Error for Failure {}

/// The whole of `zedis benchmark`: runs the tests that `options` ask for, reports on standard output, explains a failure in one
/// line on standard error. If they name no server, `start_server` starts one and says where it listens; it may be in
/// this process and is left running.
pub fn run(options: &Options, start_server: impl FnOnce() -> io::Result<SocketAddr>) -> ExitCode {
    let mut out = io::stdout();
    let live = out.is_terminal() && !options.csv;
    let result = interrupt_flag().and_then(|interrupt| {
        let mut bench = Bench { out: &mut out, live, interrupt };
        bench.run(options, start_server, &mut io::stdin())
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell if standard error is gone as well.
            let _ = writeln!(io::stderr(), "{failure}");
            match failure {
                Failure::Interrupted => ExitCode::from(INTERRUPTED_STATUS),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// What a shell shows for a process that SIGINT ended.
const INTERRUPTED_STATUS: u8 = 130;

/// As [`run`], with the report written to `out`, no live line, and the failure as a value. Leaves SIGINT alone.
///
/// # Errors
/// Whatever ended the benchmark early; what was reported until then stands.
pub fn run_into(
    options: &Options,
    start_server: impl FnOnce() -> io::Result<SocketAddr>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    Bench { out, live: false, interrupt: &AtomicBool::new(false) }.run(options, start_server, &mut io::empty())
}

/// A flag that the first Ctrl-C sets; the second ends the process at once.
fn interrupt_flag() -> Result<&'static AtomicBool, Failure> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(flag) = FLAG.get() {
        return Ok(flag);
    }
    let flag = Arc::new(AtomicBool::new(false));
    let sigint = libc::SIGINT;
    signal_hook::flag::register_conditional_shutdown(sigint, INTERRUPTED_STATUS.into(), flag.clone())
        .and_then(|_| signal_hook::flag::register(sigint, flag.clone()))
        .map_err(Failure::io("catch SIGINT"))?;
    Ok(FLAG.get_or_init(|| flag))
}

/// One run of the command.
struct Bench<'a> {
    out: &'a mut dyn Write,
    live: bool,
    interrupt: &'a AtomicBool,
}

impl Bench<'_> {
    fn run(
        &mut self,
        options: &Options,
        start_server: impl FnOnce() -> io::Result<SocketAddr>,
        stdin: &mut impl Read,
    ) -> Result<(), Failure> {
        options.check()?;
        let tests = options.selected_tests(stdin)?;
        let mut target = if options.names_server() {
            Target::named(options)?
        } else {
            Target::at(start_server().map_err(|error| Failure::Server(target::reason(&error)))?)
        };
        if options.idle {
            writeln!(self.out, "Creating {} idle connections and waiting forever (Ctrl+C when done)", options.clients)
                .map_err(Failure::io("write the report"))?;
            let streams = connect(&mut target, options.clients)?;
            return load::idle(streams, || self.interrupt.load(Ordering::Relaxed));
        }
        let host_config = target::host_config(&mut target, options)?;
        let seed = options.seed.unwrap_or_else(seed_from_time);
        let threads = options.threads.unwrap_or(1).min(options.clients);
        let style = Style { quiet: options.quiet, csv: options.csv, precision: options.precision };
        let settings = Settings {
            clients: options.clients,
            data_size: options.data_size,
            keepalive: options.keepalive == 1,
            pipeline: options.pipeline,
            threads: options.threads.map(|_| threads),
            seed: options.keyspace.map(|_| seed),
            host_config,
        };
        style.header(self.out).map_err(Failure::io("write the report"))?;
        // Every test goes on with other numbers, so that two runs of one test in a loop don't hit the same keys.
        for round in 0u64.. {
            for (index, test) in tests.iter().enumerate() {
                let test_seed = seed.wrapping_add((round * tests.len() as u64 + index as u64) << 16);
                let (latency, elapsed) = self.run_test(options, &mut target, test, threads, test_seed)?;
                let outcome = Outcome { title: &test.title, elapsed, latency: &latency };
                style
                    .outcome(self.out, &outcome, &settings)
                    .and_then(|()| self.out.flush())
                    .map_err(Failure::io("write the report"))?;
            }
            if !options.forever {
                break;
            }
        }
        Ok(())
    }

    /// Runs one test to its end and returns the latencies of all threads and the time it took.
    fn run_test(
        &mut self,
        options: &Options,
        target: &mut Target,
        test: &Test,
        threads: usize,
        seed: u64,
    ) -> Result<(Histogram<u64>, Duration), Failure> {
        let shared = Shared { requests: options.requests, issued: AtomicU64::new(0), stop: AtomicBool::new(false) };
        let progress: Vec<Progress> = (0..threads).map(|_| Progress::default()).collect();
        let (greeting, greetings) = options.greeting();
        let mut loads = Vec::new();
        for (thread, progress) in progress.iter().enumerate() {
            let clients = options.clients / threads + usize::from(thread < options.clients % threads);
            let streams = connect(target, clients)?;
            let random = Random::new(seed, thread);
            let plan = Plan {
                target: target.clone(),
                batch: test.batch(options.pipeline, options.keyspace.unwrap_or(0), random)?,
                pipeline: options.pipeline as u64,
                keepalive: options.keepalive == 1,
                greeting: greeting.clone(),
                greetings,
            };
            loads.push((progress, plan, streams));
        }
        let start = Instant::now();
        thread::scope(|scope| {
            let (results, ended) = mpsc::channel();
            for (progress, plan, streams) in loads {
                let results = results.clone();
                let shared = &shared;
                let spawned = thread::Builder::new().name("load".into()).spawn_scoped(scope, move || {
                    let result = Load::new(shared, progress, plan, streams).and_then(Load::run);
                    // The receiver may have left after another thread's failure.
                    let _ = results.send(result);
                });
                if let Err(error) = spawned {
                    shared.stop.store(true, Ordering::Relaxed);
                    return Err(Failure::io("start a thread")(error));
                }
            }
            drop(results);
            let waited = self.wait(&ended, &test.title, start, &progress);
            if waited.is_err() {
                shared.stop.store(true, Ordering::Relaxed);
            }
            waited
        })
    }

    /// Waits for all threads, showing the live line; merges their latencies. The first failure is the result.
    fn wait(
        &mut self,
        ended: &mpsc::Receiver<Result<Histogram<u64>, Failure>>,
        title: &str,
        start: Instant,
        progress: &[Progress],
    ) -> Result<(Histogram<u64>, Duration), Failure> {
        let mut merged = load::latency_histogram();
        let mut live = LiveLine::default();
        let mut elapsed = Duration::ZERO;
        let mut failed = None;
        let mut ticks = 0u32;
        while failed.is_none() {
            match ended.recv_timeout(TICK) {
                Ok(Ok(latency)) => {
                    elapsed = start.elapsed();
                    failed = merged.add(latency).err().map(|_| Failure::Protocol("too many replies to count".into()));
                }
                Ok(Err(failure)) => failed = Some(failure),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => ticks = ticks.wrapping_add(1),
            }
            if self.interrupt.load(Ordering::Relaxed) {
                failed = Some(Failure::Interrupted);
            }
            if self.live && ticks % LIVE_TICKS == 1 {
                let sum =
                    |of: fn(&Progress) -> &AtomicU64| progress.iter().map(|p| of(p).load(Ordering::Relaxed)).sum();
                let (finished, sum_ns) = (sum(|p| &p.finished), sum(|p| &p.latency_sum_ns));
                ticks += 1;
                live.update(self.out, title, start.elapsed(), finished, sum_ns)
                    .map_err(Failure::io("write the live line"))?;
            }
        }
        live.clear(self.out).map_err(Failure::io("write the live line"))?;
        match failed {
            Some(failure) => Err(failure),
            None => Ok((merged, elapsed)),
        }
    }
}

fn connect(target: &mut Target, clients: usize) -> Result<Vec<Stream>, Failure> {
    (0..clients).map(|_| target.connect()).collect()
}

fn seed_from_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
