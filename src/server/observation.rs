//! Looking at a command before and after it ran, for whoever wants to know: the logs of slow and large commands, the latency monitor, the
//! stall recorder, monitors and HOTKEYS.
//!
//! ```text
//!   hot loop --(a run took long)--> LongRuns --> explain_runs -----+
//!   call_resolved --(ONE_BY_ONE, large, or took long)--------------+--> observe --> CommandLog, LatencyMonitor, Recorder
//!   a blocked command is done -------------------------------------+
//! ```
//!
//! Invariant: nothing of this is reached by a command that nobody wants to know about; [`Engine::apply_thresholds`] computes from the
//! configuration and from who listens what that means.

use std::ops::Range;

use crate::commands::{Args, CommandId, Flags};
use crate::reactor::RING_CAPACITY;
use crate::resp::scan::Scanner;
use crate::server::command_log::{LogEntry, LogKind, kept_args, request_bytes};
use crate::server::dispatch::Frames;
use crate::server::engine::{Engine, Request};
use crate::server::session::gate;
use crate::server::stall::RunNote;

/// A slow log with a smaller threshold times every command by itself: a run of quick ones may take so long.
const RUN_HIDES_NS: u64 = 2_000_000;
/// Logs of requests and replies with a smaller threshold look at every command: what is larger does not fit into a ring.
const RING_HIDES_BYTES: u64 = 2 * RING_CAPACITY as u64;
/// The stall recorder remembers what took this part of its threshold, but nothing shorter than a clock's uncertainty.
const NOTED_PART: u64 = 4;
const NOTED_MIN_NS: u64 = 20_000;

/// From where on something is worth a look; `u64::MAX`: never.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thresholds {
    slow_ns: u64,
    stall_ns: u64,
    request_bytes: u64,
    pub(super) reply_bytes: u64,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds { slow_ns: u64::MAX, stall_ns: u64::MAX, request_bytes: u64::MAX, reply_bytes: u64::MAX }
    }
}

/// What has to be known of a call before the command takes its arguments apart.
pub(super) struct Before {
    /// Quoted arguments for monitors.
    pub line: Option<Vec<u8>>,
    /// As they are kept, if any of them may be gone afterwards.
    args: Option<Vec<Vec<u8>>>,
    /// On which HOTKEYS books it.
    keys: Vec<Vec<u8>>,
    request_bytes: u64,
}

/// When it ran.
#[derive(Clone, Copy)]
pub(super) struct Timed {
    pub started_ns: u64,
    pub elapsed_ns: u64,
    /// Calls timed together.
    pub calls: u32,
}

/// What is known of a call, or of calls timed together.
struct Observed {
    command: CommandId,
    /// Of the client, if it was one.
    key: Option<usize>,
    timed: Timed,
    /// Bytes; 0: not known.
    request_bytes: u64,
    reply_bytes: u64,
}

impl Engine {
    /// Computes what is worth a look; after each change of the configuration or of who listens.
    pub(super) fn apply_thresholds(&mut self) {
        let config = &self.config;
        let limit = |threshold: i64, unit: u64, max_len: u64| match u64::try_from(threshold) {
            Ok(threshold) if max_len > 0 => threshold.saturating_mul(unit),
            _ => u64::MAX,
        };
        self.thresholds = Thresholds {
            slow_ns: limit(config.slowlog_log_slower_than_us, 1000, config.slowlog_max_len),
            stall_ns: (config.stall_threshold_us.saturating_mul(1000) / NOTED_PART).max(NOTED_MIN_NS),
            request_bytes: limit(
                config.commandlog_request_larger_than_bytes,
                1,
                config.commandlog_large_request_max_len,
            ),
            reply_bytes: limit(config.commandlog_reply_larger_than_bytes, 1, config.commandlog_large_reply_max_len),
        };
        let event_ns = match config.latency_monitor_threshold_ms {
            0 => u64::MAX,
            ms => ms.saturating_mul(1_000_000),
        };
        let Thresholds { slow_ns, stall_ns, request_bytes, reply_bytes } = self.thresholds;
        self.stats.long_runs.from_ns = slow_ns.min(stall_ns).min(event_ns);
        self.stats.histograms.set_on(config.latency_tracking);
        let looks_at_all = !self.monitors.is_empty()
            || self.hot_keys.as_ref().is_some_and(|session| session.is_active())
            || slow_ns.min(event_ns) < RUN_HIDES_NS
            || request_bytes.min(reply_bytes) < RING_HIDES_BYTES;
        if looks_at_all {
            self.gates |= gate::ONE_BY_ONE;
        } else {
            self.gates &= !gate::ONE_BY_ONE;
        }
        for (kind, max_len) in [
            (LogKind::Slow, self.config.slowlog_max_len),
            (LogKind::LargeRequest, self.config.commandlog_large_request_max_len),
            (LogKind::LargeReply, self.config.commandlog_large_reply_max_len),
        ] {
            self.command_log.trim(kind, max_len);
        }
    }

