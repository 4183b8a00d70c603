//! What a restart has to find, whatever the limits are under which it happens: an append-only file is executed again by nobody's client,
//! and what was accepted once is not refused, evicted or timed out then. And saves and rewrites that get in each other's way.

mod support;

use std::fs;

use support::append_only::{DIR, commands, files, info, until_rewritten};
use support::client::{Client, encode};
use support::server::{Server, eventually};

const ON: &[&str] = &["--appendonly", "yes", "--save", ""];

fn on<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [ON, more].concat()
}

/// Kills the server when everything is on the disk, and starts it with those directives.
fn kill_and_restart(server: &mut Server, directives: &[&str]) -> Client {
    let synced = server.connect().run("WAITAOF 1 0 0");
    assert_eq!(synced.items()[0].int(), 1, "{synced:?}");
    server.kill();
    server.restart(directives);
    server.connect()
}

fn run_all(client: &mut Client, lines: &[&str]) {
    for line in lines {
        let reply = client.run(line);
        assert!(!reply.is_error(), "{line}: {reply:?}");
    }
}

/// An expired key that is still there when a command overwrites it was gone before that command.
#[test]
fn what_replaces_an_expired_key_stays() {
    let mut server = Server::subject(ON);
    let mut client = server.connect();
    client.run("DEBUG SET-ACTIVE-EXPIRE 0");
    let writes: [&str; 7] = [
        "SET k0 v EX 1000",
        "SET k1 v PXAT 9999999999999 GET",
        "SETEX k2 1000 v",
        "PSETEX k3 1000000 v",
        "MSETEX 1 k4 v EX 1000",
        "SET k5 v IFNE other",
        "INCREX k6 BYINT 1 EX 1000",
    ];
    for number in 0..writes.len() {
        client.run(&format!("SET k{number} 0 PX 1"));
    }
    // Time stands still within a turn, not between turns.
    eventually("they have expired", || client.run("EXISTS k0 k1 k2 k3 k4 k5 k6").int() == 0);
    for number in 0..writes.len() {
        client.run(&format!("SET k{number} 0 PX 1"));
    }
    client.run("DEBUG SLEEP 0.01");
    run_all(&mut client, &writes);
    let mut client = kill_and_restart(&mut server, ON);
    assert_eq!(client.run("EXISTS k0 k1 k2 k3 k4 k5 k6").int(), 7, "{:?}", commands(server.dir()));
}

/// `maxmemory` is for those who write now.
#[test]
fn no_limit_of_memory_holds_for_what_is_loaded() {
    let mut server = Server::subject(ON);
    let mut client = server.connect();
    let value = "v".repeat(1000);
    let lines: Vec<u8> = (0..3000).flat_map(|n| encode(&["SET", &format!("k{n}"), &value])).collect();
    client.send(&lines);
    (0..3000).for_each(|_| assert!(!client.read().is_error()));
    run_all(&mut client, &["APPEND k0 y", "SET counter 1", "INCR counter"]);
    let mut client = kill_and_restart(&mut server, &on(&["--maxmemory", "1mb"]));
    assert_eq!(client.run("DBSIZE").int(), 3001, "nothing was refused");
    assert_eq!(client.run("GET counter").string(), "2");
    assert!(client.run("SET more 1").string().starts_with("OOM "));
    assert_eq!(client.run("DEBUG LOADAOF").string(), "OK");
    assert_eq!(client.run("DBSIZE").int(), 3001, "nor when it is loaded again");
    let evicting = on(&["--maxmemory", "1mb", "--maxmemory-policy", "allkeys-lru"]);
    server.kill();
    server.restart(&evicting);
    let mut client = server.connect();
    eventually("there is room", || info(&mut client, "evicted_keys").parse::<u64>().is_ok_and(|keys| keys > 2000));
    client.run("CONFIG SET maxmemory 0");
    assert!(client.run("STRLEN k0").int() != 1, "what was appended to was not evicted before");
    let left = client.run("DBSIZE").int();
    let mut client = kill_and_restart(&mut server, ON);
    assert_eq!(client.run("DBSIZE").int(), left, "what was evicted stays away");
}

