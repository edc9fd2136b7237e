"""From the user's table to float32 rows, and back."""
