"""Does this code train the same models as that of another revision, bit for bit?

python -m benchmarks.same REV [--work DIR] [--kinds ct,cxr,...] [--this CHECKOUT]

Both train every kind of model, small (`benchmarks.same_kinds`), from one seed and one key with one
thread. Compared are the numbers of their predictions, the tensors of their weights, the parameters
of their pipelines and their thresholds (`benchmarks.same_runs`). Names may change as the table
`RENAMED` of `benchmarks.same_values` has it. The runs of REV are kept in --work, by commit,
settings, libraries and processor; those of this side are always made anew, so that a revision
beside itself shows whether training is deterministic. The exit code is 1 where anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.same_kinds import KINDS
from benchmarks.same_runs import compare_run_folders
from benchmarks.same_values import Comparison
from covidx.errors import StoreError
from covidx.files import read_json, replacing_folder, sha256_json, write_json
from covidx.runs import machine

ROOT = Path(__file__).resolve().parent.parent
MAIN = """
import os, covidx.cli
assert covidx.__file__.startswith(os.environ["PYTHONPATH"]), covidx.__file__
covidx.cli.main()
"""
KEY = bytes(range(32))
"""Splits go by pseudonym: another key would give other training patients."""
LIBRARIES = ("torch", "torchvision", "timm", "lightning", "monai", "scikit-learn", "numpy")
"""Those that shape a last bit; kept runs go by their versions."""
HEADER = (
    f"{'kind':<13}{'rows':>6}{'values':>8}{'tensors':>9}{'difference':>12}  {'equal':<7}"
    "CPU seconds, REV and this"
)
LINES = 12
"""Of differences shown of a kind."""


@dataclass(frozen=True)
class Side:
    """The code of one side.

    Parameters
    ----------
    checkout : Path
        Folder that holds the package covidx.
    replacements : tuple of (str, str, str)
        Kind, a text of its settings, and what to write instead. A setting of which nothing is
        left is not passed on.
    """

    checkout: Path
    replacements: tuple[tuple[str, str, str], ...] = ()

    def settings(self, kind: str) -> list[str]:
        """Settings of a kind, in the words of this side.

        Parameters
        ----------
        kind : str
            A key of `KINDS`.
        """
        settings = list(KINDS[kind].settings)
        for _, old, new in (each for each in self.replacements if each[0] == kind):
            settings = [setting.replace(old, new) for setting in settings]
        return [setting for setting in settings if setting]

    def train(self, kind: str, folder: Path) -> float:
        """Train a kind by the command line of this side.

        Parameters
        ----------
        kind : str
            A key of `KINDS`.
        folder : Path
            Working directory, with nothing in it. ``runs/`` and ``log.txt`` stay there.

        Returns
        -------
        float
            Seconds of CPU.

        Raises
        ------
        CalledProcessError
            Its output is the end of the log.
        """
        key = folder / "key" / "key"
        key.parent.mkdir(parents=True)
        key.touch(mode=0o600)
        key.write_bytes(KEY)
        *newer, verb = KINDS[kind].verbs
        verb = next((each for each in newer if not self._run(folder, each, "--help")), verb)
        options = [word for setting in self.settings(kind) for word in ("--set", setting)]
        start = _cpu_seconds()
        if code := self._run(folder, verb, *options):
            end = (folder / "log.txt").read_text()[-800:].strip()
            raise subprocess.CalledProcessError(code, f"covidx train {verb}", end)
        for part in ("data", "key", "runs/mlartifacts"):
            shutil.rmtree(folder / part, ignore_errors=True)
        return round(_cpu_seconds() - start, 1)

    def _run(self, folder: Path, *words: str) -> int:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("COVIDX_", "MLFLOW_"))}
        env |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        env |= {"PYTHONPATH": str(self.checkout), "COVIDX_KEY": str(folder / "key" / "key")}
        with (folder / "log.txt").open("w") as log:
            command = [sys.executable, "-c", MAIN, "train", *words]
            done = subprocess.run(command, cwd=folder, env=env, stdout=log, stderr=log)
        return done.returncode


def main() -> None:
    """Compare, print a line for each kind, and exit with 1 where any differs."""
    arguments = _arguments()
    with contextlib.ExitStack() as stack:
        work = arguments.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work = work.resolve()
        commit = _commit(arguments.rev)
        rev = Side(_checkout(commit, work / commit), tuple(arguments.rev_setting))
        place = Path(tempfile.mkdtemp(prefix="this-", dir=work))
        checkout = arguments.this.resolve() if arguments.this else _checkout("HEAD", place)
        this = Side(checkout, tuple(arguments.this_setting))
        print(f"{commit[:7]} and {arguments.this or _commit('HEAD')[:7]}\n{HEADER}", flush=True)
        same = [_compare(kind, rev, this, place) for kind in arguments.kinds]
        if all(same) or not arguments.work:
            shutil.rmtree(place)
        else:
            print(f"The runs of this side are kept in {place}")
    sys.exit(0 if all(same) else 1)


def _compare(kind: str, rev: Side, this: Side, place: Path) -> bool:
    """Train a kind by both, print its line and what differs; returns whether all is equal."""
    seconds = ["-", "-"]
    try:
        kept = _kept(kind, rev)
        seconds[0] = read_json(kept / "same.json")["cpu_seconds"]
        seconds[1] = str(this.train(kind, place / kind))
        comparison = compare_run_folders(_run_folder(kept), _run_folder(place / kind))
    except subprocess.CalledProcessError as error:
        comparison = Comparison.unmatched(f"{error}\n{error.output}")
    print(
        f"{kind:<13}{comparison.rows:>6}{comparison.values:>8}{comparison.tensors:>9}"
        f"{comparison.largest:>12.3g}  {'yes' if comparison.equal else 'NO':<7}"
        f"{seconds[0]} and {seconds[1]}",
        flush=True,
    )
    for line in comparison.differences[:LINES]:
        print(f"  {line}")
    if (more := len(comparison.differences) - LINES) > 0:
        print(f"  and {more} more", flush=True)
    return comparison.equal


def _kept(kind: str, side: Side) -> Path:
    """Where REV's run of a kind lies; it is trained unless it lies there already."""
    facts = {
        "settings": side.settings(kind),
        "libraries": {name: version(name) for name in LIBRARIES},
        "cpu": machine().cpu,
    }
    folder = side.checkout.parent / f"{kind}-{sha256_json(facts)[:12]}"
    if folder.exists():
        return folder
    try:
        with replacing_folder(folder) as fresh:
            seconds = side.train(kind, fresh)
            write_json(fresh / "same.json", {**facts, "cpu_seconds": seconds})
    except StoreError as error:
        if error.code != "FOLDER_TAKEN":  # another comparison was quicker, and its run is as good
            raise
    return folder


