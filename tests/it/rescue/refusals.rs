//! What is not there, or cannot be had, with what to type instead.

use super::{Rescue, assert_refused};
use crate::kit::run;

#[test]
fn what_is_not_there_is_refused_with_what_is_near() {
    run(async {
        let Some(rescue) = Rescue::new().await else { return };
        for (arguments, says) in [
            (
                &["extract", "public.userz"][..],
                &["holds no table public.userz", "did you mean public.users"][..],
            ),
            (&["extract", "usres"], &["holds no table usres", "public.users"]),
            (&["extract", "pubic.users"], &["did you mean public.users"]),
            (&["extract", "nonsense"], &["it holds", "public.users"]),
            (
                &["extract", "single"],
                &["single may be other.single, public.single", "SCHEMA.TABLE"],
            ),
            (&["extract", "names"], &["public.names is a view"]),
            (&["extract", "totals"], &["public.totals is a materialized view"]),
            (
                &["extract", "users", "--columns", "id,nmae"],
                &["public.users has no stored column nmae", "did you mean name?"],
            ),
            (
                &["extract", "users", "--columns", "doubled"],
                &["no stored column doubled"],
            ),
            (
                &["extract", "users", "--where", "emial=x"],
                &["no stored column emial", "it has id, name"],
            ),
            (
                &["history", "userz"],
                &["no backup holds a table userz", "public.users"],
            ),
            (
                &["history", "users", "--where", "emial=x"],
                &["no stored column emial"],
            ),
        ] {
            let is_history = arguments[0] == "history";
            let place = tempfile::tempdir().expect("a directory");
            let file = place.path().join("rows");
            let mut command = rescue.command(arguments);
            command.arg("--json");
            if !is_history {
                command.arg("--output").arg(&file);
            }
            let ran = crate::kit::output(command).await;
            assert_refused(&ran, 2, says);
            assert!(!file.exists());
        }
    });
}

#[test]
fn what_cannot_be_read_as_a_name_or_condition_is_refused_at_once() {
    run(async {
        let Some(rescue) = Rescue::new().await else { return };
        for (arguments, says) in [
            (&["extract", "a.b.c"][..], "no table's name"),
            (&["extract", "\"users"], "no table's name"),
            (&["extract", "users", "--where", "id"], "no condition"),
            (&["extract", "users", "--where", "id=NULL"], "nothing equals NULL"),
            (
                &["extract", "users", "--columns", "id,,name"],
                "no list of columns",
            ),
            (&["extract", "users", "--format", "xml"], "jsonl"),
        ] {
            let ran = rescue.run(arguments).await;
            let told = String::from_utf8_lossy(&ran.stderr).into_owned();
            assert_eq!(ran.status.code(), Some(2), "{told}");
            assert!(told.contains(says), "{arguments:?}: {told}");
        }
    });
}

#[test]
fn a_name_whose_quotes_a_shell_ate_is_understood() {
    run(async {
        let Some(rescue) = Rescue::new().await else { return };
        let rows = rescue
            .rows(&["\"Odd.Schema\".Ta\"ble, x", "--where", "Id=1"])
            .await;
        assert_eq!(rows, b"1\tone\n");
        let rows = rescue
            .rows(&["PUBLIC.Users", "--where", "ID=1", "--columns", "NAME"])
            .await;
        assert_eq!(rows, b"user 1\n");
    });
}
