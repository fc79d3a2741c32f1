//! Platforms: which of the images in a list is for a machine.
//!
//! ```text
//!   machine        takes, best first
//!   amd64          amd64, 386                      amd64/v3   amd64/v3, v2, amd64, 386
//!   arm64          arm64 (= v8), arm/v8, v7, v6, v5
//!   arm/v7         arm/v7 (= arm), v6, v5          others     themselves
//! ```
//!
//! As containerd and Docker match them, old names included (`x86_64`, `aarch64`, `armhf`). See the OCI image
//! specification, image-index.md (platform), and containerd's package platforms. Lab 16-registry.

use super::config::{self, Descriptor};
use std::fmt;
use std::str::FromStr;

/// What an image is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: String,
}

/// A text that names no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a platform: expected OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, as linux/arm64")]
pub struct PlatformError(
    /// the text
    pub String,
);

impl Platform {
    /// This machine's.
    pub fn of_this_machine() -> Platform {
        Platform::new("linux", config::architecture(), "")
    }

    /// With old names made new.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Platform {
        let lower = |text: &str| text.to_ascii_lowercase();
        let (architecture, variant) = match (lower(architecture).as_str(), lower(variant).as_str()) {
            ("i386" | "i486" | "i586" | "i686", _) => ("386".into(), String::new()),
            ("x86_64" | "x86-64" | "amd64", "v1" | "") => ("amd64".into(), String::new()),
            ("x86_64" | "x86-64", variant) => ("amd64".into(), variant.into()),
            ("aarch64" | "arm64", "8" | "v8" | "") => ("arm64".into(), String::new()),
            ("aarch64", variant) => ("arm64".into(), variant.into()),
            ("armhf", _) => ("arm".into(), "v7".into()),
            ("armel", _) => ("arm".into(), "v6".into()),
            ("arm", "" | "7") => ("arm".into(), "v7".into()),
            ("arm", "5" | "6" | "8") => ("arm".into(), format!("v{}", lower(variant))),
            (architecture, variant) => (architecture.into(), variant.into()),
        };
        Platform { os: lower(os), architecture, variant }
    }

    /// The same for every variant of the processor.
    pub fn without_variant(&self) -> Platform {
        Platform::new(&self.os, &self.architecture, "")
    }

    /// What a list's entry is for; none where it does not say.
    fn of(descriptor: &Descriptor) -> Option<Platform> {
        let platform = descriptor.platform.as_ref()?;
        let variant = platform.rest.get("variant").and_then(|variant| variant.as_str()).unwrap_or_default();
        Some(Platform::new(&platform.os, &platform.architecture, variant))
    }

    /// What this platform takes, best first.
    fn takes(&self) -> Vec<Platform> {
        let of = |architecture: &str, variant: String| Platform {
            os: self.os.clone(),
            architecture: architecture.into(),
            variant,
        };
        let number = self.variant.strip_prefix('v').and_then(|number| number.parse::<u32>().ok());
        let arm = |from: u32| (5..=from).rev().map(|number| of("arm", format!("v{number}")));
        let mut takes = vec![self.clone()];
        match (self.architecture.as_str(), number) {
            ("amd64", number) => {
                takes.extend((2..number.unwrap_or(0)).rev().map(|number| of("amd64", format!("v{number}"))));
                takes.extend(number.map(|_| of("amd64", String::new())));
                takes.push(of("386", String::new()));
            }
            ("arm64", number) => {
                takes.extend(
                    (9..number.unwrap_or(0).min(16)).rev().map(|number| of("arm64", format!("v{number}"))),
                );
                takes.extend(number.map(|_| of("arm64", String::new())));
                takes.extend(arm(8));
            }
            ("arm", Some(number)) => takes.extend(arm(number.min(9).saturating_sub(1))),
            _ => {}
        }
        takes
    }

    /// Whether an image for that platform runs here.
    pub fn accepts(&self, other: &Platform) -> bool {
        self.takes().contains(other)
    }

    /// The entry of a list that is best for this platform. One that does not say what it is for comes last.
    pub fn choose<'a>(&self, manifests: &'a [Descriptor]) -> Option<&'a Descriptor> {
        let takes = self.takes();
        let rank = |entry: &&Descriptor| match Platform::of(entry) {
            Some(platform) => takes.iter().position(|taken| *taken == platform),
            None => Some(takes.len()),
        };
        let ranked = manifests.iter().filter_map(|entry| Some((rank(&entry)?, entry)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, entry)| entry)
    }

    /// What a list has, for messages.
    pub fn list(manifests: &[Descriptor]) -> Vec<String> {
        let names = manifests.iter().filter_map(Platform::of).map(|platform| platform.to_string());
        names.take(20).map(|name| name.escape_default().to_string()).collect()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// `linux/arm64/v8`, `linux/arm64`; `linux` or `arm64` alone leave the rest to this machine.
    fn from_str(text: &str) -> Result<Platform, PlatformError> {
        let part = |part: &&str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if !parts.iter().all(part) {
            return Err(PlatformError(text.to_owned()));
        }
        match parts[..] {
            [os @ ("linux" | "windows" | "freebsd" | "darwin")] => {
                Ok(Platform::new(os, config::architecture(), ""))
            }
            [architecture] => Ok(Platform::new("linux", architecture, "")),
            [os, architecture] => Ok(Platform::new(os, architecture, "")),
            [os, architecture, variant] => Ok(Platform::new(os, architecture, variant)),
            _ => Err(PlatformError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Digest;

    fn entry(text: &str) -> Descriptor {
        let mut entry = Descriptor::new(config::MANIFEST, Digest::of(text.as_bytes()), 1);
        let parts: Vec<&str> = text.split('/').collect();
        if let [os, architecture, rest @ ..] = &parts[..] {
            let mut platform = config::Platform {
                architecture: (*architecture).into(),
                os: (*os).into(),
                rest: Default::default(),
            };
            for variant in rest {
                platform.rest.insert("variant".into(), (*variant).into());
            }
            entry.platform = Some(platform);
        }
        entry
    }

    #[test]
    fn the_best_of_a_list_is_chosen() {
        for (wanted, list, best) in [
            ("linux/amd64", "linux/arm64 linux/386 linux/amd64", Some("linux/amd64")),
            ("linux/amd64", "linux/386 linux/arm64", Some("linux/386")),
            ("linux/amd64", "linux/amd64/v2 linux/arm64", None),
            ("linux/amd64/v3", "linux/amd64 linux/amd64/v2 linux/amd64/v4", Some("linux/amd64/v2")),
            ("linux/x86_64", "windows/amd64 linux/amd64/v1", Some("linux/amd64/v1")),
            ("linux/arm64", "linux/arm/v7 linux/arm64/v8", Some("linux/arm64/v8")),
            ("linux/aarch64", "linux/arm/v6 linux/arm/v7", Some("linux/arm/v7")),
            ("linux/arm/v7", "linux/arm/v5 linux/arm/v6 linux/arm/v8", Some("linux/arm/v6")),
            ("linux/arm", "linux/arm", Some("linux/arm")),
            ("linux/arm/v6", "linux/arm/v7", None),
            ("linux/s390x", "linux/amd64 unknown/unknown", None),
            ("linux/s390x", "linux/amd64 anything", Some("anything")),
            ("linux/amd64", "anything linux/amd64", Some("linux/amd64")),
        ] {
            let entries: Vec<Descriptor> = list.split(' ').map(entry).collect();
            let platform: Platform = wanted.parse().expect(wanted);
            assert_eq!(platform.choose(&entries), best.map(entry).as_ref(), "{wanted} in {list}");
        }
    }

    #[test]
    fn platforms_are_read() {
        let machine = Platform::of_this_machine();
        assert_eq!("linux".parse(), Ok(machine.clone()));
        assert!(machine.accepts(&machine));
        assert_eq!("arm64".parse::<Platform>().expect("read").to_string(), "linux/arm64");
        assert_eq!("Linux/ARM/7".parse::<Platform>().expect("read").to_string(), "linux/arm/v7");
        for bad in ["", "linux/", "a/b/c/d", "linux/a b", "../x"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
