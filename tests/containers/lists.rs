//! `ps`, in Docker's columns.

use support::site::Site;

#[test]
fn columns_and_filters() {
    let site = Site::ours();
    let out = site.says(
        "$S create --name red --label a=1 stepbox/base sh -c 'echo \"a b\"; exit' >/dev/null; \
         $S run -d --name blue --label a=2 stepbox/base sleep 1000 >/dev/null; \
         $S run -d --name green stepbox/base false >/dev/null; $S wait green; \
         $S ps -a | sed -E 's/^[0-9a-f]{12}/ID/; s/(Less than a second|[0-9]+ seconds?)/TIME/g; s/ +/ /g'; \
         names() { $S ps \"$@\" | sed 1d | sed 's/.* //' | tr '\\n' ' '; echo; }; \
         names; names -a; names -l; names -n 2; names --filter label=a -a; names --filter label=a=2; \
         names -a --filter exited=1; names --filter name=re -a; names -a --filter status=created --filter status=running; \
         names -a --filter before=blue; names -a --filter since=blue; names --filter ancestor=stepbox/base; \
         $S ps --no-trunc | grep -c '\"sleep 1000\"'; $S rm -f red blue green >/dev/null",
    );
    assert_eq!(
        out,
        "1\n\
         CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES\n\
         ID stepbox/base \"false\" TIME ago Exited (1) TIME ago green\n\
         ID stepbox/base \"sleep 1000\" TIME ago Up TIME blue\n\
         ID stepbox/base \"sh -c 'echo \\\"a b\\\"; …\" TIME ago Created red\n\
         blue \ngreen blue red \ngreen \ngreen blue \nblue red \nblue \ngreen \ngreen red \nblue red \nred \ngreen \n\
         blue \n1\n"
    );
    site.assert_clean();
}

/// A name is an expression, an id the beginning of one, and labels all hold; as Docker does, which the walk shows.
#[test]
fn filters_as_dockers() {
    let site = Site::ours();
    let names = |filters: &str| {
        let out = site.says(&format!("$S ps -a --format '{{{{.Names}}}}' {filters}"));
        out.lines().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    site.says(
        "for name in one two three; do $S create --name $name --label w=$name --label all stepbox/base true; done; \
         $S create --name with --network host -v /tmp:/first -v named:/second stepbox/base true",
    );
    let id = site.says("$S ps -aq --no-trunc --filter name=one");
    let id = id.trim();
    for (filters, wanted) in [
        ("--filter name=^t", "three two"),
        ("--filter name=^/one$", "one"),
        ("--filter 'name=^(one|with)$'", "with one"),
        ("--filter name=t.o", "two"),
        ("--filter name=^e", ""),
        ("--filter 'name=['", ""),
        ("--filter label=all --filter label=w=two", "two"),
        ("--filter label=w=one --filter label=w=two", ""),
        (&format!("--filter id={}", &id[..12]), "one"),
        (&format!("--filter id={}", &id[1..12]), ""),
        (&format!("--filter id={} --filter name=two", &id[..12]), ""),
        ("--filter network=host", "with"),
        ("--filter volume=named", "with"),
        ("--filter volume=/first", "with"),
        ("--filter volume=/tmp", "with"),
        ("--filter volume=nam", ""),
        ("--filter ancestor=stepbox/base --filter name=o", "two one"),
        ("--filter ancestor=nosuch", ""),
        ("--filter since=two", "with three"),
        ("--filter before=two", "one"),
    ] {
        assert_eq!(names(filters), wanted, "{filters}");
    }
    for (filter, words) in [
        ("exited=x", "strconv.Atoi: parsing \"x\": invalid syntax"),
        (
            "publish=x",
            "error while looking up for publish x: strconv.ParseUint: parsing \"x\": invalid syntax",
        ),
        (
            "expose=80-79",
            "error while looking up for expose 80-79: Invalid range specified for the Port: 80-79",
        ),
        ("since=nosuch", "No such container: nosuch"),
    ] {
        site.refused(&format!("$S ps --filter {filter}"), 1, &[words]);
    }
    let volumes = "$S volume create other >/dev/null; for name in '^na' 'e[dr]$' 'n.m' '['; do \
        $S volume ls -q --filter name=$name | tr '\\n' ' '; echo; done";
    assert_eq!(site.says(volumes), "named \nnamed other \nnamed \n\n");
    site.says("$S rm one two three with; $S volume rm named other");
    site.assert_clean();
}
