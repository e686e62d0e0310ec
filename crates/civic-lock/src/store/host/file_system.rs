//! Whether a folder is on a file system of this machine.

use std::path::Path;

use crate::error::Error;

/// File systems that several machines may share, or whose locks need not exclude, by the number
/// that Linux gives them.
#[cfg(target_os = "linux")]
const SHARED: [(u32, &str); 11] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB 2"),
    (0x6573_5546, "FUSE or virtiofs"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x7461_636f, "OCFS2"),
];

/// Refuses a folder on a file system that several machines may share. A file system that cannot be
/// asked is not refused.
#[cfg(target_os = "linux")]
pub(super) fn refuse_shared(folder: &Path) -> Result<(), Error> {
    let Ok(about) = rustix::fs::statfs(folder) else {
        return Ok(());
    };
    match name_of_shared(about.f_type as u32) {
        None => Ok(()),
        Some(name) => Err(Error::config(format!(
            "{} is on {name}, which other machines may share: its locks would not exclude them. Set \
             CIVIC_LOCK_DIR to a folder on a local file system, or use Redis",
            folder.display()
        ))),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn refuse_shared(_: &Path) -> Result<(), Error> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn name_of_shared(number: u32) -> Option<&'static str> {
    let found = SHARED.iter().find(|(shared, _)| *shared == number);
    found.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_system_that_machines_share_is_refused_and_a_local_one_is_not() {
        for shared in [0x6969, 0xff53_4d42, 0x6573_5546, 0x0102_1997] {
            assert!(name_of_shared(shared).is_some(), "{shared:x}");
        }
        // ext4, xfs, btrfs, tmpfs, overlayfs, zfs
        for local in [
            0xef53,
            0x5846_5342,
            0x9123_683e,
            0x0102_1994,
            0x794c_7630,
            0x2fc1_2fc1,
        ] {
            assert_eq!(name_of_shared(local), None, "{local:x}");
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        refuse_shared(folder.path()).expect("a local file system");
    }
}
