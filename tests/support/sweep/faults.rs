//! The faults of a sweep: those of the second layer and those of the third.

use super::super::killer::Mode;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// It strikes at one call.
    Once(Mode),
    /// It strikes at one call and at one call of the recovery, followed by a kill.
    Twice(Mode),
    /// The power is cut; `logged` as in [`killer::power_off`].
    PowerCut { logged: bool, twice: bool },
}

/// The faults of the second layer, in the order of the table in `docs/reliability.md`.
pub const FAULTS: [(&str, Fault); 15] = [
    ("killed before the call", Fault::Once(Mode::Kill)),
    ("killed after the call", Fault::Once(Mode::After)),
    ("killed in a torn write", Fault::Once(Mode::Torn)),
    ("killed twice", Fault::Twice(Mode::Kill)),
    ("ENOSPC once", Fault::Once(Mode::Err(libc::ENOSPC))),
    ("ENOSPC for ever", Fault::Once(Mode::ErrAll(libc::ENOSPC))),
    ("EIO once", Fault::Once(Mode::Err(libc::EIO))),
    ("EIO for ever", Fault::Once(Mode::ErrAll(libc::EIO))),
    (
        "every sync fails with EIO",
        Fault::Once(Mode::ErrSyncs(libc::EIO)),
    ),
    ("EROFS once", Fault::Once(Mode::Err(libc::EROFS))),
    ("EROFS for ever", Fault::Once(Mode::ErrAll(libc::EROFS))),
    ("EACCES once", Fault::Once(Mode::Err(libc::EACCES))),
    ("TERM", Fault::Once(Mode::Term)),
    ("INT", Fault::Once(Mode::Int)),
    ("HUP", Fault::Once(Mode::Hup)),
];

/// The faults of the third layer.
pub const CUTS: [(&str, Fault); 4] = [
    (
        "power cut",
        Fault::PowerCut {
            logged: false,
            twice: false,
        },
    ),
    (
        "power cut, log written",
        Fault::PowerCut {
            logged: true,
            twice: false,
        },
    ),
    (
        "power cut twice",
        Fault::PowerCut {
            logged: false,
            twice: true,
        },
    ),
    (
        "power cut twice, log written",
        Fault::PowerCut {
            logged: true,
            twice: true,
        },
    ),
];
