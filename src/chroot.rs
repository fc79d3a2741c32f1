//! Chroot (written below).
