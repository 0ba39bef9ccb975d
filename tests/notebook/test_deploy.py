from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from labkit import Lab
from labkit.live.client import LabError
from labkit.notebook import deploy
from labkit.notebook.deploy import Function, handler_of_folder, package_of_folder

GREETING = "hello"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.start() as lab:
        yield lab


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    return folder


def hello(event, context):
    return {"text": f"{GREETING} {event['name']}", "memory_mb": context.memory_limit_in_mb}


def invoke(lab: Lab, name: str, event: object) -> Any:
    answer = lab.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return json.load(answer["Payload"])


def configuration(lab: Lab, name: str) -> dict[str, Any]:
    return dict(lab.client("lambda").get_function_configuration(FunctionName=name))


def test_a_function_of_the_notebook_is_deployed_and_can_be_invoked(lab: Lab) -> None:
    function = lab.deploy(hello, memory_mb=1769, timeout_s=10)
    assert repr(function) == "hello: python3.13, 1,769 MB, timeout 10 s, handler app.hello"
    assert function.source is not None
    assert function.source.startswith("GREETING = 'hello'\n\n\ndef hello(event, context):\n")
    assert invoke(lab, "hello", {"name": "Ada"}) == {"text": "hello Ada", "memory_mb": "1769"}
    stored = configuration(lab, "hello")
    assert (stored["State"], stored["LastUpdateStatus"]) == ("Active", "Successful")


