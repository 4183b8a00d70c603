//! What is known of the process from its start on.

use crate::base::allocator;
use crate::base::random::Random;

/// What INFO says and no command changes.
pub struct Facts {
    /// 40 hexadecimal digits, drawn at start: not from the run's seed, which clients must not be able to work out.
    pub run_id: String,
    pub replication_id: String,
    /// Unix milliseconds.
    pub started_ms: i64,
    /// Path of the program, and of its configuration file; empty: none.
    pub executable: String,
    pub config_file: String,
    /// Memory in use when the engine was made, bytes.
    pub startup_bytes: usize,
}

impl Facts {
    pub fn new(started_ms: i64) -> Facts {
        let executable = std::env::current_exe().map_or(String::new(), |path| path.display().to_string());
        Facts {
            run_id: random_id(),
            replication_id: random_id(),
            started_ms,
            executable,
            config_file: String::new(),
            startup_bytes: usize::try_from(allocator::thread_bytes()).unwrap_or(0),
        }
    }
}

impl Facts {
    /// The data are no longer those that the present one stands for.
    pub fn change_replication_id(&mut self) {
        self.replication_id = random_id();
    }
}

fn random_id() -> String {
    let mut bytes = [0; 20];
    Random::new(Random::entropy_seed()).fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
