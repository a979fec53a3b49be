"""The embedded stack: everything `fermata dev` runs, in one terminal and one data directory."""
