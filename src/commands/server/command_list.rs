//! COMMAND LIST.

use super::command::{ACL, FLAGS};
use crate::base::glob;
use crate::commands::{Acl, Arg, ArgKind, Args, Command, CommandError, CommandResult, Group, Registered, Reply, Run};
use crate::server::Engine;

pub(super) static LIST: Command = Command {
    name: "list",
    arity: -2,
    run: Run::Server(list),
    flags: FLAGS,
    acl: ACL,
    group: Group::Server,
    summary: "Returns the names of the commands.",
    since: "7.0.0",
    complexity: "O(N) where N is the total number of Redis commands",
    tips: &["nondeterministic_output_order"],
    args: &[Arg::one_of(
        "filterby",
        &[
            Arg::string("module-name").token("MODULE"),
            Arg::string("category").token("ACLCAT"),
            Arg::new("pattern", ArgKind::Pattern).token("PATTERN"),
        ],
    )
    .token("FILTERBY")
    .optional()],
    ..Command::BASE
};

enum Filter<'a> {
    All,
    /// No command is a module's.
    Nothing,
    Category(Acl),
    Pattern(&'a [u8]),
}

impl Filter<'_> {
    fn passes(&self, registered: &Registered) -> bool {
        match self {
            Filter::All => true,
            Filter::Nothing => false,
            Filter::Category(category) => registered.command.acl.contains(*category),
            Filter::Pattern(pattern) => glob::matches(pattern, registered.full_name.as_bytes(), true),
        }
    }
}

fn list(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let filter = if args.len() == 2 {
        Filter::All
    } else if args.len() != 5 || !args.is(2, "FILTERBY") {
        return Err(CommandError::SYNTAX);
    } else if args.is(3, "MODULE") {
        Filter::Nothing
    } else if args.is(3, "ACLCAT") {
        let category = Acl::NAMES.iter().find(|(_, name)| args.is(4, name));
        category.map_or(Filter::Nothing, |&(category, _)| Filter::Category(category))
    } else if args.is(3, "PATTERN") {
        Filter::Pattern(args.get(4))
    } else {
        return Err(CommandError::SYNTAX);
    };
    let names: Vec<&str> = engine
        .registry
        .reachable()
        .filter(|(_, registered)| filter.passes(registered))
        .map(|(_, registered)| registered.full_name.as_str())
        .collect();
    let client = &mut engine.clients[key];
    Reply::new(&mut client.output, client.session.version).bulks(&names);
    Ok(())
}
