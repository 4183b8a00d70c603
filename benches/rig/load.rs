//! The load: one run of `redis-benchmark`, or of a program with the same flags and CSV.

use std::io::{self, Read};
use std::process::{Command, Stdio};

use super::CLIENTS;
use super::interrupt::Guarded;

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// The `-t` name.
    pub test: &'a str,
    /// The words of the request instead of `-t`, if the test of that name sends others first.
    pub request: Option<&'a [&'a str]>,
    pub pipeline: u32,
    /// `-r`: the number of random keys; none is the one key that redis-benchmark always uses.
    pub keys: Option<u64>,
    pub requests: u64,
}

impl Load<'_> {
    /// The flags behind host and port.
    pub fn flags(&self) -> Vec<String> {
        let mut flags: Vec<String> = Vec::new();
        let mut flag = |name: &str, value: String| flags.extend([name.to_owned(), value]);
        if self.request.is_none() {
            flag("-t", self.test.to_owned());
        }
        flag("-c", CLIENTS.to_string());
        flag("-n", self.requests.to_string());
        flag("-P", self.pipeline.to_string());
        if let Some(keys) = self.keys {
            flag("-r", keys.to_string());
        }
        flags.push("--csv".to_owned());
        flags.extend(self.request.unwrap_or_default().iter().map(|word| (*word).to_owned()));
        flags
    }

    /// Starts it against `port`; its output is the CSV.
    pub fn start(&self, port: u16) -> io::Result<Guarded> {
        let program = program();
        let mut words = program.split_whitespace();
        let child = Command::new(words.next().unwrap_or("redis-benchmark"))
            .args(words)
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .args(self.flags())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::other(format!("{program}: {error} (Debian package redis-tools)")))?;
        Ok(Guarded(child))
    }

    /// Runs it to its end and returns the requests per second it saw.
    pub fn run(&self, port: u16) -> io::Result<f64> {
        let mut child = self.start(port)?;
        let status = child.wait()?;
        let mut output = String::new();
        if let Some(mut stdout) = child.0.stdout.take() {
            stdout.read_to_string(&mut output)?;
        }
        let rate = output.lines().filter(|line| !line.starts_with("\"test\"")).find_map(rate_of_row);
        match rate {
            Some(rate) if status.success() => Ok(rate),
            _ => {
                let mut errors = String::new();
                if let Some(mut stderr) = child.0.stderr.take() {
                    stderr.read_to_string(&mut errors)?;
                }
                let flags = self.flags().join(" ");
                Err(io::Error::other(format!("{} {flags}: {status}: {output}{errors}", program())))
            }
        }
    }
}

/// The load generator.
pub fn program() -> String {
    std::env::var("BENCH_LOAD").unwrap_or_else(|_| "redis-benchmark".to_owned())
}

/// `"GET","103092.78",...`: the second cell.
fn rate_of_row(row: &str) -> Option<f64> {
    row.split("\",\"").nth(1)?.trim_matches('"').parse().ok()
}
