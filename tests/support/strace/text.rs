//! When a text of the trace and one of strace mean the same.

/// A word as the kernel takes it: an IPv4 address (its prefix apart), a link-layer address, or a name.
pub fn octets(word: &str) -> Vec<u8> {
    if let Some(address) = word.split('/').next().and_then(|ip| ip.parse::<std::net::Ipv4Addr>().ok()) {
        return address.octets().to_vec();
    }
    let pairs: Vec<&str> = word.split(':').collect();
    let link_layer: Option<Vec<u8>> = pairs.iter().map(|pair| u8::from_str_radix(pair, 16).ok()).collect();
    match link_layer {
        Some(bytes) if bytes.len() == 6 => bytes,
        _ => word.as_bytes().to_vec(),
    }
}

/// Equal as far as the trace names them.
pub fn same_strings(wanted: &[Vec<u8>], seen: &[Vec<u8>]) -> bool {
    wanted.len() <= seen.len() && wanted.iter().zip(seen).all(|(wanted, seen)| same_string(wanted, seen))
}

/// Equal, `[BOX]` standing for any number, and as far as both were printed.
fn same_string(wanted: &[u8], seen: &[u8]) -> bool {
    const BOX: &[u8] = b"[BOX]";
    const CUT: &[u8] = b"\0...";
    if let Some(at) = wanted.windows(BOX.len()).position(|window| window == BOX) {
        let digits = seen.iter().skip(at).take_while(|byte| byte.is_ascii_digit()).count();
        return digits > 0
            && seen.len() >= at
            && wanted[..at] == seen[..at]
            && same_string(&wanted[at + BOX.len()..], &seen[at + digits..]);
    }
    match (wanted.strip_suffix(CUT), seen.strip_suffix(CUT)) {
        (None, None) => wanted == seen,
        (Some(head), None) => seen.starts_with(head),
        (None, Some(head)) => wanted.starts_with(head),
        (Some(a), Some(b)) => a.starts_with(b) || b.starts_with(a),
    }
}
