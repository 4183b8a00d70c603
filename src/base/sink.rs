//! Where encoded bytes go: what lets the encoder write replies without knowing a connection, and the connection's output take
//! them without knowing RESP.

use std::sync::Arc;

/// Where encoded bytes go.
pub trait Sink {
    /// At least `len` contiguous writable bytes, if they can be had cheaply; [`Sink::commit`] says how many were used.
    fn window(&mut self, len: usize) -> Option<&mut [u8]>;
    /// The first `len` bytes of the last window have been written.
    fn commit(&mut self, len: usize);
    /// Appends a copy of `bytes`.
    fn put(&mut self, bytes: &[u8]);
    /// Appends `bytes` without copying them, if the sink can.
    fn put_shared(&mut self, bytes: &Arc<Vec<u8>>) {
        self.put(bytes);
    }
}

impl Sink for Vec<u8> {
    fn window(&mut self, _len: usize) -> Option<&mut [u8]> {
        None
    }

    fn commit(&mut self, _len: usize) {}

    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}