/// Neither do those for clients.
#[test]
fn no_limit_of_clients_holds_for_what_is_loaded() {
    let mut server = Server::subject(&on(&["--key-load-delay", "0"]));
    let mut client = server.connect();
    let large = "v".repeat(3_000_000);
    assert_eq!(client.call(&["SET", "large", &large]).string(), "OK");
    assert_eq!(client.run("GETSET large small").string().len(), large.len());
    assert_eq!(client.call(&["SET", "large", &large]).string(), "OK");
    run_all(&mut client, &["MULTI", "SET a 1", "SET b 1", "EXEC"]);
    let lines: Vec<u8> = (0..400).flat_map(|_| encode(&["INCR", "n"])).collect();
    client.send(&lines);
    (0..400).for_each(|_| drop(client.read()));
    // It takes longer than clients may be idle, and its replies, its arguments and its transactions are larger than they may be.
    let mut client = kill_and_restart(
        &mut server,
        &on(&[
            "--timeout",
            "1",
            "--key-load-delay",
            "5000",
            "--client-output-buffer-limit",
            "normal 1mb 0 0",
            "--client-query-buffer-limit",
            "1mb",
            "--proto-max-bulk-len",
            "1mb",
            "--maxmemory-clients",
            "1mb",
        ]),
    );
    assert_eq!(client.run("GET n").string(), "400");
    assert_eq!(client.run("STRLEN large").int(), large.len() as i64);
}

/// Who may do what is a matter of those who ask now: changed while the file is being loaded, it holds for nothing that is loaded.
#[test]
fn no_permission_is_asked_for_what_is_loaded() {
    let mut server = Server::subject(ON);
    let mut client = server.connect();
    let lines: Vec<u8> = (0..600).flat_map(|_| encode(&["INCR", "n"])).collect();
    client.send(&lines);
    (0..600).for_each(|_| drop(client.read()));
    assert_eq!(client.run("WAITAOF 1 0 0").items()[0].int(), 1);
    drop(client);
    server.kill();
    server.begin_restart(&on(&["--key-load-delay", "3000"]));
    let mut client = server.connect();
    assert!(client.run("GET n").string().starts_with("LOADING "), "it lasts two seconds");
    assert_eq!(client.run("ACL SETUSER other on nopass ~* +@all").string(), "OK");
    assert_eq!(client.run("CONFIG SET requirepass secret").string(), "OK");
    assert_eq!(client.run("ACL SETUSER default -@all +ping +get +acl +info +auth").string(), "OK");
    eventually("it is loaded", || !client.run("GET n").string().starts_with("LOADING "));
    assert_eq!(client.run("GET n").string(), "600");
}

/// What has so long to live has it from now on; redis-server writes no such thing, but hands do.
#[test]
fn relative_times_in_a_file_count_from_its_loading() {
    let mut server = Server::subject(ON);
    let dir = server.dir().to_owned();
    let mut client = server.connect();
    client.run("SET dumped v");
    let payload = client.run("DUMP dumped").text().to_vec();
    client.run("DEL dumped");
    drop(client);
    server.kill();
    let words: [&[&str]; 7] = [
        &["SET", "a", "1", "EX", "1000"],
        &["SETEX", "b", "1000", "1"],
        &["SET", "c", "1"],
        &["EXPIRE", "c", "1000", "LT"],
        &["GETEX", "c", "PX", "1000000"],
        &["HSET", "h", "f", "1"],
        &["HEXPIRE", "h", "1000", "FIELDS", "1", "f"],
    ];
    let mut text: Vec<u8> = words.iter().flat_map(|words| encode(words)).collect();
    text.extend(encode(&[b"RESTORE".as_slice(), b"d", b"1000000", &payload]));
    fs::write(files(&dir, "i").last().expect("a file"), text).expect("it is written");
    server.restart(ON);
    let mut client = server.connect();
    for line in ["TTL a", "TTL b", "TTL c", "TTL d"] {
        let ttl = client.run(line).int();
        assert!((900..=1000).contains(&ttl), "{line}: {ttl}");
    }
    assert!((900..=1000).contains(&client.run("HTTL h FIELDS 1 f").items()[0].int()));
}