def test_what_is_deployed_is_the_source_that_is_shown(lab: Lab) -> None:
    function = lab.deploy(hello, name="shown")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("app.py", (1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, function.source or "", zipfile.ZIP_DEFLATED)
    digest = b64encode(hashlib.sha256(data.getvalue()).digest()).decode()
    assert configuration(lab, "shown")["CodeSha256"] == digest


def test_deploying_again_updates_code_and_configuration(lab: Lab) -> None:
    def again(event, context):
        return "first"

    lab.deploy(again, environment={"COLOUR": "blue"}, memory_mb=256, timeout_s=5)
    assert invoke(lab, "again", {}) == "first"

    def again(event, context):  # type: ignore[no-redef]
        import os

        return ["second", os.environ.get("COLOUR")]

    function = lab.deploy(again)
    assert repr(function) == "again: python3.13, 128 MB, timeout 3 s, handler app.again"
    # At once, and without what only the first one had.
    assert invoke(lab, "again", {}) == ["second", None]
    stored = configuration(lab, "again")
    assert (stored["MemorySize"], stored["Timeout"]) == (128, 3)
    assert stored["LastUpdateStatus"] == "Successful"


def test_options_of_create_function_pass_through_also_when_it_is_an_update(lab: Lab) -> None:
    client = lab.client("lambda")
    trust = '{"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
    role = lab.client("iam").create_role(RoleName="other", AssumeRolePolicyDocument=trust)
    for colour, architecture in (("blue", "x86_64"), ("red", "arm64")):
        lab.deploy(
            hello,
            name="options",
            runtime="python3.12",
            Description=f"a {colour} one",
            Tags={"colour": colour},
            Architectures=[architecture],
            Role=role["Role"]["Arn"],
        )
        stored = client.get_function(FunctionName="options")
        assert stored["Tags"] == {"colour": colour}
        assert stored["Configuration"]["Description"] == f"a {colour} one"
        assert stored["Configuration"]["Architectures"] == [architecture]
        assert stored["Configuration"]["Runtime"] == "python3.12"
        assert stored["Configuration"]["Role"].endswith("role/other")


def test_what_aws_would_refuse_is_refused_in_its_words(lab: Lab) -> None:
    with pytest.raises(ParamValidationError, match="MemorySize, value: 64, valid min value: 128"):
        lab.deploy(hello, name="small", memory_mb=64)
    with pytest.raises(ClientError, match="ValidationException.*memorySize"):
        lab.deploy(hello, name="large", memory_mb=10_241)
    with pytest.raises(ClientError, match="ValidationException.*functionName"):
        lab.deploy(hello, name="two words")
    lab.deploy(hello, name="kept")
    with pytest.raises(ClientError, match="timeout"):
        lab.deploy(hello, name="kept", timeout_s=901)
    assert configuration(lab, "kept")["Timeout"] == 3


def test_a_folder_is_deployed_under_its_name(lab: Lab, folder: Path) -> None:
    (folder / "lambda_function.py").write_text(
        "from parts.prices import PRICE\ndef lambda_handler(event, context): return PRICE\n"
    )
    (folder / "parts").mkdir()
    (folder / "parts" / "prices.py").write_text("PRICE = 350\n")
    function = lab.deploy(folder)
    assert repr(function) == (
        "shop: python3.13, 128 MB, timeout 3 s, handler lambda_function.lambda_handler"
    )
    assert function.source is None
    assert invoke(lab, "shop", {}) == 350
    other = lab.deploy(str(folder), name="prices", handler_name="parts.prices.handler")
    assert other.handler == "parts.prices.handler"
    assert "handler" in invoke(lab, "prices", {})["errorMessage"]


def test_the_same_folder_gives_the_same_package(folder: Path) -> None:
    for name in ("b.py", "a.py", "bin/tool", "__pycache__/a.pyc", ".ipynb_checkpoints/a.py"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    (folder / "bin" / "tool").chmod(0o755)
    package = package_of_folder(folder)
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        assert archive.read("a.py") == b"a.py"
    assert list(modes.items()) == [("a.py", 0o644), ("b.py", 0o644), ("bin/tool", 0o755)]
    os.utime(folder / "a.py", (0, 0))
    assert package_of_folder(folder) == package


def test_a_folder_that_makes_no_package_is_explained(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LabError, match="There is no folder '.*missing' to deploy"):
        package_of_folder(folder / "missing")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "app.pyc").touch()
    with pytest.raises(LabError, match="shop' is empty: it needs a file with a handler"):
        package_of_folder(folder)
    with (folder / "model.bin").open("wb") as file:
        file.truncate(251 * 1024 * 1024)  # takes no room on the disk
    with pytest.raises(LabError, match=r"makes 251\.0 MB as files; Lambda takes 250 MB"):
        package_of_folder(folder)
    monkeypatch.setattr(deploy, "ZIP_UPLOAD_MAX_BYTES", 1024 * 1024)
    (folder / "model.bin").write_bytes(os.urandom(1536 * 1024))
    with pytest.raises(LabError, match=r"makes 1\.5 MB as a zip file; Lambda takes 1 MB"):
        package_of_folder(folder)


def test_what_is_neither_a_function_nor_a_folder_is_said(lab: Lab) -> None:
    with pytest.raises(LabError, match="or a folder: no NoneType"):
        lab.deploy(None)  # type: ignore[arg-type]
    with pytest.raises(LabError, match="There is no folder 'shop' to deploy"):
        lab.deploy("shop")


def test_a_handler_that_cannot_be_told_has_to_be_named(folder: Path) -> None:
    (folder / "app.py").write_text("def main(event, context): pass\n")
    with pytest.raises(LabError, match=r"shows no handler\. .* as in handler_name='app\.handler'"):
        handler_of_folder(folder)
    (folder / "app.py").write_text("def handler(event, context): pass\n")
    assert handler_of_folder(folder) == "app.handler"
    (folder / "lambda_function.py").write_text("async def lambda_handler(event, context): pass\n")
    with pytest.raises(LabError, match=r"several: app\.handler, lambda_function\.lambda_handler"):
        handler_of_folder(folder)
    (folder / "lambda_function.py").write_bytes(b"\xff\x00 no Python")
    assert handler_of_folder(folder) == "app.handler"


def test_a_function_says_the_same_in_every_run() -> None:
    function = Function("f", "python3.13", 10_240, 900, "app.handler", "a source")
    assert repr(function) == "f: python3.13, 10,240 MB, timeout 900 s, handler app.handler"
    assert function == Function("f", "python3.13", 10_240, 900, "app.handler", "a source")
