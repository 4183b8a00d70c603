//! What folded stacks say: the share of the server's time in the kernel, and of its user-space time in parsing, execution and the
//! rest. A stack belongs to the innermost frame that belongs to anything, so memchr below the parser is parsing.

use crate::stacks::KERNEL;

/// Where a stack belongs, with the module paths that say so. The first match from the leaf upwards counts.
const PARTS: [(&str, &[&str]); 4] = [
    ("parsing", &["resp::request::"]),
    ("reply", &["resp::reply::"]),
    ("execution", &["commands::", "keyspace::", "collections::"]),
    ("loop", &["reactor::", "server::", "config::", "mio::"]),
];

/// A share of all samples or of those in user space, and its name.
pub struct Shares {
    pub samples: u64,
    /// Of all samples: the kernel.
    pub kernel: f64,
    /// Of the user-space samples: each part, and at the end what belongs to none.
    pub user: Vec<(&'static str, f64)>,
    /// Of all samples: each syscall by its entry function, largest first.
    pub syscalls: Vec<(String, f64)>,
}

impl Shares {
    pub fn of(folded: &str) -> Shares {
        let mut total = 0;
        let mut kernel = 0;
        let mut parts = [0u64; PARTS.len() + 1];
        let mut syscalls: Vec<(String, u64)> = Vec::new();
        for line in folded.lines() {
            let Some((stack, count)) = line.rsplit_once(' ') else {
                continue;
            };
            let Ok(count) = count.parse::<u64>() else {
                continue;
            };
            total += count;
            if stack.contains(KERNEL) {
                kernel += count;
                let name = stack.split(';').find_map(syscall).unwrap_or("interrupts and entry").to_owned();
                match syscalls.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, sum)) => *sum += count,
                    None => syscalls.push((name, count)),
                }
                continue;
            }
            let part = stack.rsplit(';').find_map(part_of).unwrap_or(PARTS.len());
            parts[part] += count;
        }
        let share = |n: u64, of: u64| if of == 0 { 0.0 } else { n as f64 / of as f64 };
        syscalls.sort_by_key(|&(_, sum)| std::cmp::Reverse(sum));
        let names = PARTS.iter().map(|&(name, _)| name).chain(["other"]);
        Shares {
            samples: total,
            kernel: share(kernel, total),
            user: names.zip(parts).map(|(name, n)| (name, share(n, total - kernel))).collect(),
            syscalls: syscalls.into_iter().map(|(name, n)| (name, share(n, total))).collect(),
        }
    }
}

fn part_of(frame: &str) -> Option<usize> {
    PARTS.iter().position(|(_, paths)| {
        paths.iter().any(|path| frame.strip_prefix("zedis::").unwrap_or(frame).starts_with(path))
    })
}

/// `__x64_sys_recvfrom_[k]` is `recvfrom`; `ksys_read_[k]` stands for an entry function that was inlined.
fn syscall(frame: &str) -> Option<&str> {
    let name = frame.strip_suffix(KERNEL)?;
    ["__x64_sys_", "__arm64_sys_", "ksys_", "__sys_"].into_iter().find_map(|prefix| name.strip_prefix(prefix))
}
