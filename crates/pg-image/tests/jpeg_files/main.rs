//! JPEG files of every sampling and order of scans, written coefficient by coefficient, against the
//! definition of their pixels: right, or refused as not supported; cut ones are an error.
//!
//! Of pictures whose colour is coarser than their luminance, the last row and column may lie
//! between the last sample of colour repeated and what fills the last block: decoders differ there.
//!
//! Bound: 4 levels, as the standard leaves the transforms' arithmetic open (ITU-T T.83 allows about
//! 2 per component).
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod definition;
mod writer;

use definition::Edge;
use pg_image::Raster;
use pg_image::files::{DecodeLimits, FilesError, decode_bytes};
use proptest::prelude::*;
use writer::{Component, File, Scan, Written, quantisation, segment};

const BOUND: f64 = 4.0;

/// Sampling factors of luminance and both differences of colour.
const SAMPLINGS: [[(usize, usize); 3]; 30] = [
    [(1, 1), (1, 1), (1, 1)],
    [(2, 1), (1, 1), (1, 1)],
    [(1, 2), (1, 1), (1, 1)],
    [(2, 2), (1, 1), (1, 1)],
    [(4, 1), (1, 1), (1, 1)],
    [(1, 4), (1, 1), (1, 1)],
    [(4, 2), (1, 1), (1, 1)],
    [(2, 4), (1, 1), (1, 1)],
    [(3, 1), (1, 1), (1, 1)],
    [(1, 3), (1, 1), (1, 1)],
    [(2, 2), (2, 2), (2, 2)],
    [(2, 1), (2, 1), (2, 1)],
    [(1, 2), (1, 2), (1, 2)],
    [(2, 2), (2, 1), (2, 1)],
    [(2, 2), (1, 2), (1, 2)],
    [(2, 2), (2, 1), (1, 2)],
    [(2, 2), (1, 1), (2, 1)],
    [(2, 2), (1, 1), (2, 2)],
    [(2, 1), (2, 1), (1, 1)],
    [(4, 1), (2, 1), (1, 1)],
    [(4, 2), (2, 1), (2, 1)],
    [(1, 4), (1, 2), (1, 1)],
    // Colour finer than luminance.
    [(1, 1), (2, 2), (2, 2)],
    [(1, 1), (2, 1), (2, 1)],
    [(1, 1), (1, 2), (1, 2)],
    [(1, 1), (1, 1), (2, 2)],
    [(1, 2), (2, 1), (2, 1)],
    [(2, 1), (1, 2), (1, 2)],
    [(1, 1), (4, 1), (4, 1)],
    [(3, 1), (1, 1), (3, 1)],
];

const SIZES: [(usize, usize); 4] = [(1, 1), (7, 19), (33, 22), (50, 41)];

/// Numbers that look random and follow from where they stand.
fn noise(seed: u64) -> impl FnMut(i32) -> i32 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % below as u64) as i32
    }
}

/// A picture of blocks of very different brightness and colour, with a few coefficients in each.
fn file(sampling: &[(usize, usize)], (width, height): (usize, usize), frame: u8) -> File {
    let most_h = sampling.iter().map(|s| s.0).max().unwrap();
    let most_v = sampling.iter().map(|s| s.1).max().unwrap();
    let (wide, high) = (width.div_ceil(8 * most_h), height.div_ceil(8 * most_v));
    let mut random = noise((width * 1000 + height) as u64);
    let components = (1..).zip(sampling).map(|(id, &(horizontal, vertical))| {
        let block = |_| {
            let mut block = [0; 64];
            block[0] = random(100) - 50;
            for _ in 0..random(7) {
                let k = 1 + random(9) * random(8);
                block[k as usize] = random(15) - 7;
            }
            block
        };
        let stored_wide = wide * horizontal;
        let blocks = (0..stored_wide * high * vertical).map(block).collect();
        Component { id, horizontal, vertical, stored_wide, blocks, quantisation: u8::from(id > 1) }
    });
    let components = components.collect();
    let tables = [16, 12].map(|first| {
        let mut table = [3; 64];
        table[0] = first;
        table
    });
    let first = segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    let (quantisation, scans) = (tables.to_vec(), Vec::new());
    File { width, height, components, quantisation, wide_tables: false, frame, first, scans }
}

