//! Values: from text as redis.conf and CONFIG SET write it, to text as CONFIG GET shows it. Pure.

use super::directive::{Directive, Kind, TextRule};
use super::settings::{BufferClass, BufferLimit, ClientsLimit, SavePoint};
use crate::base::number;

/// The value of a directive.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    #[default]
    None,
    Bool(bool),
    Int(i64),
    Memory(u64),
    /// Of `maxmemory`.
    Percent(i64),
    /// Index into the directive's names.
    Enum(usize),
    /// Bit n stands for name n + 1, or for character n of the keyspace events.
    Flags(u32),
    Text(Vec<u8>),
    Words(Vec<Vec<u8>>),
    Save(Vec<SavePoint>),
    BufferLimits([BufferLimit; 3]),
    Ints(Vec<i64>),
    Percentiles(Vec<f64>),
}

impl Value {
    pub(super) fn bool(&self) -> bool {
        matches!(self, Value::Bool(true))
    }

    pub(super) fn int(&self) -> i64 {
        match self {
            Value::Int(number) => *number,
            _ => 0,
        }
    }

    /// For numbers whose range in the table fits.
    pub(super) fn u32(&self) -> u32 {
        u32::try_from(self.int()).unwrap_or(0)
    }

    /// A size, or a percentage of `maxmemory`.
    pub(super) fn clients_limit(&self) -> ClientsLimit {
        match self {
            Value::Percent(percent) => ClientsLimit::Percent(percent.unsigned_abs()),
            other => ClientsLimit::Bytes(other.u64()),
        }
    }

    /// A size, or a count that is not negative.
    pub(super) fn u64(&self) -> u64 {
        match self {
            Value::Memory(bytes) => *bytes,
            other => u64::try_from(other.int()).unwrap_or(0),
        }
    }

    pub(super) fn index(&self) -> usize {
        match self {
            Value::Enum(index) => *index,
            _ => 0,
        }
    }

    pub(super) fn flags(&self) -> u32 {
        match self {
            Value::Flags(flags) => *flags,
            _ => 0,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Value::Text(text) => text,
            _ => b"",
        }
    }

