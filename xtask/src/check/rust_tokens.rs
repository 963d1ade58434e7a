//! As much of Rust's lexical structure as the source rules need: tokens without comments and string
//! contents, items under `#[cfg(test)]` taken out, and the paths that code names.

/// One token and the line it is on (from 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'s> {
    pub(super) kind: Kind,
    pub(super) text: &'s str,
    pub(super) line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// A string, character or number.
    Literal,
    Lifetime,
    /// One character, or `::`.
    Sign,
}

impl Token<'_> {
    fn is(&self, text: &str) -> bool {
        self.kind != Kind::Literal && self.text == text
    }
}

/// Cuts source text into tokens. Text that is not Rust gives some tokens, never a panic.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = next_token(rest, first);
        let text = &rest[..length];
        if let Some(kind) = kind {
            tokens.push(Token { kind, text, line });
        }
        line += text.matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The kind of the token at the start of `rest` (`None` for what is skipped) and its length in bytes.
fn next_token(rest: &str, first: char) -> (Option<Kind>, usize) {
    if rest.starts_with("//") {
        return (None, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (None, block_comment_length(rest));
    }
    if let Some(length) = string_length(rest) {
        return (Some(Kind::Literal), length);
    }
    if first == '\'' {
        return quote(rest);
    }
    if first.is_alphabetic() || first == '_' {
        return (Some(Kind::Word), word_length(rest));
    }
    if first.is_ascii_digit() {
        return (Some(Kind::Literal), word_length(rest));
    }
    if rest.starts_with("::") {
        return (Some(Kind::Sign), 2);
    }
    ((!first.is_whitespace()).then_some(Kind::Sign), first.len_utf8())
}

fn word_length(rest: &str) -> usize {
    rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
}

fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0;
    let mut position = 0;
    while position < rest.len() {
        let here = &rest.as_bytes()[position..];
        if here.starts_with(b"/*") {
            depth += 1;
            position += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                return position;
            }
        } else {
            position += 1;
        }
    }
    rest.len()
}

/// The length of the string literal at the start of `rest`, with any of the prefixes b, c, r, br, cr.
fn string_length(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        rest.strip_prefix(prefix).is_some_and(|after| {
            let after = if prefix.ends_with('r') { after.trim_start_matches('#') } else { after };
            after.starts_with('"')
        })
    })?;
    let body = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let open = prefix.len() + hashes + 1;
        return Some(rest[open..].find(&end).map_or(rest.len(), |at| open + at + end.len()));
    }
    let mut escaped = false;
    for (at, byte) in body.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(prefix.len() + at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// A character literal or a lifetime.
fn quote(rest: &str) -> (Option<Kind>, usize) {
    let after = &rest[1..];
    let mut characters = after.chars();
    match characters.next() {
        Some('\\') => {
            // The escaped character itself may be a quote.
            let escaped = characters.next().map_or(0, char::len_utf8);
            let open = 1 + 1 + escaped;
            (Some(Kind::Literal), rest[open..].find('\'').map_or(rest.len(), |at| open + at + 1))
        }
        Some(character) if characters.next() == Some('\'') => {
            (Some(Kind::Literal), 1 + character.len_utf8() + 1)
        }
        _ => (Some(Kind::Lifetime), 1 + word_length(after)),
    }
}

/// What is left of a file when the items under `#[cfg(test)]` are gone.
#[derive(Debug, Default)]
pub(super) struct Shipped<'s> {
    pub(super) tokens: Vec<Token<'s>>,
    /// Modules declared as `#[cfg(test)] mod name;`, whose files hold tests only.
    pub(super) test_modules: Vec<&'s str>,
}

