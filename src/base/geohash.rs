//! Positions on the globe as numbers, and distances between them: the arithmetic of Redis's geo commands
//! (<https://redis.io/docs/latest/commands/geoadd/>, "How does it work?").
//!
//! A cell is one of `4^step` rectangles of longitudes and latitudes, named by its column and row; a position is the cell of 26 steps that
//! it is in. The bits of column and row alternate in a cell's number, so that a cell's parts are neighbouring numbers.
//!
//! Distances are on a sphere (haversine), so that they are up to half a percent off.

/// Steps of a position: 52 bits, which a double holds.
pub const STEPS_MAX: u32 = 26;
pub const LONGITUDE_MAX: f64 = 180.0;
/// Of the square map of the web.
pub const LATITUDE_MAX: f64 = 85.05112878;
const EARTH_RADIUS_M: f64 = 6372797.560856;
/// Half the equator, as the map has it.
const MERCATOR_MAX_M: f64 = 20037726.37;

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Position {
    pub longitude: f64,
    pub latitude: f64,
}

/// A rectangle of a grid of `2^step` columns and rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cell {
    pub step: u32,
    column: u32,
    row: u32,
}

/// Longitudes and latitudes of a cell or of an area.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub west: f64,
    pub east: f64,
    pub south: f64,
    pub north: f64,
}

/// Puts a zero before each bit.
fn spread(bits: u32) -> u64 {
    let mut spread = u64::from(bits);
    for (shift, mask) in [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555u64),
    ] {
        spread = (spread | spread << shift) & mask;
    }
    spread
}

/// Every second bit.
fn gather(bits: u64) -> u32 {
    let mut gathered = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0F0F_0F0F_0F0F_0F0F),
        (4, 0x00FF_00FF_00FF_00FF),
        (8, 0x0000_FFFF_0000_FFFF),
        (16, 0x0000_0000_FFFF_FFFFu64),
    ] {
        gathered = (gathered | gathered >> shift) & mask;
    }
    gathered as u32
}

impl Position {
    /// Whether it is on the map.
    pub fn is_valid(&self) -> bool {
        (-LONGITUDE_MAX..=LONGITUDE_MAX).contains(&self.longitude)
            && (-LATITUDE_MAX..=LATITUDE_MAX).contains(&self.latitude)
    }

    pub fn cell(&self, step: u32) -> Cell {
        self.cell_of(step, LATITUDE_MAX)
    }

    /// The cell of a map that reaches from `-latitude_max` to `latitude_max`.
    fn cell_of(&self, step: u32, latitude_max: f64) -> Cell {
        let index = |value: f64, max: f64| ((value + max) / (max + max) * f64::from(1u32 << step)) as u32;
        Cell { step, column: index(self.longitude, LONGITUDE_MAX), row: index(self.latitude, latitude_max) }
    }

    /// The eleven letters of the geohash known elsewhere, whose map reaches from pole to pole. The last one is always 0: 52 bits
    /// do not fill it.
    pub fn geohash(&self) -> [u8; 11] {
        const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = self.cell_of(STEPS_MAX, 90.0).bits();
        let mut letters = [b'0'; 11];
        for (at, letter) in letters.iter_mut().take(10).enumerate() {
            *letter = LETTERS[(bits >> (52 - 5 * (at + 1))) as usize & 31];
        }
        letters
    }
}

impl Cell {
    pub fn bits(&self) -> u64 {
        spread(self.row) | spread(self.column) << 1
    }

    fn from_bits(bits: u64, step: u32) -> Cell {
        Cell { step, column: gather(bits >> 1), row: gather(bits) }
    }

    /// The scores of the positions in the cell: from the first to below the second.
    pub fn scores(&self) -> (f64, f64) {
        let shift = 2 * (STEPS_MAX - self.step);
        ((self.bits() << shift) as f64, ((self.bits() + 1) << shift) as f64)
    }

    pub fn bounds(&self) -> Bounds {
        let cells = (1u64 << self.step) as f64;
        let edge = |index: u64, max: f64| -max + index as f64 / cells * (max + max);
        let (column, row) = (u64::from(self.column), u64::from(self.row));
        Bounds {
            west: edge(column, LONGITUDE_MAX),
            east: edge(column + 1, LONGITUDE_MAX),
            south: edge(row, LATITUDE_MAX),
            north: edge(row + 1, LATITUDE_MAX),
        }
    }

    /// The cell so many columns to the east and rows to the north. The map's edges meet. The edge itself is in a cell beyond the last,
    /// which as in Redis only a move along that axis brings back.
    fn shifted(&self, east: i32, north: i32) -> Cell {
        let mask = ((1u64 << self.step) - 1) as u32;
        let shift = |index: u32, by: i32| if by == 0 { index } else { index.wrapping_add_signed(by) & mask };
        Cell { step: self.step, column: shift(self.column, east), row: shift(self.row, north) }
    }
}

