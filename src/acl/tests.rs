//! Rules against what they allow and how they are shown, on a small catalog.

use std::ops::Range;

use super::{
    Access, Call, Catalog, ChannelUse, CommandId, Context, DEFAULT_USER, Denied, KeyUse, Log, Reason, Refusal,
    RuleError, User, Users, merge_selectors,
};

const READ: u32 = 1;
const WRITE: u32 = 2;
const SLOW: u32 = 4;
const ADMIN: u32 = 8;

/// Name, categories; subcommands stand behind their container.
const COMMANDS: &[(&str, u32)] = &[
    ("get", READ),
    ("set", WRITE),
    ("select", 0),
    ("config", SLOW),
    ("config|get", ADMIN | SLOW),
    ("config|set", ADMIN | SLOW),
    ("config|help", SLOW),
    ("del", WRITE),
    ("publish", 0),
    ("psubscribe", SLOW),
    ("geteven", READ),
];

struct Few;

impl Catalog for Few {
    fn count(&self) -> usize {
        COMMANDS.len()
    }

    fn find(&self, name: &[u8]) -> Option<CommandId> {
        let at = COMMANDS.iter().position(|(own, _)| own.as_bytes().eq_ignore_ascii_case(name))?;
        Some(at as CommandId)
    }

    fn is_absent(&self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(b"eval") || name.eq_ignore_ascii_case(b"xinfo|stream")
    }

    fn full_name(&self, id: CommandId) -> &str {
        COMMANDS[usize::from(id)].0
    }

    fn is_subcommand(&self, id: CommandId) -> bool {
        self.full_name(id).contains('|')
    }

    fn subcommands(&self, id: CommandId) -> Range<CommandId> {
        if self.full_name(id) == "config" { id + 1..id + 4 } else { id..id }
    }

    fn categories(&self, id: CommandId) -> u32 {
        COMMANDS[usize::from(id)].1
    }

    fn category(&self, name: &[u8]) -> Option<u32> {
        let names = [("read", READ), ("write", WRITE), ("slow", SLOW), ("admin", ADMIN)];
        names.iter().find(|(own, _)| own.as_bytes().eq_ignore_ascii_case(name)).map(|&(_, bit)| bit)
    }
}

fn user(rules: &str) -> User {
    let mut user = User::new(&Few, false);
    let words: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
    for rule in merge_selectors(&words).expect("closed parentheses") {
        user.apply(&rule, &Few, false).unwrap_or_else(|error| panic!("{rules}: {}: {error}", rule.escape_ascii()));
    }
    user
}

fn commands(rules: &str) -> String {
    String::from_utf8(user(rules).root().describe_commands()).unwrap()
}

fn described(rules: &str) -> String {
    String::from_utf8(user(rules).describe()).unwrap()
}

/// Commands that are allowed without keys and arguments.
fn allowed(rules: &str) -> Vec<&'static str> {
    let user = user(rules);
    let may = |id: CommandId| {
        let call = Call { command: id, first_arg: None, keys: &[], channels: &[] };
        assert_eq!(user.check(&call).is_ok(), user.permits_simple(id, None), "{rules}");
        user.check(&call).is_ok()
    };
    COMMANDS.iter().enumerate().filter(|&(id, _)| may(id as CommandId)).map(|(_, &(name, _))| name).collect()
}

#[test]
fn later_rules_about_commands_win() {
    assert_eq!(allowed("on ~*"), [""; 0]);
    assert_eq!(allowed("+@read"), ["get", "geteven"]);
    assert_eq!(allowed("+@read -GET"), ["geteven"]);
    assert_eq!(allowed("-get +@read"), ["get", "geteven"]);
    assert_eq!(allowed("+@all -@slow -@write"), ["get", "select", "publish", "geteven"]);
    assert_eq!(allowed("+config"), ["config", "config|get", "config|set", "config|help"]);
    assert_eq!(allowed("+config -config|set"), ["config", "config|get", "config|help"]);
    assert_eq!(allowed("+config|Get"), ["config|get"]);
    assert_eq!(allowed("+@admin"), ["config|get", "config|set"]);
    assert_eq!(allowed("+@all nocommands +del"), ["del"]);
    assert_eq!(allowed("+@all reset +del"), ["del"]);
}

