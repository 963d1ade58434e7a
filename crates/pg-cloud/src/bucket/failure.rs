//! What went wrong, in words that say what to do about it.

use std::error::Error;

use crate::{CloudError, Location};

/// What servers call it when they know who asks, or not, and say no.
const DENIED: [&str; 7] = [
    "AccessDenied",
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
    "ExpiredToken",
    "InvalidToken",
    "AllAccessDisabled",
    "AccountProblem",
];

/// `error`, met while trying to `action` what lies at `location`.
pub(super) fn explained(
    error: &object_store::Error,
    action: &'static str,
    location: &Location,
) -> CloudError {
    use object_store::Error as E;
    let url = location.to_string();
    let text = pg_shard::reason(error);
    let code = between(&text, "<Code>", "</Code>");
    let said = || said(&text, code);
    if code == Some("NoSuchBucket") {
        return CloudError::NoBucket { url };
    }
    if text.contains("169.254.169.254") || text.contains("169.254.170.2") || text.contains("metadata.google")
    {
        return CloudError::NoCredentials { url, detail: "this machine has none of its own".to_owned() };
    }
    // Not every request's error says so by its type.
    let is_denied = code.is_some_and(|code| DENIED.contains(&code))
        || ["status code: 401", "status code: 403"].iter().any(|status| text.contains(status));
    match error {
        E::NotFound { .. } => CloudError::Missing { url },
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            CloudError::Denied { action, url, detail: said() }
        }
        _ if is_denied => CloudError::Denied { action, url, detail: said() },
        _ if text.contains("scheme is not allowed") || text.contains("BadScheme") => CloudError::Failed {
            action,
            url,
            detail:
                "the endpoint (AWS_ENDPOINT) is http://, not https://: set AWS_ALLOW_HTTP=true to allow it"
                    .to_owned(),
        },
        _ if text.contains("status code") || code.is_some() => {
            CloudError::Failed { action, url, detail: said() }
        }
        _ if is_of_the_network(&text) => CloudError::Unreachable { url, detail: last_cause(error) },
        _ => CloudError::Failed { action, url, detail: said() },
    }
}

pub(super) fn wrong_key(error: &object_store::path::Error, location: &Location) -> CloudError {
    CloudError::Url { url: location.to_string(), detail: error.to_string() }
}

fn is_of_the_network(text: &str) -> bool {
    ["error sending request", "Connect", "connect", "dns", "timed out", "HTTP error"]
        .iter()
        .any(|word| text.contains(word))
}

/// The innermost cause, which says it shortest.
fn last_cause(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// The server's own words, or the shortest there are.
fn said(text: &str, code: Option<&str>) -> String {
    if let Some(code) = code {
        return match between(text, "<Message>", "</Message>") {
            Some(message) if !message.is_empty() => format!("{code}: {message}"),
            _ => code.to_owned(),
        };
    }
    if let Some(status) = text.split("status code: ").nth(1) {
        let end = status.find([':', '\n']).unwrap_or(status.len());
        return format!("status {}", status[..end].trim());
    }
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(300).collect()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = &text[text.find(start)? + start.len()..];
    rest.get(..rest.find(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_words_are_told() {
        let body = "Server returned non-2xx status code: 403 Forbidden: <?xml?><Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>";
        assert_eq!(said(body, between(body, "<Code>", "</Code>")), "AccessDenied: Access Denied.");
        assert_eq!(said("Server returned non-2xx status code: 500 Oops: x", None), "status 500 Oops");
        assert_eq!(said("one\ntwo", None), "one");
    }
}
