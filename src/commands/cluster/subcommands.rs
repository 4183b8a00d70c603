//! CLUSTER, as a table: its subcommands differ in what they are called and take, not in what they do.

use super::refuse;
use crate::commands::{Acl, Arg, Command, Flags, Group, Run};

pub(super) static CLUSTER: Command = Command {
    name: "cluster",
    arity: -2,
    run: Run::Container,
    acl: Acl::SLOW,
    group: Group::Cluster,
    summary: "A container for commands on a cluster.",
    since: "3.0.0",
    complexity: "Depends on subcommand.",
    subcommands: SUBCOMMANDS,
    ..Command::BASE
};

static SUBCOMMANDS: &[&Command] = &[
    &Command {
        name: "addslots",
        arity: -3,
        summary: "Gives slots to this node.",
        complexity: "O(N) where N is the total number of hash slot arguments",
        args: SLOTS,
        ..CHANGE
    },
    &Command {
        name: "addslotsrange",
        arity: -4,
        summary: "Gives ranges of slots to this node.",
        since: "7.0.0",
        complexity: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
        args: RANGES,
        ..CHANGE
    },
    &Command {
        name: "bumpepoch",
        arity: 2,
        summary: "Advances the epoch of the cluster's configuration.",
        tips: UNSTEADY,
        ..CHANGE
    },
    &Command {
        name: "count-failure-reports",
        arity: 3,
        summary: "Returns how many nodes report that another one fails.",
        complexity: "O(N) where N is the number of failure reports",
        tips: UNSTEADY,
        args: NODE_ID,
        ..ASK
    },
    &Command {
        name: "countkeysinslot",
        arity: 3,
        summary: "Returns how many keys of a slot are here.",
        args: SLOT,
        ..READ
    },
    &Command {
        name: "delslots",
        arity: -3,
        summary: "Takes slots from this node.",
        complexity: "O(N) where N is the total number of hash slot arguments",
        args: SLOTS,
        ..CHANGE
    },
    &Command {
        name: "delslotsrange",
        arity: -4,
        summary: "Takes ranges of slots from this node.",
        since: "7.0.0",
        complexity: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
        args: RANGES,
        ..CHANGE
    },
    &Command {
        name: "failover",
        arity: -2,
        summary: "Makes a replica take the place of its master.",
        args: &[Arg::one_of("options", &[Arg::word("force", "FORCE"), Arg::word("takeover", "TAKEOVER")]).optional()],
        ..CHANGE
    },
    &Command { name: "flushslots", arity: 2, summary: "Takes all slots from this node.", ..CHANGE },
    &Command {
        name: "forget",
        arity: 3,
        summary: "Removes a node from the nodes that this one knows.",
        args: NODE_ID,
        ..CHANGE
    },
    &Command {
        name: "getkeysinslot",
        arity: 4,
        summary: "Returns keys of a slot.",
        complexity: "O(N) where N is the number of requested keys",
        tips: UNSTEADY,
        args: &[Arg::integer("slot"), Arg::integer("count")],
        ..READ
    },
    &Command { run: Run::Pure(refuse), group: Group::Cluster, since: "5.0.0", ..Command::HELP },
    &Command {
        name: "info",
        arity: 2,
        summary: "Returns the state of the cluster as this node sees it.",
        tips: UNSTEADY,
        ..READ
    },
    &Command {
        name: "keyslot",
        arity: 3,
        summary: "Returns the slot of a key.",
        complexity: "O(N) where N is the number of bytes in the key",
        args: &[Arg::string("key")],
        ..READ
    },
    &Command {
        name: "links",
        arity: 2,
        summary: "Returns the connections between this node and others.",
        since: "7.0.0",
        complexity: "O(N) where N is the total number of Cluster nodes",
        tips: UNSTEADY,
        ..READ
    },
    &Command {
        name: "meet",
        arity: -4,
        summary: "Makes this node known to another one.",
        history: &[("4.0.0", "The port of the cluster bus may be given.")],
        args: &[Arg::string("ip"), Arg::integer("port"), Arg::integer("cluster-bus-port").optional().since("4.0.0")],
        ..CHANGE
    },
    &Command { name: "myid", arity: 2, summary: "Returns the identifier of this node.", ..READ },
    &Command {
        name: "myshardid",
        arity: 2,
        summary: "Returns the identifier of this node's shard.",
        since: "7.2.0",
        tips: UNSTEADY,
        ..READ
    },
    &Command {
        name: "nodes",
        arity: 2,
        summary: "Returns the nodes of the cluster.",
        complexity: "O(N) where N is the total number of Cluster nodes",
        tips: UNSTEADY,
        ..READ
    },
    &Command {
        name: "replicas",
        arity: 3,
        summary: "Returns the replicas of a node.",
        since: "5.0.0",
        complexity: "O(N) where N is the number of replicas.",
        tips: UNSTEADY,
        args: NODE_ID,
        ..ASK
    },
    &Command {
        name: "replicate",
        arity: 3,
        summary: "Makes this node a replica of another one.",
        args: NODE_ID,
        ..CHANGE
    },
    &Command {
        name: "reset",
        arity: -2,
        summary: "Takes this node out of its cluster.",
        complexity: "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
        args: &[Arg::one_of("reset-type", &[Arg::word("hard", "HARD"), Arg::word("soft", "SOFT")]).optional()],
        ..RESET
    },
    &Command { name: "saveconfig", arity: 2, summary: "Writes the state of the cluster to the disk.", ..CHANGE },
    &Command {
        name: "set-config-epoch",
        arity: 3,
        summary: "Sets the configuration's epoch of a new node.",
        args: &[Arg::integer("config-epoch")],
        ..CHANGE
    },
    &Command {
        name: "setslot",
        arity: -4,
        summary: "Says whose a slot is, or is about to be.",
        args: SETSLOT,
        ..CHANGE
    },
    &Command {
        name: "shards",
        arity: 2,
        summary: "Returns the shards of the cluster and their slots.",
        since: "7.0.0",
        complexity: "O(N) where N is the total number of cluster nodes",
        tips: UNSTEADY,
        ..READ
    },
    &Command {
        name: "slaves",
        arity: 3,
        summary: "Returns the replicas of a node.",
        complexity: "O(N) where N is the number of replicas.",
        tips: UNSTEADY,
        deprecated: Some(("5.0.0", "`CLUSTER REPLICAS`")),
        args: NODE_ID,
        ..ASK
    },
    &Command {
        name: "slots",
        arity: 2,
        summary: "Returns the slots and who serves them.",
        complexity: "O(N) where N is the total number of Cluster nodes",
        tips: UNSTEADY,
        deprecated: Some(("7.0.0", "`CLUSTER SHARDS`")),
        history: &[("4.0.0", "Added node IDs."), ("7.0.0", "Added more about the network.")],
        ..READ
    },
];

