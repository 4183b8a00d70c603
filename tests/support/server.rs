//! A server process on a Unix socket in a directory of its own, ended when dropped.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::net::{Shutdown, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::faults::Faults;

/// How long a server may take to answer its first PING.
const START_DEADLINE: Duration = Duration::from_secs(20);
const CONFIG_FILE: &str = "server.conf";
/// Between two looks at something that will happen soon.
pub const POLL_INTERVAL: Duration = Duration::from_millis(1);

pub struct Server {
    child: Child,
    dir: PathBuf,
    password: Option<String>,
}

impl Server {
    /// The server under test, with `directives` as on redis-server's command line.
    pub fn subject(directives: &[&str]) -> Server {
        Server::start("subject", Command::new(subject_program()), &[], directives)
    }

    /// The server under test, with these files in its directory.
    pub fn subject_with(files: &[(&str, &[u8])], directives: &[&str]) -> Server {
        Server::start("subject", Command::new(subject_program()), files, directives)
    }

    /// The server under test, which may write no file of more than so many kilobytes.
    pub fn subject_with_file_size(kilobytes: usize, directives: &[&str]) -> Server {
        let mut command = Command::new("bash");
        command.args(["-c", &format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" \"$@\""), &subject_program()]);
        Server::start("subject", command, &[], directives)
    }

    /// A directory for a server that is yet to be started, by [`Server::restart`].
    pub fn not_started() -> Server {
        let mut server = Server::spawn("subject", Command::new("true"), None, &[], &[]);
        server.child.wait().expect("it ends");
        server
    }

    /// The server under test, on a disk that may have faults.
    pub fn subject_with_faults(faults: &Faults, directives: &[&str]) -> Server {
        let mut command = Command::new(subject_program());
        faults.precede(&mut command);
        let server = Server::start("subject", command, &[], directives);
        assert!(faults.is_attached(), "the library is not in the server");
        server
    }

    /// The server under test with these files in its directory, where it can't start: its exit status, and its log.
    pub fn subject_that_fails(files: &[(&str, &[u8])], directives: &[&str]) -> (ExitStatus, String) {
        let mut server = Server::spawn("subject", Command::new(subject_program()), None, files, directives);
        let status = server.wait_for_exit();
        (status, server.log())
    }

    /// The server under test, which may open only `files` files.
    pub fn subject_with_files(files: usize, directives: &[&str]) -> Server {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\""), &subject_program()]);
        Server::start("subject", command, &[], directives)
    }

    /// Both servers, the subject first, with a mask for the permissions of what they make, and with these files in their directories.
    pub fn both_with_umask(mask: &str, files: &[(&str, &[u8])], directives: &[&str]) -> [Server; 2] {
        let programs = [("subject", subject_program()), ("oracle", "redis-server".to_string())];
        programs.map(|(role, program)| {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("umask {mask}; exec \"$0\" \"$@\""), &program]);
            Server::start(role, command, files, directives)
        })
    }

    /// The server that is right.
    pub fn oracle(directives: &[&str]) -> Server {
        Server::start("oracle", Command::new("redis-server"), &[], directives)
    }

    /// The server under test with a configuration file, `server.conf` in its directory; `{dir}` in the text is that directory.
    pub fn subject_with_config(text: &str, directives: &[&str]) -> Server {
        Server::start_with("subject", Command::new(subject_program()), Some(text), &[], directives)
    }

    pub fn oracle_with_config(text: &str, directives: &[&str]) -> Server {
        Server::start_with("oracle", Command::new("redis-server"), Some(text), &[], directives)
    }

    /// What the server under test says when it does not start with a configuration file of this text.
    pub fn subject_refusal(config: &str) -> String {
        refusal(Command::new(subject_program()), config)
    }

    pub fn oracle_refusal(config: &str) -> String {
        refusal(Command::new("redis-server"), config)
    }

    fn start(role: &str, command: Command, files: &[(&str, &[u8])], directives: &[&str]) -> Server {
        Server::start_with(role, command, None, files, directives)
    }

    fn start_with(
        role: &str,
        command: Command,
        config: Option<&str>,
        files: &[(&str, &[u8])],
        directives: &[&str],
    ) -> Server {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut server = Server::spawn(role, command, config, files, directives);
        server.wait_until_ready(&program);
        server
    }

    fn spawn(
        role: &str,
        mut command: Command,
        config: Option<&str>,
        files: &[(&str, &[u8])],
        directives: &[&str],
    ) -> Server {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("zedis-test-{}-{number}-{role}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory for the server");
        for (name, bytes) in files {
            fs::write(dir.join(name), bytes).expect("a file for the server");
        }
        if let Some(text) = config {
            let path = dir.join(CONFIG_FILE);
            fs::write(&path, text.replace("{dir}", &dir.to_string_lossy())).expect("a configuration file");
            command.arg(path);
        }
        let child = Server::spawn_in(&dir, command, directives);
        let password = directives.windows(2).find(|pair| pair[0] == "--requirepass").map(|pair| pair[1].to_string());
        Server { child, dir, password }
    }

    /// A process that works in a directory, with a new log there.
    fn spawn_in(dir: &Path, mut command: Command, directives: &[&str]) -> Child {
        let log = File::create(dir.join("log")).expect("a log file");
        let program = command.get_program().to_string_lossy().into_owned();
        let spawned = command
            .args(["--port", "0", "--unixsocket"])
            .arg(dir.join("socket"))
            .args(["--save", "", "--enable-debug-command", "yes", "--dir"])
            .arg(dir)
            .args(directives)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn();
        match spawned {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!(
                    "{program} is not installed; these tests compare with it: install redis-server (`make test` does)"
                )
            }
            Err(error) => panic!("{program}: {error}"),
        }
    }

    /// Ends the process as a crash would. Its directory stays.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process can be ended");
        self.child.wait().expect("it ends");
    }

    /// Ends the process by SHUTDOWN. Its directory stays.
    pub fn shut_down(&mut self) {
        self.connect().send(b"SHUTDOWN NOSAVE\r\n");
        let status = self.wait_for_exit();
        assert!(status.success(), "{status}:\n{}", self.log());
    }

    /// The server under test, in the directory of a process that has ended.
    pub fn restart(&mut self, directives: &[&str]) {
        self.child = Server::spawn_in(&self.dir, Command::new(subject_program()), directives);
        self.wait_until_ready("the subject");
    }

    /// The same, which may be loading still.
    pub fn begin_restart(&mut self, directives: &[&str]) {
        self.child = Server::spawn_in(&self.dir, Command::new(subject_program()), directives);
        eventually("it listens", || Client::try_connect(&self.socket()).is_ok());
    }

    /// The server under test, in the directory of a process that has ended, on a disk that may have faults. Err: it has ended.
    pub fn restart_with_faults(&mut self, faults: &Faults, directives: &[&str]) -> Result<(), ExitStatus> {
        let mut command = Command::new(subject_program());
        faults.precede(&mut command);
        self.child = Server::spawn_in(&self.dir, command, directives);
        self.wait_until_ready_or_ended("the subject")
    }

    /// The server that is right, in the directory of a process that has ended.
    pub fn restart_as_oracle(&mut self, directives: &[&str]) {
        self.child = Server::spawn_in(&self.dir, Command::new("redis-server"), directives);
        self.wait_until_ready("the oracle");
    }

    /// The server under test, in the directory of a process that has ended, where it can't start.
    pub fn restart_that_fails(&mut self, directives: &[&str]) -> (ExitStatus, String) {
        self.child = Server::spawn_in(&self.dir, Command::new(subject_program()), directives);
        let status = self.wait_for_exit();
        (status, self.log())
    }

    pub fn restart_as_oracle_that_fails(&mut self, directives: &[&str]) -> (ExitStatus, String) {
        self.child = Server::spawn_in(&self.dir, Command::new("redis-server"), directives);
        let status = self.wait_for_exit();
        (status, self.log())
    }

    /// The process is told so much by a signal.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.pid().to_string()]).status().expect("kill(1)");
        assert!(status.success());
    }

    fn wait_until_ready(&mut self, program: &str) {
        if let Err(status) = self.wait_until_ready_or_ended(program) {
            panic!("{program} ended at once, {status}:\n{}", self.log());
        }
    }

    fn wait_until_ready_or_ended(&mut self, program: &str) -> Result<(), ExitStatus> {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                return Err(status);
            }
            if let Ok(mut client) = Client::try_connect(&self.socket()) {
                if let Some(password) = &self.password {
                    client.run(&format!("AUTH {password}"));
                }
                // It may end at any moment.
                let reply = client.try_send(b"PING\r\n").and_then(|()| client.try_read());
                if let Ok(Some((reply, _))) = reply
                    && !reply.string().starts_with("LOADING ")
                {
                    assert_eq!(reply.string(), "PONG", "{program} answers its first PING");
                    // It is gone before the test's first client comes: CLIENT LIST would show it.
                    let _ = client.stream().shutdown(Shutdown::Write);
                    while let Ok(Some(_)) = client.try_read() {}
                    return Ok(());
                }
            }
            assert!(Instant::now() < deadline, "{program} is not ready:\n{}", self.log());
            thread::sleep(POLL_INTERVAL);
        }
    }

    pub fn connect(&self) -> Client {
        Client::try_connect(&self.socket()).expect("the server accepts connections")
    }

    /// Lets it listen on 127.0.0.1 as well: at the port returned, which was free.
    pub fn open_port(&self) -> u16 {
        let mut client = self.connect();
        for _ in 0..100 {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = listener.local_addr().expect("it is bound").port();
            drop(listener);
            // Somebody else may have taken it by now.
            if !client.run(&format!("CONFIG SET port {port}")).is_error() {
                return port;
            }
        }
        panic!("every port is taken");
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.join("socket")
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the configuration file says now.
    pub fn config(&self) -> String {
        fs::read_to_string(self.dir.join(CONFIG_FILE)).expect("a configuration file")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join("log")).unwrap_or_default()).into_owned()
    }

    /// A line of `/proc/PID/status` that counts kB, in bytes: `VmRSS`, `VmHWM`.
    pub fn memory(&self, line: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the server is alive");
        let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).expect("a known line");
        let kib: usize = found.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kib * 1024
    }

    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("the server is alive").count()
    }

    /// Waits for the process to end by itself.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the state of a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end");
            thread::sleep(POLL_INTERVAL);
        }
    }
}

