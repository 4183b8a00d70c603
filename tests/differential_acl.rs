//! Access control against redis-server: rules and how they are shown, and for each rule that what it forbids is forbidden on every path.
//!
//! The oracle words some refusals as 7.0 does, and shows rules about commands by what they amount to rather than as they were given (7.2
//! keeps them). So refusals are brought to 7.0's words, and shown rules are compared by giving the oracle those of the subject.

mod support;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use support::client::{Client, encode};
use support::pair::{Clients, Pair};
use support::random::Random;
use support::reply::Reply;
use support::server::{Server, subject_is_redis};
use support::table::{show, words};

/// A refusal in the words of 7.0.
fn as_7_0(reply: &Reply) -> Reply {
    let text = |text: &[u8]| {
        let mut text = String::from_utf8_lossy(text).into_owned();
        for (newer, older) in [
            (
                "NOPERM No permissions to access a key",
                "NOPERM this user has no permissions to access one of the keys used as arguments",
            ),
            (
                "NOPERM No permissions to access a channel",
                "NOPERM this user has no permissions to access one of the channels used as arguments",
            ),
        ] {
            text = text.replace(newer, older);
        }
        text = text.replace("because of: NOPERM User u ", "because of: NOPERM this user ");
        // The user's name is one word.
        for (newer, older) in [("NOPERM User ", "NOPERM this user "), ("User ", "This user ")] {
            if let Some(rest) = text.strip_prefix(newer)
                && let Some((_, rest)) = rest.split_once(' ')
                && rest.starts_with("has no permissions")
            {
                text = format!("{older}{rest}");
            }
        }
        text.into_bytes()
    };
    match reply {
        Reply::Error(error) => Reply::Error(text(error)),
        Reply::Bulk(bulk) => Reply::Bulk(text(bulk)),
        Reply::Array(items) => Reply::Array(items.iter().map(as_7_0).collect()),
        other => other.clone(),
    }
}

/// Connections by name to both servers.
struct Script<'a> {
    pair: &'a Pair,
    version: &'a str,
    connections: BTreeMap<String, Clients>,
}

impl<'a> Script<'a> {
    fn new(pair: &'a Pair, version: &'a str) -> Script<'a> {
        Script { pair, version, connections: BTreeMap::new() }
    }

    fn connection(&mut self, name: &str) -> &mut Clients {
        let (pair, version) = (self.pair, self.version);
        self.connections.entry(name.to_owned()).or_insert_with(|| {
            let mut clients = pair.connect();
            clients.run_quietly(&format!("HELLO {version}"));
            clients
        })
    }

    /// Lines `connection> call`; what the two disagree about.
    fn run(&mut self, lines: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, call) = line.split_once("> ").expect("a connection's name and a call");
            let (got, wanted) = self.connection(name).call(&words(call));
            if as_7_0(&got) != as_7_0(&wanted) {
                complaints
                    .push(format!("[RESP{}] {line}\n    subject: {got:?}\n    oracle:  {wanted:?}", self.version));
            }
        }
        complaints
    }
}

fn report(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} disagreements:\n{}", complaints.len(), complaints.join("\n"));
}

fn run_both(lines: &str, directives: &[&str]) {
    let mut complaints = Vec::new();
    for version in ["2", "3"] {
        let pair = Pair::start(directives);
        complaints.extend(Script::new(&pair, version).run(lines));
    }
    report(&complaints);
}

#[test]
fn commands_about_users() {
    run_both(
        r#"
        a> ACL WHOAMI
        a> ACL USERS
        a> ACL CAT
        a> ACL CAT nosuch
        a> ACL CAT string extra
        a> ACL GETUSER nosuch
        a> ACL SETUSER
        a> ACL SETUSER bob
        a> ACL SETUSER "a b"
        a> ACL SETUSER "a\x00b"
        a> ACL SETUSER ""
        a> ACL USERS
        a> ACL DELUSER
        a> ACL DELUSER nosuch
        a> ACL DELUSER bob bob nosuch
        a> ACL DELUSER bob default
        a> ACL DELUSER ""
        a> ACL USERS
        a> ACL GENPASS 0
        a> ACL GENPASS -1
        a> ACL GENPASS 4097
        a> ACL GENPASS x
        a> ACL GENPASS 1 2
        a> ACL LOG
        a> ACL LOG x
        a> ACL LOG -1
        a> ACL LOG 1 2
        a> ACL LOG RESET
        a> ACL LOG RESET x
        a> ACL LOAD
        a> ACL SAVE
        a> ACL NOSUCH
        a> ACL
        a> ACL DRYRUN
        a> ACL DRYRUN nosuch GET x
        a> ACL DRYRUN default NOSUCH x
        a> ACL DRYRUN default GET
        a> ACL DRYRUN default GET x y
        a> ACL DRYRUN default CONFIG NOSUCH
        a> ACL DRYRUN default CONFIG
        a> ACL DRYRUN default CONFIG GET
        a> ACL DRYRUN default GET x
        a> AUTH x
        a> AUTH default x
        a> AUTH nosuch x
        a> AUTH a b c
        a> HELLO 2 AUTH nosuch x
        a> CLIENT KILL USER nosuch
        a> CLIENT KILL USER default SKIPME yes
        a> ACL SETUSER carol on >secret >other +ping
        b> AUTH carol wrong
        b> ACL WHOAMI
        b> AUTH carol secret
        b> PING
        b> ACL WHOAMI
        b> AUTH carol wrong
        b> PING
        b> AUTH default nothing
        b> ACL WHOAMI
        b> AUTH carol other
        a> ACL SETUSER carol <other off
        b> PING
        c> AUTH carol secret
        a> ACL SETUSER carol on
        c> AUTH carol other
        c> AUTH carol secret
        c> PING
        c> RESET
        c> ACL WHOAMI
        a> CLIENT KILL USER carol
        "#,
        &[],
    );
}

