//! Looking names up, against comparing them one by one.

use std::collections::BTreeMap;

use super::{NAME_MAX, Registry, fold};
use crate::base::random::Random;
use crate::commands::{CommandId, Flags, GROUPS};

/// What [`Registry::find`] should say.
fn find_slowly(registry: &Registry, name: &[u8]) -> Option<CommandId> {
    let mut named = registry.top_level().filter(|(_, one)| one.command.name.as_bytes().eq_ignore_ascii_case(name));
    let found = named.next().map(|(id, _)| id);
    assert!(named.next().is_none(), "two commands of one name");
    found
}

#[track_caller]
fn assert_found(registry: &Registry, name: &[u8]) {
    assert_eq!(registry.find(name), find_slowly(registry, name), "{}", name.escape_ascii());
}

fn names(registry: &Registry) -> Vec<&'static [u8]> {
    registry.top_level().map(|(_, one)| one.command.name.as_bytes()).collect()
}

#[test]
fn every_name_is_found_in_every_case() {
    let registry = Registry::new(GROUPS);
    let names = names(&registry);
    assert!(names.len() > 40);
    for name in names {
        // All cases of the first ten letters, and the whole in capitals.
        for bits in 0..1u32 << name.len().min(10) {
            let mixed: Vec<u8> = (name.iter().enumerate())
                .map(|(at, byte)| if bits >> at & 1 == 1 { byte.to_ascii_uppercase() } else { *byte })
                .collect();
            assert!(registry.find(&mixed).is_some(), "{}", mixed.escape_ascii());
            assert_found(&registry, &mixed);
        }
        assert_eq!(registry.find(&name.to_ascii_uppercase()), registry.find(name));
    }
}

#[test]
fn names_that_are_nearly_right_are_not_found() {
    let seed = 1;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let registry = Registry::new(GROUPS);
    for name in names(&registry) {
        for at in 0..=name.len() {
            for byte in [0, b' ', b'\r', b'@', b'[', b'`', b'{', 0x80, 0xc3, 0xff, b'a', b'Z'] {
                assert_found(&registry, &[&name[..at], &[byte], &name[at..]].concat());
                if at < name.len() {
                    let mut changed = name.to_vec();
                    changed[at] = byte;
                    assert_found(&registry, &changed);
                    // The bits in which ASCII letters of two cases differ, on bytes that are none.
                    changed[at] = name[at] ^ 0x80;
                    assert_found(&registry, &changed);
                }
            }
            assert_found(&registry, &name[..at]);
            assert_found(&registry, &name[at..]);
        }
        // NUL bytes make a longer name the same number.
        for nuls in 1..10 {
            let padded = [name, &vec![0; nuls]].concat();
            assert_eq!(registry.find(&padded), None, "{}", padded.escape_ascii());
        }
    }
    for _ in 0..100_000 {
        let mut name = vec![0; random.below(11) as usize];
        random.fill(&mut name);
        assert_found(&registry, &name);
    }
    for hostile in [&b""[..], &[0; 8], &[0; 9], &[b'x'; NAME_MAX], &[b'x'; NAME_MAX + 1], &[0xff; 8], &[b'a'; 1 << 20]]
    {
        assert_eq!(registry.find(hostile), None);
    }
}

/// One to eight bytes make a number in which letters have one case; all other bytes stay.
#[test]
fn folding_is_lower_case_of_each_byte() {
    for len in 1..=8 {
        for byte in 0..=u8::MAX {
            for at in 0..len {
                let mut name = vec![b'q'; len];
                name[at] = byte;
                let mut expected = [0; 8];
                expected[..len].copy_from_slice(&name.to_ascii_lowercase());
                assert_eq!(fold(&name), Some(u64::from_le_bytes(expected)), "{}", name.escape_ascii());
            }
        }
    }
    assert_eq!((fold(b""), fold(b"123456789")), (None, None));
}

#[test]
fn subcommands_are_found_in_their_container() {
    let registry = Registry::new(GROUPS);
    let mut subcommands = 0;
    for (id, one) in registry.iter() {
        let Some(parent) = one.parent else { continue };
        subcommands += 1;
        let name = one.command.name;
        assert_eq!(registry.find_subcommand(parent, name.as_bytes()), Some(id));
        assert_eq!(registry.find_subcommand(parent, name.to_uppercase().as_bytes()), Some(id));
        assert_eq!(registry.find_subcommand(parent, format!("{name}\0").as_bytes()), None);
        assert_eq!(one.full_name, format!("{}|{name}", registry.get(parent).full_name));
        assert!(std::ptr::eq(registry.command(id), one.command));
    }
    assert!(subcommands > 10);
    let get = registry.find(b"get").expect("GET");
    assert_eq!(registry.find_subcommand(get, b"get"), None);
}

