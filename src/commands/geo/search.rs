//! Searching around a position: GEORADIUS, GEORADIUSBYMEMBER, their read-only twins, GEOSEARCH, GEOSEARCHSTORE.
//!
//! A search looks at the cells of the globe that its shape reaches, each a range of scores, and at the distance of each member
//! there.

use super::position::put_position;
use super::search_options::{Form, Order, SearchOptions};
use super::{UNIT, distance_text};
use crate::base::geohash::{Position, position_of_score};
use crate::collections::btree::ScoreBound;
use crate::collections::listpack::ListpackValue;
use crate::collections::sorted_set::SortedSetBuilder;
use crate::commands::{
    Acl, Arg, ArgKind, Args, BeginSearch, Command, CommandResult, FindKeys, Flags, Group, KeyFlags, KeySpec, Reply, Run,
};
use crate::keyspace::{Event, SortedSet, Typed, View, Writer};

/// A member in the shape.
struct Found<'a> {
    member: ListpackValue<'a>,
    score: f64,
    position: Position,
    /// In meters.
    distance: f64,
}

/// The members asked for, in the order asked for.
fn find<'a>(set: &'a SortedSet, centre: &Position, options: &SearchOptions) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    // The first ones will do.
    let limit = if options.any { options.count } else { usize::MAX };
    'cells: for cell in options.shape.cells(centre) {
        let (min, max) = cell.scores();
        let ranks =
            set.ranks_by_score(ScoreBound { score: min, exclusive: false }, ScoreBound { score: max, exclusive: true });
        for (member, score) in set.range(ranks) {
            if found.len() >= limit {
                break 'cells;
            }
            let position = position_of_score(score);
            if let Some(distance) = options.shape.distance_within(centre, &position) {
                found.push(Found { member, score, position, distance });
            }
        }
    }
    match options.order {
        Order::AsFound => {}
        Order::Ascending => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
        Order::Descending => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
    }
    if options.count > 0 {
        found.truncate(options.count);
    }
    found
}

fn put_found(reply: &mut Reply<'_>, found: &[Found<'_>], options: &SearchOptions) {
    let put_member = |reply: &mut Reply<'_>, member| match member {
        ListpackValue::Bytes(bytes) => reply.bulk(bytes),
        ListpackValue::Int(int) => reply.bulk_int(int),
    };
    let facts = [options.with_distance, options.with_hash, options.with_coordinates];
    let facts = facts.iter().filter(|wanted| **wanted).count();
    reply.array(found.len());
    for found in found {
        if facts > 0 {
            reply.array(1 + facts);
        }
        put_member(reply, found.member);
        if options.with_distance {
            reply.bulk_str(&distance_text(found.distance / options.unit_m));
        }
        if options.with_hash {
            reply.int(found.score as i64);
        }
        if options.with_coordinates {
            put_position(reply, &found.position);
        }
    }
}

fn search(args: &Args<'_>, view: &View<'_>, reply: &mut Reply<'_>, key: usize, form: Form) -> CommandResult {
    let set = view.object::<SortedSet>(view.key(args.get(key)))?;
    let options = SearchOptions::parse(args, set, &view.context(), form)?;
    match set.zip(options.centre) {
        Some((set, centre)) => put_found(reply, &find(set, &centre, &options), &options),
        None => reply.array(0),
    }
    Ok(())
}

/// The same for the commands that may store what they find.
fn search_or_store(
    args: &Args<'_>,
    db: &mut Writer<'_>,
    reply: &mut Reply<'_>,
    key: usize,
    form: Form,
) -> CommandResult {
    let view = db.view();
    let set = view.object::<SortedSet>(view.key(args.get(key)))?;
    let context = view.context();
    let options = SearchOptions::parse(args, set, &context, form)?;
    let found = match set.zip(options.centre) {
        Some((set, centre)) => find(set, &centre, &options),
        None => Vec::new(),
    };
    let Some(store_at) = options.store_at else {
        put_found(reply, &found, &options);
        return Ok(());
    };
    let mut builder = SortedSetBuilder::new();
    let mut digits = itoa::Buffer::new();
    for found in &found {
        let score = if options.store_distance { found.distance / options.unit_m } else { found.score };
        builder.push(context.hasher, found.member.text(&mut digits), score);
    }
    let stored = SortedSet::from_builder(builder, &context);
    let len = stored.len();
    let event = if form == Form::SearchStore { "geosearchstore" } else { "georadiusstore" };
    db.put(db.key(args.get(store_at)), stored, Event::sorted_set(event));
    db.count_more(len.saturating_sub(1));
    reply.len(len);
    Ok(())
}

