//! What people and scripts read: the live line and the report of each test, in redis-benchmark's forms (with p99.9 added). Pure
//! text: it knows no socket and no clock.

use std::io::{self, Write};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::target::HostConfig;

/// What a report says, apart from the numbers.
#[derive(Clone, Debug)]
pub struct Style {
    pub quiet: bool,
    pub csv: bool,
    /// Decimal places of milliseconds.
    pub precision: usize,
}

/// The settings that a full report repeats.
#[derive(Clone, Debug)]
pub struct Settings {
    pub clients: usize,
    pub data_size: usize,
    pub keepalive: bool,
    pub pipeline: usize,
    pub threads: Option<usize>,
    /// Given only if random numbers are sent.
    pub seed: Option<u64>,
    pub host_config: Option<HostConfig>,
}

/// A test that has run.
#[derive(Debug)]
pub struct Outcome<'a> {
    pub title: &'a str,
    pub elapsed: Duration,
    /// In nanoseconds.
    pub latency: &'a Histogram<u64>,
}

impl Outcome<'_> {
    fn rps(&self) -> f64 {
        rate(self.latency.len(), self.elapsed)
    }
}

fn rate(requests: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { requests as f64 / seconds } else { 0.0 }
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// The percentiles of the summary, with their names.
const PERCENTILES: [(&str, f64); 4] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)];

