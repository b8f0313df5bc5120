//! An archive in an object store: an S3-compatible or Google bucket, or an Azure container.
//!
//! Owns what is put and removed, and in which order; `claim` ensures one writer at a time. The
//! manifest is replaced only if it hasn't changed since it was read (`If-Match` or the store's
//! equivalent). Stores that ignore such conditions are refused.

mod claim;
mod refusal;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use object_store::{
    ClientOptions, Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
    RetryConfig, UpdateVersion,
    aws::AmazonS3Builder,
    azure::MicrosoftAzureBuilder,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    },
    gcp::GoogleCloudStorageBuilder,
    path::Path,
};
use tokio::{sync::Mutex, task::JoinSet};

use self::{
    claim::{Claim, LEASE},
    refusal::{Final, refusal},
};
use super::{BucketAccess, BucketPlace, Claims, ObjectStoreKind};
use propsbot_archive::{
    ArchiveError, ArchiveWrite, Bases, DataArchive, Documents, FOLDERS, Hash, LONGEST, Object,
    Publish, Receipt, check_bases, check_readable, needed,
};
use propsbot_network::Network;

/// Maximum number of concurrent puts.
const PUTS: usize = 8;
/// Objects removed between two renewals: as many as one request can name.
const REMOVE: usize = 1000;

/// Time-outs of one attempt at a request, and of all its attempts together.
const REQUEST: Duration = Duration::from_secs(30);
const RETRIES: Duration = Duration::from_mins(1);

/// An archive in a bucket.
#[derive(Clone, Debug)]
pub struct BucketArchive {
    store: Arc<dyn ObjectStore>,
    kind: ObjectStoreKind,
    prefix: String,
    place: String,
    lease: Duration,
    claims: Claims,
    /// Held by this process's only writer.
    turn: Arc<Mutex<()>>,
}

impl BucketArchive {
    /// The archive at this place. Makes no requests yet.
    pub fn new(
        place: BucketPlace,
        access: &BucketAccess,
        network: &Network,
    ) -> Result<Self, ArchiveError> {
        let name = place.to_string();
        let store = connect(&place, access, network).map_err(|source| ArchiveError::Remote {
            action: "use",
            place: name.clone(),
            source: refusal(place.kind, source),
        })?;
        Ok(Self {
            store,
            kind: place.kind,
            prefix: place.prefix,
            place: name,
            lease: LEASE,
            claims: Claims::default(),
            turn: Arc::default(),
        })
    }

    /// The same archive, writing under these claims.
    #[must_use]
    pub fn with_claims(self, claims: Claims) -> Self {
        Self { claims, ..self }
    }

