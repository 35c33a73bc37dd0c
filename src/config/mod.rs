//! Row 7, snapback.yaml: discovery, schema.
