//! The composition: sockets, engine, time.
mod access;
pub mod aof;
pub mod blocking;
pub mod check_aof;
pub mod check_rdb;
pub mod client_list;
mod configure;
mod crash;
mod dispatch;
mod engine;
mod gates;
mod housekeeping;
pub mod info;
mod limits;
pub mod listen;
pub mod loading;
pub mod memory;
mod metrics;
mod network;
mod observe;
mod pause;
mod process;
mod replay;
pub mod saving;
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
