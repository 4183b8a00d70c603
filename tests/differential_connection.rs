//! Connection commands against redis-server: by hand, and in conversations of several clients.

mod support;

use std::time::{Duration, Instant};

use support::client::Client;
use support::pair::{Clients, Deviation, Pair, run_table};
use support::reply::Reply;
use support::server::eventually;

const PLAIN: &str = r#"
PING
PING hello
PING ""
PING "\x00\xff"
PING a b
ping
PiNg
ECHO hello
ECHO ""
ECHO "\x00\xff"
ECHO {x*100000}
ECHO
ECHO a b
SELECT 0
SELECT 15
SET k v
SELECT 16
GET k
SELECT -1
SELECT abc
SELECT 1.5
SELECT ""
SELECT 99999999999999999999
SELECT
SELECT 0 1
SELECT 0
GET k
AUTH
AUTH password
AUTH user password
AUTH default password
AUTH a b c
BOGUS
BOGUS a b
bogus "a b" "\x00\xff\r\n" c
BOGUS {x*200} y
{b*200}
{b*200} {x*200} {y*200}
BOGUS {x*60} {y*60} {z*60} {w*60}
"" a
"bo\r\ngus"
"bo gus" x
RESET x
QUIET
"#;

const CLIENT: &str = r#"
CLIENT GETNAME
CLIENT SETNAME me
CLIENT GETNAME
CLIENT SETNAME "with space"
CLIENT SETNAME "with\nnewline"
CLIENT SETNAME "\xff"
CLIENT GETNAME
CLIENT SETNAME ""
CLIENT GETNAME
CLIENT SETNAME {n*1000}
CLIENT GETNAME
CLIENT SETNAME
CLIENT SETNAME a b
CLIENT GETNAME x
shape CLIENT ID
CLIENT ID x
kind CLIENT INFO
CLIENT INFO x
kind CLIENT LIST
kind CLIENT LIST TYPE normal
CLIENT LIST TYPE master
CLIENT LIST TYPE replica
CLIENT LIST TYPE slave
CLIENT LIST TYPE pubsub
CLIENT LIST TYPE bogus
CLIENT LIST TYPE
CLIENT LIST BOGUS
CLIENT LIST BOGUS x
CLIENT LIST ID 999999
CLIENT LIST ID abc
CLIENT LIST ID -1
CLIENT LIST ID 0
CLIENT LIST ID 999998 999999
CLIENT LIST ID
CLIENT LIST TYPE normal x
CLIENT REPLY
CLIENT REPLY BOGUS
CLIENT REPLY ON
CLIENT REPLY ON x
CLIENT NO-EVICT
CLIENT NO-EVICT on
CLIENT NO-EVICT off
CLIENT NO-EVICT ON
CLIENT NO-EVICT bogus
CLIENT NO-EVICT off
CLIENT KILL
CLIENT KILL 1.2.3.4:5
CLIENT KILL bogus
CLIENT KILL ID
CLIENT KILL ID abc
CLIENT KILL ID 0
CLIENT KILL ID -5
CLIENT KILL ID 999999
CLIENT KILL TYPE bogus
CLIENT KILL TYPE pubsub
CLIENT KILL TYPE replica
CLIENT KILL TYPE slave
CLIENT KILL TYPE master
CLIENT KILL ADDR 1.2.3.4:5
CLIENT KILL LADDR 1.2.3.4:5
CLIENT KILL USER bogus
CLIENT KILL SKIPME bogus
CLIENT KILL SKIPME yes ID 999999
CLIENT KILL ADDR 1.2.3.4:5 ID 999999 TYPE normal
CLIENT KILL BOGUS x
CLIENT KILL ID 999999 BOGUS
CLIENT KILL ID 999999 SKIPME
CLIENT PAUSE
CLIENT PAUSE abc
CLIENT PAUSE -1
CLIENT PAUSE 1.5
CLIENT PAUSE 99999999999999999999
CLIENT PAUSE 0 BOGUS
CLIENT PAUSE 0 WRITE x
CLIENT UNPAUSE x
CLIENT PAUSE 0
CLIENT PAUSE 0 WRITE
CLIENT PAUSE 0 ALL
CLIENT UNPAUSE
CLIENT UNPAUSE
CLIENT
CLIENT BOGUS
CLIENT BOGUS a b c
CLIENT HELP x
"#;

