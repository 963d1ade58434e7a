//! Python's pickle format, protocol 2, as far as a TorchScript module's attributes take it.

/// A pickle in the making.
#[derive(Debug)]
pub(super) struct Pickle(Vec<u8>);

impl Pickle {
    pub(super) fn new() -> Self {
        Self(vec![0x80, 2])
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.push(b'.');
        self.0
    }

    pub(super) fn empty_tuple(&mut self) {
        self.0.push(b')');
    }

    /// An object of the class `module.name` whose attributes are those that `fill` puts, name before value.
    pub(super) fn object(&mut self, module: &str, name: &str, fill: impl FnOnce(&mut Self)) {
        self.global(module, name);
        self.empty_tuple();
        self.0.extend_from_slice(b"\x81}("); // a new object, an empty dictionary, a mark
        fill(self);
        self.0.extend_from_slice(b"ub"); // all since the mark into the dictionary, the dictionary into the object
    }

    pub(super) fn text(&mut self, value: &str) {
        self.0.push(b'X');
        self.0.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.0.extend_from_slice(value.as_bytes());
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.0.push(if value { 0x88 } else { 0x89 });
    }

    pub(super) fn integer(&mut self, value: i64) {
        if let Ok(value) = i32::try_from(value) {
            self.0.push(b'J');
            self.0.extend_from_slice(&value.to_le_bytes());
        } else {
            self.0.extend_from_slice(&[0x8a, 8]);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// An f32 tensor, contiguous, whose bytes are the archive's record `data/KEY`.
    pub(super) fn tensor(&mut self, key: &str, shape: &[i64]) {
        let numbers = shape.iter().product();
        let mut strides: Vec<i64> = shape
            .iter()
            .rev()
            .scan(1, |stride, size| {
                let here = *stride;
                *stride *= size;
                Some(here)
            })
            .collect();
        strides.reverse();
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.tuple(|p| {
            p.tuple(|p| {
                p.text("storage");
                p.global("torch", "FloatStorage");
                p.text(key);
                p.text("cpu");
                p.integer(numbers);
            });
            p.0.push(b'Q'); // a reference to what the archive holds
            p.integer(0);
            p.tuple(|p| shape.iter().for_each(|&size| p.integer(size)));
            p.tuple(|p| strides.iter().for_each(|&stride| p.integer(stride)));
            p.boolean(false);
            p.global("collections", "OrderedDict");
            p.empty_tuple();
            p.0.push(b'R');
        });
        self.0.push(b'R');
    }

    fn tuple(&mut self, fill: impl FnOnce(&mut Self)) {
        self.0.push(b'(');
        fill(self);
        self.0.push(b't');
    }

    fn global(&mut self, module: &str, name: &str) {
        self.0.extend_from_slice(format!("c{module}\n{name}\n").as_bytes());
    }
}
