from __future__ import annotations

from typing import Any

from labkit.live.lambda_api import model, validation


def test_every_pattern_of_the_model_can_be_compiled() -> None:
    service = model.service_model()
    limits = [service.shape_for(name).metadata for name in service.shape_names]
    patterns = {limit["pattern"] for limit in limits if "pattern" in limit}
    assert len(patterns) > 50
    for pattern in patterns:
        validation.compiled_pattern(pattern)


def test_unicode_classes_of_java() -> None:
    limits = model.service_model().shape_for("TagKey").metadata
    pattern = validation.compiled_pattern(limits["pattern"])
    assert pattern.fullmatch("Kostenstelle für Übung_1: a/b=c+d-e@f")
    assert not pattern.fullmatch("a*b")


def test_lists_of_structures_name_the_member(bench: Any, refused: Any) -> None:
    found = refused(bench.create, FileSystemConfigs=[{"Arn": "no-arn"}])
    assert "2 validation errors detected: " in found.message
    assert "at 'fileSystemConfigs.1.member.arn' failed" in found.message
    assert (
        "Value null at 'fileSystemConfigs.1.member.localMountPath' failed to satisfy constraint: "
        "Member must not be null"
    ) in found.message
