//! What a server answers, whichever client library has read it.

/// An answer that is no error. Bytes that are no text count as nothing: the store writes none.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Value {
    Nothing,
    Integer(i64),
    Text(String),
    List(Vec<Self>),
}

impl Value {
    /// Returns a text, or an integer in digits.
    pub(crate) fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(number) => Some(number.to_string()),
            Self::Nothing | Self::List(_) => None,
        }
    }

    /// Returns the texts of a list; an empty one stands for what is no text. What is no list has
    /// none.
    pub(crate) fn into_texts(self) -> Vec<String> {
        let Self::List(items) = self else {
            return Vec::new();
        };
        items
            .into_iter()
            .map(|item| item.into_text().unwrap_or_default())
            .collect()
    }

    /// Returns a number that is not negative.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Integer(number) => u64::try_from(*number).ok(),
            Self::Text(text) => text.parse().ok(),
            Self::Nothing | Self::List(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Value::{Integer, List, Nothing, Text};

    #[test]
    fn an_answer_is_read_as_a_text_a_number_or_a_list_of_texts() {
        assert_eq!(Text("a".to_owned()).into_text().as_deref(), Some("a"));
        assert_eq!(Integer(-3).into_text().as_deref(), Some("-3"));
        assert_eq!(Nothing.into_text(), None);
        assert_eq!(List(vec![Text("a".to_owned())]).into_text(), None);

        assert_eq!(Integer(3).number(), Some(3));
        assert_eq!(Integer(-3).number(), None);
        assert_eq!(Text("3".to_owned()).number(), Some(3));
        assert_eq!(Text("three".to_owned()).number(), None);

        let list = List(vec![Text("a".to_owned()), Nothing, Integer(3)]);
        assert_eq!(list.into_texts(), ["a", "", "3"]);
        assert_eq!(Text("a".to_owned()).into_texts(), Vec::<String>::new());
    }
}
