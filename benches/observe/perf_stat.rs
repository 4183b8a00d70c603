//! `perf stat` attached to the server while a known number of requests runs: counters in total and per request. Hardware counters
//! are asked for too; where the machine has none, the line says so.

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::rig::interrupt::{self, Guarded};
use crate::rig::server::Server;
use crate::rig::{is_quick, need_program};
use crate::{Scenario, finish, scratch};

const EVENTS: &str = "task-clock,context-switches,cpu-migrations,page-faults,cycles,instructions,branches,branch-misses,\
                      cache-references,cache-misses,L1-dcache-load-misses,dTLB-load-misses";
/// perf says nothing when it has attached.
const ATTACH: Duration = Duration::from_millis(300);

pub fn run(server: &Server, selected: &[&'static Scenario]) -> io::Result<()> {
    let perf = need_program("perf", "linux-perf")?;
    // The mixed scenario is several loads in a row: its requests are not one number.
    for scenario in selected.iter().filter(|scenario| !scenario.test.contains(',')) {
        scenario.prepare(server)?;
        let counters = scratch().join("perf-stat.csv");
        let child = Command::new(&perf)
            .args(["stat", "-x", ";", "-e", EVENTS, "-p", &server.pid().to_string(), "-o"])
            .arg(&counters)
            .stdin(Stdio::null())
            .spawn()?;
        let mut child = Guarded(child);
        interrupt::sleep(ATTACH)?;
        let load = scenario.load(400_000 * u64::from(scenario.pipeline.min(10)) / if is_quick() { 5 } else { 1 });
        let rate = load.run(server.port)?;
        finish(&mut child)?;
        println!("\n{}: redis-benchmark {} ({rate:.0} requests/s)", scenario.name, load.flags().join(" "));
        print_table(&fs::read_to_string(&counters)?, load.requests);
    }
    Ok(())
}

fn print_table(csv: &str, requests: u64) {
    println!("{:<24} {:>16} {:>14}", "counter", "total", "per request");
    for line in csv.lines().filter(|line| !line.starts_with('#')) {
        let mut cells = line.split(';');
        let (Some(value), Some(unit), Some(event)) = (cells.next(), cells.next(), cells.next()) else {
            continue;
        };
        let event = event.trim_end_matches(":u");
        match value.parse::<f64>() {
            // task-clock is in milliseconds; what one wants to know of a request is nanoseconds.
            Ok(ms) if unit == "msec" => {
                println!("{event:<24} {ms:>13.1} ms {:>11.1} ns", ms * 1e6 / requests as f64);
            }
            Ok(count) => println!("{event:<24} {count:>16} {:>14.5}", count / requests as f64),
            Err(_) => println!("{event:<24} {:>16}", "not supported"),
        }
    }
}
