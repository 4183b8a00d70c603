//! What is sent: the tests of redis-benchmark, requests encoded once, and the random numbers patched into them.
//!
//! A [`Test`] is one encoded request and the offsets of the numbers in it. A [`Batch`] is that request as often as the pipeline is
//! deep; its numbers are overwritten in place before each send, so nothing is formatted or allocated per request.
//!
//! Cost: about 10 ns per number; nothing for a batch without numbers.

use memchr::memmem;

use super::Failure;

/// Digits of a random number in a request; the placeholder has the same length.
pub const RANDOM_DIGITS: usize = 12;
const PLACEHOLDER: &[u8; RANDOM_DIGITS] = b"__rand_int__";
const KEY_PLACEHOLDER: &[u8] = b"__rand_key__";
const DATA_PLACEHOLDER: &[u8] = b"__data__";

/// Longest title of a command given on the command line, in characters.
const TITLE_MAX: usize = 100;
/// Most bytes of a batch.
const BATCH_MAX: usize = 1 << 30;

/// One request that is sent over and over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    pub title: String,
    /// The request as redis-benchmark sends it, with the placeholder where a random number goes.
    request: Vec<u8>,
    /// Offsets of the random numbers.
    slots: Vec<usize>,
}

impl Test {
    fn new(title: &str, request: Vec<u8>, randomized: bool) -> Test {
        let slots = if randomized { memmem::find_iter(&request, PLACEHOLDER).collect() } else { Vec::new() };
        Test { title: title.to_owned(), request, slots }
    }

    /// The request `pipeline` times, with numbers below `keyspace`.
    pub fn batch(&self, pipeline: usize, keyspace: u64, random: Random) -> Result<Batch, Failure> {
        if self.request.len().checked_mul(pipeline).is_none_or(|len| len > BATCH_MAX) {
            return Err(Failure::Usage(format!("A pipeline of {pipeline} such requests exceeds {BATCH_MAX} bytes")));
        }
        let offsets = |n: usize| self.slots.iter().map(move |slot| n * self.request.len() + slot);
        Ok(Batch {
            bytes: self.request.repeat(pipeline),
            slots: (0..pipeline).flat_map(offsets).collect(),
            keyspace,
            random,
        })
    }
}

/// The requests of one pipeline, ready to send.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    slots: Vec<usize>,
    keyspace: u64,
    random: Random,
}

impl Batch {
    /// The bytes to send, with new random numbers.
    #[inline]
    pub fn next(&mut self) -> &[u8] {
        for &slot in &self.slots {
            let number = self.random.below(self.keyspace);
            write_digits(&mut self.bytes[slot..slot + RANDOM_DIGITS], number);
        }
        &self.bytes
    }
}

#[inline]
fn write_digits(slot: &mut [u8], mut number: u64) {
    for digit in slot.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The one source of randomness of a load thread (splitmix64): the same seed and thread give the same numbers.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64, thread: usize) -> Random {
        let mut random = Random { state: seed };
        for _ in 0..=thread {
            random.state = random.next();
        }
        random
    }

    #[inline]
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in `0..bound`; 0 if the bound is 0. The bias is below 2^-24 for every bound that fits in a slot.
    #[inline]
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// A value of `len` bytes: letters and digits, the same for every run.
pub fn data(len: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut random = Random::new(1234, 0);
    (0..len).map(|_| ALPHABET[random.below(64) as usize]).collect()
}

/// A request in RESP.
pub fn encode<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    for word in words.iter().map(W::as_ref) {
        request.extend(format!("${}\r\n", word.len()).into_bytes());
        request.extend(word);
        request.extend(b"\r\n");
    }
    request
}

/// A command from the command line. Without `randomized` the number placeholders are sent as they are, as redis-benchmark does.
pub fn command(title: &str, words: &[Vec<u8>], data: &[u8], randomized: bool) -> Test {
    let key: &[u8] = if randomized { b"key:__rand_int__" } else { KEY_PLACEHOLDER };
    let words: Vec<Vec<u8>> =
        words.iter().map(|word| replace(&replace(word, KEY_PLACEHOLDER, key), DATA_PLACEHOLDER, data)).collect();
    let mut title: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if let Some((cut, _)) = title.char_indices().nth(TITLE_MAX) {
        title.truncate(cut);
        title.push_str("...");
    }
    Test::new(&title, encode(&words), randomized)
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for found in memmem::find_iter(text, from) {
        out.extend(&text[at..found]);
        out.extend(to);
        at = found + from.len();
    }
    out.extend(&text[at..]);
    out
}

/// A test of the default suite: its names for `-t`, its title, and the request's words.
struct Entry {
    names: &'static [&'static str],
    title: &'static str,
    words: &'static [&'static str],
}

const fn entry(names: &'static [&'static str], title: &'static str, words: &'static [&'static str]) -> Entry {
    Entry { names, title, words }
}

