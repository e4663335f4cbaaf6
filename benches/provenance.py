"""Where the numbers of a record come from: the commit of the binary, the versions, the processor."""

import platform
import re
import subprocess
import sys

# What the binary is made of.
SOURCES = ["crates", "recipes", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"]


def said(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip()


def commit(by_hand):
    """The commit that the binary is of: the one given by hand, or the one checked out, if no source differs from it.

    Asked before anything is measured: the checkout may move on meanwhile.
    """
    given = said("git", "rev-parse", "--verify", (by_hand or "HEAD") + "^{commit}")
    changed = said("git", "status", "--porcelain", "--untracked-files=no", "--", *SOURCES)
    if changed and not by_hand:
        sys.exit(
            f"these files differ from the commit {given}, and the binary may too:\n{changed}\n"
            "commit them and build, or name the commit of the binary: --commit HASH"
        )
    return given


def locked(package):
    """The version of a dependency in Cargo.lock."""
    with open("Cargo.lock") as file:
        return re.search(rf'name = "{package}"\nversion = "(.+?)"', file.read()).group(1)


def versions(binary):
    """Versions of our side."""
    return {
        "jensen": said(binary, "--version").split()[-1],
        "rustc": said("rustc", "--version").split()[1],
        "burn": locked("burn"),
        "faer": locked("faer"),
    }


def processor():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    if not names:
        return platform.machine()
    flags = said("lscpu").split()
    simd = [flag for flag in ("avx512f", "avx2", "fma") if flag in flags]
    return f"{names[0]}, {len(names)} cores, {' '.join(simd)}"
