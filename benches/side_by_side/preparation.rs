//! What the keyspace holds before a run: redis-benchmark's own keys and collections, and the filling of collections of any
//! kind.

use std::io;

use crate::rig::client::{Client, encode, prepare_keys};

/// Elements of one command that fills a collection, when nobody else is served meanwhile.
const ELEMENTS_AT_ONCE: u64 = 100;

/// What the next lines of a benchmark expect to find in the keyspace. Keys and elements are called as redis-benchmark calls them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preparation {
    /// Nothing but the key that redis-benchmark uses without `-r`.
    OneKey,
    /// Every key that redis-benchmark uses with `-r` and this number.
    Keys(u64),
    /// `mylist` of so many elements, which are read.
    List(u64),
    /// Nothing at all before every run: what the run adds is growth.
    Empty,
    /// `mylist` of so many elements before every run, which pops them.
    ListToPop(u64),
    /// `myset` of so many members, likewise.
    SetToPop(u64),
    /// `myzset` of so many members with scores in no order, likewise.
    SortedSetToPop(u64),
}

impl Preparation {
    /// Whether a run uses it up, so that the next one needs it again.
    pub fn is_for_one_run(self) -> bool {
        match self {
            Preparation::OneKey | Preparation::Keys(_) | Preparation::List(_) => false,
            Preparation::Empty
            | Preparation::ListToPop(_)
            | Preparation::SetToPop(_)
            | Preparation::SortedSetToPop(_) => true,
        }
    }
}

/// A score for the `i`th member: below a million and in no order, as `__rand_int__` is, but the same for every server.
fn score(i: u64) -> u64 {
    i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_000_000
}

/// Brings the server's keyspace into that state.
pub fn prepare(port: u16, preparation: Preparation) -> io::Result<()> {
    let mut client = Client::connect(port)?;
    client.command(&["FLUSHALL"])?;
    match preparation {
        Preparation::OneKey => prepare_keys(port, None),
        Preparation::Keys(count) => prepare_keys(port, Some(count)),
        Preparation::Empty => Ok(()),
        Preparation::List(count) | Preparation::ListToPop(count) => {
            fill_collection(&mut client, &["RPUSH", "mylist"], count, |_, words| words.push("VXK".to_owned()))
        }
        Preparation::SetToPop(count) => {
            fill_collection(&mut client, &["SADD", "myset"], count, |i, words| words.push(format!("element:{i:012}")))
        }
        Preparation::SortedSetToPop(count) => fill_collection(&mut client, &["ZADD", "myzset"], count, |i, words| {
            words.extend([format!("{:012}", score(i)), format!("element:{i:012}")]);
        }),
    }
}

/// Fills one collection: `head` is the command and its key, `write_one` appends the arguments of the `i`th element.
pub fn fill_collection(
    client: &mut Client,
    head: &[&str],
    count: u64,
    mut write_one: impl FnMut(u64, &mut Vec<String>),
) -> io::Result<()> {
    let mut words: Vec<String> = Vec::new();
    client.fill(count.div_ceil(ELEMENTS_AT_ONCE), |batch, frame| {
        words.clear();
        words.extend(head.iter().map(|word| (*word).to_owned()));
        let first = batch * ELEMENTS_AT_ONCE;
        for i in first..count.min(first + ELEMENTS_AT_ONCE) {
            write_one(i, &mut words);
        }
        encode_words(frame, &words);
    })
}

pub fn encode_words<T: AsRef<[u8]>>(frame: &mut Vec<u8>, words: &[T]) {
    let arguments: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
    encode(frame, &arguments);
}

/// Whether the server answered that it has no such command.
pub fn is_unknown_command(result: &io::Result<()>) -> bool {
    matches!(result, Err(error) if error.to_string().contains("unknown command"))
}
