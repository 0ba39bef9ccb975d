"""Every service of moto's sees the lab's time; the learner's code and its clients do not."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from harness import Served, create

DAYS = 9
AHEAD_S = DAYS * 86_400
NEAR_S = 60.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Served]:
    """A lab whose clock is days ahead."""
    server = Served("--seed", "1")
    server.control("POST", "advance", {"seconds": AHEAD_S})
    yield server
    server.stop()


def is_lab_time(seconds: float) -> bool:
    return abs(seconds - (time.time() + AHEAD_S)) < NEAR_S


def _iam(lab: Served) -> datetime:
    moment: datetime = lab.client("iam").create_user(UserName="late")["User"]["CreateDate"]
    return moment


def _s3(lab: Served) -> datetime:
    s3 = lab.client("s3")
    s3.create_bucket(Bucket="late-bucket")
    s3.put_object(Bucket="late-bucket", Key="k", Body=b"")
    moment: datetime = s3.head_object(Bucket="late-bucket", Key="k")["LastModified"]
    return moment


def _kinesis(lab: Served) -> datetime:
    kinesis = lab.client("kinesis")
    kinesis.create_stream(StreamName="late", ShardCount=1)
    moment: datetime = kinesis.describe_stream(StreamName="late")["StreamDescription"][
        "StreamCreationTimestamp"
    ]
    return moment


def _dynamodb(lab: Served) -> datetime:
    moment: datetime = lab.client("dynamodb").create_table(
        TableName="late",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )["TableDescription"]["CreationDateTime"]
    return moment


@pytest.mark.parametrize("moment_of", [_iam, _s3, _kinesis, _dynamodb])
def test_services_date_what_they_make_by_lab_time(
    lab: Served, moment_of: Callable[[Served], datetime]
) -> None:
    assert is_lab_time(moment_of(lab).timestamp())


def test_log_events_have_lab_time(lab: Served) -> None:
    function = create(lab, "def handler(event, context):\n    print('hello')\n")
    function.invoke()
    logs = lab.client("logs")
    group = f"/aws/lambda/{function.name}"
    (stream,) = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert is_lab_time(stream["creationTime"] / 1000)
    day = datetime.strptime(stream["logStreamName"][:10], "%Y/%m/%d").replace(tzinfo=UTC)
    assert abs(day.timestamp() - time.time() - AHEAD_S) <= 86_400
    for event in logs.filter_log_events(logGroupName=group)["events"]:
        assert is_lab_time(event["timestamp"] / 1000)
        assert is_lab_time(event["ingestionTime"] / 1000)


def test_code_runs_in_real_time(lab: Served) -> None:
    """Its clock and its deadline are the machine's, however far the lab is ahead."""
    function = create(
        lab,
        "import time\n"
        "def handler(event, context):\n"
        "    return time.time(), context.get_remaining_time_in_millis()\n",
        Timeout=30,
    )
    now_s, remaining_ms = function.result()
    assert abs(now_s - time.time()) < NEAR_S
    assert 0 < remaining_ms <= 30_000


def test_temporary_credentials_expire_in_lab_time(own_server: Served) -> None:
    issued = own_server.client("sts").get_session_token(DurationSeconds=3600)["Credentials"]
    client = own_server.client(
        "sts",
        access_key_id=issued["AccessKeyId"],
        secret_key=issued["SecretAccessKey"],
        aws_session_token=issued["SessionToken"],
    )
    own_server.control("POST", "advance", {"seconds": 3500})
    client.get_caller_identity()
    own_server.control("POST", "advance", {"seconds": 200})
    with pytest.raises(ClientError, match="ExpiredToken"):
        client.get_caller_identity()


_SCRIPT = """
import sys, time, datetime
from labkit.live.moto_seam import time as moto_time
from labkit.live.real_time import real_time_s

class Clock:
    def follow(self, follower):
        self.set = follower
        follower(5_000.0)

clock = Clock()
before_s = time.time()
moto_time.install(clock)
assert "pytest" not in sys.modules
for ahead_ms in (5_000.0, 6_000.25, 14 * 86_400_000.0):
    clock.set(ahead_ms)
    for seen_s in (time.time(), datetime.datetime.now().timestamp(), time.time_ns() / 1e9):
        assert abs(seen_s - real_time_s() - ahead_ms / 1000) < 0.05, (seen_s, ahead_ms)
assert abs(real_time_s() - before_s) < 30
started_s = time.monotonic()
time.sleep(0.01)
assert 0.01 <= time.monotonic() - started_s < 20
"""


def test_the_process_follows_the_clock_and_waits_stay_real() -> None:
    """In a process of its own, since nothing undoes it."""
    subprocess.run([sys.executable, "-c", _SCRIPT], check=True, timeout=60)
