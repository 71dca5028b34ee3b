"""What adapters of any protocol share: rules that map signals to facts, their expressions, and recorded messages.

Nothing here knows a protocol, the record or the pages; a protocol lies beside its adapter in `asbuilt/adapters/`.
"""
