//! The listpack against a `Vec` of strings, against bytes that Redis 7.0.15 wrote, and against bytes that nobody should write.

use super::{END, HEADER, Listpack, ListpackValue, Needle, Position};
use crate::base::random::Random;

/// The listpacks inside DUMP payloads of Redis 7.0.15.
const INTS: &str = "71000000150000017f01c08002dfff02d00002cfff02f1ffef03f1001003f1ff7f03f1008003f200800004f2ff7fff04f2ffff7f04f20000\
    8004f30000800005f3ffff7fff05f3ffffff7f05f30000008005f4000000800000000009f4ffffffffffffff7f09f4000000000000008009ff";
const INTS_TEXT: &str = "0 127 128 -1 -4096 4095 -4097 4096 32767 -32768 32768 -32769 8388607 -8388608 8388608 -8388609 2147483647 \
    -2147483648 2147483648 9223372036854775807 -9223372036854775808";
const STRINGS: &str = "b80000000a00800181610282303103822d3003822b310382203103933932323333373230333638353437373538303814812d02bf\
    78787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878\
    787878787878787878787840e0407979797979797979797979797979797979797979797979797979797979797979797979797979\
    797979797979797979797979797979797979797979797979797942ff";
const STRINGS_TEXT: [&str; 10] = [
    "",
    "a",
    "01",
    "-0",
    "+1",
    " 1",
    "9223372036854775808",
    "-",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
];
const HASH: &str = "220000000600846e616d6505857a6564697306847965617205c7e8028166028001ff";
const ZSET: &str = "1d0000000600816102842d312e3505816202030181630283696e6604ff";

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter_map(|b| (b as char).to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn pack_of<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Listpack {
    let mut pack = Listpack::new();
    for text in texts {
        pack.append(text);
    }
    pack
}

fn texts(pack: &Listpack) -> Vec<Vec<u8>> {
    pack.iter().map(ListpackValue::to_vec).collect()
}

/// Everything that must hold of a pack.
fn check(pack: &Listpack, expected: &[Vec<u8>]) {
    assert_eq!(pack.len(), expected.len());
    assert_eq!(pack.is_empty(), expected.is_empty());
    assert!(pack.iter().map(ListpackValue::to_vec).eq(expected.iter().cloned()));
    assert!(pack.iter().rev().map(ListpackValue::to_vec).eq(expected.iter().rev().cloned()));
    assert!(pack.iter().zip(expected).all(|(value, text)| value.text_len() == text.len()));
    let reread = Listpack::from_bytes(pack.as_bytes()).expect("a pack of our own is valid");
    assert_eq!(reread.len(), expected.len());
    // A pack holds what it needs, an eighth of room at its ends, and the rest of a size class.
    assert!(pack.memory_bytes() <= super::SHRINK_ABOVE.max(pack.total_bytes() * 5 / 2), "{}", pack.memory_bytes());
}

#[test]
fn bytes_are_redis_bytes() {
    let ints = pack_of(INTS_TEXT.split(' ').map(str::as_bytes));
    assert_eq!(ints.as_bytes(), unhex(INTS));
    for (value, text) in ints.iter().zip(INTS_TEXT.split(' ')) {
        assert_eq!(value, ListpackValue::Int(text.parse().expect("an i64")));
    }
    let strings = pack_of(STRINGS_TEXT.iter().map(|text| text.as_bytes()));
    assert_eq!(strings.as_bytes(), unhex(STRINGS));
    assert!(strings.iter().zip(STRINGS_TEXT).all(|(value, text)| value == ListpackValue::Bytes(text.as_bytes())));
    let hash = Listpack::from_bytes(&unhex(HASH)).expect("written by Redis");
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = hash.pairs().map(|(field, value)| (field.to_vec(), value.to_vec())).collect();
    let expected: [(&[u8], &[u8]); 3] = [(b"name", b"zedis"), (b"year", b"2024"), (b"f", b"")];
    assert!(pairs.iter().map(|(field, value)| (&field[..], &value[..])).eq(expected));
    assert_eq!(hash, pack_of([&b"name"[..], b"zedis", b"year", b"2024", b"f", b""]));
    let zset = Listpack::from_bytes(&unhex(ZSET)).expect("written by Redis");
    assert_eq!(texts(&zset), [&b"a"[..], b"-1.5", b"b", b"3", b"c", b"inf"]);
}

/// Lengths around those at which header and backlen grow, the size of a pack with such a string, and the last bytes that Redis
/// 7.0.15 writes for it. (The payloads of the longest are a hash's, with a field of three bytes before the string.)
#[test]
fn long_strings_are_redis_bytes() {
    let cases: [(usize, usize, &str); 13] = [
        (4095, 4106, "712081ff"),
        (4096, 4110, "712085ff"),
        (16_376, 16_390, "717ffdff"),
        (16_377, 16_391, "717ffeff"),
        (16_378, 16_393, "00ffffff"),
        (16_379, 16_394, "018080ff"),
        (16_383, 16_398, "018084ff"),
        (60_000, 60_015, "03d4e5ff"),
        (2_097_145, 2_097_163 - 3, "717ffffeff"),
        (2_097_146, 2_097_165 - 3, "00ffffffff"),
        (2_097_147, 2_097_166 - 3, "01808080ff"),
        (2_097_148, 2_097_167 - 3, "01808081ff"),
        (0, 9, "008001ff"),
    ];
    for (len, total, tail) in cases {
        let text = vec![b'q'; len];
        let pack = pack_of([&text[..]]);
        assert_eq!(pack.total_bytes(), total, "length {len}");
        let tail = unhex(tail);
        assert!(pack.as_bytes().ends_with(&tail), "length {len}");
        check(&pack, &[text]);
    }
}

fn text(random: &mut Random) -> Vec<u8> {
    match random.below(10) {
        0 => (random.next_u64() as i64 >> random.below(64)).to_string().into_bytes(),
        1 => random.below(200).to_string().into_bytes(),
        2 => vec![b'0' + random.below(10) as u8; random.below(25) as usize],
        3 => vec![b'v'; random.below(300) as usize],
        4 if random.below(20) == 0 => vec![b'w'; random.below(20_000) as usize],
        _ => {
            let mut text = vec![0; random.below(12) as usize];
            random.fill(&mut text);
            text
        }
    }
}

#[test]
fn behaves_as_a_vec_of_strings() {
    for seed in 0..60 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut pack = Listpack::new();
        let mut twin: Vec<Vec<u8>> = Vec::new();
        // Some runs stay small, some grow, some shrink again.
        let most = 1 + random.below(120);
        for step in 0..400 {
            let len = twin.len();
            let index = random.below(len as u64 + 1) as usize;
            let value = text(&mut random);
            let grows = (len as u64) < most && (step < 300 || random.below(3) == 0);
            match (random.below(12), pack.seek(index)) {
                (0..=2, _) if grows => {
                    assert_eq!(Some(pack.append(&value[..])), pack.last());
                    twin.push(value);
                }
                (3..=4, _) if grows => {
                    assert_eq!(Some(pack.prepend(&value[..])), pack.first());
                    twin.insert(0, value);
                }
                (5, Some(position)) if grows => {
                    assert_eq!(pack.insert_before(position, &value[..]), position);
                    twin.insert(index, value);
                }
                (6, Some(position)) if grows => {
                    let new = pack.insert_after(position, &value[..]);
                    assert!(pack.get(new).is_some_and(|found| found.is(&value)));
                    twin.insert(index + 1, value);
                }
                (0..=7, Some(position)) => {
                    pack.replace(position, &value[..]);
                    twin[index] = value;
                }
                (8, Some(position)) => {
                    let next = pack.remove(position);
                    twin.remove(index);
                    assert_eq!(
                        next.map(|next| pack.get(next).map(ListpackValue::to_vec)),
                        twin.get(index).cloned().map(Some)
                    );
                }
                (9, Some(position)) => {
                    let count = random.below(6) as usize;
                    let next = pack.remove_some(position, count);
                    twin.drain(index..(index + count).min(len));
                    assert_eq!(next, pack.seek(index));
                }
                (10, _) => {
                    let count = random.below(6) as usize;
                    let stop = (index + count).min(len);
                    assert_eq!(pack.remove_range(index, count), stop - index);
                    twin.drain(index..stop);
                }
                (_, Some(position)) => {
                    let behind = pack.split_off(position);
                    let twin_behind = twin.split_off(index);
                    check(&pack, &twin);
                    check(&behind, &twin_behind);
                    pack.append_all(&behind);
                    twin.extend(twin_behind);
                }
                _ => pack.shrink_to_fit(),
            }
            check(&pack, &twin);
            read(&pack, &twin, &mut random);
        }
    }
}

