//! Geo commands: replies of the subject and of redis-server, from a table and from generated streams.

mod support;

use support::pair::{Pair, run_table};
use support::stream::{self, Command, Generator, Profile};
use support::table::Agreement;

const TABLES: &[(&str, &str)] = &[
    (
        "positions",
        r#"
GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
GEOADD g CH 13.361389 38.115557 Palermo 2.349014 48.864716 Paris
GEOADD g NX 1 1 Paris 0 0 null
GEOADD g XX CH 1 1 Paris 5 5 new
GEOADD g 180 85.05112878 corner -180 -85.05112878 other 0 0 zero -0 -0 minus
GEOPOS g Palermo Catania none corner other zero minus
GEOHASH g Palermo Catania none corner other zero
ZSCORE g Palermo
ZRANGE g 0 -1 WITHSCORES
GEODIST g Palermo Catania
GEODIST g Palermo Catania km
GEODIST g Palermo Catania MI
GEODIST g Palermo Catania ft
GEODIST g Palermo Palermo
GEODIST g Palermo none
GEODIST none a b
GEODIST g zero corner
GEODIST g Palermo Catania bogus
GEODIST g Palermo Catania km x
GEOPOS none a b
GEOPOS g
GEOHASH none a
GEOHASH none
GEOADD g 1 1
GEOADD g 1 1 a 2
GEOADD g NX XX 1 1 a
GEOADD g CH NX XX
GEOADD g 181 1 a
GEOADD g 1 86 a
GEOADD g abc 1 a
GEOADD g 1 abc a
GEOADD g inf 1 a
GEOADD g 1 1 a 181 1 b
GEOADD g GT 1 1 a
SET s v
GEOADD s 1 1 a
GEOADD s 200 1 a
GEOPOS s a
GEOHASH s a
GEODIST s a b
GEODIST s a b bogus
GEOSEARCH g FROMMEMBER Paris FROMMEMBER Palermo BYRADIUS 1 m BYRADIUS 500 km ASC
GEOSEARCH g FROMLONLAT 1 1 FROMLONLAT 2 48 BYBOX 1 1 m BYBOX 500 500 km ASC
GEOSEARCH g FROMMEMBER Paris FROMLONLAT 2 48 BYBOX 500 500 km ASC
GEOSEARCH g FROMMEMBER Paris BYRADIUS 1 m BYBOX 500 500 km ASC
DEBUG DIGEST-VALUE g
OBJECT ENCODING g
"#,
    ),
    (
        "searching",
        r#"
GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.5 41.9 Rome 2.349014 48.864716 Paris -74 40.7 York 12 12
GEORADIUS g 15 37 200 km
GEORADIUS g 15 37 200 km WITHDIST
GEORADIUS g 15 37 200 km WITHCOORD WITHHASH WITHDIST
GEORADIUS g 15 37 200 km WITHHASH ASC
GEORADIUS g 15 37 100000 km DESC WITHDIST
GEORADIUS g 15 37 5000 mi COUNT 2
GEORADIUS g 15 37 5000 mi COUNT 2 ANY
GEORADIUS g 15 37 5000 mi COUNT 2 ANY DESC
GEORADIUS g 15 37 0 m
GEORADIUS_RO g 15 37 200 km ASC
GEORADIUSBYMEMBER g Palermo 200 km
GEORADIUSBYMEMBER g Palermo 500 km ASC WITHDIST
GEORADIUSBYMEMBER_RO g Palermo 500 km DESC WITHDIST
GEORADIUS g 15 37 200 km STORE d
ZRANGE d 0 -1 WITHSCORES
GEORADIUS g 15 37 200 km STORE d STOREDIST e
number ZRANGE e 0 -1 WITHSCORES
GEORADIUS g 15 37 200 km STOREDIST e STORE f
ZRANGE f 0 -1 WITHSCORES
GEORADIUS g 15 37 1 m STORE d
EXISTS d
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC
GEOSEARCH g FROMMEMBER Palermo BYBOX 400 400 km ASC WITHDIST WITHCOORD WITHHASH
GEOSEARCH g BYBOX 4000 4000 KM FROMLONLAT 15 37 DESC COUNT 2
GEOSEARCH g FROMLONLAT 15 37 BYBOX 0 0 m
GEOSEARCH g FROMLONLAT 0 85 BYBOX 40000 40000 km
GEOSEARCH g FROMLONLAT 180 0 BYRADIUS 20000 km
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km
ZRANGE d 0 -1 WITHSCORES
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST COUNT 1
number ZRANGE d 0 -1 WITHSCORES
GEOSEARCHSTORE d none FROMLONLAT 15 37 BYRADIUS 200 km
EXISTS d
SET s v
GEORADIUS none 15 37 200 km
GEORADIUS none 15 37 200 km STORE s
EXISTS s
SET s v
GEORADIUSBYMEMBER none none 200 km STORE s
EXISTS s
GEORADIUS none 15 37 200 km BOGUS
GEORADIUS none 15 37 200 bogus
GEORADIUS g 200 37 200 km
GEORADIUS g a 37 200 km
GEORADIUS g 15 37 abc km
GEORADIUS g 15 37 -1 km
GEORADIUS g 15 37 inf km ASC
GEORADIUS g 15 37 200 km COUNT 0
GEORADIUS g 15 37 200 km COUNT -1
GEORADIUS g 15 37 200 km COUNT abc
GEORADIUS g 15 37 200 km COUNT
GEORADIUS g 15 37 200 km ANY
GEORADIUS g 15 37 200 km ANY COUNT 1
GEORADIUS g 15 37 200 km WITHDIST STORE x
GEORADIUS g 15 37 200 km STORE
GEORADIUS_RO g 15 37 200 km STORE x
GEORADIUSBYMEMBER_RO g Palermo 200 km STORE x
GEORADIUS none 15 37 200 km STORE x WITHDIST
GEORADIUSBYMEMBER g none 200 km
GEORADIUSBYMEMBER none none 200 km
GEORADIUSBYMEMBER none none 200 bogus
GEORADIUSBYMEMBER none none 200 km BOGUS
GEORADIUS g 15 37 200 km FROMLONLAT 1 1
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km BYBOX 1 1 km
GEOSEARCH g FROMLONLAT 15 37 FROMMEMBER x BYRADIUS 200 km
GEOSEARCH g FROMLONLAT 15 37 FROMMEMBER Palermo BYRADIUS 200 km
GEOSEARCH g FROMMEMBER none BYRADIUS 200 km
GEOSEARCH none FROMMEMBER none BYRADIUS 200 km
GEOSEARCH none FROMLONLAT 15 37 ASC DESC ASC
GEOSEARCH g FROMLONLAT 15 37 ASC DESC ASC
GEOSEARCH g BYRADIUS 200 km ASC DESC ASC
geosearch g ASC ASC ASC ASC ASC
GEOSEARCH g FROMLONLAT 15 37 BYBOX -1 400 km ASC
GEOSEARCH g FROMLONLAT 15 37 BYBOX 1 -1 km ASC
GEOSEARCH g FROMLONLAT 15 37 BYBOX a 1 km ASC
GEOSEARCH g FROMLONLAT 15 37 BYBOX 1 a km ASC
GEOSEARCH g FROMLONLAT 15 37 BYBOX 1 1 xx ASC
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST
GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ANY ASC
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km WITHDIST
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km STORE x
GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST STOREDIST
GEOSEARCHSTORE d none FROMLONLAT 15 37 BYRADIUS 200 km BOGUS
SET s v
GEOSEARCH s FROMLONLAT 15 37 BYRADIUS 200 km BOGUS
GEORADIUS s 15 37 200 bogus
"#,
    ),
];