#[test]
fn connection_by_hand() {
    run_table(&[("plain", PLAIN), ("CLIENT", CLIENT)], &[], &[]);
}

/// HELLO's map without what differs between any two servers.
fn hello_facts(reply: &Reply) -> Vec<Reply> {
    let own = ["version", "id"];
    let pairs = reply.items().chunks_exact(2);
    let kept = pairs.filter(|pair| !own.contains(&pair[0].string().as_str()));
    let kinds = reply.items().len() as i64;
    [Reply::Int(kinds)].into_iter().chain(kept.flatten().cloned()).collect()
}

#[test]
fn hello_says_the_same() {
    let pair = Pair::start(&[]);
    for calls in [
        "HELLO",
        "HELLO 2",
        "HELLO 3",
        "hello 3",
        "HELLO 3 SETNAME me|CLIENT GETNAME|HELLO|HELLO 2 setname you|CLIENT GETNAME",
        "HELLO 3|GET missing|RESET|GET missing|HELLO",
        "HELLO 1",
        "HELLO 4",
        "HELLO -3",
        "HELLO abc",
        "HELLO 3.0",
        "HELLO \"\"",
        "HELLO 99999999999999999999",
        "HELLO 3 SETNAME",
        "HELLO 3 SETNAME \"a b\"|GET missing|CLIENT GETNAME",
        "HELLO 3 SETNAME \"a\\nb\"",
        "HELLO 3 AUTH",
        "HELLO 3 AUTH default",
        "HELLO 3 AUTH default pass|GET missing",
        "HELLO 3 AUTH nobody pass|GET missing",
        "HELLO 3 AUTH default pass SETNAME x|CLIENT GETNAME",
        "HELLO 3 BOGUS|GET missing",
        "HELLO 3 SETNAME a BOGUS|GET missing",
        "HELLO SETNAME a",
    ] {
        let mut clients = pair.connect();
        for line in calls.split('|') {
            let (got, wanted) = clients.call(&support::table::words(line));
            if got.items().is_empty() {
                assert_eq!(got, wanted, "{line} in {calls}");
            } else {
                assert_eq!(hello_facts(&got), hello_facts(&wanted), "{line} in {calls}");
            }
        }
    }
}

const HELLO_REFUSED: &str = "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
                             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the \
                             same time";
const PROTO_NAMED: &str = "the text names <proto> since 7.2";
const HELLO_FIRST: &[Deviation] = &[
    Deviation { command: "HELLO", reply: HELLO_REFUSED, reason: PROTO_NAMED },
    Deviation { command: "HELLO 2", reply: HELLO_REFUSED, reason: PROTO_NAMED },
    Deviation { command: "HELLO 3", reply: HELLO_REFUSED, reason: PROTO_NAMED },
];

