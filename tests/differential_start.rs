//! What whoever starts redis-server meets when it is Zedis instead: the words of the command line, the environment, the directory, the
//! permissions of the files.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use support::append_only::until_rewritten;
use support::client::Client;
use support::server::{Server, eventually, subject_program};

/// The programs that are compared, the subject first.
fn programs() -> [String; 2] {
    [subject_program(), "redis-server".to_string()]
}

/// A directory of a test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("zedis-test-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The programs under one name, Redis's, in a directory of each; the subject first.
fn guises(name: &str) -> [(Folder, PathBuf); 2] {
    let found = programs().map(|program| Path::new(&program).to_owned());
    let mut number = 0;
    found.map(|program| {
        number += 1;
        let folder = Folder::new(&format!("{name}-{number}"));
        let link = folder.0.join("redis-server");
        symlink(in_path(&program), &link).expect("a link");
        (folder, link)
    })
}

/// Where the shell would find a program.
fn in_path(program: &Path) -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.expect("it is installed")
}

/// A server of a test's own, ended when dropped.
struct Process(Child);

impl Process {
    /// Nobody reads what it says.
    fn start(command: &mut Command) -> Process {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Process(quiet.spawn().expect("it is installed"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process leaves that ends by itself.
fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("it is installed")
}

/// What is said on standard error, but for who says it, and the exit status.
fn refusal(command: &mut Command) -> (String, Option<i32>) {
    let output = output(command);
    let said = String::from_utf8_lossy(&output.stderr).lines().filter(|line| !line.starts_with("*** FATAL")).fold(
        String::new(),
        |mut said, line| {
            said.push_str(line);
            said.push('\n');
            said
        },
    );
    (said, output.status.code())
}

fn connect(socket: &Path) -> Client {
    eventually("it listens", || Client::try_connect(socket).is_ok());
    Client::try_connect(socket).expect("it listens")
}

/// An option with its values in one word, as scripts and unit files write it, beside options of several words.
#[test]
fn words_with_an_option_and_its_values() {
    let shown = ["save", "loglevel", "timeout", "requirepass", "bind", "hz"];
    let forms: &[&[&str]] = &[
        &["--save 60 1", "--loglevel warning", "--timeout", "7"],
        &["--loglevel warning", "--timeout 7", "--save", ""],
        &["--bind 127.0.0.1 -::1", "--hz", "20"],
        &["--save 60 1", "300", "10", "--hz 20"],
        &["--save", "--hz 20", "--save 5 6", "--save 7 8"],
        &["--save \"\"", "--timeout 7"],
        &["--timeout\t7", "--HZ  '20'"],
        &["--hz 20\ntimeout 7", "--save"],
        &["--save ", "", "--hz", "20"],
        &["--", "hz", "20"],
    ];
    for words in forms {
        let found = [Server::subject(words), Server::oracle(words)].map(|server| {
            let mut client = server.connect();
            shown.map(|name| client.run(&format!("CONFIG GET {name}")))
        });
        assert_eq!(found[0], found[1], "{words:?}");
    }
    let wrong: &[&[&str]] = &[
        &["--shutdown-on-sigterm 1mb", "--hz", "20"],
        &["--hz 20 30"],
        &["--hz 20", "30", "--timeout 7"],
        &["--requirepass \"a", "--hz", "20"],
        &["--save ", "--hz", "20"],
        &["--save \"\"", "", "--hz", "20"],
        &["-- hz 20", "x"],
        &["--hz", "--timeout 7"],
    ];
    for words in wrong {
        let said = programs().map(|program| refusal(Command::new(&program).args(["--port", "0"]).args(*words)));
        assert_eq!(said[0], said[1], "{words:?}");
    }
}

/// When the last line of the log was written: year, month, day, and the time as text.
fn logged_at(program: &str, zone: &str) -> (u32, usize, u32, String) {
    // It can't listen, and says so.
    let words = ["--port", "0", "--unixsocket", "/nonexistent/socket"];
    let output = output(Command::new(program).args(words).env("TZ", zone));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().rev().find(|line| line.contains(":M ") || line.contains(":C ")).expect("a line");
    let words: Vec<&str> = line.split(' ').collect();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|month| *month == words[2]).expect("a month");
    (words[3].parse().expect("a year"), month, words[1].parse().expect("a day"), words[4].to_string())
}

/// Lines of the log have the time of the zone that the environment names, whichever way.
#[test]
fn the_log_has_the_time_of_the_zone() {
    for zone in [
        "Asia/Tokyo",
        ":Europe/Berlin",
        "America/New_York",
        "EST5EDT",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "<+0330>-3:30",
        "/usr/share/zoneinfo/Asia/Kathmandu",
        "No/Where",
        "",
    ] {
        let [subject, oracle] = programs();
        let before = logged_at(&oracle, zone);
        let ours = logged_at(&subject, zone);
        let after = logged_at(&oracle, zone);
        assert!(before <= ours && ours <= after, "{zone}: {before:?} {ours:?} {after:?}");
    }
}

/// The permissions of everything below a directory.
fn permissions(folder: &Path) -> BTreeMap<PathBuf, u32> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(below).expect("a directory") {
            let path = entry.expect("an entry").path();
            let about = fs::symlink_metadata(&path).expect("it is there");
            if about.is_dir() {
                folders.push(path.clone());
            }
            let name = path.strip_prefix(folder).expect("it is below").to_owned();
            found.insert(name, about.permissions().mode() & 0o777);
        }
    }
    found
}