const WITHCOORD: Arg = Arg::word("withcoord", "WITHCOORD").optional();
const WITHDIST: Arg = Arg::word("withdist", "WITHDIST").optional();
const WITHHASH: Arg = Arg::word("withhash", "WITHHASH").optional();
const ORDER: Arg = Arg::one_of("order", &[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")]).optional();
const COUNT: Arg =
    Arg::block("count", &[Arg::integer("count").token("COUNT"), Arg::word("any", "ANY").optional()]).optional();
/// The same where the documentation says since when ANY is there.
const COUNT_WITH_HISTORY: Arg =
    Arg::block("count", &[Arg::integer("count").token("COUNT"), Arg::word("any", "ANY").since("6.2.0").optional()])
        .optional();
/// `FROMMEMBER member | FROMLONLAT longitude latitude`
const FROM: Arg = Arg::one_of(
    "from",
    &[
        Arg::string("member").token("FROMMEMBER"),
        Arg::block(
            "longitude_latitude",
            &[Arg::new("longitude", ArgKind::Double), Arg::new("latitude", ArgKind::Double)],
        )
        .token("FROMLONLAT"),
    ],
);
/// `BYRADIUS radius unit | BYBOX width height unit`
const BY: Arg = Arg::one_of(
    "by",
    &[
        Arg::block("circle", &[Arg::new("radius", ArgKind::Double).token("BYRADIUS"), UNIT]),
        Arg::block(
            "box",
            &[Arg::new("width", ArgKind::Double).token("BYBOX"), Arg::new("height", ArgKind::Double), UNIT],
        ),
    ],
);

pub(super) static GEORADIUS: Command = Command {
    name: "georadius",
    arity: -6,
    run: Run::Write(georadius),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::MOVABLEKEYS),
    acl: Acl::WRITE.union(Acl::GEO).union(Acl::SLOW),
    keys: &[
        KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS)),
        KeySpec {
            notes: "",
            flags: KeyFlags::OW.union(KeyFlags::UPDATE),
            begin: BeginSearch::Keyword { keyword: "STORE", from: 6 },
            find: FindKeys::Range { last: 0, step: 1, limit: 0 },
        },
        KeySpec {
            notes: "",
            flags: KeyFlags::OW.union(KeyFlags::UPDATE),
            begin: BeginSearch::Keyword { keyword: "STOREDIST", from: 6 },
            find: FindKeys::Range { last: 0, step: 1, limit: 0 },
        },
    ],
    group: Group::Geo,
    summary: "Finds the members within a distance of a position, and may store them.",
    since: "3.2.0",
    complexity: "O(N+log(M)) where N is the number of members in the bounding box of the circle and M the size of the sorted set.",
    history: &[("6.2.0", "`ANY` came."), ("7.0.0", "Units in upper case are understood.")],
    deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")),
    args: &[
        Arg::key("key"),
        Arg::new("longitude", ArgKind::Double),
        Arg::new("latitude", ArgKind::Double),
        Arg::new("radius", ArgKind::Double),
        UNIT,
        WITHCOORD,
        WITHDIST,
        WITHHASH,
        COUNT_WITH_HISTORY,
        ORDER,
        Arg::key("key").of_spec(1).token("STORE").optional(),
        Arg::key("key").of_spec(2).token("STOREDIST").optional(),
    ],
    ..Command::BASE
};

fn georadius(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search_or_store(args, db, reply, 1, Form::Radius { may_store: true })
}

pub(super) static GEORADIUS_RO: Command = Command {
    name: "georadius_ro",
    arity: -6,
    run: Run::Read(georadius_ro),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::GEO).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Geo,
    summary: "Finds the members within a distance of a position.",
    since: "3.2.10",
    complexity: "O(N+log(M)) where N is the number of members in the bounding box of the circle and M the size of the sorted set.",
    history: &[("6.2.0", "`ANY` came.")],
    deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")),
    args: &[
        Arg::key("key"),
        Arg::new("longitude", ArgKind::Double),
        Arg::new("latitude", ArgKind::Double),
        Arg::new("radius", ArgKind::Double),
        UNIT,
        WITHCOORD,
        WITHDIST,
        WITHHASH,
        COUNT_WITH_HISTORY,
        ORDER,
    ],
    ..Command::BASE
};

fn georadius_ro(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search(args, view, reply, 1, Form::Radius { may_store: false })
}

