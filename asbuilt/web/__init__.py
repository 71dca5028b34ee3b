"""Web pages and the HTTP API on Litestar; no page touches rows, all go through queries."""