/// Who may read and write what a server leaves on the disk, under masks that forbid little and much.
#[test]
fn files_have_the_permissions_that_redis_gives_them() {
    for mask in ["000", "002", "027", "077"] {
        let files: [(&str, &[u8]); 1] = [("users.acl", b"user default on nopass ~* &* +@all\n")];
        let directives = ["--appendonly", "yes", "--pidfile", "pid", "--aclfile", "users.acl"];
        let [ours, wanted] = Server::both_with_umask(mask, &files, &directives).map(|server| {
            let mut client = server.connect();
            for preamble in ["no", "yes"] {
                client.run(&format!("CONFIG SET aof-use-rdb-preamble {preamble}"));
                client.run("BGREWRITEAOF");
                until_rewritten(&mut client);
            }
            // One that is there keeps its permissions, other than in Redis.
            fs::remove_file(server.dir().join("users.acl")).expect("it is there");
            for line in ["SAVE", "ACL SAVE"] {
                assert_eq!(client.run(line).string(), "OK", "{line}");
            }
            permissions(server.dir())
        });
        assert!(ours.len() > 6, "{ours:?}");
        assert_eq!(ours, wanted, "{mask}");
    }
}

/// `dir` holds for the lines behind it, and not only for what runs later.
#[test]
fn a_directory_holds_from_its_line_on() {
    let found = programs().map(|program| {
        let folder = Folder::new(&format!("dir-{}", Path::new(&program).file_name().expect("a name").display()));
        let path = |name: &str| folder.0.join(name);
        fs::create_dir_all(path("a/b")).expect("directories");
        fs::write(path("a/part.conf"), "timeout 7\ndir b\n").expect("a file");
        fs::write(path("part.conf"), "timeout 8\n").expect("a file");
        let text = "port 0\nsave \"\"\nunixsocket socket\ndir a\ninclude part.conf\nlogfile log\n";
        fs::write(path("server.conf"), text).expect("a file");
        let _server = Process::start(Command::new(program).arg("server.conf").current_dir(&folder.0));
        let mut client = connect(&path("a/b/socket"));
        assert!(path("a/b/log").is_file());
        // The file is where it was, though the server is elsewhere.
        assert_eq!(client.run("CONFIG SET timeout 9").string(), "OK");
        assert_eq!(client.run("CONFIG REWRITE").string(), "OK");
        let rewritten = fs::read_to_string(path("server.conf")).expect("a file");
        let shown = client.run("CONFIG GET dir").items()[1].string();
        [rewritten, shown]
            .map(|text| text.replace(&*folder.0.to_string_lossy(), "{folder}").replace("sanitize-payload ", ""))
    });
    assert_eq!(found[0][1], "{folder}/a/b");
    assert_eq!(found[0][1], found[1][1]);
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(lines(&found[0][0]), lines(&found[1][0]));

    let folder = Folder::new("dir-wrong");
    fs::write(folder.0.join("server.conf"), "port 0\n\n  dir /nonexistent\nbogus\n").expect("a file");
    fs::write(folder.0.join("server.txt"), "port 0\ndir server.conf\n").expect("a file");
    let forms: [&[&str]; 5] = [
        &["server.conf"],
        &["server.txt"],
        &["--dir", ""],
        &["--dir", "a", "--bogus"],
        &["--dir", ".", "--dir", "none"],
    ];
    for words in forms {
        let said = programs().map(|program| refusal(Command::new(&program).args(words).current_dir(&folder.0)));
        assert_eq!(said[0], said[1], "{words:?}");
    }
}

