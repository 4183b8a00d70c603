//! The longest PING: a second connection pings in a tight loop while the first makes the server do something large.
//!
//! On a machine with few cores a long round trip may be the scheduler's doing, so the same load without growth (overwriting the
//! keys that are there) is measured too, as the noise to compare with; and a server that reports its own longest turn in INFO
//! (`longest_turn_us`, `longest_turn_cause`) is asked. It does all of it several times, on a new process each time: what is its own
//! doing comes back in every round, what a virtual machine's host takes away within a system call (and the guest's kernel books
//! as the thread's time) does not. The figure is the median of the rounds; the longest of them all is reported beside it.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;

use crate::preparation::{encode_words, is_unknown_command};
use crate::rig;
use crate::rig::client::{Client, encode};
use crate::rig::interrupt;
use crate::rig::server::{Program, Server};
use crate::rounds::{median, progress};

/// The promise of any turn.
pub const BUDGET_MS: f64 = 1.0;
/// A phase never pings for longer.
const PINGING_MAX: Duration = Duration::from_secs(120);
/// Pinging goes on for so long after the large thing was answered, because its work may not be over.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// What was seen during one phase on one server.
pub struct Stall {
    pub server: &'static str,
    pub phase: String,
    pub pings: u64,
    pub p999_ms: f64,
    pub longest_ms: f64,
    pub own_account: Option<OwnAccount>,
}

/// What a server's INFO says of its longest turn, round by round.
pub struct OwnAccount {
    /// Milliseconds, one for each round.
    pub rounds_ms: Vec<f64>,
    /// Of the longest of them.
    pub cause: String,
}

impl OwnAccount {
    /// The median of the rounds, milliseconds.
    pub fn ms(&self) -> f64 {
        median(self.rounds_ms.clone())
    }

    /// The longest of all, milliseconds.
    pub fn longest_ms(&self) -> f64 {
        self.rounds_ms.iter().copied().fold(0.0, f64::max)
    }

    /// Whether a turn is as short as promised.
    pub fn passes(&self) -> bool {
        self.ms() < BUDGET_MS
    }

    /// `0.321 ms (longest of 3 rounds 1.204 ms: its cause)`.
    pub fn text(&self) -> String {
        let (median, longest, rounds) = (self.ms(), self.longest_ms(), self.rounds_ms.len());
        format!("{median:.3} ms (longest of {rounds} rounds {longest:.3} ms: {})", self.cause)
    }
}

pub struct Sizes {
    /// Keys, or fields of a hash, to grow to.
    pub growth: u64,
    /// Keys or fields that expire at the same millisecond.
    pub expiring: u64,
    /// From the first of them to their deadline.
    pub expire_after: Duration,
}

pub const FULL: Sizes = Sizes { growth: 5_000_000, expiring: 1_000_000, expire_after: Duration::from_secs(10) };
pub const QUICK: Sizes = Sizes { growth: 1_000_000, expiring: 200_000, expire_after: Duration::from_secs(3) };
/// Keys without a deadline that are written while others expire.
const SERVED: u64 = 100_000;
/// Fields whose deadline one command sets.
const FIELDS_AT_ONCE: u64 = 100;

/// Memory of the benchmark's own that is left alone during a wait.
const UNTOUCHED_PAGES: usize = 4096;
const PAGE: usize = 4096;

/// A server, the connection that makes it work, and what was seen so far.
struct Watch<'a> {
    name: &'static str,
    server: &'a Server,
    client: Client,
    round: usize,
    stalls: &'a mut Vec<Stall>,
}

type Phases = fn(&mut Watch, &Sizes) -> io::Result<()>;

/// The phases in two lines of `BENCH_ONLY`.
static LINES: [(&str, Phases); 2] = [("stalls keys", keys), ("stalls hash", hash)];

/// Whether anything of this section is selected.
pub fn is_selected() -> bool {
    LINES.iter().any(|(name, _)| rig::is_selected(name))
}

