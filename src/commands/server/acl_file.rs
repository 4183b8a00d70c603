//! ACL LOAD and SAVE: users from and to the file that `aclfile` names.
//!
//! Both wait for the disk, as they do in Redis: an administrator sends them now and then, and the reply says that it is done.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{ADMIN, ADMIN_ACL};
use crate::base::log;
use crate::commands::{Args, Command, CommandError, CommandResult, Group, Run};
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
    if let Err(error) = replace(path, &engine.access.users.save()) {
        log::warning(format_args!("Saving the ACL file {}: {error}", path.display()));
        return Err(CommandError::new(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        ));
    }
    engine.reply(key).ok();
    Ok(())
}

/// Puts a file with this text in place of the old one, if any: whoever opens it, now or after a crash, finds all of one or the other.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    /// As in Redis, less what the umask takes away: nobody else changes who may do what.
    const MODE: u32 = 0o644;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".tmp-{}", std::process::id()));
    let temporary = PathBuf::from(name);
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&temporary);
    let written = opened.and_then(|mut file| {
        file.write_all(text)?;
        file.sync_all()
    });
    let outcome = written.and_then(|()| fs::rename(&temporary, path)).and_then(|()| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    });
    if outcome.is_err() {
        // Best effort: it may never have been there.
        let _ = fs::remove_file(&temporary);
    }
    outcome
}
