//! `--check-system`: what in this machine's settings will hurt, as far as files of the kernel say it. Under the names of Redis's checks,
//! and in their form.

use std::fmt::Write;
use std::fs;

/// Clocks that are read without entering the kernel are fast; these are not.
const SLOW_CLOCKS: [&str; 5] = ["acpi_pm", "hpet", "jiffies", "pit", "refined-jiffies"];

/// What the kernel's files say; None: there is no such file.
struct System {
    clock: Option<String>,
    overcommit: Option<String>,
    huge_pages: Option<String>,
}

/// What is known of the machine, a check at a time, and whether nothing is wrong with it.
pub fn report() -> (String, bool) {
    let read = |path: &str| Some(fs::read_to_string(path).ok()?.trim().to_owned());
    describe(&System {
        clock: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        overcommit: read("/proc/sys/vm/overcommit_memory"),
        huge_pages: read("/sys/kernel/mm/transparent_hugepage/enabled"),
    })
}

fn describe(system: &System) -> (String, bool) {
    let clock = system.clock.as_deref();
    let checks = [
        (
            "slow-clocksource",
            clock.map(|clock| SLOW_CLOCKS.contains(&clock)),
            "The clock of this machine is slow to read, and every command reads it. See \
             /sys/devices/system/clocksource/clocksource0/available_clocksource for others; 'tsc' is the best where the CPU has it.",
        ),
        (
            "xen-clocksource",
            clock.map(|clock| clock == "xen"),
            "The clock of this machine is Xen's, which is slow to read, and every command reads it. If 'tsc' is available, write it to \
             /sys/devices/system/clocksource/clocksource0/current_clocksource.",
        ),
        // Nothing here forks, so what Redis warns of, the heuristics of mode 0, does no harm.
        (
            "overcommit",
            system.overcommit.as_deref().map(|mode| mode == "2"),
            "The kernel never promises more memory than there is (vm.overcommit_memory = 2), so memory may be refused while some is free. \
             Set 'vm.overcommit_memory = 0' or '1' in /etc/sysctl.conf. Saving does not fork, and needs neither.",
        ),
        (
            "THP",
            system.huge_pages.as_deref().map(|mode| mode.contains("[always]")),
            "Transparent huge pages are on for all processes: a page that is touched for the first time takes as long as 2 MB. The server turns \
             them off for itself (disable-thp). To turn them off for all, run 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled' as root.",
        ),
    ];
    let (mut text, mut is_good) = (String::new(), true);
    for (name, is_bad, advice) in checks {
        let found = match is_bad {
            None => "skipped".to_owned(),
            Some(false) => "OK".to_owned(),
            Some(true) => format!("WARNING:\n{advice}"),
        };
        is_good &= is_bad != Some(true);
        // A string takes everything.
        let _ = writeln!(text, "[{name}]...{found}");
    }
    (text, is_good)
}

#[cfg(test)]
mod tests {
    use super::{System, describe, report};

    fn system(clock: &str, overcommit: &str, huge_pages: &str) -> System {
        System { clock: Some(clock.into()), overcommit: Some(overcommit.into()), huge_pages: Some(huge_pages.into()) }
    }

    #[test]
    fn a_good_machine_and_a_bad_one() {
        let good = "[slow-clocksource]...OK\n[xen-clocksource]...OK\n[overcommit]...OK\n[THP]...OK\n";
        assert_eq!(describe(&system("tsc", "0", "always [madvise] never")), (good.to_owned(), true));
        for (bad, name) in [
            (system("hpet", "1", "[never]"), "slow-clocksource"),
            (system("xen", "1", "[never]"), "xen-clocksource"),
            (system("tsc", "2", "[never]"), "overcommit"),
            (system("tsc", "1", "[always] madvise never"), "THP"),
        ] {
            let (text, is_good) = describe(&bad);
            assert!(!is_good && text.contains(&format!("[{name}]...WARNING:\n")), "{text}");
            assert_eq!(text.matches("...OK\n").count(), 3, "{text}");
        }
        let (text, is_good) = describe(&System { clock: None, overcommit: None, huge_pages: None });
        assert!(is_good && text.matches("...skipped\n").count() == 4, "{text}");
        assert_eq!(report().0.matches("]...").count(), 4);
    }
}
