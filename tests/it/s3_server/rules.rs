//! The decisions, without a server.

use std::collections::BTreeSet;
use std::ops::Bound;

use paycraft_dr::drill::s3_server::conditions::{ReadConditions, WriteConditions, resolve_range};
use paycraft_dr::drill::s3_server::listing::{Query, percent_encode};
use paycraft_dr::drill::s3_server::multipart::{PART_BYTES_MIN, choose, parts_tag, whole_tag};
use proptest::prelude::*;
use s3s::S3ErrorCode;
use s3s::dto::{CompletedPart, ETag, ETagCondition, Range, Timestamp, TimestampFormat};

/// The entries of one page in the order they were listed, and where the next begins.
fn page(keys: &BTreeSet<String>, query: &Query<'_>) -> (Vec<String>, Option<String>) {
    let entries = keys.range::<str, _>((query.start(), Bound::Unbounded));
    let page = query.page(entries.map(|key| (key.as_str(), ())));
    let keys = page.items.iter().map(|(key, ())| *key);
    let mut listed: Vec<String> = keys.chain(page.common_prefixes).map(str::to_owned).collect();
    listed.sort();
    (listed, page.next.map(str::to_owned))
}

/// What a listing means, said without pages.
fn everything(keys: &BTreeSet<String>, prefix: &str, delimiter: Option<&str>) -> Vec<String> {
    let below = keys.iter().filter_map(|key| key.strip_prefix(prefix));
    let rolled = below.map(
        |rest| match delimiter.and_then(|delimiter| rest.split_once(delimiter)) {
            Some((head, _)) => format!("{prefix}{head}{}", delimiter.unwrap_or_default()),
            None => format!("{prefix}{rest}"),
        },
    );
    rolled.collect::<BTreeSet<_>>().into_iter().collect()
}

proptest! {
    #[test]
    fn pages_add_up_to_everything(
        keys in prop::collection::btree_set("[ab/é]{0,5}", 0..40),
        prefix in "[ab/]{0,2}",
        delimiter in prop::option::of(prop::sample::select(vec!["/", "b", "//", "é"])),
        limit in 1_usize..8,
    ) {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let query = Query { prefix: &prefix, delimiter, after: after.as_deref(), limit };
            let (entries, next) = page(&keys, &query);
            prop_assert!(entries.len() <= limit);
            // Only the last page may be short, or a client that pages until then would pay for nothing.
            prop_assert!(entries.len() == limit || next.is_none());
            listed.extend(entries);
            let Some(next) = next else { break };
            prop_assert_eq!(Some(&next), listed.last());
            prop_assert!(after.as_ref() < Some(&next), "no way forward from {next:?}");
            after = Some(next);
        }
        prop_assert_eq!(listed, everything(&keys, &prefix, delimiter));
    }

    #[test]
    fn a_page_begins_behind_any_key(
        keys in prop::collection::btree_set("[ab/]{0,4}", 0..20),
        after in "[ab/]{0,4}",
    ) {
        let query = Query { prefix: "", delimiter: None, after: Some(&after), limit: 1000 };
        let expected: Vec<String> = keys.iter().filter(|key| **key > after).cloned().collect();
        prop_assert_eq!(page(&keys, &query).0, expected);
    }

    #[test]
    fn a_range_selects_what_it_says(len in 0_u64..20, first in 0_u64..25, length in 0_u64..25) {
        let bytes: Vec<u64> = (0..len).collect();
        let select = |range: Range| {
            let range = resolve_range(&range, len).ok()?;
            Some(bytes[usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?].to_vec())
        };
        let some = |bytes: Vec<u64>| Some(bytes).filter(|bytes| !bytes.is_empty());
        let last = first + length;
        prop_assert_eq!(
            select(Range::Int { first, last: Some(last) }),
            some((first..=last).filter(|byte| *byte < len).collect())
        );
        prop_assert_eq!(select(Range::Int { first, last: None }), some((first..len).collect()));
        prop_assert_eq!(
            select(Range::Suffix { length }),
            some((len.saturating_sub(length)..len).collect())
        );
    }
}

#[test]
fn a_limit_of_nothing_ends_at_once() {
    let keys = BTreeSet::from(["a".to_owned()]);
    let query = Query {
        prefix: "",
        delimiter: None,
        after: None,
        limit: 0,
    };
    assert_eq!(page(&keys, &query), (vec![], None));
}

#[test]
fn only_letters_that_xml_and_urls_agree_on_stay() {
    assert_eq!(percent_encode("a-b_c.d~e/F9"), "a-b_c.d~e/F9");
    assert_eq!(percent_encode(" %+\u{1}ü"), "%20%25%2B%01%C3%BC");
}

