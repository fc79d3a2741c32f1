//! One who serves and one who fetches, over TCP: each says whom he sees at the other end.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::kernel::{Errno, hint};

/// How long an answer may take: less than TCP needs to give up, which would be another answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Listens until it is killed. Whoever connects is told which address he comes from, and to which he has come.
pub(super) fn serve(port: u16) -> ExitCode {
    let listener = match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
        Ok(listener) => listener,
        Err(error) => {
            println!("serve: {}", text(&error));
            return ExitCode::from(2);
        }
    };
    println!("listening");
    loop {
        let Ok((mut stream, peer)) = listener.accept() else { return ExitCode::from(1) };
        // said before it is answered: whoever has the answer finds the words in place
        println!("{} has come", peer.ip());
        let here = stream.local_addr().map(|here| here.to_string()).unwrap_or_default();
        let _ = write!(stream, "hello {}, this is {here}", peer.ip());
    }
}

/// Connects, and says what came of it. The exit code is 0 if somebody answered, 1 if nobody did, 2 if there is no
/// connection.
pub(super) fn fetch(address: &str) -> ExitCode {
    let Ok(address) = address.parse::<SocketAddr>() else {
        println!("fetch: {address} is not an address and a port");
        return ExitCode::from(2);
    };
    let failed = |call: &str, error: std::io::Error| match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            println!("{call}: no answer");
            ExitCode::from(1)
        }
        _ => {
            println!("{call}: {}", text(&error));
            ExitCode::from(2)
        }
    };
    match TcpStream::connect_timeout(&address, PATIENCE) {
        Err(error) => failed("connect", error),
        Ok(stream) => {
            let here = stream.local_addr().map(|here| here.ip().to_string()).unwrap_or_default();
            match answer(stream) {
                Ok(answer) => {
                    println!("{here} to {address}: {answer}");
                    ExitCode::SUCCESS
                }
                Err(error) => failed("read", error),
            }
        }
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<String> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn text(error: &std::io::Error) -> String {
    Errno::from_io_error(error).map_or_else(|| error.to_string(), hint::errno_text)
}