/// Redis lists the commands of a category in no order.
#[test]
fn commands_of_a_category() {
    let pair = Pair::start(&[]);
    let mut clients = pair.connect();
    let (got, wanted) = clients.call(&words("ACL CAT"));
    assert_eq!(got, wanted);
    for category in wanted.items().iter().map(Reply::string) {
        let (got, wanted) = clients.call(&words(&format!("ACL CAT {category}")));
        let known = |client: &mut Client, name: &str| !client.call(&["COMMAND", "DOCS", name]).items().is_empty();
        let names = |reply: &Reply| -> Vec<String> { reply.items().iter().map(Reply::string).collect() };
        for name in names(&wanted).iter().filter(|name| !names(&got).contains(name)) {
            assert!(!known(&mut clients.subject, name), "{name} is in {category}");
        }
        for name in names(&got).iter().filter(|name| !names(&wanted).contains(name)) {
            assert!(!known(&mut clients.oracle, name), "{name} is not in {category}");
        }
    }
}

#[test]
fn malformed_rules() {
    const HASH: &str = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    let upper = HASH.to_uppercase();
    let rules = "+nosuch; -nosuch; +@nosuch; -@nosuch; +@; +; -; ~; &; %; %~x; %R; %RW; %RR~x; %RX~x; %rw~x; nonsense; \
        on off; ON; +get|; +get|x; -get|x; +get|x|y; +config|get|x; +config|nosuch; -config|nosuch; +config|; +|; \
        +|get; -config|get; <nosuch; !nosuch; #nosuch; >; <; (; ); (); (on); (>x); (+get; (+get ~x; (+nosuch ~x); \
        (~x) +nosuch; ((+get)); ~* ~x; ~* %R~x; ~x ~*; &* &x; &x &*; allkeys ~x; allchannels &x; \"~a b\"; \
        \"&a b\"; \"~a\\x00b\"; \"\"; reset; resetpass; nopass; RESET; +GET; +@ALL; +@String; -@all +get; \
        clearselectors; sanitize-payload; skip-sanitize-payload; sanitize; resetkeys; resetchannels; allcommands; \
        nocommands; (\"unbalanced)";
    let pair = Pair::start(&[]);
    let mut clients = pair.connect();
    let mut complaints = Vec::new();
    let hashes =
        [format!("#{upper}"), format!("#{HASH}"), format!("!{HASH}"), format!("#{HASH}0"), format!("#{}", &HASH[1..])];
    for rule in rules.split("; ").map(str::to_string).chain(hashes) {
        for line in [format!("ACL SETUSER new {rule}"), "ACL DELUSER new".to_owned()] {
            let (got, wanted) = clients.call(&words(&line));
            if got != wanted {
                complaints.push(format!("{line}\n    subject: {got:?}\n    oracle:  {wanted:?}"));
            }
        }
    }
    report(&complaints);
}