    /// Before a call that somebody wants to know about, or that may take arguments away.
    #[cold]
    #[inline(never)]
    pub(super) fn look_before_call(&mut self, id: CommandId, args: &Args<'_>) -> Before {
        let keys = self.keys_to_book(id, args);
        let full_name = &self.registry.get(id).full_name;
        Before {
            keys,
            line: self.line_for_monitors(id, args),
            args: args.has_owned().then(|| kept_args(full_name, args)),
            request_bytes: request_bytes(args),
        }
    }

    /// After it.
    #[cold]
    #[inline(never)]
    pub(super) fn look_after_call(
        &mut self,
        key: usize,
        id: CommandId,
        args: &Args<'_>,
        before: Option<Before>,
        timed: Timed,
        reply_bytes: u64,
    ) {
        let mut kept = None;
        let request_bytes = match before {
            Some(before) => {
                self.feed_monitors(key, &before);
                self.book_hot_keys(&before.keys, timed, before.request_bytes + reply_bytes);
                kept = before.args;
                before.request_bytes
            }
            None => request_bytes(args),
        };
        let seen = Observed { command: id, key: Some(key), timed, request_bytes, reply_bytes };
        self.observe(&seen, |full_name| kept.unwrap_or_else(|| kept_args(full_name, args)));
    }

    /// A command that had to wait is done.
    pub(super) fn look_after_wait(
        &mut self,
        key: usize,
        id: CommandId,
        args: &Args<'_>,
        timed: Timed,
        reply_bytes: u64,
    ) {
        let is_large = reply_bytes >= self.thresholds.reply_bytes;
        if is_large || timed.elapsed_ns >= self.stats.long_runs.from_ns || self.gates & gate::ONE_BY_ONE != 0 {
            let request_bytes = request_bytes(args);
            let seen = Observed { command: id, key: Some(key), timed, request_bytes, reply_bytes };
            self.observe(&seen, |full_name| kept_args(full_name, args));
        }
    }

    /// Tells everybody who wants to know of a call. `args` makes the arguments that are kept of it.
    fn observe(&mut self, seen: &Observed, args: impl FnOnce(&str) -> Vec<Vec<u8>>) {
        let Timed { elapsed_ns, started_ns, calls } = seen.timed;
        let flags = self.registry.command(seen.command).flags;
        self.note_latency(if flags.contains(Flags::FAST) { "fast-command" } else { "command" }, elapsed_ns);
        let Thresholds { slow_ns, stall_ns, request_bytes, reply_bytes } = self.thresholds;
        let logs = !flags.contains(Flags::SKIP_SLOWLOG);
        let config = &self.config;
        // Redis compares whole microseconds.
        let slow = (elapsed_ns >= slow_ns).then_some((LogKind::Slow, config.slowlog_max_len, elapsed_ns / 1000));
        let request = (seen.request_bytes >= request_bytes).then_some((
            LogKind::LargeRequest,
            config.commandlog_large_request_max_len,
            seen.request_bytes,
        ));
        let reply = (seen.reply_bytes >= reply_bytes).then_some((
            LogKind::LargeReply,
            config.commandlog_large_reply_max_len,
            seen.reply_bytes,
        ));
        let due: Vec<_> = [slow, request, reply].into_iter().flatten().filter(|_| logs).collect();
        let is_noted = elapsed_ns >= stall_ns;
        if due.is_empty() && !is_noted {
            return;
        }
        let full_name = &self.registry.get(seen.command).full_name;
        let args = args(full_name);
        let queued_us = started_ns.saturating_sub(self.recorder.turn.started_ns) / 1000;
        let client = seen.key.and_then(|key| self.clients.get(key)).map(|client| &client.session);
        let addr = client.map_or(String::new(), |session| session.identity.addr.clone());
        let name = client.map_or(Vec::new(), |session| session.identity.name.clone());
        if is_noted {
            self.recorder.note_command(RunNote {
                command: full_name.clone(),
                args: args.clone(),
                client_id: client.map_or(0, |session| session.id),
                addr: addr.clone(),
                name: name.clone(),
                calls,
                queued_us,
                us: elapsed_ns / 1000,
                request_bytes: seen.request_bytes,
                reply_bytes: seen.reply_bytes,
            });
        }
        let unix_s = self.clock.unix_us() / 1_000_000;
        for (kind, max_len, amount) in due {
            let (args, addr, name) = (args.clone(), addr.clone(), name.clone());
            let entry = LogEntry { id: 0, unix_s, amount, args, addr, name, queued_us, calls };
            self.command_log.push(kind, max_len, entry);
        }
    }

    /// The output of the client at `key` has outgrown its ring while these requests of the batch were executed.
    #[cold]
    #[inline(never)]
    pub(super) fn look_at_replies_of_batch(&mut self, key: usize, executed: Range<usize>, queued_bytes: usize) {
        self.with_batch(key, |engine, requests, frames| {
            engine.look_for_large_replies(key, &requests[executed], frames, queued_bytes);
        });
    }

