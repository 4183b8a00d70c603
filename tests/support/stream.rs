//! Generated streams of commands: tens of thousands of them over a few keys, with every option and some damage, pipelined to the subject
//! and to redis-server. Replies have to agree, and in the end the keyspaces. A disagreement is shrunk to the shortest way there.
//!
//! Deadlines depend on the time, so they are kept from mattering: each relative one is at least ten seconds from every other
//! of the stream, so that GT, LT and the order of expiry never depend on how fast the machine is.
//!
//! `ZEDIS_TEST_COMMANDS` sets the number of commands of each stream (`make soak`).

use super::client::{Client, encode};
use super::pair::{Clients, Pair};
use super::random::Random;
use super::reply::Reply;
use super::table::{Agreement, show};

pub type Command = Vec<Vec<u8>>;

const BATCH: usize = 500;

/// What a stream is made of.
pub struct Profile {
    /// Calls with their weights: `key`, `val` (a string), `num`, `int`, `float`, `sec` and `ms` (relative deadlines), `at` and `atms`
    /// (absolute ones), `gone` (a time past), `off` (an offset), `small`, `glob`, `db`, and what [`Profile::word`] knows stand for such a
    /// thing; anything else stands for itself. `[a b|c]` is nothing or one of the choices; a `word...` stands for one to four of them.
    pub forms: &'static [(&'static str, usize)],
    /// What other words of the forms stand for.
    pub word: fn(&mut Generator, &str) -> Option<Vec<u8>>,
    /// How exactly replies to a command agree.
    pub agreement: fn(&Command) -> Agreement,
    /// Keeps a command from what the oracle's version answers otherwise.
    pub mend: fn(&mut Command),
    /// Directives of both servers.
    pub directives: &'static [&'static str],
    /// What is asked of each key in the end, besides its value; the key is the last argument.
    pub questions: &'static [&'static str],
    /// How many commands, unless the environment says otherwise.
    pub commands: usize,
}

impl Profile {
    pub const BASE: Profile = Profile {
        forms: &[],
        word: |_, _| None,
        agreement: |_| Agreement::Exact,
        mend: |_| {},
        directives: &[],
        questions: &["TYPE", "PEXPIRETIME"],
        commands: 20_000,
    };
}

/// Makes commands.
pub struct Generator {
    profile: &'static Profile,
    pub random: Random,
    total_weight: usize,
    /// Relative deadlines handed out.
    deadlines: u64,
}

impl Generator {
    pub fn new(profile: &'static Profile, random: Random) -> Generator {
        Generator { profile, random, total_weight: profile.forms.iter().map(|form| form.1).sum(), deadlines: 0 }
    }

