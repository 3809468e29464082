"""Commands of the firmware bridge."""
