"""Many documents into one results file: where they come from, who works when, what it costs."""
