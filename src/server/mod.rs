//! The composition: sockets, engine, time.
mod dispatch;
mod engine;
mod gates;
pub mod listen;
mod session;
pub mod start;
mod stats;
mod turn;

pub use engine::Engine;
pub use session::{Client, Session, gate};
pub use stats::Stats;
pub use turn::Server;