    pub fn command(&mut self) -> Command {
        let mut at = self.random.below(self.total_weight);
        let mut form = "";
        for (candidate, weight) in self.profile.forms {
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
        (self.profile.mend)(&mut command);
        command
    }

    fn words(&mut self, text: &str, command: &mut Command) {
        for word in text.split(' ') {
            let (word, count) = match word.strip_suffix("...") {
                Some(word) => (word, 1 + self.random.below(4)),
                None => (word, 1),
            };
            for _ in 0..count {
                let word = self.word(word);
                command.push(word);
            }
        }
    }

    fn word(&mut self, word: &str) -> Vec<u8> {
        if let Some(word) = (self.profile.word)(self, word) {
            return word;
        }
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

    pub fn key(&mut self) -> Vec<u8> {
        match self.random.below(40) {
            0 => Vec::new(),
            1 => b"k\xff\x00\r\n".to_vec(),
            2 => [b'K'; 300].to_vec(),
            n => format!("k{}", n % 8).into_bytes(),
        }
    }

    pub fn value(&mut self) -> Vec<u8> {
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

    pub fn number(&mut self) -> i64 {
        match self.random.below(8) {
            0 => i64::MAX - self.random.below(3) as i64,
            1 => i64::MIN + self.random.below(3) as i64,
            2 => self.random.next() as i64,
            _ => self.random.below(2000) as i64 - 1000,
        }
    }

    pub fn float(&mut self) -> String {
        match self.random.below(4) {
            0 => format!("{}", self.random.below(1000)),
            1 => format!("-{}.{}", self.random.below(100), self.random.below(1000)),
            2 => format!("{}e{}", self.random.below(100), self.random.below(8) as i64 - 4),
            _ => format!("{}.{:03}", self.random.below(10_000), self.random.below(1000)),
        }
    }

    /// Seconds: different at each call, and far apart.
    pub fn deadline_s(&mut self) -> u64 {
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

/// Number of the first command that is answered differently, with both replies.
fn first_disagreement(profile: &Profile, clients: &mut Clients, commands: &[Command]) -> Option<(usize, Reply, Reply)> {
    for (number, batch) in commands.chunks(BATCH).enumerate() {
        let request: Vec<u8> = batch.iter().flat_map(|command| encode(command)).collect();
        clients.subject.send(&request);
        clients.oracle.send(&request);
        let mut found = None;
        for (at, command) in batch.iter().enumerate() {
            let (got, wanted) = (clients.subject.read(), clients.oracle.read());
            if found.is_none() && !(profile.agreement)(command).holds(&got, &wanted) {
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
fn shrink(profile: &Profile, clients: &mut Clients, commands: &[Command]) -> Vec<Command> {
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
            match first_disagreement(profile, clients, &candidate) {
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
pub fn dump(profile: &Profile, client: &mut Client) -> Vec<(String, Vec<Reply>)> {
    let mut lines = Vec::new();
    for db in 0..3 {
        client.run(&format!("SELECT {db}"));
        for key in client.run("KEYS *").sorted().items() {
            let mut ask = |question: &str| {
                let mut command: Command = question.split(' ').map(|word| word.as_bytes().to_vec()).collect();
                let at = command.iter().position(|word| word == b"KEY").unwrap_or(command.len());
                command.splice(at..command.len().min(at + 1), [key.text().to_vec()]);
                client.call(&command)
            };
            let value = match ask("TYPE").text() {
                b"list" => ask("LRANGE KEY 0 -1"),
                b"set" => ask("SMEMBERS").sorted(),
                b"zset" => ask("ZRANGE KEY 0 -1 WITHSCORES"),
                b"hash" => {
                    let all = ask("HGETALL");
                    let mut pairs: Vec<Reply> =
                        all.items().chunks(2).map(|pair| Reply::Array(pair.to_vec()).sorted()).collect();
                    pairs.sort_by_key(|pair| format!("{pair:?}"));
                    Reply::Array(pairs)
                }
                _ => ask("GET"),
            };
            let facts: Vec<Reply> =
                std::iter::once(value).chain(profile.questions.iter().map(|question| ask(question))).collect();
            lines.push((format!("db {db}, key \"{}\"", key.text().escape_ascii()), facts));
        }
        lines.push((format!("db {db}, size"), vec![client.run("DBSIZE")]));
    }
    lines
}

fn assert_same_keyspace(profile: &Profile, clients: &mut Clients, seed: u64) {
    let (got, wanted) = (dump(profile, &mut clients.subject), dump(profile, &mut clients.oracle));
    for ((got_name, got), (wanted_name, wanted)) in got.iter().zip(&wanted) {
        assert_eq!(got_name, wanted_name, "seed {seed}: keys differ");
        for (got, wanted) in got.iter().zip(wanted) {
            let agree = Agreement::Near.holds(got, wanted) || Agreement::Number.holds(got, wanted);
            assert!(agree, "seed {seed}, {got_name}: {got:?} instead of {wanted:?}");
        }
    }
    assert_eq!(got.len(), wanted.len(), "seed {seed}: one has more keys");
}

/// Runs a stream; `name` is the test's, for the seed.
pub fn run(profile: &'static Profile, name: &'static str, version: &str) {
    let mut random = Random::new(name);
    let seed = random.seed();
    let count = std::env::var("ZEDIS_TEST_COMMANDS").ok().and_then(|n| n.parse().ok()).unwrap_or(profile.commands);
    let mut generator = Generator::new(profile, random.fork());
    let commands: Vec<Command> = (0..count).map(|_| generator.command()).collect();
    let pair = Pair::start(profile.directives);
    let mut clients = pair.connect();
    clients.run_quietly(&format!("HELLO {version}"));
    let Some((number, got, wanted)) = first_disagreement(profile, &mut clients, &commands) else {
        assert_same_keyspace(profile, &mut clients, seed);
        clients.run_quietly("FLUSHALL");
        return assert_same_keyspace(profile, &mut clients, seed);
    };
    let shortest = shrink(profile, &mut clients, &commands[..=number]);
    start_over(&mut clients);
    let again = first_disagreement(profile, &mut clients, &shortest);
    let script: Vec<String> = shortest.iter().map(|command| format!("    {}", show(command))).collect();
    panic!(
        "seed {seed}, RESP{version}, command {number}: {}\n    subject: {got:?}\n    oracle:  {wanted:?}\nshortest way there:\n{}\n{again:?}",
        show(&commands[number]),
        script.join("\n"),
    );
}
