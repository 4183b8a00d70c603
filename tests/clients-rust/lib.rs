//! Nothing: the package is its tests (`clients.rs`).
