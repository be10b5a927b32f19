"""Published tables, run again row by row."""

from resight.reproduce.budget import shorter
from resight.reproduce.comparison import Comparison
from resight.reproduce.planning import plan
from resight.reproduce.runner import reproduce
from resight.reproduce.table import Row, Table, load_table, tables

__all__ = ["Comparison", "Row", "Table", "load_table", "plan", "reproduce", "shorter", "tables"]
