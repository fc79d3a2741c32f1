//! Who is called, and who calls: one connection, or datagram, for each question.
//!
//! ```text
//!   who        the address that is seen here, and no more
//!   echo       each line comes back, until there is none
//!   count      how many bytes came until the end: it answers when the other half is closed
//!   flood N    N bytes, each of which says where it stands
//!   reset      nothing, and the connection is cut
//!   quit       the same, because nobody is there any more
//! ```

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

const PATIENCE: Duration = Duration::from_secs(20);
/// What is sent and read at once, in bytes.
const PIECE: usize = 64 << 10;

pub fn main(words: &[String]) -> ExitCode {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().expect("a number");
    let address = |text: &str| text.parse().expect("an address and a port");
    match words[..] {
        ["serve", port] => serve(number(port) as u16),
        ["free", "tcp"] => println!("{}", port(TcpListener::bind(any()).expect("a port").local_addr())),
        ["free", "udp"] => println!("{}", port(UdpSocket::bind(any()).expect("a port").local_addr())),
        ["hold", port, done] => {
            let _held = TcpListener::bind((Ipv4Addr::UNSPECIFIED, number(port) as u16)).expect("free");
            std::fs::write(done, "").expect("said");
            std::thread::sleep(PATIENCE);
        }
        ["ask", to, "who"] => println!("{}", answer(to, "who\n")),
        ["ask", to, "udp", text] => println!("{}", datagram(address(to), text)),
        ["ask", to, word @ ("reset" | "quit")] => println!("{}", answer(to, &format!("{word}\n"))),
        ["ask", to, "count", bytes] => println!("{}", count(address(to), number(bytes))),
        ["ask", to, "flood", bytes] => println!("{}", flooded(address(to), number(bytes))),
        ["ask", to, "crowd", many] => println!("{}", crowd(address(to), number(many))),
        _ => panic!("unknown: {words:?}"),
    }
    ExitCode::SUCCESS
}

fn any() -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, 0).into()
}

fn port(address: std::io::Result<SocketAddr>) -> u16 {
    address.expect("it is bound").port()
}

/// Answers on a port of tcp and of udp, each connection in a thread of its own.
fn serve(port: u16) {
    let datagrams = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).expect("a port");
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).expect("a port");
    println!("listening");
    std::thread::spawn(move || {
        let mut room = [0; PIECE];
        while let Ok((count, from)) = datagrams.recv_from(&mut room) {
            let text = String::from_utf8_lossy(&room[..count]).into_owned();
            let _ = datagrams.send_to(format!("{} said {text}", from.ip()).as_bytes(), from);
        }
    });
    loop {
        if let Ok((stream, peer)) = listener.accept() {
            // with a small stack: there may be hundreds
            let thread = std::thread::Builder::new().stack_size(256 << 10);
            let _ = thread.spawn(move || tell(stream, peer));
        }
    }
}

fn tell(mut stream: TcpStream, peer: SocketAddr) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut question = String::new();
    reader.read_line(&mut question)?;
    match question.trim().split(' ').collect::<Vec<_>>()[..] {
        ["who"] => write!(stream, "{}", peer.ip()),
        ["echo"] => reader.lines().try_for_each(|line| writeln!(stream, "{}", line?)),
        ["count"] => {
            let count = std::io::copy(&mut reader, &mut std::io::sink())?;
            write!(stream, "{count}")
        }
        ["flood", bytes] => flood(&mut stream, bytes.parse().unwrap_or(0)),
        ["quit"] => std::process::exit(3),
        ["reset"] => Ok(set_socket_linger(&stream, Some(Duration::ZERO))?),
        _ => Ok(()),
    }
}

/// What stands at a place: no period that a buffer could have.
fn byte(at: usize) -> u8 {
    (at % 251) as u8
}

fn flood(stream: &mut TcpStream, bytes: usize) -> std::io::Result<()> {
    let mut sent = 0;
    while sent < bytes {
        let piece: Vec<u8> = (sent..bytes.min(sent + PIECE)).map(byte).collect();
        stream.write_all(&piece)?;
        sent += piece.len();
    }
    Ok(())
}

fn call(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&to, PATIENCE).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream
}

/// A whole answer, or why there is none.
fn answer(to: &str, question: &str) -> String {
    let to: SocketAddr = to.parse().expect("an address and a port");
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(question.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    ask().unwrap_or_else(|error: std::io::Error| format!("{:?}", error.kind()))
}

/// Datagrams may be lost: it is asked again.
fn datagram(to: SocketAddr, text: &str) -> String {
    let from: SocketAddr = match to {
        SocketAddr::V4(_) => any(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(from).expect("a port");
    socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a time");
    // an answer from elsewhere is none
    socket.connect(to).expect("an address");
    let mut room = [0; PIECE];
    for _ in 0..10 {
        let _ = socket.send(text.as_bytes());
        if let Ok(count) = socket.recv(&mut room) {
            return String::from_utf8_lossy(&room[..count]).into_owned();
        }
    }
    "nothing".into()
}

/// Says so many bytes, and that there are no more; then hears how many came.
fn count(to: SocketAddr, bytes: usize) -> String {
    let mut stream = call(to);
    stream.write_all(b"count\n").expect("it is taken");
    flood(&mut stream, bytes).expect("it is taken");
    stream.shutdown(Shutdown::Write).expect("it is open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Reads slowly what comes fast, and says how much of it was right.
fn flooded(to: SocketAddr, bytes: usize) -> String {
    let mut stream = call(to);
    stream.write_all(format!("flood {bytes}\n").as_bytes()).expect("it is taken");
    // its half is closed early: what comes must still come
    stream.shutdown(Shutdown::Write).expect("it is open");
    let (mut room, mut right, mut turn) = (vec![0; PIECE], 0, 0);
    loop {
        if turn < 20 {
            std::thread::sleep(Duration::from_millis(20));
        }
        turn += 1;
        match stream.read(&mut room) {
            Ok(0) => return right.to_string(),
            Ok(count) => {
                let wrong = room[..count].iter().enumerate().find(|(at, found)| **found != byte(right + at));
                assert_eq!(wrong, None, "at {right}");
                right += count;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return format!("{:?} after {right}", error.kind()),
        }
    }
}

/// So many at once, and one who never reads what he has asked for; how many of them are answered, first come last.
fn crowd(to: SocketAddr, many: usize) -> usize {
    let mut deaf = call(to);
    deaf.write_all(b"flood 100000000\n").expect("it is taken");
    let mut callers: Vec<TcpStream> = (0..many).map(|_| call(to)).collect();
    for (number, caller) in callers.iter_mut().enumerate() {
        caller.write_all(format!("echo\n{number}\n").as_bytes()).expect("it is taken");
    }
    let answered = |(number, caller): (usize, TcpStream)| {
        let mut line = String::new();
        BufReader::new(caller).read_line(&mut line).is_ok_and(|_| line == format!("{number}\n"))
    };
    callers.into_iter().enumerate().rev().filter_map(|caller| answered(caller).then_some(())).count()
}
