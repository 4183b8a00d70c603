//! perf's samples as folded stacks (`outer;inner count`), with the functions that the compiler inlined put back.
//!
//! In an optimized build most of the parser is inlined into the loop, so symbols alone would call it the loop. The line tables of
//! the shipped binary know better: `addr2line -i` names the source file of each inlined frame, and the file gives the module path
//! (`src/resp/request.rs` is `resp::request`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::rig::interrupt::Guarded;
use crate::rig::{need_program, tree};
use crate::scratch;

/// Behind the name of a kernel frame.
pub const KERNEL: &str = "_[k]";
/// Frames outside of main.
const RUNTIME: [&str; 6] = ["_start", "__libc_start", "main", "std::", "core::", "[unknown]"];
/// Where kernel addresses begin.
const KERNEL_START: u64 = 0xffff_0000_0000_0000;

/// A frame of a sample, innermost first in the sample's list.
struct Frame<'a> {
    /// For a program or library: the offset in its file.
    address: u64,
    symbol: &'a str,
    object: &'a str,
}

/// Reads the samples of `data` that were taken of `binary`.
pub fn fold(perf: &Path, data: &Path, binary: &Path) -> io::Result<String> {
    let script = scratch().join("perf-script.txt");
    let child = Command::new(perf)
        .args(["script", "--no-inline", "-F", "comm,pid,tid,time,event,ip,sym,dso", "-i"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(File::create(&script)?)
        .stderr(Stdio::null())
        .spawn()?;
    let status = Guarded(child).wait()?;
    if !status.success() {
        return Err(io::Error::other(format!("perf script: {status}")));
    }
    let script = String::from_utf8_lossy(&fs::read(&script)?).into_owned();
    let samples: Vec<Vec<Frame<'_>>> =
        script.split("\n\n").map(|sample| sample.lines().filter_map(frame).collect()).collect();

    let binary = fs::canonicalize(binary)?;
    let is_ours = |frame: &Frame<'_>| Path::new(frame.object) == binary;
    let lookups = samples.iter().flat_map(|sample| {
        sample
            .iter()
            .enumerate()
            .filter(|(_, frame)| is_ours(frame))
            .map(|(depth, frame)| call_site(depth, frame.address))
    });
    let inlined = inlined(&binary, &lookups.collect())?;

    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| !sample.is_empty()) {
        let mut names: Vec<String> = Vec::new();
        for (depth, frame) in sample.iter().enumerate() {
            match inlined.get(&call_site(depth, frame.address)).filter(|_| is_ours(frame)) {
                Some(frames) => {
                    for (i, (function, file)) in frames.iter().enumerate() {
                        let is_outermost = i + 1 == frames.len();
                        names.push(name(if is_outermost { frame.symbol } else { function }, file, is_outermost));
                    }
                }
                None if frame.address >= KERNEL_START => names.push(format!("{}{KERNEL}", frame.symbol)),
                None => names.push(frame.symbol.to_owned()),
            }
        }
        names.reverse();
        // What the runtime does before main says nothing.
        let start = names.iter().position(|name| !RUNTIME.iter().any(|prefix| name.starts_with(prefix))).unwrap_or(0);
        names.drain(..start);
        let stack: Vec<String> = names.iter().map(|name| name.replace([';', ' '], "_")).collect();
        *counts.entry(stack.join(";")).or_default() += 1;
    }
    let mut folded = String::new();
    for (stack, count) in counts {
        let _ = writeln!(folded, "{stack} {count}");
    }
    Ok(folded)
}

/// `  4f45d symbol (object)`.
fn frame(line: &str) -> Option<Frame<'_>> {
    if !line.starts_with([' ', '\t']) {
        return None;
    }
    let (address, rest) = line.trim().split_once(' ')?;
    let (symbol, object) = rest.rsplit_once(" (")?;
    Some(Frame { address: u64::from_str_radix(address, 16).ok()?, symbol, object: object.trim_end_matches(')') })
}