fn refusal(mut command: Command, config: &str) -> String {
    let mut child = command
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the server is installed");
    let mut stdin = child.stdin.take().expect("it was asked for");
    // On no port, so that it does not stay if it starts after all.
    stdin.write_all(format!("port 0\n{config}\n").as_bytes()).expect("the server reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(!output.status.success(), "it starts with {config}");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Whether the program under test is a Redis, to try a suite on: it has no options newer than the oracle.
pub fn subject_is_redis() -> bool {
    Path::new(&subject_program()).file_name().is_some_and(|name| name.to_string_lossy().starts_with("redis"))
}

/// The program under test.
pub fn subject_program() -> String {
    // Another package than Zedis's own (tests/clients-rust) has to be told.
    if let Ok(program) = std::env::var("ZEDIS_TEST_BIN") {
        return program;
    }
    match option_env!("CARGO_BIN_EXE_zedis") {
        Some(program) => program.to_string(),
        None => panic!("ZEDIS_TEST_BIN has to name the server: this is not its own package"),
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(5).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            eprintln!("--- end of the log in {} ---\n{}", self.dir.display(), tail.join("\n"));
        }
        // Both fail only when there is nothing left to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Asks again and again until `condition` holds; fails after twenty seconds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + START_DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "it never happened: {what}");
        thread::sleep(POLL_INTERVAL);
    }
}
