//! The command records against the commands: for each command and subcommand that COMMAND DOCS names, valid calls are generated
//! from its argument grammar until every token and every choice has been sent. A valid call is never answered with a
//! syntax or an arity error, and the shortest one is as long as the arity says.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use support::client::Client;
use support::random::Random;
use support::reply::Reply;
use support::server::{Server, subject_is_redis};
use support::table::show;

/// Calls per command, at least.
const CALLS: usize = 40;
/// Generated calls per command after which a token that did not come up is an error.
const CALLS_MAX: usize = 4000;

/// Commands that a generated call would make useless for those after it; what sends them instead.
const SENT_ELSEWHERE: &[(&str, &str)] = &[
    ("shutdown", "ends the process: differential_server.rs"),
    ("client|reply", "silences the client: differential_connection.rs"),
    ("client|pause", "stops everybody: differential_connection.rs"),
    ("quit", "ends the connection: differential_connection.rs"),
    ("debug", "has no grammar: differential_server.rs"),
    ("subscribe", "puts the client into another context: differential_pubsub.rs"),
    ("psubscribe", "puts the client into another context: differential_pubsub.rs"),
    ("ssubscribe", "puts the client into another context: differential_pubsub.rs"),
    ("unsubscribe", "is answered once per channel: differential_pubsub.rs"),
    ("punsubscribe", "is answered once per pattern: differential_pubsub.rs"),
    ("sunsubscribe", "is answered once per channel: differential_pubsub.rs"),
    ("monitor", "is answered once: differential_introspection.rs"),
];

/// Commands that take one of their optional arguments at a time, which the grammar cannot say.
const ONE_OPTION_AT_A_TIME: &[&str] = &["client|list"];

/// Commands that say by themselves what is missing, so their arity is less than their shortest valid call.
const ARITY_OF_LESS: &[&str] = &["hotkeys|start"];

/// Options that are refused together, which the grammar cannot say either.
const REFUSED_TOGETHER: &[(&str, &str, &str)] = &[
    ("increx", "PERSIST", "ENX"),
    ("zrange", "BYLEX", "WITHSCORES"),
    ("restore", "IDLETIME", "FREQ"),
    ("restore-asking", "IDLETIME", "FREQ"),
];

/// With a redis-server as the subject, the commands that the suite is tried on.
const TRIED_ON_REDIS: &[&str] = &[
    "append",
    "client",
    "command",
    "config",
    "copy",
    "decr",
    "decrby",
    "del",
    "echo",
    "exists",
    "expire",
    "expireat",
    "expiretime",
    "flushall",
    "flushdb",
    "get",
    "getdel",
    "getex",
    "getrange",
    "getset",
    "hello",
    "incr",
    "incrby",
    "incrbyfloat",
    "info",
    "keys",
    "lcs",
    "lolwut",
    "mget",
    "move",
    "mset",
    "msetnx",
    "object",
    "persist",
    "pexpire",
    "pexpireat",
    "pexpiretime",
    "ping",
    "psetex",
    "pttl",
    "randomkey",
    "rename",
    "renamenx",
    "scan",
    "select",
    "set",
    "setex",
    "setnx",
    "setrange",
    "strlen",
    "substr",
    "swapdb",
    "time",
    "touch",
    "ttl",
    "type",
    "unlink",
    "auth",
    "dbsize",
    "reset",
];

/// A node of the grammar, as COMMAND DOCS shows it.
struct Argument {
    name: String,
    kind: String,
    token: Option<String>,
    optional: bool,
    multiple: bool,
    multiple_token: bool,
    parts: Vec<Argument>,
}

