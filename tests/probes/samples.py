"""The sample files of others in tests/data/edi, read from their archives."""

from __future__ import annotations

import functools
import tarfile

from tests.conftest import ROOT

FOLDER = ROOT / "tests" / "data" / "edi"
_NOT_SAMPLES = ("LICENSE", "License.html", "SampleEdiFileInventory.xml")


@functools.cache
def samples(*archives: str) -> dict[str, bytes]:
    """Every file of the archives, by its path in the archive."""
    found: dict[str, bytes] = {}
    for archive in archives:
        with tarfile.open(FOLDER / f"{archive}.tar.xz") as packed:
            for member in packed.getmembers():
                content = packed.extractfile(member)
                if content and member.name.rpartition("/")[2] not in _NOT_SAMPLES:
                    found[member.name.removeprefix("./")] = content.read()
    return found


def x12_samples() -> dict[str, bytes]:
    return samples("oopfactory_sample_edi", "linuxforhealth_x12_resources")


def x12_sample(name: str) -> bytes:
    """The one sample whose path ends with `name`."""
    [content] = [content for path, content in x12_samples().items() if path.endswith(name)]
    return content