pub(super) static GEORADIUSBYMEMBER: Command = Command {
    name: "georadiusbymember",
    arity: -5,
    run: Run::Write(georadiusbymember),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::MOVABLEKEYS),
    acl: Acl::WRITE.union(Acl::GEO).union(Acl::SLOW),
    keys: &[
        KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS)),
        KeySpec {
            notes: "",
            flags: KeyFlags::OW.union(KeyFlags::UPDATE),
            begin: BeginSearch::Keyword { keyword: "STORE", from: 5 },
            find: FindKeys::Range { last: 0, step: 1, limit: 0 },
        },
        KeySpec {
            notes: "",
            flags: KeyFlags::OW.union(KeyFlags::UPDATE),
            begin: BeginSearch::Keyword { keyword: "STOREDIST", from: 5 },
            find: FindKeys::Range { last: 0, step: 1, limit: 0 },
        },
    ],
    group: Group::Geo,
    summary: "Finds the members within a distance of a member, and may store them.",
    since: "3.2.0",
    complexity: "O(N+log(M)) where N is the number of members in the bounding box of the circle and M the size of the sorted set.",
    history: &[("6.2.0", "`ANY` came."), ("7.0.0", "Units in upper case are understood.")],
    deprecated: Some(("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments")),
    args: &[
        Arg::key("key"),
        Arg::string("member"),
        Arg::new("radius", ArgKind::Double),
        UNIT,
        WITHCOORD,
        WITHDIST,
        WITHHASH,
        COUNT,
        ORDER,
        Arg::key("key").of_spec(1).token("STORE").optional(),
        Arg::key("key").of_spec(2).token("STOREDIST").optional(),
    ],
    ..Command::BASE
};

fn georadiusbymember(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search_or_store(args, db, reply, 1, Form::RadiusByMember { may_store: true })
}

pub(super) static GEORADIUSBYMEMBER_RO: Command = Command {
    name: "georadiusbymember_ro",
    arity: -5,
    run: Run::Read(georadiusbymember_ro),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::GEO).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Geo,
    summary: "Finds the members within a distance of a member.",
    since: "3.2.10",
    complexity: "O(N+log(M)) where N is the number of members in the bounding box of the circle and M the size of the sorted set.",
    deprecated: Some(("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")),
    args: &[
        Arg::key("key"),
        Arg::string("member"),
        Arg::new("radius", ArgKind::Double),
        UNIT,
        WITHCOORD,
        WITHDIST,
        WITHHASH,
        COUNT,
        ORDER,
    ],
    ..Command::BASE
};

fn georadiusbymember_ro(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search(args, view, reply, 1, Form::RadiusByMember { may_store: false })
}

pub(super) static GEOSEARCH: Command = Command {
    name: "geosearch",
    arity: -7,
    run: Run::Read(geosearch),
    flags: Flags::READONLY,
    acl: Acl::READ.union(Acl::GEO).union(Acl::SLOW),
    keys: &[KeySpec::one(1, KeyFlags::RO.union(KeyFlags::ACCESS))],
    group: Group::Geo,
    summary: "Finds the members in a circle or in a box.",
    since: "6.2.0",
    complexity: "O(N+log(M)) where N is the number of members in the bounding box of the area and M the number of members found.",
    history: &[("7.0.0", "Units in upper case are understood.")],
    args: &[Arg::key("key"), FROM, BY, ORDER, COUNT, WITHCOORD, WITHDIST, WITHHASH],
    ..Command::BASE
};

fn geosearch(args: &mut Args<'_>, view: &View<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search(args, view, reply, 1, Form::Search)
}

pub(super) static GEOSEARCHSTORE: Command = Command {
    name: "geosearchstore",
    arity: -8,
    run: Run::Write(geosearchstore),
    flags: Flags::WRITE.union(Flags::DENYOOM),
    acl: Acl::WRITE.union(Acl::GEO).union(Acl::SLOW),
    keys: &[
        KeySpec::one(1, KeyFlags::OW.union(KeyFlags::UPDATE)),
        KeySpec::one(2, KeyFlags::RO.union(KeyFlags::ACCESS)),
    ],
    group: Group::Geo,
    summary: "Stores the members in a circle or in a box in another sorted set.",
    since: "6.2.0",
    complexity: "O(N+log(M)) where N is the number of members in the bounding box of the area and M the number of members found.",
    history: &[("7.0.0", "Units in upper case are understood.")],
    args: &[
        Arg::key("destination"),
        Arg::key("source").of_spec(1),
        FROM,
        BY,
        ORDER,
        COUNT,
        Arg::word("storedist", "STOREDIST").optional(),
    ],
    ..Command::BASE
};

fn geosearchstore(args: &mut Args<'_>, db: &mut Writer<'_>, reply: &mut Reply<'_>) -> CommandResult {
    search_or_store(args, db, reply, 2, Form::SearchStore)
}
