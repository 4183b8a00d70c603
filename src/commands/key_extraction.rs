//! Finding the keys among a request's arguments by the command's key specs
//! (<https://redis.io/docs/latest/develop/reference/key-specs/>), and the older description of them as first, last and step.

use super::{BeginSearch, Command, FindKeys, KeyFlags, KeySpec};
use crate::base::number;

/// A key among the arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FoundKey {
    pub index: usize,
    pub flags: KeyFlags,
}

/// The keys of a call; `args` begins with the command's name (and, of a subcommand, its container's before it). None: the
/// arguments contradict the command's grammar, or the specs do not tell.
pub fn find_keys(command: &Command, args: &[&[u8]]) -> Option<Vec<FoundKey>> {
    let mut found = Vec::new();
    if matches!(command.name, "sort" | "sort_ro") {
        return Some(keys_of_sort(command, args));
    }
    for spec in command.keys {
        if !spec.flags.contains(KeyFlags::NOT_KEY) {
            find_of_spec(command, spec, args, &mut found)?;
        }
    }
    Some(found)
}

/// SORT's keys: what is sorted, and what the last STORE names. Its specs do not tell, as Redis's don't.
fn keys_of_sort(command: &Command, args: &[&[u8]]) -> Vec<FoundKey> {
    let found = |index: usize, spec: usize| command.keys.get(spec).map(|spec| FoundKey { index, flags: spec.flags });
    let mut store = None;
    let mut index = 2;
    while index < args.len() {
        let is = |word: &str| args[index].eq_ignore_ascii_case(word.as_bytes());
        if is("STORE") && index + 1 < args.len() {
            store = found(index + 1, 2);
        }
        index += match () {
            () if is("LIMIT") => 3,
            () if is("GET") || is("BY") || is("STORE") => 2,
            () => 1,
        };
    }
    found(1, 0).into_iter().chain(store).collect()
}

fn find_of_spec(command: &Command, spec: &KeySpec, args: &[&[u8]], found: &mut Vec<FoundKey>) -> Option<()> {
    let begin = match spec.begin {
        BeginSearch::Index(index) => usize::from(index),
        BeginSearch::Keyword { keyword, from } => match find_keyword(keyword, from, args) {
            Some(index) => index + 1,
            // An optional part of the grammar that is not there.
            None => return Some(()),
        },
        BeginSearch::Unknown if spec.flags.contains(KeyFlags::INCOMPLETE) => return Some(()),
        BeginSearch::Unknown => return None,
    };
    let (first, last, step) = match spec.find {
        FindKeys::Range { last, step, limit } => {
            let last = match usize::try_from(last) {
                Ok(after) => begin + after,
                Err(_) => {
                    let from_end = last.unsigned_abs() as usize;
                    let end = match limit {
                        0 | 1 => args.len(),
                        limit => begin + args.len().checked_sub(begin)? / usize::from(limit),
                    };
                    end.checked_sub(from_end)?
                }
            };
            (begin, last, usize::from(step))
        }
        FindKeys::KeyNum { count_at, first, step } => {
            let count = number::parse_i64(args.get(begin + usize::from(count_at))?)?;
            let count = usize::try_from(count).ok()?;
            let first = begin + usize::from(first);
            // Without one the call is wrong, unless its command needs none; that is not known here.
            let after = count.checked_sub(1)?.checked_mul(usize::from(step))?;
            (first, first.checked_add(after)?, usize::from(step))
        }
        FindKeys::Unknown if spec.flags.contains(KeyFlags::INCOMPLETE) => return Some(()),
        FindKeys::Unknown => return None,
    };
    if last < first || last >= args.len() {
        return None;
    }
    let flags = actual_flags(command, spec.flags, args);
    found.extend((first..=last).step_by(step.max(1)).map(|index| FoundKey { index, flags }));
    Some(())
}

/// Where `keyword` stands: searched forward from argument `from`, or, if that is negative, backward from that far before the
/// end.
fn find_keyword(keyword: &str, from: i16, args: &[&[u8]]) -> Option<usize> {
    let is_it = |&index: &usize| args[index].eq_ignore_ascii_case(keyword.as_bytes());
    let distance = usize::from(from.unsigned_abs());
    if from >= 0 {
        (distance..args.len()).find(is_it)
    } else {
        (1..=args.len().checked_sub(distance)?).rev().find(is_it)
    }
}

/// Whether nothing of a BITFIELD may write. What is no operation is taken for one that does, as in Redis.
fn only_reads_bits(args: &[&[u8]]) -> bool {
    let mut rest = args.get(2..).unwrap_or_default();
    while let Some(&operation) = rest.first() {
        let len = match () {
            () if operation.eq_ignore_ascii_case(b"GET") => 3,
            () if operation.eq_ignore_ascii_case(b"OVERFLOW") => 2,
            () => return false,
        };
        let Some(behind) = rest.get(len..) else { return false };
        rest = behind;
    }
    true
}

/// What this call does to its key, where that depends on the options.
fn actual_flags(command: &Command, flags: KeyFlags, args: &[&[u8]]) -> KeyFlags {
    if !flags.contains(KeyFlags::VARIABLE_FLAGS) {
        return flags;
    }
    let says = |word: &str, from: usize| args.iter().skip(from).any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
    let exact = flags.difference(KeyFlags::VARIABLE_FLAGS);
    match command.name {
        "set" if !says("GET", 3) => KeyFlags::OW.union(KeyFlags::UPDATE),
        "bitfield" if only_reads_bits(args) => KeyFlags::RO.union(KeyFlags::ACCESS),
        _ => exact,
    }
}

/// Where the keys are in the older description: first, last (negative: from the end) and step; and whether that is not all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LegacyRange {
    pub first: i64,
    pub last: i64,
    pub step: i64,
    pub movable: bool,
}

