//! Texts as file systems see them that fold case and Unicode forms (NTFS, APFS, HFS+).

use unicode_normalization::UnicodeNormalization;

/// Returns a text without differences of case and of Unicode forms.
pub fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Upper case first: it unifies letters that lower case keeps distinct, such as the two small
    // sigmas.
    let upper = text.nfc().collect::<String>().to_uppercase();
    upper.to_lowercase().nfc().collect()
}
