//! What every plan asks IAM first, asked while manifests are still read: neither needs the other.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::endpoint::Endpoint;
use crate::iam::client::Reader;
use crate::iam::{self, Caller, IamReader, OidcProvider};
use crate::model::arn::OidcProviderArn;
use crate::model::quotas::Quotas;
use crate::model::role::{Attachments, CurrentRole, ListedRole, RoleName};
use crate::settings::ClusterSettings;

/// The accounts of a run that are being asked.
#[derive(Debug)]
pub struct Asking<'a> {
    endpoint: &'a Endpoint,
    clusters: &'a [ClusterSettings],
    connected: oneshot::Receiver<Result<Vec<Ahead<Reader>>, iam::Error>>,
}

/// A reader that is being asked who it is, and for the listing of its account.
#[derive(Debug)]
pub struct Ahead<R> {
    iam: R,
    caller: Once<Caller>,
    listing: Once<Vec<ListedRole>>,
}

/// An answer for the first who wants it; whoever asks again wants to know how it is by then.
type Once<T> = Mutex<Option<oneshot::Receiver<Result<T, iam::Error>>>>;

impl<'a> Asking<'a> {
    /// Begins to ask for each of the clusters, on a thread that nobody waits for: if the run ends before, it
    /// ends with the program. Where no thread can be had, nothing is asked ahead.
    pub fn begin(
        runtime: &Arc<Runtime>,
        endpoint: &'a Endpoint,
        clusters: &'a [ClusterSettings],
    ) -> Self {
        let (give, connected) = oneshot::channel();
        let (accounts, own) = ((endpoint.clone(), clusters.to_vec()), runtime.clone());
        let ask = move || {
            own.block_on(async {
                let (endpoint, clusters) = &accounts;
                let connected = connect(endpoint, clusters).await;
                let asking = connected.map(|iam| iam.into_iter().map(Ahead::asking).unzip());
                let (ahead, asked): (_, Vec<_>) = match asking {
                    Ok((ahead, asked)) => (Ok(ahead), asked),
                    Err(error) => (Err(error), vec![]),
                };
                // Whoever does not want it any more has ended.
                let _ = give.send(ahead);
                for asked in asked {
                    asked.await;
                }
            });
        };
        let _ = std::thread::Builder::new().spawn(ask);
        Self {
            endpoint,
            clusters,
            connected,
        }
    }

    /// A reader for each of the clusters.
    ///
    /// # Errors
    ///
    /// If there is no connection to IAM.
    pub async fn readers(self) -> Result<Vec<Ahead<Reader>>, iam::Error> {
        match self.connected.await {
            Ok(readers) => readers,
            Err(_) => {
                let iam = connect(self.endpoint, self.clusters).await?;
                Ok(iam.into_iter().map(Ahead::of).collect())
            }
        }
    }
}

async fn connect(
    endpoint: &Endpoint,
    clusters: &[ClusterSettings],
) -> Result<Vec<Reader>, iam::Error> {
    let mut iam = Vec::new();
    for cluster in clusters {
        iam.push(endpoint.reader(cluster).await?);
    }
    Ok(iam)
}

impl<R> Ahead<R> {
    /// The reader itself: nothing is asked ahead.
    fn of(iam: R) -> Self {
        let (caller, listing) = (Once::default(), Once::default());
        Self {
            iam,
            caller,
            listing,
        }
    }
}

impl<R: IamReader + Clone> Ahead<R> {
    /// The reader, and what asks both at once.
    fn asking(iam: R) -> (Self, impl Future<Output = ()>) {
        let (give_caller, caller) = oneshot::channel();
        let (give_listing, listing) = oneshot::channel();
        let asked = iam.clone();
        let ask = async move {
            let caller = async { give_caller.send(asked.caller().await) };
            let listing = async { give_listing.send(asked.list_roles().await) };
            let _ = tokio::join!(caller, listing);
        };
        let ahead = Self {
            caller: Mutex::new(Some(caller)),
            listing: Mutex::new(Some(listing)),
            ..Self::of(iam)
        };
        (ahead, ask)
    }
}

/// The answer, if nobody had it yet.
async fn taken<T>(answer: &Once<T>) -> Option<Result<T, iam::Error>> {
    let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
    answer?.await.ok()
}

impl<R: IamReader> IamReader for Ahead<R> {
    async fn caller(&self) -> Result<Caller, iam::Error> {
        match taken(&self.caller).await {
            Some(caller) => caller,
            None => self.iam.caller().await,
        }
    }

    async fn list_roles(&self) -> Result<Vec<ListedRole>, iam::Error> {
        match taken(&self.listing).await {
            Some(listing) => listing,
            None => self.iam.list_roles().await,
        }
    }

    async fn all_roles(&self) -> Result<Option<Vec<CurrentRole>>, iam::Error> {
        self.iam.all_roles().await
    }

    async fn role(&self, name: &RoleName) -> Result<Option<CurrentRole>, iam::Error> {
        self.iam.role(name).await
    }

    async fn oidc_provider(
        &self,
        arn: &OidcProviderArn,
    ) -> Result<Option<OidcProvider>, iam::Error> {
        self.iam.oidc_provider(arn).await
    }

    async fn attachments(&self, name: &RoleName) -> Result<Attachments, iam::Error> {
        self.iam.attachments(name).await
    }

    async fn quotas(&self) -> Result<Quotas, iam::Error> {
        self.iam.quotas().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::iam::Kind;

    /// An account of which nothing but how often it was asked can be read.
    #[derive(Clone, Default)]
    struct Counting(Arc<AtomicUsize>);

    impl Counting {
        fn refused<T>(&self) -> Result<T, iam::Error> {
            Err(iam::Error {
                action: "iam:ListRoles",
                role: None,
                kind: Kind::AccessDenied,
                message: self.0.fetch_add(1, Ordering::Relaxed).to_string(),
                source: None,
            })
        }
    }

    impl IamReader for Counting {
        async fn caller(&self) -> Result<Caller, iam::Error> {
            self.refused()
        }

        async fn list_roles(&self) -> Result<Vec<ListedRole>, iam::Error> {
            self.refused()
        }

        async fn role(&self, _: &RoleName) -> Result<Option<CurrentRole>, iam::Error> {
            self.refused()
        }

        async fn oidc_provider(
            &self,
            _: &OidcProviderArn,
        ) -> Result<Option<OidcProvider>, iam::Error> {
            self.refused()
        }

        async fn attachments(&self, _: &RoleName) -> Result<Attachments, iam::Error> {
            self.refused()
        }

        async fn quotas(&self) -> Result<Quotas, iam::Error> {
            self.refused()
        }
    }

    #[tokio::test]
    async fn p47_an_answer_is_for_the_first_who_wants_it() {
        let account = Counting::default();
        let (ahead, asked) = Ahead::asking(account.clone());
        asked.await;
        assert_eq!(account.0.load(Ordering::Relaxed), 2, "both were asked");
        for expected in ["1", "2", "3"] {
            let refused = ahead.list_roles().await.expect_err("it is refused");
            assert_eq!(refused.message, expected, "an error is an answer, too");
        }
    }

    #[tokio::test]
    async fn p47_what_was_not_asked_after_all_is_asked() {
        let account = Counting::default();
        let (ahead, asked) = Ahead::asking(account.clone());
        drop(asked);
        let refused = ahead.caller().await.expect_err("it is refused");
        assert_eq!(refused.message, "0");
        let refused = Ahead::of(account).caller().await;
        assert_eq!(refused.expect_err("it is refused").message, "1");
    }
}
