//! The flags that name a store.

use clap::Args;

/// Where backups are kept. The credentials come from `R2_ACCESS_KEY_ID` and `R2_SECRET_ACCESS_KEY`, the same with `S3_`, or AWS's variables.
#[derive(Args, Clone, Debug)]
pub struct StoreArguments {
    /// Address of the store; `file:///DIRECTORY` for a directory of this machine [env: R2_ENDPOINT_URL or S3_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// Name of the bucket, or of a directory below that of the address [env: R2_BUCKET or S3_BUCKET] [default: paycraft-backups
    /// for PayCraft; none for a directory]
    #[arg(long, value_name = "NAME")]
    pub bucket: Option<String>,
    /// What every key in the bucket begins with, such as `product/production` [env: R2_PREFIX or S3_PREFIX]
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// Region of the store [env: R2_REGION or S3_REGION] [default: AWS's as its address tells, otherwise `auto`]
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
}
