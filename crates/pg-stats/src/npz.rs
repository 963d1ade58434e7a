//! Mean and covariance of features as other programs publish them: a `.npz` with the arrays `mu` and `sigma`
//! (pytorch-fid, TTUR, clean-fid), f64 or f32.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use ndarray::{Array2, ArrayD, ArrayViewD, Ix1, Ix2};
use ndarray_npy::{ReadNpyError, ReadNpyExt as _, WriteNpyExt as _};
use pg_image::files::{FailsOnce, numbers_claimed_by_npy, write_atomically};
use pg_metrics::FeatureGaussian;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::StatsError;
use crate::writer::moments_are_finite;

/// The longest feature vector read: its covariance has 8 GiB.
const MAX_WIDTH: usize = 1 << 15;

/// Reads a file of `mu` `[width]` and `sigma` `[width, width]`.
///
/// # Errors
/// - [`StatsError::NotMoments`] for another file, other arrays or shapes, numbers that are not finite, and a covariance
///   that is not symmetric
/// - [`StatsError::Io`]
pub fn read_npz(path: &Path) -> Result<FeatureGaussian, StatsError> {
    let wrong = |reason: String| StatsError::NotMoments { path: path.to_owned(), reason };
    let file = File::open(path).map_err(StatsError::io("open", path))?;
    let mut archive =
        ZipArchive::new(BufReader::new(file)).map_err(|error| wrong(format!("it is no zip: {error}")))?;
    let mean = array(&mut archive, "mu", MAX_WIDTH).map_err(wrong)?;
    let width = mean.len();
    // Not more than its mean has a use for.
    let covariance = array(&mut archive, "sigma", width.saturating_mul(width)).map_err(wrong)?;
    if mean.ndim() != 1 || width == 0 || covariance.shape() != [width, width] {
        return Err(wrong(format!(
            "mu has the shape {:?} and sigma {:?}, expected [width] and [width, width]",
            mean.shape(),
            covariance.shape()
        )));
    }
    // Whichever order the file has its numbers in.
    let (mean, covariance) = (mean.into_dimensionality::<Ix1>(), covariance.into_dimensionality::<Ix2>());
    let (Ok(mean), Ok(covariance)) = (mean, covariance) else {
        return Err(wrong("its arrays cannot be laid out".to_owned()));
    };
    for (name, array) in [("mu", mean.view().into_dyn()), ("sigma", covariance.view().into_dyn())] {
        if let Some((place, value)) = array.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(wrong(format!("{name} is {value} at place {place}, expected finite numbers")));
        }
    }
    let largest = covariance.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let uneven = covariance
        .indexed_iter()
        .find(|((i, j), value)| (*value - covariance[[*j, *i]]).abs() > 1e-5 * largest);
    if let Some(((i, j), _)) = uneven {
        return Err(wrong(format!("sigma is not symmetric, at row {i} and column {j} for one")));
    }
    // To the last bit, which sums of other programs are not.
    let covariance =
        Array2::from_shape_fn((width, width), |(i, j)| f64::midpoint(covariance[[i, j]], covariance[[j, i]]));
    Ok(FeatureGaussian { images: None, mean, covariance })
}

/// The array `name` of at most `most_numbers`, as f64.
fn array<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    name: &str,
    most_numbers: usize,
) -> Result<ArrayD<f64>, String> {
    let names: Vec<String> =
        archive.file_names().flatten().map(|name| name.trim_end_matches(".npy").to_owned()).collect();
    let mut bytes = Vec::new();
    let mut file = archive
        .by_name(&format!("{name}.npy"))
        .map_err(|_| format!("it has no array {name:?}; its arrays are: {}", names.join(", ")))?;
    let most = (most_numbers * size_of::<f64>()) as u64 + 4096;
    if file.size() > most {
        return Err(format!("its array {name:?} has {} bytes, expected {most} at most", file.size()));
    }
    file.by_ref()
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("its array {name:?}: {error}"))?;
    // A header may claim any shape, for which memory is taken before the numbers are counted.
    if numbers_claimed_by_npy(&bytes).is_none_or(|numbers| numbers > bytes.len()) {
        return Err(format!("its array {name:?} is damaged: its header claims more numbers than there are"));
    }
    match ArrayD::<f64>::read_npy(bytes.as_slice()) {
        Ok(array) => Ok(array),
        Err(ReadNpyError::WrongDescriptor(_)) => ArrayD::<f32>::read_npy(bytes.as_slice())
            .map(|array| array.mapv(f64::from))
            .map_err(|error| format!("its array {name:?} is neither f64 nor f32: {error}")),
        Err(error) => Err(format!("its array {name:?}: {error}")),
    }
}

