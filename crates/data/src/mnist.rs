//! MNIST: 60,000 + 10,000 images of digits, in a folder of four files, and how they get there.
//!
//! The files keep the names that they are published under. They are read from a folder, gzip or plain; a pull takes each from
//! another folder or by HTTPS, checks the SHA-256 of what is in it, and puts it in place whole. A file that is there and
//! right is not fetched again.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::idx::{Idx, IdxError};
use crate::stream::hex;

/// Where the files are fetched from unless another place is named.
pub const MIRROR: &str = "https://ossci-datasets.s3.amazonaws.com/mnist";

/// No file of the set is as large, packed.
const MOST_BYTES: u64 = 64 << 20;

/// One of the four files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MnistFile {
    /// Its name, without `.gz`.
    pub name: &'static str,
    /// Bytes, unpacked.
    pub n_bytes: u64,
    /// SHA-256 of the unpacked bytes.
    pub sha256: &'static str,
}

/// The four files.
pub const FILES: [MnistFile; 4] = [
    MnistFile {
        name: "train-images-idx3-ubyte",
        n_bytes: 47_040_016,
        sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    },
    MnistFile {
        name: "train-labels-idx1-ubyte",
        n_bytes: 60_008,
        sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    },
    MnistFile {
        name: "t10k-images-idx3-ubyte",
        n_bytes: 7_840_016,
        sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    },
    MnistFile {
        name: "t10k-labels-idx1-ubyte",
        n_bytes: 10_008,
        sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
];

/// Images with their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledImages {
    /// Pixels of an image.
    pub n_pixels: usize,
    /// Grey values, `[n, n_pixels]`.
    pub pixels: Vec<u8>,
    /// Which of the labels each has.
    pub labels: Vec<u8>,
}

/// Both parts of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mnist {
    /// 60,000 images to train on.
    pub train: LabelledImages,
    /// 10,000 images to test on.
    pub test: LabelledImages,
    /// SHA-256 over all that was read.
    pub sha256: String,
}

/// Why there is no MNIST.
#[derive(Debug, thiserror::Error)]
pub enum MnistError {
    /// A file is neither there packed nor plain.
    #[error("{}: no {name}.gz and no {name}", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The file.
        name: &'static str,
    },
    /// A file is no array of bytes.
    #[error(transparent)]
    Idx(#[from] IdxError),
    /// Images and labels do not go together.
    #[error("{}: {images} images in {name}, but {labels} labels", folder.display())]
    Counts {
        /// The folder.
        folder: PathBuf,
        /// The file of images.
        name: &'static str,
        /// Images.
        images: usize,
        /// Labels.
        labels: usize,
    },
    /// A label is none of the ten.
    #[error("{}: label {label} of image {at} is above 9", folder.display())]
    Label {
        /// The folder.
        folder: PathBuf,
        /// Which image, from 0.
        at: usize,
        /// Its label.
        label: u8,
    },
    /// A file could not be fetched.
    #[error("cannot fetch {from}: {reason}")]
    Fetch {
        /// From where.
        from: String,
        /// What went wrong.
        reason: String,
    },
    /// What was fetched is something else.
    #[error("{from} is not {name}: SHA-256 {got}, not {expected}")]
    OtherContent {
        /// From where.
        from: String,
        /// Which file it should be.
        name: &'static str,
        /// The hash of what came.
        got: String,
        /// The hash of the file.
        expected: &'static str,
    },
    /// It could not be put in its place.
    #[error("cannot write {}: {reason}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
}

impl MnistError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "`trimtab data pull mnist` fetches the four files; `--data DIR` names another folder"
            }
            Self::Idx(error) => error.hint(),
            Self::Counts { .. } | Self::Label { .. } => {
                "take images and labels from one and the same publication"
            }
            Self::Fetch { .. } => {
                "check the connection, or name a mirror or a folder that has the files: `--from`"
            }
            Self::OtherContent { .. } => "name another mirror: `--from`",
            Self::Write { .. } => "check that there is room, or name another folder: `--to`",
        }
    }
}

/// What became of one file of a pull, or is the matter with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// It was there, and is right.
    Present,
    /// It is in its place now.
    Fetched,
    /// It is not there.
    Absent,
    /// It is there, but not what was published.
    Different,
}

