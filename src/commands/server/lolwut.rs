//! LOLWUT: a skyline of towers like a flame graph, another one each time.

use crate::base::random::Random;
use crate::commands::{Acl, Arg, Args, Command, CommandResult, Flags, Group, Run};
use crate::server::Engine;
use crate::server::start::REDIS_VERSION;

pub(super) static LOLWUT: Command = Command {
    name: "lolwut",
    arity: -1,
    run: Run::Server(lolwut),
    flags: Flags::READONLY.union(Flags::FAST),
    acl: Acl::READ.union(Acl::FAST),
    group: Group::Server,
    summary: "Draws a picture and tells the version.",
    since: "5.0.0",
    complexity: "",
    args: &[Arg::integer("version").token("VERSION").optional()],
    ..Command::BASE
};

const WIDTH: usize = 64;
const ROWS: usize = 8;
/// Narrower than this, a frame has nothing on top of it.
const FRAME_MIN: usize = 6;

fn lolwut(args: &mut Args<'_>, engine: &mut Engine, key: usize) -> CommandResult {
    let asked_version = args.len() >= 3 && args.is(1, "VERSION");
    if asked_version {
        args.int(2)?;
    }
    // Not the keyspace's random source, whose numbers are nobody's business.
    let mut random = Random::new(engine.clock.unix_us());
    let mut text = flames(&mut random);
    text.push_str(&format!("\nTime well spent, seen from the side. Redis ver. {REDIS_VERSION}\n"));
    engine.reply(key).verbatim("txt", text.as_bytes());
    Ok(())
}

/// Frames stacked on frames, each within the one below it.
fn flames(random: &mut Random) -> String {
    let mut rows = vec![[' '; WIDTH]; ROWS];
    let mut frames = vec![(0, WIDTH)];
    for row in &mut rows {
        let mut above = Vec::new();
        for &(from, to) in &frames {
            row[from] = '[';
            row[to - 1] = ']';
            let shade = ['=', '-', '~', ':'][random.below(4) as usize];
            row[from + 1..to - 1].fill(shade);
            above.extend(children(from, to, random));
        }
        frames = above;
    }
    rows.iter()
        .rev()
        .map(|row| row.iter().collect::<String>().trim_end().to_string() + "\n")
        .skip_while(|line| line == "\n")
        .collect()
}

/// What a frame called: one to three parts of it, and a bit of its own time at the end.
fn children(from: usize, to: usize, random: &mut Random) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = from;
    while to - at >= FRAME_MIN && found.len() < 3 {
        let len = 3 + random.below((to - at - 3) as u64) as usize;
        found.push((at, at + len));
        at += len;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{ROWS, Random, WIDTH, flames};

    #[test]
    fn any_picture_has_its_size() {
        for seed in 0..1000 {
            let text = flames(&mut Random::new(seed));
            assert!((1..=ROWS).contains(&text.lines().count()), "seed {seed}");
            assert!(text.lines().all(|line| line.len() <= WIDTH), "seed {seed}");
            assert_eq!(text.lines().last().map(str::len), Some(WIDTH), "seed {seed}");
        }
    }
}
