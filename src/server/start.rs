//! From argv to a process that is ready to listen: configuration, log, daemon, limits, pid file, signals, supervisor.
//!
//! [`prepare`] does it in Redis's order and with Redis's log lines; it must run before any thread exists, because it may fork.
//! [`Signals`] is what the loop polls.
//! This file owns the system calls that concern the process as a whole; it knows no client and no command.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::base::allocator;
use crate::base::clock::Clock;
use crate::base::log::{self, Level, Role};
pub(super) use crate::base::os_error::reason;
use crate::base::random::Random;
use crate::base::syslog::{self, Syslog};
use crate::base::threads;
use crate::commands::{self, Registry, permission};
use crate::config::{Config, ConfigError, Rename, compose, options_text};
use crate::reactor::{Address, Listener};
use crate::server::access::check_user_lines;
use crate::server::listen::listen;
use crate::server::supervisor::{self, Supervisor};
use crate::server::{Engine, Server, Sleep, check_system, crash, process};

/// The version of Redis whose behaviour clients get.
pub const REDIS_VERSION: &str = "7.4.0";
pub const ZEDIS_VERSION: &str = env!("CARGO_PKG_VERSION");

/// File descriptors beside those of clients: listeners, log, persistence.
const RESERVED_FDS: u64 = 32;
const DEFAULT_PIDFILE: &str = "/var/run/redis.pid";

/// Why the process ends instead of serving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// It has said what was asked (or is the parent of the daemon): standard output, status 0.
    Done(String),
    /// It has said what was asked, and not all of it is good: standard output, status 1.
    Bad(String),
    /// Standard error, status 1; the last line is the reason.
    Failed(String),
    /// Status 1; the log says why.
    Logged,
}

impl ExitReason {
    /// Prints it, and returns the exit status.
    pub fn report(&self) -> u8 {
        match self {
            ExitReason::Done(text) => {
                // Whoever closed the pipe does not want the rest.
                let _ = io::stdout().write_all(text.as_bytes());
                0
            }
            ExitReason::Bad(text) => {
                let _ = io::stdout().write_all(text.as_bytes());
                1
            }
            ExitReason::Failed(text) => {
                let _ = writeln!(io::stderr(), "{text}");
                1
            }
            ExitReason::Logged => 1,
        }
    }

    /// Says it in the log instead: from there on standard error may be nowhere, and on a terminal it would be said twice.
    fn into_log(self) -> ExitReason {
        match self {
            ExitReason::Failed(text) => {
                log::warning(text);
                ExitReason::Logged
            }
            other => other,
        }
    }

    fn config(reason: impl std::fmt::Display) -> ExitReason {
        ExitReason::Failed(format!("\n*** FATAL CONFIG FILE ERROR (Zedis {REDIS_VERSION}) ***\n{reason}"))
    }
}

/// A process that is ready to listen. Dropping it removes the pid file.
#[derive(Debug)]
pub struct Started {
    pub config: Config,
    /// Absolute; for INFO and CONFIG REWRITE.
    pub config_file: Option<PathBuf>,
    /// What INFO calls `executable`.
    pub executable: PathBuf,
    pub pid: u32,
    pidfile: Option<PathBuf>,
    supervisor: Option<Supervisor>,
}