    /// Hands the batch's requests to `look`, with the bytes of those of the client at `key`.
    fn with_batch(&mut self, key: usize, look: impl FnOnce(&mut Engine, &[Request], Frames<'_>)) {
        let requests = std::mem::take(&mut self.batch.requests);
        let args = std::mem::take(&mut self.batch.args);
        let mut input = std::mem::take(&mut self.clients[key].input);
        let spilled = std::mem::take(&mut self.clients[key].spilled);
        let (bytes, owned) = input.parts();
        look(self, &requests, Frames { bytes, spilled: &spilled, owned, args: &args });
        self.batch.requests = requests;
        self.batch.args = args;
        let client = &mut self.clients[key];
        client.input = input;
        client.spilled = spilled;
    }

    /// Finds out who and what the long runs were, of the client at `key` whose requests in the batch have just been executed, and of those
    /// before it.
    #[cold]
    #[inline(never)]
    pub(super) fn explain_runs_of_batch(&mut self, key: usize) {
        let first =
            self.batch.clients.iter().find(|(client, _)| *client as usize == key).map_or(0, |&(_, first)| first);
        self.with_batch(key, |engine, requests, frames| engine.explain_runs(key, requests, first as usize, frames));
    }

    /// The same of requests whose bytes are there from number `readable` on; they are those of the client at `key`.
    pub(super) fn explain_runs(&mut self, key: usize, requests: &[Request], readable: usize, mut frames: Frames<'_>) {
        if self.stats.long_runs.is_empty() {
            return;
        }
        for run in self.stats.long_runs.take() {
            let first = run.first as usize;
            let timed = Timed { started_ns: run.started_ns, elapsed_ns: run.elapsed_ns, calls: run.calls };
            let seen = Observed { command: run.command, key: None, timed, request_bytes: 0, reply_bytes: 0 };
            let Some(request) = requests.get(first).filter(|_| first >= readable) else {
                // It began with another client, whose bytes are gone. If it was one call, it was that client's.
                let key = self.client_of_request(first).filter(|_| run.calls == 1);
                self.observe(&Observed { key, ..seen }, |full_name| {
                    let mut args: Vec<Vec<u8>> = full_name.split('|').map(|word| word.as_bytes().to_vec()).collect();
                    args.push(match run.calls {
                        1 => b"... (arguments not kept)".to_vec(),
                        calls => format!("... ({calls} calls timed together)").into_bytes(),
                    });
                    args
                });
                continue;
            };
            let args = frames.args_of(request);
            let request_bytes = if run.calls == 1 { request_bytes(&args) } else { 0 };
            self.observe(&Observed { key: Some(key), request_bytes, ..seen }, |full_name| {
                let mut kept = kept_args(full_name, &args);
                if run.calls > 1 {
                    kept.push(format!("... ({} more calls timed together)", run.calls - 1).into_bytes());
                }
                kept
            });
        }
    }

    /// Whose request number `index` of the batch is.
    fn client_of_request(&self, index: usize) -> Option<usize> {
        let of = self.batch.clients.partition_point(|&(_, first)| first as usize <= index);
        self.batch.clients.get(of.checked_sub(1)?).map(|&(key, _)| key as usize)
    }

    /// The output of the client at `key` has outgrown its ring. `queued_bytes`: what was in it before these requests were executed, each of
    /// which has been answered once.
    #[cold]
    #[inline(never)]
    pub(super) fn look_for_large_replies(
        &mut self,
        key: usize,
        requests: &[Request],
        mut frames: Frames<'_>,
        queued_bytes: usize,
    ) {
        for (index, reply_bytes) in self.large_replies(key, requests.len(), queued_bytes) {
            let request = &requests[index];
            let timed = Timed { started_ns: self.recorder.turn.started_ns, elapsed_ns: 0, calls: 1 };
            let seen = Observed { command: request.command, key: Some(key), timed, request_bytes: 0, reply_bytes };
            let args = frames.args_of(request);
            self.observe(&seen, |full_name| kept_args(full_name, &args));
        }
    }

    /// Which of the last `count` replies to the client at `key` are large, and how large. The bytes are looked through for where one ends,
    /// but for those of the last reply, and no further than there can be a large one: mostly it is the last.
    fn large_replies(&self, key: usize, count: usize, queued_bytes: usize) -> Vec<(usize, u64)> {
        let threshold = self.thresholds.reply_bytes;
        let output = &self.clients[key].output;
        let mut left = output.queued_bytes().saturating_sub(queued_bytes) as u64;
        let mut large = Vec::new();
        let (mut index, mut len, mut scanner) = (0, 0, Scanner::default());
        for mut piece in output.bytes_behind(queued_bytes) {
            while !piece.is_empty() && index + 1 < count && left >= threshold {
                let Ok((used, ended)) = scanner.scan_one(piece) else { return large };
                piece = &piece[used..];
                len += used as u64;
                if ended {
                    if len >= threshold {
                        large.push((index, len));
                    }
                    left -= len;
                    len = 0;
                    index += 1;
                }
            }
        }
        if index + 1 == count && left >= threshold {
            large.push((index, left));
        }
        large
    }
}

#[cfg(test)]
mod tests;
