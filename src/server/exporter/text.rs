//! INFO, and the histograms, in Prometheus's text format
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! Every number of INFO is there under its name: what only grows as a counter, the rest as gauges; what is text is a label of
//! `zedis_instance_info`. Numbers of commands, errors and databases have labels. Times are in seconds where the metric is ours.

use std::collections::BTreeSet;
use std::fmt::{Display, Write};

use hdrhistogram::Histogram;

use crate::commands::{CommandId, CommandStats};
use crate::server::engine::Engine;
use crate::server::info::{self, Sections};

/// Fields of INFO that are names, though all of their digits may be decimal.
const NAMES: &[&str] = &["redis_git_sha1", "redis_build_id", "run_id", "master_replid", "master_replid2"];

/// Fields of INFO that only grow, unless their beginning says so.
const COUNTERS: &[&str] = &[
    "expired_keys",
    "expired_subkeys",
    "evicted_keys",
    "evicted_clients",
    "evicted_scripts",
    "keyspace_hits",
    "keyspace_misses",
    "rejected_connections",
    "sync_full",
    "sync_partial_ok",
    "sync_partial_err",
    "eventloop_cycles",
    "eventloop_duration_sum",
    "protocol_errors",
    "turns_over_stall_threshold",
    "lazyfreed_objects",
    "rdb_saves",
];
const COUNTER_BEGINS: &[&str] = &[
    "total_commands",
    "total_connections",
    "total_net",
    "total_error",
    "total_reads",
    "total_writes",
    "used_cpu",
    "acl_access_denied",
    "io_threaded",
];
const COUNTER_ENDS: &[&str] = &["_disconnections"];

/// Upper bounds of the histograms' buckets: powers of two of a microsecond, up to a second.
const BUCKETS: u32 = 21;

/// Commands whose histograms are written in one slice.
const SLICE_COMMANDS: usize = 6;

/// A text being made, a slice in a turn.
#[derive(Default)]
pub(super) struct Rendering {
    out: Exposition,
    /// What comes next; beyond the first parts it is a command's number.
    stage: usize,
}

impl Rendering {
    /// Writes the next slice; the text, when it is complete.
    pub(super) fn advance(&mut self, engine: &mut Engine) -> Option<String> {
        const PARTS: [fn(&mut Engine, &mut Exposition); 3] = [info_fields, rows, turns];
        if let Some(part) = PARTS.get(self.stage) {
            part(engine, &mut self.out);
            self.stage += 1;
            return None;
        }
        let name = "zedis_command_duration_seconds";
        self.out.describe(name, "histogram", "Duration of a command's calls; those of quick ones are means of runs.");
        let mut written = 0;
        for id in self.stage - PARTS.len()..engine.registry.stats.len() {
            self.stage += 1;
            let id = id as CommandId;
            let Some(histogram) = engine.stats.histograms.get(id) else { continue };
            let sum_ns = engine.registry.stats[usize::from(id)].run_ns;
            let labels = [("cmd", engine.registry.get(id).full_name.as_str())];
            self.out.histogram(name, &labels, &histogram, sum_ns);
            written += 1;
            if written == SLICE_COMMANDS {
                return None;
            }
        }
        Some(std::mem::take(&mut self.out.text))
    }
}

/// The text, growing.
#[derive(Default)]
struct Exposition {
    text: String,
    /// Metrics that have been described.
    described: BTreeSet<String>,
}

impl Exposition {
    /// Describes a metric, once.
    fn describe(&mut self, name: &str, kind: &str, help: &str) {
        if self.described.insert(name.to_owned()) {
            // Writing to a string cannot fail.
            let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        }
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{label}=\"{}\"", escaped(text));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// The buckets of a histogram of nanoseconds.
    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram<u64>, sum_ns: u64) {
        let mut below = 0;
        let mut values = histogram.iter_recorded().peekable();
        let bucket = format!("{name}_bucket");
        for power in 0..BUCKETS {
            let bound_ns = 1000u64 << power;
            while let Some(value) = values.next_if(|value| value.value_iterated_to() <= bound_ns) {
                below += value.count_at_value();
            }
            let bound = (bound_ns as f64 / 1e9).to_string();
            let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            self.sample(&bucket, &labels, below);
        }
        let labels_of_all: Vec<(&str, &str)> = labels.iter().copied().chain([("le", "+Inf")]).collect();
        self.sample(&bucket, &labels_of_all, histogram.len());
        self.sample(&format!("{name}_sum"), labels, sum_ns as f64 / 1e9);
        self.sample(&format!("{name}_count"), labels, histogram.len());
    }
}

