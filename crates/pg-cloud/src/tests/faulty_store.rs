//! A store in memory that counts what it is asked for and fails when it is told to.

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};

#[derive(Debug)]
pub(super) struct FaultyStore {
    inner: InMemory,
    writes_left: AtomicUsize,
    parts: Arc<Parts>,
    reads: Mutex<BTreeMap<String, usize>>,
    /// Part of a name, and how many of its reads are cut.
    cut: Mutex<(String, usize)>,
    reads_fail: AtomicBool,
}

#[derive(Debug)]
struct Parts {
    left: AtomicUsize,
    hang: AtomicBool,
    sent: AtomicUsize,
    aborted: AtomicUsize,
}

impl Default for FaultyStore {
    fn default() -> Self {
        Self {
            inner: InMemory::new(),
            writes_left: AtomicUsize::new(usize::MAX),
            parts: Arc::new(Parts {
                left: AtomicUsize::new(usize::MAX),
                hang: AtomicBool::new(false),
                sent: AtomicUsize::new(0),
                aborted: AtomicUsize::new(0),
            }),
            reads: Mutex::default(),
            cut: Mutex::default(),
            reads_fail: AtomicBool::new(false),
        }
    }
}

fn told_to_fail() -> object_store::Error {
    object_store::Error::NotSupported { source: "told to fail".into() }
}

/// Takes one of those that are left.
fn take(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl FaultyStore {
    pub(super) fn fail_writes_after(&self, number: usize) {
        self.writes_left.store(number, Ordering::SeqCst);
    }

    pub(super) fn fail_parts_after(&self, number: usize) {
        self.parts.left.store(number, Ordering::SeqCst);
    }

    pub(super) fn hang_parts_after(&self, number: usize) {
        self.parts.hang.store(true, Ordering::SeqCst);
        self.fail_parts_after(number);
    }

    pub(super) fn parts_sent(&self) -> usize {
        self.parts.sent.load(Ordering::SeqCst)
    }

    pub(super) fn aborted(&self) -> usize {
        self.parts.aborted.load(Ordering::SeqCst)
    }

    /// Ends the next `times` reads of objects whose name holds `part` in the middle.
    pub(super) fn cut_reads_of(&self, part: &str, times: usize) {
        *self.cut.lock().unwrap() = (part.to_owned(), times);
    }

    pub(super) fn fail_reads(&self) {
        self.reads_fail.store(true, Ordering::SeqCst);
    }

    /// How often objects were read whose name holds `part`.
    pub(super) fn reads_of(&self, part: &str) -> usize {
        self.reads.lock().unwrap().iter().filter(|(name, _)| name.contains(part)).map(|(_, n)| n).sum()
    }

    fn wait<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    pub(super) fn insert(&self, name: &str, bytes: &[u8]) {
        Self::wait(self.inner.put(&Key::from(name), bytes.to_vec().into())).unwrap();
    }

    pub(super) fn remove(&self, name: &str) {
        Self::wait(self.inner.delete(&Key::from(name))).unwrap();
    }

    /// Changes the last byte of an object.
    pub(super) fn damage(&self, name: &str) {
        let mut bytes = Self::wait(async { self.inner.get(&Key::from(name)).await.unwrap().bytes().await });
        let mut changed = bytes.as_mut().unwrap().to_vec();
        *changed.last_mut().unwrap() ^= 1;
        self.insert(name, &changed);
    }

    /// All objects, sorted by name.
    pub(super) fn contents(&self) -> Vec<(String, Vec<u8>)> {
        Self::wait(async {
            let mut found = Vec::new();
            let mut list = self.inner.list(None);
            while let Some(object) = list.next().await {
                let key = object.unwrap().location;
                let bytes = self.inner.get(&key).await.unwrap().bytes().await.unwrap();
                found.push((key.to_string(), bytes.to_vec()));
            }
            found.sort();
            found
        })
    }
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FaultyStore")
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, key: &Key, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if !take(&self.writes_left) {
            return Err(told_to_fail());
        }
        self.inner.put_opts(key, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        key: &Key,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let inner = self.inner.put_multipart_opts(key, options).await?;
        Ok(Box::new(FaultyUpload { inner, parts: Arc::clone(&self.parts) }))
    }

    async fn get_opts(&self, key: &Key, options: GetOptions) -> Result<GetResult> {
        if self.reads_fail.load(Ordering::SeqCst) {
            return Err(told_to_fail());
        }
        if options.head {
            return self.inner.get_opts(key, options).await;
        }
        *self.reads.lock().unwrap().entry(key.to_string()).or_insert(0) += 1;
        let mut result = self.inner.get_opts(key, options).await?;
        let is_cut = {
            let mut cut = self.cut.lock().unwrap();
            let hit = !cut.0.is_empty() && key.as_ref().contains(&cut.0) && cut.1 > 0;
            cut.1 -= usize::from(hit);
            hit
        };
        if is_cut {
            let half = result.meta.size as usize / 2;
            let (meta, range) = (result.meta.clone(), result.range.clone());
            let (attributes, extensions) = (result.attributes.clone(), result.extensions.clone());
            let start = result.bytes().await?.slice(..half);
            let payload = GetResultPayload::Stream(stream::iter([Ok(start)]).boxed());
            result = GetResult { payload, meta, range, attributes, extensions };
        }
        Ok(result)
    }

    fn delete_stream(&self, keys: BoxStream<'static, Result<Key>>) -> BoxStream<'static, Result<Key>> {
        self.inner.delete_stream(keys)
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn MultipartUpload>,
    parts: Arc<Parts>,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        if !take(&self.parts.left) {
            let hangs = self.parts.hang.load(Ordering::SeqCst);
            return Box::pin(async move {
                if hangs {
                    pending::<()>().await;
                }
                Err(told_to_fail())
            });
        }
        self.parts.sent.fetch_add(1, Ordering::SeqCst);
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.inner.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.aborted.fetch_add(1, Ordering::SeqCst);
        self.inner.abort().await
    }
}
