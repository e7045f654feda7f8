"""What a team would write from the tutorials, to compare the service with. Not edited since its first commit."""