const NODE_ID: &[Arg] = &[Arg::string("node-id")];
const SLOT: &[Arg] = &[Arg::integer("slot")];
const SLOTS: &[Arg] = &[Arg::integer("slot").multiple()];
const RANGES: &[Arg] =
    &[Arg::block("start-slot_end-slot", &[Arg::integer("start-slot"), Arg::integer("end-slot")]).multiple()];
const SETSLOT: &[Arg] = &[
    Arg::integer("slot"),
    Arg::one_of(
        "subcommand",
        &[
            Arg::string("importing").token("IMPORTING"),
            Arg::string("migrating").token("MIGRATING"),
            Arg::string("node").token("NODE"),
            Arg::word("stable", "STABLE"),
        ],
    ),
];
/// What they say may differ from one call to the next.
const UNSTEADY: &[&str] = &["nondeterministic_output"];
const ADMIN_ACL: Acl = Acl::ADMIN.union(Acl::SLOW).union(Acl::DANGEROUS);

/// What everybody may ask for.
const READ: Command = Command {
    run: Run::Pure(refuse),
    flags: Flags::STALE,
    acl: Acl::SLOW,
    group: Group::Cluster,
    since: "3.0.0",
    ..Command::BASE
};
/// What administrators may ask for.
const ASK: Command = Command { flags: Flags::ADMIN.union(Flags::STALE), acl: ADMIN_ACL, ..READ };
/// What changes the cluster.
const CHANGE: Command =
    Command { flags: Flags::ADMIN.union(Flags::STALE).union(Flags::NO_ASYNC_LOADING), acl: ADMIN_ACL, ..READ };
const RESET: Command =
    Command { flags: Flags::ADMIN.union(Flags::STALE).union(Flags::NOSCRIPT), acl: ADMIN_ACL, ..READ };
