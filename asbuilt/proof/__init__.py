"""Proof: what a stranger can check, and the bytes it is made of.

Pure: no clock, file, network or database. `docs/record-format.md` is the normative text. From below:

- `encoding`: base64 and JSON, read strictly.
- `merkle`, `note`, `checkpoint`, `tiles`: a transparency log as C2SP writes it.
- `leaf`: a fact as salted digests of its fields; `block`: a minute's facts among random ones.
- `keys`: who signs, the manifest of keys; `policy`: whom a verifier trusts.
- `statement`: for whom, for what, until when; `passport` and `claim`: what is handed out.
"""
