"""Sealing: facts of the record into blocks of the log, and files of proof out of it.

`store` keeps what must stay secret (which fact lies where), `keyring` the keys, `logfiles` what may be public;
`sealer` closes blocks, `audit` recomputes everything, `issue` makes passports and `claims` makes claims.
"""
