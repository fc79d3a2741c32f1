//! Published ports on the real kernel: who reaches a box from where, whom the box sees, and what is left afterwards.
//!
//! Plans that clone need a single-threaded process, so this is a program, not a set of #[test]s; it runs itself again
//! inside a toy host, which has an internet to be called from.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use stepbox::host;
use stepbox::kernel::flags::NEWNET;
use stepbox::kernel::op::Exec;
use stepbox::kernel::{CText, Errno, Op, process};
use stepbox::launch::{Running, launch};
use stepbox::ports::{self, Protocol, Published};
use stepbox::probe::{Probe, Who};
use stepbox::step::{Plan, Step};
use stepbox::veth::{self, Network};

const BOX: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const HOST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const PATIENCE: Duration = Duration::from_secs(5);

const TESTS: &[(&str, fn())] = &[
    ("published_to_everybody", published_to_everybody),
    ("published_on_one_address", published_on_one_address),
    ("datagrams", datagrams),
    ("loopback_is_for_whoever_has_the_socket", loopback_is_for_whoever_has_the_socket),
    ("taken_once", taken_once),
    ("refusals", refusals),
    ("a_box_does_not_keep_ports", a_box_does_not_keep_ports),
    ("rules_as_nft_writes_them", rules_as_nft_writes_them),
    ("many", many),
];

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|first| first == "answer") {
        return answer();
    }
    if !host::inside() {
        return match host::enter(&[], &[]) {
            Ok(code) => ExitCode::from(code as u8),
            Err(host::EnterError::Launch(error)) => {
                support::skip("ports", &format!("this machine refuses a toy host: {error}"));
                ExitCode::SUCCESS
            }
            Err(error) => panic!("{error}"),
        };
    }
    for (name, test) in TESTS {
        test();
        println!("test {name} ... ok");
    }
    println!("test result: ok. {} passed", TESTS.len());
    ExitCode::SUCCESS
}

/// The box's program: tells everybody who he is, on port 80 of both protocols.
fn answer() -> ExitCode {
    let streams = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)).expect("a port of our own");
    let datagrams = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 80)).expect("a port of our own");
    std::thread::spawn(move || {
        loop {
            let (_, peer) = datagrams.recv_from(&mut [0; 16]).expect("a datagram");
            let _ = datagrams.send_to(peer.ip().to_string().as_bytes(), peer);
        }
    });
    loop {
        let (mut stream, peer) = streams.accept().expect("a connection");
        let _ = write!(stream, "{}", peer.ip());
    }
}

fn published(host: &str, port: u16, protocol: Protocol) -> Published {
    let host = SocketAddr::new(host.parse().expect("an address"), port);
    Published { host, inside: SocketAddrV4::new(BOX, 80), protocol }
}

/// A box that answers, with these ports published, and its pid.
fn with_box(ports: &[Published], work: impl FnOnce(&mut Running<'_>, i32)) {
    let network =
        Network { bridge: "br0".into(), gateway: Ipv4Addr::new(10, 9, 0, 1), prefix: 24, shared: false };
    let port = network.port("box0", BOX);
    let [forward, _] = veth::masquerade(&network);
    let argv: Vec<CText> = vec!["ports".into(), "answer".into()];
    let exec = Exec { paths: vec!["/proc/self/exe".into()], argv, env: Vec::new() };
    let plan = Plan::default()
        .then(ports::take(ports))
        .then(veth::bridge(&network))
        .then(forward)
        .then(Step::new("clone", Op::Clone { flags: NEWNET }))
        .then(veth::host(&port))
        .then(ports::publish("stepbox-box0", "br0", ports))
        .inside(veth::inside(&port))
        .inside(Step::new("answer", Op::Exec(exec)));
    let mut running = launch(&plan, &mut (), None).expect("the plan");
    let pid = running.box_pid().expect("a box");
    let began = Instant::now();
    let open = || TcpStream::connect((BOX, 80)).is_ok();
    while !open() {
        assert!(began.elapsed() < PATIENCE, "the box does not listen");
    }
    work(&mut running, pid);
    assert_eq!(running.undo(&mut ()), [], "everything is undone");
}

/// What whoever listens there says, asked from this place.
fn ask(to: impl Into<SocketAddr>) -> Result<String, std::io::ErrorKind> {
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&to.into(), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        Ok(said)
    };
    ask().map_err(|error: std::io::Error| error.kind())
}