/// Does everything that comes before listening. `argv` begins with the name of the program; what follows are a server's
/// arguments (without a subcommand).
///
/// # Errors
/// When there is nothing to serve: it was asked for its version, it is the parent of the daemon, or it can't start.
pub fn prepare(argv: &[OsString]) -> Result<Started, ExitReason> {
    let (program, words) = argv.split_first().map_or_else(
        || (OsString::from("zedis"), Vec::new()),
        |(program, words)| (program.clone(), words.iter().map(|word| word.as_bytes().to_vec()).collect()),
    );
    if let Some(answer) = answer(&program, &words) {
        return Err(answer);
    }
    let mut arguments = Arguments::split(&words);
    // Before the configuration leads to another directory.
    arguments.file = arguments.file.as_deref().map(absolute);
    let executable = executable(&program);
    let mut config = Config::default();
    let notes =
        load(&mut config, &arguments).and_then(|notes| check_users(&config).map(|()| notes)).map_err(|error| {
            match error {
                ConfigError::Line { .. } => ExitReason::config(error),
                ConfigError::Open { .. } => ExitReason::Failed(error.to_string()).into_log(),
            }
        })?;
    check_renames(&config).map_err(ExitReason::config)?;
    take_dir(&mut config);
    log::set_level(config.loglevel);
    let logfile = Some(config.logfile.as_str()).filter(|path| !path.is_empty());
    log::set_file(logfile.map(Path::new))
        .map_err(|error| ExitReason::config(format!("Can't open the log file: {}", reason(&error))))?;

    if config.syslog_enabled {
        // As with syslog(3) there is no error: lines go where they can.
        if let Ok(syslog) = Syslog::new(syslog::SOCKET, &config.syslog_ident, config.syslog_facility) {
            log::set_syslog(syslog);
        }
    }

    let supervisor = Supervisor::find(config.supervised);
    let in_background = config.daemonize && supervisor.is_none();
    if in_background {
        daemonize()?;
    }
    log::notice("oO0OoO0OoO0Oo Zedis is starting oO0OoO0OoO0Oo");
    let pid = std::process::id();
    log::notice(format_args!(
        "Zedis version={ZEDIS_VERSION}, Redis version={REDIS_VERSION}, bits=64, pid={pid}, just started"
    ));
    if words.is_empty() {
        log::notice(format_args!(
            "Warning: no config file specified, using the default config. In order to specify a config file use {} /path/to/zedis.conf",
            program.display()
        ));
    } else {
        log::notice("Configuration loaded");
    }
    Config::log_notes(&notes);

    log::set_role(Role::Master);
    ignore_hangup();
    adjust_maxclients(&mut config).map_err(ExitReason::into_log)?;
    let mut started = Started { config, config_file: arguments.file, executable, pid, pidfile: None, supervisor };
    started.write_pidfile(in_background);
    let config_file = started.config_file.as_ref().map_or(String::new(), |path| path.display().to_string());
    // The log says why, and a title is nothing to fail for; so is a score that the system does not grant.
    let _ = process::apply_title(&started.config, &config_file);
    let _ = process::apply_oom_score(&started.config);
    process::apply_thp(&started.config);
    started.announce();
    Ok(started)
}

/// The answer to a command line that only asks something. As in Redis the first word decides.
fn answer(program: &OsString, words: &[Vec<u8>]) -> Option<ExitReason> {
    match words.first()?.as_slice() {
        b"-v" | b"--version" => Some(ExitReason::Done(version_text(program))),
        // Redis takes the question for a mistake.
        b"-h" | b"--help" if is_redis_server(program) => {
            Some(ExitReason::Failed(help_text(program).trim_end().to_owned()))
        }
        b"-h" | b"--help" => Some(ExitReason::Done(help_text(program))),
        b"--check-system" => match check_system::report() {
            (text, true) => Some(ExitReason::Done(text)),
            (text, false) => Some(ExitReason::Bad(text)),
        },
        b"--test-memory" if words.len() == 2 => {
            Some(ExitReason::Failed("Zedis has no memory test: a program such as memtester does it better.".to_owned()))
        }
        b"--test-memory" => Some(ExitReason::Failed(format!(
            "Please specify the amount of memory to test in megabytes.\nExample: ./{} --test-memory 4096\n",
            short_name(program)
        ))),
        _ => None,
    }
}

fn load(config: &mut Config, arguments: &Arguments) -> Result<Vec<crate::config::Note>, ConfigError> {
    let open_error = |path: &str, error: &io::Error| ConfigError::Open { path: path.to_owned(), reason: reason(error) };
    let file = match &arguments.file {
        Some(path) => Some(fs::read(path).map_err(|error| open_error(&path.to_string_lossy(), &error))?),
        None => None,
    };
    let stdin = if arguments.stdin {
        log::notice("Reading config from stdin");
        let mut text = Vec::new();
        io::stdin().read_to_end(&mut text).map_err(|error| open_error("-", &error))?;
        Some(text)
    } else {
        None
    };
    config.load(&compose(file.as_deref(), stdin.as_deref(), &options_text(&arguments.options)))
}

/// Whether the `user` lines say something: what commands there are is not known to the configuration.
fn check_users(config: &Config) -> Result<(), ConfigError> {
    if config.users.is_empty() {
        return Ok(());
    }
    check_user_lines(config, &Registry::new(commands::GROUPS)).map_err(|(line, text, reason)| ConfigError::Line {
        line,
        text,
        reason,
    })
}

