//! What would keep the source from being made again as it is: looked for while it is dumped, so that no backup is green and unrestorable
//! without a word.

use parking_lot::Mutex;
use tokio::sync::watch;

use super::dump::{DumpProgress, until};
use super::snapshot::SourceSnapshot;
use crate::error::Result;
use crate::model::profile::PLATFORM_EXTENSIONS;
use crate::model::timeline::{Event, Observer};
use crate::model::trouble::Troubles;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::trouble::{self as queries, TroubleAnswer};
use crate::postgres::session::Session;

/// How long small databases may be asked beyond the end of their dumps.
const GRACE: std::time::Duration = std::time::Duration::from_secs(5);

/// Asks about the snapshot until all is asked, or until the dump is done and `GRACE` is over: what is found costs no backup its time.
/// Nothing is said where it could not be asked: no backup fails for want of the answers, and none claims them.
pub(super) async fn look(
    source: &Conninfo,
    snapshot: &SourceSnapshot,
    progress: &watch::Sender<DumpProgress>,
    observer: &dyn Observer,
) -> Option<Troubles> {
    let found = Mutex::new(None);
    until(progress, DumpProgress::Begun).await;
    let over = async {
        until(progress, DumpProgress::Ended).await;
        tokio::time::sleep(GRACE).await;
        Ok(())
    };
    let looked = tokio::select! {
        looked = look_at_all(source, snapshot, &found) => looked,
        over = over => over,
    };
    if let Err(error) = looked {
        let what =
            format!("whether the source could be made again as it is was not looked at to the end: {error}");
        observer.observe(Event::Warned(what));
    }
    let found = found.into_inner();
    for what in found.iter().flat_map(|found: &Troubles| &found.found) {
        let what = format!("the source has something that no restore can make again: {what}");
        observer.observe(Event::Warned(what));
    }
    found
}

async fn look_at_all(
    source: &Conninfo,
    snapshot: &SourceSnapshot,
    found: &Mutex<Option<Troubles>>,
) -> Result<()> {
    let session = Session::connect(source).await?;
    queries::distrust_indexes(&session).await?;
    snapshot.join(&session).await?;
    let questions = queries::questions(&session, &PLATFORM_EXTENSIONS).await?;
    let lock = || found.lock();
    *lock() = Some(Troubles {
        found: Vec::new(),
        unasked: questions.len(),
    });
    for question in &questions {
        let told = queries::ask(&session, question).await?;
        if let Some(found) = lock().as_mut() {
            match told {
                TroubleAnswer::Unanswered => {}
                TroubleAnswer::Well => found.unasked -= 1,
                TroubleAnswer::Trouble(what) => {
                    found.unasked -= 1;
                    found.found.push(what);
                }
            }
        }
    }
    Ok(())
}
