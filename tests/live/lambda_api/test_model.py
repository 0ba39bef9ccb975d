from __future__ import annotations

from labkit.live.lambda_api import model


def test_every_operation_is_found_by_its_own_route() -> None:
    for name, operation in model.operations().items():
        path = "/" + "/".join(part or "some%3Athing" for part in operation.segments)
        query = "&".join(f"{key}={value}" for key, value in operation.marks)
        found = model.route(operation.method, path, query)
        assert found is not None
        assert found[0].name == name
        assert found[1] == dict.fromkeys(operation.parameters, "some:thing")


def test_the_mark_in_the_query_decides() -> None:
    plain = model.route("GET", "/2018-10-31/layers", "MaxItems=3")
    by_arn = model.route("GET", "/2018-10-31/layers", "find=LayerVersion&Arn=x")
    assert plain is not None and plain[0].name == "ListLayers"
    assert by_arn is not None and by_arn[0].name == "GetLayerVersionByArn"


def test_statuses_come_from_the_model() -> None:
    statuses = {name: one.status for name, one in model.operations().items()}
    assert statuses["CreateFunction"] == 201
    assert statuses["DeleteFunction"] == 200
    assert statuses["DeleteAlias"] == 204
