//! The shard that is being filled, and the one before it, which waits for the disk.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{JoinHandle, spawn};

use pg_cloud::RemoteOutput;
use pg_shard::{DatasetBuilder, ShardWriter};

use crate::BuildError;

/// Takes items in their order, one shard after the other. A finished shard is completed, and sent where it goes, on a thread of
/// its own meanwhile.
pub(crate) struct ShardsInHand<'a> {
    builder: &'a DatasetBuilder,
    /// Where finished shards are sent.
    remote: Option<Arc<RemoteOutput>>,
    filling: Option<ShardWriter>,
    finishing: Option<JoinHandle<Result<(), BuildError>>>,
    done: usize,
}

impl<'a> ShardsInHand<'a> {
    pub(crate) fn new(builder: &'a DatasetBuilder, remote: Option<Arc<RemoteOutput>>) -> Self {
        Self { builder, remote, filling: None, finishing: None, done: 0 }
    }

    /// The writer of the shard that `item` belongs to; another one in hand is completed first.
    pub(crate) fn writer(&mut self, item: usize) -> Result<&mut ShardWriter, BuildError> {
        let shard = item / self.builder.plan().items_per_shard.max(1);
        let writer = match self.filling.take() {
            Some(writer) if writer.number() == shard => writer,
            other => {
                if let Some(writer) = other {
                    self.finish(writer)?;
                }
                self.builder.shard(shard)?
            }
        };
        Ok(self.filling.insert(writer))
    }

    fn finish(&mut self, writer: ShardWriter) -> Result<(), BuildError> {
        self.wait()?;
        let remote = self.remote.clone();
        self.finishing = Some(spawn(move || {
            let shard = writer.number();
            writer.finish()?;
            remote.map_or(Ok(()), |remote| Ok(remote.send_shard(shard)?))
        }));
        Ok(())
    }

    fn wait(&mut self) -> Result<(), BuildError> {
        if let Some(thread) = self.finishing.take() {
            match thread.join() {
                Ok(finished) => finished?,
                Err(panic) => resume_unwind(panic),
            }
            self.done += 1;
        }
        Ok(())
    }

    /// Completes all, and says how many shards were.
    pub(crate) fn complete(mut self) -> (Result<(), BuildError>, usize) {
        let last = self.filling.take();
        let finished = last.map_or(Ok(()), |writer| self.finish(writer)).and_then(|()| self.wait());
        (finished, self.done)
    }

    /// Drops the shard that is being filled and waits for the one before it; says how many were completed.
    pub(crate) fn abandon(mut self) -> usize {
        self.filling = None;
        let _ = self.wait();
        self.done
    }
}