#[test]
fn a_password_is_asked_for() {
    let pair = Pair::start(&["--requirepass", "secret"]);
    for lines in [
        "PING\nGET k\nBOGUS\nSET k\nECHO a\nSELECT 1\nHELLO\nHELLO 2\nHELLO 3\nCOMMAND\nCLIENT ID\nRESET\nPING",
        "AUTH\nAUTH wrong\nPING\nAUTH secret\nPING\nAUTH wrong\nPING\nRESET\nPING",
        "AUTH default secret\nPING",
        "AUTH nobody secret\nPING\nAUTH default wrong\nPING\nAUTH a b c",
        "HELLO 3 AUTH default wrong\nPING\nHELLO 3 AUTH nobody secret\nPING\nHELLO AUTH default secret\nPING",
        "HELLO 3 AUTH default\nPING\nHELLO 4 AUTH default secret\nPING",
        "shape HELLO 3 AUTH default secret\nPING\nGET k\nRESET\nGET k",
        "shape HELLO 2 AUTH default secret SETNAME me\nCLIENT GETNAME",
    ] {
        let mut clients = pair.connect();
        clients.deviations = HELLO_FIRST;
        clients.lines(lines);
    }
    let mut clients = pair.connect();
    clients.lines("AUTH secret\nCONFIG GET requirepass\nCONFIG SET requirepass other\nPING");
    pair.connect().lines("PING\nAUTH secret\nAUTH other\nPING\nCONFIG SET requirepass \"\"");
    pair.connect().lines("PING\nAUTH other");
}

/// Sends raw bytes to both and compares everything until they close.
fn until_closed(pair: &Pair, bytes: &[u8]) {
    let Clients { mut subject, mut oracle, .. } = pair.connect();
    for client in [&mut subject, &mut oracle] {
        client.send(bytes);
    }
    let (got, wanted) = (subject.read_to_end(), oracle.read_to_end());
    assert_eq!(got.escape_ascii().to_string(), wanted.escape_ascii().to_string(), "{}", bytes.escape_ascii());
}

#[test]
fn quit_answers_and_closes() {
    let pair = Pair::start(&[]);
    until_closed(&pair, b"QUIT\r\n");
    until_closed(&pair, b"PING\r\nQUIT\r\nPING\r\nSET k v\r\n");
    until_closed(&pair, b"quit now\r\n");
    pair.connect().line("EXISTS k");
}

#[test]
fn client_reply_silences() {
    let pair = Pair::start(&[]);
    let Clients { mut subject, mut oracle, .. } = pair.connect();
    let script = b"CLIENT REPLY OFF\r\nPING 1\r\nSET k v\r\nBOGUS\r\nCLIENT REPLY SKIP\r\nPING 2\r\nCLIENT REPLY ON\r\nPING 3\r\n\
        CLIENT REPLY SKIP\r\nPING 4\r\nPING 5\r\nCLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nPING 6\r\nPING 7\r\n\
        CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nPING 8\r\nCLIENT REPLY SKIP\r\nBOGUS\r\nPING 9\r\n\
        CLIENT REPLY SKIP\r\nCLIENT REPLY OFF\r\nPING 10\r\nCLIENT REPLY ON\r\nGET k\r\n\
        CLIENT REPLY SKIP\r\nRESET\r\nPING 11\r\nCLIENT REPLY OFF\r\nRESET\r\nPING 12\r\nPING the-end\r\n";
    let mut heard = Vec::new();
    for client in [&mut subject, &mut oracle] {
        client.send(script);
        let mut replies = Vec::new();
        while replies.last() != Some(&Reply::Bulk(b"the-end".to_vec())) {
            replies.push(client.read());
        }
        heard.push(replies);
    }
    assert_eq!(heard[0], heard[1]);
}

#[test]
fn reset_forgets_the_session() {
    let pair = Pair::start(&[]);
    pair.connect().lines(
        "SELECT 3\nSET k three\nCLIENT SETNAME me\nCLIENT NO-EVICT on\nCLIENT REPLY ON\nRESET\nCLIENT GETNAME\nGET k\nSELECT 3\nGET k\nRESET\n\
         PING",
    );
}

fn id_of(client: &mut Client) -> i64 {
    client.run("CLIENT ID").int()
}

