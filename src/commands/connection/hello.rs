//! HELLO: protocol version, authentication and name in one round trip.

use super::{FAST_ACL, HANDSHAKE, auth, client_name};
use crate::base::number;
use crate::commands::{Arg, Args, Command, CommandError, CommandResult, Group, Run, quotable};
use crate::resp::reply::Version;
use crate::server::Engine;
use crate::server::start::REDIS_VERSION;

pub(super) static HELLO: Command = Command {
    name: "hello",
    arity: -1,
    run: Run::Server(hello),
    flags: HANDSHAKE,
    acl: FAST_ACL,
    group: Group::Connection,
    summary: "Agrees on a protocol version and tells about the server.",
    since: "6.0.0",
    history: &[("6.2.0", "`protover` became optional: without it, the connection stays as it is.")],
    args: &[Arg::block(
        "arguments",
        &[
            Arg::integer("protover"),
            Arg::block("auth", &[Arg::string("username"), Arg::string("password")]).token("AUTH").optional(),
            Arg::string("clientname").token("SETNAME").optional(),
        ],
    )
    .optional()],
    ..Command::BASE
};

fn hello(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let mut version = None;
    if let Some(wanted) = args.try_get(1) {
        version = Some(match number::parse_i64(wanted) {
            Some(2) => Version::Resp2,
            Some(3) => Version::Resp3,
            Some(_) => return Err(CommandError::new("NOPROTO unsupported protocol version")),
            None => {
                return Err(CommandError::new("ERR Protocol version is not an integer or out of range"));
            }
        });
    }
    let mut credentials = None;
    let mut name = None;
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "AUTH") && at + 2 < args.len() {
            credentials = Some((at + 1, at + 2));
            at += 3;
        } else if args.is(at, "SETNAME") && at + 1 < args.len() {
            client_name::check_name(args.get(at + 1))?;
            name = Some(at + 1);
            at += 2;
        } else {
            let text = [b"ERR Syntax error in HELLO option '", quotable(args.get(at)), b"'"].concat();
            return Err(CommandError::owned(text));
        }
    }
    if let Some((user, password)) = credentials {
        auth::authenticate(args, engine, key, args.get(user), args.get(password))?;
    }
    let session = &mut engine.clients[key].session;
    if !session.authenticated {
        return Err(CommandError::new(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
             the same time",
        ));
    }
    if let Some(name) = name {
        session.identity.name = args.get(name).to_vec();
    }
    if let Some(version) = version {
        session.version = version;
    }
    let id = session.id as i64;
    engine.refresh_subscribed(key);
    let mut reply = engine.reply(key);
    let proto = if reply.is_resp3() { 3 } else { 2 };
    reply.map(7);
    reply.bulk_str("server");
    reply.bulk_str("redis");
    reply.bulk_str("version");
    reply.bulk_str(REDIS_VERSION);
    reply.bulk_str("proto");
    reply.int(proto);
    reply.bulk_str("id");
    reply.int(id);
    reply.bulk_str("mode");
    reply.bulk_str("standalone");
    reply.bulk_str("role");
    reply.bulk_str("master");
    reply.bulk_str("modules");
    reply.array(0);
    Ok(())
}
