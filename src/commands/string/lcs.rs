//! LCS: the longest common subsequence of two values.
//!
//! The lengths of the subsequences of all pairs of prefixes are computed row by row, from the row before. Of each pair only the
//! step that leads to it is kept, in one bit, so that the walk back takes a 32nd of the memory that the lengths would.

use crate::commands::{
    Acl, Arg, Args, Command, CommandError, CommandResult, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{StringBytes, View};

pub(super) static LCS: Command = Command {
    name: "lcs",
    arity: -3,
    run: Run::Read(lcs),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::STRING).union(Acl::SLOW),
    keys: &[KeySpec::range(1, 1, 1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::String,
    summary: "Finds the longest common subsequence of two strings.",
    since: "7.0.0",
    complexity: "O(N*M) where N and M are the lengths of the strings.",
    args: &[
        Arg::key("key1"),
        Arg::key("key2"),
        Arg::word("len", "LEN").optional(),
        Arg::word("idx", "IDX").optional(),
        Arg::integer("min-match-len").token("MINMATCHLEN").optional(),
        Arg::word("withmatchlen", "WITHMATCHLEN").optional(),
    ],
    ..Command::BASE
};

/// What Redis keeps of each pair of prefixes, bytes: the limit on the work is a limit on its memory.
const PAIR_BYTES: u128 = 4;

fn lcs(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    const NOT_STRINGS: CommandError = CommandError::new("ERR The specified keys must contain string values");
    let (a, b) = (view.string(args.key(1)), view.string(view.key(args.get(2))));
    let (Ok(a), Ok(b)) = (a, b) else { return Err(NOT_STRINGS) };
    let (mut len, mut idx, mut with_match_len, mut match_len_min) = (false, false, false, 0);
    let mut index = 3;
    while index < args.len() {
        if args.is(index, "IDX") {
            idx = true;
        } else if args.is(index, "LEN") {
            len = true;
        } else if args.is(index, "WITHMATCHLEN") {
            with_match_len = true;
        } else if args.is(index, "MINMATCHLEN") && index + 1 < args.len() {
            index += 1;
            match_len_min = usize::try_from(args.int(index)?).unwrap_or(0);
        } else {
            return Err(CommandError::SYNTAX);
        }
        index += 1;
    }
    if idx && len {
        return Err(CommandError::new("ERR If you want both the length and indexes, please just use IDX."));
    }
    let (mut a, mut b) = (a.unwrap_or(StringBytes::Bytes(b"")), b.unwrap_or(StringBytes::Bytes(b"")));
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let pairs = (a.len() as u128 + 1) * (b.len() as u128 + 1);
    if pairs * PAIR_BYTES > view.keyspace().settings.bulk_max as u128 {
        return Err(CommandError::new("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"));
    }
    if len {
        reply.len(common_len(a, b, |_| {}));
        return Ok(());
    }
    let found = Found::new(a, b);
    if !idx {
        let mut common = Vec::with_capacity(found.len);
        for run in found.runs.iter().rev() {
            common.extend_from_slice(&a[run.a..run.a + run.len]);
        }
        reply.bulk(&common);
        return Ok(());
    }
    reply.map(2);
    reply.bulk(b"matches");
    let shown = || found.runs.iter().filter(|run| run.len >= match_len_min);
    reply.array(shown().count());
    for run in shown() {
        reply.array(if with_match_len { 3 } else { 2 });
        for start in [run.a, run.b] {
            reply.array(2);
            reply.len(start);
            reply.len(start + run.len - 1);
        }
        if with_match_len {
            reply.len(run.len);
        }
    }
    reply.bulk(b"len");
    reply.len(found.len);
    Ok(())
}

/// The length of the longest common subsequence. `steps` is shown, for every prefix of `a` from the shortest, and for every prefix
/// of `b`, whether the way back from this pair drops the last byte of `a` (else of `b`).
fn common_len(a: &[u8], b: &[u8], mut steps: impl FnMut(bool)) -> usize {
    // Lengths for the prefix of `a` before this one, by the length of the prefix of `b`.
    let mut row = vec![0u32; b.len() + 1];
    for &byte in a {
        // Of the prefixes without the last byte of either, and of this one of `a` without the last of `b`.
        let (mut diagonal, mut left) = (0, 0);
        for (&other, above) in b.iter().zip(&mut row[1..]) {
            steps(*above > left);
            let here = if byte == other { diagonal + 1 } else { left.max(*above) };
            diagonal = *above;
            *above = here;
            left = here;
        }
    }
    row[b.len()] as usize
}

/// Bytes that are equal and adjacent in both strings, by where they begin.
struct CommonRun {
    a: usize,
    b: usize,
    len: usize,
}

/// The longest common subsequence that Redis finds among those of the same length.
struct Found {
    len: usize,
    /// From the last one to the first.
    runs: Vec<CommonRun>,
}

impl Found {
    fn new(a: &[u8], b: &[u8]) -> Found {
        let mut drops_a = Bits::with_capacity(a.len() * b.len());
        let len = common_len(a, b, |step| drops_a.push(step));
        let mut runs: Vec<CommonRun> = Vec::new();
        let (mut i, mut j) = (a.len(), b.len());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                match runs.last_mut() {
                    Some(run) if (run.a, run.b) == (i + 1, j + 1) => {
                        *run = CommonRun { a: i, b: j, len: run.len + 1 };
                    }
                    _ => runs.push(CommonRun { a: i, b: j, len: 1 }),
                }
            } else if drops_a.get((i - 1) * b.len() + j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        Found { len, runs }
    }
}

/// A list of bits.
struct Bits {
    words: Vec<u64>,
    len: usize,
}

impl Bits {
    fn with_capacity(len: usize) -> Bits {
        Bits { words: Vec::with_capacity(len.div_ceil(64)), len: 0 }
    }

    #[inline]
    fn push(&mut self, bit: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(bit) << (self.len % 64);
        }
        self.len += 1;
    }

    fn get(&self, index: usize) -> bool {
        self.words[index / 64] >> (index % 64) & 1 == 1
    }
}
