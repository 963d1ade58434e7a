//! URLs of objects, and of all objects below a name.

use std::fmt;
use std::path::Path;

use crate::CloudError;

/// How the URLs begin that are known.
pub const SCHEMES: [&str; 4] = ["s3://", "gs://", "http://", "https://"];

/// What a URL is handed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    /// Amazon S3, and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// A web server.
    Http,
}

/// An object in a bucket or on a web server, or all objects below it as below a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    service: Service,
    /// Bucket, or `http://HOST:PORT`.
    bucket: String,
    /// Without slashes at its ends; of web servers as in the URL, percent signs and all.
    key: String,
    scheme: &'static str,
}

impl Location {
    /// Whether `argument` is a URL of a known scheme; touches nothing.
    #[must_use]
    pub fn is_url(argument: &Path) -> bool {
        let text = argument.as_os_str().as_encoded_bytes();
        SCHEMES.iter().any(|scheme| {
            text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
        })
    }

    /// The location that `argument` names; `None` when it is no URL but a path.
    ///
    /// # Errors
    /// [`CloudError::Url`].
    pub fn of(argument: &Path) -> Result<Option<Self>, CloudError> {
        if !Self::is_url(argument) {
            return Ok(None);
        }
        let wrong =
            |detail: &str| CloudError::Url { url: argument.display().to_string(), detail: detail.to_owned() };
        let text = argument.to_str().ok_or_else(|| wrong("it is no UTF-8 text"))?;
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let (service, scheme) = match scheme.to_ascii_lowercase().as_str() {
            "s3" => (Service::S3, "s3"),
            "gs" => (Service::Gcs, "gs"),
            "http" => (Service::Http, "http"),
            _ => (Service::Http, "https"),
        };
        if bucket.is_empty() {
            return Err(wrong(match service {
                Service::Http => "it has no host, expected http://HOST/PATH",
                _ => "it has no bucket, expected s3://BUCKET/KEY or gs://BUCKET/KEY",
            }));
        }
        let key = key.trim_matches('/');
        if key.split('/').any(|part| matches!(part, "." | "..") || (part.is_empty() && !key.is_empty())) {
            return Err(wrong("its key has an empty part, `.` or `..`"));
        }
        if service == Service::Http {
            if bucket.contains('@') {
                return Err(wrong("it holds a user name, which is not sent"));
            }
            if key.contains(['?', '#']) {
                return Err(wrong(
                    "it has a query or fragment, which is not sent: signed URLs cannot be used",
                ));
            }
        }
        Ok(Some(Self { service, bucket: bucket.to_owned(), key: key.to_owned(), scheme }))
    }

    /// The object `name` below this one; this one for an empty name.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let mut joined = self.clone();
        if !joined.key.is_empty() && !name.is_empty() {
            joined.key.push('/');
        }
        joined.key.push_str(name);
        joined
    }

    /// Whether this is `other` or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let below = self.key.strip_prefix(&other.key);
        (self.service, self.scheme, &self.bucket) == (other.service, other.scheme, &other.bucket)
            && below.is_some_and(|rest| rest.is_empty() || other.key.is_empty() || rest.starts_with('/'))
    }

    /// The last part of the key; the bucket where there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        match self.key.rsplit('/').next() {
            Some(name) if !name.is_empty() => name,
            _ => &self.bucket,
        }
    }

    /// Whether what lies below it can be listed: not on a plain web server.
    #[must_use]
    pub fn can_be_listed(&self) -> bool {
        self.service != Service::Http
    }

    pub(crate) fn service(&self) -> Service {
        self.service
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Tells buckets apart.
    pub(crate) fn root(&self) -> String {
        format!("{}://{}", self.scheme, self.bucket)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.bucket)?;
        if self.key.is_empty() { Ok(()) } else { write!(f, "/{}", self.key) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Location {
        Location::of(Path::new(text)).unwrap().unwrap()
    }

    #[test]
    fn paths_are_no_urls() {
        for path in ["faces", "/data/s3:/x", "s3:x", "./s3://b", "ftp://host/x", "http:/x", ""] {
            assert_eq!(Location::of(Path::new(path)).unwrap(), None, "{path}");
        }
    }

    #[test]
    fn urls_are_taken_apart_and_shown_as_given() {
        for (text, shown, bucket, key) in [
            ("s3://b/a/c.zip", "s3://b/a/c.zip", "b", "a/c.zip"),
            ("S3://b/photos/", "s3://b/photos", "b", "photos"),
            ("gs://b", "gs://b", "b", ""),
            ("s3://b/my photos/%41#1?.jpg", "s3://b/my photos/%41#1?.jpg", "b", "my photos/%41#1?.jpg"),
            ("http://127.0.0.1:80/x/y", "http://127.0.0.1:80/x/y", "127.0.0.1:80", "x/y"),
        ] {
            let found = of(text);
            assert_eq!(
                (found.to_string().as_str(), found.bucket.as_str(), found.key()),
                (shown, bucket, key)
            );
        }
    }

    #[test]
    fn urls_that_name_nothing_are_refused_with_what_was_expected() {
        for (text, part) in [
            ("s3://", "it has no bucket, expected s3://BUCKET/KEY"),
            ("http:///x", "no host"),
            ("s3://b/a//c", "an empty part"),
            ("s3://b/../c", "`..`"),
            ("https://host/x?token=1", "a query"),
            ("https://me@host/x", "a user name"),
        ] {
            let error = Location::of(Path::new(text)).unwrap_err().to_string();
            assert!(error.starts_with(text) && error.contains(part), "{error}");
        }
    }

    #[test]
    fn within_goes_by_whole_parts_of_the_key() {
        assert!(of("s3://b/photos/out").is_within(&of("s3://b/photos")));
        assert!(of("s3://b/photos").is_within(&of("s3://b/photos")));
        assert!(of("s3://b/photos").is_within(&of("s3://b")));
        assert!(!of("s3://b/photos-2").is_within(&of("s3://b/photos")));
        assert!(!of("s3://b/photos").is_within(&of("s3://b/photos/out")));
        assert!(!of("gs://b/photos/out").is_within(&of("s3://b/photos")));
    }

    #[test]
    fn names_join_and_the_last_part_is_the_name() {
        assert_eq!(of("s3://b").join("a").to_string(), "s3://b/a");
        assert_eq!(of("s3://b/a").join("c/d").to_string(), "s3://b/a/c/d");
        assert_eq!(of("s3://b/a").join("").to_string(), "s3://b/a");
        assert_eq!((of("s3://b/a/c.zip").name(), of("s3://b").name()), ("c.zip", "b"));
    }
}