/// A label's value: backslash, quote and line end are escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A field's value as a number, if it is one.
fn number(value: &str) -> Option<f64> {
    match value {
        "ok" => Some(1.0),
        "err" => Some(0.0),
        value => value.strip_suffix('%').unwrap_or(value).parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

fn is_counter(name: &str) -> bool {
    COUNTERS.contains(&name)
        || COUNTER_BEGINS.iter().any(|begin| name.starts_with(begin))
        || COUNTER_ENDS.iter().any(|end| name.ends_with(end))
}

fn info_fields(engine: &mut Engine, out: &mut Exposition) {
    let wanted = Sections::DEFAULT.difference(Sections::ERRORSTATS | Sections::KEYSPACE);
    let info = info::text(engine, wanted);
    let mut texts: Vec<(&str, &str)> = Vec::new();
    for (field, value) in info.lines().filter_map(|line| line.split_once(':')) {
        // The same for people; what would have the label of something else.
        if field.ends_with("_human") || !field.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        if field.ends_with("_cause") {
            // Not a label of what joins with everything else: it changes with each long turn.
            let name = format!("zedis_{field}");
            out.describe(&name, "gauge", &format!("{field} of INFO."));
            out.sample(&name, &[("cause", value)], 1);
            continue;
        }
        match number(value).filter(|_| !NAMES.contains(&field)) {
            Some(number) => {
                let name = format!("zedis_{field}");
                let kind = if is_counter(field) { "counter" } else { "gauge" };
                out.describe(&name, kind, &format!("{field} of INFO."));
                out.sample(&name, &[], number);
            }
            None => texts.push((field, value)),
        }
    }
    out.describe("zedis_instance_info", "gauge", "What INFO says in words.");
    out.sample("zedis_instance_info", &texts, 1);
}

fn rows(engine: &mut Engine, out: &mut Exposition) {
    databases(engine, out);
    errors(engine, out);
    commands(engine, out);
}

fn turns(engine: &mut Engine, out: &mut Exposition) {
    let name = "zedis_turn_duration_seconds";
    out.describe(name, "histogram", "Duration of turns of the event loop, without the time that it slept.");
    out.histogram(name, &[], &engine.recorder.histogram(), engine.recorder.busy_ns);
}

fn databases(engine: &Engine, out: &mut Exposition) {
    let now_ms = engine.keyspace.now_ms();
    let names = [
        ("zedis_db_keys", "Keys of a database."),
        ("zedis_db_keys_expiring", "Keys of a database that have a deadline."),
        ("zedis_db_avg_ttl_seconds", "Mean time that those have left."),
    ];
    for (at, (name, help)) in names.into_iter().enumerate() {
        out.describe(name, "gauge", help);
        for index in 0..engine.keyspace.databases() {
            let db = engine.keyspace.db(index);
            let value = match at {
                0 => db.len() as f64,
                1 => db.volatile_len() as f64,
                _ => db.ttl_mean_ms(now_ms) as f64 / 1000.0,
            };
            if !db.is_empty() {
                out.sample(name, &[("db", &format!("db{index}"))], value);
            }
        }
    }
}

fn errors(engine: &Engine, out: &mut Exposition) {
    out.describe("zedis_errors_total", "counter", "Error replies by their code.");
    for (code, count) in &engine.stats.errors {
        out.sample("zedis_errors_total", &[("err", &String::from_utf8_lossy(code))], count);
    }
}

fn commands(engine: &Engine, out: &mut Exposition) {
    type Value = fn(&CommandStats) -> f64;
    let metrics: [(&str, &str, Value); 4] = [
        ("zedis_commands_total", "Calls of a command.", |stats| stats.calls as f64),
        ("zedis_commands_seconds_total", "Time that its calls took.", |stats| stats.run_ns as f64 / 1e9),
        ("zedis_commands_rejected_total", "Calls that were refused before they ran.", |stats| stats.rejected as f64),
        ("zedis_commands_failed_total", "Calls that answered an error.", |stats| stats.failed as f64),
    ];
    for (name, help, value) in metrics {
        out.describe(name, "counter", help);
        for (id, registered) in engine.registry.iter() {
            let stats = &engine.registry.stats[usize::from(id)];
            if stats.calls + stats.rejected + stats.failed > 0 {
                out.sample(name, &[("cmd", &registered.full_name)], value(stats));
            }
        }
    }
}
