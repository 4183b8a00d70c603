//! ACL LOAD and SAVE: users from and to the file that `aclfile` names.
//!
//! Both wait for the disk, as they do in Redis: an administrator sends them now and then, and the reply says that it is done.

use std::path::Path;

use super::{ADMIN, ADMIN_ACL};
use crate::base::log;
use crate::commands::{Args, Command, CommandError, CommandResult, Group, Run};
use crate::config::replace_file;
use crate::server::Engine;

pub(super) static LOAD: Command = Command {
    name: "load",
    arity: 2,
    run: Run::Server(load),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Reads the users from the file again.",
    since: "6.0.0",
    complexity: "O(N). Where N is the number of configured users.",
    ..Command::BASE
};

const NO_FILE: CommandError = CommandError::new(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
     command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in \
     the Redis configuration.",
);

fn load(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if engine.config.aclfile.is_empty() {
        return Err(NO_FILE);
    }
    let gone = engine.load_users().map_err(|errors| CommandError::owned(format!("ERR {errors}")))?;
    engine.reply(key).ok();
    engine.users_removed(&gone, key);
    Ok(())
}

pub(super) static SAVE: Command = Command {
    name: "save",
    arity: 2,
    run: Run::Server(save),
    flags: ADMIN,
    acl: ADMIN_ACL,
    group: Group::Server,
    summary: "Writes the users to the file.",
    since: "6.0.0",
    complexity: "O(N). Where N is the number of configured users.",
    ..Command::BASE
};

fn save(_args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    if engine.config.aclfile.is_empty() {
        return Err(NO_FILE);
    }
    let path = Path::new(&engine.config.aclfile);
    // Who may read it stays as it was: it holds the digests of passwords. A new one is as in Redis what the umask leaves of 0644.
    if let Err(error) = replace_file(path, &engine.access.users.save()) {
        log::warning(format_args!("Saving the ACL file {}: {error}", path.display()));
        return Err(CommandError::new(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        ));
    }
    engine.reply(key).ok();
    Ok(())
}