    pub(super) fn string(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}

/// Most addresses of `bind`.
const BIND_MAX: usize = 16;
const OOM_SCORES: usize = 3;
const OOM_SCORE_MAX: i64 = 2000;
/// The characters of `notify-keyspace-events` in the order in which they are shown; the first ten are what `A` stands for.
pub(super) const EVENT_CHARS: &[u8; 14] = b"g$lshzxetdnKEm";
const EVENTS_ALL: u32 = (1 << 10) - 1;

/// Reads `words` as a value of the directive.
pub(super) fn parse(directive: &Directive, words: &[&[u8]], present: &Value) -> Result<Value, String> {
    let single = || match words {
        [word] => Ok(*word),
        _ => Err("wrong number of arguments".to_owned()),
    };
    let out_of_range = |min: &dyn std::fmt::Display, max: &dyn std::fmt::Display| {
        Err(format!("argument must be between {min} and {max} inclusive"))
    };
    match directive.kind {
        Kind::Bool => match single()? {
            word if word.eq_ignore_ascii_case(b"yes") => Ok(Value::Bool(true)),
            word if word.eq_ignore_ascii_case(b"no") => Ok(Value::Bool(false)),
            _ => Err("argument must be 'yes' or 'no'".to_owned()),
        },
        Kind::Int { min, max } => {
            let number = number::parse_i64(single()?).ok_or("argument couldn't be parsed into an integer")?;
            if (min..=max).contains(&number) { Ok(Value::Int(number)) } else { out_of_range(&min, &max) }
        }
        Kind::Octal { min, max } => {
            let number = c_integer(single()?, 8).ok_or("argument couldn't be parsed as an octal number")?;
            if (min..=max).contains(&number) {
                Ok(Value::Int(number))
            } else {
                Err(format!("argument must be between {min:o} and {max:o} inclusive"))
            }
        }
        Kind::Memory { min, max } => {
            let bytes = number::parse_memory(single()?).ok_or("argument must be a memory value")?;
            if (min..=max).contains(&bytes) { Ok(Value::Memory(bytes)) } else { out_of_range(&min, &max) }
        }
        Kind::MemoryOrPercent => memory_or_percent(single()?),
        Kind::Enum(names) => enum_index(names, single()?).map(Value::Enum).ok_or_else(|| must_be_one_of(names)),
        Kind::Flags(names) => flags(names, words).map(Value::Flags),
        Kind::Text(rule) => {
            let text = single()?;
            check_text(directive.name, rule, text)?;
            Ok(Value::Text(text.to_vec()))
        }
        Kind::Save => save_points(words).map(Value::Save).ok_or_else(|| "Invalid save parameters".to_owned()),
        Kind::BufferLimits => buffer_limits(words, present).map(Value::BufferLimits),
        Kind::Bind => addresses(words).map(Value::Words),
        Kind::KeyspaceEvents => events(single()?)
            .map(Value::Flags)
            .ok_or_else(|| "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned()),
        Kind::OomScores => oom_scores(words).map(Value::Ints),
        Kind::Percentiles => percentiles(words).map(Value::Percentiles),
        Kind::ReplicaOf => match words {
            // Its default, which cannot be written in a file.
            [] if *present == Value::None => Ok(Value::Words(Vec::new())),
            [no, one] if no.eq_ignore_ascii_case(b"no") && one.eq_ignore_ascii_case(b"one") => {
                Ok(Value::Words(Vec::new()))
            }
            [_, port] => match number::parse_i64(port) {
                Some(0..=65535) => Ok(Value::Words(words.iter().map(|word| word.to_vec()).collect())),
                _ => Err("Invalid master port".to_owned()),
            },
            _ => Err("wrong number of arguments".to_owned()),
        },
    }
}

fn memory_or_percent(word: &[u8]) -> Result<Value, String> {
    if let Some(percent) = number::parse_percent(word).filter(|percent| *percent <= 100) {
        return Ok(Value::Percent(percent));
    }
    // As in Redis a size that an i64 cannot hold counts as a percentage that is too large.
    match number::parse_memory(word) {
        Some(bytes) if i64::try_from(bytes).is_ok() => Ok(Value::Memory(bytes)),
        None if number::parse_percent(word).is_none() => Err("argument must be a memory or percent value".to_owned()),
        _ => Err("percentage argument must be less or equal to 100".to_owned()),
    }
}

fn flags(names: &[&str], words: &[&[u8]]) -> Result<u32, String> {
    const BOTH_SAVES: u32 = 3;
    if words.is_empty() {
        return Err(must_be_one_of(names));
    }
    let mut flags = 0;
    for word in words {
        let index = enum_index(names, word).ok_or_else(|| must_be_one_of(names))?;
        flags |= 1u32 << index >> 1;
    }
    if flags & BOTH_SAVES == BOTH_SAVES {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".to_owned());
    }
    Ok(flags)
}

fn addresses(words: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
    match words {
        [b""] => Ok(Vec::new()),
        words if words.len() > BIND_MAX => Err("Too many bind addresses specified.".to_owned()),
        // No address has these, and CONFIG REWRITE is not to write a line of somebody's choice.
        words if words.iter().any(|word| word.is_empty() || !word.iter().all(u8::is_ascii_graphic)) => {
            Err("Failed to bind to specified addresses.".to_owned())
        }
        words => Ok(words.iter().map(|word| word.to_vec()).collect()),
    }
}

fn oom_scores(words: &[&[u8]]) -> Result<Vec<i64>, String> {
    if words.len() != OOM_SCORES {
        return Err("wrong number of arguments".to_owned());
    }
    let score = |word: &&[u8]| c_integer(word, 10).filter(|n| n.abs() <= OOM_SCORE_MAX);
    words.iter().map(score).collect::<Option<Vec<i64>>>().ok_or_else(|| {
        format!("Invalid oom-score-adj-values, elements must be between -{OOM_SCORE_MAX} and {OOM_SCORE_MAX}.")
    })
}

fn percentiles(words: &[&[u8]]) -> Result<Vec<f64>, String> {
    let mut percentiles = Vec::with_capacity(words.len());
    for word in words.iter().filter(|_| words != [b""]) {
        let percentile = number::parse_f64(word).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&percentile) {
            return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".to_owned());
        }
        percentiles.push(percentile);
    }
    Ok(percentiles)
}

/// The value as CONFIG GET shows it.
pub(super) fn text(kind: Kind, value: &Value) -> Vec<u8> {
    match value {
        Value::None => Vec::new(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        Value::Int(number) if matches!(kind, Kind::Octal { .. }) => format!("{number:o}").into_bytes(),
        Value::Int(number) => number.to_string().into_bytes(),
        Value::Memory(bytes) => bytes.to_string().into_bytes(),
        Value::Percent(0) => b"0".to_vec(),
        Value::Percent(percent) => format!("{percent}%").into_bytes(),
        Value::Enum(index) => match kind {
            Kind::Enum(names) => names.get(*index).map_or_else(Vec::new, |name| name.as_bytes().to_vec()),
            _ => Vec::new(),
        },
        Value::Flags(flags) => match kind {
            Kind::Flags(names) => flag_names(names, *flags).into_bytes(),
            _ => event_chars(*flags),
        },
        Value::Text(text) => text.clone(),
        Value::Words(words) => words.join(&b' '),
        Value::Save(points) => {
            let points: Vec<String> =
                points.iter().map(|point| format!("{} {}", point.seconds, point.changes)).collect();
            points.join(" ").into_bytes()
        }
        Value::BufferLimits(limits) => {
            let limits: Vec<String> = BufferClass::ALL
                .iter()
                .zip(limits)
                .map(|((_, name), limit)| format!("{name} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_s))
                .collect();
            limits.join(" ").into_bytes()
        }
        Value::Ints(numbers) => {
            let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
            numbers.join(" ").into_bytes()
        }
        Value::Percentiles(percentiles) => {
            let percentiles: Vec<String> = percentiles
                .iter()
                .map(|percentile| format!("{percentile:.6}").trim_end_matches('0').trim_end_matches('.').to_owned())
                .collect();
            percentiles.join(" ").into_bytes()
        }
    }
}

/// Whole-text integer as C's `strtoll` reads it: a sign, leading zeros, and the empty text as 0.
fn c_integer(text: &[u8], base: i64) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] if !digits.is_empty() => (true, digits),
        [b'+', digits @ ..] if !digits.is_empty() => (false, digits),
        digits => (false, digits),
    };
    let mut value = 0i64;
    for byte in digits {
        let digit = (*byte as char).to_digit(base as u32)?;
        value = value.checked_mul(base)?.checked_add(i64::from(digit))?;
    }
    Some(if negative { -value } else { value })
}

/// Index of the name that `word` is or is another spelling of.
fn enum_index(names: &[&str], word: &[u8]) -> Option<usize> {
    let spelled = names
        .iter()
        .position(|name| name.split('=').next().is_some_and(|own| own.as_bytes().eq_ignore_ascii_case(word)))?;
    match names[spelled].split_once('=') {
        Some((_, meant)) => names.iter().position(|name| *name == meant),
        None => Some(spelled),
    }
}

fn must_be_one_of(names: &[&str]) -> String {
    let names: Vec<&str> = names.iter().map(|name| name.split('=').next().unwrap_or(name)).collect();
    format!("argument(s) must be one of the following: {}", names.join(", "))
}

fn flag_names(names: &[&str], flags: u32) -> String {
    let set: Vec<&str> =
        names.iter().skip(1).enumerate().filter(|(bit, _)| flags >> bit & 1 == 1).map(|(_, name)| *name).collect();
    match (set.is_empty(), names.first()) {
        (true, Some(none)) => (*none).to_owned(),
        _ => set.join(" "),
    }
}

fn events(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |flags, byte| match byte {
        b'A' => Some(flags | EVENTS_ALL),
        byte => EVENT_CHARS.iter().position(|own| own == byte).map(|bit| flags | 1 << bit),
    })
}