/// Whether there are the commands that `rename-command` speaks of.
fn check_renames(config: &Config) -> Result<(), ConfigError> {
    let mut registry = Registry::new(commands::GROUPS);
    for rename in &config.renamed_commands {
        rename_command(&mut registry, rename).map_err(|reason| ConfigError::Line {
            line: rename.line,
            text: rename.text.clone(),
            reason: reason.to_owned(),
        })?;
    }
    Ok(())
}

/// What `rename-command` says. A command that Redis has and this server has not is called nothing either way.
fn rename_command(registry: &mut Registry, rename: &Rename) -> Result<(), &'static str> {
    if registry.find(&rename.from).is_none() && permission::is_absent(&rename.from) {
        return Ok(());
    }
    registry.rename(&rename.from, &rename.to)
}

/// The words of a server's command line by their role.
#[derive(Debug, PartialEq, Eq)]
struct Arguments {
    file: Option<PathBuf>,
    stdin: bool,
    options: Vec<Vec<u8>>,
}

impl Arguments {
    /// The first word is the file unless it begins with `-`; a `-` that is the first or the last word means standard input.
    fn split(words: &[Vec<u8>]) -> Arguments {
        let mut rest = words;
        let mut arguments = Arguments { file: None, stdin: false, options: Vec::new() };
        match rest {
            [first, tail @ ..] if first == b"-" => {
                arguments.stdin = true;
                rest = tail;
            }
            [first, tail @ ..] if !first.starts_with(b"-") => {
                arguments.file = Some(OsString::from_vec(first.clone()).into());
                rest = tail;
            }
            _ => {}
        }
        if let [head @ .., last] = rest
            && last == b"-"
        {
            arguments.stdin = true;
            rest = head;
        }
        arguments.options = rest.to_vec();
        arguments
    }
}

/// A path from the root on, as Redis shows it: links stay what they are, and of the words for "above" only those at the beginning go.
fn absolute(path: &Path) -> PathBuf {
    let Ok(mut base) = std::env::current_dir() else { return path.into() };
    let mut rest = path.as_os_str().as_bytes().trim_ascii();
    while let Some(below) = rest.strip_prefix(b"../") {
        base.pop();
        rest = below;
    }
    base.join(OsStr::from_bytes(rest))
}

/// The path by which the program was started, or, if the shell found it by its name, where it is.
fn executable(program: &OsString) -> PathBuf {
    let by_path = program.as_bytes().contains(&b'/').then(|| absolute(Path::new(program)));
    by_path.or_else(|| std::env::current_exe().ok()).unwrap_or_else(|| program.into())
}

/// Goes to `dir`, and makes it absolute in the configuration.
pub(super) fn change_dir(config: &mut Config) -> io::Result<()> {
    std::env::set_current_dir(&config.dir)?;
    take_dir(config);
    Ok(())
}

/// The process is where the last `dir` led, or where it was started: makes that the configuration's.
fn take_dir(config: &mut Config) {
    match std::env::current_dir() {
        Ok(dir) => {
            let stored = config.override_value("dir", dir.as_os_str().as_bytes());
            debug_assert!(stored.is_ok(), "any text is a directory");
        }
        Err(error) => log::warning(format_args!("Can't tell the working directory: {}", reason(&error))),
    }
}

fn is_redis_server(program: &OsString) -> bool {
    Path::new(program).file_name().is_some_and(|name| name == "redis-server")
}

/// What `--version` says. Under the name `redis-server` the first words are Redis's, because scripts match on them.
pub fn version_text(program: &OsString) -> String {
    if is_redis_server(program) {
        format!("Redis server v={REDIS_VERSION} sha=00000000:0 malloc=jemalloc bits=64 build=zedis-{ZEDIS_VERSION}\n")
    } else {
        format!("Zedis server v={ZEDIS_VERSION} redis={REDIS_VERSION} malloc=jemalloc bits=64\n")
    }
}

fn short_name(program: &OsString) -> &'static str {
    if is_redis_server(program) { "redis-server" } else { "zedis" }
}

