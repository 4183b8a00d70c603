//! The subject and the oracle side by side: each call goes to both, and their replies have to agree.

use super::client::{Client, encode};
use super::reply::Reply;
use super::server::{Server, subject_is_redis};
use super::table::{self, Agreement};

/// A call that the subject answers as a newer Redis than the oracle does.
pub struct Deviation {
    /// As in the table.
    pub command: &'static str,
    /// The subject's reply, as [`Reply`] prints itself.
    pub reply: &'static str,
    pub reason: &'static str,
}

pub struct Pair {
    pub subject: Server,
    pub oracle: Server,
}

/// One connection to each.
pub struct Clients {
    pub subject: Client,
    pub oracle: Client,
    /// Where the subject rightly answers something else.
    pub deviations: &'static [Deviation],
    /// Whether the subject is the oracle's own program, which deviates from nothing.
    same_program: bool,
}

impl Pair {
    pub fn start(directives: &[&str]) -> Pair {
        Pair { subject: Server::subject(directives), oracle: Server::oracle(directives) }
    }

    pub fn connect(&self) -> Clients {
        let (subject, oracle) = (self.subject.connect(), self.oracle.connect());
        Clients { subject, oracle, deviations: &[], same_program: subject_is_redis() }
    }
}

/// The calls of a table of the form `(what it is about, lines)`, once in RESP2 and once in RESP3, each on empty servers. All
/// disagreements are reported together.
pub fn run_table(tables: &[(&str, &str)], deviations: &'static [Deviation], directives: &[&str]) {
    let pair = Pair::start(directives);
    let mut complaints = Vec::new();
    for version in ["2", "3"] {
        for (title, lines) in tables {
            let mut clients = pair.connect();
            clients.deviations = deviations;
            clients.run_quietly("FLUSHALL");
            clients.run_quietly(&format!("HELLO {version}"));
            for line in lines.lines() {
                if let Err(complaint) = clients.try_line(line) {
                    complaints.push(format!("[{title}, RESP{version}] {complaint}"));
                }
            }
        }
    }
    for deviation in deviations {
        let found = tables.iter().flat_map(|(_, lines)| lines.lines()).filter_map(table::parse);
        assert!(
            found.into_iter().any(|(_, command)| command == deviation.command),
            "no table has the deviating call {}",
            deviation.command
        );
    }
    assert!(complaints.is_empty(), "{} disagreements:\n{}", complaints.len(), complaints.join("\n"));
}

type Answer = (Reply, Vec<u8>);

fn answer(client: &mut Client, args: &[Vec<u8>]) -> Answer {
    match client.try_read() {
        Ok(Some(answer)) => answer,
        Ok(None) => panic!("closed instead of an answer to {}", table::show(args)),
        Err(error) => panic!("{error} instead of an answer to {}", table::show(args)),
    }
}

impl Clients {
    /// The same request to both.
    pub fn call(&mut self, args: &[Vec<u8>]) -> (Reply, Reply) {
        let ((got, _), (wanted, _)) = self.call_raw(args);
        (got, wanted)
    }

    /// The same request to both; replies as trees and as bytes.
    fn call_raw(&mut self, args: &[Vec<u8>]) -> (Answer, Answer) {
        let request = encode(args);
        self.subject.send(&request);
        self.oracle.send(&request);
        (answer(&mut self.subject, args), answer(&mut self.oracle, args))
    }

    /// A call whose reply is of no interest.
    pub fn run_quietly(&mut self, line: &str) {
        self.call(&table::words(line));
    }

    /// A line of a table; panics when the replies do not agree.
    pub fn line(&mut self, line: &str) {
        if let Err(complaint) = self.try_line(line) {
            panic!("{complaint}");
        }
    }

    /// Lines of a table; panics at the first that does not agree.
    pub fn lines(&mut self, lines: &str) {
        for line in lines.lines() {
            self.line(line);
        }
    }

    pub fn try_line(&mut self, line: &str) -> Result<(), String> {
        let Some((agreement, command)) = table::parse(line) else { return Ok(()) };
        let args = table::words(command);
        let ((got, got_bytes), (wanted, wanted_bytes)) = self.call_raw(&args);
        if let Some(deviation) = self.deviations.iter().find(|deviation| deviation.command == command)
            && !self.same_program
        {
            let got = format!("{got:?}");
            if got == deviation.reply {
                return Ok(());
            }
            return Err(format!(
                "{command}\n    subject: {got}\n    newer:   {}   ({})\n    oracle:  {wanted:?}",
                deviation.reply, deviation.reason
            ));
        }
        let agree = match agreement {
            Agreement::Exact => got_bytes == wanted_bytes,
            _ => agreement.holds(&got, &wanted),
        };
        if agree {
            return Ok(());
        }
        let mark = if agreement == Agreement::Exact { String::new() } else { format!(" ({agreement:?})") };
        Err(format!("{}{mark}\n    subject: {got:?}\n    oracle:  {wanted:?}", table::show(&args)))
    }
}
