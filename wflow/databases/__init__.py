"""D1 databases: a SQLite file each, with its own threads, limits and history; open them by `Databases`."""

from wflow.databases.databases import Databases

__all__ = ["Databases"]
