//! Access control of clients: who they are logged in as, whether they may do what they ask for, and what becomes of them when users change.
//!
//! A client holds its user's number. Two bits of its gates derive from that ([`Engine::refresh_access`]): [`gate::UNAUTHENTICATED`], and
//! [`gate::RESTRICTED`] if its user may not do everything. Whoever changes a user derives them anew for all clients.
//!
//! Cost: a client whose user may do everything has no bit and is never asked. Of a restricted one, a run of commands with at most one
//! key is looked through once ([`permitted_run`]) and then executed by the hot loop like anybody's; others are asked one by one.

use std::collections::BTreeSet;

use smallvec::SmallVec;

use crate::acl::{Context, DEFAULT_USER, Denied, Log, Reason, Refusal, User, UserId, Users};
use crate::base::log;
use crate::commands::permission::{self, Touches};
use crate::commands::{Args, CommandError, CommandId, Flags, Registry};
use crate::config::Settings;
use crate::resp::request::ArgRef;
use crate::server::client_list;
use crate::server::engine::{Engine, Request};
use crate::server::session::{Client, Session, gate};

/// Requests that are looked through at once. A run ends early where somebody has to be told of a change; the rest is looked
/// through again then.
const RUN_MAX: usize = 64;
/// Arguments that are checked without an allocation.
const ARGS_INLINE: usize = 16;

/// Users, what was refused to them, and what the check needs to know of the commands.
pub struct AccessControl {
    pub users: Users,
    pub log: Log,
    /// By command number.
    touches: Vec<Touches>,
}

impl AccessControl {
    /// The users of the configuration; those of its file come later ([`Engine::load_users`]).
    pub(super) fn new(registry: &Registry, settings: &Settings) -> AccessControl {
        let mut users = Users::new(registry, settings.acl_pubsub_default_all);
        set_default_password(&mut users, &settings.requirepass);
        for line in &settings.users {
            // At the start of a server they have been read once before, and what is wrong was told.
            match users.declare(&line.words, registry) {
                Ok(id) if !users.get(id).enabled => log::notice(format_args!(
                    "The user '{}' is disabled (there is no 'on' modifier in the user description). Make sure this is not a configuration error.",
                    String::from_utf8_lossy(users.name(id))
                )),
                Ok(_) => {}
                Err((word, error)) => log::warning(format_args!(
                    "Error in user declaration '{}': {error}",
                    String::from_utf8_lossy(&word)
                )),
            }
        }
        let touches = registry.iter().map(|(_, registered)| permission::touches(registered.command)).collect();
        AccessControl { users, log: Log::default(), touches }
    }
}

/// `requirepass` is the password of the user `default`.
fn set_default_password(users: &mut Users, password: &[u8]) {
    users.default_user().set_only_password(Some(password).filter(|password| !password.is_empty()));
}

/// Whether a client that has not logged in has to.
fn asks_for_password(users: &Users) -> bool {
    let default = users.get(DEFAULT_USER);
    !(default.nopass && default.enabled)
}

/// Reads the users of the configuration, to find out what is wrong with them.
///
/// # Errors
/// The line, its text, and why, in Redis's words.
pub(super) fn check_user_lines(settings: &Settings, registry: &Registry) -> Result<(), (usize, String, String)> {
    let mut users = Users::new(registry, settings.acl_pubsub_default_all);
    for line in &settings.users {
        users.declare(&line.words, registry).map_err(|(word, error)| {
            let reason = format!("Error in user declaration '{}': {error}", String::from_utf8_lossy(&word));
            (line.line, line.text.clone(), reason)
        })?;
    }
    Ok(())
}

/// How many requests at the front of `requests` the user may make, as far as that can be told without looking closely. The
/// rest may be allowed too.
#[inline(never)]
pub(super) fn permitted_run(
    access: &AccessControl,
    user: &User,
    requests: &[Request],
    bytes: &[u8],
    args: &[ArgRef],
) -> usize {
    let may = |request: &Request| {
        if !request.on_data || request.spilled {
            return false;
        }
        let key = match access.touches[usize::from(request.command)] {
            Touches::Nothing => None,
            Touches::OneKey { index, access, argc_max } if request.argc <= u32::from(argc_max) => {
                let arg = args[request.args_at as usize + usize::from(index)];
                if arg.owned_index().is_some() {
                    return false;
                }
                Some((arg.of(&bytes[request.start as usize..]), access))
            }
            Touches::OneKey { .. } | Touches::Varies => return false,
        };
        user.permits_simple(request.command, key)
    };
    requests.iter().take(RUN_MAX).take_while(|request| may(request)).count()
}

impl Engine {
    /// Makes the client what one is that has just come: the user `default`, let in if that needs no password.
    pub fn log_out(&mut self, key: usize) {
        let session = &mut self.clients[key].session;
        session.user = DEFAULT_USER;
        session.authenticated = !asks_for_password(&self.access.users);
        self.refresh_access(key);
    }

