"""What facts mean, owned once: rows that several pages need, and the typed questions that read them.

Each folder has a `fold.py` (see `asbuilt.rows`) and modules of questions `(reader, …) → answer`; pages and views ask
those and nothing else. Discovery finds a folder; nothing is listed anywhere.
"""
