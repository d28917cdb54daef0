"""The sandbox venue: a process of its own that speaks the Alpaca wire and misbehaves on request."""
