//! An S3 server over a folder, to try things out and to measure:
//! `cargo run -p tests-cloud --example s3_server FOLDER [MILLISECONDS]`. Folders in FOLDER are buckets; every answer takes
//! that many milliseconds longer.
#![allow(clippy::print_stdout, reason = "an example is looked at")]

use std::time::Duration;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| ".".to_owned());
    let latency = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let server = tests_cloud::S3Server::start(folder.as_ref(), 8014, Duration::from_millis(latency));
    println!("export AWS_ENDPOINT={} AWS_ALLOW_HTTP=true", server.endpoint());
    println!(
        "export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}",
        tests_cloud::ACCESS_KEY,
        tests_cloud::SECRET_KEY
    );
    loop {
        std::thread::park();
    }
}
