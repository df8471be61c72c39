"""Jobs through the rows of two lanes: each runs once, from its first call to its last."""

import dataclasses
import threading

import pytest

from research.codecs.coder import batched


@dataclasses.dataclass(eq=False)
class _Job:
    size: int
    calls: int = 0
    starts: int = 0


def test_every_job_runs_to_its_end_once():
    jobs = [_Job(1 + n % 7) for n in range(50)]
    opened = []

    def open_lane():
        opened.append(threading.current_thread())

        def advance(busy, fresh):
            assert set(fresh) <= set(busy) <= set(range(4))
            for row in fresh:
                busy[row].starts += 1
            for job in busy.values():
                job.calls += 1
            return [row for row, job in busy.items() if job.calls == job.size]

        return advance

    batched.run(jobs, 4, open_lane)
    assert all(job.calls == job.size and job.starts == 1 for job in jobs)
    assert opened == [threading.main_thread()] * 2
    batched.run([], 4, open_lane)
    batched.run([_Job(2)], 4, open_lane)
    assert len(opened) == 3  # jobs that fit one lane open no second


def test_an_error_in_a_lane_stops_the_others():
    def open_lane():
        number = len(turns)
        turns.append(0)

        def advance(busy, fresh):
            turns[number] += 1
            if number:
                raise KeyError("broken")
            return []  # never done

        return advance

    turns = []
    with pytest.raises(KeyError, match="broken"):
        batched.run([_Job(1) for _ in range(8)], 4, open_lane)
    assert turns[1] == 1
