//! What keeping the data costs: an append-only file under load, loading both kinds of file, and saving. The files of all servers lie on the
//! same disk, in directories that are removed at the end; servers take turns within each round.

use std::fmt;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cpu::{CpuTime, resident_bytes};
use crate::rig;
use crate::rig::client::{Client, encode, prepare_keys};
use crate::rig::interrupt;
use crate::rig::load::Load;
use crate::rig::server::{Program, Server};
use crate::rounds::{median, progress, settle};
use crate::stalls;

pub struct Sizes {
    /// Keys that are loaded and saved.
    pub keys: u64,
    /// Requests that are logged and synced once a second, without a pipeline and with one.
    pub everysec: [u64; 2],
    /// Requests whose replies wait for the disk.
    pub always: [u64; 2],
}

pub const FULL: Sizes = Sizes { keys: 5_000_000, everysec: [500_000, 2_000_000], always: [50_000, 400_000] };
pub const QUICK: Sizes = Sizes { keys: 500_000, everysec: [100_000, 400_000], always: [10_000, 80_000] };
/// Pipeline depths of both.
const DEPTHS: [u32; 2] = [1, 16];
/// Keys that the requests are about.
const LOGGED_KEYS: u64 = 100_000;
/// A save that takes longer is broken.
const SAVE_MAX: Duration = Duration::from_secs(300);
/// Between two looks at a save.
const SAVE_PAUSE: Duration = Duration::from_millis(5);
/// More requests than are sent while a save goes on.
const ENDLESS: u64 = 1_000_000_000;

const EVERYSEC: [&str; 2] = ["durability everysec P1", "durability everysec P16"];
const ALWAYS: [&str; 2] = ["durability always P1", "durability always P16"];
const LOAD_RDB: &str = "durability load RDB";
const LOAD_AOF: &str = "durability load AOF";
const SAVE: &str = "durability BGSAVE";
const SAVE_UNDER_LOAD: [&str; 2] = ["durability turn while saving", "durability memory while saving"];

/// What a figure has to be.
#[derive(Clone, Copy)]
pub enum Budget {
    /// So many times Redis's at most.
    OfRedis(f64),
    /// So many times Redis's at least.
    AtLeastOfRedis(f64),
    Most(f64),
}

impl fmt::Display for Budget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Budget::OfRedis(most) => write!(formatter, "{most:.2}"),
            Budget::AtLeastOfRedis(least) => write!(formatter, "at least {least:.2}"),
            Budget::Most(most) => write!(formatter, "{most}"),
        }
    }
}

/// A line of the report, with a value for each server and round.
pub struct Figure {
    pub name: &'static str,
    pub what: String,
    pub unit: &'static str,
    pub budget: Budget,
    pub series: Vec<(&'static str, Vec<f64>)>,
}

impl Figure {
    fn new(name: &'static str, what: String, unit: &'static str, budget: Budget, programs: &[Program]) -> Figure {
        let series = programs.iter().map(|program| (program.name, Vec::new())).collect();
        Figure { name, what, unit, budget, series }
    }

    fn push(&mut self, server: &str, value: f64) {
        self.series.iter_mut().filter(|(name, _)| *name == server).for_each(|(_, values)| values.push(value));
    }

    fn values(&self, server: &str) -> Option<&[f64]> {
        self.series.iter().find(|(name, values)| *name == server && !values.is_empty()).map(|(_, values)| &values[..])
    }

    pub fn of(&self, server: &str) -> Option<f64> {
        self.values(server).map(|values| median(values.to_vec()))
    }

    /// The median of the ratios within the rounds.
    pub fn ratio(&self) -> Option<f64> {
        let (zedis, redis) = (self.values("zedis")?, self.values("redis")?);
        Some(median(zedis.iter().zip(redis).map(|(zedis, redis)| zedis / redis).collect()))
    }

    pub fn verdict(&self) -> &'static str {
        let passes = match self.budget {
            Budget::OfRedis(most) => self.ratio().map(|ratio| ratio <= most),
            Budget::AtLeastOfRedis(least) => self.ratio().map(|ratio| ratio >= least),
            Budget::Most(most) => self.of("zedis").map(|value| value <= most),
        };
        match passes {
            Some(true) => "PASS",
            Some(false) => "MISS",
            None => "-",
        }
    }

