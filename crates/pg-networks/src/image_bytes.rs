//! Stored bytes as what the networks compute with.

use multiversion::multiversion;
use tch::{Device, Kind, Tensor};

use crate::NetworkError;
use crate::torch_bridge::{fill, parallel_chunks};

/// Bytes 0..=255, `[N,C,H,W]`, as a tensor of that shape in [-1, 1]: x / 127.5 - 1, f32 on the CPU, in memory
/// `[N,H,W,C]` as the convolutions read it. One pass, nothing else copied.
///
/// # Errors
/// [`NetworkError::Bytes`] where the bytes are not as many as the shape says.
pub fn images_from_bytes(bytes: &[u8], [n, c, h, w]: [i64; 4]) -> Result<Tensor, NetworkError> {
    let wrong = || NetworkError::Bytes { shape: vec![n, c, h, w], found: bytes.len() };
    let sizes = [n, c, h, w].map(usize::try_from);
    let [Ok(images), Ok(channels), Ok(height), Ok(width)] = sizes else { return Err(wrong()) };
    let image_len = channels * height * width;
    if images * image_len != bytes.len() {
        return Err(wrong());
    }
    let mut tensor = Tensor::f_empty([n, h, w, c], (Kind::Float, Device::Cpu))?;
    let filled = fill(&mut tensor, |numbers| {
        parallel_chunks(numbers, image_len, |index, numbers| {
            interleave(&bytes[index * image_len..][..image_len], channels, numbers);
        });
    });
    filled.ok_or_else(wrong)?;
    Ok(tensor.permute([0, 3, 1, 2]))
}

/// Pixels interleaved at a time.
const LANES: usize = 16;

/// `[C,P]` to `[P,C]`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw", "x86_64+avx2"))]
fn interleave(bytes: &[u8], channels: usize, numbers: &mut [f32]) {
    let scaled = |byte: u8| f32::from(byte) * (1.0 / 127.5) - 1.0;
    match channels {
        1 => {
            for (number, &byte) in numbers.iter_mut().zip(bytes) {
                *number = scaled(byte);
            }
        }
        3 => {
            let (red, rest) = bytes.split_at(bytes.len() / 3);
            let (green, blue) = rest.split_at(red.len());
            let whole = red.len() / LANES * LANES;
            let blocks = numbers.as_chunks_mut::<{ 3 * LANES }>().0.iter_mut();
            let planes = [red, green, blue].map(|plane| plane.as_chunks::<LANES>().0);
            for (index, block) in blocks.enumerate() {
                // A loop for each plane, then one that interleaves them: each becomes vector instructions.
                let mut lanes = [[0.0_f32; LANES]; 3];
                for (lanes, plane) in lanes.iter_mut().zip(planes) {
                    for (lane, &byte) in lanes.iter_mut().zip(&plane[index]) {
                        *lane = scaled(byte);
                    }
                }
                for k in 0..LANES {
                    block[3 * k] = lanes[0][k];
                    block[3 * k + 1] = lanes[1][k];
                    block[3 * k + 2] = lanes[2][k];
                }
            }
            for index in whole..red.len() {
                for (channel, plane) in [red, green, blue].into_iter().enumerate() {
                    numbers[3 * index + channel] = scaled(plane[index]);
                }
            }
        }
        _ => {
            let plane = bytes.len() / channels.max(1);
            for (index, pixel) in numbers.chunks_exact_mut(channels.max(1)).enumerate() {
                for (channel, number) in pixel.iter_mut().enumerate() {
                    *number = scaled(bytes[channel * plane + index]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_the_byte_at_its_place_scaled() {
        for channels in [1, 2, 3] {
            let shape = [2_i64, channels, 5, 7];
            let bytes: Vec<u8> = (0..2 * channels * 35).map(|k| (k * 37 % 256) as u8).collect();
            let tensor = images_from_bytes(&bytes, shape).unwrap();
            let plain = Tensor::from_data_size(&bytes, &shape, Kind::Uint8).to_kind(Kind::Float)
                * (1.0 / 127.5)
                - 1.0;
            assert_eq!(tensor.contiguous(), plain, "{channels} channels");
        }
        assert!(images_from_bytes(&[0; 5], [1, 1, 2, 3]).is_err());
    }
}
