//! Zedis.
pub mod base;
pub mod collections;
pub mod commands;
pub mod keyspace;
pub mod reactor;
pub mod resp;
pub mod server;
