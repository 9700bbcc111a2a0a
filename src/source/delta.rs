//! What a pack keeps in place of an object: how it is made of another one, which is called its base.

/// Makes an object of its base, as <https://git-scm.com/docs/gitformat-pack> says; `None` if that makes no
/// sense, or the object has more bytes than `most`. What was in `made` is replaced.
pub(super) fn apply(base: &[u8], delta: &[u8], most: usize, made: &mut Vec<u8>) -> Option<()> {
    made.clear();
    let mut rest = delta;
    if length(&mut rest)? != base.len() {
        return None;
    }
    let size = length(&mut rest).filter(|size| *size <= most)?;
    made.reserve(size);
    while let Some((instruction, after)) = rest.split_first() {
        rest = after;
        let piece = if instruction & 0x80 == 0 {
            let (new, after) = rest.split_at_checked(usize::from(*instruction))?;
            rest = after;
            new
        } else {
            let start = number(&mut rest, *instruction, 4)?;
            let length = match number(&mut rest, instruction >> 4, 3)? {
                0 => 0x10000,
                length => length,
            };
            base.get(start..start + length)?
        };
        if piece.is_empty() || piece.len() > size - made.len() {
            return None;
        }
        made.extend_from_slice(piece);
    }
    (made.len() == size).then_some(())
}

/// A length, seven bits in each byte, the last of which is below 128.
fn length(rest: &mut &[u8]) -> Option<usize> {
    let mut length = 0;
    for place in 0..usize::BITS / 7 {
        let byte = rest.split_off_first()?;
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

/// A number of some bytes, of which those that are zero are left out: a bit tells which are there.
fn number(rest: &mut &[u8], which: u8, bytes: u32) -> Option<usize> {
    let mut number = 0;
    for place in (0..bytes).filter(|place| which & (1 << place) != 0) {
        number |= usize::from(*rest.split_off_first()?) << (8 * place);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(base: &[u8], delta: &[u8], most: usize) -> Option<Vec<u8>> {
        let mut made = b"what was there".to_vec();
        apply(base, delta, most, &mut made).map(|()| made)
    }

    #[test]
    fn a_difference_copies_and_adds_and_is_refused_if_it_makes_no_sense() {
        let base = b"0123456789";
        // Three bytes from the fifth on, two new ones, and all of the base.
        let delta = b"\x0a\x0f\x91\x04\x03\x02ab\x90\x0a";
        assert_eq!(made(base, delta, 15), Some(b"456ab0123456789".to_vec()));
        assert_eq!(made(base, delta, 14), None, "too large");
        for end in 0..delta.len() {
            assert_eq!(made(base, &delta[..end], 15), None, "cut at {end}");
        }
        for wrong in [
            &b"\x09\x01\x01a"[..],
            b"\x0a\x01\x02ab",
            b"\x0a\x02\x01a",
            b"\x0a\x01\x91\x0a\x01",
            b"\x0a\x01\x00\x01a",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01a",
        ] {
            assert_eq!(made(base, wrong, 15), None, "{wrong:?}");
        }
        // Without a length it is 65,536 bytes.
        let base = vec![b'x'; 0x10000];
        let delta = b"\x80\x80\x04\x80\x80\x04\x80";
        assert_eq!(made(&base, delta, base.len()), Some(base));
    }
}