#[test]
fn client_kill_closes_whom_it_names() {
    let pair = Pair::start(&[]);
    let mut counts = Vec::new();
    for server in [&pair.subject, &pair.oracle] {
        let mut killer = server.connect();
        let own_id = id_of(&mut killer);
        let mut killed = Vec::new();
        for how in ["ID", "ID ... SKIPME no", "TYPE normal", "SKIPME yes", "ADDR", "old form", "USER default"] {
            let mut victim = server.connect();
            let victim_id = id_of(&mut victim);
            assert!(victim_id > own_id, "ids grow");
            let listed = killer.run(&format!("CLIENT LIST ID {victim_id}")).string();
            let addr = listed.split(' ').find_map(|field| field.strip_prefix("addr=")).expect("an address").to_string();
            let reply = killer.run(&match how {
                "ID" => format!("CLIENT KILL ID {victim_id}"),
                "ID ... SKIPME no" => format!("CLIENT KILL ID {victim_id} SKIPME no"),
                "TYPE normal" => "CLIENT KILL TYPE normal".to_string(),
                "SKIPME yes" => "CLIENT KILL SKIPME yes".to_string(),
                // On a Unix socket all clients have the same address, the killer too.
                "ADDR" => format!("CLIENT KILL ADDR {addr} ID {victim_id}"),
                "old form" => format!("CLIENT KILL ID {victim_id} LADDR {addr}"),
                _ => "CLIENT KILL USER default SKIPME YES".to_string(),
            });
            if reply == Reply::Int(0) {
                killer.run(&format!("CLIENT KILL ID {victim_id}"));
            }
            assert_eq!(victim.read_to_end(), b"", "{how}: closed without a word");
            killed.push((how, reply));
        }
        // Its own connection: it is answered first.
        killer.send(format!("CLIENT KILL ID {own_id} SKIPME no\r\nPING\r\n").as_bytes());
        killed.push(("itself", Reply::Simple(killer.read_to_end())));
        counts.push(killed);
    }
    assert_eq!(counts[0], counts[1]);
}

#[test]
fn client_list_shows_each_client() {
    let server = support::server::Server::subject(&[]);
    let mut one = server.connect();
    let mut two = server.connect();
    one.run("CLIENT SETNAME first");
    two.run("SELECT 7");
    let two_id = id_of(&mut two);
    let list = one.run("CLIENT LIST").string();
    assert_eq!(list.lines().count(), 2, "{list}");
    let line = list.lines().find(|line| line.contains("name=first")).expect("the named client");
    assert!(line.contains(" cmd=client|list ") && line.contains(" db=0 ") && line.contains(" user=default"), "{line}");
    let line = one.run(&format!("CLIENT LIST ID {two_id}")).string();
    assert!(
        line.contains(&format!("id={two_id} ")) && line.contains(" db=7 ") && line.contains(" cmd=client|id "),
        "{line}"
    );
    let own = two.run("CLIENT INFO").string();
    assert!(own.starts_with(&format!("id={two_id} ")), "{own}");
}

#[test]
fn pause_holds_what_it_names() {
    let pair = Pair::start(&[]);
    for server in [&pair.subject, &pair.oracle] {
        let (mut boss, mut worker, mut reader) = (server.connect(), server.connect(), server.connect());
        boss.run("SET k before");
        // Writes wait, reads go on.
        boss.run("CLIENT PAUSE 100000 WRITE");
        worker.send(b"SET k after\r\nPING worker\r\n");
        assert_eq!(reader.run("GET k").text(), b"before");
        assert_eq!(reader.run("PING").text(), b"PONG");
        assert_eq!(boss.run("CLIENT UNPAUSE").text(), b"OK");
        assert_eq!(worker.read().text(), b"OK");
        assert_eq!(worker.read().text(), b"worker");
        assert_eq!(reader.run("GET k").text(), b"after");
        // Everything waits, and nothing but time ends it.
        let started = Instant::now();
        boss.run("CLIENT PAUSE 50 ALL");
        worker.send(b"GET k\r\n");
        assert_eq!(boss.run("PING").text(), b"PONG");
        assert_eq!(worker.read().text(), b"after");
        assert!(started.elapsed() >= Duration::from_millis(49), "it waited");
        // A pause ends by itself.
        boss.run("CLIENT PAUSE 50 WRITE");
        assert_eq!(worker.run("SET k later").text(), b"OK");
    }
}

