//! A writer that tells of a failure in the end.
//!
//! The archive writer tries once more to finish when it is dropped after a failure, and prints that it
//! failed again. Here it hears of none: what comes after the first failure goes nowhere.

use std::io::{self, Seek, SeekFrom, Write};

/// Passes on to `out` until that fails.
pub(super) struct Late<W> {
    out: W,
    failure: Option<io::Error>,
    /// Where the next byte would go, and where the last one went.
    position: u64,
    end: u64,
}

impl<W: Write + Seek> Late<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            failure: None,
            position: 0,
            end: 0,
        }
    }

    /// The first failure, if there was one.
    pub(super) fn result(self) -> io::Result<()> {
        self.failure.map_or(Ok(()), Err)
    }

    /// Does something unless it is too late, and keeps the failure.
    fn attempt<T>(&mut self, action: impl FnOnce(&mut W) -> io::Result<T>) -> Option<T> {
        if self.failure.is_some() {
            return None;
        }
        action(&mut self.out)
            .map_err(|error| self.failure = Some(error))
            .ok()
    }
}

impl<W: Write + Seek> Write for Late<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|out| out.write_all(bytes));
        self.position += bytes.len() as u64;
        self.end = self.end.max(self.position);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt(Write::flush);
        Ok(())
    }
}

impl<W: Write + Seek> Seek for Late<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
        };
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        self.attempt(|out| out.seek(SeekFrom::Start(target)));
        self.position = target;
        Ok(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn everything_passes_until_the_first_failure() {
        let mut all = Late::new(Cursor::new(Vec::new()));
        all.write_all(b"abcdef").unwrap();
        all.seek(SeekFrom::Current(-4)).unwrap();
        all.write_all(b"X").unwrap();
        assert_eq!(all.seek(SeekFrom::End(-1)).unwrap(), 5);
        assert_eq!(all.out.get_ref(), b"abXdef");
        all.result().unwrap();

        let mut room = [0; 4];
        let mut full = Late::new(Cursor::new(&mut room[..]));
        full.write_all(b"abcdef").unwrap();
        full.write_all(b"gh").unwrap();
        assert_eq!(full.stream_position().unwrap(), 8);
        full.flush().unwrap();
        assert_eq!(full.result().unwrap_err().kind(), io::ErrorKind::WriteZero);
    }
}
