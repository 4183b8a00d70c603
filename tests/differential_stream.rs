//! Generated streams of string and generic commands: tens of thousands of them over a few keys, with every option and some
//! damage, pipelined to the subject and to redis-server. Replies have to agree, and in the end the keyspaces.
//!
//! Deadlines depend on the time, so they are kept from mattering: each relative one is at least ten seconds from every other
//! of the stream, so that GT, LT and the order of expiry never depend on how fast the machine is.

mod support;

use support::client::{Client, encode};
use support::pair::{Clients, Pair};
use support::random::Random;
use support::reply::Reply;
use support::table::{Agreement, show, words};

type Command = Vec<Vec<u8>>;

const COMMANDS: usize = 100_000;
const BATCH: usize = 500;

/// What stands for what in [`FORMS`]: `key`, `val`, `int`, `float`, `ttl` (relative, in the unit of the word before or the command),
/// `at` (absolute), `off` (an offset), `glob`, `db`; anything else stands for itself. `[a b|c]` is nothing or one of the choices.
const FORMS: &[(&str, usize)] = &[
    ("SET key val", 12),
    ("SET key num", 10),
    ("SET key val [NX|XX] [GET] [EX sec|PX ms|EXAT at|PXAT atms|KEEPTTL]", 16),
    ("SET key val [GET] [EX sec|PX ms|EXAT at|PXAT atms|KEEPTTL] [NX|XX]", 4),
    ("GET key", 10),
    ("GETDEL key", 3),
    ("GETEX key [EX sec|PX ms|EXAT at|PXAT atms|PERSIST]", 6),
    ("GETSET key val", 3),
    ("GETRANGE key off off", 6),
    ("SUBSTR key off off", 2),
    ("SETRANGE key small val", 5),
    ("APPEND key val", 6),
    ("STRLEN key", 3),
    ("SETNX key val", 3),
    ("SETEX key sec val", 3),
    ("PSETEX key ms val", 3),
    ("MGET key key key", 3),
    ("MSET key val key num", 4),
    ("MSETNX key val key val", 3),
    ("INCR key", 8),
    ("DECR key", 5),
    ("INCRBY key int", 6),
    ("DECRBY key int", 5),
    ("INCRBYFLOAT key float", 6),
    ("LCS key key [LEN]", 1),
    ("LCS key key IDX [MINMATCHLEN small] [WITHMATCHLEN]", 1),
    ("COPY key key [DB db] [REPLACE]", 6),
    ("DEL key", 4),
    ("DEL key key key", 1),
    ("UNLINK key key", 3),
    ("EXISTS key key key", 3),
    ("TOUCH key key", 2),
    ("TYPE key", 2),
    ("EXPIRE key sec [NX|XX|GT|LT]", 6),
    ("PEXPIRE key ms [NX|XX|GT|LT]", 6),
    ("EXPIREAT key at [NX|XX|GT|LT]", 5),
    ("PEXPIREAT key atms [NX|XX|GT|LT]", 5),
    ("EXPIRE key sec XX [GT|LT]", 2),
    ("EXPIRE key gone [NX|XX|GT|LT]", 1),
    ("PEXPIREAT key gone", 1),
    ("EXPIREAT key gone", 1),
    ("PERSIST key", 4),
    ("TTL key", 3),
    ("PTTL key", 3),
    ("EXPIRETIME key", 3),
    ("PEXPIRETIME key", 3),
    ("RENAME key key", 4),
    ("RENAMENX key key", 4),
    ("MOVE key db", 3),
    ("KEYS glob", 1),
    ("SCAN 0 COUNT 1000 [MATCH glob] [TYPE string|TYPE list]", 2),
    ("OBJECT ENCODING key", 5),
    ("OBJECT IDLETIME key", 1),
    ("OBJECT FREQ key", 1),
    ("DBSIZE", 1),
    ("SELECT db", 2),
    ("SWAPDB db db", 1),
];

struct Generator {
    random: Random,
    total_weight: usize,
    /// Relative deadlines handed out.
    deadlines: u64,
}

impl Generator {
    fn new(random: Random) -> Generator {
        Generator { random, total_weight: FORMS.iter().map(|form| form.1).sum(), deadlines: 0 }
    }

    fn command(&mut self) -> Command {
        let mut at = self.random.below(self.total_weight);
        let mut form = "";
        for (candidate, weight) in FORMS {
            form = candidate;
            if at < *weight {
                break;
            }
            at -= weight;
        }
        let mut command = Vec::new();
        let mut rest = form;
        while !rest.is_empty() {
            let (part, tail) = match rest.strip_prefix('[') {
                Some(inner) => inner.split_once(']').expect("a closing bracket"),
                None => rest.split_once(' ').unwrap_or((rest, "")),
            };
            if rest.starts_with('[') {
                let choices: Vec<&str> = part.split('|').collect();
                if self.random.one_in(2) {
                    let choice = *self.random.pick(&choices);
                    self.words(choice, &mut command);
                }
            } else {
                self.words(part, &mut command);
            }
            rest = tail.trim_start();
        }
        if self.random.one_in(20) {
            self.damage(&mut command);
        }
        // A cursor other than 0 means something else to each server; and 7.4 refuses what 7.0 takes for a number.
        if command[0].eq_ignore_ascii_case(b"SCAN")
            && matches!(command.get(1).map(Vec::as_slice), Some(b"" | b"-1" | b"9223372036854775807"))
        {
            command[1] = b"0".to_vec();
        }
        command
    }

