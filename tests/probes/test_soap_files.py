"""What the soap kind takes from a WSDL file, and what it refuses to fetch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from probes.probe import ProbeError, ProbeFile, Window
from tests.conftest import NOW

MakeProbe = Callable[..., ProbeFile]
WSDL = """<?xml version="1.0"?>{declared}
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" targetNamespace="urn:o"
  xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <types><xs:schema targetNamespace="urn:o"><xs:import namespace="urn:x" schemaLocation="{location}"/></xs:schema></types>
  {more}
</definitions>"""


def soap(make_probe: MakeProbe, **keys: Any) -> ProbeFile:
    return make_probe(
        kind="soap",
        **{"client": {"base_url": "http://127.0.0.1:9/"}, "wsdl": "o.wsdl", "operation": "GetO", **keys},
    )


@pytest.mark.parametrize(
    ("location", "declared", "more", "code"),
    [
        ("http://169.254.169.254/x.xsd", "", "", "other_host"),
        ("../outside.xsd", "", "", "other_host"),
        ("/etc/hostname", "", "", "other_host"),
        ("file:///etc/hostname", "", "", "other_host"),
        (
            "x.xsd",
            '<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/hostname">]>',
            "<documentation>&e;</documentation>",
            "bad_xml",
        ),
        ("x.xsd", '<!DOCTYPE d [<!ENTITY e "ee">]>', "", "bad_xml"),
        ("x.xsd", "", "<unclosed>", "bad_xml"),
        ("x.xsd", "", "", "bad_xml"),
    ],
)
def test_a_wsdl_brings_nothing_from_elsewhere(
    make_probe: MakeProbe, tmp_path: Path, location: str, declared: str, more: str, code: str
) -> None:
    (tmp_path.parent / "outside.xsd").write_text("<x/>")
    (tmp_path / "x.xsd").write_text(
        '<schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:x"/>'
    )
    (tmp_path / "o.wsdl").write_text(WSDL.format(location=location, declared=declared, more=more))
    with pytest.raises(ProbeError) as refusal:
        list(soap(make_probe).read(Window(end=NOW)))
    assert refusal.value.code == code, refusal.value


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"operation": "Submit_Invoice"}, "if it does, write only_reads: true"),
        ({"paginator": {"type": "page_number"}}, "{page} in the arguments go together"),
        ({"arguments": {"p": "{page}"}}, "{page} in the arguments go together"),
        ({"mode": "incremental"}, "go together"),
        ({"mode": "incremental", "incremental": {"cursor_path": "a"}}, "needs an 'initial_value'"),
        ({"wsdl": "nowhere.wsdl"}, "file 'nowhere.wsdl' is not there"),
    ],
)
def test_what_does_not_fit_is_a_finding(
    make_probe: MakeProbe, tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    (tmp_path / "o.wsdl").write_text("<x/>")
    with pytest.raises(AssertionError, match=message):
        soap(make_probe, **keys)
