"""What networks cost and what they learned."""
