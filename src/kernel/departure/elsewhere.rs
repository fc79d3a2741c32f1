//! No go-between is written for this machine: the engine executes itself once more, [`super::binary`].

/// EM_NONE.
pub(super) const ELF: u16 = 0;

pub(super) fn code() -> Option<&'static [u8]> {
    None
}