    fn words(&mut self, text: &str, command: &mut Command) {
        for word in text.split(' ') {
            let word = self.word(word);
            command.push(word);
        }
    }

    fn word(&mut self, word: &str) -> Vec<u8> {
        let text = match word {
            "key" => return self.key(),
            "val" => return self.value(),
            "num" => return self.number().to_string().into_bytes(),
            "int" => self.number().to_string(),
            "float" => self.float(),
            "sec" => self.deadline_s().to_string(),
            "ms" => (self.deadline_s() * 1000).to_string(),
            "at" => self.random.pick(&["33177117420", "33177117421", "99999999999", "20000000000"]).to_string(),
            "atms" => self.random.pick(&["33177117420000", "33177117420001", "20000000000999"]).to_string(),
            "gone" => self.random.pick(&["0", "-1", "-1000000"]).to_string(),
            "off" => match self.random.below(8) {
                0 => self.number().to_string(),
                _ => (self.random.below(60) as i64 - 30).to_string(),
            },
            "small" => self.random.below(40).to_string(),
            "db" => self.random.below(3).to_string(),
            "glob" => self.random.pick(&["*", "k?", "k[0-3]*", "k[^1]", "nothing", "*\\*", "?"]).to_string(),
            other if self.random.one_in(10) => other.to_lowercase(),
            other => other.to_string(),
        };
        text.into_bytes()
    }

    fn key(&mut self) -> Vec<u8> {
        match self.random.below(40) {
            0 => Vec::new(),
            1 => b"k\xff\x00\r\n".to_vec(),
            2 => [b'K'; 300].to_vec(),
            n => format!("k{}", n % 8).into_bytes(),
        }
    }

    fn value(&mut self) -> Vec<u8> {
        match self.random.below(10) {
            0 => Vec::new(),
            1 => self.number().to_string().into_bytes(),
            2 => self.float().into_bytes(),
            3 => {
                let len = self.random.below(12);
                self.random.bytes(len)
            }
            // Around the border between embstr and raw.
            4 => vec![b'e'; 40 + self.random.below(8)],
            5 => vec![b'r'; self.random.below(400)],
            6 if self.random.one_in(20) => vec![b'h'; 10_000 + self.random.below(30_000)],
            6 => b" 12".to_vec(),
            _ => {
                let len = self.random.below(30);
                (0..len).map(|_| *self.random.pick(b"abc")).collect()
            }
        }
    }

    fn number(&mut self) -> i64 {
        match self.random.below(8) {
            0 => i64::MAX - self.random.below(3) as i64,
            1 => i64::MIN + self.random.below(3) as i64,
            2 => self.random.next() as i64,
            _ => self.random.below(2000) as i64 - 1000,
        }
    }

    fn float(&mut self) -> String {
        match self.random.below(4) {
            0 => format!("{}", self.random.below(1000)),
            1 => format!("-{}.{}", self.random.below(100), self.random.below(1000)),
            2 => format!("{}e{}", self.random.below(100), self.random.below(8) as i64 - 4),
            _ => format!("{}.{:03}", self.random.below(10_000), self.random.below(1000)),
        }
    }

    /// Seconds: different at each call, and far apart.
    fn deadline_s(&mut self) -> u64 {
        self.deadlines += 1;
        // A permutation of 0..1000003, a prime.
        1000 + 10 * (self.deadlines * 7_919 % 1_000_003)
    }

    /// Takes away, repeats or spoils one argument. No junk is a deadline in the near future.
    fn damage(&mut self, command: &mut Command) {
        let junk: &[&[u8]] =
            &[b"", b"abc", b"-1", b"0", b"9223372036854775807", b"1.5", b"\xff\x00", b"KEEPTTL", b"NX"];
        let at = self.random.below(command.len());
        match self.random.below(3) {
            0 if command.len() > 1 => {
                command.remove(at);
            }
            1 => {
                let again = command[at].clone();
                command.insert(at, again);
            }
            _ if at > 0 => command[at] = self.random.pick(junk).to_vec(),
            _ => command.push(b"extra".to_vec()),
        }
    }
}

