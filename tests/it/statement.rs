//! SQL taken apart in words.

use paycraft_dr::postgres::statement::{ForeignKeySteps, statements};

fn steps(sql: &str) -> Option<ForeignKeySteps> {
    match &statements(sql, false)[..] {
        [one] => one.foreign_key_steps(),
        _ => None,
    }
}

#[test]
fn a_semicolon_counts_only_outside_of_quotes_and_comments() {
    let sql = "A ';' \";\" /* ; /* ; */ ; */ -- ;\n $x$ ; $y$ ; $x$ E'\\';' $$;$$;; B;";
    let texts: Vec<&str> = statements(sql, false).iter().map(|found| found.text).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert_eq!(texts[1], "B");
    assert_eq!(statements("A '\\' ; '", true).len(), 1);
    assert_eq!(statements("A '\\' ; '", false).len(), 2);
    assert_eq!(statements("INSERT $1; a$b$ ; c", false).len(), 3);
    assert!(statements(" -- nothing\n", false).is_empty());
}

#[test]
fn a_foreign_key_is_taken_apart_by_its_words_whatever_its_names_hold() {
    let found = steps(
        "ALTER TABLE ONLY public.\"t \"\" ADD CONSTRAINT \"\n    ADD CONSTRAINT \"has FOREIGN KEY inside\" FOREIGN KEY (\"NOT VALID\") REFERENCES public.u(id) ON DELETE CASCADE;\n",
    )
    .expect("two steps");
    assert_eq!(found.table, ["public", "t \" ADD CONSTRAINT "]);
    assert!(
        found.attach.ends_with("ON DELETE CASCADE NOT VALID"),
        "{}",
        found.attach
    );
    assert_eq!(
        found.validate,
        "ALTER TABLE ONLY \"public\".\"t \"\" ADD CONSTRAINT \" VALIDATE CONSTRAINT \"has FOREIGN KEY inside\""
    );
}

#[test]
fn a_foreign_key_that_takes_one_step_is_left_whole() {
    for sql in [
        "ALTER TABLE public.p ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES public.u(id);",
        "ALTER TABLE ONLY public.t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES public.u(id) NOT VALID;",
        "ALTER TABLE ONLY public.t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES public.u(id) NOT ENFORCED;",
        "ALTER TABLE ONLY public.t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES public.u(id); SELECT 1;",
    ] {
        assert_eq!(steps(sql), None, "{sql}");
    }
}
