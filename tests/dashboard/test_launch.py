"""How the process is started: what it is told, what it must never tell, and what its configuration says."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from streamlit import config

from dashboard import launch, names

CONFIG = tomllib.loads((launch.APP.parent / ".streamlit" / "config.toml").read_text(encoding="utf-8"))


def _options(tree: dict[str, object], at: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in tree.items():
        flat |= _options(value, f"{at}{name}.") if isinstance(value, dict) else {f"{at}{name}": value}
    return flat


def test_every_option_of_the_configuration_is_one_that_streamlit_knows() -> None:
    unknown = [name for name in _options(CONFIG) if name not in config._config_options_template]
    assert unknown == []


def test_nothing_phones_home_leaks_or_watches_files() -> None:
    options = _options(CONFIG)
    wanted = {
        "browser.gatherUsageStats": False, "client.showErrorDetails": "none", "client.showErrorLinks": False, "client.toolbarMode": "viewer",
        "client.disableDataExport": True, "runner.magicEnabled": False, "server.fileWatcherType": "none",
        "server.enableStaticServing": False, "server.enableXsrfProtection": True, "server.enableCORS": True,
        "server.maxUploadSize": 1, "server.maxWidgetStateSize": 1,
    }  # fmt: skip
    assert {name: options[name] for name in wanted} == wanted
    assert "server.enableAgentApi" not in options


def test_both_themes_are_there_and_readable() -> None:
    for scheme in ("light", "dark"):
        theme = CONFIG["theme"][scheme]
        for ground in ("backgroundColor", "secondaryBackgroundColor"):
            assert _contrast(theme["textColor"], theme[ground]) > 7
            for colour in ("linkColor", "redColor", "orangeColor", "greenColor", "grayColor"):
                assert _contrast(theme[colour], theme[ground]) > 4.5, (scheme, colour, ground)
        assert _contrast("#ffffff", theme["primaryColor"]) > 4.5


def _contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_command_names_port_address_and_hosts() -> None:
    command = launch.command(8501, "10.0.0.7", ["tieout.example"])
    assert command[:4] == [sys.executable, "-m", "streamlit", "run"]
    assert Path(command[4]).is_file()
    hosts = [command[at + 1] for at, part in enumerate(command) if part == "--server.allowedHosts"]
    assert hosts == ["localhost", "127.0.0.1", "::1", "10.0.0.7", "tieout.example"]
    assert command[command.index("--server.port") + 1] == "8501"
    assert command[command.index("--server.address") + 1] == "10.0.0.7"


def test_listening_everywhere_does_not_answer_every_host() -> None:
    everywhere = "0.0.0.0"  # noqa: S104
    command = launch.command(8501, everywhere)
    assert command.count(everywhere) == 1
    assert command[command.index(everywhere) - 1] == "--server.address"


def test_secrets_go_through_the_environment_only(tmp_path: Path) -> None:
    environment = launch.environment(
        "http://127.0.0.1:1", "reader-token", tmp_path, base={"PYTHONPATH": "/x"}, cookie_secret="c" * 32
    )
    assert environment[names.TOKEN] == "reader-token"
    assert environment[names.URL] == "http://127.0.0.1:1"
    assert environment[names.PROJECT] == str(tmp_path.resolve())
    assert environment["STREAMLIT_SERVER_COOKIE_SECRET"] == "c" * 32
    assert environment["PYTHONPATH"].split(os.pathsep) == [str(launch.HOME), "/x"]
    assert "reader-token" not in " ".join(launch.command(1))


def test_each_start_has_a_cookie_secret_of_its_own(tmp_path: Path) -> None:
    secrets = {
        launch.environment("u", None, tmp_path, base={})["STREAMLIT_SERVER_COOKIE_SECRET"] for _ in range(3)
    }
    assert len(secrets) == 3
    assert names.TOKEN not in launch.environment("u", None, tmp_path, base={})


def test_asking_for_the_command_does_not_load_streamlit() -> None:
    program = (
        "import sys; from dashboard.launch import command; command(1); sys.exit('streamlit' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(launch.HOME)}, check=False
    )
    assert done.returncode == 0
