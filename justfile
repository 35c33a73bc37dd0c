# The recipes of everyday work; `just` lists them.

_list:
    @just --list --unsorted

# The main job, shown on a repository made for it
demo:
    cargo run --release -- demo --auto

# Types and borrows of everything
check:
    cargo check --all-targets

# Format and lints, as CI wants them
lint:
    cargo fmt --all --check
    cargo clippy --locked --all-targets -- -D warnings

# The rules of the house: rooms, sizes, owners
tidy:
    cargo test --test tidy

# The tests of one crate: base, model, git or store
unit crate:
    cargo test -p snapback-{{crate}}

# Commands end to end, without the sweeps and without outside programs
fast filter="":
    cargo test --test it -- --skip faults:: --skip outside:: {{filter}}

# A fault at every point: kills, failed syncs, power cuts
faults filter="":
    cargo test --test it -- faults::{{filter}}

# Everything that the README promises
test:
    cargo test

# The long sweeps in an optimised build; over 100,000 states of a disk after a power cut
sweeps states="48000":
    SNAPBACK_CRASH_STATES={{states}} cargo test --locked --profile sweep --test it -- crash_states --nocapture

# One fuzz target for a while
fuzz target seconds="60":
    cd fuzz && cargo +nightly fuzz run {{target}} -- -max_total_time={{seconds}}

# docs/settings.md, made anew from the declarations of the settings
settings-page:
    SNAPBACK_WRITE_DOCS=1 cargo test --lib settings_page

# The documentation, with every warning an error
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

# What must pass before a merge
ci:
    .ci/run
