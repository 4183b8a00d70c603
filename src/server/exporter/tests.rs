//! The text is valid: parsed by the rules of the format.

use std::collections::{BTreeMap, BTreeSet};

use crate::server::exporter::text::Rendering;
use crate::server::testing::EngineHarness;

/// Name with labels, and value, of every sample; panics where the text is not valid.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let mut samples = BTreeMap::new();
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut current = "";
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a name and a text");
            assert!(is_name(name) && !help.is_empty(), "{line}");
            assert!(seen.insert(name), "{name} is described twice");
            current = name;
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a name and a type");
            assert!(name == current && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
            kinds.insert(name, kind);
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let name = series.split('{').next().expect("a name");
        let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let belongs = name == current && kinds[current] != "histogram"
            || of_histogram == Some(current) && kinds[current] == "histogram";
        assert!(is_name(name) && belongs, "{line} stands below {current}");
        if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
            let labels = labels.strip_prefix('{').and_then(|labels| labels.strip_suffix('}')).expect("braces");
            let mut rest = labels;
            while !rest.is_empty() {
                let (label, behind) = rest.split_once("=\"").expect("a label and its value");
                assert!(is_name(label), "{line}");
                let mut end = 0;
                while behind.as_bytes()[end] != b'"' {
                    end += if behind.as_bytes()[end] == b'\\' { 2 } else { 1 };
                }
                rest = behind[end + 1..].strip_prefix(',').unwrap_or(&behind[end + 1..]);
            }
        }
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(samples.insert(series.to_owned(), value).is_none(), "{series} is there twice");
    }
    samples
}

/// The whole text; it takes several slices.
fn metrics(harness: &mut EngineHarness) -> String {
    let mut rendering = Rendering::default();
    for slices in 1..1000 {
        if let Some(text) = rendering.advance(&mut harness.engine) {
            assert!(slices > 3, "it was made in slices");
            return text;
        }
    }
    panic!("it does not come to an end");
}

#[test]
fn the_text_is_valid_and_says_what_info_says() {
    let mut harness = EngineHarness::with_config(&[("enable-debug-command", "yes")]);
    harness.line("set a 1");
    harness.line("set b 1 ex 100");
    harness.line("get a");
    harness.line("debug sleep 0.3");
    harness.line("nosuch");
    harness.line("get a b");
    harness.line("incr a");
    harness.send(&[b"CONFIG", b"SET", b"dir", b"/no \"such\\dir"]);
    let text = metrics(&mut harness);
    let samples = parse(&text);
    let value = |series: &str| *samples.get(series).unwrap_or_else(|| panic!("{series} is missing:\n{text}"));
    assert_eq!(value("zedis_connected_clients"), 1.0);
    assert_eq!(value("zedis_db_keys{db=\"db0\"}"), 2.0);
    assert_eq!(value("zedis_db_keys_expiring{db=\"db0\"}"), 1.0);
    assert_eq!(value("zedis_commands_total{cmd=\"set\"}"), 2.0);
    assert_eq!(value("zedis_commands_rejected_total{cmd=\"get\"}"), 1.0);
    assert_eq!(value("zedis_errors_total{err=\"ERR\"}"), 3.0);
    assert_eq!(value("zedis_command_duration_seconds_count{cmd=\"debug\"}"), 1.0);
    assert_eq!(value("zedis_command_duration_seconds_bucket{cmd=\"debug\",le=\"0.262144\"}"), 0.0);
    assert_eq!(value("zedis_command_duration_seconds_bucket{cmd=\"debug\",le=\"0.524288\"}"), 1.0);
    assert_eq!(value("zedis_command_duration_seconds_bucket{cmd=\"debug\",le=\"+Inf\"}"), 1.0);
    assert_eq!(value("zedis_command_duration_seconds_sum{cmd=\"debug\"}"), 0.3);
    assert_eq!(value("zedis_rdb_last_bgsave_status"), 1.0);
    assert!(value("zedis_used_memory") > 0.0 && text.contains("# TYPE zedis_keyspace_hits counter\n"));
    assert!(text.contains("redis_version=\"7.4.0\""));
    // Every number of INFO.
    let info = harness.line("info");
    for line in info.lines().filter(|line| !line.starts_with("db") && !line.starts_with("errorstat_")) {
        let Some((field, number)) = line.split_once(':') else { continue };
        if number.parse::<f64>().is_ok() {
            let is_name = text.contains(&format!("{field}=\"{number}\""));
            assert!(is_name || samples.contains_key(&format!("zedis_{field}")), "{field} is missing");
        }
    }
}
