//! The limit: our own loader, fed from a local file that is not packed.

use std::collections::HashSet;
use std::io::Read;
use std::time::Instant;

use paycraft_dr::archive::{ArchiveEvent, ArchiveReader};
use paycraft_dr::child::Child;
use paycraft_dr::error::Kind;
use paycraft_dr::postgres::conninfo::Side;
use paycraft_dr::postgres::queries::unknown::Unknown;
use paycraft_dr::postgres::session::Session;
use paycraft_dr::postgres::tools::Leniency;
use paycraft_dr::recovery::loader::{Builds, LoadOptions, Loader};
use paycraft_dr::recovery::plan::{self, RestoreStage};
use paycraft_dr::recovery::platform::Selection;

use super::Outcome;
use super::measured::Taken;
use super::place::Place;

const PIECE_BYTES: usize = 1 << 20;
const CONNECTIONS: usize = 2;

pub(super) async fn run(place: &Place, target: &str) -> Outcome<Taken> {
    let target = place.server.conninfo(Side::Target, target)?;
    let began = Instant::now();
    let session = Session::connect(&target).await?;
    let archive = place.file("unpacked.dump");
    let make = async |name: &str, list: String| -> Outcome<()> {
        let place_of_list = place.file(name);
        std::fs::write(&place_of_list, list)?;
        let command =
            place
                .installation
                .restore_listed(&target, &archive, &place_of_list, Leniency::default());
        Ok(Child::start("pg_restore", command)?
            .ended()
            .await?
            .well(Kind::Target)?)
    };
    let mut file = std::fs::File::open(&archive)?;
    let (mut reader, mut loader, mut rest) = (ArchiveReader::new(), None, String::new());
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            break;
        }
        let mut unread = &piece[..length];
        loop {
            let step = reader.step(unread)?;
            unread = &unread[step.consumed..];
            match (step.event, &mut loader) {
                (None, _) => break,
                (Some(ArchiveEvent::Contents(contents)), _) => {
                    let selection = Selection::everything();
                    let ours = Builds::of(&contents, &selection, &Unknown::default(), false).ids();
                    make("before", plan::list(&contents, RestoreStage::Before, |_| true)).await?;
                    rest = plan::list(&contents, RestoreStage::After, |id| !ours.contains(&id));
                    let loading = Loader::begin(
                        &target,
                        &session,
                        &contents,
                        selection,
                        HashSet::new(),
                        LoadOptions {
                            leniency: Leniency::default(),
                            connections: CONNECTIONS,
                            gathers_statistics: false,
                        },
                    );
                    loader = Some(loading.await?);
                }
                (Some(event), Some(loader)) => loader.take(event).await?,
                (Some(_), None) => {}
            }
        }
    }
    if let Some(mut loader) = loader {
        loader.load().await?;
        loader.build().await?;
        make("after", rest).await?;
        loader.fill().await?;
    }
    Ok(Taken {
        seconds: began.elapsed().as_secs_f64(),
        ..Taken::default()
    })
}