fn from_internet(look: impl FnOnce() -> String) -> String {
    let path = CText::from(format!("{}/internet", host::NETNS));
    let said = process::inside_file(path.as_c_str(), || look().into_bytes()).expect("the internet");
    String::from_utf8(said).expect("text")
}

fn ask_from_internet(to: (Ipv4Addr, u16)) -> String {
    from_internet(|| ask(to).unwrap_or_else(|error| error.to_string()))
}

fn published_to_everybody() {
    with_box(&[published("0.0.0.0", 8080, Protocol::Tcp)], |running, pid| {
        assert_eq!(ask_from_internet((HOST, 8080)), "203.0.113.1", "the box sees who it is");
        assert_eq!(ask((HOST, 8080)).as_deref(), Ok("203.0.113.2"), "from the host itself, too");
        assert_eq!(ask_from_internet((HOST, 8081)), "connection refused", "no other port");
        // a box of the bridge is left to whoever has the socket
        let sockets = running.take_listeners();
        let listener = TcpListener::from(sockets.into_iter().next().flatten().expect("a socket"));
        assert_eq!(
            listener.accept().map_err(|error| error.kind()).err(),
            Some(std::io::ErrorKind::WouldBlock),
            "it does not wait, and nobody came to it so far"
        );
        let knock = || {
            let stream = TcpStream::connect((HOST, 8080)).map(|_| "in".to_string());
            stream.unwrap_or_else(|error| error.to_string()).into_bytes()
        };
        assert_eq!(process::inside(pid, NEWNET, knock).expect("the box"), b"in");
        let (_, peer) = listener.accept().expect("the box's connection");
        assert_eq!(peer.ip(), BOX, "the socket has it");
    });
    assert_eq!(ask_from_internet((HOST, 8080)), "connection refused", "nothing is left");
    assert_eq!(ask((HOST, 8080)), Err(std::io::ErrorKind::ConnectionRefused));
}

fn published_on_one_address() {
    let ports = [published("203.0.113.2", 8080, Protocol::Tcp)];
    with_box(&ports, |_, _| {
        assert_eq!(ask_from_internet((HOST, 8080)), "203.0.113.1");
        let gateway = Ipv4Addr::new(10, 9, 0, 1);
        assert_eq!(ask((gateway, 8080)), Err(std::io::ErrorKind::ConnectionRefused), "another address");
    });
}

fn datagrams() {
    let ports = [published("0.0.0.0", 53, Protocol::Udp)];
    let knock = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time");
        socket.connect((HOST, 53)).expect("a route");
        socket.send(b"who?").expect("sent");
        let mut said = [0; 64];
        let count = socket.recv(&mut said).unwrap_or(0);
        String::from_utf8_lossy(&said[..count]).into_owned()
    };
    with_box(&ports, |_, _| {
        // connected, so only an answer of the address that was asked is taken
        assert_eq!(from_internet(knock), "203.0.113.1");
        assert_eq!(knock(), "203.0.113.2");
    });
}

