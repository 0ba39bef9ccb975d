from __future__ import annotations

from typing import Any


def test_account_settings_count_code_of_versions_and_layers(bench: Any, client: Any) -> None:
    found = client.get_account_settings()
    assert found["AccountLimit"] == {
        "TotalCodeSize": 300 * 1024**3,
        "CodeSizeUnzipped": 262_144_000,
        "CodeSizeZipped": 52_428_800,
        "ConcurrentExecutions": 1000,
        "UnreservedConcurrentExecutions": 1000,
    }
    assert found["AccountUsage"] == {"TotalCodeSize": 0, "FunctionCount": 0}
    bench.create(Publish=True)
    client.publish_layer_version(LayerName="tools", Content={"ZipFile": bench.code})
    usage = client.get_account_settings()["AccountUsage"]
    assert usage == {"TotalCodeSize": 3 * len(bench.code), "FunctionCount": 1}


def test_recursion_configuration(bench: Any, client: Any, refused: Any) -> None:
    bench.create()
    name = {"FunctionName": "hello"}
    assert client.get_function_recursion_config(**name)["RecursiveLoop"] == "Terminate"
    client.put_function_recursion_config(**name, RecursiveLoop="Allow")
    assert client.get_function_recursion_config(**name)["RecursiveLoop"] == "Allow"
    found = refused(client.put_function_recursion_config, **name, RecursiveLoop="Sometimes")
    assert found.message.endswith("Member must satisfy enum value set: [Allow, Terminate]")


def test_small_getters(bench: Any, client: Any) -> None:
    bench.create()
    found = client.get_runtime_management_config(FunctionName="hello")
    assert (found["UpdateRuntimeOn"], found["FunctionArn"]) == ("Auto", bench.arn())
    signing = client.get_function_code_signing_config(FunctionName="hello")
    assert "CodeSigningConfigArn" not in signing
