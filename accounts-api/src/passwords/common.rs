//! The passwords that are tried first: they are in every list of leaked ones.

/// Words, lower case, one a line. With the usual endings each makes some twenty passwords.
const WORDS: &str = include_str!("common.txt");

/// What people add to a word that is too short.
const ENDINGS: [&str; 28] = [
    "",
    "!",
    "1",
    "!!",
    "12",
    "1!",
    "123",
    "123!",
    "1234",
    "1234!",
    "12345",
    "12345!",
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "0",
    "00",
    "000",
    "321",
    "654321",
    "69",
    "77",
    "007",
    "99",
    "2000",
    "@123",
];

/// The rows that a finger runs along.
const RUNS: [&str; 9] = [
    "01234567890123456789",
    "98765432109876543210",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
];

/// Whether a password is among those that are tried first.
pub(super) fn is_common(password: &str) -> bool {
    let text = password.to_lowercase();
    is_run(&text) || is_repeated(&text) || is_word(&text)
}

fn is_run(text: &str) -> bool {
    RUNS.iter().any(|run| run.contains(text))
}

/// A few characters, again and again.
fn is_repeated(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=3).any(|length| chars.chunks(length).all(|chunk| chars.starts_with(chunk)))
}

/// A word of the list, or twice the same, with a usual ending or a year.
fn is_word(text: &str) -> bool {
    WORDS.lines().any(|word| {
        let Some(rest) = text.strip_prefix(word) else { return false };
        let rest = rest.strip_prefix(word).unwrap_or(rest);
        let year = rest.strip_suffix('!').unwrap_or(rest);
        let is_year = year.len() == 4 && (1940..=2039).any(|known| year.parse() == Ok(known));
        ENDINGS.contains(&rest) || is_year
    })
}
