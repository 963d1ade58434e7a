//! A writer for archives that write their end when they are dropped, and print where they cannot.

use std::io::{self, Seek, SeekFrom, Write};

/// Tells the first failure of `W`, and drops what is written after it without a word.
#[derive(Debug)]
pub struct FailsOnce<W> {
    inner: W,
    failed: bool,
}

impl<W> FailsOnce<W> {
    /// A writer to `inner`, which has not failed yet.
    pub fn new(inner: W) -> Self {
        Self { inner, failed: false }
    }

    /// The writer within.
    ///
    /// # Errors
    /// That it failed, as what it holds is not whole then.
    pub fn into_inner(self) -> io::Result<W> {
        if self.failed { Err(io::Error::other("an earlier write failed")) } else { Ok(self.inner) }
    }

    fn tell_once<T>(&mut self, result: io::Result<T>, instead: T) -> io::Result<T> {
        match result {
            // Not a failure: it is tried again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(_) if self.failed => Ok(instead),
            Err(error) => {
                self.failed = true;
                Err(error)
            }
            Ok(value) => Ok(value),
        }
    }
}

impl<W: Write> Write for FailsOnce<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.tell_once(result, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.tell_once(result, ())
    }
}

impl<W: Seek> Seek for FailsOnce<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let result = self.inner.seek(to);
        self.tell_once(result, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes four bytes.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(4 - self.0);
            self.0 += taken;
            if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_first_failure_is_told_and_no_other() {
        let mut writer = FailsOnce::new(Full(0));
        assert_eq!(writer.write_all(b"123456").unwrap_err().kind(), io::ErrorKind::StorageFull);
        writer.write_all(b"the end of an archive").unwrap();
        assert!(writer.into_inner().is_err());
        assert!(FailsOnce::new(Full(0)).into_inner().is_ok());
    }
}
