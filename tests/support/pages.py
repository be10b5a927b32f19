"""What stands in the reports that commands write."""

from __future__ import annotations

import html
import re
from pathlib import Path

__all__ = ["quoted"]


def quoted(page: Path) -> str:
    """The command that a report says it was made by."""
    found = re.search(r"<pre[^>]*>(.*?)</pre>", page.read_text(), re.DOTALL)
    assert found is not None
    return html.unescape(re.sub(r"<[^>]+>", "", found[1]))
