//! The journal: changes as commands, for the append-only file.
//!
//! ```text
//!   command function --- propagate([b"PEXPIREAT", ..]) ---\
//!   Engine, after it --- finish_command(its arguments) ----+--> unit --- close ---> out ---> the file, once a turn
//!   expiry, eviction --- removed(key) --------------------/
//! ```
//!
//! What is written can be executed again at any later time with the same result: a command whose effect depends on the time, on chance or
//! on who waits for what names its effect instead of itself. What belongs together (a transaction, or several effects of one command) is a
//! unit, and stands between MULTI and EXEC. It knows neither files nor clients.
//!
//! Invariants: `unit` is empty between two commands outside of a transaction; `db` is the database that a reader of everything written so
//! far has selected. Cost while it is off: one test per command that writes.

use crate::resp::request::encode;

/// Room that a unit's buffer keeps, bytes.
const UNIT_KEPT: usize = 64 * 1024;

#[derive(Default)]
pub struct Journal {
    is_on: bool,
    /// Complete units that nobody has taken yet.
    out: Vec<u8>,
    /// Effects of the unit that is not complete.
    unit: Vec<u8>,
    effects: usize,
    /// A transaction is being executed: its commands are one unit.
    in_transaction: bool,
    /// The command that is being executed has named its effects.
    is_replaced: bool,
    /// The first of those: its database, and where in `unit` it is.
    named_at: Option<(usize, usize)>,
    db: Option<usize>,
}

impl Journal {
    #[inline]
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Begins to keep a journal, or ends it. What nobody has taken stays.
    pub fn set_on(&mut self, is_on: bool) {
        self.is_on = is_on;
        self.forget_database();
    }

    /// What comes next is read by somebody who has read nothing before.
    pub fn forget_database(&mut self) {
        self.db = None;
    }

    /// Bytes that nobody has taken.
    pub fn waiting_bytes(&self) -> usize {
        self.out.len()
    }

    /// Memory held, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.out.capacity() + self.unit.capacity()
    }

    /// Exchanges what is complete for an empty buffer with room.
    pub fn take(&mut self, empty: Vec<u8>) -> Vec<u8> {
        debug_assert!(empty.is_empty());
        std::mem::replace(&mut self.out, empty)
    }

    /// An effect of the command that is being executed, in place of the command itself.
    pub(super) fn propagate(&mut self, db: usize, args: &[&[u8]]) {
        self.is_replaced = true;
        self.select(db);
        self.named_at.get_or_insert((db, self.unit.len()));
        self.effect(db, args.iter().copied());
    }

    /// The command that is being executed has no effect that somebody else has to know.
    pub(super) fn propagate_nothing(&mut self) {
        self.is_replaced = true;
    }

    /// A key was removed by time or for want of memory. `is_lazy`: as UNLINK would.
    pub(super) fn removed(&mut self, db: usize, key: &[u8], is_lazy: bool) {
        if self.is_on {
            self.happened(db, &[removal(is_lazy), key]);
        }
    }

    /// Something that happened by itself: a field whose time was up. It was before the command that came upon it, even if that has named
    /// what it is going to do.
    pub(super) fn happened(&mut self, db: usize, args: &[&[u8]]) {
        let Some((_, at)) = self.named_at.filter(|&(named, _)| named == db) else {
            return self.effect(db, args.iter().copied());
        };
        let named = self.unit.split_off(at);
        encode(&mut self.unit, args.iter().copied());
        self.named_at = Some((db, self.unit.len()));
        self.unit.extend_from_slice(&named);
        self.effects += 1;
    }

    fn effect<'a>(&mut self, db: usize, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.select(db);
        encode(&mut self.unit, args);
        self.effects += 1;
    }

    fn select(&mut self, db: usize) {
        if self.db != Some(db) {
            self.db = Some(db);
            select(&mut self.unit, db);
        }
    }

    /// A command of database `db` is done. `has_changed`: that it changed something, `args`: what it was called with.
    pub fn finish_command<'a>(&mut self, db: usize, has_changed: bool, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.named_at = None;
        if std::mem::take(&mut self.is_replaced) {
            // Its effects are in the unit.
        } else if has_changed {
            self.effect(db, args);
        }
        if !self.in_transaction {
            self.close();
        }
    }

    /// The same of a command that has changed something and whose request, `frame`, is as it should be written.
    #[inline]
    pub fn finish_request(&mut self, db: usize, frame: &[u8]) {
        if self.is_replaced || self.effects > 0 || self.in_transaction {
            self.named_at = None;
            if !std::mem::take(&mut self.is_replaced) {
                self.select(db);
                self.unit.extend_from_slice(frame);
                self.effects += 1;
            }
            if !self.in_transaction {
                self.close();
            }
            return;
        }
        if self.db != Some(db) {
            self.db = Some(db);
            select(&mut self.out, db);
        }
        self.out.extend_from_slice(frame);
    }

    /// The commands until [`Journal::end_transaction`] belong together.
    pub fn begin_transaction(&mut self) {
        self.in_transaction = true;
    }

    pub fn end_transaction(&mut self) {
        self.in_transaction = false;
        self.close();
    }

    /// Ends the unit.
    fn close(&mut self) {
        if self.effects == 0 {
            return;
        }
        if self.effects > 1 {
            encode(&mut self.out, [b"MULTI".as_slice()].into_iter());
        }
        self.put_out();
        if self.effects > 1 {
            encode(&mut self.out, [b"EXEC".as_slice()].into_iter());
        }
        self.effects = 0;
    }

    /// What is in the unit is complete.
    fn put_out(&mut self) {
        if self.out.is_empty() {
            // As it is, should it be large.
            std::mem::swap(&mut self.out, &mut self.unit);
        } else {
            self.out.append(&mut self.unit);
        }
        if self.unit.capacity() > UNIT_KEPT {
            self.unit = Vec::new();
        }
    }

    /// Ends the unit; its effects do not belong together.
    pub(super) fn close_apart(&mut self) {
        if self.effects > 0 && !self.in_transaction {
            self.effects = 0;
            self.put_out();
        }
    }
}

