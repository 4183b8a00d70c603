//! LATENCY GRAPH: an event's samples as a picture of letters, the oldest on the left; under each column its age, written downwards.

use super::Event;

/// Samples in a row of columns.
const COLUMNS: usize = 80;
const ROWS: usize = 4;
/// The heights that a column's top may have within its row.
const TOPS: [u8; 3] = *b"_o#";
const BELOW_TOP: u8 = b'|';

/// The picture of `event`, called `name`.
pub fn graph(name: &str, event: &Event, now_s: u64) -> String {
    let samples: Vec<(u64, String)> =
        event.samples().map(|sample| (sample.ms, age(now_s.saturating_sub(sample.unix_s)))).collect();
    let high = samples.iter().map(|&(ms, _)| ms).max().unwrap_or(0);
    let low = samples.iter().map(|&(ms, _)| ms).min().unwrap_or(0);
    let mut text = format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", event.max_ms());
    text += &"-".repeat(COLUMNS);
    text.push('\n');
    for (index, columns) in samples.chunks(COLUMNS).enumerate() {
        if index > 0 {
            text.push('\n');
        }
        draw(&mut text, columns, low, high);
    }
    text
}

/// `17s`, `5m`, `3h`, `2d`
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

fn draw(text: &mut String, columns: &[(u64, String)], low: u64, high: u64) {
    let steps = (TOPS.len() * ROWS) as u64;
    let range = (high - low).max(1);
    let step =
        |ms: u64| (u128::from(ms - low) * u128::from(steps) / u128::from(range)).min(u128::from(steps - 1)) as usize;
    let mut line = |cell: &dyn Fn(&(u64, String)) -> u8| {
        text.extend(columns.iter().map(|column| char::from(cell(column))));
        text.push('\n');
    };
    for row in (0..ROWS).rev() {
        let base = row * TOPS.len();
        line(&|(ms, _)| match step(*ms).checked_sub(base) {
            None => b' ',
            Some(top) => TOPS.get(top).copied().unwrap_or(BELOW_TOP),
        });
    }
    line(&|_| b' ');
    let longest = columns.iter().map(|(_, label)| label.len()).max().unwrap_or(0);
    for at in 0..longest {
        line(&|(_, label)| label.as_bytes().get(at).copied().unwrap_or(b' '));
    }
}
