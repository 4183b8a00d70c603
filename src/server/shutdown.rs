//! A request to stop, as SHUTDOWN makes it and the loop finds it.

/// What the log says when it can't stop, because what is to be saved can't be.
pub const SHUTDOWN_FAILED: &str = "Errors trying to shut down the server. Check the logs for more information.";

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
