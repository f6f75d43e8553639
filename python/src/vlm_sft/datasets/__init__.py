"""Rows of any dataset -> Conversation or Drop. Independent of ms-swift."""
