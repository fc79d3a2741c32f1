//! Routes: which object a path means. Names have slashes in them, so a path is read from its end.
//!
//! See the OCI distribution specification, endpoints. Lab 16-registry.

use percent_encoding::percent_decode_str;

use super::answer::Refusal;
use crate::engine::shelf::Repository;

/// What a path means; tags, digests and names of uploads are still texts.
#[derive(Debug, PartialEq)]
pub(super) enum Route {
    Base,
    Catalog,
    Tags(Repository),
    Manifest(Repository, String),
    Blob(Repository, String),
    Uploads(Repository),
    Upload(Repository, String),
    Referrers(Repository, String),
}

impl Route {
    pub(super) fn of(path: &str) -> Result<Route, Refusal> {
        let rest = path.strip_prefix("/v2").ok_or(Refusal::Route)?;
        let rest = match rest {
            "" | "/" => return Ok(Route::Base),
            rest => rest.strip_prefix('/').ok_or(Refusal::Route)?,
        };
        // decoded after the cut: an encoded slash is no slash
        let words = rest.split('/').map(|word| percent_decode_str(word).decode_utf8());
        let words: Vec<_> = words.collect::<Result<_, _>>().map_err(|_| Refusal::Route)?;
        let words: Vec<&str> = words.iter().map(|word| word.as_ref()).collect();
        let name = |words: &[&str]| match words.iter().any(|word| word.contains('/')) {
            true => Err(Refusal::Route),
            false => words.join("/").parse::<Repository>().map_err(Refusal::Shelf),
        };
        match &words[..] {
            ["_catalog"] => Ok(Route::Catalog),
            [of @ .., "tags", "list"] => Ok(Route::Tags(name(of)?)),
            [of @ .., "blobs", "uploads", ""] | [of @ .., "blobs", "uploads"] => {
                Ok(Route::Uploads(name(of)?))
            }
            [of @ .., "blobs", "uploads", id] => Ok(Route::Upload(name(of)?, (*id).to_owned())),
            [of @ .., "blobs", digest] => Ok(Route::Blob(name(of)?, (*digest).to_owned())),
            [of @ .., "manifests", selector] => Ok(Route::Manifest(name(of)?, (*selector).to_owned())),
            [of @ .., "referrers", digest] => Ok(Route::Referrers(name(of)?, (*digest).to_owned())),
            _ => Err(Refusal::Route),
        }
    }

    /// The methods that there are for it.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Route::Base | Route::Catalog | Route::Tags(_) | Route::Referrers(..) => "GET, HEAD",
            Route::Manifest(..) => "GET, HEAD, PUT, DELETE",
            Route::Blob(..) => "GET, HEAD, DELETE",
            Route::Uploads(_) => "POST",
            Route::Upload(..) => "GET, PATCH, PUT, DELETE",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_their_end() {
        let name = |text: &str| text.parse::<Repository>().expect(text);
        for (path, route) in [
            ("/v2", Route::Base),
            ("/v2/", Route::Base),
            ("/v2/_catalog", Route::Catalog),
            ("/v2/a/tags/list", Route::Tags(name("a"))),
            ("/v2/a/b/manifests/v1", Route::Manifest(name("a/b"), "v1".into())),
            ("/v2/manifests/manifests/manifests", Route::Manifest(name("manifests"), "manifests".into())),
            ("/v2/a/blobs/sha256%3A00", Route::Blob(name("a"), "sha256:00".into())),
            ("/v2/a/blobs/uploads/", Route::Uploads(name("a"))),
            ("/v2/a/blobs/uploads", Route::Uploads(name("a"))),
            ("/v2/a/blobs/uploads/x", Route::Upload(name("a"), "x".into())),
            ("/v2/blobs/uploads/manifests/x", Route::Manifest(name("blobs/uploads"), "x".into())),
            ("/v2/a/referrers/d", Route::Referrers(name("a"), "d".into())),
            ("/v2/a/blobs/..%2F..%2Fx", Route::Blob(name("a"), "../../x".into())),
        ] {
            assert_eq!(Route::of(path).unwrap_or_else(|_| panic!("{path}")), route, "{path}");
        }
        for path in [
            "/",
            "/v1/",
            "/v2x",
            "/v2/a",
            "/v2//manifests/x",
            "/v2/A/manifests/x",
            "/v2/a%2fb/tags/list",
            "/v2/../a/manifests/x",
            "/v2/a/blobs/../x",
            "/v2/manifests/x",
            "/v2/%ff/tags/list",
        ] {
            assert!(Route::of(path).is_err(), "{path}");
        }
    }
}