fn event_chars(flags: u32) -> Vec<u8> {
    let all = flags & EVENTS_ALL == EVENTS_ALL;
    let mut text = if all { b"A".to_vec() } else { Vec::new() };
    let hidden = if all { EVENTS_ALL } else { 0 };
    let shown = flags & !hidden;
    text.extend(EVENT_CHARS.iter().enumerate().filter(|(bit, _)| shown >> bit & 1 == 1).map(|(_, &byte)| byte));
    text
}

fn check_text(name: &str, rule: TextRule, text: &[u8]) -> Result<(), String> {
    match rule {
        TextRule::Any => Ok(()),
        TextRule::PlainName { may_be_empty: false, .. } if text.is_empty() => Err(format!("{name} can't be empty")),
        TextRule::PlainName { what, .. } if text.contains(&b'/') => {
            Err(format!("{name} can't be a path, just a {what}"))
        }
        TextRule::PlainName { .. } => Ok(()),
        TextRule::Hostname if text.len() >= 256 => Err("Hostnames must be less than 256 characters".to_owned()),
        TextRule::Hostname if text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')) => Ok(()),
        TextRule::Hostname => Err("Hostnames may only contain alphanumeric characters, hyphens or dots".to_owned()),
        TextRule::ProcTitle if proc_title_is_valid(text) => Ok(()),
        TextRule::ProcTitle => Err("template format is invalid or contains unknown variables".to_owned()),
    }
}

