"""Access keys and roles, in moto's IAM and STS."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from labkit.live.auth import AccessKey

ACCOUNT_ID: Final = "123456789012"
USER_NAME: Final = "learner"
USER_ARN: Final = f"arn:aws:iam::{ACCOUNT_ID}:user/{USER_NAME}"
ROLE_NAME: Final = "lab-execution-role"
ROLE_ARN: Final = f"arn:aws:iam::{ACCOUNT_ID}:role/{ROLE_NAME}"
_PARTITION: Final = "aws"
_TRUST_LAMBDA: Final = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":'
    '{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
)
_ROLE_SESSION_S: Final = 2 * 366 * 86_400
"""Of lab time: longer than any environment lives. AWS renews a function's credentials."""


@dataclass(frozen=True, slots=True)
class _RoleSession:
    credentials: Mapping[str, str]
    renew_s: float


class Credentials:
    """What the lab knows of access keys. `session` is the key that the session was started with.

    Safe to use from several threads.
    """

    def __init__(self, session: AccessKey) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._role_sessions: dict[tuple[str, str], _RoleSession] = {}

    def prepare_account(self) -> None:
        """Make what the account begins with: the learner's user and an execution role."""
        with self._lock:
            self._role_sessions.clear()
            iam = _iam(ACCOUNT_ID)
            iam.create_user(_PARTITION, USER_NAME)
            key = iam.create_access_key(USER_NAME)
            del iam.access_keys[key.access_key_id]
            key.access_key_id = self._session.access_key_id
            key.secret_access_key = self._session.secret
            iam.access_keys[key.access_key_id] = key
            iam.create_role(
                role_name=ROLE_NAME,
                assume_role_policy_document=_TRUST_LAMBDA,
                path="/",
                permissions_boundary=None,
                description="The role of the lab's functions",
                tags=[],
                max_session_duration="3600",
            )

    def find(self, access_key_id: str) -> AccessKey | None:
        """Return an access key of the session, of IAM or of STS; None if nobody issued it."""
        if access_key_id == self._session.access_key_id:
            return self._session
        from moto.iam.models import iam_backends

        for account_id in list(iam_backends):
            key = _iam(account_id).access_keys.get(access_key_id)
            if key is not None:
                return _of_user(account_id, key) if key.user_name else _of_sts(account_id, key)
        return None

    def role_credentials(self, role_arn: str, session_name: str) -> Mapping[str, str]:
        """Return credentials of a role: AccessKeyId, SecretAccessKey and SessionToken."""
        with self._lock:
            session = self._role_sessions.get((role_arn, session_name))
            if session is None or session.renew_s < time.time():
                session = _RoleSession(
                    _assume(role_arn, session_name), time.time() + _ROLE_SESSION_S / 2
                )
                self._role_sessions[role_arn, session_name] = session
        return session.credentials


def role_exists(role_arn: str) -> bool:
    """Tell whether IAM knows a role."""
    parts = role_arn.split(":")
    if len(parts) != 6 or parts[:3] != ["arn", _PARTITION, "iam"]:
        return False
    return any(role.arn == role_arn for role in _iam(parts[4]).get_roles())


def _iam(account_id: str) -> Any:
    from moto.iam.models import iam_backends

    return iam_backends[account_id][_PARTITION]


def _of_user(account_id: str, key: Any) -> AccessKey | None:
    user = _iam(account_id).users.get(key.user_name)
    if user is None or key.status != "Active":
        return None
    return AccessKey(key.access_key_id, key.secret_access_key, user.arn)


def _of_sts(account_id: str, key: Any) -> AccessKey | None:
    from moto.sts.models import sts_backends

    sts = sts_backends[account_id][_PARTITION]
    role = sts.get_assumed_role_from_access_key(key.access_key_id)
    if role is None:
        return None
    return AccessKey(
        key.access_key_id,
        key.secret_access_key,
        role.arn,
        session_token=role.session_token,
        expires_s=role.expiration.replace(tzinfo=UTC).timestamp(),
    )


def _assume(role_arn: str, session_name: str) -> Mapping[str, str]:
    from moto.sts.models import sts_backends

    role = sts_backends[ACCOUNT_ID][_PARTITION].assume_role(
        region_name="us-east-1",
        role_session_name=session_name,
        role_arn=role_arn,
        policy="",
        duration=_ROLE_SESSION_S,
        external_id="",
    )
    return {
        "AccessKeyId": role.access_key_id,
        "SecretAccessKey": role.secret_access_key,
        "SessionToken": role.session_token,
    }