    fn print(&self) {
        progress("");
        let cell = |name| self.of(name).map_or("-".to_owned(), |value| format!("{value:.2}"));
        let cells: Vec<String> = self.series.iter().map(|(name, _)| format!("{name} {}", cell(name))).collect();
        let ratio = self.ratio().map_or(String::new(), |ratio| format!("  zedis/redis {ratio:.3}"));
        let (budget, verdict) = (self.budget, self.verdict());
        println!("{:<32} {} {}{ratio} (budget {budget}) {verdict}", self.name, cells.join("  "), self.unit);
    }
}

/// A directory for files, which goes with them.
struct Files(PathBuf);

impl Files {
    fn new(parent: &Path, name: &str) -> io::Result<Files> {
        let path = parent.join(format!("durability-{}-{name}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Files(path))
    }

    fn text(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether anything of this section is selected.
pub fn is_selected() -> bool {
    let single = [LOAD_RDB, LOAD_AOF, SAVE];
    EVERYSEC.iter().chain(&ALWAYS).chain(&single).chain(&SAVE_UNDER_LOAD).any(|name| rig::is_selected(name))
}

pub fn measure(
    programs: &[Program],
    rounds: usize,
    saves: usize,
    sizes: &Sizes,
    directory: &Path,
) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (at, name) in EVERYSEC.into_iter().enumerate().filter(|(_, name)| rig::is_selected(name)) {
        let budget = Budget::OfRedis([0.95, 0.7][at]);
        let mut figure =
            Figure::new(name, "SET, appendfsync everysec".to_owned(), "ns of CPU per request", budget, programs);
        let load = sets(DEPTHS[at], sizes.everysec[at]);
        logged(&mut figure, programs, rounds, "everysec", directory, |server| cpu_per_request(server, load))?;
        figures.push(figure);
    }
    for (at, name) in ALWAYS.into_iter().enumerate().filter(|(_, name)| rig::is_selected(name)) {
        let budget = Budget::AtLeastOfRedis(1.0);
        let mut figure = Figure::new(name, "SET, appendfsync always".to_owned(), "requests/s", budget, programs);
        let load = sets(DEPTHS[at], sizes.always[at]);
        logged(&mut figure, programs, rounds, "always", directory, |server| load.run(server.port))?;
        figures.push(figure);
    }
    if rig::is_selected(LOAD_RDB) {
        let files = Files::new(directory, "rdb")?;
        make_rdb(&programs[0], &files, sizes.keys)?;
        figures.extend(loading(LOAD_RDB, programs, rounds, sizes, &files, "no")?);
    }
    if rig::is_selected(LOAD_AOF) {
        let files = Files::new(directory, "aof")?;
        make_aof(&files, sizes.keys)?;
        figures.extend(loading(LOAD_AOF, programs, rounds, sizes, &files, "yes")?);
    }
    if rig::is_selected(SAVE) {
        figures.push(saving(programs, rounds, sizes, directory)?);
    }
    if SAVE_UNDER_LOAD.iter().any(|name| rig::is_selected(name)) {
        figures.extend(saving_under_load(programs, saves, sizes, directory)?);
    }
    Ok(figures)
}

fn sets(pipeline: u32, requests: u64) -> Load<'static> {
    Load { test: "set", request: None, pipeline, keys: Some(LOGGED_KEYS), requests }
}

/// Rounds on servers that log what they execute.
fn logged(
    figure: &mut Figure,
    programs: &[Program],
    rounds: usize,
    policy: &str,
    directory: &Path,
    run: impl Fn(&Server) -> io::Result<f64>,
) -> io::Result<()> {
    let mut servers = Vec::new();
    for program in programs {
        let files = Files::new(directory, program.name)?;
        let dir = files.text();
        // A rewrite in the middle would be measured as well.
        let arguments =
            ["--dir", &dir, "--appendonly", "yes", "--appendfsync", policy, "--auto-aof-rewrite-percentage", "0"];
        servers.push((program.name, Server::start_with(program, directory, &arguments)?, files));
    }
    for round in 1..=rounds {
        for (name, server, _) in &servers {
            progress(&format!("{}: round {round} of {rounds}, {name}", figure.name));
            figure.push(name, run(server)?);
        }
    }
    figure.print();
    Ok(())
}

fn cpu_per_request(server: &Server, load: Load<'_>) -> io::Result<f64> {
    settle(server.pid())?;
    let before = CpuTime::of(server.pid())?;
    load.run(server.port)?;
    settle(server.pid())?;
    Ok(CpuTime::of(server.pid())?.since(&before).run_ns as f64 / load.requests as f64)
}

/// The RDB file that every server loads, by Redis.
fn make_rdb(redis: &Program, files: &Files, keys: u64) -> io::Result<()> {
    let server = Server::start_with(redis, &files.0, &["--dir", &files.text(), "--enable-debug-command", "yes"])?;
    let mut client = Client::connect(server.port)?;
    client.command(&["DEBUG", "POPULATE", &keys.to_string()])?;
    client.command(&["SAVE"]).map(drop)
}

/// The append-only file that every server loads: SETs of the same keys and values.
fn make_aof(files: &Files, keys: u64) -> io::Result<()> {
    let directory = files.0.join("appendonlydir");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("appendonly.aof.manifest"), "file appendonly.aof.1.incr.aof seq 1 type i\n")?;
    let mut file = BufWriter::new(fs::File::create(directory.join("appendonly.aof.1.incr.aof"))?);
    let mut frame = Vec::new();
    encode(&mut frame, &[b"SELECT", b"0"]);
    for number in 0..keys {
        encode(&mut frame, &[b"SET", format!("key:{number}").as_bytes(), format!("value:{number}").as_bytes()]);
        file.write_all(&frame)?;
        frame.clear();
    }
    file.flush()
}

/// From the start of the process until it serves, wall time and CPU time.
fn loading(
    name: &'static str,
    programs: &[Program],
    rounds: usize,
    sizes: &Sizes,
    files: &Files,
    appendonly: &str,
) -> io::Result<[Figure; 2]> {
    let what = |time: &str| format!("{} small strings, from the start to the first PONG, {time}", sizes.keys);
    let figure = |time, unit| Figure::new(name, what(time), unit, Budget::OfRedis(0.6), programs);
    let mut figures = [figure("wall time", "s"), figure("CPU of all threads", "s of CPU")];
    let dir = files.text();
    for round in 1..=rounds {
        for program in programs {
            progress(&format!("{name}: round {round} of {rounds}, {}", program.name));
            let started = Instant::now();
            let server = Server::start_with(program, &files.0, &["--dir", &dir, "--appendonly", appendonly])?;
            let wall_s = started.elapsed().as_secs_f64();
            let cpu_s = CpuTime::of(server.pid())?.run_ns as f64 / 1e9;
            let keys = Client::connect(server.port)?.command(&["DBSIZE"])?;
            if keys != sizes.keys.to_string() {
                return Err(io::Error::other(format!("{} loaded {keys} of {} keys", program.name, sizes.keys)));
            }
            figures[0].push(program.name, wall_s);
            figures[1].push(program.name, cpu_s);
        }
    }
    figures.iter().for_each(Figure::print);
    Ok(figures)
}

/// Saves in the background, and calls `look` until that is done. How long it took, seconds.
fn save(client: &mut Client, mut look: impl FnMut() -> io::Result<()>) -> io::Result<f64> {
    let started = Instant::now();
    client.command(&["BGSAVE"])?;
    // Not all of INFO, which would be a noticeable part of what is measured.
    while !client.command(&["INFO", "persistence"])?.contains("rdb_bgsave_in_progress:0") {
        look()?;
        if started.elapsed() > SAVE_MAX {
            return Err(io::Error::other("BGSAVE does not end"));
        }
        interrupt::sleep(SAVE_PAUSE)?;
    }
    match client.info("rdb_last_bgsave_status")?.as_deref() {
        Some("ok") => Ok(started.elapsed().as_secs_f64()),
        status => Err(io::Error::other(format!("BGSAVE: {status:?}"))),
    }
}

fn saving(programs: &[Program], rounds: usize, sizes: &Sizes, directory: &Path) -> io::Result<Figure> {
    let what = format!("{} small strings, nothing else to do, wall time", sizes.keys);
    let mut figure = Figure::new(SAVE, what, "s", Budget::OfRedis(1.3), programs);
    let mut servers = Vec::new();
    for program in programs {
        progress(&format!("{SAVE}: filling {}", program.name));
        let files = Files::new(directory, program.name)?;
        let server =
            Server::start_with(program, directory, &["--dir", &files.text(), "--enable-debug-command", "yes"])?;
        let mut client = Client::connect(server.port)?;
        client.command(&["DEBUG", "POPULATE", &sizes.keys.to_string()])?;
        servers.push((program.name, server, client, files));
    }
    for round in 1..=rounds {
        for (name, _, client, _) in &mut servers {
            progress(&format!("{SAVE}: round {round} of {rounds}, {name}"));
            figure.push(name, save(client, || Ok(()))?);
        }
    }
    figure.print();
    Ok(figure)
}

/// The longest turn by the account of a server that has one, milliseconds; says so.
fn longest_turn(client: &mut Client, when: &str, server: &str) -> io::Result<Option<f64>> {
    let Some((ms, cause)) = stalls::longest_turn(client)? else { return Ok(None) };
    println!("{:<32} {server} {ms:.3} ms ({cause})", format!("longest turn {when}"));
    Ok(Some(ms))
}

/// Every key is overwritten again and again meanwhile, as fast as the load can.
fn saving_under_load(programs: &[Program], saves: usize, sizes: &Sizes, directory: &Path) -> io::Result<[Figure; 2]> {
    let what = format!("BGSAVE of {} keys while SETs overwrite them, P16", sizes.keys);
    let [turn, memory] = SAVE_UNDER_LOAD;
    let turn_what = format!("{what}: longest by INFO's account, median of {saves} saves (see stalls)");
    let mut turn = Figure::new(turn, turn_what, "ms", Budget::Most(1.0), programs);
    let memory_what = format!("{what}: resident memory (of Redis: copied pages) of that of the data");
    let mut memory = Figure::new(memory, memory_what, "%", Budget::Most(10.0), programs);
    let mut without_ms = Vec::new();
    for program in programs {
        progress(&format!("saving under load: {}", program.name));
        let files = Files::new(directory, program.name)?;
        let server = Server::start_with(program, directory, &["--dir", &files.text()])?;
        let empty_bytes = resident_bytes(server.pid())?;
        prepare_keys(server.port, Some(sizes.keys))?;
        let load = Load { test: "set", request: None, pipeline: 16, keys: Some(sizes.keys), requests: ENDLESS };
        let load = load.start(server.port)?;
        // Until it is under way.
        interrupt::sleep(Duration::from_secs(1))?;
        let mut client = Client::connect(server.port)?;
        for save_number in 0..saves {
            client.command(&["CONFIG", "RESETSTAT"])?;
            let before_bytes = resident_bytes(server.pid())?;
            let mut most_bytes = before_bytes;
            let took_s = save(&mut client, || {
                most_bytes = most_bytes.max(resident_bytes(server.pid())?);
                Ok(())
            })?;
            let data_bytes = before_bytes.saturating_sub(empty_bytes);
            let own_ms = longest_turn(&mut client, "while saving", program.name)?;
            let mut added_bytes = most_bytes - before_bytes;
            if let Some(ms) = own_ms {
                turn.push(program.name, ms);
                // What the machine does to turns of the same load when nothing is saved, for as long a time.
                client.command(&["CONFIG", "RESETSTAT"])?;
                interrupt::sleep(Duration::from_secs_f64(took_s))?;
                without_ms.extend(longest_turn(&mut client, "without a save", program.name)?);
            } else {
                let copied = client.info("rdb_last_cow_size")?.and_then(|bytes| bytes.trim().parse::<u64>().ok());
                added_bytes += copied.unwrap_or(0);
            }
            // Only the first finds the memory as the data left it: the allocator keeps for the next what a save gave back.
            if save_number == 0 {
                memory.push(program.name, added_bytes as f64 * 100.0 / data_bytes.max(1) as f64);
            }
            if own_ms.is_none() {
                break;
            }
        }
        drop(load);
    }
    if !without_ms.is_empty() {
        turn.what += &format!(", {:.2} ms without a save", median(without_ms));
    }
    turn.print();
    memory.print();
    Ok([turn, memory])
}
