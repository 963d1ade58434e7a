//! An S3 server over a folder, to try things out and to measure: `cargo run -p tests-cloud --example s3_server FOLDER`.
#![allow(clippy::print_stdout, reason = "an example is looked at")]

fn main() {
    let folder = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());
    let server = tests_cloud::S3Server::start(folder.as_ref(), 8014);
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
