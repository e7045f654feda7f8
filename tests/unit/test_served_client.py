"""The benchmarks' client: a closed loop waits as it is told to, and no longer than it lasts."""

import asyncio

from evaluation.benchmarks.served import Answer, closed_loop


class Refusing:
    def __init__(self, retry_after: int | None) -> None:
        self.retry_after = retry_after

    async def send(self, *_: object) -> Answer:
        await asyncio.sleep(0.01)
        return Answer(503 if self.retry_after is not None else 200, 0.01, retry_after=self.retry_after)


def test_a_refused_connection_waits_and_an_answered_one_does_not():
    refused = asyncio.run(closed_loop(Refusing(60), bytes, connections=3, seconds=0.3))  # type: ignore[arg-type]
    assert len(refused.answers) == 3
    assert 0.3 <= refused.seconds < 30
    answered = asyncio.run(closed_loop(Refusing(None), bytes, connections=3, seconds=0.3))  # type: ignore[arg-type]
    assert len(answered.answers) > 3
