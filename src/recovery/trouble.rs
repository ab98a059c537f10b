//! What would keep the source from being made again as it is: looked for while it is dumped, so that no backup is green and unrestorable
//! without a word.

use std::sync::Mutex;

use tokio::sync::Notify;

use super::snapshot::SourceSnapshot;
use crate::error::Result;
use crate::model::timeline::{Event, Observer};
use crate::model::trouble::Troubles;
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::trouble::{self as queries, Told};
use crate::postgres::session::Session;

/// How long small databases may be asked beyond the end of their dumps.
const GRACE: std::time::Duration = std::time::Duration::from_secs(5);

/// Asks about the snapshot until all is asked, or until the dump is done and `GRACE` is over: what is found costs no backup its time. No
/// backup fails for want of the answers.
pub(super) async fn look(
    source: &Conninfo,
    snapshot: &SourceSnapshot,
    dumped: &Notify,
    observer: &dyn Observer,
) -> Troubles {
    let found = Mutex::new(Troubles::default());
    let looking = look_at_all(source, snapshot, &found);
    let over = async {
        dumped.notified().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        looked = looking => if let Err(error) = looked {
            let what = format!("whether the source could be made again as it is was not looked at to the end: {error}");
            observer.observe(Event::Warned(what));
        },
        () = over => {}
    }
    let found = found.into_inner().unwrap_or_default();
    for what in &found.found {
        let what = format!("the source has something that no restore can make again: {what}");
        observer.observe(Event::Warned(what));
    }
    found
}

async fn look_at_all(source: &Conninfo, snapshot: &SourceSnapshot, found: &Mutex<Troubles>) -> Result<()> {
    let session = Session::connect(source).await?;
    queries::distrust_indexes(&session).await?;
    snapshot.join(&session).await?;
    let questions = queries::questions(&session).await?;
    let note = |change: &dyn Fn(&mut Troubles)| {
        if let Ok(mut found) = found.lock() {
            change(&mut found);
        }
    };
    note(&|found| found.unasked = questions.len());
    for question in &questions {
        let told = queries::ask(&session, question).await?;
        note(&|found| {
            found.unasked -= 1;
            if let Told::Trouble(what) = &told {
                found.found.push(what.clone());
            }
        });
    }
    Ok(())
}
