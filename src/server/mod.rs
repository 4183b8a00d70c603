//! The composition: sockets, engine, time.
pub mod blocking;
pub mod client_list;
pub mod command_log;
mod configure;
mod dispatch;
mod engine;
mod exporter;
mod gates;
pub mod histograms;
pub mod hot_keys;
mod housekeeping;
pub mod info;
pub mod latency;
mod limits;
pub mod listen;
mod metrics;
mod monitor;
mod network;
mod observation;
mod observe;
mod pause;
pub mod profile;
pub mod redaction;
mod session;
pub mod shutdown;
pub mod stall;
pub mod start;
mod stats;
#[cfg(test)]
pub mod testing;
mod timing;
mod transaction;
mod turn;

pub use engine::Engine;
pub use session::{Client, Session, gate};
pub use stats::Stats;
pub use turn::Server;
