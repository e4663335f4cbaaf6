//! Fashion-MNIST: the original four files, pinned by hash.

use super::{Entry, Storage};
use crate::Layout;
use crate::download::RemoteFile;

pub(super) const ENTRY: Entry = Entry {
    name: "fashion-mnist",
    summary: "pictures of clothes, 28 x 28 pixels, grey; a harder drop-in for MNIST",
    license: "MIT (Zalando SE, 2017)",
    origin: "Xiao, Rasul and Vollgraf, 2017, arXiv 1708.07747",
    layout: Layout::Image {
        channels: 1,
        height: 28,
        width: 28,
    },
    n_train: 60_000,
    n_test: 10_000,
    label_names: &[
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    judge: None,
    storage: Storage::Idx {
        files: &FILES,
        mirrors: &[
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ],
    },
};

static FILES: [RemoteFile; 4] = [
    RemoteFile {
        name: "train-images-idx3-ubyte.gz",
        bytes: 26_421_880,
        sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    },
    RemoteFile {
        name: "train-labels-idx1-ubyte.gz",
        bytes: 29_515,
        sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    },
    RemoteFile {
        name: "t10k-images-idx3-ubyte.gz",
        bytes: 4_422_102,
        sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    },
    RemoteFile {
        name: "t10k-labels-idx1-ubyte.gz",
        bytes: 5_148,
        sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
];
