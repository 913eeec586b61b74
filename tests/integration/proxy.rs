//! A TCP proxy between a session and the server that cuts, freezes, delays and swallows on request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

/// Opcodes of the protocol that tests speak about.
pub mod op {
    pub const DELETE: i32 = 2;
    pub const GET_CHILDREN: i32 = 8;
    pub const MULTI: i32 = 14;
    pub const CREATE2: i32 = 15;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Fair,
    /// Nothing passes, in either direction; connections stay open.
    Frozen,
    /// Connections break and new ones are refused.
    Cut,
}

#[derive(Default)]
struct Ledger {
    /// Requests seen, by opcode.
    requests: HashMap<i32, usize>,
    /// Watch notifications delivered.
    notifications: usize,
    /// Opcode whose next reply is swallowed; the connection breaks then.
    drop_reply: Option<i32>,
    /// One way.
    delay: Duration,
}

/// The proxy. It lives as long as its handle.
pub struct Proxy {
    pub address: String,
    weather: watch::Sender<Weather>,
    ledger: Arc<Mutex<Ledger>>,
}

impl Proxy {
    pub async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let proxy = Self { address, weather: watch::Sender::new(Weather::Fair), ledger: Arc::default() };
        let (server, weather, ledger) = (server.to_owned(), proxy.weather.subscribe(), proxy.ledger.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server.clone(), weather.clone(), ledger.clone()));
            }
        });
        proxy
    }

    /// Silence: packets are lost both ways and nobody is told.
    pub fn freeze(&self) {
        self.weather.send_replace(Weather::Frozen);
    }

    /// Every connection breaks, and new ones are refused, until `heal`.
    pub fn cut(&self) {
        self.weather.send_replace(Weather::Cut);
    }

    pub fn heal(&self) {
        self.weather.send_replace(Weather::Fair);
    }

    /// The server gets the next request with this opcode and answers; the answer never arrives.
    pub fn drop_reply_to(&self, opcode: i32) {
        self.ledger().drop_reply = Some(opcode);
    }

    /// True once the reply was swallowed.
    pub fn dropped(&self) -> bool {
        self.ledger().drop_reply.is_none()
    }

    pub fn delay(&self, one_way: Duration) {
        self.ledger().delay = one_way;
    }

    pub fn requests(&self, opcode: i32) -> usize {
        self.ledger().requests.get(&opcode).copied().unwrap_or(0)
    }

    pub fn notifications(&self) -> usize {
        self.ledger().notifications
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(client: TcpStream, server: String, mut weather: watch::Receiver<Weather>, ledger: Arc<Mutex<Ledger>>) {
    if *weather.borrow() == Weather::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(&server).await else { return };
    client.set_nodelay(true).expect("a socket");
    server.set_nodelay(true).expect("a socket");
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let doomed = Arc::new(Mutex::new(None));
    let up = pump(from_client, to_server, weather.clone(), ledger.clone(), {
        let (ledger, doomed) = (ledger.clone(), doomed.clone());
        let mut handshake = true;
        move |frame: &[u8]| {
            if std::mem::take(&mut handshake) {
                return true;
            }
            let mut ledger = ledger.lock().expect("whole");
            let (xid, opcode) = (number(frame, 0), number(frame, 4));
            *ledger.requests.entry(opcode).or_default() += 1;
            if ledger.drop_reply == Some(opcode) && doomed.lock().expect("whole").is_none() {
                *doomed.lock().expect("whole") = Some(xid);
            }
            true
        }
    });
    let down = pump(from_server, to_client, weather.clone(), ledger.clone(), {
        let mut handshake = true;
        move |frame: &[u8]| {
            if std::mem::take(&mut handshake) {
                return true;
            }
            let xid = number(frame, 0);
            let mut ledger = ledger.lock().expect("whole");
            ledger.notifications += usize::from(xid == -1);
            let swallow = *doomed.lock().expect("whole") == Some(xid);
            if swallow {
                ledger.drop_reply = None;
            }
            !swallow
        }
    });
    tokio::select! {
        () = up => {}
        () = down => {}
        _ = weather.wait_for(|weather| *weather == Weather::Cut) => {}
    }
}

/// Forwards whole frames with their delay, in order, until either end closes or `pass` says no.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    ledger: Arc<Mutex<Ledger>>,
    mut pass: impl FnMut(&[u8]) -> bool,
) {
    let (queue, mut due) = tokio::sync::mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async {
        loop {
            let Ok(length) = from.read_u32().await else { return };
            let mut frame = vec![0; length as usize];
            if from.read_exact(&mut frame).await.is_err() || !pass(&frame) {
                return;
            }
            let at = Instant::now() + ledger.lock().expect("whole").delay;
            let mut whole = length.to_be_bytes().to_vec();
            whole.append(&mut frame);
            if queue.send((at, whole)).is_err() {
                return;
            }
        }
    };
    let write = async {
        while let Some((at, frame)) = due.recv().await {
            tokio::time::sleep_until(at).await;
            // What is frozen is held back for good on a connection that breaks, and late otherwise.
            if weather.wait_for(|weather| *weather != Weather::Frozen).await.is_err() {
                return;
            }
            if to.write_all(&frame).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}

fn number(frame: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(frame[at..at + 4].try_into().expect("four bytes"))
}