/// The field of INFO.
fn info(client: &mut Client, name: &str) -> String {
    let text = client.run("INFO server").string();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect("INFO has it").to_string()
}

/// Command lines that ask something. What stands on standard output is each server's own, and so are a few reasons.
#[test]
fn questions_on_the_command_line() {
    let guises = guises("questions");
    let ask = |words: &[&str]| {
        guises.each_ref().map(|(_, program)| {
            let output = output(Command::new(program).args(words));
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (text(&output.stdout), text(&output.stderr), output.status.code())
        })
    };
    for words in [&["-v"][..], &["--version"], &["-v", "anything"], &["--version", "--port", "0"]] {
        let [(ours, _, status), (wanted, _, wanted_status)] = ask(words);
        assert_eq!(status, wanted_status, "{words:?}");
        assert_eq!(ours.split('=').next(), wanted.split('=').next(), "{words:?}");
    }
    for words in [&["-h"][..], &["--help"], &["--help", "--port"]] {
        for (said, usage, status) in ask(words) {
            assert!(said.is_empty() && usage.starts_with("Usage: ") && status == Some(1), "{words:?}: {said} {usage}");
        }
    }
    for words in [&["--test-memory"][..], &["--test-memory", "1", "2"]] {
        let [ours, wanted] = ask(words);
        assert_eq!(ours, wanted, "{words:?}");
    }
    let untested = output(Command::new(&guises[0].1).args(["--test-memory", "1"]));
    assert!(untested.status.code() == Some(1) && untested.stderr.starts_with(b"Zedis has no memory test"));
    let [(ours, _, status), (wanted, ..)] = ask(&["--check-system"]);
    let checks = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| Some(line.split_once("]...")?.0.to_string())).collect()
    };
    assert_eq!(checks(&ours), checks(&wanted)[..checks(&ours).len()], "in this order");
    assert!(checks(&ours).len() == 4 && status == Some(i32::from(ours.contains("WARNING"))), "{ours}");
    // Under its own name it takes no question for a mistake.
    let help = output(Command::new(subject_program()).arg("--help"));
    assert!(help.status.success() && help.stderr.is_empty());
}

/// What systemd hears from the start to the end, and what INFO calls it.
#[test]
fn systemd_hears_how_the_server_is() {
    for setting in ["systemd", "auto", "no"] {
        let heard = guises(&format!("notify-{setting}")).map(|(folder, program)| {
            let path = folder.0.join("notify");
            let supervisor = UnixDatagram::bind(&path).expect("a socket");
            let words = ["--port", "0", "--unixsocket", "socket", "--supervised", setting];
            let mut command = Command::new(program);
            let command =
                command.args(words).current_dir(&folder.0).env("NOTIFY_SOCKET", &path).env_remove("UPSTART_JOB");
            let mut server = Process::start(command);
            let mut client = connect(&folder.0.join("socket"));
            let mut heard = vec![info(&mut client, "process_supervised")];
            client.send(b"SHUTDOWN\r\n");
            client.read_to_end();
            server.0.wait().expect("it ends");
            // Everything has been sent.
            supervisor.set_nonblocking(true).expect("it is a socket");
            let mut state = [0; 1000];
            while let Ok(len) = supervisor.recv(&mut state) {
                heard.push(String::from_utf8_lossy(&state[..len]).into_owned());
            }
            heard
        });
        assert!(heard[0].len() == if setting == "no" { 1 } else { 6 }, "{heard:?}");
        assert_eq!(heard[0], heard[1], "{setting}");
    }
}

