//! PROFILE: the server samples its own thread and says where it spends its time, without perf.
//!
//! ```text
//!   START: Sampler (src/base/sampler.rs) interrupts the loop's thread some 99 times in a second of its CPU time
//!   STOP:  Sampler --> a thread of its own: stacks are folded, named, drawn --> cron looks whether it is done --> reply
//! ```
//!
//! The client that stopped it is held meanwhile ([`gate::AWAITS`]); everybody else is served as always. Bounded: one profile at a time, as
//! many samples as the sampler has room for, [`LONGEST_MS`], and a report of [`REPORT_MAX`] bytes.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use crate::base::sampler::{SAMPLES_MAX, Sampler, Samples};
use crate::base::threads;
use crate::commands::CommandError;
use crate::server::engine::Engine;
use crate::server::session::gate;

/// Samples in a second of CPU time: not a divisor of anything periodic.
pub const DEFAULT_HZ: u32 = 99;
/// Sampling ends by itself after this time, milliseconds; what there is waits for STOP.
const LONGEST_MS: u64 = 600_000;
/// Bytes of folded stacks; of more, the least frequent are left out.
const REPORT_MAX: usize = 8 * 1024 * 1024;

/// How a profile is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProfileFormat {
    /// A line for each stack, with its number of samples.
    Folded,
    /// A flame graph.
    Svg,
}

/// A profile being taken, and one being written.
#[derive(Default)]
pub(super) struct Profile {
    active: Option<Active>,
    report: Option<Report>,
}

struct Active {
    sampler: Sampler,
    hz: u32,
    started_ms: u64,
    is_over: bool,
}

/// A report in the making, and who waits for it: slab key and id.
struct Report {
    key: usize,
    id: u64,
    written: Receiver<Result<Vec<u8>, String>>,
}

/// What PROFILE STATUS says.
pub struct ProfileStatus {
    pub is_active: bool,
    pub is_writing: bool,
    pub hz: u32,
    pub samples: usize,
    pub samples_max: usize,
    pub seconds: u64,
}

impl Engine {
    /// PROFILE START: samples the calling thread.
    ///
    /// # Errors
    /// When a profile is being taken or written already, or the kernel refuses.
    pub fn start_profile(&mut self, hz: u32) -> Result<(), CommandError> {
        if self.profile.active.is_some() || self.profile.report.is_some() {
            return Err(CommandError::new("ERR a profile is being taken already"));
        }
        let failed = |error: io::Error| CommandError::owned(format!("ERR the profile can't be started: {error}"));
        let sampler = Sampler::start(hz).map_err(failed)?;
        let started_ms = self.keyspace.now_ms() as u64;
        self.profile.active = Some(Active { sampler, hz, started_ms, is_over: false });
        Ok(())
    }

    /// PROFILE STOP: the client is answered when the report is written.
    ///
    /// # Errors
    /// When no profile is being taken, or there is no thread to write it.
    pub fn stop_profile(&mut self, key: usize, format: ProfileFormat) -> Result<(), CommandError> {
        let Some(Active { sampler, .. }) = self.profile.active.take() else {
            return Err(CommandError::new("ERR no profile is being taken"));
        };
        let (sender, written) = mpsc::channel();
        let write = move || {
            // Who does not wait for it any more does not get it.
            let _ = sender.send(write_report(&sampler.stop(), format));
        };
        let failed = |error: io::Error| CommandError::owned(format!("ERR the profile can't be written: {error}"));
        threads::spawn("zedis-profile", write).map_err(failed)?;
        let session = &mut self.clients[key].session;
        session.gates |= gate::AWAITS;
        self.profile.report = Some(Report { key, id: session.id, written });
        Ok(())
    }

    pub fn profile_status(&self) -> ProfileStatus {
        let active = self.profile.active.as_ref();
        let now_ms = self.keyspace.now_ms() as u64;
        ProfileStatus {
            is_active: active.is_some(),
            is_writing: self.profile.report.is_some(),
            hz: active.map_or(0, |active| active.hz),
            samples: active.map_or(0, |active| active.sampler.len()),
            samples_max: SAMPLES_MAX,
            seconds: active.map_or(0, |active| now_ms.saturating_sub(active.started_ms) / 1000),
        }
    }

    /// Answers who waits for a report that is written, and ends sampling that went on for too long; one of the periodic jobs.
    pub(super) fn attend_profile(&mut self) {
        let now_ms = self.keyspace.now_ms() as u64;
        if let Some(active) = &mut self.profile.active
            && !active.is_over
            && now_ms.saturating_sub(active.started_ms) > LONGEST_MS
        {
            active.sampler.pause();
            active.is_over = true;
        }
        let Some(report) = &self.profile.report else { return };
        let text = match report.written.try_recv() {
            Ok(text) => text,
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => Err("the thread that wrote it ended".to_owned()),
        };
        let (key, id) = (report.key, report.id);
        self.profile.report = None;
        if !self.is_client(key, id) {
            return;
        }
        let client = &mut self.clients[key];
        client.session.gates &= !gate::AWAITS;
        client.output.attach(&mut self.pool);
        match text {
            Ok(text) => self.reply(key).bulk_shared(&Arc::new(text)),
            Err(reason) => self.reply(key).error(format!("ERR the profile can't be written: {reason}").as_bytes()),
        }
        self.resume(key);
        self.after_replies(key);
    }
}

fn write_report(samples: &Samples, format: ProfileFormat) -> Result<Vec<u8>, String> {
    let mut lines = samples.folded();
    let count = |line: &str| line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
    lines.sort_by_key(|line| std::cmp::Reverse(count(line)));
    let mut bytes = 0;
    lines.retain(|line| {
        bytes += line.len() + 1;
        bytes <= REPORT_MAX
    });
    lines.sort_unstable();
    match format {
        ProfileFormat::Folded => {
            let mut text = lines.join("\n");
            text.push('\n');
            Ok(text.into_bytes())
        }
        ProfileFormat::Svg => draw(&lines, samples),
    }
}

#[cfg(feature = "flamegraph")]
fn draw(lines: &[String], samples: &Samples) -> Result<Vec<u8>, String> {
    use inferno::flamegraph::{Options, from_lines};
    if samples.is_empty() {
        return Err("nothing was sampled".to_owned());
    }
    let mut options = Options::default();
    options.title = format!("Zedis, {} samples of the loop's thread", samples.len());
    let mut svg = Vec::new();
    from_lines(&mut options, lines.iter().map(String::as_str), &mut svg).map_err(|error| error.to_string())?;
    Ok(svg)
}

#[cfg(not(feature = "flamegraph"))]
fn draw(_lines: &[String], _samples: &Samples) -> Result<Vec<u8>, String> {
    Err("this build draws no flame graphs; ask for FOLDED".to_owned())
}