    /// The same archive, with a shorter lease for tests: a claim of this age counts as abandoned.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    fn path(&self, path: &str) -> Path {
        Path::from(format!("{}/{path}", self.prefix))
    }

    fn failed(&self, action: &'static str, path: &str) -> impl FnOnce(Error) -> ArchiveError {
        let place = format!("{path} of {}", self.place);
        let kind = self.kind;
        move |source| ArchiveError::Remote {
            action,
            place,
            source: match source {
                Error::NotFound { .. } if action == "write" => {
                    "there is no such bucket or container: make it first".into()
                }
                source => refusal(kind, source),
            },
        }
    }

    /// A file of at most `longest` bytes, and its version.
    async fn get(
        &self,
        path: &str,
        longest: u64,
    ) -> Result<Option<(Vec<u8>, UpdateVersion)>, ArchiveError> {
        let found = match self.store.get(&self.path(path)).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(self.failed("read", path))?,
        };
        if found.meta.size > longest {
            let path = format!("{path} of {}", self.place);
            return Err(ArchiveError::TooLong { path, longest });
        }
        let version = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        match found.bytes().await {
            Ok(bytes) => Ok(Some((bytes.to_vec(), version))),
            // It was removed while it was read.
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", path)(error)),
        }
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let put = self.store.put(&self.path(path), bytes.into()).await;
        put.map(drop).map_err(self.failed("write", path))
    }

    /// Puts a file if its version is still this one (`None`: if it is missing). `false` if not.
    async fn put_if(
        &self,
        path: &str,
        version: Option<UpdateVersion>,
        bytes: Vec<u8>,
    ) -> Result<bool, ArchiveError> {
        let options = PutOptions::from(version.map_or(PutMode::Create, PutMode::Update));
        let payload = PutPayload::from(bytes.clone());
        let Err(error) = self
            .store
            .put_opts(&self.path(path), payload, options)
            .await
        else {
            return Ok(true);
        };
        // The response may be lost, or may answer a retry, so the stored content decides.
        match self.get(path, bytes.len() as u64).await {
            Err(ArchiveError::TooLong { .. }) => {}
            found => {
                if found?.is_some_and(|(is, _)| is == bytes) {
                    return Ok(true);
                }
            }
        }
        match error {
            Error::AlreadyExists { .. } | Error::Precondition { .. } => Ok(false),
            error => Err(self.failed("write", path)(error)),
        }
    }

    async fn remove(&self, paths: Vec<Path>) -> Result<(), ArchiveError> {
        let paths = stream::iter(paths.into_iter().map(Ok)).boxed();
        let removed = self.store.delete_stream(paths);
        let gone = |removed| match removed {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("remove objects", "")(error)),
        };
        removed.map(gone).try_collect().await
    }

    /// Removes every object that the manifest doesn't need. Removes nothing unless all needed
    /// objects are known.
    async fn clean_up(&self, claim: &mut Claim<'_>) -> Result<(), ArchiveError> {
        let needed = needed(self)
            .await
            .map_err(|error| ArchiveError::Unreadable(Box::new(error)))?;
        let needed: BTreeSet<Path> = needed.iter().map(|needed| self.path(needed)).collect();
        let mut left = Vec::new();
        for kind in FOLDERS {
            let folder = self.path(kind);
            let mut listed = self.store.list(Some(&folder));
            while let Some(object) = listed.try_next().await.map_err(self.failed("list", kind))? {
                if !needed.contains(&object.location) {
                    left.push(object.location);
                }
            }
        }
        self.remove_for(claim, left).await
    }

    /// Removes objects as long as the claim holds.
    async fn remove_for(
        &self,
        claim: &mut Claim<'_>,
        paths: Vec<Path>,
    ) -> Result<(), ArchiveError> {
        for some in paths.chunks(REMOVE) {
            claim.renew().await?;
            self.remove(some.to_vec()).await?;
        }
        Ok(())
    }

    /// Replaces and removes the manifests one at a time, as long as they match `bases`. Returns
    /// those that were.
    async fn replace(
        &self,
        claim: &mut Claim<'_>,
        bases: &Bases,
        publish: &Publish,
    ) -> Result<Bases, ArchiveError> {
        claim.renew().await?;
        let mut before = BTreeMap::new();
        for path in bases.keys() {
            before.insert(path.as_str(), self.get(path, LONGEST).await?);
        }
        let hash_of = |found: &(Vec<u8>, UpdateVersion)| Hash::of(&found.0);
        let found = before.iter();
        let found = found.map(|(path, found)| ((*path).to_owned(), found.as_ref().map(hash_of)));
        let found: Bases = found.collect();
        let hashes = publish.compare(bases, &found)?;
        let mut published = Bases::new();
        for (path, manifest) in publish.in_order() {
            if found[path] != hashes[path] {
                let version = before.remove(path).flatten().map(|(_, version)| version);
                claim.check_age()?;
                let is_replaced = match manifest {
                    Some(manifest) => self.put_if(path, version, manifest.to_vec()).await?,
                    // Stores can't remove on a condition; the claim keeps other writers away.
                    None => self.remove(vec![self.path(path)]).await.map(|()| true)?,
                };
                if !is_replaced {
                    if !published.is_empty() {
                        break;
                    }
                    return Err(ArchiveError::Stale {
                        expected: bases[path],
                        found: self.get(path, LONGEST).await?.as_ref().map(hash_of),
                    });
                }
            }
            published.insert(path.to_owned(), hashes[path]);
        }
        claim.has_published = true;
        Ok(published)
    }

    /// Writes the documents and removes old objects, after the manifests are replaced.
    async fn follow(
        &self,
        claim: &mut Claim<'_>,
        documents: Documents,
        remove: &BTreeSet<String>,
    ) -> Result<(), ArchiveError> {
        let mut remove: Vec<Path> = remove.iter().map(|remove| self.path(remove)).collect();
        for (path, document) in documents {
            match document {
                Some(bytes) => self.put(path, bytes).await?,
                None => remove.push(self.path(path)),
            }
        }
        self.remove_for(claim, remove).await
    }
}