#[test]
fn rules_about_commands_are_shown_in_their_order() {
    for (rules, shown) in [
        ("+get", "-@all +get"),
        ("+@all", "+@all"),
        ("+@all -get", "+@all -get"),
        ("+@all +get", "+@all +get"),
        ("+get +@all", "+@all"),
        ("+get -get", "-@all -get"),
        ("+GET +gEt", "-@all +get"),
        ("+@read +@SLOW -@Read", "-@all +@slow -@read"),
        ("+config|get +config|set +config", "-@all +config"),
        ("+config|get +get +geteven -config", "-@all +get +geteven -config"),
        ("+geteven -get", "-@all +geteven -get"),
        ("+config +config|get -config|set +config", "-@all +config"),
        ("+select|0 +select|1 +SELECT|0", "-@all +select|1 +select|0"),
        ("+select|0 +select", "-@all +select"),
        ("-@all -@slow", "-@all -@slow"),
    ] {
        assert_eq!(commands(rules), shown, "{rules}");
        // Reading it back gives the same.
        assert_eq!(commands(shown), shown);
        assert_eq!(allowed(shown), allowed(rules));
    }
}

#[test]
fn users_are_shown_as_rules() {
    const X: &str = "#2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    for (rules, shown) in [
        ("", "off sanitize-payload resetchannels -@all".to_owned()),
        ("on nopass ~* &* +@all", "on nopass sanitize-payload ~* &* +@all".to_owned()),
        ("on >x skip-sanitize-payload", format!("on skip-sanitize-payload {X} resetchannels -@all")),
        ("~a %R~b %w~c %RW~d %wr~e &f &g", "off sanitize-payload ~a %R~b %W~c ~d ~e resetchannels &f &g -@all".into()),
        ("%R~a %W~a", "off sanitize-payload ~a resetchannels -@all".into()),
        ("(+get ~a) +set (%R~b &c)", {
            "off sanitize-payload resetchannels -@all +set (~a resetchannels -@all +get) (%R~b resetchannels &c -@all)"
                .into()
        }),
        ("(+get ~a) clearselectors", "off sanitize-payload resetchannels -@all".into()),
        ("()", "off sanitize-payload resetchannels -@all (resetchannels -@all)".into()),
    ] {
        assert_eq!(described(rules), shown, "{rules}");
        assert_eq!(user(&shown), user(rules), "{rules}");
    }
}

#[test]
fn what_is_wrong_with_a_rule() {
    let hash = "#2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    for (before, rule, error) in [
        ("on", "+nope", RuleError::Unknown),
        ("on", "-nope", RuleError::Unknown),
        ("on", "+@nope", RuleError::Unknown),
        ("on", "-@", RuleError::Unknown),
        ("on", "+", RuleError::Unknown),
        ("on", "+config|nope", RuleError::Unknown),
        ("on", "-config|nope", RuleError::Unknown),
        ("on", "-select|0", RuleError::Unknown),
        ("on", "+get|a|b", RuleError::Unknown),
        ("on", "+config|get|a", RuleError::ArgOfSubcommand),
        ("on", "+select|", RuleError::Syntax),
        ("on", "+select|a b", RuleError::Syntax),
        ("on", "nonsense", RuleError::Syntax),
        ("on", "%~a", RuleError::Syntax),
        ("on", "%X~a", RuleError::Syntax),
        ("on", "%RR~a", RuleError::Syntax),
        ("on", "~a b", RuleError::Syntax),
        ("on", "~a\0b", RuleError::Syntax),
        ("on", "&a\tb", RuleError::Syntax),
        ("~*", "~a", RuleError::KeyBehindAll),
        ("~*", "%R~a", RuleError::KeyBehindAll),
        ("&*", "&a", RuleError::ChannelBehindAll),
        (">a", "<b", RuleError::NoSuchPassword),
        ("nopass", "<b", RuleError::NoSuchPassword),
        ("on", "#abc", RuleError::BadHash),
        ("on", &hash.to_uppercase(), RuleError::BadHash),
        ("on", &hash.replace('2', "g"), RuleError::BadHash),
        ("on", "(~a +nope)", RuleError::Unknown),
        ("on", "(on)", RuleError::Syntax),
        ("on", "(>x)", RuleError::Syntax),
        ("on", "(reset)", RuleError::Syntax),
        ("on", "((+get))", RuleError::Syntax),
        ("on", "(", RuleError::Syntax),
    ] {
        let mut user = user(before);
        let unchanged = user.clone();
        assert_eq!(user.apply(rule.as_bytes(), &Few, false), Err(error), "{rule}");
        assert_eq!(user, unchanged, "{rule}");
    }
    assert_eq!(merge_selectors(&[b"on", b"(+get", b"~a"]), Err(1));
    let merged = merge_selectors(&[b"(+get", b"(~a", b"x)", b"on"]).unwrap();
    assert_eq!(merged, [b"(+get (~a x)".as_slice(), b"on"]);
}

