//! MONITOR: clients that are told of every command that is executed, in Redis's line format.
//!
//! Owned by the engine: who monitors. Never fed: commands of administrators and those that say so (`skip_monitor`); secrets are replaced.
//! While nobody monitors the hot loop knows nothing of it; while somebody does, every command leaves it
//! ([`gate::ONE_BY_ONE`]).
//!
//! A monitor that does not read is closed by its output limit: that of normal clients, as in Redis, or where those have none (the
//! default) that of replicas, because what it is sent is others' doing and would grow without end.

use crate::base::sink::Sink;
use crate::base::text::hex_digits;
use crate::commands::{Args, CommandId, Flags};
use crate::server::engine::{Engine, UNKNOWN};
use crate::server::observation::Before;
use crate::server::redaction;
use crate::server::session::gate;

/// Slab keys of the clients that monitor.
#[derive(Default)]
pub(super) struct Monitors(Vec<usize>);

impl Monitors {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Engine {
    /// MONITOR; nothing happens if the client does already.
    pub fn start_monitoring(&mut self, key: usize) {
        let session = &mut self.clients[key].session;
        session.monitors = true;
        session.gates |= gate::MONITORS;
        self.monitors.0.push(key);
        self.apply_thresholds();
    }

    /// The client is told no more.
    pub fn stop_monitoring(&mut self, key: usize) {
        if std::mem::take(&mut self.clients[key].session.monitors) {
            self.clients[key].session.gates &= !gate::MONITORS;
            self.monitors.0.retain(|&monitor| monitor != key);
            self.apply_thresholds();
        }
    }

    /// The quoted arguments of a call that monitors are to see; None: they are not.
    pub(super) fn line_for_monitors(&self, id: CommandId, args: &Args<'_>) -> Option<Vec<u8>> {
        if self.monitors.is_empty() || self.registry.command(id).flags.intersects(Flags::SKIP_MONITOR | Flags::ADMIN) {
            return None;
        }
        let full_name = &self.registry.get(id).full_name;
        let mut line = Vec::new();
        for index in 0..args.len() {
            line.push(b' ');
            quote(redaction::shown(full_name, args, index), &mut line);
        }
        Some(line)
    }

    /// Tells the monitors of a call of the client at `key` that has just been executed.
    pub(super) fn feed_monitors(&mut self, key: usize, before: &Before) {
        if let Some(line) = &before.line {
            self.feed_monitors_line(key, line);
        }
    }

    /// They were told of the MULTI, so they are told of the end of the transaction, too, when EXEC is refused.
    pub(super) fn show_refused_exec(&mut self, key: usize, id: CommandId, args: &Args<'_>) {
        if id != UNKNOWN
            && self.registry.command(id).name == "exec"
            && let Some(line) = self.line_for_monitors(id, args)
        {
            self.feed_monitors_line(key, &line);
        }
    }