/// A supervisor that is wanted and not there is none; a job of upstart stops itself to say that it is up.
#[test]
fn supervisors_are_found_or_not() {
    let (socket, job) = (("NOTIFY_SOCKET", "/nonexistent/notify"), ("UPSTART_JOB", "redis"));
    type Variables<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(&str, Variables<'_>, bool)] = &[
        ("systemd", &[], false),
        ("systemd", &[socket], false),
        ("systemd", &[job], false),
        ("auto", &[], false),
        ("auto", &[socket], false),
        ("auto", &[job], true),
        ("auto", &[job, socket], true),
        ("upstart", &[], false),
        ("upstart", &[job], true),
        ("upstart", &[socket], false),
        ("no", &[job, socket], false),
    ];
    for (setting, variables, stops) in cases {
        let found = guises("supervisors").map(|(folder, program)| {
            let words = ["--port", "0", "--unixsocket", "socket", "--save", "", "--supervised", setting];
            let mut command = Command::new(program);
            let command =
                command.args(words).current_dir(&folder.0).env_remove("NOTIFY_SOCKET").env_remove("UPSTART_JOB");
            let server = Process::start(command.envs(variables.iter().copied()));
            if *stops {
                let status = format!("/proc/{}/status", server.0.id());
                eventually("it stops", || {
                    fs::read_to_string(&status).is_ok_and(|status| status.contains("State:\tT (stopped)"))
                });
                let pid = server.0.id().to_string();
                assert!(Command::new("kill").args(["-CONT", &pid]).status().expect("kill(1)").success());
            }
            info(&mut connect(&folder.0.join("socket")), "process_supervised")
        });
        assert_eq!(found[0], found[1], "{setting} {variables:?}");
    }
}

/// Where the program and its file are, by the way that was taken, and what `ps` shows where there is no file.
#[test]
fn paths_are_those_that_were_given() {
    let found = guises("paths").map(|(folder, program)| {
        fs::create_dir(folder.0.join("below")).expect("a directory");
        fs::write(folder.0.join("server.conf"), "port 0\nunixsocket socket\n").expect("a file");
        let name = program.file_name().expect("a name").to_str().expect("it is Redis's");
        let mut found = Vec::new();
        for (program, file) in [
            (format!("../{name}"), Some("../server.conf")),
            (format!("./../{name}"), Some("./../server.conf")),
            (program.to_str().expect("a path").to_string(), None),
        ] {
            let mut command = Command::new(program);
            let words =
                ["--dir", "..", "--unixsocket", "socket", "--port", "0", "--proc-title-template", "{config-file}"];
            let server = Process::start(command.args(file).args(words).current_dir(folder.0.join("below")));
            let mut client = connect(&folder.0.join("socket"));
            let [executable, file] = ["executable", "config_file"].map(|name| info(&mut client, name));
            let title = fs::read(format!("/proc/{}/cmdline", server.0.id())).expect("it runs");
            let title: Vec<u8> = title.into_iter().filter(|byte| *byte != 0).collect();
            // Redis fills a title that is too short with a dot and spaces.
            let shown = String::from_utf8_lossy(&title).trim_end_matches([' ', '.']).to_string();
            let found_here = [executable, file, shown];
            found.push(found_here.map(|text| text.replace(&*folder.0.to_string_lossy(), "{folder}")));
            client.send(b"SHUTDOWN NOSAVE\r\n");
            client.read_to_end();
        }
        found
    });
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0][2], ["{folder}/redis-server", "", "-"]);
}

/// From the log on nothing is said on standard error: on a terminal it would be there twice.
#[test]
fn fatal_errors_are_said_once() {
    let folder = Folder::new("fatal");
    fs::write(folder.0.join("dump.rdb"), "REDIS9999").expect("a file");
    fs::write(folder.0.join("users.acl"), "user bogus bogus\n").expect("a file");
    let forms: [(&[&str], &str); 6] = [
        (&["--port", "0"], "Configured to not listen anywhere, exiting."),
        (&["--port", "0", "--unixsocket", "/nonexistent/socket"], "No such file or directory"),
        (&["--port", "0", "--unixsocket", "socket"], "Fatal error loading the DB"),
        (&["--port", "0", "--unixsocket", "socket", "--aclfile", "users.acl"], "users.acl:1"),
        (
            &["--port", "0", "--unixsocket", "socket", "--aclfile", "users.acl", "--user", "a", "on"],
            "at the same setting an ACL file path",
        ),
        (&["none.conf"], "Fatal error, can't open config file '"),
    ];
    for (words, said) in forms {
        for program in programs() {
            let output = output(Command::new(&program).args(words).current_dir(&folder.0));
            let (log, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!((errors.as_ref(), output.status.code()), ("", Some(1)), "{program} {words:?}");
            let lines = log.lines().filter(|line| line.to_lowercase().contains(&said.to_lowercase())).count();
            assert_eq!(lines, 1, "{program} {words:?}: {log}");
        }
    }
}
