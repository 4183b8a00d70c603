//! The rules of the house that the compiler does not hold: layers, who may touch sockets and clocks, names, lengths. It reads the
//! sources as text; comments and string literals do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file: more than the first is worth a thought, more than the second is refused.
const SOFT_LINES: usize = 500;
const HARD_LINES: usize = 1000;
/// Columns of a line of a comment.
const COMMENT_COLUMNS: usize = 140;

/// What each top-level module may import, besides itself. `commands` is finer, see [`DATA_GROUPS_NEVER_NAME`].
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("reactor", &["base"]),
    ("resp", &["base"]),
    ("collections", &["base"]),
    ("config", &["base", "resp"]),
    ("keyspace", &["base", "resp", "collections", "config"]),
    // Rules in parentheses are words as in a line of redis.conf.
    ("acl", &["base", "resp"]),
    ("persistence", &["base", "resp", "collections", "keyspace"]),
    // The record names the view, the writer, the session and the engine; the functions of a data group do not.
    ("commands", &["base", "reactor", "resp", "collections", "keyspace", "persistence", "config", "acl", "server"]),
    ("server", &["base", "reactor", "resp", "collections", "keyspace", "config", "acl", "persistence", "commands"]),
    ("benchmark", &["base", "resp", "server"]),
    ("main", &["base", "config", "server", "benchmark"]),
    ("lib", &[]),
];

/// Groups under `commands/` whose functions see arguments, a view or a writer, and a reply.
const DATA_GROUPS_NEVER_NAME: &str = "server";
const GROUPS_THAT_MAY: &[&str] = &["connection", "server", "pubsub", "transactions", "scripting", "cluster"];
/// Files directly under `commands/` that may name the server: the record, which holds functions that take it.
const COMMAND_FILES_THAT_MAY: &[&str] = &["src/commands/command.rs"];

/// Where sockets may be named, and why outside `reactor/`.
const SOCKETS: &[(&str, &str)] = &[
    ("src/reactor/", "this is what it is for"),
    ("src/benchmark/", "the client side of the load"),
    ("src/server/turn.rs", "the poll of the loop"),
    ("src/server/exporter/", "registers the metrics' sockets with that poll"),
    ("src/server/network.rs", "registers listeners and clients with that poll"),
    ("src/server/start", "signals, limits and descriptors at the start"),
];
/// Types and crates, so that addresses may be named anywhere.
const SOCKET_NAMES: &[&str] =
    &["TcpStream", "TcpListener", "UdpSocket", "UnixStream", "UnixListener", "mio::", "socket2::"];

/// Where the time may be read.
const CLOCKS: &[(&str, &str)] = &[
    ("src/base/clock.rs", "the one clock"),
    ("src/base/random.rs", "a seed where the kernel has no entropy yet"),
    ("src/benchmark/", "measures from outside the server"),
];
const CLOCK_NAMES: &[&str] = &["Instant::now", "SystemTime::now", "clock_gettime", "gettimeofday"];

/// Where randomness from outside may be named: everything else draws from the seeded source that it is handed.
const RANDOMNESS: &[(&str, &str)] = &[
    ("src/base/random.rs", "the one source"),
    ("src/server/start", "the seed"),
    ("src/main.rs", "the seed"),
    ("src/benchmark/", "measures from outside the server"),
];
const RANDOMNESS_NAMES: &[&str] = &["RandomState", "getrandom", "/dev/urandom", "thread_rng"];

/// The files with unsafe code, and what for.
const UNSAFE: &[(&str, &str)] = &[
    ("src/keyspace/entry.rs", "one allocation per key"),
    ("src/base/allocator.rs", "the allocator and its statistics"),
    ("src/collections/thin_bytes.rs", "one word for a small collection, one allocation with its length"),
    ("src/collections/member.rs", "one allocation per member of a sorted set, two owners"),
    ("src/base/sampler.rs", "the profiler's signal handler, its timer, and the walk up the interrupted stack"),
    ("src/base/clock/counter.rs", "RDTSC, which costs a third of what the vDSO does with it"),
    ("src/base/fault.rs", "the handlers of faults and alarms, which run on the thread in trouble"),
    ("src/server/start.rs", "fork, setsid and rlimits of the start"),
    ("src/server/process.rs", "prctl(PR_SET_MM_MAP) for the process title, which no crate wraps"),
];

/// How far above unsafe code its SAFETY comment may begin.
const REASON_LINES: usize = 8;

