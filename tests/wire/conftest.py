"""A real PostgreSQL for this room's tests."""

from postgres import database_url, postgres_server

__all__ = ["database_url", "postgres_server"]
