//! Fields against loops over single bits and plain arithmetic.

use super::{FieldType, Overflow};
use crate::base::random::Random;
use crate::commands::bitmap::bits::bit;

#[test]
fn fields_agree_with_single_bits() {
    let seed = 9;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for _ in 0..20_000 {
        let signed = random.below(2) == 0;
        let width = 1 + random.below(if signed { 64 } else { 63 }) as u32;
        let field = FieldType { signed, width };
        let offset = random.below(100);
        let len = (offset as usize + width as usize).div_ceil(8) + random.below(3) as usize;
        let mut bytes = vec![0; len];
        random.fill(&mut bytes);
        let before = bytes.clone();
        let number = field.fit(i128::from(random.next_u64() as i64), Overflow::Wrap).expect("it wraps");
        field.write(&mut bytes, offset, number);
        assert_eq!(field.read(&bytes, offset), number);
        for at in 0..len as u64 * 8 {
            let inside = (offset..offset + u64::from(width)).contains(&at);
            let wanted =
                if inside { number as u64 >> (offset + u64::from(width) - 1 - at) & 1 == 1 } else { bit(&before, at) };
            assert_eq!(bit(&bytes, at), wanted, "bit {at} of {field:?} at {offset}");
        }
        // What lies beyond the end is clear.
        let cut = &bytes[..random.below(len as u64 + 1) as usize];
        let mut padded = cut.to_vec();
        padded.resize(len, 0);
        assert_eq!(field.read(cut, offset), field.read(&padded, offset));
    }
    assert_eq!(FieldType { signed: true, width: 64 }.read(b"\xff", u64::MAX), 0);
}

#[test]
fn numbers_that_do_not_fit() {
    let fit = |text: &str, number: i128| {
        let field = FieldType::parse(text.as_bytes()).expect("a type");
        [Overflow::Wrap, Overflow::Saturate, Overflow::Fail].map(|overflow| field.fit(number, overflow))
    };
    assert_eq!(fit("u8", 255), [Some(255); 3]);
    assert_eq!(fit("u8", 256), [Some(0), Some(255), None]);
    assert_eq!(fit("u8", -1), [Some(255), Some(0), None]);
    assert_eq!(fit("i8", 128), [Some(-128), Some(127), None]);
    assert_eq!(fit("i8", -129), [Some(127), Some(-128), None]);
    assert_eq!(fit("i1", 1), [Some(-1), Some(0), None]);
    assert_eq!(fit("u63", 1 << 63), [Some(0), Some(i64::MAX), None]);
    assert_eq!(fit("i64", i128::from(i64::MAX) + 1), [Some(i64::MIN), Some(i64::MAX), None]);
    let field = FieldType { signed: true, width: 8 };
    assert_eq!(field.fit_given(-129, Overflow::Saturate), Some(-128));
    assert_eq!(field.fit_given(i64::MIN, Overflow::Saturate), Some(127));
    assert_eq!(field.fit_given(i64::MIN, Overflow::Wrap), Some(0));
    let field = FieldType { signed: false, width: 8 };
    assert_eq!(field.fit_given(-1, Overflow::Saturate), Some(255));
    for text in ["", "u", "u0", "u64", "i65", "x8", "U8", "i-1", "i1x"] {
        assert_eq!(FieldType::parse(text.as_bytes()), None, "{text}");
    }
}
