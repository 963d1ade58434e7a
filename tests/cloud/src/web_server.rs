//! A plain web server over a folder: whole files, no listing, no ranges.

use std::path::Path;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode};

use crate::serving::Serving;

/// The server; it ends when dropped.
#[derive(Debug)]
pub struct WebServer {
    serving: Serving,
}

impl WebServer {
    /// Serves the files below `root`.
    #[must_use]
    pub fn start(root: &Path) -> Self {
        let root = root.to_owned();
        let serving = Serving::start(0, move |request: Request<_>| {
            let path = root.join(request.uri().path().trim_start_matches('/'));
            let is_head = request.method() == Method::HEAD;
            async move {
                let mut response = Response::new(Full::new(Bytes::new()));
                match std::fs::read(path) {
                    Ok(content) => {
                        response.headers_mut().insert(hyper::header::CONTENT_LENGTH, content.len().into());
                        if !is_head {
                            *response.body_mut() = Full::new(content.into());
                        }
                    }
                    Err(_) => *response.status_mut() = StatusCode::NOT_FOUND,
                }
                response
            }
        });
        Self { serving }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.serving.address)
    }
}
