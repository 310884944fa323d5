"""Several records that add up to several: balanced sets, and which of them can stand together.

A balanced set has records of both legs, their sums agree, and no part of it is balanced in itself. The search is
complete or it says that it is not: it counts steps, not seconds, so it ends at the same place everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Set = tuple[int, ...]


@dataclass(frozen=True)
class Covers:
    """What a search found. `chosen`: sets that every best choice contains. `tied`: sets between which nothing
    decides. `complete`: whether the search came to its end.
    """

    chosen: tuple[Set, ...]
    tied: tuple[tuple[Set, ...], ...]
    complete: bool


class _ExhaustedError(Exception):
    """The budget of steps is used up."""


def covers(
    values: Sequence[int],
    is_left: Sequence[bool],
    twins: Sequence[int],
    slack: int,
    fits: Callable[[Set], bool],
    max_nodes: int,
) -> Covers:
    """Balanced sets of three and more records and the choice among them.

    `values` are in smallest units, of the right leg negative; `slack` bounds what a sum may differ, `fits` decides.
    Nothing is chosen when the search is not complete: what it found is tied.
    """
    search = _Search(values, is_left, slack, fits, max_nodes)
    try:
        found = _minimal(search.run())
        return _choose(found, twins, max_nodes)
    except _ExhaustedError:
        found = _minimal(search.found)
        return Covers((), tuple(_parts(found)), complete=False)


class _Search:
    """Depth first over records from large to small; a branch ends when what is left cannot bring it to zero."""

    def __init__(
        self,
        values: Sequence[int],
        is_left: Sequence[bool],
        slack: int,
        fits: Callable[[Set], bool],
        nodes: int,
    ) -> None:
        self._values, self._is_left, self._slack, self._fits, self._nodes = (
            values,
            is_left,
            slack,
            fits,
            nodes,
        )
        self._order = sorted(range(len(values)), key=lambda i: (-abs(values[i]), i))
        self._up, self._down = [0], [0]
        for index in reversed(self._order):
            self._up.append(self._up[-1] + max(values[index], 0))
            self._down.append(self._down[-1] + min(values[index], 0))
        self._up.reverse()
        self._down.reverse()
        self.found: list[Set] = []

    def run(self) -> list[Set]:
        self._from(0, 0, ())
        return self.found

    def _from(self, place: int, total: int, chosen: Set) -> None:
        self._nodes -= 1
        if self._nodes < 0:
            raise _ExhaustedError
        if abs(total) <= self._slack and self._is_balanced(chosen):
            self.found.append(tuple(sorted(chosen)))
            return
        if place == len(self._order):
            return
        if total + self._up[place] < -self._slack or total + self._down[place] > self._slack:
            return
        index = self._order[place]
        self._from(place + 1, total + self._values[index], (*chosen, index))
        self._from(place + 1, total, chosen)

    def _is_balanced(self, chosen: Set) -> bool:
        sides = {self._is_left[index] for index in chosen}
        return len(sides) == 2 and self._fits(tuple(sorted(chosen)))


def _minimal(found: Sequence[Set]) -> list[Set]:
    """Without sets that contain another one; pairs stay out, they are decided by assignment."""
    kept: list[Set] = []
    for one in sorted(set(found), key=lambda s: (len(s), s)):
        if not any(set(smaller) <= set(one) for smaller in kept):
            kept.append(one)
    return [one for one in kept if len(one) > 2]


def _parts(sets: Sequence[Set]) -> list[tuple[Set, ...]]:
    """Sets that share records, part by part."""
    parts: list[list[Set]] = []
    for one in sets:
        touching = [part for part in parts if any(set(one) & set(other) for other in part)]
        parts = [part for part in parts if part not in touching]
        parts.append([one, *(other for part in touching for other in part)])
    return sorted(tuple(sorted(part)) for part in parts)


def _choose(sets: Sequence[Set], twins: Sequence[int], nodes: int) -> Covers:
    """The most sets that can stand together; where several choices have as many, what they share is chosen."""
    chosen: list[Set] = []
    tied: list[tuple[Set, ...]] = []
    for part in _parts(sets):
        best = _largest(part, nodes)
        alike = [{_likeness(one, twins) for one in choice} for choice in best]
        if all(_counts(choice, twins) == _counts(best[0], twins) for choice in best):
            chosen += best[0]
            continue
        shared = [one for one in best[0] if all(_likeness(one, twins) in kinds for kinds in alike)]
        certain = [one for one in shared if all(one in choice for choice in best)]
        chosen += certain
        used = {index for one in certain for index in one}
        rest = tuple(one for one in part if not set(one) & used)
        tied += [tuple(sorted(rest))] if rest else []
    return Covers(tuple(sorted(chosen)), tuple(tied), complete=True)


def _likeness(one: Set, twins: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(twins[index] for index in one))


def _counts(choice: Sequence[Set], twins: Sequence[int]) -> list[tuple[int, ...]]:
    return sorted(_likeness(one, twins) for one in choice)


def _largest(sets: Sequence[Set], nodes: int) -> list[tuple[Set, ...]]:
    """Every choice of sets without a shared record that has the most sets."""
    best: list[tuple[Set, ...]] = [()]
    left = [nodes]

    def extend(place: int, used: frozenset[int], choice: tuple[Set, ...]) -> None:
        nonlocal best
        left[0] -= 1
        if left[0] < 0:
            raise _ExhaustedError
        if len(choice) + len(sets) - place < len(best[0]):
            return
        if place == len(sets):
            best = [*best, choice] if len(choice) == len(best[0]) and choice else [choice] if choice else best
            return
        if not used & set(sets[place]):
            extend(place + 1, used | set(sets[place]), (*choice, sets[place]))
        extend(place + 1, used, choice)

    extend(0, frozenset(), ())
    return [choice for choice in best if choice]