pub fn measure(programs: &[Program], rounds: usize, sizes: &Sizes, directory: &Path) -> io::Result<Vec<Stall>> {
    let mut stalls = Vec::new();
    for program in programs {
        for (_, phases) in LINES.iter().filter(|(name, _)| rig::is_selected(name)) {
            for round in 1..=rounds {
                let server = Server::start(program, directory)?;
                let client = Client::connect(server.port)?;
                phases(&mut Watch { name: program.name, server: &server, client, round, stalls: &mut stalls }, sizes)?;
                if !stalls.iter().any(|stall| stall.server == program.name && stall.own_account.is_some()) {
                    // Its longest PING is seconds; there is nothing in it that needs a second look.
                    break;
                }
            }
        }
    }
    Ok(stalls)
}

fn keys(watch: &mut Watch, sizes: &Sizes) -> io::Result<()> {
    let small = sizes.growth / 10;
    watch.client.fill(small, set)?;
    watch.phase("overwriting (no growth)".to_owned(), |client| {
        client.fill(sizes.growth / 2, |i, frame| set(i % small, frame))
    })?;
    watch.phase(format!("growth to {} keys", sizes.growth), |client| {
        client.fill(sizes.growth - small, |i, frame| set(small + i, frame))
    })?;
    watch.phase(format!("FLUSHALL of {} keys", sizes.growth), |client| client.command(&["FLUSHALL"]).map(drop))?;

    let (deadline, deadline_ms) = deadline(sizes);
    watch.client.fill(sizes.expiring, |i, frame| {
        let key = format!("key:{i:012}");
        encode(frame, &[b"SET", key.as_bytes(), key.as_bytes(), b"PXAT", deadline_ms.as_bytes()]);
    })?;
    let machine = sleep_until_shortly_before(deadline)?;
    watch.phase(format!("{} keys expire at once", sizes.expiring), wait_until_empty)?;
    watch.remark(&machine);
    expire_under_load(watch, sizes)
}

/// Keys with deadlines all over one second, while others are written. What a server says of how late they went is added to its own account.
fn expire_under_load(watch: &mut Watch, sizes: &Sizes) -> io::Result<()> {
    watch.client.fill(SERVED, set)?;
    let (first, _) = deadline(sizes);
    let first_ms = first.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    watch.client.fill(sizes.expiring, |i, frame| {
        let key = format!("exp:{i:012}");
        let deadline_ms = (first_ms + i * 1000 / sizes.expiring).to_string();
        encode(frame, &[b"SET", key.as_bytes(), key.as_bytes(), b"PXAT", deadline_ms.as_bytes()]);
    })?;
    sleep_until_shortly_before(first)?;
    let served = SERVED.to_string();
    watch.phase(format!("{} keys expire in a second", sizes.expiring), |client| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(1500) || client.command(&["DBSIZE"])? != served {
            client.fill(SERVED / 10, set)?;
            if start.elapsed() > PINGING_MAX {
                return Err(io::Error::other("what has expired is not removed"));
            }
        }
        Ok(())
    })?;
    if let Some(p99) = watch.client.info("expire_lag_p99_ms")? {
        let max = watch.client.info("expire_lag_max_ms")?.unwrap_or_default();
        watch.remark(&format!("expiry lag p99 {} ms, max {} ms", p99.trim(), max.trim()));
    }
    Ok(())
}

