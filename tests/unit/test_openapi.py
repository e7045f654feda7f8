import pytest

from features.errors import MethodNotAllowed, NotFound
from serving.openapi import openapi
from serving.routes import ROUTES, match


def test_every_route_is_there_with_every_status_it_may_answer():
    document = openapi()
    assert document["openapi"] == "3.1.0"
    for route in ROUTES:
        operation = document["paths"][route.template][route.method.lower()]
        assert {"200"} | {str(error.status) for error in route.all_errors} <= set(operation["responses"])
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(ids)) == len(ids) == len(ROUTES)


def test_every_reference_leads_somewhere():
    document = openapi()
    schemas = document["components"]["schemas"]

    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [found for value in node.values() for found in references(value)]
        return [found for value in node for found in references(value)] if isinstance(node, list) else []

    found = references(document)
    assert found
    for reference in found:
        assert reference.removeprefix("#/components/schemas/") in schemas


def test_the_statuses_of_suggest_are_the_real_ones():
    responses = openapi()["paths"]["/v1/suggest"]["post"]["responses"]
    assert sorted(responses) == ["200", "400", "401", "403", "413", "415", "422", "429", "500", "503", "504"]
    assert openapi()["paths"]["/v1/suggest"]["post"]["security"] == [{"key": []}, {"bearer": []}]


def test_headers_are_described_where_they_are_heeded():
    def headers(path: str, method: str) -> set[str]:
        parameters = openapi()["paths"][path][method].get("parameters", ())
        return {each["name"] for each in parameters if each["in"] == "header"}

    assert headers("/v1/suggest", "post") == {"X-Request-Timeout-Ms"}
    assert headers("/v1/cases", "post") == {"X-Request-Timeout-Ms", "Idempotency-Key"}
    assert headers("/v1/feedback", "post") == {"X-Request-Timeout-Ms", "Idempotency-Key"}
    assert headers("/readyz", "get") == set()


def test_requests_refuse_unknown_fields_in_the_document_too():
    schemas = openapi()["components"]["schemas"]
    assert schemas["SuggestRequest"]["additionalProperties"] is False
    assert schemas["TicketIn"]["properties"]["subject"]["maxLength"] == 2_000


@pytest.mark.parametrize("case_id", ["T-1", "a/b", "ü 1", "1"])
def test_the_id_of_a_case_is_whatever_follows(case_id: str):
    matched = match("DELETE", f"/v1/cases/{case_id}")
    assert matched.route.template == "/v1/cases/{id}"
    assert matched.parameters == {"id": case_id}


@pytest.mark.parametrize(
    "path", ["", "/", "/v1", "/v1/suggest/", "/v1/cases/", "/v1/cases/a\n", "/V1/SUGGEST", "//livez"]
)
def test_other_paths_are_not_there(path: str):
    with pytest.raises(NotFound, match="no such path"):
        match("GET", path)


def test_the_wrong_method_is_told_the_right_ones():
    with pytest.raises(MethodNotAllowed, match="takes POST only") as caught:
        match("GET", "/v1/suggest")
    assert caught.value.allowed == ("POST",)
    with pytest.raises(MethodNotAllowed, match="takes DELETE only"):
        match("GET", "/v1/cases/T-1")
    assert match("HEAD", "/livez").route.template == "/livez"