/// With `-r` this word is a random number, else 0.
const SCORE: &str = "__score__";

/// redis-benchmark's suite in its order. PING_INLINE is not RESP and has no words. MSET's ten pairs are spelled out by `request`.
const SUITE: [Entry; 20] = [
    entry(&["ping_inline", "ping"], "PING_INLINE", &[]),
    entry(&["ping_mbulk", "ping"], "PING_MBULK", &["PING"]),
    entry(&["set"], "SET", &["SET", "key:__rand_int__", "__data__"]),
    entry(&["get"], "GET", &["GET", "key:__rand_int__"]),
    entry(&["incr"], "INCR", &["INCR", "counter:__rand_int__"]),
    entry(&["lpush"], "LPUSH", &["LPUSH", "mylist", "__data__"]),
    entry(&["rpush"], "RPUSH", &["RPUSH", "mylist", "__data__"]),
    entry(&["lpop"], "LPOP", &["LPOP", "mylist"]),
    entry(&["rpop"], "RPOP", &["RPOP", "mylist"]),
    entry(&["sadd"], "SADD", &["SADD", "myset", "element:__rand_int__"]),
    entry(&["hset"], "HSET", &["HSET", "myhash", "element:__rand_int__", "__data__"]),
    entry(&["spop"], "SPOP", &["SPOP", "myset"]),
    entry(&["zadd"], "ZADD", &["ZADD", "myzset", SCORE, "element:__rand_int__"]),
    entry(&["zpopmin"], "ZPOPMIN", &["ZPOPMIN", "myzset"]),
    entry(
        &["lrange", "lrange_100", "lrange_300", "lrange_500", "lrange_600"],
        "LPUSH (needed to benchmark LRANGE)",
        &["LPUSH", "mylist", "__data__"],
    ),
    entry(&["lrange", "lrange_100"], "LRANGE_100 (first 100 elements)", &["LRANGE", "mylist", "0", "99"]),
    entry(&["lrange", "lrange_300"], "LRANGE_300 (first 300 elements)", &["LRANGE", "mylist", "0", "299"]),
    entry(&["lrange", "lrange_500"], "LRANGE_500 (first 500 elements)", &["LRANGE", "mylist", "0", "499"]),
    entry(&["lrange", "lrange_600"], "LRANGE_600 (first 600 elements)", &["LRANGE", "mylist", "0", "599"]),
    entry(&["mset"], "MSET (10 keys)", &["MSET", "key:__rand_int__", "__data__"]),
];

impl Entry {
    fn test(&self, data: &[u8], randomized: bool) -> Test {
        let word = |word: &&'static str| match *word {
            SCORE if randomized => PLACEHOLDER.to_vec(),
            SCORE => b"0".to_vec(),
            word => replace(word.as_bytes(), DATA_PLACEHOLDER, data),
        };
        let request = match self.words {
            [] => b"PING\r\n".to_vec(),
            ["MSET", pair @ ..] => {
                let pairs = pair.repeat(10);
                encode(&["MSET"].iter().chain(&pairs).map(word).collect::<Vec<_>>())
            }
            words => encode(&words.iter().map(word).collect::<Vec<_>>()),
        };
        Test::new(self.title, request, randomized)
    }
}

/// The tests that `names` (separated by commas) selects, or all, in the suite's order.
pub fn select(names: Option<&str>, data: &[u8], randomized: bool) -> Result<Vec<Test>, Failure> {
    let Some(names) = names else {
        return Ok(SUITE.iter().map(|entry| entry.test(data, randomized)).collect());
    };
    let names: Vec<String> = names.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    if let Some(unknown) = names.iter().find(|name| !SUITE.iter().any(|entry| entry.names.contains(&name.as_str()))) {
        let mut known: Vec<&str> = SUITE.iter().flat_map(|entry| entry.names).copied().collect();
        known.sort_unstable();
        known.dedup();
        return Err(Failure::Usage(format!("No test is named '{unknown}'; there are: {}", known.join(","))));
    }
    let selected = SUITE.iter().filter(|entry| names.iter().any(|name| entry.names.contains(&name.as_str())));
    Ok(selected.map(|entry| entry.test(data, randomized)).collect())
}

#[cfg(test)]
mod tests {
    use super::{Random, Test, command, data, encode, select};

    fn text(bytes: &[u8]) -> String {
        bytes.escape_ascii().to_string().replace("\\r\\n", " ")
    }

    fn requests(names: &str, randomized: bool) -> Vec<String> {
        select(Some(names), b"VXK", randomized).unwrap().iter().map(|test| text(&test.request)).collect()
    }

