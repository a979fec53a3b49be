"""The order: which step follows which. Performs and records; decides nothing."""