/// What `--help` says.
pub fn help_text(program: &OsString) -> String {
    let name = short_name(program);
    let benchmark = if is_redis_server(program) {
        ""
    } else {
        "       zedis server ...                 the same as without `server`\n       \
         zedis benchmark [flags]          load generator; `zedis benchmark --help` lists the flags\n       \
         zedis check-rdb <file>           says whether an RDB file is intact, and what is in it\n       \
         zedis check-aof [--fix] <file>   says up to where an append-only file is whole; cuts off the rest\n"
    };
    format!(
        "Usage: {name} [/path/to/zedis.conf] [--directive value ...] [-]\n       \
         {name} -                          (read the configuration from standard input)\n       \
         {name} -v | --version\n       {name} -h | --help\n       \
         {name} --check-system             (say what in this machine's settings will hurt)\n{benchmark}\n\
         Examples:\n       {name}\n       {name} /etc/zedis.conf --port 6380 --save \"\"\n       \
         {name} --port 7777 --bind 127.0.0.1 ::1\n       echo 'maxmemory 128mb' | {name} -\n"
    )
}

/// Leaves the terminal and the parent: the child goes on, the parent is done.
fn daemonize() -> Result<(), ExitReason> {
    let failed = |what: &str| {
        ExitReason::Failed(format!("Can't run in the background: {what}: {}", reason(&io::Error::last_os_error())))
    };
    // SAFETY: `prepare` runs before any thread exists, so the child is a complete copy of the process.
    match unsafe { libc::fork() } {
        -1 => return Err(failed("fork")),
        0 => {}
        _ => return Err(ExitReason::Done(String::new())),
    }
    // SAFETY: setsid has no preconditions; it fails only for a group leader, which a fresh child is not.
    if unsafe { libc::setsid() } == -1 {
        return Err(failed("setsid"));
    }
    // As in Redis a system without /dev/null keeps its standard streams.
    if let Ok(null) = fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
            // SAFETY: both are descriptors of this process; nobody owns the number of a standard stream.
            if unsafe { libc::dup2(null.as_raw_fd(), stream) } == -1 {
                return Err(failed("dup2"));
            }
        }
    }
    Ok(())
}

/// A terminal that goes away does not take the server with it. (SIGPIPE is ignored by Rust's runtime.)
fn ignore_hangup() {
    // SAFETY: SIG_IGN installs no handler, so nothing of ours runs in signal context.
    unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
}

/// The limit of open files: now, and the hard one.
fn open_files_limit() -> io::Result<libc::rlimit> {
    let mut limit = MaybeUninit::uninit();
    // SAFETY: `limit` is writable and of the type that getrlimit fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: getrlimit succeeded, so it has filled the struct.
    Ok(unsafe { limit.assume_init() })
}

