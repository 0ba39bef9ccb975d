"""Temporary credentials of one's own, which moto's STS answers with an example from AWS's guide.

Everybody knows that example, so the lab cannot let it in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

_SESSION_S: Final = 43_200


@dataclass(frozen=True, slots=True)
class _OwnSession:
    """A session that moto keeps beside those of roles, and reads by these names."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime
    user_id: str
    arn: str
    account_id: str


def install() -> None:
    """Make GetSessionToken and GetFederationToken issue credentials that work."""
    from moto.core.responses import ActionResult
    from moto.sts.responses import TokenResponse

    def get_session_token(self: TokenResponse) -> ActionResult:
        return ActionResult({"Credentials": _issue(self, None)})

    check_and_answer = TokenResponse.get_federation_token

    def get_federation_token(self: TokenResponse) -> ActionResult:
        check_and_answer(self)  # for its checks: what it answers is the example
        session = _issue(self, self._get_param("Name"))
        user = {"FederatedUserId": session.user_id, "Arn": session.arn}
        return ActionResult({"Credentials": session, "FederatedUser": user, "PackedPolicySize": 6})

    TokenResponse.get_session_token = get_session_token  # type: ignore[method-assign]
    TokenResponse.get_federation_token = get_federation_token  # type: ignore[method-assign]


def _issue(response: Any, federated_name: str | None) -> _OwnSession:
    """Make a session of whoever sent the request, or of a federated user."""
    from moto.core.utils import utcnow
    from moto.sts.utils import random_session_token

    sts = response.backend
    user_id, arn, account_id = sts.get_caller_identity(response.get_access_key(), response.region)
    if federated_name is not None:
        user_id = f"{account_id}:{federated_name}"
        arn = f"arn:{response.partition}:sts::{account_id}:federated-user/{federated_name}"
    _, key = sts._create_access_key(role=arn)
    session = _OwnSession(
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key,
        session_token=random_session_token(),
        expiration=utcnow()
        + timedelta(seconds=response._get_int_param("DurationSeconds", _SESSION_S)),
        user_id=user_id,
        arn=arn,
        account_id=account_id,
    )
    sts.assumed_roles.append(session)
    return session