const BANNED_MODULES: &[&str] = &["util", "utils", "helper", "helpers", "common", "misc"];
const BANNED_WORDS: &[&str] = &["todo!", "unimplemented!", "#[ignore", "Box<dyn Error", "Box<dyn std::error::Error"];

struct Source {
    /// From the root of the repository, with slashes.
    path: String,
    text: String,
    /// The text with comments and the contents of string literals blanked out.
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `folder`.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.expect("an entry").path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("sources are UTF-8");
                let path = path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
                found.push(Source { code: without_comments_and_strings(&text), path, text });
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}");
    found
}

/// Blanks out what is not code, keeping lines where they are.
fn without_comments_and_strings(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let len = if rest.starts_with(b"//") {
            rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            rest.windows(2).position(|pair| pair == b"*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with(b"r\"")
            || rest.starts_with(b"r#")
            || rest.starts_with(b"br\"")
            || rest.starts_with(b"br#")
        {
            raw_string_len(rest)
        } else if rest[0] == b'"' {
            let mut end = 1;
            while end < rest.len() && rest[end] != b'"' {
                end += if rest[end] == b'\\' { 2 } else { 1 };
            }
            (end + 1).min(rest.len())
        } else if rest.starts_with(b"'\\") {
            // A character: skip what is escaped, which may be a quote.
            rest[3..].iter().position(|&byte| byte == b'\'').map_or(1, |end| end + 4)
        } else if rest.len() > 2 && rest[0] == b'\'' && rest[2] == b'\'' {
            3
        } else {
            0
        };
        if len == 0 {
            code.push(rest[0]);
            at += 1;
        } else {
            code.extend(rest[..len].iter().map(|&byte| if byte == b'\n' { b'\n' } else { b' ' }));
            at += len;
        }
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// Length of the raw string that `rest` begins with; 0 if it is something else, such as `r#type`.
fn raw_string_len(rest: &[u8]) -> usize {
    let start = if rest[0] == b'b' { 2 } else { 1 };
    let hashes = rest[start..].iter().take_while(|&&byte| byte == b'#').count();
    if rest.get(start + hashes) != Some(&b'"') {
        return 0;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let body = start + hashes + 1;
    rest[body..]
        .windows(close.len())
        .position(|window| window == close)
        .map_or(rest.len(), |end| body + end + close.len())
}

/// The module a file of `src/` belongs to: its folder, or its own name.
fn module(path: &str) -> &str {
    let inner = path.strip_prefix("src/").expect("a file of src");
    inner.split('/').next().map_or(inner, |first| first.strip_suffix(".rs").unwrap_or(first))
}

/// The top-level modules that a file names after `crate::` (and `zedis::`, which the binary says), with line numbers.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for prefix in ["crate::", "zedis::"] {
        for (at, _) in source.code.match_indices(prefix) {
            let line = 1 + source.code[..at].matches('\n').count();
            let rest = &source.code[at + prefix.len()..];
            // `use crate::{a::X, b::Y};` names several.
            if let Some(group) = rest.strip_prefix('{') {
                let mut depth = 0;
                let mut first = true;
                for part in group.split_inclusive(['{', '}', ',']) {
                    let name: String = part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    if depth == 0 && first && !name.is_empty() {
                        found.push((line, name));
                    }
                    first = part.ends_with(',') || (part.ends_with('{') && depth > 0);
                    match part.as_bytes().last() {
                        Some(b'{') => depth += 1,
                        Some(b'}') if depth == 0 => break,
                        Some(b'}') => depth -= 1,
                        _ => {}
                    }
                }
            } else {
                found.push((line, rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()));
            }
        }
    }
    found
}

fn report(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn imports_point_downward() {
    let modules: BTreeSet<String> = sources("src").iter().map(|source| module(&source.path).to_string()).collect();
    let mut complaints = Vec::new();
    for source in sources("src") {
        let own = module(&source.path);
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == own) else {
            complaints.push(format!("{}: the layer table does not know {own}", source.path));
            continue;
        };
        let group = source.path.strip_prefix("src/commands/").and_then(|inner| Some(inner.split_once('/')?.0));
        let may_name_server = match group {
            Some(group) => GROUPS_THAT_MAY.contains(&group),
            None => own != "commands" || COMMAND_FILES_THAT_MAY.contains(&source.path.as_str()),
        };
        for (line, named) in imports(&source) {
            // Macros and items of the crate's root are not modules.
            if named == own || !modules.contains(&named) {
                continue;
            }
            let data_group = named == DATA_GROUPS_NEVER_NAME && !may_name_server;
            if data_group || !allowed.contains(&named.as_str()) {
                complaints.push(format!("{}:{line}: {own} must not name {named}", source.path));
            }
        }
    }
    report(&complaints);
}

/// Complains where `names` stand outside `places`. What a file's own tests do is their business.
fn only_in(names: &[&str], places: &[(&str, &str)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources("src") {
        if places.iter().any(|(place, _)| source.path.starts_with(place)) || source.path.ends_with("/tests.rs") {
            continue;
        }
        let code = source.code.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            for name in names {
                if line.contains(name) {
                    complaints.push(format!("{}:{}: {name} belongs elsewhere", source.path, number + 1));
                }
            }
        }
    }
    complaints
}

#[test]
fn sockets_clocks_and_randomness_stay_in_their_places() {
    let mut complaints = only_in(SOCKET_NAMES, SOCKETS);
    complaints.extend(only_in(CLOCK_NAMES, CLOCKS));
    complaints.extend(only_in(RANDOMNESS_NAMES, RANDOMNESS));
    report(&complaints);
}

#[test]
fn unsafe_code_is_where_it_is_expected() {
    let mut complaints = Vec::new();
    for source in sources("src").iter().chain(&sources("tests")).chain(&sources("benches")) {
        let allowed = UNSAFE.iter().any(|(place, _)| *place == source.path);
        let counts_allocations = source.path.contains("allocations");
        for (number, line) in source.code.lines().enumerate() {
            let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            if words.contains(&"unsafe") && !allowed && !counts_allocations {
                complaints.push(format!("{}:{}: unsafe code outside the list", source.path, number + 1));
            }
        }
        // What makes it safe stands above it.
        let lines: Vec<&str> = source.text.lines().collect();
        for (number, line) in source.code.lines().enumerate() {
            let above = &lines[number.saturating_sub(REASON_LINES)..=number];
            let claims =
                ["unsafe {", "unsafe impl", "unsafe fn", "unsafe extern"].iter().any(|claim| line.contains(claim));
            if claims && !above.iter().any(|line| line.contains("SAFETY:")) {
                complaints.push(format!("{}:{}: no SAFETY comment above", source.path, number + 1));
            }
        }
    }
    report(&complaints);
}

/// A record in the sources: the file it is in, what its static is called, and the command's name.
struct Record {
    path: String,
    declared: String,
    name: String,
}

/// The records of commands, and as (file, static) those that some container lists as its subcommands.
fn records() -> (Vec<Record>, BTreeSet<(String, String)>) {
    let (mut records, mut subcommands) = (Vec::new(), BTreeSet::new());
    for source in sources("src/commands") {
        // Blanking out keeps every byte's place, so a name is read where the code says that there is one.
        for (at, _) in source.code.match_indices(": Command =") {
            let Some(length) = source.code[at..].find("};") else { continue };
            let declared = source.code[..at].rsplit("static ").next().unwrap_or_default().trim().to_string();
            let record = &source.text[at..at + length];
            let name = match record.split_once("name: \"") {
                Some((_, name)) => name.split('"').next().unwrap_or_default().to_string(),
                None if record.contains("..Command::HELP") => "help".to_string(),
                None => continue,
            };
            records.push(Record { path: source.path.clone(), declared, name });
        }
        for (at, start) in source.code.match_indices("subcommands: &[") {
            let list = source.code[at + start.len()..].split(']').next().unwrap_or_default();
            for item in list.split(',').map(|item| item.trim().trim_start_matches('&')).filter(|item| !item.is_empty())
            {
                // `LIST` of this file, or `client_list::LIST` of a neighbour.
                let (path, declared) = match item.rsplit_once("::") {
                    None => (source.path.clone(), item),
                    Some((module, declared)) => {
                        let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                        let module = module.rsplit("::").next().unwrap_or(module);
                        (format!("{folder}/{module}.rs"), declared)
                    }
                };
                subcommands.insert((path, declared.to_string()));
            }
        }
    }
    (records, subcommands)
}

/// Of each command there is one record, so `name: "get"` leads to it; what is a subcommand says so by being in a list.
#[test]
fn every_command_has_one_record() {
    let (records, subcommands) = records();
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for record in &records {
        let place = (record.path.clone(), record.declared.clone());
        if !subcommands.contains(&place) {
            places.entry(&record.name).or_default().push(&record.path);
        }
        found.insert(place);
    }
    assert!(!places.is_empty(), "no records were found");
    let mut complaints: Vec<String> = places
        .iter()
        .filter(|(_, paths)| paths.len() > 1)
        .map(|(name, paths)| format!("{name} has records in {}", paths.join(", ")))
        .collect();
    let lost = subcommands.iter().filter(|place| !found.contains(place));
    complaints.extend(lost.map(|(path, declared)| format!("{path}: no record of the subcommand {declared}")));
    report(&complaints);
}

#[test]
fn files_are_short() {
    let mut complaints = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for source in sources(folder) {
            let lines = source.text.lines().count();
            if lines > SOFT_LINES {
                println!("{}: {lines} lines, more than {SOFT_LINES}", source.path);
            }
            if lines > HARD_LINES {
                complaints.push(format!("{}: {lines} lines, more than {HARD_LINES}", source.path));
            }
        }
    }
    report(&complaints);
}