/// Scans of a sequential file: interleaved, one for each component in any order, pairs.
fn sequential_scripts() -> Vec<Vec<Scan>> {
    let orders: [&[&[usize]]; 8] = [
        &[&[0, 1, 2]],
        &[&[0], &[1], &[2]],
        &[&[1], &[2], &[0]],
        &[&[2], &[0], &[1]],
        &[&[0], &[1, 2]],
        &[&[1, 2], &[0]],
        &[&[0, 1], &[2]],
        &[&[2], &[0, 1]],
    ];
    orders.iter().map(|order| order.iter().map(|scan| Scan::sequential(scan)).collect()).collect()
}

/// Scans of a progressive file: by bands only, by bits only, both, and in odd orders.
fn progressive_scripts() -> Vec<Vec<Scan>> {
    let scan = Scan::progressive;
    let mut by_bits = vec![scan(&[0, 1, 2], 0..=0, 0, 3)];
    for component in [1, 0, 2] {
        by_bits.push(scan(&[component], 1..=63, 0, 3));
    }
    for bit in [2, 1, 0] {
        by_bits.push(scan(&[0, 1, 2], 0..=0, bit + 1, bit));
        for component in [2, 0, 1] {
            by_bits.push(scan(&[component], 1..=63, bit + 1, bit));
        }
    }
    let both = vec![
        scan(&[0, 1, 2], 0..=0, 0, 1),
        scan(&[0], 1..=5, 0, 2),
        scan(&[2], 1..=63, 0, 1),
        scan(&[1], 1..=63, 0, 1),
        scan(&[0], 6..=63, 0, 2),
        scan(&[0], 1..=63, 2, 1),
        scan(&[0, 1, 2], 0..=0, 1, 0),
        scan(&[2], 1..=63, 1, 0),
        scan(&[1], 1..=63, 1, 0),
        scan(&[0], 1..=63, 1, 0),
    ];
    let by_bands = [1..=1, 2..=9, 10..=40, 41..=63]
        .into_iter()
        .flat_map(|band| [2, 1, 0].map(|component| scan(&[component], band.clone(), 0, 0)));
    let by_bands = std::iter::once(scan(&[0, 1, 2], 0..=0, 0, 0)).chain(by_bands).collect();
    let apart = vec![
        scan(&[2], 0..=0, 0, 0),
        scan(&[0], 0..=0, 0, 1),
        scan(&[0], 1..=63, 0, 0),
        scan(&[1], 0..=0, 0, 2),
        scan(&[1], 0..=0, 2, 1),
        scan(&[0, 1], 0..=0, 1, 0),
        scan(&[1], 1..=63, 0, 0),
        scan(&[2], 1..=63, 0, 0),
    ];
    vec![by_bits, both, by_bands, apart]
}

fn decoded(bytes: &[u8]) -> Result<Raster, FilesError> {
    decode_bytes(bytes, "a.jpg", &DecodeLimits { max_pixels: 1 << 20, max_bytes: 1 << 20 })
}

/// Levels by which `found` is further off than the definition allows, at most.
fn worst(found: &Raster, file: &File, rgb: bool) -> f64 {
    let (channels, repeated) = definition::picture(file, rgb, Edge::Repeated);
    let (_, filling) = definition::picture(file, rgb, Edge::Filling);
    let shape = (found.width(), found.height(), found.channels());
    assert_eq!(shape, (file.width, file.height, channels));
    let off = |((&found, a), b): ((&u8, &f64), &f64)| {
        let found = f64::from(found);
        (a.min(*b) - found).max(found - a.max(*b))
    };
    found.data().iter().zip(&repeated).zip(&filling).map(off).fold(0.0, f64::max)
}

