//! Whether a target is ready for traffic as far as its planner goes.

use std::time::Duration;

use crate::model::timeline::{Event, Observer};
use crate::postgres::conninfo::Conninfo;
use crate::postgres::queries::loading::without_statistics;
use crate::postgres::session::Session;

/// A cutover does not wait longer for this answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many tables a warning names.
const NAMED: usize = 5;

/// Warns where tables of the target hold rows and the planner knows nothing of them. A target that does not answer is for the steps to
/// find out.
pub async fn warn_where_missing(target: &Conninfo, observer: &dyn Observer) {
    let asked = tokio::time::timeout(PATIENCE, async {
        without_statistics(&Session::connect(target).await?).await
    });
    let Ok(Ok(without)) = asked.await else {
        return observer.observe(Event::Noted(
            "the target did not tell whether it has planner statistics".to_owned(),
        ));
    };
    if without.is_empty() {
        return;
    }
    let named = without[..without.len().min(NAMED)].join(", ");
    let more = match without.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    observer.observe(Event::Warned(format!(
        "{named}{more} have rows and no planner statistics: run ANALYZE in the target, or its first queries may be very slow"
    )));
}