/// The bits that a score is taken for. Members of any sorted set may be asked for their positions; what is no number of 64 bits becomes
/// what Redis's machine code for x86-64 makes of it: negative numbers wrap around, and beyond the range one value stands for all.
fn bits_of_score(score: f64) -> u64 {
    const HALF: f64 = (1u64 << 63) as f64;
    let truncated = |number: f64| if (-HALF..HALF).contains(&number) { number as i64 } else { i64::MIN };
    if score >= HALF { truncated(score - HALF) as u64 ^ 1 << 63 } else { truncated(score) as u64 }
}

/// The position that a score stands for: the middle of its cell.
pub fn position_of_score(score: f64) -> Position {
    let bounds = Cell::from_bits(bits_of_score(score), STEPS_MAX).bounds();
    let middle = |low: f64, high: f64, max: f64| ((low + high) / 2.0).clamp(-max, max);
    Position {
        longitude: middle(bounds.west, bounds.east, LONGITUDE_MAX),
        latitude: middle(bounds.south, bounds.north, LATITUDE_MAX),
    }
}

/// The score of a position.
pub fn score_of_position(position: &Position) -> f64 {
    position.cell(STEPS_MAX).bits() as f64
}

/// Meters between two positions.
pub fn distance_m(a: &Position, b: &Position) -> f64 {
    let v = ((b.longitude.to_radians_exactly() - a.longitude.to_radians_exactly()) / 2.0).sin();
    if v == 0.0 {
        return latitude_distance_m(a.latitude, b.latitude);
    }
    let (a_latitude, b_latitude) = (a.latitude.to_radians_exactly(), b.latitude.to_radians_exactly());
    let u = ((b_latitude - a_latitude) / 2.0).sin();
    let h = u * u + a_latitude.cos() * b_latitude.cos() * v * v;
    2.0 * EARTH_RADIUS_M * h.sqrt().asin()
}

fn latitude_distance_m(a: f64, b: f64) -> f64 {
    EARTH_RADIUS_M * (b.to_radians_exactly() - a.to_radians_exactly()).abs()
}

/// Degrees to radians and back with one multiplication or division by the same constant, as Redis does it: the last bit counts.
trait Degrees {
    fn to_radians_exactly(self) -> f64;
    fn to_degrees_exactly(self) -> f64;
}

const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

impl Degrees for f64 {
    fn to_radians_exactly(self) -> f64 {
        self * RADIANS_PER_DEGREE
    }

    fn to_degrees_exactly(self) -> f64 {
        self / RADIANS_PER_DEGREE
    }
}

/// What is searched around a position.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Shape {
    Circle { radius_m: f64 },
    Box { width_m: f64, height_m: f64 },
}

impl Shape {
    /// The distance of a position from the centre, if it is in the shape.
    pub fn distance_within(&self, centre: &Position, position: &Position) -> Option<f64> {
        match *self {
            Shape::Circle { radius_m } => Some(distance_m(centre, position)).filter(|distance| *distance <= radius_m),
            Shape::Box { width_m, height_m } => {
                if latitude_distance_m(position.latitude, centre.latitude) > height_m / 2.0 {
                    return None;
                }
                let beside = Position { longitude: centre.longitude, latitude: position.latitude };
                if distance_m(position, &beside) > width_m / 2.0 {
                    return None;
                }
                Some(distance_m(centre, position))
            }
        }
    }

    fn radius_m(&self) -> f64 {
        match *self {
            Shape::Circle { radius_m } => radius_m,
            Shape::Box { width_m, height_m } => {
                let (width, height) = (width_m / 2.0, height_m / 2.0);
                (width * width + height * height).sqrt()
            }
        }
    }

    fn bounds(&self, centre: &Position) -> Bounds {
        let (width_m, height_m) = match *self {
            Shape::Circle { radius_m } => (radius_m, radius_m),
            Shape::Box { width_m, height_m } => (width_m / 2.0, height_m / 2.0),
        };
        let latitude_delta = (height_m / EARTH_RADIUS_M).to_degrees_exactly();
        // A degree of longitude is shortest at the edge that is nearer to a pole, yet Redis takes the one farther from the equator's side.
        let at =
            if centre.latitude < 0.0 { centre.latitude - latitude_delta } else { centre.latitude + latitude_delta };
        let longitude_delta = (width_m / EARTH_RADIUS_M / at.to_radians_exactly().cos()).to_degrees_exactly();
        Bounds {
            west: centre.longitude - longitude_delta,
            east: centre.longitude + longitude_delta,
            south: centre.latitude - latitude_delta,
            north: centre.latitude + latitude_delta,
        }
    }