/// Content types by file extension.
const CONTENT_TYPES: [(&str, &str); 4] = [
    ("gz", "application/gzip"),
    ("json", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("msgpack", "application/vnd.msgpack"),
];

/// The checksum sent with each object, unless the variables name one. Amazon requires one for
/// buckets with Object Lock; some other servers support none.
fn checksum(access: &BucketAccess) -> Option<&'static str> {
    let is_amazons = !access.0.contains_key("AWS_ENDPOINT_URL");
    is_amazons.then_some("sha256")
}

/// A client for the store. Each kind uses only its own variables.
fn connect(
    place: &BucketPlace,
    access: &BucketAccess,
    network: &Network,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let url = format!("{}://{}", place.kind.scheme(), place.bucket);
    let client = CONTENT_TYPES.into_iter().fold(
        // An endpoint without encryption was configured on purpose.
        ClientOptions::new().with_allow_http(true),
        |client, (suffix, content_type)| client.with_content_type_for_suffix(suffix, content_type),
    );
    let connector = Connector(network.clone());
    let retry = RetryConfig {
        retry_timeout: RETRIES,
        ..RetryConfig::default()
    };
    macro_rules! connect {
        ($builder:ty, $prefix:literal) => {{
            let begun = <$builder>::new()
                .with_url(url)
                .with_client_options(client)
                .with_http_connector(connector)
                .with_retry(retry);
            let own = access
                .0
                .iter()
                .filter(|(name, _)| name.starts_with($prefix));
            let built = own.fold(begun, |builder, (name, value)| {
                let key = name.to_ascii_lowercase().parse();
                builder.with_config(key.expect("the crate knows these names"), value)
            });
            Ok(Arc::new(built.build()?))
        }};
    }
    match place.kind {
        ObjectStoreKind::S3 => {
            let mut access = access.clone();
            if let Some(checksum) = checksum(&access) {
                let name = "AWS_CHECKSUM_ALGORITHM";
                access.0.entry(name).or_insert_with(|| checksum.to_owned());
            }
            connect!(AmazonS3Builder, "AWS_")
        }
        ObjectStoreKind::Google => connect!(GoogleCloudStorageBuilder, "GOOGLE_"),
        ObjectStoreKind::Azure => connect!(MicrosoftAzureBuilder, "AZURE_"),
    }
}

/// Creates the HTTP client for object stores.
#[derive(Debug)]
struct Connector(Network);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = self.0.client().timeout(REQUEST).build();
        client
            .map(|client| HttpClient::new(Service(client)))
            .map_err(|source| Error::Generic {
                store: "HTTP client",
                source: source.into(),
            })
    }
}

/// Sends requests. Turns final refusals into errors, so that they aren't retried.
#[derive(Debug)]
struct Service(reqwest::Client);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.0.call(request).await?;
        let status = answer.status();
        let region = answer.headers().get("x-amz-bucket-region");
        let body = match (status, region) {
            (StatusCode::MOVED_PERMANENTLY, Some(region)) => {
                format!("<Region>{}</Region>", region.to_str().unwrap_or_default())
            }
            (StatusCode::NOT_IMPLEMENTED, _) => {
                let body = answer.into_body().bytes().await?;
                String::from_utf8_lossy(&body).into_owned()
            }
            _ => return Ok(answer),
        };
        Err(HttpError::new(
            HttpErrorKind::Unknown,
            Final { status, body },
        ))
    }
}

/// Waits for one put to finish; `false` if none is left.
async fn one_is_put(putting: &mut JoinSet<Result<(), ArchiveError>>) -> Result<bool, ArchiveError> {
    match putting.join_next().await {
        None => Ok(false),
        Some(Ok(put)) => put.map(|()| true),
        Some(Err(error)) => Err(ArchiveError::Stopped(error.to_string())),
    }
}

/// A write in progress.
struct BucketWrite<'a> {
    archive: &'a BucketArchive,
    claim: Claim<'a>,
    bases: Bases,
    /// Puts in progress. Dropping the write aborts them.
    putting: JoinSet<Result<(), ArchiveError>>,
    /// Whether every step so far has completed.
    is_whole: bool,
}

