//! Which arguments are nobody's business: passwords and rules of users, in MONITOR, the slow log and the stall recorder.

use crate::commands::Args;

/// What stands in place of a secret.
const REDACTED: &[u8] = b"(redacted)";

/// Directives whose values are secrets.
const SECRET_DIRECTIVES: &[&str] =
    &["masteruser", "masterauth", "requirepass", "tls-key-file-pass", "tls-client-key-file-pass"];

/// The argument at `index` of a call of the command of this full name, as others may see it.
pub fn shown<'a>(full_name: &str, args: &'a Args<'_>, index: usize) -> &'a [u8] {
    if is_secret(full_name, args, index) { REDACTED } else { args.get(index) }
}

fn is_secret(full_name: &str, args: &Args<'_>, index: usize) -> bool {
    let follows = |word: &str, distance: usize| index > distance && args.is(index - distance, word);
    match full_name {
        "auth" => index >= 1,
        "hello" => index >= 3 && (follows("AUTH", 1) || follows("AUTH", 2)),
        "migrate" => index >= 6 && (follows("AUTH", 1) || follows("AUTH2", 1) || follows("AUTH2", 2)),
        "acl|setuser" | "acl|getuser" | "acl|deluser" => index >= 2,
        "config|set" => {
            index >= 3 && index % 2 == 1 && SECRET_DIRECTIVES.iter().any(|directive| args.is(index - 1, directive))
        }
        _ => false,
    }
}
