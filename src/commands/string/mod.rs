//! String commands (<https://redis.io/docs/latest/commands/?group=string>).

mod append;
mod digest;
mod expiry;
mod get;
mod incr;
mod increx;
mod lcs;
mod mset;
mod set;

use super::Command;

pub static COMMANDS: &[&Command] = &[
    &append::APPEND,
    &incr::DECR,
    &incr::DECRBY,
    &digest::DELEX,
    &digest::DIGEST,
    &get::GET,
    &get::GETDEL,
    &get::GETEX,
    &get::GETRANGE,
    &set::GETSET,
    &incr::INCR,
    &incr::INCRBY,
    &incr::INCRBYFLOAT,
    &increx::INCREX,
    &lcs::LCS,
    &get::MGET,
    &mset::MSET,
    &mset::MSETEX,
    &mset::MSETNX,
    &set::PSETEX,
    &set::SET,
    &set::SETEX,
    &set::SETNX,
    &append::SETRANGE,
    &get::STRLEN,
    &get::SUBSTR,
];