/// Asserts that the file's pixels are those of the definition.
#[track_caller]
fn assert_right(file: &File, rgb: bool, what: &str) {
    let found = match decoded(&file.write().bytes) {
        Ok(found) => found,
        Err(error) => panic!("{what}: {error}"),
    };
    let worst = worst(&found, file, rgb);
    assert!(worst <= BOUND, "{what}: {worst} levels off");
}

/// Whether a frame may have such a scan: at most 10 blocks in an MCU of several components (B.2.3).
fn allowed(sampling: &[(usize, usize)], script: &[Scan]) -> bool {
    let blocks = |scan: &Scan| scan.components.iter().map(|&c| sampling[c].0 * sampling[c].1).sum::<usize>();
    script.iter().all(|scan| scan.components.len() == 1 || blocks(scan) <= 10)
}

#[test]
fn sequential_files_of_every_sampling_and_order_of_scans_have_the_pixels_of_the_definition() {
    for sampling in &SAMPLINGS {
        for size in SIZES {
            for (number, mut script) in sequential_scripts().into_iter().enumerate() {
                if !allowed(sampling, &script) {
                    continue;
                }
                for (i, scan) in script.iter_mut().enumerate() {
                    scan.restart = [0, 1, 3][(number + i + size.0) % 3];
                    scan.long_codes = i % 2 == 1;
                }
                let mut file = file(sampling, size, [0xC0, 0xC1][number % 2]);
                file.scans = script;
                assert_right(&file, false, &format!("{sampling:?} {size:?} script {number}"));
            }
        }
    }
}

#[test]
fn progressive_files_of_every_sampling_and_order_of_scans_have_the_pixels_of_the_definition() {
    for sampling in &SAMPLINGS {
        for size in SIZES {
            for (number, mut script) in progressive_scripts().into_iter().enumerate() {
                if !allowed(sampling, &script) {
                    continue;
                }
                for (i, scan) in script.iter_mut().enumerate() {
                    scan.restart = [0, 0, 1, 4][(number + i + size.0) % 4];
                    scan.long_codes = i % 2 == 1;
                }
                let mut file = file(sampling, size, 0xC2);
                file.scans = script;
                assert_right(&file, false, &format!("{sampling:?} {size:?} script {number}"));
            }
        }
    }
}

#[test]
fn grey_files_of_every_sampling_have_the_pixels_of_the_definition() {
    for horizontal in 1..=4 {
        for vertical in 1..=4 {
            for size in SIZES {
                let mut grey = file(&[(horizontal, vertical)], size, 0xC0);
                grey.scans = vec![Scan::sequential(&[0])];
                grey.scans[0].restart = 2;
                assert_right(&grey, false, &format!("{horizontal}x{vertical} {size:?}"));
                grey.frame = 0xC2;
                grey.scans = vec![
                    Scan::progressive(&[0], 0..=0, 0, 1),
                    Scan::progressive(&[0], 1..=63, 0, 1),
                    Scan::progressive(&[0], 1..=63, 1, 0),
                    Scan::progressive(&[0], 0..=0, 1, 0),
                ];
                assert_right(&grey, false, &format!("progressive {horizontal}x{vertical} {size:?}"));
            }
        }
    }
}

