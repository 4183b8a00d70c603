//! `zedis`: argv to one of the subcommands. No logic.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use argh::FromArgs;
use zedis::server::start::{self, ExitReason};
use zedis::server::{check_aof, check_rdb};

fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    let name = argv.first().and_then(|program| Path::new(program).file_name());
    if name.is_some_and(|name| name == "redis-check-rdb") {
        return check_rdb(&argv[1..]);
    }
    if name.is_some_and(|name| name == "redis-check-aof") {
        return check_aof(&argv[1..]);
    }
    // Under Redis's name it is Redis's server, whatever the words.
    let is_redis_server = name.is_some_and(|name| name == "redis-server");
    match argv.get(1).and_then(|word| word.to_str()) {
        Some("server") if !is_redis_server => {
            let argv: Vec<OsString> = argv[..1].iter().chain(&argv[2..]).cloned().collect();
            serve(&argv)
        }
        Some("benchmark") if !is_redis_server => benchmark(&argv[2..]),
        Some("check-rdb") if !is_redis_server => check_rdb(&argv[2..]),
        Some("check-aof") if !is_redis_server => check_aof(&argv[2..]),
        _ => serve(&argv),
    }
}

fn check_rdb(words: &[OsString]) -> ExitCode {
    match check_rdb::run(words, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => ExitCode::from(reason.report()),
    }
}

fn check_aof(words: &[OsString]) -> ExitCode {
    match check_aof::run(words, &mut std::io::stdin().lock(), &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => ExitCode::from(reason.report()),
    }
}

fn serve(argv: &[OsString]) -> ExitCode {
    match start::prepare(argv).and_then(start::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => ExitCode::from(reason.report()),
    }
}

fn benchmark(words: &[OsString]) -> ExitCode {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match zedis::benchmark::Options::from_args(&["zedis", "benchmark"], &words) {
        Ok(options) => zedis::benchmark::run(&options, start::in_process),
        Err(exit) => {
            let reason = match exit.status {
                Ok(()) => ExitReason::Done(exit.output),
                Err(()) => ExitReason::Failed(exit.output),
            };
            ExitCode::from(reason.report())
        }
    }
}