impl Argument {
    fn read(reply: &Reply) -> Argument {
        let text = |field: &str| reply.field(field).map(Reply::string);
        let flags: Vec<String> =
            reply.field("flags").map_or(Vec::new(), |flags| flags.items().iter().map(Reply::string).collect());
        let has = |flag: &str| flags.iter().any(|found| found == flag);
        Argument {
            name: text("name").expect("an argument has a name"),
            kind: text("type").expect("an argument has a type"),
            token: text("token"),
            optional: has("optional"),
            multiple: has("multiple"),
            multiple_token: has("multiple_token"),
            parts: arguments(reply),
        }
    }

    fn tokens(&self, found: &mut BTreeSet<String>) {
        found.extend(self.token.iter().filter(|token| !token.is_empty()).cloned());
        for part in &self.parts {
            part.tokens(found);
        }
    }
}

fn arguments(docs: &Reply) -> Vec<Argument> {
    docs.field("arguments").map_or(Vec::new(), |arguments| arguments.items().iter().map(Argument::read).collect())
}

/// A command or subcommand: `client|list`, its words, its grammar.
struct Subject {
    full_name: String,
    arguments: Vec<Argument>,
    arity: i64,
    is_container: bool,
}

fn subjects(client: &mut Client) -> Vec<Subject> {
    let docs = client.run("COMMAND DOCS");
    let mut subjects = Vec::new();
    for pair in docs.items().chunks_exact(2) {
        collect(client, &pair[0].string(), &pair[1], &mut subjects);
    }
    assert!(!subjects.is_empty(), "COMMAND DOCS names no command");
    subjects
}

fn collect(client: &mut Client, full_name: &str, docs: &Reply, subjects: &mut Vec<Subject>) {
    let info = client.call(&["COMMAND", "INFO", full_name]);
    let arity = info.items()[0].items().get(1).map(Reply::int);
    let below = docs.field("subcommands").map_or(&[][..], Reply::items);
    subjects.push(Subject {
        full_name: full_name.to_string(),
        arguments: arguments(docs),
        arity: arity.unwrap_or_else(|| panic!("COMMAND INFO does not know {full_name}")),
        is_container: !below.is_empty(),
    });
    for pair in below.chunks_exact(2) {
        collect(client, &pair[0].string(), &pair[1], subjects);
    }
}

struct Generator {
    random: Random,
    /// Probability of an optional argument, in percent.
    optional_percent: usize,
    one_option: bool,
    /// What has been sent.
    tokens: BTreeSet<String>,
}

impl Generator {
    fn call(&mut self, subject: &Subject) -> Vec<Vec<u8>> {
        let mut call: Vec<Vec<u8>> = subject.full_name.split('|').map(|word| word.as_bytes().to_vec()).collect();
        self.one_option = ONE_OPTION_AT_A_TIME.contains(&subject.full_name.as_str());
        let mut options_left = if self.one_option { 1 } else { usize::MAX };
        for argument in &subject.arguments {
            if argument.optional && (options_left == 0 || self.random.below(100) >= self.optional_percent) {
                continue;
            }
            if argument.optional {
                options_left -= 1;
            }
            self.argument(argument, &mut call);
        }
        // A count of keys is known when they are there.
        if let Some(at) = call.iter().position(|arg| arg == NUMKEYS) {
            let numkeys = call[at + 1..].iter().filter(|arg| arg.starts_with(b"key-")).count();
            call[at] = numkeys.to_string().into_bytes();
        }
        // So is one of fields, which are last.
        if let Some(at) = call.iter().position(|arg| arg == NUMFIELDS) {
            let each = if subject.full_name == "hsetex" { 2 } else { 1 };
            call[at] = ((call.len() - at - 1) / each).to_string().into_bytes();
        }
        call
    }

