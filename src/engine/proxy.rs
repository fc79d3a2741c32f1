//! Proxy: carries what the packet filter does not see from a container's published ports into it.
//!
//! ```text
//!   127.0.0.1:8080  ─┐ listener                      in the box, or on its bridge
//!   [::]:8080       ─┼─────────> accept ── connect ─────> 172.17.0.2:80     one stream: two sockets, both ways
//!   a box to :8080  ─┘           datagram ── a socket for each client ──>    90 seconds after its last word it goes
//! ```
//!
//! One process for each container that has published ports, with one thread and one poll loop; it has the listeners and
//! nothing else, see [`Companion`]. Where the container has a bridge it calls its address; else it is in the container's
//! network itself, with listeners of the host's, and calls 127.0.0.1. Everything is non-blocking, and of what one side does
//! not take no more is read from the other, so a slow peer holds up nobody but whoever talks to him.
//!
//! See poll(2), listen(2), tcp(7), udp(7).

mod datagrams;
mod stream;

use std::io;
use std::net::{SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::datagrams::Datagrams;
use self::stream::Stream;
use super::containers::life::Owner;
use super::ports::given;
use super::run::RunError;
use super::state::State;
use crate::kernel::Errno;
use crate::kernel::companion::Companion;
use crate::kernel::op::Protocol;
use crate::kernel::orphans::program_of;
use crate::launch::Running;
use crate::spec::{Net, Spec};

/// How much is carried at once, in bytes: a datagram has at most so many.
const PIECE: usize = 64 << 10;
/// How many descriptors are used at most, besides those of the ports: of what both sides of a stream have not taken, no more
/// than two pieces are kept for each two of them.
const MOST: usize = 8 << 10;
/// How many callers are let in before others have their turn.
const TURN: usize = 64;
/// How long nobody is let in where there was no room.
const REST: Duration = Duration::from_millis(100);
/// How often forgotten clients are looked for, where there are any.
const LOOK: Duration = Duration::from_secs(10);

/// Starts the proxy of a container that has just been launched; none where nothing of it is published.
///
/// # Errors
/// What the kernel answers.
pub(super) fn begin(
    state: &State,
    running: &mut Running<'_>,
    spec: &Spec,
) -> Result<Option<Companion>, RunError> {
    let listeners = running.take_listeners();
    let doors = listeners.into_iter().zip(&spec.published).filter_map(|(listener, port)| {
        let listener = listener?;
        Some((listener, port.protocol, port.inside))
    });
    let doors: Vec<(OwnedFd, Protocol, SocketAddrV4)> = doors.collect();
    if doors.is_empty() {
        return Ok(None);
    }
    let pidfd = running.pidfd().ok_or(Errno::CHILD)?;
    let kept: Vec<BorrowedFd<'_>> =
        doors.iter().map(|(listener, ..)| listener.as_fd()).chain([pidfd]).collect();
    let network = (!matches!(spec.net, Net::Bridge { .. })).then_some(pidfd);
    let start = |network: Option<BorrowedFd<'_>>| {
        let work = || Proxy::of(pidfd, &doors).map_or((), |mut proxy| proxy.carry());
        Companion::begin(c"stepbox-proxy", &kept, network, work)
    };
    let companion = match start(network) {
        // nobody looks into init, and so nobody joins it; its program is in the same network
        Err(Errno::PERM) if spec.process.init => running
            .box_pid()
            .ok_or(Errno::CHILD)
            .and_then(program_of)
            .and_then(|program| start(Some(program.as_fd()))),
        companion => companion,
    };
    let companion = match companion {
        // its program has ended by now
        Err(Errno::SRCH) => return Ok(None),
        companion => companion?,
    };
    given::carried_by(state, &spec.id, Owner::of(companion.pid()))?;
    Ok(Some(companion))
}

/// Everything that one of them carries.
struct Proxy<'p> {
    /// readable when the container has ended
    container: BorrowedFd<'p>,
    doors: Vec<Door>,
    streams: Vec<Stream>,
    /// how many descriptors there may be
    most: usize,
    /// nobody is let in until then
    rest: Option<Instant>,
}

/// A port of the host.
enum Door {
    Tcp(TcpListener, SocketAddrV4),
    Udp(Datagrams),
}

/// Which descriptor a place in the list of poll(2) is.
#[derive(Clone, Copy)]
enum Place {
    Container,
    Door(usize),
    Stream(usize, usize),
    Client(usize, SocketAddr),
}

