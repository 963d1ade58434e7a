//! NumPy's `.npy` files of two-dimensional numbers (numpy.org, `numpy.lib.format`, versions 1 to 3).

use std::io::{self, Write};

use crate::errors::Fault;
use crate::little_endian::{u16_at, u32_at};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longer headers are refused: that of a matrix takes about 60 bytes.
const MAX_HEADER_BYTES: usize = 1 << 16;

/// A matrix `[rows, columns]`, row after row.
#[derive(Debug, PartialEq)]
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) values: Vec<f32>,
}

/// Reads a matrix of f32, f64, u8, i32 or i64 as f32.
pub(crate) fn parse(bytes: &[u8]) -> Result<Matrix, Fault> {
    if !bytes.starts_with(MAGIC) {
        return Err(Fault::new(0, "\"\\x93NUMPY\"", "other bytes"));
    }
    let (start, length) = match bytes.get(6) {
        Some(1) => (10, u16_at(bytes, 8).map(usize::from)),
        Some(2 | 3) => (12, u32_at(bytes, 8).map(|n| n as usize)),
        other => return Err(Fault::new(6, "version 1, 2 or 3", format!("{other:?}"))),
    };
    let end = length.filter(|&n| n <= MAX_HEADER_BYTES).map(|n| start + n);
    let header = end.and_then(|end| bytes.get(start..end)).and_then(|h| std::str::from_utf8(h).ok());
    let (Some(header), Some(end)) = (header, end) else {
        return Err(Fault::new(8, "the length of a header and its text", format!("{length:?}")));
    };
    let wrong = |expected: &str| Fault::new(start, expected, format!("{:?}", header.trim_end()));
    let kind = value(header, "descr").and_then(|v| v.strip_prefix('\'')?.split_once('\'').map(|(k, _)| k));
    if !value(header, "fortran_order").is_some_and(|v| v.starts_with("False")) {
        return Err(wrong("'fortran_order': False"));
    }
    let (rows, columns) = value(header, "shape").and_then(shape).ok_or_else(|| wrong("'shape': (n, L)"))?;
    let data = bytes.get(end..).unwrap_or_default();
    let numbers: Option<Vec<f32>> = match kind {
        Some("<f4") => exactly(data, rows, columns, |b: [u8; 4]| f32::from_le_bytes(b)),
        Some("<f8") => exactly(data, rows, columns, |b: [u8; 8]| f64::from_le_bytes(b) as f32),
        Some("<i4") => exactly(data, rows, columns, |b: [u8; 4]| i32::from_le_bytes(b) as f32),
        Some("<i8") => exactly(data, rows, columns, |b: [u8; 8]| i64::from_le_bytes(b) as f32),
        Some("|u1") => exactly(data, rows, columns, |[b]: [u8; 1]| f32::from(b)),
        _ => return Err(wrong("'descr' <f4, <f8, <i4, <i8 or |u1")),
    };
    match numbers {
        Some(values) => Ok(Matrix { rows, columns, values }),
        None => Err(Fault::new(end, format!("{rows}x{columns} numbers"), format!("{} bytes", data.len()))),
    }
}

/// What follows `'key':` in the header's dictionary.
fn value<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{key}'"))?;
    rest.trim_start().strip_prefix(':').map(str::trim_start)
}

/// `(2, 4)`.
fn shape(text: &str) -> Option<(usize, usize)> {
    let (inner, _) = text.strip_prefix('(')?.split_once(')')?;
    let mut sides = inner.split(',').map(|side| side.trim().trim_end_matches('L').parse::<usize>());
    match (sides.next()?, sides.next()?, sides.next()) {
        (Ok(rows), Ok(columns), None) => Some((rows, columns)),
        _ => None,
    }
}

fn exactly<const N: usize>(
    data: &[u8],
    rows: usize,
    columns: usize,
    number: impl Fn([u8; N]) -> f32,
) -> Option<Vec<f32>> {
    let bytes = rows.checked_mul(columns)?.checked_mul(N)?;
    (bytes == data.len()).then(|| data.as_chunks::<N>().0.iter().map(|&chunk| number(chunk)).collect())
}

/// Writes rows of f32 as version 1, `<f4`, `[rows, columns]`.
pub(crate) fn write(
    out: &mut impl Write,
    rows: usize,
    columns: usize,
    values: impl Iterator<Item = f32>,
) -> io::Result<()> {
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}").into_bytes();
    // The data begin at a multiple of 64.
    header.resize((10 + header.len() + 1).next_multiple_of(64) - 11, b' ');
    header.push(b'\n');
    out.write_all(MAGIC)?;
    out.write_all(&[1, 0])?;
    out.write_all(&(header.len() as u16).to_le_bytes())?;
    out.write_all(&header)?;
    for value in values {
        out.write_all(&value.to_le_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let values = [0.0, 1.0, -2.5, 1e30, 4.0, 5.0];
        let mut bytes = Vec::new();
        write(&mut bytes, 2, 3, values.iter().copied()).unwrap();
        assert_eq!(bytes.len(), 128 + 24);
        assert_eq!(parse(&bytes), Ok(Matrix { rows: 2, columns: 3, values: values.to_vec() }));
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
            parse(&[&whole[..10], text.as_bytes(), &whole[128..]].concat()).unwrap_err().expected
        };
        assert!(edited("False", "True ").contains("fortran_order"));
        assert!(edited("<f4", ">f4").contains("descr"));
        assert!(edited("(2, 2)", "(4, ) ").contains("shape"));
        assert!(edited("(2, 2)", "(2, 3)").contains("2x3"));
        assert_eq!(shape("(4294967295, 4294967295)"), Some((4_294_967_295, 4_294_967_295)));
    }
}