impl Style {
    /// What comes before the first report.
    pub fn header(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.csv {
            return Ok(());
        }
        write!(out, r#""test","rps","avg_latency_ms","min_latency_ms""#)?;
        for (name, _) in PERCENTILES {
            write!(out, r#","{name}_latency_ms""#)?;
        }
        writeln!(out, r#","max_latency_ms""#)
    }

    /// The report of one test.
    pub fn outcome(&self, out: &mut dyn Write, outcome: &Outcome<'_>, settings: &Settings) -> io::Result<()> {
        if self.csv {
            return self.csv_line(out, outcome);
        }
        if self.quiet {
            let p50 = ms(outcome.latency.value_at_quantile(0.5));
            let rps = outcome.rps();
            return writeln!(out, "{}: {rps:.2} requests per second, p50={p50:.*} msec", outcome.title, self.precision);
        }
        writeln!(out, "====== {} ======", outcome.title)?;
        writeln!(
            out,
            "  {} requests completed in {:.2} seconds",
            outcome.latency.len(),
            outcome.elapsed.as_secs_f64()
        )?;
        self.settings(out, settings)?;
        self.distributions(out, outcome.latency)?;
        writeln!(out, "Summary:")?;
        writeln!(out, "  throughput summary: {:.2} requests per second", outcome.rps())?;
        writeln!(out, "  latency summary (msec):")?;
        let numbers = self.summary(outcome.latency);
        let width = 9.max(numbers.iter().map(|(_, value)| value.len() + 1).max().unwrap_or(0));
        write!(out, "  ")?;
        for (name, _) in &numbers {
            write!(out, " {name:>width$}")?;
        }
        write!(out, "\n  ")?;
        for (_, value) in &numbers {
            write!(out, " {value:>width$}")?;
        }
        write!(out, "\n\n")
    }

    fn settings(&self, out: &mut dyn Write, settings: &Settings) -> io::Result<()> {
        writeln!(out, "  {} parallel clients", settings.clients)?;
        writeln!(out, "  {} bytes payload", settings.data_size)?;
        writeln!(out, "  keep alive: {}", u8::from(settings.keepalive))?;
        if settings.pipeline > 1 {
            writeln!(out, "  pipeline: {}", settings.pipeline)?;
        }
        if let Some(config) = &settings.host_config {
            writeln!(out, "  host configuration \"save\": {}", config.save)?;
            writeln!(out, "  host configuration \"appendonly\": {}", config.appendonly)?;
        }
        match settings.threads {
            None => writeln!(out, "  multi-thread: no")?,
            Some(threads) => writeln!(out, "  multi-thread: yes\n  threads: {threads}")?,
        }
        if let Some(seed) = settings.seed {
            writeln!(out, "  seed: {seed}")?;
        }
        writeln!(out)
    }

    fn distributions(&self, out: &mut dyn Write, latency: &Histogram<u64>) -> io::Result<()> {
        writeln!(out, "Latency by percentile distribution:")?;
        for step in latency.iter_quantiles(1) {
            let percent = 100.0 * step.quantile_iterated_to();
            self.distribution_line(out, percent, step.value_iterated_to(), latency)?;
        }
        writeln!(out, "\nCumulative distribution of latencies:")?;
        let mut printed = 0;
        let mut bound_us = 100;
        while printed < latency.len() {
            let count = latency.count_between(0, bound_us * 1000);
            if count > printed || bound_us == 100 {
                let percent = 100.0 * count as f64 / latency.len() as f64;
                self.distribution_line(out, percent, bound_us * 1000, latency)?;
            }
            printed = count;
            bound_us += step_us(bound_us);
        }
        writeln!(out)
    }

    fn distribution_line(
        &self,
        out: &mut dyn Write,
        percent: f64,
        value_ns: u64,
        latency: &Histogram<u64>,
    ) -> io::Result<()> {
        let count = latency.count_between(0, value_ns);
        writeln!(out, "{percent:.3}% <= {:.*} milliseconds (cumulative count {count})", self.precision, ms(value_ns))
    }

    fn csv_line(&self, out: &mut dyn Write, outcome: &Outcome<'_>) -> io::Result<()> {
        write!(out, r#""{}","{:.2}""#, outcome.title.replace('"', r#""""#), outcome.rps())?;
        for (_, value) in self.summary(outcome.latency) {
            write!(out, r#","{value}""#)?;
        }
        writeln!(out)
    }

    /// Column names and numbers of the latency summary.
    fn summary(&self, latency: &Histogram<u64>) -> Vec<(&'static str, String)> {
        let text = |value_ns: f64| format!("{:.*}", self.precision, value_ns / 1e6);
        let mut columns = vec![("avg", text(latency.mean())), ("min", text(latency.min() as f64))];
        for (name, quantile) in PERCENTILES {
            columns.push((name, text(latency.value_at_quantile(quantile) as f64)));
        }
        columns.push(("max", text(latency.max() as f64)));
        columns
    }
}

/// Steps of the cumulative distribution: 0.1 ms up to 2 ms, then 1 ms, then ever larger, so that a stall of minutes stays readable.
fn step_us(bound_us: u64) -> u64 {
    match bound_us {
        0..2_000 => 100,
        2_000..100_000 => 1_000,
        _ => bound_us,
    }
}

/// A line that rewrites itself while a test runs.
#[derive(Debug, Default)]
pub struct LiveLine {
    /// Characters on the terminal's line.
    width: usize,
    last_finished: u64,
    last_latency_sum_ns: u64,
    last_elapsed: Duration,
}

impl LiveLine {
    /// Shows the state `elapsed` after the start, and the rate since the last update.
    pub fn update(
        &mut self,
        out: &mut dyn Write,
        title: &str,
        elapsed: Duration,
        finished: u64,
        latency_sum_ns: u64,
    ) -> io::Result<()> {
        // The threads publish the two numbers one after the other, so they may not go together exactly.
        let recent = finished.saturating_sub(self.last_finished);
        let recent_sum_ns = latency_sum_ns.saturating_sub(self.last_latency_sum_ns);
        let average = |sum_ns: u64, count: u64| {
            if count == 0 { 0.0 } else { ms(sum_ns) / count as f64 }
        };
        let line = format!(
            "{title}: rps={:.1} (overall: {:.1}) avg_msec={:.3} (overall: {:.3})",
            rate(recent, elapsed.saturating_sub(self.last_elapsed)),
            rate(finished, elapsed),
            average(recent_sum_ns, recent),
            average(latency_sum_ns, finished),
        );
        let width = line.chars().count();
        write!(out, "\r{line}{:pad$}\r", "", pad = self.width.saturating_sub(width))?;
        self.width = width;
        self.last_finished = finished;
        self.last_latency_sum_ns = latency_sum_ns;
        self.last_elapsed = elapsed;
        out.flush()
    }

    /// Leaves an empty line.
    pub fn clear(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.width > 0 {
            write!(out, "\r{:width$}\r", "", width = self.width)?;
            self.width = 0;
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LiveLine, Outcome, Settings, Style};
    use crate::benchmark::load::latency_histogram;
    use crate::benchmark::target::HostConfig;

    fn report(style: &Style) -> String {
        let mut latency = latency_histogram();
        for us in 1..=1000 {
            latency.record(us * 1000).unwrap();
        }
        let settings = Settings {
            clients: 50,
            data_size: 3,
            keepalive: true,
            pipeline: 16,
            threads: Some(2),
            seed: Some(9),
            host_config: Some(HostConfig { save: String::new(), appendonly: "no".into() }),
        };
        let outcome = Outcome { title: "say \"x\"", elapsed: Duration::from_millis(500), latency: &latency };
        let mut out = Vec::new();
        style.header(&mut out).unwrap();
        style.outcome(&mut out, &outcome, &settings).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_has_a_header_and_a_line() {
        let text = report(&Style { quiet: true, csv: true, precision: 3 });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            r#""test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","p99.9_latency_ms","max_latency_ms""#
        );
        assert_eq!(lines.len(), 2);
        assert!(lines[1].starts_with(r#""say ""x""","2000.00","0.50"#), "{text}");
        assert_eq!(lines[1].split(',').count(), lines[0].split(',').count());
    }

    #[test]
    fn quiet_is_one_line() {
        let text = report(&Style { quiet: true, csv: false, precision: 1 });
        assert_eq!(text, "say \"x\": 2000.00 requests per second, p50=0.5 msec\n");
    }

    #[test]
    fn the_full_report_has_every_part() {
        let text = report(&Style { quiet: false, csv: false, precision: 3 });
        for part in [
            "====== say \"x\" ======\n  1000 requests completed in 0.50 seconds\n  50 parallel clients\n",
            "  pipeline: 16\n  host configuration \"save\": \n  host configuration \"appendonly\": no\n",
            "  multi-thread: yes\n  threads: 2\n  seed: 9\n",
            "  throughput summary: 2000.00 requests per second\n",
            "100.000% <= 1.000 milliseconds (cumulative count 1000)\n",
            "       avg       min       p50       p95       p99     p99.9       max\n",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
    }

    #[test]
    fn the_live_line_rewrites_itself() {
        let mut out = Vec::new();
        let mut live = LiveLine::default();
        live.update(&mut out, "GET", Duration::from_millis(250), 1000, 2_000_000_000).unwrap();
        live.update(&mut out, "GET", Duration::from_millis(500), 1500, 3_000_000_000).unwrap();
        live.clear(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("\rGET: rps=4000.0 (overall: 4000.0) avg_msec=2.000 (overall: 2.000)"), "{text:?}");
        assert!(text.contains("\rGET: rps=2000.0 (overall: 3000.0) avg_msec=2.000 (overall: 2.000)"), "{text:?}");
        assert!(text.ends_with(" \r"));
    }
}
