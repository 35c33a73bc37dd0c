//! Unpredictable random bytes from the system.

/// Returns `N` bytes of the system's generator, which is seeded long before any user program runs.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the system gives no random bytes: {error}"),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::random;

    #[test]
    fn no_two_draws_are_the_same() {
        let draws: std::collections::BTreeSet<[u8; 16]> = (0..1_000).map(|_| random()).collect();
        assert_eq!(draws.len(), 1_000);
    }
}
