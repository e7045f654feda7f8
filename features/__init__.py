"""What training and serving must agree on."""