fn key(name: &str, access: Access) -> KeyUse<'_> {
    KeyUse { index: 1, name: name.as_bytes(), access }
}

#[test]
fn keys_need_all_that_is_done_to_them() {
    let (read, write, both) = (Access::READ, Access::WRITE, Access::all());
    let user = user("+@all %R~r* %W~w* ~b* %R~x %W~x %R~y %W~y?");
    let may = |name: &str, access: Access| {
        let keys = [key(name, access)];
        let call = Call { command: 0, first_arg: None, keys: &keys, channels: &[] };
        assert_eq!(user.check(&call).is_ok(), user.permits_simple(0, Some((name.as_bytes(), access))));
        user.check(&call) == Ok(())
    };
    for (name, access) in [("ra", read), ("wa", write), ("b", both), ("x", both), ("y", read), ("yz", write)] {
        assert!(may(name, access), "{name} {access:?}");
    }
    for (name, access) in [
        ("ra", write),
        ("ra", both),
        ("wa", read),
        ("wa", both),
        ("", read),
        ("z", Access::empty()),
        ("y", write),
        ("yz", read),
        ("R", read),
    ] {
        assert!(!may(name, access), "{name} {access:?}");
    }
    // Something done to a key that is neither reading nor writing needs a pattern all the same.
    assert!(may("r", Access::empty()));
}

#[test]
fn one_set_of_permissions_must_allow_all_of_a_call() {
    let user = user("on +get ~a* (+set ~b*) (+del +get %R~c* &x*)");
    let check = |command: CommandId, name: &str, access| {
        let keys = [key(name, access)];
        user.check(&Call { command, first_arg: None, keys: &keys, channels: &[] })
    };
    let (get, set, del, publish) = (0, 1, 7, 8);
    assert_eq!(check(get, "a", Access::READ), Ok(()));
    assert_eq!(check(get, "c", Access::READ), Ok(()));
    assert_eq!(check(get, "b", Access::READ), Err(Denied::Key(1)));
    assert_eq!(check(set, "a", Access::WRITE), Err(Denied::Key(1)));
    assert_eq!(check(set, "b", Access::WRITE), Ok(()));
    assert_eq!(check(del, "c", Access::WRITE), Err(Denied::Key(1)));
    assert_eq!(check(publish, "a", Access::READ), Err(Denied::Command));
    assert!(user.examines_keys() && user.examines_channels() && !user.permits_all());
}

#[test]
fn patterns_of_channels_are_taken_literally() {
    let user = user("+@all ~* &news.* &exact");
    let check = |name: &str, is_pattern| {
        let channels = [ChannelUse { index: 3, name: name.as_bytes(), is_pattern }];
        user.check(&Call { command: 9, first_arg: None, keys: &[], channels: &channels })
    };
    assert_eq!(check("news.a", false), Ok(()));
    assert_eq!(check("exact", false), Ok(()));
    assert_eq!(check("news.*", true), Ok(()));
    assert_eq!(check("exact", true), Ok(()));
    assert_eq!(check("news.a*", true), Err(Denied::Channel(3)));
    assert_eq!(check("*", true), Err(Denied::Channel(3)));
    assert_eq!(check("other", false), Err(Denied::Channel(3)));
    assert!(!user.examines_keys());
}

