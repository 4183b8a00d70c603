//! A hint about branches. What a turn of GETs and SETs executes is some 200 lines of the processor's cache of instructions, nearly all of
//! which the kernel has driven out since the last turn; a branch that is seldom taken costs a part of a line where it lies between them.

/// Says that the branch in which it stands is seldom taken: its code is put out of the way of the rest. No instruction.
#[cold]
#[inline]
pub fn cold_path() {}