/// The command that CLIENT LIST shows is the one that was named last, whether or not it was executed.
#[test]
fn client_list_says_the_command() {
    let pair = Pair::start(&[]);
    let shown = [&pair.subject, &pair.oracle].map(|server| {
        let (mut watcher, mut client) = (server.connect(), server.connect());
        let id = id_of(&mut client);
        let mut shown = Vec::new();
        for line in [
            "OBJECT ENCODING k",
            "CONFIG GET",
            "OBJECT NOPE k",
            "GET k",
            "CLIENT KILL",
            "CLIENT ID",
            "CLIENT",
            "NOPE",
            "CLIENT NOPE",
            "GET",
            "OBJECT FREQ k",
            "MULTI",
            "CONFIG GET maxmemory",
            "OBJECT NOPE k",
            "OBJECT ENCODING k",
            "EXEC",
            "CLIENT ID",
            "SUBSCRIBE c",
            "OBJECT FREQ k",
            "CLIENT TRACKING ON x",
            "GET k",
            "CLIENT NOPE",
        ] {
            client.run(line);
            let list = watcher.run(&format!("CLIENT LIST ID {id}")).string();
            let command = list.split(' ').find(|field| field.starts_with("cmd=")).expect("a command").to_string();
            shown.push(format!("{line}: {command}"));
        }
        shown
    });
    assert_eq!(shown[0], shown[1]);
}

/// Of a client that waits for the end of a pause it is the command that waits.
#[test]
fn client_list_says_the_command_that_is_held() {
    let pair = Pair::start(&[]);
    let shown = [&pair.subject, &pair.oracle].map(|server| {
        let mut watcher = server.connect();
        let mut shown = Vec::new();
        for (before, held) in [
            ("GET k", "FLUSHALL\r\n"),
            ("GET k", "SET k v\r\nGET k\r\n"),
            ("", "PFCOUNT k\r\n"),
            // The first is executed.
            ("PING", "GET k\r\nDEL k\r\n"),
            ("OBJECT ENCODING k", "PUBLISH a b\r\n"),
        ] {
            let mut client = server.connect();
            let id = id_of(&mut client);
            if !before.is_empty() {
                client.run(before);
            }
            watcher.run("CLIENT PAUSE 100000 WRITE");
            client.send(held.as_bytes());
            let mut line = String::new();
            support::server::eventually("it is held", || {
                line = watcher.run(&format!("CLIENT LIST ID {id}")).string();
                line.contains(" flags=bU ")
            });
            watcher.run("CLIENT UNPAUSE");
            let facts: Vec<String> = line
                .split(' ')
                .filter(|field| field.starts_with("cmd=") || field.starts_with("flags="))
                .map(str::to_owned)
                .collect();
            shown.push((held, facts));
        }
        shown
    });
    assert_eq!(shown[0], shown[1]);
}

