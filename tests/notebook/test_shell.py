from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from labkit.notebook.shell import Surroundings, aws_variables, write_aws_command

READY = {
    "endpoint": "http://127.0.0.1:9",
    "region": "us-east-1",
    "access_key_id": "AKIAX",
    "secret_access_key": "s/+",
}


def aws(bin_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(bin_dir / "aws"), *arguments], capture_output=True, text=True, timeout=60
    )


def test_only_the_labs_own_variables_of_aws_remain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "https://sqs.eu-west-1.amazonaws.com")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
    monkeypatch.setenv("AWS_ROLE_ARN", "r")
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.delenv("no_proxy", raising=False)
    before = dict(os.environ)
    surroundings = Surroundings()
    variables = aws_variables(READY, tmp_path)
    surroundings.enter(variables, tmp_path / "bin")
    assert {n: v for n, v in os.environ.items() if n.startswith("AWS_")} == variables
    assert variables["AWS_ENDPOINT_URL"] == READY["endpoint"]
    assert variables["AWS_REGION"] == variables["AWS_DEFAULT_REGION"] == "us-east-1"
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        assert Path(variables[name]).read_text() == ""
    assert os.environ["PATH"].split(os.pathsep)[0] == str(tmp_path / "bin")
    assert os.environ["NO_PROXY"] == "example.org,127.0.0.1,localhost"
    assert os.environ["no_proxy"] == "127.0.0.1,localhost"
    surroundings.leave()
    assert dict(os.environ) == before
    surroundings.leave()
    assert dict(os.environ) == before


def test_the_wrapper_adds_the_address_and_passes_every_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "a folder with 'quotes'"
    real.mkdir()
    (real / "aws").write_text('#!/bin/sh\nfor a in "$@"; do echo "<$a>"; done; exit 3\n')
    (real / "aws").chmod(0o755)
    monkeypatch.setenv("PATH", f"{real}:/bin:/usr/bin")
    write_aws_command(tmp_path / "bin", "http://127.0.0.1:9")
    ran = aws(tmp_path / "bin", "sqs", "send-message", "--message-body", "two words $HOME '")
    assert ran.returncode == 3
    assert ran.stdout.splitlines() == [
        "<--endpoint-url>",
        "<http://127.0.0.1:9>",
        "<sqs>",
        "<send-message>",
        "<--message-body>",
        "<two words $HOME '>",
    ]
    assert (tmp_path / "bin" / "aws").stat().st_mode & 0o777 == 0o700


def test_without_the_cli_the_wrapper_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    write_aws_command(tmp_path / "bin", "http://127.0.0.1:9")
    ran = aws(tmp_path / "bin", "s3", "ls")
    assert ran.returncode == 127
    assert "pip install awscli" in ran.stderr
