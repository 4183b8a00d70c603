//! Side by side: Zedis, redis-server (valkey-server too, if it is installed) and the floor, one load, one run, one report. `make bench`
//! runs it; without the argument `run` it does nothing. The settings are in [`rig`]. The sections are CPU per request of redis-benchmark's
//! tests, `structures`, `pubsub`, `connections`, `memory`, `stalls`, `eviction` and `durability`, each with lines that `BENCH_ONLY` selects
//! by a part of their name (`get P16`, `structures zrank`, `memory`, `stalls hash`).

use std::io;
use std::process::ExitCode;

use report::Report;
use rig::server::{self, Program, Server};

mod connections;
mod cpu;
mod durability;
mod eviction;
mod floor;
mod json;
mod memory;
mod plot;
mod preparation;
mod pubsub;
mod report;
#[path = "../rig/mod.rs"]
mod rig;
mod rounds;
mod stalls;
mod structures;
mod workloads;

const ROUNDS: usize = 5;
const ROUNDS_QUICK: usize = 3;
/// Of what each is a minute's work, and about the longest turn rather than a mean.
const STALL_ROUNDS: usize = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((first, rest)) if first == floor::ARGUMENT => floor::main(rest),
        _ if rig::asked_for(&arguments) == Some("run") => run(),
        _ => {
            println!("side_by_side: run it with `make bench`");
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("side_by_side: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    rig::interrupt::install()?;
    let directory = rig::tree().join("target/bench-report");
    let logs = directory.join("servers");
    let mut programs = vec![
        Program { name: "redis", path: rig::need_program("redis-server", "redis-server")? },
        Program { name: "zedis", path: rig::zedis_binary() },
    ];
    if let Some(path) = rig::find_program("valkey-server") {
        programs.push(Program { name: "valkey", path });
    }
    let is_quick = rig::is_quick();
    let rounds = if is_quick { ROUNDS_QUICK } else { ROUNDS };
    let mut report = Report {
        date: rig::machine::date(),
        machine: rig::machine::machine(),
        commit: rig::machine::commit(),
        versions: Vec::new(),
        arguments: format!("--port N {}", server::ARGUMENTS.map(|a| if a.is_empty() { "\"\"" } else { a }).join(" ")),
        load: rig::load::program(),
        rounds,
        is_quick,
        lines: Vec::new(),
        structures: Vec::new(),
        deliveries: Vec::new(),
        crowds: Vec::new(),
        memory: Vec::new(),
        stalls: Vec::new(),
        evictions: Vec::new(),
        durability: Vec::new(),
    };
    for program in &programs {
        let server = Server::start(program, &logs)?;
        println!("{} {}: {}", program.name, server.version, program.path.display());
        report.versions.push((program.name, server.version.clone()));
    }
    println!("{}, {}", report.date, report.machine);

    let lines: Vec<workloads::Workload> =
        workloads::all().into_iter().filter(|workload| rig::is_selected(&workload.name())).collect();
    if !lines.is_empty() {
        report.lines = rounds::measure(lines, &programs, rounds, is_quick, &logs)?;
    }
    if structures::is_selected() {
        report.structures = structures::measure(&programs, rounds, is_quick, &logs)?;
    }
    if pubsub::is_selected() {
        report.deliveries = pubsub::measure(&programs, rounds, is_quick, &logs)?;
    }
    if connections::is_selected() {
        report.crowds = connections::measure(&programs, is_quick, &logs)?;
    }
    if memory::is_selected() {
        report.memory = memory::measure(&programs, &logs)?;
    }
    if stalls::is_selected() {
        let sizes = if is_quick { &stalls::QUICK } else { &stalls::FULL };
        report.stalls = stalls::measure(&programs, STALL_ROUNDS, sizes, &logs)?;
    }
    if eviction::is_selected() {
        let sizes = if is_quick { &eviction::QUICK } else { &eviction::FULL };
        report.evictions = eviction::measure(&programs, sizes, &logs)?;
    }
    if durability::is_selected() {
        let sizes = if is_quick { &durability::QUICK } else { &durability::FULL };
        report.durability = durability::measure(&programs, rounds, STALL_ROUNDS, sizes, &logs)?;
    }
    report.write(&directory)?;
    println!("report: {}", directory.join("report.md").display());
    Ok(())
}
