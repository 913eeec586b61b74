"""Who gets which partition: `assign`, its answer, and `verify`, which checks an answer against its input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparkeeper._needs import needs
from sparkeeper._sparkeeper import AssignmentProblem, Certificate
from sparkeeper.assign_inputs import Given, Placed, every_owner, named
from sparkeeper.columns import is_arrow
from sparkeeper.exceptions import ConfigError
from sparkeeper.names import Names
from sparkeeper.notebook import chart, html

if TYPE_CHECKING:
    from collections.abc import Hashable


class Assignment:
    """Who owns each partition, and what can be said about it; comparable and picklable.

    It speaks the Arrow PyCapsule interface: `pyarrow.table(a)` and `polars.DataFrame(a)` take it as it is.
    """

    def __init__(self, placed: Placed, inputs: dict[str, Any], certificate: Certificate) -> None:  # noqa: D107 - made by `assign`
        self._placed = placed
        self._inputs = inputs
        self._owners: dict[Hashable, Hashable] | None = None
        self.certificate = certificate
        """What was achieved, beside what is possible."""

    @property
    def owners(self) -> dict[Hashable, Hashable]:
        """The member of every partition."""
        if self._owners is None:
            self._owners = self._placed.owners()
        return self._owners

    @property
    def placed(self) -> Placed:
        """The owners as positions, which is how `assign` takes them as `current`."""
        return self._placed

    @property
    def loads(self) -> dict[Hashable, int]:
        """What every member owns: partitions, or their weight where they have weights."""
        return dict(zip(self._placed.members.plain(), self.certificate.loads, strict=True))

    @property
    def capacities(self) -> dict[Hashable, float]:
        """The relative size of every member, 1.0 unless given."""
        return dict(zip(self._placed.members.plain(), self._inputs["members"][1], strict=True))

    def partitions_of(self, member: Hashable) -> list[Hashable]:
        """The partitions that a member owns, in the order they were given."""
        return [partition for partition, owner in self.owners.items() if owner == member]

    def to_arrow(self) -> Any:  # noqa: ANN401 - PyArrow ships no types
        """A `pyarrow.Table` with the columns `partition`, `member` and `weight`, one row for each partition.

        Partitions that were given as an Arrow column of one chunk are that column, without a copy, and so are
        weights that were given as an Arrow column in the order of the partitions. Members are looked up: a copy.

        Raises:
            ConfigError: PyArrow is not installed, or no Arrow column holds the names as they are, such as 1 and "x"
                together.
        """
        pa = needs("Assignment.to_arrow", "pyarrow")
        positions = (
            self._placed.positions
            if is_arrow(self._placed.positions)
            else pa.array(self._placed.positions, pa.uint32())
        )
        weights = self._inputs.get("weights")
        if weights is None:
            weights = pa.repeat(pa.scalar(1, pa.int64()), len(self._placed.partitions))
        elif not is_arrow(weights):
            weights = pa.array(weights, pa.uint64())
        members = self._placed.members.arrow().take(positions)
        return pa.table({"partition": self._placed.partitions.arrow(), "member": members, "weight": weights})

    def to_pandas(self) -> Any:  # noqa: ANN401 - pandas is an extra
        """`to_arrow` as a `pandas.DataFrame`."""
        needs("Assignment.to_pandas", "pandas")
        return self.to_arrow().to_pandas()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hand `to_arrow` to whatever speaks the Arrow PyCapsule interface."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def verify(self, certificate: Certificate | None = None) -> None:
        """Work the certificate out again, from the input that was assigned.

        Args:
            certificate: The one to check, such as one that was stored; this assignment's own unless given.

        Raises:
            ConfigError: It does not belong to this assignment; the text names what differs.
        """
        problem = AssignmentProblem(**self._inputs)
        problem.verify(self.certificate if certificate is None else _certificate(certificate), self._placed.positions)

    def plot(self) -> Any:  # noqa: ANN401 - altair is optional
        """Draw what every member owns, and what it would in proportion to its capacity: an altair chart.

        Raises:
            ConfigError: altair is not installed; it comes with `sparkeeper[viz]`.
        """
        title = f"{len(self):,} partitions, {self.certificate.strategy}"
        return chart.balance(self.loads, self.capacities, title, "Assignment.plot()")

    def _repr_html_(self) -> str:
        return html.assignment(self)

    def __eq__(self, other: object) -> bool:
        """Whether the same partitions have the same owners, with the same certificate."""
        if not isinstance(other, Assignment):
            return NotImplemented
        return self.certificate == other.certificate and self.owners == other.owners

    __hash__ = None  # type: ignore[assignment] # as a dict

    def __len__(self) -> int:
        """How many partitions there are."""
        return len(self._placed.partitions)

    def __repr__(self) -> str:
        """Say what it is about, and how good it is."""
        c, placed = self.certificate, self._placed
        return (
            f"Assignment(strategy={c.strategy!r}, partitions={len(placed.partitions)}, "
            f"members={len(placed.members)}, max_load={c.max_load}, lower_bound={c.lower_bound}, "
            f"gap={c.gap:.2%}, moves={c.moves})"
        )


def assign(  # noqa: PLR0913, PLR0917 - an assignment depends on so many things
    members: object,
    partitions: object,
    strategy: str = "sticky",
    weights: object = None,
    current: object = None,
    capacity: object = None,
    eligible: object = None,
    priority: object = None,
    *,
    limit: object = None,
    zones: object = None,
    member_zones: object = None,
    member_priority: object = None,
) -> Assignment:
    """Choose a member for every partition, and prove how good the choice is.

    Balance comes first, then zones, then moves. Equal input gives equal output: ties go by position.

    The best balance, without `weights`: the `k`-th partition of a member with capacity `c` makes it `k / c` full. Of
    all such fills, one for every partition, the highest is as low as it can be, then the second highest, and so on:
    sorted from the highest down, they are compared lexicographically. Where all capacities are equal, everybody has the
    quotient, rounded up or down. With `weights` only the fullest member counts.

    Wherever there is something for each member or partition, it may be a mapping, a sequence in their order, an Arrow
    column or table of two columns, or a pandas Series. A Series is a mapping from its index to its values, as pandas
    aligns; only one with the default index, a `RangeIndex` from 0, is a sequence.

    - `sticky`: the best balance, then the fewest partitions out of their zone, then the fewest moves, all exact.
      With `weights`, as `weighted`.
    - `average`: the best balance from scratch, whoever owned what: `load_balance = tasks / executors`, up or down.
    - `range`: each member gets one run of neighbours.
    - `round_robin`: one partition each in turn.
    - `priority`: partitions with higher `priority` go first, each to the least loaded member of the highest
      `member_priority` that has room, so that high members fill up to their `limit` before low ones get anything.
      With one class of members it balances as `average` does.
    - `weighted`: owners stay while no member is more than 1 % above the lower bound; the fewest partitions that this
      takes are shed, and placed heaviest first, then by moves and swaps. Starting from scratch (LPT, MULTIFIT,
      Karmarkar and Karp) is taken only where it lowers the fullest member by 1 % of the bound or more.
    - `rendezvous`: highest random weight hashing. Nobody needs to know the current owners, a member that leaves moves
      only its own partitions, and the balance is that of a fair draw: the certificate states the gap.

    Args:
        members: The members' names, a sequence or any Arrow column, each once: text, numbers, dates, tuples of these,
            whatever is written alike in every process; no structs.
        partitions: The partitions' names, likewise.
        strategy: One of the above.
        weights: What each partition weighs, whole numbers or decimals without a fraction; a table has partitions and
            weights, each partition once, as `df.groupBy("k").count().toArrow()` has.
        current: Who owns what now: a mapping, a Series, an earlier `Assignment`, or an Arrow table with a column
            `partition` and a column `member`. Members that are not there any more are nobody.
        capacity: Relative sizes, 1.0 unless given: a member with 2.0 gets twice as much as one with 1.0. Not under
            `round_robin`.
        eligible: The members that a partition may go to, which must be there, as a list; all unless given.
        priority: Only under `priority`, the partitions' priorities: whole numbers, 0 unless given.
        limit: The most that a member may own: partitions, or weight where there are weights.
        zones: The zone that a partition would like to be in.
        member_zones: The zone that each member is in; only with `zones`.
        member_priority: Only under `priority`, the members' priorities.

    Returns:
        The owners, with a certificate.

    Raises:
        ConfigError: Something is missing, there twice, negative, of the wrong kind or without effect, or the limits
            and `eligible` leave no way; the text says what was tried and what to do.
    """
    given = Given(
        strategy=strategy,
        weights=weights,
        current=_placed(current),
        capacity=capacity,
        eligible=eligible,
        priority=priority,
        limit=limit,
        zones=zones,
        member_zones=member_zones,
        member_priority=member_priority,
    )
    who, what = Names(members, "member"), Names(partitions, "partition")
    inputs = given.columns(who, what)
    try:
        owners, certificate = AssignmentProblem(**inputs).solve(what.column is not None)
    except ConfigError as error:
        raise ConfigError(named(str(error), who, what)) from None
    return Assignment(Placed(who, what, owners), inputs, certificate)


def verify(certificate: Certificate, owners: object, members: object, partitions: object, **given: object) -> None:
    """Check a certificate and owners, from wherever they come, against the input: everything is worked out again.

    Args:
        certificate: What is claimed.
        owners: One known member for every partition, in any form that `assign` takes as `current`.
        members: As `assign` was given them.
        partitions: As `assign` was given them.
        **given: The other arguments of `assign`, as they were.

    Raises:
        ConfigError: It is no certificate, or does not belong to these owners and this input, or the owners name an
            unknown partition or member, or none for a partition; the text names what differs.
    """
    who, what = Names(members, "member"), Names(partitions, "partition")
    given["current"] = _placed(given.get("current"))
    certificate = _certificate(certificate)
    if (strategy := given.setdefault("strategy", certificate.strategy)) != certificate.strategy:
        raise ConfigError(f'the certificate is of the strategy "{certificate.strategy}", and {strategy=} is given')
    try:
        inputs = Given(**given).columns(who, what)
    except TypeError as error:
        raise ConfigError(f"{error}: give the arguments of `assign`") from error
    try:
        AssignmentProblem(**inputs).verify(certificate, every_owner(_placed(owners), who, what))
    except ConfigError as error:
        raise ConfigError(named(str(error), who, what)) from None


def _certificate(given: object) -> Certificate:
    if not isinstance(given, Certificate):
        raise ConfigError(f"expected a Certificate, found {given!r}: read one that is JSON with Certificate.from_json")
    return given


def _placed(current: object) -> object:
    return current.placed if isinstance(current, Assignment) else current