#[test]
fn what_the_hot_path_reads_is_what_the_record_says() {
    let mut registry = Registry::new(GROUPS);
    for (id, one) in registry.iter() {
        let (hot, command) = (registry.hot(id), one.command);
        for argc in 1..20 {
            assert_eq!(hot.accepts(argc), command.accepts(argc), "{} {argc}", one.full_name);
        }
        assert_eq!(hot.first_key, command.keys.first().map_or(0, |keys| keys.first_index()), "{}", one.full_name);
    }
    registry.stats[0].calls = 5;
    registry.reset_stats();
    assert!(registry.stats.iter().all(|stats| stats.calls == 0));
}

#[test]
fn commands_are_renamed() {
    let mut registry = Registry::new(crate::commands::GROUPS);
    let (get, set, config) = (registry.find(b"get"), registry.find(b"set"), registry.find(b"config"));
    assert_eq!(registry.rename(b"nosuch", b"x"), Err("No such command in rename-command"));
    assert_eq!(registry.rename(b"GET", b"Fetch"), Ok(()));
    assert_eq!((registry.find(b"get"), registry.find(b"FETCH"), registry.find_original(b"Get")), (None, get, get));
    let long = [b'\xff'; 100];
    assert_eq!(registry.rename(b"fetch", &long), Ok(()));
    assert_eq!((registry.find(b"fetch"), registry.find(&long), registry.find(&[b'\xff'; 101])), (None, get, None));
    assert_eq!(registry.rename(&long, b"set"), Err("Target command name already exists"));
    assert_eq!(registry.rename(b"config", b""), Ok(()));
    assert_eq!((registry.find(b"config"), registry.find_original(b"config")), (None, config));
    assert!(registry.reachable().all(|(_, registered)| !registered.full_name.starts_with("config")));
    // Everybody else is still there, wherever their slots were.
    for (id, registered) in registry.top_level().filter(|&(id, _)| Some(id) != get) {
        assert_eq!(registry.find(registered.command.name.as_bytes()), Some(id), "{}", registered.command.name);
    }
    assert_eq!(registry.find(b"SET"), set);
}

#[test]
fn quick_is_what_its_arguments_bound() {
    let registry = Registry::new(GROUPS);
    let is_quick = |name: &str, argc: usize| registry.is_quick(registry.find(name.as_bytes()).expect(name), argc);
    for (name, argc) in [("get", 2), ("set", 3), ("incr", 2), ("lpush", 4), ("sadd", 3), ("zadd", 4), ("hset", 4)] {
        assert!(is_quick(name, argc), "{name}");
        assert!(!is_quick(name, 100), "{name} with many arguments");
    }
    for name in ["lpop", "spop", "zpopmin"] {
        assert!(is_quick(name, 2) && !is_quick(name, 3), "{name} takes one element, or many");
    }
    for name in ["keys", "lrange", "sunion", "sort", "hgetall", "bitcount", "del"] {
        assert!(!is_quick(name, 2), "{name}");
    }
}

/// What is timed together with others though Redis does not call it fast, by container.
const QUICK_AND_NOT_FAST: &[(&str, &str)] = &[
    (
        "",
        "bgrewriteaof bgsave bitfield blmove brpoplpush flushall flushdb geodist geohash geopos info \
         lmove monitor psetex randomkey rename replicaof rpoplpush set setbit setex slaveof srandmember \
         wait waitaof",
    ),
    ("acl", "cat deluser dryrun genpass help whoami"),
    (
        "client",
        "caching getname getredir help id info no-evict no-touch pause reply setinfo setname tracking trackinginfo",
    ),
    ("cluster", "help"),
    ("command", "count help"),
    ("commandlog", "help len"),
    ("config", "help resetstat rewrite"),
    ("function", "delete help kill stats"),
    ("hotkeys", "help reset start stop"),
    ("latency", "doctor graph help history latest reset"),
    ("memory", "doctor help purge stats"),
    ("module", "help load loadex unload"),
    ("object", "encoding freq help idletime refcount"),
    ("profile", "help start status"),
    ("pubsub", "help numpat"),
    ("script", "help kill"),
    ("slowlog", "help len"),
];

#[test]
fn what_is_quick_says_so_itself() {
    let registry = Registry::new(GROUPS);
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, one) in registry.iter().filter(|(_, one)| !one.command.flags.contains(Flags::FAST)) {
        let parent = one.parent.map_or("", |parent| registry.command(parent).name);
        if registry.is_quick(id, 2) {
            found.entry(parent).or_default().push(one.command.name);
        }
    }
    found.values_mut().for_each(|names| names.sort_unstable());
    let found: Vec<(&str, String)> = found.into_iter().map(|(parent, names)| (parent, names.join(" "))).collect();
    let wanted: Vec<(&str, String)> =
        QUICK_AND_NOT_FAST.iter().map(|(parent, names)| (*parent, (*names).to_owned())).collect();
    assert_eq!(found, wanted);
}
