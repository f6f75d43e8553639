"""Rows of any dataset -> Conversation or Drop; knows no ms-swift."""
