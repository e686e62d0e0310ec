//! What the line says.

/// How wide the bar is, in characters.
const WIDTH: u64 = 24;

/// The longest line. A longer one would wrap, and be more than one line to clear.
const LINE: usize = 79;

/// A bar of `done` out of `all`, a word about it, and the time since the start.
pub(crate) fn line(done: u64, all: u64, word: &str, seconds: u64) -> String {
    let full = (done.saturating_mul(WIDTH))
        .checked_div(all)
        .unwrap_or(WIDTH)
        .min(WIDTH);
    let bar: String = (0..WIDTH)
        .map(|place| if place < full { '█' } else { '░' })
        .collect();
    let time = format!("{}:{:02}", seconds / 60, seconds % 60);
    let word: String = word
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let text = format!("{bar} {done}/{all} {time} {word}");
    text.chars().take(LINE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_empty_at_the_start_and_full_at_the_end() {
        assert_eq!(line(0, 7, "a", 0), format!("{} 0/7 0:00 a", "░".repeat(24)));
        assert_eq!(
            line(7, 7, "b", 61),
            format!("{} 7/7 1:01 b", "█".repeat(24))
        );
        assert!(line(3, 6, "c", 0).starts_with(&format!("{}░", "█".repeat(12))));
        assert!(line(0, 0, "d", 0).starts_with(&"█".repeat(24)));
        assert!(line(u64::MAX, 7, "e", 0).starts_with(&"█".repeat(24)));
    }

    #[test]
    fn a_line_stays_one_line() {
        let text = line(1, 2, &format!("a\nb{}", "é".repeat(200)), 0);
        assert_eq!(text.chars().count(), 79);
        assert!(!text.contains('\n'), "{text}");
    }
}
