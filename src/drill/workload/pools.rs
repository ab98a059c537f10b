//! Values that read like the real thing. The crate `fake` makes good ones slowly: a pool of each is made once per seed and
//! rows are composed from it.

use super::draw::Draw;
use fake::Fake;
use fake::faker::address::raw::{CityName, StreetName};
use fake::faker::company::raw::{CatchPhrase, CompanyName};
use fake::faker::internet::raw::{UserAgent, Username};
use fake::faker::lorem::raw::Sentence;
use fake::faker::name::raw::Name;
use fake::locales::{AR_SA, DE_DE, EN, FR_FR, JA_JP, PT_BR, ZH_CN};

/// The pools of one seed. Content may hold any letter, so it is always escaped on its way out, but for `usernames`.
pub(super) struct Pools {
    /// Names of people, some of them outside ASCII.
    pub(super) names: Vec<String>,
    /// Local parts of addresses: letters, digits, underscores.
    pub(super) usernames: Vec<String>,
    pub(super) companies: Vec<String>,
    pub(super) slogans: Vec<String>,
    pub(super) sentences: Vec<String>,
    pub(super) streets: Vec<String>,
    pub(super) cities: Vec<String>,
    pub(super) user_agents: Vec<String>,
}

impl Pools {
    /// The pools of `seed`.
    pub(super) fn new(seed: u64) -> Self {
        let draw = &mut Draw::new(seed, u64::MAX);
        let mut names = many(900, draw, |draw| Name(EN).fake_with_rng(draw.rng()));
        names.extend(many(40, draw, |draw| Name(FR_FR).fake_with_rng(draw.rng())));
        names.extend(many(40, draw, |draw| Name(DE_DE).fake_with_rng(draw.rng())));
        names.extend(many(40, draw, |draw| Name(PT_BR).fake_with_rng(draw.rng())));
        names.extend(many(20, draw, |draw| Name(JA_JP).fake_with_rng(draw.rng())));
        names.extend(many(20, draw, |draw| Name(ZH_CN).fake_with_rng(draw.rng())));
        names.extend(many(20, draw, |draw| Name(AR_SA).fake_with_rng(draw.rng())));
        let usernames = many(1000, draw, |draw| {
            let name: String = Username(EN).fake_with_rng(draw.rng());
            name.chars()
                .map(|letter| {
                    if letter.is_ascii_alphanumeric() {
                        letter.to_ascii_lowercase()
                    } else {
                        '_'
                    }
                })
                .collect()
        });
        Self {
            names,
            usernames,
            companies: many(400, draw, |draw| CompanyName(EN).fake_with_rng(draw.rng())),
            slogans: many(400, draw, |draw| CatchPhrase(EN).fake_with_rng(draw.rng())),
            sentences: many(600, draw, |draw| Sentence(EN, 6..18).fake_with_rng(draw.rng())),
            streets: many(300, draw, |draw| StreetName(EN).fake_with_rng(draw.rng())),
            cities: many(300, draw, |draw| CityName(EN).fake_with_rng(draw.rng())),
            user_agents: many(60, draw, |draw| UserAgent(EN).fake_with_rng(draw.rng())),
        }
    }
}

fn many(count: usize, draw: &mut Draw, mut one: impl FnMut(&mut Draw) -> String) -> Vec<String> {
    (0..count).map(|_| one(draw)).collect()
}