    fn feed_monitors_line(&mut self, key: usize, args: &[u8]) {
        let session = &self.clients[key].session;
        let now_us = self.clock.unix_us();
        let (seconds, micros, db) = (now_us / 1_000_000, now_us % 1_000_000, session.db);
        let from = match session.identity.addr.strip_suffix(":0") {
            Some(path) if session.identity.unix_socket => format!("unix:{path}"),
            _ => session.identity.addr.clone(),
        };
        let head = format!("+{seconds}.{micros:06} [{db} {from}]");
        // One that does not read is closed, and is none any more.
        for monitor in self.monitors.0.clone() {
            if self.clients[monitor].is_closing() {
                continue;
            }
            let output = &mut self.clients[monitor].output;
            output.attach(&mut self.pool);
            for part in [head.as_bytes(), args, b"\r\n"] {
                output.put(part);
            }
            let overflows = output.overflow().0 > 0;
            if output.is_empty() {
                output.settle(&mut self.pool);
                continue;
            }
            self.mark_dirty(monitor);
            if overflows {
                self.check_output_limit(monitor);
            }
        }
    }
}

/// Appends an argument in quotes, with what is not printable escaped.
fn quote(arg: &[u8], line: &mut Vec<u8>) {
    line.push(b'"');
    for &byte in arg {
        match byte {
            b'\\' | b'"' => line.extend_from_slice(&[b'\\', byte]),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            0x07 => line.extend_from_slice(b"\\a"),
            0x08 => line.extend_from_slice(b"\\b"),
            b' '..=b'~' => line.push(byte),
            _ => {
                line.extend_from_slice(b"\\x");
                line.extend_from_slice(&hex_digits(byte));
            }
        }
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use crate::server::testing::EngineHarness;

    fn lines(harness: &mut EngineHarness, monitor: usize) -> String {
        let text = String::from_utf8(harness.take(monitor)).expect("text");
        // Without the time, which stands still.
        text.replace("+1700000000.000000 ", "")
    }

    #[test]
    fn every_command_is_told() {
        let mut harness = EngineHarness::new();
        let monitor = harness.connect();
        harness.engine.clients[harness.first].session.identity.addr = "1.2.3.4:5".to_owned();
        harness.line("set before 1");
        assert_eq!(harness.line_as(monitor, "monitor"), "+OK\r\n");
        assert_eq!(harness.line_as(monitor, "monitor"), "", "once is enough");
        assert_eq!(harness.send(&[b"SET", b"k\x00\"\n", b"v\\ \xff"]), b"+OK\r\n");
        harness.line("select 3");
        harness.line("nosuch command");
        harness.line("get");
        harness.line("config get port");
        harness.line("auth secret");
        harness.line("multi");
        harness.line("incr n");
        harness.line("exec");
        assert_eq!(
            lines(&mut harness, monitor),
            "[0 1.2.3.4:5] \"SET\" \"k\\x00\\\"\\n\" \"v\\\\ \\xff\"\r\n\
             [3 1.2.3.4:5] \"select\" \"3\"\r\n\
             [3 1.2.3.4:5] \"auth\" \"(redacted)\"\r\n\
             [3 1.2.3.4:5] \"multi\"\r\n\
             [3 1.2.3.4:5] \"incr\" \"n\"\r\n\
             [3 1.2.3.4:5] \"exec\"\r\n"
        );
        assert!(harness.line("client list").contains(" flags=O "));
        assert_eq!(harness.line_as(monitor, "reset"), "+RESET\r\n");
        harness.line("get x");
        assert_eq!(lines(&mut harness, monitor), "");
        assert!(harness.engine.monitors.is_empty());
        assert_eq!(harness.engine.gates, 0);
    }

    #[test]
    fn a_blocked_command_is_told_once() {
        let mut harness = EngineHarness::new();
        let (monitor, other) = (harness.connect(), harness.connect());
        harness.line_as(monitor, "monitor");
        assert_eq!(harness.line_as(other, "blpop list 0"), "");
        harness.line("lpush list a");
        assert_eq!(lines(&mut harness, monitor), "[0 ] \"blpop\" \"list\" \"0\"\r\n[0 ] \"lpush\" \"list\" \"a\"\r\n");
    }

    #[test]
    fn monitors_do_not_wait_in_transactions_and_end_with_their_connection() {
        let mut harness = EngineHarness::new();
        let monitor = harness.connect();
        harness.line_as(monitor, "multi");
        harness.line_as(monitor, "monitor");
        assert_eq!(harness.line_as(monitor, "exec"), "*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n");
        harness.line_as(monitor, "monitor");
        harness.engine.close(monitor);
        harness.engine.remove_closed();
        assert_eq!((harness.line("ping").as_str(), harness.engine.gates), ("+PONG\r\n", 0));
    }

    #[test]
    fn one_that_does_not_read_is_closed() {
        let mut harness = EngineHarness::new();
        harness.send(&[b"CONFIG", b"SET", b"client-output-buffer-limit", b"replica 100000 0 0"]);
        let (monitor, second, reader) = (harness.connect(), harness.connect(), harness.connect());
        for client in [monitor, second, reader] {
            harness.line_as(client, "monitor");
        }
        let value = vec![b'v'; 30_000];
        for _ in 0..5 {
            harness.send(&[b"SET", b"k", &value]);
            assert!(harness.take(reader).len() > 30_000);
        }
        assert!(!harness.is_connected(monitor) && !harness.is_connected(second));
        assert!(harness.is_connected(reader) && harness.is_connected(harness.first));
    }
}
