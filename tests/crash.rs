//! Crashes. A writer notes what was acknowledged; the server is killed at a random moment, while it saves, rewrites, switches files; after
//! the restart nothing that the policy promises is missing, nothing was invented, and what belongs together is together.
//!
//! Each test runs a few rounds; `ZEDIS_CRASHES` sets how many (`make crash`).

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::append_only::{self, DIR, files, info};
use support::client::{Client, encode};
use support::random::Random;
use support::server::{Server, eventually};

/// Connections that write at the same time.
const WRITERS: usize = 4;
/// With `everysec` what is this old survives the end of the process; a second is promised.
const OLD: Duration = Duration::from_millis(250);

fn rounds(few: usize) -> usize {
    std::env::var("ZEDIS_CRASHES").ok().and_then(|n| n.parse().ok()).unwrap_or(few)
}

/// What one connection knows: that so many steps were acknowledged, when, and how many it has asked for.
#[derive(Clone, Default)]
struct Known {
    asked: i64,
    acknowledged: Vec<(i64, Instant)>,
}

/// Step `n` of writer `w`, as one transaction: a counter, a list that grows, two accounts between which something moves, a key with a
/// deadline.
fn step(writer: usize, n: i64) -> Vec<u8> {
    let amount = (n % 7).to_string();
    let minus = format!("-{amount}");
    let [count, list, from, to, brief] =
        ["count", "list", "from", "to", "brief"].map(|name| format!("{name}:{writer}"));
    let number = n.to_string();
    let commands: [&[&str]; 7] = [
        &["MULTI"],
        &["INCR", &count],
        &["RPUSH", &list, &number],
        &["INCRBY", &from, &minus],
        &["INCRBYFLOAT", &to, &amount],
        &["SET", &brief, &number, "PX", "100000"],
        &["EXEC"],
    ];
    commands.iter().flat_map(|command| encode(command)).collect()
}