#[test]
fn geo_as_redis_has_it() {
    run_table(TABLES, &[], &[]);
}

const FORMS: &[(&str, usize)] = &[
    ("GEOADD key [NX|XX] [CH] lon lat mem lon lat mem lon lat mem", 20),
    ("GEOADD key lon lat mem", 10),
    ("ZREM key mem", 2),
    ("GEODIST key mem mem [m|km|ft|mi]", 8),
    ("GEOPOS key mem...", 4),
    ("GEOHASH key mem...", 4),
    ("GEORADIUS key lon lat radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT few ANY|COUNT few] [ASC|DESC]", 8),
    ("GEORADIUS key lon lat radius unit [COUNT few] [STORE key|STOREDIST key]", 2),
    ("GEORADIUS_RO key lon lat radius unit [WITHCOORD] [WITHDIST]", 4),
    ("GEORADIUSBYMEMBER key mem radius unit [WITHDIST] [COUNT few] [ASC|DESC]", 6),
    ("GEORADIUSBYMEMBER_RO key mem radius unit [WITHHASH]", 3),
    ("GEOSEARCH key FROMLONLAT lon lat BYRADIUS radius unit [ASC|DESC] [WITHDIST] [WITHCOORD]", 8),
    ("GEOSEARCH key FROMLONLAT lon lat BYBOX radius radius unit [ASC|DESC] [COUNT few|COUNT few ANY]", 8),
    ("GEOSEARCH key FROMMEMBER mem BYBOX radius radius unit [WITHDIST]", 6),
    ("GEOSEARCHSTORE key key FROMLONLAT lon lat BYBOX radius radius unit", 1),
    ("GEOSEARCHSTORE key key FROMMEMBER mem BYRADIUS radius unit [COUNT few]", 1),
    ("ZRANGE key 0 -1 WITHSCORES", 1),
    ("DEL key", 1),
];

