"""What can be proved, and what must be refused."""