fn set_open_files_limit(soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: setrlimit only reads the struct.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Raises the limit of open files as near to what `maxclients` clients need as the system allows, and returns how many clients
/// it is good for. CONFIG SET maxclients asks it too.
pub fn raise_open_files(maxclients: u32) -> io::Result<u32> {
    let needed = u64::from(maxclients) + RESERVED_FDS;
    let limit = open_files_limit()?;
    if limit.rlim_cur >= needed {
        return Ok(maxclients);
    }
    let clients = |files: u64| u32::try_from(files.saturating_sub(RESERVED_FDS)).unwrap_or(u32::MAX);
    // With the privilege the hard limit may rise as well.
    let Err(error) = set_open_files_limit(needed, limit.rlim_max.max(needed)) else {
        log::notice(format_args!(
            "Increased maximum number of open files to {needed} (it was originally set to {}).",
            limit.rlim_cur
        ));
        return Ok(maxclients);
    };
    let granted = match set_open_files_limit(limit.rlim_max, limit.rlim_max) {
        Ok(()) => limit.rlim_max.min(needed),
        Err(_) => limit.rlim_cur,
    };
    if granted < needed {
        log::warning(format_args!(
            "You requested maxclients of {maxclients} requiring at least {needed} max file descriptors."
        ));
        log::warning(format_args!(
            "Server can't set maximum open files to {needed} because of OS error: {}.",
            reason(&error)
        ));
    }
    Ok(clients(granted).min(maxclients))
}

/// Lowers `maxclients` to what the limit of open files allows.
fn adjust_maxclients(config: &mut Config) -> Result<(), ExitReason> {
    let wanted = config.maxclients;
    let possible = raise_open_files(wanted).unwrap_or_else(|error| {
        log::warning(format_args!(
            "Unable to obtain the current NOFILE limit ({}), assuming 1024 and setting the max clients configuration accordingly.",
            reason(&error)
        ));
        wanted.min(1024 - RESERVED_FDS as u32)
    });
    if possible == wanted {
        return Ok(());
    }
    let files = u64::from(possible) + RESERVED_FDS;
    if possible == 0 {
        return Err(ExitReason::Failed(format!(
            "Your current 'ulimit -n' of {files} is not enough for the server to start. Please increase your open file limit to at least {}. Exiting.",
            u64::from(wanted) + RESERVED_FDS
        )));
    }
    log::warning(format_args!(
        "Current maximum open files is {files}. maxclients has been reduced to {possible} to compensate for low ulimit. If you need higher maxclients increase 'ulimit -n'."
    ));
    let stored = config.override_value("maxclients", possible.to_string().as_bytes());
    debug_assert!(stored.is_ok(), "a lower number of clients is a number of clients");
    Ok(())
}

impl Started {
    /// Best effort, as in Redis: without it the server runs all the same.
    fn write_pidfile(&mut self, in_background: bool) {
        if self.config.pidfile.is_empty() {
            if !in_background {
                return;
            }
            let stored = self.config.override_value("pidfile", DEFAULT_PIDFILE.as_bytes());
            debug_assert!(stored.is_ok(), "any text is a path");
        }
        let path = Path::new(&self.config.pidfile);
        match fs::write(path, format!("{}\n", self.pid)) {
            Ok(()) => self.pidfile = Some(std::path::absolute(path).unwrap_or_else(|_| path.into())),
            Err(error) => log::warning(format_args!("Failed to write PID file: {}", reason(&error))),
        }
    }

    /// Mode, port and PID, and what in this machine's settings will hurt.
    fn announce(&self) {
        let port = self.config.port;
        let on_terminal = self.config.logfile.is_empty() && io::IsTerminal::is_terminal(&io::stdout());
        if self.config.always_show_logo || on_terminal {
            log::raw(Level::Notice, &logo(port, self.pid));
        } else {
            log::notice(format_args!("Running mode=standalone, port={port}."));
        }
        log::notice("Server initialized");
        let kernel = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<i64>().ok();
        let backlog = self.config.tcp_backlog;
        if let Some(somaxconn) = kernel("/proc/sys/net/core/somaxconn").filter(|&max| max < i64::from(backlog)) {
            log::warning(format_args!(
                "WARNING: The TCP backlog setting of {backlog} cannot be enforced because /proc/sys/net/core/somaxconn is set to the lower value of {somaxconn}."
            ));
        }
    }

    /// Logs that clients are welcome, for each kind of listener as Redis does.
    fn ready(&self, [tcp, unix]: [bool; 2]) {
        if tcp {
            log::notice("Ready to accept connections tcp");
        }
        if unix {
            log::notice("Ready to accept connections unix");
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(path) = self.pidfile.take() {
            log::notice("Removing the pid file.");
            if let Err(error) = fs::remove_file(path) {
                log::warning(format_args!("Can't remove the pid file: {}", reason(&error)));
            }
        }
    }
}

fn logo(port: u16, pid: u32) -> String {
    format!(
        "\n    ______\n   |___  /          Zedis {ZEDIS_VERSION} (Redis {REDIS_VERSION}) 64 bit\n      / /\n     / /            \
         Running in standalone mode\n    / /             Port: {port}\n   / /___           PID: {pid}\n  /______|\n\n"
    )
}

/// Serves clients until the server is told to stop.
///
/// # Errors
/// When it can't listen, or the loop fails.
pub fn run(mut started: Started) -> Result<(), ExitReason> {
    let mut engine = Engine::with_config(started.config.clone(), Clock::real(), Random::entropy_seed());
    for rename in &started.config.renamed_commands {
        let renamed = rename_command(&mut engine.registry, rename);
        debug_assert!(renamed.is_ok(), "it was tried before");
    }
    engine.load_users_at_start().map_err(ExitReason::Failed).map_err(ExitReason::into_log)?;
    let failed = |error: io::Error| ExitReason::Failed(format!("The event loop failed: {}", reason(&error))).into_log();
    let sleep = Sleep::new().map_err(failed)?;
    let signals = Signals::install().map_err(failed)?;
    crash::install(&started.config);
    // Threads that are started now stay on these CPUs; the loop's goes to its own afterwards.
    process::pin("bio_cpulist", &started.config.bio_cpulist);
    allocator::set_background_thread(started.config.jemalloc_bg_thread);
    if let Err(error) = threads::own_descriptors() {
        log::verbose(format_args!("The loop shares its table of descriptors with other threads: {}", reason(&error)));
    }
    let listeners = listen(&started.config).map_err(ExitReason::into_log)?;
    let kinds = [
        listeners.iter().any(|listener| listener.path().is_none()),
        listeners.iter().any(|listener| listener.path().is_some()),
    ];
    engine.supervisor = started.supervisor.take();
    engine.facts.executable = started.executable.display().to_string();
    engine.facts.config_file = started.config_file.as_ref().map_or(String::new(), |path| path.display().to_string());
    engine.keyspace.reclaimer_mut().start();
    process::pin("server_cpulist", &started.config.server_cpulist);
    let mut server = Server::new(engine, sleep, listeners, Some(signals)).map_err(failed)?;
    let outcome = match server.load() {
        Ok(true) => {
            started.ready(kinds);
            supervisor::READY.iter().for_each(|state| server.engine.tell_supervisor(state));
            server.run().map_err(failed)
        }
        Ok(false) => server.run().map_err(failed),
        Err(error) => {
            log::warning(&error);
            let fatal = "Fatal error loading the DB, check server logs. Exiting.";
            Err(ExitReason::Failed(fatal.to_owned()).into_log())
        }
    };
    server.engine.keyspace.leave_behind();
    outcome
}

/// Starts a server on a thread of this process, on a free port of the loopback interface, and says which: the server that
/// `zedis benchmark` measures when it is told of no other.
///
/// # Errors
/// When it can't listen.
pub fn in_process() -> io::Result<SocketAddr> {
    let address = Address::Tcp((Ipv4Addr::LOCALHOST, 0).into(), String::new());
    let listener = Listener::bind(&address, Config::default().tcp_backlog.unsigned_abs())?;
    let address = listener.local_addr().ok_or(ErrorKind::AddrNotAvailable)?;
    thread::Builder::new().name("zedis".to_owned()).spawn(move || {
        let mut config = Config::default();
        // Nothing of a measurement is to be kept.
        let stored = config.override_value("save", b"");
        debug_assert!(stored.is_ok(), "no save points are save points");
        let engine = Engine::with_config(config, Clock::real(), Random::entropy_seed());
        let outcome = Sleep::new()
            .and_then(|sleep| Server::new(engine, sleep, vec![listener], None))
            .and_then(|mut server| server.run());
        if let Err(error) = outcome {
            log::warning(format_args!("The event loop failed: {}", reason(&error)));
        }
    })?;
    Ok(address)
}

/// SIGINT and SIGTERM as something that a loop can poll. From its creation on they no longer end the process by themselves.
#[derive(Debug)]
pub struct Signals {
    pipe: UnixStream,
    received: Arc<AtomicUsize>,
    /// Set once shutdown has begun: the next SIGINT ends the process at once.
    insist: Arc<AtomicBool>,
}

impl Signals {
    /// # Errors
    /// When the pipe or a handler can't be made.
    pub fn install() -> io::Result<Signals> {
        let (pipe, writer) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        let (received, insist) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        signal_hook::flag::register_conditional_shutdown(SIGINT, 1, Arc::clone(&insist))?;
        for signal in [SIGINT, SIGTERM] {
            // The flag first, so that it is there when the pipe wakes the loop.
            signal_hook::flag::register_usize(signal, Arc::clone(&received), signal as usize)?;
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Signals { pipe, received, insist })
    }

    /// To be registered for reading; [`Signals::take`] empties it.
    pub fn pipe(&self) -> &UnixStream {
        &self.pipe
    }

    /// The signal that arrived since the last call, if any.
    pub fn take(&mut self) -> Option<i32> {
        let mut scratch = [0; 64];
        while matches!((&self.pipe).read(&mut scratch), Ok(count) if count > 0) {}
        match self.received.swap(0, Ordering::AcqRel) {
            0 => None,
            signal => i32::try_from(signal).ok(),
        }
    }

    /// Shutdown has begun; a further SIGINT does not wait for it.
    pub fn shutting_down(&self, yes: bool) {
        self.insist.store(yes, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
