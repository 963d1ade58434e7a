//! Servers on the loopback for the tests of object storage: S3 over a folder, and a plain web server.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "tests only: what cannot start has failed"
)]

mod s3_server;
mod serving;
mod store;
mod web_server;

pub use s3_server::{ACCESS_KEY, S3Server, SECRET_KEY};
pub use store::Store;
pub use web_server::WebServer;