fn tag(value: &str) -> ETagCondition {
    ETagCondition::ETag(ETag::Strong(value.to_owned()))
}

#[test]
fn a_write_goes_ahead_where_both_conditions_hold() {
    let one = ETag::Strong("one".to_owned());
    let any = ETagCondition::Any;
    let verdict =
        |if_match: Option<ETagCondition>, if_none_match: Option<ETagCondition>, current: Option<&ETag>| {
            let conditions = WriteConditions {
                if_match,
                if_none_match,
            };
            conditions.check(current).map_err(|error| error.code().clone())
        };
    let (missing, failed) = (Err(S3ErrorCode::NoSuchKey), Err(S3ErrorCode::PreconditionFailed));
    assert_eq!(verdict(None, None, None), Ok(()));
    assert_eq!(verdict(None, None, Some(&one)), Ok(()));
    assert_eq!(verdict(Some(tag("one")), None, Some(&one)), Ok(()));
    assert_eq!(verdict(Some(tag("two")), None, Some(&one)), failed);
    assert_eq!(verdict(Some(any.clone()), None, Some(&one)), Ok(()));
    assert_eq!(verdict(Some(any.clone()), None, None), missing);
    assert_eq!(verdict(Some(tag("one")), None, None), missing);
    assert_eq!(verdict(None, Some(any.clone()), None), Ok(()));
    assert_eq!(verdict(None, Some(any.clone()), Some(&one)), failed);
    assert_eq!(verdict(None, Some(tag("two")), Some(&one)), Ok(()));
    assert_eq!(verdict(None, Some(tag("one")), Some(&one)), failed);
    assert_eq!(verdict(Some(tag("one")), Some(any), Some(&one)), failed);
}

#[test]
fn a_tag_outweighs_the_time_beside_it() {
    let at = |seconds: &str| Timestamp::parse(TimestampFormat::EpochSeconds, seconds).unwrap();
    let verdict = |conditions: ReadConditions| {
        let outcome = conditions.check(&ETag::Strong("one".to_owned()), &at("100"));
        outcome.map_err(|error| error.code().clone())
    };
    assert_eq!(
        verdict(ReadConditions {
            if_match: Some(tag("one")),
            if_unmodified_since: Some(at("50")),
            ..ReadConditions::default()
        }),
        Ok(())
    );
    assert_eq!(
        verdict(ReadConditions {
            if_none_match: Some(tag("two")),
            if_modified_since: Some(at("100")),
            ..ReadConditions::default()
        }),
        Ok(())
    );
    assert_eq!(
        verdict(ReadConditions {
            if_match: Some(tag("two")),
            if_none_match: Some(tag("one")),
            ..ReadConditions::default()
        }),
        Err(S3ErrorCode::PreconditionFailed)
    );
}

#[test]
fn parts_are_chosen_by_number_tag_and_size() {
    let uploaded = [
        (PART_BYTES_MIN, [1; 16]),
        (PART_BYTES_MIN - 1, [2; 16]),
        (0, [3; 16]),
    ];
    let chosen = |numbers: &[usize]| {
        let listed: Vec<CompletedPart> = numbers
            .iter()
            .map(|number| CompletedPart {
                part_number: i32::try_from(*number).ok(),
                e_tag: Some(whole_tag(uploaded[number - 1].1)),
                ..CompletedPart::default()
            })
            .collect();
        let find = |number| uploaded.get(usize::try_from(number).ok()?.checked_sub(1)?);
        let chosen = choose(&listed, find, |part| *part);
        chosen
            .map_err(|error| error.code().clone())
            .map(|parts| parts.len())
    };
    assert_eq!(chosen(&[1, 2]), Ok(2));
    assert_eq!(chosen(&[1, 3]), Ok(2));
    assert_eq!(chosen(&[3]), Ok(1));
    assert_eq!(chosen(&[1, 2, 3]), Err(S3ErrorCode::EntityTooSmall));
    // What is out of order is said before what is too small.
    assert_eq!(chosen(&[2, 1, 3]), Err(S3ErrorCode::InvalidPartOrder));
    assert_eq!(chosen(&[]), Err(S3ErrorCode::MalformedXML));
}

#[test]
fn the_tag_of_parts_hashes_their_hashes() {
    // md5(16 × 01 ‖ 16 × 02), by another program.
    let expected = ETag::Strong("a2178117d5e9ed5f7660ab3e6719c6a2-2".to_owned());
    assert_eq!(parts_tag(&[[1; 16], [2; 16]]), expected);
}
