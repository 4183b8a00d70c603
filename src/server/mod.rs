//! The composition: sockets, engine, time.
mod dispatch;
mod engine;
mod gates;
mod housekeeping;
mod limits;
pub mod listen;
mod network;
mod session;
mod stall;
pub mod start;
mod stats;
mod turn;

pub use engine::Engine;
pub use session::{Client, Session, gate};
pub use stats::Stats;
pub use turn::Server;
