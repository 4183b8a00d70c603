//! Loading the data set from its RDB file: at the start in slices of the loop, so that clients are told to wait instead of being left
//! alone; for DEBUG RELOAD at once.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::base::{log, number};
use crate::keyspace::Key;
use crate::persistence::rdb::{EMPTY, FileError, FileReader, Item, KeyItem, load_contents};
use crate::server::engine::Engine;
use crate::server::session::gate;
use crate::server::start::reason;

/// Time for a slice, nanoseconds.
const SLICE_NS: u64 = 800_000;
/// Keys and bytes between two looks at the clock, and keys in a slice where no time passes.
const LOOK_KEYS: u64 = 32;
const LOOK_BYTES: u64 = 64 * 1024;
const SLICE_KEYS: u64 = 20_000;
/// What a key takes in a file at least, bytes, unless names are of a few letters: type, name and value with their lengths.
const KEY_BYTES_MIN: u64 = 8;
/// Between two lines in the log, nanoseconds.
const PROGRESS_NS: u64 = 5_000_000_000;

/// What becomes of a key that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// The file is broken.
    Refused,
    Replace,
}

/// A file that is being loaded.
pub struct Loading {
    reader: FileReader<File>,
    db: usize,
    duplicates: Duplicates,
    /// What is past its deadline is loaded too: commands follow, which saw it, and perhaps took the deadline away.
    pub(super) keeps_expired: bool,
    keys: u64,
    expired: u64,
    empty: u64,
    started_ns: u64,
    /// Unix seconds.
    pub started_s: i64,
    pub total_bytes: u64,
    /// Memory that the server used which wrote the file, bytes; 0: it has not said so.
    pub used_memory_bytes: u64,
    logged_ns: u64,
    /// It is slowed down: it goes on then.
    resumes_ns: u64,
}

impl Loading {
    pub fn loaded_bytes(&self) -> u64 {
        self.reader.offset()
    }

    pub fn seconds(&self, now_ns: u64) -> u64 {
        (now_ns - self.started_ns) / 1_000_000_000
    }
}

