//! One server under test: a child process on a free loopback port, started with the same arguments whoever made it, killed when
//! dropped.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::client::Client;
use super::interrupt::{self, Guarded};

/// Settings that every server gets, behind `--port N`.
pub const ARGUMENTS: [&str; 8] = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--maxclients", "10100"];
/// It may have a large file to load.
const START_MAX: Duration = Duration::from_secs(60);
/// Between two looks at whether it is there.
const START_PAUSE: Duration = Duration::from_millis(5);
/// Another process may take the free port between its choice and its use.
const ATTEMPTS: u32 = 3;

/// What to start, and what to call it in tables.
#[derive(Clone, Debug)]
pub struct Program {
    pub name: &'static str,
    pub path: PathBuf,
}

pub struct Server {
    child: Guarded,
    pub port: u16,
    /// `redis_version` and the like, from INFO.
    pub version: String,
}

impl Server {
    /// Starts the program and waits until it answers PING. Its log and anything it may write go to `directory`.
    pub fn start(program: &Program, directory: &Path) -> io::Result<Server> {
        Server::start_with(program, directory, &[])
    }

    /// The same with further arguments, which win over those that every server gets.
    pub fn start_with(program: &Program, directory: &Path, arguments: &[&str]) -> io::Result<Server> {
        std::fs::create_dir_all(directory)?;
        let log = directory.join(format!("{}.log", program.name));
        let mut reason = io::Error::other("not started");
        for _ in 0..ATTEMPTS {
            match Server::start_once(program, directory, &log, arguments) {
                Ok(server) => return Ok(server),
                Err(error) => reason = error,
            }
            interrupt::check()?;
        }
        Err(io::Error::other(format!("{} does not start: {reason}; see {}", program.path.display(), log.display())))
    }

    fn start_once(program: &Program, directory: &Path, log: &Path, arguments: &[&str]) -> io::Result<Server> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let output = File::create(log)?;
        let child = Command::new(&program.path)
            .args(["--port", &port.to_string()])
            .args(ARGUMENTS)
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let mut child = Guarded(child);
        let deadline = Instant::now() + START_MAX;
        loop {
            interrupt::sleep(START_PAUSE)?;
            if let Some(status) = child.0.try_wait()? {
                return Err(io::Error::other(format!("it ended: {status}")));
            }
            let answer = Client::connect(port).and_then(|mut client| Ok((client.command(&["PING"])?, client)));
            match answer {
                Ok((_, mut client)) => {
                    let version = version(&mut client);
                    return Ok(Server { child, port, version });
                }
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => {}
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }
}

fn version(client: &mut Client) -> String {
    for field in ["zedis_version", "valkey_version", "redis_version"] {
        if let Ok(Some(version)) = client.info(field) {
            return version;
        }
    }
    "unknown".to_owned()
}
