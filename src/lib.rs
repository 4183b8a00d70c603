//! Zedis.
pub mod base;
pub mod benchmark;
pub mod collections;
pub mod commands;
pub mod config;
pub mod keyspace;
pub mod reactor;
pub mod resp;
pub mod server;

#[global_allocator]
static ALLOCATOR: base::allocator::Jemalloc = base::allocator::Jemalloc;
