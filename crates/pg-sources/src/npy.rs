//! NumPy's `.npy` files of two-dimensional numbers (numpy.org, `numpy.lib.format`, versions 1 to 3),
//! by the crate `ndarray-npy`.

use std::io::{self, Write};

use ndarray::Array2;
use ndarray_npy::{ReadNpyError, ReadNpyExt as _, ReadableElement, WriteNpyExt as _};
use pg_image::files::numbers_claimed_by_npy;

use crate::errors::Fault;

/// A matrix `[rows, columns]`, row after row.
#[derive(Debug, PartialEq)]
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) values: Vec<f32>,
}

/// Reads a matrix of one kind of numbers.
type Reader = fn(&[u8]) -> Result<Array2<f32>, ReadNpyError>;

/// Reads a matrix of any of NumPy's real numbers as f32, in either order of rows and columns.
pub(crate) fn parse(bytes: &[u8]) -> Result<Matrix, Fault> {
    match numbers_claimed_by_npy(bytes) {
        Some(numbers) if numbers <= bytes.len() => {}
        Some(numbers) => {
            return Err(Fault::new(0, format!("{numbers} numbers"), format!("{} bytes", bytes.len())));
        }
        None => return Err(Fault::new(0, "the header of a `.npy` file, version 1, 2 or 3", "other bytes")),
    }
    let readers: [Reader; 11] = [
        |bytes| read::<f32>(bytes, |v| v),
        |bytes| read::<f64>(bytes, |v| v as f32),
        |bytes| read::<u8>(bytes, f32::from),
        |bytes| read::<i8>(bytes, f32::from),
        |bytes| read::<bool>(bytes, |v| f32::from(u8::from(v))),
        |bytes| read::<u16>(bytes, f32::from),
        |bytes| read::<i16>(bytes, f32::from),
        |bytes| read::<u32>(bytes, |v| v as f32),
        |bytes| read::<i32>(bytes, |v| v as f32),
        |bytes| read::<u64>(bytes, |v| v as f32),
        |bytes| read::<i64>(bytes, |v| v as f32),
    ];
    for reader in readers {
        match reader(bytes) {
            Err(ReadNpyError::WrongDescriptor(_)) => {}
            Ok(matrix) => {
                let (rows, columns) = matrix.dim();
                return Ok(Matrix { rows, columns, values: matrix.into_iter().collect() });
            }
            Err(ReadNpyError::WrongNdim(_, sides)) => {
                return Err(Fault::new(0, "the shape (n, L)", format!("one of {sides} sides")));
            }
            Err(error) => return Err(Fault::new(0, "a matrix of NumPy", error.to_string())),
        }
    }
    Err(Fault::new(0, "numbers of 8 to 64 bits", "elements of another type"))
}

fn read<T: ReadableElement + Copy>(bytes: &[u8], number: fn(T) -> f32) -> Result<Array2<f32>, ReadNpyError> {
    Ok(Array2::<T>::read_npy(bytes)?.map(|&v| number(v)))
}

/// Writes rows of f32 as version 1, `<f4`, `[rows, columns]`.
pub(crate) fn write(
    out: &mut impl Write,
    rows: usize,
    columns: usize,
    values: impl Iterator<Item = f32>,
) -> io::Result<()> {
    let matrix = Array2::from_shape_vec((rows, columns), values.collect()).map_err(io::Error::other)?;
    matrix.write_npy(out).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::ShapeBuilder as _;

    #[test]
    fn what_is_written_is_read_back() {
        let values = [0.0, 1.0, -2.5, 1e30, 4.0, 5.0];
        let mut bytes = Vec::new();
        write(&mut bytes, 2, 3, values.iter().copied()).unwrap();
        assert_eq!(bytes.len(), 128 + 24);
        assert_eq!(parse(&bytes), Ok(Matrix { rows: 2, columns: 3, values: values.to_vec() }));
    }

    #[test]
    fn any_numbers_in_either_order_are_the_same_matrix() {
        let expected = Matrix { rows: 2, columns: 3, values: vec![0.0, 1.0, 0.0, 1.0, 1.0, 0.0] };
        let by_rows = Array2::from_shape_vec((2, 3), vec![0_u8, 1, 0, 1, 1, 0]).unwrap();
        let mut by_columns = Array2::zeros((2, 3).f());
        by_columns.assign(&by_rows);
        for matrix in [by_rows, by_columns] {
            let files = [
                npy(&matrix),
                npy(&matrix.mapv(|v| v as i8)),
                npy(&matrix.mapv(|v| v == 1)),
                npy(&matrix.mapv(u16::from)),
                npy(&matrix.mapv(i16::from)),
                npy(&matrix.mapv(u32::from)),
                npy(&matrix.mapv(i32::from)),
                npy(&matrix.mapv(u64::from)),
                npy(&matrix.mapv(i64::from)),
                npy(&matrix.mapv(f32::from)),
                npy(&matrix.mapv(f64::from)),
            ];
            for file in files {
                assert_eq!(parse(&file).as_ref(), Ok(&expected));
            }
        }
        // The other order of bytes.
        let mut swapped = npy(&Array2::from_elem((1, 1), 1.0_f32));
        let at = swapped.iter().position(|&b| b == b'<').unwrap();
        swapped[at] = b'>';
        let end = swapped.len();
        swapped[end - 4..].reverse();
        assert_eq!(parse(&swapped).unwrap().values, [1.0]);
    }

    fn npy<T: ndarray_npy::WritableElement>(matrix: &Array2<T>) -> Vec<u8> {
        let mut bytes = Vec::new();
        matrix.write_npy(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_authors_label_file_is_read() {
        let bytes = std::fs::read(pg_testkit::golden::fixture("lod/tfr/tfr-rxx.labels")).unwrap();
        let matrix = parse(&bytes).unwrap();
        assert_eq!((matrix.rows, matrix.columns), (2, 4));
        assert_eq!(matrix.values.iter().sum::<f32>(), 2.0);
    }

    #[test]
    fn other_files_are_refused() {
        let mut whole = Vec::new();
        write(&mut whole, 2, 2, [1.0; 4].into_iter()).unwrap();
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
        let edited = |from: &str, to: &str| {
            let text = String::from_utf8_lossy(&whole[10..128]).replace(from, to);
            let fault = parse(&[&whole[..10], text.as_bytes(), &whole[128..]].concat()).unwrap_err();
            format!("{}, {}", fault.expected, fault.found)
        };
        assert!(edited("<f4", "<c8").contains("elements of another type"));
        assert!(edited("(2, 2)", "(4, ) ").contains("shape (n, L)"));
        assert!(edited("(2, 2)", "(2, 3)").contains("data"));
        for shape in ["(4294967295, 4294967295)", "(9999999999, 1)", "(99999999999999999999, 1)"] {
            let claims = edited("(2, 2)", shape);
            assert!(claims.contains("numbers, 1") || claims.contains("the header of"), "{claims}");
        }
    }
}
