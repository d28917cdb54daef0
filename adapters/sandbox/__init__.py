"""The sandbox venue: a process of its own that speaks the Alpaca wire and misbehaves on request.

Pure and deterministic, the venue itself (a simulation host may use it as it is):
    orders, book, market (matching), tape (trades and bars), accounts, ledger, entry (refusals),
    lifecycle, commands (what may happen), events (what it says), venue (the fold), truth, prices
Around it, the process:
    host (fold, write down, tell), clock, pace, storage (the journal of commands), faults
    guard, alpaca_http, alpaca_bars, alpaca_streams, outlet (the wire; its shapes: alpaca_wire,
    alpaca_requests), control (the control port), settings, opening, server (the command)
"""
