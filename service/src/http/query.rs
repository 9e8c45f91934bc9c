//! What stands behind the `?` of an address.

/// Keys and values in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query(Vec<(String, String)>);

/// Why a query is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Percent signs and what follows them.
    #[error("`{0}` in the address: expected UTF-8 text, with %HH for what an address may not hold")]
    Text(String),
    /// A key that the page does not know.
    #[error("`{key}` in the address: expected {expected}")]
    Unknown {
        /// The key.
        key: String,
        /// The keys that there are.
        expected: String,
    },
    /// The same key again.
    #[error("`{0}` stands more than once in the address: expected it once")]
    Twice(String),
}

impl Query {
    /// Reads a query as browsers write it: `&` between, `+` for a space, `%HH` for a byte.
    ///
    /// # Errors
    /// Bytes that are no text, or no bytes.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(key)?, decoded(value)?))
        });
        Ok(Self(pairs.collect::<Result<_, _>>()?))
    }

    /// The value of the only key that a page knows; `None`: it is not given.
    ///
    /// # Errors
    /// Another key, or this one twice: a misspelt condition must not look like none.
    pub fn only(&self, known: &str) -> Result<Option<&str>, QueryError> {
        if let Some((key, _)) = self.0.iter().find(|(key, _)| key != known) {
            return Err(QueryError::Unknown { key: key.clone(), expected: format!("`{known}`") });
        }
        match &self.0[..] {
            [] => Ok(None),
            [(_, value)] => Ok(Some(value)),
            _ => Err(QueryError::Twice(known.to_owned())),
        }
    }
}

fn decoded(text: &str) -> Result<String, QueryError> {
    let wrong = || QueryError::Text(text.to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
                u8::try_from(high * 16 + low).map_err(|_| wrong())?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_query_is_read_or_refused_with_what_was_expected() {
        let only = |text: &str| {
            let query = Query::parse(text).map_err(|error| error.to_string())?;
            query.only("template").map(|value| value.map(str::to_owned)).map_err(|error| error.to_string())
        };
        assert_eq!(only(""), Ok(None));
        assert_eq!(only("&template=&"), Ok(Some(String::new())));
        assert_eq!(
            only("template=kind%3Dfarm+city=%22Z%C3%BCrich%22").unwrap().unwrap(),
            "kind=farm city=\"Zürich\""
        );
        for (text, said) in [
            ("templat=x", "expected `template`"),
            ("template=a&template=b", "more than once"),
            ("template=%C3", "UTF-8"),
            ("template=%+1", "%HH"),
            ("template=%4", "%HH"),
        ] {
            let error = only(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
