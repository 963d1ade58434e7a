//! An S3 server over a folder: a folder for each bucket, a file for each object.

use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::{Method, Response, StatusCode};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;

use crate::serving::Serving;

/// The only ones that the server knows.
pub const ACCESS_KEY: &str = "an-access-key";
/// Of [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "a-secret-key";

/// The server; it ends when dropped, its folder stays.
#[derive(Debug)]
pub struct S3Server {
    serving: Serving,
    root: PathBuf,
    writes: Arc<Writes>,
    unreadable: Arc<Mutex<Option<String>>>,
}

/// What is counted, and held up, of the requests that write.
#[derive(Debug)]
struct Writes {
    seen: AtomicUsize,
    /// Those from this number on get no answer, and are not carried out.
    held_from: AtomicUsize,
}

impl S3Server {
    /// Serves `root` on `port`; 0 is any that is free. Every answer takes `latency` longer than it must.
    #[must_use]
    pub fn start(root: &Path, port: u16, latency: Duration) -> Self {
        let mut builder = S3ServiceBuilder::new(FileSystem::new(root).expect("a folder to serve"));
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let s3 = builder.build();
        let writes = Arc::new(Writes { seen: AtomicUsize::new(0), held_from: AtomicUsize::new(usize::MAX) });
        let counted = Arc::clone(&writes);
        let unreadable = Arc::new(Mutex::new(None::<String>));
        let bad = Arc::clone(&unreadable);
        let serving = Serving::start(port, move |request| {
            let is_write = request.method() == Method::PUT;
            let number = if is_write { counted.seen.fetch_add(1, Ordering::SeqCst) } else { 0 };
            let held = is_write && number >= counted.held_from.load(Ordering::SeqCst);
            let s3 = s3.clone();
            let path = request.uri().path();
            let fails = request.method() == Method::GET
                && bad.lock().is_ok_and(|name| name.as_ref().is_some_and(|name| path.contains(name)));
            async move {
                if !latency.is_zero() {
                    tokio::time::sleep(latency).await;
                }
                if held {
                    pending::<()>().await;
                }
                if fails {
                    return broken();
                }
                match hyper::service::Service::call(&s3, request).await {
                    Ok(response) => response,
                    Err(_) => broken(),
                }
            }
        });
        Self { serving, root: root.to_owned(), writes, unreadable }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.serving.address)
    }

    /// The folder of buckets.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes an empty bucket.
    pub fn make_bucket(&self, name: &str) {
        fs::create_dir_all(self.root.join(name)).expect("a folder for the bucket");
    }

    /// From now on, carries out `number` more writes and leaves later ones without an answer.
    pub fn hold_writes_after(&self, number: usize) {
        let seen = self.writes.seen.load(Ordering::SeqCst);
        self.writes.held_from.store(seen.saturating_add(number), Ordering::SeqCst);
    }

    /// Whether a write waits for an answer that will not come.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.writes.seen.load(Ordering::SeqCst) > self.writes.held_from.load(Ordering::SeqCst)
    }

    /// From now on, answers reads of objects whose name holds `part` with status 500; with `None` none.
    pub fn fail_reads_of(&self, part: Option<&str>) {
        *self.unreadable.lock().expect("a lock") = part.map(str::to_owned);
    }

    /// Carries out later writes again; those that wait go on waiting.
    pub fn hold_no_writes(&self) {
        self.writes.held_from.store(usize::MAX, Ordering::SeqCst);
    }
}

fn broken() -> Response<s3s::Body> {
    let mut response = Response::new(s3s::Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
