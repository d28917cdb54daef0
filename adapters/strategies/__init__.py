"""Where strategies come from and where they live: loading, inline, host processes."""
