//! A place with an image `box` of one static program, and what is said of files there.

use support::site::Site;

/// The image's root file system: small, and with something to change.
const IMAGE: &str = "\
    mkdir -p $D/image/bin $D/image/etc $D/image/tmp $D/image/data/sub $D/image/data2 $D/image/old
    cp $BUSYBOX $D/image/bin/busybox
    for name in sh ls cat rm mkdir echo touch mkfifo ln chmod chown sleep id find mv cp tr seq true; do
        ln -s busybox $D/image/bin/$name
    done
    printf 'root:x:0:0::/:/bin/sh\\nweb:x:1000:1000::/:/bin/sh\\n' >$D/image/etc/passwd
    echo a >$D/image/data/a; echo b >$D/image/data/sub/b; ln -s data $D/image/link; ln -s a $D/image/data/la
    echo x >$D/image/old/a; echo y >$D/image/old/b
    tar -C $D/image -cf $D/image.tar .
";

/// This site, with the image; none, with the reason said, where there is no static program to make it of.
pub fn furnished(test: &str, site: Site) -> Option<Site> {
    let found =
        ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| std::path::Path::new(path).exists());
    let Some(busybox) = found else {
        support::skip(test, "there is no static busybox (apt-get install busybox-static)");
        return None;
    };
    let script = IMAGE.replace("$BUSYBOX", busybox).replace("$D/", "$D/state/");
    site.says(&format!("{script}\n$S import $D/state/image.tar box >/dev/null"));
    Some(site)
}

/// As whoever runs the tests, with the image.
pub fn ours(test: &str) -> Option<Site> {
    furnished(test, Site::ours())
}

/// As a user who is not root, with the image.
pub fn nobodys(test: &str) -> Option<Site> {
    furnished(test, Site::nobody())
}

/// Starts a container in the background, waits until it has written `/ready`, does this, and ends it. `$P` is its first
/// process.
pub fn while_running(options: &str, program: &str, then: &str) -> String {
    assert!(!program.contains('\''), "{program} stands in quotes");
    format!(
        "$S run --name live --network none {options} box sh -c '{program}; touch /ready; while :; do sleep 0.1; done' \
             >/dev/null 2>&1 &
         engine=$!
         ready() {{ $S diff live 2>/dev/null | grep -qx 'A /ready'; }}
         for i in $(seq 400); do ready && break; sleep 0.1; done
         ready || {{ echo 'it does not run'; exit 1; }}
         P=$(pgrep -P $engine | head -1)
         {then}
         kill -9 $P; wait $engine 2>/dev/null; true"
    )
}
