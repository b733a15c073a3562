"""What an account may still ask for, and what it pays: the action budget and the fee schedule.

Protocol 1.4, 6 and 7.4. Rates are fractions ("0.00045"); `cross` is the taker's, `add` the maker's.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from connectors.hyperliquid.info.fields import Amount, Answer, Count, Rate


class UserRateLimit(Answer, frozen=True):
    """The action budget of an address: used and cap in requests, volume ever traded in USD."""

    cum_vlm: Amount
    n_requests_used: Count
    n_requests_cap: Count
    n_requests_surplus: int | UnsetType = UNSET


class DailyVolume(Answer, frozen=True):
    """One day's volume in USD: the user's as taker and as maker, and the exchange's."""

    date: str
    user_cross: Amount
    user_add: Amount
    exchange: Amount


class VipTier(Answer, frozen=True):
    """Rates from a 14-day volume (USD) upwards."""

    ntl_cutoff: Amount
    cross: Rate
    add: Rate
    spot_cross: Rate | UnsetType = UNSET
    spot_add: Rate | UnsetType = UNSET


class MakerTier(Answer, frozen=True):
    """The maker's rate from a share of all maker volume upwards."""

    maker_fraction_cutoff: Rate
    add: Rate


class FeeTiers(Answer, frozen=True):
    """The tiers by volume and by maker share."""

    vip: tuple[VipTier, ...]
    mm: tuple[MakerTier, ...]


class StakingTier(Answer, frozen=True):
    """A discount from a stake upwards, in basis points of the supply."""

    bps_of_max_supply: Rate
    discount: Rate


class FeeSchedule(Answer, frozen=True):
    """The rates before tiers, and what changes them."""

    cross: Rate
    add: Rate
    tiers: FeeTiers
    referral_discount: Rate
    spot_cross: Rate | UnsetType = UNSET
    spot_add: Rate | UnsetType = UNSET
    staking_discount_tiers: tuple[StakingTier, ...] | UnsetType = UNSET


class UserFees(Answer, frozen=True):
    """An account's own rates and where they come from.

    What the venue says of trials and staking links has no settled form and is kept as it is.
    """

    daily_user_vlm: tuple[DailyVolume, ...]
    fee_schedule: FeeSchedule
    user_cross_rate: Rate
    user_add_rate: Rate
    active_referral_discount: Rate
    user_spot_cross_rate: Rate | UnsetType = UNSET
    user_spot_add_rate: Rate | UnsetType = UNSET
    trial: Any = UNSET
    fee_trial_reward: Any = UNSET
    next_trial_available_timestamp: Any = UNSET
    staking_link: Any = UNSET
    active_staking_discount: StakingTier | UnsetType | None = UNSET
