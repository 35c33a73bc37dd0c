//! Append-only logs that reveal damage: one checksummed, chained JSON record per line.
//!
//! A line is `<64 hex digits> <JSON>\n`; the digits are the SHA-256 of the previous line's digits
//! (empty for the first), a space and the JSON, so that changed, lost or moved lines are detected.
//! A last line without its end is the trace of a crash, not damage.

use serde::{Serialize, de::DeserializeOwned};

use crate::base::Digest;

/// A parsed log.
#[derive(Debug)]
pub struct Chain<T> {
    /// The records, oldest first.
    pub records: Vec<T>,
    /// The digits of the last line; empty for an empty log.
    pub last: String,
    /// Number of bytes in complete lines; the rest is torn.
    pub whole: usize,
}

/// Renders a line and its digits, given the previous line's digits.
pub fn render<T: Serialize>(previous: &str, record: &T) -> (String, String) {
    let json = serde_json::to_string(record).expect("because plain data always renders");
    let digits = Digest::of(format!("{previous} {json}").as_bytes()).hex();
    (format!("{digits} {json}\n"), digits)
}

/// Parses a log; the error names the first damaged line.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<Chain<T>, String> {
    let (mut records, mut last, mut whole) = (Vec::new(), String::new(), 0);
    while let Some(end) = bytes[whole..].iter().position(|byte| *byte == b'\n') {
        let number = records.len() + 1;
        let line = std::str::from_utf8(&bytes[whole..whole + end]).ok();
        let (digits, json) = line
            .and_then(|line| line.split_once(' '))
            .ok_or_else(|| format!("line {number} is not a record"))?;
        if !is_record(&last, &bytes[whole..whole + end]) {
            return Err(format!("line {number} has the wrong checksum"));
        }
        records
            .push(serde_json::from_str(json).map_err(|error| format!("line {number}: {error}"))?);
        last = digits.to_string();
        whole += end + 1;
    }
    // A crash leaves a line without its end, or with zeros instead, but never with another end.
    if let Some((end, line)) = bytes[whole..].split_last()
        && *end != 0
        && is_record(&last, line)
    {
        return Err(format!("line {} has the wrong end", records.len() + 1));
    }
    Ok(Chain {
        records,
        last,
        whole,
    })
}

/// Returns true when a line's checksum is correct.
fn is_record(last: &str, line: &[u8]) -> bool {
    let parts = std::str::from_utf8(line)
        .ok()
        .and_then(|line| line.split_once(' '));
    parts.is_some_and(|(digits, json)| {
        Digest::of(format!("{last} {json}").as_bytes()).hex() == digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_is_dropped_and_every_other_damage_is_found() {
        let (mut last, mut text) = (String::new(), String::new());
        for record in ["begin", "a\nb", "舆情"] {
            let (line, digits) = render(&last, &record);
            text += &line;
            last = digits;
        }
        let whole = parse::<String>(text.as_bytes())
            .expect("it is whole")
            .records;
        for cut in 0..text.len() {
            let chain =
                parse::<String>(&text.as_bytes()[..cut]).expect("a prefix is what a crash leaves");
            assert_eq!(chain.records[..], whole[..chain.records.len()]);
            assert!(chain.whole <= cut);
        }
        for at in 0..text.len() {
            let mut bad = text.clone().into_bytes();
            bad[at] ^= 1;
            assert!(parse::<String>(&bad).is_err(), "byte {at}");
        }
    }
}
