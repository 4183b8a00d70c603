//! Where and when a figure was measured: every figure says it, because no figure means anything without it.

use std::process::Command;

/// The machine in one line: processor, cores, kernel.
pub fn machine() -> String {
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    let guest = if cpuinfo.contains(" hypervisor ") { ", virtual machine" } else { "" };
    format!("{model}, {cores} cores{guest}, Linux {}", kernel.trim())
}

/// The date and time in UTC.
pub fn date() -> String {
    output("date", &["-u", "+%Y-%m-%d %H:%M UTC"])
}

/// The commit of the source tree, with a `+` if files differ from it.
pub fn commit() -> String {
    let tree = super::tree().to_string_lossy().into_owned();
    let commit = output("git", &["-C", &tree, "rev-parse", "--short", "HEAD"]);
    let changed = !output("git", &["-C", &tree, "status", "--porcelain", "--untracked-files=no"]).is_empty();
    format!("{commit}{}", if changed { "+" } else { "" })
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn output(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(_) => String::new(),
    }
}