/// The specs as one range, as far as they are one.
pub fn legacy_range(command: &Command) -> LegacyRange {
    let mut range = LegacyRange::default();
    for spec in command.keys {
        let (BeginSearch::Index(begin), FindKeys::Range { last, step, .. }) = (&spec.begin, &spec.find) else {
            range.movable = true;
            continue;
        };
        let first = i64::from(*begin);
        let last = if *last >= 0 { first + i64::from(*last) } else { i64::from(*last) };
        let step = i64::from(*step);
        if range.first == 0 {
            (range.first, range.last, range.step) = (first, last, step);
        } else if range.last >= 0 && range.last + 1 == first && range.step == step {
            range.last = last;
        } else {
            range.movable = true;
        }
    }
    range
}

#[cfg(test)]
mod tests {
    use super::{FoundKey, LegacyRange, find_keys, legacy_range};
    use crate::commands::{BeginSearch, Command, FindKeys, KeyFlags, KeySpec};

    const RO: KeyFlags = KeyFlags::RO;

    fn keys(specs: &'static [KeySpec], args: &str) -> Option<Vec<usize>> {
        let command = Command { keys: specs, ..Command::BASE };
        let args: Vec<&[u8]> = args.split(' ').map(str::as_bytes).collect();
        find_keys(&command, &args).map(|found| found.iter().map(|key| key.index).collect())
    }

    #[test]
    fn ranges() {
        const ONE: &[KeySpec] = &[KeySpec::one(1, RO)];
        const ALL: &[KeySpec] = &[KeySpec::range(1, -1, 1, RO)];
        const PAIRS: &[KeySpec] = &[KeySpec::range(1, -1, 2, RO)];
        const HALF: &[KeySpec] = &[KeySpec {
            notes: "",
            flags: RO,
            begin: BeginSearch::Keyword { keyword: "STREAMS", from: 1 },
            find: FindKeys::Range { last: -1, step: 1, limit: 2 },
        }];
        assert_eq!(keys(ONE, "get a"), Some(vec![1]));
        assert_eq!(keys(ONE, "get"), None);
        assert_eq!(keys(ALL, "del a b c"), Some(vec![1, 2, 3]));
        assert_eq!(keys(ALL, "del"), None);
        assert_eq!(keys(PAIRS, "mset a 1 b 2"), Some(vec![1, 3]));
        assert_eq!(keys(HALF, "xread count 2 streams a b 0 0"), Some(vec![4, 5]));
        assert_eq!(keys(HALF, "xread count 2"), Some(vec![]));
    }

    #[test]
    fn counted_keys() {
        const COUNTED: &[KeySpec] = &[KeySpec::counted(2, RO)];
        assert_eq!(keys(COUNTED, "eval x 2 a b c"), Some(vec![3, 4]));
        assert_eq!(keys(COUNTED, "eval x 0"), None);
        assert_eq!(keys(COUNTED, "eval x 9 a"), None);
        assert_eq!(keys(COUNTED, "eval x -1 a"), None);
        assert_eq!(keys(COUNTED, "eval x y a"), None);
        assert_eq!(keys(COUNTED, "eval x 9223372036854775807 a"), None);
        assert_eq!(keys(COUNTED, "eval x"), None);
    }

    #[test]
    fn keywords_backwards() {
        const STORE: &[KeySpec] = &[KeySpec {
            notes: "",
            flags: KeyFlags::OW,
            begin: BeginSearch::Keyword { keyword: "store", from: -2 },
            find: FindKeys::Range { last: 0, step: 1, limit: 0 },
        }];
        assert_eq!(keys(STORE, "georadius k 1 STORE b"), Some(vec![4]));
        assert_eq!(keys(STORE, "georadius k 1 b store"), Some(vec![]));
        assert_eq!(keys(STORE, "x"), Some(vec![]));
        assert_eq!(keys(STORE, "x store y z store"), Some(vec![2]));
    }

    #[test]
    fn the_older_description() {
        const PAIRS: &[KeySpec] = &[KeySpec::range(1, -1, 2, RO)];
        const TWO: &[KeySpec] = &[KeySpec::one(1, RO), KeySpec::one(2, RO)];
        const ONE_AND_COUNTED: &[KeySpec] = &[KeySpec::one(1, RO), KeySpec::counted(2, RO)];
        const COUNTED: &[KeySpec] = &[KeySpec::counted(2, RO)];
        let range = |specs| legacy_range(&Command { keys: specs, ..Command::BASE });
        let expected = |first, last, step, movable| LegacyRange { first, last, step, movable };
        assert_eq!(range(&[]), expected(0, 0, 0, false));
        assert_eq!(range(PAIRS), expected(1, -1, 2, false));
        assert_eq!(range(TWO), expected(1, 2, 1, false));
        assert_eq!(range(ONE_AND_COUNTED), expected(1, 1, 1, true));
        assert_eq!(range(COUNTED), expected(0, 0, 0, true));
    }

    #[test]
    fn set_only_reads_when_told_to() {
        const VARIABLE: KeyFlags =
            KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE).union(KeyFlags::VARIABLE_FLAGS);
        const KEYS: &[KeySpec] = &[KeySpec::one(1, VARIABLE)];
        let command = Command { name: "set", keys: KEYS, ..Command::BASE };
        let flags = |args: &[&[u8]]| find_keys(&command, args).map(|found| found[0]);
        let writes = KeyFlags::OW.union(KeyFlags::UPDATE);
        let both = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE);
        assert_eq!(flags(&[b"set", b"k", b"get"]), Some(FoundKey { index: 1, flags: writes }));
        assert_eq!(flags(&[b"set", b"k", b"v", b"Get"]), Some(FoundKey { index: 1, flags: both }));
    }
}