/// Each rule, and what it forbids on every path that there is to it.
#[test]
fn what_is_forbidden_is_forbidden_on_every_path() {
    run_both(
        r#"
        a> MSET a1 1 b1 2 r1 3 w1 4
        a> RPUSH alist 1 2 3
        a> RPUSH blist 1 2
        a> SADD aset x y
        a> HSET ah f v
        # A command that is not allowed.
        a> ACL SETUSER u on nopass ~* &* +@all -set -config|set
        u> AUTH u x
        u> SET a1 x
        u> set a1 x
        u> SET
        u> GET a1
        u> CONFIG SET maxmemory 1
        u> CONFIG GET maxmemory
        u> CONFIG NOSUCH
        u> MULTI
        u> GET a1
        u> SET a1 x
        u> EXEC
        u> MULTI
        u> CONFIG SET maxmemory 1
        u> DISCARD
        u> GET a1
        # A command that is allowed as a whole, but not a subcommand; and only a subcommand.
        a> ACL SETUSER u -@all +config|get +multi +exec
        u> CONFIG GET maxmemory
        u> CONFIG SET maxmemory 1
        u> CONFIG RESETSTAT
        u> CONFIG HELP
        u> PING
        u> MULTI
        u> CONFIG GET maxmemory
        u> EXEC
        # By category.
        a> ACL SETUSER u -@all +@read +@connection
        u> GET a1
        u> SET a1 x
        u> DEL a1
        u> FLUSHALL
        u> PING
        a> ACL SETUSER u -@dangerous
        u> KEYS *
        u> GET a1
        # With a first argument only.
        a> ACL SETUSER u -@all +select|0 +select|2 +get
        u> SELECT 0
        u> SELECT 1
        u> SELECT 2
        u> SELECT 02
        u> GET a1
        u> SELECT 0
        # Keys.
        a> ACL SETUSER u resetkeys ~a* +@all
        u> GET a1
        u> GET b1
        u> SET b1 x
        u> SET a1 1
        u> MGET a1 a2 b1
        u> MSET a1 1 b1 2
        u> DEL a9 b1
        u> EXISTS a1 b1
        u> TOUCH b1
        u> UNLINK b1
        u> RENAME a1 b1
        u> RENAME b1 a1
        u> RENAMENX a1 b2
        u> COPY a1 b1 REPLACE
        u> COPY b1 a9
        u> COPY a1 a9
        u> SORT alist
        u> SORT blist
        u> SORT alist STORE b9
        u> SORT alist STORE a9 STORE b9
        u> SORT alist BY nosort STORE a9
        u> SORT alist BY b*
        u> SORT alist BY a*
        u> SORT alist GET b*
        u> SORT alist GET a*
        u> SORT alist GET #
        u> SORT_RO alist BY b* GET c*
        u> SORT_RO alist LIMIT 0 1 BY nosort
        u> SORT alist NONSENSE BY b*
        u> SORT alist BY b* NONSENSE
        u> SORT blist BY b*
        u> SUNIONSTORE b9 aset
        u> SUNION aset bset
        u> SINTERCARD 2 aset bset
        u> SMOVE aset bset x
        u> LMOVE alist blist LEFT LEFT
        u> LMPOP 2 alist blist LEFT
        u> LMPOP nonsense blist LEFT
        u> LMPOP 3 blist LEFT
        u> BLPOP alist blist 0
        u> ZUNIONSTORE a9 2 aset bset
        u> ZUNIONSTORE a9 nonsense bset
        u> ZADD b 1 x
        u> GEOADD b 1 2 x
        u> GEOSEARCHSTORE a9 b FROMLONLAT 1 2 BYRADIUS 1 m
        u> GEORADIUS a9 1 2 1 m STORE b9
        u> HGET b f
        u> OBJECT ENCODING b1
        u> OBJECT ENCODING a1
        u> MEMORY USAGE b1
        u> DUMP b1
        u> RESTORE b1 0 x
        u> WATCH a1
        u> WATCH a1 b1
        u> EXPIRE b1 10
        u> PFMERGE a9 b9
        u> BITOP AND a9 a1 b1
        u> SET "" x
        u> MULTI
        u> GET a1
        u> GET b1
        u> EXEC
        u> MULTI
        u> SORT alist BY b*
        u> SORT alist GET #
        u> SORT alist
        u> EXEC
        # Reading and writing.
        a> ACL SETUSER u resetkeys %R~r* %W~w* ~a*
        a> MSET r1 3 w1 4
        u> GET r1
        u> GET w1
        u> SET w1 5
        u> SET r1 5
        u> SET w1 6 GET
        u> SET w1 6 EX 10
        u> SET w1 6 XX
        u> GETSET w1 7
        u> GETDEL w1
        u> GETDEL r1
        u> GETEX r1
        u> GETEX r1 EX 100
        u> INCR w1
        u> INCR r1
        u> APPEND w1 x
        u> STRLEN w1
        u> STRLEN r1
        u> EXISTS w1 r1
        u> EXPIRE w1 100
        u> TTL w1
        u> TYPE w1
        u> COPY r1 w2
        u> COPY w1 r2
        u> COPY r1 r2
        u> RENAME w1 w3
        u> RENAME r1 w3
        u> DEL w3
        u> DEL r1
        u> LPUSH w4 x
        u> LPOP w4
        u> RPOPLPUSH r4 w4
        u> SORT r4 STORE w5
        u> SORT w4
        u> SDIFFSTORE w6 r6
        u> SDIFFSTORE w6 w6
        u> BITFIELD r1 GET u8 0
        u> BITFIELD r1 SET u8 0 1
        u> BITFIELD w1 SET u8 0 1
        u> BITFIELD_RO r1 GET u8 0
        u> HSET w7 f v
        u> HGET w7 f
        u> SCAN 0 COUNT 1000 MATCH nothing
        u> SORT r4 BY r*
        a> ACL SETUSER u resetkeys %R~* %W~w*
        u> SORT r4 BY r* GET q*
        u> SORT r4 BY r* STORE r5
        u> SORT r4 BY r* STORE w5
        u> GET ""
        # Selectors: one of them has to allow all of a call.
        a> ACL SETUSER u reset on nopass +get ~g* (+set ~s*) (+mget +del %R~m*)
        u> GET g1
        u> GET s1
        u> SET s1 1
        u> SET g1 1
        u> MGET m1 m2
        u> MGET m1 g2
        u> DEL m1
        u> PING
        a> ACL SETUSER u clearselectors
        u> SET s1 1
        u> GET g1
        # Permissions that change between MULTI and EXEC.
        a> ACL SETUSER u reset on nopass +@all ~* &*
        u> MULTI
        u> GET a1
        u> SET a1 2
        u> CONFIG GET nosuch
        u> SORT alist GET #
        a> ACL SETUSER u resetkeys ~b* -config
        u> EXEC
        a> GET a1
        a> ACL SETUSER u -@all +multi
        u> MULTI
        u> EXEC
        u> DISCARD
        u> PING
        u> RESET
        u> ACL WHOAMI
        "#,
        &[],
    );
}