impl<'p> Proxy<'p> {
    fn of(container: BorrowedFd<'p>, doors: &[(OwnedFd, Protocol, SocketAddrV4)]) -> io::Result<Proxy<'p>> {
        let limit = getrlimit(Resource::Nofile);
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        let most = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| most as usize);
        let most = most.min(MOST + 2 * doors.len());
        let door = |(listener, protocol, inside): &(OwnedFd, Protocol, SocketAddrV4)| {
            // a copy: those of the engine's memory are never closed here
            let listener = listener.try_clone()?;
            Ok(match protocol {
                Protocol::Tcp => Door::Tcp(listener.into(), *inside),
                Protocol::Udp => Door::Udp(Datagrams::new(listener.into(), *inside)?),
            })
        };
        let doors = doors.iter().map(door).collect::<io::Result<_>>()?;
        Ok(Proxy { container, doors, streams: Vec::new(), most, rest: None })
    }

    /// Until the container has ended.
    fn carry(&mut self) {
        let mut room = vec![0; PIECE];
        loop {
            let (places, mut fds): (Vec<Place>, Vec<PollFd<'_>>) = self.places().into_iter().unzip();
            let patience = self.patience();
            match poll(&mut fds, patience.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            let found: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
            drop(fds);
            for (place, found) in places.into_iter().zip(found).filter(|(_, found)| !found.is_empty()) {
                match place {
                    Place::Container => return,
                    Place::Door(number) => self.let_in(number, &mut room),
                    Place::Stream(number, side) => self.streams[number].turn(side, found, &mut room),
                    Place::Client(number, client) => {
                        if let Door::Udp(datagrams) = &mut self.doors[number] {
                            datagrams.answer(client, &mut room);
                        }
                    }
                }
            }
            self.streams.retain(|stream| !stream.is_over());
            self.forget();
        }
    }

    fn places(&self) -> Vec<(Place, PollFd<'_>)> {
        let mut places = vec![(Place::Container, PollFd::from_borrowed_fd(self.container, PollFlags::IN))];
        let open = self.rest.is_none() && !self.is_full();
        for (number, door) in self.doors.iter().enumerate() {
            match door {
                Door::Tcp(listener, _) if open => {
                    places.push((Place::Door(number), PollFd::new(listener, PollFlags::IN)));
                }
                Door::Tcp(..) => {}
                Door::Udp(datagrams) => {
                    places.push((Place::Door(number), PollFd::new(datagrams.listener(), PollFlags::IN)));
                    places.extend(datagrams.clients().map(|(client, socket)| {
                        (Place::Client(number, client), PollFd::new(socket, PollFlags::IN))
                    }));
                }
            }
        }
        for (number, stream) in self.streams.iter().enumerate() {
            places.extend(stream.wait_for().map(|(side, fd)| (Place::Stream(number, side), fd)));
        }
        places
    }

    fn patience(&self) -> Option<Timespec> {
        let clients = self.doors.iter().any(|door| matches!(door, Door::Udp(door) if !door.is_empty()));
        let rest = self.rest.map(|rest| rest.saturating_duration_since(Instant::now()));
        let most = [rest, clients.then_some(LOOK)].into_iter().flatten().min()?;
        Some(Timespec { tv_sec: most.as_secs() as i64, tv_nsec: most.subsec_nanos().into() })
    }

    /// Whether no stream more has room: a few descriptors are left for what is in the making.
    fn is_full(&self) -> bool {
        const SPARE: usize = 16;
        let clients = |door: &Door| if let Door::Udp(datagrams) = door { datagrams.len() } else { 0 };
        let clients: usize = self.doors.iter().map(clients).sum();
        2 * self.streams.len() + clients + 2 * self.doors.len() + SPARE > self.most
    }

    /// Lets those in who wait at a door.
    fn let_in(&mut self, number: usize, room: &mut [u8]) {
        for _ in 0..TURN {
            let full = self.is_full();
            let came = match &mut self.doors[number] {
                Door::Udp(datagrams) => datagrams.take(room, full),
                Door::Tcp(..) if full => return,
                Door::Tcp(listener, inside) => listener
                    .accept()
                    .and_then(|(client, _)| Stream::begin(client, *inside))
                    .map(|stream| self.streams.push(stream)),
            };
            match came {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // EMFILE and its like: the caller still waits, and poll(2) would say so at once and again
                Err(error) if is_want(&error) => {
                    self.rest = Some(Instant::now() + REST);
                    return;
                }
                // whoever called has gone, or cannot be put through
                Err(_) => {}
            }
        }
    }

    fn forget(&mut self) {
        let now = Instant::now();
        self.rest = self.rest.filter(|rest| now < *rest);
        for door in &mut self.doors {
            if let Door::Udp(datagrams) = door {
                datagrams.forget(now);
            }
        }
    }
}

/// Whether the kernel has no room: no descriptor, no memory.
fn is_want(error: &io::Error) -> bool {
    let want = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| want.contains(&errno))
}
