//! LATENCY DOCTOR: what the samples say, and what may be done about it, in the tone that operators know.

use std::fmt::Write;

use super::{Event, LatencyMonitor};
use crate::config::Settings;

const DISABLED: &str = "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. You may use \
\"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it. If we weren't in a deep space mission I'd suggest to take \
a look at https://redis.io/topics/latency-monitor.\n";
const NOTHING: &str = "Dave, no latency spike was observed during the lifetime of this Redis instance, not in the slightest bit. I honestly \
think you ought to sit down calmly, take a stress pill, and think things over.\n";
const GREETING: &str =
    "Dave, I have observed latency spikes in this Redis instance. You don't mind talking about it, do you Dave?\n\n";

const LARGE_OBJECTS: &str = "- Deleting, expiring or evicting (because of maxmemory policy) large objects is a blocking operation. If you have \
very large objects that are often deleted, expired, or evicted, try to fragment those objects into multiple smaller objects.\n";
const SLOWLOG: &str = "- Check your Slow Log to understand what are the commands you are running which are too slow to execute. Please check \
https://redis.io/commands/slowlog for more information.\n";
const SCHEDULER: &str = "- A fast command that takes this long was hardly busy with your data: the thread was not run, or waited for memory. \
Look at the CPU time that other processes take, at swapping, and at LATENCY WHY, which tells the time that the thread did not run.\n";
const EXPIRY: &str = "- Many keys expire at the same moment. Spread their deadlines if you can; INFO shows how far expiry lags behind.\n";
const EVICTION: &str =
    "- Keys are evicted faster than their memory can be freed. More memory, or smaller values, would help.\n";
const DISK: &str = "- The disk does not keep up with what is written to it. Look for other processes that write, and at appendfsync.\n";

/// The report.
pub fn report(monitor: &LatencyMonitor, settings: &Settings, now_s: u64) -> String {
    if monitor.events.is_empty() {
        let is_off = settings.latency_monitor_threshold_ms == 0;
        return if is_off { DISABLED } else { NOTHING }.to_owned();
    }
    let mut text = GREETING.to_owned();
    let mut advice: Vec<String> = Vec::new();
    for (index, (name, event)) in monitor.events().enumerate() {
        describe(&mut text, index + 1, name, event, now_s);
        for one in advice_for(name, settings) {
            if !advice.contains(&one) {
                advice.push(one);
            }
        }
    }
    if advice.is_empty() {
        text += "\nWhile there are latency events logged, I'm not able to suggest any easy fix. Please use the Redis community to get \
                 some help, providing this report in your help request.\n";
    } else {
        text += "\nI have a few advices for you:\n\n";
        text.extend(advice);
    }
    text
}

fn describe(text: &mut String, number: usize, name: &str, event: &Event, now_s: u64) {
    let count = event.samples().len() as u64;
    let mean_ms = event.samples().map(|sample| sample.ms).sum::<u64>() / count;
    let deviation_ms = event.samples().map(|sample| sample.ms.abs_diff(mean_ms)).sum::<u64>() / count;
    let oldest_s = event.samples().next().map_or(now_s, |sample| sample.unix_s);
    let period_s = now_s.saturating_sub(oldest_s) as f64 / count as f64;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{number}. {name}: {count} latency spikes (average {mean_ms}ms, mean deviation {deviation_ms}ms, period {period_s:.2} sec). \
         Worst all time event {}ms.",
        event.max_ms()
    );
}

fn advice_for(event: &str, settings: &Settings) -> Vec<String> {
    match event {
        "command" => {
            let threshold_us = settings.latency_monitor_threshold_ms.saturating_mul(1000);
            let slower_than_us = settings.slowlog_log_slower_than_us;
            let mut advice = Vec::new();
            if slower_than_us < 0 || settings.slowlog_max_len == 0 {
                advice.push(format!(
                    "- There are latency issues with potentially slow commands you are using. Try to enable the Slow Log Redis feature using \
                     the command 'CONFIG SET slowlog-log-slower-than {threshold_us}'. If the Slow log is disabled Redis is not able to log \
                     slow commands execution for you.\n"
                ));
            } else if slower_than_us.unsigned_abs() > threshold_us {
                advice.push(format!(
                    "- Your current Slow Log configuration only logs events that are slower than your configured latency monitor threshold. \
                     Please use 'CONFIG SET slowlog-log-slower-than {threshold_us}'.\n"
                ));
            }
            advice.extend([SLOWLOG.to_owned(), LARGE_OBJECTS.to_owned()]);
            advice
        }
        "fast-command" => vec![SCHEDULER.to_owned()],
        "expire-cycle" => vec![EXPIRY.to_owned()],
        "eviction-cycle" | "eviction-del" => vec![EVICTION.to_owned(), LARGE_OBJECTS.to_owned()],
        disk if disk.starts_with("aof-") || disk.starts_with("rdb-") => vec![DISK.to_owned()],
        _ => Vec::new(),
    }
}
