//! Flame graphs: `perf record` on the server under each load, folded and drawn into `flamegraphs/`, with an index page. What a
//! graph taught is written by hand in `flamegraphs/notes/<scenario>.md` and copied into the index, so regenerating loses nothing.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use inferno::flamegraph::color::{BackgroundColor, MultiPalette};
use inferno::flamegraph::{Options, Palette};

use crate::folded::Shares;
use crate::rig::interrupt::{self, Guarded};
use crate::rig::machine;
use crate::rig::server::Server;
use crate::rig::{is_quick, need_program, tree, zedis_binary};
use crate::{Scenario, scratch, stacks};

/// Samples a second: not a divisor of anything that happens regularly.
const FREQUENCY: &str = "499";
/// The load's connections are made before recording begins.
const WARM_UP: Duration = Duration::from_millis(500);
/// More than any load sends while it is recorded; then it is ended.
const ENDLESS: u64 = 1_000_000_000;

pub fn run(server: &Server, selected: &[&'static Scenario]) -> io::Result<()> {
    let perf = need_program("perf", "linux-perf")?;
    let directory = tree().join("flamegraphs");
    fs::create_dir_all(directory.join("notes"))?;
    let seconds = if is_quick() { "2" } else { "10" };
    for scenario in selected {
        scenario.prepare(server)?;
        // Several tests run one after the other, so the mixed load is one process for each of them.
        let loads = scenario.test.split(',').map(|test| {
            let mut load = scenario.load(ENDLESS);
            load.test = test;
            load.start(server.port)
        });
        let loads = loads.collect::<io::Result<Vec<Guarded>>>()?;
        interrupt::sleep(WARM_UP)?;
        let data = scratch().join(format!("{}.perf", scenario.name));
        record(&perf, server.pid(), &data, seconds)?;
        drop(loads);

        let folded = stacks::fold(&perf, &data, &zedis_binary())?;
        let shares = Shares::of(&folded);
        draw(scenario, &folded, &directory.join(format!("{}.svg", scenario.name)))?;
        let section = section(scenario, &shares, server, seconds);
        print!("\n{section}");
        fs::write(scratch().join(format!("{}.md", scenario.name)), section)?;
    }
    write_index(&directory)
}

fn record(perf: &Path, pid: u32, data: &Path, seconds: &str) -> io::Result<()> {
    let log = File::create(scratch().join("perf-record.txt"))?;
    let child = Command::new(perf)
        .args(["record", "-F", FREQUENCY, "-g", "--call-graph", "fp", "-e", "cpu-clock", "-p", &pid.to_string(), "-o"])
        .arg(data)
        .args(["--", "sleep", seconds])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let status = Guarded(child).wait()?;
    if status.success() {
        return Ok(());
    }
    let said = fs::read_to_string(scratch().join("perf-record.txt"))?;
    Err(io::Error::other(format!(
        "perf record: {status}: {}\n(as a user: sysctl kernel.perf_event_paranoid=1)",
        said.trim()
    )))
}

fn draw(scenario: &Scenario, folded: &str, path: &Path) -> io::Result<()> {
    let mut options = Options::default();
    options.title = format!("{}: {}", scenario.name, load_text(scenario));
    options.subtitle = Some(format!("{}, commit {}, {}", machine::date(), machine::commit(), machine::machine()));
    options.colors = Palette::Multi(MultiPalette::Perl);
    options.bgcolors = Some(BackgroundColor::Flat((255, 255, 255).into()));
    options.hash = true;
    options.min_width = 0.1;
    inferno::flamegraph::from_lines(&mut options, folded.lines(), File::create(path)?).map_err(io::Error::other)
}

fn load_text(scenario: &Scenario) -> String {
    let keys = scenario.keys.map_or(String::new(), |keys| format!(" -r {keys}"));
    let each = if scenario.test.contains(',') { ", one process for each test" } else { "" };
    format!("redis-benchmark -t {} -c 50 -P {}{keys}{each}", scenario.test, scenario.pipeline)
}

/// A section of the index page, without the notes.
fn section(scenario: &Scenario, shares: &Shares, server: &Server, seconds: &str) -> String {
    let mut text = String::new();
    let name = scenario.name;
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let _ = writeln!(text, "## {name}\n\n[![{name}]({name}.svg)]({name}.svg)\n");
    let _ = writeln!(text, "- load: `{}`", load_text(scenario));
    let _ = writeln!(
        text,
        "- recorded: `perf record -F {FREQUENCY} -g --call-graph fp -e cpu-clock` for {seconds} s, {} samples; server {}, commit {}",
        shares.samples,
        server.version,
        machine::commit()
    );
    let _ = writeln!(text, "- when and where: {}; {}", machine::date(), machine::machine());
    let syscalls = shares.syscalls.iter().filter(|(_, share)| *share >= 0.005);
    let syscalls: Vec<String> = syscalls.map(|(name, share)| format!("{name} {}", percent(*share))).collect();
    let _ = writeln!(text, "- kernel: {} of all time ({})", percent(shares.kernel), syscalls.join(", "));
    let user: Vec<String> = shares.user.iter().map(|(name, share)| format!("{name} {}", percent(*share))).collect();
    let _ = writeln!(text, "- user-space time: {}", user.join(", "));
    text
}

/// Joins the sections of all scenarios that have been recorded in this tree with their notes.
fn write_index(directory: &Path) -> io::Result<()> {
    let mut index = String::from(
        "# Flame graphs\n\nWhere the server's time goes under load; `make flamegraph` records them anew. Open a picture by itself to \
         zoom and search. The shares are computed from the stacks: a stack belongs to the innermost frame that belongs to \
         anything (parsing is `resp::request`, reply is `resp::reply`, execution is `commands`, `keyspace` and `collections`, loop is \
         `reactor` and `server`), inlined functions included.\n\nThe measure: parsing is at most 15 % of user-space time in every \
         graph.\n\n",
    );
    for scenario in crate::SCENARIOS {
        let Ok(section) = fs::read_to_string(scratch().join(format!("{}.md", scenario.name))) else {
            continue;
        };
        index.push_str(&section);
        if let Ok(notes) = fs::read_to_string(directory.join(format!("notes/{}.md", scenario.name))) {
            let _ = writeln!(index, "\nWhat it taught: {}", notes.trim());
        }
        index.push('\n');
    }
    fs::write(directory.join("README.md"), index.trim_end().to_owned() + "\n")?;
    println!("\nindex: {}", directory.join("README.md").display());
    Ok(())
}
