//! What a part has shown, as two tables.

use crate::check::Verdict;

const SHOWN_VIOLATIONS: usize = 8;

/// Prints it, and returns whether every promise was kept.
pub(super) fn print(part: &str, counts: &[(String, u64)], verdicts: &[Verdict]) -> bool {
    let mut text = format!("\n## {part}\n\n| what | times |\n|---|---:|\n");
    for (what, times) in counts {
        text.push_str(&format!("| {what} | {times} |\n"));
    }
    text.push_str(
        "\n| invariant | promise | checks | excused | violations | measured |\n\
         |---|---|---:|---:|---:|---|\n",
    );
    for verdict in verdicts {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            verdict.id,
            verdict.promise,
            verdict.checks,
            verdict.excused,
            verdict.violations.len(),
            verdict.note.as_deref().unwrap_or("")
        ));
    }
    for verdict in verdicts.iter().filter(|verdict| !verdict.holds()) {
        text.push_str(&format!(
            "\n{} is broken: {}\n",
            verdict.id, verdict.promise
        ));
        for violation in verdict.violations.iter().take(SHOWN_VIOLATIONS) {
            text.push_str(&format!("  {}\n", violation.text));
        }
        let more = verdict.violations.len().saturating_sub(SHOWN_VIOLATIONS);
        if more > 0 {
            text.push_str(&format!("  and {more} more\n"));
        }
    }
    // In one piece: the parts run side by side.
    print!("{text}");
    verdicts.iter().all(Verdict::holds)
}