/// Code is as wide as rustfmt makes it; it leaves comments alone.
#[test]
fn comments_are_narrow() {
    let mut complaints = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for source in sources(folder) {
            for (line, text) in source.text.lines().enumerate() {
                let columns = text.chars().count();
                if text.trim_start().starts_with("//") && columns > COMMENT_COLUMNS {
                    complaints.push(format!(
                        "{}:{}: {columns} columns, more than {COMMENT_COLUMNS}",
                        source.path,
                        line + 1
                    ));
                }
            }
        }
    }
    report(&complaints);
}

/// The crate doc is the map of the sources: every folder is on it, and what is on it exists.
#[test]
fn the_crate_doc_names_every_folder() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    let doc: Vec<&str> = lib.lines().filter_map(|line| line.strip_prefix("//!")).collect();
    let folders: BTreeSet<String> = fs::read_dir(root().join("src"))
        .expect("src")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    // Anywhere in it a folder is named as `keyspace/` or [`keyspace`]; a line of its map begins with the name.
    let is_named = |folder: &str| {
        let forms = [format!("[`{folder}`]"), format!(" {folder}/"), format!("`{folder}/"), format!("[`{folder}/")];
        doc.iter().any(|line| forms.iter().any(|form| line.contains(form)))
    };
    let mapped = doc.iter().filter_map(|line| {
        let (name, _) = line.trim_start_matches([' ', '`', '*', '-', '|', '[']).split_once('/')?;
        (!name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')).then_some(name)
    });
    let mut complaints = Vec::new();
    for folder in folders.iter().filter(|folder| !is_named(folder)) {
        complaints.push(format!("src/{folder}/ is not in the crate doc (as `{folder}/`)"));
    }
    for name in mapped.filter(|name| !folders.contains(*name) && !root().join(name).is_dir()) {
        complaints.push(format!("the crate doc names {name}/, which does not exist"));
    }
    report(&complaints);
}

