//! The pgkit dataset format: shards, manifest, verification.
