# A walk along published ports: $C is the command, box an image with a busybox that offers ports. What it says is compared
# between stepbox and Docker. The network is nobody else's, so ports can have fixed numbers here.
say() { echo "--- ${*:2}"; "$@" 2>&1 | sed -E 's/^[0-9a-f]{64}$/ID/'; echo "= ${PIPESTATUS[0]}"; }
ports() { $C ps -a --filter "name=$1" --format '{{.Names}} {{.Ports}}'; }
# in which order Docker has those of one port differs from time to time
port_of() { $C port "$@" | sort; }

for port in 80 '' x 8080: 70000:80 9-8:80 80- 8000-8001:80-82 8000:80-81 80/icmp localhost:80:80 8080/tcp:80 protocol=tcp; do
    say $C run --rm --network none -p "$port" box true
done

say $C create --name made -p 8001-8002:81-82/udp -p '[::1]:8003:83' -p 127.0.0.1::84 -p 8005-8009:85 -p 86 box true
say $C inspect -f '{{json .HostConfig.PortBindings}} {{.HostConfig.PublishAllPorts}} {{json .Config.ExposedPorts}}' made
say $C inspect -f '{{json .NetworkSettings.Ports}}' made
say $C port made
say ports made
say $C rm made

say $C run -d --name red -p 8080:80 -p 9000-9002:9000-9002 -p 9100:9100/udp -p 127.0.0.1:7001:7001 -p '[::1]:7003:7003' box sleep 1000
say ports red
say $C inspect -f '{{json .NetworkSettings.Ports}}' red
say port_of red
say port_of red 80
say port_of red 9100/udp
say $C port red 7000/udp
say $C port nosuch
say $C run --rm --name blue -p 8080:81 box true
say $C run --rm --name blue -p 5555:80 -p 5555:81 box true
say $C run -d --rm --name blue -p 8080:81 box true
say $C run -d --name blue -p 8080:81 box true
say ports blue
say $C start blue
say $C rm blue
busybox nc -l -p 9999 & holder=$!
until busybox netstat -ltn | grep -q :9999; do sleep 0.05; done
say $C run --rm --name blue -p 9999:81 box true
say $C run --rm --name blue -p 127.0.0.1:9999:81 box true
say $C run --rm --name blue -p 9999:81/udp box true
say $C run --rm --name blue -p 9998-9999:81 box true
say $C run --rm --name blue -p 1.2.3.4:9997:81 box true
kill "$holder"
for filter in publish=8080 publish=8080/tcp publish=8080/udp publish=80 publish=9001-9005 publish=9100 publish=9100/udp \
    expose=80 expose=443 expose=9000/tcp expose=53/udp expose=1 publish=x expose=x publish= publish=80-79; do
    say $C ps -a --format '{{.Names}}' --filter "$filter"
done
say $C ps -a --format '{{.Names}}' --filter publish=1 --filter expose=80
say $C stop -t 0 red
say ports red
say $C port red
say $C ps -a --format '{{.Names}}' --filter expose=80
say $C start red
say ports red
say $C rm -f red

say $C run -d --name all -P --expose 99 -p 6000:443 box sleep 1000
say $C inspect -f '{{json .HostConfig.PortBindings}} {{.HostConfig.PublishAllPorts}} {{json .Config.ExposedPorts}}' all
$C port all | sed -E 's/:[0-9]+$//' | sort
say port_of all 443
say $C rm -f all

say $C run --rm --network host -p 1:2 box true
say $C run --rm --network host -P box true
say $C run -d --name none --network none -p 1:2 box sleep 1000
say ports none
say $C port none
say $C inspect -f '{{json .HostConfig.PortBindings}} {{json .NetworkSettings.Ports}}' none
say $C run --rm --network container:none -p 1:2 box true
say $C run --rm --network container:none -P box true
say $C rm -f none