/// Compares what can be read.
fn read(pack: &Listpack, twin: &[Vec<u8>], random: &mut Random) {
    let start = random.below(twin.len() as u64 + 2) as usize;
    let count = random.below(twin.len() as u64 + 2) as usize;
    let part = twin.iter().skip(start).take(count).cloned();
    assert!(pack.range(start, count).map(ListpackValue::to_vec).eq(part.clone()));
    assert!(pack.range(start, count).rev().map(ListpackValue::to_vec).eq(part.collect::<Vec<_>>().into_iter().rev()));
    let wanted = match twin.get(start) {
        Some(text) => text.clone(),
        None => text(random),
    };
    for skip in 0..3 {
        let expected = (0..twin.len()).step_by(skip + 1).find(|&index| twin[index] == wanted);
        assert_eq!(pack.find(&wanted, skip), expected.and_then(|index| pack.seek(index)));
    }
    let last = twin.iter().rposition(|text| *text == wanted);
    assert_eq!(pack.rfind(&Needle::new(&wanted)), last.and_then(|index| pack.seek(index)));
    if let Some(position) = pack.seek(start) {
        assert!(pack.iter_from(position).map(ListpackValue::to_vec).eq(twin[start..].iter().cloned()));
        assert_eq!(pack.next(position), pack.seek(start + 1));
        assert_eq!(pack.prev(position), start.checked_sub(1).and_then(|before| pack.seek(before)));
    }
}

