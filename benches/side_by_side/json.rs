//! The report for programs: `results.json`.

use crate::report::Report;
use crate::structures;

impl Report {
    pub fn json(&self) -> String {
        let versions = self.versions.iter().map(|(name, version)| format!("{}: {}", quote(name), quote(version)));
        let lines = self.lines.iter().map(|line| {
            let series = line.series.iter().map(|series| {
                let rounds = series.samples.iter().map(|sample| format!("{:.1}", sample.ns));
                format!(
                    "{}: {{\"cpu_ns\": {:.1}, \"user_share\": {:.3}, \"requests_per_s\": {:.0}, \"rounds_cpu_ns\": [{}]}}",
                    quote(series.name),
                    series.ns(),
                    series.user_share(),
                    series.rate(),
                    join(rounds)
                )
            });
            format!(
                "{{\"workload\": {}, \"ratio\": {}, \"budget\": {}, \"verdict\": {}, \"servers\": {{{}}}}}",
                quote(&line.workload.name()),
                number(line.ratio("zedis", "redis")),
                line.workload.budget.of_redis,
                quote(line.verdict()),
                join(series)
            )
        });
        let structures = self.structures.iter().map(|timing| {
            let servers = timing.series.iter().map(|(name, samples)| {
                let rounds = samples.iter().map(|sample| format!("{:.3}", sample.wall_us));
                format!(
                    "{}: {{\"wall_us\": {}, \"cpu_us\": {}, \"rounds_wall_us\": [{}]}}",
                    quote(name),
                    number(timing.wall_us(name)),
                    number(timing.cpu_us(name)),
                    join(rounds)
                )
            });
            format!(
                "{{\"operation\": {}, \"ratio\": {}, \"cpu_ratio\": {}, \"budget\": {}, \"verdict\": {}, \"servers\": {{{}}}}}",
                quote(timing.operation.name),
                number(timing.wall_ratio()),
                number(timing.cpu_ratio()),
                structures::BUDGET,
                quote(timing.verdict()),
                join(servers)
            )
        });
        let deliveries = self.deliveries.iter().map(|delivery| {
            let servers = delivery.series.iter().map(|(name, samples)| {
                let rounds = samples.iter().map(|ns| format!("{ns:.1}"));
                format!(
                    "{}: {{\"cpu_ns\": {}, \"rounds_cpu_ns\": [{}]}}",
                    quote(name),
                    number(delivery.ns(name)),
                    join(rounds)
                )
            });
            format!(
                "{{\"what\": {}, \"ratio\": {}, \"budget\": {}, \"verdict\": {}, \"servers\": {{{}}}}}",
                quote(delivery.case.name),
                number(delivery.ratio()),
                delivery.case.budget,
                quote(delivery.verdict()),
                join(servers)
            )
        });
        let crowds = self.crowds.iter().map(|crowd| {
            format!(
                "{{\"server\": {}, \"p50_us\": {:.1}, \"p99_us\": {:.1}, \"p999_us\": {:.1}, \"ns\": {:.0}, \"ratio\": {:.4}, \"verdict\": {}}}",
                quote(crowd.server),
                crowd.median(|s| s.p50_us),
                crowd.median(|s| s.p99_us),
                crowd.median(|s| s.p999_us),
                crowd.median(|s| s.ns),
                crowd.of_redis,
                quote(crowd.verdict())
            )
        });
        let memory = self.memory.iter().map(|row| {
            let cells = row.bytes.iter().map(|(name, bytes)| {
                format!("{}: {}", quote(name), bytes.map_or("null".to_owned(), |bytes| format!("{bytes:.1}")))
            });
            format!(
                "{{\"what\": {}, \"ratio\": {}, \"budget\": {}, \"verdict\": {}, \"bytes\": {{{}}}}}",
                quote(row.name),
                number(row.ratio()),
                row.budget.of_redis,
                quote(row.verdict()),
                join(cells)
            )
        });
        let stalls = self.stalls.iter().map(|stall| {
            let own = match &stall.own_account {
                Some(own) => {
                    let (ms, longest) = (own.ms(), own.longest_ms());
                    format!("{{\"ms\": {ms:.3}, \"longest_ms\": {longest:.3}, \"cause\": {}}}", quote(&own.cause))
                }
                None => "null".to_owned(),
            };
            format!(
                "{{\"phase\": {}, \"server\": {}, \"longest_ms\": {:.3}, \"p999_ms\": {:.3}, \"pings\": {}, \"own_account\": {own}}}",
                quote(&stall.phase),
                quote(stall.server),
                stall.longest_ms,
                stall.p999_ms,
                stall.pings
            )
        });
        let evictions = self.evictions.iter().map(|seen| {
            format!(
                "{{\"policy\": {}, \"server\": {}, \"hit_ratio\": {:.4}, \"ratio\": {:.4}, \"keys_kept\": {}, \"evicted\": {}, \
                 \"verdict\": {}}}",
                quote(seen.policy),
                quote(seen.server),
                seen.hit_ratio,
                seen.of_redis,
                seen.keys_kept,
                seen.evicted,
                quote(seen.verdict())
            )
        });
        let durability = self.durability.iter().map(|figure| {
            let values = figure.series.iter().map(|(name, _)| format!("{}: {}", quote(name), number(figure.of(name))));
            format!(
                "{{\"name\": {}, \"unit\": {}, \"values\": {{{}}}, \"ratio\": {}, \"verdict\": {}}}",
                quote(figure.name),
                quote(figure.unit),
                join(values),
                number(figure.ratio()),
                quote(figure.verdict())
            )
        });
        format!(
            "{{\n\"date\": {}, \"machine\": {}, \"commit\": {}, \"load\": {}, \"quick\": {}, \"rounds\": {},\n\"versions\": {{{}}},\n\
             \"cpu\": [\n{}\n],\n\"structures\": [\n{}\n],\n\"pubsub\": [\n{}\n],\n\"connections\": [\n{}\n],\n\"memory\": [\n{}\n],\n\"stalls\": [\n{}\n],\n\"evictions\": [\n{}\n],\n\"durability\": [\n{}\n]\n}}\n",
            quote(&self.date),
            quote(&self.machine),
            quote(&self.commit),
            quote(&self.load),
            self.is_quick,
            self.rounds,
            join(versions),
            join_lines(lines),
            join_lines(structures),
            join_lines(deliveries),
            join_lines(crowds),
            join_lines(memory),
            join_lines(stalls),
            join_lines(evictions),
            join_lines(durability)
        )
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or("null".to_owned(), |value| format!("{value:.4}"))
}

fn quote(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            c if c < ' ' => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn join_lines(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",\n")
}
