//! The flags of `zedis benchmark`, those of redis-benchmark, and the settings they make.
//!
//! argh keeps only `--help` and `help` for itself, so `-h` is the host, as redis-benchmark has it.

use std::io::Read;

use argh::FromArgs;

use super::Failure;
use super::workload::{self, Test};

/// Load generator with the flags and the report of redis-benchmark. Without host, port or socket it starts a server of its own
/// in the same process, so that `perf stat` and `perf record` see both sides.
#[derive(FromArgs, Clone, Debug, PartialEq)]
#[argh(
    subcommand,
    name = "benchmark",
    example = "{command_name} --clients 50 --requests 1000000",
    example = "{command_name} -h 127.0.0.1 -p 6379 -t get,set -P 16 -r 1000000 -q",
    example = "{command_name} -r 10000 -n 10000 lpush mylist __rand_int__",
    note = "In the words of a command, __rand_int__ becomes a random number of 12 digits below the keyspace length, \
            __rand_key__ a key with such a number (both with -r), __data__ a value of the data size."
)]
pub struct Options {
    /// server hostname (default 127.0.0.1)
    #[argh(option, short = 'h', arg_name = "hostname")]
    pub host: Option<String>,
    /// server port (default 6379)
    #[argh(option, short = 'p')]
    pub port: Option<u16>,
    /// server socket (overrides host and port)
    #[argh(option, short = 's', arg_name = "path")]
    pub socket: Option<String>,
    /// password for AUTH
    #[argh(option, short = 'a')]
    pub password: Option<String>,
    /// user name for AUTH; needs -a
    #[argh(option, arg_name = "username")]
    pub user: Option<String>,
    /// number of parallel connections (default 50)
    #[argh(option, short = 'c', default = "50", arg_name = "number")]
    pub clients: usize,
    /// total number of requests per test (default 100000)
    #[argh(option, short = 'n', default = "100_000", arg_name = "number")]
    pub requests: u64,
    /// size of values in bytes (default 3)
    #[argh(option, short = 'd', default = "3", arg_name = "bytes")]
    pub data_size: usize,
    /// SELECT this database (default 0)
    #[argh(option, default = "0", arg_name = "number")]
    pub dbnum: u32,
    /// speak RESP3
    #[argh(switch, short = '3')]
    pub resp3: bool,
    /// threads of the load side (default 1)
    #[argh(option, arg_name = "number")]
    pub threads: Option<usize>,
    /// CLIENT TRACKING on before the test
    #[argh(switch)]
    pub enable_tracking: bool,
    /// keep connections: 1, or reconnect after each batch: 0 (default 1)
    #[argh(option, short = 'k', default = "1", arg_name = "boolean")]
    pub keepalive: u8,
    /// random keys, members and scores in 0..keyspace; without it every request has the same key
    #[argh(option, short = 'r', arg_name = "length")]
    pub keyspace: Option<u64>,
    /// requests per pipeline (default 1: no pipeline)
    #[argh(option, short = 'P', default = "1", arg_name = "number")]
    pub pipeline: usize,
    /// only these tests, separated by commas; ignored if a command is given
    #[argh(option, short = 't', arg_name = "names")]
    pub tests: Option<String>,
    /// one line per test
    #[argh(switch, short = 'q')]
    pub quiet: bool,
    /// decimal places of latencies (default 3)
    #[argh(option, default = "3", arg_name = "number")]
    pub precision: usize,
    /// report as CSV
    #[argh(switch)]
    pub csv: bool,
    /// run the tests forever
    #[argh(switch, short = 'l', long = "loop")]
    pub forever: bool,
    /// seed of the random numbers (default: differs each run)
    #[argh(option, arg_name = "number")]
    pub seed: Option<u64>,
    /// only open idle connections and wait
    #[argh(switch, short = 'I')]
    pub idle: bool,
    /// no effect: the first error reply always ends the run
    #[argh(switch, short = 'e')]
    pub show_errors: bool,
    /// read the last word of the command from standard input
    #[argh(switch, short = 'x')]
    pub stdin: bool,
    /// a command to run instead of the tests
    #[argh(positional, greedy, arg_name = "command")]
    pub command: Vec<String>,
}

/// Most connections, threads and requests per pipeline; most bytes of a value; most decimal places; longest keyspace.
const CLIENTS_MAX: usize = 100_000;
const THREADS_MAX: usize = 500;
const PIPELINE_MAX: usize = 1_000_000;
const DATA_SIZE_MAX: usize = 1 << 30;
const PRECISION_MAX: usize = 9;
const KEYSPACE_MAX: u64 = 10u64.pow(workload::RANDOM_DIGITS as u32);

impl Options {
    /// Whether the caller names a server; else one is started.
    pub(super) fn names_server(&self) -> bool {
        self.host.is_some() || self.port.is_some() || self.socket.is_some()
    }

    /// Checks every value against its limits.
    pub(super) fn check(&self) -> Result<(), Failure> {
        in_range("-c", self.clients as u64, 1, CLIENTS_MAX as u64)?;
        in_range("-n", self.requests, 1, u64::MAX / 2)?;
        in_range("-d", self.data_size as u64, 1, DATA_SIZE_MAX as u64)?;
        in_range("-P", self.pipeline as u64, 1, PIPELINE_MAX as u64)?;
        in_range("-k", self.keepalive.into(), 0, 1)?;
        in_range("-r", self.keyspace.unwrap_or(0), 0, KEYSPACE_MAX)?;
        in_range("--threads", self.threads.unwrap_or(1) as u64, 1, THREADS_MAX as u64)?;
        in_range("--precision", self.precision as u64, 0, PRECISION_MAX as u64)?;
        if self.user.is_some() && self.password.is_none() {
            return Err(Failure::Usage("--user needs a password (-a)".into()));
        }
        if self.stdin && self.command.is_empty() {
            return Err(Failure::Usage("-x needs a command".into()));
        }
        Ok(())
    }

