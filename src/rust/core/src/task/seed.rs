//! Streams of the generator L'Ecuyer-CMRG (MRG32k3a): each is 2^127 numbers further along than the
//! one before, so that no two tasks draw the same numbers. L'Ecuyer, Simard, Chen and Kelton (2002),
//! "An object-oriented random-number package with many long streams and substreams".

/// The state of the generator, as R keeps it.
pub type Seed = [i32; 6];

const M1: u64 = 4_294_967_087;
const M2: u64 = 4_294_944_443;

/// The generator's two matrices to the power of 2^127, modulo `M1` and `M2`.
const A1: [[u64; 3]; 3] = [
    [2_427_906_178, 3_580_155_704, 949_770_784],
    [226_153_695, 1_230_515_664, 3_580_155_704],
    [1_988_835_001, 986_791_581, 1_230_515_664],
];
const A2: [[u64; 3]; 3] = [
    [1_464_411_153, 277_697_599, 1_610_723_613],
    [32_183_930, 1_464_411_153, 1_022_607_788],
    [2_824_425_944, 32_183_930, 2_093_834_863],
];

fn advance(matrix: [[u64; 3]; 3], state: &[i32], modulus: u64) -> [i32; 3] {
    matrix.map(|row| {
        // R keeps unsigned numbers as the integers with the same bits.
        let terms = row.iter().zip(state).map(|(a, s)| a * u64::from(*s as u32) % modulus);
        let number = terms.fold(0, |sum, term| (sum + term) % modulus);
        number as u32 as i32
    })
}

/// The first state of the stream after the one that begins with `seed`.
pub fn next_stream(seed: Seed) -> Seed {
    let [a, b, c] = advance(A1, &seed[..3], M1);
    let [d, e, f] = advance(A2, &seed[3..], M2);
    [a, b, c, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_those_of_the_parallel_package() {
        // set.seed(42, "L'Ecuyer-CMRG"), then parallel::nextRNGStream() twice.
        let first = [-2133391687, 507561766, 1260545903, 1362917092, -1772566379, -1344458670];
        let second = [-94575036, -24861725, 357812871, 346211554, -1301022835, 440649733];
        let third = [-358246211, -1411857254, -488221791, 1069515918, -1720689715, 1070199760];
        assert_eq!(next_stream(first), second);
        assert_eq!(next_stream(second), third);
    }
}
