"""The Materials Project client against a local server that gives answers of its shape."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from data_gen.errors import InputError
from data_gen.sources import open_sources
from data_gen.sources.materials_project import (
    KEY_VARIABLE,
    MaterialsProjectSource,
    download,
    main,
)

pytest.importorskip("mp_api", reason="the extra 'mp' is not installed")

ANSWERS = json.loads((Path(__file__).parent / "data" / "materials_project.json").read_text())
KEY = "k" * 32


class Service(BaseHTTPRequestHandler):
    """Answers `/heartbeat` and `/materials/summary/` as the service does."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if url.path == "/heartbeat":
            return self._answer(200, ANSWERS["heartbeat"])
        if self.headers["x-api-key"] != KEY:
            return self._answer(401, {"detail": "Invalid authentication credentials"})
        wanted = query["material_ids"][0].split(",") if "material_ids" in query else None
        fields = query["_fields"][0].split(",")
        entries = [
            {field: entry[field] for field in fields}
            for entry in ANSWERS["summary"]
            if wanted is None or entry["material_id"] in wanted
        ]
        return self._answer(200, {"data": entries, "meta": {"total_doc": len(entries)}})

    def _answer(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test's output clean."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def source(endpoint: str) -> MaterialsProjectSource:
    return MaterialsProjectSource(KEY, endpoint)


def test_entries_with_an_icsd_number_are_chosen(source: MaterialsProjectSource) -> None:
    assert source.ids == ("mp-1", "mp-2534")
    assert source.count() == 2
    assert source.fingerprint() == source.fingerprint()


def test_structures_are_standardised(source: MaterialsProjectSource) -> None:
    found = {name: (crystal.space_group, crystal.formula) for name, crystal in source}
    assert found == {"mp-1": (229, "Cs"), "mp-2534": (216, "AsGa")}


def test_download_is_a_table_that_can_be_read(
    source: MaterialsProjectSource, tmp_path: Path
) -> None:
    out = tmp_path / "mp_icsd.jsonl"
    assert download(source, out, progress=False) == {"written": 2}
    (table,) = open_sources(str(out))
    assert table.name == "mp_icsd"
    found = {name: (crystal.space_group, crystal.formula) for name, crystal in table}
    assert found == {"mp-1": (229, "Cs"), "mp-2534": (216, "AsGa")}
    assert list(tmp_path.iterdir()) == [out]


def test_an_interrupted_download_goes_on(source: MaterialsProjectSource, tmp_path: Path) -> None:
    out, part = tmp_path / "a.jsonl", tmp_path / "a.jsonl.part"
    download(source, out, progress=False)
    whole = out.read_bytes()
    first = whole.index(b"\n") + 1
    part.write_bytes(whole[: first + 100])
    out.unlink()
    assert download(source, out, progress=False) == {"written": 2}
    assert out.read_bytes() == whole


def test_a_folder_that_does_not_exist(source: MaterialsProjectSource, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        download(source, tmp_path / "no" / "a.jsonl", progress=False)


def test_no_key(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    assert main(["--out=a.jsonl"]) == 2
    assert capsys.readouterr().err.startswith("error: the Materials Project needs an API key")
    with pytest.raises(InputError, match=KEY_VARIABLE):
        open_sources("materials_project")


def test_another_suffix(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out=a.tar.gz", f"--api_key={KEY}"]) == 2
    assert ".jsonl" in capsys.readouterr().err


def test_a_wrong_key(endpoint: str) -> None:
    source = MaterialsProjectSource("w" * 32, endpoint)
    with pytest.raises(InputError, match="check the API key"):
        source.count()


def test_no_network() -> None:
    with pytest.raises(InputError, match="check the API key and the network"):
        MaterialsProjectSource(KEY, "http://127.0.0.1:9/")
