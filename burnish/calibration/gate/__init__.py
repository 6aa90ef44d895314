"""Prove a quantised model's accuracy, or raise the fewest layers to f32 so that it has it."""
