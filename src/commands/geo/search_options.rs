//! What a search asks for: GEORADIUS and GEORADIUSBYMEMBER name centre and radius by their places, GEOSEARCH by words.

use super::{position, unit_m};
use crate::base::geohash::{Position, Shape, position_of_score};
use crate::base::number;
use crate::commands::{Args, CommandError};
use crate::keyspace::{Context, SortedSet};

/// The commands, as far as their arguments differ.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Radius { may_store: bool },
    RadiusByMember { may_store: bool },
    Search,
    SearchStore,
}

/// In which order members are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    AsFound,
    Ascending,
    Descending,
}

pub(super) struct SearchOptions {
    /// None: there is no such key.
    pub centre: Option<Position>,
    pub shape: Shape,
    /// Meters of the unit of distances.
    pub unit_m: f64,
    pub with_coordinates: bool,
    pub with_distance: bool,
    pub with_hash: bool,
    /// The argument that is the key to store in.
    pub store_at: Option<usize>,
    pub store_distance: bool,
    /// 0: all.
    pub count: usize,
    /// Any of them will do, not only the nearest.
    pub any: bool,
    pub order: Order,
}

/// Which words for centre and shape there were. As in Redis the last of equal words counts, and of different ones there can be one.
#[derive(Clone, Copy, Default)]
struct Given {
    from_member: bool,
    from_position: bool,
    by_radius: bool,
    by_box: bool,
}

fn length(args: &Args<'_>, at: usize, error: &'static str) -> Result<f64, CommandError> {
    number::parse_f64(args.get(at)).ok_or(CommandError::new(error))
}

/// A radius and its unit.
fn circle(args: &Args<'_>, at: usize) -> Result<(Shape, f64), CommandError> {
    let radius = length(args, at, "ERR need numeric radius")?;
    if radius < 0.0 {
        return Err(CommandError::new("ERR radius cannot be negative"));
    }
    let unit_m = unit_m(args, at + 1)?;
    Ok((Shape::Circle { radius_m: radius * unit_m }, unit_m))
}

/// Width, height and their unit.
fn rectangle(args: &Args<'_>, at: usize) -> Result<(Shape, f64), CommandError> {
    let width = length(args, at, "ERR need numeric width")?;
    let height = length(args, at + 1, "ERR need numeric height")?;
    if width < 0.0 || height < 0.0 {
        return Err(CommandError::new("ERR height or width cannot be negative"));
    }
    let unit_m = unit_m(args, at + 2)?;
    Ok((Shape::Box { width_m: width * unit_m, height_m: height * unit_m }, unit_m))
}

fn position_of(set: &SortedSet, member: &[u8], context: &Context<'_>) -> Result<Position, CommandError> {
    let score = set.score(member, context);
    score.map(position_of_score).ok_or(CommandError::new("ERR could not decode requested zset member"))
}

impl SearchOptions {
    pub fn parse(
        args: &Args<'_>,
        set: Option<&SortedSet>,
        context: &Context<'_>,
        form: Form,
    ) -> Result<SearchOptions, CommandError> {
        let mut options = SearchOptions {
            centre: None,
            shape: Shape::Circle { radius_m: 0.0 },
            unit_m: 1.0,
            with_coordinates: false,
            with_distance: false,
            with_hash: false,
            store_at: None,
            store_distance: false,
            count: 0,
            any: false,
            order: Order::AsFound,
        };
        let mut given = Given::default();
        let mut at = match form {
            Form::Radius { .. } => {
                options.centre = Some(position(args, 2)?);
                (options.shape, options.unit_m) = circle(args, 4)?;
                6
            }
            Form::RadiusByMember { .. } => {
                if let Some(set) = set {
                    options.centre = Some(position_of(set, args.get(2), context)?);
                    (options.shape, options.unit_m) = circle(args, 3)?;
                }
                5
            }
            Form::Search => 2,
            Form::SearchStore => {
                options.store_at = Some(1);
                3
            }
        };
        let by_words = matches!(form, Form::Search | Form::SearchStore);
        let may_store = matches!(form, Form::Radius { may_store: true } | Form::RadiusByMember { may_store: true });
        while at < args.len() {
            let follow = args.len() - at - 1;
            match () {
                () if args.is(at, "WITHDIST") => options.with_distance = true,
                () if args.is(at, "WITHHASH") => options.with_hash = true,
                () if args.is(at, "WITHCOORD") => options.with_coordinates = true,
                () if args.is(at, "ANY") => options.any = true,
                () if args.is(at, "ASC") => options.order = Order::Ascending,
                () if args.is(at, "DESC") => options.order = Order::Descending,
                () if args.is(at, "COUNT") && follow >= 1 => {
                    let count = usize::try_from(args.int(at + 1)?).ok().filter(|&count| count > 0);
                    options.count = count.ok_or(CommandError::new("ERR COUNT must be > 0"))?;
                    at += 1;
                }
                () if may_store && follow >= 1 && (args.is(at, "STORE") || args.is(at, "STOREDIST")) => {
                    options.store_distance = args.is(at, "STOREDIST");
                    options.store_at = Some(at + 1);
                    at += 1;
                }
                () if by_words && !given.from_position && follow >= 1 && args.is(at, "FROMMEMBER") => {
                    if let Some(set) = set {
                        options.centre = Some(position_of(set, args.get(at + 1), context)?);
                    }
                    given.from_member = true;
                    at += 1;
                }
                () if by_words && !given.from_member && follow >= 2 && args.is(at, "FROMLONLAT") => {
                    options.centre = Some(position(args, at + 1)?);
                    given.from_position = true;
                    at += 2;
                }
                () if by_words && !given.by_box && follow >= 2 && args.is(at, "BYRADIUS") => {
                    (options.shape, options.unit_m) = circle(args, at + 1)?;
                    given.by_radius = true;
                    at += 2;
                }
                () if by_words && !given.by_radius && follow >= 3 && args.is(at, "BYBOX") => {
                    (options.shape, options.unit_m) = rectangle(args, at + 1)?;
                    given.by_box = true;
                    at += 3;
                }
                () if form == Form::SearchStore && args.is(at, "STOREDIST") => options.store_distance = true,
                () => return Err(CommandError::SYNTAX),
            }
            at += 1;
        }
        options.check(args, by_words.then_some(given))?;
        // So many of them means the nearest ones.
        if options.count > 0 && options.order == Order::AsFound && !options.any {
            options.order = Order::Ascending;
        }
        Ok(options)
    }

    /// Whether what was asked for goes together. `given`: what a command that names centre and shape by words was given of them.
    fn check(&self, args: &Args<'_>, given: Option<Given>) -> Result<(), CommandError> {
        let replies_more = self.with_distance || self.with_hash || self.with_coordinates;
        if self.store_at.is_some() && replies_more {
            let who = if given.is_some() { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(CommandError::owned(format!(
                "ERR {who} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let lacks = |what: &str| {
            let error = [format!("ERR exactly one of {what} can be specified for ").as_bytes(), args.get(0)].concat();
            Err(CommandError::owned(error))
        };
        if given.is_some_and(|given| !given.from_member && !given.from_position) {
            return lacks("FROMMEMBER or FROMLONLAT");
        }
        if given.is_some_and(|given| !given.by_radius && !given.by_box) {
            return lacks("BYRADIUS and BYBOX");
        }
        if self.any && self.count == 0 {
            return Err(CommandError::new("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }
}
