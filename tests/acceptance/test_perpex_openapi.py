"""The OpenAPI description of what is assumed of Perpex, held against the loopback gateway.

Requests are generated from the description, good ones and bad ones, and every answer must be one
that it describes. Then orders are placed, read and canceled by its links, with success.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.connectors.simulated.perpex.scene import ALICE
from tests.connectors.simulated.perpex.threaded import Threaded, threaded

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

DESCRIPTION = Path(__file__).resolve().parents[2] / "docs" / "venues" / "perpex-openapi.json"
ENDPOINTS = {
    ("GET", "/markets"),
    ("GET", "/orderbook/{symbol}"),
    ("GET", "/account"),
    ("POST", "/orders"),
    ("POST", "/orders/batch"),
    ("DELETE", "/orders/{id}"),
    ("GET", "/trades"),
}
CHECKS: list[Callable[..., bool | None]] = [
    not_a_server_error,
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
# Nothing can be sent to these that their description could forbid.
WITHOUT_RULES = {("GET", "/markets"), ("GET", "/account")}
RESTING = {"symbol": "BTC", "side": "buy", "type": "limit", "size": "0.001", "price": "99000"}
PLACED_READ_CANCELED = [("placeOrder", 200), ("readAccount", 200), ("cancelOrder", 200)]
BOUNDED = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def venue() -> Iterator[Threaded]:
    """A strict gateway with room for many requests."""
    with threaded(strict=True, requests_max=10**6) as running:
        yield running


@pytest.fixture
def description(venue: Threaded) -> Any:  # noqa: ANN401 - what schemathesis makes
    """The description, set on the gateway and its token."""
    schema = schemathesis.openapi.from_path(DESCRIPTION)
    point(schema, venue)
    return schema


def point(schema: Any, venue: Threaded) -> None:  # noqa: ANN401 - what schemathesis makes
    """Set a description on the gateway and a token of it."""
    schema.config.update(
        base_url=f"{venue.scene.face.url}/api/v1",
        headers={"Authorization": f"Bearer {venue.scene.token(ALICE)}"},
    )


def operations(schema: Any) -> dict[tuple[str, str], Any]:  # noqa: ANN401 - as above
    found = [result.ok() for result in schema.get_all_operations()]
    return {(one.method.upper(), one.path): one for one in found}


def test_every_endpoint_of_the_page_is_described_and_no_other() -> None:
    assert ENDPOINTS == set(operations(schemathesis.openapi.from_path(DESCRIPTION)))


def ask_by(schema: Any, where: tuple[str, str], mode: GenerationMode) -> Counter[int]:  # noqa: ANN401 - as above
    """Ask an endpoint what its description allows, or does not; how often came which status."""
    answered: Counter[int] = Counter()

    @BOUNDED
    @given(case=operations(schema)[where].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        answer = case.call()
        answered[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    ask()
    return answered


@pytest.mark.parametrize("where", sorted(ENDPOINTS), ids=" ".join)
def test_what_the_description_allows_is_answered_as_it_says(
    description: Any,  # noqa: ANN401 - as above
    where: tuple[str, str],
) -> None:
    answered = ask_by(description, where, GenerationMode.POSITIVE)

    assert answered
    assert set(answered) <= {200, 400, 404, 409, 422}


@pytest.mark.parametrize("where", sorted(ENDPOINTS - WITHOUT_RULES), ids=" ".join)
def test_what_the_description_forbids_is_refused(
    description: Any,  # noqa: ANN401 - as above
    where: tuple[str, str],
) -> None:
    answered = ask_by(description, where, GenerationMode.NEGATIVE)

    assert set(answered) - {200}


@pytest.mark.parametrize(
    ("where", "broken"),
    [
        ("Market", {"required": ["colour"]}),
        ("Error", {"required": ["apology"]}),
    ],
)
def test_an_answer_that_is_not_as_described_is_found(
    venue: Threaded, where: str, broken: dict[str, Any]
) -> None:
    raw = copy.deepcopy(schemathesis.openapi.from_path(DESCRIPTION).raw_schema)
    raw["components"]["schemas"][where] |= broken
    schema = schemathesis.openapi.from_dict(raw)
    point(schema, venue)
    endpoint = ("GET", "/markets") if where == "Market" else ("DELETE", "/orders/{id}")

    with pytest.raises(FailureGroup):
        ask_by(schema, endpoint, GenerationMode.POSITIVE)


def test_orders_are_placed_read_and_canceled_by_the_links_of_the_description(
    description: Any,  # noqa: ANN401 - as above
    venue: Threaded,
) -> None:
    runs: list[list[tuple[str, int]]] = []

    @description.hook  # type: ignore[untyped-decorator]
    def map_body(context: Any, body: Any) -> Any:  # noqa: ANN401 - as schemathesis calls it
        """Let every single order be one that rests."""
        return RESTING if context.operation.path == "/orders" else body

    class Trading(description.as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            runs.append([])

        def after_call(self, response: Any, case: Any) -> None:  # noqa: ANN401 - as above
            name = case.operation.definition.raw["operationId"]
            runs[-1].append((name, response.status_code))

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:  # noqa: ANN401
            # These look at what was generated: a body was put in its place, a token added.
            beside = {ignored_auth, negative_data_rejection}
            case.validate_response(response, checks=[c for c in CHECKS if c not in beside])

    run_state_machine_as_test(
        Trading, settings=settings(BOUNDED, max_examples=15, stateful_step_count=8)
    )

    assert [run for run in runs if is_subsequence(PLACED_READ_CANCELED, run)]
    account = venue.scene.core.account(ALICE)
    assert account is not None
    assert "canceled" in {record.status for record in account.orders.values()}


def is_subsequence(wanted: list[tuple[str, int]], run: list[tuple[str, int]]) -> bool:
    """Whether all that is wanted happened, in this order."""
    rest = iter(run)
    return all(step in rest for step in wanted)
