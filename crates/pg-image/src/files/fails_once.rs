//! A writer for archives that write their end when they are dropped, and print where they cannot.

use std::io::{self, Seek, SeekFrom, Write};

/// Tells the first failure of `W`. From then on `W` is left alone: what is written is dropped without a word, and counted, so that
/// positions go on as if it were there.
#[derive(Debug)]
pub struct FailsOnce<W> {
    inner: W,
    failed: bool,
    position: u64,
}

impl<W> FailsOnce<W> {
    /// A writer to `inner`, which has not failed yet.
    pub fn new(inner: W) -> Self {
        Self { inner, failed: false, position: 0 }
    }

    /// The writer within.
    ///
    /// # Errors
    /// That it failed, as what it holds is not whole then.
    pub fn into_inner(self) -> io::Result<W> {
        if self.failed { Err(io::Error::other("an earlier write failed")) } else { Ok(self.inner) }
    }

    fn tell<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        // An interruption is no failure: it is tried again.
        self.failed = result.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        result
    }
}

impl<W: Write> Write for FailsOnce<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = bytes.len();
        if !self.failed {
            let result = self.inner.write(bytes);
            written = self.tell(result)?;
            // Nothing was taken, and nothing will be.
            self.failed = written == 0 && !bytes.is_empty();
        }
        self.position += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed {
            return Ok(());
        }
        let result = self.inner.flush();
        self.tell(result)
    }
}

impl<W: Seek> Seek for FailsOnce<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = if self.failed {
            match to {
                SeekFrom::Start(position) => position,
                SeekFrom::Current(by) | SeekFrom::End(by) => self.position.saturating_add_signed(by),
            }
        } else {
            let result = self.inner.seek(to);
            self.tell(result)?
        };
        Ok(self.position)
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
        writer.flush().unwrap();
        assert!(writer.into_inner().is_err());
        assert!(FailsOnce::new(Full(0)).into_inner().is_ok());
    }

    #[test]
    fn positions_go_on_after_a_failure() {
        let mut writer = FailsOnce::new(io::Cursor::new([0; 4]));
        writer.write_all(b"123456").unwrap_err();
        assert_eq!(writer.stream_position().unwrap(), 4);
        writer.write_all(b"78").unwrap();
        assert_eq!(writer.stream_position().unwrap(), 6);
        assert_eq!(writer.seek(SeekFrom::Start(2)).unwrap(), 2);
        assert_eq!(writer.seek(SeekFrom::Current(3)).unwrap(), 5);
    }
}
