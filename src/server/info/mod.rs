//! INFO: the sections, their order, and the text. One file per group of sections; each appends `field:value` lines.
//!
//! A field whose subject does not exist yet (replicas, scripts) is there where tools look for it, and says
//! so with a zero. What is not measured is left out.

mod commands;
mod facts;
mod memory;
mod process;
mod stats;

use std::fmt::Display;

use crate::server::engine::Engine;

pub use facts::Facts;

bitflags::bitflags! {
    /// Sections of INFO, in the order in which they are printed.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Sections: u16 {
        const SERVER = 1;
        const CLIENTS = 1 << 1;
        const MEMORY = 1 << 2;
        const PERSISTENCE = 1 << 3;
        const STATS = 1 << 4;
        const REPLICATION = 1 << 5;
        const CPU = 1 << 6;
        const MODULES = 1 << 7;
        const COMMANDSTATS = 1 << 8;
        const ERRORSTATS = 1 << 9;
        const LATENCYSTATS = 1 << 10;
        const CLUSTER = 1 << 11;
        const KEYSPACE = 1 << 12;
    }
}

impl Sections {
    /// What INFO without an argument prints.
    pub const DEFAULT: Sections = Sections::all().difference(Sections::COMMANDSTATS.union(Sections::LATENCYSTATS));

    /// The sections that an argument of INFO means, none if it is unknown.
    pub fn parse(name: &[u8]) -> Sections {
        let name = name.to_ascii_lowercase();
        match name.as_slice() {
            b"default" => Sections::DEFAULT,
            b"all" | b"everything" => Sections::all(),
            name => SECTIONS
                .iter()
                .find(|section| section.title.to_ascii_lowercase().as_bytes() == name)
                .map_or(Sections::empty(), |section| section.bit),
        }
    }
}

struct Section {
    bit: Sections,
    title: &'static str,
    fill: fn(&mut Engine, &mut Text),
}

const SECTIONS: &[Section] = &[
    Section { bit: Sections::SERVER, title: "Server", fill: process::server },
    Section { bit: Sections::CLIENTS, title: "Clients", fill: process::clients },
    Section { bit: Sections::MEMORY, title: "Memory", fill: memory::memory },
    Section { bit: Sections::PERSISTENCE, title: "Persistence", fill: stats::persistence },
    Section { bit: Sections::STATS, title: "Stats", fill: stats::stats },
    Section { bit: Sections::REPLICATION, title: "Replication", fill: stats::replication },
    Section { bit: Sections::CPU, title: "CPU", fill: process::cpu },
    Section { bit: Sections::MODULES, title: "Modules", fill: |_, _| {} },
    Section { bit: Sections::COMMANDSTATS, title: "Commandstats", fill: commands::commandstats },
    Section { bit: Sections::ERRORSTATS, title: "Errorstats", fill: commands::errorstats },
    Section { bit: Sections::LATENCYSTATS, title: "Latencystats", fill: commands::latencystats },
    Section { bit: Sections::CLUSTER, title: "Cluster", fill: |_, text| text.field("cluster_enabled", 0) },
    Section { bit: Sections::KEYSPACE, title: "Keyspace", fill: stats::keyspace },
];

/// The text of INFO, growing.
#[derive(Default)]
struct Text(String);

impl Text {
    fn field(&mut self, name: &str, value: impl Display) {
        use std::fmt::Write;
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    /// A number of bytes, and the same for people.
    fn bytes(&mut self, name: &str, bytes: usize) {
        self.field(name, bytes);
        self.field(&format!("{name}_human"), human(bytes));
    }
}

/// The text of the sections in `wanted`.
pub fn text(engine: &mut Engine, wanted: Sections) -> String {
    let mut text = Text::default();
    for section in SECTIONS.iter().filter(|section| wanted.contains(section.bit)) {
        if !text.0.is_empty() {
            text.0.push_str("\r\n");
        }
        text.0.push_str("# ");
        text.0.push_str(section.title);
        text.0.push_str("\r\n");
        (section.fill)(engine, &mut text);
    }
    text.0
}

/// `1.50M`
fn human(bytes: usize) -> String {
    const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut scaled = bytes as f64 / 1024.0;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{scaled:.2}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::{SECTIONS, Sections, human};

    #[test]
    fn bytes_for_people() {
        for (bytes, text) in [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (1_572_864, "1.50M"), (1 << 40, "1.00T")] {
            assert_eq!(human(bytes), text);
        }
    }

    #[test]
    fn every_section_has_a_name() {
        let all = SECTIONS.iter().fold(Sections::empty(), |all, section| all | section.bit);
        assert_eq!(all, Sections::all());
        assert_eq!(Sections::parse(b"CPU"), Sections::CPU);
        assert_eq!(Sections::parse(b"cpus"), Sections::empty());
        assert!(!Sections::parse(b"default").contains(Sections::COMMANDSTATS));
        assert!(Sections::parse(b"Everything").contains(Sections::COMMANDSTATS));
    }
}