#[test]
fn words_and_names_that_are_not_used() {
    let mut complaints = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for source in sources(folder) {
            for (number, line) in source.code.lines().enumerate() {
                let place = format!("{}:{}", source.path, number + 1);
                let trimmed = line.trim_start();
                if trimmed.trim_start_matches("pub ").starts_with("use ") && trimmed.contains("*") {
                    complaints.push(format!("{place}: a glob import"));
                }
                for word in BANNED_WORDS {
                    if line.contains(word) {
                        complaints.push(format!("{place}: {word}"));
                    }
                }
            }
            let parts = source.path.trim_end_matches(".rs").split('/');
            for part in parts.filter(|part| BANNED_MODULES.contains(part)) {
                complaints.push(format!("{}: a module called {part} says nothing", source.path));
            }
        }
    }
    report(&complaints);
}

/// Every source begins by saying what it is.
#[test]
fn every_module_has_a_header() {
    let complaints: Vec<String> = sources("src")
        .iter()
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| format!("{}: no module header", source.path))
        .collect();
    report(&complaints);
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let mut complaints = Vec::new();
    let mut section = "";
    let mut previous = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.contains("dependencies")
            && line.contains('=')
            && !line.starts_with(['#', ' ', '"', ']'])
            && !previous.starts_with("# ")
        {
            complaints.push(format!("{line}: no comment above it"));
        }
        previous = line;
    }
    report(&complaints);
}

/// What counts as code: the rules stand or fall with it.
#[test]
fn comments_and_strings_are_not_code() {
    for (text, code) in [
        ("a // unsafe\nb", "a          \nb"),
        ("a /* x\ny */ b", "a     \n     b"),
        ("f(\"unsafe \\\" x\") + 1", "f(             ) + 1"),
        ("r#\"a \" b\"# c", "           c"),
        ("b'\"' + '\\'' + 'x' + 'a", "b    +      +     + 'a"),
        ("r#type", "r#type"),
    ] {
        assert_eq!(without_comments_and_strings(text), code, "{text}");
    }
}