#[test]
fn a_first_argument_can_be_a_condition() {
    let user = user("+select|0 +get");
    let check = |command, first_arg| user.check(&Call { command, first_arg, keys: &[], channels: &[] });
    assert_eq!(check(2, Some(b"0".as_slice())), Ok(()));
    assert_eq!(check(2, Some(b"1".as_slice())), Err(Denied::Command));
    assert_eq!(check(2, None), Err(Denied::Command));
    assert!(!user.permits_simple(2, None), "only the whole check can tell");
    for revoked in ["+select|0 -select", "+select|0 -@all", "+select|0 reset"] {
        let mut user = self::user(revoked);
        user.enabled = true;
        let call = Call { command: 2, first_arg: Some(b"0"), keys: &[], channels: &[] };
        assert_eq!(user.check(&call), Err(Denied::Command), "{revoked}");
    }
}

#[test]
fn everything_is_everything() {
    assert!(user("+@all ~* &*").permits_all());
    assert!(user("+get (+@all ~* &*)").permits_all());
    for less in ["+@all ~*", "+@all &*", "~* &*", "+@all ~* &* -get", "+@all (~* &*)", "+@all -get +get ~* &*"] {
        assert!(!user(less).permits_all(), "{less}");
    }
}

#[test]
fn every_key_is_asked_for_by_sort() {
    let call = Call { command: 0, first_arg: None, keys: &[key("a", Access::READ)], channels: &[] };
    for (rules, may) in [
        ("+get ~*", true),
        ("+get %R~*", true),
        ("+get %RW~*", true),
        ("+get %W~* %R~a*", false),
        ("+get ~a", false),
        ("+get ~a (+get %R~*)", true),
        ("+get ~a (+set ~*)", false),
        ("~*", false),
    ] {
        assert_eq!(user(rules).permits_with_every_key(&call, Access::READ), may, "{rules}");
    }
}

#[test]
fn passwords() {
    let accepts = |rules: &str, password: &str| user(rules).accepts(password.as_bytes());
    assert!(accepts("on >a >b", "a") && accepts("on >a >b", "b"));
    assert!(!accepts("on >a >b", "c") && !accepts("on >a", "") && !accepts("on >a", "aa"));
    assert!(!accepts(">a", "a"), "it is disabled");
    assert!(!accepts("on", "") && !accepts("on resetpass", ""), "without a password nobody gets in");
    assert!(accepts("on nopass", "anything") && !accepts("off nopass", "anything"));
    assert!(!accepts("on nopass >a", "b") && accepts("on nopass >a", "a"), "a password ends nopass");
    assert!(!accepts("on >a nopass resetpass", "a"));
    assert!(!accepts("on >a >b <a", "a") && accepts("on >a >b <a", "b"));
    assert!(accepts("on >", ""), "the empty password is one");
    assert!(accepts("on #2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", "x"));
    assert!(!accepts("on >x !2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", "x"));
    assert_eq!(user(">a >a #ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb").passwords().len(), 1);
}

#[test]
fn rules_about_commands_that_are_absent_are_kept() {
    assert_eq!(commands("+get +EVAL +xinfo|stream -eval"), "-@all +get +xinfo|stream -eval");
    assert_eq!(commands("+@all -xinfo|stream"), "+@all -xinfo|stream");
    assert!(user("+@all ~* &* -eval").permits_all(), "nothing that is here was taken away");
}

