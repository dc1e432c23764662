from __future__ import annotations

import threading
import time

import pytest

from views.hosting.job_queue import JobQueue, QueueFullError


class LeftError(Exception):
    """What a page raises when its visitor is gone."""


def leave(before: int) -> None:
    raise LeftError


def in_line(turns: JobQueue, count: int) -> None:
    for _ in range(500):
        if len(turns._line) == count:
            return
        time.sleep(0.01)
    raise AssertionError(f"{len(turns._line)} are in line, not {count}")


def test_first_come_first_served_and_never_more_at_once_than_allowed():
    turns, order, at_work, most = JobQueue(2, 20), [], [0], [0]
    lock, go = threading.Lock(), threading.Event()

    def visit(number: int) -> None:
        with turns.turn(lambda before: None):
            with lock:
                order.append(number)
                at_work[0] += 1
                most[0] = max(most[0], at_work[0])
            go.wait()
            time.sleep(0.01)
            with lock:
                at_work[0] -= 1

    threads = []
    for number in range(8):
        threads.append(threading.Thread(target=visit, args=(number,)))
        threads[-1].start()
        in_line(turns, number + 1)
    go.set()
    for thread in threads:
        thread.join()
    assert most[0] == 2
    assert set(order[:2]) == {0, 1}
    assert all(abs(place - number) <= 1 for place, number in enumerate(order))  # two go in at once
    assert turns._line == []


def test_those_who_wait_are_told_how_many_are_before_them():
    turns, told, inside = JobQueue(1, 5), [], threading.Event()

    def first() -> None:
        with turns.turn(lambda before: None):
            inside.wait()

    def last() -> None:
        with turns.turn(told.append):
            pass

    threads = [threading.Thread(target=each) for each in (first, first, last)]
    for count, thread in enumerate(threads, 1):
        thread.start()
        in_line(turns, count)
    while not told:
        time.sleep(0.01)
    inside.set()
    for thread in threads:
        thread.join()
    assert told[0] == 2
    assert told == sorted(told, reverse=True)


def test_who_leaves_gives_the_place_up():
    turns = JobQueue(1, 5)
    with turns.turn(lambda before: None):
        with pytest.raises(LeftError), turns.turn(leave):
            pass
        assert len(turns._line) == 1
    with pytest.raises(LeftError), turns.turn(lambda before: None):
        raise LeftError  # while at work
    assert turns._line == []


def test_a_full_line_takes_nobody_else():
    turns = JobQueue(1, 0)
    with turns.turn(lambda before: None), pytest.raises(QueueFullError), turns.turn(lambda before: None):
        pass
    with turns.turn(lambda before: None):
        pass
