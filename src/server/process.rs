//! What the kernel is told of the process, as the configuration wants it: its title, how soon the OOM killer takes it, huge pages, CPUs.
//!
//! Global, as the process is. It knows settings and nothing of clients. Everything here is done at the start or by CONFIG SET, and none of
//! it is needed to serve: what the system refuses is logged.

use std::fs;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl;
use nix::unistd::Pid;

use crate::base::log;
use crate::config::{OomScoreAdj, Settings};
use crate::server::start::reason;

const OOM_SCORE: &str = "/proc/self/oom_score_adj";
/// What the kernel takes.
const OOM_SCORE_MAX: i64 = 1000;
/// Longest title, bytes.
const TITLE_MAX: usize = 1024;

/// Sets the OOM score as `oom-score-adj` says, or back to what it was.
///
/// # Errors
/// In the words of CONFIG SET; the log says more.
pub fn apply_oom_score(settings: &Settings) -> Result<(), String> {
    static BEFORE: OnceLock<Option<i64>> = OnceLock::new();
    let read = || fs::read_to_string(OOM_SCORE).ok()?.trim().parse::<i64>().ok();
    if settings.oom_score_adj == OomScoreAdj::No && BEFORE.get().is_none() {
        return Ok(());
    }
    let before = BEFORE.get_or_init(read).unwrap_or(0);
    // The server itself is the first of the three: master, replica, child.
    let own = settings.oom_score_adj_values.first().copied().unwrap_or(0);
    let wanted = match settings.oom_score_adj {
        OomScoreAdj::No => before,
        OomScoreAdj::Relative => before + own,
        OomScoreAdj::Absolute => own,
    };
    let wanted = wanted.clamp(-OOM_SCORE_MAX, OOM_SCORE_MAX);
    fs::write(OOM_SCORE, wanted.to_string()).map_err(|error| {
        log::warning(format_args!("Unable to write {OOM_SCORE}: {}", reason(&error)));
        "Failed to apply new oom_score_adj configuration, check server logs.".to_owned()
    })
}

/// Where the kernel would turn all memory into huge pages, asks it not to: a page that is touched is then 2 MB, and takes as long.
pub fn apply_thp(settings: &Settings) {
    let mode = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    if !mode.contains("[always]") || !settings.disable_thp {
        return;
    }
    if let Err(error) = prctl::set_thp_disable(true) {
        log::warning(format_args!(
            "WARNING You have Transparent Huge Pages (THP) support enabled in your kernel, and it cannot be turned off for this process: {error}"
        ));
    }
}

/// Binds the calling thread, and those that it will start, to the CPUs of a list such as `0,2-5,8-20:4`. Empty: leaves it where it is.
pub fn pin(directive: &str, list: &str) {
    if list.is_empty() {
        return;
    }
    let pinned = match cpus(list) {
        Some(set) => sched_setaffinity(Pid::from_raw(0), &set).map_err(|error| error.to_string()),
        None => Err("it is no list of CPUs".to_owned()),
    };
    if let Err(why) = pinned {
        log::warning(format_args!("{directive} '{list}' is ignored: {why}"));
    }
}

