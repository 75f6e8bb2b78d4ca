"""What a developer of this provider runs; nothing of it is shipped."""