#[test]
fn a_refused_change_changes_nothing() {
    let mut users = Users::new(&Few, false);
    users.set(b"a", &[b"on", b"+get"], &Few).unwrap();
    let before = users.save();
    let error = users.set(b"a", &[b"off", b"(+get", b"+nope)"], &Few).unwrap_err();
    assert_eq!(error.0, b"Error in ACL SETUSER modifier '(+get +nope)': Unknown command or category name in ACL");
    let error = users.set(b"b", &[b"off", b"(+get"], &Few).unwrap_err();
    assert_eq!(error.0, b"Unmatched parenthesis in acl selector starting at '(+get'.");
    assert_eq!(users.save(), before);
    assert_eq!(users.find(b"b"), None);
}

#[test]
fn a_file_replaces_all_users_or_none() {
    let mut users = Users::new(&Few, false);
    let stays = users.set(b"stays", &[b"on", b"+get"], &Few).unwrap();
    let goes = users.set(b"goes", &[], &Few).unwrap();
    let saved = users.save();
    let broken = b"user a on\nuser a off\nnouser\nuser\nuser b +nope (+x) on\nuser c ~* ~a &* &b\n\nuser d (+get\r\n";
    let errors = users.load(broken, "f.acl", &Few).unwrap_err();
    let behind = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                  effect. Try 'resetkeys' to start with an empty list of patterns";
    assert_eq!(
        errors,
        format!(
            "WARNING: Duplicate user 'a' found on line 2. f.acl:3 should start with user keyword followed by the \
             username. f.acl:4 should start with user keyword followed by the username. f.acl:5: Error in applying \
             operation '+nope': Unknown command or category name in ACL. f.acl:5: Error in applying operation '(+x)': \
             Unknown command or category name in ACL. f.acl:6: {behind}. f.acl:8: Unmatched parenthesis in selector \
             definition.WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
        )
    );
    assert_eq!(users.save(), saved);
    users.default_user().set_only_password(Some(b"x"));
    let gone = users.load(b"user new on\nuser stays on  +set\t\r\n", "f", &Few).unwrap();
    assert_eq!(gone, [goes]);
    assert_eq!(users.find(b"stays"), Some(stays));
    assert!(users.get(stays).permits_simple(1, None));
    assert!(users.get(DEFAULT_USER).nopass, "a file without `default` makes it what it is at first");
    let again = users.save();
    assert_eq!(users.load(&again, "f", &Few), Ok(Vec::new()));
    assert_eq!(users.save(), again);
    assert_eq!(users.name(goes), b"default", "a number nobody has means nobody in particular");
}

#[test]
fn refusals_that_agree_are_one_entry() {
    let mut log = Log::default();
    let refusal = |object: &'static str| Refusal {
        reason: Reason::Key,
        context: Context::TopLevel,
        object: object.as_bytes(),
        username: b"u",
        client_info: object.as_bytes(),
    };
    log.add(&refusal("a"), 0, 128);
    log.add(&refusal("b"), 10, 128);
    log.add(&refusal("a"), 60_000, 128);
    let entries: Vec<_> =
        log.entries().map(|entry| (entry.id, entry.count, entry.created_ms, entry.updated_ms)).collect();
    assert_eq!(entries, [(0, 2, 0, 60_000), (1, 1, 10, 10)]);
    log.add(&refusal("b"), 60_011, 128);
    log.add(&Refusal { context: Context::Multi, ..refusal("b") }, 60_011, 128);
    log.add(&Refusal { reason: Reason::Command, ..refusal("b") }, 60_011, 128);
    log.add(&Refusal { username: b"v", ..refusal("b") }, 60_011, 128);
    assert_eq!(log.entries().map(|entry| entry.id).collect::<Vec<_>>(), [5, 4, 3, 2, 0, 1]);
    log.add(&refusal("c"), 60_012, 3);
    assert_eq!(log.entries().map(|entry| entry.id).collect::<Vec<_>>(), [6, 5, 4]);
    // An entry is looked for among the latest ten.
    for object in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"] {
        log.add(&refusal(object), 60_013, 128);
    }
    log.add(&refusal("c"), 60_014, 128);
    assert_eq!(log.entries().filter(|entry| entry.object == b"c").count(), 2);
    log.add(&refusal("c"), 60_014, 0);
    assert_eq!(log.entries().len(), 0);
}
