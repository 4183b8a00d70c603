//! Horizontal bar charts as SVG: one function draws them all. Colours carry the server, shades the part (user, system).

use std::fmt::Write as _;

/// A part of a bar, in the chart's unit.
pub struct Part {
    pub value: f64,
    pub color: &'static str,
}

pub struct Bar {
    pub label: String,
    /// Stacked from the left.
    pub parts: Vec<Part>,
    /// Written behind the bar.
    pub text: String,
}

/// Bars under one heading, with marks across all of them.
pub struct Group {
    pub label: String,
    pub bars: Vec<Bar>,
    /// Values to mark with a vertical stroke, as the floor or the budget.
    pub marks: Vec<f64>,
}

pub struct Chart {
    pub title: String,
    /// Command, date, machine, versions: one line each.
    pub notes: Vec<String>,
    pub unit: &'static str,
    /// Decades instead of equal steps.
    pub is_logarithmic: bool,
    /// A line through the whole chart, and its name.
    pub rule: Option<(f64, &'static str)>,
    /// What the strokes of the groups are; empty if there are none.
    pub mark_name: &'static str,
    pub legend: Vec<(&'static str, &'static str)>,
    pub groups: Vec<Group>,
}

pub const REDIS: [&str; 2] = ["#b8433a", "#e3a39e"];
pub const ZEDIS: [&str; 2] = ["#1f6f8b", "#8fc1d4"];
pub const VALKEY: [&str; 2] = ["#6a5fa8", "#bbb5de"];
const INK: &str = "#22272e";
const FAINT: &str = "#6b7480";
const GRID: &str = "#dfe3e8";
const MARK: &str = "#e09f1f";

/// The two shades of a server.
pub fn colors(server: &str) -> [&'static str; 2] {
    match server {
        "zedis" => ZEDIS,
        "valkey" => VALKEY,
        _ => REDIS,
    }
}

const WIDTH: f64 = 960.0;
const LEFT: f64 = 268.0;
/// Room for the text behind the longest bar.
const RIGHT: f64 = 220.0;
const BAR: f64 = 16.0;
const BAR_GAP: f64 = 3.0;
const GROUP_GAP: f64 = 14.0;
const NOTE: f64 = 15.0;

impl Chart {
    pub fn svg(&self) -> String {
        let top = 78.0;
        let bars: usize = self.groups.iter().map(|group| group.bars.len()).sum();
        let plot = bars as f64 * (BAR + BAR_GAP) + self.groups.len() as f64 * GROUP_GAP;
        let bottom = top + plot + GROUP_GAP / 2.0;
        let height = bottom + 44.0 + NOTE * self.notes.len() as f64 + 10.0;
        let mut svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" width="{WIDTH}" height="{height:.0}" font-family="Inter, Helvetica, Arial, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
"#
        );
        text(&mut svg, 20.0, 30.0, &self.title, &format!(r#"font-size="18" font-weight="600" fill="{INK}""#));
        self.draw_legend(&mut svg, 54.0);
        self.draw_grid(&mut svg, top, bottom);
        if let Some((value, name)) = self.rule {
            let x = self.x(value);
            line(&mut svg, x, top, x, bottom, &format!(r#"stroke="{INK}" stroke-width="1.2" stroke-dasharray="4 3""#));
            text(&mut svg, x + 4.0, top + 2.0, name, &format!(r#"fill="{INK}" font-size="11""#));
        }
        let mut y = top + GROUP_GAP / 2.0;
        for group in &self.groups {
            self.draw_group(&mut svg, group, y);
            y += group.bars.len() as f64 * (BAR + BAR_GAP) + GROUP_GAP;
        }
        for (i, note) in self.notes.iter().enumerate() {
            text(&mut svg, 20.0, bottom + 48.0 + NOTE * i as f64, note, &format!(r#"fill="{FAINT}" font-size="11""#));
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn draw_legend(&self, svg: &mut String, y: f64) {
        let mut x = 20.0;
        for (name, color) in &self.legend {
            let _ =
                writeln!(svg, r#"<rect x="{x:.1}" y="{:.1}" width="12" height="12" rx="2" fill="{color}"/>"#, y - 10.0);
            text(svg, x + 17.0, y, name, &format!(r#"fill="{INK}""#));
            x += 36.0 + name.len() as f64 * 6.3;
        }
        if !self.mark_name.is_empty() {
            line(svg, x + 5.0, y - 11.0, x + 5.0, y + 3.0, &format!(r#"stroke="{MARK}" stroke-width="3""#));
            text(svg, x + 13.0, y, self.mark_name, &format!(r#"fill="{INK}""#));
        }
    }

    fn draw_grid(&self, svg: &mut String, top: f64, bottom: f64) {
        for tick in self.ticks() {
            let x = self.x(tick);
            line(svg, x, top, x, bottom, &format!(r#"stroke="{GRID}""#));
            text(svg, x, bottom + 16.0, &number(tick), &format!(r#"fill="{FAINT}" text-anchor="middle""#));
        }
        let unit = format!(r#"fill="{FAINT}" text-anchor="middle""#);
        text(svg, LEFT + (WIDTH - LEFT - RIGHT) / 2.0, bottom + 31.0, self.unit, &unit);
    }

    fn draw_group(&self, svg: &mut String, group: &Group, y: f64) {
        let rows = group.bars.len() as f64;
        let height = rows * (BAR + BAR_GAP) - BAR_GAP;
        let label = format!(r#"fill="{INK}" font-weight="600""#);
        text(svg, 20.0, y + height / 2.0 + 4.0, &group.label, &label);
        for (i, bar) in group.bars.iter().enumerate() {
            let y = y + i as f64 * (BAR + BAR_GAP);
            let baseline = y + BAR / 2.0 + 4.0;
            text(svg, LEFT - 8.0, baseline, &bar.label, &format!(r#"fill="{FAINT}" text-anchor="end""#));
            let mut sum = 0.0;
            for part in &bar.parts {
                let (from, to) = (if sum > 0.0 { self.x(sum) } else { LEFT }, self.x(sum + part.value));
                let _ = writeln!(
                    svg,
                    r#"<rect x="{from:.1}" y="{y:.1}" width="{:.1}" height="{BAR}" fill="{}"/>"#,
                    (to - from).max(0.5),
                    part.color
                );
                sum += part.value;
            }
            let after = group
                .marks
                .iter()
                .fold(self.x(sum), |x, &mark| if self.x(mark) - x < 6.0 { x.max(self.x(mark)) } else { x });
            let rim = format!(r#"fill="{INK}" stroke="white" stroke-width="4" paint-order="stroke""#);
            text(svg, after + 7.0, baseline, &bar.text, &rim);
        }
        for &mark in &group.marks {
            let x = self.x(mark);
            line(svg, x, y - 3.0, x, y + height + 3.0, &format!(r#"stroke="{MARK}" stroke-width="3""#));
        }
    }

    fn max(&self) -> f64 {
        let bars = self.groups.iter().flat_map(|group| &group.bars);
        let sums = bars.map(|bar| bar.parts.iter().map(|part| part.value).sum::<f64>());
        let marks = self.groups.iter().flat_map(|group| group.marks.iter().copied());
        sums.chain(marks).chain(self.rule.map(|(value, _)| value)).fold(f64::MIN_POSITIVE, f64::max)
    }

    /// The left end of a logarithmic axis: a power of ten below every value and well below the rule.
    fn log_min(&self) -> f64 {
        let bars = self.groups.iter().flat_map(|group| &group.bars);
        let sums = bars.map(|bar| bar.parts.iter().map(|part| part.value).sum::<f64>()).filter(|&value| value > 0.0);
        let rule = self.rule.map(|(value, _)| value / 2.0);
        10f64.powf(sums.chain(rule).fold(self.max(), f64::min).log10().floor())
    }

    fn x(&self, value: f64) -> f64 {
        let share = if self.is_logarithmic {
            let min = self.log_min().log10();
            (value.max(self.log_min()).log10() - min) / (self.max().log10() - min).max(f64::MIN_POSITIVE)
        } else {
            value / self.max()
        };
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    fn ticks(&self) -> Vec<f64> {
        let max = self.max();
        if self.is_logarithmic {
            let mut ticks = Vec::new();
            let mut tick = self.log_min();
            while tick <= max {
                ticks.push(tick);
                tick *= 10.0;
            }
            return ticks;
        }
        // Steps of 1, 2 or 5 times a power of ten: about five of them.
        let raw = max / 5.0;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|&step| step >= raw).unwrap_or(raw);
        (0..).map(|i| f64::from(i) * step).take_while(|&tick| tick <= max * 1.001).collect()
    }
}

fn number(value: f64) -> String {
    // Enough digits for 0.001, and no tail of floating-point noise.
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn text(svg: &mut String, x: f64, y: f64, text: &str, style: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" {style}>{text}</text>"#);
}

fn line(svg: &mut String, x1: f64, y1: f64, x2: f64, y2: f64, style: &str) {
    let _ = writeln!(svg, r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" {style}/>"#);
}