/// ACL LOG and INFO: what is counted.
#[test]
fn refusals_are_logged_and_counted() {
    let pair = Pair::start(&[]);
    let mut complaints = Vec::new();
    let mut script = Script::new(&pair, "3");
    complaints.extend(script.run(
        r#"
        a> ACL SETUSER u on >x +get +multi +exec +config|get ~a &c
        u> AUTH u wrong
        u> AUTH u wrong
        u> auth nosuch wrong
        u> HELLO 3 AUTH u wrong
        u> AUTH u x
        u> GET b
        u> GET c
        u> GET b
        u> SET a 1
        u> CONFIG SET a b
        u> MULTI
        u> GET b
        u> SET a 1
        u> EXEC
        u> GET b
        "#,
    ));
    // Whoever is compared: not times, and not what 7.0 does not have.
    let entries = |reply: &Reply| -> Vec<Vec<(String, String)>> {
        let shown = |entry: &Reply| {
            let pairs = entry.items().chunks_exact(2).map(|pair| (pair[0].string(), format!("{:?}", pair[1])));
            let newer = ["age-seconds", "client-info", "entry-id", "timestamp-created", "timestamp-last-updated"];
            pairs.filter(|(name, _)| !newer.contains(&name.as_str())).collect()
        };
        reply.items().iter().map(shown).collect()
    };
    let (got, wanted) = script.connection("a").call(&words("ACL LOG 100"));
    if entries(&got) != entries(&wanted) {
        complaints.push(format!("ACL LOG\n    subject: {:#?}\n    oracle:  {:#?}", entries(&got), entries(&wanted)));
    }
    let (got, wanted) = script.connection("a").call(&words("ACL LOG 2"));
    assert_eq!((got.items().len(), wanted.items().len()), (2, 2));
    let newest = &got.items()[0];
    if !subject_is_redis() {
        assert!(newest.field("entry-id").expect("an id").int() > 0, "{newest:?}");
        let (created, updated) = (newest.field("timestamp-created"), newest.field("timestamp-last-updated"));
        assert!(created.expect("a time").int() <= updated.expect("a time").int(), "{newest:?}");
        let info = newest.field("client-info").expect("a client").string();
        assert!(info.contains(" user=u ") && info.contains(" cmd=get "), "{info}");
    }
    // 7.2 added them.
    if !subject_is_redis() {
        let info = script.connection("a").subject.run("INFO stats").string();
        for counted in ["auth:4", "cmd:3", "key:5", "channel:0"] {
            assert!(info.contains(&format!("\r\nacl_access_denied_{counted}\r\n")), "{counted}: {info}");
        }
    }
    complaints.extend(script.run("a> CONFIG SET acllog-max-len 1\nu> GET other\na> ACL LOG RESET\na> ACL LOG"));
    complaints.extend(script.run("a> CONFIG SET acllog-max-len 0\nu> GET other\na> ACL LOG"));
    report(&complaints);
}

/// Rules that are drawn from: of each kind, for few subjects, so that they meet.
const RULES: &str = "on; off; nopass; resetpass; >x; >y; <x; <y; reset; resetkeys; resetchannels; allkeys; allchannels; ~a*; ~b; \
    %R~a*; %W~a*; %RW~c*; %R~b; ~*; %R~*; &x; &y*; &*; +@all; -@all; +@read; -@read; +@write; -@write; +@string; \
    -@string; +@hash; -@hash; +@dangerous; -@dangerous; +@admin; -@admin; +@slow; -@slow; +@connection; \
    -@connection; +get; -get; +set; -set; +hget; -hget; +config; -config; +config|get; -config|get; +config|set; \
    -config|set; +client|id; -client|id; +client; -client; +select|0; +select|1; +select; -select; +GET; +geTDel; \
    (+get ~a*); (%R~b +@write); (-@all +set &z); (+nosuch); +nosuch; clearselectors; ~; +ping|x";
const CALLS: &str = "GET a1; GET b; GET c1; SET a1 x; SET b x; SET a1 x GET; SET c x; HGET a f; HGET b f; GETDEL a1; GETDEL b; \
    CONFIG GET x; CONFIG SET x y; CONFIG RESETSTAT; CLIENT ID; CLIENT LIST; SELECT 0; SELECT 1; SELECT 2; PING; \
    PING x; PING y; FLUSHALL; KEYS x; MGET a b; COPY a1 b; COPY b a1; DEL a b; INFO; SORT a BY x*; RENAME a1 a2; \
    AUTH x; MSET a 1 c 2; GET zz; SET zz 1";

#[test]
fn generated_rules_mean_the_same() {
    let pair = Pair::start(&[]);
    let mut clients = pair.connect();
    let mut random = Random::new("generated_rules_mean_the_same");
    let (rules, calls): (Vec<&str>, Vec<&str>) = (RULES.split("; ").collect(), CALLS.split("; ").collect());
    for round in 0..400 {
        let name = format!("u{}", random.below(4));
        let count = 1 + random.below(8);
        let mut line = format!("ACL SETUSER {name}");
        for _ in 0..count {
            line.push(' ');
            line.push_str(random.pick::<&str>(&rules));
        }
        let (got, wanted) = clients.call(&words(&line));
        assert_eq!(got, wanted, "round {round}: {line}");
        compare_user(&mut clients, &name, &line);
        for _ in 0..8 {
            let call = format!("ACL DRYRUN {name} {}", random.pick(&calls));
            let (got, wanted) = clients.call(&words(&call));
            assert_eq!(as_7_0(&got), as_7_0(&wanted), "round {round}: {line}: {call}");
        }
    }
}