/// A caller's address is where the call returns to, which may belong to the next line.
fn call_site(depth: usize, address: u64) -> u64 {
    if depth == 0 { address } else { address.saturating_sub(1) }
}

/// Function and file of each frame at these file offsets, innermost first.
fn inlined(binary: &Path, offsets: &BTreeSet<u64>) -> io::Result<HashMap<u64, Vec<(String, String)>>> {
    let to_address = address_of_offset(binary)?;
    let mut asked = String::new();
    for offset in offsets {
        let _ = writeln!(asked, "{:x}", offset.wrapping_add(to_address));
    }
    let (questions, answers) = (scratch().join("addresses.txt"), scratch().join("inlined.txt"));
    fs::write(&questions, asked)?;
    let child = Command::new(need_program("addr2line", "binutils")?)
        .args(["-a", "-i", "-f", "-C", "-e"])
        .arg(binary)
        .stdin(File::open(&questions)?)
        .stdout(File::create(&answers)?)
        .stderr(Stdio::null())
        .spawn()?;
    Guarded(child).wait()?;

    let mut frames: HashMap<u64, Vec<(String, String)>> = HashMap::new();
    let answers = fs::read_to_string(&answers)?;
    let mut lines = answers.lines().peekable();
    let mut offsets = offsets.iter();
    while lines.next().is_some_and(|line| line.starts_with("0x")) {
        let Some(&offset) = offsets.next() else { break };
        let of_offset = frames.entry(offset).or_default();
        while let Some(function) = lines.next_if(|line| !line.starts_with("0x")) {
            let file = lines.next().unwrap_or_default();
            of_offset.push((function.to_owned(), file.to_owned()));
        }
    }
    Ok(frames)
}

/// What to add to a file offset in the executable segment to get the address that the line tables use.
fn address_of_offset(binary: &Path) -> io::Result<u64> {
    let output = Command::new(need_program("readelf", "binutils")?).arg("-lW").arg(binary).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // LOAD, offset, virtual address, physical address, sizes, flags.
    let segment = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|words| words.first() == Some(&"LOAD") && words.contains(&"E"));
    let number = |index: usize| {
        let word = segment.as_ref()?.get(index)?.strip_prefix("0x")?;
        u64::from_str_radix(word, 16).ok()
    };
    match (number(1), number(2)) {
        (Some(offset), Some(address)) => Ok(address.wrapping_sub(offset)),
        _ => Err(io::Error::other("readelf shows no executable segment")),
    }
}

/// The module path that the file stands for, and the function's own name.
fn name(function: &str, file: &str, is_outermost: bool) -> String {
    let module = module(file);
    if module.is_empty() || (is_outermost && !is_of_tree(file)) {
        return function.to_owned();
    }
    // Without its type parameters and path; `<A as B>::put` is `put`.
    let plain = if function.starts_with('<') { function } else { function.split('<').next().unwrap_or(function) };
    let plain = plain.trim_end_matches("::").rsplit("::").next().unwrap_or(plain);
    format!("{module}::{plain}")
}

fn is_of_tree(file: &str) -> bool {
    Path::new(file).starts_with(tree().join("src"))
}

/// `.../src/resp/request.rs:12` is `resp::request`; of another crate, the crate's name.
fn module(file: &str) -> String {
    let path = file.split(".rs").next().unwrap_or(file);
    if let Ok(inside) = Path::new(path).strip_prefix(tree().join("src")) {
        let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        return parts.join("::").trim_end_matches("::mod").to_owned();
    }
    let package = match (path.split_once("/library/"), path.split_once("/registry/src/")) {
        (Some((_, rest)), _) => rest.split('/').next(),
        (None, Some((_, rest))) => rest.split('/').nth(1),
        (None, None) => None,
    };
    // `memchr-2.8.3` is memchr.
    let package = package.unwrap_or_default();
    let version = package.rfind('-').filter(|&at| package[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    package[..version.unwrap_or(package.len())].to_owned()
}
