//! Which Supabase project a connection string leads to, and through which of its doors.
//!
//! A project is reached directly (`db.<ref>.supabase.co`), or through a pooler that many projects share and that learns the project
//! from the user (`postgres.<ref>`) or from an option (`reference=<ref>`).
//! <https://supabase.com/docs/guides/database/connecting-to-postgres>

use std::collections::BTreeSet;

/// Length of a project's reference, in lower-case letters.
const REFERENCE_LETTERS: usize = 20;
/// The port on which Supabase's poolers give a server connection for one transaction at a time.
const TRANSACTION_PORT: u16 = 6543;
/// The port on which they give it for the whole session, and of a direct connection.
pub(super) const SESSION_PORT: u16 = 5432;

const DIRECT_DOMAINS: [&str; 3] = ["supabase.co", "supabase.com", "supabase.in"];
const POOLER_DOMAIN: &str = "pooler.supabase.com";

/// The parts of a connection string that can name a project.
pub(super) struct ConninfoParts<'a> {
    pub(super) host: &'a str,
    pub(super) user: &'a str,
    pub(super) options: &'a str,
}

/// A host name as names are compared: in lower case, without the dot of the root.
pub(super) fn normalised(host: &str) -> String {
    host.trim().trim_end_matches('.').to_lowercase()
}

impl ConninfoParts<'_> {
    /// Every project that some part names.
    pub(super) fn projects(&self) -> BTreeSet<String> {
        let host = normalised(self.host);
        let user = self.user.to_lowercase();
        let options = self.options.to_lowercase();
        let in_host = is_supabase(&host).then(|| host.split('.')).into_iter().flatten();
        let in_user = user.split('.').skip(1);
        let in_options = options.split(|mark: char| !mark.is_ascii_lowercase());
        let words = in_host.chain(in_user).chain(in_options);
        words
            .filter(|word| is_reference(word))
            .map(str::to_owned)
            .collect()
    }

    /// Whether some part holds the project's reference, however it is wrapped: where it must not lead, doubt is enough.
    pub(super) fn mention(&self, project: &str) -> bool {
        let project = project.to_lowercase();
        let parts = [
            normalised(self.host),
            self.user.to_lowercase(),
            self.options.to_lowercase(),
        ];
        !project.is_empty() && parts.iter().any(|part| part.contains(&project))
    }
}

/// Whether the host is a door of Supabase's.
pub(super) fn is_supabase(host: &str) -> bool {
    DIRECT_DOMAINS
        .iter()
        .any(|domain| host == *domain || host.ends_with(&format!(".{domain}")))
}

/// Whether the host is a project's own, which answers over IPv6 alone unless the project pays for more.
pub(super) fn is_direct(host: &str) -> bool {
    host.starts_with("db.") && is_supabase(host)
}

/// Whether sessions do not survive there from one transaction to the next.
pub(super) fn is_transaction_pooler(host: &str, port: u16) -> bool {
    port == TRANSACTION_PORT && (host.ends_with(POOLER_DOMAIN) || is_supabase(host))
}

fn is_reference(word: &str) -> bool {
    word.len() == REFERENCE_LETTERS && word.bytes().all(|letter| letter.is_ascii_lowercase())
}
