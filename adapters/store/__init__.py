"""The store: PostgreSQL behind the journal, the ledger and the read models."""
