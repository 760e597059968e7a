//! Foreign text for a terminal: what it would act on is left out.

use unicode_width::UnicodeWidthChar;

/// One line without escape sequences, control characters and marks that change the direction of writing; after a
/// carriage return only what would be seen is left.
pub fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                // A control sequence, to its final character.
                Some('[') => drop(chars.by_ref().find(|c| ('@'..='~').contains(c))),
                // A string, to BEL or ST.
                Some(']' | 'P' | '_' | '^' | 'X') => {
                    while let Some(c) = chars.next() {
                        if c == '\u{7}' || c == '\u{9c}' || c == '\u{1b}' && chars.next_if_eq(&'\\').is_some() {
                            break;
                        }
                    }
                }
                // A sequence with intermediate characters, such as the choice of a character set.
                Some(' '..='/') => drop(chars.by_ref().find(|c| ('0'..='~').contains(c))),
                _ => {}
            },
            '\u{9b}' => drop(chars.by_ref().find(|c| ('@'..='~').contains(c))),
            '\t' => out.push_str("    "),
            '\r' => out.clear(),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Columns that the text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// As much of the text as fits into so many columns.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_string();
    }
    let mut out = String::new();
    let mut left = columns.saturating_sub(1);
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if wide > left {
            break;
        }
        left -= wide;
        out.push(c);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_drives_the_terminal() {
        for (text, want) in [
            ("plain ü 漢", "plain ü 漢"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07x", "x"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1b]no end", ""),
            ("\x1b[2J\x1b[Hx\x1b", "x"),
            ("\x1b(Bx\x1bcy", "xy"),
            ("\u{9b}31mx\u{8}\u{7}", "x"),
            ("10%\r50%\r\r", "50%"),
            ("a\tb", "a    b"),
            ("\u{202e}evil", "evil"),
        ] {
            assert_eq!(plain(text), want, "{text:?}");
        }
    }

    #[test]
    fn lines_fit() {
        assert_eq!(cut("12345", 5), "12345");
        assert_eq!(cut("123456", 5), "1234…");
        assert_eq!(cut("漢字漢", 5), "漢字…");
        assert_eq!(cut("漢字漢", 4), "漢…");
        assert_eq!(cut("x", 0), "");
        assert_eq!(width("漢a"), 3);
    }
}
