"""A session of the official SDK against one venue, run by an interpreter that has the SDK.

    python sdk_session.py BASE_URL

Uses the SDK as its documentation does, changes nothing in it, and prints what came back as JSON.
"""

# The SDK has no types of use here, takes its sides as bare booleans, and what it saw is printed.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN204, FBT003, T201

from __future__ import annotations

import json
import sys
import threading
import time

from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

WAIT_S = 20.0


class Heard:
    """What the WebSocket brought, by channel."""

    def __init__(self, info, user):
        self.frames = {}
        self.changed = threading.Condition()
        for subscription in (
            {"type": "l2Book", "coin": "BTC"},
            {"type": "trades", "coin": "BTC"},
            {"type": "bbo", "coin": "BTC"},
            {"type": "orderUpdates", "user": user},
            {"type": "userFills", "user": user},
            {"type": "userEvents", "user": user},
        ):
            info.subscribe(subscription, self.hear)

    def hear(self, frame):
        with self.changed:
            self.frames.setdefault(frame["channel"], []).append(frame["data"])
            self.changed.notify_all()

    def wait_for(self, channel, count):
        with self.changed:
            self.changed.wait_for(lambda: len(self.frames.get(channel, ())) >= count, WAIT_S)
            return self.frames.get(channel, [])


def status(answer):
    """The one status of an order or cancel."""
    return answer["response"]["data"]["statuses"][0]


def trade(exchange, info, user, said):
    """Orders of every kind the issue names, and what the account then is."""
    mid = float(info.all_mids()["BTC"])
    low = float(f"{mid * 0.9:.4g}")
    said["ioc"] = status(exchange.market_open("BTC", True, 0.02))
    resting = status(exchange.order("BTC", True, 0.01, low, {"limit": {"tif": "Gtc"}}))
    said["resting"] = resting
    oid = resting["resting"]["oid"]
    said["open_orders"] = info.open_orders(user)
    moved = exchange.modify_order(oid, "BTC", True, 0.02, low, {"limit": {"tif": "Gtc"}})
    said["modified"] = status(moved)
    new_oid = info.open_orders(user)[0]["oid"]
    said["canceled"] = status(exchange.cancel("BTC", new_oid))
    said["canceled_again"] = status(exchange.cancel("BTC", new_oid))
    cloid = Cloid.from_int(77)
    post_only = {"limit": {"tif": "Alo"}}
    said["with_cloid"] = status(exchange.order("BTC", True, 0.01, low, post_only, cloid=cloid))
    said["by_cloid"] = info.query_order_by_cloid(user, cloid)
    said["canceled_by_cloid"] = status(exchange.cancel_by_cloid("BTC", cloid))
    said["after_cancel"] = info.query_order_by_cloid(user, cloid)["order"]["status"]
    said["leverage"] = exchange.update_leverage(5, "ETH")
    said["leverage_refused"] = exchange.update_leverage(1000, "ETH")
    said["state"] = info.user_state(user)
    stop = {"trigger": {"triggerPx": low, "isMarket": True, "tpsl": "sl"}}
    said["stop"] = status(exchange.order("BTC", False, 0.02, low, stop, reduce_only=True))
    said["frontend"] = info.frontend_open_orders(user)
    said["closed"] = status(exchange.market_close("BTC"))
    said["fills"] = info.user_fills(user)
    said["noop"] = exchange.noop(int(time.time() * 1000))
    said["schedule"] = exchange.schedule_cancel(int(time.time() * 1000) + 10_000)


def main(base_url):
    wallet = Account.create()
    user = wallet.address
    said = {"user": user.lower()}
    info = Info(base_url)
    exchange = Exchange(wallet, base_url=base_url)
    heard = Heard(info, user)
    said["meta"] = info.meta()
    said["before"] = info.user_state(user)
    said["no_orders"] = info.open_orders(user)
    heard.wait_for("userFills", 1)
    trade(exchange, info, user, said)

    approved, key = exchange.approve_agent("bot")
    said["approved"] = approved["status"]
    agent = Exchange(Account.from_key(key), base_url=base_url, account_address=user)
    low = float(f"{float(info.all_mids()['ETH']) * 0.9:.3g}")
    said["by_agent"] = status(agent.order("ETH", True, 0.1, low, {"limit": {"tif": "Gtc"}}))
    said["of_agent"] = info.open_orders(user)
    said["other_reads"] = {
        "funding": info.funding_history("BTC", 0),
        "candles": len(info.candles_snapshot("BTC", "1m", 0, int(time.time() * 2000))),
        "l2": info.l2_snapshot("BTC")["coin"],
        "contexts": len(info.meta_and_asset_ctxs()[1]),
        "fees": info.user_fees(user)["userCrossRate"],
        "spot": info.spot_user_state(user)["balances"],
        "abstraction": info.query_user_abstraction_state(user),
        "agents": [row["name"] for row in info.extra_agents(user)],
    }
    said["heard"] = {
        "l2Book": heard.wait_for("l2Book", 1)[:1],
        "trades": heard.wait_for("trades", 3)[:3],
        "bbo": heard.wait_for("bbo", 2)[:2],
        "orderUpdates": heard.wait_for("orderUpdates", 4),
        "userFills": heard.wait_for("userFills", 3),
        "user": heard.wait_for("user", 2),
    }
    info.disconnect_websocket()
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
