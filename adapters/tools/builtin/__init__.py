"""The tools that come with Fermata, one file each."""
