//! The section of a version in CHANGELOG.md.

/// Whether a section is finished.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Section {
    /// It has a date.
    Dated,
    /// It says that the version is not released.
    Unreleased,
}

/// The section of this version, which has to say something.
pub(super) fn section(text: &str, version: &str) -> Result<Section, String> {
    let head = format!("## {version} ");
    let (at, title) = text
        .lines()
        .enumerate()
        .find(|(_, line)| line.starts_with(&head))
        .ok_or_else(|| {
            format!("CHANGELOG.md has no section `## {version} (unreleased)` or with a date")
        })?;
    let says_something = text
        .lines()
        .skip(at + 1)
        .take_while(|line| !line.starts_with("## "))
        .any(|line| line.starts_with("- "));
    if !says_something {
        return Err(format!(
            "the section of {version} in CHANGELOG.md has no line"
        ));
    }
    match title[head.len()..].trim() {
        "(unreleased)" => Ok(Section::Unreleased),
        date if is_date(date) => Ok(Section::Dated),
        other => Err(format!(
            "after the version, CHANGELOG.md has `{other}` and neither `(unreleased)` nor a date as \
             (2026-11-30)"
        )),
    }
}

fn is_date(text: &str) -> bool {
    text.len() == "(2026-11-30)".len()
        && text
            .bytes()
            .zip("(dddd-dd-dd)".bytes())
            .all(|(byte, form)| match form {
                b'd' => byte.is_ascii_digit(),
                _ => byte == form,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_a_section_with_lines_and_a_date_or_none_yet() {
        let text =
            |title: &str| format!("# Changelog\n\n{title}\n\n- a line\n\n## 0.0.9 (2026-01-02)\n");
        let of = |title: &str| section(&text(title), "0.1.0");
        assert_eq!(of("## 0.1.0 (unreleased)"), Ok(Section::Unreleased));
        assert_eq!(of("## 0.1.0 (2026-11-30)"), Ok(Section::Dated));
        for (title, words) in [
            ("## 0.2.0 (unreleased)", "no section"),
            ("## 0.1.0 soon", "`soon`"),
            (
                "## 0.1.0 (unreleased)\n\n## 0.0.8 (2026-01-01)",
                "has no line",
            ),
        ] {
            let error = of(title).expect_err(title);
            assert!(error.contains(words), "{title}: {error}");
        }
        assert!(section(&text("## 0.1.0 (unreleased)"), "0.0.9").is_err());
    }
}
