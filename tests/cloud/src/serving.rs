//! One thread that answers requests on a port of the loopback.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// A server; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Serving {
    /// Answers every request by `answer`, on `port`, or on any that is free.
    pub(crate) fn start<A, F, B>(port: u16, answer: A) -> Self
    where
        A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().expect("a thread to serve on");
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port))).expect("a free port");
        let address = listener.local_addr().expect("the port");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Else the end of an answer waits 40 ms for word that its start has come.
                stream.set_nodelay(true).expect("an open socket");
                let answer = answer.clone();
                let service = service_fn(move |request| {
                    let answered = answer(request);
                    async move { Ok::<_, Infallible>(answered.await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, runtime: Some(runtime) }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
