//! Names that are taken within one session.
//!
//! The server tells two sessions apart, but not two users of one: to both, an ephemeral node of the session is
//! "mine", also after a lost reply. So within the session a name is taken here first.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

/// The absolute paths that somebody in this session stands for.
#[derive(Debug, Default)]
pub struct Names(watch::Sender<HashMap<String, Use>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Standing,
    /// Its node is being removed.
    Leaving,
}

/// A name that is ours until this is dropped.
#[derive(Debug)]
pub struct Name {
    names: Arc<Names>,
    path: String,
}

impl Names {
    /// Takes `path`, once whoever gave it up has removed its node; `None` where somebody stands for it.
    ///
    /// # Cancel safety
    /// Takes nothing.
    pub async fn take(self: &Arc<Self>, path: &str) -> Option<Name> {
        let mut names = self.0.subscribe();
        loop {
            let mut found = None;
            self.0.send_if_modified(|names| {
                found = names.get(path).copied();
                if found.is_none() {
                    names.insert(path.to_owned(), Use::Standing);
                }
                found.is_none()
            });
            match found {
                None => return Some(Name { names: self.clone(), path: path.to_owned() }),
                Some(Use::Standing) => return None,
                // The sender is in `self`, so that this cannot fail.
                Some(Use::Leaving) => drop(names.wait_for(|names| names.get(path) != Some(&Use::Leaving)).await),
            }
        }
    }
}

impl Name {
    /// The node is being removed: who wants the name waits from now on, instead of being refused.
    pub fn leave(&self) {
        self.names.0.send_modify(|names| {
            names.insert(self.path.clone(), Use::Leaving);
        });
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        self.names.0.send_modify(|names| {
            names.remove(&self.path);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn taken_once_and_free_again_after_the_leave_is_through() {
        let names = Arc::<Names>::default();
        let name = names.take("/a").await.expect("free");
        assert!(names.take("/a").await.is_none());
        assert!(names.take("/b").await.is_some());
        name.leave();
        let waiting = tokio::spawn({
            let names = names.clone();
            async move { names.take("/a").await.is_some() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(name);
        assert!(waiting.await.expect("no panic"));
    }
}