/// Decoders take several pixels at a time, and less is seldom tried.
#[test]
fn narrow_files_of_every_sampling_have_the_pixels_of_the_definition() {
    let scripts = [sequential_scripts().swap_remove(0), progressive_scripts().swap_remove(3)];
    for sampling in &SAMPLINGS {
        for (script, frame) in scripts.iter().zip([0xC0, 0xC2]).filter(|(s, _)| allowed(sampling, s)) {
            for width in (1..48).chain([64, 80]) {
                for height in [18, 67] {
                    let mut file = file(sampling, (width, height), frame);
                    file.scans.clone_from(script);
                    assert_right(&file, false, &format!("{sampling:?} {width}x{height} {frame:x}"));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_size_sampling_script_and_restart_interval_is_right(
        width in 1_usize..150,
        height in 1_usize..70,
        sampling in 0..SAMPLINGS.len(),
        script in 0_usize..12,
        restart in 0_usize..9,
    ) {
        let (sampling, sequential) = (&SAMPLINGS[sampling], sequential_scripts());
        let progressive = script >= sequential.len();
        let mut scans = [sequential, progressive_scripts()].concat().swap_remove(script);
        prop_assume!(allowed(sampling, &scans));
        for scan in &mut scans {
            scan.restart = restart;
        }
        let mut file = file(sampling, (width, height), if progressive { 0xC2 } else { 0xC1 });
        file.scans = scans;
        assert_right(&file, false, &format!("{sampling:?} {width}x{height} {script} {restart}"));
    }
}

#[test]
fn tables_may_change_between_scans() {
    for script in [1, 4] {
        let mut file = file(&[(2, 2), (1, 1), (1, 1)], (33, 22), 0xC1);
        file.scans = sequential_scripts().swap_remove(script);
        // Both components of colour take table 0, whose contents change after the first scan.
        let mut later = [5_u16; 64];
        later[0] = 20;
        file.scans[1].before = segment(0xDB, &quantisation(0, &later, false));
        for c in &mut file.components[1..] {
            c.quantisation = 0;
        }
        let written = file.write();
        // For the definition: the same as a table of its own.
        file.quantisation[1] = later;
        for c in &mut file.components[1..] {
            c.quantisation = 1;
        }
        let found = decoded(&written.bytes).unwrap();
        let worst = worst(&found, &file, false);
        assert!(worst <= BOUND, "script {script}: {worst} levels off");
    }
}

#[test]
fn a_progressive_file_may_bring_its_table_for_colour_behind_the_first_scan() {
    let mut file = file(&[(2, 1), (1, 1), (1, 1)], (33, 22), 0xC2);
    file.scans = vec![Scan::progressive(&[0], 0..=0, 0, 0), Scan::progressive(&[0], 1..=63, 0, 0)];
    for c in [1, 2] {
        file.scans.push(Scan::progressive(&[c], 0..=0, 0, 0));
        file.scans.push(Scan::progressive(&[c], 1..=63, 0, 0));
    }
    let colour = file.quantisation.pop().unwrap();
    file.scans[2].before = segment(0xDB, &quantisation(1, &colour, false));
    let written = file.write();
    file.quantisation.push(colour);
    let found = decoded(&written.bytes).unwrap();
    assert!(worst(&found, &file, false) <= BOUND);
}

#[test]
fn steps_of_sixteen_bits_are_read() {
    let mut file = file(&[(2, 2), (1, 1), (1, 1)], (33, 22), 0xC1);
    file.wide_tables = true;
    file.quantisation[0][0] = 300;
    for block in &mut file.components[0].blocks {
        block[0] /= 16;
    }
    for script in sequential_scripts() {
        file.scans = script;
        assert_right(&file, false, "16 bits");
    }
}

#[test]
fn fill_bytes_and_comments_may_stand_between_segments() {
    for (script, frame) in [(sequential_scripts(), 0xC0), (progressive_scripts(), 0xC2)] {
        for mut scans in script {
            for scan in &mut scans {
                scan.before = [segment(0xFE, b"a comment with \xff\xd9"), vec![0xFF; 3]].concat();
            }
            let mut file = file(&[(2, 2), (1, 1), (1, 1)], (33, 22), frame);
            file.first.extend([0xFF, 0xFF]);
            file.scans = scans;
            assert_right(&file, false, "fill bytes");
        }
    }
}

#[test]
fn a_file_without_huffman_tables_has_those_of_motion_jpeg() {
    let whole = pg_image::files::encode_jpeg(
        &Raster::from_data(16, 16, 3, (0..768).map(|i| (i / 3) as u8).collect()).unwrap(),
        90,
    )
    .unwrap();
    let expected = decoded(&whole).unwrap();
    let (mut without, mut at) = (whole[..2].to_vec(), 2);
    while whole[at + 1] != 0xDA {
        let end = at + 2 + usize::from(u16::from_be_bytes([whole[at + 2], whole[at + 3]]));
        if whole[at + 1] != 0xC4 {
            without.extend(&whole[at..end]);
        }
        at = end;
    }
    without.extend(&whole[at..]);
    assert!(without.len() < whole.len() - 400);
    let found = decoded(&without).unwrap();
    let off = found.data().iter().zip(expected.data()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(off <= 2, "{off}");
}

/// Files of each kind of scan, small ones.
fn files_of_every_kind() -> Vec<(String, Written)> {
    let mut files = Vec::new();
    for sampling in [SAMPLINGS[0], SAMPLINGS[1], SAMPLINGS[3], SAMPLINGS[22]] {
        for (frame, scripts) in [(0xC0, sequential_scripts()), (0xC2, progressive_scripts())] {
            for (number, script) in scripts.into_iter().enumerate() {
                for restart in [0, 2] {
                    let mut file = file(&sampling, (20, 17), frame);
                    file.scans.clone_from(&script);
                    for scan in &mut file.scans {
                        scan.restart = restart;
                    }
                    files.push((format!("{sampling:?} {frame:#x} {number} {restart}"), file.write()));
                }
            }
        }
    }
    files
}

#[test]
fn a_scan_cut_anywhere_is_an_error_with_or_without_an_end_marker() {
    for (what, written) in files_of_every_kind() {
        assert!(decoded(&written.bytes).is_ok(), "{what}");
        // Everywhere in a sample of the file, and in the last bytes of every scan.
        let first = written.scans[0].start;
        let near_end = |i: &usize| written.scans.iter().any(|scan| (scan.end - 4..=scan.end).contains(i));
        let places = (first..written.bytes.len() - 2).filter(|i| (i - first) % 23 == 0 || near_end(i));
        for length in places {
            let mut cut = written.bytes[..length].to_vec();
            let error = decoded(&cut).expect_err(&what);
            assert!(matches!(error, FilesError::Truncated { .. }), "{what} cut at {length}: {error}");
            cut.extend([0xFF, 0xD9]);
            assert!(decoded(&cut).is_err(), "{what} cut at {length} with an end marker");
        }
    }
}

#[test]
fn a_scan_cut_anywhere_is_an_error_though_later_scans_follow() {
    for (what, written) in files_of_every_kind() {
        for scan in &written.scans {
            for left_out in [1, 2, 5, scan.len() / 2] {
                if left_out == 0 || left_out > scan.len() {
                    continue;
                }
                let mut cut = written.bytes.clone();
                cut.drain(scan.end - left_out..scan.end);
                assert!(decoded(&cut).is_err(), "{what}: {left_out} bytes of the scan at {}", scan.start);
            }
        }
    }
}

#[test]
fn a_header_that_claims_more_rows_than_the_scans_have_is_an_error() {
    for (what, mut written) in files_of_every_kind() {
        // A row of MCUs, or of blocks, more.
        let height = &mut written.bytes[written.height_at..written.height_at + 2];
        assert_eq!(height, [0, 17], "{what}");
        height[1] = 17 + 32;
        let error = decoded(&written.bytes).expect_err(&what);
        assert!(
            matches!(error, FilesError::Truncated { .. } | FilesError::Damaged { .. }),
            "{what}: {error}"
        );
    }
}

#[test]
fn a_restart_marker_that_is_missing_is_an_error() {
    let mut file = file(&[(2, 2), (1, 1), (1, 1)], (50, 41), 0xC0);
    file.scans = vec![Scan::sequential(&[0, 1, 2])];
    file.scans[0].restart = 2;
    let written = file.write();
    let bytes = &written.bytes;
    let markers: Vec<_> = written.scans[0]
        .clone()
        .filter(|&i| bytes[i] == 0xFF && (0xD0..0xD8).contains(&bytes[i + 1]))
        .collect();
    assert_eq!(markers.len(), 5);
    for pair in markers.windows(2) {
        let mut cut = bytes.clone();
        cut.drain(pair[0]..pair[1]);
        assert!(decoded(&cut).is_err());
    }
}

#[test]
fn a_progressive_file_without_its_last_scans_is_refused() {
    for script in progressive_scripts() {
        for scans in 1..script.len() {
            let mut file = file(&SAMPLINGS[3], (33, 22), 0xC2);
            file.scans = script[..scans].to_vec();
            let error = decoded(&file.write().bytes).unwrap_err();
            assert!(
                matches!(error, FilesError::Truncated { .. } | FilesError::Unsupported { .. }),
                "{error}"
            );
        }
    }
}

#[test]
fn kinds_that_are_not_read_are_refused_as_not_supported() {
    let mut file = file(&SAMPLINGS[3], (33, 22), 0xC0);
    file.scans = vec![Scan::sequential(&[0, 1, 2])];
    let written = file.write();
    let (bytes, height) = (&written.bytes, written.height_at);
    let changed = |at: usize, to: &[u8]| {
        let mut changed = bytes.clone();
        changed[at..at + to.len()].copy_from_slice(to);
        changed
    };
    let mut kinds = vec![
        ("12 bits", changed(height - 1, &[12])),
        ("lines behind the scan", changed(height, &[0, 0])),
        ("a height that changes", {
            let mut changed = bytes.clone();
            let end = written.scans[0].end;
            changed.splice(end..end, segment(0xDC, &[0, 9]));
            changed
        }),
    ];
    for frame in [0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7] {
        kinds.push(("another process", changed(height - 4, &[frame])));
    }
    for (what, bytes) in kinds {
        let error = decoded(&bytes).unwrap_err();
        assert!(matches!(error, FilesError::Unsupported { .. }), "{what}: {error}");
    }
    for sampling in
        [vec![(1, 1); 2], vec![(1, 1); 5], vec![(3, 1), (2, 1), (1, 1)], vec![(2, 3), (1, 2), (1, 1)]]
    {
        let mut file = self::file(&sampling, (33, 22), 0xC0);
        file.scans = (0..sampling.len()).map(|c| Scan::sequential(&[c])).collect();
        let error = decoded(&file.write().bytes).unwrap_err();
        assert!(matches!(error, FilesError::Unsupported { .. }), "{sampling:?}: {error}");
    }
}

#[test]
fn markers_and_names_of_components_say_whether_they_are_rgb() {
    let jfif = segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    let adobe = |transform: u8| segment(0xEE, &[b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat());
    // Which markers, and whether the components are RGB where their names are those letters, and
    // otherwise.
    let cases = [
        ("no marker", Vec::new(), true, false),
        ("JFIF", jfif.clone(), false, false),
        ("Adobe 0", adobe(0), true, true),
        ("Adobe 1", adobe(1), false, false),
        ("Adobe 2", adobe(2), false, false),
        ("JFIF, Adobe 0", [jfif.clone(), adobe(0)].concat(), false, false),
        ("Adobe 0, JFIF", [adobe(0), jfif.clone()].concat(), false, false),
        ("JFIF, Adobe 1", [jfif.clone(), adobe(1)].concat(), false, false),
    ];
    for (markers, first, with_letters, with_others) in cases {
        for ids in [*b"RGB", [1, 2, 3], [0, 1, 2], *b"rgb", [7, 200, 34]] {
            for (frame, scripts) in [(0xC0, sequential_scripts()), (0xC2, progressive_scripts())] {
                for script in &scripts[..2] {
                    for sampling in [SAMPLINGS[0], SAMPLINGS[3]] {
                        let mut file = file(&sampling, (33, 22), frame);
                        file.first.clone_from(&first);
                        file.scans.clone_from(script);
                        for (c, id) in file.components.iter_mut().zip(ids) {
                            c.id = id;
                        }
                        let rgb = if ids == *b"RGB" { with_letters } else { with_others };
                        assert_right(&file, rgb, &format!("{markers}, names {ids:?}"));
                    }
                }
            }
        }
    }
}
