//! The report directory: `report.md` for people, `results.json` for programs, and the plots. Everything in it says with which
//! command, when, where and against which versions it was measured.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::connections::{self, Crowd};
use crate::durability::Figure;
use crate::eviction::{self, Eviction};
use crate::memory::{self, Row};
use crate::plot::{self, Bar, Chart, Group, Part};
use crate::pubsub::Delivery;
use crate::rounds::{FLOOR, Line};
use crate::stalls::{self, Stall};
use crate::structures::{self, Timing};
use crate::workloads::{ROUNDS_NEAR_FLOOR, ROUNDS_UNPIPELINED};

/// What was measured, and the circumstances.
pub struct Report {
    pub date: String,
    pub machine: String,
    pub commit: String,
    /// Name and version of each server.
    pub versions: Vec<(&'static str, String)>,
    pub arguments: String,
    pub load: String,
    pub rounds: usize,
    pub is_quick: bool,
    pub lines: Vec<Line>,
    pub structures: Vec<Timing>,
    pub deliveries: Vec<Delivery>,
    pub crowds: Vec<Crowd>,
    pub memory: Vec<Row>,
    pub stalls: Vec<Stall>,
    pub evictions: Vec<Eviction>,
    pub durability: Vec<Figure>,
}

impl Report {
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("report.md"), self.markdown())?;
        fs::write(directory.join("results.json"), self.json())?;
        for (name, chart) in self.charts() {
            fs::write(directory.join(name), chart.svg())?;
        }
        Ok(())
    }

    fn circumstances(&self) -> Vec<String> {
        let versions: Vec<String> = self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let quick = if self.is_quick { "BENCH_QUICK=1 " } else { "" };
        vec![
            format!("{quick}make bench, {}, commit {}; {}", self.date, self.commit, versions.join(", ")),
            self.machine.clone(),
        ]
    }

    fn charts(&self) -> Vec<(String, Chart)> {
        let mut charts = Vec::new();
        let mut depths: Vec<u32> = self.lines.iter().map(|line| line.workload.pipeline).collect();
        depths.sort_unstable();
        depths.dedup();
        for depth in depths {
            charts.push((format!("cpu-p{depth}.svg"), self.cpu_chart(depth)));
        }
        if self.lines.iter().any(|line| line.passes().is_some()) {
            charts.push(("ratio.svg".to_owned(), self.ratio_chart()));
        }
        if !self.structures.is_empty() {
            charts.push(("structures.svg".to_owned(), self.structure_chart()));
        }
        // Scales apart: some ten bytes, some hundred, some thousand.
        let charts_of_memory = [
            ("memory.svg", "key or element", None),
            ("small-hashes.svg", "small hash", Some(memory::SMALL_HASH)),
            ("connections.svg", "idle connection", Some(memory::CONNECTION)),
        ];
        for (file, each, only) in charts_of_memory {
            let rows = self.memory.iter().filter(|row| {
                let own = [memory::SMALL_HASH, memory::CONNECTION].into_iter().find(|name| *name == row.name);
                own == only
            });
            let rows: Vec<&Row> = rows.collect();
            if !rows.is_empty() {
                charts.push((file.to_owned(), self.memory_chart(each, &rows)));
            }
        }
        if !self.stalls.is_empty() {
            charts.push(("stalls.svg".to_owned(), self.stall_chart()));
        }
        charts
    }

    fn legend(&self, parts: bool) -> Vec<(&'static str, &'static str)> {
        let mut legend = Vec::new();
        for (name, _) in &self.versions {
            let [user, system] = plot::colors(name);
            match (*name, parts) {
                ("zedis", true) => legend.extend([("Zedis, user", user), ("Zedis, system", system)]),
                ("valkey", true) => legend.extend([("Valkey, user", user), ("Valkey, system", system)]),
                (_, true) => legend.extend([("Redis, user", user), ("Redis, system", system)]),
                (name, false) => legend.push((name, user)),
            }
        }
        legend
    }

    fn cpu_chart(&self, depth: u32) -> Chart {
        let groups = self.lines.iter().filter(|line| line.workload.pipeline == depth).map(|line| {
            let servers = line.series.iter().filter(|series| series.name != FLOOR);
            let bars = servers.map(|series| {
                let [user, system] = plot::colors(series.name);
                let (ns, share) = (series.ns(), series.user_share());
                Bar {
                    label: series.name.to_owned(),
                    parts: vec![
                        Part { value: ns * share, color: user },
                        Part { value: ns * (1.0 - share), color: system },
                    ],
                    text: format!("{ns:.0} ns"),
                }
            });
            Group {
                label: line.workload.name(),
                bars: bars.collect(),
                marks: line.of(FLOOR).map(|floor| floor.ns()).into_iter().collect(),
            }
        });
        Chart {
            title: format!("Server CPU per request, pipeline {depth}"),
            notes: self.circumstances(),
            unit: "nanoseconds of CPU per request",
            is_logarithmic: false,
            rule: None,
            mark_name: "floor: the kernel's part alone",
            legend: self.legend(true),
            groups: groups.collect(),
        }
    }

    fn ratio_chart(&self) -> Chart {
        let groups = self.lines.iter().filter_map(|line| {
            let ratio = line.ratio("zedis", "redis")?;
            Some(Group {
                label: line.workload.name(),
                bars: vec![Bar {
                    label: String::new(),
                    parts: vec![Part { value: ratio, color: plot::ZEDIS[usize::from(line.passes() == Some(false))] }],
                    text: format!("{ratio:.2} (budget {}) {}", line.budget_text(), line.verdict()),
                }],
                marks: vec![line.workload.budget.of_redis],
            })
        });
        Chart {
            title: "CPU per request: Zedis relative to Redis".to_owned(),
            notes: self.circumstances(),
            unit: "Zedis / Redis, less is better",
            is_logarithmic: false,
            rule: Some((1.0, "Redis")),
            mark_name: "budget",
            legend: vec![("budget met", plot::ZEDIS[0]), ("budget missed", plot::ZEDIS[1])],
            groups: groups.collect(),
        }
    }

    fn structure_chart(&self) -> Chart {
        let groups = self.structures.iter().filter_map(|timing| {
            let ratio = timing.wall_ratio()?;
            let cpu = timing.cpu_ratio()?;
            Some(Group {
                label: timing.operation.name.to_owned(),
                bars: vec![Bar {
                    label: String::new(),
                    parts: vec![Part { value: ratio, color: plot::ZEDIS[usize::from(timing.verdict() == "MISS")] }],
                    text: format!("{ratio:.2} (CPU {cpu:.2}) {}", timing.verdict()),
                }],
                marks: vec![structures::BUDGET],
            })
        });
        Chart {
            title: "Time per operation on large collections: Zedis relative to Redis".to_owned(),
            notes: self.circumstances(),
            unit: "Zedis / Redis, less is better",
            is_logarithmic: false,
            rule: Some((1.0, "Redis")),
            mark_name: "budget",
            legend: vec![("budget met", plot::ZEDIS[0]), ("budget missed", plot::ZEDIS[1])],
            groups: groups.collect(),
        }
    }

    fn memory_chart(&self, each: &str, rows: &[&Row]) -> Chart {
        let groups = rows.iter().map(|row| {
            let bars = row.bytes.iter().filter_map(|&(name, bytes)| {
                let value = bytes?;
                Some(Bar {
                    label: name.to_owned(),
                    parts: vec![Part { value, color: plot::colors(name)[0] }],
                    text: format!("{value:.0} B"),
                })
            });
            Group {
                label: row.name.to_owned(),
                bars: bars.collect(),
                marks: row.of("redis").map(|bytes| bytes * row.budget.of_redis).into_iter().collect(),
            }
        });
        Chart {
            title: format!("Resident memory per {each}"),
            notes: self.circumstances(),
            unit: "bytes",
            is_logarithmic: false,
            rule: None,
            mark_name: "budget, relative to Redis",
            legend: self.legend(false),
            groups: groups.collect(),
        }
    }

    fn stall_chart(&self) -> Chart {
        let mut groups: Vec<Group> = Vec::new();
        for stall in &self.stalls {
            let own =
                stall.own_account.as_ref().map_or_else(String::new, |own| format!(", own account {:.2} ms", own.ms()));
            let bar = Bar {
                label: stall.server.to_owned(),
                parts: vec![Part { value: stall.longest_ms, color: plot::colors(stall.server)[0] }],
                text: format!("{:.2} ms{own}", stall.longest_ms),
            };
            match groups.iter_mut().find(|group| group.label == stall.phase) {
                Some(group) => group.bars.push(bar),
                None => groups.push(Group { label: stall.phase.clone(), bars: vec![bar], marks: Vec::new() }),
            }
        }
        Chart {
            title: "Longest PING round trip".to_owned(),
            notes: self.circumstances(),
            unit: "milliseconds, logarithmic",
            is_logarithmic: true,
            rule: Some((stalls::BUDGET_MS, "1 ms")),
            mark_name: "",
            legend: self.legend(false),
            groups,
        }
    }

    fn markdown(&self) -> String {
        let mut text = String::from("# Side by side\n\n");
        for line in self.circumstances() {
            let _ = writeln!(text, "{line}  ");
        }
        let _ = writeln!(
            text,
            "Load: `{}`, 50 connections, {} alternating rounds (at pipeline 1 {} to {} shorter ones). Servers: `{}`.\n\n\
             CPU per request is the run time of all the server's threads as the scheduler counts it, divided by the requests; user and \
             system in the proportion of their clock ticks. Figures are medians of the rounds, ± is half the distance between the \
             cheapest and the dearest round, a ratio is the median of the ratios within the rounds. The floor is a bare epoll server: \
             what the kernel's part costs.\n",
            self.load,
            self.rounds,
            self.rounds * ROUNDS_UNPIPELINED,
            self.rounds * ROUNDS_NEAR_FLOOR,
            self.arguments
        );
        if !self.lines.is_empty() {
            self.cpu_table(&mut text);
        }
        for (name, chart) in self.charts() {
            let _ = writeln!(text, "![{}]({name})\n", chart.title);
        }
        if !self.structures.is_empty() {
            self.structure_table(&mut text);
        }
        if !self.deliveries.is_empty() {
            self.delivery_table(&mut text);
        }
        if !self.crowds.is_empty() {
            self.crowd_table(&mut text);
        }
        if !self.memory.is_empty() {
            self.memory_table(&mut text);
        }
        if !self.stalls.is_empty() {
            self.stall_table(&mut text);
        }
        if !self.evictions.is_empty() {
            self.eviction_table(&mut text);
        }
        if !self.durability.is_empty() {
            self.durability_table(&mut text);
        }
        if !self.lines.is_empty() {
            self.commands(&mut text);
        }
        text
    }

    fn cpu_table(&self, text: &mut String) {
        text.push_str("## CPU of the server per request\n\n| workload |");
        let names: Vec<&str> = self.lines[0].series.iter().map(|series| series.name).collect();
        for name in &names {
            let _ = write!(text, " {name} ns (user + sys) | req/s |");
        }
        text.push_str(" zedis/redis | zedis/floor | budget | |\n|---|");
        text.push_str(&"---:|---:|".repeat(names.len()));
        text.push_str("---:|---:|---:|---|\n");
        for line in &self.lines {
            let _ = write!(text, "| {} |", line.workload.name());
            for series in &line.series {
                let (ns, share) = (series.ns(), series.user_share());
                let (user, system, noise) = (ns * share, ns * (1.0 - share), series.spread() * 50.0);
                let _ = write!(text, " {ns:.0} ±{noise:.0}% ({user:.0} + {system:.0}) | {:.0} |", series.rate());
            }
            let cell = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
            let (of_redis, of_floor) = (cell(line.ratio("zedis", "redis")), cell(line.ratio("zedis", FLOOR)));
            let _ = writeln!(text, " {of_redis} | {of_floor} | {} | {} |", line.budget_text(), line.verdict());
        }
        text.push('\n');
    }

    fn structure_table(&self, text: &mut String) {
        text.push_str(
            "## Time per operation on large collections\n\nFrom the first request to the last reply, divided by the operations; one \
             connection, cheap operations pipelined. In parentheses the CPU time of the server, with what it does in the \
             background until it rests.\n\n| operation | how |",
        );
        for (name, _) in &self.structures[0].series {
            let _ = write!(text, " {name} us (CPU) |");
        }
        text.push_str(" zedis/redis | CPU | budget | |\n|---|---|");
        text.push_str(&"---:|".repeat(self.structures[0].series.len() + 3));
        text.push_str("---|\n");
        let cell = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
        for timing in &self.structures {
            let _ = write!(text, "| {} | {} |", timing.operation.name, timing.operation.what);
            for (name, _) in &timing.series {
                let _ = match (timing.wall_us(name), timing.cpu_us(name)) {
                    (Some(wall), Some(cpu)) => write!(text, " {wall:.2} ({cpu:.2}) |"),
                    _ => write!(text, " - |"),
                };
            }
            let (wall, cpu, budget) = (cell(timing.wall_ratio()), cell(timing.cpu_ratio()), structures::BUDGET);
            let _ = writeln!(text, " {wall} | {cpu} | {budget:.2} | {} |", timing.verdict());
        }
        text.push('\n');
    }

    fn delivery_table(&self, text: &mut String) {
        text.push_str(
            "## CPU of the server per delivered message, and per transaction\n\nOne connection publishes messages of 32 bytes to \
             one channel; a round ends when all subscribers have received all of them.\n\n| what |",
        );
        for (name, _) in &self.deliveries[0].series {
            let _ = write!(text, " {name} ns |");
        }
        text.push_str(" zedis/redis | budget | |\n|---|");
        text.push_str(&"---:|".repeat(self.deliveries[0].series.len() + 2));
        text.push_str("---|\n");
        for delivery in &self.deliveries {
            let _ = write!(text, "| {} |", delivery.case.name);
            for (name, _) in &delivery.series {
                let _ = write!(text, " {} |", delivery.ns(name).map_or("-".to_owned(), |ns| format!("{ns:.0}")));
            }
            let ratio = delivery.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
            let _ = writeln!(text, " {ratio} | {:.2} | {} |", delivery.case.budget, delivery.verdict());
        }
        text.push('\n');
    }

    fn crowd_table(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "## Latency among {} connections\n\nOne in a hundred of them asks, {} GETs a second in all. Budget: p99 at most {:.1} of \
             Redis's.\n\n| server | p50, us | p99, us | p99.9, us | server CPU per request, ns | p99, of redis's | |\n\
             |---|---:|---:|---:|---:|---:|---|",
            connections::CONNECTIONS,
            connections::RATE,
            connections::BUDGET
        );
        for crowd in &self.crowds {
            let _ = writeln!(
                text,
                "| {} | {:.1} | {:.1} | {:.1} | {:.0} | {:.3} | {} |",
                crowd.server,
                crowd.median(|s| s.p50_us),
                crowd.median(|s| s.p99_us),
                crowd.median(|s| s.p999_us),
                crowd.median(|s| s.ns),
                crowd.of_redis,
                crowd.verdict()
            );
        }
        text.push('\n');
    }

    fn memory_table(&self, text: &mut String) {
        text.push_str("## Resident memory\n\n| what | how |");
        for (name, _) in &self.memory[0].bytes {
            let _ = write!(text, " {name}, B each |");
        }
        text.push_str(" zedis/redis | budget | |\n|---|---|");
        text.push_str(&"---:|".repeat(self.memory[0].bytes.len() + 2));
        text.push_str("---|\n");
        for row in &self.memory {
            let _ = write!(text, "| {} | {} |", row.name, row.what);
            for (_, bytes) in &row.bytes {
                let _ = write!(text, " {} |", bytes.map_or("-".to_owned(), |bytes| format!("{bytes:.1}")));
            }
            let ratio = row.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
            let _ = writeln!(text, " {ratio} | {} | {} |", row.budget_text(), row.verdict());
        }
        text.push('\n');
    }

    fn stall_table(&self, text: &mut String) {
        text.push_str(
            "## Longest PING\n\nA second connection pings in a tight loop meanwhile. \"Overwriting\" is the same load without growth: what \
             it shows is the machine's scheduling. The own account is the longest turn that INFO reports, the median of several rounds \
             and the longest of them; the budget of 1 ms is on the median: what the server does itself comes back in every round, what \
             the machine does to it does not.\n\n| during | server | longest ms | p99.9 ms | pings | own longest turn | |\n|---|---|---:|---:|---:|---|---|\n",
        );
        for stall in &self.stalls {
            let (own, passes) = match &stall.own_account {
                Some(own) => (own.text(), if own.passes() { "PASS" } else { "MISS" }),
                None => ("-".to_owned(), "-"),
            };
            let _ = writeln!(
                text,
                "| {} | {} | {:.3} | {:.3} | {} | {own} | {passes} |",
                stall.phase, stall.server, stall.longest_ms, stall.p999_ms, stall.pings
            );
        }
        text.push('\n');
    }

    fn eviction_table(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "## Hit ratio under maxmemory\n\nZipf-distributed GETs of a keyspace several times as large as the limit; a key that is missing is \
             set. Budget: {:.1} of Redis's hit ratio.\n\n| policy | server | hit ratio | zedis/redis | keys kept | evicted | most memory, MB | \
             own longest turn | |\n|---|---|---:|---:|---:|---:|---:|---|---|",
            eviction::BUDGET
        );
        for seen in &self.evictions {
            let own = seen.own_account.as_ref().map_or("-".to_owned(), |(ms, cause)| format!("{ms:.3} ms: {cause}"));
            let _ = writeln!(
                text,
                "| {} | {} | {:.4} | {:.3} | {} | {} | {:.1} | {own} | {} |",
                seen.policy,
                seen.server,
                seen.hit_ratio,
                seen.of_redis,
                seen.keys_kept,
                seen.evicted,
                seen.used_max_bytes as f64 / f64::from(1 << 20),
                seen.verdict()
            );
        }
        text.push('\n');
    }

    fn durability_table(&self, text: &mut String) {
        text.push_str(
            "## Durability\n\nFiles of all servers on the same disk, rounds alternating; medians of the rounds, a ratio is the median of the \
             ratios within the rounds.\n\n| what | how | unit |",
        );
        for (name, _) in &self.durability[0].series {
            let _ = write!(text, " {name} |");
        }
        text.push_str(" zedis/redis | budget | |\n|---|---|---|");
        text.push_str(&"---:|".repeat(self.durability[0].series.len() + 2));
        text.push_str("---|\n");
        for figure in &self.durability {
            let _ = write!(text, "| {} | {} | {} |", figure.name, figure.what, figure.unit);
            for (name, _) in &figure.series {
                let _ = write!(text, " {} |", figure.of(name).map_or("-".to_owned(), |value| format!("{value:.2}")));
            }
            let ratio = figure.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
            let _ = writeln!(text, " {ratio} | {} | {} |", figure.budget, figure.verdict());
        }
        text.push('\n');
    }

    fn commands(&self, text: &mut String) {
        let _ = writeln!(text, "## Commands\n\n| workload | {} | before |\n|---|---|---|", self.load);
        for line in &self.lines {
            let flags = line.workload.load(self.is_quick).flags().join(" ");
            let _ = writeln!(
                text,
                "| {} | `{flags}` | {:?} |",
                line.workload.name(),
                line.workload.preparation(self.is_quick)
            );
        }
    }
}
