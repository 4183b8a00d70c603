//! Alternating rounds: every server gets the same load in turn, several times over, so that whatever else the machine does falls
//! on all of them. A figure is the median of its rounds; a ratio is the median of the ratios within a round.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cpu::CpuTime;
use crate::floor::Floor;
use crate::preparation::{Preparation, prepare};
use crate::rig::interrupt;
use crate::rig::server::{Program, Server};
use crate::workloads::Workload;

/// After the load has ended, until the server has closed its connections and sleeps.
const SETTLE: Duration = Duration::from_millis(30);
/// A server that uses less than this within that time does nothing but its timers.
const AT_REST_NS: u64 = 1_000_000;
const SETTLE_MAX: Duration = Duration::from_secs(10);

/// One run of one server.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Server CPU per request.
    pub ns: f64,
    pub user_ticks: u64,
    pub system_ticks: u64,
    /// Requests per second as the load saw them.
    pub rate: f64,
}

/// The runs of one server on one workload.
#[derive(Clone, Debug)]
pub struct Series {
    pub name: &'static str,
    pub samples: Vec<Sample>,
}

/// A line of the report: the floor first, then the servers in their order.
pub struct Line {
    pub workload: Workload,
    pub series: Vec<Series>,
}

/// The name of the floor among the series.
pub const FLOOR: &str = "floor";

/// Measures every selected workload.
pub fn measure(
    workloads: Vec<Workload>,
    programs: &[Program],
    rounds: usize,
    quick: bool,
    directory: &Path,
) -> io::Result<Vec<Line>> {
    let servers = programs.iter().map(|program| Server::start(program, directory)).collect::<io::Result<Vec<_>>>()?;
    let mut prepared: Option<Preparation> = None;
    let mut lines = Vec::new();
    for workload in workloads {
        let preparation = workload.preparation(quick);
        let every_run = preparation.is_for_one_run();
        if !every_run && prepared != Some(preparation) {
            for server in &servers {
                prepare(server.port, preparation)?;
                settle(server.pid())?;
            }
        }
        prepared = (!every_run).then_some(preparation);
        let floor = Floor::start(workload.request_len(), &workload.reply())?;
        let mut targets = vec![(FLOOR, floor.port, floor.pid())];
        targets.extend(programs.iter().zip(&servers).map(|(p, server)| (p.name, server.port, server.pid())));
        let rounds = workload.rounds(rounds);
        let mut series: Vec<Series> =
            targets.iter().map(|&(name, ..)| Series { name, samples: Vec::with_capacity(rounds) }).collect();
        for round in 1..=rounds {
            for (&(name, port, pid), series) in targets.iter().zip(&mut series) {
                progress(&format!("{}: round {round} of {rounds}, {name}", workload.name()));
                if every_run && name != FLOOR {
                    prepare(port, preparation)?;
                    settle(pid)?;
                }
                series.samples.push(run(&workload, port, pid, quick)?);
            }
        }
        let line = Line { workload, series };
        progress("");
        println!("{}", line.summary());
        lines.push(line);
    }
    Ok(lines)
}

/// Waits until the server is at rest: what the preparation made it free or move is not part of the run.
pub fn settle(pid: u32) -> io::Result<()> {
    let start = Instant::now();
    let mut before = CpuTime::of(pid)?;
    while start.elapsed() < SETTLE_MAX {
        interrupt::sleep(SETTLE)?;
        let now = CpuTime::of(pid)?;
        if now.since(&before).run_ns < AT_REST_NS {
            break;
        }
        before = now;
    }
    Ok(())
}

fn run(workload: &Workload, port: u16, pid: u32, quick: bool) -> io::Result<Sample> {
    let load = workload.load(quick);
    let before = CpuTime::of(pid)?;
    let rate = load.run(port)?;
    interrupt::sleep(SETTLE)?;
    let used = CpuTime::of(pid)?.since(&before);
    Ok(Sample {
        ns: used.run_ns as f64 / load.requests as f64,
        user_ticks: used.user_ticks,
        system_ticks: used.system_ticks,
        rate,
    })
}

/// Shows what is being done now: one line that is overwritten on a terminal, nothing elsewhere.
pub fn progress(text: &str) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[2K{text}");
        let _ = stderr.flush();
    }
}

impl Series {
    pub fn ns(&self) -> f64 {
        median(self.samples.iter().map(|sample| sample.ns).collect())
    }

    pub fn rate(&self) -> f64 {
        median(self.samples.iter().map(|sample| sample.rate).collect())
    }

    /// The part of the CPU time spent in user space, from the ticks of all rounds.
    pub fn user_share(&self) -> f64 {
        let user: u64 = self.samples.iter().map(|sample| sample.user_ticks).sum();
        let system: u64 = self.samples.iter().map(|sample| sample.system_ticks).sum();
        if user + system == 0 { 0.0 } else { user as f64 / (user + system) as f64 }
    }

    /// Distance from the cheapest round to the dearest, relative to the median.
    pub fn spread(&self) -> f64 {
        let (min, max) =
            self.samples.iter().fold((f64::MAX, 0f64), |(min, max), sample| (min.min(sample.ns), max.max(sample.ns)));
        (max - min) / self.ns()
    }
}

impl Line {
    pub fn of(&self, name: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.name == name)
    }

    /// CPU of `a` relative to `b`.
    pub fn ratio(&self, a: &str, b: &str) -> Option<f64> {
        let (a, b) = (self.of(a)?, self.of(b)?);
        Some(median(a.samples.iter().zip(&b.samples).map(|(a, b)| a.ns / b.ns).collect()))
    }

    /// Whether the budget is met.
    pub fn passes(&self) -> Option<bool> {
        let of_redis = self.ratio("zedis", "redis")? <= self.workload.budget.of_redis;
        let of_floor = match self.workload.budget.of_floor {
            Some(most) => self.ratio("zedis", FLOOR)? <= most,
            None => true,
        };
        Some(of_redis && of_floor)
    }

    /// `0.86, 1.05 of floor`.
    pub fn budget_text(&self) -> String {
        let budget = self.workload.budget;
        match budget.of_floor {
            Some(most) => format!("{:.2}, {most:.2} of floor", budget.of_redis),
            None => format!("{:.2}", budget.of_redis),
        }
    }

    pub fn verdict(&self) -> &'static str {
        match self.passes() {
            Some(true) => "PASS",
            Some(false) => "MISS",
            None => "-",
        }
    }

    /// One line for the terminal.
    fn summary(&self) -> String {
        let mut text = format!("{:<16}", self.workload.name());
        for series in &self.series {
            text.push_str(&format!("  {} {:>6.0} ns", series.name, series.ns()));
        }
        if let Some(ratio) = self.ratio("zedis", "redis") {
            let of_floor = match (self.workload.budget.of_floor, self.ratio("zedis", FLOOR)) {
                (Some(_), Some(of_floor)) => format!(", {of_floor:.3} of floor"),
                _ => String::new(),
            };
            let budget = self.budget_text();
            text.push_str(&format!("  zedis/redis {ratio:.3}{of_floor} (budget {budget}) {}", self.verdict()));
        }
        text
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
