//! Geo commands (<https://redis.io/docs/latest/commands/?group=geo>): positions as the scores of a sorted set.

mod add;
mod distance;
mod position;
mod search;
mod search_options;

use super::{Arg, Args, Command, CommandError};
use crate::base::geohash::Position;
use crate::base::number;

pub static COMMANDS: &[&Command] = &[
    &add::GEOADD,
    &distance::GEODIST,
    &position::GEOHASH,
    &position::GEOPOS,
    &search::GEORADIUS,
    &search::GEORADIUSBYMEMBER,
    &search::GEORADIUSBYMEMBER_RO,
    &search::GEORADIUS_RO,
    &search::GEOSEARCH,
    &search::GEOSEARCHSTORE,
];

/// `M | KM | FT | MI`
const UNIT: Arg =
    Arg::one_of("unit", &[Arg::word("m", "M"), Arg::word("km", "KM"), Arg::word("ft", "FT"), Arg::word("mi", "MI")]);

/// The position whose longitude is argument `at` and whose latitude is the next.
fn position(args: &Args<'_>, at: usize) -> Result<Position, CommandError> {
    let coordinate = |at| number::parse_f64(args.get(at)).ok_or(CommandError::NOT_A_FLOAT);
    let position = Position { longitude: coordinate(at)?, latitude: coordinate(at + 1)? };
    if position.is_valid() {
        return Ok(position);
    }
    let Position { longitude, latitude } = position;
    Err(CommandError::owned(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")))
}

/// Meters of the unit that an argument names.
fn unit_m(args: &Args<'_>, at: usize) -> Result<f64, CommandError> {
    let units = [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)];
    let unit = units.iter().find(|(name, _)| args.is(at, name));
    unit.map(|(_, meters)| *meters).ok_or(CommandError::new("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

/// A distance as it is printed: four decimals, rounded as Redis does.
fn distance_text(distance: f64) -> String {
    const TENTHS: f64 = 10_000.0;
    let scaled = (distance * TENTHS).round_ties_even();
    if scaled.abs() >= i64::MAX as f64 {
        return format!("{distance:.4}");
    }
    let scaled = scaled as i64;
    format!("{}.{:04}", scaled / TENTHS as i64, scaled % TENTHS as i64)
}
