//! CLIENT KILL, in its old form (an address) and its new one (filters that must all hold).

use super::{OTHERS, OTHERS_ACL, client_list};
use crate::acl::UserId;
use crate::base::number;
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Group, Run, quotable};
use crate::server::client_list::ClientType;
use crate::server::{Client, Engine};

pub(super) static KILL: Command = Command {
    name: "kill",
    arity: -3,
    run: Run::Server(kill),
    flags: OTHERS,
    acl: OTHERS_ACL,
    group: Group::Connection,
    summary: "Closes connections.",
    since: "2.4.0",
    complexity: "O(N) where N is the number of client connections",
    history: &[
        ("2.8.12", "Filters instead of an address."),
        ("2.8.12", "The `ID` filter."),
        ("3.2.0", "`TYPE` knows `master`."),
        ("5.0.0", "`TYPE` knows `replica`, which was called `slave` and may still be."),
        ("6.2.0", "The `LADDR` filter."),
        ("7.4.0", "The `MAXAGE` filter."),
    ],
    args: &[Arg::one_of(
        "filter",
        &[
            Arg::string("old-format").display("ip:port").deprecated_since("2.8.12"),
            Arg::one_of(
                "new-format",
                &[
                    Arg::integer("client-id").token("ID").optional().since("2.8.12"),
                    Arg::one_of(
                        "client-type",
                        &[
                            Arg::word("normal", "NORMAL"),
                            Arg::word("master", "MASTER").since("3.2.0"),
                            Arg::word("slave", "SLAVE"),
                            Arg::word("replica", "REPLICA").since("5.0.0"),
                            Arg::word("pubsub", "PUBSUB"),
                        ],
                    )
                    .token("TYPE")
                    .optional()
                    .since("2.8.12"),
                    Arg::string("username").token("USER").optional(),
                    Arg::string("addr").display("ip:port").token("ADDR").optional(),
                    Arg::string("laddr").display("ip:port").token("LADDR").optional().since("6.2.0"),
                    Arg::one_of("skipme", &[Arg::word("yes", "YES"), Arg::word("no", "NO")]).token("SKIPME").optional(),
                    Arg::integer("maxage").token("MAXAGE").optional().since("7.4.0"),
                ],
            )
            .multiple(),
        ],
    )],
    ..Command::BASE
};

/// Which connections to close: those for which everything that is said holds.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    client_type: Option<ClientType>,
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    user: Option<UserId>,
    age_min_s: Option<u64>,
    spare_caller: bool,
}

impl<'a> Filter<'a> {
    fn parse(args: &'a Args<'_>, engine: &Engine) -> Result<Filter<'a>, CommandError> {
        if args.len() == 3 {
            return Ok(Filter { addr: Some(args.get(2)), ..Filter::default() });
        }
        let mut filter = Filter { spare_caller: true, ..Filter::default() };
        let mut at = 2;
        while at + 1 < args.len() {
            let value = args.get(at + 1);
            if args.is(at, "ID") {
                filter.id = Some(positive(value, "ERR client-id should be greater than 0")?);
            } else if args.is(at, "MAXAGE") {
                let age_s = number::parse_i64(value)
                    .ok_or(CommandError::new("ERR maxage is not an integer or out of range"))?;
                if age_s <= 0 {
                    return Err(CommandError::new("ERR maxage should be greater than 0"));
                }
                filter.age_min_s = Some(age_s.unsigned_abs());
            } else if args.is(at, "TYPE") {
                filter.client_type = Some(client_list::client_type(value)?);
            } else if args.is(at, "ADDR") {
                filter.addr = Some(value);
            } else if args.is(at, "LADDR") {
                filter.laddr = Some(value);
            } else if args.is(at, "USER") {
                filter.user = Some(engine.access.users.find(value).ok_or_else(|| {
                    CommandError::owned([b"ERR No such user '".as_slice(), quotable(value), b"'"].concat())
                })?);
            } else if args.is(at, "SKIPME") && args.is(at + 1, "yes") {
                filter.spare_caller = true;
            } else if args.is(at, "SKIPME") && args.is(at + 1, "no") {
                filter.spare_caller = false;
            } else {
                return Err(CommandError::SYNTAX);
            }
            at += 2;
        }
        if at < args.len() {
            return Err(CommandError::SYNTAX);
        }
        Ok(filter)
    }

    fn holds(&self, client: &Client, now_ms: u64) -> bool {
        let age_s = now_ms.saturating_sub(client.session.identity.created_ms) / 1000;
        if self.id.is_some_and(|id| id != client.session.id)
            || self.client_type.is_some_and(|wanted| wanted != ClientType::of(client))
            || self.user.is_some_and(|user| user != client.session.user)
            || self.age_min_s.is_some_and(|least_s| age_s < least_s)
        {
            return false;
        }
        self.addr.is_none_or(|wanted| wanted == client.session.identity.addr.as_bytes())
            && self.laddr.is_none_or(|wanted| wanted == client.session.identity.laddr.as_bytes())
    }
}

fn positive(text: &[u8], error: &'static str) -> Result<u64, CommandError> {
    number::parse_i64(text)
        .and_then(|number| u64::try_from(number).ok())
        .filter(|&number| number > 0)
        .ok_or(CommandError::new(error))
}

fn kill(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let filter = Filter::parse(args, engine)?;
    let now_ms = engine.keyspace.now_ms() as u64;
    let doomed: Vec<usize> = engine
        .clients
        .iter()
        .filter(|&(other, client)| {
            let is_spared = (filter.spare_caller && other == key) || client.is_closing();
            !is_spared && filter.holds(client, now_ms)
        })
        .map(|(other, _)| other)
        .collect();
    for &other in doomed.iter().filter(|&&other| other != key) {
        engine.close(other);
    }
    if args.len() > 3 {
        engine.reply(key).len(doomed.len());
    } else if doomed.is_empty() {
        return Err(CommandError::new("ERR No such client"));
    } else {
        engine.reply(key).ok();
    }
    if doomed.contains(&key) {
        engine.close_after_reply(key);
    }
    Ok(())
}
