//! Sorting many floats, fast: three counting passes over order-preserving integer keys.

const DIGIT_BITS: u32 = 11;
const DIGITS: usize = 1 << DIGIT_BITS;
const PASSES: usize = 3;
/// Below this length the counting tables cost more than a comparison sort.
const SMALL: usize = 1024;

/// The key whose unsigned order is the total order of `value` (-0 before +0, NaN at the ends).
pub(crate) fn float_to_key(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The float of a key.
pub(crate) fn key_to_float(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

/// Sorts `values` by `key`, stably. `scratch` is working space that can be handed in again.
pub(crate) fn sort_by_u32_key<T: Copy + Default>(
    values: &mut Vec<T>,
    scratch: &mut Vec<T>,
    key: impl Fn(T) -> u32,
) {
    if values.len() < SMALL {
        values.sort_by_key(|&v| key(v));
        return;
    }
    scratch.clear();
    scratch.resize(values.len(), T::default());
    let digit = |v: T, pass: usize| (key(v) >> (DIGIT_BITS * pass as u32)) as usize & (DIGITS - 1);

    let mut counts = vec![[0_u32; DIGITS]; PASSES];
    for &v in values.iter() {
        for (pass, table) in counts.iter_mut().enumerate() {
            table[digit(v, pass)] += 1;
        }
    }
    for (pass, table) in counts.iter_mut().enumerate() {
        let mut position = 0;
        for count in table.iter_mut() {
            position += std::mem::replace(count, position);
        }
        for &v in values.iter() {
            let slot = &mut table[digit(v, pass)];
            scratch[*slot as usize] = v;
            *slot += 1;
        }
        std::mem::swap(values, scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_keep_the_total_order_and_come_back() {
        let ordered = [f32::NEG_INFINITY, -3.5, -1e-40, -0.0, 0.0, 1e-40, 2.0, f32::INFINITY];
        for pair in ordered.windows(2) {
            assert!(float_to_key(pair[0]) < float_to_key(pair[1]), "{pair:?}");
        }
        for v in ordered {
            assert_eq!(key_to_float(float_to_key(v)).to_bits(), v.to_bits());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_radix_sort_agrees_with_the_standard_one(
            values in prop::collection::vec(any::<f32>(), 0..5000)
        ) {
            let mut expected = values.clone();
            expected.sort_by(f32::total_cmp);
            let mut keys: Vec<u32> = values.iter().map(|&v| float_to_key(v)).collect();
            sort_by_u32_key(&mut keys, &mut Vec::new(), |k| k);
            let actual: Vec<u32> = keys.iter().map(|&k| key_to_float(k).to_bits()).collect();
            prop_assert_eq!(actual, expected.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
        }
    }
}