/// Whether every `{` begins one of the variables, and something is left when those are empty that may be.
fn proc_title_is_valid(text: &[u8]) -> bool {
    const FILLED: [&[u8]; 4] = [b"listen-addr", b"port", b"tls-port", b"config-file"];
    const PERHAPS_EMPTY: [&[u8]; 3] = [b"title", b"server-mode", b"unixsocket"];
    let shows = |text: &[u8]| text.iter().any(|&b| b != b' ');
    let mut parts = text.split(|&b| b == b'{');
    let mut visible = parts.next().is_some_and(shows);
    for part in parts {
        let Some(end) = part.iter().position(|&b| b == b'}') else {
            return false;
        };
        let (variable, rest) = (&part[..end], &part[end + 1..]);
        if !FILLED.contains(&variable) && !PERHAPS_EMPTY.contains(&variable) {
            return false;
        }
        visible |= FILLED.contains(&variable) || shows(rest);
    }
    visible
}

fn save_points(words: &[&[u8]]) -> Option<Vec<SavePoint>> {
    if words.is_empty() || words == [b""] {
        return Some(Vec::new());
    }
    let (pairs, []) = words.as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[seconds, changes]| {
            let (seconds, changes) = (c_integer(seconds, 10)?, c_integer(changes, 10)?);
            (seconds >= 1 && changes >= 0).then_some(SavePoint { seconds, changes })
        })
        .collect()
}

fn buffer_limits(words: &[&[u8]], present: &Value) -> Result<[BufferLimit; 3], String> {
    let mut limits = match present {
        Value::BufferLimits(limits) => *limits,
        _ => [BufferLimit::default(); 3],
    };
    let (groups, []) = words.as_chunks::<4>() else {
        return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
    };
    for [class, hard, soft, seconds] in groups {
        let class = BufferClass::parse(class).ok_or("Invalid client class specified in buffer limit configuration.")?;
        let seconds = c_integer(seconds, 10).and_then(|seconds| u64::try_from(seconds).ok());
        let (Some(hard_bytes), Some(soft_bytes), Some(soft_s)) =
            (number::parse_memory(hard), number::parse_memory(soft), seconds)
        else {
            return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".to_owned());
        };
        limits[class as usize] = BufferLimit { hard_bytes, soft_bytes, soft_s };
    }
    Ok(limits)
}
