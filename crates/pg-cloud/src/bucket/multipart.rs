//! Large files in parts: the object shows when all are there, and nothing is left of one that failed.

use std::fs::File;
use std::future::Future;
use std::io::Read as _;
use std::time::Duration;

use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload};
use tokio::task::JoinSet;

/// Length of a part: services take from 5 MiB up.
const PART_BYTES: u64 = 8 << 20;
/// Services take 10000 parts.
const MOST_PARTS: u64 = 9_000;
/// Parts under way at once; as many are in memory.
const AT_ONCE: usize = 4;
/// How long an upload that failed may take to clean up behind itself.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// Uploads `file`, which has `bytes` bytes, until `stopped` ends; then, and when a part fails, the parts that
/// are there are removed. The error is `None` for the former.
pub(super) async fn put_in_parts(
    objects: &dyn ObjectStore,
    key: &Key,
    file: &File,
    bytes: u64,
    stopped: impl Future<Output = ()>,
) -> Result<(), Option<object_store::Error>> {
    let mut upload = objects.put_multipart(key).await?;
    let sent = tokio::select! {
        biased;
        sent = send(&mut *upload, file, bytes) => sent.map_err(Some),
        () = stopped => Err(None),
    };
    if sent.is_err() {
        // The first error is the one to tell.
        let _ = tokio::time::timeout(CLEAN_UP, upload.abort()).await;
    }
    sent
}

async fn send(upload: &mut dyn MultipartUpload, mut file: &File, bytes: u64) -> object_store::Result<()> {
    let part_bytes = PART_BYTES.max(bytes.div_ceil(MOST_PARTS));
    let mut under_way = JoinSet::new();
    let mut left = bytes;
    while left > 0 {
        let mut part = vec![0; part_bytes.min(left) as usize];
        file.read_exact(&mut part).map_err(|source| object_store::Error::Generic {
            store: "scratch file",
            source: source.into(),
        })?;
        left -= part.len() as u64;
        if under_way.len() >= AT_ONCE {
            joined(under_way.join_next().await)?;
        }
        under_way.spawn(upload.put_part(PutPayload::from(part)));
    }
    while let Some(part) = under_way.join_next().await {
        joined(Some(part))?;
    }
    upload.complete().await.map(drop)
}

fn joined(
    part: Option<Result<object_store::Result<()>, tokio::task::JoinError>>,
) -> object_store::Result<()> {
    match part {
        Some(Ok(sent)) => sent,
        Some(Err(source)) => Err(object_store::Error::JoinError { source }),
        None => Ok(()),
    }
}
