//! Text as it may reach a terminal: names of files come from outside, and may hold anything.

use std::borrow::Cow;

use crate::shown;

/// `text` with its control characters written out, so that a file's name can neither move the cursor nor reorder what is
/// read: `\u{1b}` for an escape. Line ends and tabulators stay.
pub(crate) fn lines_for_terminal(text: &str) -> Cow<'_, str> {
    written_out(shown(text), |c| acts_on_terminal(c) && !matches!(c, '\n' | '\t'))
}

/// As [`lines_for_terminal`], of a text that is one line: a line end in it is a name's.
pub(crate) fn line_for_terminal(text: &str) -> Cow<'_, str> {
    written_out(shown(text), acts_on_terminal)
}

/// Control characters, and those that change the direction of text (Unicode TR 36, 3.2).
fn acts_on_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
}

fn written_out(text: Cow<'_, str>, acts: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&acts) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out_and_other_text_stays() {
        assert_eq!(
            line_for_terminal("a\u{1b}[2Jb\nc\rd\u{7}\u{9b}1m"),
            "a\\u{1b}[2Jb\\nc\\rd\\u{7}\\u{9b}1m"
        );
        assert_eq!(
            lines_for_terminal("head\n\tGrüße \u{202e}gnp.a\u{7f}"),
            "head\n\tGrüße \\u{202e}gnp.a\\u{7f}"
        );
        assert!(matches!(line_for_terminal("ä 東京 \u{1f600}"), Cow::Borrowed(_)));
    }
}