/// The user as it is shown, and what the oracle makes of the subject's words for it.
fn compare_user(clients: &mut Clients, name: &str, line: &str) {
    let (got, wanted) = clients.call(&words(&format!("ACL GETUSER {name}")));
    // A user that could not be made.
    if wanted.items().is_empty() {
        assert_eq!(got, wanted, "{line}");
        return;
    }
    let flags = |reply: &Reply| -> Vec<String> {
        let flags = reply.field("flags").expect("flags").items();
        flags.iter().map(Reply::string).filter(|flag| !flag.ends_with("sanitize-payload")).collect()
    };
    assert_eq!(flags(&got), flags(&wanted), "{line}");
    for field in ["passwords", "keys", "channels"] {
        assert_eq!(got.field(field), wanted.field(field), "{line}: {field}");
    }
    let selectors = (got.field("selectors").expect("selectors"), wanted.field("selectors").expect("selectors"));
    assert_eq!(selectors.0.items().len(), selectors.1.items().len(), "{line}");
    for (got, wanted) in selectors.0.items().iter().zip(selectors.1.items()) {
        for field in ["keys", "channels"] {
            assert_eq!(got.field(field), wanted.field(field), "{line}: {field} of a selector");
        }
    }
    let described = |client: &mut Client, name: &str| {
        let lines = client.run("ACL LIST");
        let prefix = format!("user {name} ");
        let found =
            lines.items().iter().map(Reply::string).find_map(|line| Some(line.strip_prefix(&prefix)?.to_owned()));
        found.expect("a line for the user")
    };
    let ours = described(&mut clients.subject, name);
    clients.oracle.run("ACL DELUSER twin");
    let made = clients.oracle.run(&format!("ACL SETUSER twin {ours}"));
    assert_eq!(made.text(), b"OK", "{line}: the oracle reads {ours}");
    let (twin, own) = (described(&mut clients.oracle, "twin"), described(&mut clients.oracle, name));
    // What differs is how payloads are checked, and the order in which 7.0 lists first arguments.
    let same = |text: &str| -> Vec<String> {
        let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        words.retain(|word| !word.ends_with("sanitize-payload"));
        words.sort();
        words
    };
    assert_eq!(same(&twin), same(&own), "{line}: shown as {ours}");
    // And we read our own.
    clients.subject.run("ACL DELUSER twin");
    assert_eq!(clients.subject.run(&format!("ACL SETUSER twin {ours}")).text(), b"OK", "{ours}");
    assert_eq!(described(&mut clients.subject, "twin"), ours);
    clients.subject.run("ACL DELUSER twin");
    clients.oracle.run("ACL DELUSER twin");
}

#[test]
fn the_default_user_and_requirepass() {
    run_both(
        r#"
        a> AUTH default first
        a> PING
        a> CONFIG GET requirepass
        a> ACL WHOAMI
        b> PING
        b> AUTH wrong
        b> PING
        a> CONFIG SET requirepass second
        b> PING
        c> PING
        c> AUTH first
        c> AUTH second
        c> PING
        a> ACL SETUSER default >third
        d> AUTH second
        e> AUTH third
        a> CONFIG GET requirepass
        a> CONFIG SET requirepass ""
        f> PING
        f> AUTH x
        a> ACL SETUSER default >fourth
        f> PING
        g> PING
        a> ACL SETUSER default nopass
        g> PING
        a> ACL SETUSER default off
        g> PING
        h> PING
        f> PING
        a> ACL SETUSER default on -ping
        h> PING
        h> GET x
        a> ACL SETUSER default +@all
        h> PING
        a> ACL SETUSER u on >x +@all ~* &*
        h> AUTH u x
        a> ACL SETUSER default resetpass
        i> PING
        h> PING
        h> RESET
        h> PING
        h> AUTH u x
        h> PING
        "#,
        &["--requirepass", "first"],
    );
}

#[test]
fn users_of_the_configuration() {
    let users = ["alice on >x +get ~a* (+set ~b)", "default on nopass +@all -keys ~* &*", "bob off"];
    let mut directives: Vec<&str> =
        users.iter().flat_map(|user| std::iter::once("--user").chain(user.split(' '))).collect();
    directives.extend(["--acl-pubsub-default", "allchannels"]);
    let lines = r#"
        a> ACL USERS
        a> KEYS *
        a> AUTH alice x
        a> GET a1
        a> GET b
        a> SET b 1
        b> AUTH bob x
        b> ACL SETUSER carol
        b> ACL SETUSER dave (+get)
        "#;
    let pair = Pair::start(&directives);
    let mut script = Script::new(&pair, "2");
    report(&script.run(lines));
    for name in ["alice", "bob", "carol", "dave", "default"] {
        compare_user(script.connection("b"), name, name);
    }
}

