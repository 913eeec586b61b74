//! Opens one ZooKeeper session from a configuration.

use std::path::Path;
use std::time::Duration;

use zookeeper_client as zk;

use super::clock;
use crate::config::{Config, Tls};
use crate::error::{Error, Result};

/// A client whose session is established, and when its first request was sent at the earliest.
pub(super) struct Opened {
    pub(super) client: zk::Client,
    pub(super) sent: Duration,
}

/// Tries every host once.
///
/// # Errors
/// `ConnectionLost` where none answered, `AuthFailed` where the credentials were refused,
/// `Config` where a secret or a certificate cannot be read.
pub(super) async fn open(config: &Config) -> Result<Opened> {
    let connector = connector(config)?;
    let sent = clock::now();
    let connecting = async {
        match config.tls {
            Some(_) => connector.secure_connect(&config.hosts).await,
            None => connector.connect(&config.hosts).await,
        }
    };
    // A host that accepts and then stays silent would otherwise hold the caller for ever.
    match tokio::time::timeout(config.session_timeout, connecting).await {
        Ok(Ok(client)) => Ok(Opened { client, sent }),
        Ok(Err(error)) => Err(Error::from_client(&error, "connect to", &config.hosts)),
        Err(_) => Err(Error::from_client(&zk::Error::Timeout, "connect to", &config.hosts)),
    }
}

fn connector(config: &Config) -> Result<zk::Connector> {
    let mut connector = zk::Client::connector().with_session_timeout(config.session_timeout).with_fail_eagerly();
    for auth in &config.auth {
        let credential = auth.credential.reveal()?;
        if auth.scheme == "sasl" {
            let (user, password) = credential
                .split_once(':')
                .ok_or_else(|| Error::config("auth: a sasl credential is written user:password"))?;
            connector = connector.with_sasl(zk::SaslOptions::digest_md5(user.to_owned(), password.to_owned()));
        } else {
            connector = connector.with_auth(&auth.scheme, credential.as_bytes());
        }
    }
    match &config.tls {
        Some(tls) => Ok(connector.with_tls(tls_options(tls)?)),
        None => Ok(connector),
    }
}

fn tls_options(tls: &Tls) -> Result<zk::TlsOptions> {
    let wrong = |error: zk::Error| Error::config(format!("tls: {error}"));
    let mut options = zk::TlsOptions::new();
    if let Some(ca) = &tls.ca {
        options = options.with_pem_ca(&pem(ca)?).map_err(wrong)?;
    }
    match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => options = options.with_pem_identity(&pem(cert)?, &pem(key)?).map_err(wrong)?,
        (None, None) => {}
        _ => return Err(Error::config("tls: cert and key go together; give both or neither")),
    }
    Ok(options)
}

fn pem(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::config(format!("tls: cannot read the PEM file {}: {error}", path.display())))
}
