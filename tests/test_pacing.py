"""Pacing: budgets hold in every minute, a pause holds for everybody, the right number in flight is found."""

from __future__ import annotations

import asyncio
import heapq
import random
import statistics
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from support.server import ScriptedServer, Step, completion, drop, status

from summarise import errors
from summarise.llm.capability import Capability
from summarise.llm.client import LanguageModel, Question, Sampling
from summarise.llm.pacing import NO_PACE, Adaptive, Pace, duration, retry_after
from summarise.llm.transport import Endpoint, Limits, Transport
from summarise.llm.usage import Meter

Start = Callable[..., ScriptedServer]


class Fruit(BaseModel):
    fruit: str


class Clock:
    """Time that passes only while somebody sleeps; one sleeper at a time, as at the gate of a pace."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        await asyncio.sleep(0)


def paced(clock: Clock, **limits: int) -> Pace:
    return Pace(**{"concurrency": 1000, **limits}, clock=clock, sleep=clock.sleep, uniform=lambda low, _: low)


def hear(pace: Pace, status_code: int | None, *, seconds: float = 0.1, **headers: str) -> None:
    pace.heard(
        status=status_code,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        seconds=seconds,
        tokens=None,
    )


async def send_at(pace: Pace, clock: Clock, count: int, tokens: int = 1) -> list[float]:
    """When so many requests set out, each answered at once."""
    times = []
    for _ in range(count):
        async with pace.turn(tokens):
            times.append(clock.now)
    return times


# Durations and headers


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("7", 7.0),
        ("0.5", 0.5),
        (" 3s ", 3.0),
        ("", None),
        ("soon", None),
        ("3 apples", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


def test_retry_after_in_all_its_forms() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    date = format_datetime(noon + timedelta(seconds=90), usegmt=True)
    assert retry_after({"retry-after": date}, now=noon.timestamp()) == 90
    assert retry_after({"retry-after": date}, now=noon.timestamp() + 500) == 0
    assert retry_after({"retry-after": "2"}) == 2
    assert retry_after({"retry-after-ms": "250", "retry-after": "1"}) == 0.25
    assert retry_after({"retry-after": "tomorrow"}) is None
    assert retry_after({}) is None


# Budgets


@settings(deadline=None, max_examples=40)
@given(rpm=st.integers(1, 2000), count=st.integers(1, 300))
async def test_no_minute_has_more_requests_than_its_budget(rpm: int, count: int) -> None:
    clock = Clock()
    times = await send_at(paced(clock, rpm=rpm), clock, count)
    for number, began in enumerate(times):
        within = sum(1 for later in times[number:] if later < began + 60 - 1e-6)
        assert within <= rpm
    assert times[-1] - times[0] <= count / rpm * 60 * 1.05 + 1


@settings(deadline=None, max_examples=40)
@given(tpm=st.integers(100, 100_000), sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=60))
async def test_no_minute_has_more_tokens_than_its_budget_but_for_one_request(tpm: int, sizes: list[int]) -> None:
    clock = Clock()
    pace = paced(clock, tpm=tpm)
    sent = []
    for size in sizes:
        async with pace.turn(size):
            sent.append((clock.now, size))
    for number, (began, _) in enumerate(sent):
        within = [size for at, size in sent[number:] if at < began + 60 - 1e-6]
        assert sum(within) <= tpm + max(within) + 1


async def test_tokens_are_corrected_by_what_was_billed() -> None:
    clock = Clock()
    pace = paced(clock, tpm=6000)
    for _ in range(10):
        async with pace.turn(1000) as turn:
            pace.heard(status=200, headers={}, seconds=0.1, tokens=10, turn=turn)
    assert clock.now - 1000 < 2


async def test_a_request_larger_than_the_budget_still_goes() -> None:
    clock = Clock()
    assert len(await send_at(paced(clock, tpm=100), clock, 3, tokens=1000)) == 3


# Pauses


async def test_a_pause_is_kept_by_everybody_and_ends_spread() -> None:
    clock = Clock()
    pace = paced(clock, concurrency=10)
    hear(pace, 429, retry_after="5")
    assert pace.paused_seconds == pace.limited_seconds == 5
    assert pace.paused_until == 1005
    times = await send_at(pace, clock, 5)
    assert times[0] == 1005
    assert all(later > earlier for earlier, later in pairwise(times))
    assert times[-1] < 1006
    assert pace.paused_until is None


async def test_a_longer_pause_that_is_heard_while_waiting_counts() -> None:
    clock = Clock()
    pace = paced(clock)
    hear(pace, 503, retry_after="5")
    hear(pace, 429, retry_after="1")
    assert (await send_at(pace, clock, 1)) == [1005]


async def test_a_429_without_a_word_pauses_longer_each_time_until_an_answer_comes() -> None:
    clock = Clock()
    pace = paced(clock)
    pauses = []
    for _ in range(3):
        hear(pace, 429, seconds=0.0)
        hear(pace, 429, seconds=1.0)  # sent before the pause: not another one
        pauses.append(pace.paused_seconds)
        clock.now += pace.paused_seconds
    assert pauses == [0.5, 1.0, 2.0]
    hear(pace, 200)
    hear(pace, 429, seconds=0.0)
    assert pace.paused_seconds == 0.5


async def test_remaining_requests_are_not_overdrawn() -> None:
    clock = Clock()
    pace = paced(clock)
    hear(pace, 200, x_ratelimit_remaining_requests="2", x_ratelimit_reset_requests="6m0s")
    assert pace.limited_seconds == 0
    assert await send_at(pace, clock, 2) == [1000, 1000]
    assert pace.limited_seconds == 360
    assert await send_at(pace, clock, 1) == [1360]
    assert pace.limited_seconds == 0


async def test_remaining_tokens_are_not_overdrawn() -> None:
    clock = Clock()
    pace = paced(clock)
    hear(pace, 200, x_ratelimit_remaining_tokens="1500", x_ratelimit_reset_tokens="120ms")
    assert await send_at(pace, clock, 2, tokens=1000) == [1000, pytest.approx(1000.12)]


async def test_where_the_budget_is_known_a_tenth_of_it_is_waited_for() -> None:
    clock = Clock()
    pace = paced(clock)
    limits = {"x_ratelimit_limit_requests": "100", "x_ratelimit_reset_requests": "60s"}
    hear(pace, 200, x_ratelimit_remaining_requests="0", **limits)
    assert await send_at(pace, clock, 1) == [1006]


# Places in flight


async def test_never_more_in_flight_than_allowed_and_first_come_first_served() -> None:
    pace = Pace(concurrency=3)
    seen, order = [], []

    async def one(number: int) -> None:
        async with pace.turn(1):
            seen.append(pace.in_flight)
            order.append(number)
            await asyncio.sleep(0.001)

    await asyncio.gather(*(one(number) for number in range(20)))
    assert max(seen) == 3
    assert order == list(range(20))
    assert pace.in_flight == 0


async def test_a_request_that_is_given_up_frees_its_place() -> None:
    pace = Pace(concurrency=1)

    async def one() -> None:
        async with pace.turn(1):
            await asyncio.sleep(10)

    first, second = asyncio.create_task(one()), asyncio.create_task(one())
    await asyncio.sleep(0)
    for task in (second, first):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(1), pace.turn(1):
        assert pace.in_flight == 1


async def test_places_of_answers_that_came_at_once_are_used_before_all_of_them_are_worked_on() -> None:
    pace, came = Pace(concurrency=4), asyncio.Event()
    order: list[str] = []

    async def document() -> None:
        async with pace.turn(1):
            order.append("sent")
            await came.wait()
        await pace.give_way()
        order.append("worked on")

    tasks = [asyncio.create_task(document()) for _ in range(8)]
    while pace.in_flight < 4:
        await asyncio.sleep(0)
    came.set()
    await asyncio.gather(*tasks)
    worked_on = [place for place, what in enumerate(order) if what == "worked on"]
    assert order[:4] == ["sent"] * 4
    assert order[: worked_on[3]].count("sent") == 8


async def test_no_pace_waits_for_nothing() -> None:
    hear(NO_PACE, 429, retry_after="3600")
    async with asyncio.timeout(1), NO_PACE.turn(10**9):
        assert NO_PACE.paused_until is None


def simulated(
    capacity: int,
    *,
    seconds: Callable[[int], float] = lambda _: 1.0,
    refuses: bool = False,
    slower_each: float = 0.0,
    answers: int = 3000,
    seed: int = 4,
) -> list[int]:
    """The limits an endpoint leads to: it works on ``capacity`` requests at once, queues or refuses the rest."""
    chance = random.Random(seed)
    adaptive, now, answered, number = Adaptive(), 0.0, 0, 0
    free = [0.0] * capacity
    flying: list[tuple[float, int, float, bool]] = []
    limits = []
    while answered < answers:
        while len(flying) < int(adaptive.limit):
            number += 1
            needed = seconds(answered) * chance.lognormvariate(0, 0.2) * (1 + slower_each * len(flying))
            if refuses:
                good = len(flying) < capacity
                end = now + (needed if good else 0.02)
            else:
                good, end = True, max(heapq.heappop(free), now) + needed
                heapq.heappush(free, end)
            heapq.heappush(flying, (end, number, now, good))
        now, _, sent, good = heapq.heappop(flying)
        if good:
            answered += 1
            adaptive.answered(now - sent, in_flight=len(flying) + 1)
        else:
            adaptive.overloaded(now - sent, now=now)
        limits.append(int(adaptive.limit))
    return limits[len(limits) // 2 :]


@pytest.mark.parametrize("capacity", [4, 16, 64])
def test_a_queueing_endpoint_is_kept_busy_with_a_bounded_queue(capacity: int) -> None:
    for seed in range(20):
        limits = simulated(capacity, seed=seed)
        assert capacity <= min(limits)
        assert max(limits) <= 2.2 * capacity + 10


@pytest.mark.parametrize("capacity", [6, 24])
def test_doubling_that_goes_too_far_is_taken_back_at_once(capacity: int) -> None:
    for seed in range(20):
        limits = simulated(capacity, answers=20 * capacity, seed=seed)  # the second half of them
        assert capacity <= statistics.median(limits) <= 2.2 * capacity


@pytest.mark.parametrize("capacity", [8, 64])
def test_a_refusing_endpoint_is_kept_near_its_capacity(capacity: int) -> None:
    limits = simulated(capacity, refuses=True)
    assert 0.6 * capacity <= sum(limits) / len(limits) <= 1.1 * capacity


def test_an_endpoint_that_never_tires_gets_all_there_is() -> None:
    assert min(simulated(1000)) == 256


def test_an_endpoint_that_slows_evenly_as_it_batches_more_gets_more() -> None:
    assert min(simulated(1000, slower_each=0.01)) >= 64


def test_longer_documents_are_not_taken_for_an_overload() -> None:
    limits = simulated(1000, seconds=lambda answered: 1.0 if answered < 600 else 3.0, answers=6000)
    assert limits[-1] > 128


def test_one_overload_halves_once() -> None:
    adaptive = Adaptive()
    adaptive.limit = 64.0
    for _ in range(30):
        adaptive.overloaded(1.0, now=10.0)
    assert adaptive.limit == 32
    adaptive.overloaded(1.0, now=12.0)
    assert adaptive.limit == 16


# Over HTTP


def model_at(server: ScriptedServer, pace: Pace, **limits: Any) -> LanguageModel:
    bounds = Limits(**{"timeout": 5.0, "attempts": 5, "retry_seconds": 60.0, **limits})
    transport = Transport(Endpoint(server.base_url, "sk-test", "m"), bounds, pace)
    return LanguageModel(transport, Sampling(0.0, 7, 0), Capability("json_schema"))


async def ask_many(model: LanguageModel, count: int) -> Meter:
    meter = Meter()
    question = Question("Answer.", "Name a fruit.", 16)
    try:
        await asyncio.gather(*(model.ask(question, Fruit, meter) for _ in range(count)))
    finally:
        await model.transport.close()
    return meter


GOOD = completion({"fruit": "pear"})


async def test_a_storm_of_429_pauses_all_workers(scripted_server: Start) -> None:
    refused: list[float] = []

    def script(_: Any) -> Step:
        if refused and time.monotonic() > refused[0] + 1.5:
            return GOOD
        refused.append(time.monotonic())
        return status(429, retry_after=2)

    server = scripted_server(script)
    meter = await ask_many(model_at(server, Pace(concurrency=8)), 24)
    times = sorted(request.received_at for request in server.completions)
    first = refused[0]
    # What was on its way when the word came may still arrive; then nothing does until the two seconds are over.
    assert not [at for at in times if first + 1.0 < at < first + 1.95]
    assert len(refused) <= 8
    assert meter.requests == 24
    assert meter.retries == len(refused)
    again = [at for at in times if at > first + 1.9]
    assert again[7] - again[0] > 0.2


async def test_the_pause_and_the_retrys_own_wait_are_one(scripted_server: Start) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(seconds)

    server = scripted_server([status(429, retry_after=0.6), GOOD])
    await ask_many(model_at(server, Pace(concurrency=4, sleep=sleep), sleep=sleep), 1)
    assert 0.55 <= sum(slept) <= 0.7


async def test_a_pause_longer_than_retries_may_take_is_not_sat_out(scripted_server: Start) -> None:
    server = scripted_server([status(429, retry_after=7200)])
    model = model_at(server, Pace(concurrency=1))
    results = await asyncio.gather(ask_many(model, 1), return_exceptions=True)
    with pytest.raises(errors.RateLimitError, match=r"asks to wait 7[0-9]{3} s"):
        await ask_many(model_at(server, model.transport.pace), 3)  # type: ignore[union-attr]
    assert isinstance(results[0], errors.RateLimitError)
    assert len(server.completions) == 1


async def test_auto_finds_what_a_server_can_do_at_once(scripted_server: Start) -> None:
    workers, pace, limits = threading.Semaphore(6), Pace(), []

    def perform(exchange: Any) -> None:
        limits.append(pace.limit)
        with workers:
            if exchange.wait(0.1):  # long enough for a busy machine's own delays to count little
                GOOD.perform(exchange)

    server = scripted_server(lambda _: Step("work", perform))
    await ask_many(model_at(server, pace), 200)
    # Where it settles; on the way there it tries more, which on a busy machine it may take longer to see.
    assert 6 <= statistics.median(limits[100:]) <= 20


async def test_auto_gives_way_to_a_server_that_refuses(scripted_server: Start) -> None:
    lock, busy = threading.Lock(), [0]

    def perform(exchange: Any) -> None:
        with lock:
            busy[0] += 1
            over = busy[0] > 6
        (status(503) if over else GOOD).perform(exchange) if over or exchange.wait(0.1) else None
        with lock:
            busy[0] -= 1

    server = scripted_server(lambda _: Step("work", perform))
    pace = Pace()
    limits = {"attempts": 50, "sleep": lambda seconds: asyncio.sleep(seconds / 20)}
    await ask_many(model_at(server, pace, **limits), 100)
    assert pace.limit <= 12


async def test_256_requests_can_be_in_flight(scripted_server: Start) -> None:
    together = threading.Barrier(256)

    def perform(exchange: Any) -> None:
        together.wait(timeout=120)
        GOOD.perform(exchange)

    server = scripted_server(lambda _: Step("wait for all", perform))
    meter = await ask_many(model_at(server, Pace(concurrency=256), timeout=120.0), 256)
    assert server.peak_in_flight == 256
    assert meter.retries == 0


async def test_connections_that_fail_make_room(scripted_server: Start) -> None:
    server = scripted_server([drop(), GOOD, GOOD])
    pace = Pace(concurrency=1)
    await ask_many(model_at(server, pace, sleep=lambda _: asyncio.sleep(0)), 2)
    assert pace.in_flight == 0
