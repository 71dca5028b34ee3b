"""What leaves and enters as files: curves, reports on paper, reference pages."""
