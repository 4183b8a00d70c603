//! A disk with faults: a library that is preloaded into a server (`faults.c`) makes the N-th call on a file of its directory fail,
//! or all of them hang.
//!
//! It is compiled with `cc`, which the allocator needs anyway, once per test binary. What is to fail is told through a file that both map.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Kinds of calls, as in `faults.c`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Kind {
    Open,
    Write,
    Sync,
    Rename,
    Truncate,
    Unlink,
    Mkdir,
    Read,
}

use Kind::{Mkdir, Open, Read, Rename, Sync, Truncate, Unlink, Write};

/// Calls that change something. `Unlink` is left out: that a file can't be removed is no error.
pub const CHANGES: &[Kind] = &[Open, Write, Sync, Rename, Truncate, Mkdir];
pub const ALL: &[Kind] = &[Open, Write, Sync, Rename, Truncate, Unlink, Mkdir, Read];
/// Calls that a signal may interrupt.
const INTERRUPTIBLE: &[Kind] = &[Open, Write, Sync, Truncate, Read];

/// What happens to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// EIO
    Io,
    /// ENOSPC
    NoSpace,
    /// EINTR, which is no error: whoever called calls again.
    Interrupted,
    /// A write takes half of the bytes, which is no error either.
    Short,
}

pub const FAULTS: [Fault; 4] = [Fault::Io, Fault::NoSpace, Fault::Interrupted, Fault::Short];

impl Fault {
    pub fn is_error(self) -> bool {
        matches!(self, Fault::Io | Fault::NoSpace)
    }

    fn errno(self) -> u64 {
        match self {
            Fault::Io => 5,
            Fault::NoSpace => 28,
            Fault::Interrupted => 4,
            Fault::Short => 0,
        }
    }

    /// As it is told.
    pub fn text(self) -> &'static str {
        match self {
            Fault::Io => "Input/output error",
            Fault::NoSpace => "No space left on device",
            Fault::Interrupted => "Interrupted system call",
            Fault::Short => "",
        }
    }

    /// Those of `kinds` that this may happen to.
    fn kinds(self, kinds: &[Kind]) -> u64 {
        let possible = |kind: &Kind| match self {
            Fault::Io | Fault::NoSpace => true,
            Fault::Interrupted => INTERRUPTIBLE.contains(kind),
            Fault::Short => *kind == Write,
        };
        kinds.iter().filter(|kind| possible(kind)).map(|kind| 1 << *kind as u64).sum()
    }
}

/// Places in the file of words.
const ATTACHED: u64 = 0;
const ARMED: u64 = 8;
const KINDS: u64 = 16;
const FIRST: u64 = 24;
const COUNT: u64 = 32;
const ERROR: u64 = 40;
const SEEN: u64 = 48;
const INJECTED: u64 = 56;
const IS_SMALL: u64 = 64;
const ROOM: u64 = 72;
const HANGS: u64 = 80;
const DIR: u64 = 88;
const WHAT: u64 = 344;
const TEXT_LEN: usize = 256;
const LEN: u64 = 600;

pub struct Faults {
    file: File,
    path: PathBuf,
}

impl Faults {
    pub fn new() -> Faults {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("zedis-faults-{}-{number}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).expect("a file");
        file.set_len(LEN).expect("a file of so many bytes");
        Faults { file, path }
    }

    fn set(&self, at: u64, value: u64) {
        self.file.write_all_at(&value.to_ne_bytes(), at).expect("it can be written to");
    }

    fn get(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, at).expect("it can be read");
        u64::from_ne_bytes(bytes)
    }

    /// Puts the library in front of a server.
    pub fn precede(&self, command: &mut Command) {
        self.set(ATTACHED, 0);
        command.env("LD_PRELOAD", library()).env("ZEDIS_FAULTS", &self.path);
    }

    pub fn is_attached(&self) -> bool {
        self.get(ATTACHED) == 1
    }

    fn arm_in(&self, dir: &Path) {
        let mut text = dir.to_string_lossy().into_owned().into_bytes();
        assert!(text.len() < TEXT_LEN);
        text.resize(TEXT_LEN, 0);
        self.file.write_all_at(&text, DIR).expect("it can be written to");
        self.file.write_all_at(&[0; TEXT_LEN], WHAT).expect("it can be written to");
        self.set(SEEN, 0);
        self.set(INJECTED, 0);
        self.set(ARMED, 1);
    }

    /// From now on no call on files below `dir` returns, until it is disarmed.
    pub fn arm_hang(&self, dir: &Path) {
        self.disarm();
        self.set(KINDS, Fault::Io.kinds(ALL));
        self.set(FIRST, 1);
        self.set(COUNT, u64::MAX);
        self.set(IS_SMALL, 0);
        self.set(HANGS, 1);
        self.arm_in(dir);
    }

    /// From now on the `first`-th call among `kinds` on files below `dir`, and all but `count` - 1 behind it, meet this.
    pub fn arm(&self, dir: &Path, kinds: &[Kind], fault: Fault, first: u64, count: u64) {
        self.disarm();
        self.set(KINDS, fault.kinds(kinds));
        self.set(FIRST, first);
        self.set(COUNT, count);
        self.set(ERROR, fault.errno());
        self.set(IS_SMALL, 0);
        self.set(HANGS, 0);
        self.arm_in(dir);
    }

    /// From now on the disk takes so many bytes.
    pub fn arm_room(&self, dir: &Path, bytes: u64) {
        self.disarm();
        self.set(KINDS, 0);
        self.set(FIRST, 0);
        self.set(IS_SMALL, 1);
        self.set(HANGS, 0);
        self.set(ROOM, bytes);
        self.arm_in(dir);
    }

    /// The disk is as good as new.
    pub fn disarm(&self) {
        self.set(ARMED, 0);
    }

    /// How many calls have met it.
    pub fn injected(&self) -> u64 {
        self.get(INJECTED)
    }

    /// Calls that counted.
    pub fn seen(&self) -> u64 {
        self.get(SEEN)
    }

    /// The first call that met it.
    pub fn what(&self) -> String {
        let mut bytes = [0; TEXT_LEN];
        self.file.read_exact_at(&mut bytes, WHAT).expect("it can be read");
        let len = bytes.iter().position(|&byte| byte == 0).unwrap_or(TEXT_LEN);
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/faults.c");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}.so", std::process::id()));
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(&target)
            .arg(source)
            .arg("-ldl")
            .output()
            .expect("a C compiler");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        target
    })
}
