//! The composition: sockets, engine, time.
pub mod blocking;
mod client_eviction;
pub mod client_list;
mod configure;
mod dispatch;
mod engine;
mod gates;
mod housekeeping;
pub mod info;
mod limits;
pub mod listen;
mod memory;
mod metrics;
mod network;
mod observe;
mod pause;
mod session;
pub mod shutdown;
mod stall;
pub mod start;
mod stats;
#[cfg(test)]
pub mod testing;
mod transaction;
mod turn;

pub use engine::Engine;
pub use session::{Client, Session, gate};
pub use stats::Stats;
pub use turn::Server;
