//! The pool: what it keeps, in what order.

use super::{Candidate, Evictor, POOL};

#[test]
fn the_pool_keeps_the_best() {
    let mut evictor = Evictor::default();
    for n in 0..200_u64 {
        let score = n * 7919 % 200;
        assert_eq!(evictor.wants(score), evictor.pool.len() < POOL || score > evictor.pool[0].score);
        evictor.offer(Candidate { score, hash: n, db: 0 });
    }
    let scores: Vec<u64> = evictor.pool.iter().map(|candidate| candidate.score).collect();
    assert_eq!(scores, (200 - POOL as u64..200).collect::<Vec<_>>());
    // The same key once more is not kept twice.
    let best = evictor.pool[POOL - 1];
    evictor.offer(Candidate { score: best.score + 1, ..best });
    assert_eq!(evictor.pool.iter().filter(|candidate| candidate.hash == best.hash).count(), 1);
}
