"""The life of the process: what is started, watched and stopped."""
