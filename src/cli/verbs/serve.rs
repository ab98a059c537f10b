//! `paycraft-dr serve`: the S3 server of drills, for the tests of anyone.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::cli::context::Context;
use crate::cli::interruption::Interruption;
use crate::cli::outcome::{Outcome, Report};
use crate::cli::output;
use crate::cli::values::worded;
use crate::drill::s3_server::{Credentials, Rules, S3Server};
use crate::error::{Error, Kind, Result};

/// Which variable holds the secret, where one is given. It is also the one that clients read.
const SECRET: &str = "S3_SECRET_ACCESS_KEY";

/// Run an S3 server for tests.
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// Address and port; port 0 takes a free one and tells it
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9000")]
    pub listen: SocketAddr,
    /// Listen also where others can reach it: there is no encryption, and anything stored can be read on the way
    #[arg(long)]
    pub public: bool,
    /// The bucket that is there from the beginning
    #[arg(long, value_name = "NAME", default_value = "paycraft-backups")]
    pub bucket: String,
    /// The access key id; its secret is S3_SECRET_ACCESS_KEY (or that with _FILE), or drawn and printed
    #[arg(long, value_name = "ID", default_value = "paycraft", value_parser = |text: &str| worded(parse_id(text)))]
    pub access_key_id: String,
    /// Where the bytes of objects are kept while it runs; they are gone afterwards [default: the temporary directory]
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Refuse also what Cloudflare R2 refuses and S3 does not
    #[arg(long)]
    pub r2: bool,
}

fn parse_id(text: &str) -> Result<String> {
    let is_plain = |mark: char| mark.is_ascii_alphanumeric() || "._-".contains(mark);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err(Error::new(Kind::Usage, "that is no access key id")
            .hint("use letters, digits, dots, hyphens and underscores")),
    }
}

/// Serves until a signal comes.
pub async fn run(context: &Context<'_>, own: &ServeArguments) -> Result<Report> {
    if !own.listen.ip().is_loopback() && !own.public {
        let message = format!(
            "at {} others could reach the server, without encryption",
            own.listen
        );
        return Err(Error::new(Kind::Usage, message)
            .hint("listen on 127.0.0.1, or add --public where the network is yours"));
    }
    let given = context.settings.value(SECRET)?;
    let drawn = given.is_none().then(draw_secret);
    let credentials = Credentials {
        access_key_id: own.access_key_id.clone(),
        secret_access_key: given.or_else(|| drawn.clone()).unwrap_or_default(),
    };
    let directory = place(own)?;
    let listener = TcpListener::bind(own.listen).await.map_err(|cause| {
        Error::new(Kind::Usage, format!("cannot listen at {}", own.listen))
            .caused_by(cause)
            .hint("name another port with --listen, such as 127.0.0.1:0 for any that is free")
    })?;
    let rules = if own.r2 { Rules::R2 } else { Rules::S3 };
    let objects = directory.path().join("objects");
    let server = S3Server::start_on(listener, &objects, &own.bucket, credentials, rules)?;
    let serving = Serving {
        endpoint: server.endpoint(),
        bucket: own.bucket.clone(),
        access_key_id: own.access_key_id.clone(),
        drawn,
    };
    // Before anyone knows that it runs: a signal is how it ends as it should.
    let interruption = Interruption::catch();
    output::announce(context.arguments, "serve", Report::done(serving.clone()))?;
    match interruption {
        Some(interruption) => drop(interruption.wait().await),
        None => std::future::pending().await,
    }
    server.stop().await;
    Ok(Report::done(serving))
}

/// A directory of its own, which goes with it: nothing else is removed.
fn place(own: &ServeArguments) -> Result<tempfile::TempDir> {
    let made = match &own.directory {
        Some(directory) => std::fs::create_dir_all(directory).and_then(|()| tempfile::tempdir_in(directory)),
        None => tempfile::tempdir(),
    };
    made.map_err(|cause| {
        Error::new(Kind::Usage, "there is no directory for the objects")
            .caused_by(cause)
            .hint("name one that you may write with --directory")
    })
}

fn draw_secret() -> String {
    format!("{:032x}{:08x}", rand::random::<u128>(), rand::random::<u32>())
}

/// A server that answers.
#[derive(Clone)]
struct Serving {
    endpoint: String,
    bucket: String,
    access_key_id: String,
    /// The secret, where it is to be told: one that was given is known already.
    drawn: Option<String>,
}

/// Without the secret.
impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Outcome for Serving {
    fn fields(&self) -> Value {
        json!({
            "endpoint": self.endpoint,
            "bucket": self.bucket,
            "access_key_id": self.access_key_id,
            "secret_access_key": self.drawn,
        })
    }

    fn text(&self, _: bool) -> String {
        let Self {
            endpoint,
            bucket,
            access_key_id,
            drawn,
        } = self;
        let secret = drawn
            .as_ref()
            .map_or_else(String::new, |secret| format!("export {SECRET}={secret}\n"));
        format!(
            "export S3_ENDPOINT_URL={endpoint}\nexport S3_BUCKET={bucket}\nexport S3_ACCESS_KEY_ID={access_key_id}\n{secret}\
             # For AWS's tools\n\
             export AWS_ENDPOINT_URL=\"$S3_ENDPOINT_URL\" AWS_ACCESS_KEY_ID=\"$S3_ACCESS_KEY_ID\" AWS_SECRET_ACCESS_KEY=\"${SECRET}\" AWS_REGION=auto\n"
        )
    }

    fn is_announced(&self) -> bool {
        true
    }
}
