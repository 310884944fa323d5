"""Starts a program that ends with its parent: `python -m tieout.child PROGRAM ARGUMENT…`.

A child left behind by a killed parent would keep its port. The kernel is told before the program replaces
this process, so nothing has to run in between (and nothing forks beside an open engine).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Replaces this process by the program named in the arguments."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit(0)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606


if __name__ == "__main__":
    main()