    /// The cells to look at, in the order in which Redis does: the centre's own, and those around it that the shape reaches.
    pub fn cells(&self, centre: &Position) -> Vec<Cell> {
        let wanted = self.bounds(centre);
        let mut step = steps(self.radius_m(), centre.latitude);
        let mut own = centre.cell(step);
        let near = |own: Cell, east, north| own.shifted(east, north).bounds();
        let too_small = near(own, 0, 1).north < wanted.north
            || near(own, 0, -1).south > wanted.south
            || near(own, 1, 0).east < wanted.east
            || near(own, -1, 0).west > wanted.west;
        if step > 1 && too_small {
            step -= 1;
            own = centre.cell(step);
        }
        let bounds = own.bounds();
        let mut cells: Vec<Cell> = vec![own];
        for (east, north) in [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)] {
            // Not reached by the shape. On a map of four cells all are neighbours on every side.
            let beyond = step >= 2
                && ((north < 0 && bounds.south < wanted.south)
                    || (north > 0 && bounds.north > wanted.north)
                    || (east < 0 && bounds.west < wanted.west)
                    || (east > 0 && bounds.east > wanted.east));
            let cell = own.shifted(east, north);
            // With huge shapes neighbours are the same cell. As in Redis only one that follows itself is left out, and not one that
            // is the centre's.
            let again = cells.len() > 1 && cells.last() == Some(&cell);
            if !beyond && !again {
                cells.push(cell);
            }
        }
        cells
    }
}

/// How fine a grid's cells are about as large as a circle; near the poles, where cells are narrow, a coarser one.
fn steps(radius_m: f64, latitude: f64) -> u32 {
    if radius_m == 0.0 {
        return STEPS_MAX;
    }
    let mut radius_m = radius_m;
    let mut step = 1i32;
    while radius_m < MERCATOR_MAX_M {
        radius_m *= 2.0;
        step += 1;
    }
    step -= 2;
    if latitude.abs() > 66.0 {
        step -= 1;
    }
    if latitude.abs() > 80.0 {
        step -= 1;
    }
    step.clamp(1, STEPS_MAX as i32) as u32
}

#[cfg(test)]
mod tests {
    use super::{Cell, Position, Shape, distance_m, position_of_score, score_of_position};
    use crate::base::random::Random;

    fn somewhere(random: &mut Random) -> Position {
        Position { longitude: random.unit_f64() * 360.0 - 180.0, latitude: random.unit_f64() * 170.0 - 85.0 }
    }

    #[test]
    fn known_positions() {
        let palermo = Position { longitude: 13.361389, latitude: 38.115556 };
        let catania = Position { longitude: 15.087269, latitude: 37.502669 };
        assert_eq!(score_of_position(&palermo), 3479099956230698.0);
        assert_eq!(score_of_position(&catania), 3479447370796909.0);
        let (palermo, catania) = (position_of_score(3479099956230698.0), position_of_score(3479447370796909.0));
        assert_eq!(format!("{:.4}", distance_m(&palermo, &catania)), "166274.1516");
        assert_eq!(&palermo.geohash(), b"sqc8b49rny0");
        assert_eq!(&catania.geohash(), b"sqdtr74hyu0");
    }

    #[test]
    fn bits_and_cells_are_the_same() {
        let mut random = Random::new(1);
        for _ in 0..10_000 {
            let cell = somewhere(&mut random).cell(26);
            assert_eq!(Cell::from_bits(cell.bits(), 26), cell);
            let position = position_of_score(cell.bits() as f64);
            assert_eq!(position.cell(26), cell);
        }
    }

    #[test]
    fn cells_hold_what_is_near() {
        let mut random = Random::new(2);
        for _ in 0..10_000 {
            let mut centre = somewhere(&mut random);
            centre.latitude *= 0.7;
            let radius_m = 10f64.powf(random.unit_f64() * 6.0);
            let shape = Shape::Circle { radius_m };
            let cells = shape.cells(&centre);
            let near = Position {
                longitude: centre.longitude + (random.unit_f64() - 0.5) * radius_m / 100_000.0,
                latitude: centre.latitude + (random.unit_f64() - 0.5) * radius_m / 100_000.0,
            };
            if !near.is_valid() || shape.distance_within(&centre, &near).is_none() {
                continue;
            }
            let score = score_of_position(&near);
            let inside = |cell: &Cell| (cell.scores().0..cell.scores().1).contains(&score);
            assert!(cells.iter().any(inside), "{centre:?} {radius_m} {near:?}");
        }
    }
}
