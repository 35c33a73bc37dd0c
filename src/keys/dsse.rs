//! Signatures over exact bytes together with their type.
//!
//! The signed text is the pre-authentication encoding of DSSE v1
//! (github.com/secure-systems-lab/dsse, protocol.md). It includes the type, so a signature of
//! something else is never valid for a manifest, and length prefixes, so no two pairs of type and
//! bytes share an encoding. The algorithm is Ed25519 (RFC 8032) with strict rules: S below the
//! order of the group, and neither R nor the key of small order.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::model::signature::{KeyId, ManifestSignature};

/// The type of signed manifests.
pub const MANIFEST: &str = "application/vnd.snapback.manifest.v1+yaml";

/// Returns the encoding to be signed for bytes of a type.
fn encoding(kind: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {kind} {} ", kind.len(), bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out
}

/// Signs bytes of a type.
pub(super) fn sign(key: &SigningKey, kind: &str, bytes: &[u8]) -> ManifestSignature {
    let signature = key.sign(&encoding(kind, bytes));
    ManifestSignature {
        key: KeyId(key.verifying_key().to_bytes()),
        bytes: signature.to_bytes(),
    }
}

/// Returns true when this key made the signature over exactly these bytes of this type.
pub fn holds(key: &KeyId, signature: &ManifestSignature, kind: &str, bytes: &[u8]) -> bool {
    let Ok(verifying) = VerifyingKey::from_bytes(&key.0) else {
        return false;
    };
    let signed = encoding(kind, bytes);
    *key == signature.key
        && verifying
            .verify_strict(&signed, &Signature::from_bytes(&signature.bytes))
            .is_ok()
}

/// Returns true for a key whose signatures are meaningful: a canonically encoded point of the curve
/// that is not of small order.
pub fn is_sound(key: &KeyId) -> bool {
    VerifyingKey::from_bytes(&key.0).is_ok_and(|key| !key.is_weak()) && is_canonical(&key.0)
}