    fn argument(&mut self, argument: &Argument, call: &mut Vec<Vec<u8>>) {
        let times = if argument.multiple && self.optional_percent > 0 { 1 + self.random.below(3) } else { 1 };
        for time in 0..times {
            if let Some(token) = &argument.token
                && (time == 0 || argument.multiple_token)
            {
                self.tokens.insert(token.clone());
                if !token.is_empty() {
                    call.push(token.clone().into_bytes());
                }
            }
            match argument.kind.as_str() {
                "pure-token" => {}
                "oneof" => {
                    let at = self.random.below(argument.parts.len());
                    self.argument(&argument.parts[at], call);
                }
                "block" => {
                    for part in &argument.parts {
                        if !part.optional || self.random.below(100) < self.optional_percent {
                            self.argument(part, call);
                        }
                    }
                }
                kind => {
                    let value = self.value(kind, argument);
                    call.push(value.into_bytes());
                }
            }
        }
    }

    /// A value that fits an argument of this type and name.
    fn value(&mut self, kind: &str, argument: &Argument) -> String {
        let number = self.random.below(100);
        if argument.token.as_deref() == Some("SKIPME") {
            return "yes".to_string();
        }
        match (kind, argument.name.as_str()) {
            ("key", _) => format!("key-{}", number % 4),
            (_, "numkeys") => String::from_utf8_lossy(NUMKEYS).into_owned(),
            (_, "numfields") => String::from_utf8_lossy(NUMFIELDS).into_owned(),
            (_, "protover") => "2".to_string(),
            (_, "cursor") => "0".to_string(),
            (_, "destination-db" | "db" | "index" | "index1" | "index2") => format!("{}", number % 3),
            (_, "ifdeq-digest" | "ifdne-digest") => format!("{:016x}", self.random.next()),
            (_, "increment" | "decrement") if kind == "string" => number.to_string(),
            // Of a user.
            (_, "rule") => format!("~key-{number}"),
            (_, "lowerbound") => "-1000000".to_string(),
            (_, "upperbound") => "1000000".to_string(),
            ("integer", _) => (1000 + number).to_string(),
            ("unix-time", _) => "33177117420".to_string(),
            // Of a blocking command.
            ("double", "timeout") => "0.001".to_string(),
            ("double", _) => format!("{number}.5"),
            ("pattern", _) => "k*".to_string(),
            _ => number.to_string(),
        }
    }
}

/// Stands for the number of keys until they have been generated.
const NUMKEYS: &[u8] = b"<numkeys>";
const NUMFIELDS: &[u8] = b"<numfields>";

/// Whether an error says that the call itself was wrong, which it never is.
fn blames_the_call(reply: &Reply) -> bool {
    let text = reply.string().to_lowercase();
    reply.is_error()
        && ["syntax error", "wrong number of arguments", "unknown command", "unknown subcommand"]
            .iter()
            .any(|blame| text.contains(blame))
}

fn excluded(name: &str, call: &[Vec<u8>]) -> bool {
    let has = |word: &str| call.iter().any(|arg| arg == word.as_bytes());
    if REFUSED_TOGETHER.iter().any(|(command, one, other)| *command == name && has(one) && has(other)) {
        return true;
    }
    // A part of a range is one by score or by member.
    if matches!(name, "zrange" | "zrangestore") && has("LIMIT") && !has("BYSCORE") && !has("BYLEX") {
        return true;
    }
    // As many weights as keys.
    let numbers = |from: usize| call[from..].iter().take_while(|arg| arg.iter().all(u8::is_ascii_digit)).count();
    let weights = call.iter().position(|arg| arg == b"WEIGHTS").map(|at| numbers(at + 1));
    let from = if name.ends_with("store") { 2 } else { 1 };
    let keys = || call[from..].iter().filter(|arg| arg.starts_with(b"key-")).count();
    name.starts_with('z') && weights.is_some_and(|weights| weights != keys())
}

