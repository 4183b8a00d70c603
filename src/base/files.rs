//! Files that survive a crash: what stands under a name is the old file or the whole new one, and a name that was given is on the disk.
//!
//! ```text
//!   replace:  create beside it --> write --> fsync --> rename over it --> fsync of the directory
//! ```
//!
//! Waits for the disk: whoever must not, goes through `persistence/disk.rs`, which takes the same steps on its thread.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Creates the file, with the permissions `mode` less the umask, or empties the one that is there.
///
/// # Errors
/// As open(2).
pub fn create_empty(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)
}

/// The directory of a file.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Has the names in a directory on the disk.
///
/// # Errors
/// As open(2), fsync(2).
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Puts `text` in the place of the file `path`; `beside`, in the same directory, is where it is written first. A file that is there keeps
/// its permissions, which nobody is given for a moment whom they keep out; a new one has `mode` less the umask.
///
/// # Errors
/// As open(2), write(2), fsync(2), rename(2); the old file is then as it was, unless it was the directory that could not be synced.
pub fn replace(path: &Path, beside: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let written = write_new(beside, path, text, mode).and_then(|()| fs::rename(beside, path));
    if written.is_err() {
        // It is of no use to anybody.
        let _ = fs::remove_file(beside);
        return written;
    }
    sync_directory(directory_of(path))
}

fn write_new(path: &Path, model: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    // One that a crash left behind, perhaps with other permissions.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let kept = fs::metadata(model).ok().map(|about| about.permissions().mode() & 0o7777);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(kept.unwrap_or(mode)).open(path)?;
    if let Some(kept) = kept {
        // What the umask has taken away.
        file.set_permissions(Permissions::from_mode(kept))?;
    }
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{create_empty, directory_of, replace};

    #[test]
    fn files_are_replaced_whole_and_keep_their_permissions() {
        let directory = std::env::temp_dir().join(format!("zedis-files-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (path, beside) = (directory.join("a.conf"), directory.join("temp-a.conf"));
        replace(&path, &beside, b"port 1\n", 0o600).unwrap();
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(), 0o600);
        // More than any umask leaves, and one of an earlier attempt that anybody could read.
        fs::set_permissions(&path, Permissions::from_mode(0o662)).unwrap();
        create_empty(&beside, 0o666).unwrap();
        replace(&path, &beside, b"port 2\n", 0o600).unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), mode()), (b"port 2\n".as_slice(), 0o662));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left beside it");
        // It can't be put there: what is there stays.
        fs::create_dir(directory.join("dir")).unwrap();
        assert!(replace(&directory.join("dir"), &beside, b"", 0o600).is_err());
        assert!(replace(&directory.join("none/a.conf"), &directory.join("none/b"), b"", 0o600).is_err());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn directories_of_files() {
        for (path, directory) in [("a", "."), ("a/b", "a"), ("/a", "/"), ("./a", ".")] {
            assert_eq!(directory_of(Path::new(path)), Path::new(directory), "{path}");
        }
    }
}
