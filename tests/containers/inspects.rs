//! What is said of a container, in Docker's names; whether these are all of them, the walk with Docker shows.

use support::site::Site;

#[test]
fn what_was_asked_for() {
    for site in [Site::ours(), Site::nobody()] {
        let format = "{{with .HostConfig}}{{json .Binds}} {{json .Mounts}} {{json .Tmpfs}} {{json .CapAdd}} {{json .CapDrop}} \
                      {{json .SecurityOpt}} {{json .Ulimits}} {{json .RestartPolicy}} {{json .LogConfig}} {{json .Dns}} \
                      {{json .ExtraHosts}} {{.ReadonlyRootfs}} {{.Privileged}} {{.ShmSize}} {{.OomScoreAdj}} {{.Init}}{{end}}\n\
                      {{.Config.Labels.a}} {{.Config.Hostname}} {{.Config.StopTimeout}} {{.Config.AttachStdout}} {{json .Config.Cmd}}";
        let out = site.says(&format!(
            "$S create --name red -v /tmp:/one:ro --mount type=bind,src=/tmp,dst=/two,ro --tmpfs /three:size=1m,exec \
             --mount type=tmpfs,dst=/four,tmpfs-size=1m,tmpfs-mode=700 --cap-add NET_ADMIN --cap-drop CHOWN \
             --security-opt no-new-privileges --ulimit nofile=10:20 --restart on-failure:2 --log-opt max-size=10m \
             --dns 1.1.1.1 --add-host x:1.2.3.4 --read-only --shm-size 1m --oom-score-adj 100 --init --label a=b \
             --hostname box --stop-timeout 3 stepbox/base sleep 1 >/dev/null; $S inspect -f '{format}' red; $S rm red"
        ));
        let wanted = concat!(
            r#"["/tmp:/one:ro"] [{"Type":"bind","Source":"/tmp","Target":"/two","ReadOnly":true},"#,
            r#"{"Type":"tmpfs","Target":"/four","TmpfsOptions":{"SizeBytes":1048576,"Mode":448}}] {"/three":"exec,size=1m"} "#,
            r#"["NET_ADMIN"] ["CHOWN"] ["no-new-privileges"] [{"Name":"nofile","Hard":20,"Soft":10}] "#,
            r#"{"Name":"on-failure","MaximumRetryCount":2} {"Type":"json-file","Config":{"max-size":"10m"}} ["1.1.1.1"] "#,
            r#"["x:1.2.3.4"] true false 1048576 100 true"#,
            "\n",
            r#"b box 3 true ["sleep","1"]"#,
            "\nred\n"
        );
        assert_eq!(out, wanted);
        site.assert_clean();
    }
}

/// Whom its streams were to go to, as Docker keeps it.
#[test]
fn what_was_attached() {
    for site in [Site::ours(), Site::nobody()] {
        for (command, wanted) in [
            ("create", "false true true false"),
            ("create -i", "true true true true"),
            ("create -a stdout", "false true false false"),
            ("create -a stderr -a stdin", "true false true false"),
            ("create -i -a stdout", "true true false true"),
            ("run --network none -a stderr", "false false true false"),
            ("run -d -i --network none", "false false false false"),
        ] {
            let format = "{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.AttachStderr}} {{.Config.StdinOnce}}";
            let out = site.says(&format!(
                "$S {command} --name red stepbox/base true >/dev/null </dev/null; $S inspect -f '{format}' red; \
                 $S rm -f red >/dev/null"
            ));
            assert_eq!(out.trim_end(), wanted, "{command}");
        }
        site.assert_clean();
    }
}

#[test]
fn where_it_can_be_reached() {
    let Some(site) = Site::root("where_it_can_be_reached") else { return };
    let out = site.says(
        "$S run -d --name red stepbox/base sleep 1000 >/dev/null; \
         $S run -d --name blue --network none stepbox/base sleep 1000 >/dev/null; \
         pid=$($S inspect -f '{{.State.Pid}}' red); inside() { nsenter -t $pid -n \"$@\"; }; \
         echo $(inside ip -4 -o addr show eth0 | sed -E 's|.*inet ([^ ]*) .*|\\1|; s|/| |') \
             $(inside ip route | sed -n 's/default via \\([^ ]*\\) .*/\\1/p') $(inside ip -o link show eth0 | sed -E 's|.*ether ([^ ]*) .*|\\1|'); \
         $S inspect -f '{{with .NetworkSettings}}{{.IPAddress}} {{.IPPrefixLen}} {{.Gateway}} {{.MacAddress}}{{end}}' red; \
         $S inspect -f '{{with .NetworkSettings.Networks.bridge}}{{.IPAddress}} {{.IPPrefixLen}} {{.Gateway}} {{.MacAddress}}{{end}}' red; \
         $S inspect -f '{{json .NetworkSettings.IPAddress}} {{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}' blue; \
         $S kill red >/dev/null; $S wait red >/dev/null; $S inspect -f '{{json .NetworkSettings.IPAddress}}' red; $S rm -f red blue",
    );
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("172."), "{out}");
    assert_eq!([lines[1], lines[2]], [lines[0]; 2], "{out}");
    assert_eq!(lines[3..], ["\"\" none", "\"\"", "red", "blue"]);
    site.assert_clean();
}

#[test]
fn where_its_files_lie() {
    let site = Site::ours();
    let out = site.says(
        "$S run -d --name red stepbox/base sleep 1000 >/dev/null; \
         for name in MergedDir UpperDir WorkDir; do test -d $($S inspect -f \"{{.GraphDriver.Data.$name}}\" red) && echo $name; done; \
         IFS=:; for layer in $($S inspect -f '{{.GraphDriver.Data.LowerDir}}' red); do test -d $layer && echo lower; done; \
         $S rm -f red",
    );
    let drivers = out.replace("lower\n", "");
    assert_eq!(drivers, "MergedDir\nUpperDir\nWorkDir\nred\n");
    assert!(out.contains("lower\n"), "{out}");
    site.assert_clean();
}