/// Does everything to a pack that was accepted; nothing may panic, and what comes out must be valid again.
fn exercise(bytes: Vec<u8>) {
    let Ok(pack) = Listpack::from_bytes(&bytes) else { return };
    let twin = texts(&pack);
    assert_eq!(pack.iter().rev().count(), twin.len());
    for (index, text) in twin.iter().enumerate() {
        let position = pack.seek(index).expect("an element of its own");
        assert!(pack.get(position).is_some_and(|value| Needle::new(text).is(value)));
        assert!(pack.find(text, 0).is_some_and(|first| first <= position));
        let new = [&b""[..], b"-1", b"a string somewhat longer than the others"][index % 3];
        let mut expected = twin.clone();
        let mut changed = pack.clone();
        changed.insert_before(position, new);
        expected.insert(index, new.to_vec());
        check(&changed, &expected);
        changed.replace(position, b"12345");
        expected[index] = b"12345".to_vec();
        check(&changed, &expected);
        changed.remove(position);
        expected.remove(index);
        check(&changed, &expected);
    }
}

#[test]
fn every_changed_byte_is_refused_or_harmless() {
    for hex in [INTS, HASH, ZSET] {
        let bytes = unhex(hex);
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[at] = value;
                exercise(changed);
            }
            exercise(bytes[..at].to_vec());
            exercise(bytes[at..].to_vec());
        }
    }
}

#[test]
fn wrong_lengths_and_counts_are_refused() {
    let good = unhex(HASH);
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Listpack::from_bytes(&bytes).expect_err("must be refused").0
    };
    assert!(refused(&|bytes| bytes.clear()).contains("header"));
    assert!(refused(&|bytes| bytes.truncate(6)).contains("length"));
    assert!(refused(&|bytes| bytes[0] += 1).contains("length"));
    assert!(refused(&|bytes| bytes[4] += 1).contains("number of elements"));
    assert!(refused(&|bytes| bytes[6] = 0xF5).contains("unknown entry"));
    // A string of 4 GB in 34 bytes.
    assert!(refused(&|bytes| bytes[6..11].copy_from_slice(&[0xF0, 255, 255, 255, 255])).contains("beyond its end"));
    assert!(refused(&|bytes| bytes[11] = 6).contains("backlen"));
    assert!(refused(&|bytes| *bytes.last_mut().expect("34 bytes") = 0).contains("beyond its end"));
    // A count that says nothing is no wrong count.
    let mut unknown = good.clone();
    unknown[4..6].copy_from_slice(&[255, 255]);
    assert_eq!(Listpack::from_bytes(&unknown).map(|pack| pack.len()), Ok(6));
}

#[test]
fn random_bytes_are_refused_or_harmless() {
    for seed in 0..3000 {
        let mut random = Random::new(seed);
        let mut bytes = vec![0; 7 + random.below(60) as usize];
        random.fill(&mut bytes);
        // Else the first check refuses them all.
        let total = bytes.len() as u32;
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        bytes[4..6].copy_from_slice(&[255, 255]);
        *bytes.last_mut().expect("at least 7") = END;
        exercise(bytes);
    }
}

#[test]
fn outdated_positions_read_something_or_nothing() {
    let pack = Listpack::from_bytes(&unhex(INTS)).expect("written by Redis");
    for offset in 0..300 {
        let position = Position(offset);
        let _ = (pack.get(position), pack.next(position), pack.prev(position), pack.iter_from(position).count());
        let _ = pack.find_from(position, &Needle::new(b"no such"), 1);
    }
}

#[test]
fn counts_beyond_16_bits_are_exact() {
    let mut pack = Listpack::new();
    for _ in 0..70_000 {
        pack.append(1);
    }
    assert_eq!((pack.len(), &pack.as_bytes()[4..HEADER]), (70_000, &[255, 255][..]));
    let reread = Listpack::from_bytes(pack.as_bytes()).expect("a pack of our own is valid");
    assert_eq!(reread.len(), 70_000);
    pack.remove_range(10, 4_466);
    assert_eq!((pack.len(), &pack.as_bytes()[4..HEADER]), (65_534, &[254, 255][..]));
    assert!(pack.is_safe_to_add(1 << 29) && !pack.is_safe_to_add(1 << 30) && !pack.is_safe_to_add(usize::MAX));
}