/// The command that removes a key.
pub(super) fn removal(is_lazy: bool) -> &'static [u8] {
    if is_lazy { b"UNLINK" } else { b"DEL" }
}

fn select(out: &mut Vec<u8>, db: usize) {
    encode(out, [b"SELECT".as_slice(), itoa::Buffer::new().format(db).as_bytes()].into_iter());
}

#[cfg(test)]
mod tests {
    use super::Journal;

    fn words(line: &str) -> Vec<&[u8]> {
        line.split(' ').map(str::as_bytes).collect()
    }

    /// What was written, a line a command.
    fn lines(journal: &mut Journal) -> Vec<String> {
        let text = String::from_utf8(journal.take(Vec::new())).expect("text");
        let mut lines = Vec::new();
        let mut parts = text.split("\r\n");
        while let Some(header) = parts.next().filter(|header| !header.is_empty()) {
            let count: usize = header.strip_prefix('*').expect("a command").parse().expect("a count");
            let args: Vec<&str> = (0..count).map(|_| (parts.next(), parts.next().expect("an argument")).1).collect();
            lines.push(args.join(" "));
        }
        lines
    }

    #[test]
    fn units_and_databases() {
        let mut journal = Journal::default();
        journal.set_on(true);
        journal.finish_command(0, true, words("SET a 1").into_iter());
        journal.finish_command(0, false, words("DEL nothing").into_iter());
        journal.finish_request(0, b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n");
        journal.finish_command(3, true, words("SET b 1").into_iter());
        journal.propagate(3, &words("PEXPIREAT b 5"));
        journal.finish_command(3, true, words("EXPIRE b 1").into_iter());
        journal.propagate_nothing();
        journal.finish_command(3, true, words("PFCOUNT b").into_iter());
        journal.removed(0, b"gone", false);
        journal.finish_command(0, true, words("SET gone 1").into_iter());
        journal.removed(1, b"x", false);
        journal.removed(1, b"y", true);
        journal.close_apart();
        journal.begin_transaction();
        journal.finish_request(1, b"*1\r\n$1\r\nA\r\n");
        journal.finish_command(2, true, words("B").into_iter());
        journal.end_transaction();
        journal.begin_transaction();
        journal.finish_command(2, true, words("C").into_iter());
        journal.end_transaction();
        journal.begin_transaction();
        journal.end_transaction();
        let expected = [
            "SELECT 0",
            "SET a 1",
            "INCR a",
            "SELECT 3",
            "SET b 1",
            "PEXPIREAT b 5",
            "MULTI",
            "SELECT 0",
            "DEL gone",
            "SET gone 1",
            "EXEC",
            "SELECT 1",
            "DEL x",
            "UNLINK y",
            "MULTI",
            "A",
            "SELECT 2",
            "B",
            "EXEC",
            "C",
        ];
        assert_eq!(lines(&mut journal), expected);
    }

    #[test]
    fn a_large_effect_leaves_no_room_behind() {
        let mut journal = Journal::default();
        journal.set_on(true);
        let value = vec![b'v'; 10_000_000];
        for others in [0, 3] {
            (0..others).for_each(|_| journal.finish_command(0, true, words("SET a 1").into_iter()));
            journal.finish_command(0, true, [b"SET".as_slice(), b"b", &value].into_iter());
            assert!(journal.memory_bytes() < 11_000_000, "{}", journal.memory_bytes());
            assert!(journal.take(Vec::new()).ends_with(b"v\r\n"));
            assert!(journal.memory_bytes() < 100_000, "{} after {others}", journal.memory_bytes());
        }
    }

    #[test]
    fn what_a_command_finds_gone_was_gone_before_it() {
        let mut journal = Journal::default();
        journal.set_on(true);
        journal.begin_transaction();
        journal.finish_command(0, true, words("SET other 1").into_iter());
        journal.propagate(0, &words("SET a 1 PXAT 9"));
        journal.removed(0, b"a", false);
        journal.propagate(0, &words("SET b 1 PXAT 9"));
        journal.removed(0, b"b", false);
        journal.finish_command(0, true, words("MSETEX").into_iter());
        journal.removed(0, b"c", false);
        journal.finish_command(0, true, words("SET c 2").into_iter());
        journal.end_transaction();
        let expected = [
            "SELECT 0",
            "MULTI",
            "SET other 1",
            "DEL a",
            "DEL b",
            "SET a 1 PXAT 9",
            "SET b 1 PXAT 9",
            "DEL c",
            "SET c 2",
            "EXEC",
        ];
        let mut written = lines(&mut journal);
        // A unit's SELECT is inside of it.
        written.swap(0, 1);
        assert_eq!(written, expected);
    }
}
