"""The bucket of a key, by a clock that the test turns."""

import pytest

from features.errors import TooManyRequests
from serving.rates import RateLimits


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(clock: Clock) -> RateLimits:
    return RateLimits(2.0, 4, clock)


def test_a_burst_is_let_in_and_then_the_rate(rates: RateLimits, clock: Clock):
    assert [rates.take("a").remaining for _ in range(4)] == [3, 2, 1, 0]
    with pytest.raises(TooManyRequests, match="2 requests a second, and 4 at once") as caught:
        rates.take("a")
    assert caught.value.retry_seconds == 0.5
    clock.now += 0.5
    assert rates.take("a").remaining == 0
    with pytest.raises(TooManyRequests, match="2 requests a second"):
        rates.take("a")


def test_a_long_rest_fills_the_bucket_and_no_more(rates: RateLimits, clock: Clock):
    rates.take("a")
    clock.now += 1e6
    assert rates.take("a").remaining == 3


def test_keys_have_a_bucket_each(rates: RateLimits):
    for _ in range(4):
        rates.take("a")
    assert rates.take("b").remaining == 3


def test_a_batch_is_charged_for_its_tickets_later(rates: RateLimits, clock: Clock):
    assert rates.take("a").remaining == 3
    rates.charge("a", 9)
    with pytest.raises(TooManyRequests, match="2 requests a second") as caught:
        rates.take("a")
    assert caught.value.retry_seconds == 3.5
    clock.now += 3.5
    rates.take("a")


def test_the_headers_tell_limit_rest_and_when_the_bucket_is_full(rates: RateLimits):
    rates.take("a")
    assert rates.take("a").headers == {"ratelimit-policy": '"key";q=4;w=2', "ratelimit": '"key";r=2;t=1'}
