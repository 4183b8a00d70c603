//! Recorded from redis-server 7.0.15.

/// Elements; length and digest after adding them; cardinality; digest after counting them.
pub(super) const STRINGS: &[(u64, usize, u64, u64, u64)] = &[
    (1, 21, 0x5db2e01c33707b73, 1, 0xee0dc2daee4050ac),
    (10, 48, 0x77f1dfb6ec0d7ad9, 10, 0x911d310964ebaba7),
    (100, 285, 0x67b325af879902d0, 99, 0x33e4e4e6be9ec79),
    (500, 1050, 0x78db67250c4fc8c0, 502, 0xc9dc690d7dab3bbd),
    (1000, 1897, 0xf28a9d93d3164c9, 997, 0xb2a2cc508fc5ee31),
    (2000, 12304, 0xcce1885576faad71, 2004, 0x6f0493b07f19385c),
    (5000, 12304, 0x71b59976ab1aa332, 5005, 0x34cb6bb2d0f2df6a),
    (30000, 12304, 0xc3652e64f69e2bf, 29738, 0xb7ebba2d0ad334a5),
];
/// Three elements.
pub(super) const THREE: &[u8] =
    &[72, 89, 76, 76, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 68, 142, 128, 80, 200, 128, 75, 39, 128, 95, 124];
/// As PFDEBUG DECODE shows it.
pub(super) const THREE_DECODED: &str = "Z:1167 v:1,1 Z:4297 v:1,1 Z:2856 v:1,1 Z:8061";
/// An element, its register and its value.
pub(super) const PLACES: &[(&[u8], usize, u8)] = &[
    (b"", 5938, 2),
    (b"a", 12711, 2),
    (b"ab", 719, 1),
    (b"abc", 9474, 1),
    (b"abcdefg", 5634, 2),
    (b"abcdefgh", 1383, 1),
    (b"abcdefghi", 6903, 1),
    (b"\0", 8840, 2),
    (b"the quick brown fox jumps", 7253, 2),
    (b"element:__rand_int__", 3537, 1),
];
