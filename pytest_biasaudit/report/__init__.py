"""What people read: rows, and the table, pictures and page drawn from them."""
