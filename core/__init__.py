"""What two folders share and none owns: errors, clock, YAML files with positions. Kept tiny."""
