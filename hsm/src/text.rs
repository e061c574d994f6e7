//! Text that comes from elsewhere and is shown on a terminal.

/// No control character, no end of a line, and none that turns the direction of writing (Unicode Standard Annex 9).
pub(crate) fn is_visible(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