    /// Lets the client in as `name` if the password is right; else the failure is logged, and the client stays who it is.
    pub fn log_in(&mut self, key: usize, name: &[u8], password: &[u8], args: &Args<'_>) -> bool {
        let users = &self.access.users;
        let id = users.find(name);
        // The time of an answer does not tell which users exist.
        let is_right = users.get(id.unwrap_or(DEFAULT_USER)).accepts(password);
        match id {
            Some(id) if is_right => {
                let session = &mut self.clients[key].session;
                session.user = id;
                session.authenticated = true;
                self.refresh_access(key);
                true
            }
            _ => {
                // Commands may not wait inside of EXEC, and nowhere else.
                let context = if self.blocking.is_denied { Context::Multi } else { Context::TopLevel };
                self.note_refusal(key, Reason::Auth, args.get(0), name, context, args);
                false
            }
        }
    }

    /// Derives the client's gates from its user.
    fn refresh_access(&mut self, key: usize) {
        let users = &self.access.users;
        derive_gates(users, &mut self.clients[key].session);
    }

    /// Users were changed. `had_channels`: those whose channels may be others now, and who might use some before. The password of `default`
    /// concerns everybody.
    pub fn users_changed(&mut self, had_channels: &BTreeSet<UserId>) {
        let users = &self.access.users;
        for (_, client) in &mut self.clients {
            derive_gates(users, &mut client.session);
        }
        self.close_forbidden_subscribers(had_channels);
    }

    /// Closes the clients that are subscribed to what their users may not listen to: of users who cannot have lost a channel, as in Redis,
    /// nobody.
    fn close_forbidden_subscribers(&mut self, had_channels: &BTreeSet<UserId>) {
        let is_forbidden = |client: &Client| {
            let user = self.access.users.get(client.session.user);
            let permits =
                |name: &[u8], is_pattern| user.permissions().any(|some| some.permits_channel(name, is_pattern));
            client.subscriber.is_some_and(|subscriber| !self.pubsub.are_all(subscriber, permits))
        };
        let is_concerned =
            |session: &Session| session.gates & gate::RESTRICTED != 0 && had_channels.contains(&session.user);
        let concerned = self.clients.iter().filter(|(_, client)| is_concerned(&client.session));
        let doomed: Vec<usize> = concerned.filter(|(_, client)| is_forbidden(client)).map(|(key, _)| key).collect();
        for key in doomed {
            self.close(key);
        }
    }

    /// Users were removed: their clients are closed, the caller's when it has been answered. Nobody stays logged in as them.
    pub fn users_removed(&mut self, gone: &[UserId], caller: usize) {
        if gone.is_empty() {
            return;
        }
        let is_theirs = |session: &Session| session.user != DEFAULT_USER && gone.contains(&session.user);
        let doomed: Vec<usize> =
            self.clients.iter().filter(|(_, client)| is_theirs(&client.session)).map(|(key, _)| key).collect();
        for key in doomed {
            let session = &mut self.clients[key].session;
            session.user = DEFAULT_USER;
            session.authenticated = false;
            self.refresh_access(key);
            if key == caller {
                self.close_after_reply(key);
            } else {
                self.close(key);
            }
        }
    }

    /// CONFIG SET requirepass.
    pub(super) fn apply_requirepass(&mut self) {
        set_default_password(&mut self.access.users, &self.config.requirepass);
        self.users_changed(&BTreeSet::new());
    }

    /// At the start: the users of `aclfile`, if there is one.
    ///
    /// # Errors
    /// What is wrong, in Redis's words.
    pub(super) fn load_users_at_start(&mut self) -> Result<(), String> {
        if self.config.aclfile.is_empty() {
            return Ok(());
        }
        if !self.config.users.is_empty() {
            return Err("Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. This setup is very likely to lead to configuration errors and security holes, please define either an ACL file or declare users directly in your redis.conf, but not both.".to_owned());
        }
        self.load_users().map(drop).map_err(|errors| format!("Aborting Redis startup because of ACL errors: {errors}"))
    }

    /// Replaces all users by those of `aclfile`; the numbers of those that are gone.
    ///
    /// # Errors
    /// Why it could not be read, or what is wrong with it; nothing has changed then.
    pub fn load_users(&mut self) -> Result<Vec<UserId>, String> {
        let path = &self.config.aclfile;
        let text = std::fs::read(path)
            .map_err(|error| format!("Error loading ACLs, opening file '{path}': {}", super::start::reason(&error)))?;
        let had_channels = self.access.users.with_channels();
        let gone = self.access.users.load(&text, path, &self.registry)?;
        self.users_changed(&had_channels);
        Ok(gone)
    }

