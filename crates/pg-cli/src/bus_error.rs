//! SIGBUS: a file that is mapped into memory was cut, or its disk failed, while it was read.

use std::io;

/// What is said then: which file it is, the system does not tell in words.
#[cfg(unix)]
const MESSAGE: &[u8] = b"error: a file became shorter while it was read (a shard of a dataset that is copied over or cut?), or its disk failed\n  \
what was finished is kept: once the file is whole (`pgprep verify` tells), run the same command again\n";

/// Ends the process with [`MESSAGE`] and status 2 on SIGBUS, in place of a death without a word.
#[cfg(unix)]
#[allow(unsafe_code, reason = "nothing safe says anything between the fault and the end of the process")]
pub(crate) fn explain() -> io::Result<()> {
    use std::fs::File;
    use std::io::Write as _;
    use std::mem::ManuallyDrop;
    use std::os::fd::FromRawFd as _;

    use signal_hook::consts::SIGBUS;
    use signal_hook::low_level::{exit, register};

    let action = || {
        // SAFETY: never dropped, so that nobody's descriptor is closed.
        let mut stderr = ManuallyDrop::new(unsafe { File::from_raw_fd(2) });
        let _ = stderr.write_all(MESSAGE);
        exit(2);
    };
    // SAFETY: the action calls write and _exit only, which are safe in a signal's handler; it takes no lock and no memory.
    unsafe { register(SIGBUS, action) }.map(drop)
}

#[cfg(not(unix))]
pub(crate) fn explain() -> io::Result<()> {
    Ok(())
}
