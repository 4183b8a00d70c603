//! Commands of Redis that are not here yet: streams, scripts, replication. Rules of access control that name them are kept, so that files
//! with users written for Redis are read, and say the same when they are written.
//!
//! Invariant: in the order of the bytes, and none of them is a command ([`Registry`](super::Registry)).

/// Whether Redis has a command or subcommand of this name, in any case, that is not here.
pub fn is_absent(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    ABSENT.binary_search_by(|known| known.as_bytes().cmp(&name)).is_ok()
}

const ABSENT: &[&str] = &[
    "cluster|slot-stats",
    "eval",
    "eval_ro",
    "evalsha",
    "evalsha_ro",
    "failover",
    "fcall",
    "fcall_ro",
    "function|dump",
    "function|load",
    "function|restore",
    "migrate",
    "psync",
    "replconf",
    "script|debug",
    "script|load",
    "sync",
    "xack",
    "xackdel",
    "xadd",
    "xautoclaim",
    "xclaim",
    "xdel",
    "xdelex",
    "xgroup",
    "xgroup|create",
    "xgroup|createconsumer",
    "xgroup|delconsumer",
    "xgroup|destroy",
    "xgroup|help",
    "xgroup|setid",
    "xinfo",
    "xinfo|consumers",
    "xinfo|groups",
    "xinfo|help",
    "xinfo|stream",
    "xlen",
    "xpending",
    "xrange",
    "xread",
    "xreadgroup",
    "xrevrange",
    "xsetid",
    "xtrim",
];

#[cfg(test)]
mod tests {
    use super::{ABSENT, is_absent};
    use crate::acl::Catalog;
    use crate::commands::Registry;

    #[test]
    fn what_is_absent_is_not_here() {
        assert!(ABSENT.is_sorted());
        let registry = Registry::new(crate::commands::GROUPS);
        for name in ABSENT {
            assert!(Catalog::find(&registry, name.as_bytes()).is_none(), "{name}");
            assert!(is_absent(name.to_ascii_uppercase().as_bytes()));
        }
        assert!(!is_absent(b"get") && !is_absent(b"nonsense"));
    }
}