/// A payload that is over already only removes what was there.
#[test]
fn a_payload_of_the_past_is_a_removal() {
    let mut server = Server::subject(ON);
    let mut client = server.connect();
    client.run("SET k old");
    let payload = client.run("DUMP k").text().to_vec();
    assert_eq!(client.call(&[b"RESTORE".as_slice(), b"k", b"1", &payload, b"ABSTTL", b"REPLACE"]).string(), "OK");
    assert_eq!(client.run("SETNX k new").int(), 1);
    let mut client = kill_and_restart(&mut server, ON);
    assert_eq!(client.run("GET k").string(), "new");
}

/// BGSAVE CANCEL, DEBUG RELOAD and a shutdown that fails have to do with saves: a rewrite goes on, or begins anew.
#[test]
fn a_rewrite_outlives_what_ends_a_save() {
    let server = Server::subject(&on(&["--rdb-key-save-delay", "300"]));
    let mut client = server.connect();
    client.run("DEBUG POPULATE 3000");
    client.run("BGREWRITEAOF");
    assert_eq!(info(&mut client, "aof_rewrite_in_progress"), "1");
    let refusal = client.run("BGSAVE CANCEL").string();
    assert!(refusal.starts_with("ERR Background saving is currently not in progress"), "{refusal}");
    until_rewritten(&mut client);

    client.run("BGREWRITEAOF");
    client.run("CONFIG SET rdb-key-save-delay 0");
    assert_eq!(client.run("DEBUG RELOAD").string(), "OK");
    until_rewritten(&mut client);

    // Where the RDB file is to go, there is a directory.
    client.run("CONFIG SET rdb-key-save-delay 300");
    client.run("BGREWRITEAOF");
    let dump = server.dir().join("dump.rdb");
    fs::remove_file(&dump).expect("DEBUG RELOAD has made one");
    fs::create_dir(&dump).expect("a directory");
    client.run("CONFIG SET rdb-key-save-delay 0");
    assert!(client.run("SHUTDOWN SAVE").is_error());
    until_rewritten(&mut client);
    // SAVE waits for it instead.
    client.run("CONFIG SET rdb-key-save-delay 100");
    client.run("BGREWRITEAOF");
    fs::remove_dir(&dump).expect("nothing was put there");
    client.run("CONFIG SET rdb-key-save-delay 0");
    assert_eq!(client.run("SAVE").string(), "OK");
    until_rewritten(&mut client);
    assert_eq!(client.run("BGREWRITEAOF").string(), "Background append only file rewriting started");
    until_rewritten(&mut client);
}

/// A rewrite mends a directory that somebody has removed.
#[test]
fn a_directory_that_is_gone_comes_back() {
    let mut server = Server::subject(ON);
    let mut client = server.connect();
    client.run("SET k v");
    fs::remove_dir_all(server.dir().join(DIR)).expect("it is removed");
    assert_eq!(client.run("BGREWRITEAOF").string(), "Background append only file rewriting started");
    until_rewritten(&mut client);
    let mut client = kill_and_restart(&mut server, ON);
    assert_eq!(client.run("GET k").string(), "v");
}