/// 127.0.0.1 and IPv6 make no rule; all three have the same port, each for its own.
fn loopback_is_for_whoever_has_the_socket() {
    let local = [published("127.0.0.1", 8080, Protocol::Tcp), published("::", 8080, Protocol::Tcp)];
    assert_eq!(ports::publish("t", "br0", &local), None, "not one of them is the packet filter's");
    with_box(&[published("0.0.0.0", 8081, Protocol::Tcp)], |running, _| {
        let _waiting = TcpStream::connect((Ipv4Addr::LOCALHOST, 8081)).expect("somebody listens");
        let socket = running.take_listeners().into_iter().next().flatten().expect("a socket");
        let (_, peer) = TcpListener::from(socket).accept().expect("it came to the socket");
        assert_eq!(peer.ip(), Ipv4Addr::LOCALHOST);
    });
    let all = [published("0.0.0.0", 8080, Protocol::Tcp), local[1]];
    let plan = Plan::default().then(ports::take(&all));
    let mut running = launch(&plan, &mut (), None).expect("[::] is not 0.0.0.0");
    let sockets: Vec<OwnedFd> = running.take_listeners().into_iter().flatten().collect();
    assert_eq!(sockets.len(), 2);
    drop(running);
    assert!(
        ask((Ipv4Addr::LOCALHOST, 8080)).is_err_and(|kind| kind != std::io::ErrorKind::ConnectionRefused)
    );
    drop(sockets);
    assert_eq!(ask((Ipv4Addr::LOCALHOST, 8080)), Err(std::io::ErrorKind::ConnectionRefused));
}

fn taken_once() {
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let plan = Plan::default().then(ports::take(&[published("0.0.0.0", 8080, protocol)]));
        let again = Plan::default().then(ports::take(&[published("203.0.113.2", 8080, protocol)]));
        let first = launch(&plan, &mut (), None).expect("the port is free");
        let refused = launch(&again, &mut (), None).expect_err("somebody has it").to_string();
        assert!(refused.contains(" = EADDRINUSE") && refused.contains("port already allocated"), "{refused}");
        assert_eq!(first.undo(&mut ()), []);
        launch(&again, &mut (), None).expect("the run that had it is over");
    }
    // of connections that are over the port remembers nothing
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 8080)).expect("a port");
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, 8080)).expect("somebody listens");
    drop((listener.accept().expect("a connection"), listener));
    drop(client);
    let plan = Plan::default().then(ports::take(&[published("127.0.0.1", 8080, Protocol::Tcp)]));
    launch(&plan, &mut (), None).expect("what is left of it is in TIME_WAIT");
}

fn refusals() {
    let refused = |host| {
        let step = ports::take(&[published(host, 8080, Protocol::Tcp)]);
        let plan = Plan::default().then(step);
        launch(&plan, &mut (), None).expect_err("no such address").to_string()
    };
    let [v4, v6] = ["198.51.100.1", "2001:db8::1"].map(refused);
    assert!(v4.contains(" = EADDRNOTAVAIL") && v4.contains("this machine has no such address"), "{v4}");
    assert!(v6.contains("inet_pton(AF_INET6, \"2001:db8::1\")") && v6.contains("EADDRNOTAVAIL"), "{v6}");
    // root of the toy host may have port 80; without the capability it is anybody
    let low = Plan::default()
        .then(Step::new("no capability", Op::capset(0)))
        .then(ports::take(&[published("0.0.0.0", 80, Protocol::Tcp)]));
    let path = CText::from("/proc/self/ns/net");
    let said = process::inside_file(path.as_c_str(), || {
        let said = launch(&low, &mut (), None).map(|_| ()).expect_err("a low port");
        said.to_string().into_bytes()
    });
    let said = String::from_utf8(said.expect("a child")).expect("text");
    assert!(said.contains(" = EACCES") && said.contains("ip_unprivileged_port_start"), "{said}");
}

