//! Namespaces (written below).