#[test]
fn every_token_of_every_command() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    let is_zedis = !subject_is_redis();
    let mut generator = Generator {
        random: Random::new("every_token_of_every_command"),
        optional_percent: 0,
        one_option: false,
        tokens: BTreeSet::new(),
    };
    let mut complaints = Vec::new();
    let mut sent = BTreeMap::new();
    let subjects = subjects(&mut client);
    for subject in &subjects {
        let name = subject.full_name.as_str();
        let top = name.split('|').next().unwrap_or_default();
        let elsewhere = SENT_ELSEWHERE.iter().any(|(sent, _)| *sent == name || *sent == top);
        if elsewhere
            || (subject.is_container && subject.arguments.is_empty())
            || (!is_zedis && !TRIED_ON_REDIS.contains(&top))
        {
            continue;
        }
        if !is_zedis && matches!(name, "command|getkeys" | "command|getkeysandflags") {
            // 7.0 documents no arguments of these.
            continue;
        }
        generator.optional_percent = 0;
        // Choices differ in length, so the shortest of many.
        let shortest = (0..20).map(|_| generator.call(subject).len() as i64).min().unwrap_or_default();
        let fits = if subject.arity < 0 { shortest == -subject.arity } else { shortest == subject.arity };
        if !fits && !ARITY_OF_LESS.contains(&name) {
            complaints.push(format!("{name}: the shortest call has {shortest} words, its arity is {}", subject.arity));
        }
        let mut wanted = BTreeSet::new();
        subject.arguments.iter().for_each(|argument| argument.tokens(&mut wanted));
        generator.tokens.clear();
        let mut calls = 0;
        while calls < CALLS || !wanted.is_subset(&generator.tokens) {
            if calls == CALLS_MAX {
                let missing: Vec<&String> = wanted.difference(&generator.tokens).collect();
                complaints.push(format!("{name}: never sent {missing:?}"));
                break;
            }
            calls += 1;
            generator.optional_percent = [0, 20, 50, 90][calls % 4];
            let call = generator.call(subject);
            // What it did may have closed its own connection (CLIENT KILL), which is an answer too.
            if client.try_send(&support::client::encode(&call)).is_err() {
                client = server.connect();
                continue;
            }
            match client.try_read().expect("an answer in time") {
                Some((reply, _)) if blames_the_call(&reply) && !excluded(name, &call) => {
                    complaints.push(format!("{}: {reply:?}", show(&call)))
                }
                Some(_) => {}
                None => client = server.connect(),
            }
        }
        sent.insert(name, calls);
    }
    println!("{} commands and subcommands, {} calls", sent.len(), sent.values().sum::<usize>());
    let stale = SENT_ELSEWHERE.iter().filter(|(name, _)| !subjects.iter().any(|subject| subject.full_name == *name));
    complaints.extend(stale.map(|(name, _)| format!("{name} is said to be sent elsewhere, and does not exist")));
    complaints.dedup();
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// COMMAND, COMMAND COUNT, COMMAND LIST, COMMAND DOCS and COMMAND INFO speak of the same commands.
#[test]
fn the_lists_of_commands_agree() {
    let server = Server::subject(&[]);
    let mut client = server.connect();
    let names = |reply: Reply| -> BTreeSet<String> { reply.items().iter().map(Reply::string).collect() };
    let listed = names(client.run("COMMAND LIST"));
    let docs: BTreeSet<String> =
        client.run("COMMAND DOCS").items().chunks_exact(2).map(|pair| pair[0].string()).collect();
    let command: BTreeSet<String> = client.run("COMMAND").items().iter().map(|info| info.items()[0].string()).collect();
    let top: BTreeSet<String> = listed.iter().filter(|name| !name.contains('|')).cloned().collect();
    assert_eq!(docs, top);
    assert_eq!(command, top);
    assert_eq!(client.run("COMMAND COUNT").int(), top.len() as i64);
    for name in &top {
        let docs = client.call(&["COMMAND", "DOCS", name]);
        let docs = docs.field(name).unwrap_or_else(|| panic!("COMMAND DOCS {name}"));
        for field in ["summary", "since", "group"] {
            assert!(docs.field(field).is_some_and(|value| !value.text().is_empty()), "{name} has a {field}");
        }
    }
}
