//! Finds out whether it is TLS that keeps us out, and why.
//!
//! The client library says of every host that did not let it in that it could not be reached, and goes on trying.
//! A certificate that is refused, on either side, is refused the next time too. So where connecting takes long or
//! failed, we shake hands ourselves, without ever speaking ZooKeeper, and listen for a refusal. Only a refusal that
//! was said counts: a connection that breaks may do so for any reason, and is tried again.

use std::io::{self, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::incarnation::Link;
use crate::config::{Config, Tls};
use crate::error::Error;

/// A healthy handshake is over by then; the second one, ours, is not worth its trouble before.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long one step with one host may take.
const STEP: Duration = Duration::from_secs(1);
/// Since TLS 1.3 a server looks at our certificate when for us the handshake is over; it says no soon or not at all.
const VERDICT: Duration = Duration::from_millis(300);

/// What a handshake came to.
enum Outcome {
    /// TLS is not what keeps us out.
    Fine,
    /// One side said why not.
    Refused(String),
    /// Nobody there, or nobody who says anything.
    Silent,
}

/// Resolves when it is clear that TLS, on our side or the servers', keeps us out; never, where it does not.
pub(super) async fn refused_soon(config: &Config) -> Error {
    tokio::time::sleep(PATIENCE).await;
    match refusal(config).await {
        Some(why) => why,
        None => std::future::pending().await,
    }
}

/// As [`refused_soon`], for a session whose link is lost.
pub(super) async fn refused_again(config: &Config, mut link: watch::Receiver<Link>) -> Error {
    while config.tls.is_some() && link.wait_for(|link| !link.connected).await.is_ok() {
        tokio::time::sleep(PATIENCE).await;
        if !link.borrow().connected
            && let Some(why) = refusal(config).await
        {
            return why;
        }
    }
    std::future::pending().await
}

/// Why no server lets us in, where one said so and none else is fine: `AuthFailed`, or `Config` where the servers
/// speak TLS and we do not.
pub(super) async fn refusal(config: &Config) -> Option<Error> {
    // Files that cannot be read were reported before this.
    let client = Arc::new(client(config.tls.as_ref())?);
    let mut shakes = JoinSet::new();
    for host in config.hosts.split(',') {
        let (client, host, tls) = (client.clone(), host.to_owned(), config.tls.clone());
        shakes.spawn_blocking(move || (shake(&host, &client, tls.as_ref()), host));
    }
    let mut refused = None;
    while let Some(shaken) = shakes.join_next().await {
        match shaken {
            Ok((Outcome::Fine, _)) => return None,
            Ok((Outcome::Refused(why), host)) => refused = Some((host, why)),
            Ok((Outcome::Silent, _)) | Err(_) => {}
        }
    }
    let (host, why) = refused?;
    Some(match &config.tls {
        Some(_) => Error::auth_failed(format!("connect to '{host}': TLS: {why}; no retry will help")),
        None => Error::config(format!(
            "connect to '{host}': the server speaks TLS and we do not; give tls=Tls(ca=…) or spark.zookeeper.tls.ca"
        )),
    })
}

/// What we show and trust; without TLS of our own, nobody: any certificate then tells that the server speaks it.
fn client(tls: Option<&Tls>) -> Option<ClientConfig> {
    let mut trusted = RootCertStore::empty();
    if let Some(ca) = tls.and_then(|tls| tls.ca.as_ref()) {
        trusted.add_parsable_certificates(CertificateDer::pem_file_iter(ca).ok()?.flatten());
    }
    let client = ClientConfig::builder().with_root_certificates(trusted);
    match tls.and_then(|tls| tls.cert.as_ref().zip(tls.key.as_ref())) {
        Some((cert, key)) => {
            let certificates = CertificateDer::pem_file_iter(cert).ok()?.flatten().collect();
            client.with_client_auth_cert(certificates, PrivateKeyDer::from_pem_file(key).ok()?).ok()
        }
        None => Some(client.with_no_client_auth()),
    }
}

fn shake(host: &str, client: &Arc<ClientConfig>, tls: Option<&Tls>) -> Outcome {
    match try_to_shake(host, client) {
        Ok(()) => Outcome::Fine,
        Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(why) => judge(why, tls),
            None => Outcome::Silent,
        },
    }
}

fn judge(why: &rustls::Error, tls: Option<&Tls>) -> Outcome {
    use CertificateError as Wrong;
    use rustls::Error as E;
    let named = matches!(why, E::InvalidCertificate(Wrong::NotValidForName | Wrong::NotValidForNameContext { .. }));
    match why {
        // Ours is not the check that counts then, and it ended the handshake early.
        E::InvalidCertificate(_) if named && tls.is_some_and(|tls| !tls.check_hostname) => Outcome::Silent,
        E::InvalidCertificate(_) if named => Outcome::Refused(format!(
            "the server's certificate is of another host ({why}); connect by a name it has, or give \
             Tls(check_hostname=False)"
        )),
        E::InvalidCertificate(Wrong::UnknownIssuer) => {
            Outcome::Refused("the server's certificate is of an authority that is not in ca".to_owned())
        }
        E::InvalidCertificate(wrong) => Outcome::Refused(format!("the server's certificate is no good: {wrong}")),
        E::AlertReceived(alert) if tls.is_some_and(|tls| tls.cert.is_none()) => Outcome::Refused(format!(
            "the server refused us ({alert:?}), and we showed no certificate; it may want one: Tls(cert=…, key=…)"
        )),
        E::AlertReceived(alert) => Outcome::Refused(format!("the server refused us, or our certificate ({alert:?})")),
        E::PeerIncompatible(what) => Outcome::Refused(format!("nothing in common with the server: {what:?}")),
        // Something else than TLS listens there, or something broke.
        _ => Outcome::Silent,
    }
}

fn try_to_shake(host: &str, client: &Arc<ClientConfig>) -> io::Result<()> {
    let address = host.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let mut socket = TcpStream::connect_timeout(&address, STEP)?;
    socket.set_read_timeout(Some(STEP))?;
    socket.set_write_timeout(Some(STEP))?;
    let mut connection = ClientConnection::new(client.clone(), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    socket.set_read_timeout(Some(VERDICT))?;
    match rustls::Stream::new(&mut connection, &mut socket).read(&mut [0]) {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(()),
        heard => heard.map(drop),
    }
}
