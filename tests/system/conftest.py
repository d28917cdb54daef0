"""A real server for this room's tests; most of them let the house bring its own."""

from postgres import database_url, empty_database_url, postgres_server

__all__ = ["database_url", "empty_database_url", "postgres_server"]