    #[test]
    fn requests_are_those_of_redis_benchmark() {
        for (name, request) in [
            ("ping_inline", "PING "),
            ("ping_mbulk", "*1 $4 PING "),
            ("set", "*3 $3 SET $16 key:__rand_int__ $3 VXK "),
            ("get", "*2 $3 GET $16 key:__rand_int__ "),
            ("incr", "*2 $4 INCR $20 counter:__rand_int__ "),
            ("lpush", "*3 $5 LPUSH $6 mylist $3 VXK "),
            ("rpush", "*3 $5 RPUSH $6 mylist $3 VXK "),
            ("lpop", "*2 $4 LPOP $6 mylist "),
            ("rpop", "*2 $4 RPOP $6 mylist "),
            ("sadd", "*3 $4 SADD $5 myset $20 element:__rand_int__ "),
            ("hset", "*4 $4 HSET $6 myhash $20 element:__rand_int__ $3 VXK "),
            ("spop", "*2 $4 SPOP $5 myset "),
            ("zadd", "*4 $4 ZADD $6 myzset $1 0 $20 element:__rand_int__ "),
            ("zpopmin", "*2 $7 ZPOPMIN $6 myzset "),
        ] {
            assert_eq!(requests(name, false), [request]);
        }
        assert_eq!(requests("zadd", true), ["*4 $4 ZADD $6 myzset $12 __rand_int__ $20 element:__rand_int__ "]);
        assert_eq!(requests("mset", false), ["*21 $4 MSET ".to_owned() + &"$16 key:__rand_int__ $3 VXK ".repeat(10)]);
        assert_eq!(
            requests("lrange_300", false),
            ["*3 $5 LPUSH $6 mylist $3 VXK ", "*4 $6 LRANGE $6 mylist $1 0 $3 299 "]
        );
    }

    #[test]
    fn selection_keeps_the_order_of_the_suite() {
        let titles = |names| -> Vec<String> {
            select(names, b"x", false).unwrap().into_iter().map(|test: Test| test.title).collect()
        };
        assert_eq!(titles(Some("SET,ping")), ["PING_INLINE", "PING_MBULK", "SET"]);
        assert_eq!(titles(Some("lrange")).len(), 5);
        let all = titles(None);
        assert_eq!((all.len(), all[0].as_str(), all[19].as_str()), (20, "PING_INLINE", "MSET (10 keys)"));
        assert!(select(Some("get,nope"), b"x", false).is_err());
        assert!(select(Some(""), b"x", false).is_err());
    }

    #[test]
    fn numbers_are_patched_in_place() {
        let test = &select(Some("mset"), b"VXK", true).unwrap()[0];
        let mut batch = test.batch(3, 100, Random::new(7, 0)).unwrap();
        let first = batch.next().to_vec();
        let second = batch.next().to_vec();
        assert_eq!(first.len(), test.request.len() * 3);
        assert_ne!(first, second);
        let line = text(&first);
        let keys: Vec<u64> = line.split(' ').filter_map(|word| word.strip_prefix("key:")?.parse().ok()).collect();
        assert_eq!(keys.len(), 30);
        assert!(keys.iter().all(|&key| key < 100) && keys.iter().any(|&key| key != keys[0]));
        let again = test.batch(3, 100, Random::new(7, 0)).unwrap().next().to_vec();
        assert_eq!(first, again);
        let other_thread = test.batch(3, 100, Random::new(7, 1)).unwrap().next().to_vec();
        assert_ne!(first, other_thread);
    }

    #[test]
    fn random_numbers_cover_the_keyspace_evenly() {
        let mut random = Random::new(3, 0);
        let mut seen = [0u32; 10];
        for _ in 0..10_000 {
            seen[random.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn words_of_a_command_are_substituted() {
        let words = [b"set".to_vec(), b"a:__rand_int__:__rand_key__".to_vec(), b"<__data__>".to_vec()];
        let plain = command("set", &words, b"12345", false);
        assert_eq!(text(&plain.request), "*3 $3 set $27 a:__rand_int__:__rand_key__ $7 <12345> ");
        assert!(plain.slots.is_empty());
        let random = command("set", &words, b"12345", true);
        assert_eq!(text(&random.request), "*3 $3 set $31 a:__rand_int__:key:__rand_int__ $7 <12345> ");
        let mut batch = random.batch(1, 1, Random::new(1, 0)).unwrap();
        assert_eq!(text(batch.next()), "*3 $3 set $31 a:000000000000:key:000000000000 $7 <12345> ");
        assert_eq!(command("a\nb", &words, b"", false).title, "a b");
        assert_eq!(command(&"é".repeat(500), &words, b"", false).title.chars().count(), 103);
    }

    #[test]
    fn a_batch_is_bounded() {
        let test = command("x", &[data(1 << 20)], b"", false);
        assert!(test.batch(1 << 10, 0, Random::new(1, 0)).is_err());
        assert!(test.batch(usize::MAX, 0, Random::new(1, 0)).is_err());
        assert_eq!(encode::<&[u8]>(&[]), b"*0\r\n");
    }
}
