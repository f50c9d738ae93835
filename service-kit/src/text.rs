//! What must not stand in a text.

/// Whether 12 to 19 digits with the check digit of ISO/IEC 7812 stand in the text, with or without separators: they may be
/// a card's number, which must not be stored.
pub fn has_card_number(text: &str) -> bool {
    let runs = text.split(|letter: char| !(letter.is_ascii_digit() || "-._".contains(letter)));
    runs.into_iter().any(|run| {
        let digits: Vec<u32> = run.chars().filter_map(|letter| letter.to_digit(10)).collect();
        (12..=19).contains(&digits.len()) && has_check_digit(&digits)
    })
}

fn has_check_digit(digits: &[u32]) -> bool {
    let doubled = |(place, digit): (usize, &u32)| match place % 2 {
        0 => *digit,
        _ => digit * 2 / 10 + digit * 2 % 10,
    };
    digits.iter().rev().enumerate().map(doubled).sum::<u32>().is_multiple_of(10)
}

/// Whether a character is not seen, or changes the direction of writing: a text could hide behind it. Not the two joiners
/// (U+200C and U+200D), which belong to the spelling of Persian and of the languages of India, and to emoji. The
/// tags (from U+E0000 on) are hidden although the flags of England, Scotland and Wales have them: they can spell any text.
pub fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'
            | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_or_turns_writing_round_is_hidden() {
        for letter in ['\0', '\n', '\u{1b}', '\u{ad}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}'] {
            assert!(is_hidden(letter), "{letter:?}");
        }
        for blank in ['\u{34f}', '\u{115f}', '\u{1160}', '\u{180e}', '\u{2800}', '\u{3164}', '\u{ffa0}'] {
            assert!(is_hidden(blank), "{blank:?}");
        }
        for mark in ['\u{fff9}', '\u{fffb}', '\u{e0001}', '\u{e0020}', '\u{e007f}'] {
            assert!(is_hidden(mark), "{mark:?}");
        }
        for letter in [' ', 'a', 'é', 'א', '가', '\u{301}', '\u{200c}', '\u{200d}', '\u{fe0f}'] {
            assert!(!is_hidden(letter), "{letter:?}");
        }
    }

    #[test]
    fn a_cards_number_is_found_with_and_without_separators() {
        for text in ["4111111111111111", "4111-1111-1111-1111", "tok_4111111111111111", "378282246310005"] {
            assert!(has_card_number(text), "{text:?}");
        }
        for text in ["", "1234", "tok_ok", "tok_018f3a5c2b7e", "4111111111111112", "41111111111"] {
            assert!(!has_card_number(text), "{text:?}");
        }
    }
}
