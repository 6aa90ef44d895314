"""What requests carry: types, shapes, values."""