/// Takes the items under `#[cfg(test)]` out.
pub(super) fn without_tests<'s>(tokens: &[Token<'s>]) -> Shipped<'s> {
    let mut shipped = Shipped::default();
    let mut position = 0;
    while position < tokens.len() {
        let Some((attribute_end, inner)) = attribute(tokens, position) else {
            shipped.tokens.push(tokens[position].clone());
            position += 1;
            continue;
        };
        if !means_test(&tokens[position..attribute_end]) {
            shipped.tokens.extend_from_slice(&tokens[position..attribute_end]);
            position = attribute_end;
        } else if inner {
            return Shipped::default();
        } else {
            let item = skip_attributes(tokens, attribute_end);
            let end = item_end(tokens, item);
            let words: Vec<&str> = tokens[item..end].iter().map(|token| token.text).collect();
            if let [.., "mod", name, ";"] = words[..] {
                shipped.test_modules.push(name);
            }
            position = end;
        }
    }
    shipped
}

/// The end of the attribute at `start`, and whether it is an inner one (`#![…]`).
fn attribute(tokens: &[Token], start: usize) -> Option<(usize, bool)> {
    if !tokens[start].is("#") {
        return None;
    }
    let inner = tokens.get(start + 1)?.is("!");
    let open = start + 1 + usize::from(inner);
    if !tokens.get(open)?.is("[") {
        return None;
    }
    Some((matching_end(tokens, open), inner))
}

fn skip_attributes(tokens: &[Token], mut position: usize) -> usize {
    while position < tokens.len()
        && let Some((end, _)) = attribute(tokens, position)
    {
        position = end;
    }
    position
}

/// `#[test]`, `#[cfg(test)]`, `#[cfg(all(test, …))]`; not `#[cfg(not(test))]`.
fn means_test(attribute: &[Token]) -> bool {
    let words: Vec<&str> =
        attribute.iter().filter(|token| token.kind == Kind::Word).map(|token| token.text).collect();
    match words[..] {
        ["test"] => true,
        ["cfg", ..] => words.contains(&"test") && !words.contains(&"not") && !words.contains(&"any"),
        _ => false,
    }
}

/// The end of the item at `start`: after its `;` or its braces.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut position = start;
    while position < tokens.len() {
        let token = &tokens[position];
        if token.is(";") {
            return position + 1;
        }
        if token.is("{") {
            return matching_end(tokens, position);
        }
        position = if token.is("(") || token.is("[") { matching_end(tokens, position) } else { position + 1 };
    }
    position
}

/// The position after the bracket that closes the one at `open`.
fn matching_end(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, token) in tokens[open..].iter().enumerate() {
        if token.is("{") || token.is("(") || token.is("[") {
            depth += 1;
        } else if token.is("}") || token.is(")") || token.is("]") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return open + offset + 1;
            }
        }
    }
    tokens.len()
}

/// A path that the code names: `std::env::var`, or `println` with `is_macro`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NamedPath<'s> {
    pub(super) segments: Vec<&'s str>,
    pub(super) is_macro: bool,
    pub(super) line: usize,
}

/// All paths in the tokens; `use` trees are spread out, one path per leaf.
pub(super) fn paths<'s>(tokens: &[Token<'s>]) -> Vec<NamedPath<'s>> {
    let mut paths = Vec::new();
    let mut position = 0;
    while position < tokens.len() {
        let token = &tokens[position];
        if token.is("use") {
            position = use_tree(tokens, position + 1, &[], &mut paths);
        } else if token.kind == Kind::Word {
            let mut segments = vec![token.text];
            let mut next = position + 1;
            while next + 1 < tokens.len() && tokens[next].is("::") && tokens[next + 1].kind == Kind::Word {
                segments.push(tokens[next + 1].text);
                next += 2;
            }
            let is_macro = tokens.get(next).is_some_and(|t| t.is("!"))
                && tokens.get(next + 1).is_some_and(|t| t.is("(") || t.is("[") || t.is("{"));
            paths.push(NamedPath { segments, is_macro, line: token.line });
            position = next;
        } else {
            position += 1;
        }
    }
    paths
}