/// What has been added since the last rewrite counts as growth after a restart too.
#[test]
fn growth_is_remembered() {
    let mut server = Server::subject(&on(&["--auto-aof-rewrite-percentage", "0"]));
    let mut client = server.connect();
    let value = "v".repeat(1000);
    let lines: Vec<u8> = (0..300).flat_map(|_| encode(&["SET", "k", &value])).collect();
    client.send(&lines);
    (0..300).for_each(|_| drop(client.read()));
    let mut client = kill_and_restart(&mut server, &on(&["--auto-aof-rewrite-min-size", "20kb"]));
    eventually("it is rewritten by itself", || info(&mut client, "aof_rewrites") == "1");
    until_rewritten(&mut client);
    assert!(info(&mut client, "aof_current_size").parse::<u64>().expect("a size") < 20_000);
}

/// What FLUSHALL has removed comes back neither from a file nor from a save that was under way.
#[test]
fn what_was_flushed_stays_away() {
    let directives = ["--save", "3600 100000", "--enable-debug-command", "yes"];
    let mut server = Server::subject(&directives);
    let mut client = server.connect();
    run_all(&mut client, &["SET secret 1", "SAVE", "FLUSHALL"]);
    // Not even if there is no time for that.
    client.send(
        &[encode(&["SET", "late", "1"]), encode(&["SAVE"]), encode(&["FLUSHALL"]), encode(&["SHUTDOWN", "NOSAVE"])]
            .concat(),
    );
    assert!(server.wait_for_exit().success());
    server.restart(&directives);
    let mut client = server.connect();
    assert_eq!(client.run("DBSIZE").int(), 0);
    run_all(&mut client, &["SET secret 1", "SAVE", "FLUSHALL"]);
    eventually("the empty data set is saved", || {
        info(&mut client, "rdb_bgsave_in_progress") == "0" && info(&mut client, "rdb_changes_since_last_save") == "0"
    });
    server.kill();
    server.restart(&["--save", "", "--rdb-key-save-delay", "300"]);
    let mut client = server.connect();
    assert_eq!(client.run("DBSIZE").int(), 0);
    run_all(&mut client, &["DEBUG POPULATE 3000", "BGSAVE", "FLUSHALL"]);
    eventually("it is given up", || info(&mut client, "rdb_bgsave_in_progress") == "0");
    server.kill();
    server.restart(&["--save", ""]);
    assert_eq!(server.connect().run("DBSIZE").int(), 0);
}

/// Somebody who counts the changes since the last save finds those of an append-only file.
#[test]
fn changes_of_the_file_are_not_saved_yet() {
    let mut server = Server::subject(ON);
    run_all(&mut server.connect(), &["SET a 1", "SET b 1", "INCR a"]);
    let mut client = kill_and_restart(&mut server, ON);
    assert_eq!(info(&mut client, "rdb_changes_since_last_save"), "3");
}

/// Two files of which each could be the one that counts.
#[test]
fn nothing_is_guessed_about_two_old_files() {
    let mut server = Server::subject(&["--save", ""]);
    server.shut_down();
    let dir = server.dir().to_owned();
    fs::write(dir.join("appendonly.aof"), encode(&["SET", "a", "1"])).expect("a file");
    fs::create_dir(dir.join(DIR)).expect("a directory");
    fs::write(dir.join(DIR).join("appendonly.aof"), encode(&["SET", "b", "1"])).expect("another");
    let (status, log) = server.restart_that_fails(ON);
    assert!(!status.success() && log.contains("which one counts?"), "{log}");
}

