"""The tables that the sources published, run again row by row."""

from resight.reproduce.runner import Row, Table, load_table, reproduce, tables

__all__ = ["Row", "Table", "load_table", "reproduce", "tables"]
