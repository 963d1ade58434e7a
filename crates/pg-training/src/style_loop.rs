//! Styles that wander smoothly and come back to where they began.

/// A closed path through given styles: cubic, with the slopes of Catmull and Rom, through each of them in turn.
#[derive(Debug)]
pub struct StyleLoop {
    frames: usize,
    keys: Vec<Vec<f32>>,
}

impl StyleLoop {
    /// `frames` (1 or more) styles on a path through `keys`, which are passed in even time.
    #[must_use]
    pub fn new(frames: usize, keys: Vec<Vec<f32>>) -> Self {
        Self { frames: frames.max(1), keys }
    }

    /// The style in `frame`, counted from 0; frames past the last begin anew.
    #[must_use]
    pub fn frame(&self, frame: usize) -> Vec<f32> {
        let count = self.keys.len();
        if count == 0 {
            return Vec::new();
        }
        let place = (frame % self.frames) as f64 / self.frames as f64 * count as f64;
        let (index, t) = ((place as usize).min(count - 1), place.fract());
        let key = |offset: usize| &self.keys[(index + count + offset - 1) % count];
        let weights = [
            0.5 * t * (2.0 * t - t * t - 1.0),
            0.5 * (t * t * (3.0 * t - 5.0) + 2.0),
            0.5 * t * ((4.0 - 3.0 * t) * t + 1.0),
            0.5 * t * t * (t - 1.0),
        ];
        let of = |i: usize| {
            let sum: f64 = weights.iter().enumerate().map(|(k, w)| w * f64::from(key(k)[i])).sum();
            sum as f32
        };
        (0..self.keys[0].len()).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_closed_smooth_and_meets_its_keys() {
        let keys: Vec<Vec<f32>> =
            [[0.0, 1.0], [2.0, -1.0], [5.0, 0.5], [1.0, 3.0]].map(|k| k.to_vec()).to_vec();
        let path = StyleLoop::new(400, keys.clone());
        for (k, key) in keys.iter().enumerate() {
            let found = path.frame(100 * k);
            assert!(found.iter().zip(key).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {key:?}");
        }
        assert_eq!(path.frame(400), path.frame(0));
        // Neither position nor velocity jumps anywhere, the seam included.
        let at = |k: usize| f64::from(path.frame(k % 400)[0]);
        let velocity = |k: usize| at(k + 1) - at(k);
        assert!((0..400).all(|k| velocity(k).abs() < 0.1 && (velocity(k + 1) - velocity(k)).abs() < 5e-3));
        assert_eq!(StyleLoop::new(3, vec![vec![1.5]]).frame(2), [1.5]);
    }
}
