"""Signed bytes: whose key, which nonce, what expires; and whether a key can trade at all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from connectors.hyperliquid.answers import Outcome, Refused, Success, Unclear
from connectors.hyperliquid.info.client import InfoClient
from connectors.hyperliquid.keys import Signer
from connectors.hyperliquid.preflight import Credential, Preflight
from connectors.hyperliquid.signing_desk import SigningDesk, bodies, may_add_risk
from connectors.web import AiohttpHttp, HttpReply
from engine.config.secret import Secret
from engine.drive.virtual_time import run_virtual, virtual_clock
from engine.errors import CredentialsError, PerpdError, TransportError
from engine.model.commands import (
    Batch,
    CancelOrder,
    Command,
    ModifyOrder,
    Outgoing,
    Place,
    UpdateLeverage,
)
from engine.model.units import Side, Tif
from tests.connectors.fakes import FakeHttp
from tests.connectors.hyperliquid.link_parts import ADDRESS, NOW_MS, Parts, cloid, signer_of

SIGNER = Signer(Secret("22" * 32))
MASTER = "0x" + "cd" * 20
ADD = Place("hl:BTC", cloid(1), Side.BUY, 1_000, 5, Tif.GTC)
REDUCE = msgspec.structs.replace(ADD, reduce_only=True)
MODIFY = ModifyOrder("hl:BTC", cloid(1), 1, Side.BUY, 900, 5, Tif.GTC)
CANCEL = CancelOrder("hl:BTC", cloid(1), 0)
LEVERAGE = UpdateLeverage("hl:BTC", 5, is_cross=True)


def opened(body: bytes) -> dict[str, Any]:
    """A request as the venue reads it."""
    envelope: dict[str, Any] = msgspec.json.decode(body)
    return envelope


def desk(parts: Parts, vault: str | None = None) -> SigningDesk:
    made = SigningDesk(parts.common, AiohttpHttp("http://127.0.0.1:9"), is_mainnet=False)
    made.admit(Credential("main", ADDRESS, SIGNER, vault))
    made.admit(Credential("watched", ADDRESS, None))
    return made


def prepared(kind: str, *commands: Command) -> Outgoing:
    return desk(Parts()).prepare(Batch("main", kind, commands, 1, len(commands)), ())


@pytest.mark.parametrize(
    ("kind", "commands", "expires"),
    [
        ("order", (ADD,), True),
        ("order", (REDUCE,), False),
        ("order", (REDUCE, msgspec.structs.replace(ADD, cloid=cloid(2))), True),
        ("modify", (MODIFY,), True),
        ("modify", (msgspec.structs.replace(MODIFY, reduce_only=True),), False),
        ("cancel", (CANCEL,), False),
        ("leverage", (LEVERAGE,), True),
    ],
)
def test_only_what_may_add_risk_expires(
    kind: str, commands: tuple[Command, ...], *, expires: bool
) -> None:
    outgoing = prepared(kind, *commands)

    assert expires is may_add_risk(commands)
    assert (NOW_MS + 5_000 if expires else 0) == outgoing.expires_ms
    assert (outgoing.expires_ms or None) == opened(outgoing.body)["expiresAfter"]


def test_the_bytes_are_signed_by_the_accounts_key_for_this_network() -> None:
    outgoing = prepared("order", ADD)
    envelope = opened(outgoing.body)

    assert SIGNER.address == signer_of(envelope, is_mainnet=False)
    assert SIGNER.address != signer_of(envelope, is_mainnet=True)
    assert outgoing.nonce == envelope["nonce"]
    assert ("hl", "main") == (outgoing.venue, outgoing.account)


def test_a_batch_that_is_several_actions_is_signed_as_several() -> None:
    other = UpdateLeverage("hl:ETH", 3, is_cross=True)
    outgoing = prepared("leverage", LEVERAGE, other)
    parts = [(part.commands, opened(body)) for part, body in bodies(outgoing)]

    assert [(LEVERAGE,), (other,)] == [commands for commands, _ in parts]
    assert [0, 1] == [envelope["action"]["asset"] for _, envelope in parts]
    nonces = [envelope["nonce"] for _, envelope in parts]
    assert [outgoing.nonce - 1, outgoing.nonce] == nonces
    assert {SIGNER.address} == {signer_of(one, is_mainnet=False) for _, one in parts}


def test_nonces_rise_by_signer_and_never_go_below_what_was_used() -> None:
    parts = Parts()
    made = desk(parts)
    first = made.prepare(Batch("main", "cancel", (CANCEL,), 1, 1), ()).nonce
    second = made.prepare(Batch("main", "cancel", (CANCEL,), 1, 1), ()).nonce
    made.begin_above(NOW_MS + 90_000)
    third = made.prepare(Batch("main", "cancel", (CANCEL,), 1, 1), ()).nonce

    assert [NOW_MS, NOW_MS + 1, NOW_MS + 90_001] == [first, second, third]


def test_a_sub_account_is_named_as_the_one_acted_for() -> None:
    outgoing = desk(Parts(), vault=ADDRESS).prepare(Batch("main", "order", (ADD,), 1, 1), ())
    envelope = opened(outgoing.body)

    assert ADDRESS == envelope["vaultAddress"]
    assert SIGNER.address == signer_of(envelope, is_mainnet=False)


@pytest.mark.parametrize("account", ["watched", "nobody"])
def test_without_a_key_nothing_is_signed(account: str) -> None:
    with pytest.raises(CredentialsError, match="has no key"):
        desk(Parts()).prepare(Batch(account, "order", (ADD,), 1, 1), ())


def test_a_noop_that_burns_has_the_nonce_of_the_action() -> None:
    async def play() -> tuple[Outcome, list[Any]]:
        sent: list[Any] = []

        async def answer(path: str, body: bytes) -> HttpReply:
            sent.append((path, opened(body)))
            return HttpReply(200, {}, b'{"status":"ok","response":{"type":"default"}}')

        parts = Parts(virtual_clock())
        made = SigningDesk(parts.common, FakeHttp(answer), is_mainnet=False)  # type: ignore[arg-type]
        made.admit(Credential("main", ADDRESS, SIGNER))
        outgoing = made.prepare(Batch("main", "order", (ADD,), 1, 1), ())
        return await made.burn(outgoing), [outgoing.nonce, *sent]

    outcome, (nonce, (path, envelope)) = run_virtual(play())

    assert isinstance(outcome, Success)
    assert "/exchange" == path
    assert (nonce, {"type": "noop"}) == (envelope["nonce"], envelope["action"])
    assert envelope["expiresAfter"] is None


# -- preflight -------------------------------------------------------------------------------------


def check(  # noqa: PLR0913 - what a venue can say
    roles: dict[str, dict[str, Any]],
    *,
    address: str = ADDRESS,
    signer: Signer | None = SIGNER,
    is_mainnet: bool = False,
    mode: str = "default",
    agents: list[dict[str, Any]] | None = None,
    noop: Outcome | None = None,
) -> Credential:
    """Run the preflight against a venue that says this."""

    async def play() -> Credential:
        async def answer(path: str, body: bytes) -> HttpReply:
            assert path == "/info"
            asked = msgspec.json.decode(body)
            told: Any = {
                "userAbstraction": mode,
                "userRole": roles.get(asked["user"], {"role": "missing"}),
                "extraAgents": agents or [],
            }[asked["type"]]
            return HttpReply(200, {}, msgspec.json.encode(told))

        async def send_noop(credential: Credential) -> Outcome:
            assert credential.signer is signer
            return noop or Success()

        parts = Parts(virtual_clock())
        preflight = Preflight(
            parts.common, InfoClient(FakeHttp(answer)), is_mainnet=is_mainnet, noop=send_noop
        )
        return await preflight.check("main", address, signer)

    return run_virtual(play())


AGENT = {SIGNER.address: {"role": "agent", "data": {"user": ADDRESS}}}
AGENT_OF_MASTER = {SIGNER.address: {"role": "agent", "data": {"user": MASTER}}}


def test_an_agent_of_the_account_may_trade_it_on_mainnet() -> None:
    credential = check(AGENT, is_mainnet=True, address=ADDRESS.upper().replace("X", "x"))

    assert (ADDRESS, SIGNER, None, ()) == credential[1:]


def test_the_accounts_own_key_may_trade_it_anywhere_but_on_mainnet() -> None:
    roles = {SIGNER.address: {"role": "user"}}
    assert SIGNER.address == check(roles, address=SIGNER.address).address

    with pytest.raises(CredentialsError, match="could withdraw"):
        check(roles, address=SIGNER.address, is_mainnet=True)


@pytest.mark.parametrize(
    ("role", "is_accepted"),
    [
        ({"role": "subAccount", "data": {"master": MASTER}}, True),
        ({"role": "subAccount", "data": {"master": ADDRESS}}, False),
        ({"role": "vault"}, True),
        ({"role": "user"}, False),
    ],
)
def test_an_agent_of_the_master_trades_its_sub_account_or_vault(
    role: dict[str, Any], *, is_accepted: bool
) -> None:
    roles = AGENT_OF_MASTER | {ADDRESS: role}
    if is_accepted:
        assert ADDRESS == check(roles, is_mainnet=True).vault_address
    else:
        with pytest.raises(CredentialsError, match="expected a key for"):
            check(roles, is_mainnet=True)


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({"roles": {}}, "expected an agent of"),
        ({"roles": {SIGNER.address: {"role": "user"}}, "is_mainnet": True}, "expected an agent of"),
        ({"roles": AGENT, "mode": "unifiedAccount"}, "unifiedAccount mode"),
        ({"roles": AGENT, "mode": "portfolioMargin"}, "portfolioMargin mode"),
        ({"roles": AGENT, "noop": Refused("User or API Wallet 0x does not exist.")}, "noop"),
        (
            {
                "roles": {SIGNER.address: {"role": "agent", "data": {"user": MASTER}}},
                "address": SIGNER.address,
            },
            "is an agent",
        ),
    ],
)
def test_a_key_that_cannot_trade_is_refused_in_words(kwargs: dict[str, Any], text: str) -> None:
    with pytest.raises(CredentialsError, match=text):
        check(**kwargs)


def agent_row(left_ms: int | None) -> list[dict[str, Any]]:
    now_ms = 1_767_225_600_000
    until = None if left_ms is None else now_ms + left_ms
    return [{"name": "bot", "address": SIGNER.address, "validUntil": until}]


@pytest.mark.parametrize(
    ("left_ms", "warnings"), [(None, 0), (30 * 86_400_000, 0), (3 * 86_400_000, 1)]
)
def test_an_agent_that_soon_expires_is_a_warning(left_ms: int | None, warnings: int) -> None:
    credential = check(AGENT, agents=agent_row(left_ms))

    assert warnings == len(credential.warnings)
    if warnings:
        assert "expires in 72 hours" in credential.warnings[0]


def test_an_expired_agent_is_refused() -> None:
    with pytest.raises(CredentialsError, match="has expired"):
        check(AGENT, agents=agent_row(-1))


def test_an_account_out_of_actions_is_a_warning() -> None:
    text = "Too many cumulative requests sent (10001 > 10000) for cumulative volume traded $0."
    credential = check(AGENT, noop=Refused(text))

    assert "out of actions" in credential.warnings[0]


def test_a_proof_that_got_no_answer_says_nothing_about_the_key() -> None:
    with pytest.raises(TransportError):
        check(AGENT, noop=Unclear("timeout"))


def test_an_account_without_a_key_is_watched() -> None:
    credential = check({}, signer=None)

    assert credential.signer is None
    assert "cannot trade" in credential.warnings[0]


def test_no_error_of_the_preflight_shows_a_key() -> None:
    with pytest.raises(PerpdError) as caught:
        check({})

    assert "22" * 32 not in str(caught.value)