/// What is written after a change of the directory is there, however the directory was named, and is loaded from there.
#[test]
fn another_directory_is_where_files_are_written_from_then_on() {
    let mut server = Server::subject(&["--save", "", "--enable-protected-configs", "yes"]);
    let dir = server.dir().to_owned();
    fs::create_dir(dir.join("sub")).expect("a directory");
    let mut client = server.connect();
    run_all(&mut client, &["SET a 1", "CONFIG SET dir sub"]);
    let shown = client.run("CONFIG GET dir").items()[1].text().to_vec();
    assert!(shown.starts_with(b"/") && shown.ends_with(b"/sub"), "{}", shown.escape_ascii());
    run_all(&mut client, &["SAVE", "BGSAVE"]);
    eventually("it is saved", || info(&mut client, "rdb_bgsave_in_progress") == "0");
    assert_eq!(info(&mut client, "rdb_last_bgsave_status"), "ok");
    assert!(dir.join("sub/dump.rdb").is_file());
    run_all(&mut client, &["CONFIG SET dir ..", "SAVE"]);
    assert!(dir.join("dump.rdb").is_file());
    let refused = client.run("CONFIG SET dir /no/such/directory");
    assert!(refused.text().ends_with(b"- No such file or directory"), "{refused:?}");
    run_all(&mut client, &["CONFIG SET dir sub", "CONFIG SET appendonly yes", "SET b 2"]);
    until_rewritten(&mut client);
    run_all(&mut client, &["BGREWRITEAOF"]);
    until_rewritten(&mut client);
    client.run("SET c 3");
    client.run("WAITAOF 1 0 0");
    server.kill();
    let sub = dir.join("sub");
    server.restart(&["--appendonly", "yes", "--save", "", "--dir", sub.to_str().expect("text")]);
    assert_eq!(server.connect().run("EXISTS a b c").int(), 3);
}

/// A rewrite that is going on when the directory is changed is done in the new one as a whole.
#[test]
fn a_rewrite_does_not_end_in_a_directory_in_which_it_did_not_begin() {
    let directives = on(&["--enable-protected-configs", "yes", "--rdb-key-save-delay", "20000"]);
    let mut server = Server::subject(&directives);
    let other = server.dir().join("other");
    fs::create_dir_all(other.join(DIR)).expect("a directory");
    let mut client = server.connect();
    run_all(&mut client, &["DEBUG POPULATE 50", "BGREWRITEAOF"]);
    eventually("it is walking", || {
        info(&mut client, "rdb_bgsave_in_progress") == "0" && info(&mut client, "aof_rewrite_in_progress") == "1"
    });
    run_all(
        &mut client,
        &[&format!("CONFIG SET dir {}", other.display()), "CONFIG SET rdb-key-save-delay 0", "SET last 1"],
    );
    eventually("it is done", || other.join(DIR).join("appendonly.aof.manifest").is_file());
    until_rewritten(&mut client);
    client.run("WAITAOF 1 0 0");
    server.kill();
    server.restart(&on(&["--dir", other.to_str().expect("text")]));
    assert_eq!(server.connect().run("DBSIZE").int(), 51);
}

/// What is being loaded, and appended to then, stays where it is.
#[test]
fn the_directory_is_not_changed_while_loading() {
    let mut server = Server::subject(ON);
    let mut client = server.connect();
    run_all(&mut client, &["DEBUG POPULATE 1000", "BGREWRITEAOF"]);
    until_rewritten(&mut client);
    server.shut_down();
    server.begin_restart(&on(&["--enable-protected-configs", "yes", "--key-load-delay", "1000"]));
    let mut client = server.connect();
    assert_eq!(info(&mut client, "loading"), "1");
    let refused = client.run("CONFIG SET maxmemory-samples 7 dir /");
    assert_eq!(refused.text(), b"LOADING Redis is loading the dataset in memory");
    assert_eq!(client.run("CONFIG GET maxmemory-samples").items()[1].text(), b"5", "none of it");
    assert_eq!(client.run("CONFIG SET key-load-delay 0").text(), b"OK");
}

/// A file with a transaction that is not whole was written by nobody; what came of it is not what was acknowledged.
#[test]
fn a_transaction_in_the_file_that_fails_keeps_the_server_from_starting() {
    let mut server = Server::subject(ON);
    server.shut_down();
    let path = files(server.dir(), "i").remove(0);
    let requests: [&[&str]; 4] = [&["MULTI"], &["SET", "a", "1"], &["SET", "q"], &["EXEC"]];
    fs::write(&path, requests.map(encode).concat()).expect("a file");
    let (status, log) = server.restart_that_fails(ON);
    assert!(!status.success() && log.contains("EXECABORT"), "{log}");
}
