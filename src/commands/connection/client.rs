//! CLIENT: the container, and its help.

use super::{
    OWN_ACL, client_kill, client_list, client_name, client_pause, client_reply, client_tracking, client_unblock,
};
use crate::commands::{Acl, Args, Command, CommandResult, Group, Reply, Run};

pub(super) static CLIENT: Command = Command {
    name: "client",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Connection,
    summary: "A container for commands on client connections.",
    since: "2.4.0",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &client_tracking::CACHING,
        &client_name::GETNAME,
        &client_tracking::GETREDIR,
        &HELP,
        &client_name::ID,
        &client_list::INFO,
        &client_kill::KILL,
        &client_list::LIST,
        &client_reply::NO_EVICT,
        &client_reply::NO_TOUCH,
        &client_pause::PAUSE,
        &client_reply::REPLY,
        &client_name::SETINFO,
        &client_name::SETNAME,
        &client_tracking::TRACKING,
        &client_tracking::TRACKINGINFO,
        &client_unblock::UNBLOCK,
        &client_pause::UNPAUSE,
    ],
    ..Command::BASE
};

static HELP: Command =
    Command { run: Run::Pure(help), acl: OWN_ACL, group: Group::Connection, since: "5.0.0", ..Command::HELP };

const HELP_LINES: &[&str] = &[
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CACHING (YES|NO)",
    "    Track, or do not track, what the next command reads (OPTIN, OPTOUT).",
    "GETREDIR",
    "    The number of the connection that invalidations are redirected to.",
    "GETNAME",
    "    The name of this connection.",
    "ID",
    "    The number of this connection.",
    "INFO",
    "    The line of CLIENT LIST about this connection.",
    "KILL <ip:port>",
    "    Close the connection that comes from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Close the connections for which every option holds:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Comes from this address.",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Came in at this address.",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Is of this type.",
    "    * USER <username>",
    "      Is logged in as this user.",
    "    * ID <client-id>",
    "      Has this number.",
    "    * SKIPME (YES|NO)",
    "      Whether this connection is left alone (default: yes).",
    "    * MAXAGE <seconds>",
    "      Is at least this old.",
    "LIST [options ...]",
    "    A line about each connection. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Only those of this type.",
    "    * ID <client-id> [<client-id> ...]",
    "      Only those with these numbers.",
    "NO-EVICT (ON|OFF)",
    "    Never close this connection to save memory.",
    "NO-TOUCH (ON|OFF)",
    "    Commands of this connection do not count as uses of keys.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Put off all commands, or those that write, for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Whether this connection gets replies.",
    "SETINFO <option> <value>",
    "    Say what the client library is called (LIB-NAME) and its version (LIB-VER).",
    "SETNAME <name>",
    "    Give this connection a name.",
    "TRACKING (ON|OFF) [REDIRECT <client-id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Tell this connection of changes of keys that it has read, or whose names begin so.",
    "TRACKINGINFO",
    "    How this connection tracks.",
    "UNBLOCK <client-id> [TIMEOUT|ERROR]",
    "    End the waiting of a connection in a blocking command.",
    "UNPAUSE",
    "    End a pause.",
    "HELP",
    "    This text.",
];

fn help(_args: &mut Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simples(HELP_LINES);
    Ok(())
}
