//! Syscalls per request: `strace -c` attached to the server while a known number of requests runs. Accepting and closing the
//! load's connections is included, so figures are a little above what a turn costs.

use std::fs::{self, File};
use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::rig::interrupt::{self, Guarded};
use crate::rig::need_program;
use crate::rig::server::Server;
use crate::{Scenario, finish, scratch};

const ATTACH_MAX: Duration = Duration::from_secs(5);
/// Under strace a syscall costs tens of microseconds; these are some seconds.
const REQUESTS: u64 = 50_000;
const LINES: [Scenario; 4] = [
    Scenario { name: "get-p1", test: "get", pipeline: 1, keys: None },
    Scenario { name: "set-p1", test: "set", pipeline: 1, keys: None },
    Scenario { name: "get-p16", test: "get", pipeline: 16, keys: None },
    Scenario { name: "set-p16", test: "set", pipeline: 16, keys: None },
];

/// It has lines of its own, not the scenarios.
pub fn run(server: &Server, _selected: &[&'static Scenario]) -> io::Result<()> {
    let strace = need_program("strace", "strace")?;
    for line in LINES.iter().filter(|line| crate::rig::is_selected(line.name)) {
        line.prepare(server)?;
        let summary = scratch().join("strace.txt");
        let said = scratch().join("strace-messages.txt");
        let child = Command::new(&strace)
            .args(["-c", "-f", "-U", "name,calls,errors", "-p", &server.pid().to_string(), "-o"])
            .arg(&summary)
            .stdin(Stdio::null())
            .stderr(File::create(&said)?)
            .spawn()?;
        let mut child = Guarded(child);
        let deadline = Instant::now() + ATTACH_MAX;
        while !fs::read_to_string(&said)?.contains("attached") {
            if child.0.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(io::Error::other(format!("strace cannot attach: {}", fs::read_to_string(&said)?.trim())));
            }
            interrupt::sleep(Duration::from_millis(10))?;
        }
        let load = line.load(REQUESTS * u64::from(line.pipeline));
        load.run(server.port)?;
        finish(&mut child)?;
        println!("\n{}: redis-benchmark {}", line.name, load.flags().join(" "));
        print_table(&fs::read_to_string(&summary)?, load.requests, line.pipeline);
    }
    Ok(())
}

fn print_table(summary: &str, requests: u64, pipeline: u32) {
    println!("{:<20} {:>9} {:>8} {:>12} {:>12}", "syscall", "calls", "errors", "per request", "per pipeline");
    for line in summary.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, calls, errors) = match words[..] {
            [name, calls] => (name, calls, "0"),
            [name, calls, errors] => (name, calls, errors),
            _ => continue,
        };
        let Ok(count) = calls.parse::<f64>() else {
            continue;
        };
        let per_request = count / requests as f64;
        let per_pipeline = per_request * f64::from(pipeline);
        println!("{name:<20} {calls:>9} {errors:>8} {per_request:>12.4} {per_pipeline:>12.3}");
    }
}