/// Writes until the connection ends or it is enough. From `known.asked` on.
fn write(mut client: Client, writer: usize, mut known: Known, enough: &AtomicBool) -> Known {
    while !enough.load(Ordering::Relaxed) {
        let n = known.asked + 1;
        if client.try_send(&step(writer, n)).is_err() {
            break;
        }
        known.asked = n;
        let mut last = None;
        for _ in 0..7 {
            match client.try_read() {
                Ok(Some((reply, _))) => last = Some(reply),
                _ => return known,
            }
        }
        // A server that can't write says so, and has done nothing.
        match last {
            Some(reply) if !reply.is_error() => known.acknowledged.push((n, Instant::now())),
            _ => {
                known.asked -= 1;
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
    known
}

/// Tells the writers when it goes, also in a panic, so that nobody waits for them for ever.
struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What is there of a writer: its counter, if all the rest agrees with that.
fn found(client: &mut Client, writer: usize) -> i64 {
    let number =
        |reply: support::reply::Reply| if reply.is_null() { 0 } else { reply.string().parse().expect("a number") };
    let count: i64 = number(client.run(&format!("GET count:{writer}")));
    let list: Vec<i64> =
        client.run(&format!("LRANGE list:{writer} 0 -1")).items().iter().cloned().map(number).collect();
    assert_eq!(list, (1..=count).collect::<Vec<i64>>(), "writer {writer}: the list and the counter");
    let moved: i64 = (1..=count).map(|n| n % 7).sum();
    assert_eq!(number(client.run(&format!("GET from:{writer}"))), -moved, "writer {writer}: what went");
    assert_eq!(number(client.run(&format!("GET to:{writer}"))), moved, "writer {writer}: what came");
    if count > 0 {
        assert_eq!(number(client.run(&format!("GET brief:{writer}"))), count, "writer {writer}: the last one");
    }
    count
}

/// After a restart: nothing is missing that was acknowledged before `until`, and nothing is there that was not asked for. All go on from
/// what is there.
fn check(server: &Server, known: &mut [Known], until: Instant, round: usize) {
    let mut client = server.connect();
    for (writer, known) in known.iter_mut().enumerate() {
        let count = found(&mut client, writer);
        let safe = known.acknowledged.iter().filter(|(_, when)| *when <= until).map(|(n, _)| *n).max().unwrap_or(0);
        assert!(count >= safe, "round {round}, writer {writer}: {count} steps are there, {safe} were acknowledged");
        assert!(count <= known.asked, "round {round}, writer {writer}: {count} steps, {} were asked for", known.asked);
        *known = Known { asked: count, acknowledged: vec![(count, Instant::now() - 2 * OLD)] };
    }
}

/// What goes on besides while the writers write.
fn disturb(server: &Server, random: &mut Random, always: bool, until: Instant) {
    let Ok(mut client) = Client::try_connect(&server.socket()) else { return };
    while Instant::now() < until {
        let line = match random.below(if always { 4 } else { 5 }) {
            0 => "BGREWRITEAOF",
            1 => "BGSAVE",
            2 => "BGSAVE CANCEL",
            3 => "CONFIG SET aof-use-rdb-preamble no",
            _ => "CONFIG SET aof-use-rdb-preamble yes",
        };
        client.run(line);
        thread::sleep(Duration::from_micros(random.below(30_000) as u64));
    }
}

/// Rounds of writing and killing under one policy.
fn kill_again_and_again(name: &'static str, directives: &[&str], rounds: usize, how: &str) {
    let mut random = Random::new(name);
    let always = directives.contains(&"always");
    let mut known = vec![Known::default(); WRITERS];
    let mut server = Server::subject(directives);
    server.connect().run("DEBUG POPULATE 5000 filler 30");
    for round in 0..rounds {
        let enough = AtomicBool::new(false);
        let writing = Duration::from_micros(2_000 + random.below(250_000) as u64);
        let mut for_disturbance = random.fork();
        let mut killed = Instant::now();
        known = thread::scope(|scope| {
            let enough = &enough;
            let guard = Enough(enough);
            let writers: Vec<_> = known
                .drain(..)
                .enumerate()
                .map(|(writer, known)| {
                    let client = server.connect();
                    scope.spawn(move || write(client, writer, known, enough))
                })
                .collect();
            let until = Instant::now() + writing;
            disturb(&server, &mut for_disturbance, always, until);
            killed = Instant::now();
            if how == "-KILL" {
                server.kill();
            } else {
                server.signal(how);
                assert!(server.wait_for_exit().success(), "{}", server.log());
            }
            drop(guard);
            writers.into_iter().map(|writer| writer.join().expect("it only writes")).collect()
        });
        server.restart(directives);
        // An orderly end loses nothing, whatever the policy.
        let is_all_safe = always || how != "-KILL";
        let until = if is_all_safe { Instant::now() } else { killed - OLD };
        check(&server, &mut known, until, round);
        if round % 20 == 19 {
            println!(
                "{name}: {} of {rounds}, {} steps are there",
                round + 1,
                known.iter().map(|w| w.asked).sum::<i64>()
            );
        }
    }
    assert!(!server.log().contains("FATAL"), "{}", server.log());
}

#[test]
fn kills_with_appendfsync_always() {
    kill_again_and_again(
        "kills_with_appendfsync_always",
        &["--appendonly", "yes", "--appendfsync", "always"],
        rounds(8),
        "-KILL",
    );
}

#[test]
fn kills_with_appendfsync_everysec() {
    kill_again_and_again(
        "kills_with_appendfsync_everysec",
        &["--appendonly", "yes", "--auto-aof-rewrite-min-size", "64kb", "--auto-aof-rewrite-percentage", "10"],
        rounds(8),
        "-KILL",
    );
}

#[test]
fn orderly_ends() {
    kill_again_and_again("orderly_ends", &["--appendonly", "yes"], rounds(8) / 2, "-TERM");
}

/// The file is switched off and on all the time: when it is on, and was complete, everything that was acknowledged since is there.
#[test]
fn kills_while_it_is_switched_on_and_off() {
    let mut random = Random::new("kills_while_it_is_switched_on_and_off");
    let on = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut server = Server::subject(&on);
    let mut known = vec![Known::default()];
    for round in 0..rounds(8) {
        let mut client = server.connect();
        client.run("CONFIG SET appendonly no");
        client.run("BGREWRITEAOF");
        for _ in 0..random.below(3) {
            client.run("CONFIG SET appendonly yes");
            thread::sleep(Duration::from_micros(random.below(3000) as u64));
            client.run("CONFIG SET appendonly no");
        }
        client.run("CONFIG SET appendonly yes");
        append_only::until_rewritten(&mut client);
        let enough = AtomicBool::new(false);
        let before = known.remove(0);
        let after = thread::scope(|scope| {
            let writer = server.connect();
            let writing = scope.spawn(|| write(writer, 0, before, &enough));
            thread::sleep(Duration::from_micros(random.below(50_000) as u64));
            server.kill();
            writing.join().expect("it only writes")
        });
        known.push(after);
        server.restart(&on);
        check(&server, &mut known, Instant::now(), round);
    }
}

/// A disk that is full for one server: no file of more than 256 kB. What is acknowledged is kept, or the client is told that it is not.
#[test]
fn a_full_disk() {
    for round in 0..rounds(8).div_ceil(8) {
        let directives = ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"];
        let mut server = Server::subject_with_file_size(256, &directives);
        let enough = AtomicBool::new(false);
        let known = thread::scope(|scope| {
            let guard = Enough(&enough);
            let client = server.connect();
            let writing = scope.spawn(|| write(client, 0, Known::default(), &enough));
            let mut other = server.connect();
            eventually("the disk is full", || info(&mut other, "aof_last_write_status") == "err");
            let refusal = other.run("SET x 1").string();
            assert!(refusal.starts_with("MISCONF Errors writing to the AOF file: "), "{refusal}");
            assert!(!other.run("GET count:0").is_error(), "what only reads is served");
            assert!(server.log().contains("Error writing the append-only file"), "{}", server.log());
            drop(guard);
            writing.join().expect("it only writes")
        });
        server.kill();
        server.restart(&directives);
        // It was refused within a tenth of a second of the failure; what was acknowledged meanwhile is the price of everysec.
        let count = found(&mut server.connect(), 0);
        assert!(count > 0 && count <= known.asked, "round {round}: {count} of {}", known.asked);
    }
}

/// With `always` nothing is acknowledged that the disk has not taken: the server ends, as Redis does.
#[test]
fn a_full_disk_with_always() {
    let directives = ["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"];
    let mut server = Server::subject_with_file_size(128, &directives);
    let enough = AtomicBool::new(false);
    let known = write(server.connect(), 0, Known::default(), &enough);
    assert_eq!(server.wait_for_exit().code(), Some(1));
    assert!(server.log().contains("Can't recover from AOF write error"), "{}", server.log());
    server.restart(&directives);
    check(&server, &mut [known], Instant::now(), 0);
}

/// A disk without room behind the incremental file (`/dev/full` in its place) refuses; when it takes bytes again, nothing is lost.
#[test]
fn a_file_that_takes_nothing() {
    let mut server = Server::subject(&["--appendonly", "yes"]);
    server.connect().run("SET before 1");
    server.shut_down();
    let file = files(server.dir(), "i")[0].clone();
    let kept = server.dir().join("kept");
    fs::rename(&file, &kept).expect("it is moved");
    symlink("/dev/full", &file).expect("a link");
    let (status, log) = server.restart_that_fails(&["--appendonly", "yes"]);
    assert_eq!(status.code(), Some(1), "{log}");
    fs::remove_file(&file).expect("the link goes");
    fs::rename(&kept, &file).expect("it comes back");
    server.restart(&["--appendonly", "yes"]);
    assert_eq!(server.connect().run("GET before").string(), "1");
}

/// Something is in the way of each file that a rewrite makes: it fails, says so, leaves what there was, and the next one succeeds.
#[test]
fn a_rewrite_that_fails() {
    let in_the_way = ["appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof", "temp-appendonly.aof.manifest"];
    for name in in_the_way {
        let mut server = Server::subject(&["--appendonly", "yes"]);
        let mut client = server.connect();
        client.run("INCR a");
        let obstacle = server.dir().join(DIR).join(name);
        fs::create_dir(&obstacle).expect("a directory in the way");
        client.run("BGREWRITEAOF");
        eventually("it has failed", || info(&mut client, "aof_last_bgrewrite_status") == "err");
        client.run("INCR a");
        assert_eq!(info(&mut client, "aof_last_write_status"), "ok");
        client.run("WAITAOF 1 0 0");
        server.kill();
        server.restart(&["--appendonly", "yes"]);
        let mut client = server.connect();
        assert_eq!(client.run("INCR a").int(), 3, "{name}");
        fs::remove_dir(&obstacle).expect("nothing was put there");
        client.run("BGREWRITEAOF");
        append_only::until_rewritten(&mut client);
        client.run("WAITAOF 1 0 0");
        server.kill();
        server.restart(&["--appendonly", "yes"]);
        assert_eq!(server.connect().run("GET a").string(), "3", "{name}");
    }
}