/// How exactly replies to `command` agree.
fn agreement(command: &Command) -> Agreement {
    match command[0].to_ascii_uppercase().as_slice() {
        b"TTL" | b"PTTL" | b"EXPIRETIME" | b"PEXPIRETIME" => Agreement::Near,
        b"OBJECT" if command.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"IDLETIME")) => Agreement::Near,
        b"KEYS" | b"SCAN" => Agreement::AnyOrder,
        _ => Agreement::Exact,
    }
}

/// Number of the first command that is answered differently, with both replies.
fn first_disagreement(clients: &mut Clients, commands: &[Command]) -> Option<(usize, Reply, Reply)> {
    for (number, batch) in commands.chunks(BATCH).enumerate() {
        let request: Vec<u8> = batch.iter().flat_map(|command| encode(command)).collect();
        clients.subject.send(&request);
        clients.oracle.send(&request);
        let mut found = None;
        for (at, command) in batch.iter().enumerate() {
            let (got, wanted) = (clients.subject.read(), clients.oracle.read());
            if found.is_none() && !agreement(command).holds(&got, &wanted) {
                found = Some((number * BATCH + at, got, wanted));
            }
        }
        if found.is_some() {
            return found;
        }
    }
    None
}

fn start_over(clients: &mut Clients) {
    clients.run_quietly("FLUSHALL");
    clients.run_quietly("SELECT 0");
}

/// The shortest part of `commands` found whose last command is still answered differently.
fn shrink(clients: &mut Clients, commands: &[Command]) -> Vec<Command> {
    let mut kept = commands.to_vec();
    let mut step = kept.len() / 2;
    let mut attempts = 0;
    while step > 0 {
        let mut at = 0;
        while at + 1 < kept.len() && attempts < 3000 {
            attempts += 1;
            // The last command is the one that disagrees.
            let end = (at + step).min(kept.len() - 1);
            let mut candidate = kept.clone();
            candidate.drain(at..end);
            start_over(clients);
            match first_disagreement(clients, &candidate) {
                Some((number, ..)) => {
                    candidate.truncate(number + 1);
                    kept = candidate;
                }
                None => at = end,
            }
        }
        step /= 2;
    }
    kept
}

/// Everything in the three databases that the streams use: a line per key.
fn dump(client: &mut Client) -> Vec<(String, Vec<Reply>)> {
    let mut lines = Vec::new();
    for db in 0..3 {
        client.run(&format!("SELECT {db}"));
        for key in client.run("KEYS *").sorted().items() {
            let mut facts = Vec::new();
            for question in ["TYPE", "GET", "PEXPIRETIME", "OBJECT ENCODING", "STRLEN"] {
                let mut command = words(question);
                command.push(key.text().to_vec());
                facts.push(client.call(&command));
            }
            lines.push((format!("db {db}, key \"{}\"", key.text().escape_ascii()), facts));
        }
        lines.push((format!("db {db}, size"), vec![client.run("DBSIZE")]));
    }
    lines
}

fn assert_same_keyspace(clients: &mut Clients, seed: u64) {
    let (got, wanted) = (dump(&mut clients.subject), dump(&mut clients.oracle));
    for ((got_name, got), (wanted_name, wanted)) in got.iter().zip(&wanted) {
        assert_eq!(got_name, wanted_name, "seed {seed}: keys differ");
        for (got, wanted) in got.iter().zip(wanted) {
            assert!(Agreement::Near.holds(got, wanted), "seed {seed}, {got_name}: {got:?} instead of {wanted:?}");
        }
    }
    assert_eq!(got.len(), wanted.len(), "seed {seed}: one has more keys");
}

fn run_stream(name: &'static str, version: &str) {
    let mut random = Random::new(name);
    let seed = random.seed();
    let mut generator = Generator::new(random.fork());
    let commands: Vec<Command> = (0..COMMANDS).map(|_| generator.command()).collect();
    let pair = Pair::start(&[]);
    let mut clients = pair.connect();
    clients.run_quietly(&format!("HELLO {version}"));
    let Some((number, got, wanted)) = first_disagreement(&mut clients, &commands) else {
        assert_same_keyspace(&mut clients, seed);
        clients.run_quietly("FLUSHALL");
        return assert_same_keyspace(&mut clients, seed);
    };
    let shortest = shrink(&mut clients, &commands[..=number]);
    start_over(&mut clients);
    let again = first_disagreement(&mut clients, &shortest);
    let script: Vec<String> = shortest.iter().map(|command| format!("    {}", show(command))).collect();
    panic!(
        "seed {seed}, RESP{version}, command {number}: {}\n    subject: {got:?}\n    oracle:  {wanted:?}\nshortest way there:\n{}\n{again:?}",
        show(&commands[number]),
        script.join("\n"),
    );
}

#[test]
fn a_stream_of_commands_in_resp2() {
    run_stream("a_stream_of_commands_in_resp2", "2");
}

#[test]
fn a_stream_of_commands_in_resp3() {
    run_stream("a_stream_of_commands_in_resp3", "3");
}