impl Mnist {
    /// Reads the set from a folder.
    ///
    /// # Errors
    ///
    /// [`MnistError`] when a file is not there, or is not what it should be.
    pub fn read(folder: &Path) -> Result<Self, MnistError> {
        let mut sha = Sha256::new();
        let [train_images, train_labels, test_images, test_labels] = FILES;
        let train = LabelledImages::read(folder, train_images, train_labels, &mut sha)?;
        let test = LabelledImages::read(folder, test_images, test_labels, &mut sha)?;
        Ok(Self {
            train,
            test,
            sha256: hex(&sha.finalize()),
        })
    }
}

impl LabelledImages {
    /// How many.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    fn read(
        folder: &Path,
        images: MnistFile,
        labels: MnistFile,
        sha: &mut Sha256,
    ) -> Result<Self, MnistError> {
        let read = |file: MnistFile, dimensions| {
            let path = place(folder, file.name).ok_or_else(|| MnistError::Missing {
                folder: folder.to_owned(),
                name: file.name,
            })?;
            Ok::<_, MnistError>(Idx::read(&path, dimensions)?)
        };
        let read_images = read(images, 3)?;
        let read_labels = read(labels, 1)?;
        let n = read_images.shape[0];
        if n != read_labels.values.len() {
            return Err(MnistError::Counts {
                folder: folder.to_owned(),
                name: images.name,
                images: n,
                labels: read_labels.values.len(),
            });
        }
        let wrong = read_labels.values.iter().position(|label| *label > 9);
        if let Some(at) = wrong {
            return Err(MnistError::Label {
                folder: folder.to_owned(),
                at,
                label: read_labels.values[at],
            });
        }
        sha.update((n as u64).to_le_bytes());
        sha.update(&read_images.values);
        sha.update(&read_labels.values);
        Ok(Self {
            n_pixels: read_images.shape[1] * read_images.shape[2],
            pixels: read_images.values,
            labels: read_labels.values,
        })
    }
}

/// The file called `name` in a folder, packed or plain.
fn place(folder: &Path, name: &str) -> Option<PathBuf> {
    [format!("{name}.gz"), name.to_owned()]
        .into_iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

/// What is there of the set in a folder.
pub fn show(folder: &Path) -> Vec<(MnistFile, FileState)> {
    let state = |file: MnistFile| match place(folder, file.name).map(fs::read) {
        Some(Ok(bytes)) if sha256_unpacked(&bytes, file).as_deref() == Ok(file.sha256) => {
            FileState::Present
        }
        None => FileState::Absent,
        Some(_) => FileState::Different,
    };
    FILES.into_iter().map(|file| (file, state(file))).collect()
}

/// Fetches what is not there yet. `from` is a folder, or the address of one by HTTP; `tell` hears of each file.
///
/// # Errors
///
/// [`MnistError`] when a file cannot be fetched, is something else, or cannot be written. Files before it are in their
/// places.
pub fn pull(
    from: &str,
    to: &Path,
    tell: &mut dyn FnMut(&MnistFile, FileState),
) -> Result<(), MnistError> {
    for (file, state) in show(to) {
        if state == FileState::Present {
            tell(&file, state);
            continue;
        }
        let (from, bytes) = fetch(from, file.name)?;
        let got = sha256_unpacked(&bytes, file).map_err(|reason| MnistError::Fetch {
            from: from.clone(),
            reason,
        })?;
        if got != file.sha256 {
            return Err(MnistError::OtherContent {
                from,
                name: file.name,
                got,
                expected: file.sha256,
            });
        }
        let suffix = if is_gzip(&bytes) { ".gz" } else { "" };
        write_whole(to, &format!("{}{suffix}", file.name), &bytes)?;
        // A file that was wrong and is packed otherwise would be read before this one.
        let other = to.join(if suffix.is_empty() {
            format!("{}.gz", file.name)
        } else {
            file.name.to_owned()
        });
        if state == FileState::Different && other.is_file() {
            fs::remove_file(&other).map_err(|reason| MnistError::Write {
                file: other,
                reason,
            })?;
        }
        tell(&file, FileState::Fetched);
    }
    Ok(())
}

/// The bytes of a file, and where they came from.
fn fetch(from: &str, name: &str) -> Result<(String, Vec<u8>), MnistError> {
    let failed = |from: &str, reason: String| MnistError::Fetch {
        from: from.to_owned(),
        reason,
    };
    if from.starts_with("https://") || from.starts_with("http://") {
        let address = format!("{}/{name}.gz", from.trim_end_matches('/'));
        let bytes = ureq::get(&address).call().and_then(|mut reply| {
            let body = reply.body_mut().with_config();
            body.limit(MOST_BYTES).read_to_vec()
        });
        return match bytes {
            Ok(bytes) => Ok((address, bytes)),
            Err(error) => Err(failed(&address, error.to_string())),
        };
    }
    let folder = Path::new(from.strip_prefix("file://").unwrap_or(from));
    let path = place(folder, name)
        .ok_or_else(|| failed(from, format!("there is no {name}.gz and no {name}")))?;
    let shown = path.display().to_string();
    let mut bytes = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes))
        .map_err(|reason| failed(&shown, reason.to_string()))?;
    Ok((shown, bytes))
}

fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// The hash of what is in `bytes`, unpacked no further than is to be expected of `file`.
fn sha256_unpacked(bytes: &[u8], file: MnistFile) -> Result<String, String> {
    let mut sha = Sha256::new();
    if is_gzip(bytes) {
        let mut unpacked = MultiGzDecoder::new(bytes).take(file.n_bytes + 1);
        let mut buffer = vec![0; 1 << 16];
        loop {
            match unpacked.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => sha.update(&buffer[..n]),
                Err(error) => return Err(format!("damaged gzip ({error})")),
            }
        }
    } else {
        sha.update(bytes);
    }
    Ok(hex(&sha.finalize()))
}

fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), MnistError> {
    let file = folder.join(name);
    let temporary = folder.join(format!("{name}.new"));
    let write = || {
        fs::create_dir_all(folder)?;
        let mut out = File::create(&temporary)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&temporary, &file)
    };
    write().map_err(|reason| MnistError::Write {
        file: file.clone(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A set of `n` images of four pixels each, in a folder.
    fn small(folder: &Path, n: u8, n_labels: u8) {
        for (at, file) in FILES.iter().enumerate() {
            let mut bytes = vec![0, 0, 8, if at % 2 == 0 { 3 } else { 1 }];
            if at % 2 == 0 {
                bytes.extend([0, 0, 0, n, 0, 0, 0, 2, 0, 0, 0, 2]);
                bytes.extend((0..4 * n).map(|pixel| pixel + at as u8));
            } else {
                bytes.extend([0, 0, 0, n_labels]);
                bytes.extend((0..n_labels).map(|label| label % 10));
            }
            fs::write(folder.join(file.name), bytes).unwrap();
        }
    }

    #[test]
    fn a_folder_is_read() {
        let folder = tempfile::tempdir().unwrap();
        small(folder.path(), 3, 3);
        let set = Mnist::read(folder.path()).unwrap();
        assert_eq!((set.train.len(), set.train.n_pixels), (3, 4));
        assert_eq!(set.train.pixels[..3], [0, 1, 2]);
        assert_eq!(set.test.pixels[..3], [2, 3, 4]);
        assert_eq!(set.test.labels, [0, 1, 2]);
        let before = set.sha256;
        small(folder.path(), 2, 2);
        assert_ne!(Mnist::read(folder.path()).unwrap().sha256, before);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = Mnist::read(folder.path()).unwrap_err();
        assert!(matches!(
            error,
            MnistError::Missing {
                name: "train-images-idx3-ubyte",
                ..
            }
        ));
        small(folder.path(), 3, 2);
        let error = Mnist::read(folder.path()).unwrap_err();
        assert!(matches!(
            error,
            MnistError::Counts {
                images: 3,
                labels: 2,
                ..
            }
        ));
        small(folder.path(), 3, 3);
        fs::write(
            folder.path().join(FILES[1].name),
            [0, 0, 8, 1, 0, 0, 0, 3, 1, 10, 2],
        )
        .unwrap();
        let error = Mnist::read(folder.path()).unwrap_err();
        assert!(matches!(
            error,
            MnistError::Label {
                at: 1,
                label: 10,
                ..
            }
        ));
    }

    #[test]
    fn other_contents_are_not_put_in_place() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        small(from.path(), 3, 3);
        let from = from.path().display().to_string();
        let error = pull(&from, to.path(), &mut |_, _| {}).unwrap_err();
        assert!(matches!(
            error,
            MnistError::OtherContent {
                name: "train-images-idx3-ubyte",
                ..
            }
        ));
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
        let states: Vec<_> = show(to.path())
            .into_iter()
            .map(|(_, state)| state)
            .collect();
        assert_eq!(states, [FileState::Absent; 4]);
        small(to.path(), 1, 1);
        let states: Vec<_> = show(to.path())
            .into_iter()
            .map(|(_, state)| state)
            .collect();
        assert_eq!(states, [FileState::Different; 4]);
    }
}