/// Returns true when the number without its sign bit is below 2^255 - 19.
fn is_canonical(key: &[u8; 32]) -> bool {
    let all_ones = key[1..31].iter().all(|byte| *byte == 0xff) && key[31] & 0x7f == 0x7f;
    !(all_ones && key[0] >= 0xed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = b"schema: snapback.manifest/1\n";

    /// The order of the group, little-endian: 2^252 + 27742317777372353535851937790883648493.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    /// Returns the encodings of the points of small order, including non-canonical ones.
    fn small() -> Vec<[u8; 32]> {
        let hex = [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ];
        hex.iter()
            .map(|hex| *crate::base::Digest::from_hex(hex).unwrap().bytes())
            .collect()
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        // The example in DSSE's protocol.md.
        assert_eq!(
            encoding("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(encoding("", b""), b"DSSEv1 0  0 ");
        // Moving a byte from the type into the bytes changes the encoding.
        assert_ne!(encoding("a ", b"b"), encoding("a", b" b"));
    }

    #[test]
    fn the_arithmetic_is_that_of_rfc_8032() {
        // Section 7.1, TEST 2.
        let of = |hex: &str| *crate::base::Digest::from_hex(hex).unwrap().bytes();
        let key = SigningKey::from_bytes(&of(
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        ));
        assert_eq!(
            key.verifying_key().to_bytes(),
            of("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
        );
        let signature = key.sign(&[0x72]).to_bytes();
        assert_eq!(
            signature[..32],
            of("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da")
        );
        assert_eq!(
            signature[32..],
            of("085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")
        );
    }

    #[test]
    fn a_signature_holds_for_its_key_type_and_bytes_alone() {
        let made = sign(&key(1), MANIFEST, BYTES);
        assert!(holds(&made.key, &made, MANIFEST, BYTES));
        let other = KeyId(key(2).verifying_key().to_bytes());
        assert!(!holds(&other, &made, MANIFEST, BYTES), "another key");
        assert!(
            !holds(
                &other,
                &ManifestSignature {
                    key: other,
                    ..made.clone()
                },
                MANIFEST,
                BYTES
            ),
            "another key's name on it"
        );
        for kind in [
            "",
            "application/vnd.snapback.audit.v1+json",
            "application/vnd.snapback.manifest.v1+yam",
            "Application/vnd.snapback.manifest.v1+yaml",
        ] {
            assert!(!holds(&made.key, &made, kind, BYTES), "{kind}");
            assert!(
                !holds(&made.key, &sign(&key(1), kind, BYTES), MANIFEST, BYTES),
                "made for {kind}"
            );
        }
        let raw = ManifestSignature {
            key: made.key,
            bytes: key(1).sign(BYTES).to_bytes(),
        };
        assert!(
            !holds(&made.key, &raw, MANIFEST, BYTES),
            "made over the bytes alone"
        );
        assert!(
            !holds(&made.key, &made, MANIFEST, &[BYTES, b"\n"].concat()),
            "a byte at the end"
        );
        assert!(
            !holds(&made.key, &made, MANIFEST, &BYTES[1..]),
            "a byte less"
        );
        assert!(!holds(&made.key, &made, MANIFEST, b""));
    }

    #[test]
    fn one_bit_changed_anywhere_and_it_does_not_hold() {
        let made = sign(&key(1), MANIFEST, BYTES);
        for bit in 0..64 * 8 {
            let mut bytes = made.bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !holds(
                    &made.key,
                    &ManifestSignature {
                        bytes,
                        ..made.clone()
                    },
                    MANIFEST,
                    BYTES
                ),
                "bit {bit} of the signature"
            );
        }
        for bit in 0..BYTES.len() * 8 {
            let mut bytes = BYTES.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !holds(&made.key, &made, MANIFEST, &bytes),
                "bit {bit} of the bytes"
            );
        }
        for bit in 0..32 * 8 {
            let mut key = made.key;
            key.0[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !holds(
                    &key,
                    &ManifestSignature {
                        key,
                        ..made.clone()
                    },
                    MANIFEST,
                    BYTES
                ),
                "bit {bit} of the key"
            );
        }
    }

    #[test]
    fn s_is_below_the_order_of_the_group() {
        let made = sign(&key(1), MANIFEST, BYTES);
        let mut bytes = made.bytes;
        // Every multiple that fits: lenient verifiers accept S + n * order for S.
        for times in 1..=14 {
            let mut carry = 0u16;
            for (byte, add) in bytes[32..].iter_mut().zip(ORDER) {
                let sum = u16::from(*byte) + u16::from(add) + carry;
                (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
            }
            assert_eq!(carry, 0);
            assert!(
                !holds(
                    &made.key,
                    &ManifestSignature {
                        bytes,
                        ..made.clone()
                    },
                    MANIFEST,
                    BYTES
                ),
                "S + {times} * order"
            );
        }
        for s in [[0; 32], [0xff; 32], ORDER] {
            bytes[32..].copy_from_slice(&s);
            assert!(!holds(
                &made.key,
                &ManifestSignature {
                    bytes,
                    ..made.clone()
                },
                MANIFEST,
                BYTES
            ));
        }
    }

    #[test]
    fn points_of_small_order_sign_nothing() {
        // With such a key and R, and S = 0, the equation holds for some texts, or for all.
        for point in small() {
            let weak = KeyId(point);
            assert!(!is_sound(&weak), "{weak}");
            for r in small() {
                let mut bytes = [0; 64];
                bytes[..32].copy_from_slice(&r);
                for nth in 0..16u8 {
                    assert!(
                        !holds(
                            &weak,
                            &ManifestSignature { key: weak, bytes },
                            MANIFEST,
                            &[nth]
                        ),
                        "{weak}"
                    );
                    let sound = sign(&key(nth), MANIFEST, BYTES).key;
                    assert!(!holds(
                        &sound,
                        &ManifestSignature { key: sound, bytes },
                        MANIFEST,
                        BYTES
                    ));
                }
            }
        }
        assert!(is_sound(&sign(&key(1), MANIFEST, BYTES).key));
    }

    #[test]
    fn keys_that_are_no_point_or_not_canonical_are_none() {
        let mut none = 0;
        for low in 0xed..=0xffu8 {
            for high in [0x7f, 0xff] {
                let mut key = [0xff; 32];
                (key[0], key[31]) = (low, high);
                assert!(!is_sound(&KeyId(key)));
                none += usize::from(VerifyingKey::from_bytes(&key).is_err());
            }
        }
        assert!(
            none > 0,
            "some of them are no points, the others are written in two ways"
        );
        assert!(!is_sound(&KeyId([2; 32])) || VerifyingKey::from_bytes(&[2; 32]).is_ok());
    }
}
