//! What may be forgotten: the floor, below which no version is kept, and the pins that hold it down.
//!
//! The floor only rises. Whoever raises it first looks at the pins; whoever sets a pin counts up the version of the
//! pins' parent, and looks at the floor. One of two at once has to look again.

use std::time::Duration;

use crate::commit::layout;
use crate::commit::table::{Table, ensure, found, until_answered};
use crate::commit::transaction::NODE;
use crate::error::{Error, Result};
use crate::session::{CreateKind, NotWritten, Write};

/// A pin on a version, by name.
pub type Pin = (String, u64);

impl Table {
    /// The oldest version that is kept, and its node's version; 1 unless it was raised.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn floor(&self) -> Result<(u64, i32)> {
        let path = layout::floor(&self.identity.uuid);
        loop {
            if let Some((data, stat)) = found(self.session.get(&path).await)? {
                return Ok((number(&path, &data)?, stat.version));
            }
            match until_answered(&self.session, || self.session.create(&path, b"1", NODE, false, &[])).await {
                Ok(_) | Err(Error::NodeExists(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The versions that are pinned, by name.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn pins(&self) -> Result<Vec<Pin>> {
        Ok(self.pinned().await?.0)
    }

    async fn pinned(&self) -> Result<(Vec<Pin>, i32)> {
        let parent = layout::pins(&self.identity.uuid);
        ensure(&self.session, &parent).await?;
        let version = until_answered(&self.session, || self.session.set(&parent, b"", None, &[])).await?.version;
        let mut pins = Vec::new();
        for name in self.session.children(&parent).await? {
            let path = format!("{parent}/{name}");
            if let Some((data, _)) = found(self.session.get(&path).await)? {
                pins.push((name, number(&path, &data)?));
            }
        }
        Ok((pins, version))
    }

    /// Raises the floor to `version`, or as far as pins allow, and returns where it is.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn raise_floor(&self, version: u64) -> Result<u64> {
        loop {
            let (floor, at) = self.floor().await?;
            let (pins, seen) = self.pinned().await?;
            let to = pins.iter().map(|(_, pin)| *pin).fold(version, u64::min);
            if to <= floor {
                return Ok(floor);
            }
            let (pins, floor) = (layout::pins(&self.identity.uuid), layout::floor(&self.identity.uuid));
            let data = to.to_string();
            let writes = [Write::Check(&pins, Some(seen)), Write::Set(&floor, data.as_bytes(), Some(at))];
            match self.session.multi(&writes, &[]).await {
                Ok(_) => return Ok(to),
                Err(NotWritten { error: Error::BadVersion(_), .. }) => {}
                Err(refused) if refused.error.outcome_unknown() => self.session.sync(&floor).await?,
                Err(refused) => return Err(refused.error),
            }
        }
    }

    /// Keeps `version` for as long as the pin stands: until [`Table::unpin`], or this session's end where `ephemeral`.
    ///
    /// # Errors
    /// `Config` where the version is below the floor, or the name taken for another version.
    pub async fn pin(&self, name: &str, version: u64, ephemeral: bool) -> Result<()> {
        let path = layout::pin(&self.identity.uuid, name)?;
        let kind = if ephemeral { CreateKind::EPHEMERAL } else { NODE };
        let parent = layout::pins(&self.identity.uuid);
        ensure(&self.session, &parent).await?;
        loop {
            let (floor, at) = self.floor().await?;
            if version < floor {
                return Err(Error::config(format!(
                    "pin version {version} of {}: it was vacuumed, the oldest that is kept is {floor}",
                    self.identity.uri
                )));
            }
            let data = version.to_string();
            let below = layout::floor(&self.identity.uuid);
            let writes = [
                Write::Check(&below, Some(at)),
                Write::Set(&parent, b"", None),
                Write::Create(&path, data.as_bytes(), kind),
            ];
            match self.session.multi(&writes, &[]).await {
                Ok(_) => return Ok(()),
                Err(NotWritten { index: Some(0), error: Error::BadVersion(_) }) => {}
                Err(NotWritten { index: Some(2), error: Error::NodeExists(_) }) => {
                    match found(self.session.get(&path).await)? {
                        Some((held, _)) if held == data.as_bytes() => return Ok(()),
                        Some((held, _)) => {
                            return Err(Error::config(format!(
                                "pin '{name}' of {} is on version {}; unpin it first, or give another name",
                                self.identity.uri,
                                String::from_utf8_lossy(&held)
                            )));
                        }
                        None => {}
                    }
                }
                Err(refused) if refused.error.outcome_unknown() => self.session.sync(&path).await?,
                Err(refused) => return Err(refused.error),
            }
        }
    }

    /// Takes a pin away; one that is gone is as good.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn unpin(&self, name: &str) -> Result<()> {
        let path = layout::pin(&self.identity.uuid, name)?;
        found(until_answered(&self.session, || self.session.delete(&path, None, false, &[])).await)?;
        Ok(())
    }

    /// Forgets jobs that were committed longer ago than `age`: a run of one of them would write again. Returns how many.
    ///
    /// # Errors
    /// `ConnectionLost` where the ensemble stays away.
    pub async fn sweep_jobs(&self, age: Duration) -> Result<usize> {
        let parent = layout::jobs(&self.identity.uuid);
        // All times are the servers': ours may be an hour off.
        let now = until_answered(&self.session, || self.session.set(&parent, b"", None, &[])).await?.mtime;
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let mut swept = 0;
        for shard in self.session.children(&parent).await? {
            let shard = format!("{parent}/{shard}");
            for job in self.session.children(&shard).await? {
                let job = format!("{shard}/{job}");
                let Some(stat) = self.session.exists(&job).await? else { continue };
                if now.saturating_sub(stat.ctime) >= age {
                    found(until_answered(&self.session, || self.session.delete(&job, None, false, &[])).await)?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }
}

fn number(path: &str, data: &[u8]) -> Result<u64> {
    let text = String::from_utf8_lossy(data);
    text.parse().map_err(|_| Error::server(format!("'{path}' holds '{text}', which is no version")))
}