fn word(generator: &mut Generator, word: &str) -> Option<Vec<u8>> {
    let random = &mut generator.random;
    let mut coordinate = |max: usize| {
        let whole = random.below(2 * max + 1) as i64 - max as i64;
        match random.below(30) {
            0 => format!("{whole}"),
            1 => format!("{}", max + 10),
            _ => format!("{whole}.{:07}", random.below(10_000_000)),
        }
    };
    let text = match word {
        "lon" => coordinate(179),
        "lat" => coordinate(84),
        "radius" => {
            let digits = 1 + random.below(8);
            format!("{}.{}", random.below(10usize.pow(digits as u32)), random.below(1000))
        }
        "unit" => (*random.pick(&["m", "km", "km", "km", "ft", "mi", "KM"])).to_string(),
        "few" => (1 + random.below(10)).to_string(),
        "mem" => format!("m{}", random.below(400)),
        _ => return None,
    };
    Some(text.into_bytes())
}

/// Distances as scores are positions in one corner of the world, all as far from anywhere else: in which order those come is nobody's
/// business. So they go where no search looks.
fn mend(command: &mut Command) {
    if let Some(at) = command.iter().position(|word| word.eq_ignore_ascii_case(b"STOREDIST"))
        && let Some(target) = command.get_mut(at + 1)
    {
        *target = b"distances".to_vec();
    }
}

fn agreement(command: &Command) -> Agreement {
    if command[0].eq_ignore_ascii_case(b"ZRANGE") { Agreement::Number } else { Agreement::Exact }
}

static DEFAULT: Profile = Profile { forms: FORMS, word, agreement, mend, commands: 12_000, ..Profile::BASE };
static TINY: Profile = Profile { directives: &["--zset-max-listpack-entries", "8"], ..DEFAULT };

#[test]
fn a_stream_on_positions_in_resp2() {
    stream::run(&DEFAULT, "a_stream_on_positions_in_resp2", "2");
}

#[test]
fn a_stream_on_positions_in_resp3() {
    stream::run(&TINY, "a_stream_on_positions_in_resp3", "3");
}

/// Scores that no GEOADD gives.
const SCORES: &[&str] = &[
    "-inf",
    "-1e300",
    "-9223372036854775808",
    "-2.5e15",
    "-1",
    "-0.5",
    "0",
    "1.5",
    "2500000000000000",
    "3479099956230698.5",
    "4503599627370495",
    "4503599627370496",
    "9007199254740993",
    "9223372036854774784",
    "9223372036854775808",
    "1.2e19",
    "18446744073709549568",
    "18446744073709551616",
    "1e300",
    "inf",
];

/// ZADD gives a member any score, and the geo commands take its position from that.
#[test]
fn scores_that_are_no_positions() {
    let pair = Pair::start(&[]);
    let mut clients = pair.connect();
    for (number, score) in SCORES.iter().enumerate() {
        clients.line(&format!("ZADD g {score} m{number}"));
    }
    for number in 0..SCORES.len() {
        clients.lines(&format!(
            "GEOPOS g m{number}
             GEOHASH g m{number}
             GEOSEARCH g FROMMEMBER m{number} BYRADIUS 1000 km WITHDIST WITHHASH WITHCOORD
             GEOSEARCH g FROMMEMBER m{number} BYRADIUS 30000 km
             GEOSEARCH g FROMMEMBER m{number} BYBOX 30000 30000 km WITHHASH
             GEORADIUSBYMEMBER g m{number} 5000 km WITHDIST
             GEORADIUSBYMEMBER g m{number} 1 m STORE d
             ZRANGE d 0 -1 WITHSCORES"
        ));
        for other in 0..SCORES.len() {
            clients.line(&format!("GEODIST g m{number} m{other}"));
        }
    }
    // The edges of the map, where a cell begins that is not on it.
    for (longitude, latitude) in [("180", "85.05112878"), ("-180", "-85.05112878"), ("0", "85.05112878"), ("180", "0")]
    {
        for radius in ["1", "1000", "20000", "40000", "1e300"] {
            clients.line(&format!("GEORADIUS g {longitude} {latitude} {radius} km WITHDIST WITHHASH"));
        }
    }
}
