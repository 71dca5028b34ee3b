"""What adapters share: protocols as they are on the wire, and the mapping of signals to facts.

Nothing here knows the record or the pages. `mqtt` is a client, `broker` its settings,
`expression` and `mapping` say which message is which fact.
"""
