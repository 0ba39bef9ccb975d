"""Quotas: the figures that AWS's own error texts and pages name."""

from labkit.core import quotas


def test_figures_that_error_texts_name() -> None:
    assert quotas.SYNC_RESPONSE_MAX_BYTES == 6_291_556
    assert quotas.SYNC_REQUEST_STATED_BYTES == 6_291_456
    assert quotas.ZIP_UPLOAD_MAX_BYTES == 52_428_800
    assert quotas.UNZIPPED_MAX_BYTES == 262_144_000
    assert quotas.ASYNC_REQUEST_MAX_BYTES == 1_048_576


def test_defaults_lie_in_their_ranges() -> None:
    names = set(vars(quotas))
    defaults = [name for name in names if name.endswith("_DEFAULT")]
    assert defaults
    for name in defaults:
        stem = name.removesuffix("_DEFAULT")
        low, high = f"{stem}_MIN", f"{stem}_MAX"
        if low in names and high in names:
            assert getattr(quotas, low) <= getattr(quotas, name) <= getattr(quotas, high)