fn cpus(list: &str) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    for part in list.split(',') {
        let (range, stride) = part.split_once(':').unwrap_or((part, "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let stride: usize = stride.trim().parse().ok()?;
        if stride == 0 || last < first || last >= CpuSet::count() {
            return None;
        }
        (first..=last).step_by(stride).try_for_each(|cpu| set.set(cpu)).ok()?;
    }
    Some(set)
}

/// What `proc-title-template` makes of the settings.
pub fn title(settings: &Settings, program: &str, config_file: &str) -> String {
    let address = match (settings.port, settings.bind.first()) {
        (0, _) => format!("unixsocket:{}", settings.unixsocket),
        (port, None) => format!("*:{port}"),
        (port, Some(address)) => format!("{address}:{port}"),
    };
    let port = settings.port.to_string();
    let variables = [
        ("{title}", program),
        ("{listen-addr}", address.as_str()),
        ("{server-mode}", ""),
        ("{port}", port.as_str()),
        ("{tls-port}", "0"),
        ("{unixsocket}", settings.unixsocket.as_str()),
        ("{config-file}", if config_file.is_empty() { "-" } else { config_file }),
    ];
    // In one pass, so that a path with braces in it is not read as a variable.
    let mut title = String::new();
    let mut rest = settings.proc_title_template.as_str();
    while let Some(at) = rest.find('{') {
        title.push_str(&rest[..at]);
        rest = &rest[at..];
        let (len, value) = variables
            .iter()
            .find(|(variable, _)| rest.starts_with(variable))
            .map_or((1, "{"), |(variable, value)| (variable.len(), *value));
        title.push_str(value);
        rest = &rest[len..];
    }
    title.push_str(rest);
    title.trim_matches(' ').to_owned()
}

/// Shows the title to `ps`, if `set-proc-title` says so.
///
/// # Errors
/// In the words of CONFIG SET; the log says more.
pub fn apply_title(settings: &Settings, config_file: &str) -> Result<(), String> {
    if !settings.set_proc_title {
        return Ok(());
    }
    let program = std::env::args_os().next().unwrap_or_default();
    let title = title(settings, &program.to_string_lossy(), config_file);
    show_title(title.as_bytes()).map_err(|error| {
        log::verbose(format_args!("The kernel does not take the process title: {}", reason(&error)));
        "failed to set process title".to_owned()
    })
}

/// The kernel's `struct prctl_mm_map`: where the parts of the process's memory are that /proc shows.
#[repr(C)]
#[derive(Default)]
struct MemoryMap {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

const _: () = assert!(size_of::<MemoryMap>() == 104);

/// Makes a text of ours what /proc/self/cmdline shows. The words of the command line stay where they are, as do the environment's.
fn show_title(title: &[u8]) -> io::Result<()> {
    /// Kept for ever, because the kernel reads it whenever somebody looks; used again for the next title.
    static SHOWN: Mutex<Option<&'static mut [u8]>> = Mutex::new(None);
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let buffer = shown.get_or_insert_with(|| Box::leak(vec![0; TITLE_MAX].into_boxed_slice()));
    let len = title.len().min(TITLE_MAX - 1);
    buffer[..len].copy_from_slice(&title[..len]);
    buffer[len] = 0;
    let start = buffer.as_ptr() as u64;
    let mut map = memory_map().ok_or(io::ErrorKind::Unsupported)?;
    (map.arg_start, map.arg_end) = (start, start + len as u64 + 1);
    // SAFETY: the kernel reads `map`, which is its struct and of the size that is said; it only notes the addresses in it, all of which are
    // those of this process already but for the title's, which is never freed.
    let failed = unsafe {
        libc::prctl(
            libc::PR_SET_MM,
            libc::PR_SET_MM_MAP as libc::c_ulong,
            &raw const map as libc::c_ulong,
            size_of::<MemoryMap>() as libc::c_ulong,
            0 as libc::c_ulong,
        )
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Where things are now, from /proc/self/stat (proc(5)); None where the kernel hides it.
fn memory_map() -> Option<MemoryMap> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field, the name, may hold anything; what follows its bracket is the third.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    // SAFETY: an increment of 0 changes nothing and returns the present end of the heap.
    let brk = unsafe { libc::sbrk(0) } as u64;
    Some(MemoryMap {
        start_code: field(26)?,
        end_code: field(27)?,
        start_stack: field(28)?,
        start_data: field(45)?,
        end_data: field(46)?,
        start_brk: field(47)?,
        brk,
        arg_start: field(48)?,
        arg_end: field(49)?,
        env_start: field(50)?,
        env_end: field(51)?,
        auxv: 0,
        auxv_size: 0,
        exe_fd: u32::MAX,
    })
}

#[cfg(test)]
mod tests {
    use super::{cpus, title};
    use crate::config::Config;

    #[test]
    fn lists_of_cpus() {
        let found =
            |list: &str| cpus(list).map(|set| (0..32).filter(|&cpu| set.is_set(cpu).unwrap()).collect::<Vec<_>>());
        assert_eq!(found("0"), Some(vec![0]));
        assert_eq!(found("0,2-4"), Some(vec![0, 2, 3, 4]));
        assert_eq!(found("1-9:4, 30"), Some(vec![1, 5, 9, 30]));
        for wrong in ["", "a", "3-1", "1-", "1:0", "0-99999999999", "-1", "1,,2"] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn titles() {
        let made = |text: &str| {
            let mut config = Config::default();
            config.load(text.as_bytes()).unwrap();
            title(&config, "./zedis", "/etc/{port}.conf")
        };
        assert_eq!(made(""), "./zedis *:6379");
        assert_eq!(made("bind 127.0.0.1 ::1\nport 7000"), "./zedis 127.0.0.1:7000");
        assert_eq!(made("bind -::1"), "./zedis -::1:6379");
        assert_eq!(made("port 0\nunixsocket /tmp/s"), "./zedis unixsocket:/tmp/s");
        let all = "proc-title-template \" a {port} {tls-port} {unixsocket} {config-file} {title}{server-mode}b \"";
        assert_eq!(made(all), "a 6379 0  /etc/{port}.conf ./zedisb");
    }
}