#[test]
fn integers_are_found_by_their_text_and_strings_by_theirs() {
    let mut pack = pack_of([&b"12"[..], b"012", b"-7", b"x"]);
    assert_eq!(pack.find(b"12", 0), pack.seek(0));
    assert_eq!(pack.find(b"012", 0), pack.seek(1));
    assert_eq!(pack.find(b"-7", 0), pack.seek(2));
    assert_eq!(pack.find(b"-07", 0), None);
    assert_eq!(pack.find(b"", 0), None);
    assert_eq!(pack.find(b"x", 0).and_then(|position| pack.get(position)).and_then(ListpackValue::as_i64), None);
    pack.clear();
    assert_eq!((pack.find(b"12", 1), pack.first(), pack.last(), pack.len()), (None, None, None, 0));
    // Another server may have kept an integer as a string; it is the same element.
    let bytes = vec![11, 0, 0, 0, 1, 0, 0x82, b'1', b'2', 3, END];
    let foreign = Listpack::from_bytes(&bytes).expect("valid, if wasteful");
    assert_eq!(foreign.find(b"12", 0), foreign.first());
    assert_eq!(foreign.iter().next().and_then(ListpackValue::as_i64), Some(12));
}

#[test]
fn samples_are_distinct_in_order_and_of_equal_chance() {
    let mut random = Random::new(7);
    let pack = pack_of((0..20).map(|number| if number % 2 == 0 { &b"field"[..] } else { b"value" }));
    let mut chosen = [0; 20];
    for count in [0, 1, 3, 10, 11] {
        for _ in 0..2000 {
            let mut positions = Vec::new();
            pack.sample(2, count, |n| random.below(n as u64) as usize, |position| positions.push(position));
            assert_eq!(positions.len(), count.min(10));
            assert!(positions.is_sorted_by(|a, b| a < b));
            for position in positions {
                let index = (0..20).find(|&index| pack.seek(index) == Some(position)).expect("an element");
                assert!(pack.get(position).is_some_and(|value| value.is(b"field")));
                chosen[index] += 1;
            }
        }
    }
    // 2,000 * (1 + 3 + 10 + 10) choices among ten; the seed makes the numbers the same every time.
    assert!(chosen.iter().step_by(2).all(|&times| (4_500..5_100).contains(&times)), "{chosen:?}");
    assert_eq!(Listpack::new().random(2, |_| 0), None);
    assert_eq!(pack.random(2, |groups| groups - 1), pack.seek(18));
}

/// What a queue does: the pack stays where it is, however long that goes on.
#[test]
fn a_queue_in_a_pack_does_not_grow() {
    let mut pack = Listpack::new();
    for number in 0..50i64 {
        pack.append(number);
    }
    for number in 50..20_000i64 {
        pack.append(number);
        pack.remove(pack.first().expect("50 elements"));
        assert!(pack.memory_bytes() <= 448, "{} bytes for {}", pack.memory_bytes(), pack.total_bytes());
    }
    assert!(pack.iter().map(ListpackValue::as_i64).eq((19_950..20_000).map(Some)));
}

/// What could be written in fewer bytes is: a string has one encoding, whoever wrote the pack.
#[test]
fn a_pack_from_elsewhere_is_written_as_redis_writes_it() {
    let entries: [(&[u8], &str); 6] = [
        (&[0x81, b'7', 0x02], "7"),                   // digits as a string
        (&[0xC0, 0x05, 0x02], "5"),                   // a 13-bit 5
        (&[0xF4, 1, 0, 0, 0, 0, 0, 0, 0, 0x09], "1"), // a 64-bit 1
        (&[0xE0, 0x02, b'a', b'b', 0x04], "ab"),      // a long length for two bytes
        (&[0xF0, 1, 0, 0, 0, b'c', 0x06], "c"),       // a longer one
        (&[0xF1, 0xFF, 0xFF, 0x03], "-1"),            // 16 bits for what fits in 13
    ];
    let mut bytes = vec![0, 0, 0, 0, entries.len() as u8, 0];
    let mut expected = Listpack::new();
    for (entry, text) in entries {
        bytes.extend_from_slice(entry);
        expected.append(text.as_bytes());
    }
    bytes.push(0xFF);
    let total = bytes.len() as u32;
    bytes[..4].copy_from_slice(&total.to_le_bytes());
    let pack = Listpack::from_bytes(&bytes).expect("valid, if wasteful");
    assert_eq!(pack.as_bytes(), expected.as_bytes());
    assert_eq!(pack.len(), entries.len());
    assert!(entries.iter().all(|(_, text)| pack.find(text.as_bytes(), 0).is_some()));
}
