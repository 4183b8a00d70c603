//! CLIENT INFO and LIST. What a line says is in [`crate::server::client_list`].

use super::{OTHERS, OTHERS_ACL, OWN, OWN_ACL};
use crate::base::number;
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Group, Run, quotable};
use crate::server::Engine;
use crate::server::client_list::{self, ClientType};

pub(super) static INFO: Command = Command {
    name: "info",
    arity: 2,
    run: Run::Server(info),
    is_quick: true,
    flags: OWN,
    acl: OWN_ACL,
    group: Group::Connection,
    summary: "Returns what CLIENT LIST says about the connection.",
    since: "6.2.0",
    tips: &["nondeterministic_output"],
    ..Command::BASE
};

fn info(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let mut text = Vec::new();
    client_list::describe(engine, key, key, args, &mut text);
    engine.reply(key).verbatim("txt", &text);
    Ok(())
}

pub(super) static LIST: Command = Command {
    name: "list",
    arity: -2,
    run: Run::Server(list),
    flags: OTHERS,
    acl: OTHERS_ACL,
    group: Group::Connection,
    summary: "Returns a line about each connection.",
    since: "2.4.0",
    complexity: "O(N) where N is the number of client connections",
    history: &[
        ("2.8.12", "The field `id`, unique for each connection."),
        ("5.0.0", "The `TYPE` filter."),
        ("6.0.0", "The field `user`."),
        ("6.2.0", "The fields `argv-mem`, `tot-mem`, `laddr` and `redir`, and the `ID` filter."),
        ("7.0.0", "The fields `resp`, `multi-mem`, `rbs` and `rbp`."),
        ("7.0.3", "The field `ssub`."),
        ("7.2.0", "The fields `lib-name` and `lib-ver`."),
        ("7.4.0", "The field `watch`."),
    ],
    tips: &["nondeterministic_output"],
    args: &[
        Arg::one_of(
            "client-type",
            &[
                Arg::word("normal", "NORMAL"),
                Arg::word("master", "MASTER"),
                Arg::word("replica", "REPLICA"),
                Arg::word("pubsub", "PUBSUB"),
            ],
        )
        .token("TYPE")
        .optional()
        .since("5.0.0"),
        Arg::integer("client-id").token("ID").optional().multiple().since("6.2.0"),
    ],
    ..Command::BASE
};

fn list(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let mut keys: Vec<usize> = Vec::new();
    if args.len() == 2 {
        keys.extend(client_list::visible(engine).map(|(key, _)| key));
    } else if args.len() == 4 && args.is(2, "TYPE") {
        let wanted = client_type(args.get(3))?;
        keys.extend(
            client_list::visible(engine).filter(|(_, client)| ClientType::of(client) == wanted).map(|(key, _)| key),
        );
    } else if args.len() > 3 && args.is(2, "ID") {
        let by_id = client_list::keys_by_id(engine);
        for id in args.from(3) {
            let id = number::parse_i64(id).ok_or(CommandError::new("ERR Invalid client ID"))?;
            keys.extend(u64::try_from(id).ok().and_then(|id| by_id.get(&id)));
        }
    } else {
        return Err(CommandError::SYNTAX);
    }
    let mut text = Vec::new();
    for listed in keys {
        client_list::describe(engine, listed, key, args, &mut text);
    }
    engine.reply(key).verbatim("txt", &text);
    Ok(())
}

/// # Errors
/// `ERR Unknown client type 'x'`
pub(super) fn client_type(name: &[u8]) -> Result<ClientType, CommandError> {
    ClientType::parse(name)
        .ok_or_else(|| CommandError::owned([b"ERR Unknown client type '".as_slice(), quotable(name), b"'"].concat()))
}
