"""Pictures of what this room measures; each gives back a Figure."""