/// Which channels new permissions begin with is asked whenever there are some, not once for each user.
#[test]
fn new_permissions_have_the_channels_of_today() {
    let path = std::env::temp_dir().join(format!("zedis-test-channels-{}.acl", std::process::id()));
    fs::write(&path, "user default on nopass ~* &* +@all\nuser file on nopass +@all\n").expect("a file to write");
    let pair = Pair::start(&["--aclfile", path.to_str().expect("a path in text")]);
    let mut script = Script::new(&pair, "2");
    let complaints = script.run(
        r#"
        a> CONFIG SET acl-pubsub-default allchannels
        a> ACL SETUSER c on nopass +@all
        a> ACL SETUSER d on nopass +@all
        a> ACL DRYRUN c PUBLISH secret x
        a> CONFIG SET acl-pubsub-default resetchannels
        a> ACL SETUSER c resetchannels (+publish)
        a> ACL DRYRUN c PUBLISH secret x
        a> ACL SETUSER d reset on nopass +@all
        a> ACL DRYRUN d PUBLISH secret x
        a> CONFIG SET acl-pubsub-default allchannels
        a> ACL DRYRUN c PUBLISH secret x
        a> ACL SETUSER c (+spublish)
        a> ACL DRYRUN c SPUBLISH secret x
        a> ACL DRYRUN c PUBLISH secret x
        a> ACL SETUSER d reset on nopass +@all
        a> ACL DRYRUN d PUBLISH secret x
        a> ACL DRYRUN file PUBLISH secret x
        a> ACL LOAD
        a> ACL DRYRUN file PUBLISH secret x
        a> CONFIG SET acl-pubsub-default resetchannels
        a> ACL SETUSER file resetchannels (+publish)
        a> ACL DRYRUN file PUBLISH secret x
        a> ACL LOAD
        a> ACL DRYRUN file PUBLISH secret x
        a> ACL SETUSER default reset on nopass +@all ~*
        a> ACL DRYRUN default PUBLISH secret x
        "#,
    );
    let _ = fs::remove_file(&path);
    report(&complaints);
    // So it is for users of the configuration.
    let directives = ["--user", "alice", "on", "nopass", "+@all", "--acl-pubsub-default", "allchannels"];
    run_both(
        r#"
        a> ACL DRYRUN alice PUBLISH secret x
        a> CONFIG SET acl-pubsub-default resetchannels
        a> ACL DRYRUN alice PUBLISH secret x
        a> ACL SETUSER alice resetchannels (+publish)
        a> ACL DRYRUN alice PUBLISH secret x
        a> ACL SETUSER alice reset on nopass +@all
        a> ACL DRYRUN alice PUBLISH secret x
        "#,
        &directives,
    );
}

/// A server that ends at once, and what it says.
fn refuses_to_start(directives: &[&str]) -> String {
    let panicked = std::panic::catch_unwind(|| Server::subject(directives)).err().expect("it does not start");
    let text = panicked.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(text.contains("ended at once"), "{text}");
    text
}

#[test]
fn users_that_a_server_does_not_start_with() {
    for (users, reason) in [
        (&["alice on +nosuch"][..], "'+nosuch': Unknown command or category name in ACL"),
        (&["alice (+get"], "'(+get': Syntax error"),
        (&["alice (+get nosuch)"], "'(+get nosuch)': Syntax error"),
        (
            &["alice on", "bob", "alice off"],
            "'alice': Duplicate user found. A user can only be defined once in config files",
        ),
        (&["alice ~* ~x"], "'~x': Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid"),
        (&["alice #12"], "'#12': The password hash must be exactly 64 characters and contain only lowercase"),
    ] {
        let directives: Vec<&str> =
            users.iter().flat_map(|user| std::iter::once("--user").chain(user.split(' '))).collect();
        let text = refuses_to_start(&directives);
        assert!(text.contains("FATAL CONFIG FILE ERROR"), "{users:?}: {text}");
        assert!(text.contains(&format!("Error in user declaration {reason}")), "{users:?}: {text}");
    }
    let text = refuses_to_start(&["--aclfile", "/nowhere/users.acl"]);
    let wanted = "Aborting Redis startup because of ACL errors: Error loading ACLs, opening file '/nowhere/users.acl': No such file";
    assert!(text.contains(wanted), "{text}");
    let both = ["--aclfile", "/dev/null", "--user", "alice", "on"];
    assert!(refuses_to_start(&both).contains("Configuring Redis with users defined in redis.conf and at the same"));
}

