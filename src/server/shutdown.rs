//! A request to stop, as SHUTDOWN makes it and the loop finds it.

/// How to stop.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct ShutdownRequest {
    /// SAVE (true) or NOSAVE (false) instead of what the configuration says.
    pub save: Option<bool>,
    /// Do not wait for replicas that lag behind.
    pub now: bool,
    /// Stop though saving fails.
    pub force: bool,
}
