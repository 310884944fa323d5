"""One-to-one assignment of two legs: as many as possible, precise before tolerant, then the least difference.

The order of the goals: exact pairs, pairs, least sum of differences, least sum of days apart. Integers only, so
that two costs are equal or they are not; the order of records does not depend on when they came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

Edge = tuple[int, int]


@dataclass(frozen=True, order=True)
class Cost:
    """What one pair costs: `inexact` is 0 or 1, `difference` in smallest units of money, `days` apart."""

    inexact: int
    difference: int
    days: int


@dataclass(frozen=True)
class Pair:
    """A pair of the best assignment. `margin`: how much more the next best assignment differs, in smallest units;
    None when without this pair fewer would match. `rivals`: pairs of another assignment that is as good.
    """

    left: int
    right: int
    margin: int | None
    rivals: tuple[Edge, ...] = ()


def assign(
    edges: Mapping[Edge, Cost], left_twins: Sequence[int], right_twins: Sequence[int], most: int
) -> tuple[list[Pair], list[Edge]]:
    """The best pairs among allowed `edges`, and the edges of parts with more than `most` records on a side.

    Records with the same number in `left_twins` or `right_twins` are interchangeable.
    """
    pairs: list[Pair] = []
    too_large: list[Edge] = []
    for part in components(edges):
        lefts, rights = sorted({a for a, _ in part}), sorted({b for _, b in part})
        if max(len(lefts), len(rights)) > most:
            too_large += part
        else:
            pairs += _part({edge: edges[edge] for edge in part}, left_twins, right_twins)
    return sorted(pairs, key=lambda pair: (pair.left, pair.right)), sorted(too_large)


def in_order(bands: Sequence[tuple[int, int]], cost: Callable[[int, int], int]) -> list[Edge]:
    """The most pairs of records that are all alike, and of those with the least sum of `cost`, which grows with the distance.

    Both sides are in order of day; `bands` say, for each on the left, from which up to which on the right it may have, neither
    of them ever falling. Pairs that cross are then never better than the same ones uncrossed, so few steps find the best.
    """
    # Of the lefts so far with the first rights: more pairs outweigh all cost.
    best, reached = [0] * (max((end for _, end in bands), default=0) + 1), 0
    pair = 1 + sum(
        max(cost(left, start), cost(left, end - 1)) for left, (start, end) in enumerate(bands) if start < end
    )
    steps: list[list[int]] = []
    for left, (start, end) in enumerate(bands):
        best[reached + 1 : end + 1] = [best[reached]] * (end - reached)
        reached, above, row = end, best[start], []
        for place in range(start + 1, end + 1):
            together = above + pair - cost(left, place - 1)
            above = best[place]
            best[place] = max(together, best[place], best[place - 1])
            row.append(1 if best[place] == above else 2 if best[place] == best[place - 1] else 0)
        steps.append(row)
    pairs, place = [], reached
    for left in reversed(range(len(bands))):
        start, end = bands[left]
        place = min(place, end)
        while place > start and steps[left][place - start - 1] == 2:
            place -= 1
        if place > start and steps[left][place - start - 1] == 0:
            place -= 1
            pairs.append((left, place))
    return pairs[::-1]


def components(edges: Iterable[Edge]) -> list[list[Edge]]:
    """Edges that hang together, part by part."""
    parent: dict[tuple[str, int], tuple[str, int]] = {}

    def root(node: tuple[str, int]) -> tuple[str, int]:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    ordered = sorted(edges)
    for a, b in ordered:
        parent[root(("l", a))] = root(("r", b))
    parts: dict[tuple[str, int], list[Edge]] = {}
    for a, b in ordered:
        parts.setdefault(root(("l", a)), []).append((a, b))
    return list(parts.values())


def _part(edges: Mapping[Edge, Cost], left_twins: Sequence[int], right_twins: Sequence[int]) -> list[Pair]:
    if len(edges) == 1:
        return [Pair(*next(iter(edges)), None)]

    def kind(edge: Edge) -> Edge:
        return left_twins[edge[0]], right_twins[edge[1]]

    weights = _Weights(edges)
    best = weights.solve(edges)
    found = []
    for one in sorted({kind(edge) for edge in best}):
        alike = frozenset(edge for edge in edges if kind(edge) == one)
        # As good, with as few of these as can be: fewer than in the best one means that nothing decides.
        other = weights.solve(edges, avoid=alike)
        tied = len(alike & set(other)) < len(alike & set(best))
        without = weights.solve({edge: cost for edge, cost in edges.items() if edge not in alike})
        margin = 0 if tied else weights.margin(best, without)
        rivals = tuple(sorted(set(other) - set(best))) if tied else ()
        found += [Pair(a, b, margin, rivals) for a, b in best if (a, b) in alike]
    return found


class _Weights:
    """The four goals as one integer: each outweighs all that could be gained in those after it."""

    def __init__(self, edges: Mapping[Edge, Cost]) -> None:
        self._edges = edges
        size = len(edges) + 1
        # Of assignments that are equally good the one with the earlier records is shown.
        self._avoided = size * (max(a + b for a, b in edges) + 1)
        self._day = self._avoided * size
        self._unit = self._day * (max(cost.days for cost in edges.values()) * size + 1)
        self._pair = self._unit * (max(cost.difference for cost in edges.values()) * size + 1)
        self._exact = self._pair * size

    def margin(self, best: Sequence[Edge], other: Sequence[Edge]) -> int | None:
        """How much more `other` differs in money; None when it is worse in more than that."""
        if self._count(best) != self._count(other):
            return None
        return sum(self._edges[e].difference for e in other) - sum(self._edges[e].difference for e in best)

    def solve(self, edges: Mapping[Edge, Cost], avoid: frozenset[Edge] = frozenset()) -> list[Edge]:
        """The cheapest set of pairs; of those that cost the same, one with the fewest of `avoid`."""
        lefts, rights = sorted({a for a, _ in edges}), sorted({b for _, b in edges})
        if not lefts:
            return []
        # Beyond the real ones, each left record has a place of its own where it stays alone, for nothing.
        forbidden = self._exact * (len(lefts) + len(rights) + 2) + 1

        def weight(edge: Edge) -> int:
            return self._of(edges[edge]) + sum(edge) + (self._avoided if edge in avoid else 0)

        matrix = [
            [weight((a, b)) if (a, b) in edges else forbidden for b in rights]
            + [0 if place == row else forbidden for place in range(len(lefts))]
            for row, a in enumerate(lefts)
        ]
        return [
            (lefts[row], rights[column])
            for row, column in enumerate(hungarian(matrix))
            if column < len(rights)
        ]

    def _count(self, pairs: Sequence[Edge]) -> tuple[int, int]:
        return len(pairs), sum(self._edges[edge].inexact for edge in pairs)

    def _of(self, cost: Cost) -> int:
        """Negative: a pair is a gain over leaving both alone."""
        gain = self._pair + (0 if cost.inexact else self._exact)
        return -gain + cost.difference * self._unit + cost.days * self._day


def hungarian(costs: Sequence[Sequence[int]]) -> list[int]:
    """The column of each row in a cheapest assignment; there are at least as many columns as rows.

    Kuhn's method with potentials, O(rows² columns), as described by E. Lawler, Combinatorial Optimization (1976).
    """
    rows, columns = len(costs), len(costs[0])
    row_price, column_price = [0] * (rows + 1), [0] * (columns + 1)
    taken_by = [0] * (columns + 1)
    for row in range(1, rows + 1):
        taken_by[0] = row
        column = 0
        least: list[int | None] = [None] * (columns + 1)
        before = [0] * (columns + 1)
        done = [False] * (columns + 1)
        while True:
            done[column] = True
            here, step, following = taken_by[column], None, 0
            for j in range(1, columns + 1):
                if done[j]:
                    continue
                slack = costs[here - 1][j - 1] - row_price[here] - column_price[j]
                known = least[j]
                if known is None or slack < known:
                    least[j], before[j] = slack, column
                    known = slack
                if step is None or known < step:
                    step, following = known, j
            assert step is not None  # noqa: S101 - there are enough columns
            for j in range(columns + 1):
                if done[j]:
                    row_price[taken_by[j]] += step
                    column_price[j] -= step
                elif j and least[j] is not None:
                    least[j] -= step  # type: ignore[operator]
            column = following
            if taken_by[column] == 0:
                break
        while column:
            taken_by[column] = taken_by[before[column]]
            column = before[column]
    result = [0] * rows
    for column in range(1, columns + 1):
        if taken_by[column]:
            result[taken_by[column] - 1] = column - 1
    return result