#[test]
fn a_file_of_users() {
    let path = std::env::temp_dir().join(format!("zedis-test-acl-{}.acl", std::process::id()));
    let file = path.to_str().expect("a path in text");
    let write = |text: &str| fs::write(&path, text).expect("a file to write");
    write(
        "user alice on >x +@all ~* &*\n\nuser bob on nopass +@all -acl ~* &*\r\nuser default on nopass ~* &* +@all\n",
    );
    let pair = Pair::start(&["--aclfile", file]);
    let mut script = Script::new(&pair, "2");
    let mut complaints = script.run(
        r#"
        a> ACL USERS
        alice> AUTH alice x
        bob> AUTH bob anything
        bob> ACL WHOAMI
        bob> PING
        "#,
    );
    // What is wrong with a file is told of all of it, and changes nothing.
    for broken in [
        "user alice on +nosuch\nuser\nnonsense\nuser carol ~* ~x &* &y\nuser alice off\n",
        "user alice on\nuser alice off\n",
        "user a\tb on\n",
        "user alice on #12\n",
        "USER alice on\n",
        "# a remark\n",
        "user alice on +nosuch +@nosuch\n",
    ] {
        write(broken);
        complaints.extend(script.run("a> ACL LOAD\na> ACL USERS\nalice> PING\nbob> PING"));
    }
    fs::remove_file(&path).expect("the file is there");
    complaints.extend(script.run("a> ACL LOAD\na> ACL USERS"));
    report(&complaints);

    // Who is gone loses its connections; who stays keeps them with what it may do now.
    write("user alice on >y +ping\n");
    let mut subject = pair.subject.connect();
    let (mut alice, mut bob) = (pair.subject.connect(), pair.subject.connect());
    assert_eq!(alice.run("AUTH alice x").text(), b"OK");
    assert_eq!(bob.run("AUTH bob x").text(), b"OK");
    assert_eq!(subject.run("ACL LOAD").text(), b"OK");
    assert!(bob.read_to_end().is_empty(), "bob is gone");
    assert_eq!(subject.run("ACL USERS").items().len(), 2);
    assert_eq!(alice.run("PING").text(), b"PONG");
    assert_eq!(alice.run("GET x").text(), b"NOPERM User alice has no permissions to run the 'get' command");

    // SAVE writes what LOAD reads, and nothing else is left behind.
    assert_eq!(subject.run("ACL SETUSER carol on >z ~a* %R~b +@read (+set ~c)").text(), b"OK");
    let before = subject.run("ACL LIST");
    assert_eq!(subject.run("ACL SAVE").text(), b"OK");
    let saved = fs::read_to_string(&path).expect("the file is there");
    let lines: Vec<String> = before.items().iter().map(Reply::string).collect();
    assert_eq!(saved, lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    assert_eq!(subject.run("ACL SETUSER dave on").text(), b"OK");
    assert_eq!(subject.run("ACL LOAD").text(), b"OK");
    assert_eq!(subject.run("ACL LIST"), before);
    let folder = path.parent().expect("a folder");
    let left = fs::read_dir(folder).expect("a folder").filter_map(Result::ok).filter(|entry| {
        entry.file_name().to_string_lossy().starts_with(&format!("zedis-test-acl-{}.acl.", std::process::id()))
    });
    assert_eq!(left.count(), 0);

    // Who might not read it may not read it afterwards; a new one is for whom the umask leaves it, as in Redis.
    let permissions = || fs::metadata(&path).expect("the file is there").permissions().mode() & 0o777;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("it is ours");
    assert_eq!(subject.run("ACL SAVE").text(), b"OK");
    assert_eq!(permissions(), 0o600);
    let new = [&pair.subject, &pair.oracle].map(|server| {
        fs::remove_file(&path).expect("the file is there");
        assert_eq!(server.connect().run("ACL SAVE").text(), b"OK");
        permissions()
    });
    assert_eq!(new[0], new[1]);
    fs::remove_file(&path).expect("the file is there");
}

#[test]
fn who_is_deleted_is_closed() {
    let server = Server::subject(&[]);
    let (mut admin, mut user, mut other) = (server.connect(), server.connect(), server.connect());
    for name in ["u", "v"] {
        assert_eq!(admin.run(&format!("ACL SETUSER {name} on nopass +@all ~* &*")).text(), b"OK");
    }
    assert_eq!(user.run("AUTH u x").text(), b"OK");
    assert_eq!(other.run("AUTH v x").text(), b"OK");
    assert!(admin.run("CLIENT LIST").string().contains(" user=u "));
    // What is sent behind it is not executed.
    other.send(b"ACL DELUSER u v\r\nSET k v\r\n");
    assert_eq!(other.read_to_end(), b":2\r\n");
    assert!(user.read_to_end().is_empty());
    assert_eq!(admin.run("EXISTS k").int(), 0);
    assert_eq!(admin.run("CLIENT LIST").string().lines().count(), 1);

    let mut user = server.connect();
    assert_eq!(admin.run("ACL SETUSER u on nopass +@all ~* &*").text(), b"OK");
    assert_eq!(user.run("AUTH u x").text(), b"OK");
    assert_eq!(admin.run("CLIENT KILL USER u").int(), 1);
    assert!(user.read_to_end().is_empty());
    assert_eq!(admin.run("CLIENT KILL USER nosuch").text(), b"ERR No such user 'nosuch'");
}

/// As since 7.2: a command that has waited is checked again.
#[test]
fn who_waits_is_asked_again() {
    let server = Server::subject(&[]);
    let (mut admin, mut user) = (server.connect(), server.connect());
    assert_eq!(admin.run("ACL SETUSER u on nopass +@all ~* &*").text(), b"OK");
    assert_eq!(user.run("AUTH u x").text(), b"OK");
    user.send(b"BLPOP list 0\r\n");
    while !admin.run("INFO clients").string().contains("blocked_clients:1") {}
    assert_eq!(admin.run("ACL SETUSER u resetkeys ~a*").text(), b"OK");
    assert_eq!(admin.run("RPUSH list x").int(), 1);
    assert_eq!(user.read().text(), b"NOPERM No permissions to access a key");
    assert_eq!(user.run("RPUSH a1 x").int(), 1);
    assert_eq!(admin.run("LLEN list").int(), 1, "it was not taken");
    let stats = admin.run("INFO commandstats").string();
    assert!(stats.contains("cmdstat_blpop:calls=0,") && stats.contains("rejected_calls=1,failed_calls=0"), "{stats}");
}

/// What a pipeline of many calls may do, it does in order; the one that it may not changes nothing for the others.
#[test]
fn pipelines_of_restricted_users() {
    let server = Server::subject(&[]);
    let mut random = Random::new("pipelines_of_restricted_users");
    let (mut admin, mut user) = (server.connect(), server.connect());
    assert_eq!(admin.run("ACL SETUSER u on nopass ~a* %R~r* +@all -append").text(), b"OK");
    assert_eq!(user.run("AUTH u x").text(), b"OK");
    let big = "v".repeat(40_000);
    const KEY: &[u8] = b"NOPERM No permissions to access a key";
    const APPEND: &[u8] = b"NOPERM User u has no permissions to run the 'append' command";
    for _ in 0..30 {
        let (mut sent, mut expected): (Vec<Vec<Vec<u8>>>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
        for _ in 0..300 {
            let (call, answer): (String, &[u8]) = match random.below(12) {
                0 => ("SET b x".into(), KEY),
                1 => ("SET r x".into(), KEY),
                2 => ("GET b".into(), KEY),
                3 => ("APPEND a x".into(), APPEND),
                4 => (format!("SET b {big}"), KEY),
                5 => (format!("SET a {big}"), b"OK"),
                6 => ("MSET a 1 b 2".into(), KEY),
                7 => ("SET a 1".into(), b"OK"),
                8 => ("GET r".into(), b""),
                9 => ("EXISTS b".into(), KEY),
                10 => ("SET a 1 GET".into(), b"?"),
                _ => ("PING".into(), b"PONG"),
            };
            sent.push(words(&call));
            expected.push(answer.to_vec());
        }
        let bytes: Vec<u8> = sent.iter().flat_map(|call| support::client::encode(call)).collect();
        let mut stream = user.stream().try_clone().expect("a second handle");
        let writer =
            std::thread::spawn(move || std::io::Write::write_all(&mut stream, &bytes).expect("the server reads"));
        for (call, expected) in sent.iter().zip(&expected) {
            let reply = user.read();
            assert!(expected == b"?" || reply.text() == &expected[..], "{}: {reply:?}", show(call));
        }
        writer.join().expect("the writer ends");
    }
    assert_eq!(admin.run("EXISTS b r").int(), 0);
}

/// Whoever is subscribed to what its user may not listen to any more is disconnected.
#[test]
fn subscribers_lose_what_is_revoked() {
    let pair = Pair::start(&[]);
    for version in ["2", "3"] {
        for (subscription, rule, is_lost) in [
            ("SUBSCRIBE news", "resetchannels &other", true),
            ("SUBSCRIBE news", "resetchannels &news", false),
            ("SUBSCRIBE news", "resetchannels &n*", false),
            ("PSUBSCRIBE n*", "resetchannels &n*", false),
            ("PSUBSCRIBE n*", "resetchannels &news", true),
            ("SSUBSCRIBE news", "resetchannels", true),
        ] {
            let mut admin = pair.connect();
            admin.run_quietly("ACL SETUSER alice reset on nopass +@all ~* &*");
            let mut clients = pair.connect();
            clients.run_quietly(&format!("HELLO {version} AUTH alice x"));
            clients.line(subscription);
            admin.line(&format!("ACL SETUSER alice {rule}"));
            for client in [&mut clients.subject, &mut clients.oracle] {
                // The connection may be gone by now.
                let _ = client.try_send(&encode(&["PING"]));
                let answer = client.try_read().expect("an answer, or the end");
                assert_eq!(answer.is_none(), is_lost, "{subscription}, then {rule}, RESP{version}: {answer:?}");
            }
        }
    }
}

/// Of a user that had no channels nobody is disconnected by a change, whatever it is subscribed to since it was somebody else.
#[test]
fn subscribers_stay_where_nothing_can_be_revoked() {
    let pair = Pair::start(&[]);
    for (channels, rule, is_lost) in [
        ("resetchannels", "-@dangerous", false),
        ("resetchannels", "&other", false),
        ("resetchannels", "resetchannels", false),
        ("resetchannels &mine", "-@dangerous", true),
        ("resetchannels &mine", "resetchannels", true),
        ("resetchannels &mine", "&news", false),
        ("&*", "resetchannels", true),
        ("&*", "-@dangerous", false),
    ] {
        let mut admin = pair.connect();
        admin.run_quietly(&format!("ACL SETUSER alice reset on nopass +@all ~* {channels}"));
        let mut clients = pair.connect();
        clients.run_quietly("HELLO 3");
        clients.line("SUBSCRIBE news");
        clients.run_quietly("AUTH alice x");
        admin.line(&format!("ACL SETUSER alice {rule}"));
        admin.line("PUBLISH news text");
        for client in [&mut clients.subject, &mut clients.oracle] {
            // The connection may be gone by now.
            let answer = client.try_read().expect("a message, or the end");
            assert_eq!(answer.is_none(), is_lost, "{channels}, then {rule}: {answer:?}");
        }
    }
}
