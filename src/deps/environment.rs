//! `env: sync`: a new Python environment is built beside the old one, never in its place.
