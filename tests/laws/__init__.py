"""Laws of the whole product on random plants: what several can answer they answer alike, whoever asks and over whichever window."""
