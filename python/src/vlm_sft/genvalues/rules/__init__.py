"""What is wrong with values, and the sentences that say it."""
