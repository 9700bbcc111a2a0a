//! yaml.md, row by row.