impl BucketWrite<'_> {
    async fn begin_put(&mut self, Object { path, bytes }: Object) -> Result<(), ArchiveError> {
        if self.putting.len() == PUTS {
            one_is_put(&mut self.putting).await?;
        }
        self.claim.about_to_put().await?;
        let archive = self.archive.clone();
        self.putting
            .spawn(async move { archive.put(&path, bytes).await });
        Ok(())
    }

    /// Publishes. Also returns whether only needed objects are left.
    async fn carry_out(&mut self, mut publish: Publish) -> Result<(Receipt, bool), ArchiveError> {
        publish.check(&self.bases)?;
        if !self.is_whole {
            return Err(ArchiveError::Failed);
        }
        while one_is_put(&mut self.putting).await? {}
        let (archive, claim) = (self.archive, &mut self.claim);
        let count = publish.manifests.len();
        let published = archive.replace(claim, &self.bases, &publish).await?;
        if published.len() < count {
            // The manifests that weren't replaced still need these objects.
            publish.remove.clear();
        }
        let followed = archive.follow(claim, publish.documents, &publish.remove);
        let followed = followed.await;
        if let Err(error) = &followed {
            let place = &archive.place;
            tracing::warn!(%place, %error, "published, but not all that goes with it is done: the next export makes up for it");
        }
        let is_tidy = followed.is_ok() && published.len() == count;
        let receipt = Receipt {
            published,
            ..Receipt::default()
        };
        Ok((receipt, is_tidy))
    }

    /// Releases the archive.
    async fn end(mut self, is_tidy: bool) -> Result<(), ArchiveError> {
        let cleaned = if is_tidy {
            self.claim.clean_up().await
        } else {
            Ok(false)
        };
        let ended = self.claim.end(matches!(cleaned, Ok(true))).await;
        cleaned.and(ended)
    }
}

#[async_trait]
impl ArchiveWrite for BucketWrite<'_> {
    async fn put(&mut self, object: Object) -> Result<(), ArchiveError> {
        object.check()?;
        if !self.is_whole {
            return Err(ArchiveError::Failed);
        }
        self.is_whole = false;
        self.begin_put(object).await?;
        self.is_whole = true;
        Ok(())
    }

    async fn publish(mut self: Box<Self>, publish: Publish) -> Result<Receipt, ArchiveError> {
        let done = self.carry_out(publish).await;
        let is_tidy = done.as_ref().is_ok_and(|(_, is_tidy)| *is_tidy);
        let place = &self.archive.place;
        let ended = self.end(is_tidy).await;
        let (receipt, _) = done?;
        if let Err(error) = ended {
            tracing::warn!(%place, %error, "published, but not tidied up after: the next export does that");
        }
        Ok(receipt)
    }

    async fn abandon(mut self: Box<Self>) -> Result<(), ArchiveError> {
        let mut put = Ok(true);
        while let Ok(true) = put {
            put = one_is_put(&mut self.putting).await;
        }
        let is_tidy = put.is_ok() && !self.claim.has_put();
        self.end(is_tidy).await
    }
}

#[async_trait]
impl DataArchive for BucketArchive {
    async fn read(&self, path: &str, longest: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        check_readable(path)?;
        Ok(self.get(path, longest).await?.map(|(bytes, _)| bytes))
    }

    async fn write<'a>(&'a self, bases: Bases) -> Result<Box<dyn ArchiveWrite + 'a>, ArchiveError> {
        check_bases(&bases)?;
        let mut claim = Claim::take(self).await?;
        if bases.values().any(Option::is_none) {
            claim.check_conditions().await?;
        }
        Ok(Box::new(BucketWrite {
            archive: self,
            claim,
            bases,
            putting: JoinSet::new(),
            is_whole: true,
        }))
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        let mut claim = Claim::take(self).await?;
        let swept = self.clean_up(&mut claim).await;
        let ended = claim.end(swept.is_ok()).await;
        swept.and(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazon_gets_checksums_and_other_servers_what_is_asked_for() {
        let mut access = BucketAccess::default();
        assert_eq!(checksum(&access), Some("sha256"));
        let other = "http://127.0.0.1:9000".to_owned();
        access.0.insert("AWS_ENDPOINT_URL", other);
        assert_eq!(checksum(&access), None);
    }
}