    /// Whether the client may make this call now.
    ///
    /// # Errors
    /// `NOPERM ...`; it has been logged.
    pub(super) fn check_access(
        &mut self,
        key: usize,
        id: CommandId,
        args: &Args<'_>,
        context: Context,
    ) -> Result<(), CommandError> {
        let Err((denied, user)) = self.ask_access(key, id, args) else { return Ok(()) };
        let name = self.access.users.name(user).to_vec();
        self.note_denied(key, id, denied, context, args);
        Err(match denied {
            Denied::Command => {
                let command = &self.registry.get(id).full_name;
                let text = format!(" has no permissions to run the '{command}' command");
                CommandError::owned([b"NOPERM User ".as_slice(), &name, text.as_bytes()].concat())
            }
            Denied::Key(_) => CommandError::new("NOPERM No permissions to access a key"),
            Denied::Channel(_) => CommandError::new("NOPERM No permissions to access a channel"),
        })
    }

    /// The same of a command that EXEC comes to: permissions may have changed since it was queued.
    ///
    /// # Errors
    /// `NOPERM ACLs rules changed ...`; it has been logged.
    pub(super) fn check_access_in_exec(
        &mut self,
        key: usize,
        id: CommandId,
        args: &Args<'_>,
    ) -> Result<(), CommandError> {
        let Err((denied, _)) = self.ask_access(key, id, args) else { return self.check_options(key, id, args) };
        self.note_denied(key, id, denied, Context::Multi, args);
        let reason = match denied {
            Denied::Command => "no permission to execute the command or subcommand",
            Denied::Key(_) => "no permission to touch the specified keys",
            Denied::Channel(_) => "no permission to access one of the channels used as arguments to the command",
        };
        Err(CommandError::owned(format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. \
             This command is no longer allowed for the following reason: {reason}"
        )))
    }

    /// What a command refuses of its options to who may not read every key: SORT's BY and GET.
    ///
    /// # Errors
    /// In Redis's words.
    pub(super) fn check_options(&self, key: usize, id: CommandId, args: &Args<'_>) -> Result<(), CommandError> {
        let command = self.registry.command(id);
        if !permission::has_patterns_of_keys(command) {
            return Ok(());
        }
        let words: SmallVec<[&[u8]; ARGS_INLINE]> = args.from(0).collect();
        let user = self.access.users.get(self.clients[key].session.user);
        if permission::may_read_every_key(&self.registry, id, &words, user) {
            return Ok(());
        }
        permission::refuse_patterns_of_keys(command, args)
    }

    fn ask_access(&self, key: usize, id: CommandId, args: &Args<'_>) -> Result<(), (Denied, UserId)> {
        if self.registry.command(id).flags.contains(Flags::NO_AUTH) {
            return Ok(());
        }
        let number = self.clients[key].session.user;
        let words: SmallVec<[&[u8]; ARGS_INLINE]> = args.from(0).collect();
        let user = self.access.users.get(number);
        permission::check(&self.registry, id, &words, user).map_err(|denied| (denied, number))
    }

    fn note_denied(&mut self, key: usize, id: CommandId, denied: Denied, context: Context, args: &Args<'_>) {
        let user = self.access.users.name(self.clients[key].session.user).to_vec();
        let command = self.registry.get(id).full_name.clone();
        let (reason, object) = match denied {
            Denied::Command => (Reason::Command, command.as_bytes()),
            Denied::Key(index) => (Reason::Key, args.get(index)),
            Denied::Channel(index) => (Reason::Channel, args.get(index)),
        };
        self.note_refusal(key, reason, object, &user, context, args);
    }

    fn note_refusal(
        &mut self,
        key: usize,
        reason: Reason,
        object: &[u8],
        username: &[u8],
        context: Context,
        args: &Args<'_>,
    ) {
        match reason {
            Reason::Command => self.stats.denied_commands += 1,
            Reason::Key => self.stats.denied_keys += 1,
            Reason::Channel => self.stats.denied_channels += 1,
            Reason::Auth => self.stats.denied_auth += 1,
        }
        let mut info = Vec::new();
        client_list::describe(self, key, key, args, &mut info);
        let client_info = info.strip_suffix(b"\n").unwrap_or(&info);
        let len_max = usize::try_from(self.config.acllog_max_len).unwrap_or(usize::MAX);
        let refusal = Refusal { reason, context, object, username, client_info };
        self.access.log.add(&refusal, self.keyspace.now_ms(), len_max);
    }
}

fn derive_gates(users: &Users, session: &mut Session) {
    session.gates &= !(gate::UNAUTHENTICATED | gate::RESTRICTED);
    if session.replays {
        // What it executes was permitted to somebody.
        return;
    }
    if !session.authenticated && asks_for_password(users) {
        session.gates |= gate::UNAUTHENTICATED;
    }
    if !users.get(session.user).permits_all() {
        session.gates |= gate::RESTRICTED;
    }
}
