//! Clients of object stores: which variables each kind takes, and how requests travel.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http::StatusCode;
use object_store::{
    ClientOptions, Error, ObjectStore, RetryConfig,
    aws::AmazonS3Builder,
    azure::MicrosoftAzureBuilder,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    },
    gcp::GoogleCloudStorageBuilder,
};

use super::refusal::Final;
use crate::{BucketAccess, BucketPlace, ObjectStoreKind};
use propsbot_network::Network;

/// Time-outs of one attempt at a request, and of all its attempts together.
const REQUEST: Duration = Duration::from_secs(30);
const RETRIES: Duration = Duration::from_mins(1);

const CONTENT_TYPES: [(&str, &str); 5] = [
    ("gz", "application/gzip"),
    ("json", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("msgpack", "application/vnd.msgpack"),
    ("parquet", "application/vnd.apache.parquet"),
];

/// The checksum sent with each object, unless the variables name one. Amazon requires one for
/// buckets with Object Lock; some other servers support none.
fn checksum(access: &BucketAccess) -> Option<&'static str> {
    let is_amazons = !access.0.contains_key("AWS_ENDPOINT_URL");
    is_amazons.then_some("sha256")
}

/// A client for the store. Each kind uses only its own variables.
pub(super) fn connect(
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
