//! MNIST: the original four files, pinned by hash.

use super::{DIGIT_NAMES, Entry, Storage};
use crate::Layout;
use crate::download::RemoteFile;

pub(super) const ENTRY: Entry = Entry {
    name: "mnist",
    summary: "handwritten digits, 28 x 28 pixels, grey",
    license: "generally given as CC BY-SA 3.0 (LeCun, Cortes, Burges)",
    origin: "LeCun, Bottou, Bengio and Haffner, 1998",
    layout: Layout::Image {
        channels: 1,
        height: 28,
        width: 28,
    },
    n_train: 60_000,
    n_test: 10_000,
    label_names: &DIGIT_NAMES,
    judge: None,
    storage: Storage::Idx {
        files: &FILES,
        mirrors: &[
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ],
    },
};

static FILES: [RemoteFile; 4] = [
    RemoteFile {
        name: "train-images-idx3-ubyte.gz",
        bytes: 9_912_422,
        sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    },
    RemoteFile {
        name: "train-labels-idx1-ubyte.gz",
        bytes: 28_881,
        sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    },
    RemoteFile {
        name: "t10k-images-idx3-ubyte.gz",
        bytes: 1_648_877,
        sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    },
    RemoteFile {
        name: "t10k-labels-idx1-ubyte.gz",
        bytes: 4_542,
        sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
];