    /// What every connection sends before its first request, and how many replies that has.
    pub(super) fn greeting(&self) -> (Vec<u8>, u64) {
        let dbnum = self.dbnum.to_string();
        let mut commands: Vec<Vec<&[u8]>> = Vec::new();
        if let Some(password) = &self.password {
            let user = self.user.iter().map(|user| user.as_bytes());
            commands.push([b"AUTH".as_slice()].into_iter().chain(user).chain([password.as_bytes()]).collect());
        }
        if self.enable_tracking {
            commands.push(vec![b"CLIENT", b"TRACKING", b"on"]);
        }
        if self.dbnum != 0 {
            commands.push(vec![b"SELECT", dbnum.as_bytes()]);
        }
        if self.resp3 {
            commands.push(vec![b"HELLO", b"3"]);
        }
        (commands.iter().flat_map(|words| workload::encode(words)).collect(), commands.len() as u64)
    }

    /// The tests to run, in order. Reads `stdin` if the flags say so.
    pub(super) fn selected_tests(&self, stdin: &mut impl Read) -> Result<Vec<Test>, Failure> {
        let data = workload::data(self.data_size);
        let randomized = self.keyspace.is_some();
        if self.command.is_empty() {
            return workload::select(self.tests.as_deref(), &data, randomized);
        }
        let mut words: Vec<Vec<u8>> = self.command.iter().map(|word| word.clone().into_bytes()).collect();
        if self.stdin {
            let mut last = Vec::new();
            let read = stdin.take(DATA_SIZE_MAX as u64 + 1).read_to_end(&mut last);
            read.map_err(|error| Failure::Usage(format!("Could not read standard input: {error}")))?;
            if last.len() > DATA_SIZE_MAX {
                return Err(Failure::Usage("Standard input is longer than a value may be".into()));
            }
            words.push(last);
        }
        Ok(vec![workload::command(&self.command.join(" "), &words, &data, randomized)])
    }
}

fn in_range(flag: &str, value: u64, min: u64, max: u64) -> Result<(), Failure> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Failure::Usage(format!("{flag} {value}: must be between {min} and {max}")))
}

#[cfg(test)]
mod tests {
    use argh::FromArgs;

    use super::Options;

    fn parse(args: &[&str]) -> Options {
        Options::from_args(&["zedis", "benchmark"], args).unwrap_or_else(|exit| panic!("{}", exit.output))
    }

    #[test]
    fn defaults_are_those_of_redis_benchmark() {
        let options = parse(&[]);
        assert_eq!((options.clients, options.requests, options.data_size, options.pipeline), (50, 100_000, 3, 1));
        assert_eq!((options.keepalive, options.keyspace, options.names_server()), (1, None, false));
        assert!(options.check().is_ok());
    }

    #[test]
    fn short_flags_are_those_of_redis_benchmark() {
        let line = "-h example -p 7000 -s /tmp/s -a pw --user me -c 3 -n 9 -d 8 --dbnum 2 -3 --threads 2 -k 0 -r 5 -P 4 -t get,set \
                    -q --precision 1 --csv -l --seed 11 -I -e -x set key -1";
        let options = parse(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(options.host.as_deref(), Some("example"));
        assert_eq!((options.port, options.socket.as_deref()), (Some(7000), Some("/tmp/s")));
        assert_eq!((options.clients, options.requests, options.data_size, options.dbnum), (3, 9, 8, 2));
        assert_eq!((options.threads, options.keepalive, options.keyspace, options.pipeline), (Some(2), 0, Some(5), 4));
        assert!(options.resp3 && options.quiet && options.csv && options.forever && options.idle && options.stdin);
        assert_eq!((options.seed, options.precision, options.tests.as_deref()), (Some(11), 1, Some("get,set")));
        assert_eq!(options.command, ["set", "key", "-1"]);
        assert_eq!(parse(&["--clients", "7", "--requests", "8", "--pipeline", "9", "--host", "h"]).pipeline, 9);
    }

    #[test]
    fn help_is_help() {
        let exit = Options::from_args(&["zedis", "benchmark"], &["--help"]).unwrap_err();
        assert!(exit.status.is_ok() && exit.output.contains("--pipeline"));
        assert!(Options::from_args(&["zedis", "benchmark"], &["--bogus"]).unwrap_err().status.is_err());
        assert!(Options::from_args(&["zedis", "benchmark"], &["-c", "many"]).unwrap_err().status.is_err());
    }

    #[test]
    fn limits_hold() {
        for bad in [
            "-c 0",
            "-n 0",
            "-P 0",
            "-d 0",
            "-d 9999999999",
            "-k 2",
            "--threads 0",
            "-r 9999999999999",
            "--user x",
            "-x",
        ] {
            let options = parse(&bad.split_whitespace().collect::<Vec<_>>());
            assert!(options.check().is_err(), "{bad}");
        }
    }

    #[test]
    fn greeting_has_what_redis_benchmark_sends() {
        let (bytes, replies) = parse(&["-a", "pw", "--user", "me", "--dbnum", "3", "-3"]).greeting();
        let expected = "*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$2\r\npw\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n";
        assert_eq!((bytes.escape_ascii().to_string(), replies), (expected.escape_default().to_string(), 3));
        assert_eq!(parse(&[]).greeting(), (Vec::new(), 0));
    }
}
