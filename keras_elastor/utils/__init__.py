"""What every room may use: files, saving, types, optional packages."""
