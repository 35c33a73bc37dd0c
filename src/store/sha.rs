//! interim
use crate::base::Digest;
/// Digests of many messages.
pub fn digests(messages: &[&[u8]]) -> Vec<Digest> {
    messages.iter().map(|message| Digest::of(message)).collect()
}