def _run_folder(folder: Path) -> Path:
    (latest,) = folder.glob("runs/*/latest")
    return latest.resolve()


def _checkout(revision: str, folder: Path) -> Path:
    """The files of a revision below a folder, unpacked unless they lie there already."""
    checkout = folder / "checkout"
    if not checkout.exists():
        git = ["git", "-C", str(ROOT), "archive", revision]
        packed = subprocess.run(git, check=True, capture_output=True).stdout
        with replacing_folder(checkout) as fresh, tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            tar.extractall(fresh, filter="data")
    return checkout


def _commit(revision: str) -> str:
    git = ["git", "-C", str(ROOT), "rev-parse", "--verify", f"{revision}^{{commit}}"]
    return subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()


def _cpu_seconds() -> float:
    """Of the processes that this one started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _replacement(text: str) -> tuple[str, str, str]:
    kind, old, new = text.split(":", 2)
    if kind not in KINDS or not any(old in setting for setting in KINDS[kind].settings):
        raise argparse.ArgumentTypeError(f"no setting of {kind} holds {old}")
    return kind, old, new


def _kinds(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := set(chosen) - set(KINDS):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return [kind for kind in KINDS if kind in chosen]


def _arguments() -> argparse.Namespace:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("rev", metavar="REV", help="revision to compare with")
    parser.add_argument("--work", type=Path, help="folder of kept runs [a temporary one]")
    parser.add_argument("--kinds", type=_kinds, default=list(KINDS), help=",".join(KINDS))
    parser.add_argument("--this", type=Path, help="a checkout, changes and all [commit HEAD]")
    for side in ("rev", "this"):
        parser.add_argument(
            f"--{side}-setting",
            type=_replacement,
            action="append",
            default=[],
            metavar="KIND:OLD:NEW",
            help="in the settings of a kind write NEW for OLD, as where a key has another name",
        )
    return parser.parse_args()


if __name__ == "__main__":
    main()
