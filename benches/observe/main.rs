//! Watching the shipped binary at work: `flamegraph` (where the time goes), `strace` (which syscalls, how many per request) and
//! `perf-stat` (the counters). One scenario is a load that runs against a release server while a tool of the system looks at it.

use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use rig::client::prepare_keys;
use rig::interrupt::Guarded;
use rig::load::Load;
use rig::server::{Program, Server};

mod flamegraph;
mod folded;
mod perf_stat;
#[path = "../rig/mod.rs"]
mod rig;
mod stacks;
mod strace;

const MILLION: u64 = 1_000_000;

/// A load worth looking at.
pub struct Scenario {
    pub name: &'static str,
    pub test: &'static str,
    pub pipeline: u32,
    pub keys: Option<u64>,
}

static SCENARIOS: &[Scenario] = &[
    Scenario { name: "get-p1", test: "get", pipeline: 1, keys: None },
    Scenario { name: "get-p16-1m", test: "get", pipeline: 16, keys: Some(MILLION) },
    Scenario { name: "set-p16-1m", test: "set", pipeline: 16, keys: Some(MILLION) },
    Scenario { name: "get-p64", test: "get", pipeline: 64, keys: None },
    Scenario { name: "mixed", test: "ping_mbulk,set,get,incr,mset", pipeline: 16, keys: Some(MILLION) },
];

impl Scenario {
    pub fn load(&self, requests: u64) -> Load<'static> {
        Load { test: self.test, request: None, pipeline: self.pipeline, keys: self.keys, requests }
    }

    /// Brings the server's keyspace into the state that the scenario reads.
    pub fn prepare(&self, server: &Server) -> io::Result<()> {
        prepare_keys(server.port, self.keys)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match rig::asked_for(&arguments) {
        Some("flamegraph") => run(flamegraph::run),
        Some("strace") => run(strace::run),
        Some("perf-stat") => run(perf_stat::run),
        _ => {
            println!("observe: run it with `make flamegraph`, `make strace` or `make perf-stat`");
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("observe: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(tool: fn(&Server, &[&'static Scenario]) -> io::Result<()>) -> io::Result<()> {
    rig::interrupt::install()?;
    let selected: Vec<&Scenario> = SCENARIOS.iter().filter(|scenario| rig::is_selected(scenario.name)).collect();
    let program = Program { name: "zedis", path: rig::zedis_binary() };
    let server = Server::start(&program, &scratch())?;
    println!(
        "{} {}\n{}, commit {}, {}",
        program.path.display(),
        server.version,
        rig::machine::date(),
        rig::machine::commit(),
        rig::machine::machine()
    );
    tool(&server, &selected)
}

/// Where the server and the tools leave their files.
pub fn scratch() -> PathBuf {
    rig::tree().join("target/observe")
}

/// Ends a tool that writes what it has when interrupted, and waits for it.
pub fn finish(tool: &mut Guarded) -> io::Result<()> {
    let pid = tool.0.id().to_string();
    Command::new("kill").args(["-INT", &pid]).status()?;
    tool.wait().map(drop)
}
