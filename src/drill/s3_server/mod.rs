//! stub
#![allow(missing_docs)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
}
#[derive(Debug)]
pub struct S3Server;
impl S3Server {
    pub async fn start(_: &std::path::Path, _: &str, _: Credentials) -> crate::error::Result<Self> {
        todo!()
    }
    pub fn endpoint(&self) -> String {
        todo!()
    }
    pub fn open_uploads(&self) -> Vec<String> {
        todo!()
    }
    pub async fn stop(self) {}
}