fn hash(watch: &mut Watch, sizes: &Sizes) -> io::Result<()> {
    let small = sizes.growth / 10;
    watch.client.fill(small, hset)?;
    watch.phase("overwriting fields (no growth)".to_owned(), |client| {
        client.fill(sizes.growth / 2, |i, frame| hset(i % small, frame))
    })?;
    watch.phase(format!("a hash grows to {} fields", sizes.growth), |client| {
        client.fill(sizes.growth - small, |i, frame| hset(small + i, frame))
    })?;
    watch.phase(format!("DEL of {} fields", sizes.growth), |client| client.command(&["DEL", "hash"]).map(drop))?;

    let probe = watch.client.fill(1, |_, frame| encode(frame, &[b"HPEXPIREAT", b"hash", b"1", b"FIELDS", b"1", b"f"]));
    if is_unknown_command(&probe) {
        return Ok(());
    }
    probe?;
    watch.client.fill(sizes.expiring, hset)?;
    let (deadline, deadline_ms) = deadline(sizes);
    let head = ["HPEXPIREAT", "hash", &deadline_ms, "FIELDS", &FIELDS_AT_ONCE.to_string()].map(str::to_owned);
    watch.client.fill(sizes.expiring / FIELDS_AT_ONCE, |batch, frame| {
        let fields = (0..FIELDS_AT_ONCE).map(|n| format!("fld:{:012}", batch * FIELDS_AT_ONCE + n));
        let words: Vec<String> = head.iter().cloned().chain(fields).collect();
        encode_words(frame, &words);
    })?;
    let machine = sleep_until_shortly_before(deadline)?;
    watch.phase(format!("{} fields expire at once", sizes.expiring), wait_until_empty)?;
    watch.remark(&machine);
    Ok(())
}

fn deadline(sizes: &Sizes) -> (SystemTime, String) {
    let deadline = SystemTime::now() + sizes.expire_after;
    (deadline, deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string())
}

/// What memory costs on this machine is returned in words, fresh and after that wait: a virtual machine's host may have to find a page
/// first, or have taken it away meanwhile, and a turn can be no shorter than that.
fn sleep_until_shortly_before(deadline: SystemTime) -> io::Result<String> {
    let early = deadline.duration_since(SystemTime::now()).map_err(|_| io::Error::other("filled too slowly"))?;
    let mut memory = vec![0u8; UNTOUCHED_PAGES * PAGE];
    let fresh = touch(&mut memory);
    interrupt::sleep(early.saturating_sub(Duration::from_millis(200)))?;
    Ok(format!(
        "a page of this machine's memory takes {fresh} when fresh, {} when not used meanwhile",
        touch(&mut memory)
    ))
}

/// Touches each page; how long that took in words.
fn touch(memory: &mut [u8]) -> String {
    let started = Instant::now();
    let mut longest = Duration::ZERO;
    for page in memory.chunks_mut(PAGE) {
        let touched = Instant::now();
        page[0] = std::hint::black_box(1);
        longest = longest.max(touched.elapsed());
    }
    let mean = started.elapsed() / (memory.len() / PAGE) as u32;
    format!("{:.1} us (up to {} us)", mean.as_nanos() as f64 / 1e3, longest.as_micros())
}

fn wait_until_empty(client: &mut Client) -> io::Result<()> {
    let start = Instant::now();
    while client.command(&["DBSIZE"])? != "0" {
        if start.elapsed() > PINGING_MAX {
            return Err(io::Error::other("what has expired is not removed"));
        }
        interrupt::sleep(Duration::from_millis(20))?;
    }
    Ok(())
}

impl Watch<'_> {
    fn phase(&mut self, name: String, work: impl FnOnce(&mut Client) -> io::Result<()>) -> io::Result<()> {
        progress(&format!("longest PING, {name}: {}, round {}", self.name, self.round));
        let stall = during(self.name, name, self.server.port, &mut self.client, work)?;
        stall.print();
        match self.stalls.iter_mut().find(|other| other.server == stall.server && other.phase == stall.phase) {
            Some(earlier) => earlier.merge(stall),
            None => self.stalls.push(stall),
        }
        Ok(())
    }

    /// Prints a remark on the last phase, and adds it to what the server said of itself there.
    fn remark(&mut self, remark: &str) {
        println!("{:<32} {:<7} {remark}", "", self.name);
        if let Some(own) = self.stalls.last_mut().and_then(|stall| stall.own_account.as_mut()) {
            own.cause += &format!("; {remark}");
        }
    }
}