/// Writes `mu` and `sigma`, f64, uncompressed; whole or not at all.
///
/// # Errors
/// [`StatsError::Io`], [`StatsError::NotFinite`]
pub fn write_npz(path: &Path, gaussian: &FeatureGaussian) -> Result<(), StatsError> {
    moments_are_finite(path, gaussian)?;
    let mean = NpzArray::F64(gaussian.mean.view().into_dyn());
    let covariance = NpzArray::F64(gaussian.covariance.view().into_dyn());
    write_arrays(path, &[("mu", mean), ("sigma", covariance)])
}

/// An array for a `.npz`.
#[derive(Debug, Clone)]
pub enum NpzArray<'a> {
    /// float32
    F32(ArrayViewD<'a, f32>),
    /// float64
    F64(ArrayViewD<'a, f64>),
}

/// Writes a `.npz` of named arrays for numpy to read, uncompressed; whole or not at all.
///
/// # Errors
/// [`StatsError::Io`]
pub fn write_arrays(path: &Path, arrays: &[(&str, NpzArray<'_>)]) -> Result<(), StatsError> {
    write_atomically(path, |file| {
        let mut archive = ZipWriter::new(FailsOnce::new(file));
        // A fixed time: the same numbers give the same bytes.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(true)
            .last_modified_time(zip::DateTime::default());
        for (name, array) in arrays {
            archive.start_file(format!("{name}.npy"), options)?;
            match array {
                NpzArray::F32(array) => array.write_npy(&mut archive),
                NpzArray::F64(array) => array.write_npy(&mut archive),
            }
            .map_err(std::io::Error::other)?;
        }
        archive.finish()?.into_inner().map(drop)
    })
    .map_err(StatsError::io("write", path))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use ndarray::{Array, Array1, Dimension, ShapeBuilder as _, array};

    fn npy<D: Dimension>(array: &Array<f64, D>) -> Result<Vec<u8>, ndarray_npy::WriteNpyError> {
        let mut bytes = Vec::new();
        array.write_npy(&mut bytes)?;
        Ok(bytes)
    }

    fn gaussian() -> FeatureGaussian {
        let covariance = array![[2.0, 0.5], [0.5, 1.0]];
        FeatureGaussian { images: None, mean: Array1::from(vec![1.5, -2.0]), covariance }
    }

    #[test]
    fn what_is_written_is_read_again_and_its_bytes_do_not_vary() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a.npz", "b.npz"].map(|name| folder.path().join(name));
        write_npz(&a, &gaussian()).unwrap();
        write_npz(&b, &gaussian()).unwrap();
        assert_eq!(read_npz(&a).unwrap(), gaussian());
        assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    }

    #[test]
    fn other_files_are_refused_with_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let refused = |path: &Path| read_npz(path).unwrap_err().to_string();
        assert!(refused(&path).contains("open"), "{}", refused(&path));
        std::fs::write(&path, b"mu and sigma").unwrap();
        assert!(refused(&path).contains("it is no zip"), "{}", refused(&path));
        let write = |arrays: &[(&str, Vec<u8>)]| {
            let mut archive = ZipWriter::new(File::create(&path).unwrap());
            for (name, content) in arrays {
                archive.start_file(*name, SimpleFileOptions::default()).unwrap();
                archive.write_all(content).unwrap();
            }
            archive.finish().unwrap();
        };
        let (mu, sigma) = (npy(&gaussian().mean).unwrap(), npy(&gaussian().covariance).unwrap());
        write(&[("mu.npy", mu.clone()), ("cov.npy", sigma.clone())]);
        assert!(refused(&path).contains("no array \"sigma\"; its arrays are: "), "{}", refused(&path));
        write(&[("mu.npy", mu.clone()), ("sigma.npy", mu.clone())]);
        assert!(refused(&path).contains("mu has the shape [2] and sigma [2]"), "{}", refused(&path));
        write(&[("mu.npy", mu.clone()), ("sigma.npy", sigma[..sigma.len() - 3].to_vec())]);
        assert!(refused(&path).contains("array \"sigma\""), "{}", refused(&path));
        write(&[("mu.npy", mu.clone()), ("sigma.npy", npy(&array![[1.0, 0.5], [0.2, 1.0]]).unwrap())]);
        assert!(refused(&path).contains("not symmetric"), "{}", refused(&path));
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let far = npy(&array![[1.0, wrong], [wrong, 1.0]]).unwrap();
            write(&[("mu.npy", mu.clone()), ("sigma.npy", far)]);
            assert!(refused(&path).contains(&format!("sigma is {wrong} at place 1")), "{}", refused(&path));
            write(&[("mu.npy", npy(&array![wrong, 0.0]).unwrap()), ("sigma.npy", sigma.clone())]);
            assert!(refused(&path).contains(&format!("mu is {wrong} at place 0")), "{}", refused(&path));
        }
    }

    #[test]
    fn headers_that_claim_terabytes_take_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let mu = npy(&gaussian().mean).unwrap();
        let claim = |shape: &str| {
            let text = String::from_utf8_lossy(&mu).into_owned();
            let at = text.find("(2,)").unwrap();
            let mut bytes = mu.clone();
            // The header is padded with spaces.
            bytes.splice(at..at + 4, shape.bytes());
            let spare = shape.len() - 4;
            let end = bytes.iter().position(|&b| b == b'\n').unwrap();
            bytes.drain(end - spare..end);
            bytes
        };
        for shape in
            ["(1000000000000,)", "(1000000, 1000000)", "(18446744073709551615,)", "(4294967296, 4294967296)"]
        {
            for arrays in [[claim(shape), mu.clone()], [mu.clone(), claim(shape)]] {
                let mut archive = ZipWriter::new(File::create(&path).unwrap());
                for (name, content) in ["mu.npy", "sigma.npy"].iter().zip(arrays) {
                    archive.start_file(*name, SimpleFileOptions::default()).unwrap();
                    archive.write_all(&content).unwrap();
                }
                archive.finish().unwrap();
                let error = read_npz(&path).unwrap_err().to_string();
                assert!(error.contains("claims more numbers than there are"), "{shape}: {error}");
            }
        }
        // Zeros that fill four gigabytes when they are unpacked.
        let mut archive = ZipWriter::new(File::create(&path).unwrap());
        archive.start_file("mu.npy", SimpleFileOptions::default()).unwrap();
        archive.write_all(&mu).unwrap();
        archive.start_file("sigma.npy", SimpleFileOptions::default()).unwrap();
        for _ in 0..64 {
            archive.write_all(&vec![0; 1 << 20]).unwrap();
        }
        archive.finish().unwrap();
        let error = read_npz(&path).unwrap_err().to_string();
        assert!(error.contains("has 67108864 bytes, expected"), "{error}");
    }

    #[test]
    fn columns_before_rows_are_the_same_matrix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let mut archive = ZipWriter::new(File::create(&path).unwrap());
        let mut by_columns = Array2::zeros((2, 2).f());
        by_columns.assign(&gaussian().covariance);
        for (name, content) in [("mu", npy(&gaussian().mean)), ("sigma", npy(&by_columns))] {
            archive.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
            archive.write_all(&content.unwrap()).unwrap();
        }
        archive.finish().unwrap();
        assert_eq!(read_npz(&path).unwrap(), gaussian());
    }

    #[test]
    fn statistics_that_are_not_finite_are_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        for wrong in [f64::NAN, f64::INFINITY] {
            let mut bad = gaussian();
            bad.covariance[[1, 0]] = wrong;
            let error = write_npz(&path, &bad).unwrap_err();
            assert!(matches!(error, StatsError::NotFinite { place: 2, .. }), "{error}");
        }
        assert!(!path.exists());
    }
}
