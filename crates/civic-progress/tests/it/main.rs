//! What is written to a terminal, and to what is none.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use civic_progress::Progress;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Both ends of a terminal: what is written to the second is read from the first.
fn terminal() -> (File, File) {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal can be made");
    grantpt(&near).expect("it is ours");
    unlockpt(&near).expect("it can be opened");
    let name = ptsname(&near, Vec::new()).expect("it has a name");
    let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
    let far = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .expect("its other end opens");
    (File::from(near), far)
}

/// What a terminal shows after this.
fn shown(play: impl FnOnce(&Progress)) -> String {
    let (mut near, far) = terminal();
    let progress = Progress::on(far);
    play(&progress);
    // A mark, so that the end of what was written is known.
    progress.mark(1, 1, "the end");
    let mut text = Vec::new();
    let mut buffer = [0; 1024];
    while !String::from_utf8_lossy(&text).contains("the end") {
        let read = near.read(&mut buffer).expect("the terminal is open");
        text.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(text).expect("text")
}

#[test]
fn a_terminal_shows_one_line_that_is_written_over_itself() {
    let text = shown(|progress| {
        progress.show(1, 2, "first");
        progress.show(2, 2, "second");
    });
    let lines: Vec<&str> = text.split("\r\x1b[2K").collect();
    assert!(
        lines[1].contains("1/2") && lines[1].ends_with("first\r"),
        "{text:?}"
    );
    assert!(
        lines[2].contains("2/2") && lines[2].ends_with("second\r"),
        "{text:?}"
    );
}

#[test]
fn a_line_that_is_cleared_leaves_nothing_and_a_mark_stays() {
    let text = shown(|progress| {
        progress.show(1, 2, "gone");
        progress.clear();
        progress.clear();
    });
    assert!(text.contains("gone\r\r\x1b[2K\r\x1b[2K█"), "{text:?}");
    let text = shown(|progress| progress.mark(1, 2, "kept"));
    assert!(text.contains("kept\r\n"), "{text:?}");
}

#[test]
fn nothing_is_written_where_no_terminal_is() {
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    let progress = Progress::on(file.reopen().expect("it opens"));
    progress.show(1, 2, "first");
    progress.mark(1, 2, "second");
    progress.clear();
    drop(progress);
    let text = std::fs::read_to_string(file.path()).expect("it can be read");
    assert_eq!(text, "");
}