/// A box that has no port of the host, though it was born when its engine had one; nor may it take one.
fn a_box_does_not_keep_ports() {
    let take = ports::take(&[published("0.0.0.0", 8080, Protocol::Tcp)]);
    let plan = Plan::default()
        .then(take.clone())
        .then(Step::new("clone", Op::Clone { flags: 0 }))
        .inside(take.into_iter().map(|step| step.fails(Errno::OPNOTSUPP)));
    let mut running = launch(&plan, &mut (), None).expect("the plan");
    let sockets = |pid: &str| -> Vec<String> {
        let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").flatten();
        let links = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        links.map(|link| link.display().to_string()).filter(|link| link.starts_with("socket:")).collect()
    };
    let [of_box, ours] =
        [running.box_pid().expect("a box").to_string(), "self".into()].map(|pid| sockets(&pid));
    assert_eq!(running.take_listeners().len(), 1, "the host still has it");
    let both: Vec<_> = of_box.iter().filter(|socket| ours.contains(socket)).collect();
    assert!(both.is_empty(), "{both:?} is the box's, too");
}

/// What the kernel has taken, read back by us and, where it is installed, by nft(8).
fn rules_as_nft_writes_them() {
    let ports = [published("0.0.0.0", 8080, Protocol::Tcp), published("203.0.113.2", 53, Protocol::Udp)];
    let gateway = Ipv4Addr::new(10, 9, 0, 1);
    let network = Network { bridge: "br0".into(), gateway, prefix: 24, shared: false };
    let plan = Plan::default().then(veth::masquerade(&network)).then(ports::publish(
        "stepbox-box0",
        &network.bridge,
        &ports,
    ));
    let running = launch(&plan, &mut (), None).expect("two tables");
    let rules = [
        ("br0 postrouting", "ip saddr 10.9.0.0/24 oifname != br0 masquerade"),
        ("box0 ports", "tcp dport 8080 dnat to 10.9.0.2:80"),
        ("box0 ports #2", "ip daddr 203.0.113.2 udp dport 53 dnat to 10.9.0.2:80"),
        ("box0 prerouting", "iifname != br0 fib daddr type local jump ports"),
        ("box0 output", "ip daddr != 127.0.0.0/8 fib daddr type local jump ports"),
    ];
    let facts = Probe::Filter(Who::Host).look(None).facts;
    let told: Vec<_> = facts.iter().map(|fact| (fact.key.as_str(), fact.value.as_str())).collect();
    let places = rules.map(|(place, _)| format!("stepbox-{place}"));
    let wanted: Vec<_> =
        places.iter().zip(&rules).map(|(place, (_, rule))| (place.as_str(), *rule)).collect();
    assert_eq!(told, wanted);
    match Command::new("nft").args(["list", "ruleset"]).output() {
        Ok(nft) => {
            let listed = String::from_utf8_lossy(&nft.stdout).replace('"', "");
            let lines: Vec<&str> = listed.lines().map(str::trim).collect();
            let hooks = ["postrouting priority srcnat", "prerouting priority dstnat", "output priority -100"];
            let hooks = hooks.map(|hook| format!("type nat hook {hook}; policy accept;"));
            for line in hooks.iter().map(String::as_str).chain(rules.map(|(_, rule)| rule)) {
                assert!(lines.contains(&line), "{line}, of:\n{listed}");
            }
        }
        Err(_) => println!("nft is not installed: its list is not compared"),
    }
    assert_eq!(running.undo(&mut ()), []);
    assert_eq!(Probe::Filter(Who::Host).look(None).facts, []);
}

/// More than fits into one usual message.
fn many() {
    let ports: Vec<Published> = (0..600).map(|at| published("0.0.0.0", 20000 + at, Protocol::Tcp)).collect();
    let plan = Plan::default().then(ports::publish("stepbox-many", "br0", &ports));
    let running = launch(&plan, &mut (), None).expect("all of them");
    let again = launch(&plan, &mut (), None).expect_err("a table of that name is there").to_string();
    assert!(again.contains("EEXIST") && again.contains("stepbox clean"), "{again}");
    assert_eq!(running.undo(&mut ()), []);
    launch(&plan, &mut (), None).expect("it is gone");
}