/// The line about a client in each state that clients can be in says so as Redis's does: the same fields in the same order, the same flags.
#[test]
fn client_list_says_the_state() {
    let pair = Pair::start(&[]);
    let seen = [&pair.subject, &pair.oracle].map(|server| {
        let mut watcher = server.connect();
        let line = |watcher: &mut Client, name: &str| {
            let list = watcher.run("CLIENT LIST").string();
            let found = list.lines().find(|line| line.contains(&format!(" name={name} ")));
            found.unwrap_or_else(|| panic!("{name} in {list}")).to_string()
        };
        let mut states = Vec::new();
        let mut clients = Vec::new();
        for (name, requests) in [
            ("idle", &[][..]),
            ("multi", &["MULTI", "SET k v", "GET k"]),
            ("watch", &["WATCH k", "GET k"]),
            ("dirty", &["WATCH k2", "SET k2 v", "MULTI"]),
            ("tracked", &["HELLO 3", "CLIENT TRACKING ON BCAST", "WATCH k3", "SET k3 v", "MULTI"]),
            ("evict", &["CLIENT NO-EVICT ON", "SELECT 3"]),
            ("blocked", &["BLPOP nothing 0"]),
            ("resp3", &["HELLO 3"]),
        ] {
            let mut client = server.connect();
            client.run(&format!("CLIENT SETNAME {name}"));
            for request in requests {
                let args: Vec<&str> = request.split(' ').collect();
                client.send(&support::client::encode(&args));
                if name != "blocked" {
                    client.read();
                }
            }
            if name == "blocked" {
                support::server::eventually("it waits", || line(&mut watcher, name).contains(" flags=bU "));
            }
            let line = line(&mut watcher, name);
            let fields: Vec<(String, String)> = line
                .split(' ')
                .filter_map(|field| field.split_once('='))
                .map(|(field, value)| (field.to_string(), value.to_string()))
                .collect();
            let names: Vec<String> = fields.iter().map(|(field, _)| field.clone()).collect();
            let compared = ["flags", "db", "sub", "psub", "ssub", "multi", "events", "cmd", "user", "redir", "resp"];
            let values: Vec<(String, String)> =
                fields.into_iter().filter(|(field, _)| compared.contains(&field.as_str())).collect();
            states.push((name, names, values));
            clients.push(client);
        }
        states
    });
    let [ours, wanted] = seen;
    for ((name, mut fields, values), (_, wanted_fields, wanted_values)) in ours.into_iter().zip(wanted) {
        // 7.2 and 7.4 added some.
        fields.retain(|field| !["watch", "lib-name", "lib-ver"].contains(&field.as_str()));
        assert_eq!(fields, wanted_fields, "{name}");
        assert_eq!(values, wanted_values, "{name}");
    }
}

/// What CLIENT LIST says of a request of which a part has come: in the query buffer is what is not an argument yet.
#[test]
fn parts_of_requests_are_counted_alike() {
    let pair = Pair::start(&[]);
    let large = |letter: &str| letter.repeat(50_000);
    let parts = [
        "PIN".to_owned(),
        "*3\r\n$3\r\nSET\r\n$1\r\nk".to_owned(),
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n".to_owned(),
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nabc".to_owned(),
        format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n{}", large("x")),
        format!("*3\r\n$3\r\nSET\r\n$1000\r\n{}\r\n$1000\r\n{}", "k".repeat(1000), "x".repeat(500)),
        format!("*4\r\n$4\r\nMSET\r\n$50000\r\n{}\r\n$1000\r\n{}", large("k"), "x".repeat(500)),
        format!("*4\r\n$4\r\nMSET\r\n$50000\r\n{}\r\n$50000\r\n{}\r\n", large("k"), large("x")),
    ];
    for part in parts {
        let told = [&pair.subject, &pair.oracle].map(|server| {
            let mut client = server.connect();
            client.run("CLIENT SETNAME part");
            client.send(part.as_bytes());
            let mut other = server.connect();
            let fields = |other: &mut support::client::Client| -> Vec<String> {
                let list = other.run("CLIENT LIST").string();
                let line = list.lines().find(|line| line.contains(" name=part ")).expect("it is connected").to_owned();
                let is_wanted = |field: &&str| field.starts_with("qbuf=") || field.starts_with("argv-mem=");
                line.split(' ').filter(is_wanted).map(str::to_owned).collect()
            };
            // As soon as it has all come, at the latest when it has been sent; then nothing changes.
            let mut last = fields(&mut other);
            eventually("nothing more arrives", || {
                let now = fields(&mut other);
                let is_there = now[0] != "qbuf=0" || now[1] != "argv-mem=0";
                std::mem::replace(&mut last, now.clone()) == now && is_there
            });
            last
        });
        assert_eq!(told[0], told[1], "{}", &part[..part.len().min(60)]);
    }
}
