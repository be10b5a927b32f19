"""How an association looks: the table of scores, with and without joining tracklets."""

from __future__ import annotations

from resight.tasks.tracklets.evaluation import Result
from resight.views.tables import Table, per_cent
from resight.words import counted

__all__ = ["tables"]


def tables(result: Result) -> list[Table]:
    """IDF1, IDP and IDR in per cent, beside those of tracklets that are not joined; none without identities."""
    if result.scores is None or result.unjoined is None:
        return []
    rows = [
        [name, *map(per_cent, (scores.f1, scores.precision, scores.recall))]
        for name, scores in (("associated", result.scores), ("each tracklet alone", result.unjoined))
    ]
    note = f"Over {counted(len(result.images), 'image')} of all cameras together."
    return [Table(["%", "IDF1", "IDP", "IDR"], rows, "Identities kept", note)]