impl Engine {
    /// Begins to load a file. False: there is none.
    ///
    /// # Errors
    /// When it can't be opened; the log says so.
    pub fn begin_loading(&mut self, path: &Path, duplicates: Duplicates) -> io::Result<bool> {
        let file = match File::open(path).and_then(|file| file.metadata().map(|about| (file, about.len()))) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => {
                log::warning(format_args!(
                    "Fatal error: can't open the RDB file {} for reading: {}",
                    path.display(),
                    reason(&error)
                ));
                return Err(error);
            }
        };
        let (file, total_bytes) = file;
        let now_ns = self.clock.monotonic_ns();
        self.loading = Some(Box::new(Loading {
            reader: FileReader::new(file, Some(total_bytes), self.config.rdbchecksum),
            db: 0,
            duplicates,
            keeps_expired: false,
            keys: 0,
            expired: 0,
            empty: 0,
            started_ns: now_ns,
            started_s: self.keyspace.now_ms() / 1000,
            total_bytes,
            used_memory_bytes: 0,
            logged_ns: now_ns,
            resumes_ns: 0,
        }));
        self.gates |= gate::LOADING;
        Ok(true)
    }

    /// Goes on for a slice. Whether the end has been reached, or there was nothing to load.
    ///
    /// # Errors
    /// What is wrong with the file. What has been loaded of it is there.
    pub fn load_slice(&mut self) -> Result<bool, FileError> {
        let Some(mut loading) = self.loading.take() else { return Ok(true) };
        let begun_ns = self.clock.monotonic_ns();
        if begun_ns < loading.resumes_ns {
            self.loading = Some(loading);
            return Ok(false);
        }
        let (begun_keys, delay_ns) = (loading.keys, self.config.key_load_delay_us * 1000);
        let now_ms = self.keyspace.now_ms();
        if loading.keeps_expired {
            self.keyspace.stop_time();
        }
        let (mut items, mut looked_bytes) = (0, loading.reader.offset());
        let loaded = loop {
            match self.load_item(&mut loading) {
                Ok(true) => break Ok(true),
                Ok(false) => {}
                Err(error) => break Err(error),
            }
            items += 1;
            let bytes = loading.reader.offset();
            if items % LOOK_KEYS != 0 && bytes - looked_bytes < LOOK_BYTES {
                continue;
            }
            looked_bytes = bytes;
            let is_over = self.clock.monotonic_ns() - begun_ns >= SLICE_NS;
            let keys = loading.keys - begun_keys;
            if is_over || keys >= SLICE_KEYS || keys * delay_ns >= SLICE_NS {
                loading.resumes_ns = begun_ns + keys * delay_ns;
                break Ok(false);
            }
        };
        self.keyspace.set_now_ms(now_ms);
        let now_ns = self.clock.monotonic_ns();
        self.recorder.note_job("loading", now_ns - begun_ns);
        match loaded {
            Ok(true) => self.loaded(&loading, now_ns),
            Ok(false) => {
                if now_ns - loading.logged_ns >= PROGRESS_NS {
                    loading.logged_ns = now_ns;
                    log::notice(format_args!(
                        "Loading RDB: {} of {} bytes, {} keys",
                        loading.loaded_bytes(),
                        loading.total_bytes,
                        loading.keys
                    ));
                }
                self.loading = Some(loading);
            }
            Err(_) => self.gates &= !gate::LOADING,
        }
        loaded
    }

    fn loaded(&mut self, loading: &Loading, now_ns: u64) {
        self.gates &= !gate::LOADING;
        self.saving.loaded_keys = loading.keys;
        self.saving.loaded_bytes = loading.loaded_bytes();
        self.saving.expired_at_load = loading.expired;
        log::notice(format_args!(
            "Done loading RDB, keys loaded: {}, keys expired: {}.",
            loading.keys, loading.expired
        ));
        if loading.empty > 0 {
            log::notice(format_args!("Done loading RDB, empty keys skipped: {}.", loading.empty));
        }
        let seconds = (now_ns - loading.started_ns) as f64 / 1e9;
        log::notice(format_args!("DB loaded from disk: {seconds:.3} seconds"));
    }

    /// Loads what is there at once.
    ///
    /// # Errors
    /// As [`Engine::load_slice`].
    pub fn load_at_once(&mut self) -> Result<(), FileError> {
        while !self.load_slice()? {}
        Ok(())
    }

    /// Whether that was the last item.
    fn load_item(&mut self, loading: &mut Loading) -> Result<bool, FileError> {
        if loading.reader.wants_look_ahead() {
            // So that what each key is going to touch is on its way while the others are looked at.
            let (keyspace, db) = (&self.keyspace, loading.db);
            loading.reader.look_ahead(|key| keyspace.hash(key));
            keyspace.expect_inserts(db, loading.reader.notes());
        }
        match loading.reader.next_item()? {
            Item::Pending => {}
            Item::ResizeDb { keys, .. } => {
                // A hint that claims more than the file can hold is not worth more than the file.
                let keys = keys.min(loading.reader.left() / KEY_BYTES_MIN);
                self.keyspace.writer(loading.db).expect_keys(usize::try_from(keys).unwrap_or(usize::MAX));
            }
            Item::End => return Ok(true),
            Item::Aux { name, value } => {
                if *name == *b"used-mem" {
                    loading.used_memory_bytes = number::parse_i64(&value).map_or(0, |bytes| bytes.max(0) as u64);
                }
                self.note_aux(&name, &value);
            }
            Item::SelectDb(db) => {
                let databases = self.keyspace.databases();
                match usize::try_from(db).ok().filter(|&db| db < databases) {
                    Some(db) => loading.db = db,
                    None => {
                        return Err(FileError {
                            offset: loading.reader.item_offset(),
                            reason: format!(
                                "FATAL: Data file was created with a Redis server configured to handle more than {databases} databases"
                            ),
                        });
                    }
                }
            }
            Item::Key(item) => {
                // Seen by nobody since its deadline, so not worth a place.
                if item.deadline_ms.is_some_and(|deadline_ms| deadline_ms < self.keyspace.now_ms()) {
                    loading.expired += 1;
                    return Ok(false);
                }
                let loaded = self.load_key(loading.db, &item, loading.duplicates);
                match loaded {
                    Ok(()) => loading.keys += 1,
                    Err(Refusal::Empty) => {
                        loading.empty += 1;
                        if loading.empty <= EMPTY_LOGGED_MAX {
                            log::notice(format_args!("rdbLoadObject skipping empty key: {}", item.key.escape_ascii()));
                        }
                    }
                    Err(Refusal::Because(reason)) => {
                        let key = item.key.to_vec();
                        return Err(loading.reader.error_of_item(&key, reason));
                    }
                }
            }
        }
        Ok(false)
    }

    fn load_key(&mut self, db: usize, item: &KeyItem<'_>, duplicates: Duplicates) -> Result<(), Refusal> {
        let mut writer = self.keyspace.writer(db);
        let mut value = load_contents(item.kind, item.contents, &writer.context()).map_err(|error| match error {
            EMPTY => Refusal::Empty,
            error => Refusal::Because(error.to_string()),
        })?;
        let key = item.note.map_or_else(|| writer.key(&item.key), |hash| Key::with_hash(&item.key, hash));
        let idle_s = item.idle_s.map(|idle_s| i64::try_from(idle_s).unwrap_or(i64::MAX));
        if duplicates == Duplicates::Replace {
            writer.remove(key);
        }
        if writer.load(key, value.as_new(), item.deadline_ms, idle_s, item.frequency) {
            return Ok(());
        }
        Err(Refusal::Because(format!("RDB has duplicated key in DB {db}")))
    }

    fn note_aux(&self, name: &[u8], value: &[u8]) {
        let text = value.escape_ascii();
        match name {
            b"redis-ver" => log::notice(format_args!("Loading RDB produced by version {text}")),
            b"valkey-ver" => log::notice(format_args!("Loading RDB produced by Valkey version {text}")),
            b"ctime" => {
                if let Some(created_s) = number::parse_i64(value) {
                    let age_s = ((self.clock.unix_us() / 1_000_000) as i64).saturating_sub(created_s).max(0);
                    log::notice(format_args!("RDB age {age_s} seconds"));
                }
            }
            b"used-mem" => {
                if let Some(bytes) = number::parse_i64(value) {
                    log::notice(format_args!(
                        "RDB memory usage when created {:.2} Mb",
                        bytes as f64 / (1024.0 * 1024.0)
                    ));
                }
            }
            b"aof-base" if value == b"1" => log::notice("RDB is base AOF"),
            // For whoever reads the log.
            [b'%', ..] => log::notice(format_args!("RDB '{}': {text}", name.escape_ascii())),
            _ => {}
        }
    }
}

/// Lines about empty keys.
const EMPTY_LOGGED_MAX: u64 = 10;

enum Refusal {
    /// A value without elements, which an old version may have written.
    Empty,
    Because(String),
}
