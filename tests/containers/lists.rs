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
         names --filter exited=1; names --filter name=re -a; names -a --filter status=created --filter status=running; \
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
