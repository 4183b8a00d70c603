//! The sections commandstats and errorstats.

use super::Text;
use crate::server::engine::Engine;

pub(super) fn commandstats(engine: &mut Engine, text: &mut Text) {
    for (id, registered) in engine.registry.iter() {
        let stats = &engine.registry.stats[usize::from(id)];
        if stats.calls == 0 && stats.rejected == 0 && stats.failed == 0 {
            continue;
        }
        let usec = stats.run_ns / 1000;
        let per_call = stats.run_ns as f64 / 1000.0 / stats.calls.max(1) as f64;
        text.field(
            &format!("cmdstat_{}", registered.full_name),
            format_args!(
                "calls={},usec={usec},usec_per_call={per_call:.2},rejected_calls={},failed_calls={}",
                stats.calls, stats.rejected, stats.failed
            ),
        );
    }
}

pub(super) fn errorstats(engine: &mut Engine, text: &mut Text) {
    for (code, count) in &engine.stats.errors {
        text.field(&format!("errorstat_{}", String::from_utf8_lossy(code)), format_args!("count={count}"));
    }
}

pub(super) fn latencystats(engine: &mut Engine, text: &mut Text) {
    let percentiles = &engine.config.latency_tracking_info_percentiles;
    for (id, registered) in engine.registry.iter() {
        let Some(histogram) = engine.stats.histograms.get(id) else { continue };
        let values: Vec<String> = percentiles
            .iter()
            .map(|&percent| format!("p{percent}={:.3}", histogram.value_at_percentile(percent) as f64 / 1000.0))
            .collect();
        text.field(&format!("latency_percentiles_usec_{}", registered.full_name), values.join(","));
    }
}
