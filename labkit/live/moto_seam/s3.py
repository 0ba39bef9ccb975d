"""Objects in moto's S3, for parts of the lab that read them on the learner's behalf."""

from __future__ import annotations

from typing import Final

from labkit.core.errors import ApiError, invalid_parameter
from labkit.live.moto_seam.credentials import ACCOUNT_ID

_MESSAGES: Final = {
    "NoSuchBucket": "The specified bucket does not exist",
    "NoSuchKey": "The specified key does not exist.",
    "NoSuchVersion": "The specified version does not exist.",
}


def get_object(bucket: str, key: str, version: str | None) -> bytes:
    """Return an object's content.

    Raises ApiError in the words that Lambda uses when it cannot fetch a deployment package.
    """
    from moto.s3.exceptions import MissingBucket
    from moto.s3.models import s3_backends

    try:
        found = s3_backends[ACCOUNT_ID]["aws"].get_object(bucket, key, version_id=version)
    except MissingBucket:
        raise _not_fetched("NoSuchBucket") from None
    if found is None:
        raise _not_fetched("NoSuchKey" if version is None else "NoSuchVersion")
    return bytes(found.value)


def _not_fetched(code: str) -> ApiError:
    return invalid_parameter(
        f"Error occurred while GetObject. S3 Error Code: {code}. "
        f"S3 Error Message: {_MESSAGES[code]}"
    )
