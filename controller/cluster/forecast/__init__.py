"""Answers that change nothing: admission, forecasts, headroom, previews of moves, replay of a saved snapshot."""