/// Spreads out the use tree at `start` below `prefix`; returns the position after it.
fn use_tree<'s>(
    tokens: &[Token<'s>],
    start: usize,
    prefix: &[&'s str],
    paths: &mut Vec<NamedPath<'s>>,
) -> usize {
    let mut segments = prefix.to_vec();
    let mut position = start;
    let line = tokens.get(start).map_or(0, |token| token.line);
    while position < tokens.len() {
        let token = &tokens[position];
        if token.is("{") {
            position += 1;
            while position < tokens.len() && !tokens[position].is("}") {
                position = use_tree(tokens, position, &segments, paths);
                if tokens.get(position).is_some_and(|token| token.is(",")) {
                    position += 1;
                } else if !tokens.get(position).is_some_and(|token| token.is("}")) {
                    return position;
                }
            }
            return position + 1;
        }
        if token.is("as") {
            // The new name says nothing about where the thing comes from.
            position += 2;
        } else if token.kind == Kind::Word && token.text != "self" || token.is("*") {
            segments.push(token.text);
            position += 1;
        } else if token.is("::") || token.is("self") {
            position += 1;
        } else {
            break;
        }
    }
    paths.push(NamedPath { segments, is_macro: false, line });
    position
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<&str> {
        tokens(source).iter().filter(|token| token.kind == Kind::Word).map(|token| token.text).collect()
    }

    fn named(source: &str) -> Vec<String> {
        paths(&tokens(source)).iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn comments_and_strings_hold_no_words() {
        let source = r###"a // b
            /* c /* d */ e */ f "g \" h" r#"i " j"# b"k" br##"l"# m"## c"n" 'o' '\'' '\u{70}' z"###;
        assert_eq!(words(source), ["a", "f", "z"]);
    }

    #[test]
    fn lifetimes_are_not_the_start_of_a_character() {
        let kinds: Vec<Kind> = tokens("&'a str 'x' 'é'").iter().map(|token| token.kind).collect();
        assert_eq!(kinds, [Kind::Sign, Kind::Lifetime, Kind::Word, Kind::Literal, Kind::Literal]);
    }

    #[test]
    fn lines_are_counted_through_comments_and_strings() {
        let source = "/* 1\n2 */ \"3\n4\" here\nthere";
        let lines: Vec<_> = tokens(source).iter().filter(|t| t.kind == Kind::Word).map(|t| t.line).collect();
        assert_eq!(lines, [3, 4]);
    }

    #[test]
    fn test_items_are_taken_out_and_what_follows_stays() {
        let source = "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests { fn b() { c() } }\n#[cfg(not(test))] fn d() {}\n\
                      #[cfg(test)] fn e(x: [u8; 4]) -> u8 { x[0] } fn f() {}";
        let shipped = without_tests(&tokens(source));
        let words: Vec<_> = shipped.tokens.iter().filter(|t| t.kind == Kind::Word).map(|t| t.text).collect();
        assert_eq!(words, ["fn", "a", "cfg", "not", "test", "fn", "d", "fn", "f"]);
    }

    #[test]
    fn test_modules_in_other_files_are_named() {
        assert_eq!(without_tests(&tokens("#[cfg(test)]\nmod oracle;\nmod kept;")).test_modules, ["oracle"]);
    }

    #[test]
    fn a_file_that_is_all_test_holds_nothing() {
        assert!(without_tests(&tokens("#![cfg(test)]\nfn a() {}")).tokens.is_empty());
    }

    #[test]
    fn use_trees_are_spread_out() {
        let source = "use std::{env, fs::{self, File as F}, io::*}; pub use a::b;";
        let found = named(source);
        for expected in ["std::env", "std::fs", "std::fs::File", "std::io::*", "a::b"] {
            assert!(found.contains(&expected.to_owned()), "{expected} in {found:?}");
        }
    }

    #[test]
    fn macros_are_told_from_comparisons() {
        let source = "if println != 3 { println!(\"x\") }";
        let macros: Vec<bool> =
            paths(&tokens(source)).iter().filter(|p| p.segments == ["println"]).map(|p| p.is_macro).collect();
        assert_eq!(macros, [false, true]);
    }

    #[test]
    fn broken_source_ends_without_a_panic() {
        for source in
            ["\"open", "/* open", "'", "'\\", "r#\"open", "#[cfg(test)", "use {", "use a::{b", "é'é"]
        {
            let tokens = tokens(source);
            let _ = without_tests(&tokens);
            let _ = paths(&tokens);
        }
    }
}
