//! Query parameters from values and structs.
//!
//! A value is what can be written as one text: a string, a number, a boolean, a character, or a
//! variant without fields. `None` is left out, and a list repeats its name. Anything else has no
//! single way to be written in a query, and is refused.

mod fields;
mod unfit;
mod value;

use serde::Serialize;

use crate::error::Error;
use crate::facade::query::fields::FieldsSerializer;
use crate::facade::query::value::ValueSerializer;

/// Appends the parameters of one value: none, one, or one per element of a list.
pub(super) fn append_value<T: Serialize + ?Sized>(
    pairs: &mut Vec<(String, String)>,
    name: &str,
    value: &T,
) -> Result<(), Error> {
    match value.serialize(ValueSerializer) {
        Ok(values) => {
            values.append(name, pairs);
            Ok(())
        }
        Err(unfit) => Err(Error::request(format!(
            "query parameter `{name}` cannot be written: {unfit}"
        ))),
    }
}

/// Returns the parameters of a struct or a map, one or more per field.
pub(super) fn pairs_of<T: Serialize + ?Sized>(fields: &T) -> Result<Vec<(String, String)>, Error> {
    fields
        .serialize(FieldsSerializer)
        .map_err(|unfit| Error::request(format!("the parameters cannot be written: {unfit}")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;

    fn value<T: Serialize>(value: T) -> Result<Vec<String>, String> {
        let mut pairs = Vec::new();
        append_value(&mut pairs, "q", &value).map_err(|error| error.to_string())?;
        Ok(pairs.into_iter().map(|(_, value)| value).collect())
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    enum Order {
        NewestFirst,
        By(u8),
    }

    #[derive(Serialize)]
    struct Id(u32);

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Filter<'a> {
        page: Option<u32>,
        sort_order: Order,
        tag: &'a [&'a str],
        #[serde(skip_serializing_if = "Option::is_none")]
        owner: Option<Id>,
    }

    #[derive(Serialize)]
    struct Paged<'a> {
        #[serde(flatten)]
        filter: Filter<'a>,
        limit: u8,
    }

    #[test]
    fn a_value_is_written_as_its_text_and_none_is_left_out() {
        let written = |texts: &[&str]| Ok(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(value(2_u32), written(&["2"]));
        assert_eq!(value(-1.5), written(&["-1.5"]));
        assert_eq!(value(u128::MAX), written(&[&u128::MAX.to_string()]));
        assert_eq!(value(true), written(&["true"]));
        assert_eq!(value('é'), written(&["é"]));
        assert_eq!(value("a&b"), written(&["a&b"]));
        assert_eq!(value(""), written(&[""]));
        assert_eq!(value(Id(7)), written(&["7"]));
        assert_eq!(value(Order::NewestFirst), written(&["newestFirst"]));
        assert_eq!(value(Some(2)), written(&["2"]));
        assert_eq!(value(None::<u32>), written(&[]));
        assert_eq!(value(()), written(&[]));
        assert_eq!(value([1, 2]), written(&["1", "2"]));
        assert_eq!(value((1, "x")), written(&["1", "x"]));
        assert_eq!(value(vec![Some(1), None]), written(&["1"]));
    }

    #[test]
    fn what_has_no_single_way_to_be_written_is_refused_without_its_value() {
        let secret = BTreeMap::from([("a", "secret")]);
        let refused = [
            value(&secret),
            value([[1, 2]]),
            value(vec![&secret]),
            value(Order::By(1)),
            value(Filter {
                page: None,
                sort_order: Order::NewestFirst,
                tag: &["secret"],
                owner: None,
            }),
        ];
        for result in refused {
            let error = result.unwrap_err();
            assert!(error.contains("query parameter `q`"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_struct_becomes_one_parameter_per_field() {
        let paged = Paged {
            filter: Filter {
                page: None,
                sort_order: Order::NewestFirst,
                tag: &["a", "b"],
                owner: Some(Id(7)),
            },
            limit: 10,
        };
        let expected = [
            ("sortOrder", "newestFirst"),
            ("tag", "a"),
            ("tag", "b"),
            ("owner", "7"),
            ("limit", "10"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(pairs_of(&paged).unwrap(), expected);
        assert_eq!(pairs_of(&Some(&paged)).unwrap(), expected);
        assert_eq!(pairs_of(&None::<Paged<'_>>).unwrap(), []);
        let map = BTreeMap::from([(1, Some("x")), (2, None)]);
        assert_eq!(pairs_of(&map).unwrap(), [("1".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn what_has_no_fields_is_refused_and_a_bad_field_is_named() {
        for result in [pairs_of("page=1"), pairs_of(&[1, 2]), pairs_of(&7)] {
            let error = result.unwrap_err().to_string();
            assert!(error.contains("a struct or a map"), "{error}");
        }
        let nested = BTreeMap::from([("filter", BTreeMap::from([("a", 1)]))]);
        let error = pairs_of(&nested).unwrap_err().to_string();
        assert!(error.contains("field `filter`"), "{error}");
    }
}