fn during(
    server: &'static str,
    phase: String,
    port: u16,
    client: &mut Client,
    work: impl FnOnce(&mut Client) -> io::Result<()>,
) -> io::Result<Stall> {
    // Twice, since the turn that begins an account is in it: after a wait the first has everything to fetch.
    client.command(&["CONFIG", "RESETSTAT"])?;
    client.command(&["CONFIG", "RESETSTAT"])?;
    let stop = AtomicBool::new(false);
    let round_trips = std::thread::scope(|scope| {
        let pinging = scope.spawn(|| ping_until(port, &stop));
        let result = work(client).and_then(|()| interrupt::sleep(AFTERWARDS));
        stop.store(true, Ordering::Relaxed);
        let round_trips = pinging.join().map_err(|_| io::Error::other("pinging failed"))?;
        result?;
        round_trips
    })?;
    let own_account = longest_turn(client)?.map(|(ms, cause)| OwnAccount { rounds_ms: vec![ms], cause });
    let ms = |ns: u64| ns as f64 / 1e6;
    Ok(Stall {
        server,
        phase,
        pings: round_trips.len(),
        p999_ms: ms(round_trips.value_at_quantile(0.999)),
        longest_ms: ms(round_trips.max()),
        own_account,
    })
}

/// Round trips in nanoseconds. The longest turn by the account of a server that has one, milliseconds, and its cause. Both of one answer:
/// the turn that gives it may be the longest for the next.
pub fn longest_turn(client: &mut Client) -> io::Result<Option<(f64, String)>> {
    let text = client.command(&["INFO", "stats"])?;
    let value = |field| text.lines().find_map(|line: &str| line.strip_prefix(field)?.strip_prefix(':'));
    let ms = value("longest_turn_us").and_then(|us| us.trim().parse::<f64>().ok()).map(|us| us / 1e3);
    Ok(ms.map(|ms| (ms, value("longest_turn_cause").unwrap_or_default().to_owned())))
}

fn ping_until(port: u16, stop: &AtomicBool) -> io::Result<Histogram<u64>> {
    let mut histogram = Histogram::new(3).map_err(io::Error::other)?;
    let mut client = Client::connect(port)?;
    let start = Instant::now();
    while !stop.load(Ordering::Relaxed) && start.elapsed() < PINGING_MAX {
        interrupt::check()?;
        let sent = Instant::now();
        client.command(&["PING"])?;
        histogram.record(u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX)).map_err(io::Error::other)?;
    }
    Ok(histogram)
}

impl Stall {
    /// Takes in another round of the same phase: the longest of both, and all that the server says of itself.
    fn merge(&mut self, other: Stall) {
        self.pings += other.pings;
        self.longest_ms = self.longest_ms.max(other.longest_ms);
        self.p999_ms = self.p999_ms.max(other.p999_ms);
        if let (Some(own), Some(other)) = (&mut self.own_account, other.own_account) {
            if other.longest_ms() > own.longest_ms() {
                own.cause = other.cause;
            }
            own.rounds_ms.extend(other.rounds_ms);
        }
    }

    fn print(&self) {
        progress("");
        let own = self.own_account.as_ref().map_or_else(String::new, |own| {
            format!("; its own longest turn {:.3} ms ({})", own.longest_ms(), own.cause)
        });
        println!(
            "{:<32} {:<7} longest PING {:>8.3} ms, p99.9 {:>7.3} ms, {} pings{own}",
            self.phase, self.server, self.longest_ms, self.p999_ms, self.pings
        );
    }
}

fn set(i: u64, frame: &mut Vec<u8>) {
    encode(frame, &[b"SET", format!("key:{i:012}").as_bytes(), format!("val:{i:012}").as_bytes()]);
}

fn hset(i: u64, frame: &mut Vec<u8>) {
    encode(frame, &[b"HSET", b"hash", format!("fld:{i:012}").as_bytes(), format!("val:{i:012}").as_bytes()]);
}
