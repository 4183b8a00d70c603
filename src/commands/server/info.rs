//! INFO. What the sections say is in [`crate::server::info`].

use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, Run};
use crate::server::Engine;
use crate::server::info::{self, Sections};

pub(super) static INFO: Command = Command {
    name: "info",
    arity: -1,
    run: Run::Server(info),
    is_quick: true,
    flags: Flags::LOADING.union(Flags::STALE),
    acl: Acl::SLOW.union(Acl::DANGEROUS),
    group: Group::Server,
    summary: "Returns what there is to know about the server, by sections.",
    history: &[("7.0.0", "Several sections in one call.")],
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    args: &[Arg::string("section").optional().multiple()],
    ..Command::BASE
};

fn info(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let wanted = match args.len() {
        1 => Sections::DEFAULT,
        _ => args.from(1).fold(Sections::empty(), |wanted, name| wanted | Sections::parse(name)),
    };
    let text = info::text(engine, wanted);
    engine.reply(key).verbatim("txt", text.as_bytes());
    Ok(())
}
