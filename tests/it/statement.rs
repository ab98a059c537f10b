//! SQL taken apart in words.

use paycraft_dr::postgres::statement::{ForeignKeySteps, settled, shown, statements};

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

#[test]
fn what_the_server_words_otherwise_once_it_has_read_it_is_worded_so() {
    for (written, stays) in [
        (
            "WHERE ((status)::text = ANY ((ARRAY['a'::character varying, 'b,(c'::character varying])::text[]))",
            Some(
                "WHERE ((status)::text = ANY (ARRAY[('a'::character varying)::text, ('b,(c'::character varying)::text]))",
            ),
        ),
        (
            "x = (ARRAY[f(a, b[1]), NULL::integer])::numeric(10,2)[]",
            Some("x = ARRAY[(f(a, b[1]))::numeric(10,2), (NULL::integer)::numeric(10,2)]"),
        ),
        (
            "(ARRAY[ARRAY[a, b], ARRAY[c]])::\"My\".\"t[]\"[]",
            Some("ARRAY[ARRAY[(a)::\"My\".\"t[]\", (b)::\"My\".\"t[]\"], ARRAY[(c)::\"My\".\"t[]\"]]"),
        ),
        (
            "(ARRAY[((ARRAY[a])::text[])[1]])::character varying[]",
            Some("ARRAY[((ARRAY[(a)::text])[1])::character varying]"),
        ),
        (
            "ARRAY['a'::character varying, b || c]::text[]",
            Some("ARRAY['a'::character varying::text, (b || c)::text]"),
        ),
        (
            "CHECK ((((a <> b) AND (a <> 'AND'::text)) AND ((a <> c))))",
            Some("CHECK (((a <> b) AND (a <> 'AND'::text) AND ((a <> c))))"),
        ),
        (
            "((((a) OR (b)) OR (c)) OR (d))",
            Some("((a) OR (b) OR (c) OR (d))"),
        ),
        // These mean something else, or are read as they are.
        ("(((a) OR (b)) AND (c))", None),
        ("((a) AND ((b) AND (c)))", None),
        ("(((a) AND (b)) IS TRUE)", None),
        ("((a AND b OR c) AND d)", None),
        ("(NOT (a AND b) AND c)", None),
        ("(f(a AND b) AND c)", None),
        ("(\"and\"((a AND b)))", None),
        // What is inside quotes is no cast.
        ("'(ARRAY[a])::text[]' = \"(ARRAY[a])::text[]\"", None),
        ("AS $$ (ARRAY[a])::text[] $$", None),
        ("E'\\' (ARRAY[a])::text[]'", None),
        ("(ARRAY[a])::text", None),
        ("(ARRAY[a])::text[1]", None),
        ("(ARRAY[])::text[]", None),
        ("(ARRAY[a)::text[]", None),
        ("ARRAY[]::text[]", None),
        ("(ARRAY[a] || b)::text[]", None),
        ("ARRAY[('a'::character varying)::text]", None),
        // No server writes these.
        ("(ARRAY[a,])::text[]", Some("ARRAY[(a)::text, ()::text]")),
        ("(ARRAY[,])::text[", None),
        ("(() AND ()) AND (", None),
    ] {
        let found = settled(written, false);
        assert_eq!(found.as_deref(), stays, "{written}");
        if let Some(found) = found {
            assert_eq!(settled(&found, false), None, "{found}");
        }
    }
}

#[test]
fn brackets_without_end_take_no_time_and_no_stack() {
    for depth in [150, 100_000] {
        let chain = format!("{}a AND b{}", "(".repeat(depth), " AND c)".repeat(depth));
        assert_eq!(settled(&chain, false).is_some(), depth == 150, "{depth}");
        let lists = format!(
            "{}a{}",
            "(ARRAY[".repeat(depth / 2),
            "])::text[]".repeat(depth / 2)
        );
        assert_eq!(settled(&lists, false).is_some(), depth == 150, "{depth}");
    }
}

#[test]
fn a_log_is_shown_questions_without_constants_and_of_all_else_kind_and_name() {
    for (sql, expected) in [
        ("SELECT  1,\n 'x;y' , $12 -- secret\n", "select ?, ?, $12"),
        (
            "SELECT a.\"B c\" FROM t WHERE n >= 47.5 AND s = E'x'",
            "select a.\"B c\" from t where n >= ?.? and s = ?",
        ),
        (
            "SET lock_timeout = '5s'; RESET search_path",
            "SET lock_timeout; RESET search_path",
        ),
        ("SET x = secret", "SET x"),
        (
            "COPY (SELECT a FROM t WHERE b = 'x') TO STDOUT",
            "copy(select a from t where b = ?) to stdout",
        ),
        ("COPY public.t (a, b) FROM stdin;\n", "COPY public.t"),
        (
            "CREATE UNIQUE INDEX i ON public.t (a) WHERE b <> 'secret'",
            "CREATE UNIQUE INDEX i",
        ),
        (
            "ALTER TABLE ONLY public.\"T\" ADD CHECK (a <> 'secret')",
            "ALTER TABLE ONLY public.T",
        ),
        (
            "CREATE SUBSCRIPTION s CONNECTION 'password=secret'",
            "CREATE SUBSCRIPTION s",
        ),
        (
            "CREATE USER MAPPING FOR u SERVER s OPTIONS (password 'secret')",
            "CREATE USER MAPPING FOR u",
        ),
        ("ALTER DATABASE d SET app.key TO 'secret'", "ALTER DATABASE d"),
        (
            "GRANT SELECT ON TABLE public.t TO u",
            "GRANT SELECT ON TABLE public.t",
        ),
        ("DO $x$ secret $x$", "DO"),
        ("'secret'", "a statement"),
        // Where a backslash may end a constant or not.
        ("SELECT 'a\\', secret; DROP TABLE '; secret'", "SELECT"),
        ("COMMENT ON TABLE t IS 'a\\'; secret'", "COMMENT ON TABLE t"),
    ] {
        assert_eq!(shown(sql), expected, "{sql}");
    }
    let long = format!("SELECT {}", "a, ".repeat(1000));
    assert_eq!(shown(&long).chars().count(), 1001);
}
