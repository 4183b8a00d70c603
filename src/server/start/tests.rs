//! Start-up without starting: arguments, reasons, limits, signals.

use std::ffi::OsString;

use super::{Arguments, ExitReason, Signals, open_files_limit, prepare, raise_open_files, version_text};

fn split(words: &[&str]) -> (Option<String>, bool, Vec<String>) {
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    let arguments = Arguments::split(&words);
    let options = arguments.options.into_iter().map(|word| String::from_utf8(word).unwrap()).collect();
    (arguments.file.map(|path| path.display().to_string()), arguments.stdin, options)
}

#[test]
fn words_of_the_command_line() {
    let file = Some("/etc/zedis.conf".to_owned());
    let port = vec!["--port".to_owned(), "1".to_owned()];
    assert_eq!(split(&[]), (None, false, vec![]));
    assert_eq!(split(&["/etc/zedis.conf"]), (file.clone(), false, vec![]));
    assert_eq!(split(&["/etc/zedis.conf", "--port", "1"]), (file.clone(), false, port.clone()));
    assert_eq!(split(&["/etc/zedis.conf", "--port", "1", "-"]), (file, true, port.clone()));
    assert_eq!(split(&["-", "--port", "1"]), (None, true, port.clone()));
    assert_eq!(split(&["--port", "1", "-"]), (None, true, port.clone()));
    assert_eq!(split(&["--port", "1"]), (None, false, port));
    assert_eq!(split(&["-p", "1"]).2, ["-p", "1"]);
}

fn failure(words: &[&str]) -> ExitReason {
    let argv: Vec<OsString> = words.iter().map(OsString::from).collect();
    prepare(&argv).unwrap_err()
}

#[test]
fn questions_are_answered() {
    assert!(matches!(failure(&["zedis", "--version"]), ExitReason::Done(text) if text.starts_with("Zedis server v=")));
    assert!(matches!(failure(&["zedis", "-h"]), ExitReason::Done(text) if text.contains("benchmark")));
    let text = version_text(&OsString::from("/usr/bin/redis-server"));
    assert!(text.starts_with("Redis server v=7.4.0 sha="), "{text}");
}

#[test]
fn bad_configurations_end_with_a_reason() {
    for (words, last) in [
        (&["zedis", "--bogus", "1"][..], "Bad directive or wrong number of arguments"),
        (&["zedis", "--port", "x"], "argument couldn't be parsed into an integer"),
        (&["zedis", "--logfile", "/nonexistent/x"], "Can't open the log file: No such file or directory"),
        (&["zedis", "--dir", "/nonexistent"], "No such file or directory"),
    ] {
        let ExitReason::Failed(text) = failure(words) else { panic!("{words:?}") };
        assert_eq!(text.lines().last(), Some(last));
    }
    assert_eq!(failure(&["zedis", "/nonexistent.conf"]), ExitReason::Logged);
}

#[test]
fn open_files_suffice_for_few_clients() {
    assert_eq!(raise_open_files(1).unwrap(), 1);
    assert!(open_files_limit().unwrap().rlim_cur >= 33);
}

#[test]
fn signals_arrive_through_the_pipe() {
    let mut signals = Signals::install().unwrap();
    assert_eq!(signals.take(), None);
    signal_hook::low_level::raise(signal_hook::consts::SIGTERM).unwrap();
    assert_eq!(signals.take(), Some(signal_hook::consts::SIGTERM));
    assert_eq!(signals.take(), None);
}
