//! PUBLISHes of one client that come one behind the other are executed together.
//!
//! What surrounds a command costs as much as publishing to one subscriber, and so does finding the subscribers: with the first message
//! on a channel that is known, and it stays so as long as nothing but messages on that channel comes. So only the first goes the way that
//! every command goes, and those behind it, if they are short and for few, are appended and counted; they are timed together
//! ([`super::super::timing`]).
//!
//! Invariant: what a client or an operator sees is what executing them one by one would have been, but for the times of the calls.

use super::Topics;
use crate::commands::{Args, CommandId};
use crate::reactor::PUSH_SHARED_MIN;
use crate::resp::request::ArgRef;
use crate::server::engine::{Engine, Request, UNKNOWN};
use crate::server::timing::{TIMED_RUN_MAX, TimedRun};

impl Engine {
    /// What a command publishes on, if that is what it does.
    fn published_topics(&self, command: CommandId) -> Option<Topics> {
        match self.registry.command(command).name {
            "publish" => Some(Topics::Channels),
            "spublish" => Some(Topics::ShardChannels),
            _ => None,
        }
    }

    /// Whether the command is PUBLISH or SPUBLISH.
    pub(in crate::server) fn publishes(&self, command: CommandId) -> bool {
        command != UNKNOWN && self.published_topics(command).is_some()
    }

    /// Executes the PUBLISH at `first` and those of the client that come right behind it, as long as nothing has to happen in between; how
    /// many.
    pub(in crate::server) fn execute_publishes(&mut self, key: usize, first: usize, end: usize) -> usize {
        let request = self.batch.requests[first];
        self.with_input(key, request.spilled, |engine, all_args, bytes, owned| {
            let mut index = first;
            loop {
                let Request { args_at, argc, start, hash, .. } = engine.batch.requests[index];
                let refs = &all_args[args_at as usize..][..argc as usize];
                engine.call(key, request.command, &mut Args::new(&bytes[start as usize..], refs, owned, hash));
                index += 1;
                if !engine.joins_burst(key, request, index, end) {
                    break;
                }
                index += engine.repeat_publish(key, index, end, all_args, bytes);
                if !engine.joins_burst(key, request, index, end) {
                    break;
                }
                engine.call_from_ns = engine.call_ended_ns.take();
            }
            index - first
        })
    }

    /// Whether the request at `index`, if it is there, may be executed with `first`, of which the one before it is the last so far.
    fn joins_burst(&self, key: usize, first: Request, index: usize, end: usize) -> bool {
        let Some(next) = self.batch.requests[..end].get(index) else { return false };
        let is_another = next.command != first.command || next.spilled || first.spilled;
        let is_gated = self.gates | self.clients[key].session.gates != 0 || self.memory.is_set();
        let is_to_be_told = !self.keyspace.observers.pending().is_empty() || !self.stats.long_runs.is_empty();
        // There is always time for those that have receivers.
        !is_another && !is_gated && !is_to_be_told && self.has_fan_out()
    }

    /// Executes the requests from `index` on that publish on the channel of the one before them, which has just been executed, as long as
    /// they are short and for few; how many.
    fn repeat_publish(&mut self, key: usize, index: usize, end: usize, all_args: &[ArgRef], bytes: &[u8]) -> usize {
        let args_of = |request: &Request| {
            let frame = &bytes[request.start as usize..];
            match all_args[request.args_at as usize..][..request.argc as usize] {
                [_, channel, text] if channel.owned_index().is_none() && text.owned_index().is_none() => {
                    Some((channel.of(frame), text.of(frame)))
                }
                _ => None,
            }
        };
        let last = self.batch.requests[index - 1];
        let Some(topics) = self.published_topics(last.command) else { return 0 };
        let Some((channel, _)) = args_of(&last) else { return 0 };
        let mut receivers = None;
        let mut calls = 0;
        while calls < TIMED_RUN_MAX {
            let Some(next) = self.batch.requests[..end].get(index + calls as usize) else { break };
            let is_alike = next.command == last.command && !next.spilled;
            let Some((next_channel, text)) = args_of(next).filter(|_| is_alike) else { break };
            if next_channel != channel || text.len() >= PUSH_SHARED_MIN {
                break;
            }
            if receivers.is_none() {
                // Had the client been sent the last message itself, there would be something to be told.
                receivers = self.few_receivers(topics, channel);
            }
            let Some(few) = &receivers else { break };
            calls += 1;
            let may_go_on = self.publish_to_few(few, text);
            self.reply(key).len(few.len());
            if !may_go_on {
                break;
            }
        }
        if calls > 0 {
            let ended_ns = self.clock.monotonic_ns();
            let started_ns = self.call_ended_ns.replace(ended_ns).unwrap_or(ended_ns);
            let (first, elapsed_ns) = (index as u32, ended_ns - started_ns);
            let run = TimedRun { command: last.command, calls, first, started_ns, elapsed_ns };
            run.book(&mut self.registry, &mut self.stats);
        }
        calls as usize
    }
}
